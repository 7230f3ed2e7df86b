//! What a report says, before it is rendered. The serialised shape is a contract.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rolecall_core::chain::State;
use rolecall_core::decision::Level;
use rolecall_core::finding::{Certainty, Evidence, Finding};
use rolecall_core::identity::Identity;
use rolecall_core::judge::{JudgedContainer, JudgedIdentity, JudgedTaskDefinition, Judgement};
use rolecall_core::rules::{DocsUrl, Impact, Link};
use rolecall_core::snapshot::Snapshot;
use serde::Serialize;

use super::cluster::ReportedCluster;
use super::fixes::ReportedFixes;
use super::place::{FindingLocation, Placing};
use super::roles::ReportedRole;
#[cfg(feature = "kube")]
use super::scan::ReportedOrphan;
use super::summary::{Summary, is_zero, missing_parts};
#[cfg(feature = "kube")]
use crate::scan::Health;

/// The version of the JSON report. It changes where a field goes or gets another meaning, not where one is added.
const SCHEMA_VERSION: u32 = 1;

/// A report.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Of the shape of this report.
    pub schema_version: u32,
    /// The cluster, where the snapshot names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ReportedCluster>,
    /// When the scan began; only of a running cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scanned_at: Option<String>,
    /// When the AWS data were collected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_time: Option<String>,
    /// Findings up to the level that was asked for, and those on security from higher levels; sorted.
    pub findings: Vec<ReportedFinding>,
    /// Every container judged, sorted by resource.
    pub workloads: Vec<ReportedWorkload>,
    /// Identities that custom resources name, without a pod; sorted by resource.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<ReportedIdentity>,
    /// The roles that the workloads have, sorted by ARN; where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<ReportedRole>>,
    /// What would be denied if the namespaces enforced the level; only of a running cluster, where it was asked for.
    #[cfg(feature = "kube")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would_deny: Option<Vec<super::would_deny::NamespaceDenials>>,
    /// Identities that no workload has; only of a running cluster.
    #[cfg(feature = "kube")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orphans: Option<Vec<ReportedOrphan>>,
    /// Agent and injector; only of a running cluster.
    #[cfg(feature = "kube")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Findings that an exemption hides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exempted: Vec<ReportedExemption>,
    /// What could not be read; only of manifests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<ReportedUnreadable>,
    /// Objects that are not checked, by kind; only of manifests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<ReportedSkipped>,
    /// Totals.
    pub summary: Summary,
    /// Pods that run, by owner.
    #[serde(skip)]
    pub(super) pods: BTreeMap<ReportedResource, usize>,
    #[serde(skip)]
    pub(super) level: Level,
    /// Whether it says what would be denied.
    #[serde(skip)]
    pub(super) tells_denials: bool,
    /// Where the pages of the rules are published.
    #[serde(skip)]
    docs_url: Option<DocsUrl>,
    #[serde(skip)]
    missing_parts: Vec<String>,
}

/// An object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ReportedResource {
    /// Its namespace.
    pub namespace: String,
    /// Its kind.
    pub kind: Cow<'static, str>,
    /// Its name.
    pub name: String,
}

/// A finding that an exemption hides.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ReportedExemption {
    /// Where it is.
    pub resource: ReportedResource,
    /// The rule's name.
    pub rule: &'static str,
    /// One line.
    pub message: String,
    /// Which annotation hides it and on what, until when and why.
    pub exemption: String,
    /// Where the field is that causes it; only of manifests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<FindingLocation>,
}

/// A document, or an object in it, that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportedUnreadable {
    /// The file, or `-`.
    pub file: String,
    /// Which document of the file, from 1; empty ones do not count.
    pub document: usize,
    /// From 1.
    pub line: usize,
    /// What is wrong; never any of the content.
    pub message: String,
}

