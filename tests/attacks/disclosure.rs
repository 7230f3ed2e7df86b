//! What a requester without any right in AWS can learn about roles that are not the namespace's own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rolecall::config::Config;
use rolecall::review::{Authority, NextStep, Notice, Raise, RaisedLevel, Record, Standing, answer, consider};
use rolecall::sources::{Manifests, namespace_of};
use rolecall_core::decision::{EnforceOn, Level, Mode};
use rolecall_core::effort::Stop;
use rolecall_core::finding::Finding;
use rolecall_core::judge::{Circumstances, ServiceAccountChange, judge_service_account, judge_workload};
use rolecall_core::snapshot::Snapshot;
use rolecall_core::workload::{Kind, Stage, Workload};
use rolecall_core::world::World;
use rolecall_message::fix::{Format, rendered, sentence};
use serde_json::{Value, json};

use crate::answers::{NOW, created};
use crate::common;

const ISSUER: &str = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE";
const UID: &str = "6f1f6f0e-0000-4000-8000-000000000001";

/// What an answer tells the requester, with what it tells the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    told: Value,
    audited: Value,
    detail: String,
    event: String,
}

fn ask(snapshot: &Value, cluster: &str, config: &str, review: &Value) -> Answer {
    let directory = common::TempDir::new("disclosure");
    let file = directory.file("cluster.yaml", cluster);
    let config = Config::parse(config).unwrap_or_else(|e| panic!("{config}: {e}"));
    let conventions = config.conventions();
    let cluster = Manifests::load(&[file.display().to_string()]).unwrap().cluster(&conventions).unwrap();
    let snapshot = Snapshot::parse(&snapshot.to_string()).unwrap_or_else(|e| panic!("{e}"));
    let world = World::new(Arc::new(snapshot), cluster, conventions);
    ask_in(&world, &config, review)
}

fn ask_in(world: &World, config: &Config, review: &Value) -> Answer {
    let (mut detail, mut events) = (String::new(), Vec::<String>::new());
    let body = review.to_string();
    let observe = |record: &Record<'_>| {
        detail.clone_from(&record.message);
        events = Notice::notes(record).into_iter().map(|note| note.text).collect();
    };
    let reply = answer(world, "", &config.settings(Mode::Enforce), body.as_bytes(), NOW.parse().unwrap(), observe);
    let mut told = serde_json::from_slice::<Value>(&reply.body).unwrap()["response"].clone();
    let audited = told.as_object_mut().unwrap().remove("auditAnnotations").unwrap_or_default();
    // Every user who may read Events in the namespace reads these.
    let event = events.join("\n");
    told["events"] = json!(events);
    Answer { told, audited, detail, event }
}

fn role_arn(account: &str, path_and_name: &str) -> String {
    format!("arn:aws:iam::{account}:role/{path_and_name}")
}

fn trust(principal: &Value, condition: &Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Sid": "CanarySid", "Effect": "Allow", "Principal": principal,
        "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition}]})
}

/// The recorded snapshot with roles of other teams in every state that matters.
fn with_foreign_roles() -> (Value, BTreeMap<&'static str, String>) {
    let mut snapshot: Value = serde_json::from_str(&common::text("cases/base.json")).unwrap();
    let account = "111122223333";
    let provider = json!({"Federated": format!("arn:aws:iam::{account}:oidc-provider/{ISSUER}")});
    let sub = |subject: &str| json!({"StringEquals": {format!("{ISSUER}:sub"): subject, format!("{ISSUER}:aud"): "sts.amazonaws.com"}});
    let orders = "system:serviceaccount:canary-ns:canary-sa";
    let roles = [
        ("trusts another team", "zeta-ledger-one", trust(&provider, &sub(orders))),
        (
            "trusts a pattern",
            "zeta-ledger-two",
            trust(&provider, &json!({"StringLike": {format!("{ISSUER}:sub"): "system:serviceaccount:canary-ns:*"}})),
        ),
        ("trusts ECS", "zeta-ledger-ecs", trust(&json!({"Service": "ecs-tasks.amazonaws.com"}), &json!({}))),
        (
            "trusts another cluster",
            "zeta-ledger-dr",
            trust(
                &json!({"Federated": format!("arn:aws:iam::{account}:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/CANARY")}),
                &sub(orders),
            ),
        ),
        (
            "wildcard under StringEquals",
            "zeta-ledger-wild",
            trust(&provider, &json!({"StringEquals": {format!("{ISSUER}:sub"): "system:serviceaccount:*:*"}})),
        ),
        ("undecided", "zeta-ledger-ip", trust(&provider, &json!({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}))),
        (
            "wrong audience",
            "zeta-ledger-aud",
            trust(&provider, &json!({"StringEquals": {format!("{ISSUER}:aud"): "canary.example"}})),
        ),
    ];
    let mut all = BTreeMap::new();
    let list = snapshot["accounts"][account]["roles"].as_array_mut().unwrap();
    for (state, name, trust) in roles {
        let arn = role_arn(account, name);
        list.push(json!({"RoleName": name, "Arn": arn, "AssumeRolePolicyDocument": trust,
            "Tags": [{"Key": "team", "Value": "canary-team"}],
            "RolePolicyList": [{"PolicyName": "canary-policy", "PolicyDocument": {"Version": "2012-10-17",
                "Statement": [{"Sid": "CanaryPolicySid", "Effect": "Deny", "Action": "s3:*", "Resource": "*"}]}}],
            "AttachedManagedPolicies": []}));
        all.insert(state, arn);
    }
    list.push(json!({"RoleName": "zeta-hidden", "Arn": role_arn(account, "canary-path/zeta-hidden"),
        "AssumeRolePolicyDocument": trust(&provider, &sub(orders))}));
    list.push(
        json!({"RoleName": "zeta-broken", "Arn": role_arn(account, "zeta-broken"), "AssumeRolePolicyDocument": 7}),
    );
    list.push(json!({"RoleName": "AWSServiceRoleForCanary", "Arn": role_arn(account, "aws-service-role/x.amazonaws.com/AWSServiceRoleForCanary"),
        "AssumeRolePolicyDocument": trust(&json!({"Service": "x.amazonaws.com"}), &json!({}))}));
    all.insert("existing under another path", role_arn(account, "zeta-hidden"));
    all.insert("malformed entry", role_arn(account, "zeta-broken"));
    all.insert("another case", role_arn(account, "Zeta-Ledger-One"));
    all.insert("service-linked", role_arn(account, "aws-service-role/x.amazonaws.com/AWSServiceRoleForCanary"));
    all.insert("missing", role_arn(account, "zeta-nothing-there"));
    all.insert("one letter short of an existing one", role_arn(account, "zeta-ledger-on"));
    all.insert("account not read", role_arn("999988887777", "zeta-ledger-one"));
    all.insert("node role", role_arn(account, "shop-managed-ondemand"));
    (snapshot, all)
}

