//! The recorded reviews, over real TLS with a real HTTP/2 client.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod common;

use common::Server;
use serde_json::Value;

fn recorded() -> Vec<(String, Vec<u8>)> {
    let mut reviews: Vec<_> = std::fs::read_dir(common::test_file("fixtures/reviews"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap()))
        .collect();
    reviews.sort();
    assert_eq!(reviews.len(), 16);
    reviews
}

/// Every answer, in a form to read: as kubectl would show it, with the audit annotations.
async fn answers(server: &Server) -> String {
    let mut client = server.client().await;
    let mut text = String::new();
    for (name, body) in recorded() {
        let uid = serde_json::from_slice::<Value>(&body).unwrap()["request"]["uid"].clone();
        let (status, answer) = client.post("/validate", body).await.unwrap();
        assert_eq!(status, 200, "{name}");
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
        assert_eq!(answer["kind"], "AdmissionReview");
        let response = &answer["response"];
        assert_eq!(response["uid"], uid);
        assert!(response.get("patch").is_none() && response.get("patchType").is_none());
        text += &format!("## {name}: {}\n", if response["allowed"] == true { "admitted" } else { "denied" });
        if response["allowed"] != true {
            assert_eq!(
                (&response["status"]["code"], &response["status"]["reason"]),
                (&403.into(), &"Forbidden".into())
            );
            text += &format!("{}\n", response["status"]["message"].as_str().unwrap());
        }
        for warning in response["warnings"].as_array().into_iter().flatten() {
            text += &format!("Warning: {}\n", warning.as_str().unwrap());
        }
        for (key, value) in response["auditAnnotations"].as_object().unwrap() {
            text += &format!("  {key}: {}\n", value.as_str().unwrap());
        }
        text += "\n";
    }
    text
}

#[tokio::test]
async fn enforcing() {
    let directory = common::TempDir::new("config");
    let config = directory.file("rolecall.yaml", "enforce: chain\nwarn: strict\n");
    let server = Server::recorded(&["--config", config.to_str().unwrap(), "--cluster", "shop"]);
    common::assert_golden("recorded-enforce.txt", &answers(&server).await);
}

#[tokio::test]
async fn warning_and_auditing() {
    let directory = common::TempDir::new("config");
    let config = directory.file("rolecall.yaml", "enforce: strict\nwarn: strict\n");
    let warn = answers(&Server::recorded(&["--config", config.to_str().unwrap(), "--mode", "warn"])).await;
    assert!(!warn.contains(": denied") && warn.contains("Warning: "), "{warn}");
    let audit = answers(&Server::recorded(&["--config", config.to_str().unwrap(), "--mode", "audit"])).await;
    assert!(!audit.contains(": denied") && !audit.contains("Warning: ") && audit.contains("  rules: "), "{audit}");
}

/// The injector's work, predicted from the pod without it, is what was recorded.
#[test]
fn prediction_agrees_with_what_the_injector_did() {
    for (name, body) in recorded().into_iter().filter(|(name, _)| name.starts_with("pod-")) {
        let admitted: Value = serde_json::from_slice(&body).unwrap();
        let manifest = without_injection(&admitted["request"]["object"]);
        let directory = common::TempDir::new("predict");
        let review = directory.file("review.json", &admitted.to_string());
        let pod = directory.file("pod.json", &manifest.to_string());
        let workloads = |file: &std::path::Path| {
            let cluster = common::test_file("fixtures/cluster.yaml");
            let snapshot = common::test_file("fixtures/snapshot.json");
            let output = common::rolecall(&[
                "check",
                file.to_str().unwrap(),
                cluster.to_str().unwrap(),
                "--source",
                snapshot.to_str().unwrap(),
                "--format",
                "json",
            ]);
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            report["workloads"].clone()
        };
        assert_eq!(workloads(&review), workloads(&pod), "{name}");
    }
}

/// Takes out what the injector added: its variables where both of a pair are there, its volumes and mounts.
fn without_injection(pod: &Value) -> Value {
    const INJECTED: [&str; 4] = [
        "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
        "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token",
        "http://169.254.170.23/v1/credentials",
        "AWS_ROLE_ARN",
    ];
    let mut pod = pod.clone();
    let ours = |item: &Value| {
        let name = item["name"].as_str().unwrap_or_default();
        name == "aws-iam-token" || name == "eks-pod-identity-token"
    };
    pod["spec"]["volumes"].as_array_mut().into_iter().for_each(|volumes| volumes.retain(|volume| !ours(volume)));
    for list in ["containers", "initContainers"] {
        for container in pod["spec"][list].as_array_mut().into_iter().flatten() {
            container["volumeMounts"].as_array_mut().into_iter().for_each(|mounts| mounts.retain(|mount| !ours(mount)));
            let Some(env) = container["env"].as_array_mut() else { continue };
            let has_token = env.iter().any(|v| v["name"] == "AWS_WEB_IDENTITY_TOKEN_FILE");
            env.retain(|variable| {
                let injected = |part: &Value| part.as_str().is_some_and(|text| INJECTED.contains(&text));
                let role = variable["name"] == "AWS_ROLE_ARN";
                !(injected(&variable["value"]) || (role && has_token))
            });
        }
    }
    pod
}
