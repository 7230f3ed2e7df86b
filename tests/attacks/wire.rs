//! What the attacks share: reviews as an API server writes them, and a server whose log is read or not.

use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::common::{self, TempDir};

/// A pod whose service account has a malformed role: denied where its namespace enforces.
pub(crate) fn broken_pod() -> Value {
    common::json_file("fixtures/reviews/pod-badarn-create.json")
}

/// A review as Go writes it: fields in the order of the type, and `<`, `>`, `&` escaped.
pub(crate) fn go(review: &Value) -> Vec<u8> {
    const FIELDS: [&str; 16] = [
        "uid",
        "kind",
        "resource",
        "subResource",
        "requestKind",
        "requestResource",
        "requestSubResource",
        "name",
        "namespace",
        "operation",
        "userInfo",
        "object",
        "oldObject",
        "dryRun",
        "options",
        "none",
    ];
    let request = &review["request"];
    let fields = FIELDS.iter().filter_map(|field| Some(format!("\"{field}\":{}", request.get(*field)?)));
    let text = format!(
        "{{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"request\":{{{}}}}}",
        fields.collect::<Vec<_>>().join(",")
    );
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026").into_bytes()
}

/// The answer to a review.
pub(crate) fn response(body: &[u8]) -> Value {
    let answer: Value =
        serde_json::from_slice(body).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(body)));
    answer["response"].clone()
}

/// A configuration file for a server.
pub(crate) fn config(directory: &TempDir, text: &str) -> String {
    directory.file("config.yaml", text).display().to_string()
}

/// `rolecall serve` on chosen ports, whatever becomes of its log.
pub(crate) struct Raw {
    pub(crate) child: Child,
    pub(crate) reviews: SocketAddr,
    pub(crate) metrics: SocketAddr,
    pub(crate) ca_pem: String,
    _directory: TempDir,
}

impl Raw {
    pub(crate) fn start(stderr: Stdio, limits: &str) -> Self {
        let directory = TempDir::new("raw");
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (reviews, metrics) = (free(), free());
        let config = config(&directory, limits);
        let child = Command::new(env!("CARGO_BIN_EXE_rolecall"))
            .args(["serve", "--no-kube", "--self-signed", "--config", &config])
            .args(["--listen", &reviews.to_string(), "--metrics-listen", &metrics.to_string(), "--tls-dir"])
            .arg(&directory.0)
            .arg("--manifests")
            .arg(common::test_file("fixtures/cluster.yaml"))
            .arg("--source")
            .arg(common::test_file("fixtures/snapshot.json"))
            .env("RUST_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let mut server = Self { child, reviews, metrics, ca_pem: String::new(), _directory: directory };
        eventually("alive", || server.get("/livez").is_some());
        server.ca_pem = std::fs::read_to_string(server._directory.0.join("ca.crt")).unwrap();
        server
    }

    /// A GET on the metrics port; `None` where there is no answer.
    pub(crate) fn get(&self, path: &str) -> Option<String> {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(self.metrics).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
    }

    pub(crate) fn metric(&self, line: &str) -> f64 {
        let text = self.get("/metrics").unwrap();
        let found = text.lines().find_map(|l| l.strip_prefix(line));
        found.unwrap_or_else(|| panic!("no metric {line} in\n{text}")).trim().parse().unwrap()
    }

    pub(crate) async fn client(&self) -> rolecall::run::Client {
        rolecall_certs::install_crypto_provider();
        rolecall::run::Client::connect(self.reviews, &self.ca_pem).await.unwrap()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
    }

    /// How long it takes to end; fails where it does not.
    pub(crate) fn end_within(&mut self, patience: Duration) -> Duration {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{status} {:?}", status.signal());
                return start.elapsed();
            }
            assert!(start.elapsed() < patience, "it did not end within {patience:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until this is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}: not within 20 s");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The most memory that a process ever had, in MiB, without the pages of its program: a debug build's are large.
pub(crate) fn resident(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap() / 1024
    };
    value("VmHWM:") - value("RssFile:")
}

/// A TLS connection that speaks nothing yet; `protocol` is what it offers.
pub(crate) async fn tls(
    address: SocketAddr,
    ca_pem: &str,
    protocol: &[u8],
) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
    use rustls::pki_types::pem::PemObject;
    rolecall_certs::install_crypto_provider();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let mut config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    connector.connect(address.ip().into(), stream).await.unwrap()
}