/// Objects of a kind that are not checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportedSkipped {
    /// `apiVersion`; null for documents that are no Kubernetes objects.
    pub api_version: Option<String>,
    /// `kind`; null as well.
    pub kind: Option<String>,
    /// How many.
    pub count: usize,
    /// How many of them have containers, and so may run pods.
    #[serde(skip_serializing_if = "is_zero")]
    pub with_pods: usize,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportedFinding {
    /// The rule's name.
    pub rule: &'static str,
    /// The level from which it counts.
    pub level: Level,
    /// How sure it is.
    pub certainty: Certainty,
    /// What happens if it is not fixed.
    pub impact: Impact,
    /// The link of the chain that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<Link>,
    /// It counts only from a higher level than the one that was asked for: it is shown, and does not change the exit code.
    #[serde(skip_serializing_if = "is_false")]
    pub below_level: bool,
    /// Why it does not change the exit code, where the baseline or a comment says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Accepted>,
    /// Likely, where only certain findings are to change the exit code.
    #[serde(skip)]
    pub(super) is_tolerated: bool,
    /// Where it is.
    pub resource: ReportedResource,
    /// The container; null where it is the whole workload's.
    pub container: Option<String>,
    /// Where the field is that causes it; only of manifests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<FindingLocation>,
    /// Pods that run and have it, where they are not just one; none: only the template of a workload has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// One line.
    pub message: String,
    /// What was expected.
    pub expected: Option<String>,
    /// What was found.
    pub found: Option<String>,
    /// What fixes it, on one line: a sentence and its commands.
    pub fix: String,
    /// The same in every form.
    pub fixes: ReportedFixes,
    /// What may be behind it; a likely typo says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The same under its former name, for one release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slip: Option<String>,
    /// What else is wrong behind it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The team of its resource, where a label names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The published page of the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docs: Option<String>,
    #[serde(skip)]
    pub(super) labels: (&'static str, &'static str),
    /// The pods that have it, of how many, where they are not all.
    #[serde(skip)]
    pub(super) some: Option<(usize, usize)>,
}

/// Why a finding does not change the exit code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// What accepts it.
    pub by: AcceptedBy,
    /// The reason that a comment gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What accepts a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AcceptedBy {
    /// The file of `--baseline`.
    Baseline,
    /// A comment in the manifest.
    Comment,
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportedWorkload {
    /// The object it belongs to.
    pub resource: ReportedResource,
    /// Its name.
    pub container: String,
    /// Pods that run in which it is so, where they are not just one; none: only the template of a workload says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// The service account of its pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
    /// What its SDK will try first.
    pub identity: Identity,
    /// The role it will have.
    pub role: Option<String>,
    /// Whether the chain behind that identity holds.
    pub chain: State,
    /// Its team, where a label names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
}

/// An identity that a custom resource names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportedIdentity {
    /// The custom resource.
    pub resource: ReportedResource,
    /// Where in it the identity is named.
    pub path: String,
    /// The service account whose token the controller requests; null where it has an identity of its own.
    pub service_account: Option<ReportedServiceAccount>,
    /// The role that the controller has in the end.
    pub role: Option<String>,
    /// Whether the chain to it holds.
    pub chain: State,
}

/// A service account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportedServiceAccount {
    /// Its namespace; null where it is not known.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl ReportedIdentity {
    pub(super) fn of(resource: &ReportedResource, identity: &JudgedIdentity<'_>) -> Self {
        let account = identity.service_account.map(|(namespace, name)| ReportedServiceAccount {
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        });
        Self {
            resource: resource.clone(),
            path: identity.path.to_owned(),
            service_account: account,
            role: identity.role.as_ref().filter(|role| is_role_arn(role)).map(|role| role.to_string()),
            chain: identity.chain,
        }
    }
}

impl Report {
    /// An empty report at a level, over a snapshot.
    pub fn new(level: Level, snapshot: &Snapshot) -> Self {
        let summary = Summary {
            level: level.name(),
            cluster: snapshot.cluster.as_ref().map(|cluster| cluster.name.to_string()),
            snapshot_time: snapshot.collected_at.map(|time| time.to_string()),
            not_considered: snapshot.unread_control_policies().into_iter().collect(),
            ..Summary::default()
        };
        let missing_parts = missing_parts(snapshot);
        Self {
            schema_version: SCHEMA_VERSION,
            cluster: snapshot.cluster.as_ref().map(ReportedCluster::of),
            scanned_at: None,
            snapshot_time: snapshot.collected_at.map(|time| time.to_string()),
            findings: Vec::new(),
            workloads: Vec::new(),
            identities: Vec::new(),
            roles: None,
            exempted: Vec::new(),
            unreadable: Vec::new(),
            skipped: Vec::new(),
            #[cfg(feature = "kube")]
            would_deny: None,
            #[cfg(feature = "kube")]
            orphans: None,
            #[cfg(feature = "kube")]
            health: None,
            summary,
            pods: BTreeMap::new(),
            level,
            tells_denials: false,
            docs_url: None,
            missing_parts,
        }
    }

    /// Has it say what would be denied if the namespaces enforced its level.
    #[must_use]
    pub fn with_denials(mut self, tells_denials: bool) -> Self {
        self.tells_denials = tells_denials;
        self
    }

