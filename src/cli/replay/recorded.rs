//! Recorded denials that the check does not repeat: is it certain that they are over?

use rolecall_core::Known;
use rolecall_core::chain::{State, Subject};
use rolecall_core::decision::{Level, denies_at};
use rolecall_core::finding::{Certainty, Finding};
use rolecall_core::judge::Judgement;
use rolecall_core::rules::{self, Rule, Trait};
use rolecall_core::workload::{Stage, Workload};
use rolecall_core::world::World;

/// What a recorded denial is compared with.
pub(super) struct Now<'n> {
    pub(super) world: &'n World,
    pub(super) workload: &'n Workload<'n>,
    pub(super) judgement: &'n Judgement<'n>,
    pub(super) level: Level,
    /// The cluster was read from the API server, as it is now.
    pub(super) is_read: bool,
    /// It is known whether the DaemonSet of the Pod Identity agent exists.
    pub(super) is_agent_known: bool,
}

/// Most characters of a reason.
const MAX_REASON_CHARS: usize = 600;

impl Now<'_> {
    /// Why it cannot be decided whether the pod would be denied now, where the check gives no denial; `None`: it certainly
    /// would not be. `recorded`: the rules that were recorded, separated by commas.
    pub(super) fn why_undecided(&self, recorded: &str) -> Option<String> {
        // Only a node creates a mirror pod, which has no identity.
        if self.workload.is_mirror {
            return None;
        }
        let recorded: Vec<&'static Rule> = recorded.split(',').filter_map(rules::find).collect();
        let reason =
            self.unknown_object().or_else(|| self.unknown_link(&recorded)).or_else(|| self.other_level(&recorded));
        reason.map(|reason| reason.chars().take(MAX_REASON_CHARS).collect())
    }

    /// The service account or the namespace is not known.
    fn unknown_object(&self) -> Option<String> {
        let (namespace, account) = (self.workload.namespace, self.workload.service_account());
        let unknown = |what: &str, name: &str| match self.is_read {
            true => format!("{what} {name} is not among the {what}s that were read from the cluster"),
            false => format!("{what} {name} is neither in the log nor given: give --context or --manifests"),
        };
        match self.world.service_account(namespace, account) {
            Known::Present(_) => {}
            Known::Absent => {
                return Some(format!("service account {namespace}/{account} does not exist in the cluster now"));
            }
            Known::Unknown => return Some(unknown("service account", &format!("{namespace}/{account}"))),
        }
        // Its annotations may require an identity, or permissions.
        self.world.namespace(namespace).is_none().then(|| unknown("namespace", namespace))
    }

    /// A part of the snapshot or of the record is missing that the check needs.
    fn unknown_link(&self, recorded: &[&'static Rule]) -> Option<String> {
        let (snapshot, workload) = (&self.world.snapshot, self.workload);
        let subject = Subject { namespace: workload.namespace, service_account: workload.service_account() };
        if snapshot.association(subject.namespace, subject.service_account).is_unknown() {
            return Some("the snapshot does not have the Pod Identity associations".to_owned());
        }
        for rule in recorded {
            let name = rule.name;
            if rule.has(Trait::OfRunningPods) && workload.stage == Stage::Predicted {
                return Some(format!(
                    "rule {name} depends on what the injector added, and the record of a denied pod is from before injection"
                ));
            }
            if rule.has(Trait::ReadsFargateProfiles) && snapshot.fargate_profiles.is_none() {
                return Some(format!("rule {name} depends on the Fargate profiles, which the snapshot does not have"));
            }
            if rule.has(Trait::ReadsAddons) && !self.is_agent_known {
                return Some(format!(
                    "rule {name} depends on the Pod Identity agent, which is not known: give --context"
                ));
            }
        }
        let findings = || self.judgement.findings.iter();
        let is_open = |finding: &&Finding| finding.problem.certainty < Certainty::Certain;
        let container = self
            .judgement
            .containers
            .iter()
            .find(|container| container.chain == State::Unknown && container.identity.mechanism().is_some());
        if let Some(container) = container {
            let is_about_it = |finding: &Finding| {
                finding.containers.is_empty() || finding.containers.iter().any(|n| n == container.name)
            };
            let open = findings().filter(is_open).find(|finding| is_about_it(finding));
            return Some(open.map_or_else(
                || format!("it is not known whether container {} can assume its role", container.name),
                |finding| rolecall_message::message(&finding.problem),
            ));
        }
        // Needs that are declared, and could not be checked.
        let needs = findings().find(|finding| {
            finding.problem.certainty == Certainty::Undecided && finding.problem.rule.has(Trait::ReadsNeeds)
        });
        needs.map(|finding| rolecall_message::message(&finding.problem))
    }

    /// A rule that was recorded is still broken, and `--level` is too low to deny for it.
    fn other_level(&self, recorded: &[&'static Rule]) -> Option<String> {
        let finding = self.judgement.findings.iter().find(|finding| {
            finding.problem.level > self.level
                && denies_at(finding, finding.problem.level)
                && recorded.contains(&finding.problem.rule)
        })?;
        let level = finding.problem.level;
        Some(format!(
            "rule {} is still broken, and denies from level {level} on: replay with --level {level}",
            finding.rule()
        ))
    }
}
