//! Commands that mend a link, with the workload's own names in them.

use rolecall_iam::RoleArn;

use super::Subject;
use crate::snapshot::{Association, Snapshot};

/// A word of a shell command: what comes from a manifest or a policy must not become a command of its own.
pub(crate) fn word(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_./:=@+,".contains(c);
    if !text.is_empty() && text.chars().all(safe) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// A text in a `jq` program.
pub(crate) fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The cluster's name, or what to put there.
pub(crate) fn cluster_name(snapshot: &Snapshot) -> &str {
    snapshot.cluster.as_ref().map_or("CLUSTER", |cluster| &cluster.name)
}

/// Annotates a service account with a role.
pub(crate) fn annotate(subject: Subject<'_>, key: &str, value: &str) -> String {
    format!(
        "kubectl annotate serviceaccount -n {} {} {key}={} --overwrite",
        word(subject.namespace),
        word(subject.service_account),
        word(value)
    )
}

/// Removes an annotation from a service account.
pub(crate) fn remove_annotation(subject: Subject<'_>, key: &str) -> String {
    format!(
        "kubectl annotate serviceaccount -n {} {} {}-",
        word(subject.namespace),
        word(subject.service_account),
        word(key)
    )
}

/// Gives an association another role.
pub(crate) fn update_association(snapshot: &Snapshot, association: &Association, change: &str) -> String {
    format!(
        "aws eks update-pod-identity-association --cluster-name {} --association-id {} {change}",
        word(cluster_name(snapshot)),
        association_id(association),
    )
}

/// The association's ID, or what to put there.
pub(crate) fn association_id(association: &Association) -> String {
    association.id.as_deref().map_or_else(|| "ASSOCIATION_ID".to_owned(), word)
}

/// Makes an association.
pub(crate) fn create_association(snapshot: &Snapshot, subject: Subject<'_>, role_arn: &str) -> String {
    format!(
        "aws eks create-pod-identity-association --cluster-name {} --namespace {} --service-account {} --role-arn {role_arn}",
        word(cluster_name(snapshot)),
        word(subject.namespace),
        word(subject.service_account),
    )
}

/// Instead of a change to a role that belongs to nodes or to AWS.
pub(crate) fn own_role(snapshot: &Snapshot, subject: Subject<'_>, arn: &str) -> String {
    let name = RoleArn::parse(arn).map_or(arn, |role| role.name);
    let what = if arn.contains("role/aws-service-role/") || arn.contains("role/aws-reserved/") {
        "AWS manages it"
    } else {
        "it is a node role"
    };
    format!("use a role of its own, not {name}, because {what}: {}", create_association(snapshot, subject, "ROLE_ARN"))
}

/// Edits a role's trust policy with a `jq` program.
pub(crate) fn edit_trust(role: RoleArn<'_>, program: &str) -> String {
    let program = format!("'{}'", program.replace('\'', r"'\''"));
    format!(
        "aws iam get-role --role-name {name} --query Role.AssumeRolePolicyDocument --output json | jq {program} > trust.json \
         && aws iam update-assume-role-policy --role-name {name} --policy-document file://trust.json",
        name = role.name
    )
}

/// Has a person edit a role's trust policy, where no program should.
pub(crate) fn edit_trust_by_hand(role: RoleArn<'_>, what: &str) -> String {
    let name = role.name;
    format!(
        "aws iam get-role --role-name {name} --query Role.AssumeRolePolicyDocument --output json > trust.json  # {what}, then: \
         aws iam update-assume-role-policy --role-name {name} --policy-document file://trust.json"
    )
}

/// A `jq` program that edits a statement's conditions, step by step.
pub(crate) fn edit_conditions(statement: &str, steps: &[String]) -> String {
    format!("{statement}.Condition |= ((. // {{}}) | {})", steps.join(" | "))
}

/// A step that puts a condition in, beside what is there; `value` is a `jq` expression.
pub(crate) fn put_condition(operator: &str, key: &str, value: &str) -> String {
    let (operator, key) = (text(operator), text(key));
    format!(".[{operator}] = ((.[{operator}] // {{}}) + {{{key}: {value}}})")
}

/// A `jq` program that adds a statement.
pub(crate) fn add_statement(statement: &serde_json::Value) -> String {
    format!(".Statement |= ([.]|flatten) + [{statement}]")
}

/// A `jq` program that adds a value to a condition's key, or an action to a statement: `place` is a path.
pub(crate) fn add_value(place: &str, value: &str) -> String {
    format!("{place} |= (([.]|flatten) + [{}])", text(value))
}
