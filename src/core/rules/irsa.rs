//! Rules on IAM roles for service accounts: the OIDC provider and the role's trust policy.

use super::{Impact, Link, Rule, Trait};
use crate::certainty::Certainty;
use crate::level::Level;

/// The cluster's issuer is not registered in the role's account.
pub static OIDC_PROVIDER_MISSING: Rule = Rule {
    name: "oidc-provider-missing",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Provider),
    traits: &[Trait::ReadsIssuer, Trait::ReadsRoleAnnotation, Trait::InAnyNamespace],
    page: include_str!("pages/oidc-provider-missing.md"),
};

/// The OIDC provider does not know the audience of the token.
pub static OIDC_PROVIDER_AUDIENCE: Rule = Rule {
    name: "oidc-provider-audience",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Provider),
    traits: &[Trait::ReadsIssuer, Trait::ReadsRoleAnnotation, Trait::AboutAudience, Trait::InAnyNamespace],
    page: include_str!("pages/oidc-provider-audience.md"),
};

/// Nothing in the trust policy trusts an OIDC provider of this cluster.
pub static IRSA_TRUST_PRINCIPAL: Rule = Rule {
    name: "irsa-trust-principal",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Trust),
    traits: &[Trait::ReadsIssuer, Trait::ReadsRoleAnnotation, Trait::ChangesRole, Trait::InAnyNamespace],
    page: include_str!("pages/irsa-trust-principal.md"),
};

/// The trust policy trusts the issuer of another cluster.
pub static IRSA_TRUST_ISSUER: Rule = Rule {
    name: "irsa-trust-issuer",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Trust),
    traits: &[Trait::ReadsIssuer, Trait::ReadsRoleAnnotation, Trait::ChangesRole, Trait::InAnyNamespace],
    page: include_str!("pages/irsa-trust-issuer.md"),
};

/// The provider is trusted, for another action.
pub static IRSA_TRUST_ACTION: Rule = Rule {
    name: "irsa-trust-action",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Trust),
    traits: &[Trait::ReadsIssuer, Trait::ReadsRoleAnnotation, Trait::ChangesRole],
    page: include_str!("pages/irsa-trust-action.md"),
};

/// The condition on the subject names another service account.
pub static IRSA_TRUST_SUBJECT: Rule = Rule {
    name: "irsa-trust-subject",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Trust),
    traits: &[Trait::ReadsIssuer, Trait::ReadsRoleAnnotation, Trait::ChangesRole],
    page: include_str!("pages/irsa-trust-subject.md"),
};

/// A wildcard stands under an operator that takes it literally.
pub static IRSA_TRUST_WILDCARD: Rule = Rule {
    name: "irsa-trust-wildcard",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Trust),
    traits: &[Trait::ReadsIssuer, Trait::ReadsRoleAnnotation, Trait::ChangesRole],
    page: include_str!("pages/irsa-trust-wildcard.md"),
};

/// The condition on the audience does not match the token's.
pub static IRSA_TRUST_AUDIENCE: Rule = Rule {
    name: "irsa-trust-audience",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Trust),
    traits: &[Trait::ReadsIssuer, Trait::ReadsRoleAnnotation, Trait::AboutAudience, Trait::ChangesRole],
    page: include_str!("pages/irsa-trust-audience.md"),
};

/// A condition rests on a key that the request does not carry.
pub static IRSA_TRUST_KEY: Rule = Rule {
    name: "irsa-trust-key",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Trust),
    traits: &[Trait::ReadsIssuer, Trait::ReadsRoleAnnotation, Trait::ChangesRole],
    page: include_str!("pages/irsa-trust-key.md"),
};

/// A Deny statement applies to this pod.
pub static IRSA_TRUST_DENIED: Rule = Rule {
    name: "irsa-trust-denied",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Trust),
    traits: &[Trait::ReadsIssuer, Trait::ReadsRoleAnnotation, Trait::ChangesRole],
    page: include_str!("pages/irsa-trust-denied.md"),
};

/// The outcome rests on something that admission cannot know.
pub static IRSA_TRUST_UNDECIDED: Rule = Rule {
    name: "irsa-trust-undecided",
    aliases: &[],
    since: "0.1.0",
    level: Level::Strict,
    certainty: Certainty::Undecided,
    impact: Impact::Availability,
    link: Some(Link::Trust),
    traits: &[Trait::ReadsIssuer, Trait::ReadsRoleAnnotation, Trait::ChangesRole],
    page: include_str!("pages/irsa-trust-undecided.md"),
};

/// More service accounts than meant may take the role.
pub static IRSA_TRUST_OPEN: Rule = Rule {
    name: "irsa-trust-open",
    aliases: &[],
    since: "0.1.0",
    level: Level::Strict,
    certainty: Certainty::Likely,
    impact: Impact::Security,
    link: Some(Link::Trust),
    traits: &[Trait::ReadsIssuer, Trait::ReadsRoleAnnotation, Trait::ChangesRole],
    page: include_str!("pages/irsa-trust-open.md"),
};

/// The rules of this file.
pub(super) static RULES: &[&Rule] = &[
    &OIDC_PROVIDER_MISSING,
    &OIDC_PROVIDER_AUDIENCE,
    &IRSA_TRUST_PRINCIPAL,
    &IRSA_TRUST_ISSUER,
    &IRSA_TRUST_ACTION,
    &IRSA_TRUST_SUBJECT,
    &IRSA_TRUST_WILDCARD,
    &IRSA_TRUST_AUDIENCE,
    &IRSA_TRUST_KEY,
    &IRSA_TRUST_DENIED,
    &IRSA_TRUST_UNDECIDED,
    &IRSA_TRUST_OPEN,
];
