//! Several replicas in a real cluster over live AWS: one collects for all, the others follow what it publishes.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
#![cfg(all(feature = "aws", feature = "kube"))]
#[path = "common/aws.rs"]
mod aws;
mod common;

use std::time::Duration;

use aws::{AUDIENCE, Ground};
use common::Server;
use common::cluster::{Cluster, PATIENCE, eventually, free_port, manifest, pod, texts};
use rolecall_aws_ground::Fault;
use serde_json::{Value, json};

struct Fleet {
    aws: Ground,
    cluster: Cluster,
    kubeconfig: String,
    config: String,
}

impl Fleet {
    async fn start(name: &str, secret_bytes: usize) -> Self {
        let aws = Ground::start(name).await;
        let trust = aws.cluster.irsa_trust(&aws.account, "shop", "app");
        aws.account.role("orders", &trust).create().await.unwrap();
        aws.account.oidc_provider(aws.cluster.issuer(), &[AUDIENCE]).await.unwrap();
        aws.cluster.addon("eks-pod-identity-agent").await.unwrap();
        let text = std::fs::read_to_string(aws.config("")).unwrap().replace("attempts: 3", "attempts: 1");
        let config = aws.write(
            "serve.yaml",
            &format!(
                "{text}refresh: {{intervalSeconds: 2, jitter: 0, rememberSeconds: 0}}\n\
                 cluster: {{leaseSeconds: 5, secretBytes: {secret_bytes}}}\n"
            ),
        );
        let cluster = Cluster::start();
        for file in ["namespace.yaml", "rbac.yaml"] {
            cluster.apply(&manifest(file));
        }
        cluster.namespace(
            "shop",
            &json!({"rolecall.dev/enforce": "chain"}),
            Some("arn:aws:iam::111122223333:role/orders"),
        );
        let kubeconfig = cluster.as_service_account("rolecall", "rolecall");
        Self { aws, cluster, kubeconfig, config }
    }

    /// A replica of that name, ready.
    fn replica(&self, name: &str) -> Server {
        let arguments = ["--cluster", "shop", "--config", &self.config];
        let mut environment = self.aws.environment().to_vec();
        environment.push(("POD_NAME", name.to_owned()));
        Server::in_cluster(&self.kubeconfig, "aws", free_port(), &arguments, &environment).ready()
    }

    fn holder(&self) -> String {
        let lease = self.cluster.get(&["lease", "-n", "rolecall", "rolecall-collector"]);
        lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
    }

    fn secrets(&self) -> Vec<String> {
        let label = "app.kubernetes.io/component=rolecall-snapshot";
        let names = self.cluster.kubectl(&["get", "secrets", "-n", "rolecall", "-l", label, "-o", "name"]).0;
        names.lines().map(str::to_owned).collect()
    }
}

