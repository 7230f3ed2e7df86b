//! What a requester is told. The audit log has the whole text; a requester, who needs no right in AWS to ask, reads in full
//! only about roles of the namespace's own.
//!
//! Where a result tells of another role, the object is judged a second time, over a view of AWS without that role. So what
//! is told cannot depend on the role's state. Only whether the object is denied comes from the first result.

use std::sync::Arc;

use rolecall_core::chain::Subject;
use rolecall_core::decision::{Decision, Outcome};
use rolecall_core::finding::{Finding, Problem, RolePart};
use rolecall_core::judge::Judgement;
use rolecall_core::rules::{IRSA_TRUST_OPEN, NODE_ROLE_OVERPRIVILEGED, ROLE_NOT_ASSUMABLE};
use rolecall_core::snapshot::{OwnRole, Viewer};
use rolecall_core::world::World;
use rolecall_iam::RoleArn;

use super::response::MAX_WARNING_CHARS;
use super::words;

/// How much a requester reads about IAM roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IamDetail {
    /// All of it, of every role.
    Full,
    /// All of it of the namespace's own roles, only the rule of others.
    #[default]
    Own,
    /// Only the rule.
    Rule,
}

/// What requesters are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Messages {
    /// How much a requester reads about IAM roles.
    pub iam_detail: IamDetail,
    /// Roles that are namespaces' own.
    pub own_roles: Vec<OwnRole>,
    /// Whom to ask.
    pub contact: String,
}

impl Default for Messages {
    fn default() -> Self {
        Self { iam_detail: IamDetail::default(), own_roles: Vec::new(), contact: "the platform team".to_owned() }
    }
}

/// Longest reference: a uid has 36 characters.
const MAX_REFERENCE_CHARS: usize = 64;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'r> {
    pub(super) messages: &'r Messages,
    pub(super) world: &'r World,
    pub(super) subject: Subject<'r>,
    /// The request's uid.
    pub(super) uid: &'r str,
}

/// What is told instead of the decision's own findings.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) denials: Vec<Finding>,
    pub(super) warnings: Vec<Finding>,
}

impl Told {
    pub(super) fn outcome(&self) -> Outcome {
        match (self.denials.is_empty(), self.warnings.is_empty()) {
            (false, _) => Outcome::Deny,
            (true, false) => Outcome::Warn,
            (true, true) => Outcome::Allow,
        }
    }
}

