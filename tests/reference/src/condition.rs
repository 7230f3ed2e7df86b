//! The `Condition` element.

use std::cmp::Ordering;

use serde_json::Value;

use crate::compare;
use crate::document::list;
use crate::request::{ContextValue, Request};
use crate::text::{self, Piece};

/// What an operator compares, without its set prefix, its negation and its `IfExists`.
#[derive(Clone, Copy)]
pub(crate) enum Comparison {
    Equal,
    EqualIgnoringCase,
    Like,
    Arn,
    Number(fn(Ordering) -> bool),
    Date(fn(Ordering) -> bool),
    Boolean,
    Binary,
    Address,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Set {
    ForAllValues,
    ForAnyValue,
}

pub(crate) enum Operator {
    Null,
    Compare { set: Option<Set>, comparison: Comparison, negated: bool, if_exists: bool },
}

/// Takes an operator's name apart. Choice: names are not case-sensitive (no document says either).
///
/// «Condition operators», `…IfExists`: *to the end of any condition operator name except the `Null` condition*. A set
/// prefix on `Null` is in no document; both are unknown operators here.
pub(crate) fn operator(name: &str) -> Option<Operator> {
    let name = name.to_ascii_lowercase();
    if name == "null" {
        return Some(Operator::Null);
    }
    let (set, name) = match name.split_once(':') {
        Some(("forallvalues", rest)) => (Some(Set::ForAllValues), rest),
        Some(("foranyvalue", rest)) => (Some(Set::ForAnyValue), rest),
        Some(_) => return None,
        None => (None, name.as_str()),
    };
    let (name, if_exists) = match name.strip_suffix("ifexists") {
        Some(rest) => (rest, true),
        None => (name, false),
    };
    let (comparison, negated) = match name {
        "stringequals" => (Comparison::Equal, false),
        "stringnotequals" => (Comparison::Equal, true),
        "stringequalsignorecase" => (Comparison::EqualIgnoringCase, false),
        "stringnotequalsignorecase" => (Comparison::EqualIgnoringCase, true),
        "stringlike" => (Comparison::Like, false),
        "stringnotlike" => (Comparison::Like, true),
        "numericequals" => (Comparison::Number(Ordering::is_eq), false),
        "numericnotequals" => (Comparison::Number(Ordering::is_eq), true),
        "numericlessthan" => (Comparison::Number(Ordering::is_lt), false),
        "numericlessthanequals" => (Comparison::Number(Ordering::is_le), false),
        "numericgreaterthan" => (Comparison::Number(Ordering::is_gt), false),
        "numericgreaterthanequals" => (Comparison::Number(Ordering::is_ge), false),
        "dateequals" => (Comparison::Date(Ordering::is_eq), false),
        "datenotequals" => (Comparison::Date(Ordering::is_eq), true),
        "datelessthan" => (Comparison::Date(Ordering::is_lt), false),
        "datelessthanequals" => (Comparison::Date(Ordering::is_le), false),
        "dategreaterthan" => (Comparison::Date(Ordering::is_gt), false),
        "dategreaterthanequals" => (Comparison::Date(Ordering::is_ge), false),
        "bool" => (Comparison::Boolean, false),
        "binaryequals" => (Comparison::Binary, false),
        "ipaddress" => (Comparison::Address, false),
        "notipaddress" => (Comparison::Address, true),
        // «Condition operators», ARN: the Equals and the Like forms *behave identically*.
        "arnequals" | "arnlike" => (Comparison::Arn, false),
        "arnnotequals" | "arnnotlike" => (Comparison::Arn, true),
        _ => return None,
    };
    Some(Operator::Compare { set, comparison, negated, if_exists })
}

/// Whether a whole `Condition` element is met.
///
/// «Conditions with multiple context keys or values»: operators are ANDed, and so are the keys under one operator. An
/// element of another shape than the grammar's is never met, and neither is an unknown operator.
pub(crate) fn met(condition: &Value, variables: bool, request: &Request) -> bool {
    let Some(operators) = condition.as_object() else {
        return false;
    };
    operators.iter().all(|(name, keys)| {
        keys.as_object().is_some_and(|keys| {
            keys.iter().all(|(key, values)| element_met(name, key, &texts(values), variables, request))
        })
    })
}

/// «Grammar of the IAM JSON policy language»: a value is a string, a number or a Boolean, or a list of these;
/// *quotation marks are optional for numeric and Boolean values*.
pub(crate) fn texts(values: &Value) -> Vec<String> {
    list(values)
        .into_iter()
        .filter_map(|value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            _ => None,
        })
        .collect()
}

