//! What cannot be understood: a designed answer for each, a metric for each, no panic, no unbounded memory.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod common;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use common::Server;
use http_body_util::BodyExt;
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::ServiceExt;

const LIMIT: usize = 28 << 20;

fn recorded_pod() -> Value {
    common::json_file("fixtures/reviews/pod-irsa-create.json")
}

fn state(config: &str, mode: rolecall_core::decision::Mode) -> std::sync::Arc<rolecall::server::State> {
    let config = rolecall::config::Config::parse(config).unwrap();
    let conventions = config.conventions();
    let files = [common::test_file("fixtures/cluster.yaml").display().to_string()];
    let cluster = rolecall::sources::Manifests::load(&files).unwrap().cluster(&conventions).unwrap();
    let snapshot = rolecall_core::snapshot::Snapshot::parse(&common::text("fixtures/snapshot.json")).unwrap();
    let world = rolecall_core::world::World::new(std::sync::Arc::new(snapshot), cluster, conventions);
    rolecall::server::State::new(rolecall::live::WorldState::new(world), config.settings(mode), config.limits)
}

async fn post_to(state: std::sync::Arc<rolecall::server::State>, body: Vec<u8>) -> (StatusCode, String) {
    let request = Request::post("/validate?timeout=30s").body(Body::from(body)).unwrap();
    let response = rolecall::server::router(state).oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn post(body: impl Into<Vec<u8>>) -> (StatusCode, String) {
    post_to(state("enforce: strict", rolecall_core::decision::Mode::Enforce), body.into()).await
}

/// An answer that lets the object pass with one warning that says `what`.
async fn passes_with_warning(body: impl Into<Vec<u8>>, what: &str) {
    let (status, text) = post(body).await;
    assert_eq!(status, 200, "{text}");
    let answer: Value = serde_json::from_str(&text).unwrap();
    let response = &answer["response"];
    assert_eq!(response["uid"], recorded_pod()["request"]["uid"], "{text}");
    assert_eq!(response["allowed"], true, "{text}");
    let warnings = response["warnings"].as_array().unwrap_or_else(|| panic!("{text}"));
    assert!(warnings.len() == 1 && warnings[0].as_str().unwrap().contains(what), "{what}: {text}");
    assert_eq!(response["auditAnnotations"]["decision"], "warn");
}

#[tokio::test]
async fn another_type_than_an_admission_review_of_v1_is_named() {
    for (field, value, what) in [
        ("apiVersion", "admission.k8s.io/v1beta1", "admissionReviewVersions: [v1]"),
        ("apiVersion", "v1", "an AdmissionReview of v1, this webhook answers admission.k8s.io/v1"),
        ("kind", "ConversionReview", "of kind ConversionReview; an AdmissionReview is expected"),
        ("kind", "Pod", "of kind Pod"),
    ] {
        for is_broken in [false, true] {
            let mut review = recorded_pod();
            review[field] = value.into();
            if is_broken {
                review["request"]["object"]["spec"] = 7.into();
            }
            let (status, text) = post(review.to_string()).await;
            assert!(status == 400 && text.contains(what), "{value}: {status} {text}");
        }
    }
    let mut review = recorded_pod();
    review.as_object_mut().unwrap().retain(|field, _| field == "request");
    assert_eq!(post(review.to_string()).await.0, 200, "a body that does not say its type is read");
}

#[tokio::test]
async fn without_a_uid_there_is_nobody_to_answer_to() {
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", b"".to_vec()),
        ("not an AdmissionReview in JSON", b"{".to_vec()),
        ("not an AdmissionReview in JSON", b"hello".to_vec()),
        ("not an AdmissionReview in JSON", b"[]".to_vec()),
        ("no `request`", b"{}".to_vec()),
        ("no `request`", b"{\"request\": null}".to_vec()),
        ("no `request.uid`", b"{\"request\": {}}".to_vec()),
        ("no `request.uid`", b"{\"request\": {\"uid\": \"\"}}".to_vec()),
        ("invalid type", b"{\"request\": {\"uid\": 7}}".to_vec()),
        ("duplicate field `uid`", b"{\"request\": {\"uid\": \"a\", \"uid\": \"b\"}}".to_vec()),
        ("not UTF-8: byte 21", b"{\"request\": {\"uid\": \"\xff\"}}".to_vec()),
        ("not an AdmissionReview in JSON", b"{\"request\": {\"uid\": \"a\"}} x".to_vec()),
    ];
    for (what, body) in cases {
        let (status, text) = post(body.clone()).await;
        assert_eq!(status, 400, "{}: {text}", String::from_utf8_lossy(&body));
        assert!(text.contains(what) && text.ends_with('\n') && text.lines().count() == 1, "{what}: {text}");
    }
}

