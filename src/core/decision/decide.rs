//! From findings to what is done about them.

use std::collections::{HashMap, HashSet};

use super::level::{Level, Levels, Mode};
use crate::finding::{Certainty, Finding};
use crate::judge::Judgement;
use crate::rules;
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
    /// Refuse workload templates and service accounts too, not only Pods.
    pub enforce_workloads: bool,
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
    let Policy { levels, mode, enforce_workloads } = *policy;
    let deniable_kind = judgement.kind == Kind::Pod || enforce_workloads;
    let before = before.map(Before::of);
    let is_new = |finding: &Finding| before.as_ref().is_none_or(|before| !before.has(finding));
    let refused = |finding: &&Finding| {
        deniable_kind && finding.problem.level <= levels.enforce && may_deny(finding, levels.enforce) && is_new(finding)
    };
    let findings = judgement.findings.iter();
    let would_deny: Vec<&Finding> = findings.clone().filter(refused).collect();
    if mode == Mode::Enforce && !would_deny.is_empty() {
        let audited = findings.filter(|finding| counts(finding, levels.audit) || refused(finding)).collect();
        return Decision { outcome: Outcome::Deny, denials: would_deny, warnings: Vec::new(), audited };
    }
    let warned = |finding: &&Finding| counts(finding, levels.warn) || counts(finding, levels.enforce);
    let warnings: Vec<&Finding> =
        if mode == Mode::Audit { Vec::new() } else { findings.clone().filter(warned).collect() };
    let audited = findings.filter(|finding| counts(finding, levels.audit) || warned(finding)).collect();
    let outcome = if warnings.is_empty() { Outcome::Allow } else { Outcome::Warn };
    Decision { outcome, denials: Vec::new(), warnings, audited }
}

fn counts(finding: &Finding, level: Level) -> bool {
    level != Level::Off && finding.problem.level <= level
}

/// Certain findings deny at their level, likely ones only at `strict`, undecided ones never. A service account that is
/// missing may be on its way, so it never denies.
fn may_deny(finding: &Finding, enforce: Level) -> bool {
    match finding.problem.certainty {
        Certainty::Certain => enforce != Level::Off,
        Certainty::Likely => enforce == Level::Strict && finding.problem.rule != &rules::SERVICE_ACCOUNT_MISSING,
        Certainty::Undecided => false,
    }
}

/// A finding that stood before: how sure it was, and its containers; `None` for the whole workload.
type Old<'b> = (Certainty, Option<HashSet<&'b str>>);

/// What stood before, by rule.
struct Before<'b>(HashMap<&'static str, Vec<Old<'b>>>);

impl<'b> Before<'b> {
    fn of(judgement: &'b Judgement<'_>) -> Self {
        let mut by_rule: HashMap<_, Vec<_>> = HashMap::new();
        for old in &judgement.findings {
            let containers = old.containers.iter().map(String::as_str).collect::<HashSet<_>>();
            let containers = (!containers.is_empty()).then_some(containers);
            by_rule.entry(old.rule()).or_default().push((old.problem.certainty, containers));
        }
        Self(by_rule)
    }

    fn has(&self, finding: &Finding) -> bool {
        let holds =
            |containers: &HashSet<&str>| finding.containers.iter().all(|name| containers.contains(name.as_str()));
        self.0.get(finding.rule()).into_iter().flatten().any(|(certainty, containers)| {
            *certainty >= finding.problem.certainty && containers.as_ref().is_none_or(holds)
        })
    }
}
