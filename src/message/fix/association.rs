//! Associations as the resources of Terraform and CloudFormation describe them: whole, so that what is not changed stays.

use rolecall_core::fix::{AccountName, Associated, AssociationChange, AssociationName, Change};
use rolecall_core::workload::Owner;

/// In place of a role that a person has to choose.
pub(super) const ANY_ROLE: &str = "ROLE_ARN";

/// An association after a change.
pub(super) struct Resource<'c> {
    pub(super) cluster: &'c str,
    pub(super) account: &'c AccountName,
    pub(super) role: &'c str,
    pub(super) target: Option<&'c str>,
    pub(super) disable_session_tags: bool,
    /// It exists already: a resource in the configuration is to be changed, not added.
    pub(super) exists: bool,
}

impl<'c> Resource<'c> {
    /// The association after a change; `None` where the change is of something else, or what the association has was not read.
    pub(super) fn of(change: &'c Change) -> Option<Self> {
        match change {
            Change::CreateAssociation { cluster, account, role } => Some(Self {
                cluster,
                account,
                role: role.as_deref().unwrap_or(ANY_ROLE),
                target: None,
                disable_session_tags: false,
                exists: false,
            }),
            Change::UseAnotherRole { instead, .. } => Self::of(instead),
            Change::Through { owner: Owner::File { .. }, change, .. } => Self::of(change),
            Change::UpdateAssociation(AssociationName { cluster, account, has, .. }, change) => {
                // The text of a session policy is not kept: a resource without it would remove it.
                let Associated { role, target, disable_session_tags, .. } =
                    has.as_ref().filter(|has| !has.has_policy)?;
                let mut resource = Self {
                    cluster,
                    account,
                    role,
                    target: target.as_deref(),
                    disable_session_tags: *disable_session_tags,
                    exists: true,
                };
                match change {
                    AssociationChange::Role(role) => resource.role = role,
                    AssociationChange::Target(target) => resource.target = Some(target),
                    AssociationChange::RoleAndTarget(role, target) => {
                        (resource.role, resource.target) = (&**role, Some(&**target));
                    }
                    AssociationChange::SessionTags => resource.disable_session_tags = false,
                    AssociationChange::Policy { .. } => return None,
                }
                Some(resource)
            }
            _ => None,
        }
    }
}
