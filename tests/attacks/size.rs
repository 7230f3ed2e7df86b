//! A pod author makes the review large, so that it is not checked.

use serde_json::{Value, json};

use super::common::{self, Server, TempDir};
use super::wire::{broken_pod, config, go, response, tls};

/// The largest object that etcd takes with its own limits (`--max-request-bytes`).
const ETCD_BYTES: usize = 1_572_864;
/// The largest request that the API server takes (`MaxRequestBodyBytes`).
const REQUEST_BYTES: usize = 3 << 20;

fn enforcing(more: &str) -> (Server, TempDir) {
    let directory = TempDir::new("size");
    let config = config(&directory, &format!("enforce: chain\n{more}"));
    (Server::recorded(&["--config", &config]), directory)
}

/// Is denied for what is wrong with it, not for its size.
async fn is_denied(server: &Server, what: &str, review: &Value) {
    let body = go(review);
    let size = body.len();
    let (status, answer) = server.client().await.post("/validate?timeout=30s", body).await.unwrap();
    assert_eq!(status, 200, "{what}");
    let response = response(&answer);
    assert_eq!(response["allowed"], false, "{what}, {size} bytes: {response}");
    assert!(response["status"]["message"].as_str().unwrap().contains("role-arn-malformed"), "{what}: {response}");
    assert!(answer.len() < 40_000, "{what}: an answer of {} bytes", answer.len());
}

fn with_args(mut review: Value, object: &str, bytes: usize) -> Value {
    review["request"][object]["spec"]["containers"][0]["args"] = json!(["<".repeat(bytes)]);
    review
}

