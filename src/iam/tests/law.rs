//! The law of the three values: for every filling-in of the unknown keys, a verdict of allowed or denied agrees with the
//! two-valued evaluation; and it is unknown only where two fillings differ.
//!
//! `PROPTEST_CASES=1000000 cargo test --release -p rolecall-iam --test law` is the long run.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

use std::sync::LazyLock;

use proptest::prelude::*;
use rolecall_iam::{Document, MapContext, Request, Verdict};
use serde_json::{Map, Value, json};

const OPERATORS: [&str; 14] = [
    "StringEquals",
    "StringNotEquals",
    "StringLike",
    "StringNotLike",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "Bool",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "Null",
];
const SETS: [&str; 3] = ["", "ForAnyValue:", "ForAllValues:"];
const VALUES: [&str; 9] = ["a", "A", "b", "a*", "?b", "*", "1", "2.5", "true"];
/// Values that tell every pair of conditions above apart, where any value can.
const FILLINGS: [&str; 15] = ["a", "A", "b", "B", "ab", "Ab", "bb", "zz", "*", "a*", "?b", "0", "1", "2", "2.5"];
const MORE: [&str; 8] = ["3", "true", "false", "TRUE", "1.0", "A*", "?B", "tRue"];

/// Operators of texts go with one unknown key, those of numbers with the other, where exactness is asked for: a value that
/// is to be a number and to match a pattern at once is beyond it.
fn conditions(sets: bool) -> impl Strategy<Value = Value> {
    let operator = (0..OPERATORS.len(), 0..if sets { SETS.len() } else { 1 }, any::<bool>());
    let key = prop::sample::select(vec!["k:one", "k:two", "k:known"]);
    let values = prop::collection::vec(prop::sample::select(VALUES.to_vec()), 1..3);
    prop::collection::vec((operator, key, values), 0..4).prop_map(move |list| {
        let mut operators = Map::new();
        for ((base, set, exists), key, values) in list {
            let base = OPERATORS[base];
            let suffix = if exists && base != "Null" { "IfExists" } else { "" };
            let operator = format!("{}{base}{suffix}", if base == "Null" { "" } else { SETS[set] });
            let numeric = base == "Bool" || base.starts_with("Numeric");
            let key = match (sets, key, base) {
                (false, "k:one" | "k:two", base) if base != "Null" => {
                    if numeric {
                        "k:two"
                    } else {
                        "k:one"
                    }
                }
                (_, key, _) => key,
            };
            let keys = operators.entry(operator).or_insert_with(|| json!({}));
            keys[key] = json!(values);
        }
        Value::Object(operators)
    })
}

fn document(sets: bool) -> impl Strategy<Value = Value> {
    let statement = (any::<bool>(), conditions(sets)).prop_map(|(deny, conditions)| {
        json!({"Effect": if deny { "Deny" } else { "Allow" }, "Action": "s:*", "Condition": conditions})
    });
    prop::collection::vec(statement, 1..4)
        .prop_map(|statements| json!({"Version": "2012-10-17", "Statement": statements}))
}

fn ask(document: &Document, context: &MapContext) -> Verdict {
    document.evaluate(&Request { action: "s:Act", resource: None, principal: None, context })
}

type Filling = (Option<&'static str>, Option<&'static str>, MapContext);

/// All fillings, put together once: doing so takes longer than asking.
static FILLED: LazyLock<Vec<Filling>> = LazyLock::new(|| {
    let values = || std::iter::once(None).chain(FILLINGS.iter().chain(&MORE).copied().map(Some));
    let pairs = values().flat_map(|one| values().map(move |two| (one, two)));
    pairs.map(|(one, two)| (one, two, filled(filled(known(), "k:one", one), "k:two", two))).collect()
});

fn known() -> MapContext {
    MapContext::new().with("k:known", "a")
}

fn filled(context: MapContext, key: &str, value: Option<&str>) -> MapContext {
    match value {
        Some(value) => context.with(key, value),
        None => context.with_absent(key),
    }
}

/// How many values all conditions of a document compare with.
fn values(document: &Value) -> usize {
    let statements = document["Statement"].as_array().into_iter().flatten();
    let operators = statements.filter_map(|statement| statement["Condition"].as_object()).flat_map(|all| all.values());
    let keys = operators.filter_map(Value::as_object).flat_map(|keys| keys.values());
    keys.map(|values| values.as_array().map_or(1, Vec::len)).sum()
}

fn law(document: &Value, exact: bool) -> Result<(), TestCaseError> {
    let parsed = Document::parse(&document.to_string()).unwrap();
    let open = known().with_unknown("k:one").with_unknown("k:two");
    let verdict = ask(&parsed, &open);
    let mut allowed = false;
    let mut denied = false;
    for (one, two, full) in FILLED.iter() {
        let decided = ask(&parsed, full);
        prop_assert_ne!(decided, Verdict::Unknown, "{} {:?} {:?}", document, one, two);
        let is_allowed = decided == Verdict::Allowed;
        allowed |= is_allowed;
        denied |= !is_allowed;
        match verdict {
            Verdict::Unknown => {}
            Verdict::ExplicitlyDenied => prop_assert_eq!(decided, verdict, "{} {:?} {:?}", document, one, two),
            Verdict::Allowed => prop_assert!(is_allowed, "{} {:?} {:?}", document, one, two),
            Verdict::ImplicitlyDenied => prop_assert!(!is_allowed, "{} {:?} {:?}", document, one, two),
        }
    }
    // The case analysis gives up where more than ten values are compared (`case_analysis.rs`, MAX_ATOMS).
    if exact && verdict == Verdict::Unknown && values(document) <= 10 {
        prop_assert!(allowed && denied, "unknown, but every filling agrees: {document}");
    }
    Ok(())
}

fn cases(default: u32) -> ProptestConfig {
    let from_environment = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(from_environment.unwrap_or(default)) }
}

proptest! {
    #![proptest_config(cases(3_000))]

    #[test]
    fn decided_verdicts_hold_for_every_filling_and_unknown_ones_for_none(document in document(false)) {
        law(&document, true)?;
    }

    #[test]
    fn decided_verdicts_hold_with_set_operators_too(document in document(true)) {
        law(&document, false)?;
    }
}
