//! Accepting connections: so many at one time, and on when the system refuses.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::metrics::Metrics;

/// How far a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Serving,
    /// No new connections; requests under way are answered.
    Draining,
    /// Connections end now.
    Ended,
}

/// A port, by its name in metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    Reviews,
    Metrics,
}

impl Port {
    pub(super) const ALL: [Self; 2] = [Self::Reviews, Self::Metrics];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Reviews => "reviews",
            Self::Metrics => "metrics",
        }
    }
}

/// After the system refused a connection, the next is tried after this, then after twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// One line in the log for so long.
const LOG_PAUSE: Duration = Duration::from_secs(10);

/// Places for connections of a port.
#[derive(Debug, Clone)]
pub(super) struct Places(Arc<Semaphore>, u32);

impl Places {
    pub(super) fn new(count: u32) -> Self {
        Self(Arc::new(Semaphore::new(count as usize)), count)
    }

    pub(super) fn are_taken(&self) -> bool {
        self.0.available_permits() == 0
    }

    /// Waits until every connection has ended, at most so long.
    pub(super) async fn all_free(&self, patience: Duration) {
        let _ = tokio::time::timeout(patience, self.0.acquire_many(self.1)).await;
    }
}

/// Accepts until the phase changes. While every place is taken, connections wait in the system's queue.
pub(super) async fn accept<F>(
    listener: TcpListener,
    port: Port,
    places: Places,
    metrics: Arc<Metrics>,
    mut phase: watch::Receiver<Phase>,
    serve: impl Fn(TcpStream, OwnedSemaphorePermit) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut pause = FIRST_PAUSE;
    let mut logged: Option<Instant> = None;
    let accepting = async {
        loop {
            let Ok(place) = Arc::clone(&places.0).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, _)) => {
                    pause = FIRST_PAUSE;
                    // Else an answer may wait for the client's delayed acknowledgement of the one before.
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(serve(stream, place));
                }
                // The client went away while it waited.
                Err(error) if is_of_the_client(&error) => {}
                Err(error) => {
                    metrics.accept_failed(port);
                    if logged.is_none_or(|at| at.elapsed() >= LOG_PAUSE) {
                        logged = Some(Instant::now());
                        tracing::error!(
                            target: "rolecall::server",
                            port = port.name(),
                            error = %error,
                            "a connection could not be accepted; it is tried again"
                        );
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(MAX_PAUSE);
                }
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        // Also where the sender of changes is gone.
        _ = phase.wait_for(|phase| *phase != Phase::Serving) => {}
    }
}

fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
