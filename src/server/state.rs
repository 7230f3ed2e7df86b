//! What the handlers share: immutable, or swapped whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use rolecall_core::world::AssociationReading;

use super::budget::Budget;
use super::heartbeat::{self, Heartbeat};
use super::metrics::Metrics;
use super::pool::Pool;
use crate::config::Limits;
use crate::live::{Lookups, Rechecks, Rereads, WorldState, WorldStore};
use crate::review::{self, AccessReviewer, Frame, NoticeSink, Previewer, Record, Reply, Settings, Unread};

/// How the cluster is asked, and where Events go.
#[derive(Debug)]
pub struct ClusterAccess {
    /// Looks up what the watch has not brought yet.
    pub lookups: Lookups,
    /// Asks what users may do.
    pub access: Arc<dyn AccessReviewer>,
    /// Shows what a raised level would deny; `None`: it is not shown.
    pub previewer: Option<Arc<dyn Previewer>>,
    /// Writes Events about what was decided.
    pub notices: Option<Arc<dyn NoticeSink>>,
}

/// How a denial is confirmed.
#[derive(Debug)]
pub enum Confirmation {
    /// Not at all: what is known is all there is to know.
    Nothing,
    /// Its links are read again from AWS.
    Links(Rereads),
    /// The shared snapshot is asked for again.
    Snapshot(Arc<Rechecks>),
}

/// What the handlers share.
#[derive(Debug)]
pub struct State {
    pub(super) store: Arc<WorldStore>,
    pub(super) confirmation: Confirmation,
    /// Asks the cluster; `None` where there is none.
    pub(super) cluster: Option<ClusterAccess>,
    pub(super) settings: Settings,
    pub(super) limits: Limits,
    pub(super) metrics: Arc<Metrics>,
    /// The memory for reviews and answers.
    pub(super) budget: Budget,
    /// Where long checks are done.
    pub(super) pool: Pool,
    pub(super) heartbeat: Heartbeat,
    draining: AtomicBool,
}

impl State {
    /// State over a world that does not change.
    pub fn new(world_state: WorldState, settings: Settings, limits: Limits) -> Arc<Self> {
        let metrics = Arc::new(Metrics::new());
        metrics.describe_snapshot(&world_state);
        Self::live(Arc::new(WorldStore::new(world_state)), None, None, metrics, settings, limits)
    }

    /// State over a world that others keep fresh, with denials confirmed by `rereads`.
    pub fn live(
        store: Arc<WorldStore>,
        rereads: Option<Rereads>,
        cluster: Option<ClusterAccess>,
        metrics: Arc<Metrics>,
        settings: Settings,
        limits: Limits,
    ) -> Arc<Self> {
        let confirmation = rereads.map_or(Confirmation::Nothing, Confirmation::Links);
        Self::confirming(store, confirmation, cluster, metrics, settings, limits)
    }

    /// State over a world that others keep fresh, with denials confirmed in this way.
    pub fn confirming(
        store: Arc<WorldStore>,
        confirmation: Confirmation,
        cluster: Option<ClusterAccess>,
        metrics: Arc<Metrics>,
        settings: Settings,
        limits: Limits,
    ) -> Arc<Self> {
        match confirmation {
            Confirmation::Nothing => {}
            Confirmation::Links(_) => store.read_associations(AssociationReading::BeforeAndReadable),
            Confirmation::Snapshot(_) => store.read_associations(AssociationReading::Before),
        }
        Arc::new(Self {
            store,
            confirmation,
            cluster,
            settings,
            limits,
            metrics,
            budget: Budget::new(limits.in_flight_bytes, limits.large_bytes()),
            pool: Pool::new(),
            heartbeat: Heartbeat::new(),
            draining: AtomicBool::new(false),
        })
    }

    /// Ready for reviews: AWS was read, the cluster was listed, and it is not shutting down.
    pub(super) fn readiness(&self) -> Result<(), &'static str> {
        if self.draining.load(Ordering::Relaxed) {
            return Err("shutting down\n");
        }
        if self.heartbeat.age() > heartbeat::NOT_READY {
            return Err("the threads that answer reviews do not\n");
        }
        let world_state = self.store.now();
        if !world_state.is_first_hand {
            Err("nothing was read of AWS yet\n")
        } else if self.cluster.is_some() && !world_state.world.is_complete() {
            Err("the cluster's service accounts were not listed yet\n")
        } else {
            Ok(())
        }
    }

    /// The answer to a review that was not checked.
    pub(super) fn unread(&self, frame: &Frame, why: Unread, observe: impl FnOnce(&Record<'_>)) -> Reply {
        let world_state = self.store.now();
        let (world, time) = (&world_state.world, &world_state.snapshot_time);
        review::unread(world, time, &self.settings, frame, why, Timestamp::now(), observe)
    }

    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}
