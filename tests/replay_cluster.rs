//! The audit log of a real API server, replayed: what `rolecall replay` says is what the webhook decided.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
#![cfg(feature = "kube")]
mod common;

use common::cluster::{Cluster, OWN_ROLE, PATIENCE, ROLE, eventually, free_port, pod, snapshot, texts};
use common::{Server, TempDir, rolecall};
use serde_json::{Value, json};

/// Starts rolecall in a cluster, and waits until its denials are in force.
fn start(cluster: &Cluster) -> Server {
    let port = free_port();
    cluster.register(port);
    let kubeconfig = cluster.as_service_account("rolecall", "rolecall");
    let config = cluster.folder().join("rolecall.yaml");
    std::fs::write(&config, OWN_ROLE).unwrap();
    let source = snapshot().display().to_string();
    let server = Server::in_cluster(&kubeconfig, &source, port, &["--config", config.to_str().unwrap()], &[]).ready();
    cluster.namespace("probe", &json!({"rolecall.dev/enforce": "chain"}), Some(ROLE));
    cluster.until_denied("probe");
    server
}

#[test]
fn a_replay_agrees_with_the_webhook() {
    let cluster = Cluster::start();
    let _server = start(&cluster);
    let enforcing = json!({"rolecall.dev/enforce": "chain"});
    cluster.namespace("carts", &enforcing, None);
    cluster.service_account("carts", "carts", Some(ROLE));
    cluster.namespace("broken", &enforcing, Some(ROLE));
    cluster.namespace("bare", &enforcing, None);
    let mut good = pod("carts", "good");
    good["spec"]["serviceAccountName"] = json!("carts");
    eventually("the injector knows of the service account", PATIENCE, || {
        let arguments = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
        let (out, error) = texts(&cluster.try_kubectl(&arguments, &good.to_string()));
        if out.contains("AWS_ROLE_ARN") { Ok(()) } else { Err(error) }
    });
    cluster.apply(&good.to_string());
    cluster.apply(&pod("bare", "plain").to_string());
    let mut required = pod("bare", "required");
    required["metadata"]["annotations"] = json!({"rolecall.dev/identity": "required"});
    for denied in [pod("broken", "bad"), required] {
        assert!(!cluster.try_kubectl(&["create", "-f", "-"], &denied.to_string()).status.success());
    }
    let log = cluster.fact("auditLog").to_owned();
    let recorded: Vec<(String, String)> = eventually("the audit lines", PATIENCE, || {
        let decided = cluster.audit().into_iter().filter(|event| {
            let is_dry = event["requestURI"].as_str().unwrap_or_default().contains("dryRun=");
            event["objectRef"]["resource"] == "pods" && event["verb"] == "create" && !is_dry
        });
        let of = |event: &Value| {
            let annotation = |name: &str| event["annotations"][format!("validate.rolecall.dev/{name}")].clone();
            let rules = if annotation("decision") == "deny" { annotation("rules") } else { json!("") };
            let namespace = event["objectRef"]["namespace"].as_str().unwrap().to_owned();
            (namespace, rules.as_str().unwrap().to_owned())
        };
        let recorded: Vec<(String, String)> = decided.map(|event| of(&event)).collect();
        if recorded.len() == 4 { Ok(recorded) } else { Err(format!("{recorded:?}")) }
    });
    let source = snapshot().display().to_string();
    let replay = |source: &str| -> Value {
        let output = rolecall(&["replay", &log, "--source", source, "--level", "chain", "--format", "json"]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
    };
    let result = replay(&source);
    let denied = result["denied"].as_array().unwrap();
    for (namespace, rules) in &recorded {
        let here: Vec<&Value> = denied.iter().filter(|owner| owner["namespace"] == namespace.as_str()).collect();
        let is_same = here.iter().any(|owner| {
            let of_replay: Vec<&String> = owner["rules"].as_object().unwrap().keys().collect();
            of_replay.iter().all(|rule| rules.split(',').any(|recorded| recorded == rule.as_str()))
        });
        assert!(rules.is_empty() || is_same, "{namespace}: {rules}: {result}");
    }
    let summary = &result["summary"];
    assert_eq!((&summary["checked"], &summary["denied"]), (&json!(4), &json!(2)), "{result}");
    assert_eq!((&summary["recordedDenials"], &summary["noLongerDenied"]), (&json!(2), &json!(0)), "{result}");
    // The trust policy is corrected: its denial is over, the other is not.
    let folder = TempDir::new("replay-fixed");
    let text = std::fs::read_to_string(&source).unwrap();
    let fixed = text.replace("system:serviceaccount:carts:carts\"", "system:serviceaccount:broken:app\"");
    assert_ne!(text, fixed);
    let fixed = folder.file("snapshot.json", &fixed);
    let result = replay(fixed.to_str().unwrap());
    let over = &result["noLongerDenied"];
    assert_eq!((&over[0]["namespace"], over.as_array().unwrap().len()), (&json!("broken"), 1), "{result}");
}
