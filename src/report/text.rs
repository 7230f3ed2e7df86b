//! Text, for people; readable without colour.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::Write;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use anstyle::{AnsiColor, Style};
use rolecall_core::finding::{Certainty, printable};
use rolecall_message::count;
use rolecall_message::fix::Format;

use super::fixes::ReportedFixes;
use super::model::{Report, ReportedFinding, ReportedResource};
use super::place::{Excerpt, FindingLocation};
use super::roll_call::RollCall;

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

/// How a report is written as text.
#[derive(Debug, Clone)]
pub struct TextOptions {
    /// How fixes are written besides their sentence.
    pub fixes: Format,
    /// How much is written.
    pub detail: Detail,
    /// Columns of the terminal; `None`: lines are not folded.
    pub width: Option<usize>,
    /// The rows of tables.
    pub roll_call: RollCall,
}

/// How much a text says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// One line for each finding, and the totals.
    Quiet,
    /// Findings with their evidence and fixes.
    #[default]
    Normal,
    /// The same, and nothing is left out.
    Verbose,
}

impl TextOptions {
    /// How many of a list are shown, if normally so many are.
    fn most(&self, normally: usize) -> usize {
        if self.detail == Detail::Verbose { usize::MAX } else { normally }
    }

    /// A text that begins after so many columns and goes on, where it has to be folded, after `indent` blanks.
    fn folded(&self, text: &str, used: usize, indent: usize) -> String {
        let Some(width) = self.width else { return text.to_owned() };
        let room = width.max(MIN_WIDTH);
        let mut folded = String::with_capacity(text.len() + 16);
        let mut column = used;
        for (at, word) in text.split(' ').enumerate() {
            let length = word.chars().count();
            if at > 0 && column + 1 + length > room && column > indent {
                folded.push('\n');
                folded.extend(std::iter::repeat_n(' ', indent));
                column = indent;
            } else if at > 0 {
                folded.push(' ');
                column += 1;
            }
            folded.push_str(word);
            column += length;
        }
        folded
    }
}

/// Narrower terminals are not folded to.
const MIN_WIDTH: usize = 40;

/// Writes the report as text.
///
/// # Errors
/// Where writing fails.
pub fn text(report: &Report, options: &TextOptions, out: &mut dyn Write) -> anyhow::Result<()> {
    let groups = grouped(&report.findings);
    if options.detail == Detail::Quiet {
        for finding in groups.iter().flat_map(|group| &group.findings).flatten() {
            write_line(finding, out)?;
        }
        return write_totals(report, &groups, out);
    }
    for FindingGroup { resources, findings } in &groups {
        writeln!(out, "{BOLD}{}{BOLD:#}", headings(report, resources, options))?;
        for same in findings {
            write_finding(same, options, out)?;
        }
    }
    if !report.findings.is_empty() {
        writeln!(out, "\n{DIM}more on a rule: rolecall explain RULE{DIM:#}\n")?;
    }
    write_exempted(report, options, out)?;
    #[cfg(feature = "kube")]
    super::scan::sections(report, out)?;
    let summary = &report.summary;
    for note in &summary.notes {
        writeln!(out, "{DIM}note: {}{DIM:#}", options.folded(&printable(note), 6, 6))?;
    }
    // A check is run on every change; a scan is read once.
    for part in summary.not_considered.iter().filter(|_| summary.pods.is_some()) {
        writeln!(out, "{DIM}note: {part}{DIM:#}")?;
    }
    write_totals(report, &groups, out)
}

