//! The two listeners and their end.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::TokioTimer;
use tokio::task::JoinHandle;

use super::gather::GatherAcceptor;
use super::state::State;
use super::{health, router};
use crate::certs::{LiveCertificate, Observer};

/// Sockets that are bound but not served yet.
#[derive(Debug)]
pub struct Listeners {
    reviews: TcpListener,
    metrics: TcpListener,
}

impl Listeners {
    /// Binds both sockets; port 0 takes a free one.
    ///
    /// # Errors
    /// Where an address cannot be bound.
    pub fn bind(reviews: SocketAddr, metrics: SocketAddr) -> anyhow::Result<Self> {
        let bind = |address: SocketAddr| {
            let listener = TcpListener::bind(address).with_context(|| format!("{address}: cannot listen there"))?;
            listener.set_nonblocking(true).with_context(|| format!("{address}: cannot listen there"))?;
            anyhow::Ok(listener)
        };
        Ok(Self { reviews: bind(reviews)?, metrics: bind(metrics)? })
    }
}

/// A server that runs.
#[derive(Debug)]
pub struct Running {
    /// Where it answers reviews.
    pub reviews: SocketAddr,
    /// Where it answers probes.
    pub metrics: SocketAddr,
    state: Arc<State>,
    reviews_handle: Handle<SocketAddr>,
    metrics_handle: Handle<SocketAddr>,
    reviews_task: JoinHandle<std::io::Result<()>>,
    metrics_task: JoinHandle<std::io::Result<()>>,
}

/// Starts serving on bound sockets, within a tokio runtime.
///
/// # Errors
/// Where a socket cannot be handed to the runtime.
pub fn start(listeners: Listeners, state: Arc<State>, certificate: &Arc<LiveCertificate>) -> anyhow::Result<Running> {
    let Listeners { reviews, metrics } = listeners;
    let (reviews_address, metrics_address) = (reviews.local_addr()?, metrics.local_addr()?);
    let served = certificate.now();
    state.metrics.serving(served.leaf_expires, served.ca_expires);
    let handshake = Duration::from_secs(state.limits.handshake_seconds);

    let reviews_handle = Handle::new();
    // Without TCP_NODELAY an answer may wait for the client's delayed acknowledgement of the one before.
    let tls = RustlsAcceptor::new(RustlsConfig::from_config(certificate.server_config()))
        .handshake_timeout(handshake)
        .acceptor(axum_server::accept::NoDelayAcceptor);
    let mut server = axum_server::from_tcp(reviews)?.acceptor(GatherAcceptor(tls)).handle(reviews_handle.clone());
    let builder = server.http_builder();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(handshake).max_buf_size(64 << 10);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(250)
        .max_header_list_size(16 << 10)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    let reviews_task = tokio::spawn(server.serve(router(Arc::clone(&state)).into_make_service()));

    let metrics_handle = Handle::new();
    let mut server = axum_server::from_tcp(metrics)?.handle(metrics_handle.clone());
    server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(handshake);
    let metrics_task = tokio::spawn(server.serve(health::router(Arc::clone(&state)).into_make_service()));

    tracing::info!(target: "rolecall::server", reviews = %reviews_address, metrics = %metrics_address, "serving");
    Ok(Running {
        reviews: reviews_address,
        metrics: metrics_address,
        state,
        reviews_handle,
        metrics_handle,
        reviews_task,
        metrics_task,
    })
}

impl Running {
    /// Ends gracefully: not ready from now on, no new connections, reviews under way are answered; the metrics port goes
    /// last. Waits as long as the configuration says.
    pub async fn shut_down(mut self) {
        self.state.drain();
        let grace = Duration::from_secs(self.state.limits.shutdown_seconds);
        self.reviews_handle.graceful_shutdown(Some(grace));
        let _ = (&mut self.reviews_task).await;
        self.metrics_handle.shutdown();
        let _ = (&mut self.metrics_task).await;
        tracing::info!(target: "rolecall::server", "stopped");
    }

    /// Resolves when a listener ends by itself, which it should not.
    ///
    /// # Errors
    /// Always: with what ended the listener.
    pub async fn failed(&mut self) -> anyhow::Error {
        let ended = tokio::select! {
            ended = &mut self.reviews_task => ended,
            ended = &mut self.metrics_task => ended,
        };
        match ended {
            Ok(Ok(())) => anyhow::anyhow!("a listener ended by itself"),
            Ok(Err(e)) => anyhow::Error::new(e).context("a listener ended"),
            Err(e) => anyhow::Error::new(e).context("a listener panicked"),
        }
    }
}
