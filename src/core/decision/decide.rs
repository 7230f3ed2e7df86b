//! From findings to what is done about them.

use std::collections::HashMap;

use crate::finding::{Certainty, Finding};
use crate::judge::Judgement;
use crate::level::{EnforceOn, Level, Levels, Mode};
use crate::rules::Trait;
use crate::workload::Kind;

/// What is done about a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Admitted, silently.
    Allow,
    /// Admitted, with warnings.
    Warn,
    /// Refused.
    Deny,
}

impl Outcome {
    /// The name in annotations, logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Deny => "deny",
        }
    }
}

/// What the cluster's operator allows.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// The namespace's levels.
    pub levels: Levels,
    /// The cap on all of them.
    pub mode: Mode,
    /// What of the namespace is denied.
    pub enforce_on: EnforceOn,
    /// A controller of Kubernetes creates the object from a workload that exists.
    pub is_controlled: bool,
    /// Annotations of a workload or its service account lift denials too, not only warnings.
    pub self_exemptions: bool,
}

impl Policy {
    /// Whether an object of this kind can be denied at all.
    pub fn may_deny(&self, kind: Kind) -> bool {
        self.mode == Mode::Enforce
            && self.levels.enforce != Level::Off
            && self.enforce_on.denies(kind, self.is_controlled)
    }
}

/// What is done, and because of which findings.
#[derive(Debug)]
pub struct Decision<'j> {
    /// What is done.
    pub outcome: Outcome,
    /// What is refused; the first leads.
    pub denials: Vec<&'j Finding>,
    /// What is warned of, most severe first.
    pub warnings: Vec<&'j Finding>,
    /// What is written down: these and whatever the audit level adds.
    pub audited: Vec<&'j Finding>,
}

/// Decides. `before` is the judgement of the object as it was: what stood there already is never refused.
pub fn decide<'j>(judgement: &'j Judgement<'_>, before: Option<&Judgement<'_>>, policy: &Policy) -> Decision<'j> {
    let Policy { levels, mode, enforce_on, is_controlled, self_exemptions } = *policy;
    let deniable_kind = enforce_on.denies(judgement.kind, is_controlled);
    let before = before.filter(|_| deniable_kind && levels.enforce != Level::Off).map(Before::of);
    let is_new = |finding: &Finding| before.as_ref().is_none_or(|before| !before.has(finding));
    let refused = |finding: &Finding| {
        deniable_kind && finding.problem.level <= levels.enforce && may_deny(finding, levels.enforce) && is_new(finding)
    };
    let findings = judgement.findings.iter();
    // Those who are checked do not lift a denial.
    let hidden = if self_exemptions { &[] } else { judgement.self_exempted() };
    let hidden = hidden.iter().filter(|finding| refused(finding));
    let would_deny: Vec<&Finding> = findings.clone().filter(|finding| refused(finding)).chain(hidden.clone()).collect();
    if mode == Mode::Enforce && !would_deny.is_empty() {
        let written = |finding: &&Finding| counts(finding, levels.audit) || refused(finding);
        let audited = findings.filter(written).chain(hidden).collect();
        return Decision { outcome: Outcome::Deny, denials: would_deny, warnings: Vec::new(), audited };
    }
    let warned = |finding: &&Finding| counts(finding, levels.warn) || counts(finding, levels.enforce);
    let warnings: Vec<&Finding> = match mode {
        Mode::Audit => Vec::new(),
        // What would be denied is said.
        Mode::Warn | Mode::Enforce => findings.clone().filter(warned).chain(hidden.clone()).collect(),
    };
    let audited = findings.filter(|finding| counts(finding, levels.audit) || warned(finding)).chain(hidden).collect();
    let outcome = if warnings.is_empty() { Outcome::Allow } else { Outcome::Warn };
    Decision { outcome, denials: Vec::new(), warnings, audited }
}

fn counts(finding: &Finding, level: Level) -> bool {
    level != Level::Off && finding.problem.level <= level
}

/// Whether a finding of a pod denies where its namespace enforces a level, in mode `enforce`.
pub fn denies_at(finding: &Finding, enforce: Level) -> bool {
    counts(finding, enforce) && may_deny(finding, enforce)
}

/// Certain findings deny at their level, likely ones only at `strict`, undecided ones never. Some rules never deny: a service
/// account that is missing may be created a moment later, and a misspelled setting breaks no identity.
fn may_deny(finding: &Finding, enforce: Level) -> bool {
    if finding.problem.rule.has(Trait::NeverDenies) {
        return false;
    }
    match finding.problem.certainty {
        Certainty::Certain => enforce != Level::Off,
        Certainty::Likely => enforce == Level::Strict,
        Certainty::Undecided => false,
    }
}

/// What was wrong with the object as it was: how sure of each rule, for the workload and for each container. Of roles that are
/// not the namespace's own there is one rule, so that an update does not tell what is wrong with one.
struct Before<'b> {
    /// Of the workload or of any container.
    any: HashMap<&'static str, Certainty>,
    /// Of the workload.
    workload: HashMap<&'static str, Certainty>,
    containers: HashMap<(&'static str, &'b str), Certainty>,
}

impl<'b> Before<'b> {
    fn of(judgement: &'b Judgement<'_>) -> Self {
        let mut before = Self { any: HashMap::new(), workload: HashMap::new(), containers: HashMap::new() };
        // What an exemption hid was wrong all the same.
        for finding in judgement.findings.iter().chain(&judgement.exempted) {
            let (rule, certainty) = (finding.rule_as_read(), finding.problem.certainty);
            let raise = |known: &mut Certainty| *known = certainty.max(*known);
            before.any.entry(rule).and_modify(raise).or_insert(certainty);
            if finding.containers.is_empty() {
                before.workload.entry(rule).and_modify(raise).or_insert(certainty);
            }
            for container in &finding.containers {
                before.containers.entry((rule, container)).and_modify(raise).or_insert(certainty);
            }
        }
        before
    }

    /// Whether a finding stood there already, as sure as it is.
    fn has(&self, finding: &Finding) -> bool {
        let rule = finding.rule_as_read();
        let is_as_sure = |known: Option<&Certainty>| known.is_some_and(|known| *known >= finding.problem.certainty);
        if finding.containers.is_empty() {
            return is_as_sure(self.any.get(rule));
        }
        is_as_sure(self.workload.get(rule))
            || finding.containers.iter().all(|container| is_as_sure(self.containers.get(&(rule, container.as_str()))))
    }
}
