//! Changes of a task definition of Amazon ECS.

use super::{Change, RoleName, Text};
use crate::ecs::RoleField;
use crate::subject::Subject;

/// A change of a task definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskDefinitionChange {
    /// Name a role.
    SetRole {
        /// The family; `?` where it is not known.
        family: Text,
        /// The field.
        field: RoleField,
        /// The role's ARN; `ROLE_ARN` where a person has to choose it.
        arn: Text,
    },
    /// Remove static keys from `environment` and `secrets`.
    RemoveKeys,
    /// Remove variables that decide which credentials SDKs use.
    RemoveCredentials,
    /// Give the tasks a network.
    SetNetworkMode {
        /// The family; `?` where it is not known.
        family: Text,
    },
    /// Say that the instance's role is intended.
    AllowInstanceRole,
    /// Find out what an undecided condition of a trust policy does, or remove it.
    TryInTask {
        /// The role.
        role: RoleName,
    },
}

impl TaskDefinitionChange {
    pub(crate) fn set_role(subject: Subject<'_>, field: RoleField, arn: &str) -> Change {
        Self::SetRole { family: subject.service_account.into(), field, arn: arn.into() }.into()
    }
}

impl From<TaskDefinitionChange> for Change {
    fn from(change: TaskDefinitionChange) -> Self {
        Self::TaskDefinition(change)
    }
}
