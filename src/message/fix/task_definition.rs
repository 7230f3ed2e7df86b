//! Changes of task definitions of Amazon ECS.

use rolecall_core::ecs::RoleField;
use rolecall_core::fix::TaskDefinitionChange;

use super::hcl::{Block, name, string};
use super::sentence::named;
use crate::shell::Command;

/// What `describe-task-definition` returns and `register-task-definition` does not take.
const READ_ONLY: &str = "del(.taskDefinitionArn, .revision, .status, .requiresAttributes, .compatibilities, .registeredAt, \
                         .registeredBy, .deregisteredAt)";

/// A clause without a full stop.
pub(super) fn sentence(change: &TaskDefinitionChange) -> String {
    match change {
        TaskDefinitionChange::SetRole { family, field, arn } => {
            format!("set {} to {arn} in task definition {family}", field.name())
        }
        TaskDefinitionChange::RemoveKeys => {
            "remove AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY from environment and secrets of the task definition"
                .to_owned()
        }
        TaskDefinitionChange::RemoveCredentials => {
            "no change is needed where this is intended; otherwise remove the AWS_* variables of credentials from the task \
             definition"
                .to_owned()
        }
        TaskDefinitionChange::SetNetworkMode { family } => format!(
            "set networkMode to awsvpc or bridge in task definition {family}; no change is needed where its containers do not \
             call AWS"
        ),
        TaskDefinitionChange::AllowInstanceRole => {
            "set the tag rolecall.dev/allow-node-role=true on the task definition".to_owned()
        }
        TaskDefinitionChange::TryInTask { role } => format!(
            "run a task to see what AWS decides, or remove the condition that cannot be decided from the trust policy of {}",
            named(role)
        ),
    }
}

/// Reads a task definition, changes it and registers it again, with its tags.
pub(super) fn command(change: &TaskDefinitionChange) -> Option<Command> {
    let TaskDefinitionChange::SetRole { family, field, arn } = change else {
        return None;
    };
    if &**family == "?" {
        return None;
    }
    let value = serde_json::Value::from(&**arn);
    let program = format!(".taskDefinition + {{tags: (.tags // [])}} | .{} = {value} | {READ_ONLY}", field.name());
    let read = Command::new("aws ecs describe-task-definition")
        .option("--task-definition", family)
        .words("--include TAGS --output json")
        .jq(&program)
        .words("> task-definition.json");
    let write = Command::new("aws ecs register-task-definition --cli-input-json file://task-definition.json");
    // A cut ARN makes no program.
    Some(read.and(&write))
}

/// The argument of the resource.
pub(super) fn terraform(change: &TaskDefinitionChange) -> Option<Block> {
    let TaskDefinitionChange::SetRole { family, field, arn } = change else {
        return None;
    };
    let argument = match field {
        RoleField::Task => "task_role_arn",
        RoleField::Execution => "execution_role_arn",
    };
    Some(
        Block::new("resource", &["aws_ecs_task_definition", &name(&[family])])
            .attribute("family", string(family))
            .attribute(argument, string(arn)),
    )
}
