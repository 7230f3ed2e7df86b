//! Who holds what is known: readers take it without a lock, writers one after another.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use rolecall_core::snapshot::{Reread, Snapshot};
use rolecall_core::world::{AssociationReading, Change, World};
use tokio::sync::Notify;
use tokio::time::Instant;

/// A world, and when its snapshot was collected, as text.
#[derive(Debug)]
pub struct WorldState {
    /// The world.
    pub world: World,
    /// RFC 3339, or empty where the snapshot does not say.
    pub snapshot_time: String,
    /// AWS was read, at least once.
    pub is_first_hand: bool,
}

impl WorldState {
    /// The state over a world.
    pub fn new(world: World) -> Self {
        let snapshot_time = world.snapshot.collected_at.map(|time| time.to_string()).unwrap_or_default();
        Self { world, snapshot_time, is_first_hand: true }
    }

    /// A world before anything was read of AWS.
    pub fn before_reading(world: World) -> Self {
        Self { is_first_hand: false, ..Self::new(world) }
    }

    /// The same over a world that has changed.
    fn with_changes(&self, changes: Vec<Change>) -> Self {
        Self {
            world: self.world.with(changes),
            snapshot_time: self.snapshot_time.clone(),
            is_first_hand: self.is_first_hand,
        }
    }

    /// The same with what was read again; `None` where that changes nothing.
    pub fn merge(&self, reread: &Reread) -> Option<Self> {
        let snapshot = self.world.snapshot.merge(reread)?;
        Some(Self { is_first_hand: self.is_first_hand, ..Self::new(self.world.with_snapshot(Arc::new(snapshot))) })
    }
}

/// Holds what is known.
#[derive(Debug)]
pub struct WorldStore {
    world_state: ArcSwap<WorldState>,
    merged: Mutex<MergedRereads>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct MergedRereads {
    /// What was learned between collections, with when it was asked for: a collection that began before must not undo it.
    rereads: Vec<(Instant, Arc<Reread>)>,
    /// When the last whole collection began: what was asked for before teaches nothing new.
    began: Option<Instant>,
    /// When the last collection began, whole or not.
    last: Option<Instant>,
}

/// So much is remembered of what was learned since the last whole collection; what is older goes.
const MAX_REREADS: usize = 1_024;

impl WorldStore {
    /// Begins with this.
    pub fn new(world_state: WorldState) -> Self {
        Self { world_state: ArcSwap::from_pointee(world_state), merged: Mutex::default(), changed: Notify::new() }
    }

    /// What is known now.
    pub fn now(&self) -> Guard<Arc<WorldState>> {
        self.world_state.load()
    }

    /// What is known now, to keep.
    pub fn now_full(&self) -> Arc<WorldState> {
        self.world_state.load_full()
    }

    /// Takes a snapshot whose collection began then, in place of the one before. Where it is not `whole`, parts of it may be
    /// older than what was learned since.
    pub fn take(&self, snapshot: Snapshot, began: Instant, whole: bool) -> Arc<WorldState> {
        let mut merged = self.merged.lock().unwrap_or_else(PoisonError::into_inner);
        // Of a collection that failed in part it is not known which part: what was learned since the one before it stays for another round.
        let since = if whole { Some(began) } else { merged.last };
        merged.rereads.retain(|(asked, _)| since.is_none_or(|since| *asked >= since));
        merged.last = Some(began);
        if whole {
            merged.began = Some(began);
        }
        let mut snapshot = snapshot;
        for (_, reread) in &merged.rereads {
            if let Some(newer) = snapshot.merge(reread) {
                snapshot = newer;
            }
        }
        let world_state = Arc::new(WorldState::new(self.world_state.load().world.with_snapshot(Arc::new(snapshot))));
        self.world_state.store(Arc::clone(&world_state));
        world_state
    }

    /// Says when the associations are read, compared with the objects of reviews.
    pub fn read_associations(&self, reading: AssociationReading) {
        let writing = self.merged.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.world_state.load();
        let world_state = WorldState {
            world: known.world.with_association_reading(reading),
            snapshot_time: known.snapshot_time.clone(),
            is_first_hand: known.is_first_hand,
        };
        self.world_state.store(Arc::new(world_state));
        drop(writing);
    }

    /// Takes what changed in the cluster.
    pub fn apply(&self, changes: Vec<Change>) {
        let writing = self.merged.lock().unwrap_or_else(PoisonError::into_inner);
        let amended = self.world_state.load().with_changes(changes);
        self.world_state.store(Arc::new(amended));
        drop(writing);
        self.changed.notify_waiters();
    }

    /// Waits until something that changes in the cluster makes this true, or until then. Gives whether it is.
    pub async fn wait_until(&self, is_true: impl Fn(&World) -> bool, deadline: Instant) -> bool {
        loop {
            let amended = self.changed.notified();
            if is_true(&self.now().world) {
                return true;
            }
            if tokio::time::timeout_at(deadline, amended).await.is_err() {
                return is_true(&self.now().world);
            }
        }
    }

    /// Learns what was asked for at that time; gives what is known then, and whether that changed anything.
    pub fn merge(&self, reread: Arc<Reread>, asked: Instant) -> (Arc<WorldState>, bool) {
        let mut merged = self.merged.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.world_state.load_full();
        if merged.began.is_some_and(|began| asked < began) {
            return (known, false);
        }
        match known.merge(&reread) {
            None => (known, false),
            Some(newer) => {
                let newer = Arc::new(newer);
                self.world_state.store(Arc::clone(&newer));
                // In the order of asking: the last word counts.
                let at = merged.rereads.partition_point(|(before, _)| *before <= asked);
                merged.rereads.insert(at, (asked, reread));
                if merged.rereads.len() > MAX_REREADS {
                    merged.rereads.remove(0);
                }
                (newer, true)
            }
        }
    }
}
