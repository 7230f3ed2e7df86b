//! Text, for people; readable without colour.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use rolecall_core::finding::Certainty;

use super::model::{Report, ReportedFinding};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

fn colour(certainty: Certainty) -> Style {
    let colour = match certainty {
        Certainty::Certain => AnsiColor::Red,
        Certainty::Likely => AnsiColor::Yellow,
        Certainty::Undecided => AnsiColor::Cyan,
    };
    colour.on_default().bold()
}

/// Writes the report as text.
///
/// # Errors
/// Where writing fails.
pub fn text(report: &Report, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut last = None;
    for finding in &report.findings {
        if last != Some(&finding.resource) {
            let resource = &finding.resource;
            writeln!(out, "{BOLD}{} {}/{}{BOLD:#}", resource.kind, resource.namespace, resource.name)?;
            last = Some(&finding.resource);
        }
        write_finding(finding, out)?;
    }
    if !report.findings.is_empty() {
        writeln!(out)?;
    }
    let summary = &report.summary;
    for note in &summary.notes {
        writeln!(out, "{DIM}note: {note}{DIM:#}")?;
    }
    writeln!(
        out,
        "{} resources, {} containers: {} certain, {} likely, {} undecided at level {}{}",
        summary.resources,
        summary.containers,
        summary.certain,
        summary.likely,
        summary.undecided,
        summary.level,
        if summary.exempted > 0 { format!("; {} exempted", summary.exempted) } else { String::new() },
    )?;
    Ok(())
}

fn write_finding(finding: &ReportedFinding, out: &mut dyn Write) -> anyhow::Result<()> {
    let style = colour(finding.certainty);
    let container = finding.container.as_ref().map(|name| format!(" (container {name})")).unwrap_or_default();
    writeln!(
        out,
        "  {style}{}{style:#} {}{container} {DIM}[{}]{DIM:#}",
        finding.certainty.name(),
        finding.message,
        finding.rule
    )?;
    let evidence = [(finding.labels.0, &finding.expected), (finding.labels.1, &finding.found)];
    let width = evidence.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    for (label, value) in evidence {
        if let Some(value) = value {
            writeln!(out, "    {label:width$}  {value}")?;
        }
    }
    if let Some(slip) = &finding.slip {
        writeln!(out, "    likely slip: {slip}")?;
    }
    writeln!(out, "    fix: {}", finding.fix)?;
    for note in &finding.notes {
        writeln!(out, "    {DIM}{note}{DIM:#}")?;
    }
    Ok(())
}