fn account(arn: &str, annotations: &Value) -> Value {
    let mut account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "app", "namespace": "web",
        "annotations": {"eks.amazonaws.com/role-arn": arn}}});
    for (key, value) in annotations.as_object().unwrap() {
        account["metadata"]["annotations"][key] = value.clone();
    }
    account
}

/// A pod as the injector leaves it.
fn pod(arn: &str, annotations: &Value) -> Value {
    let mut pod = crate::answers::pod(&json!([{"name": "AWS_ROLE_ARN", "value": arn}]), annotations);
    pod["metadata"]["namespace"] = "web".into();
    pod["spec"]["serviceAccountName"] = "app".into();
    pod
}

fn deployment(arn: &str, annotations: &Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "app", "namespace": "web"},
        "spec": {"template": {"metadata": {"annotations": annotations}, "spec": pod(arn, &json!({}))["spec"]}}})
}

/// A deployment that leaves everything to the injector, or that brings a volume with a token for another audience.
fn plain_deployment(_: &str, annotations: &Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "app", "namespace": "web"},
        "spec": {"template": {"metadata": {"annotations": annotations}, "spec": {"serviceAccountName": "app",
            "containers": [{"name": "app", "image": "example.com/app:1"}]}}}})
}

fn other_audience(arn: &str, annotations: &Value) -> Value {
    let mut object = plain_deployment(arn, annotations);
    object["spec"]["template"]["spec"]["volumes"] = json!([{"name": "aws-iam-token", "projected": {"sources": [
        {"serviceAccountToken": {"audience": "other.example", "path": "token"}}]}}]);
    object
}

/// A token of which rolecall cannot see whose it is.
fn foreign_token(arn: &str, annotations: &Value) -> Value {
    let mut object = pod(arn, annotations);
    object["spec"]["volumes"] = json!([{"name": "aws-iam-token", "emptyDir": {}}]);
    object["spec"]["containers"][0]["env"] = json!([{"name": "AWS_ROLE_ARN", "value": arn},
        {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/elsewhere/token"}]);
    object
}

/// A pod that the injector did not touch.
fn not_injected(_: &str, annotations: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app", "namespace": "web", "annotations": annotations},
        "spec": {"serviceAccountName": "app", "containers": [{"name": "app", "image": "example.com/app:1"}]}})
}

fn cluster(arn: &str, labels: &Value) -> String {
    let namespaces = [json!({"name": "web", "labels": labels}), json!({"name": "canary-ns"})]
        .map(|metadata| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}));
    let account = account(arn, &json!({}));
    [&account, &namespaces[0], &namespaces[1]].map(ToString::to_string).join("\n---\n")
}

fn masked(told: &Value, arn: &str) -> String {
    let name = arn.rsplit('/').next().unwrap();
    told.to_string().replace(arn, "ARN").replace(name, "NAME")
}

type Make = fn(&str, &Value) -> Value;

/// Every way in which a requester brings a role into a review.
const WAYS: [(&str, Make); 7] = [
    ("service account", account),
    ("injected pod", pod),
    ("deployment with variables", deployment),
    ("plain deployment", plain_deployment),
    ("volume of its own", other_audience),
    ("token of another", foreign_token),
    ("not injected", not_injected),
];

