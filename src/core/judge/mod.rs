//! The way from a workload to findings: the one place where identity, chain and rules meet.

mod account;
mod cluster_checks;
mod container;
mod container_credentials;
mod container_problems;
mod effective_identity;
mod exemptions;
mod fallback;
mod links;
mod namesakes;
mod needs;
mod not_connected;
mod other_credentials;
mod own_names;
mod owners;
mod pod;
mod references;
mod required;
mod running;
mod self_assume;
mod task_definition;
mod token_expiration;
mod web_identity;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use rolecall_iam::RoleArn;

pub use account::{ServiceAccountChange, judge_service_account, judge_service_account_within};
pub use cluster_checks::{
    Absent, AgentFault, agent_fault, injector_missing, near_account, node_roles_without_agent, orphaned_association,
};
pub use effective_identity::{EffectiveIdentity, UnreadControlPolicies, effective_identity};
pub use links::Links;
pub use namesakes::Identities;
pub use needs::permission_fix;
pub use own_names::of_namespace as own_names_of_namespace;
pub use owners::{follow_owner_of_task_definition, follow_owners};
pub use pod::{judge_workload, judge_workload_within};
pub use references::{Referring, judge_references};
pub use running::{Running, judge_running};
pub use task_definition::{FindPlaceholder, JudgedTaskDefinition, effective_task_identity, judge_task_definition};

use self::exemptions::{AllOwnAnnotations, Exempts, from_warnings_only};
use crate::chain::State;
use crate::finding::{AboutRole, Certainty, Finding, Note, Problem};
use crate::identity::Identity;
use crate::level::Level;
use crate::rules::Rule;
use crate::workload::Kind;

/// What the judgement is made with besides world and workload.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances {
    /// The time now; `None` where it does not matter, as for manifests.
    pub now: Option<Timestamp>,
    /// Whether the namespace may exempt itself by annotation.
    pub exemptions: bool,
}

/// Which exemption hides findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HiddenBy {
    /// They count.
    Nothing,
    /// Annotations of the workload, its pods or its service account.
    Itself,
    /// An annotation of the namespace.
    Namespace,
}

/// A container, judged.
#[derive(Debug, Clone)]
pub struct JudgedContainer<'a> {
    /// Its name.
    pub name: &'a str,
    /// The service account of its pod; `None` where there is none, as in a task definition.
    pub service_account: Option<&'a str>,
    /// What its SDK will try first.
    pub identity: Identity,
    /// The role it will have.
    pub role: Option<Cow<'a, str>>,
    /// Whether the chain behind that identity holds.
    pub chain: State,
}

/// An identity that a custom resource names, judged.
#[derive(Debug, Clone)]
pub struct JudgedIdentity<'a> {
    /// Where in the object it is named.
    pub path: &'a str,
    /// Namespace, where it is known, and name of the service account whose token is requested; `None` where the controller
    /// brings its own identity, or where none can be told.
    pub service_account: Option<(Option<&'a str>, &'a str)>,
    /// The role that the controller has in the end, as far as it is known.
    pub role: Option<Cow<'a, str>>,
    /// Whether the chain to it holds.
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
    /// Identities that the object names without a pod; only of a custom resource.
    pub identities: Vec<JudgedIdentity<'a>>,
    /// Most severe first.
    pub findings: Vec<Finding>,
    /// What an exemption hid. Those that only annotations of the workload itself hide come last: [`Self::self_exempted`].
    pub exempted: Vec<Finding>,
    /// How many of `exempted` the namespace hides.
    by_namespace: usize,
}

impl<'a> Judgement<'a> {
    /// One that found nothing.
    pub fn new(kind: Kind, namespace: &'a str) -> Self {
        Self {
            kind,
            namespace,
            containers: Vec::new(),
            identities: Vec::new(),
            findings: Vec::new(),
            exempted: Vec::new(),
            by_namespace: 0,
        }
    }

    /// What only annotations of the workload, its pods or its service account hide: from warnings, not from denials.
    pub fn self_exempted(&self) -> &[Finding] {
        self.exempted.get(self.by_namespace..).unwrap_or_default()
    }

    /// What hides the findings of a rule; `None` where it has none.
    pub fn hidden_by(&self, rule: &Rule) -> Option<HiddenBy> {
        let has = |findings: &[Finding]| findings.iter().any(|finding| finding.problem.rule == rule);
        let of_namespace = self.exempted.get(..self.by_namespace).unwrap_or_default();
        let places = [
            (self.findings.as_slice(), HiddenBy::Nothing),
            (self.self_exempted(), HiddenBy::Itself),
            (of_namespace, HiddenBy::Namespace),
        ];
        places.into_iter().find(|(findings, _)| has(findings)).map(|(_, hidden_by)| hidden_by)
    }

