//! Text, for people; readable without colour.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::Write;

use anstyle::{AnsiColor, Style};
use rolecall_core::finding::{Certainty, printable};
use rolecall_message::count;
use rolecall_message::fix::Format;

use super::fixes::ReportedFixes;
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

/// Writes the report as text; `fixes` is how fixes are written besides their sentence.
///
/// # Errors
/// Where writing fails.
pub fn text(report: &Report, fixes: Format, out: &mut dyn Write) -> anyhow::Result<()> {
    let groups = grouped(&report.findings);
    for (resources, findings) in &groups {
        writeln!(out, "{BOLD}{}{BOLD:#}", headings(report, resources))?;
        for finding in findings {
            write_finding(finding, fixes, out)?;
        }
    }
    if !report.findings.is_empty() {
        writeln!(out, "\n{DIM}more on a rule: rolecall explain RULE{DIM:#}\n")?;
    }
    write_exempted(report, out)?;
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
    let pods = summary.pods.map(|pods| format!(" {},", count(pods, "pod"))).unwrap_or_default();
    let shown = |certainty: Certainty| -> usize {
        let all = groups.iter().flat_map(|(_, findings)| findings);
        all.filter(|finding| finding.certainty == certainty && !finding.below_level).count()
    };
    writeln!(
        out,
        "{},{pods} {}: {} certain, {} likely, {} undecided at level {}{}",
        count(summary.resources, "resource"),
        count(summary.containers, "container"),
        shown(Certainty::Certain),
        shown(Certainty::Likely),
        shown(Certainty::Undecided),
        summary.level,
        more(&[
            (if summary.unknown == 1 { "chain unknown" } else { "chains unknown" }, summary.unknown),
            ("exempted", summary.exempted),
            ("unreadable", summary.unreadable)
        ]) + &shown_below(summary.below_level),
    )?;
    Ok(())
}

/// How many findings are shown though they count from a higher level only.
pub(super) fn shown_below(number: usize) -> String {
    if number == 0 {
        String::new()
    } else {
        format!("; {} shown from higher levels", count(number, "security finding"))
    }
}

/// Findings that exemptions hide, with who exempts them.
fn write_exempted(report: &Report, out: &mut dyn Write) -> anyhow::Result<()> {
    if report.exempted.is_empty() {
        return Ok(());
    }
    writeln!(out, "{BOLD}Exempted{BOLD:#}")?;
    for one in report.exempted.iter().take(MAX_EXEMPTED) {
        let line = format!("{}: {} [{}], {}", named(&one.resource), one.message, one.rule, one.exemption);
        writeln!(out, "  {}", printable(&line))?;
    }
    if let more @ 1.. = report.exempted.len().saturating_sub(MAX_EXEMPTED) {
        writeln!(out, "  and {more} more")?;
    }
    writeln!(out)?;
    Ok(())
}

/// Exempted findings shown; JSON has all.
const MAX_EXEMPTED: usize = 50;
/// Notes shown of a finding; JSON has all.
const MAX_NOTES: usize = 8;
/// Resources that a heading names.
const MAX_NAMED: usize = 6;

/// The resources of a group; of many a few, and how many more.
fn headings(report: &Report, resources: &[&ReportedResource]) -> String {
    let named =
        resources.iter().take(MAX_NAMED).map(|resource| heading(report, resource)).collect::<Vec<_>>().join(", ");
    match resources.len().saturating_sub(MAX_NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// A resource's name, with the number of its running pods.
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

/// Resources, and the findings that they share.
type FindingGroup<'r> = (Vec<&'r ReportedResource>, Vec<&'r ReportedFinding>);

/// Findings by the resources that have just these: a service account and its workloads mostly share one.
fn grouped(findings: &[ReportedFinding]) -> Vec<FindingGroup<'_>> {
    let mut groups: Vec<FindingGroup<'_>> = Vec::new();
    let mut places: HashMap<Vec<Said<'_>>, usize> = HashMap::new();
    for list in findings.chunk_by(|a, b| a.resource == b.resource) {
        let Some(first) = list.first() else { continue };
        match places.entry(list.iter().map(said).collect()) {
            Entry::Occupied(place) => groups.get_mut(*place.get()).into_iter().for_each(|(resources, _)| {
                resources.push(&first.resource);
            }),
            Entry::Vacant(place) => {
                place.insert(groups.len());
                groups.push((vec![&first.resource], list.iter().collect()));
            }
        }
    }
    groups
}

/// What a finding says, wherever it is.
type Said<'r> = (
    (&'static str, Certainty, Option<&'r str>, Option<(usize, usize)>),
    (&'r str, Option<&'r str>, Option<&'r str>, &'r str, Option<&'r str>, &'r [String]),
);

fn said(finding: &ReportedFinding) -> Said<'_> {
    let ReportedFinding { rule, certainty, container, some, message, expected, found, fix, hint, notes, .. } = finding;
    (
        (rule, *certainty, container.as_deref(), *some),
        (message, expected.as_deref(), found.as_deref(), fix, hint.as_deref(), notes),
    )
}

fn write_finding(finding: &ReportedFinding, fixes: Format, out: &mut dyn Write) -> anyhow::Result<()> {
    let style = colour(finding.certainty);
    let container = finding.container.as_ref().map(|name| format!("container {name}"));
    let pods = finding.some.map(|(have, all)| match have {
        0 => format!("none of the {all} pods, but new ones"),
        _ => format!("{have} of {all} pods"),
    });
    let level = finding.below_level.then(|| format!("counts from level {}", finding.level.name()));
    let place = [container, pods, level].into_iter().flatten().collect::<Vec<_>>().join(", ");
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
    if let Some(hint) = &finding.hint {
        let label = if hint.starts_with("likely typo: ") { "" } else { "hint: " };
        writeln!(out, "    {label}{}", printable(hint))?;
    }
    write_fix(&finding.fixes, fixes, out)?;
    if let Some(docs) = &finding.docs {
        writeln!(out, "    more: {docs}")?;
    }
    for note in finding.notes.iter().take(MAX_NOTES) {
        writeln!(out, "    {DIM}{}{DIM:#}", printable(note))?;
    }
    if let more @ 1.. = finding.notes.len().saturating_sub(MAX_NOTES) {
        writeln!(out, "    {DIM}and {more} more{DIM:#}")?;
    }
    Ok(())
}

/// What to change, with its commands; in another format than commands where there is one for it.
pub(super) fn write_fix(fixes: &ReportedFixes, format: Format, out: &mut dyn Write) -> anyhow::Result<()> {
    let other = fixes.rendered(format).filter(|_| format != Format::Cli);
    for (sentence, command) in &fixes.steps {
        writeln!(out, "    change: {}", printable(sentence))?;
        if let Some(command) = command.as_ref().filter(|_| other.is_none()) {
            writeln!(out, "    command: {}", printable(command))?;
        }
    }
    if let Some(other) = other {
        writeln!(out, "    {}:", format.name())?;
        for line in other.lines() {
            writeln!(out, "      {}", printable(line))?;
        }
    } else if let Some(statement) = &fixes.statement {
        writeln!(out, "    {DIM}statement then: {}{DIM:#}", printable(statement))?;
    }
    Ok(())
}
