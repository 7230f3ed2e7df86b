//! Which levels a namespace has: the configuration's defaults, the first of its rules that matches, and the namespace's own
//! labels.

use rolecall_iam::wildcard_match;

use super::enforce_on::EnforceOn;
use super::selector::Selector;
use super::{Level, Levels};

/// What is in force for a namespace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NamespacePolicy {
    /// Its levels.
    pub levels: Levels,
    /// What is denied.
    pub enforce_on: EnforceOn,
}

/// What a rule or a namespace's labels say; `None` where they do not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PartialPolicy {
    /// The level up to which a finding denies.
    pub enforce: Option<Level>,
    /// The level up to which a finding is a warning.
    pub warn: Option<Level>,
    /// The level up to which a finding is logged.
    pub audit: Option<Level>,
    /// What is denied.
    pub enforce_on: Option<EnforceOn>,
}

/// Levels for the namespaces that match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LevelRule {
    /// Names, with `*` and `?`; empty: any name.
    pub namespaces: Vec<String>,
    /// The labels of the namespace.
    pub selector: Selector,
    /// What the rule sets.
    pub sets: PartialPolicy,
    /// Whether a namespace's label can go below what the rule sets.
    pub labels_may_lower: bool,
}

/// How levels are assigned to namespaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LevelAssignment {
    /// Where neither a rule nor a label says otherwise.
    pub defaults: NamespacePolicy,
    /// The first that matches counts.
    pub rules: Vec<LevelRule>,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The configuration's defaults.
    Default,
    /// The rule that matches.
    Rule,
    /// The namespace's label.
    Label,
    /// The namespace's label, and the rule: together they say what is denied.
    RuleAndLabel,
}

/// A value with its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub source: Source,
    /// A label asks for less than the rule allows, and this part of it has no effect.
    pub is_label_ignored: bool,
}

/// What is in force for a namespace, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolved {
    /// The place of the rule that matches.
    pub rule: Option<usize>,
    /// The level up to which a finding denies.
    pub enforce: Sourced<Level>,
    /// The level up to which a finding is a warning.
    pub warn: Sourced<Level>,
    /// The level up to which a finding is logged.
    pub audit: Sourced<Level>,
    /// What is denied.
    pub enforce_on: Sourced<EnforceOn>,
}

impl Resolved {
    /// The values alone.
    pub fn policy(&self) -> NamespacePolicy {
        let (enforce, warn, audit) = (self.enforce.value, self.warn.value, self.audit.value);
        NamespacePolicy { levels: Levels { enforce, warn, audit }, enforce_on: self.enforce_on.value }
    }
}

impl LevelRule {
    fn matches<'l>(&self, name: &str, label: impl Fn(&str) -> Option<&'l str>) -> bool {
        let is_named =
            self.namespaces.is_empty() || self.namespaces.iter().any(|pattern| wildcard_match(pattern, name));
        is_named && self.selector.selects(label)
    }
}

