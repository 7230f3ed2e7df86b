//! Commands of fixes are safe to paste: whatever a manifest or a snapshot holds, it stays one word of the command that it
//! came into.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod common;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use common::Case;
use proptest::prelude::*;
use serde_json::Value;

/// What an attacker puts behind a name. Unquoted, it ends a word, a quote and a command.
const HOSTILE: &str = "x'; touch pwned #\"$(id)`id`\n&& id";
/// How a shell reads its beginning, where it is quoted.
const QUOTED: &str = "x'; touch pwned";
const MARK: &str = "touch pwned";

static CASES: LazyLock<Vec<Case>> = LazyLock::new(common::cases);

/// The texts of a document that are names, ARNs or other short values.
fn leaves(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if !text.is_empty() && text.len() < 200 && !text.starts_with('{') => {
            found.insert(text.clone());
        }
        Value::Array(list) => list.iter().for_each(|value| leaves(value, found)),
        Value::Object(fields) => fields.values().for_each(|value| leaves(value, found)),
        _ => {}
    }
}

/// Puts the hostile text behind a value wherever it stands alone.
fn poison(value: &mut Value, name: &str) {
    match value {
        Value::String(text) if text == name => text.push_str(HOSTILE),
        Value::Array(list) => list.iter_mut().for_each(|value| poison(value, name)),
        Value::Object(fields) => fields.values_mut().for_each(|value| poison(value, name)),
        _ => {}
    }
}

/// The part of a fix from its first command on.
fn commands(fix: &str) -> Option<&str> {
    let starts = ["aws ", "kubectl ", "eksctl "].into_iter().flat_map(|program| {
        fix.match_indices(program)
            .map(|(at, _)| at)
            .filter(|at| *at == 0 || fix.get(..*at).is_some_and(|before| before.ends_with([' ', '('])))
    });
    fix.get(starts.min()?..)
}

fn many(default: u32) -> ProptestConfig {
    let from_environment = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(from_environment.unwrap_or(default)) }
}

proptest! {
    #![proptest_config(many(1_500))]

    #[test]
    fn hostile_values_stay_one_word(case in any::<prop::sample::Index>(), leaf in any::<prop::sample::Index>()) {
        let mut case = case.get(&CASES).clone();
        let mut values = BTreeSet::new();
        for input in &case.inputs {
            leaves(&input.value, &mut values);
        }
        for place in ["/cluster", "/podIdentityAssociations", "/accounts", "/nodeRoles"] {
            case.snapshot.pointer(place).into_iter().for_each(|value| leaves(value, &mut values));
        }
        let values: Vec<String> = values.into_iter().filter(|text| !KINDS.contains(&text.as_str())).collect();
        let name = leaf.get(&values);
        case.inputs.iter_mut().for_each(|input| poison(&mut input.value, name));
        poison(&mut case.snapshot, name);
        let world = case.world(&case.snapshot);
        let mut result = Ok(());
        case.judge(&world, |_, _, judgement, _| {
            let problems = judgement.findings.iter().chain(&judgement.exempted).map(|finding| &finding.problem);
            for problem in problems {
                let Some(command) = commands(&problem.fix).filter(|command| command.contains(MARK)) else { continue };
                let words = shlex::split(command);
                let whole = words.as_ref().is_some_and(|words| {
                    words.iter().filter(|word| word.contains(MARK)).all(|word| word.contains(QUOTED))
                        && words.iter().any(|word| word.contains(MARK))
                });
                if !whole && !problem.fix.ends_with('…') {
                    result = Err(format!("{} with {name}: [{}] {command}\n{words:#?}", case.name, problem.rule.name));
                }
            }
        });
        prop_assert!(result.is_ok(), "{}", result.unwrap_err());
    }
}

/// Values that name types: with them changed nothing is checked.
const KINDS: [&str; 8] = ["Allow", "Deny", "v1", "apps/v1", "2012-10-17", "Pod", "Deployment", "ServiceAccount"];

/// Role paths may have any character from `!` to `~` (IAM API Reference, `CreateRole`), a quote among them.
#[test]
fn paths_of_roles_stay_one_word() {
    let mut looked_at = 0;
    for case in CASES.iter() {
        let mut case = case.clone();
        let with_path = |value: &Value| -> Value {
            serde_json::from_str(&value.to_string().replace(":role/", ":role/x';touch_pwned;'/")).unwrap()
        };
        case.inputs.iter_mut().for_each(|input| input.value = with_path(&input.value));
        case.snapshot = with_path(&case.snapshot);
        let world = case.world(&case.snapshot);
        case.judge(&world, |_, _, judgement, _| {
            let problems = judgement.findings.iter().chain(&judgement.exempted).map(|finding| &finding.problem);
            for problem in problems {
                let Some(command) = commands(&problem.fix).filter(|command| command.contains("touch_pwned")) else {
                    continue;
                };
                looked_at += 1;
                let words = shlex::split(command).unwrap_or_default();
                let all = words
                    .iter()
                    .filter(|word| word.contains("touch_pwned"))
                    .all(|word| word.contains("x';touch_pwned;'"));
                assert!(all && !words.is_empty(), "{}: {command}\n{words:#?}", case.name);
            }
        });
    }
    assert!(looked_at > 20, "only {looked_at} commands have a role's path");
}
