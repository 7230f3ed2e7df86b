//! Findings as the reports that policy dashboards read: OpenReports (`openreports.io/v1alpha1`), and the older reports of the
//! Kubernetes Policy Working Group (`wgpolicyk8s.io/v1alpha2`). One for each namespace, bounded.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rolecall_core::decision::Level;
use rolecall_core::finding::{Certainty, printable};
use serde_json::{Map, Value, json};

use super::model::{Report, ReportedFinding, ReportedResource};

/// Most bytes of a report: an object of the API server's store holds 1.5 MiB, with what managers add.
const MOST_BYTES: usize = 900 << 10;
/// What stands in every result.
const SOURCE: &str = "rolecall";

/// Which reports are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `openreports.io/v1alpha1`
    OpenReports,
    /// `wgpolicyk8s.io/v1alpha2`
    PolicyWorkingGroup,
}

impl Dialect {
    /// `GROUP/VERSION`
    pub fn api_version(self) -> &'static str {
        match self {
            Self::OpenReports => "openreports.io/v1alpha1",
            Self::PolicyWorkingGroup => "wgpolicyk8s.io/v1alpha2",
        }
    }

    /// The plural in paths; of a namespace's reports, or of the cluster's.
    pub fn plural(self, of_cluster: bool) -> &'static str {
        match (self, of_cluster) {
            (Self::OpenReports, false) => "reports",
            (Self::OpenReports, true) => "clusterreports",
            (Self::PolicyWorkingGroup, false) => "policyreports",
            (Self::PolicyWorkingGroup, true) => "clusterpolicyreports",
        }
    }

    fn kind(self, of_cluster: bool) -> &'static str {
        match (self, of_cluster) {
            (Self::OpenReports, false) => "Report",
            (Self::OpenReports, true) => "ClusterReport",
            (Self::PolicyWorkingGroup, false) => "PolicyReport",
            (Self::PolicyWorkingGroup, true) => "ClusterPolicyReport",
        }
    }
}

/// A report to be written.
#[derive(Debug)]
pub struct PolicyReport {
    /// Its namespace; `None`: the cluster's.
    pub namespace: Option<String>,
    /// The whole object.
    pub body: Value,
}

/// The reports that say what was found. `exists`: whether a namespace is there to hold a report; what concerns none that is
/// goes to the cluster's.
pub fn policy_reports(
    report: &Report,
    dialect: Dialect,
    most: usize,
    now: Timestamp,
    exists: impl Fn(&str) -> bool,
) -> Vec<PolicyReport> {
    let mut by_namespace: BTreeMap<Option<&str>, Vec<&ReportedFinding>> = BTreeMap::new();
    for finding in &report.findings {
        let namespace = Some(finding.resource.namespace.as_str()).filter(|name| !name.is_empty() && exists(name));
        by_namespace.entry(namespace).or_default().push(finding);
    }
    let judged: BTreeSet<&ReportedResource> = report.workloads.iter().map(|workload| &workload.resource).collect();
    let mut passing: BTreeMap<&str, usize> = BTreeMap::new();
    let counting = report.findings.iter().filter(|finding| finding.certainty != Certainty::Undecided);
    let failing: BTreeSet<&ReportedResource> = counting.map(|finding| &finding.resource).collect();
    for resource in judged.difference(&failing) {
        *passing.entry(&resource.namespace).or_default() += 1;
    }
    let one = |(namespace, mut findings): (Option<&str>, Vec<&ReportedFinding>)| {
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.certainty));
        let passed = namespace.and_then(|namespace| passing.get(namespace)).copied().unwrap_or_default();
        let body = body(dialect, namespace, &findings, passed, most, now);
        PolicyReport { namespace: namespace.map(str::to_owned), body }
    };
    by_namespace.into_iter().map(one).collect()
}

