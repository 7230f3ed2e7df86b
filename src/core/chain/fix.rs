//! Commands that mend a link, with the workload's own names in them.

use rolecall_iam::RoleArn;

use super::Subject;
use crate::snapshot::{Association, Snapshot};

/// The cluster's name, or what to put there.
pub(crate) fn cluster_name(snapshot: &Snapshot) -> &str {
    snapshot.cluster.as_ref().map_or("CLUSTER", |cluster| &cluster.name)
}

/// Annotates a service account with a role.
pub(crate) fn annotate(subject: Subject<'_>, key: &str, value: &str) -> String {
    format!(
        "kubectl annotate serviceaccount -n {} {} {key}={value} --overwrite",
        subject.namespace, subject.service_account
    )
}

/// Gives an association another role.
pub(crate) fn update_association(snapshot: &Snapshot, association: &Association, change: &str) -> String {
    format!(
        "aws eks update-pod-identity-association --cluster-name {} --association-id {} {change}",
        cluster_name(snapshot),
        association.id.as_deref().unwrap_or("ASSOCIATION_ID"),
    )
}

/// Makes an association.
pub(crate) fn create_association(snapshot: &Snapshot, subject: Subject<'_>, role_arn: &str) -> String {
    format!(
        "aws eks create-pod-identity-association --cluster-name {} --namespace {} --service-account {} --role-arn {role_arn}",
        cluster_name(snapshot),
        subject.namespace,
        subject.service_account,
    )
}

/// Edits a role's trust policy with a `jq` program.
pub(crate) fn edit_trust(role: RoleArn<'_>, program: &str) -> String {
    format!(
        "aws iam get-role --role-name {name} --query Role.AssumeRolePolicyDocument --output json | jq '{program}' > trust.json \
         && aws iam update-assume-role-policy --role-name {name} --policy-document file://trust.json",
        name = role.name
    )
}

/// Has a person edit a role's trust policy, where no program should.
pub(crate) fn edit_trust_by_hand(role: RoleArn<'_>, what: &str) -> String {
    let name = role.name;
    format!(
        "aws iam get-role --role-name {name} --query Role.AssumeRolePolicyDocument --output json > trust.json; {what}; \
         aws iam update-assume-role-policy --role-name {name} --policy-document file://trust.json"
    )
}

/// A `jq` program that adds a statement.
pub(crate) fn add_statement(statement: &serde_json::Value) -> String {
    format!(".Statement |= ([.]|flatten) + [{statement}]")
}

/// A `jq` program that adds a value to a condition's key, or an action to a statement: `place` is a path.
pub(crate) fn add_value(place: &str, value: &str) -> String {
    format!("{place} |= (([.]|flatten) + [\"{value}\"])")
}
