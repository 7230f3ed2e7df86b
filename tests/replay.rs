//! `rolecall replay`: audit logs as the API server writes them, and as they are found: cut, mixed, without objects.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod common;

use std::io::Write;
use std::process::Output;

use common::{TempDir, json_file, rolecall, rolecall_with_input};
use serde_json::{Value, json};

const SNAPSHOT: &str = "tests/fixtures/snapshot.json";
const REPLICASETS: &str = "system:serviceaccount:kube-system:replicaset-controller";

fn replayed(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// The event of a request that was answered.
fn event(verb: &str, resource: &str, object: &Value) -> Value {
    json!({"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "RequestResponse", "stage": "ResponseComplete",
        "verb": verb, "requestURI": "/api/v1/x", "user": {"username": REPLICASETS, "groups": ["system:authenticated"]},
        "objectRef": {"resource": resource, "namespace": object["metadata"]["namespace"], "name": object["metadata"]["name"],
            "apiVersion": "v1"},
        "responseStatus": {"code": 201}, "requestObject": object, "responseObject": object,
        "requestReceivedTimestamp": "2026-11-24T17:26:52.000000Z"})
}

/// A recorded pod, with an owner.
fn pod(review: &str) -> Value {
    let mut pod = json_file(&format!("fixtures/reviews/{review}"))["request"]["object"].clone();
    pod["metadata"]["labels"]["pod-template-hash"] = json!("7d9f");
    pod["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "carts-7d9f", "uid": "u", "controller": true}]);
    pod
}

fn account(name: &str, role: Option<&str>) -> Value {
    let annotations = role.map_or(json!({}), |role| json!({"eks.amazonaws.com/role-arn": role}));
    json!({"kind": "ServiceAccount", "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "carts", "annotations": annotations}})
}

fn log(events: &[Value]) -> String {
    events.iter().map(|event| format!("{event}\n")).collect()
}

fn replay(file: &str, arguments: &[&str]) -> Output {
    let mut all = vec!["replay", file, "--source", SNAPSHOT, "--format", "json", "--level", "chain"];
    all.extend(arguments);
    rolecall(&all)
}

#[test]
fn who_would_be_denied_and_how_often() {
    let folder = TempDir::new("replay");
    let bad = event("create", "pods", &pod("pod-badarn-create.json"));
    let good = event("create", "pods", &pod("pod-irsa-create.json"));
    let mut later = bad.clone();
    later["requestReceivedTimestamp"] = json!("2026-11-25T08:00:00.000000Z");
    let mut dry = bad.clone();
    dry["requestURI"] = json!("/api/v1/namespaces/carts/pods?dryRun=All");
    let mut started = bad.clone();
    started["stage"] = json!("RequestReceived");
    let text = log(&[bad, good.clone(), dry, started, later]);
    let plain = folder.file("audit.log", &text);
    let output = replay(plain.to_str().unwrap(), &[]);
    assert_eq!(output.status.code(), Some(1));
    let result = replayed(&output);
    let [denied] = result["denied"].as_array().unwrap().as_slice() else { panic!("{result}") };
    assert_eq!(
        (&denied["kind"], &denied["name"], &denied["creations"]),
        (&json!("Deployment"), &json!("carts"), &json!(2))
    );
    assert_eq!(denied["rules"], json!({"role-arn-malformed": 2}));
    assert_eq!(
        (&denied["first"], &denied["last"]),
        (&json!("2026-11-24T17:26:52.000000Z"), &json!("2026-11-25T08:00:00.000000Z"))
    );
    assert_eq!((&result["summary"]["checked"], &result["summary"]["denied"]), (&json!(3), &json!(2)));
    assert_eq!(result["byNamespace"], json!({"carts": 2}));
    // The same as gzip, of two members, and from standard input, behind the time stamps of CloudWatch Logs.
    let packed = folder.file("audit.log.gz", "");
    let mut bytes = Vec::new();
    for part in text.as_bytes().chunks(text.len() / 2 + 1) {
        let mut encoder = flate2::write::GzEncoder::new(&mut bytes, flate2::Compression::fast());
        encoder.write_all(part).unwrap();
        encoder.finish().unwrap();
    }
    std::fs::write(&packed, bytes).unwrap();
    assert_eq!(replayed(&replay(packed.to_str().unwrap(), &[])), result);
    let stamped: String = text.lines().map(|line| format!("2026-11-24T17:26:52.000Z {line}\n")).collect();
    let arguments = ["replay", "-", "--source", SNAPSHOT, "--format", "json", "--level", "chain"];
    assert_eq!(replayed(&rolecall_with_input(&arguments, &stamped)), result);
    // Nothing at a level that asks nothing, and nothing of pods that are right.
    assert_eq!(replay(plain.to_str().unwrap(), &["--level", "off"]).status.code(), Some(2), "given twice");
    let right = folder.file("right.log", &log(&[good]));
    assert_eq!(replay(right.to_str().unwrap(), &[]).status.code(), Some(0));
}

#[test]
fn the_log_tells_of_service_accounts_as_it_goes() {
    let folder = TempDir::new("replay-accounts");
    let mut sent = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a", "namespace": "carts"},
        "spec": {"serviceAccountName": "late", "containers": [{"name": "a", "image": "x"}]}});
    sent["metadata"]["annotations"] = json!({"rolecall.dev/identity": "required"});
    let mut created = event("create", "pods", &sent);
    created.as_object_mut().unwrap().remove("responseObject");
    let of = |verb: &str, role: Option<&str>| event(verb, "serviceaccounts", &account("late", role));
    let absent = "arn:aws:iam::111122223333:role/absent";
    let events = [
        created.clone(),
        of("create", None),
        created.clone(),
        of("update", Some(absent)),
        created.clone(),
        of("delete", None),
        created,
    ];
    let file = folder.file("audit.log", &log(&events));
    let result = replayed(&replay(file.to_str().unwrap(), &[]));
    // Unknown; without a role; with one that does not exist; unknown again.
    assert_eq!(result["denied"][0]["rules"], json!({"node-role-fallback": 1, "role-missing": 1}), "{result}");
    assert_eq!(result["denied"][0]["kind"], "Pod");
    assert_eq!((&result["summary"]["unknownAccounts"], &result["summary"]["predicted"]), (&json!(2), &json!(4)));
    // Manifests win over the log.
    let manifest = folder.file("accounts.yaml", &account("late", Some(absent)).to_string());
    let result = replayed(&replay(file.to_str().unwrap(), &["--manifests", manifest.to_str().unwrap()]));
    assert_eq!(result["denied"][0]["rules"], json!({"role-missing": 4}), "{result}");
}

#[test]
fn denials_that_are_over_are_told() {
    let folder = TempDir::new("replay-over");
    let mut denied = event("create", "pods", &pod("pod-irsa-create.json"));
    denied["responseObject"] = json!({"kind": "Status", "apiVersion": "v1", "code": 403});
    denied["annotations"] =
        json!({"validate.rolecall.dev/decision": "deny", "validate.rolecall.dev/rules": "irsa-trust-subject"});
    let file = folder.file("audit.log", &log(&[denied.clone(), denied]));
    let accounts = "tests/fixtures/cluster.yaml";
    let output = replay(file.to_str().unwrap(), &["--manifests", accounts]);
    let result = replayed(&output);
    assert_eq!(output.status.code(), Some(0), "{result}");
    assert_eq!(result["noLongerDenied"][0]["rules"], json!({"irsa-trust-subject": 2}), "{result}");
    assert_eq!((&result["summary"]["recordedDenials"], &result["summary"]["noLongerDenied"]), (&json!(2), &json!(2)));
    let text = rolecall(&["replay", file.to_str().unwrap(), "--source", SNAPSHOT, "--manifests", accounts]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(
        text.contains(
            "Denied then, admitted now\n  carts: 1 owner, 2 pod creations\n    Deployment carts (2 pod creations"
        ),
        "{text}"
    );
}

#[test]
fn bad_lines_are_named_and_hide_nothing() {
    let folder = TempDir::new("replay-bad");
    let good = event("create", "pods", &pod("pod-irsa-create.json")).to_string();
    let cut = good.get(..good.len() / 2).unwrap();
    let wrong = r#"{"kind":"Event","stage":7}"#;
    let text = format!("{good}\nnot json\n\n{wrong}\n[]\n{{\"kind\":\"PodList\"}}\n{good}\n{cut}");
    let file = folder.file("audit.log", &text);
    let output = replay(file.to_str().unwrap(), &[]);
    assert_eq!(output.status.code(), Some(2));
    let result = replayed(&output);
    let lines: Vec<u64> =
        result["unreadable"].as_array().unwrap().iter().map(|line| line["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [2, 4, 5, 6, 8]);
    assert_eq!((&result["summary"]["checked"], &result["summary"]["unreadable"]), (&json!(2), &json!(5)));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("line 8: the JSON ends early: the line is cut"), "{errors}");
}

#[test]
fn records_without_objects_are_counted_and_the_remedy_is_named() {
    let folder = TempDir::new("replay-metadata");
    let mut bare = event("create", "pods", &pod("pod-irsa-create.json"));
    bare.as_object_mut().unwrap().remove("requestObject");
    bare.as_object_mut().unwrap().remove("responseObject");
    let own = json!({"timestamp": "2026-11-24T17:26:52Z", "level": "INFO", "target": "rolecall::audit", "decision": "deny",
        "kind": "Pod", "namespace": "carts", "name": "a", "rules": "role-missing"});
    let file = folder.file("audit.log", &log(&[bare.clone()]));
    let output = replay(file.to_str().unwrap(), &[]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && error.contains("set level Request or RequestResponse"), "{error}");
    let file = folder.file("own.log", &log(std::slice::from_ref(&own)));
    let error = String::from_utf8(replay(file.to_str().unwrap(), &[]).stderr).unwrap();
    assert!(error.contains("give the API server's audit log"), "{error}");
    let file = folder.file("mixed.log", &log(&[bare, own, event("create", "pods", &pod("pod-irsa-create.json"))]));
    let summary = &replayed(&replay(file.to_str().unwrap(), &[]))["summary"];
    assert_eq!(
        (&summary["withoutObject"], &summary["ownLines"], &summary["ownDenials"]),
        (&json!(1), &json!(1), &json!(1))
    );
}
