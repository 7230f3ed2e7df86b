//! Attacks of `tests/attacks`, a few a second at most, beside the load.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::connections::Connections;
use crate::wire::{broken_pod, go};
use crate::world::pod_review;

/// Longer than the server's `handshakeSeconds`, after which it cuts silent connections.
const PATIENCE: Duration = Duration::from_secs(20);
/// `timeoutSeconds` of deploy/manifests/webhook.yaml.
const API_SERVER_TIMEOUT: Duration = Duration::from_secs(5);

/// An attack that is a review, and what may come of it.
struct Hostile {
    name: &'static str,
    body: Bytes,
    /// Whether an answer without a denial must have a warning: the review has a broken chain.
    is_broken: bool,
}

pub(crate) struct Attacks {
    reviews: Vec<Hostile>,
    metrics: SocketAddr,
}

/// Attacks that are no reviews.
const OTHERS: [&str; 8] = [
    "silent",
    "half a request",
    "slow body",
    "unread answer",
    "invented service account",
    "probe",
    "a client that leaves",
    "streams that are reset",
];

impl Attacks {
    pub(crate) fn new(metrics: SocketAddr) -> Self {
        let with_argument = |bytes: usize| {
            let mut review = broken_pod();
            review["request"]["object"]["spec"]["containers"][0]["args"] = json!(["<".repeat(bytes)]);
            go(&review)
        };
        let mut containers = broken_pod();
        let list = containers["request"]["object"]["spec"]["containers"].as_array_mut().unwrap();
        let broken = list[0].clone();
        list.extend((0..8_000).map(|i| {
            let mut container = broken.clone();
            container["name"] = json!(format!("c{i}"));
            container
        }));
        let mut roles = containers.clone();
        let list = roles["request"]["object"]["spec"]["containers"].as_array_mut().unwrap();
        for (index, container) in list.iter_mut().enumerate().skip(1) {
            for variable in container["env"].as_array_mut().unwrap() {
                if variable["name"] == "AWS_ROLE_ARN" {
                    variable["value"] = json!(format!("arn:aws:iam::111122223333:role/none-{index}"));
                }
            }
        }
        let mut needs = broken_pod();
        let lines: Vec<String> = (0..2_000).map(|i| format!("s3:GetObject arn:aws:s3:::bucket-{i}/*")).collect();
        needs["request"]["object"]["metadata"]["annotations"] = json!({"rolecall.dev/requires": lines.join("\n")});
        let mut deep = String::from_utf8(go(&broken_pod())).unwrap();
        let at = deep.find("\"spec\":").unwrap();
        deep.insert_str(at, &format!("\"extra\":{}{},", "[".repeat(100_000), "]".repeat(100_000)));
        let mut elements = String::from_utf8(go(&broken_pod())).unwrap();
        let at = elements.find("\"spec\":").unwrap();
        elements.insert_str(at, &format!("\"spec\":{{\"containers\":[{}{{}}]}},", "{},".repeat(3_000_000)));
        let broken = |name, body: Vec<u8>| Hostile { name, body: body.into(), is_broken: true };
        let reviews = vec![
            broken("3 MB body", with_argument(500_000)),
            broken("9 MB body", with_argument(1_500_000)),
            broken("8,000 containers", go(&containers)),
            broken("2,000 declared needs", go(&needs)),
            broken("8,000 roles", go(&roles)),
            broken("deep JSON", deep.into_bytes()),
            broken("3,000,000 empty containers", elements.into_bytes()),
            broken("27 MB body", with_argument(4_500_000)),
            broken("body over the limit", with_argument(5_200_000)),
            Hostile {
                name: "not JSON",
                body: Bytes::from_static(b"{\"request\": {\"uid\": \"a\"}} x"),
                is_broken: false,
            },
        ];
        Self { reviews, metrics }
    }

    /// The attack of this number: its name, and what is wrong with how it was answered.
    pub(crate) async fn run(&self, number: usize, connections: &Connections) -> (&'static str, Result<(), String>) {
        let index = number % (self.reviews.len() + OTHERS.len());
        match self.reviews.get(index) {
            Some(review) => (review.name, post(review, connections).await),
            None => {
                let name = OTHERS[index - self.reviews.len()];
                (name, self.other(name, number, connections).await)
            }
        }
    }

