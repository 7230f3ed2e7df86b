//! Findings as the reports that policy dashboards read: OpenReports (`openreports.io/v1alpha1`), and the older reports of the
//! Kubernetes Policy Working Group (`wgpolicyk8s.io/v1alpha2`). One for each namespace, bounded.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rolecall_core::decision::Level;
use rolecall_core::finding::{Certainty, printable};
use rolecall_core::workload::Kind;
use serde_json::{Map, Value, json};

use super::model::{Report, ReportedFinding, ReportedResource};

/// Most bytes of a report: an object of the API server's store holds 1.5 MiB, with what managers add.
const MAX_REPORT_BYTES: usize = 900 << 10;
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
    let workloads = report.workloads.iter().map(|workload| &workload.resource);
    let identities = report.identities.iter().map(|identity| &identity.resource);
    let judged: BTreeSet<&ReportedResource> = workloads.chain(identities).collect();
    let mut passing: BTreeMap<&str, usize> = BTreeMap::new();
    let counting = report.findings.iter().filter(|finding| finding.counts());
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
        if bytes > MAX_REPORT_BYTES {
            break;
        }
        results.push(result);
    }
    let mut metadata = Map::from_iter([
        ("name".to_owned(), Value::from(SOURCE)),
        ("labels".to_owned(), json!({"app.kubernetes.io/managed-by": SOURCE})),
    ]);
    let (all, shown) = (findings.len(), results.len());
    if shown < all {
        let capped = format!("{shown} of {all} results are here; rolecall scan prints all");
        let last = results.last_mut().and_then(|last| last.get_mut("properties")).and_then(Value::as_object_mut);
        if let Some(properties) = last {
            properties.insert("capped".to_owned(), capped.as_str().into());
        }
        metadata.insert("annotations".to_owned(), json!({"rolecall.dev/capped": capped}));
    }
    let count = |wanted: &str| findings.iter().filter(|finding| grade(finding).0 == wanted).count();
    let mut body = Map::from_iter([
        ("apiVersion".to_owned(), Value::from(dialect.api_version())),
        ("kind".to_owned(), dialect.kind(namespace.is_none()).into()),
    ]);
    if let Some(namespace) = namespace {
        metadata.insert("namespace".to_owned(), namespace.into());
        body.insert("scope".to_owned(), json!({"apiVersion": "v1", "kind": "Namespace", "name": namespace}));
    }
    if dialect == Dialect::OpenReports {
        body.insert("source".to_owned(), SOURCE.into());
        body.insert("configuration".to_owned(), json!({"limits": {"maxResults": most}}));
    }
    let summary = json!({
        "pass": passed,
        "fail": count("fail"),
        "warn": count("warn"),
        "error": 0,
        "skip": count("skip"),
    });
    body.insert("metadata".to_owned(), metadata.into());
    body.insert("summary".to_owned(), summary);
    body.insert("results".to_owned(), results.into());
    body.into()
}

/// Result and severity. What counts from a higher level only is a warning.
fn grade(finding: &ReportedFinding) -> (&'static str, &'static str) {
    match (finding.certainty, finding.level) {
        (Certainty::Certain, _) if finding.below_level => ("warn", "medium"),
        (Certainty::Certain, Level::Strict) => ("fail", "medium"),
        (Certainty::Certain, _) => ("fail", "high"),
        (Certainty::Likely, Level::Strict) => ("warn", "low"),
        (Certainty::Likely, _) => ("warn", "medium"),
        (Certainty::Undecided, _) => ("skip", "info"),
    }
}

fn result(finding: &ReportedFinding, now: Timestamp) -> Value {
    let (result, severity) = grade(finding);
    let texts = [
        ("container", finding.container.as_ref()),
        ("expected", finding.expected.as_ref()),
        ("found", finding.found.as_ref()),
        ("hint", finding.hint.as_ref()),
        ("fix", Some(&finding.fix)),
        ("docs", finding.docs.as_ref()),
    ];
    let mut properties: Map<String, Value> =
        texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::from(printable(text?))))).collect();
    properties.insert("certainty".to_owned(), finding.certainty.name().into());
    properties.insert("level".to_owned(), finding.level.name().into());
    properties.insert("impact".to_owned(), finding.impact.name().into());
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
        "MutatingWebhookConfiguration" => Some("admissionregistration.k8s.io/v1"),
        kind => Kind::named(kind).map(Kind::api_version),
    };
    let namespace = Some(resource.namespace.as_str()).filter(|namespace| !namespace.is_empty());
    let fields = [
        ("apiVersion", api_version),
        ("kind", Some(&*resource.kind)),
        ("namespace", namespace),
        ("name", Some(resource.name.as_str())),
    ];
    let there = fields.into_iter().filter_map(|(field, text)| Some((field.to_owned(), Value::from(text?))));
    there.collect::<Map<String, Value>>().into()
}