#[test]
fn foreign_roles_read_alike() {
    let (snapshot, roles) = with_foreign_roles();
    let annotations = [
        json!({}),
        json!({"rolecall.dev/requires": "s3:GetObject arn:aws:s3:::x/*"}),
        json!({"rolecall.dev/ignore": "role-missing"}),
        json!({"rolecall.dev/ignore": "irsa-trust-subject,irsa-trust-principal,not-collected"}),
    ];
    let mut compared = 0;
    for labels in [json!({}), json!({"rolecall.dev/warn": "strict"})] {
        for config in ["", "messages: {iamDetail: rule}", "selfExemptions: allow"] {
            for (way, make) in WAYS {
                for annotations in &annotations {
                    let mut told: BTreeMap<String, Vec<&str>> = BTreeMap::new();
                    for (state, arn) in &roles {
                        let review = created(&make(arn, annotations));
                        let answer = ask(&snapshot, &cluster(arn, &labels), config, &review);
                        assert_eq!(answer.told["allowed"], true);
                        told.entry(masked(&answer.told, arn)).or_default().push(state);
                        compared += 1;
                    }
                    assert_eq!(told.len(), 1, "{way} {annotations} {labels} {config}: {told:#?}");
                }
            }
        }
    }
    assert!(compared > 1_000, "only {compared}");
}

/// Where a namespace enforces, a denial tells that rolecall is certain. It tells nothing else.
#[test]
fn denials_about_foreign_roles_read_alike() {
    let (snapshot, roles) = with_foreign_roles();
    let config = "enforceWorkloads: true";
    for level in ["chain", "strict"] {
        for (way, make) in WAYS {
            let mut told: BTreeMap<String, Vec<&str>> = BTreeMap::new();
            for (state, arn) in &roles {
                let labels = json!({"rolecall.dev/enforce": level});
                let answer = ask(&snapshot, &cluster(arn, &labels), config, &created(&make(arn, &json!({}))));
                assert!(
                    answer.told["allowed"] == true
                        || answer.event.ends_with(answer.told["status"]["message"].as_str().unwrap())
                );
                told.entry(masked(&answer.told, arn)).or_default().push(state);
            }
            let all: Vec<String> = told.values().map(|states| states.join(", ")).collect();
            assert!(told.len() <= 2, "{way} at {level}: {told:#?}");
            let of = |state: &str| told.iter().find(|(_, states)| states.contains(&state)).unwrap().0;
            // Where it cannot be seen whose token it is, only a role that does not exist is certain. It is denied all the same.
            let alike = if way == "token of another" { "missing" } else { "trusts another team" };
            let certain: &[&str] = match way {
                "token of another" => &["one letter short of an existing one"],
                _ => &[
                    "missing",
                    "trusts ECS",
                    "node role",
                    "trusts another cluster",
                    "one letter short of an existing one",
                ],
            };
            for certain in certain {
                assert_eq!(of(certain), of(alike), "{way} at {level}: {all:?}");
            }
            let is_denied = of("missing").contains("\"allowed\":false");
            assert!(is_denied || way == "not injected" || way == "plain deployment", "{way} at {level}: {all:?}");
            // The account's provider does not have the audience of that token: certain without a look at the role.
            let uncertain: &[&str] =
                if way == "volume of its own" { &[] } else { &["account not read", "malformed entry"] };
            for uncertain in uncertain {
                assert_eq!(of(uncertain), of("undecided"), "{way} at {level}: {all:?}");
            }
        }
    }
}

/// An update is compared with the object as it was. That tells whether both are broken, and not how.
/// The answer to a raised level names the rules that would deny what runs.
#[test]
fn a_raised_level_does_not_tell_the_rule() {
    let (snapshot, roles) = with_foreign_roles();
    let denying_with = |arn: &str, config: &str, own: &Value, exempted: &str| {
        let directory = common::TempDir::new("raised");
        let file = directory.file("cluster.yaml", &cluster(arn, &json!({})));
        let config = Config::parse(config).unwrap();
        let conventions = config.conventions();
        let cluster = Manifests::load(&[file.display().to_string()]).unwrap().cluster(&conventions).unwrap();
        let snapshot = Snapshot::parse(&snapshot.to_string()).unwrap();
        let world = World::new(Arc::new(snapshot), cluster, conventions);
        let mut namespace = world.namespace("web").cloned().unwrap_or_default();
        namespace.own_annotations.ignore = exempted.split(',').map(Into::into).collect();
        let raise = Raise { name: "web".to_owned(), level: Level::Chain, enforce_on: EnforceOn::PODS, namespace };
        let level = RaisedLevel::new(&world, &config.settings(Mode::Enforce), &raise, NOW.parse().unwrap()).unwrap();
        let text = plain_deployment(arn, own).to_string();
        level.denying_rules(&serde_json::from_str(&text).unwrap(), Kind::Deployment, &Stop::default())
    };
    let denying = |arn: &str, config: &str| denying_with(arn, config, &json!({}), "");
    let mut full = BTreeSet::new();
    for (state, arn) in &roles {
        let told = denying(arn, "");
        assert!(told.is_empty() || told == ["role-not-assumable"], "{state}: {told:?}");
        let rules = denying(arn, "messages: {iamDetail: full}");
        assert_eq!(told.is_empty(), rules.is_empty(), "{state}: whether it is denied is what a pod's answer tells too");
        full.extend(rules);
        // Annotations of the workload do not tell which rule it is, and the namespace can exempt the one that is shown.
        let own = json!({"rolecall.dev/ignore": "role-missing,irsa-trust-subject"});
        assert_eq!(denying_with(arn, "selfExemptions: allow", &own, ""), told, "{state}");
        assert!(denying_with(arn, "", &json!({}), "role-not-assumable").is_empty(), "{state}");
    }
    assert!(full.contains("irsa-trust-subject") && full.contains("role-missing"), "{full:?}");
}

