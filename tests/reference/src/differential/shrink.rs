//! Makes a case small while the judges' answers stay as they are.

use serde_json::{Map, Value};

use super::judge::{Judge, JudgeError};
use crate::request::{Case, ContextValue, Decision, Principal};

/// Shrinks many cases together, so that a judge behind a pipe is asked in large batches.
pub(super) fn shrink(
    first: &mut dyn Judge,
    other: &mut dyn Judge,
    open: &[(Case, Decision, Decision)],
) -> Result<Vec<Case>, JudgeError> {
    let mut cases: Vec<Case> = open.iter().map(|(case, _, _)| case.clone()).collect();
    let mut moving: Vec<usize> = (0..cases.len()).collect();
    while !moving.is_empty() {
        let mut batch = Vec::new();
        let mut owners = Vec::new();
        for &index in &moving {
            for smaller in cases.get(index).map(smaller).unwrap_or_default() {
                owners.push(index);
                batch.push(smaller);
            }
        }
        let left = first.decide(&batch)?;
        let right = other.decide(&batch)?;
        let mut moved = Vec::new();
        for (((index, smaller), left), right) in owners.into_iter().zip(batch).zip(left).zip(right) {
            let Some((_, expected, found)) = open.get(index) else {
                continue;
            };
            if moved.last() != Some(&index) && left == Some(*expected) && right == Some(*found) {
                if let Some(case) = cases.get_mut(index) {
                    *case = smaller;
                }
                moved.push(index);
            }
        }
        moving = moved;
    }
    Ok(cases)
}

/// All cases that are this one with something taken away; large pieces first.
fn smaller(case: &Case) -> Vec<Case> {
    let mut smaller = Vec::new();
    let policies = &case.policies;
    let mut with = |change: &dyn Fn(&mut Case)| {
        let mut changed = case.clone();
        change(&mut changed);
        smaller.push(changed);
    };

    if policies.trust.is_some() {
        with(&|case| case.policies.trust = None);
    }
    for index in 0..policies.identity.len() {
        with(&|case| drop(case.policies.identity.remove(index)));
    }
    if policies.boundary.is_some() {
        with(&|case| case.policies.boundary = None);
    }
    if let Some(session) = &policies.session {
        with(&|case| case.policies.session = None);
        for index in (0..session.len()).filter(|_| session.len() > 1) {
            with(&|case| {
                if let Some(session) = case.policies.session.as_mut() {
                    session.remove(index);
                }
            });
        }
    }
    if policies.trust.is_none() && case.request.principal != Principal::None {
        with(&|case| case.request.principal = Principal::None);
    }
    for (key, value) in &case.request.context {
        with(&|case| drop(case.request.context.remove(key)));
        if let ContextValue::Multi(values) = value {
            for index in 0..values.len() {
                with(&|case| {
                    if let Some(ContextValue::Multi(values)) = case.request.context.get_mut(key) {
                        values.remove(index);
                    }
                });
            }
        }
    }

    if let Some(trust) = &policies.trust {
        for document in smaller_documents(trust) {
            with(&|case| case.policies.trust = Some(document.clone()));
        }
    }
    if let Some(boundary) = &policies.boundary {
        for document in smaller_documents(boundary) {
            with(&|case| case.policies.boundary = Some(document.clone()));
        }
    }
    for (index, identity) in policies.identity.iter().enumerate() {
        for document in smaller_documents(identity) {
            with(&|case| {
                if let Some(identity) = case.policies.identity.get_mut(index) {
                    identity.clone_from(&document);
                }
            });
        }
    }
    for (index, session) in policies.session.iter().flatten().enumerate() {
        for document in smaller_documents(session) {
            with(&|case| {
                if let Some(session) = case.policies.session.as_mut().and_then(|session| session.get_mut(index)) {
                    session.clone_from(&document);
                }
            });
        }
    }
    smaller
}

