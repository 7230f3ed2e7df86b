//! Edits of a role's trust policy: a new statement, or the smallest change of one that exists.

use std::sync::Arc;

use rolecall_iam::{RoleArn, Statement};
use serde_json::{Map, Value, json};

use super::AccountName;
use super::names::{StatementName, UndocumentedPrincipal};
use crate::text::Text;

/// A role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleName {
    /// The account that has it; twelve digits.
    pub account: Text,
    /// Its path: `/`, or a text that begins and ends with it.
    pub path: Text,
    /// Its name, without its path.
    pub name: Text,
    /// It is known to be of another account than the cluster: a command must not change a namesake.
    pub is_elsewhere: bool,
}

impl From<RoleArn<'_>> for RoleName {
    fn from(arn: RoleArn<'_>) -> Self {
        Self { account: arn.account.into(), path: arn.path.into(), name: arn.name.into(), is_elsewhere: false }
    }
}

impl RoleName {
    /// The role of an ARN; a text that is none counts as the name.
    pub fn of(arn: &str) -> Self {
        let no_arn = || Self { account: "ACCOUNT".into(), path: "/".into(), name: arn.into(), is_elsewhere: false };
        RoleArn::parse(arn).map_or_else(|_| no_arn(), Self::from)
    }
}

/// An edit of a role's trust policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustEdit {
    /// The role.
    pub role: RoleName,
    /// What to change.
    pub change: TrustChange,
}

/// What to change in a trust policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustChange {
    /// Add a statement.
    Add {
        /// Who may assume the role by it, as a person names it: a subject or a service principal.
        principal: Text,
        /// The statement, as JSON.
        statement: Box<str>,
    },
    /// Change one statement. Every problem of the statement has the same.
    Statement(Arc<StatementEdit>),
    /// A person has to narrow a Deny.
    NarrowDeny {
        /// The statement.
        statement: StatementName,
        /// The subject or the service principal that it must stop denying.
        principal: Text,
        /// For this service account.
        account: Option<AccountName>,
    },
    /// A person has to name everyone who uses a statement that lets all in: only they know all of them.
    NarrowAllow {
        /// The statement.
        statement: StatementName,
        /// The key of the condition that must name them.
        key: Text,
        /// One of them.
        subject: Text,
    },
    /// A person has to write a principal in the documented form.
    ReplacePrincipal {
        /// What the policy has; absent where it is `*` alone.
        from: Option<UndocumentedPrincipal>,
        /// What it must have.
        to: Text,
    },
}

/// A change of one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementEdit {
    /// The statement.
    pub statement: StatementName,
    /// The statement's place in the document, as a `jq` path: `.Statement[1]`.
    pub path: Text,
    /// What to change.
    pub change: StatementChange,
    /// The whole statement after the change, as JSON.
    pub after: Box<str>,
}

/// What to change in a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatementChange {
    /// Have `Action` with just these, in place of `NotAction`.
    SetActions(Vec<Text>),
    /// Add these actions.
    AddActions(Vec<Text>),
    /// Change its conditions, in this order.
    Conditions(Vec<ConditionStep>),
}

/// A step of a change of conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConditionStep {
    /// Adds values to a condition.
    AddValues {
        /// Operator and key.
        condition: ConditionName,
        /// The values.
        values: Vec<Text>,
    },
    /// Puts values in the place of others.
    Replace {
        /// Operator and key.
        condition: ConditionName,
        /// The values that go.
        old: Vec<Text>,
        /// The values that come.
        new: Vec<Text>,
    },
    /// Removes a condition.
    Remove(ConditionName),
    /// Asks for more: adds a condition, or values to one that was added for another service account.
    Put {
        /// Operator and key.
        condition: ConditionName,
        /// Its values.
        values: Vec<Text>,
    },
    /// Moves the values of a condition under another operator or key, which the statement does not have.
    Move {
        /// From this one.
        from: ConditionName,
        /// To this one.
        to: ConditionName,
    },
}

/// How a condition is found in a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionName {
    /// `StringEquals`, as the policy writes it.
    pub operator: Text,
    /// The key, as the policy writes it.
    pub key: Text,
}