#[test]
fn updates_from_one_foreign_role_to_another_read_alike() {
    let (snapshot, roles) = with_foreign_roles();
    let labels = json!({"rolecall.dev/enforce": "chain"});
    let certain = ["missing", "trusts ECS", "trusts another team", "trusts another cluster", "wrong audience"];
    let own = role_arn("111122223333", "web-missing");
    for make in [account, deployment] {
        let mut told: BTreeMap<(&str, String), Vec<String>> = BTreeMap::new();
        let states = certain.map(|state| (state, &roles[state]));
        for (before, old) in states.into_iter().chain([("own", &own)]) {
            for (after, new) in states.into_iter().chain([("own", &own)]).filter(|(after, _)| *after != before) {
                let mut review = created(&make(new, &json!({})));
                review["request"]["operation"] = "UPDATE".into();
                review["request"]["oldObject"] = make(old, &json!({}));
                let answer = ask(&snapshot, &cluster(new, &labels), "enforceWorkloads: true", &review);
                let group = match (before, after) {
                    ("own", _) => "from an own role",
                    (_, "own") => "to an own role",
                    _ => "between foreign roles",
                };
                let text = masked(&answer.told, new).replace(old.as_str(), "OLD");
                told.entry((group, text)).or_default().push(format!("{before} to {after}"));
            }
        }
        assert_eq!(told.len(), 3, "{told:#?}");
        for (group, text) in told.keys() {
            assert_eq!(text.contains("\"allowed\":true"), *group == "between foreign roles", "{group}: {text}");
        }
    }
}

/// Where annotations of the workload lift denials, the name of a true rule lifts none: it would tell the rule.
#[test]
fn exemptions_do_not_tell_the_rule() {
    let (snapshot, roles) = with_foreign_roles();
    let states = ["missing", "trusts ECS", "trusts another team", "trusts another cluster", "wrong audience"];
    let named = rolecall_core::rules::all().into_iter().map(|rule| rule.name);
    let named = named.filter(|name| *name == "role-missing" || name.starts_with("irsa-trust-"));
    let true_rules = &named.collect::<Vec<_>>().join(",");
    let allowed = |ignored: &str, of_namespace: bool, config: &str| -> BTreeSet<bool> {
        let annotations = json!({"rolecall.dev/ignore": ignored});
        let on_pod = if of_namespace { json!({}) } else { annotations.clone() };
        let ask_of = |state: &&str| {
            let arn = &roles[*state];
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web",
                "labels": {"rolecall.dev/enforce": "chain"},
                "annotations": if of_namespace { annotations.clone() } else { json!({}) }}});
            let cluster = format!("{}\n---\n{namespace}", account(arn, &json!({})));
            ask(&snapshot, &cluster, config, &created(&pod(arn, &on_pod))).told["allowed"] == true
        };
        states.iter().map(ask_of).collect()
    };
    let (denied, admitted) = (BTreeSet::from([false]), BTreeSet::from([true]));
    for rule in true_rules.split(',').chain([true_rules.as_str()]) {
        assert_eq!(allowed(rule, false, "selfExemptions: allow"), denied, "{rule}");
        assert_eq!(allowed(rule, false, ""), denied, "{rule}");
    }
    // The rule that the requester reads can be exempted, by users who may exempt.
    assert_eq!(allowed("role-not-assumable", false, "selfExemptions: allow"), admitted);
    assert_eq!(allowed("role-not-assumable", false, ""), denied);
    assert_eq!(allowed("role-not-assumable", true, ""), admitted);
    assert_eq!(allowed(true_rules, true, ""), admitted);
}

