//! The generator: the same again from the same seed, through JSON unharmed, and not all of one kind.

use std::collections::{BTreeMap, BTreeSet};

use rolecall_reference::{Case, Decision, Kind, evaluate, generate};
use serde_json::Value;

const MANY: u64 = 4_000;

#[test]
fn the_same_again() {
    let first: Vec<Case> = generate::cases(3, 200, None).collect();
    let again: Vec<Case> = generate::cases(3, 200, None).collect();
    assert_eq!(first, again);
    assert_eq!(first.get(17), Some(&generate::case(3, 17, None)));
    assert_ne!(first, generate::cases(4, 200, None).collect::<Vec<_>>());
}

#[test]
fn through_json() {
    for case in generate::cases(5, 500, None) {
        let text = serde_json::to_string(&case).unwrap();
        assert_eq!(serde_json::from_str::<Case>(&text).unwrap(), case, "{text}");
    }
}

#[test]
fn every_decision_is_common() {
    for kind in [Kind::Trust, Kind::Identity] {
        let mut counts: BTreeMap<Decision, u64> = BTreeMap::new();
        for case in generate::cases(1, MANY, Some(kind)) {
            *counts.entry(evaluate(&case.policies, &case.request)).or_default() += 1;
        }
        for decision in [Decision::Allowed, Decision::ExplicitDeny, Decision::ImplicitDeny] {
            let count = counts.get(&decision).copied().unwrap_or_default();
            assert!(count * 20 > MANY, "{kind:?}: {decision} only {count} times in {MANY}");
        }
    }
}

#[test]
fn every_operator_and_element_occurs() {
    let mut operators = BTreeSet::new();
    let mut elements = BTreeSet::new();
    for case in generate::cases(1, MANY, None) {
        let policies = &case.policies;
        let documents = policies.trust.iter().chain(&policies.identity).chain(&policies.boundary);
        for document in documents.chain(policies.session.iter().flatten()) {
            let statements = match &document["Statement"] {
                Value::Array(statements) => statements.clone(),
                single => vec![single.clone()],
            };
            for statement in statements {
                elements.extend(statement.as_object().unwrap().keys().cloned());
                if let Some(block) = statement.get("Condition") {
                    operators.extend(block.as_object().unwrap().keys().cloned());
                }
            }
        }
    }
    for element in ["Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"] {
        assert!(elements.contains(element), "{element}");
    }
    for operator in [
        "StringEquals",
        "StringNotEquals",
        "StringEqualsIgnoreCase",
        "StringNotEqualsIgnoreCase",
        "StringLike",
        "StringNotLike",
        "NumericEquals",
        "NumericNotEquals",
        "NumericLessThan",
        "NumericLessThanEquals",
        "NumericGreaterThan",
        "NumericGreaterThanEquals",
        "DateEquals",
        "DateNotEquals",
        "DateLessThan",
        "DateLessThanEquals",
        "DateGreaterThan",
        "DateGreaterThanEquals",
        "Bool",
        "BinaryEquals",
        "IpAddress",
        "NotIpAddress",
        "ArnEquals",
        "ArnLike",
        "ArnNotEquals",
        "ArnNotLike",
        "Null",
        "ForAnyValue:StringEquals",
        "ForAllValues:StringLike",
        "ForAllValues:StringNotEquals",
        "StringEqualsIfExists",
        "ForAnyValue:StringLikeIfExists",
        "ForAllValues:ArnLike",
    ] {
        assert!(operators.contains(operator), "{operator}");
    }
}
