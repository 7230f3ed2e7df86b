//! The audit log of a real API server, replayed: what `rolecall replay` says is what the webhook decided.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
#![cfg(feature = "kube")]
mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use common::cluster::{Cluster, OWN_ROLE, PATIENCE, ROLE, deployment, eventually, free_port, pod, snapshot, texts};
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

/// A pod creation as the API server recorded it, read without rolecall.
#[derive(Debug)]
struct Recorded {
    namespace: String,
    /// The webhook entry that denied it.
    denied_by: Option<&'static str>,
    rules: BTreeSet<String>,
    is_stored: bool,
}

fn recorded(events: &[Value]) -> Vec<Recorded> {
    let created = events.iter().filter(|event| {
        let uri = event["requestURI"].as_str().unwrap();
        let (reference, stage) = (&event["objectRef"], &event["stage"]);
        reference["resource"] == "pods"
            && reference["subresource"].is_null()
            && (event["verb"].as_str(), stage.as_str()) == (Some("create"), Some("ResponseComplete"))
            && !uri.contains("dryRun=")
    });
    let of = |event: &Value| {
        let entries = ["validate.rolecall.dev", "fail-closed.rolecall.dev"];
        let annotation = |entry: &str, name: &str| event["annotations"][format!("{entry}/{name}")].clone();
        let denied_by = entries.into_iter().find(|entry| annotation(entry, "decision") == "deny");
        let rules = denied_by.map(|entry| annotation(entry, "rules").as_str().unwrap().to_owned()).unwrap_or_default();
        Recorded {
            namespace: event["objectRef"]["namespace"].as_str().unwrap().to_owned(),
            denied_by,
            rules: rules.split(',').filter(|rule| !rule.is_empty()).map(str::to_owned).collect(),
            is_stored: event["responseObject"]["kind"] == "Pod",
        }
    };
    created.map(of).collect()
}

/// Namespace, kind and name, and creations by rule, of each owner of a list.
fn owners(list: &Value) -> BTreeMap<(String, String, String), Value> {
    let text = |owner: &Value, field: &str| owner[field].as_str().unwrap().to_owned();
    let key = |owner: &Value| (text(owner, "namespace"), text(owner, "kind"), text(owner, "name"));
    list.as_array().unwrap().iter().map(|owner| (key(owner), owner["rules"].clone())).collect()
}

