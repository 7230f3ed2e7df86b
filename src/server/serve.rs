//! The two listeners and their end.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto;
use rolecall_certs::{LiveCertificate, Observer};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::connection::{Activity, Protocol, Source};
use super::heartbeat::HEARTBEAT_INTERVAL;
use super::listen::{Phase, Places, Port, accept};
use super::metrics::Metrics;
use super::state::State;
use super::{health, router};

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
    phase: watch::Sender<Phase>,
    places: Places,
    reviews_task: JoinHandle<()>,
    probes: Probes,
}

/// The thread that answers probes.
#[derive(Debug)]
struct Probes {
    phase: watch::Sender<Phase>,
    /// Closed when the thread ends.
    ended: oneshot::Receiver<()>,
}

/// The probes' thread has so long to end.
const PROBES_END: Duration = Duration::from_secs(1);
/// Requests at one time on one HTTP/2 connection.
const STREAMS: u32 = 250;
/// Bytes of bodies that a client may send on one HTTP/2 connection before they are asked for. They are in memory, and count
/// for no review yet.
const WINDOW_BYTES: u32 = 64 << 10;

/// Starts serving on bound sockets, within a tokio runtime.
///
/// # Errors
/// Where a socket cannot be handed to a runtime, or the probes' thread cannot be started.
pub fn start(listeners: Listeners, state: Arc<State>, certificate: &Arc<LiveCertificate>) -> anyhow::Result<Running> {
    let Listeners { reviews, metrics } = listeners;
    let (reviews_address, metrics_address) = (reviews.local_addr()?, metrics.local_addr()?);
    let served = certificate.current();
    state.metrics.serving(served.leaf_expires, served.ca_expires);

    let probes = answer_probes(metrics, Arc::clone(&state))?;
    let (phase, following) = watch::channel(Phase::Serving);
    let listener = tokio::net::TcpListener::from_std(reviews)?;
    let places = Places::new(state.limits.connections);
    let serve = reviews_service(&state, certificate, &places, &following);
    let metrics = Arc::clone(&state.metrics);
    let reviews_task = tokio::spawn(accept(listener, Port::Reviews, places.clone(), metrics, following.clone(), serve));
    tokio::spawn(beat(Arc::clone(&state), following));

    tracing::info!(target: "rolecall::server", reviews = %reviews_address, metrics = %metrics_address, "serving");
    Ok(Running { reviews: reviews_address, metrics: metrics_address, state, phase, places, reviews_task, probes })
}

/// Shows the probes that this runtime does its tasks.
async fn beat(state: Arc<State>, mut phase: watch::Receiver<Phase>) {
    let beating = async {
        loop {
            state.heartbeat.beat();
            tokio::time::sleep(HEARTBEAT_INTERVAL).await;
        }
    };
    tokio::select! {
        () = beating => {}
        _ = phase.wait_for(|phase| *phase == Phase::Ended) => {}
    }
}

type Serving = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

fn reviews_service(
    state: &Arc<State>,
    certificate: &Arc<LiveCertificate>,
    places: &Places,
    phase: &watch::Receiver<Phase>,
) -> impl Fn(TcpStream, OwnedSemaphorePermit) -> Serving + use<> {
    let patience = Duration::from_secs(state.limits.handshake_seconds);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(patience).max_buf_size(64 << 10);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_header_list_size(16 << 10)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    let protocol = Protocol { builder, router: router(Arc::clone(state)), patience };
    let tls = TlsAcceptor::from(certificate.server_config());
    let (metrics, places, phase) = (Arc::clone(&state.metrics), places.clone(), phase.clone());
    move |stream, place| {
        let (protocol, tls, metrics) = (protocol.clone(), tls.clone(), Arc::clone(&metrics));
        let (places, mut phase) = (places.clone(), phase.clone());
        let source = Source::of(&stream);
        Box::pin(async move {
            let _open = metrics.connected(Port::Reviews);
            // From here on: a client has its patience for handshake and first request together.
            let activity = Activity::new(source);
            let handshake = tokio::select! {
                handshake = tls.accept(stream) => handshake.ok(),
                _ = activity.watch(patience, || places.are_taken()) => None,
                _ = phase.wait_for(|phase| *phase != Phase::Serving) => return,
            };
            match handshake {
                Some(stream) => {
                    let cut = protocol.serve(stream, activity, || places.are_taken(), phase).await;
                    if cut.is_some() {
                        metrics.cut(Port::Reviews, cut);
                    }
                }
                None => metrics.cut(Port::Reviews, None),
            }
            drop(place);
        })
    }
}

/// Answers probes on a thread of their own.
fn answer_probes(listener: TcpListener, state: Arc<State>) -> anyhow::Result<Probes> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (phase, following) = watch::channel(Phase::Serving);
    let (ending, ended) = oneshot::channel();
    let answer = async move {
        let patience = Duration::from_secs(state.limits.handshake_seconds);
        let places = Places::new(state.limits.metrics_connections);
        let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
        builder.http1().timer(TokioTimer::new()).header_read_timeout(patience).max_buf_size(16 << 10);
        let protocol = Protocol { builder, router: health::router(Arc::clone(&state)), patience };
        let metrics: Arc<Metrics> = Arc::clone(&state.metrics);
        let serve = {
            let (places, phase, metrics) = (places.clone(), following.clone(), Arc::clone(&metrics));
            move |stream, place| -> Serving {
                let (protocol, places) = (protocol.clone(), places.clone());
                let (phase, metrics) = (phase.clone(), Arc::clone(&metrics));
                Box::pin(async move {
                    let _open = metrics.connected(Port::Metrics);
                    let cut =
                        protocol.serve(stream, Activity::new(Source::default()), || places.are_taken(), phase).await;
                    if cut.is_some() {
                        metrics.cut(Port::Metrics, cut);
                    }
                    drop(place);
                })
            }
        };
        let listener = tokio::net::TcpListener::from_std(listener)?;
        accept(listener, Port::Metrics, places, metrics, following, serve).await;
        anyhow::Ok(())
    };
    std::thread::Builder::new().name("probes".to_owned()).spawn(move || {
        if let Err(error) = runtime.block_on(answer) {
            tracing::error!(target: "rolecall::server", error = format!("{error:#}"), "the probes' listener failed");
        }
        drop(ending);
    })?;
    Ok(Probes { phase, ended })
}

impl Running {
    /// Ends gracefully: not ready from now on, no new connections, reviews under way are answered; the metrics port goes
    /// last. Waits as long as the configuration says.
    pub async fn shut_down(mut self) {
        self.state.drain();
        let grace = Duration::from_secs(self.state.limits.shutdown_seconds);
        self.phase.send_replace(Phase::Draining);
        let _ = (&mut self.reviews_task).await;
        self.places.all_free(grace).await;
        self.phase.send_replace(Phase::Ended);
        self.probes.phase.send_replace(Phase::Ended);
        let _ = tokio::time::timeout(PROBES_END, &mut self.probes.ended).await;
        tracing::info!(target: "rolecall::server", "stopped");
    }

    /// Resolves when a listener ends by itself, which it should not.
    ///
    /// # Errors
    /// Always: with what ended the listener.
    pub async fn failed(&mut self) -> anyhow::Error {
        tokio::select! {
            ended = &mut self.reviews_task => match ended {
                Ok(()) => anyhow::anyhow!("a listener ended by itself"),
                Err(e) => anyhow::Error::new(e).context("a listener panicked"),
            },
            _ = &mut self.probes.ended => anyhow::anyhow!("the listener of probes ended by itself"),
        }
    }
}