#[tokio::test]
async fn an_object_that_cannot_be_understood_passes_with_a_warning() {
    let with = |pointer: &str, value: Value| {
        let mut review = recorded_pod();
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        review.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}"))[field] = value;
        review.to_string()
    };
    passes_with_warning(with("/request/object", json!(null)), "request.object: is absent").await;
    passes_with_warning(with("/request/object", json!("pod")), "request.object: invalid type").await;
    passes_with_warning(with("/request/object/spec", json!(null)), "request.object.spec: is absent").await;
    passes_with_warning(with("/request/object/spec", json!([])), "no containers").await;
    passes_with_warning(with("/request/object/metadata/annotations", json!({"a": 1})), "annotations").await;
    passes_with_warning(with("/request/object/metadata/labels", json!(["a"])), "labels").await;
    passes_with_warning(with("/request/object/spec/containers", json!({})), "containers").await;
    passes_with_warning(with("/request/object/spec/containers/0/env", json!([7])), "env").await;
    passes_with_warning(with("/request/object/spec/serviceAccountName", json!({})), "serviceAccountName").await;
    passes_with_warning(
        with("/request/namespace", json!("x")).replace("\"spec\":{", "\"spec\":null,\"spec\":{"),
        "spec",
    )
    .await;
}

#[tokio::test]
async fn nulls_absent_fields_and_unknown_ones_are_no_fault() {
    let mut review = recorded_pod();
    review["request"]["object"]["spec"]["volumes"] = Value::Null;
    review["request"]["object"]["spec"]["initContainers"] = Value::Null;
    review["request"]["object"]["metadata"]["annotations"] = Value::Null;
    review["request"]["object"]["metadata"]["labels"] = Value::Null;
    review["request"]["object"]["spec"]["containers"][0]["env"] = Value::Null;
    review["request"]["object"]["spec"]["fieldOfTomorrow"] = json!({"a": [1, 2, {"b": null}]});
    review["request"]["futureField"] = json!(true);
    review["request"].as_object_mut().unwrap().remove("dryRun");
    let (status, text) = post(review.to_string()).await;
    assert_eq!(status, 200);
    assert!(!text.contains("could not judge"), "{text}");
}

#[tokio::test]
async fn unknown_kinds_operations_and_subresources_pass_silently() {
    let mut reviews = Vec::new();
    for kind in
        [json!({"group": "example.com", "version": "v1", "kind": "Deployment"}), json!({"kind": "Widget"}), json!(null)]
    {
        let mut review = recorded_pod();
        review["request"]["kind"] = kind;
        review["request"]["object"] = json!({"spec": 7, "metadata": []});
        reviews.push(review);
    }
    for (operation, subresource) in
        [("DELETE", ""), ("CONNECT", "exec"), ("UPDATE", "status"), ("UPDATE", ""), ("CREATE", "binding")]
    {
        let mut review = common::json_file("fixtures/reviews/pod-badarn-create.json");
        review["request"]["operation"] = operation.into();
        review["request"]["subResource"] = subresource.into();
        if operation == "DELETE" {
            review["request"]["object"] = Value::Null;
        }
        reviews.push(review);
    }
    for review in reviews {
        let (status, text) = post(review.to_string()).await;
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((status.as_u16(), &answer["response"]["allowed"]), (200, &json!(true)), "{review}: {text}");
        assert!(answer["response"]["warnings"].is_null(), "{review}: {text}");
    }
}

