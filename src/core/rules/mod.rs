//! The registry of rules. The declaration of a rule is the only place that says something about it: other code asks the declaration
//! and keeps no list of names. Declarations are in one file for each family; the text of a rule is a Markdown file in `pages/`.
//! Names never change.

mod collection;
mod configuration;
mod credentials;
mod docs_url;
mod ecs;
mod injection;
mod irsa;
mod organization;
mod page;
mod permission;
mod pod_identity;
mod role;

use std::sync::LazyLock;

pub use collection::*;
pub use configuration::*;
pub use credentials::*;
pub use docs_url::DocsUrl;
pub use ecs::*;
pub use injection::*;
pub use irsa::*;
pub use organization::*;
pub use page::index_markdown;
pub use permission::*;
pub use pod_identity::*;
pub use role::*;
use serde::Serialize;

use crate::certainty::Certainty;
use crate::level::Level;

/// The declaration of one kind of finding.
#[derive(Debug)]
pub struct Rule {
    /// Kebab-case, as in messages, JSON, metrics and annotations.
    pub name: &'static str,
    /// Former names: `rolecall explain` and `rolecall.dev/ignore` accept them.
    pub aliases: &'static [&'static str],
    /// The version of rolecall that had the rule first.
    pub since: &'static str,
    /// The lowest level at which a finding of this rule counts.
    pub level: Level,
    /// The strongest certainty that a finding of this rule ever has.
    pub certainty: Certainty,
    /// What happens if the finding is not fixed.
    pub impact: Impact,
    /// The link of the chain that it is about; none where it is about the data, the cluster or rolecall itself.
    pub link: Option<Link>,
    /// How other code treats its findings.
    pub traits: &'static [Trait],
    /// The text: Markdown with fixed sections.
    pub page: &'static str,
}

/// What happens if a finding is not fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Impact {
    /// Pods get more access than intended, or credentials leak. Reports show such a finding at every level.
    Security,
    /// Pods get no credentials, or those of another identity: calls to AWS fail.
    Availability,
    /// Nothing fails now, but the configuration misleads or has no effect.
    Hygiene,
}

impl Impact {
    /// The name in JSON and texts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Security => "security",
            Self::Availability => "availability",
            Self::Hygiene => "hygiene",
        }
    }

    /// The name, with what it means in a few words.
    pub fn explained(self) -> &'static str {
        match self {
            Self::Security => "security: more access than intended, or credentials that leak",
            Self::Availability => "availability: calls to AWS may fail",
            Self::Hygiene => "hygiene: nothing fails now",
        }
    }
}

/// A link of the chain from a workload to what its role may do, in the order of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// The service account exists.
    ServiceAccount,
    /// An annotation, an association, a variable or a field gives the workload a role.
    Assignment,
    /// The container has the variables, the token and the agent by which its SDK gets credentials of that role.
    Credentials,
    /// The account has the cluster's OIDC provider.
    Provider,
    /// The trust policy, and the policies of the organization, let the workload assume the role.
    Trust,
    /// The role exists as it is named.
    Role,
    /// The role's policies allow what the workload needs.
    Permissions,
}

/// How other code treats the findings of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trait {
    /// Only a scan of a running cluster reports it: it is about no single workload.
    ScanOnly,
    /// Never denies, whatever its certainty.
    NeverDenies,
    /// Depends on the policies of roles, besides their trust policies.
    ReadsPolicies,
    /// Depends on the cluster's issuer.
    ReadsIssuer,
    /// Depends on whether an association was created a moment ago.
    ReadsNewAssociation,
    /// Depends on the cluster's add-ons.
    ReadsAddons,
    /// Depends on the cluster's Fargate profiles.
    ReadsFargateProfiles,
    /// Depends on the annotation `rolecall.dev/requires`.
    ReadsNeeds,
    /// Depends on the role annotation of the service account, where pods get their role from it.
    ReadsRoleAnnotation,
    /// Says that the token's audience is refused.
    AboutAudience,
    /// Its fix changes a role, its trust policy or its policies.
    ChangesRole,
    /// A running pod may have it, and the pod that replaces it may not: that one passes the injector again.
    OfRunningPods,
    /// A pod that is older than the identity of its service account has it for that reason.
    ExplainedByAge,
    /// Stays certain wherever the pod runs and whatever it mounts.
    OnAnyNode,
    /// Stays certain in whichever namespace the object is created.
    InAnyNamespace,
    /// Says that a workload uses the node role.
    OnNodeRole,
    /// Is about the service account, whichever workload uses it.
    OfServiceAccount,
}

