//! How much work checking one object may take.
//!
//! The author of a pod chooses its containers, their roles and the declared needs; others choose the policies of
//! those roles: all of them within AWS's and Kubernetes' limits can keep a processor busy for minutes. Work is counted in
//! compared patterns, not in time, so that a verdict does not depend on how busy the machine is. What is left when the
//! limit is reached is undecided.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The largest policies that `src/core/tests/effort.rs` builds took 35 to 50 ms with it, in a release build on a shared core.
const PATTERNS_PER_CHECK: u64 = 800_000;
/// The same for a check that runs where others wait for it: 4 to 6 ms.
const PATTERNS_PER_SHORT_CHECK: u64 = 100_000;

/// Ends a check before its limit, from another thread: its result is not needed any more.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Ends the check at its next step.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the check is to end. What it concludes from here on means nothing.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is left of the work that may be done.
#[derive(Debug)]
pub struct Effort {
    left: Cell<u64>,
    stop: Option<Stop>,
}

impl Effort {
    /// For one object at admission.
    pub fn for_one_check() -> Self {
        Self { left: Cell::new(PATTERNS_PER_CHECK), stop: None }
    }

    /// For one object that is checked again elsewhere where this is not enough.
    pub fn for_short_check() -> Self {
        Self { left: Cell::new(PATTERNS_PER_SHORT_CHECK), stop: None }
    }

    /// Without a limit, for a question that a person asks.
    pub fn unlimited() -> Self {
        Self { left: Cell::new(u64::MAX), stop: None }
    }

    /// One of two equal parts: for an object, and for the one that it replaces.
    #[must_use]
    pub fn half(self) -> Self {
        Self { left: Cell::new(self.left.get() / 2), ..self }
    }

    /// Ends when this is set, too.
    #[must_use]
    pub fn until(self, stop: Option<Stop>) -> Self {
        Self { stop, ..self }
    }

    /// Takes from what is left; `false` where that is not enough or the check is to end, and then for good.
    pub fn spend(&self, patterns: usize) -> bool {
        let is_stopped = self.stop.as_ref().is_some_and(Stop::is_set);
        let left = if is_stopped { 0 } else { self.left.get().saturating_sub(patterns as u64) };
        self.left.set(left);
        left > 0
    }

    /// Whether nothing is left.
    pub fn is_spent(&self) -> bool {
        self.left.get() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_at_its_limit_or_when_it_is_stopped_and_for_good() {
        let effort = Effort::for_short_check();
        assert!(effort.spend(1) && !effort.is_spent());
        assert!(!effort.spend(usize::MAX) && !effort.spend(0) && effort.is_spent());
        let stop = Stop::default();
        let effort = Effort::unlimited().until(Some(stop.clone()));
        assert!(effort.spend(1));
        stop.set();
        assert!(!effort.spend(0) && effort.is_spent());
    }
}
