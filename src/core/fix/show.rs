//! What shows the state of something in AWS or in the cluster.

use super::{RoleName, Text};

/// What to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Show {
    /// The OIDC issuer of a cluster.
    Issuer {
        /// The cluster.
        cluster: Text,
    },
    /// The OIDC providers of an account; one must end in the issuer.
    Providers {
        /// The account.
        account: Text,
        /// The issuer, without `https://`.
        issuer: Text,
    },
    /// The client IDs of an OIDC provider.
    ClientIds {
        /// Its ARN.
        provider: Text,
    },
    /// A role.
    Role(RoleName),
    /// The trust policy of a role.
    TrustPolicy(RoleName),
    /// The names of a role's inline and managed policies.
    Policies(RoleName),
    /// The associations of a cluster.
    Associations {
        /// The cluster.
        cluster: Text,
    },
    /// An association.
    Association {
        /// The cluster.
        cluster: Text,
        /// Its ID.
        id: Text,
    },
    /// Whether the Pod Identity agent runs.
    Agent {
        /// The cluster.
        cluster: Text,
    },
    /// The snapshot's entry is malformed.
    Snapshot,
}
