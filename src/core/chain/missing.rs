//! What a chain rests on and the snapshot does not contain: a chain is unknown only together with a problem that names it.

use rolecall_iam::RoleArn;

use super::{Subject, fix};
use crate::finding::{CannotTell, Cause, CredentialsCause, Label, Problem, RoleCause, RoleRef, SnapshotValue};
use crate::fix::{Change, PolicyRef, Show, SnapshotPart, Text};
use crate::rules;
use crate::snapshot::{Association, Issuer, Provider, Snapshot};

/// A part that the snapshot does not have: what it is, and what shows it.
fn problem(subject: Subject<'_>, role: RoleRef, part: SnapshotPart, show: Show) -> Problem {
    Problem::new(
        &rules::NOT_COLLECTED,
        Cause::CannotTell { account: subject.into(), role, why: CannotTell::NotCollected(part.clone()) },
        Change::Collect { part: part.clone(), show },
    )
    .expected(Label::Needed, part)
    .found(Label::SnapshotHas, SnapshotValue::NothingOfIt)
}

/// The cluster's issuer.
pub(super) fn issuer(snapshot: &Snapshot, subject: Subject<'_>, role: &str) -> Problem {
    let show = Show::Issuer { cluster: fix::cluster_name(snapshot) };
    problem(subject, RoleRef::named(role), SnapshotPart::Issuer, show)
}

/// The OIDC providers of the role's account.
pub(super) fn providers(subject: Subject<'_>, role: &str, account: &str, issuer: &Issuer) -> Problem {
    let show = Show::Providers { account: account.into(), issuer: issuer.as_str().into() };
    problem(subject, RoleRef::named(role), SnapshotPart::Providers(account.into()), show)
}

/// The client IDs of a provider.
pub(super) fn client_ids(subject: Subject<'_>, role: &str, provider: &Provider) -> Problem {
    let show = Show::ClientIds { provider: (&provider.arn).into() };
    problem(subject, RoleRef::named(role), SnapshotPart::ClientIds((&provider.arn).into()), show)
}

/// The trust policy of a role.
pub(super) fn trust_policy(subject: Subject<'_>, role: RoleArn<'_>) -> Problem {
    let part = SnapshotPart::TrustPolicy(role.name.into());
    problem(subject, RoleRef::named(role.name), part, Show::TrustPolicy(role.into()))
}

/// The permissions of the role that takes the target role.
pub(super) fn policies(subject: Subject<'_>, target: &str, first: RoleArn<'_>, policies: Box<[PolicyRef]>) -> Problem {
    let part = SnapshotPart::Permissions { role: first.name.into(), policies };
    problem(subject, RoleRef::named(target), part, Show::Policies(first.into()))
}

/// The role of an association: `ListPodIdentityAssociations` does not return it.
pub(super) fn association_role(snapshot: &Snapshot, subject: Subject<'_>, association: &Association) -> Problem {
    let id = Text::from(association.id.as_deref().unwrap_or("ASSOCIATION_ID"));
    let cluster = fix::cluster_name(snapshot);
    Problem::new(
        &rules::NOT_COLLECTED,
        RoleCause::UnknownOfAssociation { account: subject.into(), association: id.clone() },
        Change::Collect {
            part: SnapshotPart::AssociationRole(id.clone()),
            show: Show::Association { cluster, id: id.clone() },
        },
    )
    .expected(Label::Needed, SnapshotValue::DescribeAssociation { id })
    .found(Label::SnapshotHas, SnapshotValue::AssociationWithoutRole)
}

/// The Pod Identity agent: `found` says what was read.
pub(super) fn agent(snapshot: &Snapshot, subject: Subject<'_>, found: SnapshotValue) -> Problem {
    Problem::new(
        &rules::NOT_COLLECTED,
        CredentialsCause::AgentUnknown { account: subject.into() },
        Change::Collect { part: SnapshotPart::Agent, show: Show::Agent { cluster: fix::cluster_name(snapshot) } },
    )
    .expected(Label::Needed, SnapshotValue::AgentAddOnOrDaemonSet)
    .found(Label::SnapshotHas, found)
}

/// The Pod Identity associations, for a container that has the variables of one.
pub(crate) fn associations(snapshot: &Snapshot, subject: Subject<'_>) -> Problem {
    let show = Show::Associations { cluster: fix::cluster_name(snapshot) };
    problem(subject, RoleRef::OfAssociation, SnapshotPart::Associations, show)
}
