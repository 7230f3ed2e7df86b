//! What the handlers share: immutable, or swapped whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use rolecall_core::world::World;

use super::metrics::Metrics;
use crate::config::Limits;
use crate::review::Settings;

/// A world, and when its snapshot was collected, as text.
#[derive(Debug)]
pub struct Knowledge {
    /// The world.
    pub world: World,
    /// RFC 3339, or empty where the snapshot does not say.
    pub snapshot_time: String,
}

impl Knowledge {
    /// Knowledge of a world.
    pub fn new(world: World) -> Self {
        let snapshot_time = world.snapshot.collected_at.map(|time| time.to_string()).unwrap_or_default();
        Self { world, snapshot_time }
    }
}

/// What the handlers share.
#[derive(Debug)]
pub struct State {
    pub(super) knowledge: ArcSwap<Knowledge>,
    pub(super) settings: Settings,
    pub(super) limits: Limits,
    pub(super) metrics: Metrics,
    /// Bytes of bodies that are being read.
    pub(super) in_flight: AtomicUsize,
    draining: AtomicBool,
}

impl State {
    /// State over a first knowledge.
    pub fn new(knowledge: Knowledge, settings: Settings, limits: Limits) -> Arc<Self> {
        let metrics = Metrics::new();
        metrics.describe_snapshot(&knowledge);
        Arc::new(Self {
            knowledge: ArcSwap::from_pointee(knowledge),
            settings,
            limits,
            metrics,
            in_flight: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
        })
    }

    /// Ready for reviews: not shutting down. (There is always a snapshot: the process does not start without one.)
    pub(super) fn is_ready(&self) -> bool {
        !self.draining.load(Ordering::Relaxed)
    }

    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}
