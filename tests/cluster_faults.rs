//! Faults in a real cluster: the cluster goes on, no decision is lost, and rolecall comes back by itself.
//!
//! One cluster; the tests come one after another, for each breaks something that all share.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::await_holding_lock, reason = "each test has a runtime of its own, and waits for its turn")]
#![cfg(feature = "kube")]
mod common;

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use common::Server;
use common::cluster::{Cluster, OWN_ROLE, PATIENCE, ROLE, eventually, free_port, pod, snapshot, texts};
use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

struct Ground {
    cluster: Cluster,
    port: u16,
    kubeconfig: String,
    config: String,
    rolecall: Option<Server>,
}

impl Ground {
    fn start() -> Self {
        let cluster = Cluster::start();
        let port = free_port();
        cluster.register(port);
        // A slow webhook is to cost a test a second, not five.
        cluster.kubectl(&[
            "patch",
            "validatingwebhookconfiguration",
            "rolecall",
            "--type=json",
            r#"-p=[{"op":"replace","path":"/webhooks/0/timeoutSeconds","value":1}]"#,
        ]);
        let kubeconfig = cluster.as_service_account("rolecall", "rolecall");
        let config = cluster.folder().join("rolecall.yaml");
        std::fs::write(&config, format!("certificates: {{checkSeconds: 1}}\n{OWN_ROLE}")).unwrap();
        let config = config.display().to_string();
        let mut ground = Self { cluster, port, kubeconfig, config, rolecall: None };
        ground.serve();
        ground.cluster.namespace("probe", &enforcing(), Some(ROLE));
        ground.denies_again();
        ground
    }

    /// Starts rolecall where it listened before, and waits until it is ready.
    fn serve(&mut self) {
        let source = snapshot().display().to_string();
        let arguments = ["--config", &self.config];
        self.rolecall = Some(Server::in_cluster(&self.kubeconfig, &source, self.port, &arguments, &[]).ready());
    }

    fn rolecall(&self) -> &Server {
        self.rolecall.as_ref().unwrap()
    }

    fn signal(&self, signal: &str) {
        let pid = self.rolecall().pid().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    fn probe(&self) -> String {
        self.cluster.try_pod("probe")
    }

    fn denies_again(&self) {
        self.cluster.until_denied("probe");
    }
}

fn enforcing() -> Value {
    json!({"rolecall.dev/enforce": "chain"})
}

/// The ground, for one test at a time, with rolecall running.
fn ground() -> MutexGuard<'static, Ground> {
    static GROUND: OnceLock<Mutex<Ground>> = OnceLock::new();
    let ground = GROUND.get_or_init(|| Mutex::new(Ground::start()));
    let mut ground = ground.lock().unwrap_or_else(PoisonError::into_inner);
    if ground.rolecall.is_none() {
        ground.serve();
        ground.denies_again();
    }
    ground
}

