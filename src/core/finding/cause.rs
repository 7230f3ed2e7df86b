//! What is wrong, as data: one variant for each statement. `rolecall-message` writes the sentences.
#![expect(missing_docs, reason = "the sentences of `rolecall-message` say what each variant means")]

use rolecall_iam::RoleArnFault;

use super::configuration::ConfigurationCause;
use super::credentials::CredentialsCause;
use super::ecs::{EcsCause, EcsRefusal};
use super::injection::{InjectionCause, NotInjected, Preset};
use crate::custom::Controller;
use crate::ecs::RoleField;
use crate::fix::{
    AccountName, FirstValues, List, RolePlace, SnapshotPart, Text, UndocumentedPrincipal, UnresolvedValue,
};
use crate::permission::RulingDoubt;

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// A service account cannot assume a role.
    CannotAssume {
        account: AccountName,
        role: RoleRef,
        why: CannotAssume,
    },
    /// Whether it can is not known.
    CannotTell {
        account: AccountName,
        role: RoleRef,
        why: CannotTell,
    },
    Role(RoleCause),
    /// Policies of AWS Organizations keep a service account from assuming a role.
    Organization {
        account: AccountName,
        role: Text,
        why: OrganizationCause,
    },
    /// A role, and the one that is assumed with its credentials.
    Target {
        account: AccountName,
        first: Text,
        target: Text,
        /// It is the target role of an association; else a controller assumes it.
        is_of_association: bool,
        why: TargetCause,
    },
    Credentials(CredentialsCause),
    Injection(InjectionCause),
    Permission(PermissionCause),
    Configuration(ConfigurationCause),
    Cluster(ClusterCause),
    /// An identity that a custom resource names.
    Reference {
        controller: Controller,
        why: ReferenceCause,
    },
    Ecs(EcsCause),
    /// A result depends on a value that the manifest does not contain yet.
    Unresolved {
        value: UnresolvedValue,
        affected: Affected,
    },
}

/// A role, as a sentence names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleRef {
    Named(Text),
    /// That of the service account: its ARN is not known.
    Own,
    OfAssociation,
    TargetOfAssociation,
    /// That of a field of a task definition.
    OfTask(RoleField, Text),
}

impl RoleRef {
    pub(crate) fn named(name: &str) -> Self {
        Self::Named(name.into())
    }
}

/// Why a service account cannot assume a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CannotAssume {
    AssociationOfOtherAccount,
    Partition,
    NoSuchRole {
        account: Text,
    },
    OtherPath,
    NoProvider {
        account: Text,
    },
    ProviderAudience,
    TrustDenies,
    TrustAllowsOtherAction,
    TrustSubject,
    TrustAudience,
    TrustWildcard {
        operator: Text,
    },
    TrustProvider,
    TrustIssuer,
    /// A condition on a key that no token carries.
    TrustKeyUnknown,
    /// A condition on a key that this token does not carry.
    TrustKeyNotCarried,
    TrustKeyMismatch {
        key: Text,
    },
    TrustService,
    TrustServiceAction {
        action: Text,
    },
    TrustKeyNotMetByEks {
        key: Text,
    },
    TrustTags {
        key: Text,
    },
    Preset(Preset),
    NotInjected(NotInjected),
    Ecs(EcsRefusal),
}

/// Why it is not known whether a service account can assume a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CannotTell {
    NotCollected(SnapshotPart),
    Unreadable(UnreadableEntry),
    Trust(TrustDoubt),
    /// AWS does not document what `Principal: "*"` does for a web identity.
    Everyone,
    TokenAudience,
}

/// An entry of a snapshot that is malformed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnreadableEntry {
    TrustPolicy,
    Role { account: Text },
    Provider { account: Text },
    Association,
}

/// What an undecided trust policy depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustDoubt {
    Undocumented(UndocumentedPrincipal),
    /// The values of condition keys.
    Keys(FirstValues),
    /// It depends on values that only the request has.
    Request,
}

