//! What was found, grouped: fifty pods of a Deployment that all have the same are one entry with a count.

use std::collections::{BTreeMap, HashSet};

use rolecall_core::chain::State;
use rolecall_core::decision::{Level, denies_at};
use rolecall_core::finding::{Finding, Note};
use rolecall_core::identity::Identity;
use rolecall_core::judge::{Identities, JudgedContainer, JudgedIdentity, Judgement};
use rolecall_core::rules::Trait;
use rolecall_core::workload::Kind;
use rolecall_core::world::World;

use super::owners::Owner;

/// Most findings of one rule at one container of an owner whose words differ; more are counted with the last.
const MAX_ALIKE: usize = 8;

/// Most notes behind a finding.
const MAX_NOTES: usize = 16;

/// Everything judged so far.
#[derive(Debug, Default)]
pub struct Tally {
    /// By owner.
    pub groups: BTreeMap<Owner, Group>,
    /// Service accounts and owners judged, those without anything to say among them.
    pub judged: usize,
    /// Pods judged.
    pub pods: usize,
    /// Service accounts that something uses: namespace and name.
    used: HashSet<(Box<str>, Box<str>)>,
    /// Names of service accounts that are used in a namespace that is not known.
    used_anywhere: HashSet<Box<str>>,
}

/// What was found at one owner.
#[derive(Debug, Default)]
pub struct Group {
    /// Pods that run.
    pub pods: usize,
    /// Findings, each of one container or of the whole, with the pods that have it.
    pub findings: Vec<(Finding, usize)>,
    /// Containers, with the pods in which they are so.
    pub containers: Vec<(Judged, usize)>,
    /// Identities that the object names without a pod.
    pub identities: Vec<NamedIdentity>,
    /// Rules that an exemption hid.
    pub exempted: BTreeMap<&'static str, Finding>,
    /// What would deny the pods of its template, by level; `None` where there is no template.
    template: Option<Denying>,
    /// What would deny its pods, by level, were they created again as they are.
    running: Denying,
}

/// Rules with the lowest level at which they would deny.
type Denying = BTreeMap<&'static str, Level>;

/// Adds rules; of two levels the lower one counts.
fn add_denying(all: &mut Denying, more: impl IntoIterator<Item = (&'static str, Level)>) {
    for (rule, level) in more {
        all.entry(rule).and_modify(|known| *known = level.min(*known)).or_insert(level);
    }
}

/// A container, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Its name.
    pub name: Box<str>,
    /// The service account of its pod.
    pub service_account: Option<Box<str>>,
    /// What its SDK will try first.
    pub identity: Identity,
    /// The role it will have.
    pub role: Option<Box<str>>,
    /// Whether the chain behind that identity holds.
    pub chain: State,
}

/// An identity that a custom resource names, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedIdentity {
    /// Where in the object.
    pub path: Box<str>,
    /// Namespace, where it is known, and name of the service account.
    pub service_account: Option<(Option<Box<str>>, Box<str>)>,
    /// The role in the end.
    pub role: Option<Box<str>>,
    /// Whether the chain to it holds.
    pub chain: State,
}

impl NamedIdentity {
    fn of(identity: &JudgedIdentity<'_>) -> Self {
        let account = identity.service_account;
        Self {
            path: identity.path.into(),
            service_account: account.map(|(namespace, name)| (namespace.map(Into::into), name.into())),
            role: identity.role.as_deref().map(Into::into),
            chain: identity.chain,
        }
    }
}

impl Judged {
    fn of(container: &JudgedContainer<'_>) -> Self {
        Self {
            name: container.name.into(),
            service_account: container.service_account.map(Into::into),
            identity: container.identity,
            role: container.role.as_deref().map(Into::into),
            chain: container.chain,
        }
    }
}

impl Group {
    fn add(&mut self, judgement: &Judgement<'_>, pods: usize) {
        self.pods += pods;
        self.add_denying(judgement, pods == 0);
        for finding in &judgement.findings {
            for one in single(finding) {
                self.add_finding(one, pods);
            }
        }
        for container in &judgement.containers {
            self.add_container(Judged::of(container), pods);
        }
        self.identities.extend(judgement.identities.iter().map(NamedIdentity::of));
        for finding in &judgement.exempted {
            self.exempted.entry(finding.rule()).or_insert_with(|| finding.clone());
        }
    }

