//! What the worst reviews cost that Kubernetes and AWS allow: processor time of one check, without sockets.
//!
//! `cargo bench --bench worst` prints a table; a text behind `--` chooses cases. Objects stay below the 1.5 MiB that etcd
//! takes and annotations below 256 KiB; the bodies are escaped as Go escapes them. The account has 5,000 roles with trust
//! policies of 4,000 characters.

#![allow(clippy::print_stdout, reason = "the table is the result")]
use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use rolecall::config::Config;
use rolecall::review::{Authority, NextStep, Settings, Standing, consider};
use rolecall_core::cluster::{Cluster, ServiceAccount};
use rolecall_core::decision::Mode;
use rolecall_core::snapshot::Snapshot;
use rolecall_core::world::World;
use serde_json::{Map, Value, json};

const ISSUER: &str = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE";
const ACCOUNT: &str = "111122223333";
/// Largest total of annotations (Kubernetes, `TotalAnnotationSizeLimitB`).
const MAX_ANNOTATION_BYTES: usize = 256 << 10;
/// Runs of each case: the system counts processor time in ticks of milliseconds.
const RUNS: u32 = 10;

/// How the roles' trust policies are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// A list of subjects, none of them the pod's.
    Subjects,
    /// Conditions on keys that admission does not know.
    Unknown,
    /// Other clusters' providers.
    Issuers,
}

fn main() -> anyhow::Result<()> {
    let chosen = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    println!("| review | body, KiB | CPU, ms | answer |\n|---|---|---|---|");
    for trust in [Trust::Subjects, Trust::Unknown, Trust::Issuers] {
        let long_name = "a".repeat(253);
        let accounts = ["carts", long_name.as_str()];
        let world = world(trust, &accounts)?;
        let settings = Config::parse("enforce: strict").map_err(|e| anyhow::anyhow!("{e}"))?.settings(Mode::Enforce);
        for (name, review) in cases(trust, &long_name) {
            let name = format!("{name}, {trust:?}");
            if name.contains(&chosen) {
                measure(&name, &world, &settings, &review)?;
            }
        }
    }
    Ok(())
}

/// Checks a review a few times and prints what it took on average.
fn measure(name: &str, world: &World, settings: &Settings, review: &Value) -> anyhow::Result<()> {
    let body = go(review);
    let mut answer = String::new();
    let before = processor_time()?;
    for _ in 0..RUNS {
        let standing = Standing { authority: Authority::Final, asks: false, inline: false, stop: None };
        let considered = consider(world, "", settings, &body, Timestamp::now(), standing, |record| {
            answer = format!("{}: {}", record.decision.name(), record.rules.join(", "));
        });
        anyhow::ensure!(matches!(considered, NextStep::Reply(_)), "{name}: {considered:?}");
    }
    let milliseconds = (processor_time()? - before) as f64 / 1e6 / f64::from(RUNS);
    println!("| {name} | {} | {milliseconds:.1} | {answer} |", body.len() / 1024);
    Ok(())
}

/// What this thread has used of a processor, in nanoseconds (proc(5), `schedstat`).
fn processor_time() -> anyhow::Result<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split(' ').next().unwrap_or_default().parse()?)
}

/// As Go's encoding/json writes it.
fn go(review: &Value) -> Vec<u8> {
    review.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026").into_bytes()
}

fn world(trust: Trust, accounts: &[&str]) -> anyhow::Result<World> {
    let roles: Vec<Value> = (0..5_000)
        .map(|index| {
            json!({"RoleName": format!("role-{index:04}"), "Arn": arn(index), "Tags": [{"Key": "team", "Value": "a"}],
                "AssumeRolePolicyDocument": trust_policy(trust, index)})
        })
        .chain([json!({"RoleName": "carts", "Arn": format!("arn:aws:iam::{ACCOUNT}:role/carts"),
            "AttachedManagedPolicies": [], "RolePolicyList": policies(),
            "AssumeRolePolicyDocument": {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
                "Principal": {"Federated": provider(ISSUER)}}]}})])
        .collect();
    let providers: Vec<Value> = (0..100)
        .map(|index| if index == 0 { ISSUER.to_owned() } else { other_issuer(index) })
        .map(|url| json!({"Arn": provider(&url), "Url": url, "ClientIDList": ["sts.amazonaws.com"]}))
        .collect();
    let snapshot = json!({
        "cluster": {"name": "shop", "arn": format!("arn:aws:eks:us-west-2:{ACCOUNT}:cluster/shop"),
            "identity": {"oidc": {"issuer": format!("https://{ISSUER}")}}},
        "podIdentityAssociations": [],
        "accounts": {ACCOUNT: {"roles": roles, "policies": [], "oidcProviders": providers}},
    });
    let mut cluster = Cluster { complete: true, ..Cluster::default() };
    for name in accounts {
        let role_arn = Some(format!("arn:aws:iam::{ACCOUNT}:role/carts").into());
        cluster.add_service_account("carts", name, ServiceAccount { role_arn, ..ServiceAccount::default() });
    }
    let snapshot = Snapshot::parse(&snapshot.to_string()).map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(World::new(Arc::new(snapshot), cluster, Config::default().conventions()))
}

