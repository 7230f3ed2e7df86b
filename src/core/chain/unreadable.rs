//! Entries of the snapshot that are malformed: what they describe exists, and what depends on them is unknown.

use rolecall_iam::RoleArn;

use super::Subject;
use crate::finding::{CannotTell, Cause, Certainty, Label, Problem, RoleRef, UnreadableEntry};
use crate::fix::{Change, Show, SnapshotPart};
use crate::rules;
use crate::snapshot::{Association, Role, Snapshot};

fn problem(subject: Subject<'_>, role: RoleRef, entry: UnreadableEntry, fault: &str) -> Problem {
    Problem::new(
        &rules::SNAPSHOT_ENTRY_UNREADABLE,
        Cause::CannotTell { account: subject.into(), role, why: CannotTell::Unreadable(entry) },
        Change::Collect { part: SnapshotPart::Entry, show: Show::Snapshot },
    )
    .found(Label::SnapshotHas, fault)
    .at_most(Certainty::Undecided)
}

/// The trust policy of a role.
pub(super) fn trust(subject: Subject<'_>, role: &Role, parsed: RoleArn<'_>) -> Option<Problem> {
    let fault = role.trust_fault.as_deref()?;
    Some(problem(subject, RoleRef::named(parsed.name), UnreadableEntry::TrustPolicy, fault))
}

/// An entry that may be the role's.
pub(super) fn role(snapshot: &Snapshot, subject: Subject<'_>, parsed: RoleArn<'_>) -> Option<Problem> {
    let fault = snapshot.accounts.get(parsed.account)?.unreadable_role(parsed.name)?;
    let entry = UnreadableEntry::Role { account: parsed.account.into() };
    Some(problem(subject, RoleRef::named(parsed.name), entry, fault))
}

/// An entry that may be the provider of the cluster's issuer.
pub(super) fn provider(snapshot: &Snapshot, subject: Subject<'_>, parsed: RoleArn<'_>) -> Option<Problem> {
    let fault = snapshot.accounts.get(parsed.account)?.unreadable_providers.first()?;
    let entry = UnreadableEntry::Provider { account: parsed.account.into() };
    Some(problem(subject, RoleRef::named(parsed.name), entry, fault))
}

/// The service account's association.
pub(super) fn association(subject: Subject<'_>, association: &Association) -> Option<Problem> {
    let fault = association.fault.as_deref()?;
    Some(problem(subject, RoleRef::OfAssociation, UnreadableEntry::Association, fault))
}