    fn add_denying(&mut self, judgement: &Judgement<'_>, is_template: bool) {
        if judgement.kind == Kind::ServiceAccount || judgement.kind.is_custom() {
            return;
        }
        // The workload's own exemptions lift warnings only.
        let findings = judgement.findings.iter().chain(judgement.self_exempted());
        let findings = findings.filter(|finding| is_template || !finding.problem.rule.has(Trait::OfRunningPods));
        let levels = [Level::Chain, Level::Fallback, Level::Strict];
        let denying = findings.filter_map(|finding| {
            let level = levels.into_iter().find(|level| denies_at(finding, *level))?;
            Some((finding.rule(), level))
        });
        if is_template {
            add_denying(self.template.get_or_insert_default(), denying);
        } else {
            add_denying(&mut self.running, denying);
        }
    }

    /// The rules that would deny its pods, were they created again where the namespace enforces a level.
    pub fn denied_at(&self, enforce: Level) -> Vec<&'static str> {
        let denying = self.template.as_ref().unwrap_or(&self.running);
        denying.iter().filter(|(_, level)| **level <= enforce).map(|(rule, _)| *rule).collect()
    }

    fn add_finding(&mut self, finding: Finding, pods: usize) {
        // What stands behind it may differ from pod to pod.
        let same = |known: &Finding| known.problem == finding.problem && known.containers == finding.containers;
        if let Some((known, count)) = self.findings.iter_mut().find(|(known, _)| same(known)) {
            *count += pods;
            let new: Vec<Note> = finding.notes.into_iter().filter(|note| !known.notes.contains(note)).collect();
            known.notes.extend(new);
            known.notes.truncate(MAX_NOTES);
            return;
        }
        let alike = |(known, _): &&mut (Finding, usize)| {
            known.rule() == finding.rule() && known.containers == finding.containers
        };
        if self.findings.iter_mut().filter(alike).count() < MAX_ALIKE {
            self.findings.push((finding, pods));
        } else if let Some((_, count)) = self.findings.iter_mut().rev().find(alike) {
            *count += pods;
        }
    }

    fn add_container(&mut self, container: Judged, pods: usize) {
        match self.containers.iter_mut().find(|(known, _)| *known == container) {
            Some((_, count)) => *count += pods,
            None => self.containers.push((container, pods)),
        }
    }

    fn merge(&mut self, other: Self) {
        self.pods += other.pods;
        for (finding, pods) in other.findings {
            self.add_finding(finding, pods);
        }
        for (container, pods) in other.containers {
            self.add_container(container, pods);
        }
        self.identities.extend(other.identities);
        self.exempted.extend(other.exempted);
        if let Some(template) = other.template {
            add_denying(self.template.get_or_insert_default(), template);
        }
        add_denying(&mut self.running, other.running);
    }
}

/// One finding for each container that has it, or one for the workload.
fn single(finding: &Finding) -> Vec<Finding> {
    let with = |containers: Vec<String>| Finding { containers, ..finding.clone() };
    if finding.containers.is_empty() {
        return vec![finding.clone()];
    }
    finding.containers.iter().map(|container| with(vec![container.clone()])).collect()
}

impl Tally {
    /// Adds what was judged at an owner, of so many pods: none for a template.
    pub(super) fn add(&mut self, owner: Owner, judgement: &Judgement<'_>, pods: usize) {
        self.pods += pods;
        self.groups
            .entry(owner)
            .or_insert_with(|| {
                self.judged += 1;
                Group::default()
            })
            .add(judgement, pods);
    }

    /// Adds a finding that belongs to no pod.
    pub(super) fn add_finding(&mut self, owner: Owner, finding: Finding) {
        self.groups.entry(owner).or_default().add_finding(finding, 0);
    }

    /// A service account is used.
    pub(super) fn uses(&mut self, namespace: &str, account: &str) {
        let key = (Box::from(namespace), Box::from(account));
        self.used.insert(key);
    }

    /// A service account of this name is used, in a namespace that is not known.
    pub(super) fn uses_anywhere(&mut self, account: &str) {
        self.used_anywhere.insert(account.into());
    }

