//! Entries of the snapshot that are malformed: what they describe exists, and what depends on them is unknown.

use rolecall_iam::RoleArn;

use super::Subject;
use crate::finding::{Certainty, Problem};
use crate::fix::{Change, Show};
use crate::rules;
use crate::snapshot::{Association, Role, Snapshot};

fn problem(subject: Subject<'_>, role: &str, what: &str, fault: &str) -> Problem {
    Problem::new(
        &rules::SNAPSHOT_ENTRY_UNREADABLE,
        format!("cannot tell whether service account {subject} can assume {role}: {what} cannot be read"),
        Change::Collect { what: "this entry".into(), show: Show::Snapshot },
    )
    .found("the snapshot has", fault)
    .at_most(Certainty::Undecided)
}

/// The trust policy of a role.
pub(super) fn trust(subject: Subject<'_>, role: &Role, parsed: RoleArn<'_>) -> Option<Problem> {
    let fault = role.trust_fault.as_deref()?;
    Some(problem(subject, &format!("role {}", parsed.name), "the role's trust policy", fault))
}

/// An entry that may be the role's.
pub(super) fn role(snapshot: &Snapshot, subject: Subject<'_>, parsed: RoleArn<'_>) -> Option<Problem> {
    let fault = snapshot.accounts.get(parsed.account)?.unreadable_role(parsed.name)?;
    let what = format!("a role's entry of account {}", parsed.account);
    Some(problem(subject, &format!("role {}", parsed.name), &what, fault))
}

/// An entry that may be the provider of the cluster's issuer.
pub(super) fn provider(snapshot: &Snapshot, subject: Subject<'_>, parsed: RoleArn<'_>) -> Option<Problem> {
    let fault = snapshot.accounts.get(parsed.account)?.unreadable_providers.first()?;
    let what = format!("an OIDC provider's entry of account {}", parsed.account);
    Some(problem(subject, &format!("role {}", parsed.name), &what, fault))
}

/// The service account's association.
pub(super) fn association(subject: Subject<'_>, association: &Association) -> Option<Problem> {
    let fault = association.fault.as_deref()?;
    Some(problem(subject, "the role of its Pod Identity association", "the association's entry", fault))
}
