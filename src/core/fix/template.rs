//! Changes of a pod template.

use super::{MetadataOf, Text};

/// A change of the pod template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateChange {
    /// Remove the variables of a web identity.
    RemoveWebIdentity,
    /// Remove the variables and volumes of credentials: the injector adds the whole set.
    RemoveCredentials,
    /// Remove static keys.
    RemoveKeys,
    /// Set `AWS_ROLE_ARN`, or remove it.
    SetRole {
        /// The role's ARN.
        arn: Text,
    },
    /// Remove a variable.
    RemoveVariable {
        /// Its name.
        name: Text,
    },
    /// Set a variable.
    SetVariable {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: Text,
    },
    /// Remove a label.
    RemoveLabel {
        /// Its key.
        key: Text,
    },
    /// Set an annotation.
    SetAnnotation {
        /// Its key.
        key: Text,
        /// Its value.
        value: Text,
    },
    /// Remove an annotation.
    RemoveAnnotation {
        /// Its key.
        key: Text,
        /// What has it.
        place: MetadataOf,
    },
    /// Take containers out of the annotation that keeps the injector from them.
    InjectContainers {
        /// The annotation's key.
        key: Text,
        /// The container; absent where several need AWS.
        container: Option<Text>,
    },
    /// Mount a volume elsewhere.
    MoveMount {
        /// The volume.
        volume: Text,
        /// Where the injector mounts the token.
        path: Text,
    },
    /// Set the lifetime of a volume's token.
    SetExpiration {
        /// The volume.
        volume: Text,
        /// Seconds.
        seconds: u32,
    },
    /// Select nodes by their operating system.
    SelectWindows,
}
