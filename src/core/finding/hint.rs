//! What may be behind a problem, as data.
#![expect(missing_docs, reason = "the texts of `rolecall-message` say what each variant means")]

use super::ecs::OtherTrust;
use super::evidence::RequiredBy;
use crate::fix::{AccountName, Text};
use crate::level::Level;
use crate::permission::UnlistedKey;

/// What may be behind a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// A likely typo.
    Typo(Typo),
    /// Something else to know.
    Remark(Remark),
}

impl Hint {
    /// A likely typo, rather than something else to know.
    pub fn is_typo(&self) -> bool {
        matches!(self, Self::Typo(_))
    }
}

from_parts!(Typo => Hint::Typo, Remark => Hint::Remark);

/// A likely typo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typo {
    Role {
        written: Text,
        meant: Text,
    },
    // The key of a condition.
    KeyIsArn,
    KeyHasScheme,
    KeyHasSlash,
    KeyWithoutClaim {
        claim: &'static str,
    },
    Issuer(IssuerDifference),
    // The principal of a trust policy.
    ProviderIsAddress,
    ProviderSpelling,
    ProviderOfAccount {
        account: Text,
        own: Text,
    },
    // The subject of a token.
    SubjectHasBlank,
    SubjectHasHidden,
    SubjectCase,
    SubjectIsAudience,
    AudienceIsSubject,
    SubjectForm,
    SubjectSwapped,
    Subject(SubjectDifference),
    // Labels and annotations for rolecall.
    Value {
        should_be: Text,
    },
    /// The same in code quotes, of a label.
    LabelValue {
        should_be: OnOutageOrLevel,
    },
    Rule {
        written: Text,
        meant: &'static str,
    },
    OwnName {
        written: Text,
        meant: &'static str,
    },
}

/// A value of a label of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnOutageOrLevel {
    /// Of `on-outage`.
    Deny,
    Level(Level),
}

/// How an issuer differs from the cluster's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IssuerDifference {
    Case,
    Transposed,
    Region { found: Text, own: Text },
    Host { found: Text, own: Text },
    Id { edits: usize },
    OtherCluster { found: Text, own: Text },
}

/// How a subject differs from the service account's. At least one of the two is present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectDifference {
    pub namespace: Option<NameDifference>,
    pub name: Option<NameDifference>,
}

/// How a name differs from the service account's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameDifference {
    /// By a likely typo.
    Typo { found: Text, own: Text },
    /// It is another.
    Other { found: Text },
}

/// Something else to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    // Of trust policies.
    NoSuchClaim {
        claim: Text,
    },
    OtherIssuer {
        address: Text,
    },
    Issuer(IssuerDifference),
    Subject(SubjectDifference),
    SimilarProvider {
        address: Text,
    },
    UseOperator {
        operator: Text,
        instead_of: Text,
    },
    RoleIsFor(RolePurpose),
    NoSessionTags,
    PodIdentityService,
    // Of roles of ECS.
    RoleTrusts(OtherTrust),
    EcsClusterNotSupported,
    ExecutionRoleIsNotForContainers {
        role: Text,
    },
    // Of permissions.
    ActsOn {
        action: Text,
        pattern: Text,
    },
    UnlistedKey(UnlistedKey),
    // Of the cluster.
    SimilarAccount {
        account: AccountName,
    },
    /// Another service account of the namespace has a role that no workload uses.
    UnusedIdentity {
        account: AccountName,
        role: Option<Text>,
    },
    /// An association of the namespace is for a service account that does not exist.
    AssociationWithoutAccount {
        account: AccountName,
        role: Option<Text>,
    },
    /// A service account of the same name in another namespace has a role.
    Namesake {
        account: AccountName,
        role: Option<Text>,
    },
    /// A role names the service account too; whether its pods could assume it is not known.
    MayBeMeant {
        role: Text,
    },
    MustHaveIdentity(RequiredBy),
    // Of labels and annotations for rolecall.
    IsLabel {
        name: &'static str,
    },
    IsAnnotation {
        name: &'static str,
    },
    EnforceOnValues,
}

/// What a role was created for, as its trust policy shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolePurpose {
    PodIdentity,
    /// The same, where a controller requests a token.
    PodIdentityOfPods,
    Irsa,
    EcsTasks,
    Ec2,
    Lambda,
}
