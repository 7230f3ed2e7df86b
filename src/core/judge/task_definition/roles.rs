//! The two roles that a task definition names.

use std::borrow::Cow;

use super::super::Gathering;
use super::Scene;
use crate::chain::{self, Chain, State, TaskRole};
use crate::ecs::{RoleField, RoleValue};
use crate::finding::{Affected, Cause, Certainty, Problem};
use crate::fix::{Advice, PlaceholderIn, UnresolvedValue};
use crate::permission::{Actor, Session};
use crate::rules;
use crate::snapshot::Role;

/// A role that a task definition names, or not.
pub(super) struct NamedRole<'a> {
    kind: Kind<'a>,
}

enum Kind<'a> {
    Absent,
    /// It has a placeholder.
    Unresolved(UnresolvedValue),
    Named(Box<Named<'a>>),
}

struct Named<'a> {
    value: RoleValue<'a>,
    role: Option<&'a Role>,
    chain: Chain,
}

/// A placeholder in a field.
pub(super) fn field_doubt(scene: &Scene<'_, '_>, field: &str, text: &str) -> Option<UnresolvedValue> {
    let placeholder = (scene.find_placeholder)(text)?;
    Some(UnresolvedValue::Placeholder { place: PlaceholderIn::Field(field.into()), text: placeholder.into() })
}

fn written<'a>(scene: &Scene<'a, '_>, field: RoleField) -> Option<&'a str> {
    match field {
        RoleField::Task => scene.definition.task_role(),
        RoleField::Execution => scene.definition.execution_role(),
    }
}

/// Whether the fields name roles of different accounts.
fn has_two_accounts(scene: &Scene<'_, '_>) -> bool {
    let account = |field| rolecall_iam::RoleArn::parse(written(scene, field)?).ok().map(|role| role.account);
    let (task, execution) = (account(RoleField::Task), account(RoleField::Execution));
    task.zip(execution).is_some_and(|(task, execution)| task != execution)
}

impl<'a> NamedRole<'a> {
    pub(super) fn of(scene: &Scene<'a, '_>, field: RoleField) -> Self {
        let Some(text) = written(scene, field) else {
            return Self { kind: Kind::Absent };
        };
        if let Some(doubt) = field_doubt(scene, field.name(), text) {
            return Self { kind: Kind::Unresolved(doubt) };
        }
        let value = RoleValue::of(text, scene.home);
        let named = TaskRole { field, value: &value, has_two_accounts: has_two_accounts(scene) };
        let chain = chain::task_definition(scene.snapshot, scene.subject, scene.home, named, scene.effort);
        let role = value.arn().and_then(|arn| {
            let parsed = rolecall_iam::RoleArn::parse(arn).ok()?;
            scene.snapshot.role_by_name(parsed.account, parsed.name).present()
        });
        Self { kind: Kind::Named(Box::new(Named { value, role, chain })) }
    }

    /// Whether the task definition has its name, not its ARN.
    pub(super) fn is_by_name(&self) -> bool {
        matches!(&self.kind, Kind::Named(named) if !matches!(named.value, RoleValue::Written(_)))
    }

    pub(super) fn is_absent(&self) -> bool {
        matches!(self.kind, Kind::Absent)
    }

    /// The role in the snapshot, where its chain is not broken.
    pub(super) fn role(&self) -> Option<&'a Role> {
        match &self.kind {
            Kind::Named(named) if named.chain.state != State::Broken => named.role,
            _ => None,
        }
    }

    pub(super) fn unresolved(&self) -> Option<UnresolvedValue> {
        match &self.kind {
            Kind::Unresolved(value) => Some(value.clone()),
            _ => None,
        }
    }

    pub(super) fn state(&self) -> State {
        match &self.kind {
            Kind::Named(named) => named.chain.state,
            Kind::Absent | Kind::Unresolved(_) => State::Unknown,
        }
    }

    /// The role's own ARN, else what is written.
    pub(super) fn arn(&self) -> Option<Cow<'a, str>> {
        match &self.kind {
            Kind::Named(named) => match named.role {
                Some(role) => Some(Cow::Borrowed(&*role.arn)),
                None => named.value.arn().map(|arn| Cow::Owned(arn.to_owned())),
            },
            Kind::Absent | Kind::Unresolved(_) => None,
        }
    }

    /// A session of the containers with this role.
    pub(super) fn actor<'s>(&self, scene: &Scene<'a, '_>) -> Option<Actor<'s>>
    where
        'a: 's,
    {
        let role = self.role()?;
        Some(Actor { snapshot: scene.snapshot, role, subject: scene.subject, session: Session::Task })
    }

    /// What is wrong with it or not known.
    pub(super) fn problems(&self) -> Vec<Problem> {
        match &self.kind {
            Kind::Absent => Vec::new(),
            Kind::Unresolved(value) => vec![unresolved_problem(value)],
            Kind::Named(named) => named.chain.problems.clone(),
        }
    }

    pub(super) fn report(&self, at_most: Certainty, gathering: &mut Gathering<'_>) {
        let problems: Vec<Problem> = self.problems().into_iter().map(|problem| problem.at_most(at_most)).collect();
        gathering.add_chain(&problems);
    }
}

/// As of a service account whose annotation has a placeholder.
fn unresolved_problem(value: &UnresolvedValue) -> Problem {
    let cause = Cause::Unresolved { value: value.clone(), affected: Affected::Role };
    Problem::new(&rules::ROLE_ARN_MALFORMED, cause, Advice::Complete(value.clone())).at_most(Certainty::Undecided)
}