/// A client as fast as the API server.
async fn client(cluster: &Cluster) -> Client {
    rolecall_certs::install_crypto_provider();
    let kubeconfig = Kubeconfig::read_from(cluster.kubeconfig()).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

/// Creates pods, so many at a time; gives the error of each, `None` where it was admitted.
async fn create(client: &Client, namespace: &str, names: Vec<String>, at_once: usize) -> Vec<Option<kube::Error>> {
    let pods = Api::<Pod>::namespaced(client.clone(), namespace);
    let create = |name: String| {
        let pods = pods.clone();
        let object: Pod = serde_json::from_value(pod(namespace, &name)).unwrap();
        async move { pods.create(&PostParams::default(), &object).await.err() }
    };
    futures_util::stream::iter(names).map(create).buffer_unordered(at_once).collect().await
}

fn is_denial(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403 && status.message.contains("irsa-trust-subject"))
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_are_made_while_the_webhook_is_killed_and_comes_back() {
    let mut ground = ground();
    ground.cluster.namespace("killed", &json!({}), None);
    let client = client(&ground.cluster).await;
    let done = AtomicBool::new(false);
    let (errors, ()) = tokio::join!(
        async {
            let mut errors = Vec::new();
            let mut number = 0;
            while !done.load(Ordering::Relaxed) {
                let names = (number..number + 8).map(|number| format!("pod-{number}")).collect();
                number += 8;
                errors.extend(create(&client, "killed", names, 8).await.into_iter().flatten());
            }
            assert!(number > 40, "only {number} pods were made");
            errors
        },
        async {
            for _ in 0..2 {
                tokio::time::sleep(Duration::from_millis(500)).await;
                ground.signal("-KILL");
                tokio::time::sleep(Duration::from_millis(500)).await;
                ground.rolecall = None;
                tokio::task::block_in_place(|| ground.serve());
            }
            done.store(true, Ordering::Relaxed);
        },
    );
    assert!(errors.is_empty(), "{errors:?}");
    ground.denies_again();
}

#[test]
fn without_any_replica_the_cluster_goes_on() {
    let mut ground = ground();
    ground.rolecall = None;
    assert_eq!(ground.probe(), "");
    ground.cluster.namespace("alone", &enforcing(), Some(ROLE));
    ground.cluster.apply(&pod("alone", "admitted").to_string());
    let open = |line: &Value| {
        line.as_object().is_some_and(|keys| keys.keys().any(|key| key.starts_with("failed-open.validating.webhook")))
    };
    let lines = ground.cluster.audited("alone", "pods");
    assert!(lines.iter().any(open), "the API server says that it failed open: {lines:?}");
    ground.serve();
    ground.denies_again();
}

#[test]
fn a_webhook_that_hangs_costs_its_timeout_and_no_more() {
    let ground = ground();
    ground.signal("-STOP");
    let start = Instant::now();
    let admitted = ground.probe();
    let took = start.elapsed();
    ground.signal("-CONT");
    assert_eq!(admitted, "");
    assert!((Duration::from_millis(900)..Duration::from_secs(5)).contains(&took), "{took:?}");
    ground.denies_again();
}

#[test]
fn a_wrong_ca_is_put_right() {
    let ground = ground();
    let answer = ground.cluster.control("POST", "/certificates", &json!({"commonName": "other", "names": ["other"]}));
    let other = std::fs::read(answer["caFile"].as_str().unwrap()).unwrap();
    let patch =
        format!(r#"-p=[{{"op":"replace","path":"/webhooks/0/clientConfig/caBundle","value":"{}"}}]"#, base64(&other));
    ground.cluster.kubectl(&["patch", "validatingwebhookconfiguration", "rolecall", "--type=json", &patch]);
    // Fails open until rolecall sees it, which may be at once.
    ground.denies_again();
    let registered = ground.cluster.get(&["validatingwebhookconfiguration", "rolecall"]);
    assert_ne!(registered["webhooks"][0]["clientConfig"]["caBundle"], base64(&other));
    assert_eq!(registered["webhooks"][0]["timeoutSeconds"], 1, "nothing else was edited");
}

#[test]
fn an_api_server_that_restarts_loses_nothing() {
    let ground = ground();
    let cluster = &ground.cluster;
    cluster.namespace("restarted", &enforcing(), None);
    for (part, what) in [("apiserver", "restart"), ("etcd", "restart"), ("apiserver", "kill")] {
        cluster.part(part, what);
        if what == "kill" {
            cluster.part(part, "start");
        }
        ground.denies_again();
        // What changes afterwards is seen: a role that comes, and one that goes.
        let annotated = format!("eks.amazonaws.com/role-arn={ROLE}");
        cluster.kubectl(&["annotate", "serviceaccount", "-n", "restarted", "app", &annotated]);
        let create = || {
            let object = pod("restarted", "probe").to_string();
            texts(&cluster.try_kubectl(&["create", "--dry-run=server", "-f", "-"], &object)).1
        };
        eventually("the annotation is seen", PATIENCE, || {
            let error = create();
            if error.contains("denied the request") { Ok(()) } else { Err(error) }
        });
        cluster.kubectl(&["annotate", "serviceaccount", "-n", "restarted", "app", "eks.amazonaws.com/role-arn-"]);
        eventually("its removal is seen", PATIENCE, || {
            let error = create();
            if error.is_empty() { Ok(()) } else { Err(error) }
        });
    }
    assert_eq!(ground.rolecall().get("/readyz").0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_may_go_while_its_pods_are_judged() {
    let ground = ground();
    let client = client(&ground.cluster).await;
    let faults = || ground.rolecall().metric("rolecall_review_errors_total{error=\"unreadable-object\"}");
    for round in 0..3 {
        let name = format!("going-{round}");
        ground.cluster.namespace(&name, &enforcing(), Some(ROLE));
        let names = (0..120).map(|number| format!("pod-{number}")).collect();
        let (errors, ()) = tokio::join!(create(&client, &name, names, 16), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            tokio::task::block_in_place(|| ground.cluster.kubectl(&["delete", "namespace", &name, "--wait=false"]));
        });
        for error in errors.iter().flatten() {
            let kube::Error::Api(status) = error else { panic!("{error}") };
            let known = status.code == 404
                || status.message.contains("being terminated")
                || is_denial(error)
                || status.message.contains("serviceaccount")
                || status.message.contains("injection-missing");
            assert!(known, "{status:?}");
        }
    }
    assert_eq!(faults(), 0.0);
    ground.denies_again();
}

/// What was decided about a namespace's pods, as the API server wrote it down.
fn audited(cluster: &Cluster, namespace: &str, decision: &str) -> usize {
    let lines = cluster.audited(namespace, "pods");
    lines.iter().filter(|line| line["validate.rolecall.dev/decision"] == decision).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_decision_of_a_burst_is_accounted_for() {
    const PODS: usize = 1_000;
    let ground = ground();
    let cluster = &ground.cluster;
    cluster.namespace("burst-good", &json!({"rolecall.dev/enforce": "chain", "rolecall.dev/warn": "off"}), None);
    cluster.namespace("burst-bad", &enforcing(), Some(ROLE));
    // Both injector and rolecall know of the service account.
    eventually("the bad are denied", PATIENCE, || {
        let output =
            cluster.try_kubectl(&["create", "--dry-run=server", "-f", "-"], &pod("burst-bad", "first").to_string());
        let error = texts(&output).1;
        if error.contains("irsa-trust-subject") { Ok(()) } else { Err(error) }
    });
    let client = client(cluster).await;
    let counted = |decision: &str| {
        ground.rolecall().metric(&format!("rolecall_reviews_total{{kind=\"Pod\",decision=\"{decision}\"}}"))
    };
    let bad_before = audited(cluster, "burst-bad", "deny");
    let before = [counted("allow"), counted("deny")];
    let names = || (0..PODS).map(|number| format!("pod-{number}")).collect::<Vec<_>>();
    let start = Instant::now();
    let (good, bad) =
        tokio::join!(create(&client, "burst-good", names(), 24), create(&client, "burst-bad", names(), 24));
    println!("{} pods in {:.1} s", 2 * PODS, start.elapsed().as_secs_f64());
    // What the API server reports.
    assert_eq!(good.iter().flatten().count(), 0, "{:?}", good.iter().flatten().next());
    assert_eq!(bad.len(), PODS);
    let other = bad.iter().flatten().find(|error| !is_denial(error));
    assert!(other.is_none(), "{other:?}");
    assert_eq!(bad.iter().flatten().count(), PODS, "each was denied");
    // What rolecall counted.
    #[allow(clippy::cast_precision_loss, reason = "a small number")]
    let each = PODS as f64;
    assert_eq!([counted("allow") - before[0], counted("deny") - before[1]], [each, each]);
    // What the audit log holds.
    assert_eq!(audited(cluster, "burst-good", "allow"), PODS);
    assert_eq!(audited(cluster, "burst-bad", "deny") - bad_before, PODS);
    let stored = cluster.kubectl(&["get", "pods", "-n", "burst-good", "-o", "name"]).0.lines().count();
    assert_eq!(stored, PODS);
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = ALPHABET[(bits >> (18 - 6 * place) & 63) as usize] as char;
            text.push(if place <= chunk.len() { letter } else { '=' });
        }
    }
    text
}
