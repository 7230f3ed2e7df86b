//! What the handlers share: immutable, or swapped whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::metrics::Metrics;
use crate::config::Limits;
use crate::live::{Keeper, Knowledge, Rereads};
use crate::review::Settings;

/// What the handlers share.
#[derive(Debug)]
pub struct State {
    pub(super) keeper: Arc<Keeper>,
    /// Confirms denials; `None` where what is known is all there is to know.
    pub(super) rereads: Option<Rereads>,
    pub(super) settings: Settings,
    pub(super) limits: Limits,
    pub(super) metrics: Arc<Metrics>,
    /// Bytes of bodies that are being read.
    pub(super) in_flight: AtomicUsize,
    draining: AtomicBool,
}

impl State {
    /// State over knowledge that does not change.
    pub fn new(knowledge: Knowledge, settings: Settings, limits: Limits) -> Arc<Self> {
        let metrics = Arc::new(Metrics::new());
        metrics.describe_snapshot(&knowledge);
        Self::live(Arc::new(Keeper::new(knowledge)), None, metrics, settings, limits)
    }

    /// State over knowledge that others keep fresh, with denials confirmed by `rereads`.
    pub fn live(
        keeper: Arc<Keeper>,
        rereads: Option<Rereads>,
        metrics: Arc<Metrics>,
        settings: Settings,
        limits: Limits,
    ) -> Arc<Self> {
        Arc::new(Self {
            keeper,
            rereads,
            settings,
            limits,
            metrics,
            in_flight: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
        })
    }

    /// Ready for reviews: AWS was read, and it is not shutting down.
    pub(super) fn readiness(&self) -> Result<(), &'static str> {
        if self.draining.load(Ordering::Relaxed) {
            Err("shutting down\n")
        } else if self.keeper.now().is_first_hand {
            Ok(())
        } else {
            Err("nothing was read of AWS yet\n")
        }
    }

    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}
