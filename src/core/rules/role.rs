//! Rules on the role that a service account or an association names.

use super::{Impact, Link, Rule, Trait};
use crate::certainty::Certainty;
use crate::level::Level;

/// The value is not the ARN of an IAM role.
pub static ROLE_ARN_MALFORMED: Rule = Rule {
    name: "role-arn-malformed",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Role),
    traits: &[Trait::ReadsRoleAnnotation, Trait::OnAnyNode, Trait::InAnyNamespace],
    page: include_str!("pages/role-arn-malformed.md"),
};

/// The role's ARN is of another AWS partition than the cluster.
pub static ROLE_ARN_PARTITION: Rule = Rule {
    name: "role-arn-partition",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Role),
    traits: &[Trait::ReadsRoleAnnotation, Trait::OnAnyNode, Trait::InAnyNamespace],
    page: include_str!("pages/role-arn-partition.md"),
};

/// The role has a path, and the ARN leaves it out.
pub static ROLE_PATH_MISSING: Rule = Rule {
    name: "role-path-missing",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Role),
    traits: &[Trait::ReadsRoleAnnotation, Trait::ChangesRole, Trait::OnAnyNode, Trait::InAnyNamespace],
    page: include_str!("pages/role-path-missing.md"),
};

/// The ARN differs from that of an existing role only in its letter case.
pub static ROLE_ARN_CASE: Rule = Rule {
    name: "role-arn-case",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Likely,
    impact: Impact::Availability,
    link: Some(Link::Role),
    traits: &[Trait::ReadsRoleAnnotation, Trait::ChangesRole, Trait::InAnyNamespace],
    page: include_str!("pages/role-arn-case.md"),
};

/// The account is known, and has no such role.
pub static ROLE_MISSING: Rule = Rule {
    name: "role-missing",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Role),
    traits: &[Trait::ReadsRoleAnnotation, Trait::OnAnyNode, Trait::InAnyNamespace],
    page: include_str!("pages/role-missing.md"),
};

/// The role is of an account that cannot be read.
pub static ROLE_ACCOUNT_UNSEEN: Rule = Rule {
    name: "role-account-unseen",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Undecided,
    impact: Impact::Availability,
    link: Some(Link::Role),
    traits: &[Trait::ReadsRoleAnnotation, Trait::InAnyNamespace],
    page: include_str!("pages/role-account-unseen.md"),
};

/// A variable holds the role that the container has already, and the role does not trust itself.
pub static ROLE_ASSUMES_ITSELF: Rule = Rule {
    name: "role-assumes-itself",
    aliases: &[],
    since: "0.1.0",
    level: Level::Strict,
    certainty: Certainty::Likely,
    impact: Impact::Availability,
    link: Some(Link::Trust),
    traits: &[Trait::ReadsRoleAnnotation],
    page: include_str!("pages/role-assumes-itself.md"),
};

/// What a requester reads of a role that is not the namespace's own.
pub static ROLE_NOT_ASSUMABLE: Rule = Rule {
    name: "role-not-assumable",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Undecided,
    impact: Impact::Availability,
    link: Some(Link::Role),
    traits: &[Trait::ReadsRoleAnnotation],
    page: include_str!("pages/role-not-assumable.md"),
};

/// The role that a controller has cannot assume the next role that a custom resource names.
pub static ROLE_CHAIN_DENIED: Rule = Rule {
    name: "role-chain-denied",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Trust),
    traits: &[Trait::ReadsPolicies, Trait::ChangesRole, Trait::InAnyNamespace],
    page: include_str!("pages/role-chain-denied.md"),
};

/// The rules of this file.
pub(super) static RULES: &[&Rule] = &[
    &ROLE_NOT_ASSUMABLE,
    &ROLE_ARN_MALFORMED,
    &ROLE_ARN_PARTITION,
    &ROLE_PATH_MISSING,
    &ROLE_ARN_CASE,
    &ROLE_MISSING,
    &ROLE_ACCOUNT_UNSEEN,
    &ROLE_ASSUMES_ITSELF,
    &ROLE_CHAIN_DENIED,
];