/// What else concerns a role and who can assume it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleCause {
    Malformed {
        account: AccountName,
        place: RolePlace,
        fault: RoleArnFault,
    },
    /// It cannot be assumed, or does not exist; the requester may not know which. `is_certain`: whichever it is, it denies.
    NotAssumable {
        account: AccountName,
        role: RoleRef,
        is_certain: bool,
    },
    CaseDiffers {
        account: AccountName,
        role: Text,
    },
    Unfinished {
        account: AccountName,
        role: Text,
    },
    UnknownOfAssociation {
        account: AccountName,
        association: Text,
    },
    PodIdentityUndecided {
        account: AccountName,
        role: Text,
        action: Text,
        doubt: TrustDoubt,
    },
    /// Any service account of the cluster can assume it.
    Open {
        role: Text,
    },
    NamesEveryone {
        role: Text,
    },
    /// The requester may not know which others it trusts.
    TrustsMore {
        account: AccountName,
        role: Text,
    },
    /// It depends on a token that cannot be seen.
    ForeignToken {
        account: AccountName,
        role: Text,
    },
}

/// How policies of AWS Organizations bear on a call that assumes a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrganizationCause {
    /// One policy denies.
    PolicyDenies {
        owner: Text,
        action: Text,
        is_certain: bool,
    },
    /// Several together deny.
    PoliciesDeny {
        owner: Text,
        action: Text,
        is_certain: bool,
    },
    DependsOn {
        action: Text,
        keys: FirstValues,
    },
    Unreadable {
        policy: Text,
        owner: Text,
    },
}

/// Why the role of an association cannot assume its target role, or may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetCause {
    TrustUndecided(TrustDoubt),
    PoliciesUndecided { action: Text, doubt: RulingDoubt },
    Trust { action: Text },
    Policies { action: Text },
}

/// What an identity may not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PermissionCause {
    TooManyNeeds {
        account: AccountName,
        checked: usize,
    },
    TooManyRoles {
        account: AccountName,
    },
    NotAnAction {
        account: AccountName,
        action: Text,
    },
    PoliciesTooLarge {
        account: AccountName,
        roles: List,
    },
    Denied {
        account: AccountName,
        role: Text,
        action: Text,
        resource: Option<Text>,
        is_certain: bool,
    },
    NodeRoleAllows {
        account: AccountName,
        role: Text,
    },
    /// The requester may not know what the role lacks.
    MayNotAllow {
        account: AccountName,
        role: Text,
    },
    /// The requester may not know what the node role allows.
    NeedsOwnRole {
        account: AccountName,
    },
}

/// What is wrong with a cluster as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterCause {
    OrphanedAssociation { account: AccountName, role: Option<Text> },
    AgentInstalledButNotRunning { associations: usize },
    AgentNotRunning { associations: usize },
    AgentNotReady { associations: usize },
    InjectorMissing { accounts: usize },
    NodeRoleWithoutAgent { role: Text },
}

/// Why a controller gets no credentials for a custom resource, or why it is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReferenceCause {
    /// The service account has no role annotation; an association is not used for tokens.
    NoAnnotation {
        account: AccountName,
        has_association: bool,
    },
    AccountMissing {
        account: AccountName,
    },
    /// A field is absent that the controller requires.
    Without {
        path: Text,
    },
    /// The controller accepts one of these two fields.
    Both {
        paths: [Text; 2],
    },
    /// Whoever uses the object, or a setting of the controller, decides.
    NamespaceUnknown {
        path: Text,
        account: Text,
    },
    AccountUnknown {
        account: AccountName,
    },
    /// The controller assumes the role with an identity of its own.
    OwnIdentity {
        role: Text,
    },
    TooMany {
        checked: usize,
    },
}

/// What depends on an unresolved value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Affected {
    /// A finding; its cause with the value as it is written.
    Finding(Box<Cause>),
    /// Which identity a container gets.
    ContainerIdentity,
    /// Whether the role can be assumed.
    Role,
}

impl Cause {
    /// Whether it names this unresolved value.
    pub fn depends_on(&self, value: &UnresolvedValue) -> bool {
        match self {
            Self::Unresolved { value: own, affected } => {
                own == value || matches!(affected, Affected::Finding(cause) if cause.depends_on(value))
            }
            _ => false,
        }
    }
}

from_parts!(
    RoleCause => Cause::Role,
    CredentialsCause => Cause::Credentials,
    InjectionCause => Cause::Injection,
    PermissionCause => Cause::Permission,
    ConfigurationCause => Cause::Configuration,
    ClusterCause => Cause::Cluster,
    EcsCause => Cause::Ecs,
);
