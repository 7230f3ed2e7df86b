//! Clients that leave while their reviews are checked, and deadlines that pass: the result is not needed, so that the work
//! must end.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::common::{self, Server, TempDir, test_file};
use super::wire::{broken_pod, config, eventually, go, response, tls};

const ROLE: &str = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";

/// A server whose role has policies that take all the work that is done for one object.
fn with_large_policies(more: &str) -> (Server, TempDir) {
    let directory = TempDir::new("leaving");
    let mut snapshot = common::json_file("fixtures/snapshot.json");
    let statement = |index: usize| {
        let condition = json!({"StringLike": {"aws:SourceIp": format!("{index}*"), "aws:UserAgent": "*b*"}});
        json!({"Effect": "Allow", "Action": ["*", "s3:*et*"], "Resource": format!("arn:*:*:*:*:{index}*a*"), "Condition": condition})
    };
    let statements: Vec<Value> = (0..1_960).map(statement).collect();
    let policies: Vec<Value> = statements
        .chunks(100)
        .enumerate()
        .map(|(index, statements)| json!({"PolicyName": format!("p{index}"), "PolicyDocument": {"Version": "2012-10-17", "Statement": statements}}))
        .collect();
    let roles = snapshot["accounts"]["111122223333"]["roles"].as_array_mut().unwrap();
    let role = roles.iter_mut().find(|role| role["Arn"] == ROLE).unwrap();
    role["RolePolicyList"] = policies.into();
    role["AttachedManagedPolicies"] = json!([]);
    let snapshot = directory.file("snapshot.json", &snapshot.to_string());
    let config = config(&directory, &format!("enforce: chain\n{more}"));
    let server = Server::start(&test_file("fixtures/cluster.yaml"), &snapshot, &["--config", &config]);
    (server, directory)
}

/// A pod that declares more than can be checked.
fn needy_pod() -> Value {
    let mut review = common::json_file("fixtures/reviews/pod-irsa-create.json");
    let services = ["s3", "ec2", "iam", "sns", "sqs", "kms", "rds", "eks", "ecs", "ssm"];
    let lines: Vec<String> = services
        .iter()
        .flat_map(|service| ["a", "e", "i", "s", "t"].map(|letter| format!("{service}:*{letter}*")))
        .collect();
    review["request"]["object"]["metadata"]["annotations"]["rolecall.dev/requires"] = json!(lines.join("\n"));
    review
}

fn stopped(server: &Server, reason: &str) -> f64 {
    server.metric(&format!("rolecall_checks_stopped_total{{reason=\"{reason}\"}}"))
}

/// Reviews of pods that were answered.
fn answered(server: &Server) -> f64 {
    ["allow", "warn", "deny"]
        .map(|decision| server.metric(&format!("rolecall_reviews_total{{kind=\"Pod\",decision=\"{decision}\"}}")))
        .iter()
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_ends_when_its_client_leaves() {
    let (server, _directory) = with_large_policies("");
    let body = go(&needy_pod());
    // Whole, it says what it could not check.
    let (_, answer) = server.client().await.post("/validate?timeout=30s", body.clone()).await.unwrap();
    let rules = response(&answer)["auditAnnotations"]["rules"].clone();
    assert!(rules.as_str().unwrap().contains("permission-unchecked"), "{rules}");

    let head = format!("POST /validate?timeout=30s HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    let mut attempts = 0;
    while stopped(&server, "client-left") == 0.0 {
        attempts += 1;
        assert!(attempts <= 50, "no check was stopped");
        let mut whole = server.client().await;
        let whole = tokio::spawn({
            let body = body.clone();
            async move { whole.post("/validate?timeout=30s", body).await.unwrap().0 }
        });
        // Behind it wait others, in either protocol.
        let mut leaving = Vec::new();
        let mut plain = Vec::new();
        for _ in 0..3 {
            let mut client = server.client().await;
            let sent = body.clone();
            leaving.push(tokio::spawn(async move { client.post("/validate?timeout=30s", sent).await.map(|_| ()) }));
            let mut stream = tls(server.reviews, &server.ca_pem, b"http/1.1").await;
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&body).await.unwrap();
            plain.push(stream);
        }
        // When the first has its answer, others are being checked.
        assert_eq!(whole.await.unwrap(), 200);
        leaving.iter().for_each(tokio::task::JoinHandle::abort);
        drop(plain);
        eventually("the connections are gone", || server.metric("rolecall_connections{port=\"reviews\"}") == 0.0);
    }
    // The places are free again, and what was stopped was neither decided nor written down.
    eventually("the connections are gone", || server.metric("rolecall_connections{port=\"reviews\"}") == 0.0);
    let before = answered(&server);
    let (status, _) = server.client().await.post("/validate?timeout=30s", body).await.unwrap();
    assert_eq!((status.as_u16(), answered(&server)), (200, before + 1.0));
    assert_eq!(server.metric("rolecall_review_errors_total{error=\"late\"}"), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_ends_at_its_deadline() {
    let (server, _directory) = with_large_policies("onError: deny");
    let body = go(&needy_pod());
    let mut client = server.client().await;
    for timeout in ["20ms", "10ms", "5ms", "3ms", "2ms"].iter().cycle().take(40) {
        let (status, answer) = client.post(&format!("/validate?timeout={timeout}"), body.clone()).await.unwrap();
        assert_eq!(status, 200);
        let response = response(&answer);
        assert_eq!(response["allowed"], true, "what is late is not denied: {response}");
        if stopped(&server, "deadline") >= 1.0 {
            break;
        }
    }
    eventually("a check was stopped", || stopped(&server, "deadline") >= 1.0);
    let broken = client.post("/validate", go(&broken_pod())).await.unwrap();
    assert_eq!(response(&broken.1)["allowed"], false);
    // One audit line for each review, although its check ended after its answer. The log is in order.
    server.audit_line(|line| line["decision"] == "deny");
    let lines = server.log.lock().unwrap().iter().filter(|line| line["target"] == "rolecall::audit").count();
    let (_, metrics) = server.get("/metrics");
    let counts = metrics.lines().filter(|line| line.starts_with("rolecall_reviews_total{"));
    let reviews: f64 = counts.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum();
    assert_eq!(lines as f64, reviews);
}
