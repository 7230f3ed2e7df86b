//! Annotations of GitHub Actions (GitHub Docs, "Workflow commands for GitHub Actions").

use std::io::Write;

use super::{full_text, path, subject};
use crate::report::Report;
use crate::report::model::Severity;

/// Writes one workflow command for each finding and for each document that could not be read.
///
/// # Errors
/// Where writing fails.
pub fn github(report: &Report, out: &mut dyn Write) -> anyhow::Result<()> {
    for unreadable in &report.unreadable {
        let (file, line) = (property(path(&unreadable.file)), unreadable.line);
        writeln!(out, "::error file={file},line={line},title=cannot be read::{}", data(&unreadable.message))?;
    }
    for finding in &report.findings {
        let command = match finding.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "notice",
        };
        let place = finding
            .location
            .as_ref()
            .map(|place| format!("file={},line={},col={},", property(path(&place.file)), place.line, place.column));
        let title = property(&format!("{}: {}", finding.rule, subject(finding)));
        writeln!(out, "::{command} {}title={title}::{}", place.unwrap_or_default(), data(&full_text(finding)))?;
    }
    Ok(())
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
