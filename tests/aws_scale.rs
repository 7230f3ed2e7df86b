//! What a refresh costs in calls of IAM, for as many roles as a cluster may name: the figures of docs/scale.md.
#![cfg(feature = "aws")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

#[path = "common/aws.rs"]
mod aws;
mod common;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use aws::{ACCOUNT, AUDIENCE, Ground};
use common::Server;
use rolecall::config::Config;
use rolecall_aws_ground::Cluster;

/// Calls of IAM in the first collection, and in each refresh from then on.
async fn calls(roles: usize, section: &str) -> (usize, f64) {
    let ground = Ground::start(&format!("scale-{roles}-{}", section.len())).await;
    ground.account.oidc_provider(ground.cluster.issuer(), &[AUDIENCE]).await.unwrap();
    let trust = Cluster::pod_identity_trust();
    let mut manifests = "apiVersion: v1\nkind: List\nitems:\n".to_owned();
    for n in 0..roles {
        ground.account.role(&format!("role-{n:04}"), &trust).create().await.unwrap();
        manifests += &format!(
            "- {{apiVersion: v1, kind: ServiceAccount, metadata: {{name: a{n}, namespace: many, annotations: \
             {{eks.amazonaws.com/role-arn: \"arn:aws:iam::{ACCOUNT}:role/role-{n:04}\"}}}}}}\n"
        );
    }
    let manifests = PathBuf::from(ground.write("many.yaml", &manifests));
    let aws = std::fs::read_to_string(ground.config(section)).unwrap();
    let config = ground.write("serve.yaml", &format!("{aws}refresh: {{intervalSeconds: 1, jitter: 0}}\n"));
    ground.proxy.forget();
    let arguments = ["--cluster", "shop", "--config", &config];
    let _server =
        tokio::task::block_in_place(|| Server::start_from(&manifests, "aws", &arguments, &ground.environment()));
    // Each collection begins with the cluster.
    let begun = async |collections: usize| {
        let start = Instant::now();
        while ground.proxy.count("eks:DescribeCluster") < collections {
            assert!(start.elapsed() < Duration::from_secs(120));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let calls = ground.proxy.calls();
        let ends = calls.iter().enumerate().filter(|(_, call)| call.action == "eks:DescribeCluster");
        let end = ends.map(|(at, _)| at).nth(collections - 1).unwrap();
        calls[..end].iter().filter(|call| call.action.starts_with("iam:")).count()
    };
    let first = begun(2).await;
    let refreshes = 4;
    let after = begun(2 + refreshes).await;
    (first, (after - first) as f64 / refreshes as f64)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_defaults_keep_a_hundred_clusters_under_two_calls_a_second() {
    let interval = Config::default().refresh.collect_seconds() as f64;
    let mut table = String::new();
    for roles in [200, 2_000] {
        for (mode, section) in [("named", "collect: named"), ("account", "collect: account")] {
            let (first, refresh) = calls(roles, section).await;
            let fleet = |clusters: f64| refresh * clusters * 60.0 / interval;
            table += &format!(
                "{roles:5} roles, {mode:7}: {first:5} first, {refresh:5.1} a refresh; a minute for 10, 100, 1,000 clusters: \
                 {:.1}, {:.1}, {:.1}\n",
                fleet(10.0),
                fleet(100.0),
                fleet(1_000.0)
            );
            assert!(fleet(100.0) / 60.0 < 2.0, "{table}");
            assert!(first >= if mode == "named" { roles } else { 1 }, "{table}");
        }
    }
    // `cargo test --test aws_scale -- --nocapture` prints the table.
    println!("{table}");
}