    /// Withholds the rules of findings whether a role can be assumed. `hidden_by`: what hides the rule that is read instead;
    /// the workload's own annotations neither hide nor show such a finding by its true rule, for that would reveal the rule.
    pub fn withhold(&mut self, is_withheld: impl Fn(&AboutRole) -> bool, hidden_by: Option<HiddenBy>) {
        for finding in self.findings.iter_mut().chain(&mut self.exempted) {
            if let Some(about) = &mut finding.problem.about {
                about.is_withheld = is_withheld(about);
            }
        }
        let Some(hidden_by) = hidden_by else {
            return;
        };
        let mut of_itself = self.exempted.split_off(self.by_namespace.min(self.exempted.len()));
        let is_moved = |finding: &mut Finding| {
            let about = finding.problem.about.as_ref().filter(|about| about.is_withheld && about.is_about_assuming());
            // A text that is no role ARN is no secret.
            about.is_some_and(|about| RoleArn::parse(&about.arn).is_ok())
        };
        let mut moved: Vec<Finding> = of_itself.extract_if(.., is_moved).collect();
        if hidden_by != HiddenBy::Nothing {
            moved.extend(self.findings.extract_if(.., is_moved));
        }
        match hidden_by {
            HiddenBy::Nothing => {
                self.findings.append(&mut moved);
                self.findings.sort_by_key(Finding::severity);
            }
            HiddenBy::Itself => of_itself.append(&mut moved),
            HiddenBy::Namespace => self.exempted.append(&mut moved),
        }
        self.by_namespace = self.exempted.len();
        self.exempted.append(&mut of_itself);
    }

    /// The roles that containers bring, each once, without those beyond the first hundreds: their chains are not walked.
    pub fn named_roles(&self) -> impl Iterator<Item = &str> {
        let mut seen = HashSet::new();
        let roles = self.containers.iter().filter_map(|container| container.role.as_deref());
        roles.filter(move |role| seen.insert(*role)).take(MAX_NAMED_ROLES)
    }

    /// The container that speaks for the workload in audit annotations: the first whose chain is broken, else
    /// the first with an identity of its own, else the first.
    pub fn representative(&self) -> Option<&JudgedContainer<'a>> {
        let own = |container: &&JudgedContainer<'_>| !matches!(container.identity, Identity::Node | Identity::None);
        let broken = self.containers.iter().find(|container| container.chain == State::Broken);
        broken.or_else(|| self.containers.iter().find(own)).or_else(|| self.containers.first())
    }

    /// The chain of the whole workload: broken where any container's is, and as sure as the least sure.
    pub fn chain(&self) -> State {
        let with_chain = self
            .containers
            .iter()
            .filter(|container| container.chain != State::Unknown || container.identity.mechanism().is_some());
        with_chain.map(|container| container.chain).reduce(State::and).unwrap_or(State::Unknown)
    }
}

/// Some of them have tokens that lead nowhere, so that these are more than the chains that are walked.
const MAX_NAMED_ROLES: usize = 2 * web_identity::MAX_OWN_CHAINS;

/// How many findings back the same is looked for: a pod with thousands of different ones must not cost their square.
const MERGE_WINDOW: usize = 64;
/// Most findings of one rule that differ in detail. Further containers join the last of them: the verdict stays the same,
/// and what a pod with thousands of broken containers costs stays in proportion to their number.
const MAX_OF_A_RULE: usize = 64;

/// What findings that may share a place have in common: the rule's name, how sure they are, and their level.
type Kin = (&'static str, Certainty, Level);

/// Findings, of each rule no more than [`MAX_OF_A_RULE`].
#[derive(Debug, Default)]
struct FindingList {
    findings: Vec<Finding>,
    /// Of each kin, how many there are and where the last is.
    kin: HashMap<Kin, (usize, usize)>,
}

impl FindingList {
    fn is_full_of(&self, finding: &Finding) -> bool {
        let kin = (finding.rule(), finding.problem.certainty, finding.problem.level);
        self.kin.get(&kin).is_some_and(|(count, _)| *count >= MAX_OF_A_RULE)
    }

    fn push(&mut self, finding: Finding) {
        let kin = (finding.rule(), finding.problem.certainty, finding.problem.level);
        let (count, last) = self.kin.entry(kin).or_default();
        if *count < MAX_OF_A_RULE {
            (*count, *last) = (*count + 1, self.findings.len());
            self.findings.push(finding);
        } else if let Some(other) = self.findings.get_mut(*last) {
            if other.notes.last() != Some(&Note::Further) {
                other.notes.push(Note::Further);
            }
            // A finding without containers is the whole workload's, and stays so.
            if !other.containers.is_empty() {
                if finding.containers.is_empty() {
                    other.containers.clear();
                } else {
                    other.containers.extend(finding.containers);
                }
            }
        }
    }
}

/// Gathers problems into findings: one of a rule for all the containers that have it, and one for each chain, led by the
/// first link that breaks.
#[derive(Debug, Default)]
struct Gathering<'w> {
    findings: FindingList,
    /// What the namespace hides.
    exempted: FindingList,
    /// What the workload's own annotations hide.
    self_exempted: FindingList,
    own_annotations: AllOwnAnnotations<'w>,
}

