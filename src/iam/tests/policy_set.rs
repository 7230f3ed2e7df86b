//! Policies together: the law of the three values, and what is unread or cannot be seen.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

use proptest::prelude::*;
use rolecall_iam::{
    Accounts, Document, Effect, Exempt, Layer, Levels, MapContext, Named, NotConsidered, Policies, PolicyKind,
    Principal, Request, ResourcePolicy, Truth, Verdict, denied_by,
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
        control in prop::option::weighted(0.3, prop::collection::vec(prop::collection::vec(statements(false), 1..3), 0..3)),
        resource in prop::option::of((any::<bool>(), statements(true))),
        accounts in prop::sample::select(vec![Accounts::Same, Accounts::Cross]),
        principal in prop::sample::select(vec![ROLE, SESSION]),
    ) {
        // A level on which nothing is allowed at all counts as not read in full.
        let grants = |level: &Vec<Document>| level.iter().any(|d| d.with_effect(Effect::Allow).next().is_some());
        let control = control.map(|levels| levels.into_iter().filter(grants).collect::<Vec<_>>());
        let (boundary, session): (Vec<Document>, Vec<Document>) =
            (boundary.into_iter().collect(), session.into_iter().collect());
        let policies = Policies {
            identity: layer(&identity),
            boundary: (!boundary.is_empty()).then(|| layer(&boundary)),
            session: (!session.is_empty()).then(|| layer(&session)),
            service_control: control.as_ref().map(|levels| {
                Levels::Known(levels.iter().map(|level| layer(level)).collect())
            }),
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
        service_control: None,
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
        service_control: None,
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
        service_control: None,
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
        service_control: None,
        resource: ResourcePolicy::Beside(Named { name: "r", document: &resource }),
        accounts: Accounts::Same,
    };
    assert_eq!(ask(&policies, &context, ROLE), Verdict::Allowed);
    policies.boundary = Some(layer(&allow));
    assert_eq!(ask(&policies, &context, ROLE), Verdict::ExplicitlyDenied);
}

fn policies<'d>(identity: &'d [Document], control: Option<Levels<'d>>) -> Policies<'d> {
    Policies {
        identity: layer(identity),
        boundary: None,
        session: None,
        service_control: control,
        resource: ResourcePolicy::None,
        accounts: Accounts::Same,
    }
}

#[test]
fn service_control_policies_must_allow_at_every_level() {
    let everything = [document(&json!({"Effect": "Allow", "Action": "*", "Resource": "*"}))];
    let other = [document(&json!({"Effect": "Allow", "Action": "t:*", "Resource": "*"}))];
    let deny = [document(&json!({"Effect": "Deny", "Action": "s:*", "Resource": "*"}))];
    let deny_other = [document(&json!({"Effect": "Deny", "Action": "t:*", "Resource": "*"}))];
    let context = MapContext::new();
    let both = |a: &[Document], b: &[Document]| [a, b].concat();
    let of = |levels: &[Vec<Document>], known: bool| {
        let control = if known {
            Levels::Known(levels.iter().map(|level| layer(level)).collect())
        } else {
            let all = levels.iter().flat_map(|level| layer(level).policies);
            Levels::Unknown(Layer { policies: all.collect(), unread: Vec::new() })
        };
        let request =
            Request { action: "s:Act", resource: Some("r"), principal: Some(Principal::Aws(ROLE)), context: &context };
        let ruling = policies(&everything, Some(control)).evaluate(&request);
        assert!(!ruling.not_considered.contains(&NotConsidered::ServiceControlPolicies));
        if ruling.verdict == Verdict::ImplicitlyDenied {
            assert!(ruling.missing_in == Some(PolicyKind::ServiceControl) && ruling.is_certain_denial());
        }
        ruling.verdict
    };
    for (levels, known, unknown) in [
        (vec![], Verdict::Allowed, Verdict::Allowed),
        (vec![everything.to_vec()], Verdict::Allowed, Verdict::Allowed),
        (vec![everything.to_vec(), everything.to_vec()], Verdict::Allowed, Verdict::Allowed),
        (vec![both(&everything, &other)], Verdict::Allowed, Verdict::Unknown),
        (vec![everything.to_vec(), other.to_vec()], Verdict::ImplicitlyDenied, Verdict::Unknown),
        (vec![other.to_vec(), other.to_vec()], Verdict::ImplicitlyDenied, Verdict::ImplicitlyDenied),
        (vec![both(&everything, &deny)], Verdict::ExplicitlyDenied, Verdict::ExplicitlyDenied),
        (vec![both(&everything, &deny_other)], Verdict::Allowed, Verdict::Allowed),
        (vec![everything.to_vec(), deny_other.to_vec()], Verdict::Unknown, Verdict::Allowed),
        (vec![deny_other.to_vec()], Verdict::Unknown, Verdict::Unknown),
        (vec![deny.to_vec()], Verdict::ExplicitlyDenied, Verdict::ExplicitlyDenied),
    ] {
        assert_eq!((of(&levels, true), of(&levels, false)), (known, unknown), "{levels:?}");
    }
}

