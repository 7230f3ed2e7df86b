//! What only a person can do.

use super::{AccountName, HolderName, PoliciesOf, PolicyStatement, RoleName, Text};

/// Advice for a person, where no operation fixes a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advice {
    /// Use fewer roles in one object, or shorten their trust policies.
    FewerRolesInObject,
    /// Use fewer roles in one pod, or declare no needs for it.
    FewerRolesInPod,
    /// Use a service account of its own in place of `default`.
    OwnServiceAccount,
    /// Read the audience of the token in a pod, or leave it to the injector.
    ReadAudience,
    /// Let the injector set the variables, or split the pod.
    LetInjectorOrSplit,
    /// No change where it is intended, otherwise let the injector set the variables.
    LetInjectorUnlessIntended,
    /// No change where the role trusts the token's issuer, otherwise remove the variables.
    RemoveWebIdentityUnlessTrusted,
    /// Remove `rolecall.dev/identity`.
    RemoveIdentityAnnotation(HolderName),
    /// Change `requireIdentity` in the configuration.
    ChangeRequireIdentity,
    /// Set an end to an exemption.
    SetEnd(HolderName),
    /// Fix what an exemption hides.
    FixWhatIsHidden,
    /// Remove an exemption.
    RemoveExemption,
    /// Name actions by patterns.
    UsePatterns,
    /// Declare fewer needs, or the resource of each.
    DeclareFewerNeeds,
    /// Narrow a statement, or remove the declared need.
    NarrowOrRemoveNeed(PolicyStatement),
    /// Remove a permission from a node role.
    RemoveFromNodeRole(Text),
    /// Start an ephemeral container without variables, or mount the token.
    StartWithoutVariables,
    /// Make sure that a source brings no keys, then exempt its finding by this rule.
    CheckForKeys(&'static str),
    /// Correct or remove a label or annotation for rolecall.
    CorrectOwnName,
    /// Allow all service accounts whose names differ in a generated end only.
    AllowGenerated {
        /// One of them.
        account: AccountName,
        /// The key of the condition.
        key: Text,
        /// The name without its generated end.
        stem: Text,
    },
    /// Have an association send session tags: without them a statement for it is for other associations of the role too.
    SendSessionTags {
        /// Whose association it is.
        account: AccountName,
        /// The role.
        role: RoleName,
    },
    /// Write this ARN in the field of a custom resource that names the role.
    SetRoleField(Text),
    /// Set a field of a custom resource, by its path.
    SetField(Text),
    /// Remove one of two fields of a custom resource, by their paths.
    RemoveOneOf([Text; 2]),
    /// Look at the identity of a controller's own pods.
    CheckController(Text),
    /// Look at what a controller writes into the status of an object, or allow the call without the condition that is undecided.
    SeeStatus {
        /// The role.
        role: RoleName,
        /// The policies that have the condition.
        policies: PoliciesOf,
    },
    /// Name the namespace, or look where the controller takes it from.
    NameNamespace,
    /// Give `check` the manifest of a service account, or scan the cluster.
    ReadAccount(AccountName),
    /// Name one audience in a custom resource.
    OneAudience,
    /// Name fewer identities in one object.
    FewerIdentities,
    /// Give an unresolved value.
    Complete(UnresolvedValue),
}

/// A value that a manifest does not contain before it is rendered or applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnresolvedValue {
    /// A value holds a placeholder.
    Placeholder {
        /// Where the value is.
        place: PlaceholderIn,
        /// The placeholder.
        text: Text,
    },
    /// A service account names no namespace.
    AccountNamespace(Text),
    /// No namespace is named, and this one is assumed.
    Namespace(Text),
}

/// Where a placeholder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaceholderIn {
    /// A field or an annotation, by its path or key.
    Field(Text),
    /// The name of the service account.
    AccountName,
    /// The name of a variable.
    VariableName,
    /// The value of a variable.
    Variable(Text),
    /// A label that a Fargate profile selects by.
    Label,
}