/// Before a denial the same is read again from AWS, whatever is wrong with the role; before a warning nothing is.
#[test]
fn what_is_read_again_does_not_tell() {
    let (snapshot, roles) = with_foreign_roles();
    let config = Config::parse("").unwrap();
    let directory = common::TempDir::new("disclosure-links");
    let snapshot = Arc::new(Snapshot::parse(&snapshot.to_string()).unwrap());
    for labels in [json!({}), json!({"rolecall.dev/enforce": "chain"})] {
        let mut read: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for state in ["missing", "trusts ECS", "trusts another team", "trusts another cluster", "wrong audience"] {
            let arn = &roles[state];
            let file = directory.file("cluster.yaml", &cluster(arn, &labels));
            let conventions = config.conventions();
            let cluster = Manifests::load(&[file.display().to_string()]).unwrap().cluster(&conventions).unwrap();
            let world = World::new(Arc::clone(&snapshot), cluster, conventions);
            let standing = Standing { authority: Authority::Provisional, asks: false, inline: false, stop: None };
            let body = created(&pod(arn, &json!({}))).to_string();
            let settings = config.settings(Mode::Enforce);
            let considered =
                consider(&world, "", &settings, body.as_bytes(), NOW.parse().unwrap(), standing, |_: &Record<'_>| {});
            let what = match considered {
                NextStep::ConfirmDenial { links, .. } => format!("{links:?}").replace(arn.as_str(), "ARN"),
                NextStep::Reply(_) => "nothing".to_owned(),
                other => panic!("{other:?}"),
            };
            read.entry(what).or_default().push(state);
        }
        assert_eq!(read.len(), 1, "{read:#?}");
        assert_eq!(read.contains_key("nothing"), labels == json!({}), "{read:#?}");
    }
}

/// Similar names are looked for among the account's roles only where one is missing. The answer takes as long without.
#[test]
fn the_time_of_an_answer_does_not_tell() {
    const ROUNDS: usize = 25;
    let (mut snapshot, _) = with_foreign_roles();
    let list = snapshot["accounts"]["111122223333"]["roles"].as_array_mut().unwrap();
    let provider = json!({"Federated": format!("arn:aws:iam::111122223333:oidc-provider/{ISSUER}")});
    for n in (1_500..3_500).filter(|n| *n != 2_500) {
        let name = format!("zeta-role-of-team-{n:04}");
        let subject = format!("system:serviceaccount:team-{n:04}:app");
        let condition =
            json!({"StringEquals": {format!("{ISSUER}:sub"): subject, format!("{ISSUER}:aud"): "sts.amazonaws.com"}});
        list.push(json!({"RoleName": name, "Arn": role_arn("111122223333", &name), "AssumeRolePolicyDocument": trust(&provider, &condition)}));
    }
    let config = Config::parse("").unwrap();
    let snapshot = Arc::new(Snapshot::parse(&snapshot.to_string()).unwrap());
    let [missing, existing] = ["2500", "2501"].map(|n| role_arn("111122223333", &format!("zeta-role-of-team-{n}")));
    let directory = common::TempDir::new("disclosure-time");
    let states = [&missing, &existing];
    let worlds = states.map(|arn| {
        let file = directory.file("cluster.yaml", &cluster(arn, &json!({})));
        let conventions = config.conventions();
        let cluster = Manifests::load(&[file.display().to_string()]).unwrap().cluster(&conventions).unwrap();
        World::new(Arc::clone(&snapshot), cluster, conventions)
    });
    let settings = config.settings(Mode::Enforce);
    for make in [account, pod] {
        let bodies = states.map(|arn| created(&make(arn, &json!({}))).to_string());
        // Other tests run beside this one: the shortest time is what the work itself takes.
        let mut shortest = [std::time::Duration::MAX; 2];
        for _ in 0..ROUNDS {
            for (at, world) in worlds.iter().enumerate() {
                let start = std::time::Instant::now();
                answer(world, "", &settings, bodies[at].as_bytes(), NOW.parse().unwrap(), |_: &Record<'_>| {});
                shortest[at] = shortest[at].min(start.elapsed());
            }
        }
        let ratio = shortest[0].as_secs_f64() / shortest[1].as_secs_f64();
        assert!((0.75..1.33).contains(&ratio), "missing and existing: {shortest:?}");
    }
}

#[test]
fn the_requester_reads_the_rule_the_role_and_a_reference() {
    let (snapshot, roles) = with_foreign_roles();
    let arn = &roles["trusts another team"];
    let config = "messages: {contact: '#platform on Slack'}";
    let answer = ask(&snapshot, &cluster(arn, &json!({})), config, &created(&pod(arn, &json!({}))));
    let warnings = answer.told["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 1, "{answer:?}");
    let line = warnings[0].as_str().unwrap();
    for part in ["[role-not-assumable]", "web/app", "zeta-ledger-one", "#platform on Slack", UID] {
        assert!(line.contains(part), "{part}: {line}");
    }
    // The audit log has what is true, in full.
    assert_eq!(answer.audited["rules"], "irsa-trust-subject");
    for part in ["canary-ns:canary-sa", "aws iam update-assume-role-policy", "[irsa-trust-subject]"] {
        assert!(answer.detail.contains(part), "{part}: {}", answer.detail);
    }
    let labels = json!({"rolecall.dev/enforce": "chain"});
    let denied = ask(&snapshot, &cluster(arn, &labels), config, &created(&pod(arn, &json!({}))));
    let message = denied.told["status"]["message"].as_str().unwrap();
    assert!(message.contains(UID) && message.contains(arn.as_str()) && !message.contains("canary"), "{message}");
    assert!(denied.detail.contains("canary-ns:canary-sa") && denied.event.ends_with(message));
    let full = ask(&snapshot, &cluster(arn, &labels), "messages: {iamDetail: full}", &created(&pod(arn, &json!({}))));
    assert_eq!(full.told["status"]["message"], full.detail.as_str());
}

/// Of two roles in one pod the denial names the one that it is certain of, and what else is wrong with the pod.
#[test]
fn a_denial_names_what_it_rests_on() {
    let (snapshot, roles) = with_foreign_roles();
    let labels = json!({"rolecall.dev/enforce": "chain"});
    let mut messages = BTreeSet::new();
    for state in ["missing", "trusts another team"] {
        let (certain, undecided) = (&roles[state], &roles["undecided"]);
        let mut pod = pod(certain, &json!({}));
        let mut second = pod["spec"]["containers"][0].clone();
        second["name"] = "second".into();
        let variables = second["env"].as_array_mut().unwrap();
        variables.iter_mut().find(|v| v["name"] == "AWS_ROLE_ARN").unwrap()["value"] = undecided.as_str().into();
        pod["spec"]["containers"].as_array_mut().unwrap().push(second);
        let answer = ask(&snapshot, &cluster(certain, &labels), "", &created(&pod));
        let message = answer.told["status"]["message"].as_str().unwrap();
        assert!(message.contains(certain.as_str()) && !message.contains(undecided.as_str()), "{message}");
        assert!(!message.contains("cannot tell"), "{message}");
        messages.insert(masked(&answer.told, certain));
    }
    assert_eq!(messages.len(), 1, "{messages:?}");
}

#[test]
fn own_roles_are_explained_in_full() {
    let (mut snapshot, _) = with_foreign_roles();
    let list = snapshot["accounts"]["111122223333"]["roles"].as_array_mut().unwrap();
    let provider = json!({"Federated": format!("arn:aws:iam::111122223333:oidc-provider/{ISSUER}")});
    let sub = |subject: &str| json!({"StringEquals": {format!("{ISSUER}:sub"): subject}});
    let ecs = trust(&json!({"Service": "ecs-tasks.amazonaws.com"}), &json!({}));
    for (name, trust, tags) in [
        ("named-in-trust", trust(&provider, &sub("system:serviceaccount:checkout:other")), json!([])),
        ("typo-in-trust", trust(&provider, &sub("system:serviceaccount:chekout:app")), json!([])),
        ("pattern-in-trust", trust(&provider, &sub("system:serviceaccount:check*:app")), json!([])),
        ("tagged", ecs.clone(), json!([{"Key": "kubernetes-namespace", "Value": "checkout"}])),
        ("the-checkout-role", ecs.clone(), json!([])),
        ("mapped-by-hand", ecs.clone(), json!([])),
        ("associated", ecs.clone(), json!([])),
        ("named-for-app", ecs, json!([])),
        ("neighbour", trust(&provider, &sub("system:serviceaccount:checkout-b:app")), json!([])),
        ("app-in-trust", trust(&provider, &sub("system:serviceaccount:checkout:app")), json!([])),
    ] {
        list.push(json!({"RoleName": name, "Arn": role_arn("111122223333", name), "AssumeRolePolicyDocument": trust, "Tags": tags}));
    }
    snapshot["podIdentityAssociations"]
        .as_array_mut()
        .unwrap()
        .push(json!({"clusterName": "shop", "namespace": "checkout",
        "serviceAccount": "other", "associationId": "a-1", "roleArn": role_arn("111122223333", "associated")}));
    let config = "messages: {ownRoles: [{namespace: 'check*', role: 'mapped-*'}, {namespace: other, role: '*'}]}";
    let told = |name: &str, config: &str| {
        let mut account = account(&role_arn("111122223333", name), &json!({}));
        account["metadata"]["namespace"] = "checkout".into();
        let cluster = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "checkout"}}).to_string();
        let answer = ask(&snapshot, &cluster, config, &created(&account));
        (answer.told["warnings"].to_string(), answer.detail)
    };
    let own = [
        "named-in-trust",
        "typo-in-trust",
        "pattern-in-trust",
        "tagged",
        "the-checkout-role",
        "mapped-by-hand",
        "associated",
    ];
    for name in own {
        let (warnings, detail) = told(name, config);
        assert!(warnings.contains("irsa-trust-") && detail.is_empty(), "{name}: {warnings}");
        assert_eq!(warnings, told(name, "messages: {iamDetail: full}").0, "{name}");
        assert!(told(name, "messages: {iamDetail: rule}").0.contains("role-not-assumable"), "{name}");
    }
    // The service account's name does not count, nor does another namespace that only looks alike.
    for name in ["named-for-app", "neighbour", "mapped-no-more"] {
        let config = if name == "mapped-no-more" { "" } else { config };
        assert!(told(name, config).0.contains("role-not-assumable"), "{name}");
    }
    // A missing role of the namespace's own name is completed; so is one that comes close to an own role that would work.
    assert!(told("the-checkout-rol", config).0.contains("role-missing"));
    let (hint, _) = told("app-in-trus", config);
    assert!(hint.contains("role-not-assumable") && hint.contains("did you mean app-in-trust?"), "{hint}");
    let (hint, _) = told("named-in-trus", config);
    assert!(hint.contains("role-not-assumable") && !hint.contains("did you mean"), "{hint}");
}

