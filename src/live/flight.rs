//! One reading at a time of each thing, whose result all who asked share, and which is remembered for seconds.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, Shared};
use tokio::time::Instant;

/// A result with the time at which it was had.
type Landed<V> = (Instant, V);

/// Readings under way and just done.
pub struct Flights<K, V> {
    flights: Mutex<HashMap<K, Flight<V>>>,
    remember: Duration,
    lasts: fn(&V) -> bool,
    most: usize,
}

/// A reading: under way as long as its slot is empty, whether or not anybody waits for it.
struct Flight<V> {
    asked: Instant,
    slot: Arc<OnceLock<V>>,
    result: Shared<BoxFuture<'static, V>>,
}

impl<K, V> std::fmt::Debug for Flights<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flights").field("remember", &self.remember).field("most", &self.most).finish_non_exhaustive()
    }
}

impl<K: Eq + Hash + Clone, V: Clone + Send + Sync + 'static> Flights<K, V> {
    /// Results are shared for as long as `remember`, those that do not last for a third of it; at most so many keys are in
    /// the air or remembered.
    pub fn new(remember: Duration, lasts: fn(&V) -> bool, most: usize) -> Self {
        Self { flights: Mutex::default(), remember, lasts, most }
    }

    /// Joins the reading of this key, or starts it; `None` where too many are under way. A reading goes on though nobody
    /// waits for it any more: what it finds serves the next.
    pub fn join<F>(
        &self,
        key: K,
        read: impl FnOnce() -> F,
        lost: V,
    ) -> Option<impl Future<Output = Landed<V>> + Send + 'static>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = |flight: &Flight<V>| {
            flight.slot.get().is_none_or(|result| {
                flight.asked.elapsed() < if (self.lasts)(result) { self.remember } else { self.remember / 3 }
            })
        };
        if let Some(flight) = flights.get(&key).filter(|flight| is_fresh(flight)) {
            return Some(landing(flight));
        }
        if flights.len() >= self.most {
            flights.retain(|_, flight| is_fresh(flight));
            if flights.len() >= self.most {
                return None;
            }
        }
        let reading = read();
        let slot = Arc::new(OnceLock::new());
        let landed = Arc::clone(&slot);
        let task = tokio::spawn(async move {
            let result = reading.await;
            // The only one that sets it.
            let _ = landed.set(result.clone());
            result
        });
        let result = async move { task.await.unwrap_or(lost) }.boxed().shared();
        // The time of a result is when it was asked for: what AWS said cannot be older.
        let flight = Flight { asked: Instant::now(), slot, result };
        let landing = landing(&flight);
        flights.insert(key, flight);
        Some(landing)
    }
}

fn landing<V: Clone + Send + Sync + 'static>(flight: &Flight<V>) -> impl Future<Output = Landed<V>> + Send + use<V> {
    let (asked, result) = (flight.asked, flight.result.clone());
    async move { (asked, result.await) }
}
