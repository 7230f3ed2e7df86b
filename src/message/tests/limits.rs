//! Values of any length are neither kept nor repeated: a role ARN may have a megabyte.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

#[path = "../../core/tests/common/mod.rs"]
mod common;

use rolecall_core::finding::{Note, Problem};
use rolecall_core::snapshot::Snapshot;
use rolecall_message::{evidence, fix, hint, message};
use serde_json::Value;

/// Longest text: 4,096 bytes, and `…`.
const MAX_BYTES: usize = 4_099;

/// Every text of which one value is 128 KB long.
fn lengthen(value: &Value, at: &str, lengthened: &mut Vec<Value>, root: &Value) {
    match value {
        Value::String(text) => {
            let mut changed = root.clone();
            *changed.pointer_mut(at).unwrap() = format!("{text}{}", "é".repeat(1 << 16)).into();
            lengthened.push(changed);
        }
        Value::Array(list) => {
            list.iter()
                .enumerate()
                .for_each(|(index, value)| lengthen(value, &format!("{at}/{index}"), lengthened, root));
        }
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            let name = name.replace('~', "~0").replace('/', "~1");
            lengthen(value, &format!("{at}/{name}"), lengthened, root);
        }),
        _ => {}
    }
}

fn assert_short(problem: &Problem) {
    let texts = [message(problem)].into_iter().chain(evidence(problem).map(|(_, value)| value));
    for text in texts.chain(problem.hint.as_ref().map(hint)) {
        assert!(text.len() <= MAX_BYTES, "{} bytes: {}", text.len(), text.chars().take(200).collect::<String>());
        assert!(text.len() < MAX_BYTES - 1 || text.ends_with('…'));
    }
    // The statement of a fix is kept whole.
    let Problem { cause, expected, found, hint: behind, about, .. } = problem;
    let kept = format!("{cause:?} {expected:?} {found:?} {behind:?} {about:?}").len();
    assert!(kept < 30 * MAX_BYTES, "{kept} bytes are kept of [{}]", problem.rule.name);
    assert!(fix::sentence(&problem.fix).len() < 1 << 16);
}

#[test]
fn long_values_are_neither_kept_nor_repeated() {
    let mut checked = 0;
    for name in ["irsa-trust/healthy-sub-and-aud", "irsa-trust/action-saml", "pod-identity/denied-namespace"] {
        let case = common::cases().into_iter().find(|case| case.name == name).unwrap();
        let trust = "/accounts/111122223333/roles";
        let mut snapshots = Vec::new();
        lengthen(case.snapshot.pointer(trust).unwrap(), trust, &mut snapshots, &case.snapshot);
        for snapshot in snapshots {
            if Snapshot::parse(&snapshot.to_string()).is_ok() {
                checked += check(&common::Case { snapshot, ..case.clone() });
            }
        }
        for at in 0..case.inputs.len() {
            let mut inputs = Vec::new();
            lengthen(&case.inputs[at].value, "", &mut inputs, &case.inputs[at].value);
            for value in inputs {
                let mut changed = case.clone();
                changed.inputs[at].value = value;
                checked += check(&changed);
            }
        }
    }
    assert!(checked > 10, "only {checked} problems");
}

/// Looks at all problems of a case; how many have a text that was cut.
fn check(case: &common::Case) -> usize {
    let mut cut = 0;
    case.judge(&case.world(&case.snapshot), |_, _, judgement, _| {
        for finding in judgement.findings.iter().chain(&judgement.exempted) {
            let notes = finding.notes.iter().filter_map(|note| match note {
                Note::Also(also) => Some(&also.problem),
                _ => None,
            });
            for problem in std::iter::once(&finding.problem).chain(notes) {
                assert_short(problem);
                let mut texts = [message(problem)].into_iter().chain(evidence(problem).map(|(_, value)| value));
                cut += usize::from(texts.any(|text| text.ends_with('…')));
            }
        }
    });
    cut
}