    /// Has findings name the published page of their rule.
    #[must_use]
    pub fn with_docs(mut self, docs_url: Option<DocsUrl>) -> Self {
        self.docs_url = docs_url;
        self
    }

    /// Where the page of a rule is published.
    pub(super) fn docs(&self, rule: &str) -> Option<String> {
        self.docs_url.as_ref().map(|url| url.of(rule))
    }

    /// Adds a remark on the whole.
    pub fn note(&mut self, note: &str) {
        self.summary.notes.push(note.to_owned());
    }

    /// Adds what could not be read.
    pub fn add_unreadable(&mut self, unreadable: ReportedUnreadable) {
        self.summary.unreadable += 1;
        self.unreadable.push(unreadable);
    }

    /// Adds objects of a kind that are not checked.
    pub fn add_skipped(&mut self, skipped: ReportedSkipped) {
        self.summary.skipped += skipped.count;
        self.skipped.push(skipped);
    }

    /// Adds a judged object.
    pub fn add(&mut self, judgement: &Judgement<'_>, name: &str, placing: Option<&Placing<'_>>) {
        let resource = ReportedResource {
            namespace: judgement.namespace.to_owned(),
            kind: judgement.kind.name().into(),
            name: name.to_owned(),
        };
        let Judgement { containers, findings, exempted, identities, .. } = judgement;
        self.identities.extend(identities.iter().map(|identity| ReportedIdentity::of(&resource, identity)));
        self.add_parts(&resource, containers, findings, exempted, placing);
    }

    /// Adds further pods of the object that was added before.
    pub fn add_further(&mut self, judgement: &Judgement<'_>, name: &str, placing: Option<&Placing<'_>>) {
        self.add(judgement, name, placing);
        self.summary.resources -= 1;
    }

    /// Adds a judged task definition of Amazon ECS, which is in no namespace.
    pub fn add_task_definition(
        &mut self,
        judged: &JudgedTaskDefinition<'_>,
        name: String,
        placing: Option<&Placing<'_>>,
    ) {
        let resource = ReportedResource { namespace: String::new(), kind: "TaskDefinition".into(), name };
        self.add_parts(&resource, &judged.containers, &judged.findings, &judged.exempted, placing);
    }

    fn add_parts(
        &mut self,
        resource: &ReportedResource,
        containers: &[JudgedContainer<'_>],
        findings: &[Finding],
        exempted: &[Finding],
        placing: Option<&Placing<'_>>,
    ) {
        self.summary.resources += 1;
        self.add_exempted(exempted.iter(), resource, placing);
        for container in containers {
            self.workloads.push(ReportedWorkload {
                resource: resource.clone(),
                container: container.name.to_owned(),
                count: None,
                service_account: container.service_account.map(str::to_owned),
                identity: container.identity,
                role: container.role.as_ref().filter(|role| is_role_arn(role)).map(|role| role.to_string()),
                chain: container.chain,
                team: None,
            });
        }
        let findings: Vec<ReportedFinding> = findings
            .iter()
            .filter(|finding| self.shows(finding))
            .flat_map(|finding| {
                let place = |one: ReportedFinding| ReportedFinding {
                    location: placing.map(|place| place(finding, one.container.as_deref())),
                    ..one
                };
                self.reported(finding, resource).into_iter().map(place)
            })
            .collect();
        self.findings.extend(findings);
    }

    /// Adds findings that an exemption hides.
    pub(super) fn add_exempted<'f>(
        &mut self,
        exempted: impl ExactSizeIterator<Item = &'f Finding>,
        resource: &ReportedResource,
        placing: Option<&Placing<'_>>,
    ) {
        self.summary.exempted += exempted.len();
        self.exempted.extend(exempted.map(|finding| ReportedExemption {
            resource: resource.clone(),
            rule: finding.rule(),
            message: rolecall_message::message(&finding.problem),
            exemption: finding.notes.first().map(rolecall_message::note).unwrap_or_default(),
            location: placing.map(|place| place(finding, finding.containers.first().map(String::as_str))),
        }));
    }

    /// Whether a finding is shown: it counts at the level that was asked for, or it is on security.
    pub(super) fn shows(&self, finding: &Finding) -> bool {
        let is_on_security = finding.problem.rule.impact == Impact::Security;
        self.level != Level::Off && (is_on_security || finding.problem.level <= self.level)
    }

