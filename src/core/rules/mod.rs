//! The registry of rules: one declaration a rule feeds the judgement, `rolecall explain`, `docs/rules/`
//! and every report. Names are stable for ever; declarations stand in one file a family.

mod collection;
mod configuration;
mod credentials;
mod injection;
mod irsa;
mod markdown;

mod organization;
mod permission;
mod pod_identity;
mod role;

pub use collection::*;
pub use configuration::*;
pub use credentials::*;
pub use injection::*;
pub use irsa::*;
pub use markdown::index_markdown;
pub use organization::*;
pub use permission::*;
pub use pod_identity::*;
pub use role::*;

use crate::decision::Level;
use crate::finding::Certainty;

/// The declaration of one kind of finding.
///
/// Texts are Markdown without headings; `example` is shown verbatim in a code block.
#[derive(Debug)]
pub struct Rule {
    /// Stable kebab-case name, as it stands in messages, JSON, metrics and annotations.
    pub name: &'static str,
    /// The lowest level at which a finding of this rule counts.
    pub level: Level,
    /// The strongest certainty that a finding of this rule is ever given.
    pub certainty: Certainty,
    /// One line, lower case, no full stop: when the rule fires.
    pub fires: &'static str,
    /// What a finding says about the workload.
    pub meaning: &'static str,
    /// Why that matters: what happens at run time when it is not fixed.
    pub why: &'static str,
    /// A minimal example that fires: YAML or JSON.
    pub example: &'static str,
    /// How to fix it, with a command whose placeholders are in capitals.
    pub fix: &'static str,
    /// Where the rule comes from: AWS or Kubernetes documents, by title.
    pub sources: &'static [&'static str],
}

impl Rule {
    /// Findings of the rule rest on the policies of roles, besides their trust.
    pub fn reads_policies(&self) -> bool {
        [&PERMISSION_DENIED, &PERMISSION_MISSING, &NODE_ROLE_OVERPRIVILEGED, &POD_IDENTITY_TARGET].contains(&self)
    }

    /// Findings of the rule rest on the cluster's issuer.
    pub fn reads_issuer(&self) -> bool {
        self.name.starts_with("irsa-trust-") || self.name.starts_with("oidc-provider-")
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Rule {}

/// Every rule, sorted by name.
#[expect(unused_qualifications, reason = "each family has a `RULES` of its own")]
pub fn all() -> Vec<&'static Rule> {
    let mut rules: Vec<&'static Rule> = [
        collection::RULES,
        configuration::RULES,
        credentials::RULES,
        injection::RULES,
        irsa::RULES,
        organization::RULES,
        permission::RULES,
        pod_identity::RULES,
        role::RULES,
    ]
    .concat();
    rules.sort_by_key(|rule| rule.name);
    rules
}

/// The rule of this name.
pub fn find(name: &str) -> Option<&'static Rule> {
    all().into_iter().find(|rule| rule.name == name)
}

/// The three rules whose names are nearest to this one.
pub fn nearest(name: &str) -> Vec<&'static Rule> {
    let mut rules = all();
    rules.sort_by_key(|rule| (strsim::levenshtein(rule.name, name), rule.name));
    rules.truncate(3);
    rules
}