/// An update of a good pod by a debug container that is not: the pod as it was is sent along.
fn debugged(bytes: usize) -> Value {
    let mut review = common::json_file("fixtures/reviews/pod-irsa-create.json");
    let mut old = review["request"]["object"].clone();
    old["spec"]["containers"][0]["args"] = json!(["<".repeat(bytes)]);
    let mut new = old.clone();
    let debug = &mut broken_pod()["request"]["object"]["spec"]["containers"][0];
    debug["name"] = json!("debug");
    new["spec"]["ephemeralContainers"] = json!([debug]);
    let request = &mut review["request"];
    request["operation"] = json!("UPDATE");
    request["subResource"] = json!("ephemeralcontainers");
    request["object"] = new;
    request["oldObject"] = old;
    review
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_pod_is_checked_like_a_small_one() {
    let (server, _directory) = enforcing("");
    is_denied(&server, "small", &broken_pod()).await;
    // 7.1 MiB after Go's escaping.
    is_denied(&server, "1.18 MiB of <", &with_args(broken_pod(), "object", 1_237_000)).await;
    is_denied(&server, "the largest object", &with_args(broken_pod(), "object", ETCD_BYTES)).await;
    let mut many = broken_pod();
    let variable = |i: usize| json!({"name": format!("V{i}"), "value": "<"});
    let variables: Vec<Value> = (0..100_000).map(variable).collect();
    let env = many["request"]["object"]["spec"]["containers"][0]["env"].as_array_mut().unwrap();
    env.extend(variables);
    is_denied(&server, "100,000 variables", &many).await;
    let mut many = broken_pod();
    let containers = many["request"]["object"]["spec"]["containers"].as_array_mut().unwrap();
    let first = containers[0].clone();
    containers.extend((0..16_000).map(|i| {
        let image = "i";
        json!({"name": format!("c{i}"), "image": image, "resources": {}, "imagePullPolicy": "Always",
               "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"})
    }));
    containers.push(first);
    is_denied(&server, "16,000 containers", &many).await;
    let mut many = broken_pod();
    let annotations = (0..8_000).map(|i| (format!("k{i}"), json!("<".repeat(20)))).collect::<serde_json::Map<_, _>>();
    many["request"]["object"]["metadata"]["annotations"] = annotations.into();
    is_denied(&server, "annotations", &many).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debug_container_on_a_large_pod_is_checked() {
    let (server, _directory) = enforcing("");
    is_denied(&server, "620 kB of <", &debugged(620_000)).await;
    is_denied(&server, "the largest that is stored, twice", &debugged(ETCD_BYTES)).await;
    // The largest that an API server sends: a request of 3 MiB over a stored object. It will not be stored.
    let mut review = debugged(ETCD_BYTES);
    review["request"]["object"]["spec"]["containers"][0]["args"] = json!(["<".repeat(REQUEST_BYTES)]);
    let size = go(&review).len();
    assert!((27 << 20..28 << 20).contains(&size), "{size}");
    is_denied(&server, "the largest that is sent", &review).await;
}

/// Past the limit `onError` decides, with a proper answer and a line that says who sent what.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_the_limit_is_answered_by_on_error() {
    for (on_error, allowed) in [("allow", true), ("deny", false)] {
        let (server, _directory) = enforcing(&format!("onError: {on_error}\nlimits: {{bodyBytes: 1048576}}"));
        let review = with_args(broken_pod(), "object", 1_000_000);
        let (status, answer) = server.client().await.post("/validate", go(&review)).await.unwrap();
        let response = response(&answer);
        assert_eq!((status.as_u16(), &response["allowed"]), (200, &json!(allowed)), "{response}");
        assert_eq!(response["uid"], review["request"]["uid"]);
        let text = if allowed { &response["warnings"][0] } else { &response["status"]["message"] };
        assert!(text.as_str().unwrap().contains("larger than 1048576 bytes"), "{response}");
        assert_eq!(server.metric("rolecall_review_errors_total{error=\"body-too-large\"}"), 1.0);
        let line = server.audit_line(|line| line["error"] == "body-too-large");
        for (field, value) in [("user", "admin"), ("namespace", "carts"), ("name", "badarn"), ("kind", "Pod")] {
            assert_eq!(line[field], value, "{line}");
        }
        assert_eq!(line["decision"], if allowed { "warn" } else { "deny" });
        // Not so where nothing is checked anyway.
        for (pointer, value) in [("/request/operation", "DELETE"), ("/request/kind/kind", "Widget")] {
            let mut other = review.clone();
            *other.pointer_mut(pointer).unwrap() = json!(value);
            let (_, answer) = server.client().await.post("/validate", go(&other)).await.unwrap();
            let response = super::wire::response(&answer);
            assert!(response["allowed"] == true && response["warnings"].is_null(), "{pointer}: {response}");
        }
        // A body that does not say how long it is.
        let (head, body) = over_http_1(&server, &go(&review)).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(super::wire::response(body.as_bytes())["allowed"], allowed, "{body}");
        // Nobody to answer to.
        let (status, answer) = server.client().await.post("/validate", vec![b' '; 2 << 20]).await.unwrap();
        assert!(status == 413 && String::from_utf8_lossy(&answer).contains("limits.bodyBytes"));
    }
}

/// Posts a body in chunks over HTTP/1.1.
async fn over_http_1(server: &Server, body: &[u8]) -> (String, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tls(server.reviews, &server.ca_pem, b"http/1.1").await;
    let head = "POST /validate HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    for chunk in body.chunks(100_000) {
        stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await.unwrap();
        stream.write_all(chunk).await.unwrap();
        stream.write_all(b"\r\n").await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// Clients that announce large reviews and do not send them take the memory for large ones, until they are cut. Small
/// reviews are checked meanwhile; a large one waits, and past its deadline `onError` answers it.
#[tokio::test(flavor = "multi_thread")]
async fn slow_large_reviews_do_not_stop_small_ones() {
    use tokio::io::AsyncWriteExt;
    let (server, _directory) = enforcing("onError: deny\nlimits: {handshakeSeconds: 4}");
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut stream = tls(server.reviews, &server.ca_pem, b"http/1.1").await;
        let head = "POST /validate HTTP/1.1\r\nhost: x\r\ncontent-length: 25000000\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b' '; 50_000]).await.unwrap();
        slow.push(stream);
    }
    // Until both were read.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let mut client = server.client().await;
    let (_, answer) = client.post("/validate", go(&broken_pod())).await.unwrap();
    assert!(response(&answer)["status"]["message"].as_str().unwrap().contains("role-arn-malformed"));
    let large = go(&with_args(broken_pod(), "object", ETCD_BYTES));
    let (_, answer) = client.post("/validate?timeout=1s", large.clone()).await.unwrap();
    let late = response(&answer);
    // One of the two has its place, the other waits for it too.
    if late["status"]["message"].as_str().unwrap_or_default().contains("too many large reviews") {
        assert_eq!(server.metric("rolecall_review_errors_total{error=\"overloaded\"}"), 1.0);
    } else {
        panic!("{late}");
    }
    // It is over when they are cut.
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    let (_, answer) = client.post("/validate", large).await.unwrap();
    assert!(response(&answer)["status"]["message"].as_str().unwrap().contains("role-arn-malformed"));
    drop(slow);
}
