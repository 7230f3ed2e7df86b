//! Rules on credentials that come before an injected identity, and on what stands in its way.

use super::{Impact, Link, Rule, Trait};
use crate::certainty::Certainty;
use crate::level::Level;

/// Access keys in the environment come before every role.
pub static STATIC_KEYS: Rule = Rule {
    name: "static-keys",
    aliases: &[],
    since: "0.1.0",
    level: Level::Strict,
    certainty: Certainty::Certain,
    impact: Impact::Security,
    link: Some(Link::Credentials),
    traits: &[Trait::InAnyNamespace],
    page: include_str!("pages/static-keys.md"),
};

/// Something in the pod may hold credentials that come before the role.
pub static STATIC_KEYS_POSSIBLE: Rule = Rule {
    name: "static-keys-possible",
    aliases: &[],
    since: "0.1.0",
    level: Level::Strict,
    certainty: Certainty::Likely,
    impact: Impact::Hygiene,
    link: Some(Link::Credentials),
    traits: &[Trait::InAnyNamespace],
    page: include_str!("pages/static-keys-possible.md"),
};

/// Which identity a container gets depends on what rolecall does not see.
pub static IDENTITY_UNDECIDED: Rule = Rule {
    name: "identity-undecided",
    aliases: &[],
    since: "0.1.0",
    level: Level::Strict,
    certainty: Certainty::Undecided,
    impact: Impact::Availability,
    link: Some(Link::Credentials),
    traits: &[],
    page: include_str!("pages/identity-undecided.md"),
};

/// A proxy would catch the calls to the Pod Identity agent.
pub static PROXY_INTERCEPTS: Rule = Rule {
    name: "proxy-intercepts",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Likely,
    impact: Impact::Availability,
    link: Some(Link::Credentials),
    traits: &[Trait::InAnyNamespace],
    page: include_str!("pages/proxy-intercepts.md"),
};

/// The rules of this file.
pub(super) static RULES: &[&Rule] = &[&STATIC_KEYS, &STATIC_KEYS_POSSIBLE, &IDENTITY_UNDECIDED, &PROXY_INTERCEPTS];
