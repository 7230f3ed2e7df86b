//! SARIF 2.1.0 (OASIS, "Static Analysis Results Interchange Format"), as GitHub code scanning reads it.

use std::collections::BTreeSet;
use std::io::Write;

use rolecall_core::finding::{Certainty, printable};
use rolecall_core::rules::{self, Impact};
use serde_json::{Map, Value, json};

use super::{full_text, path, subject};
use crate::report::FindingLocation;
use crate::report::accept::fingerprint;
use crate::report::model::{AcceptedBy, Report, ReportedFinding, Severity};
use crate::report::text::named;

/// Writes one run with a result for each finding, and a suppressed one for each finding that an exemption hides.
///
/// # Errors
/// Where writing fails.
pub fn sarif(report: &Report, out: &mut dyn Write) -> anyhow::Result<()> {
    let fired: BTreeSet<&str> = report
        .findings
        .iter()
        .map(|finding| finding.rule)
        .chain(report.exempted.iter().map(|exempted| exempted.rule))
        .collect();
    let rules: Vec<Value> = fired.into_iter().filter_map(rules::find).map(|found| rule(found, report)).collect();
    let suppressed = report.exempted.iter().map(|exempted| {
        json!({
            "ruleId": exempted.rule,
            "level": "note",
            "message": {"text": printable(&exempted.message)},
            "locations": [place(exempted.location.as_ref(), &named(&exempted.resource))],
            "partialFingerprints": {"rolecall/v1": fingerprint(
                exempted.rule,
                &exempted.resource,
                "",
                exempted.location.as_ref().map_or("", |location| &location.file),
                "",
            )},
            "suppressions": [{"kind": "external", "justification": printable(&exempted.exemption)}],
        })
    });
    let results: Vec<Value> = report.findings.iter().map(result).chain(suppressed).collect();
    let notifications: Vec<Value> = report
        .unreadable
        .iter()
        .map(|unreadable| {
            json!({
                "level": "error",
                "message": {"text": printable(&unreadable.message)},
                "locations": [physical(&unreadable.file, unreadable.line, None)],
            })
        })
        .collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "rolecall",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "invocations": [{
                "executionSuccessful": report.unreadable.is_empty(),
                "toolExecutionNotifications": notifications,
            }],
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &log)?;
    writeln!(out)?;
    Ok(())
}

fn rule(rule: &rules::Rule, report: &Report) -> Value {
    let mut properties = Map::from_iter([
        ("tags".to_owned(), json!([rule.impact.name(), "kubernetes", "aws-iam"])),
        ("precision".to_owned(), precision(rule.certainty).into()),
    ]);
    // GitHub shows a rule as one on security where it has that tag and a score (GitHub Docs, "SARIF support for code scanning").
    if rule.impact == Impact::Security {
        properties.insert("security-severity".to_owned(), security_severity(rule.certainty).into());
    }
    let mut descriptor = json!({
        "id": rule.name,
        "shortDescription": {"text": rule.fires()},
        "fullDescription": {"text": rule.meaning()},
        "help": {"text": rule.plain(), "markdown": rule.markdown()},
        "defaultConfiguration": {"level": level(rule.certainty)},
        "properties": properties,
    });
    if let (Some(docs), Some(fields)) = (report.docs(rule.name), descriptor.as_object_mut()) {
        fields.insert("helpUri".to_owned(), docs.into());
    }
    descriptor
}

/// A score from 0 to 10, as in CVSS: from 7.0 GitHub calls it high, from 4.0 medium.
fn security_severity(certainty: Certainty) -> &'static str {
    match certainty {
        Certainty::Certain => "7.5",
        Certainty::Likely => "5.5",
        Certainty::Undecided => "2.0",
    }
}

fn level(certainty: Certainty) -> &'static str {
    match certainty {
        Certainty::Certain => "error",
        Certainty::Likely => "warning",
        Certainty::Undecided => "note",
    }
}

fn precision(certainty: Certainty) -> &'static str {
    match certainty {
        Certainty::Certain => "very-high",
        Certainty::Likely => "high",
        Certainty::Undecided => "low",
    }
}

fn result(finding: &ReportedFinding) -> Value {
    let mut result = json!({
        "ruleId": finding.rule,
        "level": match finding.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        },
        "message": {"text": full_text(finding)},
        "locations": [place(finding.location.as_ref(), &subject(finding))],
        "partialFingerprints": {"rolecall/v1": finding.fingerprint()},
    });
    if let (Some(accepted), Some(fields)) = (&finding.accepted, result.as_object_mut()) {
        let kind = match accepted.by {
            AcceptedBy::Baseline => "external",
            AcceptedBy::Comment => "inSource",
        };
        let justification = printable(&crate::report::accepted(accepted));
        fields.insert("suppressions".to_owned(), json!([{"kind": kind, "justification": justification}]));
    }
    result
}

/// A place in a file, with the name of what stands there. GitHub accepts no result without a file.
fn place(location: Option<&FindingLocation>, name: &str) -> Value {
    let mut place = location.map_or_else(|| json!({}), |place| physical(&place.file, place.line, Some(place.column)));
    if let Some(fields) = place.as_object_mut() {
        fields.insert("logicalLocations".to_owned(), json!([{"fullyQualifiedName": name}]));
    }
    place
}

/// A place in a file; standard input has none.
fn physical(file: &str, line: usize, column: Option<usize>) -> Value {
    let mut region = Map::from_iter([("startLine".to_owned(), line.max(1).into())]);
    region.extend(column.map(|column| ("startColumn".to_owned(), column.max(1).into())));
    let uri = if file == "-" { "stdin".to_owned() } else { encoded(path(file)) };
    json!({"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}})
}

/// A path as a relative URI (RFC 3986).
fn encoded(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}
