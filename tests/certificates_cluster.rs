//! The CA that replicas share, in a real cluster: CA and leaves rotate under load, and no call fails.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
#![cfg(feature = "kube")]
mod common;

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::cluster::{Cluster, PATIENCE, eventually, external_service, free_port, manifest, pod, snapshot};
use common::{Server, TempDir};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, PostParams};
use rolecall_certs::read_bundle;
use serde_json::{Value, json};

/// So short that a year's rotation takes half a minute.
const CERTIFICATES: &str = "certificates: {caSeconds: 40, leafSeconds: 8, settleSeconds: 3, checkSeconds: 1}";
/// How long calls are made while everything rotates.
const LOAD: Duration = Duration::from_secs(62);
/// A client that heard of the `caBundle` so late must be served still: the settle time is 3 s.
const LATE: Duration = Duration::from_secs(2);

/// A webhook that fails where it cannot be called.
fn webhook(name: &str, client: &Value, resource: &str) -> Value {
    json!({"name": name, "admissionReviewVersions": ["v1"], "clientConfig": client, "failurePolicy": "Fail",
           "sideEffects": "None", "timeoutSeconds": 5,
           "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [resource]}]})
}

/// The registration of two replicas, one by its Service and one by its URL, beside a webhook of somebody else.
fn registration(first: u16, second: u16, foreign: &str) -> Value {
    let service = json!({"service": {"name": "rolecall", "namespace": "rolecall", "path": "/validate", "port": first}});
    let url = json!({"url": format!("https://127.0.0.1:{second}/validate")});
    let other = json!({"service": {"name": "other", "namespace": "rolecall", "path": "/"}, "caBundle": foreign});
    json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
           "metadata": {"name": "rolecall"},
           "webhooks": [webhook("service.rolecall.dev", &service, "pods"),
                        webhook("other.example.com", &other, "replicationcontrollers"),
                        webhook("url.rolecall.dev", &url, "pods")]})
}

/// The registration without what rolecall may change, and what the API server keeps of its own.
fn but_for_the_bundle(mut registered: Value) -> Value {
    let metadata = registered["metadata"].as_object_mut().unwrap();
    for field in ["managedFields", "resourceVersion", "generation", "annotations"] {
        metadata.remove(field);
    }
    for webhook in registered["webhooks"].as_array_mut().unwrap() {
        if webhook["name"] != "other.example.com" {
            webhook["clientConfig"].as_object_mut().unwrap().remove("caBundle");
        }
    }
    registered
}

/// What goes on while certificates rotate.
#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    calls: AtomicUsize,
    handshakes: AtomicUsize,
    failures: Mutex<Vec<String>>,
    leaves: Mutex<HashSet<Vec<u8>>>,
    cas: Mutex<HashSet<Vec<u8>>>,
    /// The `caBundle`, each time it was looked at.
    bundles: Mutex<VecDeque<(Instant, String)>>,
}

impl Seen {
    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn fail(&self, what: &str, error: &str) {
        self.failures.lock().unwrap().push(format!("{what}: {error}"));
    }

    /// The `caBundle` as somebody knows it who hears of it late.
    fn late_bundle(&self) -> Option<String> {
        let mut bundles = self.bundles.lock().unwrap();
        while bundles.get(1).is_some_and(|(time, _)| time.elapsed() >= LATE) {
            bundles.pop_front();
        }
        bundles.front().filter(|(time, _)| time.elapsed() >= LATE).map(|(_, bundle)| bundle.clone())
    }
}

async fn client(kubeconfig: &str) -> kube::Client {
    rolecall_certs::install_crypto_provider();
    let kubeconfig = kube::config::Kubeconfig::read_from(kubeconfig).unwrap();
    let options = kube::config::KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
    kube::Client::try_from(config).unwrap()
}

