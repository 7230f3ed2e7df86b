//! Rules on where the annotation for an identity is written: service accounts, annotations, age.

use super::{Impact, Link, Rule, Trait};
use crate::certainty::Certainty;
use crate::level::Level;

/// A workload needs AWS, and no identity is configured for it.
pub static NODE_ROLE_FALLBACK: Rule = Rule {
    name: "node-role-fallback",
    aliases: &[],
    since: "0.1.0",
    level: Level::Fallback,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Assignment),
    traits: &[Trait::OnNodeRole],
    page: include_str!("pages/node-role-fallback.md"),
};

/// A role names the service account, and neither an annotation nor an association connects them.
pub static ROLE_NOT_CONNECTED: Rule = Rule {
    name: "role-not-connected",
    aliases: &[],
    since: "0.1.0",
    level: Level::Fallback,
    certainty: Certainty::Likely,
    impact: Impact::Availability,
    link: Some(Link::Assignment),
    traits: &[Trait::OnNodeRole, Trait::ReadsIssuer, Trait::ReadsNewAssociation],
    page: include_str!("pages/role-not-connected.md"),
};

/// The service account has a near miss of the role annotation, and not the annotation.
pub static ANNOTATION_MISSPELLED: Rule = Rule {
    name: "annotation-misspelled",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Assignment),
    traits: &[Trait::OnAnyNode, Trait::InAnyNamespace, Trait::OfServiceAccount],
    page: include_str!("pages/annotation-misspelled.md"),
};

/// The role annotation sits where the injector does not look.
pub static ANNOTATION_MISPLACED: Rule = Rule {
    name: "annotation-misplaced",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Assignment),
    traits: &[Trait::InAnyNamespace],
    page: include_str!("pages/annotation-misplaced.md"),
};

/// An annotation of kiam or kube2iam, which EKS does not read.
pub static ANNOTATION_LEGACY: Rule = Rule {
    name: "annotation-legacy",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Likely,
    impact: Impact::Availability,
    link: Some(Link::Assignment),
    traits: &[Trait::OnAnyNode, Trait::InAnyNamespace, Trait::OfServiceAccount],
    page: include_str!("pages/annotation-legacy.md"),
};

/// A workload names a service account that is not there.
pub static SERVICE_ACCOUNT_MISSING: Rule = Rule {
    name: "service-account-missing",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Likely,
    impact: Impact::Availability,
    link: Some(Link::ServiceAccount),
    traits: &[Trait::NeverDenies],
    page: include_str!("pages/service-account-missing.md"),
};

/// A custom resource names an identity that its controller cannot use.
pub static IDENTITY_REFERENCE_BROKEN: Rule = Rule {
    name: "identity-reference-broken",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Assignment),
    traits: &[],
    page: include_str!("pages/identity-reference-broken.md"),
};

/// Running pods were created before their service account got its identity.
pub static PODS_PREDATE_IDENTITY: Rule = Rule {
    name: "pods-predate-identity",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Likely,
    impact: Impact::Availability,
    link: Some(Link::Credentials),
    traits: &[Trait::OfRunningPods],
    page: include_str!("pages/pods-predate-identity.md"),
};

/// Annotation and association of one service account name different roles.
pub static IDENTITY_AMBIGUOUS: Rule = Rule {
    name: "identity-ambiguous",
    aliases: &[],
    since: "0.1.0",
    level: Level::Strict,
    certainty: Certainty::Likely,
    impact: Impact::Hygiene,
    link: Some(Link::Assignment),
    traits: &[Trait::OfServiceAccount],
    page: include_str!("pages/identity-ambiguous.md"),
};

/// The wished token lifetime is not a number, or too short to be used as written.
pub static TOKEN_EXPIRATION: Rule = Rule {
    name: "token-expiration",
    aliases: &[],
    since: "0.1.0",
    level: Level::Strict,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Credentials),
    traits: &[Trait::InAnyNamespace],
    page: include_str!("pages/token-expiration.md"),
};

/// An exemption that matters here ends soon, has ended, or has an end that cannot be read.
pub static EXEMPTION_EXPIRY: Rule = Rule {
    name: "exemption-expiry",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Undecided,
    impact: Impact::Hygiene,
    link: None,
    traits: &[],
    page: include_str!("pages/exemption-expiry.md"),
};

/// A label or annotation of `rolecall.dev` has no effect as it is written.
pub static SETTING_UNKNOWN: Rule = Rule {
    name: "setting-unknown",
    aliases: &["own-name-unknown"],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Hygiene,
    link: None,
    traits: &[Trait::NeverDenies],
    page: include_str!("pages/setting-unknown.md"),
};

/// The rules of this file.
pub(super) static RULES: &[&Rule] = &[
    &NODE_ROLE_FALLBACK,
    &ROLE_NOT_CONNECTED,
    &ANNOTATION_MISSPELLED,
    &ANNOTATION_MISPLACED,
    &ANNOTATION_LEGACY,
    &SERVICE_ACCOUNT_MISSING,
    &IDENTITY_REFERENCE_BROKEN,
    &PODS_PREDATE_IDENTITY,
    &IDENTITY_AMBIGUOUS,
    &TOKEN_EXPIRATION,
    &EXEMPTION_EXPIRY,
    &SETTING_UNKNOWN,
];
