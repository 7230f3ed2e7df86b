//! Findings as people read them: a denial of several lines, warnings of one, notes.

use rolecall_core::finding::{AlsoWrong, Finding, Note, Problem, printable};
use rolecall_core::rules::DocsUrl;

use crate::fix;
use crate::{hint_line, label, message, names, value};

/// Most findings that a denial names behind the one that leads.
const MAX_OTHERS: usize = 8;

/// A denial: one finding leads; what was expected and found, the likely typo and the fix follow, then further breaks, and where to
/// read more.
pub fn denial(findings: &[&Finding], docs_url: Option<&DocsUrl>) -> String {
    let Some((lead, others)) = findings.split_first() else {
        return "denied".to_owned();
    };
    let mut text = printable(&format!("{}{} [{}]", message(&lead.problem), containers(lead), lead.rule()));
    let width = evidence(&lead.problem).map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    let mut line = |content: String| {
        text.push_str("\n  ");
        text.push_str(&printable(&content));
    };
    for (label, value) in evidence(&lead.problem) {
        line(format!("{label:width$}  {value}"));
    }
    if let Some(hint) = &lead.problem.hint {
        line(hint_line(hint));
    }
    for (sentence, command) in fix::steps(&lead.problem.fix) {
        line(format!("change: {sentence}"));
        if let Some(command) = command {
            line(format!("command: {command}"));
        }
    }
    for each in &lead.notes {
        line(note(each));
    }
    for other in others.iter().take(MAX_OTHERS) {
        line(format!("also [{}] {}{}", other.rule(), message(&other.problem), containers(other)));
    }
    if others.len() > MAX_OTHERS {
        line(format!("and {} more", others.len() - MAX_OTHERS));
    }
    let page = docs_url.map(|url| format!(", {}", url.of(lead.rule())));
    line(format!("more: rolecall explain {}{}", lead.rule(), page.unwrap_or_default()));
    text
}

/// One warning. A command that is cut is of no use: it is printed whole, or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// One line.
    pub text: String,
    /// The same with commands behind it.
    pub with_commands: Option<String>,
}

impl Warning {
    /// The warning with its commands where that has at most so many characters, else without.
    pub fn within(&self, limit: usize) -> &str {
        let whole = self.with_commands.as_deref().filter(|text| text.chars().count() <= limit);
        whole.unwrap_or(&self.text)
    }
}

impl From<String> for Warning {
    fn from(text: String) -> Self {
        Self { text, with_commands: None }
    }
}

/// The warnings of a finding: what is wrong with its evidence, and how to fix it. Each is complete by itself.
pub fn warnings(finding: &Finding) -> [Warning; 2] {
    let mut first = headline(finding);
    for (label, value) in evidence(&finding.problem) {
        first.push_str(&format!("; {label} {value}"));
    }
    if let Some(hint) = finding.problem.hint.as_ref().filter(|hint| hint.is_typo()) {
        first.push_str(&format!("; {}", hint_line(hint)));
    }
    let rule = finding.rule();
    let (sentence, line) = (fix::sentence(&finding.problem.fix), fix::line(&finding.problem.fix));
    let with_commands = (line != sentence).then(|| printable(&format!("rolecall: fix for {rule}: {line}")));
    [first.into(), Warning { text: format!("rolecall: fix for {rule}: {sentence}"), with_commands }]
}

/// What is wrong, in one sentence with the rule's name.
pub fn headline(finding: &Finding) -> String {
    format!("rolecall: {}{} [{}]", message(&finding.problem), containers(finding), finding.rule())
}

/// One line that follows a finding.
pub fn note(note: &Note) -> String {
    match note {
        Note::Exempted { from_warnings, holder, until, reason } => {
            let how = if *from_warnings { "hidden from warnings" } else { "exempted" };
            let until = until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
            let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("{how} by rolecall.dev/ignore on {}{until}{reason}", names::holder(holder))
        }
        Note::NodeRoleAllowed => "exempted by rolecall.dev/allow-node-role".to_owned(),
        Note::FromWarningsOnly { rule } => format!(
            "its own annotations hide [{rule}] from warnings only: an exemption from denials belongs on the namespace"
        ),
        Note::Further => {
            "further containers have the same problem with other values, which are left out here".to_owned()
        }
        Note::Reference(uid) => {
            format!("reference: {uid} (the audit log of rolecall has the full text; rolecall scan prints it too)")
        }
        Note::Also(also) => {
            let AlsoWrong { problem, shows_fix } = &**also;
            let mut text = format!("also [{}] {}", problem.rule.name, message(problem));
            if let (Some(expected), Some(found), false) = (&problem.expected, &problem.found, *shows_fix) {
                text.push_str(&format!(
                    ": {} {}, {} {}",
                    label(expected.label),
                    value(expected),
                    label(found.label),
                    value(found)
                ));
            }
            if *shows_fix {
                text.push_str(&format!(": {}", fix::line(&problem.fix)));
            }
            text
        }
    }
}

/// A problem by itself: what is wrong, its rule, and what may be behind it.
pub fn sentence(problem: &Problem) -> String {
    let hint = problem.hint.as_ref().map(|hint| format!("; {}", hint_line(hint))).unwrap_or_default();
    format!("{} [{}]{hint}", message(problem), problem.rule.name)
}

/// What was expected and what was found, each with what introduces it.
pub fn evidence(problem: &Problem) -> impl Iterator<Item = (&'static str, String)> {
    let both = [&problem.expected, &problem.found].into_iter().flatten();
    both.map(|evidence| (label(evidence.label), value(evidence)))
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
