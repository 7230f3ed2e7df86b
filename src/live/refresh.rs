//! Reading everything again at intervals.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use rolecall_core::snapshot::Snapshot;
use tokio::time::Instant;

use super::world_store::{WorldState, WorldStore};

/// What came of a collection.
#[derive(Debug, Default)]
pub struct Collection {
    /// The snapshot; `None` where there is nothing to make one of, and once it was taken.
    pub snapshot: Option<Snapshot>,
    /// There was something to make a snapshot of.
    pub is_usable: bool,
    /// Each part with when it was read, in seconds since 1970.
    pub parts: Vec<(&'static str, i64)>,
    /// What could not be read: where, and why.
    pub failures: Vec<(String, String)>,
}

/// What the cluster asks of a collection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// ARNs of roles that service accounts name.
    pub roles: BTreeSet<String>,
    /// Something declares what it needs, so that roles' policies matter.
    pub policies: bool,
}

/// Collects everything.
pub trait Collector: Send + Sync + std::fmt::Debug {
    /// Collects. `None`: nothing has changed since the last time.
    fn collect(&self, asked: Asked) -> BoxFuture<'_, Option<Collection>>;
}

/// How often.
#[derive(Debug, Clone, Copy)]
pub struct Refreshing {
    /// From the beginning of one collection to the next.
    pub interval: Duration,
    /// Up to this share of the interval is added or taken away, so that a fleet does not call in step.
    pub jitter: f64,
}

impl Refreshing {
    /// The pause before the next collection; `chance` is from 0 to 1.
    pub fn pause(self, took: Duration, chance: f64) -> Duration {
        let factor = (1.0 + self.jitter * (2.0 * chance - 1.0)).max(0.0);
        self.interval.mul_f64(factor).saturating_sub(took).max(Duration::from_secs(1))
    }

    /// The pause after so many attempts that brought nothing: doubling from a second, never beyond the interval.
    pub fn patience(self, attempts: u32, chance: f64) -> Duration {
        let doubled = Duration::from_secs(1).saturating_mul(1 << attempts.min(12));
        doubled.min(self.interval).mul_f64(0.5 + chance / 2.0)
    }
}

/// Sees what a refresh comes to.
pub trait Refresh: Send + Sync {
    /// A collection ended.
    fn refreshed(&self, world_state: &WorldState, collection: &Collection, took: Duration);
}

/// Refreshes until it is dropped.
pub async fn refresh_forever(
    store: Arc<WorldStore>,
    collector: Arc<dyn Collector>,
    refreshing: Refreshing,
    chance: impl Fn() -> f64 + Send,
    seen: Arc<dyn Refresh>,
) {
    let mut attempts = 0;
    loop {
        let began = Instant::now();
        let asked = {
            let world_state = store.now();
            let roles = world_state.world.annotated_roles().map(str::to_owned).collect();
            Asked { roles, policies: world_state.world.declares_needs() }
        };
        let pause = match collector.collect(asked).await {
            None => refreshing.pause(began.elapsed(), chance()),
            Some(mut collection) => {
                if let Some(snapshot) = collection.snapshot.take() {
                    store.take(snapshot, began, collection.failures.is_empty());
                }
                seen.refreshed(&store.now(), &collection, began.elapsed());
                if collection.is_usable {
                    attempts = 0;
                    refreshing.pause(began.elapsed(), chance())
                } else {
                    attempts += 1;
                    refreshing.patience(attempts, chance())
                }
            }
        };
        tokio::time::sleep(pause).await;
    }
}
