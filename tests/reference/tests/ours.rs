//! `rolecall-iam` held to the reference: each document of each generated case, asked of both.
//!
//! `ROLECALL_CASES=200000 ROLECALL_SEED=7 cargo test --release -p rolecall-reference --test ours` is the long run.

use rolecall_iam::{Document, MapContext, Principal, Request, Verdict};
use rolecall_reference::{Case, ContextValue, Decision, evaluate_document, generate};
use serde_json::Value;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn ours(policy: &Value, request: &rolecall_reference::Request) -> Result<Decision, String> {
    use rolecall_reference::Principal as Theirs;
    let document = Document::parse(&policy.to_string()).map_err(|e| e.to_string())?;
    let mut context = MapContext::new();
    for (key, value) in &request.context {
        context = match value {
            ContextValue::Single(value) => context.with(key, value),
            // A list of none counts as no value at all.
            ContextValue::Multi(values) if values.is_empty() => context.with_absent(key),
            ContextValue::Multi(values) => context.with_many(key, values.iter().map(String::as_str)),
        };
    }
    let principal = match &request.principal {
        Theirs::Aws(arn) => Some(Principal::Aws(arn)),
        Theirs::Federated(arn) => Some(Principal::Federated(arn)),
        Theirs::Service(name) => Some(Principal::Service(name)),
        Theirs::None => None,
    };
    let request =
        Request { action: &request.action, resource: request.resource.as_deref(), principal, context: &context };
    match document.evaluate(&request) {
        Verdict::Allowed => Ok(Decision::Allowed),
        Verdict::ExplicitlyDenied => Ok(Decision::ExplicitDeny),
        Verdict::ImplicitlyDenied => Ok(Decision::ImplicitDeny),
        Verdict::Unknown => Err("unknown, though nothing is".to_owned()),
    }
}

/// The documents of a case, with the request that each is asked.
fn documents(case: &Case) -> Vec<(&Value, rolecall_reference::Request)> {
    let policies = &case.policies;
    let attached =
        || rolecall_reference::Request { principal: rolecall_reference::Principal::None, ..case.request.clone() };
    let mut documents: Vec<_> = policies.trust.iter().map(|trust| (trust, case.request.clone())).collect();
    let identity = policies.identity.iter().chain(&policies.boundary).chain(policies.session.iter().flatten());
    documents.extend(identity.map(|document| (document, attached())));
    documents
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
    }
    assert!(asked >= count, "{asked} documents of {count} cases");
    let shown = differing.iter().take(12).cloned().collect::<Vec<_>>().join("\n");
    assert!(differing.is_empty(), "{} of {asked} documents (seed {seed}):\n{shown}", differing.len());
}
