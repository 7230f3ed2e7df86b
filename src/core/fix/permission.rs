//! Changes of what a role may do, or of what a workload declares that it needs.

use super::{AssociationName, PolicyStatement, RoleName, Text};

/// A change of permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PermissionChange {
    /// Add an inline policy that allows actions on a resource.
    Allow {
        /// To this role.
        role: RoleName,
        /// The name of the policy: another for each resource, since `PutRolePolicy` replaces one of the same name.
        policy: Text,
        /// The actions.
        actions: Vec<Text>,
        /// The resource: an ARN or `*`.
        resource: Text,
    },
    /// Narrow a Deny.
    NarrowDeny {
        /// The statement that denies.
        statement: PolicyStatement,
        /// The policy that has it.
        policy: PolicyName,
    },
    /// Allow an action in the permissions boundary.
    AllowInBoundary {
        /// Of this role.
        role: RoleName,
        /// The action.
        action: Text,
    },
    /// Allow an action in the service control policies of an account.
    AllowInServiceControl {
        /// The role's account.
        account: Text,
        /// The action.
        action: Text,
    },
    /// Exempt the identity from a resource control policy of the organization.
    ExemptFromResourceControl {
        /// The policy's name.
        policy: Text,
    },
    /// Remove a declared need: no policy can allow it.
    RemoveNeed,
    /// Write the action that was meant.
    CorrectNeed {
        /// The action; `SERVICE:ACTION` where it is not known.
        action: Text,
    },
}

/// A policy, as commands name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyName {
    /// A managed policy or a permissions boundary, by its ARN.
    Managed(Text),
    /// An inline policy of a role.
    Inline(RoleName, Text),
    /// A service control policy.
    ServiceControl(Text),
    /// The session policy of an association.
    Session(AssociationName),
    /// The role's own trust policy.
    Trust(RoleName),
}

impl PermissionChange {
    pub(super) fn grants_access(&self) -> bool {
        !matches!(self, Self::RemoveNeed | Self::CorrectNeed { .. })
    }

    pub(super) fn role_mut(&mut self) -> Option<&mut RoleName> {
        match self {
            Self::Allow { role, .. } | Self::AllowInBoundary { role, .. } => Some(role),
            Self::NarrowDeny { policy: PolicyName::Inline(role, _) | PolicyName::Trust(role), .. } => Some(role),
            _ => None,
        }
    }

    pub(super) fn account(&self) -> Option<&str> {
        match self {
            Self::Allow { role, .. } | Self::AllowInBoundary { role, .. } => Some(&role.account),
            Self::NarrowDeny { policy, .. } => match policy {
                PolicyName::Managed(arn) => rolecall_iam::Arn::parse(arn).map(|arn| arn.account),
                PolicyName::Inline(role, _) | PolicyName::Trust(role) => Some(&role.account),
                // They are the organization's.
                PolicyName::ServiceControl(_) | PolicyName::Session(_) => None,
            },
            _ => None,
        }
    }
}
