//! Checks that may take long, away from the threads that read and answer.
//!
//! Few at a time: the threads that answer keep a processor, and memory for what is read from a review stays bounded.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rolecall_core::effort::Stop;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

/// A review up to this size is checked by the thread that read it.
pub(super) const INLINE_BYTES: usize = 64 << 10;
/// Long checks at one time.
const CHECKS: usize = 2;
/// How long work may take to end after its deadline. It checks the deadline every 10,000 steps
/// ([`rolecall_core::effort`]), so its answer, if it had one just then, is not lost.
const GRACE: Duration = Duration::from_millis(50);
/// Of reviews over this size one is checked at a time: it may take up to its allowance of memory (`review::read`).
const LARGE_BYTES: usize = 512 << 10;

#[derive(Debug)]
pub(super) struct Pool {
    checks: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// Stops a check whose result is not needed any more: its client left, or its deadline passed.
struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}

impl Pool {
    pub(super) fn new() -> Self {
        Self { checks: Arc::new(Semaphore::new(CHECKS)), large: Arc::new(Semaphore::new(1)) }
    }

    /// Does this work over a review of that size; `None` where it was not done by the deadline, nor a moment later. Where the
    /// client leaves or the deadline passes, work that waits does not begin, and work that has begun is stopped.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        bytes: usize,
        deadline: Instant,
        work: impl FnOnce(&Stop) -> T + Send + 'static,
    ) -> Option<T> {
        let stop = Stop::default();
        let _guard = StopOnDrop(stop.clone());
        let of_work = stop.clone();
        let mut running = pin!(async {
            let permits = self.permits(bytes).await?;
            let work = move || {
                let _permits = permits;
                (!of_work.is_set()).then(|| work(&of_work))
            };
            tokio::task::spawn_blocking(work).await.ok()?
        });
        if let Ok(done) = timeout_at(deadline, &mut running).await {
            return done;
        }
        stop.set();
        timeout(GRACE, running).await.ok()?
    }

    async fn permits(&self, bytes: usize) -> Option<(Option<OwnedSemaphorePermit>, OwnedSemaphorePermit)> {
        // In this order, so that a large one that waits does not take the place of others.
        let large = if bytes > LARGE_BYTES { Some(Arc::clone(&self.large).acquire_owned().await.ok()?) } else { None };
        Some((large, Arc::clone(&self.checks).acquire_owned().await.ok()?))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    fn soon(milliseconds: u64) -> Instant {
        Instant::now() + Duration::from_millis(milliseconds)
    }

    #[tokio::test]
    async fn what_is_late_or_not_waited_for_does_not_run() {
        let pool = Pool::new();
        let (end, ended) = channel::<()>();
        // A large one is at work, past its deadline.
        let long = move |_: &Stop| ended.recv().is_err();
        assert!(pool.run(LARGE_BYTES + 1, soon(20), long).await.is_none());
        // Others of its size wait for it until theirs; a smaller one does not.
        let ran = Arc::new(AtomicBool::new(false));
        let mark = Arc::clone(&ran);
        assert!(pool.run(LARGE_BYTES + 1, soon(20), move |_| mark.store(true, Ordering::Relaxed)).await.is_none());
        assert_eq!(pool.run(1, soon(5_000), |_| 7).await, Some(7));
        drop(end);
        assert_eq!(pool.run(LARGE_BYTES + 1, soon(5_000), |_| 7).await, Some(7));
        assert!(!ran.load(Ordering::Relaxed), "its result was not needed any more");
    }

    /// Work that ends only when it is stopped, once because of its deadline and once because its client left.
    #[tokio::test]
    async fn work_under_way_stops_when_its_result_is_not_needed() {
        let pool = Arc::new(Pool::new());
        let until_stopped = |stop: &Stop| {
            while !stop.is_set() {
                std::thread::yield_now();
            }
        };
        assert_eq!(pool.run(LARGE_BYTES + 1, soon(20), until_stopped).await, Some(()));
        let (begin, begun) = tokio::sync::oneshot::channel();
        let client = {
            let pool = Arc::clone(&pool);
            let work = move |stop: &Stop| {
                let _ = begin.send(());
                until_stopped(stop);
            };
            tokio::spawn(async move { pool.run(LARGE_BYTES + 1, soon(60_000), work).await })
        };
        begun.await.unwrap();
        client.abort();
        // The only place for a large one is free again.
        assert_eq!(pool.run(LARGE_BYTES + 1, soon(10_000), |_| 7).await, Some(7));
    }
}
