//! Checks that may take long, away from the threads that read and answer.
//!
//! Few at a time: the threads that answer keep a processor, and memory for what is read from a review stays bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// A review up to this size is checked by the thread that read it.
pub(super) const INLINE_BYTES: usize = 64 << 10;
/// Long checks at one time.
const CHECKS: usize = 2;
/// Of reviews over this size one is checked at a time: it may take up to its allowance of memory (`review::read`).
const LARGE_BYTES: usize = 512 << 10;

#[derive(Debug)]
pub(super) struct Pool {
    checks: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// Set when nobody waits for a check any more.
struct Abandoned(Arc<AtomicBool>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Pool {
    pub(super) fn new() -> Self {
        Self { checks: Arc::new(Semaphore::new(CHECKS)), large: Arc::new(Semaphore::new(1)) }
    }

    /// Does this work over a review of that size; `None` where it was not done by the deadline. Work that has begun goes on to
    /// its end; where the client went away or the deadline passed before, it does not begin.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        bytes: usize,
        deadline: Instant,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let abandoned = Arc::new(AtomicBool::new(false));
        let _guard = Abandoned(Arc::clone(&abandoned));
        let running = async {
            let permits = self.permits(bytes).await?;
            let work = move || {
                let _permits = permits;
                (!abandoned.load(Ordering::Relaxed)).then(work)
            };
            tokio::task::spawn_blocking(work).await.ok()?
        };
        timeout_at(deadline, running).await.ok()?
    }

    async fn permits(&self, bytes: usize) -> Option<(Option<OwnedSemaphorePermit>, OwnedSemaphorePermit)> {
        // In this order, so that a large one that waits does not take the place of others.
        let large = if bytes > LARGE_BYTES { Some(Arc::clone(&self.large).acquire_owned().await.ok()?) } else { None };
        Some((large, Arc::clone(&self.checks).acquire_owned().await.ok()?))
    }
}

#[cfg(test)]
mod tests {
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
        let long = move || ended.recv().is_err();
        assert!(pool.run(LARGE_BYTES + 1, soon(20), long).await.is_none());
        // Others of its size wait for it until theirs; a smaller one does not.
        let ran = Arc::new(AtomicBool::new(false));
        let mark = Arc::clone(&ran);
        assert!(pool.run(LARGE_BYTES + 1, soon(20), move || mark.store(true, Ordering::Relaxed)).await.is_none());
        assert_eq!(pool.run(1, soon(5_000), || 7).await, Some(7));
        drop(end);
        assert_eq!(pool.run(LARGE_BYTES + 1, soon(5_000), || 7).await, Some(7));
        assert!(!ran.load(Ordering::Relaxed), "nobody waited for it any more");
    }
}