#[tokio::test]
async fn in_enforce_the_operator_chooses_what_the_unreadable_gets() {
    use rolecall_core::decision::Mode;
    let mut review = recorded_pod();
    review["request"]["object"]["spec"]["containers"] = json!(7);
    let allowed = async |config: &str, mode| {
        let (_, text) = post_to(state(config, mode), review.to_string().into()).await;
        serde_json::from_str::<Value>(&text).unwrap()["response"]["allowed"] == true
    };
    assert!(!allowed("{enforce: chain, onError: deny}", Mode::Enforce).await);
    assert!(allowed("{enforce: chain, onError: allow}", Mode::Enforce).await);
    assert!(allowed("{enforce: chain, onError: deny}", Mode::Warn).await);
    assert!(allowed("{enforce: chain, onError: deny}", Mode::Audit).await);
    assert!(allowed("{enforce: off, onError: deny}", Mode::Enforce).await, "a namespace that enforces nothing");
}

/// Nesting must neither overflow the stack nor take time out of proportion, in what is read and in what is passed over.
#[tokio::test]
async fn deep_nesting_is_answered() {
    let depth = 1_000_000;
    let uid = "a";
    let frame = |object: String| {
        format!(
            r#"{{"request":{{"uid":"{uid}","kind":{{"group":"","kind":"Pod"}},"operation":"CREATE","object":{object}}}}}"#
        )
    };
    let deep = |open: &str, close: &str, times: usize| format!("{}1{}", open.repeat(times), close.repeat(times));
    let bodies = [
        deep("[", "]", depth),
        "[".repeat(depth),
        "{\"a\":".repeat(depth),
        frame(deep("[", "]", depth)),
        frame(format!(r#"{{"metadata":{{"managedFields":{}}},"spec":{{}}}}"#, deep("[", "]", depth))),
        frame(format!(r#"{{"spec":{{"containers":[{{"ports":{}}}]}}}}"#, deep("{\"a\":", "}", depth))),
        frame(deep("{\"spec\":{\"template\":", "}}", 200_000)),
        frame(deep("{\"spec\":{\"jobTemplate\":", "}}", 200_000)),
        // A wrong escape must not lead a reader past the end of its string, into brackets that it did not count.
        format!(r#"{{"request":{{"uid":"u","options":{{"a":"\u"aaa","x":{}"#, "[".repeat(24_000)),
        format!(r#"{{"request":{{"uid":"u","options":{{"a":"\u"aaa","x":{}"#, "[".repeat(depth)),
        format!(r#"{{"request":{{"uid":"u","options":{{"a":"\","x":{}"#, "{\"a\":".repeat(depth)),
        format!(r#"{{"request":{{"uid":"u","options":{{"a":"\ud800\u"","x":{}"#, "[".repeat(depth)),
        format!("{{\"request\":{{\"uid\":\"u\",\"options\":{{\"a\":\"\u{1}\",\"x\":{}", "[".repeat(depth)),
    ];
    for body in bodies {
        assert!(body.len() < LIMIT);
        let start = body.chars().take(120).collect::<String>();
        let (status, text) = post(body).await;
        assert!(status == 400 || status == 200, "{start}: {status} {text}");
        assert!(text.len() < 2_000, "{start}: an answer of {} bytes", text.len());
    }
}

#[tokio::test]
async fn many_small_things_are_answered() {
    let mut review = recorded_pod();
    let names = |count: usize| (0..count).map(|i| (format!("k{i}"), json!("v"))).collect::<serde_json::Map<_, _>>();
    review["request"]["object"]["metadata"]["annotations"] = names(100_000).into();
    review["request"]["object"]["spec"]["nodeSelector"] = names(20_000).into();
    let skipped = (0..40_000).map(|i| format!("c{i}")).collect::<Vec<_>>().join(",");
    review["request"]["object"]["metadata"]["annotations"]["eks.amazonaws.com/skip-containers"] = skipped.into();
    // None of these has its token where its variable says, and each has a source of variables of its own.
    let container = |i: usize| {
        json!({
            "name": format!("x{i}"), "image": "i",
            "env": [{"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::111122223333:role/x"},
                    {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": format!("/v{i}/token")}],
            "envFrom": [{"secretRef": {"name": format!("aws-{i}")}}],
            "volumeMounts": [{"name": format!("v{i}"), "mountPath": format!("/v{i}")}],
        })
    };
    let count = 4_000;
    review["request"]["object"]["spec"]["containers"] = (0..count).map(container).collect::<Vec<_>>().into();
    let volume =
        |i: usize| json!({"name": format!("v{i}"), "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}});
    review["request"]["object"]["spec"]["volumes"] = (0..count).map(volume).collect::<Vec<_>>().into();
    assert!(review.to_string().len() < LIMIT);
    let (status, text) = post(review.to_string()).await;
    assert_eq!(status, 200);
    assert!(text.len() < 20_000, "{}", text.len());
}

#[tokio::test]
async fn over_tls_sizes_are_limited_and_faults_are_counted() {
    let server = Server::recorded(&[]);
    let mut client = server.client().await;
    let (status, body) = client.post("/validate", vec![b' '; LIMIT + 1]).await.unwrap();
    assert_eq!(status, 413);
    assert!(String::from_utf8_lossy(&body).contains("limits.bodyBytes"));
    let mut client = server.client().await;
    let (status, _) = client.post("/validate", b"{}".to_vec()).await.unwrap();
    assert_eq!(status, 400);
    let mut review = recorded_pod();
    review["request"]["object"]["spec"]["containers"] = json!(7);
    let (status, _) = client.post("/validate", review.to_string().into()).await.unwrap();
    assert_eq!(status, 200);
    assert_eq!(client.post("/other", b"{}".to_vec()).await.unwrap().0, 404);
    for error in ["body-too-large", "unreadable-request", "unreadable-object"] {
        assert_eq!(server.metric(&format!("rolecall_review_errors_total{{error=\"{error}\"}}")), 1.0);
    }
    let line = server.audit_line(|line| line["error"] == "unreadable-object");
    assert_eq!(line["decision"], "warn");
    assert!(line["detail"].as_str().unwrap().contains("containers"));
    // Who created what can be found though the object cannot be understood.
    let request = &recorded_pod()["request"];
    for (field, expected) in [
        ("uid", &request["uid"]),
        ("operation", &request["operation"]),
        ("kind", &request["kind"]["kind"]),
        ("namespace", &request["namespace"]),
        ("name", &request["name"]),
        ("user", &request["userInfo"]["username"]),
    ] {
        assert_eq!(line[field], *expected, "{field}");
    }
    // A proper review is answered all the same.
    let (status, _) = client.post("/validate", recorded_pod().to_string().into()).await.unwrap();
    assert_eq!(status, 200);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    /// Whatever comes, there is an answer: 400 with a line, or an AdmissionReview with the uid.
    #[test]
    fn damaged_reviews_are_answered(at in 0usize..5_000, cut in 0usize..40, put in "[\\x00-\\x7f\u{e9}]{0,6}") {
        let mut body = recorded_pod().to_string().into_bytes();
        let at = at.min(body.len());
        let end = (at + cut).min(body.len());
        body.splice(at..end, put.bytes());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (status, text) = runtime.block_on(post(body));
        if status == 200 {
            let answer: Value = serde_json::from_str(&text).unwrap();
            prop_assert!(answer["response"]["uid"].is_string() && answer["response"]["allowed"].is_boolean());
        } else {
            prop_assert_eq!(status, 400);
            prop_assert_eq!(text.lines().count(), 1, "{}", text);
        }
    }

    /// Texts of any kind, escaped as JSON wants it, arrive as they were written.
    #[test]
    fn texts_arrive_as_they_are_written(texts in proptest::collection::vec("\\PC{0,8}|[\"\\\\\\x00-\\x1f]{0,4}|\u{10ffff}", 1..6)) {
        let mut review = recorded_pod();
        let key = |index: usize, text: &str| format!("{text}{index}");
        for (index, text) in texts.iter().enumerate() {
            review["request"]["object"]["metadata"]["annotations"][key(index, text)] = text.as_str().into();
        }
        review["request"]["object"]["spec"]["containers"][0]["args"] = texts.clone().into();
        let json = review.to_string();
        let read = rolecall::review::read(json.as_bytes()).unwrap();
        let object = read.request.unwrap().object.unwrap();
        for (index, text) in texts.iter().enumerate() {
            prop_assert_eq!(object.metadata.annotations.get(&key(index, text)), Some(text.as_str()));
        }
        let spec = object.spec.unwrap();
        let arguments: Vec<&str> = spec.pod.containers[0].args.iter().map(|argument| argument.as_str()).collect();
        prop_assert_eq!(arguments, texts.iter().map(String::as_str).collect::<Vec<_>>());
    }
}
