//! Rules on what the injector did to the pod, or will do.

use super::{Impact, Link, Rule, Trait};
use crate::certainty::Certainty;
use crate::level::Level;

/// The pod was admitted without the variables that its identity calls for.
pub static INJECTION_MISSING: Rule = Rule {
    name: "injection-missing",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Credentials),
    traits: &[Trait::OfRunningPods, Trait::ExplainedByAge],
    page: include_str!("pages/injection-missing.md"),
};

/// A container opted out of injection.
pub static INJECTION_SKIPPED: Rule = Rule {
    name: "injection-skipped",
    aliases: &[],
    since: "0.1.0",
    level: Level::Strict,
    certainty: Certainty::Undecided,
    impact: Impact::Hygiene,
    link: Some(Link::Credentials),
    traits: &[],
    page: include_str!("pages/injection-skipped.md"),
};

/// What the container brings keeps the injector from completing the set.
pub static INJECTION_PRESET: Rule = Rule {
    name: "injection-preset",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Credentials),
    traits: &[Trait::InAnyNamespace],
    page: include_str!("pages/injection-preset.md"),
};

/// A container brings another role than its service account has.
pub static ROLE_OVERRIDDEN: Rule = Rule {
    name: "role-overridden",
    aliases: &[],
    since: "0.1.0",
    level: Level::Strict,
    certainty: Certainty::Likely,
    impact: Impact::Hygiene,
    link: Some(Link::Assignment),
    traits: &[Trait::ReadsRoleAnnotation, Trait::ExplainedByAge],
    page: include_str!("pages/role-overridden.md"),
};

/// Web identity variables keep an association from being used.
pub static ASSOCIATION_SHADOWED: Rule = Rule {
    name: "association-shadowed",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Likely,
    impact: Impact::Availability,
    link: Some(Link::Assignment),
    traits: &[Trait::OfRunningPods, Trait::ExplainedByAge],
    page: include_str!("pages/association-shadowed.md"),
};

/// Pod Identity variables without an association.
pub static ASSOCIATION_MISSING: Rule = Rule {
    name: "association-missing",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Assignment),
    traits: &[Trait::ReadsNewAssociation],
    page: include_str!("pages/association-missing.md"),
};

/// Nothing injects.
pub static INJECTOR_MISSING: Rule = Rule {
    name: "injector-missing",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Likely,
    impact: Impact::Availability,
    link: None,
    traits: &[Trait::ScanOnly],
    page: include_str!("pages/injector-missing.md"),
};

/// The rules of this file.
pub(super) static RULES: &[&Rule] = &[
    &INJECTION_MISSING,
    &INJECTION_SKIPPED,
    &INJECTION_PRESET,
    &ROLE_OVERRIDDEN,
    &ASSOCIATION_SHADOWED,
    &ASSOCIATION_MISSING,
    &INJECTOR_MISSING,
];
