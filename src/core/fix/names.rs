//! How fixes and findings name what they are about: statements and policies, parts of a snapshot, holders of annotations.

use rolecall_iam::{Deciding, PolicyKind, StatementReport};

use super::{AccountName, Text};
use crate::workload::Kind;

/// A statement of a trust policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementName {
    /// Counted from 1, as people do.
    pub number: usize,
    /// Its `Sid`.
    pub sid: Option<Text>,
}

impl From<&StatementReport<'_>> for StatementName {
    fn from(report: &StatementReport<'_>) -> Self {
        Self { number: report.index + 1, sid: report.statement.sid.as_deref().map(Text::from) }
    }
}

/// A policy, as a ruling names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRef {
    /// What it is attached as.
    pub kind: PolicyKind,
    /// Its name or ARN; the ID of an association for its session policy.
    pub name: Text,
}

/// A statement of a policy that takes part in a ruling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyStatement {
    /// The statement.
    pub statement: StatementName,
    /// The policy that has it.
    pub policy: PolicyRef,
}

impl From<&Deciding<'_>> for PolicyStatement {
    fn from(deciding: &Deciding<'_>) -> Self {
        let sid = deciding.statement.sid.as_deref().map(Text::from);
        Self {
            statement: StatementName { number: deciding.index + 1, sid },
            policy: PolicyRef { kind: deciding.kind, name: deciding.policy.into() },
        }
    }
}

/// A principal of a statement whose effect on a request AWS does not document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndocumentedPrincipal {
    /// It is in `NotPrincipal`.
    pub is_negated: bool,
    /// The principal.
    pub entry: UndocumentedEntry,
}

/// The same without the element that it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UndocumentedEntry {
    /// `{"Federated": …}`
    Federated(Text),
    /// `{"Service": …}`
    Service(Text),
    /// `{"AWS": …}`, with the ARN of a session whose name EKS chooses.
    Session(Text),
    /// `"*"`
    Everyone,
}

/// A part of a snapshot that was not collected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotPart {
    /// The cluster's OIDC issuer.
    Issuer,
    /// The OIDC providers of an account.
    Providers(Text),
    /// The client IDs of an OIDC provider, by its ARN.
    ClientIds(Text),
    /// The trust policy of a role.
    TrustPolicy(Text),
    /// Policies of a role.
    Permissions {
        /// The role.
        role: Text,
        /// Those that were not read; empty where none was.
        policies: Box<[PolicyRef]>,
    },
    /// The role of an association, by its ID.
    AssociationRole(Text),
    /// The cluster's associations.
    Associations,
    /// An account.
    Account(Text),
    /// A role of an account that was collected without it.
    RoleOf(Text),
    /// All roles of an account.
    RolesOf(Text),
    /// The Pod Identity agent.
    Agent,
    /// An entry that is malformed.
    Entry,
}

/// What carries annotations for rolecall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HolderName {
    /// The object itself.
    Object(Kind),
    /// The template of its pods.
    Template(Kind),
    /// A service account.
    Account(AccountName),
    /// A namespace.
    Namespace(Text),
    /// A task definition of ECS.
    TaskDefinition,
}

/// What a workload has metadata on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataOf {
    /// Its pod template.
    PodTemplate,
    /// Its job template.
    JobTemplate,
    /// Itself.
    Object(Kind),
}
