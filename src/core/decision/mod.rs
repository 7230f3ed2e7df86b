//! Findings, levels, mode and exemptions → allow, warn or deny. The only place where a mode is applied.

mod decide;

pub use decide::{Decision, Outcome, Policy, decide, denies_at};

pub use crate::level::{
    EnforceOn, Level, LevelAssignment, LevelRule, Levels, Mode, NamespacePolicy, Operator, PartialPolicy, Requirement,
    Resolved, Selector, Source, Sourced,
};
