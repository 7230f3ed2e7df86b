//! Task definitions of Amazon ECS.

use rolecall_core::ecs::Host;
use rolecall_core::finding::{EcsCause, EcsRefusal, TaskFallback, TaskRoleNeed};

use crate::names::ECS_TASKS;

pub(super) fn sentence(cause: &EcsCause) -> String {
    match cause {
        EcsCause::NoTaskRole { family, why, to } => {
            let to = fallback(to);
            match why {
                TaskRoleNeed::Required => format!(
                    "task definition {family} must have an IAM identity and has no task role: its containers will use {to}"
                ),
                TaskRoleNeed::Needs => {
                    format!("task definition {family} needs AWS but has no task role: its containers will use {to}")
                }
                TaskRoleNeed::Level => {
                    format!("task definition {family} has no task role: its containers would use {to}")
                }
            }
        }
        EcsCause::NoExecutionRole { family, is_certain: true } => {
            format!("tasks of task definition {family} cannot start: it has no execution role, and starting them needs one")
        }
        EcsCause::NoExecutionRole { family, is_certain: false } => format!(
            "tasks of task definition {family} may not start: it has no execution role, and some of its launch types need one"
        ),
        EcsCause::StaticKeys { family } => {
            format!("containers of task definition {family} will use static keys: SDKs use them before any role")
        }
        EcsCause::OtherCredentials => {
            "rolecall cannot tell which identity the container gets: its variables bring other credentials than the task \
             role's"
                .to_owned()
        }
        EcsCause::NeedsOfExecutionRole { family, role } => format!(
            "execution role {role} allows what the containers of task definition {family} need, but they cannot use it"
        ),
        EcsCause::TaskRoleIsForExecution { family, role } => format!(
            "task role {role} of task definition {family} allows only what the ECS agent needs: calls of its containers to \
             AWS will fail"
        ),
        EcsCause::NoNetwork { family } => format!(
            "cannot tell whether the containers of task definition {family} get the credentials of its task role: its tasks \
             have no network, and the ECS agent serves credentials at 169.254.170.2"
        ),
        EcsCause::AccountUnknown { family, field } => format!(
            "cannot tell whether task definition {family} can use its {}: it is a name, and the account is not known",
            field.name()
        ),
    }
}

/// What containers use instead of a task role.
fn fallback(to: &TaskFallback) -> String {
    let nothing = "no credentials at all";
    match to {
        TaskFallback::InstanceRole(Some(role)) => {
            format!("the container instance's role, {role} (or get no credentials if IMDS is blocked)")
        }
        TaskFallback::InstanceRole(None) => {
            "the container instance's role (or get no credentials if IMDS is blocked)".to_owned()
        }
        TaskFallback::NothingOn(Host::External) => format!("{nothing}: external instances have no instance metadata"),
        TaskFallback::NothingOn(_) => format!("{nothing}: Fargate has no instance role"),
        TaskFallback::Nothing => format!("{nothing}: none of its launch types has an instance role"),
        TaskFallback::NoNetwork => format!("{nothing}: its tasks have no network"),
        TaskFallback::MetadataDisabled => format!("{nothing}: AWS_EC2_METADATA_DISABLED is true"),
    }
}

/// Why ECS cannot assume a role for a task.
pub(super) fn refusal(why: &EcsRefusal) -> String {
    match why {
        EcsRefusal::OtherAccount => "the role belongs to another account than the task definition".to_owned(),
        EcsRefusal::OtherPartition => "its ARN names another partition than the task definition's".to_owned(),
        EcsRefusal::TrustService => format!("the role's trust policy does not trust {ECS_TASKS}"),
        EcsRefusal::TrustAction => {
            format!("the role's trust policy does not allow {ECS_TASKS} to call sts:AssumeRole")
        }
        EcsRefusal::TrustKey { key } => {
            format!("the role's trust policy has a condition on {key} that ECS does not meet")
        }
    }
}
