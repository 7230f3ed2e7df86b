//! Edits of trust policies as `jq` programs, which leave everything else of the policy as it is.

use rolecall_core::fix::{ConditionName, ConditionStep, StatementChange, StatementEdit, Text};

/// A text in a `jq` program.
fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn list(values: &[Text]) -> String {
    values.iter().map(|value| serde_json::Value::from(&**value)).collect::<serde_json::Value>().to_string()
}

/// Adds a statement, which is JSON, also where `Statement` is a single object.
pub(super) fn add_statement(statement: &str) -> String {
    format!(".Statement |= ([.]|flatten) + [{statement}]")
}

/// Changes one statement.
pub(super) fn edit_statement(StatementEdit { path, change, .. }: &StatementEdit) -> String {
    match change {
        StatementChange::SetActions(actions) => {
            format!("{path} |= (del(.NotAction) | .Action = {})", list(actions))
        }
        StatementChange::AddActions(actions) => format!("{path}.Action |= (([.]|flatten) + {})", list(actions)),
        StatementChange::Conditions(steps) => {
            let steps: Vec<String> = steps.iter().map(step).collect();
            format!("{path}.Condition |= ((. // {{}}) | {})", steps.join(" | "))
        }
    }
}

/// A step on a statement's conditions. An operator that is not there is added first; one that is left without a key is removed.
fn step(step: &ConditionStep) -> String {
    let at = |ConditionName { operator, key }: &ConditionName| format!(".[{}][{}]", text(operator), text(key));
    let of_operator =
        |name: &ConditionName, change: String| format!(".[{}] |= ((. // {{}}) | {change})", text(&name.operator));
    let del =
        |name: &ConditionName| format!("del({}) | del(.[{}] | select(. == {{}}))", at(name), text(&name.operator));
    let set = |name: &ConditionName, values: String| {
        of_operator(name, format!(".[{}] |= ({values} | unique)", text(&name.key)))
    };
    match step {
        ConditionStep::AddValues { condition, values } | ConditionStep::Put { condition, values } => {
            set(condition, format!("{} + {}", flat("."), list(values)))
        }
        ConditionStep::Replace { condition, old, new } => {
            set(condition, format!("{} - {} + {}", flat("."), list(old), list(new)))
        }
        ConditionStep::Remove(condition) => del(condition),
        ConditionStep::Move { from, to } => {
            let values = format!("{} + {}", flat("."), flat("$values"));
            format!("{} as $values | {} | {}", at(from), del(from), set(to, values))
        }
    }
}

/// A single value, a list or nothing as a list.
fn flat(values: &str) -> String {
    format!("([{values} // empty]|flatten)")
}
