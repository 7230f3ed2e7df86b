//! Asking for a shared snapshot again before a denial: the one in memory may not be the newest that was written.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::flight::{Flights, Waiting};
use super::refresh::{Asked, Collector, Refresh, Refreshing};
use super::world_store::WorldStore;

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rechecked {
    /// The snapshot in memory is the one that is there now.
    Unchanged,
    /// Another one was there, and is in memory now.
    Changed,
    /// It could not be read: why.
    Unreadable(String),
    /// No answer in time.
    Late,
}

/// Asks for a shared snapshot, at intervals and before denials: one request at a time.
pub struct Rechecks {
    store: Arc<WorldStore>,
    collector: Arc<dyn Collector>,
    seen: Arc<dyn Refresh>,
    flights: Flights<(), Answer>,
    /// When the last request was sent.
    last: Arc<Mutex<Option<Instant>>>,
}

/// `usable` is false where the snapshot could not be read.
#[derive(Debug, Clone)]
struct Answer {
    rechecked: Rechecked,
    usable: bool,
}

/// The least time between the beginnings of two requests, so that a flood of denials costs few.
const MIN_REQUEST_SPACING: Duration = Duration::from_millis(200);

impl std::fmt::Debug for Rechecks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rechecks").field("collector", &self.collector).finish_non_exhaustive()
    }
}

impl Rechecks {
    /// Asks through `collector`; `store` takes what is new, `seen` is called for each answer that is more than "unchanged".
    pub fn new(store: Arc<WorldStore>, collector: Arc<dyn Collector>, seen: Arc<dyn Refresh>) -> Self {
        // Nothing is remembered: an answer counts only for reviews that came before it was asked for.
        let flights = Flights::new(Duration::ZERO, |answer: &Answer| answer.usable, 1);
        Self { store, collector, seen, flights, last: Arc::default() }
    }

    /// Asks for the snapshot, until `deadline`. The request is sent after this call.
    pub async fn ask(&self, deadline: Instant) -> Rechecked {
        match tokio::time::timeout_at(deadline, self.answer()).await {
            Ok(answer) => answer.rechecked,
            Err(_) => Rechecked::Late,
        }
    }

    async fn answer(&self) -> Answer {
        let lost = Answer { rechecked: Rechecked::Unreadable("the request broke off".to_owned()), usable: false };
        match self.flights.join((), self.flights.since(), |waiting| self.request(waiting), lost.clone()) {
            Some(flight) => flight.await.1,
            // There is but one key.
            None => lost,
        }
    }

    fn request(&self, waiting: Arc<Waiting>) -> impl Future<Output = Answer> + Send + 'static {
        let (store, collector, seen) = (Arc::clone(&self.store), Arc::clone(&self.collector), Arc::clone(&self.seen));
        let last = Arc::clone(&self.last);
        async move {
            let next = last.lock().unwrap_or_else(PoisonError::into_inner).map(|last| last + MIN_REQUEST_SPACING);
            if let Some(next) = next {
                tokio::time::sleep_until(next).await;
            }
            if !waiting.is_wanted() {
                let rechecked = Rechecked::Unreadable("no review waits for it any more".to_owned());
                return Answer { rechecked, usable: false };
            }
            let began = Instant::now();
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(began);
            match collector.collect(Asked::default()).await {
                None => Answer { rechecked: Rechecked::Unchanged, usable: true },
                Some(mut collection) => {
                    if let Some(snapshot) = collection.snapshot.take() {
                        store.take(snapshot, began, collection.failures.is_empty());
                    }
                    seen.refreshed(&store.now(), &collection, began.elapsed());
                    let rechecked = match collection.failures.first() {
                        _ if collection.is_usable => Rechecked::Changed,
                        Some((_, fault)) => Rechecked::Unreadable(fault.clone()),
                        None => Rechecked::Unreadable("it is of no use".to_owned()),
                    };
                    Answer { rechecked, usable: collection.is_usable }
                }
            }
        }
    }

    /// Asks at intervals, for as long as it is polled.
    pub async fn refresh_forever(&self, refreshing: Refreshing, chance: impl Fn() -> f64 + Send) {
        let mut attempts = 0;
        loop {
            let began = Instant::now();
            let pause = if self.answer().await.usable {
                attempts = 0;
                refreshing.pause(began.elapsed(), chance())
            } else {
                attempts += 1;
                refreshing.patience(attempts, chance())
            };
            tokio::time::sleep(pause).await;
        }
    }
}
