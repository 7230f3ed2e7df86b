//! One row for each finding: a table for the eye, and comma-separated values for spreadsheets.

use std::io::Write;

use rolecall_core::finding::printable;
use rolecall_message::count;

use super::model::{Report, ReportedFinding};
use super::text::named;

/// Writes a table with one row for each finding, and the totals.
///
/// # Errors
/// Where writing fails.
pub fn table(report: &Report, out: &mut dyn Write) -> anyhow::Result<()> {
    let header = ["CERTAINTY", "RULE", "RESOURCE", "CONTAINER", "PLACE", "MESSAGE"].map(str::to_owned);
    let row = |finding: &ReportedFinding| {
        let place = finding.location.as_ref().map(super::FindingLocation::place);
        [
            finding.certainty.name().to_owned(),
            finding.rule.to_owned(),
            printable(&named(&finding.resource)),
            finding.container.as_deref().map(printable).unwrap_or_else(|| "-".to_owned()),
            place.as_deref().map(printable).unwrap_or_else(|| "-".to_owned()),
            printable(&finding.message),
        ]
    };
    let rows: Vec<[String; 6]> = std::iter::once(header).chain(report.findings.iter().map(row)).collect();
    let mut widths = [0; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    let summary = &report.summary;
    writeln!(
        out,
        "\n{}, {}: {} certain, {} likely, {} undecided at level {}",
        count(summary.resources, "resource"),
        count(summary.containers, "container"),
        summary.certain,
        summary.likely,
        summary.undecided,
        summary.level
    )?;
    Ok(())
}

/// The columns of the comma-separated values.
const COLUMNS: [&str; 17] = [
    "rule",
    "certainty",
    "level",
    "impact",
    "kind",
    "namespace",
    "name",
    "container",
    "file",
    "line",
    "column",
    "fails",
    "message",
    "expected",
    "found",
    "hint",
    "fix",
];

/// Writes comma-separated values with a header (RFC 4180).
///
/// # Errors
/// Where writing fails.
pub fn csv(report: &Report, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "{}", COLUMNS.join(","))?;
    for finding in &report.findings {
        let location = finding.location.as_ref();
        let number = |of: fn(&super::FindingLocation) -> usize| location.map(|place| of(place).to_string());
        let (line, column) = (number(|place| place.line), number(|place| place.column));
        let text = |text: &Option<String>| text.as_deref().unwrap_or_default().to_owned();
        let row: [String; 17] = [
            finding.rule.to_owned(),
            finding.certainty.name().to_owned(),
            finding.level.name().to_owned(),
            finding.impact.name().to_owned(),
            finding.resource.kind.to_string(),
            finding.resource.namespace.clone(),
            finding.resource.name.clone(),
            text(&finding.container),
            location.map(|place| place.file.clone()).unwrap_or_default(),
            text(&line),
            text(&column),
            finding.counts().to_string(),
            finding.message.clone(),
            text(&finding.expected),
            text(&finding.found),
            text(&finding.hint),
            finding.fix.clone(),
        ];
        let cells: Vec<String> = row.iter().map(|text| cell(text)).collect();
        writeln!(out, "{}", cells.join(","))?;
    }
    Ok(())
}

/// A value in quotes where it needs them. A spreadsheet takes what begins with some characters for a formula: an apostrophe
/// makes it a text (OWASP, "CSV Injection").
fn cell(text: &str) -> String {
    let text = printable(text);
    let text = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text };
    if text.contains(['"', ',', '\n', '\r']) || text.trim() != text {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn cells_are_quoted_and_are_no_formulas() {
        assert_eq!(cell("a b"), "a b");
        assert_eq!(cell("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(cell("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\"");
        assert_eq!(cell("a\nb"), "a b");
        assert_eq!(cell("-"), "'-");
    }
}
