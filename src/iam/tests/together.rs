//! Policies together: the law of the three values, and what is unread or cannot be seen.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

use proptest::prelude::*;
use rolecall_iam::{
    Accounts, Document, Layer, MapContext, Named, NotConsidered, Policies, PolicyKind, Principal, Request,
    ResourcePolicy, Verdict,
};
use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::111122223333:role/app";
const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/app/one";

fn ask(policies: &Policies<'_>, context: &MapContext, principal: &str) -> Verdict {
    let request = Request { action: "s:Act", resource: Some("r"), principal: Some(Principal::Aws(principal)), context };
    policies.evaluate(&request).verdict
}

fn layer(documents: &[Document]) -> Layer<'_> {
    Layer { policies: documents.iter().map(|document| Named { name: "p", document }).collect(), unread: Vec::new() }
}

fn condition() -> impl Strategy<Value = Value> {
    let one = |operator: &'static str, key: &'static str, value: &'static str| json!({operator: {key: value}});
    prop::sample::select(vec![
        json!({}),
        json!({}),
        one("StringEquals", "k:one", "a"),
        one("StringNotEquals", "k:one", "a"),
        one("StringEquals", "k:one", "b"),
        one("Null", "k:one", "true"),
        one("StringEqualsIfExists", "k:two", "a"),
        one("StringLike", "k:two", "a*"),
        one("StringNotLike", "k:two", "a*"),
    ])
}

fn statements(principals: bool) -> impl Strategy<Value = Document> {
    let named = prop::sample::select(vec![
        json!({"Principal": "*"}),
        json!({"Principal": {"AWS": ROLE}}),
        json!({"Principal": {"AWS": SESSION}}),
        json!({"Principal": {"AWS": "111122223333"}}),
        json!({"NotPrincipal": {"AWS": ROLE}}),
        json!({"Principal": {"AWS": "444455556666"}}),
    ]);
    let statement = (prop::bool::weighted(0.25), condition(), named).prop_map(move |(deny, condition, named)| {
        let mut statement =
            json!({"Effect": if deny { "Deny" } else { "Allow" }, "Action": "s:*", "Condition": condition});
        if principals {
            let (key, value) = named.as_object().unwrap().iter().next().unwrap();
            statement[key] = value.clone();
        } else {
            statement["Resource"] = json!("*");
        }
        statement
    });
    prop::collection::vec(statement, 1..4)
        .prop_map(|statements| Document::parse(&json!({"Statement": statements}).to_string()).unwrap())
}

fn cases(default: u32) -> ProptestConfig {
    let from_environment = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(from_environment.unwrap_or(default)) }
}

proptest! {
    #![proptest_config(cases(3_000))]

    /// A decided verdict holds for every filling of the unknown keys, and two fillings differ where it is unknown.
    #[test]
    fn the_law_holds_for_all_policies_together(
        identity in prop::collection::vec(statements(false), 0..3),
        boundary in prop::option::of(statements(false)),
        session in prop::option::of(statements(false)),
        resource in prop::option::of((any::<bool>(), statements(true))),
        accounts in prop::sample::select(vec![Accounts::Same, Accounts::Cross]),
        principal in prop::sample::select(vec![ROLE, SESSION]),
    ) {
        let (boundary, session): (Vec<Document>, Vec<Document>) =
            (boundary.into_iter().collect(), session.into_iter().collect());
        let policies = Policies {
            identity: layer(&identity),
            boundary: (!boundary.is_empty()).then(|| layer(&boundary)),
            session: (!session.is_empty()).then(|| layer(&session)),
            resource: match &resource {
                None => ResourcePolicy::None,
                Some((true, document)) => ResourcePolicy::Needed(Named { name: "r", document }),
                Some((false, document)) => ResourcePolicy::Beside(Named { name: "r", document }),
            },
            accounts,
        };
        let verdict = ask(&policies, &MapContext::new().unknown_by_default(), principal);
        let mut seen = Vec::new();
        for one in [None, Some("a"), Some("b"), Some("c")] {
            for two in [None, Some("a"), Some("ab"), Some("b")] {
                let filled = [("k:one", one), ("k:two", two)].into_iter().fold(MapContext::new(), |context, (key, value)| {
                    match value {
                        Some(value) => context.with(key, value),
                        None => context.with_absent(key),
                    }
                });
                seen.push(ask(&policies, &filled, principal));
            }
        }
        prop_assert!(!seen.contains(&Verdict::Unknown));
        match verdict {
            Verdict::Allowed | Verdict::ExplicitlyDenied => prop_assert!(seen.iter().all(|v| *v == verdict), "{verdict:?} {seen:?}"),
            Verdict::ImplicitlyDenied => prop_assert!(!seen.contains(&Verdict::Allowed), "{seen:?}"),
            Verdict::Unknown => {
                let allowed = seen.iter().filter(|verdict| **verdict == Verdict::Allowed).count();
                prop_assert!(allowed > 0 && allowed < seen.len(), "unknown, but every filling agrees: {seen:?}");
            }
        }
    }
}

