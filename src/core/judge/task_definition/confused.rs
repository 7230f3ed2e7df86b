//! The task role and the execution role exchanged, or one taken for the other.

use rolecall_iam::{RoleArn, Verdict};

use super::Scene;
use super::containers::JudgedCredentials;
use super::roles::NamedRole;
use crate::chain::fix;
use crate::ecs::RoleField;
use crate::finding::{EcsCause, EcsValue, Label, NeedName, PermissionValue, Problem, RolePart};
use crate::fix::{Fix, TaskDefinitionChange};
use crate::identity::Identity;
use crate::permission::{Actor, Need, Session, ask_need_within};
use crate::rules;
use crate::snapshot::Role;

/// The managed policy of execution roles (AWS Managed Policy Reference Guide).
const EXECUTION_POLICY: &str = "AmazonECSTaskExecutionRolePolicy";

pub(super) fn problem(
    scene: &Scene<'_, '_>,
    [task, execution]: [&NamedRole<'_>; 2],
    needs: &[Need<'_>],
    all: &[JudgedCredentials<'_>],
) -> Option<Problem> {
    needs_of_execution_role(scene, task, execution, needs)
        .or_else(|| task_role_is_for_execution(scene, task, needs, all))
}

fn name(role: &Role) -> &str {
    RoleArn::parse(&role.arn).map_or(&role.arn, |arn| arn.name)
}

fn allows(scene: &Scene<'_, '_>, role: &Role, need: Need<'_>) -> Verdict {
    let actor = Actor { snapshot: scene.snapshot, role, subject: scene.subject, session: Session::Task };
    ask_need_within(actor, need, scene.effort).verdict
}

/// The execution role allows what the containers need and the task role does not.
fn needs_of_execution_role(
    scene: &Scene<'_, '_>,
    task: &NamedRole<'_>,
    execution: &NamedRole<'_>,
    needs: &[Need<'_>],
) -> Option<Problem> {
    let agent = execution.role()?;
    let own = task.role();
    if own.is_some_and(|own| own.arn == agent.arn) || (own.is_none() && !task.is_absent()) {
        return None;
    }
    let is_denied = |verdict: Verdict| matches!(verdict, Verdict::ExplicitlyDenied | Verdict::ImplicitlyDenied);
    let unmet: Vec<Need<'_>> =
        needs.iter().copied().filter(|need| own.is_none_or(|own| is_denied(allows(scene, own, *need)))).collect();
    let is_met = |need: &Need<'_>| allows(scene, agent, *need) == Verdict::Allowed;
    if unmet.is_empty() || !unmet.iter().all(is_met) || scene.effort.is_spent() {
        return None;
    }
    let family = scene.subject.service_account;
    let set = |field, arn: &str| TaskDefinitionChange::set_role(scene.subject, field, arn);
    let fix = match own.filter(|own| has_execution_policy(own)) {
        Some(own) => Fix::from(set(RoleField::Task, &agent.arn)).then(set(RoleField::Execution, &own.arn)),
        None => set(RoleField::Task, fix::ROLE_ARN).into(),
    };
    let cause = EcsCause::NeedsOfExecutionRole { family: family.into(), role: name(agent).into() };
    let needs = unmet.into_iter().take(4).map(NeedName::from).collect();
    Some(
        Problem::new(&rules::ECS_ROLES_CONFUSED, cause, fix)
            .expected(Label::ContainersCanUse, EcsValue::TaskRole)
            .found(Label::ExecutionRoleAllows, PermissionValue::NeedsAllowedBy { needs, statement: None })
            .about(&agent.arn, RolePart::Beyond),
    )
}

fn has_execution_policy(role: &Role) -> bool {
    role.attached_policies.iter().flatten().any(|policy| policy.rsplit('/').next() == Some(EXECUTION_POLICY))
}

/// The containers call AWS, and their role has the rights of an agent only.
fn task_role_is_for_execution(
    scene: &Scene<'_, '_>,
    task: &NamedRole<'_>,
    needs: &[Need<'_>],
    all: &[JudgedCredentials<'_>],
) -> Option<Problem> {
    let role = task.role()?;
    let uses_aws = all.iter().any(|one| one.judged.identity == Identity::TaskRole && !one.uses.is_empty());
    let has_no_other = role.inline_policies.as_ref().is_some_and(Vec::is_empty)
        && role.attached_policies.as_ref().is_some_and(|policies| policies.len() == 1);
    let needs_aws = uses_aws || !needs.is_empty();
    if !needs_aws || !has_no_other || !has_execution_policy(role) {
        return None;
    }
    let cause =
        EcsCause::TaskRoleIsForExecution { family: scene.subject.service_account.into(), role: name(role).into() };
    Some(
        Problem::new(
            &rules::ECS_ROLES_CONFUSED,
            cause,
            TaskDefinitionChange::set_role(scene.subject, RoleField::Task, fix::ROLE_ARN),
        )
        .expected(Label::TaskRoleHas, EcsValue::OtherPolicies)
        .found(Label::Found, EcsValue::OnlyPolicy(EXECUTION_POLICY.into()))
        .about(&role.arn, RolePart::Beyond),
    )
}