/// A bare name is completed to an ARN where the role is the namespace's own.
#[test]
fn bare_names_of_foreign_roles_are_not_completed() {
    let (mut snapshot, _) = with_foreign_roles();
    let own = json!({"RoleName": "web-reader", "Arn": role_arn("111122223333", "reports/web-reader")});
    snapshot["accounts"]["111122223333"]["roles"].as_array_mut().unwrap().push(own);
    for labels in [json!({}), json!({"rolecall.dev/enforce": "chain"})] {
        let told = |name: &str| {
            let answer =
                ask(&snapshot, &cluster(name, &labels), "enforceWorkloads: true", &created(&account(name, &json!({}))));
            answer.told.to_string().replace(name, "NAME")
        };
        let missing = told("zeta-nothing-there");
        assert!(missing.contains("role-arn-malformed"), "{missing}");
        for name in ["zeta-ledger-one", "zeta-hidden", "shop-managed-ondemand"] {
            assert_eq!(told(name), missing);
        }
        assert!(told("web-reader").contains("role/reports/NAME"), "{}", told("web-reader"));
    }
}

/// The subject of another namespace that exists is no typo.
#[test]
fn a_namespace_that_exists_is_no_typo() {
    let (mut snapshot, _) = with_foreign_roles();
    let provider = json!({"Federated": format!("arn:aws:iam::111122223333:oidc-provider/{ISSUER}")});
    let condition = json!({"StringEquals": {format!("{ISSUER}:sub"): "system:serviceaccount:webs:app"}});
    let arn = role_arn("111122223333", "zeta-typo");
    let role = json!({"RoleName": "zeta-typo", "Arn": arn, "AssumeRolePolicyDocument": trust(&provider, &condition)});
    snapshot["accounts"]["111122223333"]["roles"].as_array_mut().unwrap().push(role);
    let review = created(&account(&arn, &json!({})));
    let alone = ask(&snapshot, &cluster(&arn, &json!({})), "", &review).told["warnings"].to_string();
    assert!(alone.contains("irsa-trust-subject"), "{alone}");
    let beside = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "webs"}});
    let cluster = format!("{}\n---\n{beside}", cluster(&arn, &json!({})));
    let both = ask(&snapshot, &cluster, "", &review).told["warnings"].to_string();
    assert!(both.contains("role-not-assumable") && !both.contains("webs"), "{both}");
}