/// The last line.
fn write_totals(report: &Report, groups: &[FindingGroup<'_>], out: &mut dyn Write) -> anyhow::Result<()> {
    let summary = &report.summary;
    let pods = summary.pods.map(|pods| format!(" {},", count(pods, "pod"))).unwrap_or_default();
    let shown = |certainty: Certainty| -> usize {
        let all = groups.iter().flat_map(|group| &group.findings).filter_map(|same| same.first());
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
            ("accepted", summary.accepted),
            ("unreadable", summary.unreadable),
            ("skipped", summary.skipped)
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
fn write_exempted(report: &Report, options: &TextOptions, out: &mut dyn Write) -> anyhow::Result<()> {
    if report.exempted.is_empty() {
        return Ok(());
    }
    writeln!(out, "{BOLD}Exempted{BOLD:#}")?;
    for one in report.exempted.iter().take(options.most(MAX_EXEMPTED)) {
        let line = format!("{}: {} [{}], {}", named(&one.resource), one.message, one.rule, one.exemption);
        writeln!(out, "  {}", printable(&line))?;
    }
    if let more @ 1.. = report.exempted.len().saturating_sub(options.most(MAX_EXEMPTED)) {
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
fn headings(report: &Report, resources: &[&ReportedResource], options: &TextOptions) -> String {
    let most = options.most(MAX_NAMED);
    let named = resources.iter().take(most).map(|resource| heading(report, resource)).collect::<Vec<_>>().join(", ");
    match resources.len().saturating_sub(most) {
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

/// Resources, and the findings that they share: of each, those of all the resources.
struct FindingGroup<'r> {
    resources: Vec<&'r ReportedResource>,
    findings: Vec<Vec<&'r ReportedFinding>>,
}

/// Findings by the resources that have just these: a service account and its workloads mostly share one.
fn grouped(findings: &[ReportedFinding]) -> Vec<FindingGroup<'_>> {
    let mut groups: Vec<FindingGroup<'_>> = Vec::new();
    let mut places: HashMap<Vec<Said<'_>>, usize> = HashMap::new();
    for list in findings.chunk_by(|a, b| a.resource == b.resource) {
        let Some(first) = list.first() else { continue };
        match places.entry(list.iter().map(said).collect()) {
            Entry::Occupied(place) => {
                let Some(group) = groups.get_mut(*place.get()) else { continue };
                group.resources.push(&first.resource);
                group.findings.iter_mut().zip(list).for_each(|(same, finding)| same.push(finding));
            }
            Entry::Vacant(place) => {
                place.insert(groups.len());
                let findings = list.iter().map(|finding| vec![finding]).collect();
                groups.push(FindingGroup { resources: vec![&first.resource], findings });
            }
        }
    }
    groups
}

/// What a finding says, wherever it is.
type Said<'r> = (
    (&'static str, Certainty, Option<&'r str>, Option<(usize, usize)>, bool),
    (&'r str, Option<&'r str>, Option<&'r str>, &'r str, Option<&'r str>, &'r [String]),
);

fn said(finding: &ReportedFinding) -> Said<'_> {
    let ReportedFinding { rule, certainty, container, some, message, expected, found, fix, hint, notes, .. } = finding;
    (
        (rule, *certainty, container.as_deref(), *some, finding.accepted.is_some()),
        (message, expected.as_deref(), found.as_deref(), fix, hint.as_deref(), notes),
    )
}

/// The certainty of a finding, and which pods and containers it is about.
fn remarks(finding: &ReportedFinding) -> String {
    let container = finding.container.as_ref().map(|name| format!("container {name}"));
    let pods = finding.some.map(|(have, all)| match have {
        0 => format!("none of the {all} pods, but new ones"),
        _ => format!("{have} of {all} pods"),
    });
    let level = finding.below_level.then(|| format!("counts from level {}", finding.level.name()));
    let accepted = finding.accepted.as_ref().map(super::accepted);
    let remarks = [container, pods, level, accepted].into_iter().flatten().collect::<Vec<_>>().join(", ");
    if remarks.is_empty() { String::new() } else { format!(" ({})", printable(&remarks)) }
}

/// A finding on one line.
fn write_line(finding: &ReportedFinding, out: &mut dyn Write) -> anyhow::Result<()> {
    let style = colour(finding.certainty);
    let place = match &finding.location {
        Some(location) => location.place(),
        None => named(&finding.resource),
    };
    writeln!(
        out,
        "{}: {style}{}{style:#} {}{} {DIM}[{}]{DIM:#}",
        printable(&place),
        finding.certainty.name(),
        printable(&finding.message),
        remarks(finding),
        finding.rule
    )?;
    Ok(())
}

/// Other places of the same finding that are named.
const MAX_PLACES: usize = 5;

/// The places of a finding, the first one with its line.
fn write_places(same: &[&ReportedFinding], options: &TextOptions, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut locations = same.iter().filter_map(|finding| finding.location.as_ref());
    let Some(first) = locations.next() else { return Ok(()) };
    let rendered = rendered(first, same.first().map_or(Certainty::Likely, |finding| finding.certainty), options);
    for line in rendered.lines() {
        writeln!(out, "    {}", line.trim_end())?;
    }
    let others: Vec<String> = locations.map(FindingLocation::place).filter(|place| *place != first.place()).collect();
    if others.is_empty() {
        return Ok(());
    }
    let most = options.most(MAX_PLACES);
    let mut named = others.iter().take(most).map(|place| printable(place)).collect::<Vec<_>>().join(", ");
    if let more @ 1.. = others.len().saturating_sub(most) {
        named.push_str(&format!(" and {more} more"));
    }
    writeln!(out, "    also at: {}", options.folded(&named, 13, 13))?;
    Ok(())
}

/// A place with its line, as compilers write it.
fn rendered(location: &FindingLocation, certainty: Certainty, options: &TextOptions) -> String {
    let level = match certainty {
        Certainty::Certain => Level::ERROR,
        Certainty::Likely => Level::WARNING,
        Certainty::Undecided => Level::NOTE,
    };
    let FindingLocation { line, excerpt, .. } = location;
    let place = printable(&location.place());
    let Some(Excerpt { text, start, end }) = excerpt else { return format!("--> {place}") };
    let byte = |column: usize| text.char_indices().nth(column).map_or(text.len(), |(at, _)| at);
    let mark = AnnotationKind::Primary.span(byte(*start)..byte(*end));
    let group = Group::with_level(level).element(Snippet::source(text.as_str()).line_start(*line).annotation(mark));
    let renderer = Renderer::styled();
    let renderer = match options.width {
        Some(width) => renderer.term_width(width.max(MIN_WIDTH).saturating_sub(4)),
        None => renderer,
    };
    let indent = " ".repeat(line.to_string().len());
    format!("{indent}--> {place}\n{}", renderer.render(&[group]))
}

fn write_finding(same: &[&ReportedFinding], options: &TextOptions, out: &mut dyn Write) -> anyhow::Result<()> {
    let Some(finding) = same.first() else { return Ok(()) };
    let style = colour(finding.certainty);
    let name = finding.certainty.name();
    let message = format!("{}{}", printable(&finding.message), remarks(finding));
    let message = options.folded(&message, 3 + name.len(), 4);
    writeln!(out, "  {style}{name}{style:#} {message} {DIM}[{}]{DIM:#}", finding.rule)?;
    write_places(same, options, out)?;
    let evidence = [(finding.labels.0, &finding.expected), (finding.labels.1, &finding.found)];
    let width = evidence.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    for (label, value) in evidence {
        if let Some(value) = value {
            writeln!(out, "    {label:width$}  {}", printable(value))?;
        }
    }
    if let Some(hint) = &finding.hint {
        let label = if hint.starts_with("likely typo: ") { "" } else { "hint: " };
        writeln!(out, "    {}", options.folded(&format!("{label}{}", printable(hint)), 4, 6))?;
    }
    write_fix(&finding.fixes, options.fixes, out)?;
    if let Some(docs) = &finding.docs {
        writeln!(out, "    more: {docs}")?;
    }
    for note in finding.notes.iter().take(options.most(MAX_NOTES)) {
        writeln!(out, "    {DIM}{}{DIM:#}", printable(note))?;
    }
    if let more @ 1.. = finding.notes.len().saturating_sub(options.most(MAX_NOTES)) {
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
