//! Markdown, for a comment on a pull request.

use std::io::Write;

use rolecall_core::finding::printable;
use rolecall_message::count;

use super::subject;
use crate::report::Report;
use crate::report::model::Severity;
use crate::report::text::shown_below;

/// Findings in the table; the text below says how many were left out.
const MAX_ROWS: usize = 100;

/// Writes a table of the findings and a line with the numbers.
///
/// # Errors
/// Where writing fails.
pub fn markdown(report: &Report, out: &mut dyn Write) -> anyhow::Result<()> {
    let summary = &report.summary;
    writeln!(
        out,
        "### rolecall: {} certain, {} likely, {} undecided\n",
        summary.certain, summary.likely, summary.undecided
    )?;
    if !report.findings.is_empty() {
        writeln!(out, "| | rule | where | what is wrong | expected | found |\n|---|---|---|---|---|---|")?;
    }
    for finding in report.findings.iter().take(MAX_ROWS) {
        let mark = match finding.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        let place = finding.location.as_ref().map(|place| format!(" ({})", place.place()));
        writeln!(
            out,
            "| {mark} | {} | {}{} | {} | {} | {} |",
            finding.rule,
            cell(&subject(finding)),
            cell(&place.unwrap_or_default()),
            cell(&finding.message),
            code(finding.expected.as_deref().unwrap_or_default()),
            code(finding.found.as_deref().unwrap_or_default()),
        )?;
    }
    if let more @ 1.. = report.findings.len().saturating_sub(MAX_ROWS) {
        writeln!(out, "\nand {more} more")?;
    }
    for unreadable in &report.unreadable {
        let line = format!(
            "{} (document {}, line {}): {}",
            unreadable.file, unreadable.document, unreadable.line, unreadable.message
        );
        writeln!(out, "\nCannot be read: {}", cell(&line))?;
    }
    writeln!(
        out,
        "\n{}, {}, level {}{}",
        count(summary.resources, "resource"),
        count(summary.containers, "container"),
        summary.level,
        shown_below(summary.below_level),
    )?;
    Ok(())
}

/// A text in a cell: nothing of it is Markdown or HTML. A character that is not seen keeps `@NAME` from being a mention, and an
/// address from being a link.
fn cell(text: &str) -> String {
    let text = printable(text).replace("://", ":\u{200b}//").replace('@', "@\u{200b}");
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '#' | '~' | '!') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// A value in a cell, to copy: a code span (GitHub Flavored Markdown, "Code spans" and "Tables").
fn code(value: &str) -> String {
    let value = printable(value).replace('|', r"\|");
    if value.is_empty() {
        return value;
    }
    let longest = value.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    // A blank on each side does not show, and keeps backticks of the value apart from the fence.
    let blank = if value.contains('`') || value.starts_with(' ') { " " } else { "" };
    format!("{fence}{blank}{value}{blank}{fence}")
}

#[cfg(test)]
mod tests {
    use super::{cell, code};

    #[test]
    fn values_are_neither_markdown_nor_mentions() {
        assert_eq!(code("arn:aws:iam::111122223333:role/a"), "`arn:aws:iam::111122223333:role/a`");
        assert_eq!(code("a|b `c` ``d"), r"``` a\|b `c` ``d ```");
        assert_eq!(code(""), "");
        assert_eq!(cell("*a* <b> | [c](d)"), r"\*a\* \<b\> \| \[c\](d)");
        assert_eq!(cell("@team https://a.b"), "@\u{200b}team https:\u{200b}//a.b");
    }
}
