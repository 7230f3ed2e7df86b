//! Text, for people; readable without colour.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use rolecall_core::finding::{Certainty, printable};

use super::model::{Report, ReportedFinding, ReportedResource};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

fn more(counts: &[(&str, usize)]) -> String {
    counts.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("; {count} {what}")).collect()
}

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
    for (resources, findings) in grouped(&report.findings) {
        let names = resources.iter().map(|resource| heading(report, resource)).collect::<Vec<_>>();
        writeln!(out, "{BOLD}{}{BOLD:#}", names.join(", "))?;
        for finding in findings {
            write_finding(finding, out)?;
        }
    }
    if !report.findings.is_empty() {
        writeln!(out)?;
    }
    #[cfg(feature = "kube")]
    super::scan::sections(report, out)?;
    let summary = &report.summary;
    for note in &summary.notes {
        writeln!(out, "{DIM}note: {}{DIM:#}", printable(note))?;
    }
    // A check is run on every change; a scan is read once.
    for part in summary.not_considered.iter().filter(|_| summary.pods.is_some()) {
        writeln!(out, "{DIM}note: {part}{DIM:#}")?;
    }
    let pods = summary.pods.map(|pods| format!(" {pods} pods,")).unwrap_or_default();
    writeln!(
        out,
        "{} resources,{pods} {} containers: {} certain, {} likely, {} undecided at level {}{}",
        summary.resources,
        summary.containers,
        summary.certain,
        summary.likely,
        summary.undecided,
        summary.level,
        more(&[
            ("chains unknown", summary.unknown),
            ("exempted", summary.exempted),
            ("unreadable", summary.unreadable)
        ]),
    )?;
    Ok(())
}

/// What a resource is called, with the pods that run.
fn heading(report: &Report, resource: &ReportedResource) -> String {
    let pods = match report.pods.get(resource) {
        None | Some(0) => String::new(),
        Some(1) => " (1 pod)".to_owned(),
        Some(pods) => format!(" ({pods} pods)"),
    };
    printable(&format!("{}{pods}", named(resource)))
}

/// Kind, namespace and name.
pub(super) fn named(ReportedResource { namespace, kind, name }: &ReportedResource) -> String {
    if namespace.is_empty() { format!("{kind} {name}") } else { format!("{kind} {namespace}/{name}") }
}

/// Findings by the resources that have just these: a service account and its workloads mostly share one.
fn grouped(findings: &[ReportedFinding]) -> Vec<(Vec<&ReportedResource>, Vec<&ReportedFinding>)> {
    let mut by_resource: Vec<(&ReportedResource, Vec<&ReportedFinding>)> = Vec::new();
    for finding in findings {
        match by_resource.last_mut() {
            Some((resource, list)) if **resource == finding.resource => list.push(finding),
            _ => by_resource.push((&finding.resource, vec![finding])),
        }
    }
    let mut groups: Vec<(Vec<&ReportedResource>, Vec<&ReportedFinding>)> = Vec::new();
    for (resource, list) in by_resource {
        let same = |other: &&mut (Vec<&ReportedResource>, Vec<&ReportedFinding>)| {
            other.1.len() == list.len() && other.1.iter().zip(&list).all(|(a, b)| a.says_the_same(b))
        };
        match groups.iter_mut().find(same) {
            Some((resources, _)) => resources.push(resource),
            None => groups.push((vec![resource], list)),
        }
    }
    groups
}

fn write_finding(finding: &ReportedFinding, out: &mut dyn Write) -> anyhow::Result<()> {
    let style = colour(finding.certainty);
    let container = finding.container.as_ref().map(|name| format!("container {name}"));
    let pods = finding.some.map(|(have, all)| match have {
        0 => format!("none of the {all} pods, but new ones"),
        _ => format!("{have} of {all} pods"),
    });
    let place = [container, pods].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let place = if place.is_empty() { String::new() } else { format!(" ({place})") };
    writeln!(
        out,
        "  {style}{}{style:#} {}{place} {DIM}[{}]{DIM:#}",
        finding.certainty.name(),
        printable(&finding.message),
        finding.rule
    )?;
    let evidence = [(finding.labels.0, &finding.expected), (finding.labels.1, &finding.found)];
    let width = evidence.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    for (label, value) in evidence {
        if let Some(value) = value {
            writeln!(out, "    {label:width$}  {}", printable(value))?;
        }
    }
    if let Some(slip) = &finding.slip {
        writeln!(out, "    likely slip: {}", printable(slip))?;
    }
    writeln!(out, "    fix: {}", printable(&finding.fix))?;
    for note in &finding.notes {
        writeln!(out, "    {DIM}{}{DIM:#}", printable(note))?;
    }
    Ok(())
}
