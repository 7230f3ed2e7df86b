//! Modes, namespace labels, exemptions, updates and dry runs, through the running server; and what it leaves behind: audit
//! lines and metrics.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::path::PathBuf;

use common::{Server, TempDir};
use serde_json::{Value, json};

const DENIABLE: &str = "fixtures/reviews/pod-badarn-create.json";

/// The recorded cluster, in which namespace `carts` has these labels and annotations.
fn cluster(directory: &TempDir, labels: &str, annotations: &str) -> PathBuf {
    let recorded = common::text("fixtures/cluster.yaml");
    let named = "metadata: {name: carts}";
    assert!(recorded.contains(named));
    let labelled = format!("metadata: {{name: carts, labels: {{{labels}}}, annotations: {{{annotations}}}}}");
    directory.file("cluster.yaml", &recorded.replacen(named, &labelled, 1))
}

fn server(labels: &str, annotations: &str, config: &str, arguments: &[&str]) -> Server {
    let directory = TempDir::new("decisions");
    let cluster = cluster(&directory, labels, annotations);
    let config = directory.file("config.yaml", config);
    let mut all = vec!["--config", config.to_str().unwrap()];
    all.extend(arguments);
    Server::start(&cluster, &common::test_file("fixtures/snapshot.json"), &all)
}

async fn ask(server: &Server, review: &Value) -> Value {
    let (status, body) = server.client().await.post("/validate", review.to_string().into()).await.unwrap();
    assert_eq!(status, 200);
    serde_json::from_slice::<Value>(&body).unwrap()["response"].clone()
}

fn decision(response: &Value) -> &str {
    response["auditAnnotations"]["decision"].as_str().unwrap()
}