#[cfg(test)]
mod tests {
    use rolecall_core::rules::Impact;
    use rolecall_core::snapshot::Snapshot;

    use super::*;

    fn finding(namespace: &str, certainty: Certainty, fix: &str) -> ReportedFinding {
        ReportedFinding {
            rule: "static-keys",
            level: Level::Strict,
            certainty,
            impact: Impact::Security,
            link: None,
            team: None,
            below_level: false,
            accepted: None,
            is_tolerated: false,
            resource: ReportedResource {
                namespace: namespace.to_owned(),
                kind: "Rollout".into(),
                name: "carts".to_owned(),
            },
            container: None,
            location: None,
            count: Some(3),
            message: "a\nb".to_owned(),
            expected: None,
            found: None,
            fix: fix.to_owned(),
            fixes: crate::report::fixes::ReportedFixes::default(),
            hint: None,
            slip: None,
            notes: Vec::new(),
            docs: None,
            labels: ("", ""),
            some: None,
        }
    }

    fn made(findings: Vec<ReportedFinding>, dialect: Dialect) -> Vec<PolicyReport> {
        let mut report = Report::new(Level::Strict, &Snapshot::default());
        report.findings = findings;
        policy_reports(&report, dialect, 500, Timestamp::UNIX_EPOCH, |namespace| namespace != "gone")
    }

    #[test]
    fn puts_the_surest_first_and_what_has_no_namespace_to_the_cluster() {
        let findings = vec![
            finding("shop", Certainty::Likely, "x"),
            finding("shop", Certainty::Certain, "x"),
            finding("gone", Certainty::Undecided, "x"),
        ];
        let reports = made(findings, Dialect::PolicyWorkingGroup);
        let [cluster, shop] = reports.as_slice() else { panic!("{reports:?}") };
        assert_eq!((&cluster.namespace, &cluster.body["kind"]), (&None, &json!("ClusterPolicyReport")));
        assert_eq!(cluster.body["summary"]["skip"], 1);
        assert_eq!(shop.body["scope"], json!({"apiVersion": "v1", "kind": "Namespace", "name": "shop"}));
        let results: Vec<&Value> = shop.body["results"].as_array().unwrap().iter().map(|r| &r["result"]).collect();
        assert_eq!(results, ["fail", "warn"]);
        let first = &shop.body["results"][0];
        assert_eq!(first["message"], "a b");
        assert_eq!(first["resources"], json!([{"kind": "Rollout", "name": "carts", "namespace": "shop"}]));
        assert_eq!(first["properties"]["pods"], "3");
        assert!(shop.body.get("source").is_none(), "no field of that dialect");
    }

    #[test]
    fn what_counts_from_a_higher_level_only_is_a_warning() {
        let shown = ReportedFinding { below_level: true, ..finding("shop", Certainty::Certain, "x") };
        let reports = made(vec![shown], Dialect::OpenReports);
        let body = &reports.first().unwrap().body;
        let result = &body["results"][0];
        assert_eq!((&result["result"], &result["severity"]), (&json!("warn"), &json!("medium")));
        assert_eq!(result["properties"]["impact"], "security");
        assert_eq!((&body["summary"]["fail"], &body["summary"]["warn"]), (&json!(0), &json!(1)));
    }

    #[test]
    fn stays_below_what_the_store_takes() {
        let long = "x".repeat(10_000);
        let reports = made(vec![finding("shop", Certainty::Certain, &long); 200], Dialect::OpenReports);
        let body = &reports.first().unwrap().body;
        assert!(body.to_string().len() < 1_000_000, "{}", body.to_string().len());
        assert_eq!(body["summary"]["fail"], 200);
        let shown = body["results"].as_array().unwrap().len();
        let capped = format!("{shown} of 200 results are here; rolecall scan prints all");
        assert_eq!(body["metadata"]["annotations"]["rolecall.dev/capped"], capped.as_str());
    }
}