fn arn(index: usize) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/role-{index:04}")
}

fn provider(url: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{url}")
}

fn other_issuer(index: usize) -> String {
    format!("oidc.eks.us-west-2.amazonaws.com/id/{index:032X}")
}

/// About 4,000 characters, the most that AWS allows.
fn trust_policy(trust: Trust, index: usize) -> Value {
    let statement = |condition: Value| {
        json!({"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
               "Principal": {"Federated": provider(ISSUER)}, "Condition": condition})
    };
    let statements: Vec<Value> = match trust {
        Trust::Subjects => {
            let subjects: Vec<String> =
                (0..62).map(|n| format!("system:serviceaccount:team-{index}:service-account-number-{n}")).collect();
            vec![statement(json!({"StringEquals": {format!("{ISSUER}:sub"): subjects}}))]
        }
        Trust::Unknown => (0..12)
            .map(|n| {
                let values: Vec<String> = (0..5).map(|v| format!("{n}{v}*")).collect();
                let operator = if n % 2 == 0 { "StringLikeIfExists" } else { "StringNotLike" };
                statement(json!({operator: {"aws:SourceVpce": values, format!("aws:x{}", n % 2): ["ab*", "cd*"]}}))
            })
            .collect(),
        Trust::Issuers => (0..18)
            .map(|n| {
                json!({"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
                       "Principal": {"Federated": provider(&other_issuer(n + 1))}})
            })
            .collect(),
    };
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// Within AWS's quotas: 1,960 statements of wildcards with conditions on keys that admission cannot know.
fn policies() -> Vec<Value> {
    let statement = |index: usize| {
        let condition = json!({"StringLike": {"aws:SourceIp": format!("{index}*"), "aws:UserAgent": "*b*"}});
        json!({"Effect": "Allow", "Action": ["*", "s3:*et*"], "Resource": format!("arn:*:*:*:*:{index}*a*"),
               "Condition": condition})
    };
    let statements: Vec<Value> = (0..1_960).map(statement).collect();
    let policy = |(index, statements): (usize, &[Value])| json!({"PolicyName": format!("p{index}"), "PolicyDocument": {"Version": "2012-10-17", "Statement": statements}});
    statements.chunks(100).enumerate().map(policy).collect()
}

fn review(pod: &Value, old: Option<&Value>) -> Value {
    let (operation, sub_resource) = if old.is_some() { ("UPDATE", "ephemeralcontainers") } else { ("CREATE", "") };
    json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {
        "uid": "6f1f6f0e-0000-4000-8000-000000000001", "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"}, "subResource": sub_resource, "name": "carts",
        "namespace": "carts", "operation": operation, "userInfo": {"username": "developer"}, "object": pod,
        "oldObject": old, "dryRun": false, "options": {}}})
}

/// A pod whose containers bring these roles and tokens of their own.
fn pod(account: &str, containers: &[Value], annotations: &Map<String, Value>, volumes: usize) -> Value {
    let volume = |index: usize| {
        let token = json!({"serviceAccountToken": {"audience": format!("audience-{index}"), "path": "token"}});
        json!({"name": format!("t{index}"), "projected": {"sources": [token]}})
    };
    let standard = json!({"name": "t", "projected": {"sources": [
        {"serviceAccountToken": {"audience": "sts.amazonaws.com", "path": "token"}}]}});
    let volumes: Vec<Value> = (0..volumes).map(volume).chain([standard]).collect();
    json!({"metadata": {"name": "carts", "namespace": "carts", "annotations": annotations},
           "spec": {"serviceAccountName": account, "containers": containers, "volumes": volumes}})
}