    async fn other(&self, name: &str, number: usize, connections: &Connections) -> Result<(), String> {
        let tls = async |protocol: &[u8]| connections.tls(protocol).await.map_err(|e| format!("{e:#}"));
        match name {
            "silent" => {
                let mut half = tls(b"h2").await?;
                let _ = half.write_all(b"PRI * HTTP/2.0\r\n").await;
                let handshaken = tls(b"h2").await?;
                let (a, b, c, d) = tokio::join!(
                    cut(tcp(connections.address()).await?),
                    cut(tcp(self.metrics).await?),
                    cut(handshaken),
                    cut(half)
                );
                a.and(b).and(c).and(d)
            }
            "half a request" => {
                let mut half = tls(b"http/1.1").await?;
                let _ = half.write_all(b"POST /validate HTTP/1.1\r\nhost:").await;
                cut(half).await
            }
            "slow body" => {
                let mut slow = tls(b"http/1.1").await?;
                let head = "POST /validate HTTP/1.1\r\nhost: x\r\ncontent-length: 25000000\r\n\r\n";
                let _ = slow.write_all(head.as_bytes()).await;
                let _ = slow.write_all(&vec![b' '; 50_000]).await;
                cut(slow).await
            }
            "unread answer" => {
                // One request, and then nothing is read from the connection until it is dropped.
                let mut stream = tls(b"http/1.1").await?;
                let body = go(&broken_pod());
                let head = format!("POST /validate HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(&body).await;
                tokio::time::sleep(Duration::from_secs(3)).await;
                Ok(())
            }
            "a client that leaves" => {
                // While its review is checked.
                let mut stream = tls(b"http/1.1").await?;
                let body = &self.reviews.iter().find(|review| review.name == "8,000 roles").unwrap().body;
                let head = format!("POST /validate HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(body).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
                Ok(())
            }
            "streams that are reset" => {
                let (mut sender, _) = connections.connect().await.map_err(|e| format!("{e:#}"))?;
                let body = Bytes::from(go(&broken_pod()));
                for _ in 0..500 {
                    let request = crate::connections::request(connections.address(), "/validate", body.clone());
                    if sender.ready().await.is_err() {
                        break;
                    }
                    // Dropping the answer resets the stream.
                    drop(sender.send_request(request));
                }
                Ok(())
            }
            "invented service account" => {
                let name = format!("ghost-{number}");
                let role = number.is_multiple_of(2).then_some(name.as_str());
                let review = Hostile { name: "", body: go(&pod_review(&name, role)).into(), is_broken: false };
                post(&review, connections).await
            }
            _ => {
                let mut stream = tcp(self.metrics).await?;
                let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
                let mut answer = String::new();
                let _ = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
                if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(format!("/livez answers {answer:?}")) }
            }
        }
    }
}

/// Posts a hostile review on a connection of its own, as one that is full of it must not slow the others down.
async fn post(review: &Hostile, connections: &Connections) -> Result<(), String> {
    let (sender, _) = connections.connect().await.map_err(|e| format!("{e:#}"))?;
    let start = Instant::now();
    let sent = crate::connections::send(sender, connections.address(), "/validate?timeout=10s", review.body.clone());
    let answer = tokio::time::timeout(PATIENCE, sent).await.map_err(|_| "no answer".to_owned())?;
    let (status, body) = answer.map_err(|e| format!("{e:#}"))?;
    if status != 200 {
        let text = String::from_utf8_lossy(&body);
        // The client itself sent it more slowly than an API server would wait for: it goes by its failure policy in either case.
        if status == 400 && start.elapsed() >= API_SERVER_TIMEOUT {
            return Ok(());
        }
        return if review.is_broken { Err(format!("HTTP {status}: {text}")) } else { Ok(()) };
    }
    let answer: Value = serde_json::from_slice(&body).map_err(|e| e.to_string())?;
    let response = &answer["response"];
    let warns = response["warnings"].as_array().is_some_and(|warnings| !warnings.is_empty());
    if response["uid"].as_str().is_none_or(str::is_empty) {
        return Err(format!("no uid in {answer}"));
    }
    if review.is_broken && response["allowed"] != false && !warns {
        return Err(format!("allowed without a word: {response}"));
    }
    Ok(())
}

async fn tcp(address: SocketAddr) -> Result<tokio::net::TcpStream, String> {
    tokio::net::TcpStream::connect(address).await.map_err(|e| e.to_string())
}

/// Waits until the server closes the connection.
async fn cut(mut stream: impl AsyncReadExt + Unpin) -> Result<(), String> {
    let start = Instant::now();
    let reading = async {
        let mut buffer = vec![0; 4096];
        while let Ok(1..) = stream.read(&mut buffer).await {}
    };
    let closed = tokio::time::timeout(PATIENCE, reading).await;
    closed.map_err(|_| format!("open for {:?}", start.elapsed()))
}
