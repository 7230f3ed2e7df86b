//! What a report of a running cluster has besides: counts of pods, orphans, and health.

use std::io::Write;

use anstyle::Style;
use rolecall_core::finding::printable;
use rolecall_core::identity::{Identity, Mechanism};
use serde::Serialize;

use super::model::{
    Report, ReportedFinding, ReportedIdentity, ReportedResource, ReportedServiceAccount, ReportedWorkload, is_role_arn,
};
use crate::scan::{
    AgentHealth, AgentState, Group, InjectorHealth, InjectorState, Judged, NamedIdentity, Orphan, OrphanReason, Owner,
    Scanned,
};

const BOLD: Style = Style::new().bold();

/// An identity that no workload has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportedOrphan {
    /// The service account, which may not exist.
    pub resource: ReportedResource,
    /// By association or by annotation.
    pub identity: Identity,
    /// The role.
    pub role: Option<String>,
    /// Why no workload has it.
    pub reason: OrphanReason,
}

impl Report {
    /// Adds all that a scan found.
    pub fn add_scan(&mut self, scanned: Scanned) {
        let Scanned { tally, orphans, health, unread, notes } = scanned;
        self.would_deny = Some(super::would_deny::denials(&tally, self.level)).filter(|_| self.tells_denials);
        for sentence in unread {
            self.note(&format!("not read: {sentence}"));
        }
        notes.iter().for_each(|note| self.note(note));
        self.summary.resources += tally.judged;
        self.summary.pods = Some(tally.pods);
        for (owner, group) in tally.groups {
            self.add_group(owner, group);
        }
        self.orphans = Some(orphans.into_iter().map(orphan).collect());
        self.health = Some(health);
    }

    fn add_group(&mut self, owner: Owner, group: Group) {
        let Owner { namespace, kind, name } = owner;
        let resource = ReportedResource { namespace, kind, name };
        self.add_exempted(group.exempted.values(), &resource, None);
        for (finding, pods) in &group.findings {
            if self.shows(finding) {
                self.findings.extend(counted(self.reported(finding, &resource), *pods, &group));
            }
        }
        for (container, pods) in group.containers {
            self.workloads.push(workload(&resource, container, pods));
        }
        self.identities.extend(group.identities.into_iter().map(|identity| named_identity(&resource, identity)));
        if group.pods > 0 {
            self.pods.insert(resource, group.pods);
        }
    }
}

fn counted(mut list: Vec<ReportedFinding>, pods: usize, group: &Group) -> Vec<ReportedFinding> {
    for one in &mut list {
        // A finding of what has no containers is of no pod.
        one.count = Some(pods).filter(|pods| *pods != 1 && !group.containers.is_empty());
        one.some = Some((pods, group.pods)).filter(|(have, all)| have != all);
    }
    list
}

fn workload(resource: &ReportedResource, container: Judged, pods: usize) -> ReportedWorkload {
    ReportedWorkload {
        resource: resource.clone(),
        container: container.name.into(),
        count: Some(pods).filter(|pods| *pods != 1),
        service_account: container.service_account.map(Into::into),
        identity: container.identity,
        role: container.role.filter(|role| is_role_arn(role)).map(Into::into),
        chain: container.chain,
        team: None,
    }
}

fn named_identity(resource: &ReportedResource, identity: NamedIdentity) -> ReportedIdentity {
    let account = |(namespace, name): (Option<Box<str>>, Box<str>)| ReportedServiceAccount {
        namespace: namespace.map(Into::into),
        name: name.into(),
    };
    ReportedIdentity {
        resource: resource.clone(),
        path: identity.path.into(),
        service_account: identity.service_account.map(account),
        role: identity.role.filter(|role| is_role_arn(role)).map(Into::into),
        chain: identity.chain,
    }
}

fn orphan(orphan: Orphan) -> ReportedOrphan {
    let Orphan { namespace, service_account, identity, role, reason } = orphan;
    let resource = ReportedResource { namespace, kind: "ServiceAccount".into(), name: service_account };
    ReportedOrphan { resource, identity, role, reason }
}

/// The sections that only a running cluster has.
pub(super) fn sections(report: &Report, out: &mut dyn Write) -> anyhow::Result<()> {
    // What does not exist is a finding already.
    let orphans = report.orphans.iter().flatten();
    let unused: Vec<&ReportedOrphan> = orphans.filter(|orphan| orphan.reason == OrphanReason::Unused).collect();
    if !unused.is_empty() {
        writeln!(out, "{BOLD}Identities that no workload and no pod uses{BOLD:#}")?;
        for orphan in unused {
            let is_associated = orphan.identity.mechanism().is_some_and(Mechanism::uses_association);
            let how = if is_associated { "association" } else { "annotation" };
            let role = orphan.role.as_deref().unwrap_or("a role that was not read");
            let place = super::text::named(&orphan.resource);
            writeln!(out, "  {}", printable(&format!("{place}: {role}, by {how}")))?;
        }
        writeln!(out)?;
    }
    if let Some(health) = &report.health {
        writeln!(out, "{BOLD}Health{BOLD:#}")?;
        writeln!(out, "  agent     {}", printable(&agent(&health.agent)))?;
        for line in injector(&health.injector) {
            writeln!(out, "  injector  {}", printable(&line))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn agent(agent: &AgentHealth) -> String {
    let place = format!("DaemonSet {}/{}", agent.namespace, agent.name);
    let of = || format!("{} of {}", agent.ready.unwrap_or_default(), agent.desired.unwrap_or_default());
    match agent.state {
        AgentState::Ready => format!("{place}: ready on {} nodes", of()),
        AgentState::Degraded => {
            format!("{place}: ready on {} nodes; on the others pods get no credentials from associations", of())
        }
        AgentState::Down => format!("{place}: ready on {} nodes", of()),
        AgentState::NoNodes => format!("{place}: there is no node that it is to run on"),
        AgentState::BuiltIn => "built into the nodes (EKS Auto Mode)".to_owned(),
        AgentState::Missing => format!("no {place}"),
        AgentState::Unknown => format!("{place}: could not be read"),
    }
}

fn injector(injector: &InjectorHealth) -> Vec<String> {
    let place = format!("MutatingWebhookConfiguration {}", injector.name);
    match injector.state {
        InjectorState::Missing => vec![format!("no {place}")],
        InjectorState::Unknown => vec![format!("{place}: could not be read")],
        InjectorState::Present => injector
            .webhooks
            .iter()
            .map(|webhook| {
                let which = |what: &str, selected: &str| match selected {
                    "all" => format!("all {what}"),
                    selector => format!("{what} with {selector}"),
                };
                format!(
                    "{place}: {}, failurePolicy {}, {}, {}",
                    webhook.name,
                    webhook.failure_policy,
                    which("namespaces", &webhook.namespaces),
                    which("pods", &webhook.pods),
                )
            })
            .collect(),
    }
}
