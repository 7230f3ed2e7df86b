//! Commands that fix a link, with the names of the workload in them.

use rolecall_iam::RoleArn;

use super::Subject;
use crate::snapshot::{Association, Snapshot};

/// A word of a shell command: what comes from a manifest or a policy must not become a command of its own.
pub fn word(text: &str) -> String {
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

/// A shell command. Values come in as words only, and each is quoted: none can become a command or an option of its own.
#[derive(Debug, Clone)]
pub(crate) struct Command(String);

impl Command {
    /// Begins with words that are the program's own, such as `aws eks create-addon`.
    pub(crate) fn new(words: &'static str) -> Self {
        Self(words.to_owned())
    }

    /// Adds a value.
    pub(crate) fn word(mut self, value: impl AsRef<str>) -> Self {
        self.0.push(' ');
        self.0.push_str(&word(value.as_ref()));
        self
    }

    /// Adds an option with its value.
    pub(crate) fn option(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        self.0.push(' ');
        self.0.push_str(name);
        self.word(value)
    }
}

impl std::fmt::Display for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Changes annotations of a service account: `KEY=VALUE` sets, `KEY-` removes.
fn kubectl_annotate(subject: Subject<'_>) -> Command {
    Command::new("kubectl annotate serviceaccount").option("-n", subject.namespace).word(subject.service_account)
}

/// Annotates a service account.
pub(crate) fn annotate(subject: Subject<'_>, key: &str, value: &str) -> String {
    kubectl_annotate(subject).word(format!("{key}={value}")).word("--overwrite").to_string()
}

/// Removes an annotation from a service account.
pub(crate) fn remove_annotation(subject: Subject<'_>, key: &str) -> String {
    kubectl_annotate(subject).word(format!("{key}-")).to_string()
}

/// Puts an annotation's value under another key.
pub(crate) fn move_annotation(subject: Subject<'_>, from: &str, to: &str, value: &str) -> String {
    kubectl_annotate(subject).word(format!("{to}={value}")).word(format!("{from}-")).word("--overwrite").to_string()
}

/// A change to an association.
#[derive(Debug, Clone, Copy)]
pub(crate) enum AssociationChange<'a> {
    Role(&'a str),
    RoleAndTarget(&'a str, &'a str),
    Target(&'a str),
    SessionTags,
    Policy,
}

/// Changes an association.
pub(crate) fn update_association(
    snapshot: &Snapshot,
    association: &Association,
    change: AssociationChange<'_>,
) -> String {
    let command = Command::new("aws eks update-pod-identity-association")
        .option("--cluster-name", cluster_name(snapshot))
        .option("--association-id", association_id(association));
    let command = match change {
        AssociationChange::Role(arn) => command.option("--role-arn", arn),
        AssociationChange::RoleAndTarget(arn, target) => {
            command.option("--role-arn", arn).option("--target-role-arn", target)
        }
        AssociationChange::Target(arn) => command.option("--target-role-arn", arn),
        AssociationChange::SessionTags => command.word("--no-disable-session-tags"),
        AssociationChange::Policy => command.option("--policy", "file://policy.json"),
    };
    command.to_string()
}

/// The association's ID, or a placeholder.
pub(crate) fn association_id(association: &Association) -> &str {
    association.id.as_deref().unwrap_or("ASSOCIATION_ID")
}

/// Deletes an association.
pub(crate) fn delete_association(snapshot: &Snapshot, association: Option<&Association>) -> String {
    Command::new("aws eks delete-pod-identity-association")
        .option("--cluster-name", cluster_name(snapshot))
        .option("--association-id", association.map_or("ASSOCIATION_ID", association_id))
        .to_string()
}

/// Creates an association.
pub(crate) fn create_association(snapshot: &Snapshot, subject: Subject<'_>, role_arn: &str) -> String {
    Command::new("aws eks create-pod-identity-association")
        .option("--cluster-name", cluster_name(snapshot))
        .option("--namespace", subject.namespace)
        .option("--service-account", subject.service_account)
        .option("--role-arn", role_arn)
        .to_string()
}

/// Shows the status and the problems of the Pod Identity agent's add-on.
pub(crate) fn describe_agent(snapshot: &Snapshot) -> String {
    Command::new("aws eks describe-addon")
        .option("--cluster-name", cluster_name(snapshot))
        .option("--addon-name", "eks-pod-identity-agent")
        .to_string()
}

/// Installs the Pod Identity agent.
pub(crate) fn create_agent(snapshot: &Snapshot) -> String {
    Command::new("aws eks create-addon")
        .option("--cluster-name", cluster_name(snapshot))
        .option("--addon-name", "eks-pod-identity-agent")
        .to_string()
}

/// Shows a role.
pub(crate) fn get_role(name: &str) -> Command {
    Command::new("aws iam get-role").option("--role-name", name)
}

/// Instead of a change to a role that belongs to nodes or to AWS.
pub(crate) fn own_role(snapshot: &Snapshot, subject: Subject<'_>, arn: &str) -> String {
    let name = RoleArn::parse(arn).map_or(arn, |role| role.name);
    let what = if arn.contains("role/aws-service-role/") || arn.contains("role/aws-reserved/") {
        "AWS manages it"
    } else {
        "it is a node role"
    };
    format!("use another role than {name}: {what}: {}", create_association(snapshot, subject, "ROLE_ARN"))
}

/// The commands that read a role's trust policy and write it back.
fn trust_commands(role: RoleArn<'_>) -> (Command, Command) {
    let read = get_role(role.name).option("--query", "Role.AssumeRolePolicyDocument").option("--output", "json");
    let write = Command::new("aws iam update-assume-role-policy")
        .option("--role-name", role.name)
        .option("--policy-document", "file://trust.json");
    (read, write)
}

/// Edits a role's trust policy with a `jq` program.
pub(crate) fn edit_trust(role: RoleArn<'_>, program: &str) -> String {
    let (read, write) = trust_commands(role);
    // Also a program of one plain word is quoted, as people write it.
    let program = format!("'{}'", program.replace('\'', r"'\''"));
    format!("{read} | jq {program} > trust.json && {write}")
}

/// Tells a person how to edit a role's trust policy, where no program should. What comes from the policy stands before the
/// command, never behind a `#` that a line break could end.
pub(crate) fn edit_trust_by_hand(role: RoleArn<'_>, what: &str) -> String {
    let (read, write) = trust_commands(role);
    format!("{what} in trust.json: {read} > trust.json; then: {write}")
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
