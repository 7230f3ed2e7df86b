//! Memory stays bounded, whatever arrives. The bound is that of docs/reliability.md for a server with a file as source; the
//! snapshot is small here.

use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

use super::common::{Server, TempDir, test_file};
use super::wire::{Raw, broken_pod, config, eventually, go, resident, response, tls};

/// The sum of the table without the pages of the program, and without AWS and a cluster.
const BOUND_MIB: usize = 116;

/// Sends all at once, each over a connection of its own; gives the answers.
async fn at_once(server: &Server, bodies: Vec<Vec<u8>>) -> Vec<(u16, Vec<u8>)> {
    let mut sending = Vec::new();
    for body in bodies {
        let mut client = server.client().await;
        sending.push(tokio::spawn(async move {
            let (status, answer) = client.post("/validate?timeout=30s", body).await.unwrap();
            (status.as_u16(), answer.to_vec())
        }));
    }
    let mut answers = Vec::new();
    for sent in sending {
        answers.push(sent.await.unwrap());
    }
    answers
}

/// Enforcing, with the setting of the allocator that deploy/manifests has.
fn enforcing(directory: &TempDir) -> Server {
    let config = config(directory, "enforce: chain");
    let (cluster, snapshot) = (test_file("fixtures/cluster.yaml"), test_file("fixtures/snapshot.json"));
    let environment = [("MIMALLOC_PURGE_DELAY", "0".to_owned())];
    Server::start_from(&cluster, &snapshot.display().to_string(), &["--config", &config], &environment)
}