/// Makes pods, as dry runs, one after another.
async fn make_pods(client: kube::Client, number: usize, seen: Arc<Seen>) {
    let api: Api<Pod> = Api::namespaced(client, "load");
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let wanted: Pod = serde_json::from_value(pod("load", &format!("pod-{number}"))).unwrap();
    while !seen.is_over() {
        if let Err(error) = api.create(&dry_run, &wanted).await {
            seen.fail("a pod", &error.to_string());
        }
        seen.calls.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Looks at the `caBundle`.
async fn follow(client: kube::Client, seen: Arc<Seen>) {
    let api: Api<ValidatingWebhookConfiguration> = Api::all(client);
    while !seen.is_over() {
        let registered = serde_json::to_value(api.get("rolecall").await.unwrap()).unwrap();
        let bundle = read(&registered, 0);
        match read_bundle(bundle.as_bytes()).map(|cas| cas.len()) {
            Ok(1..=3) => {}
            found => seen.fail("the caBundle", &format!("{found:?}")),
        }
        if read(&registered, 2) == bundle {
            seen.bundles.lock().unwrap().push_back((Instant::now(), bundle));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The `caBundle` of a webhook.
fn read(registered: &Value, index: usize) -> String {
    let bundle = registered["webhooks"][index]["clientConfig"]["caBundle"].clone();
    let bytes: k8s_openapi::ByteString = serde_json::from_value(bundle).unwrap_or_default();
    String::from_utf8(bytes.0).unwrap()
}

/// Shakes hands again each time, with a `caBundle` that is out of date.
async fn shake_hands(replica: SocketAddr, seen: Arc<Seen>) {
    while !seen.is_over() {
        if let Some(bundle) = seen.late_bundle() {
            match shake_hands_once(replica, &bundle).await {
                Ok(leaf) => {
                    let ca = x509_parser::parse_x509_certificate(&leaf).unwrap().1.issuer().as_raw().to_vec();
                    seen.cas.lock().unwrap().insert(ca);
                    seen.leaves.lock().unwrap().insert(leaf);
                }
                Err(error) => seen.fail(&replica.to_string(), &error),
            }
            seen.handshakes.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The leaf.
async fn shake_hands_once(replica: SocketAddr, bundle: &str) -> Result<Vec<u8>, String> {
    let mut roots = rustls::RootCertStore::empty();
    for ca in read_bundle(bundle.as_bytes()).map_err(|error| error.with_causes())? {
        roots.add(ca).unwrap();
    }
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = tokio::net::TcpStream::connect(replica).await.map_err(|e| e.to_string())?;
    let name = rustls::pki_types::ServerName::try_from("rolecall.rolecall.svc").unwrap();
    let connected = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let stream = connected.map_err(|e| e.to_string())?;
    Ok(stream.get_ref().1.peer_certificates().unwrap()[0].to_vec())
}

struct Ground {
    cluster: Cluster,
    kubeconfig: String,
    folder: TempDir,
}

impl Ground {
    /// A cluster where rolecall has the rights of its manifest, and nothing more.
    fn start() -> Self {
        let cluster = Cluster::start();
        for file in ["namespace.yaml", "rbac.yaml"] {
            cluster.apply(&manifest(file));
        }
        let kubeconfig = cluster.as_service_account("rolecall", "rolecall");
        Self { cluster, kubeconfig, folder: TempDir::new("certificates") }
    }

    fn replica(&self, port: u16) -> Server {
        let config = self.folder.file("config.yaml", CERTIFICATES);
        let source = snapshot().display().to_string();
        Server::in_cluster(&self.kubeconfig, &source, port, &["--config", config.to_str().unwrap()], &[])
    }

    fn registered(&self) -> Value {
        self.cluster.get(&["validatingwebhookconfiguration", "rolecall"])
    }

    fn bundle(&self) -> String {
        read(&self.registered(), 0)
    }
}

fn rotations(server: &Server, what: &str) -> f64 {
    server.metric(&format!("rolecall_certificate_rotations_total{{what=\"{what}\"}}"))
}

fn errors(server: &Server, error: &str) -> f64 {
    server.metric(&format!("rolecall_certificate_errors_total{{error=\"{error}\"}}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_rotates_under_load_and_no_call_fails() {
    let ground = Ground::start();
    let cluster = &ground.cluster;
    let (first_port, second_port) = (free_port(), free_port());

    // Replicas that start before they are registered wait for nothing.
    let (first, second) = std::thread::scope(|scope| {
        let other = scope.spawn(|| ground.replica(second_port));
        (ground.replica(first_port), other.join().unwrap())
    });
    first.log_line(|line| line["message"].as_str().is_some_and(|text| text.contains("does not exist yet")));
    cluster.apply(&external_service("rolecall", first_port));
    // Any certificate will do for somebody else's.
    let foreign = cluster.get(&["-n", "kube-system", "configmap", "kube-root-ca.crt"])["data"]["ca.crt"].clone();
    let foreign = serde_json::to_value(k8s_openapi::ByteString(foreign.as_str().unwrap().into())).unwrap();
    // Nothing that the API server needs at its start may be held up by a webhook that nobody answers yet.
    cluster.namespace("load", &json!({}), None);
    cluster.kubectl_in(
        &["create", "-f", "-"],
        &registration(first_port, second_port, foreign.as_str().unwrap()).to_string(),
    );
    let registered = ground.registered();
    let all = [&first, &second];
    eventually("the caBundle", PATIENCE, || {
        let registered = ground.registered();
        let is_there = [0, 2].iter().all(|index| !read(&registered, *index).is_empty());
        if is_there { Ok(()) } else { Err(registered["webhooks"].to_string()) }
    });
    eventually("calls by the API server", PATIENCE, || {
        let output = cluster.try_kubectl(&["create", "--dry-run=server", "-f", "-"], &pod("load", "a").to_string());
        let called = all.map(|server| server.metric("rolecall_reviews_total{kind=\"Pod\",decision=\"allow\"}") > 0.0);
        let (_, error) = common::cluster::texts(&output);
        if output.status.success() && called == [true; 2] { Ok(()) } else { Err(format!("{called:?} {error}")) }
    });

    let seen = Arc::new(Seen::default());
    let client = client(cluster.kubeconfig()).await;
    let mut tasks = vec![tokio::spawn(follow(client.clone(), Arc::clone(&seen)))];
    tasks.extend((0..4).map(|number| tokio::spawn(make_pods(client.clone(), number, Arc::clone(&seen)))));
    tasks.extend(all.map(|server| tokio::spawn(shake_hands(server.reviews, Arc::clone(&seen)))));

    // Replicas that join at any time are trusted from their first handshake on.
    let begin = Instant::now();
    let mut joined = Vec::new();
    while begin.elapsed() < LOAD {
        tokio::time::sleep(Duration::from_secs(10)).await;
        if joined.len() < 3 {
            let server = ground.replica(free_port());
            tasks.push(tokio::spawn(shake_hands(server.reviews, Arc::clone(&seen))));
            joined.push(server);
        }
    }
    seen.stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*seen.failures.lock().unwrap(), Vec::<String>::new());
    let (calls, handshakes) = (seen.calls.load(Ordering::Relaxed), seen.handshakes.load(Ordering::Relaxed));
    let (leaves, cas) = (seen.leaves.lock().unwrap().len(), seen.cas.lock().unwrap().len());
    println!("{calls} pods, {handshakes} handshakes, {leaves} leaves by {cas} CAs");
    assert!(calls > 500 && handshakes > 500 && leaves > 20 && cas >= 3);
    let now = jiff::Timestamp::now().as_second() as f64;
    for server in all {
        assert!(rotations(server, "leaf") >= 10.0 && rotations(server, "ca") >= 2.0);
        for (certificate, most) in [("leaf", 9.0), ("ca", 41.0)] {
            let line = format!("rolecall_certificate_expiry_timestamp_seconds{{certificate=\"{certificate}\"}}");
            let left = server.metric(&line) - now;
            assert!((0.0..most).contains(&left), "{certificate}: {left} s left");
        }
    }
    assert_eq!(but_for_the_bundle(ground.registered()), but_for_the_bundle(registered));
    drop(joined);
    faults(&ground, &first).await;
}

/// What people and other programs may do to it.
async fn faults(ground: &Ground, server: &Server) {
    let cluster = &ground.cluster;
    // Somebody takes the caBundle away.
    let away = r#"[{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]"#;
    cluster.kubectl(&["patch", "validatingwebhookconfiguration", "rolecall", "--type=json", "-p", away]);
    eventually("the caBundle again", PATIENCE, || match ground.bundle() {
        bundle if bundle.is_empty() => Err("none".to_owned()),
        _ => Ok(()),
    });

    // Somebody writes nonsense into the Secret: it is left alone, and said.
    let before = ground.bundle();
    let nonsense = r#"{"stringData": {"ca.crt": "nonsense"}}"#;
    cluster.kubectl(&["patch", "secret", "rolecall-ca", "-n", "rolecall", "-p", nonsense]);
    let line =
        server.log_line(|line| line["message"].as_str().is_some_and(|text| text.contains("rolecall/rolecall-ca")));
    assert!(line["message"].as_str().unwrap().contains("ca.crt: holds no certificate"), "{line}");
    let failed = errors(server, "secret");
    eventually("errors", PATIENCE, || match errors(server, "secret") {
        more if more > failed => Ok(()),
        same => Err(same.to_string()),
    });
    let leaf = shake_hands_once(server.reviews, &before).await.unwrap();
    assert_eq!(ground.bundle(), before);

    // Somebody deletes it: there is a new CA, and the ones before are trusted still.
    let old = read_bundle(before.as_bytes()).unwrap();
    cluster.kubectl(&["delete", "secret", "rolecall-ca", "-n", "rolecall"]);
    eventually("a new CA", PATIENCE, || {
        let now = read_bundle(ground.bundle().as_bytes()).unwrap();
        if now.iter().any(|ca| !old.contains(ca)) { Ok(()) } else { Err(format!("{} CAs", now.len())) }
    });
    let bundle = ground.bundle();
    let mut other = leaf.clone();
    for _ in 0..60 {
        other = shake_hands_once(server.reviews, &bundle).await.unwrap();
        if other != leaf {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert_ne!(leaf, other, "a leaf by the new CA");
    let held = cluster.get(&["secret", "rolecall-ca", "-n", "rolecall"]);
    assert_eq!(held["data"].as_object().unwrap().keys().collect::<Vec<_>>(), ["ca.crt", "ca.key"]);
}