fn body(
    dialect: Dialect,
    namespace: Option<&str>,
    findings: &[&ReportedFinding],
    passed: usize,
    most: usize,
    now: Timestamp,
) -> Value {
    let mut results: Vec<Value> = Vec::new();
    let mut bytes = 0;
    for finding in findings.iter().take(most) {
        let result = result(finding, now);
        bytes += result.to_string().len() + 1;
        if bytes > MOST_BYTES {
            break;
        }
        results.push(result);
    }
    let mut annotations = Map::new();
    let (all, shown) = (findings.len(), results.len());
    if shown < all {
        let capped = format!("{shown} of {all} results are here; rolecall scan prints all");
        if let Some(properties) = results.last_mut().and_then(|last| last.get_mut("properties")) {
            properties["capped"] = capped.as_str().into();
        }
        annotations.insert("rolecall.dev/capped".to_owned(), capped.into());
    }
    let count = |certainty| findings.iter().filter(|finding| finding.certainty == certainty).count();
    let mut body = json!({
        "apiVersion": dialect.api_version(),
        "kind": dialect.kind(namespace.is_none()),
        "metadata": {"name": SOURCE, "labels": {"app.kubernetes.io/managed-by": SOURCE}},
        "summary": {
            "pass": passed,
            "fail": count(Certainty::Certain),
            "warn": count(Certainty::Likely),
            "error": 0,
            "skip": count(Certainty::Undecided),
        },
        "results": results,
    });
    if let Some(namespace) = namespace {
        body["metadata"]["namespace"] = namespace.into();
        body["scope"] = json!({"apiVersion": "v1", "kind": "Namespace", "name": namespace});
    }
    if !annotations.is_empty() {
        body["metadata"]["annotations"] = annotations.into();
    }
    if dialect == Dialect::OpenReports {
        body["source"] = SOURCE.into();
        body["configuration"] = json!({"limits": {"maxResults": most}});
    }
    body
}

fn result(finding: &ReportedFinding, now: Timestamp) -> Value {
    let (result, severity) = match (finding.certainty, finding.level) {
        (Certainty::Certain, Level::Strict) => ("fail", "medium"),
        (Certainty::Certain, _) => ("fail", "high"),
        (Certainty::Likely, Level::Strict) => ("warn", "low"),
        (Certainty::Likely, _) => ("warn", "medium"),
        (Certainty::Undecided, _) => ("skip", "info"),
    };
    let texts = [
        ("container", finding.container.as_ref()),
        ("expected", finding.expected.as_ref()),
        ("found", finding.found.as_ref()),
        ("slip", finding.slip.as_ref()),
        ("fix", Some(&finding.fix)),
    ];
    let mut properties: Map<String, Value> =
        texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::from(printable(text?))))).collect();
    properties.insert("certainty".to_owned(), finding.certainty.name().into());
    properties.insert("level".to_owned(), finding.level.name().into());
    if let Some(pods) = finding.count {
        properties.insert("pods".to_owned(), pods.to_string().into());
    }
    json!({
        "source": SOURCE,
        "policy": SOURCE,
        "rule": finding.rule,
        "category": "AWS identity",
        "severity": severity,
        "result": result,
        "scored": true,
        "message": printable(&finding.message),
        "resources": [reference(&finding.resource)],
        "timestamp": {"seconds": now.as_second(), "nanos": 0},
        "properties": properties,
    })
}

fn reference(resource: &ReportedResource) -> Value {
    let api_version = match &*resource.kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => Some("apps/v1"),
        "Job" | "CronJob" => Some("batch/v1"),
        "Pod" | "PodTemplate" | "ServiceAccount" | "ReplicationController" => Some("v1"),
        "MutatingWebhookConfiguration" => Some("admissionregistration.k8s.io/v1"),
        _ => None,
    };
    let mut reference = json!({"kind": resource.kind, "name": resource.name});
    if !resource.namespace.is_empty() {
        reference["namespace"] = resource.namespace.as_str().into();
    }
    if let Some(api_version) = api_version {
        reference["apiVersion"] = api_version.into();
    }
    reference
}
