//! The reference's cases, asked of `rolecall-iam`. The fuzz targets use it too.
#![allow(unreachable_pub, reason = "it is a module of a test")]

use rolecall_iam::{
    Accounts, Document, Layer, Levels, MapContext, Named, Policies, Principal, Request, ResourcePolicy, Verdict,
};
use rolecall_reference::{Case, ContextValue, Decision};
use serde_json::Value;

/// Asks with the reference's request in our own words.
fn asked<T>(request: &rolecall_reference::Request, answer: impl FnOnce(&Request<'_>) -> T) -> T {
    use rolecall_reference::Principal as Theirs;
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
    answer(&Request { action: &request.action, resource: request.resource.as_deref(), principal, context: &context })
}

fn decision(verdict: Verdict) -> Result<Decision, String> {
    match verdict {
        Verdict::Allowed => Ok(Decision::Allowed),
        Verdict::ExplicitlyDenied => Ok(Decision::ExplicitDeny),
        Verdict::ImplicitlyDenied => Ok(Decision::ImplicitDeny),
        Verdict::Unknown => Err("unknown, though nothing is".to_owned()),
    }
}

/// What `rolecall-iam` says of a document.
pub fn ours(policy: &Value, request: &rolecall_reference::Request) -> Result<Decision, String> {
    let document = Document::parse(&policy.to_string()).map_err(|e| e.to_string())?;
    asked(request, |request| decision(document.evaluate(request)))
}

fn parsed(policies: &[Value]) -> Result<Vec<Document>, String> {
    policies.iter().map(|policy| Document::parse(&policy.to_string()).map_err(|e| e.to_string())).collect()
}

fn layer(documents: &[Document]) -> Layer<'_> {
    Layer { policies: documents.iter().map(|document| Named { name: "p", document }).collect(), unread: Vec::new() }
}

/// All policies of a case together. A trust or key policy is needed, any other resource policy grants beside.
pub fn ours_together(case: &Case) -> Result<Decision, String> {
    let (theirs, request) = (&case.policies, &case.request);
    let identity = parsed(&theirs.identity)?;
    let boundary = theirs.boundary.as_ref().map(|policy| parsed(std::slice::from_ref(policy))).transpose()?;
    let session = theirs.session.as_deref().map(parsed).transpose()?;
    let control = theirs.service_control.as_ref();
    let control = control.map(|levels| levels.iter().map(|level| parsed(level)).collect::<Result<Vec<_>, _>>());
    let control = control.transpose()?;
    let trust = theirs.trust.as_ref().map(|policy| parsed(std::slice::from_ref(policy))).transpose()?;
    let service = request.action.to_lowercase();
    let needed = service.starts_with("sts:") || service.starts_with("kms:");
    let resource = match trust.as_deref() {
        Some([document]) if needed => ResourcePolicy::Needed(Named { name: "r", document }),
        Some([document]) => ResourcePolicy::Beside(Named { name: "r", document }),
        _ => ResourcePolicy::None,
    };
    let policies = Policies {
        identity: layer(&identity),
        boundary: boundary.as_deref().map(layer),
        session: session.as_deref().map(layer),
        service_control: control
            .as_ref()
            .map(|levels| Levels::Known(levels.iter().map(|level| layer(level)).collect())),
        resource,
        accounts: if theirs.same_account { Accounts::Same } else { Accounts::Cross },
    };
    asked(request, |request| {
        let ruling = policies.evaluate(request);
        if ruling.verdict == Verdict::ImplicitlyDenied && ruling.missing_in.is_none() && !theirs.identity.is_empty() {
            return Err("an implicit denial that names no policy".to_owned());
        }
        if matches!(ruling.verdict, Verdict::Allowed | Verdict::ExplicitlyDenied) && ruling.deciding.is_empty() {
            return Err("a decision without a statement".to_owned());
        }
        decision(ruling.verdict)
    })
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
