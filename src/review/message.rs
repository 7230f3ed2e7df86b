//! Findings in the words that people see: a denial of several lines, a warning of one.

use rolecall_core::finding::{Evidence, Finding, printable};

/// Most findings that a denial names behind the one that leads.
const MAX_OTHERS: usize = 8;

/// A denial: one finding leads; what was expected and found, the likely typo and the fix follow, then further breaks.
pub fn denial(findings: &[&Finding]) -> String {
    let Some((lead, others)) = findings.split_first() else {
        return "denied".to_owned();
    };
    let mut text = printable(&format!("{}{} [{}]", lead.problem.message, containers(lead), lead.rule()));
    let width = [&lead.problem.expected, &lead.problem.found]
        .into_iter()
        .flatten()
        .map(|evidence| evidence.label.chars().count())
        .max()
        .unwrap_or(0);
    let mut line = |content: String| {
        text.push_str("\n  ");
        text.push_str(&printable(&content));
    };
    for Evidence { label, value } in [&lead.problem.expected, &lead.problem.found].into_iter().flatten() {
        line(format!("{label:width$}  {value}"));
    }
    if let Some(hint) = &lead.problem.hint {
        line(hint.to_string());
    }
    line(format!("fix: {}", lead.problem.fix));
    for note in &lead.notes {
        line(note.clone());
    }
    for other in others.iter().take(MAX_OTHERS) {
        line(format!("also [{}] {}{}", other.rule(), other.problem.message, containers(other)));
    }
    if others.len() > MAX_OTHERS {
        line(format!("and {} more", others.len() - MAX_OTHERS));
    }
    line(format!("more: rolecall explain {}", lead.rule()));
    text
}

/// The warnings of a finding: what is wrong with its evidence, and how to fix it. Each is complete by itself.
pub fn warnings(finding: &Finding) -> [String; 2] {
    let mut first = headline(finding);
    for Evidence { label, value } in [&finding.problem.expected, &finding.problem.found].into_iter().flatten() {
        first.push_str(&format!("; {label} {value}"));
    }
    if let Some(hint) = finding.problem.hint.as_ref().filter(|hint| hint.is_typo) {
        first.push_str(&format!("; {hint}"));
    }
    [first, format!("rolecall: fix for {}: {}", finding.rule(), finding.problem.fix)]
}

/// What is wrong, in one sentence with the rule's name.
pub(super) fn headline(finding: &Finding) -> String {
    format!("rolecall: {}{} [{}]", finding.problem.message, containers(finding), finding.rule())
}

fn containers(finding: &Finding) -> String {
    match finding.containers.as_slice() {
        [] => String::new(),
        [one] => format!(" (container {one})"),
        several => {
            let shown = several.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = if several.len() > 5 { format!(" and {} more", several.len() - 5) } else { String::new() };
            format!(" (containers {shown}{more})")
        }
    }
}
