//! `rolecall-iam` held to the reference: each document of each generated case, asked of both.
//!
//! `ROLECALL_CASES=200000 ROLECALL_SEED=7 cargo test --release -p rolecall-reference --test ours` is the long run.

mod adapter;

use adapter::{documents, ours, ours_together};
use rolecall_reference::{Case, Policies, evaluate, evaluate_document, generate};
use serde_json::Value;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// The case as it is, and with its own policies as service control policies: all at one level, and each at its own. A level
/// without any Allow is left out: ours takes it for one that was not read in full.
fn under_organizations(case: Case) -> Vec<Case> {
    let allows = |policy: &&Value| policy.to_string().contains("\"Allow\"");
    let own = case.policies.identity.iter().chain(&case.policies.boundary);
    let all: Vec<Value> = own.chain(case.policies.session.iter().flatten()).cloned().collect();
    let each: Vec<Vec<Value>> = all.iter().filter(allows).map(|policy| vec![policy.clone()]).collect();
    let with = |levels: Vec<Vec<Value>>| {
        let policies = Policies { service_control: Some(levels), ..case.policies.clone() };
        Case { policies, ..case.clone() }
    };
    let mut cases = Vec::new();
    if !each.is_empty() {
        cases.push(with(vec![all]));
        cases.push(with(each));
    }
    cases.push(case);
    cases
}

#[test]
fn our_evaluator_agrees_with_the_reference() {
    let (seed, count) = (setting("ROLECALL_SEED", 1), setting("ROLECALL_CASES", 20_000));
    let mut asked = 0;
    let mut differing = Vec::new();
    for case in generate::cases(seed, count, None) {
        for (document, request) in documents(&case) {
            asked += 1;
            let (theirs, ours) = (evaluate_document(document, &request), ours(document, &request));
            if ours != Ok(theirs) {
                differing.push(format!("{} reference {theirs:?}, ours {ours:?}\n  {document}\n  {request:?}", case.id));
            }
        }
        for case in under_organizations(case) {
            let (theirs, ours) = (evaluate(&case.policies, &case.request), ours_together(&case));
            if ours != Ok(theirs) {
                let case = serde_json::to_string(&case).unwrap();
                differing.push(format!("together: reference {theirs:?}, ours {ours:?}\n  {case}"));
            }
        }
    }
    assert!(asked >= count, "{asked} documents of {count} cases");
    let shown = differing.iter().take(12).cloned().collect::<Vec<_>>().join("\n");
    assert!(differing.is_empty(), "{} of {asked} documents (seed {seed}):\n{shown}", differing.len());
}