fn assert_bounded(server: &Server, what: &str) {
    let most = resident(server.pid());
    println!("{what}: {most} MiB at most");
    assert!(most <= BOUND_MIB, "{what}: {most} MiB resident");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_reviews_stay_within_the_bound() {
    let directory = TempDir::new("memory");
    let server = enforcing(&directory);
    assert_bounded(&server, "at rest");

    let padded = |bytes: usize| {
        let mut review = broken_pod();
        review["request"]["object"]["spec"]["containers"][0]["args"] = json!(["<".repeat(bytes / 6)]);
        go(&review)
    };
    for (status, answer) in at_once(&server, vec![padded(3_000_000); 60]).await {
        assert_eq!(status, 200);
        let text = response(&answer).to_string();
        assert!(text.contains("role-arn-malformed") || text.contains("could not check"), "{text}");
    }
    assert_bounded(&server, "60 reviews of 3 MB");
    for (status, _) in at_once(&server, vec![padded(27_000_000); 4]).await {
        assert_eq!(status, 200);
    }
    assert_bounded(&server, "4 reviews of 27 MB");

    // Elements that take far more memory than their text.
    let with = |field: &str, element: &str, bytes: usize| {
        let mut text = String::from_utf8(go(&broken_pod())).unwrap();
        let at = text.find("\"spec\":").unwrap();
        let list = format!("{element},").repeat(bytes / (element.len() + 1));
        text.insert_str(at, &format!("\"spec\":{{\"{field}\":[{}{element}]}},", list));
        text.into_bytes()
    };
    for (field, element) in [
        ("containers", "{}"),
        ("containers", "{\"env\":[{}],\"args\":[\"\"]}"),
        ("volumes", "{\"projected\":{\"sources\":[{}]}}"),
        ("initContainers", "{\"command\":[\"\\n\",\"\\n\"]}"),
    ] {
        let answers = at_once(&server, vec![with(field, element, 20_000_000); 2]).await;
        for (status, answer) in answers {
            assert_eq!(status, 200);
            let text = response(&answer).to_string();
            assert!(
                text.contains("too many elements") || text.contains("could not check"),
                "{field} {element}: {text}"
            );
        }
        assert_bounded(&server, &format!("{field} of {element}"));
    }
    let labels = String::from_utf8(go(&broken_pod())).unwrap();
    let labels = labels.replacen("\"labels\":{", &format!("\"labels\":{{{}", "\"\":\"\",".repeat(3_000_000)), 1);
    at_once(&server, vec![labels.into_bytes(); 2]).await;
    assert_bounded(&server, "labels");
}

/// Values that are echoed are cut: in answers, annotations and the log.
#[tokio::test(flavor = "multi_thread")]
async fn echoed_values_are_cut() {
    let directory = TempDir::new("memory");
    let server = enforcing(&directory);
    let mut review = broken_pod();
    let long = "x".repeat(1 << 20);
    for container in review["request"]["object"]["spec"]["containers"].as_array_mut().unwrap() {
        for variable in container["env"].as_array_mut().unwrap() {
            if variable["name"] == "AWS_ROLE_ARN" {
                variable["value"] = json!(long);
            }
        }
    }
    for (status, answer) in at_once(&server, vec![go(&review); 20]).await {
        assert!(status == 200 && answer.len() < 64_000, "{} bytes", answer.len());
        assert_ne!(response(&answer)["auditAnnotations"]["decision"], "allow");
    }
    let line = server.audit_line(|line| line["decision"] != "allow");
    assert!(line.to_string().len() < 100_000, "{} bytes", line.to_string().len());
    // What is not even a review.
    for (field, value) in
        [("uid", json!(long)), ("operation", json!(long)), ("kind", json!({"kind": long})), ("userInfo", json!(long))]
    {
        let mut review = broken_pod();
        review["request"][field] = value;
        for (_, answer) in at_once(&server, vec![go(&review)]).await {
            assert!(answer.len() < 64_000, "{field}: {} bytes", answer.len());
        }
    }
    assert_bounded(&server, "values of 1 MiB");
}

/// Names that Kubernetes does not allow, but a client of the webhook can send.
#[tokio::test(flavor = "multi_thread")]
async fn long_names_are_checked_like_short_ones() {
    let directory = TempDir::new("names");
    let server = enforcing(&directory);
    let long = "irsa-trust-".repeat(1 << 17);
    let mut reviews = Vec::new();
    for (at, kind) in
        [("annotations", "rolecall.dev/"), ("labels", "rolecall.dev/"), ("annotations", "eks.amazonaws.com/")]
    {
        let mut review = broken_pod();
        review["request"]["object"]["metadata"][at][format!("{kind}{long}")] = json!("x");
        reviews.push(review);
    }
    let mut review = broken_pod();
    review["request"]["object"]["metadata"]["annotations"] = json!({"rolecall.dev/ignore": long});
    reviews.push(review);
    for (place, field) in [
        ("/request", "namespace"),
        ("/request/object/metadata", "namespace"),
        ("/request/object/spec", "serviceAccountName"),
    ] {
        let mut review = broken_pod();
        review.pointer_mut(place).unwrap()[field] = json!(long);
        reviews.push(review);
    }
    // The role exists, and its trust policy names another subject.
    let mut review = broken_pod();
    for container in review["request"]["object"]["spec"]["containers"].as_array_mut().unwrap() {
        for variable in container["env"].as_array_mut().unwrap() {
            if variable["name"] == "AWS_ROLE_ARN" {
                variable["value"] = json!("arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo");
            }
        }
    }
    review["request"]["namespace"] = json!(long);
    reviews.push(review);
    for review in reviews {
        for (status, answer) in at_once(&server, vec![go(&review)]).await {
            assert!(status == 200 && answer.len() < 64_000, "{} bytes", answer.len());
            assert_eq!(response(&answer)["allowed"], false);
        }
    }
    assert_bounded(&server, "names of 1 MiB");
}

/// Thousands of containers, each broken in another way.
#[tokio::test(flavor = "multi_thread")]
async fn many_findings_stay_within_the_bound() {
    let directory = TempDir::new("memory");
    let server = enforcing(&directory);
    let mut review = broken_pod();
    let container = |i: usize| {
        json!({"name": format!("c{i}"), "image": "i", "env": [
            {"name": "AWS_ROLE_ARN", "value": format!("arn:aws:iam::111122223333:role/r{i}")},
            {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": format!("/v{i}/token")},
            {"name": "AWS_ACCESS_KEY_ID", "value": "x"}]})
    };
    review["request"]["object"]["spec"]["containers"] = (0..8_000).map(container).collect::<Vec<Value>>().into();
    for (status, answer) in at_once(&server, vec![go(&review); 2]).await {
        assert!(status == 200 && answer.len() < 64_000);
        assert_eq!(response(&answer)["allowed"], false);
    }
    assert_bounded(&server, "8,000 broken containers");
}

/// Answers that nobody takes: HTTP/2 without a window for them.
#[tokio::test(flavor = "multi_thread")]
async fn unread_answers_time_out() {
    let directory = TempDir::new("memory");
    let config = config(&directory, "enforce: chain\nlimits: {handshakeSeconds: 2}");
    let server = Server::recorded(&["--config", &config]);
    let stream = tls(server.reviews, &server.ca_pem, b"h2").await;
    let executor = hyper_util::rt::TokioExecutor::new();
    let mut builder = hyper::client::conn::http2::Builder::new(executor);
    builder.initial_stream_window_size(0).initial_connection_window_size(65_535);
    let (mut sender, connection) = builder.handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut responses = Vec::new();
    for _ in 0..20 {
        let request = hyper::Request::post(format!("https://{}/validate", server.reviews));
        let request = request.body(Full::new(Bytes::from(go(&broken_pod())))).unwrap();
        sender.ready().await.unwrap();
        responses.push(sender.send_request(request).await.unwrap());
    }
    let start = std::time::Instant::now();
    let ended = tokio::time::timeout(Duration::from_secs(15), connection).await;
    assert!(ended.is_ok(), "the connection is kept");
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    let cut = || server.metric("rolecall_connections_cut_total{port=\"reviews\",reason=\"unread\"}");
    eventually("the connection is counted as cut", || cut() == 1.0);
    for response in responses {
        assert!(response.into_body().collect().await.is_err(), "an answer came without a window for it");
    }
}

/// Standard error is a pipe that nobody reads.
#[tokio::test(flavor = "multi_thread")]
async fn an_unread_log_stays_bounded_and_is_counted() {
    let server = Raw::start(Stdio::piped(), "");
    let mut review = broken_pod();
    review["request"]["name"] = json!("x".repeat(16_000));
    let body = go(&review);
    let mut client = server.client().await;
    for _ in 0..700 {
        assert_eq!(client.post("/validate", body.clone()).await.unwrap().0, 200);
    }
    assert!(server.metric("rolecall_log_lines_lost_total") > 20.0);
    let most = resident(server.child.id());
    assert!(most <= BOUND_MIB, "{most} MiB resident");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_is_counted() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let server = Raw::start(Stdio::from(full), "");
    let mut client = server.client().await;
    for _ in 0..500 {
        assert_eq!(client.post("/validate", go(&broken_pod())).await.unwrap().0, 200);
    }
    eventually("all lines are counted as lost", || server.metric("rolecall_log_lines_lost_total") >= 500.0);
}
