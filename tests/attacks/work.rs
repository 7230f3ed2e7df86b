//! Reviews that make rolecall work: each part of an object in thousands, and requests that are taken back in bulk. A broken
//! container in the middle is denied all the same.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Map, Value, json};

use super::common::{Server, TempDir};
use super::wire::{broken_pod, config, eventually, go, response, tls};

fn enforcing() -> (Server, TempDir) {
    let directory = TempDir::new("work");
    let config = config(&directory, "enforce: chain\nwarn: strict");
    (Server::recorded(&["--config", &config]), directory)
}

async fn is_denied(server: &Server, what: &str, review: &Value, rule: &str) {
    let (status, answer) = server.client().await.post("/validate?timeout=30s", go(review)).await.unwrap();
    assert_eq!(status, 200, "{what}");
    let response = response(&answer);
    assert_eq!(response["allowed"], false, "{what}: {response}");
    let message = response["status"]["message"].as_str().unwrap();
    assert!(message.contains(rule), "{what}: {message}");
    assert!(answer.len() < 40_000, "{what}: an answer of {} bytes", answer.len());
}

/// Containers with a role and a token of their own each.
fn with_roles(count: usize) -> Vec<Value> {
    let container = |index: usize| {
        json!({"name": format!("c{index}"), "image": "i", "env": [
            {"name": "AWS_ROLE_ARN", "value": format!("arn:aws:iam::111122223333:role/eks-workshop-carts-dynam{index}")},
            {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"}],
            "volumeMounts": [{"name": "aws-iam-token", "mountPath": "/var/run/secrets/eks.amazonaws.com/serviceaccount"}]})
    };
    (0..count).map(container).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_in_thousands_do_not_hide_what_is_broken() {
    let (server, _directory) = enforcing();
    let pod = |change: &dyn Fn(&mut Value)| {
        let mut review = broken_pod();
        change(&mut review["request"]["object"]);
        review
    };
    let annotations = |name: &dyn Fn(usize) -> String, count: usize| {
        let all: Map<String, Value> = (0..count).map(|index| (name(index), json!("1"))).collect();
        pod(&|object| object["metadata"]["annotations"] = all.clone().into())
    };
    let cases = [
        ("annotations of its own", annotations(&|index| format!("rolecall.dev/{index}"), 10_000)),
        ("annotations like the injector's", annotations(&|index| format!("eks.amazonaws.com/role{index}"), 8_000)),
        ("small annotations", annotations(&|index| index.to_string(), 40_000)),
        (
            "labels",
            pod(&|object| {
                let all: Map<String, Value> = (0..10_000).map(|i| (format!("rolecall.dev/{i}"), json!("1"))).collect();
                object["metadata"]["labels"] = all.into();
            }),
        ),
        (
            "exemptions",
            pod(&|object| {
                object["metadata"]["annotations"] = json!({"rolecall.dev/ignore": "zzz,".repeat(60_000)});
            }),
        ),
        (
            "owners",
            pod(&|object| {
                let owner = |i: usize| json!({"apiVersion": "v1", "kind": "A", "name": format!("o{i}"), "uid": "u"});
                object["metadata"]["ownerReferences"] = (0..20_000).map(owner).collect::<Vec<_>>().into();
            }),
        ),
        ("roles", pod(&|object| object["spec"]["containers"].as_array_mut().unwrap().extend(with_roles(4_000)))),
        (
            "roles of init containers",
            pod(&|object| object["spec"]["initContainers"].as_array_mut().unwrap().extend(with_roles(4_000))),
        ),
        (
            "wide unknown fields",
            pod(&|object| {
                let spec = object["spec"].as_object_mut().unwrap();
                spec.extend((0..60_000).map(|index| (format!("x-{index}"), json!({"a": [index]}))));
            }),
        ),
        (
            "volumes",
            pod(&|object| {
                let volume = |i: usize| {
                    json!({"name": format!("v{i}"), "projected": {"sources": [
                {"serviceAccountToken": {"audience": format!("a{i}"), "path": "token"}}]}})
                };
                object["spec"]["volumes"].as_array_mut().unwrap().extend((0..8_000).map(volume));
            }),
        ),
    ];
    for (what, review) in &cases {
        is_denied(&server, what, review, "role-arn-malformed").await;
    }
    let mut deep = String::from_utf8(go(&broken_pod())).unwrap();
    let at = deep.find("\"spec\":").unwrap();
    deep.insert_str(at, &format!("\"x-deep\":{}1{},", "{\"x-a\":[".repeat(50_000), "]}".repeat(50_000)));
    let (status, answer) = server.client().await.post("/validate?timeout=30s", deep.into_bytes()).await.unwrap();
    let response = response(&answer);
    assert!(status == 200 && (response["allowed"] == false || response["warnings"][0].is_string()), "{response}");
}

/// An update that adds thousands of debug containers to a pod with thousands of containers.
#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_debug_containers_are_checked() {
    let (server, _directory) = enforcing();
    let mut review = super::common::json_file("fixtures/reviews/pod-irsa-create.json");
    let mut old = review["request"]["object"].clone();
    let healthy = old["spec"]["containers"][0].clone();
    old["spec"]["containers"].as_array_mut().unwrap().extend((0..2_000).map(|index| {
        let mut container = healthy.clone();
        container["name"] = json!(format!("c{index}"));
        container
    }));
    let mut new = old.clone();
    let mut debug = with_roles(2_000);
    for (index, container) in debug.iter_mut().enumerate() {
        container["name"] = json!(format!("debug-{index}"));
    }
    new["spec"]["ephemeralContainers"] = debug.into();
    let request = &mut review["request"];
    (request["operation"], request["subResource"]) = (json!("UPDATE"), json!("ephemeralcontainers"));
    (request["object"], request["oldObject"]) = (new, old);
    // The first of them leads; their roles do not exist.
    is_denied(&server, "debug containers", &review, "role-missing").await;
}

/// Requests that are taken back as soon as they are sent (CVE-2023-44487), on one connection and on several.
#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_reset_in_bulk_stop_nothing() {
    let (server, _directory) = enforcing();
    let body = Bytes::from(go(&broken_pod()));
    let mut flooding = Vec::new();
    for _ in 0..4 {
        let stream = tls(server.reviews, &server.ca_pem, b"h2").await;
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake::<_, _, Full<Bytes>>(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        let connection = tokio::spawn(connection);
        let (address, body) = (server.reviews, body.clone());
        flooding.push(tokio::spawn(async move {
            for _ in 0..2_000 {
                let request = hyper::Request::post(format!("https://{address}/validate")).body(Full::new(body.clone()));
                if sender.ready().await.is_err() {
                    break;
                }
                drop(sender.send_request(request.unwrap()));
                tokio::task::yield_now().await;
            }
            drop(sender);
            let _ = connection.await;
        }));
    }
    let mut client = server.client().await;
    let mut answered = 0;
    while !flooding.iter().all(tokio::task::JoinHandle::is_finished) {
        let (_, answer) = client.post("/validate?timeout=5s", body.to_vec()).await.unwrap();
        assert_eq!(response(&answer)["allowed"], false);
        answered += 1;
    }
    for flood in flooding {
        flood.await.unwrap();
    }
    drop(client);
    assert!(answered > 0);
    let server = Arc::new(server);
    eventually("the connections are gone", || server.metric("rolecall_connections{port=\"reviews\"}") == 0.0);
    is_denied(&server, "afterwards", &broken_pod(), "role-arn-malformed").await;
}