impl Rule {
    /// Whether other code treats its findings in this way.
    pub fn has(&self, wanted: Trait) -> bool {
        self.traits.contains(&wanted)
    }

    /// Whether this is the rule's name, or a former one.
    pub fn is_named(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Rule {}

/// Rules on the same subject.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// A heading.
    pub title: &'static str,
    /// In the order in which a chain is checked.
    pub rules: &'static [&'static Rule],
}

/// The families, in the order in which a chain is checked.
#[expect(unused_qualifications, reason = "each family has a `RULES` of its own")]
pub fn families() -> [Family; 10] {
    let family = |title, rules| Family { title, rules };
    [
        family("Service accounts, annotations and pods", configuration::RULES),
        family("Roles", role::RULES),
        family("IAM roles for service accounts (IRSA)", irsa::RULES),
        family("EKS Pod Identity", pod_identity::RULES),
        family("Injection", injection::RULES),
        family("Other credentials", credentials::RULES),
        family("Permissions", permission::RULES),
        family("AWS Organizations", organization::RULES),
        family("Task definitions of Amazon ECS", ecs::RULES),
        family("AWS data of rolecall", collection::RULES),
    ]
}

/// Every rule, sorted by name.
pub fn all() -> Vec<&'static Rule> {
    let mut rules: Vec<&'static Rule> = families().iter().flat_map(|family| family.rules).copied().collect();
    rules.sort_by_key(|rule| rule.name);
    rules
}

/// The rule of this name, or of which this is a former name.
pub fn find(name: &str) -> Option<&'static Rule> {
    static BY_NAME: LazyLock<Vec<(&'static str, &'static Rule)>> = LazyLock::new(|| {
        let mut names: Vec<_> = all().into_iter().flat_map(|rule| rule.names().map(move |name| (name, rule))).collect();
        names.sort_by_key(|(name, _)| *name);
        names
    });
    let at = BY_NAME.binary_search_by_key(&name, |(known, _)| known).ok()?;
    BY_NAME.get(at).map(|(_, rule)| *rule)
}

/// The rules of which a name begins like this, sorted by name.
pub fn beginning_with(start: &str) -> Vec<&'static Rule> {
    all().into_iter().filter(|rule| rule.names().any(|name| name.starts_with(start))).collect()
}

/// The three rules whose names are nearest to this one.
pub fn nearest(name: &str) -> Vec<&'static Rule> {
    let mut rules = all();
    rules.sort_by_key(|rule| (strsim::levenshtein(rule.name, name), rule.name));
    rules.truncate(3);
    rules
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_rules_share_a_name() {
        let rules = all();
        let names: Vec<&str> = rules.iter().flat_map(|rule| rule.names()).collect();
        let distinct: BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(distinct.len(), names.len());
        for name in names {
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{name}");
            assert!(find(name).is_some_and(|rule| rule.is_named(name)), "{name}");
        }
        assert!(find("irsa-trust").is_none() && find("").is_none());
    }

    #[test]
    fn a_former_name_finds_its_rule() {
        let renamed = Rule { aliases: &["irsa-subject"], ..IRSA_TRUST_SUBJECT };
        assert!(renamed.is_named("irsa-subject") && renamed.is_named("irsa-trust-subject"));
        assert_eq!(renamed.names().collect::<Vec<_>>(), ["irsa-trust-subject", "irsa-subject"]);
        assert!(!renamed.is_named("irsa"));
    }

    #[test]
    fn a_beginning_finds_all_that_begin_with_it() {
        let found = beginning_with("oidc-");
        assert_eq!(found, [&OIDC_PROVIDER_AUDIENCE, &OIDC_PROVIDER_MISSING]);
        assert_eq!(nearest("irsa-trust-subjekt").first(), Some(&&IRSA_TRUST_SUBJECT));
    }

    /// What a finding of the rule may do at admission follows from the declaration, so the declaration must make sense.
    #[test]
    fn declarations_contradict_nothing() {
        for rule in all() {
            let mut seen = BTreeSet::new();
            assert!(rule.traits.iter().all(|one| seen.insert(format!("{one:?}"))), "{}: a trait twice", rule.name);
            assert_ne!(rule.level, Level::Off, "{}", rule.name);
            let version: Vec<&str> = rule.since.split('.').collect();
            assert!(version.len() == 3 && version.iter().all(|part| part.parse::<u32>().is_ok()), "{}", rule.name);
            let is_certain = rule.certainty == Certainty::Certain;
            assert!(!rule.has(Trait::ScanOnly) || !is_certain, "{}: what no review reports is not certain", rule.name);
        }
    }
}
