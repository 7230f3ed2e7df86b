//! Whatever bytes come: a document that can be asked and explained, or an error whose pointer leads to a place in the JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rolecall_iam::{Document, Effect, MapContext, Principal, Request, Truth, Verdict};

const KNOWN: [(&str, &str); 4] =
    [("aws:username", "alice"), ("oidc.example/id/X:sub", "a"), ("aws:SourceIp", "10.0.0.1"), ("k", "")];

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match Document::parse(text) {
        Ok(document) => {
            let nothing = MapContext::new().unknown_by_default();
            ask(&document, &nothing);
            ask(&document, &KNOWN.iter().fold(nothing, |context, (key, value)| context.with(key, value)));
            ask(&document, &MapContext::new().with_many("k", ["a", "b"]));
        }
        Err(error) => {
            // A URL-encoded document is not JSON as it stands.
            let Ok(value) = serde_json::from_str::<serde_json::Value>(text) else {
                return;
            };
            assert!(value.pointer(&error.pointer).is_some(), "{error}: no such place as {:?}", error.pointer);
        }
    }
});

/// The verdict is the one that the statements' reports lead to, wherever those are decided.
fn ask(document: &Document, context: &MapContext) {
    for principal in [None, Some(Principal::Service("pods.eks.amazonaws.com")), Some(Principal::Federated("x"))] {
        let request = Request { action: "sts:AssumeRole", resource: Some("arn:aws:s3:::b/k"), principal, context };
        let verdict = document.evaluate(&request);
        let reports = document.explain(&request);
        assert_eq!(reports.len(), document.statements.len());
        let of = |effect| {
            Truth::any(reports.iter().filter(|report| report.statement.effect == effect).map(|report| report.applies()))
        };
        match (of(Effect::Deny), of(Effect::Allow)) {
            (Truth::True, _) => assert_eq!(verdict, Verdict::ExplicitlyDenied),
            (_, Truth::False) => assert_eq!(verdict, Verdict::ImplicitlyDenied),
            (Truth::False, Truth::True) => assert_eq!(verdict, Verdict::Allowed),
            _ => {}
        }
    }
}
