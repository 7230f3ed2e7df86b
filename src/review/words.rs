//! Findings in the words that people see: a denial of several lines, a warning of one.

use rolecall_core::finding::{Evidence, Finding, printable};

/// Most findings that a denial names behind the one that leads.
const MAX_OTHERS: usize = 8;

/// A denial: one finding leads; what was expected and found, the likely slip and the fix follow, then further breaks.
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
    if let Some(slip) = &lead.problem.slip {
        line(format!("likely slip: {slip}"));
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

/// A warning: message and rule, then as much evidence as fits the line.
pub fn one_line(finding: &Finding, limit: usize) -> String {
    let mut text = format!("[{}] {}{}", finding.rule(), finding.problem.message, containers(finding));
    let evidence = [&finding.problem.expected, &finding.problem.found].into_iter().flatten();
    let evidence: Vec<String> = evidence.map(|evidence| format!("{} {}", evidence.label, evidence.value)).collect();
    for addition in [evidence.join(", "), format!("fix: {}", finding.problem.fix)] {
        if !addition.is_empty() && text.chars().count() + addition.chars().count() + 2 <= limit {
            text.push_str("; ");
            text.push_str(&addition);
        }
    }
    text
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
