//! Task definitions without a task role, or without an execution role that starting their tasks needs.

use super::Scene;
use super::containers::JudgedCredentials;
use crate::chain::fix;
use crate::ecs::{ExecutionRoleUse, Host, RoleField};
use crate::finding::{
    Certainty, CredentialsValue, EcsCause, EcsValue, Expectation, Label, NeedName, Problem, Remark, RequiredBy,
    TaskFallback, TaskRoleNeed,
};
use crate::fix::{Fix, HolderName, TaskDefinitionChange, Text};
use crate::identity::Identity;
use crate::level::Level;
use crate::permission;
use crate::rules;
use crate::snapshot::Role;
use crate::workload::AwsUse;

/// What a task definition says that its containers need.
pub(super) struct Wanted<'w> {
    /// It says `rolecall.dev/identity: required`.
    pub(super) is_required: bool,
    /// Texts of `rolecall.dev/requires`.
    pub(super) declared: &'w [&'w str],
    /// One of them is not known yet.
    pub(super) is_doubtful: bool,
}

/// What is wrong where there is no task role, and whether the containers may use the role of the instance instead.
pub(super) fn no_task_role(
    scene: &Scene<'_, '_>,
    all: &[JudgedCredentials<'_>],
    wanted: &Wanted<'_>,
) -> Option<(Problem, bool)> {
    let without: Vec<&JudgedCredentials<'_>> =
        all.iter().filter(|one| matches!(one.judged.identity, Identity::Node | Identity::None)).collect();
    if without.is_empty() {
        return None;
    }
    let takes_credentials = |text: &&&str| permission::takes_credentials(text);
    let declared: Vec<&str> = wanted.declared.iter().filter(takes_credentials).copied().collect();
    let evidence: Box<[(Text, AwsUse)]> = without
        .iter()
        .flat_map(|one| one.uses.iter().map(|found| (Text::from(one.judged.name), found.clone())))
        .take(6)
        .collect();
    let to = falls_back_to(scene, &without);
    let is_instance_role = matches!(to, TaskFallback::InstanceRole(_));
    let (level, certainty, why, expectation) = if wanted.is_required {
        let by = RequiredBy::Annotation(HolderName::TaskDefinition);
        (Level::Chain, Certainty::Certain, TaskRoleNeed::Required, Expectation::Required(by))
    } else if !declared.is_empty() {
        let needs = declared.iter().flat_map(|text| permission::needs(text)).take(4).map(NeedName::from);
        // The instance's role may allow it, as the node's may on EKS.
        let level = if is_instance_role { Level::Fallback } else { Level::Chain };
        (level, Certainty::Certain, TaskRoleNeed::Needs, Expectation::Declared(needs.collect()))
    } else if evidence.is_empty() {
        (Level::Strict, Certainty::Likely, TaskRoleNeed::Level, Expectation::Level)
    } else {
        (Level::Fallback, Certainty::Likely, TaskRoleNeed::Needs, Expectation::Evidence(evidence))
    };
    // Another container may be the one that calls AWS, or keys may come from what is not read.
    let has_others = without.len() < all.len() || without.iter().any(|one| one.may_bring_keys);
    let fix = Fix::from(TaskDefinitionChange::set_role(scene.subject, RoleField::Task, fix::ROLE_ARN));
    let fix = if is_instance_role { fix.or(TaskDefinitionChange::AllowInstanceRole) } else { fix };
    let execution = scene.definition.execution_role();
    let problem = Problem::new(
        &rules::ECS_TASK_ROLE_MISSING,
        EcsCause::NoTaskRole { family: scene.subject.service_account.into(), why, to },
        fix,
    )
    .at_level(level)
    .at_most(if has_others { Certainty::Likely } else { certainty })
    .at_most(if wanted.is_doubtful { Certainty::Undecided } else { Certainty::Certain })
    .expected(Label::IdentityExpected, CredentialsValue::Expectation(expectation))
    .found(Label::TaskDefinitionHas, EcsValue::NoField(RoleField::Task))
    .hint(execution.map(|role| Remark::ExecutionRoleIsNotForContainers { role: short(role).into() }));
    Some((problem, is_instance_role))
}

/// The last part of an ARN.
fn short(role: &str) -> &str {
    role.rsplit('/').next().unwrap_or(role)
}

fn falls_back_to(scene: &Scene<'_, '_>, without: &[&JudgedCredentials<'_>]) -> TaskFallback {
    if scene.definition.is_without_network() {
        return TaskFallback::NoNetwork;
    }
    match scene.types.only() {
        Some(host @ (Host::Fargate | Host::External)) => return TaskFallback::NothingOn(host),
        _ if !scene.types.may_have_instance_role() => return TaskFallback::Nothing,
        _ => {}
    }
    if without.iter().all(|one| one.disables_metadata) {
        return TaskFallback::MetadataDisabled;
    }
    TaskFallback::InstanceRole(instance_role(scene).map(|role| short(&role.arn).into()))
}

/// The name that AWS's console gives to the role of container instances, and the managed policies that such a role has (Amazon
/// ECS Developer Guide, "Amazon ECS container instance IAM role").
const INSTANCE_ROLE: &str = "ecsInstanceRole";
const INSTANCE_POLICIES: [&str; 2] =
    ["AmazonEC2ContainerServiceforEC2Role", "AmazonECSInstanceRolePolicyForManagedInstances"];

/// The role of the container instances: the only role of the account that looks like one.
pub(super) fn instance_role<'a>(scene: &Scene<'a, '_>) -> Option<&'a Role> {
    *scene.instance_role.get_or_init(|| find_instance_role(scene))
}

fn find_instance_role<'a>(scene: &Scene<'a, '_>) -> Option<&'a Role> {
    let roles = scene.snapshot.accounts.get(scene.home.account?)?.roles.as_ref()?;
    scene.effort.spend(roles.len());
    let has_policy =
        |role: &Role| role.attached_policies.iter().flatten().any(|policy| INSTANCE_POLICIES.contains(&short(policy)));
    let mut found = roles.values().filter(|role| short(&role.arn) == INSTANCE_ROLE || has_policy(role));
    let only = found.next()?;
    found.next().is_none().then_some(&**only)
}

/// What is wrong where there is no execution role.
pub(super) fn no_execution_role(scene: &Scene<'_, '_>) -> Option<Problem> {
    let containers = scene.definition.container_definitions.iter();
    let uses = containers.flat_map(|container| {
        let uses = ExecutionRoleUse::of(container, &scene.types).into_iter();
        uses.map(|(needed, is_certain)| (Text::from(container.name.as_str()), needed, is_certain))
    });
    let uses: Vec<(Text, ExecutionRoleUse, bool)> = uses.collect();
    if uses.is_empty() {
        return None;
    }
    let is_certain = uses.iter().any(|(.., is_certain)| *is_certain);
    let shown = uses.into_iter().take(6).map(|(container, needed, _)| (container, needed)).collect();
    let family = scene.subject.service_account.into();
    let fix = TaskDefinitionChange::set_role(scene.subject, RoleField::Execution, fix::ROLE_ARN);
    Some(
        Problem::new(&rules::ECS_EXECUTION_ROLE_MISSING, EcsCause::NoExecutionRole { family, is_certain }, fix)
            .at_most(if is_certain { Certainty::Certain } else { Certainty::Likely })
            .expected(Label::ExecutionRoleNeeded, EcsValue::Uses(shown))
            .found(Label::TaskDefinitionHas, EcsValue::NoField(RoleField::Execution)),
    )
}