impl ConditionName {
    pub(crate) fn new(operator: &str, key: &str) -> Self {
        Self { operator: operator.into(), key: key.into() }
    }
}

impl StatementEdit {
    pub(crate) fn new(name: StatementName, path: String, statement: &Statement, change: StatementChange) -> Self {
        let mut after = statement.to_json();
        change.apply(&mut after);
        Self { statement: name, path: path.into(), change, after: statement_text(&after).into() }
    }
}

impl StatementChange {
    /// Changes a statement whose lists are all arrays.
    fn apply(&self, statement: &mut Value) {
        let Some(statement) = statement.as_object_mut() else { return };
        match self {
            Self::SetActions(actions) => {
                statement.remove("NotAction");
                statement.insert("Action".to_owned(), list(actions));
            }
            Self::AddActions(actions) => add(statement.entry("Action").or_insert_with(|| json!([])), actions),
            Self::Conditions(steps) => steps.iter().for_each(|step| step.apply(statement)),
        }
    }
}

impl ConditionStep {
    fn apply(&self, statement: &mut Map<String, Value>) {
        match self {
            Self::AddValues { condition, values } | Self::Put { condition, values } => {
                if let Some(conditions) = conditions(statement, &condition.operator) {
                    add(conditions.entry(&*condition.key).or_insert_with(|| json!([])), values);
                }
            }
            Self::Replace { condition, old, new } => {
                if let Some(values) = conditions(statement, &condition.operator)
                    .and_then(|conditions| conditions.get_mut(&*condition.key))
                {
                    remove(values, old);
                    add(values, new);
                }
            }
            Self::Remove(condition) => drop(take(statement, condition)),
            Self::Move { from, to } => {
                let values = take(statement, from).unwrap_or_else(|| json!([]));
                if let Some(conditions) = conditions(statement, &to.operator) {
                    conditions.insert(to.key.to_string(), values);
                }
            }
        }
    }
}

/// A statement as JSON in the order in which people write it, with a single value instead of a list of one.
pub(crate) fn statement_text(statement: &Value) -> String {
    let elements = ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "Condition"];
    let element = |name: &&str| Some(format!("{}: {}", json!(name), short(statement.get(*name)?)));
    format!("{{{}}}", elements.iter().filter_map(element).collect::<Vec<_>>().join(", "))
}

fn short(value: &Value) -> String {
    match value {
        Value::Array(list) => match list.as_slice() {
            [one] => one.to_string(),
            several => format!("[{}]", several.iter().map(Value::to_string).collect::<Vec<_>>().join(", ")),
        },
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{}: {}", json!(name), short(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn list(values: &[Text]) -> Value {
    values.iter().map(|value| Value::from(&**value)).collect()
}

/// Adds values that are not there.
fn add(list: &mut Value, values: &[Text]) {
    if let Some(list) = list.as_array_mut() {
        let new = values.iter().map(|value| Value::from(&**value));
        let new: Vec<Value> = new.filter(|value| !list.contains(value)).collect();
        list.extend(new);
    }
}

/// Removes values.
fn remove(list: &mut Value, values: &[Text]) {
    if let Some(list) = list.as_array_mut() {
        list.retain(|found| !values.iter().any(|value| *found == **value));
    }
}

/// The conditions of an operator.
fn conditions<'s>(statement: &'s mut Map<String, Value>, operator: &str) -> Option<&'s mut Map<String, Value>> {
    let all = statement.entry("Condition").or_insert_with(|| json!({})).as_object_mut()?;
    all.entry(operator).or_insert_with(|| json!({})).as_object_mut()
}

/// Takes a condition out, and an operator that is left without any.
fn take(statement: &mut Map<String, Value>, condition: &ConditionName) -> Option<Value> {
    let all = statement.get_mut("Condition")?.as_object_mut()?;
    let of_operator = all.get_mut(&*condition.operator)?.as_object_mut()?;
    let values = of_operator.remove(&*condition.key);
    if of_operator.is_empty() {
        all.remove(&*condition.operator);
    }
    values
}
