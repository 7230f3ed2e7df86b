//! What the parts of a judgement cost, without sockets: reading a review, the whole answer, and trust policies.
//!
//! `cargo bench`; `cargo bench -- answer` runs the benchmarks whose names hold that text.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput};
use jiff::Timestamp;
use rolecall::config::Config;
use rolecall::review;
use rolecall::sources::{Manifests, read_snapshot};
use rolecall_core::cluster::{Cluster, ServiceAccount};
use rolecall_core::decision::Mode;
use rolecall_core::world::{Accounts, Change, World};
use rolecall_iam::{Document, MapContext, Principal, Request, Verdict};

const SNAPSHOT: &str = include_str!("../tests/fixtures/snapshot.json");
const CLUSTER: &[u8] = include_bytes!("../tests/fixtures/cluster.yaml");

/// Reviews recorded from an API server: an IRSA pod whose chain holds, a Pod Identity pod, and one whose chain is broken.
const REVIEWS: [(&str, &[u8]); 3] = [
    ("holds", include_bytes!("../tests/fixtures/reviews/pod-carts-7d9f-rglz9-create.json")),
    ("pod-identity", include_bytes!("../tests/fixtures/reviews/pod-podid-create.json")),
    ("broken", include_bytes!("../tests/fixtures/reviews/pod-badarn-create.json")),
];

const ISSUER: &str = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE";

fn main() -> anyhow::Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    reviews(&mut criterion)?;
    trust_policies(&mut criterion)?;
    index(&mut criterion);
    criterion.final_summary();
    Ok(())
}

/// A service account that changes, among 50,000 in 1,000 namespaces: what each event of a watch costs, and what a list costs
/// that replaces all of them.
fn index(criterion: &mut Criterion) {
    let account = |number: usize| ServiceAccount {
        role_arn: Some(format!("arn:aws:iam::111122223333:role/role-{number}").into()),
        ..ServiceAccount::default()
    };
    let name = |kind: &str, number: usize| format!("{kind}-{number}").into_boxed_str();
    let all: Accounts = (0..1_000)
        .map(|namespace| {
            let accounts = (0..50).map(|number| (name("account", number), account(number))).collect();
            (name("namespace", namespace), accounts)
        })
        .collect();
    let empty = World::new(Arc::default(), Cluster::default(), Config::default().conventions());
    let world = empty.with([Change::ServiceAccounts(all.clone())]);
    let mut number = 0;
    let mut group = criterion.benchmark_group("index");
    group.bench_function("event", |bencher| {
        bencher.iter(|| {
            number += 1;
            let (namespace, name) = (name("namespace", number % 1_000), name("account", number % 50));
            black_box(world.with([Change::ServiceAccount { namespace, name, account: Some(account(number)) }]))
        });
    });
    group.sample_size(20);
    group.bench_function("list", |bencher| {
        bencher.iter_batched(
            || all.clone(),
            |all| black_box(world.with([Change::ServiceAccounts(all)])),
            criterion::BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn reviews(criterion: &mut Criterion) -> anyhow::Result<()> {
    let config = Config::default();
    let conventions = config.conventions();
    let mut manifests = Manifests::default();
    manifests.add("cluster.yaml", CLUSTER)?;
    let cluster = manifests.cluster(&conventions)?;
    let snapshot = read_snapshot(SNAPSHOT, None).map_err(anyhow::Error::msg)?;
    let world = World::new(Arc::new(snapshot), cluster, conventions);
    let settings = config.settings(Mode::Enforce);
    let now = Timestamp::now();

    for (name, body) in REVIEWS {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function("read", |bencher| bencher.iter(|| review::read(black_box(body)).is_ok()));
        group.bench_function("answer", |bencher| {
            let answer = || review::answer(&world, "2026-11-24T17:26:52Z", &settings, black_box(body), now, |_| {});
            bencher.iter(answer);
        });
        group.finish();
    }
    Ok(())
}

fn trust_policies(criterion: &mut Criterion) -> anyhow::Result<()> {
    let irsa_text = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": {"Federated": format!("arn:aws:iam::111122223333:oidc-provider/{ISSUER}")},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {
                format!("{ISSUER}:sub"): "system:serviceaccount:carts:carts",
                format!("{ISSUER}:aud"): "sts.amazonaws.com",
            }},
        }],
    })
    .to_string();
    let pod_identity_text = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {"StringEquals": {"aws:RequestTag/kubernetes-namespace": "carts"}},
        }],
    })
    .to_string();
    let irsa = Document::parse(&irsa_text)?;
    let pod_identity = Document::parse(&pod_identity_text)?;
    let provider = format!("arn:aws:iam::111122223333:oidc-provider/{ISSUER}");

    let token = |subject: &str| {
        let context = MapContext::new().with(&format!("{ISSUER}:sub"), subject);
        context.with(&format!("{ISSUER}:aud"), "sts.amazonaws.com")
    };
    let (right, wrong) = (token("system:serviceaccount:carts:carts"), token("system:serviceaccount:cart:carts"));
    let session = MapContext::new().with("aws:RequestTag/kubernetes-namespace", "carts");
    let web_identity = |context| Request {
        action: "sts:AssumeRoleWithWebIdentity",
        resource: None,
        principal: Some(Principal::Federated(&provider)),
        context,
    };
    let agent = |action| Request {
        action,
        resource: None,
        principal: Some(Principal::Service("pods.eks.amazonaws.com")),
        context: &session,
    };
    let both = [agent("sts:AssumeRole"), agent("sts:TagSession")];
    // What is timed must be what its name says.
    assert_eq!(irsa.evaluate(&web_identity(&right)), Verdict::Allowed);
    assert_eq!(irsa.evaluate(&web_identity(&wrong)), Verdict::ImplicitlyDenied);
    assert!(both.iter().all(|request| pod_identity.evaluate(request) == Verdict::Allowed));

    let mut group = criterion.benchmark_group("trust");
    group.bench_function("irsa-parsed", |bencher| bencher.iter(|| Document::parse(black_box(&irsa_text))));
    group.bench_function("irsa-allowed", |bencher| {
        bencher.iter(|| irsa.evaluate(black_box(&web_identity(&right))));
    });
    group.bench_function("pod-identity-allowed", |bencher| {
        bencher.iter(|| both.iter().all(|request| pod_identity.evaluate(black_box(request)) == Verdict::Allowed));
    });
    group.bench_function("irsa-broken-explained", |bencher| {
        let request = web_identity(&wrong);
        bencher.iter(|| (irsa.evaluate(black_box(&request)), irsa.explain(black_box(&request)).len()));
    });
    group.finish();
    Ok(())
}
