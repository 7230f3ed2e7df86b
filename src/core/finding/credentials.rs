//! Which credentials a container gets, as data.
#![expect(missing_docs, reason = "the sentences of `rolecall-message` say what each variant means")]

use crate::fix::{AccountName, Text};
use crate::identity::Mechanism;

/// What is wrong with the credentials of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialsCause {
    StaticKeys {
        account: AccountName,
    },
    StaticKeysPossible {
        account: AccountName,
    },
    /// The container sets its own role.
    OwnRole {
        account: AccountName,
    },
    /// A variable names the role that the container has already.
    AssumesItself {
        account: AccountName,
        role: Text,
        variable: Text,
    },
    AssociationNotUsed {
        account: AccountName,
    },
    Unsupported {
        account: AccountName,
        platform: Platform,
    },
    ThroughProxy {
        account: AccountName,
    },
    NoAssociation {
        account: AccountName,
    },
    AgentNotInstalled {
        account: AccountName,
    },
    AgentUnknown {
        account: AccountName,
    },
    Undecided(IdentityDoubt),
    TooManyRoles {
        account: AccountName,
    },
    /// Running pods keep the identity with which they were created.
    PodsKeepIdentity {
        account: AccountName,
    },
    /// The same: they are older than the identity.
    PodsOlderThan {
        account: AccountName,
        mechanism: Mechanism,
    },
    Fallback {
        account: AccountName,
        why: FallbackCause,
        to: Fallback,
    },
    /// Roles name the service account, and nothing gives one of them to its pods.
    NotConnected {
        account: AccountName,
        roles: NamingRoles,
        to: Fallback,
    },
}

/// Roles that name a service account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamingRoles {
    One {
        role: Text,
        /// Its tags do, not its trust policy.
        by_tags: bool,
        missing: MissingStep,
    },
    Several(usize),
}

/// What gives a role to the pods of a service account that the role trusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingStep {
    /// The role annotation of the service account.
    Annotation,
    /// A Pod Identity association.
    Association,
}

/// Where a pod runs without the Pod Identity agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Platform {
    FargateProfile(Text),
    /// Its scheduler is `fargate-scheduler`.
    FargateScheduler,
    Windows,
}

/// Why it is not known which identity a container gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityDoubt {
    OtherCredentialsUri,
    OtherSts(EndpointRef),
    RoleReference,
    WindowsPathOnLinux,
    LinuxPathOnWindows,
    AgentToken(AgentTokenDoubt),
}

/// Why the token for the Pod Identity agent cannot be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentTokenDoubt {
    TokenOfItsOwn,
    FileReference,
    Unseen { file: Text },
}

/// Why it cannot be seen whose a web identity token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenDoubt {
    FileReference,
    InVolume { file: Text, volume: Text },
    NotMounted { file: Text },
}

/// An endpoint that is not one of AWS's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointRef {
    Address(Text),
    /// Its address is not in the manifest.
    Unknown,
}

/// Why the pods of a service account have no identity of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FallbackCause {
    /// One is required, and none is configured.
    RequiredNotConfigured,
    /// One is required, and injection is skipped.
    RequiredSkipped,
    /// They need AWS, and injection is skipped.
    Skipped,
    /// They need AWS, and none is configured.
    NotConfigured,
    /// The level expects one for every workload.
    NoIdentity,
}

/// What pods use instead of an identity of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fallback {
    NodeRole(Option<Text>),
    NoMetadata(NoMetadata),
    /// `AWS_EC2_METADATA_DISABLED` is true.
    MetadataDisabled,
}

/// Why a pod does not reach instance metadata (IMDS).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoMetadata {
    Fargate,
    HybridNode,
    /// IMDSv2 with a hop limit of 1: no answer reaches a pod with a network of its own.
    HopLimit,
}

/// A source that may bring static keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// An object that may be absent.
    OptionalObject,
    /// One of the two variables without the other.
    Half(&'static str),
    /// A variable.
    Variable(&'static str),
    JavaProperty {
        property: Text,
        variable: Text,
    },
    VolumeAt(Text),
    EnvFrom {
        kind: &'static str,
        name: Text,
        may_be_absent: bool,
    },
}

/// How static keys are set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StaticKeys {
    /// They are those of another store.
    ForStore(EndpointRef),
    ClearText,
    Reference,
}