/// All documents that are this one with a statement, a condition, a list item or a list's brackets taken away.
fn smaller_documents(document: &Value) -> Vec<Value> {
    let mut smaller = Vec::new();
    let with = |statements: Vec<Value>| {
        let mut changed = document.clone();
        if let Some(document) = changed.as_object_mut() {
            document.insert("Statement".into(), Value::Array(statements));
        }
        changed
    };
    let statements = match document.get("Statement") {
        Some(Value::Array(statements)) => statements.clone(),
        Some(single) => vec![single.clone()],
        None => return smaller,
    };
    for (index, statement) in statements.iter().enumerate() {
        if statements.len() > 1 {
            let mut fewer = statements.clone();
            fewer.remove(index);
            smaller.push(with(fewer));
        }
        let Some(statement) = statement.as_object() else {
            continue;
        };
        for changed in smaller_statements(statement) {
            let mut fewer = statements.clone();
            if let Some(place) = fewer.get_mut(index) {
                *place = Value::Object(changed);
            }
            smaller.push(with(fewer));
        }
    }
    smaller
}

fn smaller_statements(statement: &Map<String, Value>) -> Vec<Map<String, Value>> {
    let mut smaller = Vec::new();
    let with = |key: &str, value: Option<Value>| {
        let mut changed = statement.clone();
        match value {
            Some(value) => drop(changed.insert(key.to_owned(), value)),
            None => drop(changed.remove(key)),
        }
        changed
    };
    if statement.contains_key("Sid") {
        smaller.push(with("Sid", None));
    }
    if let Some(Value::Object(block)) = statement.get("Condition") {
        smaller.push(with("Condition", None));
        for (operator, keys) in block {
            let mut fewer = block.clone();
            fewer.remove(operator);
            smaller.push(with("Condition", Some(Value::Object(fewer))));
            let Some(keys) = keys.as_object() else {
                continue;
            };
            for (key, values) in keys {
                let mut with_keys = |keys: Map<String, Value>| {
                    let mut fewer = block.clone();
                    fewer.insert(operator.clone(), Value::Object(keys));
                    smaller.push(with("Condition", Some(Value::Object(fewer))));
                };
                if keys.len() > 1 {
                    let mut fewer = keys.clone();
                    fewer.remove(key);
                    with_keys(fewer);
                }
                for values in smaller_lists(values) {
                    let mut fewer = keys.clone();
                    fewer.insert(key.clone(), values);
                    with_keys(fewer);
                }
            }
        }
    }
    for element in ["Action", "NotAction", "Resource", "NotResource"] {
        if let Some(values) = statement.get(element) {
            smaller.extend(smaller_lists(values).into_iter().map(|values| with(element, Some(values))));
            // To cover everything is plainer, though no shorter.
            if values.as_str() != Some("*") {
                let mut changed = with(element, None);
                changed.insert(element.trim_start_matches("Not").to_owned(), Value::from("*"));
                smaller.push(changed);
            }
        }
    }
    for element in ["Principal", "NotPrincipal"] {
        let Some(Value::Object(kinds)) = statement.get(element) else {
            continue;
        };
        for (kind, values) in kinds {
            if kinds.len() > 1 {
                let mut fewer = kinds.clone();
                fewer.remove(kind);
                smaller.push(with(element, Some(Value::Object(fewer))));
            }
            for values in smaller_lists(values) {
                let mut fewer = kinds.clone();
                fewer.insert(kind.clone(), values);
                smaller.push(with(element, Some(Value::Object(fewer))));
            }
        }
    }
    smaller
}

/// The list without each of its items, or the only item without its brackets.
fn smaller_lists(values: &Value) -> Vec<Value> {
    match values.as_array().map(Vec::as_slice) {
        Some([only]) => vec![only.clone()],
        Some(items) => (0..items.len())
            .map(|index| {
                let mut fewer = items.to_vec();
                fewer.remove(index);
                Value::Array(fewer)
            })
            .collect(),
        None => Vec::new(),
    }
}
