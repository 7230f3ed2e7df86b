//! Which findings are reported, and which of them change the exit code.

use std::collections::BTreeSet;

use rolecall_core::finding::Certainty;
use rolecall_message::count;
use serde::{Deserialize, Serialize};

use super::model::{Accepted, AcceptedBy, Report, ReportedFinding, ReportedResource};

/// The version of the file of `--baseline`.
const BASELINE_VERSION: u32 = 1;

/// Findings that are known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Baseline {
    schema_version: u32,
    findings: BTreeSet<KnownFinding>,
}

/// A finding that is known, by its fingerprint. The rest is for people who read the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct KnownFinding {
    rule: String,
    resource: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    container: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    fingerprint: String,
}

impl Baseline {
    /// Reads a baseline.
    ///
    /// # Errors
    /// Where it is none, or is of a newer version.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let baseline: Self = serde_json::from_str(text).map_err(|error| anyhow::anyhow!("is no baseline: {error}"))?;
        anyhow::ensure!(
            baseline.schema_version == BASELINE_VERSION,
            "has the schema version {}, and this rolecall reads {BASELINE_VERSION}",
            baseline.schema_version
        );
        Ok(baseline)
    }

    /// What makes the exit code of a report 1, besides what comments accept.
    pub fn of(report: &Report) -> Self {
        let is_of_comment = |finding: &&ReportedFinding| {
            finding.accepted.as_ref().is_some_and(|accepted| accepted.by == AcceptedBy::Comment)
        };
        let failing = report.findings.iter().filter(|finding| !is_of_comment(finding)).filter(|finding| {
            !finding.below_level && !finding.is_tolerated && finding.certainty != Certainty::Undecided
        });
        let known = |finding: &ReportedFinding| KnownFinding {
            rule: finding.rule.to_owned(),
            resource: super::text::named(&finding.resource),
            container: finding.container.clone(),
            file: finding.location.as_ref().map(|location| location.file.clone()),
            fingerprint: finding.fingerprint(),
        };
        Self { schema_version: BASELINE_VERSION, findings: failing.map(known).collect() }
    }

    /// How many findings it has.
    pub fn len(&self) -> usize {
        self.findings.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// As JSON.
    ///
    /// # Errors
    /// Where it cannot be written as JSON.
    pub fn to_json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

impl ReportedFinding {
    /// The same for the same finding in every run, wherever it moves in its file; another for another one.
    pub fn fingerprint(&self) -> String {
        fingerprint(
            self.rule,
            &self.resource,
            self.container.as_deref().unwrap_or_default(),
            self.location.as_ref().map_or("", |location| &location.file),
            self.found.as_deref().unwrap_or_default(),
        )
    }
}

pub(super) fn fingerprint(rule: &str, resource: &ReportedResource, container: &str, file: &str, found: &str) -> String {
    let ReportedResource { namespace, kind, name } = resource;
    let file = file.strip_prefix("./").unwrap_or(file);
    let text = [file, rule, kind, namespace, name, container, found].join("\0");
    // FNV-1a, 64 bits.
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

impl Report {
    /// Drops findings of other rules than these.
    pub fn keep_rules(&mut self, shows: impl Fn(&str) -> bool) {
        let before = self.findings.len();
        self.findings.retain(|finding| shows(finding.rule));
        let dropped = before - self.findings.len();
        let exempted = self.exempted.len();
        self.exempted.retain(|exempted| shows(exempted.rule));
        self.summary.exempted = self.summary.exempted.saturating_sub(exempted - self.exempted.len());
        if dropped > 0 {
            let verb = if dropped == 1 { "is" } else { "are" };
            self.note(&format!(
                "{} of rules that --select and --ignore leave out {verb} not shown; admission checks all rules",
                count(dropped, "finding")
            ));
        }
    }

    /// Has only certain findings make the exit code 1.
    pub fn tolerate_likely(&mut self) {
        for finding in &mut self.findings {
            finding.is_tolerated = finding.certainty != Certainty::Certain;
        }
    }

    /// Accepts what a baseline has; what it has and is not found any more is noted.
    pub fn accept_known(&mut self, baseline: &Baseline) {
        let known: BTreeSet<&str> = baseline.findings.iter().map(|known| known.fingerprint.as_str()).collect();
        let mut seen = BTreeSet::new();
        for finding in &mut self.findings {
            if let Some(known) = known.get(finding.fingerprint().as_str()) {
                seen.insert(*known);
                if finding.counts() {
                    finding.accepted = Some(Accepted { by: AcceptedBy::Baseline, reason: None });
                }
            }
        }
        if let gone @ 1.. = known.len() - seen.len() {
            let verb = if gone == 1 { "does" } else { "do" };
            let findings = count(gone, "finding");
            self.note(&format!(
                "{findings} of the baseline {verb} not occur any more; --write-baseline writes it again"
            ));
        }
    }

    /// Counts what is accepted, and says what that means at admission.
    pub fn count_accepted(&mut self) {
        self.summary.accepted = self.findings.iter().filter(|finding| finding.accepted.is_some()).count();
        if self.summary.accepted > 0 {
            let findings = count(self.summary.accepted, "finding");
            let verb = if self.summary.accepted == 1 { "does" } else { "do" };
            self.note(&format!(
                "{findings} of the baseline or with a comment {verb} not change the exit code; admission still warns about them \
                 and denies where a namespace enforces"
            ));
        }
    }
}
