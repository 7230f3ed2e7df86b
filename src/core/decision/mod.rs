//! Findings, levels, mode and exemptions → allow, warn or deny. The only place where a mode is applied.

mod assign;
mod decide;
mod enforce_on;
mod level;
mod selector;

pub use assign::{LevelAssignment, LevelRule, NamespacePolicy, PartialPolicy, Resolved, Source, Sourced};
pub use decide::{Decision, Outcome, Policy, decide, denies_at};
pub use enforce_on::EnforceOn;
pub use level::{Level, Levels, Mode};
pub use selector::{Operator, Requirement, Selector};
