//! Whether the threads that answer reviews are at work at all.
//!
//! A task on them beats twice a second; the probes have a thread of their own and look how long ago that was. Load does not
//! stop it: long checks run elsewhere. So a heart that stands still for long means that the threads are stuck for good, which
//! only a restart ends.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Not ready after this: other replicas take the reviews.
pub(super) const NOT_READY: Duration = Duration::from_secs(10);
/// Not alive after this: the kubelet restarts the container.
pub(super) const NOT_ALIVE: Duration = Duration::from_secs(30);
/// Between beats.
pub(super) const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct Heartbeat {
    began: Instant,
    /// Milliseconds from the beginning to the last beat.
    last: AtomicU64,
}

impl Heartbeat {
    pub(super) fn new() -> Self {
        Self::begun(Instant::now())
    }

    pub(super) fn begun(began: Instant) -> Self {
        Self { began, last: AtomicU64::new(0) }
    }

    pub(super) fn beat(&self) {
        self.last.store(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How long ago it beat.
    pub(super) fn age(&self) -> Duration {
        self.began.elapsed().saturating_sub(Duration::from_millis(self.last.load(Ordering::Relaxed)))
    }
}
