//! The reference's requests, asked of `rolecall-iam`. The fuzz targets use it too.
#![allow(unreachable_pub, reason = "it is a module of a test")]

use rolecall_iam::{Document, MapContext, Principal, Request, Verdict};
use rolecall_reference::{Case, ContextValue, Decision};
use serde_json::Value;

/// What `rolecall-iam` says of a document.
pub fn ours(policy: &Value, request: &rolecall_reference::Request) -> Result<Decision, String> {
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
pub fn documents(case: &Case) -> Vec<(&Value, rolecall_reference::Request)> {
    let policies = &case.policies;
    let attached =
        || rolecall_reference::Request { principal: rolecall_reference::Principal::None, ..case.request.clone() };
    let mut documents: Vec<_> = policies.trust.iter().map(|trust| (trust, case.request.clone())).collect();
    let identity = policies.identity.iter().chain(&policies.boundary).chain(policies.session.iter().flatten());
    documents.extend(identity.map(|document| (document, attached())));
    documents
}
