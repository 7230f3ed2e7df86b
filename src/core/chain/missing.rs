//! What a chain rests on and the snapshot does not contain: a chain is unknown only together with a problem that names it.

use super::{Subject, fix};
use crate::finding::Problem;
use crate::rules;
use crate::snapshot::{Association, Issuer, Provider, Snapshot};

/// A part of the snapshot that is not there: what it is, and the command that shows it.
fn problem(subject: Subject<'_>, role: &str, part: &str, command: &str) -> Problem {
    Problem::new(
        &rules::NOT_COLLECTED,
        format!(
            "cannot tell whether service account {subject} can assume role {role}: the snapshot does not contain {part}"
        ),
        format!("collect the snapshot with the rights to read it, or add {part}: {command}"),
    )
    .expected("needed", part)
    .found("the snapshot has", "nothing of it: not collected")
}

/// The cluster's issuer.
pub(super) fn issuer(snapshot: &Snapshot, subject: Subject<'_>, role: &str) -> Problem {
    let cluster = fix::word(fix::cluster_name(snapshot));
    problem(
        subject,
        role,
        "the cluster's OIDC issuer",
        &format!("aws eks describe-cluster --name {cluster} --query cluster.identity.oidc.issuer"),
    )
}

/// The OIDC providers of the role's account.
pub(super) fn providers(subject: Subject<'_>, role: &str, account: &str, issuer: &Issuer) -> Problem {
    problem(
        subject,
        role,
        &format!("the OIDC providers of account {account}"),
        &format!("in account {account}: aws iam list-open-id-connect-providers (one must end in {issuer})"),
    )
}

/// The client IDs of a provider.
pub(super) fn client_ids(subject: Subject<'_>, role: &str, provider: &Provider) -> Problem {
    problem(
        subject,
        role,
        &format!("the client IDs (audiences) of {}", provider.arn),
        &format!(
            "aws iam get-open-id-connect-provider --open-id-connect-provider-arn {} --query ClientIDList",
            fix::word(&provider.arn)
        ),
    )
}

/// The trust policy of a role.
pub(super) fn trust_policy(subject: Subject<'_>, role: &str) -> Problem {
    problem(
        subject,
        role,
        &format!("the trust policy of role {role}"),
        &format!("aws iam get-role --role-name {} --query Role.AssumeRolePolicyDocument", fix::word(role)),
    )
}

/// The permissions of the role that takes the target role.
pub(super) fn policies(subject: Subject<'_>, target: &str, first: &str, what: &[String]) -> Problem {
    let what = if what.is_empty() { "policies".to_owned() } else { what.join(", ") };
    problem(
        subject,
        target,
        &format!("the permissions of role {first} ({what})"),
        &format!(
            "aws iam list-role-policies --role-name {0}; aws iam list-attached-role-policies --role-name {0}",
            fix::word(first)
        ),
    )
}

/// The role of an association: `ListPodIdentityAssociations` does not tell it.
pub(super) fn association_role(snapshot: &Snapshot, subject: Subject<'_>, association: &Association) -> Problem {
    let id = fix::word(fix::association_id(association));
    let cluster = fix::word(fix::cluster_name(snapshot));
    Problem::new(
        &rules::NOT_COLLECTED,
        format!(
            "cannot tell which role the pods of service account {subject} get: the snapshot does not contain the roleArn of \
             Pod Identity association {id}"
        ),
        format!(
            "collect the snapshot with the rights to read it, or add it: aws eks describe-pod-identity-association \
             --cluster-name {cluster} --association-id {id}"
        ),
    )
    .expected("needed", format!("DescribePodIdentityAssociation of {id}"))
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
        format!(
            "aws eks list-addons --cluster-name {}; kubectl get daemonset -n kube-system eks-pod-identity-agent",
            fix::word(fix::cluster_name(snapshot))
        ),
    )
    .expected("needed", "the add-on eks-pod-identity-agent, or its DaemonSet")
    .found("the snapshot has", found)
}

/// The Pod Identity associations, for a container that has the variables of one.
pub(crate) fn associations(snapshot: &Snapshot, subject: Subject<'_>) -> Problem {
    let cluster = fix::word(fix::cluster_name(snapshot));
    problem(
        subject,
        "of its association",
        "the cluster's Pod Identity associations",
        &format!("aws eks list-pod-identity-associations --cluster-name {cluster}"),
    )
}
