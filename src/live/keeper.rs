//! Who holds what is known: readers take it without a lock, writers one after another.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use rolecall_core::snapshot::{Reread, Snapshot};
use rolecall_core::world::World;
use tokio::time::Instant;

/// A world, and when its snapshot was collected, as text.
#[derive(Debug)]
pub struct Knowledge {
    /// The world.
    pub world: World,
    /// RFC 3339, or empty where the snapshot does not say.
    pub snapshot_time: String,
    /// AWS was read, at least once.
    pub is_first_hand: bool,
}

impl Knowledge {
    /// Knowledge of a world.
    pub fn new(world: World) -> Self {
        let snapshot_time = world.snapshot.collected_at.map(|time| time.to_string()).unwrap_or_default();
        Self { world, snapshot_time, is_first_hand: true }
    }

    /// A world before anything was read of AWS.
    pub fn before_reading(world: World) -> Self {
        Self { is_first_hand: false, ..Self::new(world) }
    }

    /// The same with what was read anew; `None` where that changes nothing.
    pub fn learn(&self, reread: &Reread) -> Option<Self> {
        let snapshot = self.world.snapshot.learn(reread)?;
        Some(Self { is_first_hand: self.is_first_hand, ..Self::new(self.world.with_snapshot(Arc::new(snapshot))) })
    }
}

/// Holds what is known.
#[derive(Debug)]
pub struct Keeper {
    knowledge: ArcSwap<Knowledge>,
    /// What was learned between collections, with when it was read: a collection that began before must not undo it.
    learned: Mutex<Vec<(Instant, Arc<Reread>)>>,
}

impl Keeper {
    /// Begins with this.
    pub fn new(knowledge: Knowledge) -> Self {
        Self { knowledge: ArcSwap::from_pointee(knowledge), learned: Mutex::default() }
    }

    /// What is known now.
    pub fn now(&self) -> Guard<Arc<Knowledge>> {
        self.knowledge.load()
    }

    /// What is known now, to keep.
    pub fn now_full(&self) -> Arc<Knowledge> {
        self.knowledge.load_full()
    }

    /// Takes a snapshot whose collection began then, in place of the one before.
    pub fn take(&self, snapshot: Snapshot, began: Instant) -> Arc<Knowledge> {
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        learned.retain(|(read, _)| *read >= began);
        let mut snapshot = snapshot;
        for (_, reread) in learned.iter() {
            if let Some(newer) = snapshot.learn(reread) {
                snapshot = newer;
            }
        }
        let knowledge = Arc::new(Knowledge::new(self.knowledge.load().world.with_snapshot(Arc::new(snapshot))));
        self.knowledge.store(Arc::clone(&knowledge));
        knowledge
    }

    /// Learns what was read anew at that time.
    pub fn learn(&self, reread: Arc<Reread>, read: Instant) {
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(knowledge) = self.knowledge.load().learn(&reread) {
            self.knowledge.store(Arc::new(knowledge));
            // In the order of reading: the last word counts.
            let at = learned.partition_point(|(before, _)| *before <= read);
            learned.insert(at, (read, reread));
        }
    }
}