fn element_met(name: &str, key: &str, policy: &[String], variables: bool, request: &Request) -> bool {
    let value = request.context_value(key);
    match operator(name) {
        None => false,
        // «Condition operators», Null: *`true` (the key doesn't exist — it is null) or `false` (the key exists and its
        // value is not null)*. An empty string is a null value by the same page (ARN, `ForAllValues`).
        Some(Operator::Null) => {
            let null = value.is_none_or(is_null);
            policy.iter().any(|wanted| compare::booleans(if null { "true" } else { "false" }, wanted))
        }
        Some(Operator::Compare { set, comparison, negated, if_exists }) => {
            let holds = |context: &str| value_holds(comparison, negated, context, policy, variables, request);
            match (set, value) {
                // «Single-valued vs. multivalued context keys»: `ForAllValues` *also returns true if there are no
                // context keys in the request*; «Condition operators»: *or if the context key value resolves to a null
                // dataset, such as an empty string*. `ForAnyValue`: *if the key does not exist, the condition returns
                // false*. Choice: that also decides `ForAnyValue:…IfExists`, which two documents answer differently.
                (Some(set), None) => set == Set::ForAllValues,
                (Some(set), Some(value)) if is_null(value) => set == Set::ForAllValues,
                (Some(Set::ForAllValues), Some(value)) => all_values(value).iter().all(|value| holds(value)),
                (Some(Set::ForAnyValue), Some(value)) => all_values(value).iter().any(|value| holds(value)),
                // «Condition operators», first box: a missing key makes the condition false, and true for a negated
                // operator; `…IfExists`: *if the key is not present, evaluate the condition element as true*.
                (None, None) => negated || if_exists,
                (None, Some(ContextValue::Single(value))) => holds(value),
                // *Multivalued context keys require a condition set operator.* Without one nothing matches. Choice: a
                // negated operator does not match either; no document says.
                (None, Some(ContextValue::Multi(_))) => false,
            }
        }
    }
}

pub(crate) fn all_values(value: &ContextValue) -> Vec<String> {
    match value {
        ContextValue::Single(value) => vec![value.clone()],
        ContextValue::Multi(values) => values.clone(),
    }
}

/// Nothing but empty strings: a *null dataset*.
pub(crate) fn is_null(value: &ContextValue) -> bool {
    all_values(value).iter().all(String::is_empty)
}

/// One context value against all policy values. «Conditions with multiple context keys or values»: the values are ORed,
/// and under a negated operator NORed.
fn value_holds(
    comparison: Comparison,
    negated: bool,
    context: &str,
    policy: &[String],
    variables: bool,
    request: &Request,
) -> bool {
    let any = policy.iter().any(|value| compares(comparison, context, value, variables, request));
    any != negated
}

/// One context value against one policy value.
///
/// «Condition operators» lists variables as supported for String, ARN and Boolean operators, and for no others. («Variables
/// and tags» leaves Boolean out: Choice.) A variable without a value equals nothing, so that a negated operator is met:
/// *inverted condition operators … do match against a null value*.
fn compares(comparison: Comparison, context: &str, policy: &str, variables: bool, request: &Request) -> bool {
    let pieces: Vec<Piece> = if variables {
        match text::expand(policy, request) {
            Some(pieces) => pieces,
            None if takes_variables(comparison) => return false,
            None => text::written(policy),
        }
    } else {
        text::written(policy)
    };
    match comparison {
        // A wildcard is literal here: «Condition operators»: *exact matching*.
        Comparison::Equal => text::plain(&pieces) == context,
        Comparison::EqualIgnoringCase => text::plain(&pieces).to_lowercase() == context.to_lowercase(),
        Comparison::Like => text::like(&pieces, context),
        Comparison::Arn => text::arn_like(&pieces, context),
        Comparison::Boolean => compare::booleans(context, &text::plain(&pieces)),
        Comparison::Number(wanted) => compare::numbers(context, policy).is_some_and(wanted),
        Comparison::Date(wanted) => compare::dates(context, policy).is_some_and(wanted),
        Comparison::Binary => compare::binaries(context, policy),
        Comparison::Address => compare::address_in(context, policy),
    }
}

pub(crate) fn takes_variables(comparison: Comparison) -> bool {
    matches!(
        comparison,
        Comparison::Equal | Comparison::EqualIgnoringCase | Comparison::Like | Comparison::Arn | Comparison::Boolean
    )
}
