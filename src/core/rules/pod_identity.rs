//! Rules on EKS Pod Identity: the role's trust policy, the target role, the agent, the platform.

use super::{Impact, Link, Rule, Trait};
use crate::certainty::Certainty;
use crate::level::Level;

/// The role does not trust EKS Pod Identity.
pub static POD_IDENTITY_TRUST_PRINCIPAL: Rule = Rule {
    name: "pod-identity-trust-principal",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Trust),
    traits: &[Trait::ChangesRole],
    page: include_str!("pages/pod-identity-trust-principal.md"),
};

/// The role trusts EKS Pod Identity for too little.
pub static POD_IDENTITY_TRUST_ACTION: Rule = Rule {
    name: "pod-identity-trust-action",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Trust),
    traits: &[Trait::ChangesRole],
    page: include_str!("pages/pod-identity-trust-action.md"),
};

/// Conditions on session tags do not match what EKS sends.
pub static POD_IDENTITY_TRUST_TAGS: Rule = Rule {
    name: "pod-identity-trust-tags",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Trust),
    traits: &[Trait::ChangesRole],
    page: include_str!("pages/pod-identity-trust-tags.md"),
};

/// A condition rests on a key that EKS does not send, or not with this value.
pub static POD_IDENTITY_TRUST_KEY: Rule = Rule {
    name: "pod-identity-trust-key",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Trust),
    traits: &[Trait::ChangesRole],
    page: include_str!("pages/pod-identity-trust-key.md"),
};

/// A Deny statement applies to the Pod Identity request.
pub static POD_IDENTITY_TRUST_DENIED: Rule = Rule {
    name: "pod-identity-trust-denied",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Trust),
    traits: &[Trait::ChangesRole],
    page: include_str!("pages/pod-identity-trust-denied.md"),
};

/// The outcome rests on something that admission cannot know.
pub static POD_IDENTITY_TRUST_UNDECIDED: Rule = Rule {
    name: "pod-identity-trust-undecided",
    aliases: &[],
    since: "0.1.0",
    level: Level::Strict,
    certainty: Certainty::Undecided,
    impact: Impact::Availability,
    link: Some(Link::Trust),
    traits: &[Trait::ChangesRole],
    page: include_str!("pages/pod-identity-trust-undecided.md"),
};

/// The step from the association's role to its target role is not allowed.
pub static POD_IDENTITY_TARGET: Rule = Rule {
    name: "pod-identity-target",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Trust),
    traits: &[Trait::ReadsPolicies, Trait::ChangesRole],
    page: include_str!("pages/pod-identity-target.md"),
};

/// The association's role is of another account than the cluster.
pub static POD_IDENTITY_ROLE_ACCOUNT: Rule = Rule {
    name: "pod-identity-role-account",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Role),
    traits: &[],
    page: include_str!("pages/pod-identity-role-account.md"),
};

/// Nothing on the nodes hands out Pod Identity credentials.
pub static POD_IDENTITY_AGENT_MISSING: Rule = Rule {
    name: "pod-identity-agent-missing",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Likely,
    impact: Impact::Availability,
    link: Some(Link::Credentials),
    traits: &[Trait::ReadsAddons, Trait::InAnyNamespace],
    page: include_str!("pages/pod-identity-agent-missing.md"),
};

/// The pod runs where Pod Identity does not work.
pub static POD_IDENTITY_UNSUPPORTED: Rule = Rule {
    name: "pod-identity-unsupported",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Assignment),
    traits: &[Trait::ReadsFargateProfiles],
    page: include_str!("pages/pod-identity-unsupported.md"),
};

/// An association names a service account that does not exist.
pub static ASSOCIATION_ORPHANED: Rule = Rule {
    name: "association-orphaned",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Likely,
    impact: Impact::Security,
    link: None,
    traits: &[Trait::ScanOnly],
    page: include_str!("pages/association-orphaned.md"),
};

/// The node role lacks the right by which the agent fetches credentials.
pub static NODE_ROLE_AGENT: Rule = Rule {
    name: "node-role-agent",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Likely,
    impact: Impact::Availability,
    link: None,
    traits: &[Trait::ScanOnly],
    page: include_str!("pages/node-role-agent.md"),
};

/// The rules of this file.
pub(super) static RULES: &[&Rule] = &[
    &POD_IDENTITY_TRUST_PRINCIPAL,
    &POD_IDENTITY_TRUST_ACTION,
    &POD_IDENTITY_TRUST_TAGS,
    &POD_IDENTITY_TRUST_KEY,
    &POD_IDENTITY_TRUST_DENIED,
    &POD_IDENTITY_TRUST_UNDECIDED,
    &POD_IDENTITY_TARGET,
    &POD_IDENTITY_ROLE_ACCOUNT,
    &POD_IDENTITY_AGENT_MISSING,
    &POD_IDENTITY_UNSUPPORTED,
    &ASSOCIATION_ORPHANED,
    &NODE_ROLE_AGENT,
];
