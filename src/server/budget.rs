//! Bytes of reviews and answers that are held at one time.
//!
//! Two shares of the memory for reviews: small reviews have a quarter of it to themselves, so that large ones, or clients that
//! send them slowly, do not keep the everyday ones waiting. A review that finds its share taken waits until the deadline.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Up to this size a review takes from the share of the small ones. No first frame is longer.
pub(super) const SMALL_BYTES: usize = 32 << 10;
/// Bytes of one permit.
const UNIT_BYTES: usize = 1 << 10;

/// The memory for reviews and their answers.
#[derive(Debug)]
pub(super) struct Budget {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// A share of a budget, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share(Vec<OwnedSemaphorePermit>);

impl Budget {
    /// Of so many bytes, with that many of them for the large ones.
    pub(super) fn new(bytes: usize, large: usize) -> Self {
        let semaphore = |bytes: usize| Arc::new(Semaphore::new((bytes / UNIT_BYTES).min(Semaphore::MAX_PERMITS)));
        Self { small: semaphore(bytes.saturating_sub(large)), large: semaphore(large) }
    }

    /// Room for the start of a review, or for a small one; `None` where there is none until the deadline.
    pub(super) async fn small(&self, deadline: Instant) -> Option<Share> {
        let permits = units(SMALL_BYTES);
        if let Ok(permit) = Arc::clone(&self.small).try_acquire_many_owned(permits) {
            return Some(Share(vec![permit]));
        }
        let permit = timeout_at(deadline, Arc::clone(&self.small).acquire_many_owned(permits)).await.ok()?.ok()?;
        Some(Share(vec![permit]))
    }

    /// Room for a whole large review besides; false where there is none until the deadline. All of it at once: reviews that
    /// each hold a part and wait for more would wait for one another.
    pub(super) async fn large(&self, share: &mut Share, bytes: usize, deadline: Instant) -> bool {
        let acquiring = Arc::clone(&self.large).acquire_many_owned(units(bytes));
        match timeout_at(deadline, acquiring).await {
            Ok(Ok(permit)) => {
                share.0.push(permit);
                true
            }
            _ => false,
        }
    }

    /// Bytes that are held now.
    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        (self.small.available_permits() + self.large.available_permits()) * UNIT_BYTES
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

impl Share {
    /// Keeps no more than this many bytes, and gives back the rest.
    pub(super) fn keep(&mut self, bytes: usize) {
        let mut needed = units(bytes.max(1)) as usize;
        for permit in &mut self.0 {
            let has = permit.num_permits();
            let kept = has.min(needed);
            needed -= kept;
            drop(permit.split(has - kept));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_does_not_fit_waits_and_what_is_given_back_can_be_had() {
        let budget = Budget::new(4 << 20, 3 << 20);
        let deadline = Instant::now() + Duration::from_secs(4);
        assert_eq!(budget.free(), 4 << 20);
        let mut first = budget.small(deadline).await.unwrap();
        assert!(budget.large(&mut first, 2 << 20, deadline).await);
        let mut second = budget.small(deadline).await.unwrap();
        assert!(!budget.large(&mut second, 2 << 20, deadline).await, "3 MiB are for large reviews");
        // Small ones have room of their own, until it is taken too.
        let later = Instant::now() + Duration::from_secs(4);
        let mut others = Vec::new();
        for _ in 0..30 {
            others.push(budget.small(later).await.unwrap());
        }
        assert!(budget.small(later).await.is_none());
        // A read review keeps what it needs and no more.
        first.keep(5_000);
        let later = Instant::now() + Duration::from_secs(4);
        assert!(budget.large(&mut second, 2 << 20, later).await);
        drop((first, second, others));
        assert_eq!(budget.free(), 4 << 20);
    }
}
