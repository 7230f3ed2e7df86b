//! The policy document as compiled (IAM User Guide, "IAM JSON policy elements reference").

use crate::condition::Condition;
use crate::context::Context;
use crate::principal::{PrincipalEntry, Principals};
use crate::template::Text;
use crate::truth::Truth;
use crate::wildcard::{Glob, tokens_of};

/// A policy document: of a role's trust, of an identity, of a boundary, of a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The language version.
    pub version: Version,
    /// In the order of the document.
    pub statements: Vec<Statement>,
    /// `Statement` is a list, rather than a single object.
    pub is_list: bool,
}

impl Document {
    /// How many patterns and values an evaluation may have to compare.
    pub fn size(&self) -> usize {
        let of = |statement: &Statement| {
            let values = statement.conditions.iter().map(|condition| condition.values.len()).sum::<usize>();
            let names = statement.actions.written.len() + statement.resources.written.len();
            1 + statement.principals.entries().len() + names + values
        };
        self.statements.iter().map(of).sum()
    }

    /// The place of a statement as a `jq` path, for commands that edit the document.
    pub fn jq_path(&self, statement: usize) -> String {
        if self.is_list { format!(".Statement[{statement}]") } else { ".Statement".to_owned() }
    }
}

/// The version of the policy language; variables are read in the newer one only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// `2008-10-17`, also where the element is absent.
    V2008,
    /// `2012-10-17`
    V2012,
}

/// What a statement does when it applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// `Allow`
    Allow,
    /// `Deny`
    Deny,
}

/// One statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// `Sid`
    pub sid: Option<Box<str>>,
    /// `Effect`
    pub effect: Effect,
    /// `Principal` or `NotPrincipal`
    pub principals: Principals,
    /// `Action` or `NotAction`
    pub actions: Actions,
    /// `Resource` or `NotResource`
    pub resources: Resources,
    /// All must hold.
    pub conditions: Vec<Condition>,
}

impl Statement {
    /// The statement as a policy writes it, with every list an array. It means the same; blanks, order and single values
    /// may differ from the policy that was read.
    pub fn to_json(&self) -> serde_json::Value {
        let mut json = serde_json::Map::new();
        let mut insert = |name: &str, value: serde_json::Value| json.insert(name.to_owned(), value);
        if let Some(sid) = &self.sid {
            insert("Sid", (**sid).into());
        }
        insert("Effect", if self.effect == Effect::Allow { "Allow" } else { "Deny" }.into());
        match &self.principals {
            Principals::Absent => {}
            Principals::Is(entries) => drop(insert("Principal", PrincipalEntry::to_json(entries))),
            Principals::IsNot(entries) => drop(insert("NotPrincipal", PrincipalEntry::to_json(entries))),
        }
        let list = |values: &[Box<str>]| values.iter().map(|value| serde_json::Value::from(&**value)).collect();
        insert(if self.actions.negated { "NotAction" } else { "Action" }, list(&self.actions.written));
        if !self.resources.written.is_empty() {
            insert(if self.resources.negated { "NotResource" } else { "Resource" }, list(&self.resources.written));
        }
        if !self.conditions.is_empty() {
            let mut conditions = serde_json::Map::new();
            for condition in &self.conditions {
                let of_operator =
                    conditions.entry(&*condition.operator.written).or_insert_with(|| serde_json::json!({}));
                if let Some(of_operator) = of_operator.as_object_mut() {
                    of_operator.insert(condition.key.to_string(), list(&condition.values));
                }
            }
            insert("Condition", conditions.into());
        }
        json.into()
    }
}

/// `Action` or `NotAction`.
#[derive(Debug, Clone, PartialEq)]
pub struct Actions {
    /// `NotAction`: applies to every action but these.
    pub negated: bool,
    /// As written.
    pub written: Vec<Box<str>>,
    patterns: Vec<Text>,
}

impl Actions {
    pub(crate) fn new(written: Vec<Box<str>>, negated: bool) -> Self {
        let patterns = written
            .iter()
            .map(|action| {
                let folded = action.to_ascii_lowercase();
                if folded.contains(['*', '?']) {
                    Text::Glob(Glob::from_pattern(&folded))
                } else {
                    Text::Literal(folded.into())
                }
            })
            .collect();
        Self { negated, written, patterns }
    }

    /// Whether the statement applies to the action; case does not count (same guide, "Action").
    pub fn apply_to(&self, action: &str) -> bool {
        let mut folded: Option<String> = None;
        let named = self.written.iter().zip(&self.patterns).any(|(written, pattern)| match pattern {
            // Most are written as they are asked for, and comparing that is much faster.
            Text::Literal(literal) => **written == *action || literal.eq_ignore_ascii_case(action),
            Text::Glob(glob) if glob.matches_everything() => true,
            Text::Glob(glob) => glob.matches(folded.get_or_insert_with(|| action.to_ascii_lowercase())),
            Text::Template(_) => false,
        });
        named != self.negated
    }
}

/// `Resource` or `NotResource`.
#[derive(Debug, Clone, PartialEq)]
pub struct Resources {
    /// `NotResource`: applies to every resource but these.
    pub negated: bool,
    /// As written; empty where the element is absent, as in a trust policy.
    pub written: Vec<Box<str>>,
    patterns: Vec<Text>,
}

impl Resources {
    pub(crate) fn absent() -> Self {
        Self { negated: false, written: Vec::new(), patterns: Vec::new() }
    }

    pub(crate) fn new(written: Vec<Box<str>>, negated: bool, variables: bool) -> Self {
        let reading = crate::template::Reading { wildcards: true, variables, fold: false };
        let patterns = written.iter().map(|resource| Text::compile_arn(resource, reading)).collect();
        Self { negated, written, patterns }
    }

    /// The keys of its policy variables, in lower case.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        self.patterns.iter().flat_map(Text::variables)
    }

    /// Whether the statement applies to the resource. Without the element it applies to whatever the policy is attached to.
    pub fn apply_to(&self, resource: Option<&str>, context: &dyn Context) -> Truth {
        if self.written.is_empty() {
            return Truth::True;
        }
        let Some(resource) = resource else {
            // An action without resources is only covered by `*` (Service Authorization Reference).
            return (self.patterns.iter().any(Text::matches_everything) != self.negated).into();
        };
        let named = Truth::any(self.patterns.iter().map(|pattern| pattern.matches(resource, false, context)));
        if self.negated { named.negate() } else { named }
    }

    /// The same for a resource with wildcards, which stands for many: `True` where it applies to each of them, `False`
    /// where to none, else `Unknown`.
    pub(crate) fn apply_to_each(&self, resource: &str, context: &dyn Context) -> Truth {
        if self.written.is_empty() {
            return Truth::True;
        }
        let asked = tokens_of(resource);
        let named = Truth::any(self.patterns.iter().map(|pattern| pattern.relates_to(&asked, context)));
        if self.negated { named.negate() } else { named }
    }

    /// Whether a `Resource` element names nothing but what `fits` refuses.
    pub(crate) fn fits_none(&self, fits: &dyn Fn(&str) -> bool) -> bool {
        !self.negated && !self.written.is_empty() && !self.written.iter().any(|written| fits(written))
    }
}
