//! Roles whose trust policy or tags name a service account that nothing connects to them: which of them its pods could assume.

use super::{Audience, RoleSource, State, Subject, cost, irsa, pod_identity};
use crate::effort::Effort;
use crate::finding::MissingStep;
use crate::known::Known;
use crate::snapshot::{Association, NamedBy, NamingRole, Snapshot};

/// Most roles that are looked at for one service account.
const MAX_ROLES: usize = 8;

/// A role that names a service account, and the one step that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unconnected {
    /// The role's ARN.
    pub role_arn: Box<str>,
    /// Its tags name the service account, not its trust policy.
    pub by_tags: bool,
    /// What would give the role to the pods.
    pub step: MissingStep,
    /// Whether they could assume it then: never [`State::Broken`].
    pub state: State,
}

/// The roles that name a service account, without those that its pods could not assume. `key`: that of the role annotation;
/// `audience`: that of the tokens.
pub fn unconnected(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    key: &str,
    audience: Audience<'_>,
    effort: &Effort,
) -> Vec<Unconnected> {
    let mut found: Vec<Unconnected> = Vec::new();
    for NamingRole { role, by } in naming_roles(snapshot, subject) {
        let arn = &*role.arn;
        if found.iter().any(|other| *other.role_arn == *arn) {
            continue;
        }
        let connected = |step: &MissingStep| match step {
            MissingStep::Annotation => {
                irsa(snapshot, subject, arn, audience, RoleSource::Annotation(key), effort).state
            }
            // Whether the agent runs is another question.
            MissingStep::Association => {
                pod_identity(snapshot, subject, &Association::to_create(arn), Known::Present(()), effort).state
            }
        };
        let possible = steps(*by).iter().map(|step| (*step, connected(step)));
        if let Some((step, state)) =
            possible.filter(|(_, state)| *state != State::Broken).min_by_key(|(_, state)| *state != State::Holds)
        {
            found.push(Unconnected { role_arn: arn.into(), by_tags: *by == NamedBy::Tags, step, state });
        }
    }
    found
}

/// The work that [`unconnected`] may take, in compared patterns.
pub(crate) fn work(snapshot: &Snapshot, subject: Subject<'_>, key: &str) -> usize {
    let of = |NamingRole { role, by }: &NamingRole| {
        let of_step = |step: &MissingStep| match step {
            MissingStep::Annotation => cost::of_role(snapshot, subject, &role.arn, RoleSource::Annotation(key)),
            MissingStep::Association => {
                cost::of_association(snapshot, subject, &Association::to_create(&role.arn), &role.arn)
            }
        };
        steps(*by).iter().map(of_step).sum::<usize>()
    };
    naming_roles(snapshot, subject).map(of).sum()
}

fn naming_roles<'s>(snapshot: &'s Snapshot, subject: Subject<'_>) -> impl Iterator<Item = &'s NamingRole> {
    snapshot.roles_naming(subject.namespace, subject.service_account).iter().take(MAX_ROLES)
}

/// What connects a role that names a service account in this way.
fn steps(by: NamedBy) -> &'static [MissingStep] {
    match by {
        NamedBy::WebIdentity => &[MissingStep::Annotation],
        NamedBy::PodIdentity => &[MissingStep::Association],
        NamedBy::Tags => &[MissingStep::Annotation, MissingStep::Association],
    }
}
