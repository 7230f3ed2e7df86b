//! Values of task definitions of Amazon ECS.

use rolecall_core::ecs::ExecutionRoleUse;
use rolecall_core::finding::EcsValue;

pub(super) fn text(value: &EcsValue) -> String {
    match value {
        EcsValue::NoField(field) => format!("no {}", field.name()),
        EcsValue::NetworkModeNone => "networkMode none".to_owned(),
        EcsValue::TaskRole => "the task role".to_owned(),
        EcsValue::Uses(all) => {
            let texts = all.iter().map(|(container, needed)| format!("{container}: {}", execution_use(*needed)));
            texts.collect::<Vec<_>>().join("; ")
        }
        EcsValue::BeginsWith(start) => format!("an ARN that begins with {start}"),
        EcsValue::Variable(name) => (*name).to_owned(),
        EcsValue::OnlyPolicy(name) => format!("only the managed policy {name}"),
        EcsValue::OtherPolicies => "policies that allow what the containers do".to_owned(),
    }
}

fn execution_use(needed: ExecutionRoleUse) -> &'static str {
    match needed {
        ExecutionRoleUse::Secrets => "secrets",
        ExecutionRoleUse::PrivateRegistry => "repositoryCredentials",
        ExecutionRoleUse::EnvironmentFiles => "environmentFiles",
        ExecutionRoleUse::EcrImage => "an image in Amazon ECR",
        ExecutionRoleUse::Awslogs => "the log driver awslogs",
    }
}
