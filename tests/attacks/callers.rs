//! Who may call the review port.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rolecall::run::Client;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::{Server, TempDir, text};

/// A CA, and a client's certificate and key that it signed.
struct Signed {
    ca: String,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

fn sign(purpose: ExtendedKeyUsagePurpose) -> Signed {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let mut client = CertificateParams::new(vec!["kube-apiserver".to_owned()]).unwrap();
    client.extended_key_usages = vec![purpose];
    let signed = client.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    Signed { ca: ca_pem, certificate: signed.der().clone(), key }
}

/// Posts a review over HTTP/1.1, with a certificate or without; the status line, or why there is none.
async fn post(server: &Server, client: Option<&Signed>) -> Result<String, String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(server.ca_pem.as_bytes()).unwrap()).unwrap();
    let builder = rustls::ClientConfig::builder().with_root_certificates(roots);
    let config = match client {
        None => builder.with_no_client_auth(),
        Some(signed) => {
            builder.with_client_auth_cert(vec![signed.certificate.clone()], signed.key.clone_key()).unwrap()
        }
    };
    let stream = tokio::net::TcpStream::connect(server.reviews).await.map_err(|e| e.to_string())?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(server.reviews.ip().into(), stream).await.map_err(|e| e.to_string())?;
    let body = text("fixtures/reviews/pod-badarn-create.json");
    let request = format!(
        "POST /validate HTTP/1.1\r\nhost: rolecall\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.map_err(|e| e.to_string())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.map_err(|e| e.to_string())?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.lines().next().map(str::to_owned).ok_or_else(|| "no answer".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_client_ca_only_its_clients_are_answered() {
    rolecall_certs::install_crypto_provider();
    let directory = TempDir::new("client-ca");
    let (ours, theirs) = (sign(ExtendedKeyUsagePurpose::ClientAuth), sign(ExtendedKeyUsagePurpose::ClientAuth));
    let of_a_server = sign(ExtendedKeyUsagePurpose::ServerAuth);
    let cas = format!("{}{}", ours.ca, of_a_server.ca);
    let file = directory.file("client-ca.crt", &cas);
    let server = Server::recorded(&["--client-ca", file.to_str().unwrap()]);
    assert_eq!(post(&server, Some(&ours)).await.as_deref(), Ok("HTTP/1.1 200 OK"));
    for (who, client) in [("none", None), ("another CA's", Some(&theirs)), ("a server's", Some(&of_a_server))] {
        let answer = post(&server, client).await;
        assert!(answer.is_err(), "{who}: {answer:?}");
    }
    // HTTP/2 without a certificate gets no answer either, and the probes need none.
    let answer = match Client::connect(server.reviews, &server.ca_pem).await {
        Ok(mut client) => client.post("/validate", b"{}".to_vec()).await.map(|(status, _)| status),
        Err(error) => Err(error),
    };
    assert!(answer.is_err(), "{answer:?}");
    assert_eq!(server.get("/livez").0, 200);
    assert_eq!(post(&server, Some(&ours)).await.as_deref(), Ok("HTTP/1.1 200 OK"));

    let open = Server::recorded(&[]);
    assert_eq!(post(&open, None).await.as_deref(), Ok("HTTP/1.1 200 OK"));
}

#[test]
fn a_client_ca_that_is_none_is_said_at_the_start() {
    let directory = TempDir::new("client-ca");
    let file = directory.file("client-ca.crt", "no PEM");
    let snapshot = crate::common::test_file("fixtures/snapshot.json");
    for (path, why) in [(file.display().to_string(), "no certificate"), ("/nowhere".to_owned(), "cannot be read")] {
        let arguments =
            ["serve", "--no-kube", "--self-signed", "--source", snapshot.to_str().unwrap(), "--client-ca", &path];
        let output = crate::common::rolecall(&arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && error.contains("--client-ca") && error.contains(why), "{error}");
    }
}