fn container(index: usize, role: &str, volume: &str) -> Value {
    json!({"name": format!("c{index}"), "image": "i", "env": [{"name": "AWS_ROLE_ARN", "value": role},
        {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/t/token"}],
        "volumeMounts": [{"name": volume, "mountPath": "/t"}]})
}

/// As many annotations as fit.
fn annotations(name: impl Fn(usize) -> String) -> Map<String, Value> {
    let mut bytes = 0;
    let names = (0..).map(name).take_while(|name| {
        bytes += name.len() + 1;
        bytes < MAX_ANNOTATION_BYTES
    });
    names.map(|name| (name, json!("1"))).collect()
}

fn needs() -> Map<String, Value> {
    let mut text = String::new();
    for service in ["s3", "ec2", "iam", "sns", "sqs", "kms", "rds", "eks", "ecs", "ssm"] {
        for letter in ["a", "e", "i", "s", "t"] {
            let _ = writeln!(text, "{service}:*{letter}*");
        }
    }
    Map::from_iter([("rolecall.dev/requires".to_owned(), json!(text))])
}

fn cases(trust: Trust, long_name: &str) -> Vec<(&'static str, Value)> {
    let roles = |count: usize| (0..count).map(|index| container(index, &arn(index), "t")).collect::<Vec<_>>();
    let mut cases = vec![
        ("5,000 roles", review(&pod("carts", &roles(5_000), &Map::new(), 0), None)),
        ("5,000 roles and a long name", review(&pod(long_name, &roles(5_000), &Map::new(), 0), None)),
        ("5,000 roles and declared needs", review(&pod(long_name, &roles(5_000), &needs(), 0), None)),
        ("200 roles and declared needs", review(&pod(long_name, &roles(200), &needs(), 0), None)),
    ];
    let old = pod(long_name, &roles(3_000), &Map::new(), 0);
    let mut new = old.clone();
    if let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut) {
        let debug = (3_000..5_000).map(|index| container(index, &arn(index), "t")).collect::<Vec<_>>();
        spec.insert("ephemeralContainers".to_owned(), debug.into());
    }
    cases.push(("2,000 ephemeral containers beside 3,000 others", review(&new, Some(&old))));
    let tokens = |index: usize| container(index, &arn(index % 50), &format!("t{index}"));
    cases.push((
        "4,000 tokens",
        review(&pod(long_name, &(0..4_000).map(tokens).collect::<Vec<_>>(), &Map::new(), 4_000), None),
    ));
    if trust != Trust::Subjects {
        return cases;
    }
    let similar = |index: usize| container(index, &arn(index).replace("role-", "rolf-"), "t");
    let missing: Vec<Value> = (0..5_000).map(similar).collect();
    cases.push(("5,000 misspelled roles", review(&pod("carts", &missing, &Map::new(), 0), None)));
    let plain = || vec![json!({"name": "carts", "image": "i"})];
    let own = || vec![container(0, &format!("arn:aws:iam::{ACCOUNT}:role/carts"), "t")];
    cases.push(("declared needs", review(&pod("carts", &own(), &needs(), 0), None)));
    let mut debugged = pod("carts", &own(), &needs(), 0);
    if let Some(spec) = debugged.get_mut("spec").and_then(Value::as_object_mut) {
        spec.insert("ephemeralContainers".to_owned(), json!([container(1, &arn(1), "t")]));
    }
    let old = pod("carts", &own(), &needs(), 0);
    cases.push(("declared needs and a debug container", review(&debugged, Some(&old))));
    for (name, annotations) in [
        ("annotations of rolecall.dev", annotations(|index| format!("rolecall.dev/{index}"))),
        ("annotations like the injector's", annotations(|index| format!("eks.amazonaws.com/role{index}"))),
        ("small annotations", annotations(|index| format!("{index}"))),
        (
            "a list of exemptions",
            Map::from_iter([("rolecall.dev/ignore".to_owned(), json!("zzz,".repeat(MAX_ANNOTATION_BYTES / 4 - 10)))]),
        ),
        (
            "a list of needs",
            Map::from_iter([(
                "rolecall.dev/requires".to_owned(),
                json!("s3:Ge\n".repeat(MAX_ANNOTATION_BYTES / 6 - 10)),
            )]),
        ),
    ] {
        cases.push((name, review(&pod("carts", &plain(), &annotations, 0), None)));
    }
    let mut env = plain();
    let variable = |index: usize| json!({"name": format!("A{index}_URL"), "value": "arn:aws:s3:::"});
    if let Some(first) = env.first_mut().and_then(Value::as_object_mut) {
        first.insert("env".to_owned(), (0..28_000).map(variable).collect::<Vec<_>>().into());
    }
    cases.push(("28,000 variables", review(&pod("default", &env, &Map::new(), 0), None)));
    let mut args = vec![container(0, "arn:aws:iam::111122223333:role/none", "t")];
    if let Some(first) = args.first_mut().and_then(Value::as_object_mut) {
        first.insert("args".to_owned(), json!(["<".repeat(1_400_000)]));
    }
    cases.push(("an argument of 1.4 MB", review(&pod("carts", &args, &Map::new(), 0), None)));
    let small = |index: usize| json!({"name": format!("c{index}"), "image": "i"});
    cases.push((
        "40,000 containers",
        review(&pod("carts", &(0..40_000).map(small).collect::<Vec<_>>(), &Map::new(), 0), None),
    ));
    let mut owned = pod("carts", &[container(0, "arn:aws:iam::111122223333:role/none", "t")], &Map::new(), 0);
    if let Some(metadata) = owned.get_mut("metadata").and_then(Value::as_object_mut) {
        let owner = |index: usize| json!({"apiVersion": "v1", "kind": "A", "name": format!("o{index}"), "uid": "u"});
        metadata.insert("ownerReferences".to_owned(), (0..24_000).map(owner).collect::<Vec<_>>().into());
    }
    cases.push(("24,000 owners", review(&owned, None)));
    let mut wide = pod("carts", &plain(), &Map::new(), 0);
    if let Some(spec) = wide.get_mut("spec").and_then(Value::as_object_mut) {
        spec.extend((0..100_000).map(|index| (format!("x-{index}"), json!(1))));
    }
    cases.push(("100,000 unknown fields", review(&wide, None)));
    cases
}