/// What a case asks of the webhook.
fn reviews_of(folder: &std::path::Path) -> Vec<Value> {
    let mut reviews = Vec::new();
    for file in common::case_paths(folder) {
        let text = std::fs::read_to_string(&file).unwrap();
        if file.ends_with("review.json") {
            reviews.push(serde_json::from_str(&text).unwrap());
            continue;
        }
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap_or_default();
        for mut document in documents {
            let api_version = document["apiVersion"].as_str().unwrap_or_default().to_owned();
            if Kind::from_api_version(&api_version, document["kind"].as_str().unwrap_or_default()).is_none() {
                continue;
            }
            if document["metadata"]["namespace"].is_null() {
                document["metadata"]["namespace"] = "default".into();
            }
            reviews.push(created(&document));
        }
    }
    reviews
}

fn world_of(folder: &std::path::Path, snapshot: &Value) -> Option<World> {
    let conventions = Config::default().conventions();
    let cluster = Manifests::load(&common::case_paths(folder)).ok()?.cluster(&conventions).ok()?;
    let snapshot = Snapshot::parse(&snapshot.to_string()).ok()?;
    Some(World::new(Arc::new(snapshot), cluster, conventions))
}

/// The everyday mistakes stay fully explained: a list of the cases whose texts the default shortens.
#[test]
fn few_cases_are_told_less_by_default() {
    let config = |detail: &str| Config::parse(&format!("warn: strict\nmessages: {{iamDetail: {detail}}}\n")).unwrap();
    let (full, own) = (config("full"), config("own"));
    let mut shortened = String::new();
    let mut all = 0;
    for folder in common::case_folders() {
        let Some(world) = world_of(&folder, &common::case_snapshot(&folder)) else { continue };
        let is_shortened = |review: &Value| ask_in(&world, &full, review).told != ask_in(&world, &own, review).told;
        let reviews = reviews_of(&folder);
        all += usize::from(!reviews.is_empty());
        if reviews.iter().any(is_shortened) {
            let name = folder.strip_prefix(common::test_file("cases")).unwrap().display();
            shortened.push_str(&format!("{name}\n"));
        }
    }
    assert!(all > 300, "only {all} cases");
    common::assert_golden("disclosure-shortened.txt", &shortened);
}

/// Texts of the snapshot's roles that the requester did not write: none may come back.
fn secrets(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            into.insert(text.clone());
        }
        Value::Array(values) => values.iter().for_each(|value| secrets(value, into)),
        Value::Object(fields) => {
            for (key, value) in fields {
                let is_type = ["Effect", "Version", "Type", "PolicyType"].contains(&key.as_str());
                if !is_type {
                    secrets(value, into);
                }
            }
        }
        _ => {}
    }
}