    /// Whether anything uses a service account.
    pub(super) fn is_used(&self, namespace: &str, account: &str) -> bool {
        self.used_anywhere.contains(account) || self.used.contains(&(Box::from(namespace), Box::from(account)))
    }

    /// Says of workloads without a role which other identity may be meant, once all that use one are known.
    pub(super) fn explain_fallbacks(&mut self, world: &World) {
        let identities = Identities::of(world, |namespace, account| self.is_used(namespace, account));
        let findings = self.groups.values_mut().flat_map(|group| &mut group.findings);
        findings.for_each(|(finding, _)| identities.explain(finding));
    }

    /// Adds what another list brought.
    pub(super) fn merge(&mut self, other: Self) {
        self.pods += other.pods;
        for (owner, group) in other.groups {
            match self.groups.entry(owner) {
                std::collections::btree_map::Entry::Occupied(mut known) => known.get_mut().merge(group),
                std::collections::btree_map::Entry::Vacant(new) => {
                    self.judged += 1;
                    new.insert(group);
                }
            }
        }
        self.used.extend(other.used);
        self.used_anywhere.extend(other.used_anywhere);
    }
}

#[cfg(test)]
mod tests {
    use rolecall_core::decision::Level;
    use rolecall_core::finding::{Cause, Certainty, Note, Problem, RoleCause};
    use rolecall_core::fix::Change;
    use rolecall_core::rules;
    use rolecall_core::workload::Kind;

    use super::*;

    fn finding(role: &str, containers: &[&str], notes: &[&str]) -> Finding {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let problem = Problem {
            rule: &rules::STATIC_KEYS,
            level: Level::Strict,
            certainty: Certainty::Certain,
            cause: RoleCause::Open { role: role.into() }.into(),
            expected: None,
            found: None,
            hint: None,
            fix: Change::CheckAgent.into(),
            about: None,
        };
        let notes = notes.iter().map(|note| Note::Reference((*note).into())).collect();
        Finding { problem, containers: own(containers), notes }
    }

    fn add(tally: &mut Tally, findings: Vec<Finding>, pods: usize) {
        let containers = vec![JudgedContainer {
            name: "app",
            service_account: Some("default"),
            identity: Identity::Node,
            role: None,
            chain: State::Unknown,
        }];
        let mut judgement = Judgement::new(Kind::Pod, "shop");
        (judgement.containers, judgement.findings) = (containers, findings);
        tally.add(Owner::new("shop", "Deployment", "carts"), &judgement, pods);
    }

    #[test]
    fn counts_the_pods_that_have_the_same() {
        let mut tally = Tally::default();
        add(&mut tally, vec![finding("a", &["app", "side"], &["one"])], 0);
        for _ in 0..50 {
            add(&mut tally, vec![finding("a", &["app"], &["one", "two"])], 1);
        }
        let mut other = Tally::default();
        add(&mut other, vec![finding("a", &["app"], &[]), finding("b", &[], &[])], 1);
        tally.merge(other);
        assert_eq!((tally.pods, tally.judged, tally.groups.len()), (51, 1, 1));
        let group = tally.groups.values().next().unwrap();
        let cause = |role: &str| Cause::from(RoleCause::Open { role: role.into() });
        let said: Vec<(Cause, &str, usize)> = group
            .findings
            .iter()
            .map(|(one, pods)| (one.problem.cause.clone(), one.containers.first().map_or("", String::as_str), *pods))
            .collect();
        assert_eq!(said, [(cause("a"), "app", 51), (cause("a"), "side", 0), (cause("b"), "", 1)]);
        let notes = ["one", "two"].map(|note| Note::Reference(note.into()));
        assert_eq!(group.findings.first().unwrap().0.notes, notes);
        assert_eq!((group.pods, group.containers.first().unwrap().1), (51, 51));
    }

    #[test]
    fn stays_small_where_every_pod_says_something_else() {
        let mut tally = Tally::default();
        for pod in 0..1_000 {
            add(&mut tally, vec![finding(&format!("pod {pod}"), &["app"], &[])], 1);
        }
        let group = tally.groups.values().next().unwrap();
        assert_eq!(group.findings.len(), MAX_ALIKE);
        assert_eq!(group.findings.iter().map(|(_, pods)| pods).sum::<usize>(), 1_000);
    }
}
