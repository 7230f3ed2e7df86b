//! How much work the permission check of one object may take.
//!
//! Whoever may create a pod chooses its declared needs, and somebody else the policies of its role: both within AWS's and
//! Kubernetes' limits can keep a processor busy for minutes. Work is counted in compared patterns, not in time, so that a
//! verdict does not depend on how busy the machine is.

use std::cell::Cell;

/// Patterns compared in about 50 ms on one core of 2026 (`cargo bench --bench judge`).
const PATTERNS_PER_CHECK: u64 = 1_000_000;

/// What is left of the work that may be done.
#[derive(Debug)]
pub struct Effort(Cell<u64>);

impl Effort {
    /// For one object at admission.
    pub fn for_one_check() -> Self {
        Self(Cell::new(PATTERNS_PER_CHECK))
    }

    /// Without a limit, for a question that a person asks.
    pub fn unlimited() -> Self {
        Self(Cell::new(u64::MAX))
    }

    /// Takes from what is left; `false` where that is not enough, and then for good.
    pub fn spend(&self, patterns: usize) -> bool {
        let left = self.0.get().saturating_sub(patterns as u64);
        self.0.set(left);
        left > 0
    }

    /// Whether nothing is left.
    pub fn is_spent(&self) -> bool {
        self.0.get() == 0
    }
}
