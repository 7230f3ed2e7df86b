//! The way from a workload to findings: the one place where identity, chain and rules meet.

mod account;
mod container;
mod container_credentials;
mod container_problems;
mod fallback;
mod needs;
mod other_credentials;
mod pod;
mod running;
mod token_expiration;
mod web_identity;
mod whole;
mod whom;

use std::borrow::Cow;

use jiff::Timestamp;

pub use account::{ServiceAccountChange, judge_service_account};
pub use pod::judge_workload;
pub use running::{Running, judge_running};
pub use whole::{
    Absent, AgentFault, agent_fault, injector_missing, near_account, node_roles_without_agent, orphaned_association,
};
pub use whom::{Whom, whom};

use crate::chain::State;
use crate::finding::{Finding, Problem};
use crate::identity::Identity;
use crate::workload::Kind;

/// What the judgement is made with besides world and workload.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances {
    /// The time now; `None` where it does not matter, as for manifests.
    pub now: Option<Timestamp>,
    /// Whether the namespace may exempt itself by annotation.
    pub exemptions: bool,
}

/// A container, judged.
#[derive(Debug, Clone)]
pub struct JudgedContainer<'a> {
    /// Its name.
    pub name: &'a str,
    /// What its SDK will try first.
    pub identity: Identity,
    /// The role it will have.
    pub role: Option<Cow<'a, str>>,
    /// Whether the chain behind that identity holds.
    pub chain: State,
}

/// A workload, judged.
#[derive(Debug)]
pub struct Judgement<'a> {
    /// Kind of the object.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: &'a str,
    /// Every container, in the order of the specification: init, main, ephemeral.
    pub containers: Vec<JudgedContainer<'a>>,
    /// Most severe first.
    pub findings: Vec<Finding>,
    /// What an exemption hid.
    pub exempted: Vec<Finding>,
}

impl<'a> Judgement<'a> {
    fn new(kind: Kind, namespace: &'a str) -> Self {
        Self { kind, namespace, containers: Vec::new(), findings: Vec::new(), exempted: Vec::new() }
    }

    /// The container that speaks for the workload in audit annotations: the first whose chain is broken, else
    /// the first with an identity of its own, else the first.
    pub fn spokesman(&self) -> Option<&JudgedContainer<'a>> {
        let own = |container: &&JudgedContainer<'_>| !matches!(container.identity, Identity::Node | Identity::None);
        let broken = self.containers.iter().find(|container| container.chain == State::Broken);
        broken.or_else(|| self.containers.iter().find(own)).or_else(|| self.containers.first())
    }

    /// The chain of the whole workload: broken where any container's is, and as sure as the least sure.
    pub fn chain(&self) -> State {
        let with_chain = self.containers.iter().filter(|container| {
            container.chain != State::Unknown || matches!(container.identity, Identity::Irsa | Identity::PodIdentity)
        });
        with_chain.map(|container| container.chain).reduce(State::and).unwrap_or(State::Unknown)
    }
}

/// How many findings back the same is looked for: a pod with thousands of different ones must not cost their square.
const MERGE_WINDOW: usize = 64;

/// Gathers problems into findings: one of a rule for all the containers that have it, and one for each chain, led by the
/// first link that breaks.
#[derive(Debug, Default)]
struct Gathering<'w> {
    findings: Vec<Finding>,
    exempted: Vec<Finding>,
    ignored: Vec<&'w str>,
}

impl<'w> Gathering<'w> {
    fn is_ignored(&self, problem: &Problem) -> bool {
        self.ignored.contains(&problem.rule.name)
    }

    /// A problem of the whole workload.
    fn add(&mut self, problem: Problem) {
        self.add_finding(Finding::of_workload(problem));
    }

    /// A problem of one container; where others have the same, they share a finding.
    fn add_for(&mut self, container: &str, problem: Problem) {
        let place = if self.is_ignored(&problem) { &mut self.exempted } else { &mut self.findings };
        match place.iter_mut().rev().take(MERGE_WINDOW).find(|f| f.problem == problem && !f.containers.is_empty()) {
            Some(finding) => finding.containers.push(container.to_owned()),
            None => place.push(Finding { problem, containers: vec![container.to_owned()], notes: Vec::new() }),
        }
    }

    /// The problems of the chain that all containers share.
    fn add_chain(&mut self, problems: &[Problem]) {
        if let Some(finding) = self.lead(problems)
            && !self.findings.iter().any(|other| other.problem == finding.problem && other.containers.is_empty())
        {
            self.findings.push(finding);
        }
    }

    /// The problems of a chain that is one container's own.
    fn add_chain_for(&mut self, container: &str, problems: &[Problem]) {
        let Some(mut finding) = self.lead(problems) else {
            return;
        };
        let same = |other: &&mut Finding| other.problem == finding.problem && !other.containers.is_empty();
        match self.findings.iter_mut().rev().take(MERGE_WINDOW).find(same) {
            Some(other) => other.containers.push(container.to_owned()),
            None => {
                finding.containers.push(container.to_owned());
                self.findings.push(finding);
            }
        }
    }

    /// Of a chain's problems that are not exempted the first of the surest leads, the others follow as notes.
    fn lead(&mut self, problems: &[Problem]) -> Option<Finding> {
        let (ignored, counting): (Vec<&Problem>, Vec<&Problem>) = problems.iter().partition(|p| self.is_ignored(p));
        for problem in ignored {
            if !self.exempted.iter().any(|finding| finding.problem == *problem) {
                self.exempted.push(Finding::of_workload(problem.clone()));
            }
        }
        let surest = counting.iter().map(|problem| problem.certainty).max();
        let at = counting.iter().position(|problem| Some(problem.certainty) == surest)?;
        let mut lead: Problem = (*counting.get(at)?).clone();
        // The notes tell of the role too.
        lead.about = lead.about.or_else(|| counting.iter().find_map(|problem| problem.about.clone()));
        let others = counting.iter().enumerate().filter(|(index, _)| *index != at);
        let notes = others.map(|(_, problem)| note(problem)).collect();
        Some(Finding { problem: lead, containers: Vec::new(), notes })
    }

    fn add_finding(&mut self, finding: Finding) {
        let place = if self.is_ignored(&finding.problem) { &mut self.exempted } else { &mut self.findings };
        place.push(finding);
    }

    fn finish(mut self, judgement: &mut Judgement<'_>) {
        self.findings.sort_by_key(Finding::severity);
        judgement.findings = self.findings;
        judgement.exempted = self.exempted;
    }
}

/// One line that stands behind a leading problem.
fn note(problem: &Problem) -> String {
    match (&problem.expected, &problem.found) {
        (Some(expected), Some(found)) => format!(
            "also [{}] {}: {} {}, {} {}",
            problem.rule.name, problem.message, expected.label, expected.value, found.label, found.value
        ),
        _ => format!("also [{}] {}", problem.rule.name, problem.message),
    }
}
