//! One connection: what it does, and when it is cut.

use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tower_service::Service as _;

use super::listen::Phase;

/// A connection without a request under way is closed after this long. API servers close theirs after 90 s.
const IDLE: Duration = Duration::from_secs(300);
/// The same, and for those that never asked anything, while all places are taken.
const CROWDED: Duration = Duration::from_secs(1);
/// Between looks at a connection.
const TICK: Duration = Duration::from_millis(500);

/// Why a connection is cut, as in the label of the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// No request came.
    Silent,
    /// It does not take its answers.
    Unread,
    /// It has asked nothing for long.
    Idle,
}

impl Cut {
    pub(super) const ALL: [Self; 3] = [Self::Silent, Self::Unread, Self::Idle];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Unread => "unread",
            Self::Idle => "idle",
        }
    }
}

/// The address at the other end of a connection; `None` where the system does not tell it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Source(pub(super) Option<IpAddr>);

impl Source {
    pub(super) fn of(stream: &TcpStream) -> Self {
        Self(stream.peer_addr().ok().map(|address| address.ip().to_canonical()))
    }
}

/// What a connection does. Times are milliseconds since it was accepted.
#[derive(Debug)]
pub(super) struct Activity {
    source: Source,
    accepted: Instant,
    /// Requests whose answer was not taken yet.
    open: AtomicUsize,
    /// Of them, those that were answered.
    answered: AtomicUsize,
    asked: AtomicBool,
    /// When a request came or an answer was taken last.
    moved: AtomicU64,
    /// Since when writing does not go on; 0 where it does.
    stalled: AtomicU64,
}

