//! Certificates: files that are swapped under load, and the CAs that replicas share, with the clock run forward.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use common::mounted::{pair, swap};
use common::{Server, TempDir};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// A server on the mounted files, looking every second.
fn serve(folder: &TempDir) -> Server {
    let config = folder.file("config.yaml", "certificates: {filesSeconds: 1}");
    let path = |name: &str| folder.0.join(name).display().to_string();
    let snapshot = common::test_file("fixtures/snapshot.json").display().to_string();
    let manifests = common::test_file("fixtures/cluster.yaml").display().to_string();
    let arguments = ["--no-kube", "--manifests", &manifests, "--source", &snapshot];
    let files = ["--tls-cert", &path("tls.crt"), "--tls-key", &path("tls.key"), "--config", config.to_str().unwrap()];
    Server::with_certificate(&[arguments.as_slice(), &files].concat(), &folder.0.join("ca.crt"))
}

/// The leaf that a new handshake gets, from a client that trusts these CAs.
async fn leaf(server: &Server, cas: &[CertificateDer<'static>]) -> Vec<u8> {
    let mut roots = rustls::RootCertStore::empty();
    for ca in cas {
        roots.add(ca.clone()).unwrap();
    }
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = tokio::net::TcpStream::connect(server.reviews).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect(server.reviews.ip().into(), stream).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// Waits until new handshakes get this leaf.
async fn until_served(server: &Server, cas: &[CertificateDer<'static>], expected: &[u8]) {
    for _ in 0..100 {
        if leaf(server, cas).await == expected {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the new certificate is not served");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_swapped_under_load_and_no_call_fails() {
    let folder = TempDir::new("mounted");
    let leaves = ["one", "two", "three"].map(|generation| pair(&folder.0, generation));
    swap(&folder.0, "one");
    let server = Arc::new(serve(&folder));
    let ca = |generation: &str| CertificateDer::from_pem_file(folder.0.join(generation).join("ca.crt")).unwrap();
    let cas = ["one", "two", "three"].map(ca);
    let cas_pem: Vec<String> = ["one", "two", "three"]
        .map(|generation| std::fs::read_to_string(folder.0.join(generation).join("ca.crt")).unwrap())
        .into();

    // One client keeps its connection through all of it, others open one for each call.
    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let failed = Arc::new(Mutex::new(Vec::new()));
    let review = std::fs::read(common::test_file("fixtures/reviews/pod-irsa-create.json")).unwrap();
    let mut clients = Vec::new();
    for keeps in [true, false, false] {
        let (stop, calls, failed) = (Arc::clone(&stop), Arc::clone(&calls), Arc::clone(&failed));
        let (address, bundle, review) = (server.reviews, cas_pem.concat(), review.clone());
        clients.push(tokio::spawn(async move {
            let mut kept = None;
            while !stop.load(Ordering::Relaxed) {
                let call = async {
                    let mut client = match kept.take() {
                        Some(client) => client,
                        None => rolecall::run::Client::connect(address, &bundle).await?,
                    };
                    let (status, _) = client.post("/validate", review.clone()).await?;
                    anyhow::ensure!(status == 200, "{status}");
                    anyhow::Ok(client)
                };
                match call.await {
                    Ok(client) => kept = keeps.then_some(client),
                    Err(error) => failed.lock().unwrap().push(format!("{error:#}")),
                }
                calls.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }

    until_served(&server, &cas, &leaves[0]).await;
    for (generation, expected) in [("two", &leaves[1]), ("three", &leaves[2]), ("one", &leaves[0])] {
        swap(&folder.0, generation);
        until_served(&server, &cas, expected).await;
    }
    assert_eq!(server.metric("rolecall_certificate_rotations_total{what=\"leaf\"}"), 3.0);
    assert_eq!(server.metric("rolecall_certificate_rotations_total{what=\"ca\"}"), 3.0);

    // A pair that does not fit, one that is not there, and one that is no PEM.
    let broken = folder.0.join("broken");
    std::fs::create_dir(&broken).unwrap();
    std::fs::copy(folder.0.join("two/tls.crt"), broken.join("tls.crt")).unwrap();
    std::fs::copy(folder.0.join("three/tls.key"), broken.join("tls.key")).unwrap();
    swap(&folder.0, "broken");
    server.log_line(|line| line["message"].as_str().is_some_and(|text| text.contains("cannot be used")));
    swap(&folder.0, "nowhere");
    server.log_line(|line| line["message"].as_str().is_some_and(|text| text.contains("cannot be read")));
    std::fs::write(broken.join("tls.crt"), "none").unwrap();
    swap(&folder.0, "broken");
    server.log_line(|line| line["message"].as_str().is_some_and(|text| text.contains("no certificate")));
    assert_eq!(leaf(&server, &cas).await, leaves[0]);
    assert!(server.metric("rolecall_certificate_errors_total{error=\"files\"}") >= 3.0);
    assert_eq!(server.metric("rolecall_certificate_rotations_total{what=\"leaf\"}"), 3.0);

    // And it recovers.
    swap(&folder.0, "two");
    until_served(&server, &cas, &leaves[1]).await;
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(*failed.lock().unwrap(), Vec::<String>::new());
    assert!(calls.load(Ordering::Relaxed) > 100);
}
