//! What a chain rests on and the snapshot does not contain: a chain is unknown only together with a problem that names it.

use rolecall_iam::RoleArn;

use super::{Subject, fix};
use crate::finding::Problem;
use crate::fix::{Change, Show, Text};
use crate::rules;
use crate::snapshot::{Association, Issuer, Provider, Snapshot};

/// A part that the snapshot does not have: what it is, and what shows it.
fn problem(subject: Subject<'_>, role: &str, part: &str, show: Show) -> Problem {
    Problem::new(
        &rules::NOT_COLLECTED,
        format!(
            "cannot tell whether service account {subject} can assume role {role}: the snapshot does not contain {part}"
        ),
        Change::Collect { what: part.into(), show },
    )
    .expected("needed", part)
    .found("the snapshot has", "nothing of it: not collected")
}

/// The cluster's issuer.
pub(super) fn issuer(snapshot: &Snapshot, subject: Subject<'_>, role: &str) -> Problem {
    let show = Show::Issuer { cluster: fix::cluster_name(snapshot) };
    problem(subject, role, "the cluster's OIDC issuer", show)
}

/// The OIDC providers of the role's account.
pub(super) fn providers(subject: Subject<'_>, role: &str, account: &str, issuer: &Issuer) -> Problem {
    let show = Show::Providers { account: account.into(), issuer: issuer.as_str().into() };
    problem(subject, role, &format!("the OIDC providers of account {account}"), show)
}

/// The client IDs of a provider.
pub(super) fn client_ids(subject: Subject<'_>, role: &str, provider: &Provider) -> Problem {
    let show = Show::ClientIds { provider: (&provider.arn).into() };
    problem(subject, role, &format!("the client IDs (audiences) of {}", provider.arn), show)
}

/// The trust policy of a role.
pub(super) fn trust_policy(subject: Subject<'_>, role: RoleArn<'_>) -> Problem {
    let part = format!("the trust policy of role {}", role.name);
    problem(subject, role.name, &part, Show::TrustPolicy(role.into()))
}

/// The permissions of the role that takes the target role.
pub(super) fn policies(subject: Subject<'_>, target: &str, first: RoleArn<'_>, what: &[String]) -> Problem {
    let what = if what.is_empty() { "policies".to_owned() } else { what.join(", ") };
    let part = format!("the permissions of role {} ({what})", first.name);
    problem(subject, target, &part, Show::Policies(first.into()))
}

/// The role of an association: `ListPodIdentityAssociations` does not tell it.
pub(super) fn association_role(snapshot: &Snapshot, subject: Subject<'_>, association: &Association) -> Problem {
    let id = Text::from(association.id.as_deref().unwrap_or("ASSOCIATION_ID"));
    let cluster = fix::cluster_name(snapshot);
    let expected = format!("DescribePodIdentityAssociation of {id}");
    Problem::new(
        &rules::NOT_COLLECTED,
        format!(
            "cannot tell which role the pods of service account {subject} get: the snapshot does not contain the roleArn of \
             Pod Identity association {id}"
        ),
        Change::Collect { what: format!("the roleArn of Pod Identity association {id}").into(), show: Show::Association { cluster, id } },
    )
    .expected("needed", expected)
    .found("the snapshot has", "the association without its roleArn, as ListPodIdentityAssociations returns it")
}

/// The Pod Identity agent: `found` says what was read.
pub(super) fn agent(snapshot: &Snapshot, subject: Subject<'_>, found: &str) -> Problem {
    Problem::new(
        &rules::NOT_COLLECTED,
        format!(
            "cannot tell whether the pods of service account {subject} get credentials: it is not known whether the Pod \
             Identity agent runs"
        ),
        Change::Collect { what: "it".into(), show: Show::Agent { cluster: fix::cluster_name(snapshot) } },
    )
    .expected("needed", "the add-on eks-pod-identity-agent, or its DaemonSet")
    .found("the snapshot has", found)
}

/// The Pod Identity associations, for a container that has the variables of one.
pub(crate) fn associations(snapshot: &Snapshot, subject: Subject<'_>) -> Problem {
    let show = Show::Associations { cluster: fix::cluster_name(snapshot) };
    problem(subject, "of its association", "the cluster's Pod Identity associations", show)
}
