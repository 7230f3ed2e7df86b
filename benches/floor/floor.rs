//! The least that an admission webhook in this stack can do: TLS, HTTP and the whole body as `rolecall serve` handles them,
//! then only `request.uid` is parsed, and every object is allowed.
//!
//! The settings of TLS, HTTP and runtime are those of `src/server/serve.rs`, `src/server/tls.rs` and `src/run/mod.rs`: what
//! changes there changes here, or the two are no longer comparable.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::post;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use bytes::{Bytes, BytesMut};
use clap::Parser;
use http_body_util::BodyExt;
use hyper_util::rt::TokioTimer;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};

/// Answers every AdmissionReview with `allowed: true`.
#[derive(Parser)]
struct Args {
    /// Where to answer reviews; port 0 takes a free one, which the first line on standard error names
    #[arg(long, value_name = "ADDR:PORT")]
    listen: SocketAddr,
    /// Certificate chain (PEM)
    #[arg(long, value_name = "FILE")]
    tls_cert: PathBuf,
    /// Its key (PEM)
    #[arg(long, value_name = "FILE")]
    tls_key: PathBuf,
}

const BODY_LIMIT: usize = 7 << 20;
const HANDSHAKE: Duration = Duration::from_secs(10);

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    // Fails only where one is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let tls = tls(&args).context("certificate and key cannot be used")?;
    let listener = TcpListener::bind(args.listen).with_context(|| format!("{}: cannot listen there", args.listen))?;
    listener.set_nonblocking(true)?;
    writeln!(std::io::stderr(), "{{\"reviews\":\"{}\"}}", listener.local_addr()?)?;
    runtime()?.block_on(serve(listener, tls))
}

fn tls(args: &Args) -> anyhow::Result<Arc<ServerConfig>> {
    let chain = CertificateDer::pem_file_iter(&args.tls_cert)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(&args.tls_key)?;
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut builder = if processors == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    builder.enable_all().build()
}

async fn serve(listener: TcpListener, tls: Arc<ServerConfig>) -> anyhow::Result<()> {
    let acceptor =
        RustlsAcceptor::new(RustlsConfig::from_config(tls)).handshake_timeout(HANDSHAKE).acceptor(NoDelayAcceptor);
    let mut server = axum_server::from_tcp(listener)?.acceptor(acceptor);
    let builder = server.http_builder();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HANDSHAKE).max_buf_size(64 << 10);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(250)
        .max_header_list_size(16 << 10)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    let router = Router::new().route("/validate", post(validate));
    server.serve(router.into_make_service()).await.context("the listener ended")
}

async fn validate(body: Body) -> Response {
    let Some(body) = read(body).await else {
        return respond(StatusCode::BAD_REQUEST, "text/plain; charset=utf-8", b"the body cannot be read\n".to_vec());
    };
    match allow(&body) {
        Ok(answer) => respond(StatusCode::OK, "application/json", answer),
        Err(e) => respond(StatusCode::BAD_REQUEST, "text/plain; charset=utf-8", format!("{e}\n").into_bytes()),
    }
}

/// The whole body, within the limit. One frame, as nearly every review has, is not copied.
async fn read(mut body: Body) -> Option<Bytes> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.ok()?.into_data() else {
            continue;
        };
        if first.len().max(rest.len()) + data.len() > BODY_LIMIT {
            return None;
        }
        if first.is_empty() {
            first = data;
            continue;
        }
        if rest.is_empty() {
            rest.extend_from_slice(&first);
        }
        rest.extend_from_slice(&data);
    }
    Some(if rest.is_empty() { first } else { rest.freeze() })
}

#[derive(Deserialize)]
struct Review<'a> {
    #[serde(borrow)]
    request: Request<'a>,
}

#[derive(Deserialize)]
struct Request<'a> {
    uid: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReviewOut<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: ResponseOut<'a>,
}

#[derive(Serialize)]
struct ResponseOut<'a> {
    uid: &'a str,
    allowed: bool,
}

fn allow(body: &[u8]) -> serde_json::Result<Vec<u8>> {
    let Review { request: Request { uid } } = serde_json::from_slice(body)?;
    let response = ResponseOut { uid, allowed: true };
    serde_json::to_vec(&ReviewOut { api_version: "admission.k8s.io/v1", kind: "AdmissionReview", response })
}

fn respond(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