fn collected(server: &Server) -> f64 {
    let (_, text) = server.get("/metrics");
    let calls = text.lines().filter(|line| line.starts_with("rolecall_aws_calls_total"));
    calls.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

fn publications(server: &Server, outcome: &str) -> f64 {
    let (_, text) = server.get("/metrics");
    let prefix = format!("rolecall_publications_total{{outcome=\"{outcome}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&prefix)).map_or(0.0, |count| count.parse().unwrap())
}

fn at_least(server: &Server, outcome: &str, count: f64) {
    eventually(outcome, PATIENCE, || match publications(server, outcome) {
        found if found >= count => Ok(()),
        found => Err(found.to_string()),
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn one_collects_for_all_and_its_loss_loses_nothing() {
    // Small Secrets, so that the snapshot is cut into several.
    let fleet = Fleet::start("replicas", 400).await;
    let second = tokio::task::block_in_place(|| {
        let first = fleet.replica("replica-a");
        assert_eq!(fleet.holder(), "replica-a");
        assert_eq!(first.metric("rolecall_lease_holder "), 1.0);
        at_least(&first, "published", 1.0);
        let second = fleet.replica("replica-b");
        assert_eq!(second.metric("rolecall_lease_holder "), 0.0);
        at_least(&second, "followed", 3.0);
        assert_eq!(collected(&second), 0.0, "a follower asks AWS nothing");
        assert_eq!(second.metric("rolecall_snapshot_roles "), first.metric("rolecall_snapshot_roles "));
        let secrets = fleet.secrets();
        assert!(secrets.len() >= 3, "a head and several parts: {secrets:?}");
        assert!(secrets.len() <= 60, "what is over goes: {secrets:?}");

        // A new replica knows what is published while AWS is out of reach, and does not collect.
        fleet.aws.proxy.fault(Fault::unavailable("*"));
        let third = fleet.replica("replica-c");
        assert_eq!(collected(&third), 0.0);
        drop(third);
        fleet.aws.proxy.heal();

        // The holder is killed: another takes over, and sees what changes from then on.
        drop(first);
        eventually("another holder", PATIENCE, || match fleet.holder() {
            holder if holder == "replica-b" => Ok(()),
            holder => Err(holder),
        });
        assert_eq!(second.get("/readyz").0, 200, "it never stopped to be ready");
        at_least(&second, "published", 1.0);
        assert!(collected(&second) > 0.0);
        second
    });
    let other = fleet.aws.cluster.irsa_trust(&fleet.aws.account, "shop", "other");
    fleet.aws.account.role("more", &other).create().await.unwrap();
    tokio::task::block_in_place(|| {
        fleet.cluster.service_account("shop", "other", Some("arn:aws:iam::111122223333:role/more"));
        let third = fleet.replica("replica-d");
        eventually("the new role is followed", PATIENCE, || match third.metric("rolecall_snapshot_roles ") {
            2.0 => Ok(()),
            roles => Err(roles.to_string()),
        });
        assert_eq!(collected(&third), 0.0);
        // One that ends by itself gives the Lease back: nobody waits for it to run out.
        second.terminate();
        eventually("the Lease is given back", Duration::from_secs(4), || match fleet.holder() {
            holder if holder != "replica-b" => Ok(()),
            holder => Err(holder),
        });
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_to_be_published_each_collects() {
    let fleet = Fleet::start("replicas-long", 8).await;
    tokio::task::block_in_place(|| {
        let first = fleet.replica("replica-a");
        at_least(&first, "too-large", 1.0);
        let second = fleet.replica("replica-b");
        assert_eq!(second.metric("rolecall_lease_holder "), 0.0);
        assert!(collected(&second) > 0.0, "it collects for itself");
        assert_eq!(fleet.secrets(), ["secret/rolecall-snapshot"]);
    });
}

/// A review of a pod as the injector leaves it, at a replica.
#[tokio::test(flavor = "multi_thread")]
async fn with_aws_down_a_break_is_warned_about_and_later_denied() {
    let fleet = Fleet::start("replicas-down", 900 << 10).await;
    let port = free_port();
    let server = tokio::task::block_in_place(|| {
        fleet.cluster.register(port);
        let arguments = ["--cluster", "shop", "--config", &fleet.config];
        let server = Server::in_cluster(&fleet.kubeconfig, "aws", port, &arguments, &fleet.aws.environment());
        eventually("ready", PATIENCE, || match server.get("/readyz") {
            (200, _) => Ok(()),
            (status, text) => Err(format!("{status} {text}")),
        });
        server
    });
    fleet.cluster.namespace(
        "wrong",
        &json!({"rolecall.dev/enforce": "chain"}),
        Some("arn:aws:iam::111122223333:role/orders"),
    );
    let create = || {
        let object: Value = pod("wrong", "app");
        texts(&fleet.cluster.try_kubectl(&["create", "--dry-run=server", "-f", "-"], &object.to_string())).1
    };
    let is_denied = |error: &str| error.contains("denied the request") && error.contains("irsa-trust-subject");
    tokio::task::block_in_place(|| {
        eventually("it is denied", PATIENCE, || {
            let error = create();
            if is_denied(&error) { Ok(()) } else { Err(error) }
        });
        fleet.aws.proxy.fault(Fault::unavailable("*"));
        let warned = create();
        assert!(!is_denied(&warned) && warned.contains("not enforcing"), "{warned}");
        assert!(warned.contains("irsa-trust-subject"), "{warned}");
        fleet.aws.proxy.heal();
        eventually("it is denied again", Duration::from_secs(10), || {
            let error = create();
            if is_denied(&error) { Ok(()) } else { Err(error) }
        });
        drop(server);
    });
}