impl LevelAssignment {
    /// What is in force for the namespace of this name and these labels, whose labels of `rolecall.dev` ask for `asked`.
    pub fn resolve<'l>(&self, name: &str, label: impl Fn(&str) -> Option<&'l str>, asked: &PartialPolicy) -> Resolved {
        let matching = self.rules.iter().position(|rule| rule.matches(name, &label));
        let rule = matching.and_then(|at| self.rules.get(at));
        let sets = rule.map(|rule| rule.sets).unwrap_or_default();
        let may_lower = rule.is_none_or(|rule| rule.labels_may_lower);
        let level = |default: Level, set: Option<Level>, asked: Option<Level>| match (asked, set) {
            (Some(asked), Some(floor)) if !may_lower && asked < floor => {
                Sourced { value: floor, source: Source::Rule, is_label_ignored: true }
            }
            (Some(value), _) => Sourced { value, source: Source::Label, is_label_ignored: false },
            (None, Some(value)) => Sourced { value, source: Source::Rule, is_label_ignored: false },
            (None, None) => Sourced { value: default, source: Source::Default, is_label_ignored: false },
        };
        let NamespacePolicy { levels, enforce_on } = self.defaults;
        Resolved {
            rule: matching,
            enforce: level(levels.enforce, sets.enforce, asked.enforce),
            warn: level(levels.warn, sets.warn, asked.warn),
            audit: level(levels.audit, sets.audit, asked.audit),
            enforce_on: match (asked.enforce_on, sets.enforce_on) {
                (Some(label), Some(floor)) if !may_lower && !floor.is_within(label) => {
                    let source = if label.is_within(floor) { Source::Rule } else { Source::RuleAndLabel };
                    Sourced { value: floor.and(label), source, is_label_ignored: true }
                }
                (Some(value), _) => Sourced { value, source: Source::Label, is_label_ignored: false },
                (None, Some(value)) => Sourced { value, source: Source::Rule, is_label_ignored: false },
                (None, None) => Sourced { value: enforce_on, source: Source::Default, is_label_ignored: false },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::selector::{Operator, Requirement};
    use super::*;

    fn rule(pattern: &str, enforce: Level) -> LevelRule {
        LevelRule {
            namespaces: vec![pattern.to_owned()],
            sets: PartialPolicy { enforce: Some(enforce), ..PartialPolicy::default() },
            ..LevelRule::default()
        }
    }

    fn label(enforce: Level) -> PartialPolicy {
        PartialPolicy { enforce: Some(enforce), ..PartialPolicy::default() }
    }

    #[test]
    fn the_first_rule_that_matches_counts_and_labels_raise_it() {
        let rules = vec![rule("team-x", Level::Off), rule("team-*", Level::Chain), rule("*", Level::Fallback)];
        let mut assignment = LevelAssignment { rules, ..LevelAssignment::default() };
        let enforce = |assignment: &LevelAssignment, name: &str, asked: &PartialPolicy| {
            let resolved = assignment.resolve(name, |_| None, asked);
            (resolved.rule, resolved.enforce.value, resolved.enforce.source, resolved.enforce.is_label_ignored)
        };
        let nothing = PartialPolicy::default();
        assert_eq!(enforce(&assignment, "team-x", &nothing), (Some(0), Level::Off, Source::Rule, false));
        assert_eq!(enforce(&assignment, "team-y", &nothing), (Some(1), Level::Chain, Source::Rule, false));
        assert_eq!(enforce(&assignment, "shop", &nothing), (Some(2), Level::Fallback, Source::Rule, false));
        assert_eq!(
            enforce(&assignment, "team-y", &label(Level::Strict)),
            (Some(1), Level::Strict, Source::Label, false)
        );
        assert_eq!(enforce(&assignment, "team-y", &label(Level::Off)), (Some(1), Level::Chain, Source::Rule, true));
        assignment.rules[1].labels_may_lower = true;
        assert_eq!(enforce(&assignment, "team-y", &label(Level::Off)), (Some(1), Level::Off, Source::Label, false));
        // What the rule does not set, a label sets as it does without rules.
        let warn = PartialPolicy { warn: Some(Level::Off), ..PartialPolicy::default() };
        assert_eq!(assignment.resolve("team-x", |_| None, &warn).warn.value, Level::Off);
        assert_eq!(assignment.resolve("team-x", |_| None, &nothing).warn.source, Source::Default);
        let without = LevelAssignment::default();
        assert_eq!(enforce(&without, "team-y", &label(Level::Chain)), (None, Level::Chain, Source::Label, false));
    }

    #[test]
    fn a_label_adds_what_is_denied_and_takes_nothing_away() {
        let sets = PartialPolicy { enforce_on: Some(EnforceOn::WORKLOADS), ..PartialPolicy::default() };
        let rules = vec![LevelRule { namespaces: vec!["*".to_owned()], sets, ..LevelRule::default() }];
        let assignment = LevelAssignment { rules, ..LevelAssignment::default() };
        let on = |asked: Option<EnforceOn>| {
            let asked = PartialPolicy { enforce_on: asked, ..PartialPolicy::default() };
            let Sourced { value, source, is_label_ignored } = assignment.resolve("a", |_| None, &asked).enforce_on;
            (value, source, is_label_ignored)
        };
        assert_eq!(on(None), (EnforceOn::WORKLOADS, Source::Rule, false));
        assert_eq!(on(Some(EnforceOn::PODS)), (EnforceOn::BOTH, Source::RuleAndLabel, true));
        assert_eq!(on(Some(EnforceOn::BOTH)), (EnforceOn::BOTH, Source::Label, false));
    }

    #[test]
    fn a_selector_narrows_a_rule() {
        let mut only = rule("team-*", Level::Strict);
        only.selector =
            Selector(vec![Requirement { key: "env".to_owned(), operator: Operator::In(vec!["prod".to_owned()]) }]);
        let assignment = LevelAssignment { rules: vec![only], ..LevelAssignment::default() };
        let rule = |env: Option<&'static str>| {
            assignment.resolve("team-a", |key| env.filter(|_| key == "env"), &PartialPolicy::default()).rule
        };
        assert_eq!([rule(Some("prod")), rule(Some("test")), rule(None)], [Some(0), None, None]);
    }
}