    /// One entry for each container that has it, or one for the workload.
    pub(super) fn reported(&self, finding: &Finding, resource: &ReportedResource) -> Vec<ReportedFinding> {
        let problem = &finding.problem;
        let value = |evidence: &Option<Evidence>| evidence.as_ref().map(rolecall_message::value);
        let label = |evidence: &Option<Evidence>| {
            evidence.as_ref().map_or("", |evidence| rolecall_message::label(evidence.label))
        };
        let one = |container: Option<String>| ReportedFinding {
            rule: problem.rule.name,
            level: problem.level,
            certainty: problem.certainty,
            impact: problem.rule.impact,
            link: problem.rule.link,
            below_level: problem.level > self.level,
            accepted: None,
            is_tolerated: false,
            resource: resource.clone(),
            container,
            location: None,
            count: None,
            message: rolecall_message::message(problem),
            expected: value(&problem.expected),
            found: value(&problem.found),
            fix: rolecall_message::fix::line(&problem.fix),
            fixes: ReportedFixes::from(&problem.fix),
            hint: problem.hint.as_ref().map(|hint| match hint.is_typo() {
                true => rolecall_message::hint_line(hint),
                false => rolecall_message::hint(hint),
            }),
            slip: problem.hint.as_ref().map(rolecall_message::hint),
            notes: finding.notes.iter().map(rolecall_message::note).collect(),
            team: None,
            docs: self.docs(problem.rule.name),
            labels: (label(&problem.expected), label(&problem.found)),
            some: None,
        };
        if finding.containers.is_empty() {
            return vec![one(None)];
        }
        finding.containers.iter().map(|container| one(Some(container.clone()))).collect()
    }

    /// Every place in the manifests.
    pub fn locations(&mut self) -> impl Iterator<Item = &mut FindingLocation> {
        let exempted = self.exempted.iter_mut().filter_map(|exempted| exempted.location.as_mut());
        self.findings.iter_mut().filter_map(|finding| finding.location.as_mut()).chain(exempted)
    }

    /// Sorts and counts.
    pub fn finish(&mut self) {
        self.findings.sort_by(|a, b| {
            let key = |f: &ReportedFinding| (f.resource.clone(), std::cmp::Reverse(f.certainty), f.level, f.rule);
            key(a).cmp(&key(b)).then_with(|| a.container.cmp(&b.container)).then_with(|| a.message.cmp(&b.message))
        });
        self.workloads.sort_by(|a, b| a.resource.cmp(&b.resource));
        self.identities.sort_by(|a, b| a.resource.cmp(&b.resource));
        self.exempted.sort();
        self.summary.containers = self.workloads.len();
        let with_chain = |w: &&ReportedWorkload| w.identity.mechanism().is_some() || w.identity == Identity::TaskRole;
        self.summary.unknown = self.workloads.iter().filter(with_chain).filter(|w| w.chain == State::Unknown).count();
        if self.summary.unknown > 0 {
            self.summary.notes.extend(std::mem::take(&mut self.missing_parts));
        }
        let counted = |finding: &&ReportedFinding| !finding.below_level;
        let count = |certainty| self.findings.iter().filter(counted).filter(|f| f.certainty == certainty).count();
        self.summary.certain = count(Certainty::Certain);
        self.summary.likely = count(Certainty::Likely);
        self.summary.undecided = count(Certainty::Undecided);
        self.summary.below_level = self.findings.iter().filter(|finding| finding.below_level).count();
    }

    /// Names the team of each container and finding.
    pub fn name_teams(&mut self, team_of: impl Fn(&ReportedResource) -> Option<String>) {
        self.workloads.iter_mut().for_each(|workload| workload.team = team_of(&workload.resource));
        self.findings.iter_mut().for_each(|finding| finding.team = team_of(&finding.resource));
    }

    /// Whether there is anything to fix: notes do not count.
    pub fn counts(&self) -> bool {
        self.findings.iter().any(ReportedFinding::counts)
    }
}

/// How much a finding matters in formats that know three grades.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    /// Certain.
    Error,
    /// Likely.
    Warning,
    /// Undecided, or of a higher level than the one that was asked for.
    Note,
}

impl ReportedFinding {
    pub(super) fn severity(&self) -> Severity {
        match self.certainty {
            _ if self.below_level || self.accepted.is_some() => Severity::Note,
            Certainty::Certain => Severity::Error,
            Certainty::Likely => Severity::Warning,
            Certainty::Undecided => Severity::Note,
        }
    }

    /// Whether it makes the exit code 1.
    pub fn counts(&self) -> bool {
        self.severity() != Severity::Note && !self.is_tolerated
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(value: &bool) -> bool {
    !*value
}

pub(super) fn is_role_arn(text: &str) -> bool {
    rolecall_iam::RoleArn::parse(text).is_ok()
}
