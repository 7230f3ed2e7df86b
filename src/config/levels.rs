//! Which levels namespaces have: the defaults, and `levels:`, rules by name and label.

use rolecall_core::decision::{
    EnforceOn, Level, LevelAssignment, LevelRule, Levels, NamespacePolicy, Operator, PartialPolicy, Requirement,
    Selector,
};
use serde::Deserialize;

use super::Config;
use crate::sources::aws::InvalidField;

/// What is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// Pods of all creators.
    Pods,
    /// Templates of pods, service accounts, and pods without a controller.
    Workloads,
}

/// Levels for the namespaces that match. The first rule that matches counts.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LevelRuleConfig {
    /// Names, with `*` and `?`; empty: any name.
    pub namespaces: Vec<String>,
    /// Labels of the namespace.
    pub selector: SelectorConfig,
    /// Level up to which a finding denies.
    pub enforce: Option<Level>,
    /// Level up to which a finding is a warning.
    pub warn: Option<Level>,
    /// Level up to which a finding is logged.
    pub audit: Option<Level>,
    /// What is denied.
    pub enforce_on: Option<Vec<Target>>,
    /// Whether labels of a namespace can go below what this rule sets.
    pub labels_may_lower: bool,
}

/// A label selector, as Kubernetes writes it (Kubernetes API reference, meta/v1 LabelSelector).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SelectorConfig {
    /// Labels with their values.
    pub match_labels: std::collections::BTreeMap<String, String>,
    /// Further requirements.
    pub match_expressions: Vec<ExpressionConfig>,
}

/// A requirement of a label selector.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpressionConfig {
    /// The label's key.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: OperatorConfig,
    /// Values, for `In` and `NotIn`.
    #[serde(default)]
    pub values: Vec<String>,
}

/// The operator of a requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "each is Kubernetes' operator of that name")]
pub enum OperatorConfig {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

fn enforce_on(targets: &[Target]) -> Option<EnforceOn> {
    let has = |target| targets.contains(&target);
    let on = EnforceOn { pods: has(Target::Pods), workloads: has(Target::Workloads) };
    (on.pods || on.workloads).then_some(on)
}

/// A pattern that a namespace's name can match.
fn is_pattern(pattern: &str) -> bool {
    !pattern.is_empty() && pattern.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-*?".contains(c))
}

impl SelectorConfig {
    fn selector(&self) -> Selector {
        let labels = self
            .match_labels
            .iter()
            .map(|(key, value)| Requirement { key: key.clone(), operator: Operator::In(vec![value.clone()]) });
        let expressions = self.match_expressions.iter().map(|expression| Requirement {
            key: expression.key.clone(),
            operator: match expression.operator {
                OperatorConfig::In => Operator::In(expression.values.clone()),
                OperatorConfig::NotIn => Operator::NotIn(expression.values.clone()),
                OperatorConfig::Exists => Operator::Exists,
                OperatorConfig::DoesNotExist => Operator::DoesNotExist,
            },
        });
        Selector(labels.chain(expressions).collect())
    }

    fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    fn check(&self) -> Result<(), String> {
        let keys = self.match_labels.keys().chain(self.match_expressions.iter().map(|expression| &expression.key));
        for key in keys {
            if key.is_empty() || key.starts_with("rolecall.dev/") {
                return Err(format!("selector: `{key}` cannot be selected by; name a label of another prefix"));
            }
        }
        for ExpressionConfig { key, operator, values } in &self.match_expressions {
            let takes_values = matches!(operator, OperatorConfig::In | OperatorConfig::NotIn);
            if takes_values == values.is_empty() {
                let what = if takes_values { "needs values" } else { "takes no values" };
                return Err(format!("selector: matchExpressions: operator {operator:?} of `{key}` {what}"));
            }
        }
        Ok(())
    }
}

impl LevelRuleConfig {
    fn rule(&self) -> LevelRule {
        let enforce_on = self.enforce_on.as_deref().and_then(enforce_on);
        LevelRule {
            namespaces: self.namespaces.clone(),
            selector: self.selector.selector(),
            sets: PartialPolicy { enforce: self.enforce, warn: self.warn, audit: self.audit, enforce_on },
            labels_may_lower: self.labels_may_lower,
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.namespaces.is_empty() && self.selector.is_empty() {
            return Err(
                "it names neither namespaces nor a selector; for all namespaces use namespaces: ['*']".to_owned()
            );
        }
        if let Some(pattern) = self.namespaces.iter().find(|pattern| !is_pattern(pattern)) {
            return Err(format!(
                "namespaces: `{pattern}` matches no namespace; names have a-z, 0-9 and -, patterns * and ?"
            ));
        }
        if self.enforce_on.as_deref().is_some_and(<[Target]>::is_empty) {
            return Err(format!("enforceOn {EMPTY}"));
        }
        let sets_none = self.enforce.is_none() && self.warn.is_none() && self.audit.is_none();
        if sets_none && self.enforce_on.is_none() {
            return Err("it sets none of enforce, warn, audit and enforceOn".to_owned());
        }
        self.selector.check()
    }

    /// What it matches, for people.
    pub fn describe(&self) -> String {
        let names = match self.namespaces.as_slice() {
            [] => "all namespaces".to_owned(),
            names => names.join(", "),
        };
        let labels = self.selector.match_labels.iter().map(|(key, value)| format!("{key}={value}"));
        let expressions = self.selector.match_expressions.iter().map(|ExpressionConfig { key, operator, values }| {
            let values = values.join(",");
            match operator {
                OperatorConfig::In => format!("{key} in ({values})"),
                OperatorConfig::NotIn => format!("{key} notin ({values})"),
                OperatorConfig::Exists => key.clone(),
                OperatorConfig::DoesNotExist => format!("!{key}"),
            }
        });
        let selector = labels.chain(expressions).collect::<Vec<_>>().join(", ");
        if selector.is_empty() { names } else { format!("{names} with {selector}") }
    }
}

const EMPTY: &str = "must name pods, workloads or both; to deny nothing set enforce: off";

impl Config {
    /// How levels are assigned to namespaces.
    pub fn levels(&self) -> LevelAssignment {
        let named = self.enforce_on.as_deref().and_then(enforce_on);
        let old_name = self.enforce_workloads.filter(|both| *both).map(|_| EnforceOn::BOTH);
        let levels = Levels { enforce: self.enforce, warn: self.warn, audit: self.audit };
        LevelAssignment {
            defaults: NamespacePolicy { levels, enforce_on: named.or(old_name).unwrap_or_default() },
            rules: self.levels.iter().map(LevelRuleConfig::rule).collect(),
        }
    }

