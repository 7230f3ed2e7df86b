//! Rules on what an identity may do once a pod has it.

use super::{Impact, Link, Rule, Trait};
use crate::certainty::Certainty;
use crate::level::Level;

/// A declared need is refused by a policy, whatever else allows it.
pub static PERMISSION_DENIED: Rule = Rule {
    name: "permission-denied",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Permissions),
    traits: &[Trait::ReadsPolicies, Trait::ReadsNeeds, Trait::ReadsRoleAnnotation],
    page: include_str!("pages/permission-denied.md"),
};

/// A declared need is allowed by no identity policy.
pub static PERMISSION_MISSING: Rule = Rule {
    name: "permission-missing",
    aliases: &[],
    since: "0.1.0",
    level: Level::Fallback,
    certainty: Certainty::Likely,
    impact: Impact::Availability,
    link: Some(Link::Permissions),
    traits: &[Trait::ReadsPolicies, Trait::ReadsNeeds, Trait::ReadsRoleAnnotation],
    page: include_str!("pages/permission-missing.md"),
};

/// A declared need names no AWS action.
pub static ACTION_UNKNOWN: Rule = Rule {
    name: "action-unknown",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Hygiene,
    link: Some(Link::Permissions),
    traits: &[Trait::ReadsNeeds, Trait::InAnyNamespace],
    page: include_str!("pages/action-unknown.md"),
};

/// The node's role permits what a workload needs.
pub static NODE_ROLE_OVERPRIVILEGED: Rule = Rule {
    name: "node-role-overprivileged",
    aliases: &[],
    since: "0.1.0",
    level: Level::Strict,
    certainty: Certainty::Likely,
    impact: Impact::Security,
    link: Some(Link::Permissions),
    traits: &[Trait::ReadsPolicies, Trait::ReadsNeeds, Trait::OnNodeRole],
    page: include_str!("pages/node-role-overprivileged.md"),
};

/// The declared needs take more work to check than one object may.
pub static PERMISSION_UNCHECKED: Rule = Rule {
    name: "permission-unchecked",
    aliases: &[],
    since: "0.1.0",
    level: Level::Fallback,
    certainty: Certainty::Undecided,
    impact: Impact::Availability,
    link: Some(Link::Permissions),
    traits: &[Trait::ReadsNeeds, Trait::ReadsRoleAnnotation],
    page: include_str!("pages/permission-unchecked.md"),
};

/// The rules of this file.
pub(super) static RULES: &[&Rule] =
    &[&ACTION_UNKNOWN, &NODE_ROLE_OVERPRIVILEGED, &PERMISSION_DENIED, &PERMISSION_MISSING, &PERMISSION_UNCHECKED];
