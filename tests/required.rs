//! `rolecall.dev/identity: required` in a real cluster over live AWS: a Deployment before its role, its association, and an
//! injector that is late. No pod without credentials is ever stored, and no person has to restart anything.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
#![cfg(all(feature = "aws", feature = "kube"))]
#[path = "common/aws.rs"]
mod aws;
mod common;

use std::time::{Duration, Instant};

use aws::Ground;
use common::Server;
use common::cluster::{Cluster, PATIENCE, deployment, eventually, free_port};
use rolecall_aws_ground::Cluster as Eks;
use serde_json::{Value, json};

/// Until the ReplicaSet's pauses, which double, have led to its next attempt.
const BACK_OFF: Duration = Duration::from_secs(180);

/// The events of pods in a namespace that the API server stored.
fn stored(cluster: &Cluster, namespace: &str) -> Vec<Value> {
    let is_stored = |event: &Value| {
        event["objectRef"]["namespace"] == namespace
            && event["objectRef"]["resource"] == "pods"
            && event["verb"] == "create"
            && event["responseStatus"]["code"] == 201
    };
    cluster.audit().into_iter().filter(is_stored).collect()
}

/// Waits until the ReplicaSet of the namespace is denied for this reason.
fn denied(cluster: &Cluster, namespace: &str, rule: &str) -> String {
    eventually(rule, BACK_OFF, || {
        let all = cluster.get(&["events", "-n", namespace]);
        let mut messages: Vec<&str> =
            all["items"].as_array().unwrap().iter().filter_map(|event| event["message"].as_str()).collect();
        messages.retain(|message| message.contains(&format!("[{rule}]")) && message.contains("denied the request"));
        messages.first().map(|message| (*message).to_owned()).ok_or_else(|| all["items"].to_string())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_may_come_before_its_role_its_association_and_the_injector() {
    let aws = Ground::start("required").await;
    aws.cluster.addon("eks-pod-identity-agent").await.unwrap();
    let text = std::fs::read_to_string(aws.config("")).unwrap();
    let config =
        aws.write("serve.yaml", &format!("{text}refresh: {{intervalSeconds: 2, jitter: 0, rememberSeconds: 0}}\n"));
    let (cluster, _server) = tokio::task::block_in_place(|| {
        let cluster = Cluster::start();
        let port = free_port();
        cluster.register(port);
        let kubeconfig = cluster.as_service_account("rolecall", "rolecall");
        let arguments = ["--cluster", "shop", "--config", &config];
        let server = Server::in_cluster(&kubeconfig, "aws", port, &arguments, &aws.environment()).ready();
        cluster.namespace("pay", &json!({"rolecall.dev/enforce": "chain"}), None);
        cluster.kubectl(&["annotate", "namespace", "pay", "rolecall.dev/identity=required"]);
        // Until the API server uses the registration.
        eventually("the first denial", PATIENCE, || {
            let error = cluster.try_pod("pay");
            if error.contains("[node-role-fallback]") { Ok(()) } else { Err(error) }
        });
        let warned = cluster.apply(&deployment("pay", "web", 2).to_string());
        assert!(warned.contains("must have an IAM identity, and none is configured"), "{warned}");
        let message = denied(&cluster, "pay", "node-role-fallback");
        assert!(message.contains("rolecall.dev/identity: required is set on namespace pay"), "{message}");
        assert!(message.contains("creates the pod again by itself"), "{message}");
        assert!(message.contains("kubectl rollout restart -n pay deployment/web"), "{message}");
        (cluster, server)
    });
    // What an operator creates later, in its order: the role, then the association.
    let role = aws.account.role("web", &Eks::pod_identity_trust()).create().await.unwrap();
    aws.cluster.association("pay", "app", &role).create().await.unwrap();
    tokio::task::block_in_place(|| {
        denied(&cluster, "pay", "injection-missing");
        assert_eq!(stored(&cluster, "pay"), Vec::<Value>::new(), "the injector does not know the association yet");
        // To measure: the later it is, the longer the ReplicaSet's pauses are by then.
        if let Some(seconds) = std::env::var("ROLECALL_LATE_SECONDS").ok().and_then(|text| text.parse().ok()) {
            std::thread::sleep(Duration::from_secs(seconds));
        }
        cluster.control("PUT", "/associations", &json!([{"namespace": "pay", "serviceAccount": "app"}]));
        let known = Instant::now();
        let pods = eventually("both pods", BACK_OFF, || {
            let pods = stored(&cluster, "pay");
            if pods.len() == 2 { Ok(pods) } else { Err(format!("{} pods", pods.len())) }
        });
        // For docs/concepts.md.
        let request = |event: &Value| {
            let time = |name: &str| event[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
            time("stageTimestamp").duration_since(time("requestReceivedTimestamp")).as_millis()
        };
        println!(
            "both pods were stored {:.1} s after the injector knew the association; their requests took {:?} ms",
            known.elapsed().as_secs_f64(),
            pods.iter().map(request).collect::<Vec<_>>()
        );
        for pod in pods.iter().map(|event| &event["responseObject"]) {
            let names = pod["spec"]["containers"][0]["env"].to_string();
            assert!(names.contains("AWS_CONTAINER_CREDENTIALS_FULL_URI"), "{pod}");
        }
    });
}