    pub(super) fn check_levels(&self) -> Result<(), InvalidField> {
        if self.enforce_on.as_deref().is_some_and(<[Target]>::is_empty) {
            return Err(InvalidField::new("enforceOn", EMPTY));
        }
        if self.enforce_on.is_some() && self.enforce_workloads.is_some() {
            let problem = "is the old name of enforceOn: [pods, workloads]; leave it out";
            return Err(InvalidField::new("enforceWorkloads", problem));
        }
        for (at, rule) in self.levels.iter().enumerate() {
            rule.check().map_err(|fault| InvalidField::new(format!("levels[{at}]"), fault))?;
        }
        Ok(())
    }

    /// What is allowed and probably not meant, a sentence each.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.enforce_workloads.is_some() {
            notes.push(
                "enforceWorkloads is the old name: true is enforceOn: [pods, workloads], false the default".to_owned(),
            );
        }
        let takes_all = |rule: &LevelRuleConfig| {
            rule.selector.is_empty() && (rule.namespaces.is_empty() || rule.namespaces.iter().any(|name| name == "*"))
        };
        if let Some(at) = self.levels.iter().position(takes_all) {
            for behind in at + 1..self.levels.len() {
                notes.push(format!("levels[{behind}] is never used: levels[{at}] matches all namespaces before it"));
            }
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use rolecall_core::decision::{EnforceOn, Level, PartialPolicy};

    use super::Config;

    #[test]
    fn the_old_name_stands_for_both() {
        let on = |text: &str| Config::parse(text).unwrap().levels().defaults.enforce_on;
        assert_eq!(on(""), EnforceOn::PODS);
        assert_eq!(on("enforceWorkloads: false"), EnforceOn::PODS);
        assert_eq!(on("enforceWorkloads: true"), EnforceOn::BOTH);
        assert_eq!(on("enforceOn: [workloads]"), EnforceOn::WORKLOADS);
        assert_eq!(on("enforceOn: [workloads, pods]"), EnforceOn::BOTH);
    }

    #[test]
    fn rules_by_name_and_label() {
        let config = Config::parse(
            "levels:\n- {namespaces: [team-*, shop], selector: {matchLabels: {env: prod}, matchExpressions: \
             [{key: tier, operator: NotIn, values: [test]}]}, enforce: chain, warn: off, enforceOn: [workloads]}\n\
             - {selector: {matchExpressions: [{key: sandbox, operator: Exists}]}, enforce: off, labelsMayLower: true}\n",
        )
        .unwrap();
        assert_eq!(config.levels[0].describe(), "team-*, shop with env=prod, tier notin (test)");
        assert_eq!(config.levels[1].describe(), "all namespaces with sandbox");
        let rule = |name: &str, labels: &[(&'static str, &'static str)]| {
            let label = |key: &str| labels.iter().find(|(known, _)| *known == key).map(|(_, value)| *value);
            config.levels().resolve(name, label, &PartialPolicy::default())
        };
        let resolved = rule("team-a", &[("env", "prod")]);
        assert_eq!((resolved.rule, resolved.enforce.value, resolved.warn.value), (Some(0), Level::Chain, Level::Off));
        assert_eq!(resolved.enforce_on.value, EnforceOn::WORKLOADS);
        assert_eq!(rule("team-a", &[("env", "prod"), ("tier", "test")]).rule, None);
        assert_eq!(rule("other", &[("sandbox", "")]).rule, Some(1));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (text, named) in [
            ("enforceOn: []", "must name pods"),
            ("enforceOn: [pod]", "pod"),
            ("enforceOn: [pods]\nenforceWorkloads: true", "old name"),
            ("levels: [{enforce: chain}]", "levels[0]: it names neither"),
            ("levels: [{namespaces: ['*']}]", "sets none of"),
            ("levels: [{namespaces: [Team_A], enforce: chain}]", "`Team_A` matches no namespace"),
            ("levels: [{namespaces: [a], enforceOn: []}]", "must name pods"),
            ("levels: [{namespaces: [a], enforced: chain}]", "enforced"),
            (
                "levels: [{selector: {matchExpressions: [{key: a, operator: In}]}, enforce: chain}]",
                "operator In of `a` needs values",
            ),
            (
                "levels: [{selector: {matchLabels: {rolecall.dev/enforce: chain}}, warn: chain}]",
                "cannot be selected by",
            ),
        ] {
            let message = Config::parse(text).unwrap_err().to_string();
            assert!(message.contains(named), "{text}: {message}");
        }
    }

    #[test]
    fn a_rule_behind_one_for_all_is_noted() {
        let config = Config::parse(
            "enforceWorkloads: true\nlevels: [{namespaces: ['*'], enforce: chain}, {namespaces: [a], enforce: off}]",
        );
        let notes = config.unwrap().notes();
        assert!(notes[0].contains("old name") && notes[1].contains("levels[1] is never used"), "{notes:?}");
    }
}