impl Reader<'_> {
    fn with_viewer<T>(&self, act: impl FnOnce(&Viewer<'_>) -> T) -> T {
        let exists = |name: &str| self.world.namespace(name).is_some();
        act(&Viewer {
            namespace: self.subject.namespace,
            owns_nothing: self.messages.iam_detail == IamDetail::Rule,
            own_roles: &self.messages.own_roles,
            exists: &exists,
            service_account: self.subject.service_account,
        })
    }

    /// The roles that a result tells of and that are not the namespace's own.
    pub(super) fn foreign<'j>(&self, judgement: &'j Judgement<'_>) -> Vec<(&'j str, RolePart)> {
        if self.messages.iam_detail == IamDetail::Full {
            return Vec::new();
        }
        let findings = judgement.findings.iter().chain(&judgement.exempted);
        let mut foreign: Vec<(&str, RolePart)> = Vec::new();
        self.with_viewer(|viewer| {
            for about in findings.filter_map(|finding| finding.problem.about.as_ref()) {
                let told = (&*about.arn, about.part);
                if !foreign.contains(&told) && !self.world.snapshot.owns(viewer, &about.arn) {
                    foreign.push(told);
                }
            }
        });
        foreign
    }

    /// A denial because roles that are not the namespace's own do not exist, where it cannot be told whether the workload
    /// could assume them. It would tell which roles exist, and AWS tells nobody that.
    pub(super) fn tells_existence(&self, decision: &Decision<'_>, judgement: &Judgement<'_>) -> bool {
        if decision.outcome != Outcome::Deny || self.messages.iam_detail == IamDetail::Full {
            return false;
        }
        let foreign = self.foreign(judgement);
        decision.denials.iter().all(|finding| {
            let about = finding.problem.about.as_ref().filter(|about| about.part == RolePart::Existing);
            about.is_some_and(|about| {
                RoleArn::parse(&about.arn).is_ok() && foreign.contains(&(&*about.arn, RolePart::Existing))
            })
        })
    }

    /// The world as the requester may see it.
    pub(super) fn view(&self) -> World {
        let snapshot = self.with_viewer(|viewer| self.world.snapshot.view(viewer));
        self.world.for_one(Arc::new(snapshot), self.subject)
    }

    /// What is told: of the second result all but what it says of roles that the first one found nothing against; of the
    /// first result what goes beyond assuming a role.
    pub(super) fn told(
        &self,
        foreign: &[(&str, RolePart)],
        first: &Decision<'_>,
        (view, second): (&Judgement<'_>, &Decision<'_>),
    ) -> Told {
        let is_assuming =
            |arn: &str| [RolePart::Assuming, RolePart::Existing].iter().any(|part| foreign.contains(&(arn, *part)));
        let is_withheld = |finding: &&Finding| finding.problem.rule == &ROLE_NOT_ASSUMABLE;
        let is_kept = |finding: &&Finding| {
            let about = finding.problem.about.as_ref();
            !is_withheld(finding) || about.is_some_and(|about| is_assuming(&about.arn))
        };
        let beyond = |findings: &[&Finding]| -> Vec<Finding> {
            let of_foreign = |finding: &&&Finding| {
                finding.problem.about.as_ref().is_some_and(|about| {
                    about.part == RolePart::Beyond
                        && foreign.contains(&(&*about.arn, RolePart::Beyond))
                        && !is_assuming(&about.arn)
                        && finding.problem.rule != &NODE_ROLE_OVERPRIVILEGED
                })
            };
            findings.iter().filter(of_foreign).map(|finding| self.beyond(finding)).collect()
        };
        if first.outcome != Outcome::Deny {
            let shown = second.warnings.iter().copied().filter(is_kept).map(|finding| self.referred(finding.clone()));
            let warnings = shown.chain(beyond(&first.warnings)).collect();
            return Told { denials: Vec::new(), warnings };
        }
        let withheld = view.findings.iter().chain(&view.exempted).filter(is_withheld).filter(is_kept);
        let others = second.denials.iter().copied().filter(|finding| !is_withheld(finding));
        let mut denials: Vec<Finding> = withheld.chain(others).map(|finding| self.referred(finding.clone())).collect();
        denials.extend(beyond(&first.denials));
        if denials.is_empty() {
            denials.extend(first.denials.first().map(|finding| self.beyond(finding)));
        }
        Told { denials, warnings: Vec::new() }
    }

    /// A problem with a role that the workload can assume: the rule and one sentence.
    fn beyond(&self, finding: &Finding) -> Finding {
        let arn = finding.problem.about.as_ref().map_or("", |about| &about.arn);
        let name = RoleArn::parse(arn).map_or(arn, |role| role.name);
        let subject = self.subject;
        let message = if finding.problem.rule == &IRSA_TRUST_OPEN {
            format!("role {name} trusts more service accounts than {subject}")
        } else if finding.problem.rule == &NODE_ROLE_OVERPRIVILEGED {
            format!("service account {subject} needs a role of its own: the node role is for the node alone")
        } else {
            format!("role {name} may not allow what service account {subject} declares that it needs")
        };
        let problem = Problem { message, expected: None, found: None, slip: None, ..finding.problem.clone() };
        let problem = Problem { fix: format!("ask {}", self.messages.contact), ..problem };
        let mut told = Finding { problem, containers: finding.containers.clone(), notes: Vec::new() };
        told.notes.push(self.reference());
        told
    }

    /// Adds whom to ask, and under which reference, to a finding that withholds something.
    fn referred(&self, mut finding: Finding) -> Finding {
        if finding.problem.rule == &ROLE_NOT_ASSUMABLE {
            if finding.problem.slip.is_none() {
                finding.problem.fix = format!("ask {}", self.messages.contact);
            }
            finding.notes.insert(0, self.reference());
        }
        finding
    }

    fn reference(&self) -> String {
        let uid: String = self.uid.chars().take(MAX_REFERENCE_CHARS).collect();
        format!("reference: {uid} (the audit log of rolecall has the full text; rolecall scan prints it too)")
    }

    /// A warning; where something is withheld, its reference is never cut off.
    pub(super) fn one_line(&self, finding: &Finding) -> String {
        if finding.notes.first() != Some(&self.reference()) {
            return words::one_line(finding, MAX_WARNING_CHARS);
        }
        let uid: String = self.uid.chars().take(MAX_REFERENCE_CHARS).collect();
        let contact: String = self.messages.contact.chars().take(MAX_CONTACT_CHARS).collect();
        let end = format!("; ask {contact}, reference {uid}");
        let room = MAX_WARNING_CHARS.saturating_sub(end.chars().count());
        let whole = words::one_line(finding, 0);
        let mut line: String = whole.chars().take(room).collect();
        if let (Some(_), Some(own)) = (&finding.problem.slip, &finding.problem.expected) {
            let hint = format!("; did you mean {}?", RoleArn::parse(&own.value).map_or("", |role| role.name));
            if whole.chars().count() + hint.chars().count() <= room {
                line.push_str(&hint);
            }
        }
        line + &end
    }
}

/// Longest name of whom to ask, in a warning.
const MAX_CONTACT_CHARS: usize = 80;
