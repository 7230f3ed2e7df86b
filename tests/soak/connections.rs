//! A few HTTP/2 connections that stay open, as an API server has them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

type Sender = SendRequest<Full<Bytes>>;

#[derive(Debug)]
pub(crate) struct Connections {
    address: SocketAddr,
    /// The CAs that a client trusts, PEM.
    trusted: Mutex<String>,
    open: Mutex<Vec<Sender>>,
    next: AtomicUsize,
}

impl Connections {
    pub(crate) async fn open(address: SocketAddr, trusted: String, count: usize) -> Arc<Self> {
        rolecall_certs::install_crypto_provider();
        let connections =
            Self { address, trusted: Mutex::new(trusted), open: Mutex::new(Vec::new()), next: AtomicUsize::new(0) };
        for _ in 0..count {
            let (sender, _) = connections.connect().await.unwrap();
            connections.open.lock().unwrap().push(sender);
        }
        Arc::new(connections)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn trusted(&self) -> String {
        self.trusted.lock().unwrap().clone()
    }

    pub(crate) fn trust(&self, ca_pems: String) {
        *self.trusted.lock().unwrap() = ca_pems;
    }

    /// A TLS connection that offers this protocol and has sent nothing yet.
    pub(crate) async fn tls(&self, protocol: &[u8]) -> anyhow::Result<TlsStream<TcpStream>> {
        let mut roots = rustls::RootCertStore::empty();
        for ca in CertificateDer::pem_slice_iter(self.trusted().as_bytes()) {
            roots.add(ca?)?;
        }
        let mut config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let stream = TcpStream::connect(self.address).await.context("connecting")?;
        stream.set_nodelay(true)?;
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        connector.connect(self.address.ip().into(), stream).await.context("the TLS handshake")
    }

    /// A new connection, and the certificate that the server showed.
    pub(crate) async fn connect(&self) -> anyhow::Result<(Sender, Vec<u8>)> {
        let stream = self.tls(b"h2").await?;
        let leaf = stream.get_ref().1.peer_certificates().context("no certificate")?[0].to_vec();
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok((sender, leaf))
    }

    /// Replaces the connection that has been open the longest; it closes when its last review is answered. Returns the
    /// certificate of the new one.
    pub(crate) async fn replace_oldest(&self) -> anyhow::Result<Vec<u8>> {
        let (sender, leaf) = self.connect().await?;
        let mut open = self.open.lock().unwrap();
        open.remove(0);
        open.push(sender);
        Ok(leaf)
    }

    /// Posts a review on the next connection; the status and the body of the answer.
    pub(crate) async fn post(&self, path: &str, body: Bytes) -> anyhow::Result<(u16, Bytes)> {
        let sender = {
            let open = self.open.lock().unwrap();
            open[self.next.fetch_add(1, Ordering::Relaxed) % open.len()].clone()
        };
        send(sender, self.address, path, body).await
    }
}

/// A review as a request.
pub(crate) fn request(address: SocketAddr, path: &str, body: Bytes) -> hyper::Request<Full<Bytes>> {
    let request = hyper::Request::post(format!("https://{address}{path}")).header("content-type", "application/json");
    request.body(Full::new(body)).unwrap()
}

/// Posts a review on this connection.
pub(crate) async fn send(
    mut sender: Sender,
    address: SocketAddr,
    path: &str,
    body: Bytes,
) -> anyhow::Result<(u16, Bytes)> {
    sender.ready().await?;
    let response = sender.send_request(request(address, path, body)).await?;
    let status = response.status().as_u16();
    Ok((status, response.into_body().collect().await?.to_bytes()))
}
