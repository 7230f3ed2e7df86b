//! The chain of a role that a task definition of ECS names: role → account → trust.

use rolecall_iam::RoleArn;

use super::fix::ROLE_ARN;
use super::{Chain, RoleSource, Subject, cannot_assume, cost, ecs_trust, organization, role, searched};
use crate::ecs::{Home, RoleField, RoleValue};
use crate::effort::Effort;
use crate::finding::{CannotAssume, Cause, Certainty, EcsCause, EcsRefusal, Label, Problem, RolePart, RoleRef};
use crate::fix::{Change, RolePlace, TaskDefinitionChange};
use crate::rules;
use crate::snapshot::{Role, Snapshot};

/// A role that a task definition names.
#[derive(Debug, Clone, Copy)]
pub struct TaskRole<'a> {
    /// Where it is named.
    pub field: RoleField,
    /// What is written there.
    pub value: &'a RoleValue<'a>,
    /// The task definition names roles of different accounts: one of them cannot be right.
    pub has_two_accounts: bool,
}

/// The chain of one role of a task definition.
pub fn task_definition(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    home: Home<'_>,
    named: TaskRole<'_>,
    effort: &Effort,
) -> Chain {
    let arn = match named.value {
        RoleValue::Written(text) => *text,
        RoleValue::Named(arn) => &**arn,
        RoleValue::NameOfUnknownAccount(name) => {
            return Chain::undecided(account_unknown(subject, named.field, name));
        }
    };
    let source = RoleSource::TaskDefinition(named.field);
    let would_work = |role: &Role| {
        let trusts = |parsed| {
            let effort = Effort::for_short_check();
            ecs_trust::link(snapshot, subject, home, named.field, (role, parsed), &effort).is_none()
        };
        RoleArn::parse(&role.arn).is_ok_and(trusts)
    };
    let mut chain = cost::within(cost::of_role(snapshot, subject, arn, source), subject, arn, effort, || {
        searched(links(snapshot, subject, home, named, arn, &would_work, effort), snapshot, arn, source, &would_work)
    });
    for problem in &mut chain.problems {
        name_role(problem, named.field);
        name_field(problem, subject, named.field);
    }
    chain
}

fn links(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    home: Home<'_>,
    named: TaskRole<'_>,
    arn: &str,
    would_work: role::WouldWork<'_>,
    effort: &Effort,
) -> Chain {
    let mut chain = Chain::new();
    if let Ok(parsed) = RoleArn::parse(arn) {
        if let Some(problem) = other_partition(subject, home, named.field, parsed) {
            chain.add(Some(problem));
            return chain.done(snapshot, subject, arn);
        }
        chain.add(other_account(subject, home, named, parsed));
    }
    // In another account the name may stand for another role.
    let is_guess = home.is_assumed && matches!(named.value, RoleValue::Named(_));
    let soften = |problem: Problem| if is_guess { problem.at_most(Certainty::Likely) } else { problem };
    match role::link(snapshot, subject, arn, RoleSource::TaskDefinition(named.field), would_work) {
        Ok(located) => {
            // AWS does not document whether ECS finds a role under another path by its name.
            let by_name = matches!(named.value, RoleValue::Named(_));
            let soften_path = |problem: Problem| if by_name { problem.at_most(Certainty::Likely) } else { problem };
            chain.add(located.problem.map(soften_path));
            let (role, parsed) = (located.role, RoleArn::parse(&located.role.arn).unwrap_or(located.parsed));
            let trust = ecs_trust::link(snapshot, subject, home, named.field, (role, parsed), effort);
            chain.add(trust.map(soften));
            chain.add_read(organization::of_task(snapshot, subject, role, parsed, effort));
        }
        Err(unlocated) => chain.add(Some(soften(*unlocated.problem))),
    }
    chain.done(snapshot, subject, arn)
}

fn other_partition(subject: Subject<'_>, home: Home<'_>, field: RoleField, parsed: RoleArn<'_>) -> Option<Problem> {
    if home.is_assumed || home.partition == parsed.partition {
        return None;
    }
    let right = format!("arn:{}:iam::{}:role{}{}", home.partition, parsed.account, parsed.path, parsed.name);
    let cause = cannot_assume(subject, parsed.name, CannotAssume::Ecs(EcsRefusal::OtherPartition));
    Some(
        Problem::new(&rules::ROLE_ARN_PARTITION, cause, TaskDefinitionChange::set_role(subject, field, &right))
            .expected(Label::TaskDefinitionPartition, home.partition)
            .found(Label::RoleArnHas, parsed.partition),
    )
}

/// ECS takes no role of another account: a role is passed with `iam:PassRole`, within its account (IAM User Guide, "Grant a
/// user permissions to pass a role to an AWS service").
fn other_account(
    subject: Subject<'_>,
    home: Home<'_>,
    TaskRole { field, has_two_accounts, .. }: TaskRole<'_>,
    parsed: RoleArn<'_>,
) -> Option<Problem> {
    let account = home.account.filter(|account| *account != parsed.account)?;
    let own = format!("arn:{}:iam::{account}:role/NAME", home.partition);
    let is_certain = !home.is_assumed || has_two_accounts;
    let cause = cannot_assume(subject, parsed.name, CannotAssume::Ecs(EcsRefusal::OtherAccount));
    Some(
        Problem::new(&rules::ECS_ROLE_ACCOUNT, cause, TaskDefinitionChange::set_role(subject, field, &own))
            .expected(Label::TaskDefinitionAccount, account)
            .found(Label::RoleAccount, parsed.account)
            .at_most(if is_certain { Certainty::Certain } else { Certainty::Likely }),
    )
}

fn account_unknown(subject: Subject<'_>, field: RoleField, name: &str) -> Problem {
    let arn = format!("arn:aws:iam::ACCOUNT:role/{}", name.trim_start_matches('/'));
    Problem::new(
        &rules::ROLE_ACCOUNT_UNSEEN,
        EcsCause::AccountUnknown { family: subject.service_account.into(), field },
        TaskDefinitionChange::set_role(subject, field, &arn),
    )
    .found(Label::RoleWrittenIn(RolePlace::TaskDefinition(field)), name)
    .about(name, RolePart::Existing)
}

/// Says for which of its two roles a problem of the task definition is.
fn name_role(problem: &mut Problem, field: RoleField) {
    if let Cause::CannotAssume { role, .. } | Cause::CannotTell { role, .. } = &mut problem.cause
        && let RoleRef::Named(name) = role
    {
        *role = RoleRef::OfTask(field, name.clone());
    }
}

/// Has a fix that replaces the role name the field that has it.
fn name_field(problem: &mut Problem, subject: Subject<'_>, field: RoleField) {
    for step in &mut problem.fix.steps {
        if let Change::UseAnotherRole { instead, .. } = step {
            **instead = TaskDefinitionChange::set_role(subject, field, ROLE_ARN);
        }
    }
}