impl Activity {
    pub(super) fn new(source: Source) -> Arc<Self> {
        Arc::new(Self {
            source,
            accepted: Instant::now(),
            open: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
            asked: AtomicBool::new(false),
            moved: AtomicU64::new(0),
            stalled: AtomicU64::new(0),
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.accepted.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    /// Waits until it is to be cut.
    pub(super) async fn watch(&self, patience: Duration, crowded: impl Fn() -> bool) -> Cut {
        let mut tick = tokio::time::interval(TICK);
        loop {
            tick.tick().await;
            if let Some(cut) = self.verdict(patience, crowded()) {
                return cut;
            }
        }
    }

    /// Whether it is to be cut. A client has `patience` for its first request and for taking an answer.
    fn verdict(&self, patience: Duration, crowded: bool) -> Option<Cut> {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        // It is looked at so often; it is to be over before the time is.
        let over = |since: u64, time: Duration| self.now() + millis(TICK) >= since.saturating_add(millis(time));
        let moved = self.moved.load(Ordering::Relaxed);
        let stalled = self.stalled.load(Ordering::Relaxed);
        let waits = self.answered.load(Ordering::Relaxed) > 0;
        if (stalled > 0 && over(stalled, patience)) || (waits && over(moved, patience)) {
            return Some(Cut::Unread);
        }
        if self.open.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let asked = self.asked.load(Ordering::Relaxed);
        let time = match (asked, crowded) {
            (_, true) => CROWDED.min(patience),
            (true, false) => IDLE,
            (false, false) => patience,
        };
        over(moved, time).then_some(if asked { Cut::Idle } else { Cut::Silent })
    }
}

/// A request under way: until its answer was taken, or its client left.
struct Open {
    activity: Arc<Activity>,
    answered: bool,
}

impl Open {
    fn begin(activity: &Arc<Activity>) -> Self {
        activity.open.fetch_add(1, Ordering::Relaxed);
        activity.asked.store(true, Ordering::Relaxed);
        activity.moved.store(activity.now(), Ordering::Relaxed);
        Self { activity: Arc::clone(activity), answered: false }
    }

    fn answer(&mut self) {
        if self.activity.answered.fetch_add(1, Ordering::Relaxed) == 0 {
            self.activity.moved.store(self.activity.now(), Ordering::Relaxed);
        }
        self.answered = true;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let activity = &self.activity;
        activity.moved.store(activity.now(), Ordering::Relaxed);
        if self.answered {
            activity.answered.fetch_sub(1, Ordering::Relaxed);
        }
        activity.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An answer that tells when it was taken.
pub(super) struct AnswerBody {
    body: Body,
    _open: Open,
}

impl hyper::body::Body for AnswerBody {
    type Data = <Body as hyper::body::Body>::Data;
    type Error = <Body as hyper::body::Body>::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that notes when writing does not go on, and does not tell that it takes vectored writes.
///
/// Over a stream that takes vectored writes, `h2` sends every body of 256 bytes or more by itself; over one that does not,
/// bodies below 1,024 bytes are copied behind each other first, into one TLS record (`h2`, `codec/framed_write.rs`,
/// `CHAIN_THRESHOLD`). Nearly every answer lies between the two.
struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S> Watched<S> {
    fn note<T>(&self, result: Poll<T>) -> Poll<T> {
        let stalled = &self.activity.stalled;
        match (&result, stalled.load(Ordering::Relaxed)) {
            (Poll::Pending, 0) => stalled.store(self.activity.now(), Ordering::Relaxed),
            (Poll::Ready(_), 1..) => stalled.store(0, Ordering::Relaxed),
            _ => {}
        }
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.note(result)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_flush(cx);
        this.note(result)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.note(result)
    }
}

/// How connections of a port are served.
#[derive(Clone)]
pub(super) struct Protocol {
    pub(super) builder: auto::Builder<TokioExecutor>,
    pub(super) router: Router,
    pub(super) patience: Duration,
}

impl Protocol {
    /// Serves one connection to its end; gives why it was cut, where it was. `crowded`: all places are taken.
    pub(super) async fn serve<S>(
        &self,
        stream: S,
        activity: Arc<Activity>,
        crowded: impl Fn() -> bool,
        mut phase: watch::Receiver<Phase>,
    ) -> Option<Cut>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = hyper::service::service_fn({
            let activity = Arc::clone(&activity);
            let router = self.router.clone();
            move |mut request: Request<Incoming>| {
                let mut open = Open::begin(&activity);
                request.extensions_mut().insert(activity.source);
                let answering = router.clone().call(request);
                async move {
                    let response: Response<Body> = answering.await?;
                    open.answer();
                    Ok::<_, std::convert::Infallible>(response.map(|body| AnswerBody { body, _open: open }))
                }
            }
        });
        let watched = Watched { stream, activity: Arc::clone(&activity) };
        let mut connection = pin!(self.builder.serve_connection(TokioIo::new(watched), service));
        let mut watching = pin!(activity.watch(self.patience, crowded));
        loop {
            tokio::select! {
                // How it ended is the client's business.
                _ = connection.as_mut() => return None,
                cut = watching.as_mut() => return Some(cut),
                changed = phase.changed() => {
                    if changed.is_err() || *phase.borrow_and_update() == Phase::Ended {
                        return None;
                    }
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// An activity that began so long ago.
    fn aged(seconds: u64) -> Arc<Activity> {
        let mut activity = Activity::new(Source::default());
        if let Some(activity) = Arc::get_mut(&mut activity) {
            activity.accepted -= Duration::from_secs(seconds);
        }
        activity
    }

    #[test]
    fn silent_idle_and_unread_connections_are_cut() {
        assert_eq!(aged(9).verdict(PATIENCE, false), None);
        assert_eq!(aged(10).verdict(PATIENCE, false), Some(Cut::Silent));
        assert_eq!(aged(2).verdict(PATIENCE, true), Some(Cut::Silent));

        let asking = aged(1_000);
        let mut open = Open::begin(&asking);
        asking.moved.store(1, Ordering::Relaxed);
        assert_eq!(asking.verdict(PATIENCE, true), None, "a request under way is not cut");
        open.answer();
        assert_eq!(asking.verdict(PATIENCE, false), None);
        asking.moved.store(asking.now() - 10_000, Ordering::Relaxed);
        assert_eq!(asking.verdict(PATIENCE, false), Some(Cut::Unread));
        drop(open);
        assert_eq!(asking.verdict(PATIENCE, false), None);
        asking.moved.store(asking.now() - 100_000, Ordering::Relaxed);
        assert_eq!(asking.verdict(PATIENCE, false), None, "an API server keeps its connection");
        assert_eq!(asking.verdict(PATIENCE, true), Some(Cut::Idle));
        asking.moved.store(asking.now() - 300_000, Ordering::Relaxed);
        assert_eq!(asking.verdict(PATIENCE, false), Some(Cut::Idle));

        let stalled = aged(1_000);
        let _open = Open::begin(&stalled);
        stalled.stalled.store(stalled.now() - 10_000, Ordering::Relaxed);
        assert_eq!(stalled.verdict(PATIENCE, false), Some(Cut::Unread));
    }
}
