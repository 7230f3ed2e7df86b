//! Start, probes, protocols and end of the server.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod common;

use std::process::{Command, Stdio};

use common::{Server, TempDir};

#[tokio::test]
async fn probes_and_metrics_answer_on_a_port_of_their_own() {
    let server = Server::recorded(&[]);
    assert_eq!(server.get("/livez"), (200, "ok\n".to_owned()));
    assert_eq!(server.get("/readyz"), (200, "ok\n".to_owned()));
    let (status, text) = server.get("/metrics");
    assert_eq!(status, 200);
    assert!(text.ends_with("# EOF\n"), "OpenMetrics ends so: {text}");
    assert_eq!(server.metric("rolecall_snapshot_roles"), 3.0);
    assert!(server.metric("rolecall_snapshot_collected_timestamp_seconds") > 1.7e9);
    let now = jiff::Timestamp::now().as_second() as f64;
    for certificate in ["leaf", "ca"] {
        let name = format!("rolecall_certificate_expiry_timestamp_seconds{{certificate=\"{certificate}\"}}");
        assert!(server.metric(&name) > now + 86_400.0);
    }
    assert_eq!(server.get("/validate").0, 404, "reviews come over TLS only");
}

/// A TLS connection that offers HTTP/1.1 only.
async fn connect(server: &Server) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
    use rustls::pki_types::pem::PemObject;
    rolecall_certs::install_crypto_provider();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_slice(server.ca_pem.as_bytes()).unwrap()).unwrap();
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = tokio::net::TcpStream::connect(server.reviews).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    connector.connect(server.reviews.ip().into(), stream).await.unwrap()
}

/// HTTP/1.1 over TLS, by a client that offers nothing else.
#[tokio::test]
async fn http_1_is_answered_too() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = Server::recorded(&[]);
    let mut stream = connect(&server).await;
    let review = common::text("fixtures/reviews/pod-irsa-create.json");
    let head = "POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close";
    let request = format!("{head}\r\ncontent-length: {}\r\n\r\n{review}", review.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // The server may close without a farewell of TLS; what counts is what came before.
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("\"allowed\":true"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_gracefully() {
    let mut server = Server::recorded(&[]);
    let mut client = server.client().await;
    let review = std::fs::read(common::test_file("fixtures/reviews/pod-irsa-create.json")).unwrap();
    assert_eq!(client.post("/validate", review).await.unwrap().0, 200);
    server.terminate();
    let status = server.wait();
    assert!(status.success(), "{status}");
    server.log_line(|line| line["message"] == "stopped");
    assert!(std::net::TcpStream::connect(server.reviews).is_err());
}

/// A client that only opens connections keeps nobody else from being answered, nor the server from ending.
#[tokio::test]
async fn silent_connections_do_no_harm() {
    let directory = TempDir::new("config");
    let config = directory.file("config.yaml", "limits: {handshakeSeconds: 1, shutdownSeconds: 2}");
    let mut server = Server::recorded(&["--config", config.to_str().unwrap()]);
    let silent: Vec<_> = (0..200).map(|_| std::net::TcpStream::connect(server.reviews).unwrap()).collect();
    let review = std::fs::read(common::test_file("fixtures/reviews/pod-irsa-create.json")).unwrap();
    assert_eq!(server.client().await.post("/validate", review).await.unwrap().0, 200);
    server.terminate();
    assert!(server.wait().success());
    drop(silent);
}

/// A body that does not come is not waited for: nobody may hold the common budget by sending slowly.
#[tokio::test]
async fn slow_bodies_are_cut_off() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let directory = TempDir::new("config");
    let config = directory.file("config.yaml", "limits: {handshakeSeconds: 1}");
    let server = Server::recorded(&["--config", config.to_str().unwrap()]);
    let mut stream = connect(&server).await;
    stream.write_all(b"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n{").await.unwrap();
    let mut answer = vec![0; 4096];
    let length = stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("too slowly"), "{answer}");
    assert_eq!(server.metric("rolecall_review_errors_total{error=\"broken-body\"}"), 1.0);
}

#[test]
fn a_kept_certificate_is_used_again() {
    let directory = TempDir::new("tls");
    let start = || {
        let server = Server::recorded(&["--tls-dir", directory.0.to_str().unwrap()]);
        drop(server);
        std::fs::read_to_string(directory.0.join("ca.crt")).unwrap()
    };
    let (first, second) = (start(), start());
    assert_eq!(first, second);
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(directory.0.join("tls.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the key is nobody else's");
}

#[test]
fn certificates_from_files() {
    let directory = TempDir::new("tls");
    drop(Server::recorded(&["--tls-dir", directory.0.to_str().unwrap()]));
    let file = |name: &str| directory.0.join(name).display().to_string();
    let snapshot = common::test_file("fixtures/snapshot.json").display().to_string();
    let refused = |certificate: &str, key: &str| {
        let arguments =
            ["serve", "--no-kube", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--source", &snapshot];
        let mut all = arguments.to_vec();
        all.extend(["--tls-cert", certificate, "--tls-key", key]);
        let output = common::rolecall(&all);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, error) = refused(&file("tls.key"), &file("tls.key"));
    assert!(code == Some(2) && error.contains("tls.key") && error.contains("no certificate"), "{error}");
    let (code, error) = refused(&file("tls.crt"), &file("ca.crt"));
    assert!(code == Some(2) && error.contains("ca.crt") && error.contains("key"), "{error}");
    let (code, error) = refused(&file("missing.crt"), &file("tls.key"));
    assert!(code == Some(2) && error.contains("missing.crt"), "{error}");

    let mut child = Command::new(env!("CARGO_BIN_EXE_rolecall"))
        .args([
            "serve",
            "--no-kube",
            "--listen",
            "127.0.0.1:0",
            "--metrics-listen",
            "127.0.0.1:0",
            "--source",
            &snapshot,
        ])
        .args(["--tls-cert", &file("tls.crt"), "--tls-key", &file("tls.key")])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stderr.take().unwrap()), &mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.contains("\"serving\""), "{line}");
}

#[test]
fn serve_refuses_what_it_cannot_do() {
    let snapshot = common::test_file("fixtures/snapshot.json").display().to_string();
    for (arguments, complaint) in [
        (vec!["serve", "--source", &snapshot, "--self-signed"], "--no-kube"),
        (vec!["serve", "--no-kube", "--self-signed"], "--source"),
        (vec!["serve", "--no-kube", "--source", &snapshot], "--tls-cert"),
        (vec!["serve", "--no-kube", "--self-signed", "--source", "aws"], "--cluster NAME"),
        (vec!["serve", "--no-kube", "--self-signed", "--source", "missing.json"], "missing.json"),
        (vec!["serve", "--no-kube", "--self-signed", "--source", &snapshot, "--cluster", "other"], "cluster `shop`"),
        (vec!["serve", "--no-kube", "--self-signed", "--source", &snapshot, "--manifests", "missing"], "missing"),
        (vec!["serve", "--no-kube", "--self-signed", "--source", &snapshot, "--listen", "192.0.2.1:1"], "192.0.2.1:1"),
    ] {
        let output = common::rolecall(&arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(complaint), "{arguments:?}: {error}");
    }
}