fn warnings(response: &Value) -> usize {
    response["warnings"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn labels_choose_the_levels_and_the_mode_caps_them() {
    let review = common::json_file(DENIABLE);
    // (labels, mode) -> (decision, warnings, rules written down)
    let expectations = [
        ("rolecall.dev/enforce: chain", "enforce", ("deny", 0, true)),
        ("rolecall.dev/enforce: chain", "warn", ("warn", 2, true)),
        ("rolecall.dev/enforce: chain", "audit", ("allow", 0, true)),
        ("rolecall.dev/enforce: 'off'", "enforce", ("warn", 2, true)),
        ("rolecall.dev/warn: 'off'", "enforce", ("allow", 0, true)),
        ("rolecall.dev/warn: 'off', rolecall.dev/audit: 'off'", "enforce", ("allow", 0, false)),
        ("rolecall.dev/warn: 'off', rolecall.dev/enforce: strict", "enforce", ("deny", 0, true)),
        ("rolecall.dev/enforce: nonsense", "enforce", ("warn", 2, true)),
    ];
    for (labels, mode, (decided, warned, written)) in expectations {
        let server = server(labels, "", "", &["--mode", mode]);
        let response = ask(&server, &review).await;
        assert_eq!((decision(&response), warnings(&response)), (decided, warned), "{labels} {mode}: {response}");
        assert_eq!(response["allowed"], decided != "deny");
        assert_eq!(response["auditAnnotations"].get("rules").is_some(), written, "{labels} {mode}: {response}");
    }
}

#[tokio::test]
async fn a_denial_names_the_published_page_of_its_rule() {
    let review = common::json_file(DENIABLE);
    let said = async |config: &str| {
        let server = server("rolecall.dev/enforce: chain", "", config, &[]);
        ask(&server, &review).await["status"]["message"].as_str().unwrap().to_owned()
    };
    let message = said("").await;
    assert!(message.ends_with("\n  more: rolecall explain role-arn-malformed"), "{message}");
    let message = said("messages: {docsUrl: 'https://docs.example.com/rules/'}").await;
    let page = "https://docs.example.com/rules/role-arn-malformed";
    assert!(message.ends_with(&format!("\n  more: rolecall explain role-arn-malformed, {page}")), "{message}");
}

/// Reports show it at every level; admission warns from its level on.
#[tokio::test]
async fn a_finding_on_security_warns_from_its_level_on() {
    let review = common::json_file("fixtures/reviews/pod-irsa-static-create.json");
    for (level, decided) in [("fallback", "allow"), ("strict", "warn")] {
        let server = server(&format!("rolecall.dev/warn: {level}"), "", "", &[]);
        let response = ask(&server, &review).await;
        assert_eq!(decision(&response), decided, "{level}: {response}");
    }
}

#[tokio::test]
async fn likely_findings_deny_at_strict_only_and_undecided_ones_never() {
    let likely = common::json_file("fixtures/reviews/pod-both-create.json");
    let undecided = common::json_file("fixtures/reviews/pod-irsa-skip-create.json");
    let fallback = server("rolecall.dev/enforce: fallback", "", "warn: strict", &[]);
    assert_eq!(decision(&ask(&fallback, &likely).await), "warn");
    let strict = server("rolecall.dev/enforce: strict", "", "", &[]);
    assert_eq!(decision(&ask(&strict, &likely).await), "deny");
    let response = ask(&strict, &undecided).await;
    assert_eq!((response["allowed"].as_bool(), decision(&response)), (Some(true), "warn"));
}

#[tokio::test]
async fn workloads_are_warned_about_unless_the_operator_enforces_them() {
    let mut deployment = common::json_file("fixtures/reviews/deployment-carts-create.json");
    deployment["request"]["object"]["spec"]["template"]["spec"]["serviceAccountName"] = "badarn".into();
    let account = common::json_file("fixtures/reviews/serviceaccount-carts-update.json");
    let lenient = server("rolecall.dev/enforce: chain", "", "", &[]);
    let firm = server("rolecall.dev/enforce: chain", "", "enforceWorkloads: true", &[]);
    for review in [&deployment, &account] {
        assert_eq!(decision(&ask(&lenient, review).await), "warn");
        assert_eq!(decision(&ask(&firm, review).await), "deny");
    }
}

#[tokio::test]
async fn an_update_that_makes_nothing_worse_is_not_denied() {
    let server = server("rolecall.dev/enforce: chain", "", "enforceWorkloads: true", &[]);
    let mut review = common::json_file("fixtures/reviews/deployment-carts-create.json");
    review["request"]["object"]["spec"]["template"]["spec"]["serviceAccountName"] = "badarn".into();
    review["request"]["operation"] = "UPDATE".into();
    review["request"]["oldObject"] = review["request"]["object"].clone();
    review["request"]["object"]["spec"]["replicas"] = 5.into();
    assert_eq!(decision(&ask(&server, &review).await), "warn", "the break was there before");
    review["request"]["oldObject"]["spec"]["template"]["spec"]["serviceAccountName"] = "carts".into();
    assert_eq!(decision(&ask(&server, &review).await), "deny", "the update brought the break");
}

#[tokio::test]
async fn an_ephemeral_container_is_judged_and_the_others_are_not_held_against_it() {
    let server = server("rolecall.dev/enforce: strict", "", "", &[]);
    let mut review = common::json_file(DENIABLE);
    review["request"]["operation"] = "UPDATE".into();
    review["request"]["subResource"] = "ephemeralcontainers".into();
    review["request"]["oldObject"] = review["request"]["object"].clone();
    let debugger = json!({"name": "debug", "image": "busybox", "targetContainerName": "carts"});
    review["request"]["object"]["spec"]["ephemeralContainers"] = json!([debugger]);
    assert_eq!(ask(&server, &review).await["allowed"], true, "kubectl debug must work on a pod that is broken");
    let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| json!({"name": name, "value": "x"}));
    review["request"]["object"]["spec"]["ephemeralContainers"][0]["env"] = json!(keys);
    let response = ask(&server, &review).await;
    assert_eq!(decision(&response), "deny");
    assert!(response["status"]["message"].as_str().unwrap().contains("[static-keys]"), "{response}");
}

#[tokio::test]
async fn exemptions_hide_and_are_written_down_unless_they_are_forbidden() {
    let mut review = common::json_file(DENIABLE);
    review["request"]["object"]["metadata"]["annotations"] =
        json!({"rolecall.dev/ignore": "irsa-trust-open, role-arn-malformed"});
    let guarded = server("rolecall.dev/enforce: chain", "", "", &[]);
    assert_eq!(decision(&ask(&guarded, &review).await), "deny", "a pod lifts no denial of its own");
    let open = server("rolecall.dev/enforce: chain", "", "selfExemptions: allow", &[]);
    let response = ask(&open, &review).await;
    assert_eq!(decision(&response), "allow");
    assert_eq!(response["auditAnnotations"]["exempted"], "role-arn-malformed");
    assert_eq!(response["auditAnnotations"]["chain"], "broken", "an exemption hides a finding, not the truth");
    let closed = server("rolecall.dev/enforce: chain", "", "selfExemptions: allow\nforbidExemptionsIn: ['car*']", &[]);
    assert_eq!(decision(&ask(&closed, &review).await), "deny");

    let nobody = common::json_file("fixtures/reviews/pod-nosa-create.json");
    let allowed = server("rolecall.dev/enforce: strict", "rolecall.dev/allow-node-role: 'true'", "", &[]);
    let response = ask(&allowed, &nobody).await;
    assert_eq!(
        (decision(&response), &response["auditAnnotations"]["exempted"]),
        ("allow", &json!("node-role-fallback"))
    );
    let needed = server("rolecall.dev/enforce: fallback", "rolecall.dev/requires: 'dynamodb:Query'", "", &[]);
    assert_eq!(decision(&ask(&needed, &nobody).await), "deny", "a declared need makes it certain");
}

#[tokio::test]
async fn a_stale_snapshot_denies_nothing_and_says_so() {
    let server = server("rolecall.dev/enforce: chain", "", "snapshotMaxAgeSeconds: 60", &[]);
    let response = ask(&server, &common::json_file(DENIABLE)).await;
    assert_eq!(decision(&response), "warn");
    let last = response["warnings"].as_array().unwrap().last().unwrap().as_str().unwrap();
    assert!(last.contains("not enforcing: its AWS data is"), "{response}");
    assert_eq!(server.metric("rolecall_review_errors_total{error=\"stale-snapshot\"}"), 1.0);
    let healthy = ask(&server, &common::json_file("fixtures/reviews/pod-irsa-create.json")).await;
    assert_eq!((decision(&healthy), warnings(&healthy)), ("allow", 0));
}

#[tokio::test]
async fn every_decision_is_one_audit_line_and_one_count() {
    let server = server("rolecall.dev/enforce: chain", "", "", &[]);
    let reviews: Vec<Value> = ["pod-badarn", "pod-irsa", "pod-both", "serviceaccount-newsa"]
        .iter()
        .map(|name| common::json_file(&format!("fixtures/reviews/{name}-create.json")))
        .collect();
    for round in 0..25 {
        for review in &reviews {
            let mut review = review.clone();
            review["request"]["uid"] = format!("{}-{round}", review["request"]["uid"].as_str().unwrap()).into();
            ask(&server, &review).await;
        }
    }
    let uid = |name: usize, round: usize| format!("{}-{round}", reviews[name]["request"]["uid"].as_str().unwrap());
    let line = server.audit_line(|line| line["uid"] == uid(0, 24));
    let expected = json!({
        "level": "INFO", "target": "rolecall::audit", "decision": "deny", "mode": "enforce", "operation": "CREATE",
        "kind": "Pod", "namespace": "carts", "name": "badarn", "service_account": "badarn", "dry_run": true,
        "rules": "role-arn-malformed", "identity": "irsa", "role": "eks-workshop-carts-dynamo", "chain": "broken",
        "snapshot_time": "2026-11-24T17:26:52Z",
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&line[field], value, "{field} in {line}");
    }
    assert_eq!(line["user"], reviews[0]["request"]["userInfo"]["username"], "{line}");
    assert!(line["micros"].is_u64() && line["time"].as_str().unwrap().ends_with('Z'));
    assert!(
        line["detail"].as_str().unwrap().starts_with("service account carts/badarn cannot assume a role"),
        "{line}"
    );
    server.audit_line(|line| line["uid"] == uid(3, 24));
    let log = server.log.lock().unwrap();
    assert_eq!(log.iter().filter(|line| line["target"] == "rolecall::audit").count(), 100);
    drop(log);
    assert_eq!(server.metric("rolecall_reviews_total{kind=\"Pod\",decision=\"deny\"}"), 25.0);
    assert_eq!(server.metric("rolecall_reviews_total{kind=\"Pod\",decision=\"allow\"}"), 50.0);
    assert_eq!(server.metric("rolecall_reviews_total{kind=\"ServiceAccount\",decision=\"allow\"}"), 25.0);
    assert_eq!(server.metric("rolecall_findings_total{rule=\"role-arn-malformed\"}"), 25.0);
    assert_eq!(server.metric("rolecall_review_duration_seconds_count"), 100.0);
    assert_eq!(server.metric("rolecall_log_lines_lost_total"), 0.0);
}

/// A secret in a pod's environment must reach neither answer nor log.
#[tokio::test]
async fn secrets_are_not_repeated() {
    let server = server("rolecall.dev/enforce: strict", "", "", &[]);
    let mut review = common::json_file("fixtures/reviews/pod-nosa-create.json");
    let secret = "wJalrXUtnFEMI-EXAMPLEKEY";
    review["request"]["object"]["spec"]["containers"][0]["env"] = json!([
        {"name": "AWS_ACCESS_KEY_ID", "value": "AKIAIOSFODNN7EXAMPLE"},
        {"name": "AWS_SECRET_ACCESS_KEY", "value": secret},
        {"name": "DATABASE_URL", "value": format!("postgres://u:{secret}@db.eu-central-1.rds.amazonaws.com/x")},
    ]);
    review["request"]["object"]["spec"]["containers"][1]["env"] =
        json!([{"name": "QUEUE", "value": format!("https://sqs.eu-central-1.amazonaws.com/1/q?t={secret}")}]);
    let response = ask(&server, &review).await;
    assert_eq!(decision(&response), "deny");
    let line = server.audit_line(|line| line["uid"] == review["request"]["uid"]);
    for text in [response.to_string(), line.to_string()] {
        assert!(!text.contains(secret) && !text.contains("AKIAIOSFODNN7EXAMPLE"), "{text}");
    }
}
