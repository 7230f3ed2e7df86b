//! GitLab's code quality report (GitLab Docs, "Code Quality", "Code Quality report format").

use std::io::Write;

use serde_json::{Value, json};

use super::{full_text, path, subject};
use crate::report::Report;
use crate::report::model::Severity;

/// Writes the findings that have a place in a file, and the documents that could not be read.
///
/// # Errors
/// Where writing fails.
pub fn gitlab(report: &Report, out: &mut dyn Write) -> anyhow::Result<()> {
    let findings = report.findings.iter().filter_map(|finding| {
        let place = finding.location.as_ref()?;
        let severity = match finding.severity() {
            Severity::Error => "critical",
            Severity::Warning => "major",
            Severity::Note => "info",
        };
        Some(json!({
            "description": format!("{}: {}", subject(finding), full_text(finding)),
            "check_name": finding.rule,
            "fingerprint": finding.fingerprint(),
            "severity": severity,
            "location": {"path": path(&place.file), "lines": {"begin": place.line}, "positions": {"begin": {"line": place.line, "column": place.column}}},
        }))
    });
    let unreadable = report.unreadable.iter().map(|unreadable| {
        json!({
            "description": unreadable.message,
            "check_name": "unreadable",
            "fingerprint": format!("{}-{}", unreadable.file, unreadable.document),
            "severity": "blocker",
            "location": {"path": path(&unreadable.file), "lines": {"begin": unreadable.line}},
        })
    });
    let list: Vec<Value> = unreadable.chain(findings).collect();
    serde_json::to_writer_pretty(&mut *out, &list)?;
    writeln!(out)?;
    Ok(())
}
