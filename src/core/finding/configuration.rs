//! What is wrong with annotations, labels and service accounts, as data.
#![expect(missing_docs, reason = "the sentences of `rolecall-message` say what each variant means")]

use crate::fix::{AccountName, HolderName, MetadataOf, Text};

/// What is wrong with what people wrote in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigurationCause {
    Misspelled {
        account: AccountName,
        key: Text,
    },
    /// An annotation for kiam or kube2iam.
    Legacy {
        account: AccountName,
        key: Text,
    },
    /// Annotation and association name different roles.
    Ambiguous {
        account: AccountName,
    },
    /// The role annotation is where the injector does not look.
    Misplaced {
        account: AccountName,
        key: Text,
        place: MetadataOf,
    },
    AccountMissing {
        account: AccountName,
    },
    /// A label or annotation for rolecall has no effect.
    OwnName {
        kind: NameKind,
        key: Text,
        holder: HolderName,
        fault: OwnNameFault,
    },
    ExemptionEndsSoon {
        holder: HolderName,
        until: Text,
    },
    ExemptionEnded {
        holder: HolderName,
        until: Text,
    },
    ExemptionUnreadable {
        holder: HolderName,
    },
}

/// What a name is the key of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    Annotation,
    Label,
}

/// Why a label or annotation for rolecall has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnNameFault {
    /// Of `allow-node-role`.
    OnlyTrueCounts,
    /// Of `identity`.
    OnlyRequiredCounts,
    NoSuchRule(Text),
    LabelNotAnnotation,
    AnnotationNotLabel,
    NoSuchAnnotation,
    NoSuchLabel,
    /// Of `enforce-on`.
    NeitherPodsNorWorkloads,
    /// Of `on-outage`.
    OnlyDenyOrAllowCounts,
    NotALevel,
    OnNamespacesOnly,
}