/// What was gathered.
struct Gathered {
    /// Most severe first.
    findings: Vec<Finding>,
    /// What the namespace hides.
    exempted: Vec<Finding>,
    /// What the workload's own annotations hide.
    self_exempted: Vec<Finding>,
}

impl<'w> Gathering<'w> {
    fn new(own_annotations: AllOwnAnnotations<'w>) -> Self {
        Self { own_annotations, ..Self::default() }
    }

    fn is_ignored(&self, problem: &Problem) -> bool {
        self.own_annotations.exempts(problem.rule) != Exempts::Nothing
    }

    /// Where a finding belongs.
    fn place(&mut self, exempts: Exempts) -> &mut FindingList {
        match exempts {
            Exempts::Nothing => &mut self.findings,
            Exempts::Warnings => &mut self.self_exempted,
            Exempts::All => &mut self.exempted,
        }
    }

    /// A problem of the whole workload.
    fn add(&mut self, problem: Problem) {
        self.add_finding(Finding::of_workload(problem));
    }

    /// A problem of one container; where others have the same, they share a finding.
    fn add_for(&mut self, container: &str, problem: Problem) {
        let exempts = self.own_annotations.exempt(problem.rule);
        let finding = Finding { problem, containers: Vec::new(), notes: Vec::new() };
        merge(self.place(exempts), finding, Some(container));
    }

    /// The problems of the chain that all containers share.
    fn add_chain(&mut self, problems: &[Problem]) {
        self.add_led(problems, None);
    }

    /// The problems of a chain that is one container's own.
    fn add_chain_for(&mut self, container: &str, problems: &[Problem]) {
        self.add_led(problems, Some(container));
    }

    /// Of a chain's problems that are not exempted the first of the surest leads, the others follow as notes.
    fn add_led(&mut self, problems: &[Problem], container: Option<&str>) {
        let mut counting: Vec<&Problem> = Vec::with_capacity(problems.len());
        for problem in problems {
            match self.own_annotations.exempt(problem.rule) {
                Exempts::Nothing => counting.push(problem),
                exempts => merge(self.place(exempts), Finding::of_workload(problem.clone()), container),
            }
        }
        let surest = counting.iter().map(|problem| problem.certainty).max();
        let Some(at) = counting.iter().position(|problem| Some(problem.certainty) == surest) else {
            return;
        };
        let Some(mut lead) = counting.get(at).map(|problem| Problem::clone(problem)) else {
            return;
        };
        // The notes are about the role too.
        lead.about = lead.about.or_else(|| counting.iter().find_map(|problem| problem.about.clone()));
        let others = counting.iter().enumerate().filter(|(index, _)| *index != at);
        let notes = others.map(|(_, problem)| Note::also(Problem::clone(problem))).collect();
        merge(&mut self.findings, Finding { problem: lead, containers: Vec::new(), notes }, container);
    }

    fn add_finding(&mut self, finding: Finding) {
        let exempts = self.own_annotations.exempt(finding.problem.rule);
        self.place(exempts).push(finding);
    }

    /// That a workload uses the node role, which another annotation than `rolecall.dev/ignore` may allow.
    fn add_of_node_role(&mut self, problem: Problem) {
        match self.own_annotations.node_role() {
            Some(exempts) if exempts > self.own_annotations.exempts(problem.rule) => {
                self.place(exempts).push(Finding::of_workload(problem));
            }
            _ => self.add(problem),
        }
    }

    fn finish(self, judgement: &mut Judgement<'_>) {
        let Gathered { findings, mut exempted, self_exempted } = self.gathered();
        judgement.findings = findings;
        judgement.by_namespace = exempted.len();
        exempted.extend(self_exempted);
        judgement.exempted = exempted;
    }

    fn gathered(mut self) -> Gathered {
        for problem in self.own_annotations.notices() {
            self.add(problem);
        }
        for finding in self.exempted.findings.iter_mut().chain(&mut self.self_exempted.findings) {
            finding.notes.insert(0, self.own_annotations.describe(finding.problem.rule));
        }
        self.findings.findings.sort_by_key(Finding::severity);
        Gathered {
            findings: self.findings.findings,
            exempted: self.exempted.findings,
            self_exempted: self.self_exempted.findings.into_iter().map(from_warnings_only).collect(),
        }
    }
}

/// Adds a finding of one container, or of the workload, to the same that is there already.
fn merge(list: &mut FindingList, mut finding: Finding, container: Option<&str>) {
    let is_same =
        |other: &&mut Finding| other.problem == finding.problem && other.containers.is_empty() == container.is_none();
    // Of a rule that has all its findings a further container joins the last: thousands are not compared.
    let window = if container.is_some() && list.is_full_of(&finding) { 0 } else { MERGE_WINDOW };
    let same = list.findings.iter_mut().rev().take(window).find(is_same);
    match (same, container) {
        (Some(same), Some(container)) => same.containers.push(container.to_owned()),
        (Some(_), None) => {}
        (None, container) => {
            finding.containers.extend(container.map(str::to_owned));
            list.push(finding);
        }
    }
}