fn document(statement: &Value) -> Document {
    Document::parse(&json!({"Statement": statement}).to_string()).unwrap()
}

#[test]
fn what_was_not_read_leaves_the_verdict_open() {
    let allow = [document(&json!({"Effect": "Allow", "Action": "s:*", "Resource": "*"}))];
    let mut policies = Policies {
        identity: layer(&allow),
        boundary: None,
        session: None,
        resource: ResourcePolicy::Unseen,
        accounts: Accounts::Same,
    };
    let context = MapContext::new();
    assert_eq!(ask(&policies, &context, ROLE), Verdict::Allowed);
    policies.identity.unread.push("arn:aws:iam::aws:policy/Other");
    assert_eq!(ask(&policies, &context, ROLE), Verdict::Unknown, "an unread policy may deny");
    policies.identity.unread.clear();
    policies.boundary = Some(Layer { policies: Vec::new(), unread: vec!["edge"] });
    assert_eq!(ask(&policies, &context, ROLE), Verdict::Unknown);
    let request =
        Request { action: "s:Act", resource: Some("r"), principal: Some(Principal::Aws(ROLE)), context: &context };
    let ruling = policies.evaluate(&request);
    assert!(ruling.not_considered.contains(&NotConsidered::Unread(PolicyKind::Boundary, "edge")));
    assert!(!ruling.is_certain_denial());
    policies.boundary = None;
    policies.accounts = Accounts::Cross;
    assert_eq!(ask(&policies, &context, ROLE), Verdict::Unknown, "the other account must grant too");
}

#[test]
fn an_unseen_resource_policy_keeps_an_implicit_denial_from_being_certain() {
    let other = [document(&json!({"Effect": "Allow", "Action": "t:*", "Resource": "*"}))];
    let context = MapContext::new();
    let request =
        Request { action: "s:Act", resource: Some("r"), principal: Some(Principal::Aws(ROLE)), context: &context };
    let mut policies = Policies {
        identity: layer(&other),
        boundary: None,
        session: None,
        resource: ResourcePolicy::Unseen,
        accounts: Accounts::Same,
    };
    let ruling = policies.evaluate(&request);
    assert_eq!((ruling.verdict, ruling.missing_in), (Verdict::ImplicitlyDenied, Some(PolicyKind::Identity)));
    assert!(!ruling.is_certain_denial());
    policies.resource = ResourcePolicy::None;
    assert!(policies.evaluate(&request).is_certain_denial());
    let deny = [document(&json!({"Effect": "Deny", "Action": "s:*", "Resource": "*"}))];
    policies.resource = ResourcePolicy::Unseen;
    policies.identity = layer(&deny);
    let ruling = policies.evaluate(&request);
    assert!(ruling.is_certain_denial() && ruling.deciding.len() == 1);
}

#[test]
fn an_unknown_verdict_names_the_keys_it_hangs_on() {
    let statements = json!([
        {"Effect": "Allow", "Action": "s:*", "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
        {"Effect": "Allow", "Action": "s:*", "Resource": "${aws:PrincipalTag/team}"},
        {"Effect": "Allow", "Action": "s:*", "Resource": "*", "Condition": {"StringEquals": {"k": "other", "z": "1"}}},
    ]);
    let text = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    let documents = [Document::parse(&text).unwrap()];
    let policies = Policies {
        identity: layer(&documents),
        boundary: None,
        session: None,
        resource: ResourcePolicy::None,
        accounts: Accounts::Same,
    };
    let context = MapContext::new().unknown_by_default().with("k", "this");
    let request =
        Request { action: "s:Act", resource: Some("r"), principal: Some(Principal::Aws(ROLE)), context: &context };
    let ruling = policies.evaluate(&request);
    assert_eq!(ruling.verdict, Verdict::Unknown);
    assert_eq!(ruling.unknown_keys, ["aws:principaltag/team", "aws:SourceIp"]);
    assert_eq!(documents[0].unknown_keys(&Request { principal: None, ..request }), ruling.unknown_keys);
}

#[test]
fn not_principal_with_deny_meets_every_bounded_principal() {
    let allow = [document(&json!({"Effect": "Allow", "Action": "s:*", "Resource": "*"}))];
    let resource = document(&json!({"Effect": "Deny", "Action": "s:*", "NotPrincipal": {"AWS": ROLE}}));
    let context = MapContext::new();
    let mut policies = Policies {
        identity: layer(&allow),
        boundary: None,
        session: None,
        resource: ResourcePolicy::Beside(Named { name: "r", document: &resource }),
        accounts: Accounts::Same,
    };
    assert_eq!(ask(&policies, &context, ROLE), Verdict::Allowed);
    policies.boundary = Some(layer(&allow));
    assert_eq!(ask(&policies, &context, ROLE), Verdict::ExplicitlyDenied);
}
