//! Rules on the AWS data that rolecall has.

use super::{Impact, Rule};
use crate::certainty::Certainty;
use crate::level::Level;

/// A part of AWS that the result depends on is not in the snapshot.
pub static NOT_COLLECTED: Rule = Rule {
    name: "not-collected",
    aliases: &[],
    since: "0.1.0",
    level: Level::Strict,
    certainty: Certainty::Undecided,
    impact: Impact::Availability,
    link: None,
    traits: &[],
    page: include_str!("pages/not-collected.md"),
};

/// An entry of the snapshot is malformed.
pub static SNAPSHOT_ENTRY_UNREADABLE: Rule = Rule {
    name: "snapshot-entry-unreadable",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Undecided,
    impact: Impact::Availability,
    link: None,
    traits: &[],
    page: include_str!("pages/snapshot-entry-unreadable.md"),
};

/// The rules of this file.
pub(super) static RULES: &[&Rule] = &[&NOT_COLLECTED, &SNAPSHOT_ENTRY_UNREADABLE];
