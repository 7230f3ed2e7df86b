//! JUnit XML, as Jenkins, GitLab and others read it: one test case for each resource.

use std::collections::BTreeMap;
use std::io::Write;

use quick_xml::escape::escape;
use rolecall_core::finding::printable;

use super::full_text;
use crate::report::model::{Report, ReportedFinding, ReportedResource};
use crate::report::text::named;

/// Writes one test suite. What makes the exit code 1 is a failure; other findings are in `system-out`.
///
/// # Errors
/// Where writing fails.
pub fn junit(report: &Report, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut cases: BTreeMap<&ReportedResource, Vec<&ReportedFinding>> = BTreeMap::new();
    for workload in &report.workloads {
        cases.entry(&workload.resource).or_default();
    }
    for identity in &report.identities {
        cases.entry(&identity.resource).or_default();
    }
    for finding in &report.findings {
        cases.entry(&finding.resource).or_default().push(finding);
    }
    let fails = |finding: &&&ReportedFinding| finding.counts();
    let failures = cases.values().filter(|findings| findings.iter().any(|finding| fails(&finding))).count();
    let (tests, errors) = (cases.len() + report.unreadable.len(), report.unreadable.len());
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(out, r#"<testsuites name="rolecall" tests="{tests}" failures="{failures}" errors="{errors}">"#)?;
    writeln!(out, r#"  <testsuite name="rolecall" tests="{tests}" failures="{failures}" errors="{errors}">"#)?;
    for unreadable in &report.unreadable {
        let name = format!("{} document {}", unreadable.file, unreadable.document);
        writeln!(out, r#"    <testcase name="{}" classname="rolecall.input">"#, text(&name))?;
        writeln!(out, r#"      <error message="{}"/>"#, text(&unreadable.message))?;
        writeln!(out, "    </testcase>")?;
    }
    for (resource, findings) in &cases {
        let class = format!("rolecall.{}", resource.kind);
        writeln!(out, r#"    <testcase name="{}" classname="{}">"#, text(&named(resource)), text(&class))?;
        for finding in findings.iter().filter(fails) {
            let place = finding.location.as_ref().map(|place| format!("{}: ", place.place())).unwrap_or_default();
            let message = format!("{place}{} [{}]", finding.message, finding.rule);
            writeln!(
                out,
                r#"      <failure type="{}" message="{}">{}</failure>"#,
                finding.certainty.name(),
                text(&message),
                escape(full_text(finding))
            )?;
        }
        for finding in findings.iter().filter(|finding| !fails(finding)) {
            writeln!(out, "      <system-out>{}</system-out>", escape(full_text(finding)))?;
        }
        writeln!(out, "    </testcase>")?;
    }
    writeln!(out, "  </testsuite>\n</testsuites>")?;
    Ok(())
}

/// The value of an attribute. XML has no control characters.
fn text(value: &str) -> String {
    escape(printable(value)).into_owned()
}
