//! The text of an Event. Lists show only its first line, so that line is complete by itself; every further line is there
//! whole or not at all, as half a command is worse than none.

use rolecall_core::finding::printable;
use rolecall_message::{evidence, fix, headline, hint_line, note};

use super::notice::Warned;
use super::response::shorten;

/// Longest text of an Event. The API server allows 1,024 bytes (Kubernetes API reference, events.k8s.io/v1 Event).
pub const MAX_NOTE_BYTES: usize = 1_000;
/// Longest first line: room stays for what to do.
const MAX_FIRST_LINE_CHARS: usize = 450;
/// Stands in the place of lines that do not fit.
const LEFT_OUT: &str =
    "\n  (left out for length: the full text is in rolecall's audit log, and rolecall scan prints it)";

/// Fits a text of several lines. Its last line, which says where to read on, is kept where others are not.
pub(super) fn fit(text: &str) -> String {
    if text.len() <= MAX_NOTE_BYTES {
        return text.to_owned();
    }
    let mut lines = text.lines();
    let mut fitted = shorten(lines.next().unwrap_or_default(), MAX_FIRST_LINE_CHARS);
    let last = lines.next_back().map(|line| format!("\n{line}")).filter(|line| line.len() < MAX_NOTE_BYTES / 4);
    let end = format!("{LEFT_OUT}{}", last.unwrap_or_default());
    let room = MAX_NOTE_BYTES.saturating_sub(end.len());
    cut_bytes(&mut fitted, room);
    for line in lines {
        if fitted.len() + 1 + line.len() <= room {
            fitted.push('\n');
            fitted.push_str(line);
        }
    }
    fitted + &end
}

fn cut_bytes(text: &mut String, limit: usize) {
    if text.len() > limit {
        let end = (0..=limit.saturating_sub('…'.len_utf8())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
}

/// The text of the findings of one rule: what the warnings about the first say, and a line for each other.
pub(super) fn of_rule<'w>(warned: impl IntoIterator<Item = &'w Warned<'w>>) -> String {
    let mut warned = warned.into_iter();
    let Some(Warned { finding, is_referred, .. }) = warned.next() else {
        return String::new();
    };
    let sentence = |warned: &str| printable(warned.strip_prefix("rolecall: ").unwrap_or(warned));
    let mut text = sentence(&headline(finding));
    let mut line = |content: String| {
        text.push_str("\n  ");
        text.push_str(&printable(&content));
    };
    for (label, value) in evidence(&finding.problem) {
        line(format!("{label} {value}"));
    }
    if let Some(hint) = finding.problem.hint.as_ref().filter(|hint| hint.is_typo()) {
        line(hint_line(hint));
    }
    for (sentence, command) in fix::steps(&finding.problem.fix) {
        line(format!("change: {sentence}"));
        command.into_iter().for_each(|command| line(format!("command: {command}")));
    }
    if *is_referred && let Some(reference) = finding.notes.first() {
        line(note(reference));
    }
    for other in warned.take(MAX_OTHERS) {
        line(format!("also: {}", sentence(&headline(other.finding))));
    }
    line(format!("more: rolecall explain {}", finding.rule()));
    fit(&text)
}

/// Most further findings of a rule that are looked at: more than fit.
const MAX_OTHERS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_whole_or_left_out() {
        let command = format!("  fix: run aws iam update-assume-role-policy {}", "--flag value ".repeat(60));
        let text =
            format!("service account a/b cannot assume role c [rule]\n  found d\n{command}\n  ref: 1\n  more: x");
        let fitted = fit(&text);
        assert!(fitted.starts_with("service account a/b cannot assume role c [rule]\n  found d\n"), "{fitted}");
        assert!(fitted.len() > 900 && fitted.len() <= MAX_NOTE_BYTES || !fitted.contains("update-assume"), "{fitted}");
        let longer = text.replace("--flag", "--a-longer-flag");
        let fitted = fit(&longer);
        assert!(!fitted.contains("update-assume-role-policy"), "{fitted}");
        assert!(fitted.contains("\n  ref: 1\n") && fitted.contains("left out") && fitted.ends_with("\n  more: x"));
        assert_eq!(fit("short\n  text"), "short\n  text");
    }

    #[test]
    fn no_text_is_longer_than_the_api_server_allows() {
        let arn = format!("arn:aws:iam::111122223333:role/{}", "p/".repeat(2_000));
        for text in [
            format!("cannot assume {arn} [role-missing]\n  fix: use {arn}\n  more: rolecall explain role-missing"),
            "日本".repeat(3_000),
            format!("a\n{}", "日本\n".repeat(3_000)),
            "\n".repeat(5_000),
            format!("{}\n{}", "a ".repeat(3_000), "b".repeat(3_000)),
        ] {
            let fitted = fit(&text);
            assert!(fitted.len() <= MAX_NOTE_BYTES, "{} bytes: {fitted}", fitted.len());
        }
        let fitted = fit(&format!("cannot assume {arn} [role-missing]\n  fix: use {arn}"));
        assert!(fitted.lines().next().unwrap().ends_with("[role-missing]"), "{fitted}");
    }
}
