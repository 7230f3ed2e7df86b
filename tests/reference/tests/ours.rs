//! `rolecall-iam` held to the reference: each document of each generated case, asked of both.
//!
//! `ROLECALL_CASES=200000 ROLECALL_SEED=7 cargo test --release -p rolecall-reference --test ours` is the long run.

mod adapter;

use adapter::{documents, ours, ours_together};
use rolecall_reference::{evaluate, evaluate_document, generate};

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
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
        let (theirs, ours) = (evaluate(&case.policies, &case.request), ours_together(&case));
        if ours != Ok(theirs) {
            let case = serde_json::to_string(&case).unwrap();
            differing.push(format!("together: reference {theirs:?}, ours {ours:?}\n  {case}"));
        }
    }
    assert!(asked >= count, "{asked} documents of {count} cases");
    let shown = differing.iter().take(12).cloned().collect::<Vec<_>>().join("\n");
    assert!(differing.is_empty(), "{} of {asked} documents (seed {seed}):\n{shown}", differing.len());
}