#[test]
fn a_service_control_policy_that_was_not_read_leaves_the_verdict_open() {
    let everything = [document(&json!({"Effect": "Allow", "Action": "*", "Resource": "*"}))];
    let mut level = layer(&everything);
    level.unread.push("guard");
    for control in [Levels::Known(vec![level.clone()]), Levels::Unknown(level)] {
        let context = MapContext::new();
        let policies = policies(&everything, Some(control));
        assert_eq!(ask(&policies, &context, ROLE), Verdict::Unknown);
        let request = Request { action: "s:Act", resource: None, principal: None, context: &context };
        let named = NotConsidered::Unread(PolicyKind::ServiceControl, "guard");
        assert!(policies.evaluate(&request).not_considered.contains(&named));
    }
}

#[test]
fn service_control_policies_do_not_bear_on_services_and_web_identities() {
    let trust = document(&json!({"Effect": "Allow", "Action": "s:*", "Principal": "*"}));
    let deny = [document(&json!({"Effect": "Deny", "Action": "*", "Resource": "*"}))];
    let context = MapContext::new();
    let mut policies = policies(&[], Some(Levels::Known(vec![layer(&deny)])));
    policies.resource = ResourcePolicy::Needed(Named { name: "trust", document: &trust });
    for (principal, expected) in [
        (Principal::Federated("arn:aws:iam::111122223333:oidc-provider/x.example"), Verdict::Allowed),
        (Principal::Service("pods.eks.amazonaws.com"), Verdict::Allowed),
        (Principal::Aws(ROLE), Verdict::ExplicitlyDenied),
    ] {
        let request = Request { action: "s:Act", resource: Some("r"), principal: Some(principal), context: &context };
        assert_eq!(policies.evaluate(&request).verdict, expected, "{principal:?}");
    }
}

#[test]
fn no_policy_has_a_say_in_some_actions() {
    let deny = [document(&json!({"Effect": "Deny", "Action": "*", "Resource": "*"}))];
    let allow = [document(&json!({"Effect": "Allow", "Action": "*", "Resource": "*"}))];
    let context = MapContext::new().unknown_by_default();
    let rule = |identity: &[Document], action: &str, principal: Option<&str>| {
        let policies = policies(identity, None);
        let principal = principal.map(Principal::Aws);
        let request = Request { action, resource: None, principal, context: &context };
        let (one, some) = (policies.evaluate(&request), policies.evaluate_somewhere(&request, &|_| true));
        assert_eq!((one.verdict, one.exempt), (some.verdict, some.exempt));
        (one.verdict, one.exempt, one.is_certain_denial())
    };
    const USER: &str = "arn:aws:iam::111122223333:user/ci";
    let allowed = (Verdict::Allowed, Some(Exempt::NeedsNoPermission), false);
    let refused = (Verdict::ImplicitlyDenied, Some(Exempt::NotForRoles), true);
    for (action, principal, expected) in [
        ("sts:GetCallerIdentity", Some(ROLE), allowed),
        ("STS:getcalleridentity", Some(SESSION), allowed),
        ("sts:GetCallerIdentity", None, allowed),
        ("sts:GetSessionToken", Some(USER), allowed),
        ("sts:GetSessionToken", Some(ROLE), refused),
        ("sts:GetFederationToken", Some(SESSION), refused),
    ] {
        assert_eq!(rule(&deny, action, principal), expected, "{action} {principal:?}");
        assert_eq!(rule(&allow, action, principal), expected, "{action} {principal:?}");
    }
    for (action, principal) in [
        ("sts:GetCallerIdentityX", Some(ROLE)),
        ("sts:GetAccessKeyInfo", Some(ROLE)),
        ("sts:GetSessionToken", None),
        ("sts:GetFederationToken", Some(USER)),
        ("iam:GetCallerIdentity", Some(ROLE)),
    ] {
        assert_eq!(rule(&deny, action, principal), (Verdict::ExplicitlyDenied, None, true), "{action} {principal:?}");
    }
}

#[test]
fn resource_control_policies_only_deny() {
    let everything = document(&json!({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}));
    let guard = document(&json!({"Effect": "Deny", "Principal": "*", "Action": "s:*", "Resource": "*",
        "Condition": {"StringNotEqualsIfExists": {"k": "ours"}}}));
    let rest = document(&json!({"Effect": "Deny", "Principal": "*", "Action": "s:*", "Resource": "*",
        "Condition": {"StringEquals": {"k": "ours"}}}));
    let ask = |documents: &[&Document], context: &MapContext, action: &str| {
        let principal = Some(Principal::Federated("arn:aws:iam::111122223333:oidc-provider/x.example"));
        denied_by(documents, &Request { action, resource: Some("r"), principal, context })
    };
    let unknown = MapContext::new().unknown_by_default();
    assert_eq!(ask(&[], &unknown, "s:Act"), Truth::False);
    assert_eq!(ask(&[&everything], &unknown, "s:Act"), Truth::False);
    assert_eq!(ask(&[&everything, &guard], &unknown, "s:Act"), Truth::Unknown);
    assert_eq!(ask(&[&everything, &guard], &unknown, "t:Act"), Truth::False);
    assert_eq!(ask(&[&guard], &MapContext::new().with("k", "ours"), "s:Act"), Truth::False);
    assert_eq!(ask(&[&guard], &MapContext::new().with("k", "theirs"), "s:Act"), Truth::True);
    assert_eq!(ask(&[&guard], &MapContext::new().with_absent("k"), "s:Act"), Truth::True);
    assert_eq!(ask(&[&guard, &rest], &unknown, "s:Act"), Truth::True, "one of the two, whatever the key is");
}
