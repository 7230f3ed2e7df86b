//! Connections that ask nothing, too many of them, and the end of the process.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::common::{Server, TempDir};
use super::wire::{Raw, broken_pod, config, eventually, go, tls};

fn limited(limits: &str) -> (Server, TempDir) {
    let directory = TempDir::new("connections");
    let config = config(&directory, &format!("limits: {limits}"));
    (Server::recorded(&["--config", &config]), directory)
}

/// How long the server keeps this open. Whatever it still sends does not count.
async fn closed_after(mut stream: impl AsyncReadExt + Unpin) -> Duration {
    let start = Instant::now();
    let reading = async {
        let mut buffer = vec![0; 4096];
        while let Ok(1..) = stream.read(&mut buffer).await {}
    };
    tokio::time::timeout(Duration::from_secs(20), reading).await.expect("it is not closed");
    start.elapsed()
}

async fn tcp(address: std::net::SocketAddr) -> tokio::net::TcpStream {
    tokio::net::TcpStream::connect(address).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_are_cut() {
    let (server, _directory) = limited("{handshakeSeconds: 2}");
    let handshaken = tls(server.reviews, &server.ca_pem, b"h2").await;
    let mut half_preface = tls(server.reviews, &server.ca_pem, b"h2").await;
    half_preface.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    let mut preface = tls(server.reviews, &server.ca_pem, b"h2").await;
    preface.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut half_header = tls(server.reviews, &server.ca_pem, b"http/1.1").await;
    half_header.write_all(b"POST /validate HTTP/1.1\r\nhost:").await.unwrap();
    let mut hello = tcp(server.reviews).await;
    hello.write_all(b"\x16\x03\x01\x01").await.unwrap();
    let mut half_get = tcp(server.metrics).await;
    half_get.write_all(b"GET /met").await.unwrap();
    let times = tokio::join!(
        closed_after(tcp(server.reviews).await),
        closed_after(hello),
        closed_after(handshaken),
        closed_after(half_preface),
        closed_after(preface),
        closed_after(half_header),
        closed_after(tcp(server.metrics).await),
        closed_after(half_get),
    );
    // The default is 10 s; here 2 s. Room for a busy machine.
    let longest = format!("{times:?}");
    let (a, b, c, d, e, f, g, h) = times;
    for time in [a, b, c, d, e, f, g, h] {
        assert!(time < Duration::from_secs(4), "{longest}");
    }
    let cut = |port: &str, reason: &str| {
        server.metric(&format!("rolecall_connections_cut_total{{port=\"{port}\",reason=\"{reason}\"}}"))
    };
    assert!(cut("reviews", "handshake") >= 2.0 && cut("reviews", "silent") >= 3.0 && cut("metrics", "silent") >= 1.0);
    eventually("they are gone", || server.metric("rolecall_connections{port=\"reviews\"}") == 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_connections_make_room_for_others() {
    let (server, _directory) = limited("{connections: 16, metricsConnections: 8, handshakeSeconds: 60}");
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push((tcp(server.reviews).await, tcp(server.metrics).await));
    }
    let mut handshaken = Vec::new();
    let start = Instant::now();
    for _ in 0..4 {
        handshaken.push(tls(server.reviews, &server.ca_pem, b"h2").await);
    }
    let (status, _) = server.client().await.post("/validate", go(&broken_pod())).await.unwrap();
    assert_eq!((status.as_u16(), server.get("/livez").0), (200, 200));
    assert!(start.elapsed() < Duration::from_secs(20));
    assert!(server.metric("rolecall_connections{port=\"reviews\"}") <= 16.0);
    drop((silent, handshaken));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_descriptors_it_waits_and_goes_on() {
    let (server, _directory) = limited("{handshakeSeconds: 3}");
    let mut client = server.client().await;
    assert_eq!(client.post("/validate", go(&broken_pod())).await.unwrap().0, 200);
    let limit = |count: &str| {
        let pid = server.pid().to_string();
        let done = std::process::Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={count}")]).status();
        assert!(done.unwrap().success());
    };
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
    limit(&format!("{}:1024", open + 4));
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.push(tcp(server.reviews).await);
    }
    // What is connected is served meanwhile.
    assert_eq!(client.post("/validate", go(&broken_pod())).await.unwrap().0, 200);
    let line =
        server.log_line(|line| line["message"].as_str().is_some_and(|text| text.contains("could not be accepted")));
    assert_eq!((line["level"].as_str(), line["port"].as_str()), (Some("ERROR"), Some("reviews")));
    limit("1024:1024");
    drop(waiting);
    eventually("it accepts again", || server.get("/livez").0 == 200);
    assert!(server.metric("rolecall_accept_errors_total{port=\"reviews\"}") >= 1.0);
    let (status, _) = server.client().await.post("/validate", go(&broken_pod())).await.unwrap();
    assert_eq!(status, 200);
}

/// Standard error is a pipe that nobody reads, and full.
#[tokio::test(flavor = "multi_thread")]
async fn it_ends_although_its_log_is_not_read() {
    let mut server = Raw::start(Stdio::piped(), "limits: {shutdownSeconds: 3}");
    let mut client = server.client().await;
    for _ in 0..400 {
        assert_eq!(client.post("/validate", go(&broken_pod())).await.unwrap().0, 200);
    }
    let silent = [tcp(server.reviews).await, tcp(server.metrics).await];
    let handshaken = tls(server.reviews, &server.ca_pem, b"h2").await;
    server.signal("-HUP");
    assert_eq!(client.post("/validate", go(&broken_pod())).await.unwrap().0, 200, "SIGHUP does not end it");
    server.signal("-TERM");
    server.end_within(Duration::from_secs(10));
    drop((silent, handshaken));
}

/// Probes are answered while large reviews keep every thread for long checks at work.
#[tokio::test(flavor = "multi_thread")]
async fn probes_are_answered_whatever_is_checked() {
    let (server, _directory) = limited("{}");
    let mut review = broken_pod();
    review["request"]["object"]["spec"]["containers"][0]["args"] = serde_json::json!(["<".repeat(1_500_000)]);
    let body = go(&review);
    let mut under_way = Vec::new();
    for _ in 0..4 {
        let mut client = server.client().await;
        let body = body.clone();
        under_way.push(tokio::spawn(async move { client.post("/validate?timeout=30s", body).await.unwrap().0 }));
    }
    let mut slowest = Duration::ZERO;
    while !under_way.iter().all(tokio::task::JoinHandle::is_finished) {
        let start = Instant::now();
        assert_eq!(server.get("/livez").0, 200);
        slowest = slowest.max(start.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for review in under_way {
        assert_eq!(review.await.unwrap(), 200);
    }
    // 50 ms on a free machine; this one may have others' work on it.
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}
