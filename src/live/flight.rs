//! One reading at a time for each key. All who ask share its result, and a result serves again for a short time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, Shared};
use tokio::time::Instant;

/// A result with the time at which its reading began: what it says cannot be older.
type Landed<V> = (Instant, V);

/// Readings under way and just done.
pub struct Flights<K, V> {
    flights: Mutex<HashMap<K, Flight<V>>>,
    remember: Duration,
    lasts: fn(&V) -> bool,
    most: usize,
}

/// How many wait for a reading; `usize::MAX` once it was given up because none did.
#[derive(Debug, Default)]
pub struct Waiting(AtomicUsize);

const GIVEN_UP: usize = usize::MAX;

impl Waiting {
    /// Whether a review waits for the reading. Where none does, it is given up: the next review starts another.
    pub fn is_wanted(&self) -> bool {
        !matches!(self.0.compare_exchange(0, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire), Ok(_) | Err(GIVEN_UP))
    }

    fn is_given_up(&self) -> bool {
        self.0.load(Ordering::Acquire) == GIVEN_UP
    }

    /// Changes the number of those who wait; `false` where the reading was given up.
    fn change(&self, by: impl Fn(usize) -> usize) -> bool {
        let change = |count| (count != GIVEN_UP).then(|| by(count));
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, change).is_ok()
    }
}

/// One who waits for a reading.
struct Waiter(Arc<Waiting>);

impl Waiter {
    /// `None` where the reading was given up.
    fn of(waiting: &Arc<Waiting>) -> Option<Self> {
        waiting.change(|count| count + 1).then(|| Self(Arc::clone(waiting)))
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.change(|count| count.saturating_sub(1));
    }
}

/// A reading. It waits until `began` is set, and is under way until `slot` is set, whether or not a review waits for it.
struct Flight<V> {
    waiting: Arc<Waiting>,
    began: Arc<OnceLock<Instant>>,
    slot: Arc<OnceLock<V>>,
    result: Shared<BoxFuture<'static, Landed<V>>>,
}

/// Sets a result when a reading ends without one: it panicked, or its task was cancelled. Without this the key would count
/// as under way for ever.
struct Ending<V> {
    slot: Arc<OnceLock<V>>,
    lost: Option<V>,
}

impl<V> Drop for Ending<V> {
    fn drop(&mut self) {
        if let Some(lost) = self.lost.take() {
            // Has no effect where the reading set its result.
            let _ = self.slot.set(lost);
        }
    }
}

impl<K, V> std::fmt::Debug for Flights<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flights").field("remember", &self.remember).field("most", &self.most).finish_non_exhaustive()
    }
}