fn groups(result: &Value) -> [&Value; 4] {
    ["recordedDenials", "stillDenied", "noLongerDenied", "undecided"].map(|count| &result["summary"][count])
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
    // Its pods are checked by the webhook entry that fails closed.
    cluster.namespace(
        "closed",
        &json!({"rolecall.dev/enforce": "chain", "rolecall.dev/on-outage": "deny"}),
        Some(ROLE),
    );
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
    for denied in [pod("broken", "bad"), required, pod("closed", "bad"), pod("closed", "bad")] {
        assert!(!cluster.try_kubectl(&["create", "-f", "-"], &denied.to_string()).status.success());
    }
    cluster.apply(&deployment("broken", "web", 1).to_string());
    // The API server goes on writing: one state of the log is replayed, and compared with what it says itself.
    let (events, recorded) = eventually("the audit lines", PATIENCE, || {
        let events = cluster.audit();
        let recorded = recorded(&events);
        let of = |namespace: &str| recorded.iter().filter(|pod| pod.namespace == namespace).count();
        // The pod of the Deployment is tried again and again.
        let is_all = ["carts", "bare", "closed"].map(of) == [1, 2, 2] && of("broken") >= 2;
        if is_all { Ok((events, recorded)) } else { Err(format!("{recorded:?}")) }
    });
    let lines = |events: &[Value]| events.iter().map(|event| format!("{event}\n")).collect::<String>();
    let folder = TempDir::new("replay-cluster");
    let log = folder.file("audit.log", &lines(&events));
    let log = log.to_str().unwrap();
    let source = snapshot().display().to_string();
    let replay = |log: &str, source: &str| -> (Option<i32>, Value) {
        let output = rolecall(&["replay", log, "--source", source, "--level", "chain", "--format", "json"]);
        let json = serde_json::from_slice(&output.stdout);
        (output.status.code(), json.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr))))
    };

    let denied: Vec<&Recorded> = recorded.iter().filter(|pod| pod.denied_by.is_some()).collect();
    let of_web = denied.iter().filter(|pod| pod.namespace == "broken").count() - 1;
    let entries: BTreeSet<(&str, &str)> =
        denied.iter().map(|pod| (pod.namespace.as_str(), pod.denied_by.unwrap())).collect();
    let (entry, closed) = ("validate.rolecall.dev", "fail-closed.rolecall.dev");
    assert_eq!(entries, BTreeSet::from([("bare", entry), ("broken", entry), ("closed", closed)]));
    let (code, result) = replay(log, &source);
    assert_eq!(code, Some(1), "{result}");
    // Who is denied, how often, and by which rule.
    let key = |namespace: &str, kind: &str, name: &str| (namespace.to_owned(), kind.to_owned(), name.to_owned());
    let expected = BTreeMap::from([
        (key("bare", "Pod", "required"), json!({"node-role-fallback": 1})),
        (key("broken", "Deployment", "web"), json!({"irsa-trust-subject": of_web})),
        (key("broken", "Pod", "bad"), json!({"irsa-trust-subject": 1})),
        (key("closed", "Pod", "bad"), json!({"irsa-trust-subject": 2})),
    ]);
    assert_eq!(owners(&result["denied"]), expected, "{result}");
    assert_eq!(result["byNamespace"], json!({"bare": 1, "broken": of_web + 1, "closed": 2}));
    assert_eq!(result["byRule"], json!({"irsa-trust-subject": of_web + 3, "node-role-fallback": 1}));
    // The webhook recorded the same rules, and those that only the audit level has.
    for pod in &denied {
        let rule = if pod.namespace == "bare" { "node-role-fallback" } else { "irsa-trust-subject" };
        assert!(pod.rules.contains(rule), "{pod:?}");
    }
    let summary = &result["summary"];
    let stored = recorded.iter().filter(|pod| pod.is_stored).count();
    assert_eq!(
        ["lines", "checked", "predicted", "denied"].map(|count| summary[count].as_u64().unwrap()),
        [events.len(), recorded.len(), recorded.len() - stored, denied.len()].map(|count| count as u64),
        "{result}"
    );
    assert_eq!(
        ["withoutObject", "ownLines", "unreadable", "unknownAccounts", "unknownNamespaces", "unreadChanges"]
            .map(|count| &summary[count]),
        [&json!(0); 6],
        "{result}"
    );
    let all = json!(denied.len());
    let none = json!(0);
    assert_eq!(groups(&result), [&all, &all, &none, &none], "{result}");
    let rows: BTreeSet<_> = owners(&result["stillDenied"]).into_keys().collect();
    assert_eq!(rows, expected.keys().cloned().collect(), "{result}");
    assert_eq!(result["cluster"], json!({"source": "log", "complete": false}));

    // The trust policy names the other service account now: its denials are over, the others are not.
    let text = std::fs::read_to_string(&source).unwrap();
    let fixed = text.replace("system:serviceaccount:carts:carts\"", "system:serviceaccount:broken:app\"");
    assert_ne!(text, fixed);
    let fixed = folder.file("snapshot.json", &fixed);
    let (_, result) = replay(log, fixed.to_str().unwrap());
    assert_eq!(groups(&result), [&all, &json!(3), &json!(of_web + 1), &none], "{result}");
    let rows: Vec<_> = owners(&result["noLongerDenied"]).into_keys().collect();
    assert_eq!(rows, [key("broken", "Deployment", "web"), key("broken", "Pod", "bad")], "{result}");
    assert!(owners(&result["denied"]).contains_key(&key("carts", "Pod", "good")), "{result}");

    // As an audit policy without the objects of service accounts would write it: nothing is decided of their pods.
    let mut bare = events;
    for event in bare.iter_mut().filter(|event| event["objectRef"]["resource"] == "serviceaccounts") {
        event["level"] = json!("Metadata");
        event
            .as_object_mut()
            .unwrap()
            .retain(|field, _| !["requestObject", "responseObject"].contains(&field.as_str()));
    }
    let bare = folder.file("bare.log", &lines(&bare));
    let (code, result) = replay(bare.to_str().unwrap(), &source);
    assert_eq!((code, groups(&result)), (Some(0), [&all, &none, &none, &all]), "{result}");
    assert!(result["summary"]["unreadChanges"].as_u64().unwrap() >= 4, "{result}");
    let reasons =
        result["undecided"].as_array().unwrap().iter().flat_map(|owner| owner["reasons"].as_object().unwrap());
    assert!(reasons.into_iter().all(|(reason, _)| reason.starts_with("service account ")), "{result}");

    // The cluster as it is now: it says the same, until a service account is gone.
    let (context, _) = cluster.kubectl(&["config", "current-context"]);
    let in_cluster = || -> Value {
        let output = Command::new(env!("CARGO_BIN_EXE_rolecall"))
            .args(["replay", log, "--source", &source, "--level", "chain", "--format", "json"])
            .args(["--context", context.trim()])
            .env("KUBECONFIG", cluster.kubeconfig())
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
    };
    let result = in_cluster();
    assert_eq!(result["cluster"], json!({"source": "context", "complete": true}));
    assert_eq!(owners(&result["denied"]), expected, "{result}");
    assert_eq!(groups(&result), [&all, &all, &none, &none], "{result}");
    cluster.kubectl(&["delete", "serviceaccount", "app", "-n", "closed"]);
    let result = in_cluster();
    assert_eq!(groups(&result), [&all, &json!(denied.len() - 2), &none, &json!(2)], "{result}");
    assert_eq!(result["summary"]["missingAccounts"], 2, "{result}");
    let mut reasons = json!({});
    reasons["service account closed/app does not exist in the cluster now"] = json!(2);
    assert_eq!(result["undecided"][0]["reasons"], reasons, "{result}");
}
