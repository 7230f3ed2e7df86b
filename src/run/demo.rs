//! `rolecall try`: the webhook on loopback, real reviews over TLS, and each answer as kubectl would print it.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use jiff::Timestamp;
use rolecall_certs::{LiveCertificate, SelfSigned, service_names};
use rolecall_core::decision::Mode;
use rolecall_core::world::World;
use serde_json::{Value, json};

use super::client::Client;
use crate::cli::TryArgs;
use crate::config::Config;
use crate::live::WorldState;
use crate::server::{Listeners, Running, State, start};
use crate::sources::{Manifests, read_snapshot};

const SNAPSHOT: &str = include_str!("../../examples/shop/snapshot.json");
const CLUSTER: &str = include_str!("../../examples/shop/cluster.yaml");
const PODS: &str = include_str!("../../examples/shop/admitted.yaml");

/// The name under which the API server would call the webhook.
const WEBHOOK: &str = "validate.rolecall.dev";

/// Plays the sample through a real server.
///
/// # Errors
/// Where no socket can be bound on loopback, or the output cannot be written.
pub fn demo(args: &TryArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    super::run(async {
        let directory = args.keep.then(|| std::env::temp_dir().join(format!("rolecall-try-{}", std::process::id())));
        let names = service_names("rolecall", "rolecall", &[]);
        let certificate =
            SelfSigned { directory: directory.clone(), names }.load_or_create(Timestamp::now().as_second())?;
        let certificate = LiveCertificate::new(certificate);
        let running = serve(&certificate)?;
        let tally = play(&running, &certificate, out).await?;
        writeln!(out, "{tally}\n\nNext:")?;
        writeln!(out, "  rolecall explain irsa-trust-subject    what a finding means, and how to fix it")?;
        writeln!(
            out,
            "  rolecall check examples/shop --source examples/shop/snapshot.json    the same on manifests, as in CI"
        )?;
        match directory {
            Some(directory) => {
                let kept = keep(&running, &directory, out).await;
                let _ = std::fs::remove_dir_all(&directory);
                kept?;
            }
            None => writeln!(out, "  rolecall try --keep    go on serving, and send a review by hand")?,
        }
        running.shut_down().await;
        Ok(())
    })
}

fn serve(certificate: &Arc<LiveCertificate>) -> anyhow::Result<Running> {
    let config = Config::default();
    let conventions = config.conventions();
    let mut manifests = Manifests::default();
    manifests.add("the sample", CLUSTER)?;
    let snapshot = read_snapshot(SNAPSHOT, None).map_err(anyhow::Error::msg).context("the sample")?;
    let world = World::new(Arc::new(snapshot), manifests.cluster(&conventions)?, conventions);
    let state = State::new(WorldState::new(world), config.settings(Mode::Enforce), config.limits);
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    start(Listeners::bind(loopback, loopback)?, state, certificate)
}

/// What came of the sample's pods.
#[derive(Default)]
struct Tally {
    admitted: usize,
    warned: usize,
    denied: usize,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { admitted, warned, denied } = self;
        let all = admitted + denied;
        write!(f, "{all} pods: {denied} denied, {admitted} admitted, {warned} of them with a warning.")
    }
}

async fn play(running: &Running, certificate: &Arc<LiveCertificate>, out: &mut dyn Write) -> anyhow::Result<Tally> {
    writeln!(
        out,
        "Namespace carts enforces level fallback. The webhook listens on https://{}/validate.\n",
        running.reviews
    )?;
    let ca = certificate.current().ca_pem().unwrap_or_default();
    let mut client = Client::connect(running.reviews, &ca).await?;
    let mut tally = Tally::default();
    for (index, (story, pod)) in sample()?.into_iter().enumerate() {
        let name = pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let review = review(index, &pod);
        let (status, body) = client.post("/validate", serde_json::to_vec(&review)?).await?;
        anyhow::ensure!(status == 200, "the webhook answered {status}");
        let answer: Value = serde_json::from_slice(&body)?;
        writeln!(out, "# {story}\n$ kubectl apply -f {name}.yaml")?;
        print(&answer, &name, &mut tally, out)?;
        writeln!(out)?;
    }
    Ok(tally)
}

/// As kubectl prints it.
fn print(answer: &Value, name: &str, tally: &mut Tally, out: &mut dyn Write) -> anyhow::Result<()> {
    let warnings =
        answer.pointer("/response/warnings").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for warning in warnings.iter().filter_map(Value::as_str) {
        writeln!(out, "Warning: {warning}")?;
    }
    if answer.pointer("/response/allowed").and_then(Value::as_bool) == Some(true) {
        tally.admitted += 1;
        tally.warned += usize::from(!warnings.is_empty());
        writeln!(out, "pod/{name} created")?;
    } else {
        tally.denied += 1;
        let message = answer.pointer("/response/status/message").and_then(Value::as_str).unwrap_or_default();
        writeln!(out, "Error from server (Forbidden): admission webhook \"{WEBHOOK}\" denied the request: {message}")?;
    }
    Ok(())
}

/// Each pod with the comment that stands before it.
fn sample() -> anyhow::Result<Vec<(String, Value)>> {
    let mut pods = Vec::new();
    for document in PODS.split("---\n").skip(1) {
        let story = document.lines().next().unwrap_or_default().trim_start_matches(['#', ' ']).to_owned();
        let pod: Value = serde_saphyr::from_str(document).context("the sample")?;
        pods.push((story, pod));
    }
    Ok(pods)
}

/// A review as the API server sends it.
fn review(index: usize, pod: &Value) -> Value {
    let version = json!({"group": "", "version": "v1", "kind": "Pod"});
    let resource = json!({"group": "", "version": "v1", "resource": "pods"});
    json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": format!("00000000-0000-4000-8000-{index:012}"),
            "kind": version,
            "resource": resource,
            "requestKind": version,
            "requestResource": resource,
            "name": pod.pointer("/metadata/name"),
            "namespace": "carts",
            "operation": "CREATE",
            "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
            "object": pod,
            "oldObject": null,
            "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    })
}

async fn keep(running: &Running, directory: &std::path::Path, out: &mut dyn Write) -> anyhow::Result<()> {
    let wrong = sample()?
        .into_iter()
        .map(|(_, pod)| pod)
        .find(|pod| pod.pointer("/metadata/name") == Some(&json!("wrong-namespace")));
    let file = directory.join("review.json");
    std::fs::write(&file, serde_json::to_vec_pretty(&review(99, &wrong.unwrap_or_default()))?)
        .with_context(|| format!("{}: cannot be written", file.display()))?;
    writeln!(out, "\nServing until Ctrl-C. Send a review by hand:")?;
    writeln!(
        out,
        "  curl --cacert {}/ca.crt -H 'content-type: application/json' --data-binary @{} https://{}/validate",
        directory.display(),
        file.display(),
        running.reviews
    )?;
    writeln!(out, "  curl http://{}/metrics", running.metrics)?;
    out.flush()?;
    tokio::signal::ctrl_c().await.context("Ctrl-C cannot be waited for")
}