impl<K: Eq + Hash + Clone, V: Clone + Send + Sync + 'static> Flights<K, V> {
    /// Results serve for as long as `remember`, those that do not last for a third of it; at most `most` keys are under way or
    /// remembered.
    pub fn new(remember: Duration, lasts: fn(&V) -> bool, most: usize) -> Self {
        Self { flights: Mutex::default(), remember, lasts, most }
    }

    /// The earliest beginning of a reading that may serve a question of now.
    pub fn since(&self) -> Instant {
        let now = Instant::now();
        now.checked_sub(self.remember).unwrap_or(now)
    }

    /// Joins a reading of this key that began at `not_before` or later, or starts one; `None` where too many are under way.
    /// Of a key there is one reading at a time: where an older one is under way, the new one begins when that ends, and all
    /// who ask until then share it. A reading goes on when no review waits for it any more: its result serves the next. Before
    /// it makes its first call it is to ask [`Waiting::is_wanted`], and to make none where no review waits.
    pub fn join<F>(
        &self,
        key: K,
        not_before: Instant,
        read: impl FnOnce(Arc<Waiting>) -> F,
        lost: V,
    ) -> Option<impl Future<Output = Landed<V>> + Send + 'static>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let serves = |flight: &Flight<V>| match (flight.began.get(), flight.slot.get()) {
            // It begins later than now.
            (None, None) => true,
            (None, Some(_)) => false,
            (Some(began), Some(result)) if !(self.lasts)(result) => began.elapsed() < self.remember / 3,
            (Some(began), _) => *began >= not_before,
        };
        let waits = |waiter: Waiter, result: Shared<BoxFuture<'static, Landed<V>>>| async move {
            let landed = result.await;
            drop(waiter);
            landed
        };
        let serving = flights.get(&key).filter(|flight| serves(flight));
        if let Some((waiter, flight)) = serving.and_then(|flight| Some((Waiter::of(&flight.waiting)?, flight))) {
            return Some(waits(waiter, flight.result.clone()));
        }
        if flights.len() >= self.most {
            flights.retain(|_, flight| {
                let is_recent = !flight.waiting.is_given_up()
                    && flight.began.get().is_some_and(|began| began.elapsed() < self.remember);
                flight.slot.get().is_none() || is_recent
            });
            if flights.len() >= self.most && !flights.contains_key(&key) {
                return None;
            }
        }
        let before = flights.get(&key).filter(|flight| flight.slot.get().is_none()).map(|flight| flight.result.clone());
        let waiting = Arc::<Waiting>::default();
        let waiter = Waiter::of(&waiting)?;
        let reading = read(Arc::clone(&waiting));
        let (began, slot) = (Arc::new(OnceLock::new()), Arc::new(OnceLock::new()));
        // Without a reading before it, it begins now, not when its task is first run: it may already serve the next question.
        if before.is_none() {
            let _ = began.set(Instant::now());
        }
        let ending = Ending { slot: Arc::clone(&slot), lost: Some(lost.clone()) };
        let beginning = Arc::clone(&began);
        let task = tokio::spawn(async move {
            let ending = ending;
            if let Some(before) = before {
                before.await;
            }
            let began = *beginning.get_or_init(Instant::now);
            let result = reading.await;
            let _ = ending.slot.set(result.clone());
            (began, result)
        });
        let result = async move { task.await.unwrap_or_else(|_| (Instant::now(), lost)) }.boxed().shared();
        flights.insert(key, Flight { waiting, began, slot, result: result.clone() });
        Some(waits(waiter, result))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    type Readings = Flights<&'static str, Result<usize, &'static str>>;

    fn readings(remember: Duration) -> Arc<Readings> {
        Arc::new(Flights::new(remember, |result| result.is_ok(), 4))
    }

    fn panics() -> usize {
        panic!("a reading that panics, as this test wants it")
    }

    async fn ask(
        readings: &Readings,
        read: impl Future<Output = usize> + Send + 'static,
    ) -> Result<usize, &'static str> {
        let reading = readings.join("key", readings.since(), |_| async move { Ok(read.await) }, Err("lost"));
        reading.expect("there is room").await.1
    }

    #[tokio::test(start_paused = true)]
    async fn a_reading_that_panics_does_not_block_its_key() {
        for remember in [Duration::ZERO, Duration::from_secs(3)] {
            let readings = readings(remember);
            assert_eq!(ask(&readings, async { panics() }).await, Err("lost"));
            tokio::time::advance(remember / 3).await;
            assert_eq!(ask(&readings, async { 7 }).await, Ok(7), "the key is read again");
        }
    }

    /// No review waits for the reading that panics: its slot must be set all the same.
    #[tokio::test(start_paused = true)]
    async fn a_panic_that_no_review_sees_does_not_block_its_key() {
        let readings = readings(Duration::from_secs(3));
        drop(readings.join("key", readings.since(), |_| async { Ok(panics()) }, Err("lost")));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(ask(&readings, async { 7 }).await, Ok(7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_review_that_is_cancelled_leaves_its_reading_to_the_others() {
        let readings = readings(Duration::from_secs(3));
        let slow = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            1
        };
        assert!(tokio::time::timeout(Duration::from_secs(1), ask(&readings, slow)).await.is_err());
        assert_eq!(ask(&readings, async { 2 }).await, Ok(1), "the reading went on");
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(ask(&readings, async { 3 }).await, Ok(3));
    }

    /// A runtime that ends cancels its tasks; the map may outlive it.
    #[test]
    fn a_reading_whose_task_is_cancelled_does_not_block_its_key() {
        let readings = readings(Duration::ZERO);
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let first = runtime();
        first.block_on(async {
            drop(readings.join("key", readings.since(), |_| std::future::pending(), Err("lost")));
            tokio::task::yield_now().await;
        });
        drop(first);
        assert_eq!(runtime().block_on(ask(&readings, async { 5 })), Ok(5));
    }

    #[tokio::test(start_paused = true)]
    async fn one_at_a_time_and_none_older_than_asked_for() {
        let readings = readings(Duration::ZERO);
        let (running, count) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let start = Instant::now();
        let mut reviews = Vec::new();
        for n in 0..50u64 {
            let (readings, running, count) = (Arc::clone(&readings), Arc::clone(&running), Arc::clone(&count));
            reviews.push(tokio::spawn(async move {
                tokio::time::sleep_until(start + Duration::from_millis(10 * n)).await;
                let asked = Instant::now();
                let read = |_| async move {
                    assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0, "two at a time");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    running.fetch_sub(1, Ordering::SeqCst);
                    Ok(count.fetch_add(1, Ordering::SeqCst))
                };
                let (began, result) = readings.join("key", readings.since(), read, Err("lost")).unwrap().await;
                assert!(began >= asked && result.is_ok(), "{result:?}");
            }));
        }
        for review in reviews {
            review.await.unwrap();
        }
        assert!(count.load(Ordering::SeqCst) <= 7, "shared: {count:?} readings for 50 reviews");
    }

    /// A reading that waits its turn makes no call when the only review that wanted it has left; the next review starts
    /// another. One that has begun goes on.
    #[tokio::test(start_paused = true)]
    async fn a_reading_without_a_waiting_review_does_not_begin() {
        let readings = readings(Duration::from_secs(3));
        let calls = Arc::new(AtomicUsize::new(0));
        let read = |turn: u64| {
            let calls = Arc::clone(&calls);
            move |waiting: Arc<Waiting>| async move {
                tokio::time::sleep(Duration::from_secs(turn)).await;
                if !waiting.is_wanted() {
                    return Err("no review waits");
                }
                calls.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok(calls.load(Ordering::SeqCst))
            }
        };
        let join = |turn| readings.join("key", readings.since(), read(turn), Err("lost")).expect("there is room");
        let left = tokio::time::timeout(Duration::from_millis(500), join(1)).await;
        assert!(left.is_err());
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(calls.load(Ordering::SeqCst), 0, "no review waits for it");
        assert_eq!(join(0).await.1, Ok(1), "what was given up is not reused");
        tokio::time::sleep(Duration::from_secs(4)).await;
        let left = tokio::time::timeout(Duration::from_millis(500), join(0)).await;
        assert!(left.is_err());
        assert_eq!(join(0).await.1, Ok(2), "it had begun, and goes on");
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_at_most_so_many() {
        let readings: Flights<usize, Result<usize, &str>> = Flights::new(Duration::ZERO, |result| result.is_ok(), 2);
        let join = |key| readings.join(key, readings.since(), |_| std::future::pending(), Err("lost"));
        assert!(join(1).is_some() && join(2).is_some());
        assert!(join(3).is_none(), "two are under way");
        assert!(join(2).is_some(), "that one is under way already");
    }
}
