//! Edits of trust policies as `jq` programs, which leave everything else of the policy as it is.

use rolecall_core::fix::{StatementEdit, StatementStep, Text};

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
pub(super) fn edit_statement(edit: &StatementEdit) -> String {
    let steps: Vec<String> = edit.steps.iter().map(step).collect();
    match edit.steps.as_slice() {
        [StatementStep::AddActions(actions)] => {
            format!("{}.Action |= (([.]|flatten) + {})", edit.path, list(actions))
        }
        [StatementStep::SetActions(_) | StatementStep::AddActions(_), ..] => {
            format!("{} |= ({})", edit.path, steps.join(" | "))
        }
        _ => format!("{}.Condition |= ((. // {{}}) | {})", edit.path, steps.join(" | ")),
    }
}

/// A step on a statement's actions, or on its conditions.
fn step(step: &StatementStep) -> String {
    let at = |operator: &str, key: &str| format!(".[{}][{}]", text(operator), text(key));
    let put = |operator: &str, key: &str, value: &str| {
        let operator = text(operator);
        format!(".[{operator}] = ((.[{operator}] // {{}}) + {{{}: {value}}})", text(key))
    };
    match step {
        StatementStep::SetActions(actions) => format!("del(.NotAction) | .Action = {}", list(actions)),
        StatementStep::AddActions(actions) => format!(".Action |= (([.]|flatten) + {})", list(actions)),
        StatementStep::AddValues { condition, values } => {
            format!("{} |= (([.]|flatten) + {} | unique)", at(&condition.operator, &condition.key), list(values))
        }
        StatementStep::Remove(condition) => format!("del({})", at(&condition.operator, &condition.key)),
        StatementStep::Put { condition, values } => match values.as_slice() {
            [one] => put(&condition.operator, &condition.key, &text(one)),
            several => put(&condition.operator, &condition.key, &list(several)),
        },
        StatementStep::Move { from, to } => {
            let from = at(&from.operator, &from.key);
            format!("{} | del({from})", put(&to.operator, &to.key, &from))
        }
    }
}
