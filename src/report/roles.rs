//! The roles that workloads have, as a security review asks about them: who else can assume each, how much it may do, and when it
//! was last used.

use std::collections::{BTreeMap, BTreeSet};

use rolecall_core::chain::{Subject, TrustWidth, trust_width};
use rolecall_core::effort::Effort;
use rolecall_core::identity::Identity;
use rolecall_core::permission::{Actor, Power, Session, power};
use rolecall_core::snapshot::{Role, Snapshot};
use rolecall_iam::RoleArn;
use serde::Serialize;

use super::model::{Report, ReportedWorkload};

/// A role that at least one workload has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportedRole {
    /// Its ARN.
    pub arn: String,
    /// Its account.
    pub account: String,
    /// Containers that have it.
    pub containers: usize,
    /// What its policies amount to: `administrator`, `can-escalate`, `wildcards`, `scoped` or `not-read`; absent where the role is
    /// not in the snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power: Option<&'static str>,
    /// The actions by which it can give itself more permissions, or the services of which it may do everything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub power_by: Vec<String>,
    /// How far its trust policy reaches beside the service accounts that have it; absent where the policy was not read, and for
    /// roles of nodes and tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_width: Option<TrustWidth>,
    /// When it was last used; null where AWS has seen no use in the last 400 days, absent where that was not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Option<String>>,
}

/// Most service accounts of a role that its trust policy is compared with.
const MAX_SUBJECTS: usize = 50;

impl Report {
    /// Adds the roles of its workloads.
    pub fn describe_roles(&mut self, snapshot: &Snapshot) {
        let mut by_role: BTreeMap<&str, Vec<&ReportedWorkload>> = BTreeMap::new();
        for workload in &self.workloads {
            if let Some(role) = &workload.role {
                by_role.entry(role).or_default().push(workload);
            }
        }
        let roles = by_role.into_iter().map(|(arn, workloads)| of(snapshot, arn, &workloads)).collect();
        self.roles = Some(roles);
    }

    /// A role of its workloads, by its ARN.
    pub(super) fn role(&self, arn: &str) -> Option<&ReportedRole> {
        let roles = self.roles.as_deref()?;
        roles.get(roles.binary_search_by(|role| (*role.arn).cmp(arn)).ok()?)
    }
}

fn of(snapshot: &Snapshot, arn: &str, workloads: &[&ReportedWorkload]) -> ReportedRole {
    let parsed = RoleArn::parse(arn).ok();
    let role = snapshot.role(arn);
    let (power, power_by) = role.map(|role| power_of(snapshot, role, workloads)).unzip();
    let by_name = parsed.and_then(|parsed| {
        let account = snapshot.accounts.get(parsed.account)?;
        account.last_used.get(parsed.name.to_ascii_lowercase().as_str())
    });
    ReportedRole {
        arn: arn.to_owned(),
        account: parsed.map(|parsed| parsed.account.to_owned()).unwrap_or_default(),
        containers: workloads.len(),
        power,
        power_by: power_by.unwrap_or_default(),
        trust_width: role.and_then(|role| width_of(snapshot, role, workloads)),
        last_used: by_name.map(|time| time.map(|time| time.to_string())),
    }
}

fn power_of(snapshot: &Snapshot, role: &Role, workloads: &[&ReportedWorkload]) -> (&'static str, Vec<String>) {
    let Some(first) = workloads.first() else { return (Power::NotRead.name(), Vec::new()) };
    let subject = subject_of(first).unwrap_or(Subject { namespace: "", service_account: "" });
    let association = snapshot.association(subject.namespace, subject.service_account).present();
    let session = match first.identity {
        Identity::PodIdentity => association.map_or(Session::WebIdentity, Session::PodIdentity),
        Identity::Node => Session::Node,
        Identity::TaskRole => Session::Task,
        Identity::Irsa | Identity::StaticKeys | Identity::None => Session::WebIdentity,
    };
    let found = power(Actor { snapshot, role, subject, session }, &Effort::unlimited());
    let by = match &found {
        Power::CanEscalate(actions) => actions.iter().map(|action| (*action).to_owned()).collect(),
        Power::Wildcards(services) => services.iter().map(|service| format!("{service}:*")).collect(),
        Power::Administrator | Power::Scoped | Power::NotRead => Vec::new(),
    };
    (found.name(), by)
}

/// The width beside each of the service accounts, the widest.
fn width_of(snapshot: &Snapshot, role: &Role, workloads: &[&ReportedWorkload]) -> Option<TrustWidth> {
    let by_chain = workloads.iter().filter(|workload| workload.identity.mechanism().is_some());
    let subjects: BTreeSet<(&str, &str)> = by_chain
        .filter_map(|workload| subject_of(workload).map(|subject| (subject.namespace, subject.service_account)))
        .collect();
    let subjects = subjects.into_iter().take(MAX_SUBJECTS);
    let widths = subjects
        .map(|(namespace, service_account)| trust_width(snapshot, Subject { namespace, service_account }, role));
    widths.max().flatten()
}

fn subject_of(workload: &ReportedWorkload) -> Option<Subject<'_>> {
    let service_account = workload.service_account.as_deref()?;
    Some(Subject { namespace: &workload.resource.namespace, service_account })
}
