//! Rules on policies of AWS Organizations.

use super::{Impact, Link, Rule};
use crate::certainty::Certainty;
use crate::level::Level;

/// A resource control policy denies the call that assumes the role.
pub static ORGANIZATION_POLICY_DENIED: Rule = Rule {
    name: "organization-policy-denied",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Trust),
    traits: &[],
    page: include_str!("pages/organization-policy-denied.md"),
};

/// The rules of this file.
pub(super) static RULES: &[&Rule] = &[&ORGANIZATION_POLICY_DENIED];