#[test]
fn no_text_of_a_role_comes_back() {
    let configs = ["", "enforce: strict\nenforceWorkloads: true\n"]
        .map(|levels| Config::parse(&format!("warn: strict\n{levels}messages: {{iamDetail: rule}}\n")).unwrap());
    let mut looked_at = 0;
    for folder in common::case_folders() {
        let snapshot = common::case_snapshot(&folder);
        let Some(world) = world_of(&folder, &snapshot) else { continue };
        let mut texts = BTreeSet::new();
        for account in snapshot["accounts"].as_object().into_iter().flatten().map(|(_, account)| account) {
            secrets(&account["roles"], &mut texts);
            secrets(&account["policies"], &mut texts);
        }
        let written: String = common::case_paths(&folder).iter().map(|f| std::fs::read_to_string(f).unwrap()).collect();
        // A fix of the partition or of the role's form says again what was written.
        let written = format!("{written}{}", written.replace("aws-cn", "aws").replace("aws-us-gov", "aws"));
        let known = serde_json::to_string(&json!([
            snapshot["cluster"],
            snapshot["podIdentityAssociations"],
            snapshot["nodeRoles"]
        ]))
        .unwrap();
        // What everyone knows: actions, services, the audience of STS.
        let is_public = |text: &str| {
            text.len() < 8
                || text.ends_with(".amazonaws.com")
                || text.starts_with("sts:")
                || rolecall_actions::is_known(text)
                || written.contains(text)
                || known.contains(text)
        };
        texts.retain(|text| !is_public(text));
        for review in reviews_of(&folder) {
            for config in &configs {
                let answer = ask_in(&world, config, &review);
                // What the pod itself presents is no secret to it.
                let service_accounts =
                    format!("system:serviceaccount:{}:", review["request"]["namespace"].as_str().unwrap_or_default());
                let told = answer.told.to_string();
                let told: String = told
                    .split(&service_accounts)
                    .enumerate()
                    .map(|(at, part)| {
                        if at == 0 {
                            part
                        } else {
                            part.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '-')
                        }
                    })
                    .collect();
                // Nor is its own name, which tools write into tags of roles.
                let is_own_name = |text: &str| {
                    text.split_once('/').is_some_and(|(namespace, name)| {
                        review["request"]["namespace"] == namespace && written.contains(name)
                    })
                };
                let leaked = texts.iter().find(|text| told.contains(text.as_str()) && !is_own_name(text));
                assert!(leaked.is_none(), "{}: {leaked:?} in {told}", folder.display());
                assert!(!answer.event.contains("update-assume-role-policy"), "{}", answer.event);
                looked_at += 1;
            }
        }
    }
    assert!(looked_at > 500, "only {looked_at}");
}

/// No fix opens a node's role, a service-linked role or a reserved one to a workload.
#[test]
fn no_fix_opens_a_role_that_no_workload_should_have() {
    let mut replaced = 0;
    for folder in common::case_folders() {
        let snapshot = common::case_snapshot(&folder);
        let mut nodes = snapshot.clone();
        let roles = snapshot["accounts"].as_object().into_iter().flatten();
        let roles = roles.flat_map(|(_, account)| account["roles"].as_array().cloned().unwrap_or_default());
        nodes["nodeRoles"] = roles.map(|role| role["Arn"].clone()).filter(Value::is_string).collect();
        replaced += fixes_of(&folder, &nodes.to_string(), "");
        for path in ["aws-reserved/sso.amazonaws.com/", "aws-service-role/x.amazonaws.com/"] {
            let moved = snapshot.to_string().replace(":role/", &format!(":role/{path}"));
            replaced += fixes_of(&folder, &moved, path);
        }
    }
    assert!(replaced > 100, "only {replaced} fixes say to use another role");
}

/// Looks at every fix of a case whose roles have this path, and counts those that say to use another role.
fn fixes_of(folder: &std::path::Path, snapshot: &str, path: &str) -> usize {
    let directory = common::TempDir::new("fixes");
    let moved = |file: &String| {
        let name = std::path::Path::new(file).file_name().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(file).unwrap().replace(":role/", &format!(":role/{path}"));
        directory.file(&name, &text).display().to_string()
    };
    let files: Vec<String> = common::case_paths(folder).iter().map(moved).collect();
    let conventions = Config::default().conventions();
    let Ok(manifests) = Manifests::load(&files) else { return 0 };
    let (Ok(cluster), Ok(snapshot)) = (manifests.cluster(&conventions), Snapshot::parse(snapshot)) else { return 0 };
    let world = World::new(Arc::new(snapshot), cluster, conventions);
    let mut replaced = 0;
    for manifest in manifests.objects.iter().filter(|manifest| manifest.kind.is_some()) {
        let (Some(kind), Ok(object)) = (manifest.kind, manifest.object()) else { continue };
        let (namespace, name) = (namespace_of(&object), object.metadata.display_name());
        let stage = if manifest.admitted { Stage::Admitted } else { Stage::Predicted };
        let circumstances = Circumstances { now: None, exemptions: true };
        let judgement = if kind == Kind::ServiceAccount {
            let change = ServiceAccountChange { namespace, name: &name, metadata: &object.metadata, before: None };
            judge_service_account(&world, &change, circumstances)
        } else {
            let Some(workload) = Workload::of(&object, kind, stage, namespace) else { continue };
            let judgement = judge_workload(&world, &workload, circumstances);
            replaced += check_fixes(folder, path, &judgement.findings);
            continue;
        };
        replaced += check_fixes(folder, path, &judgement.findings);
    }
    replaced
}

fn check_fixes(folder: &std::path::Path, path: &str, findings: &[Finding]) -> usize {
    let mut replaced = 0;
    for finding in findings {
        let rule = finding.rule();
        let fix: String = Format::ALL.into_iter().filter_map(|format| rendered(&finding.problem.fix, format)).collect();
        for opens in [
            "update-assume-role-policy",
            "put-role-policy",
            "attach-role-policy",
            "aws_iam_role",
            "aws_iam_policy",
            "\"AssumeRolePolicyDocument\"",
        ] {
            assert!(!fix.contains(opens), "{} {path} [{rule}]: {fix}", folder.display());
        }
        replaced += usize::from(sentence(&finding.problem.fix).contains(" another role than "));
    }
    replaced
}
