//! The annotation `eks.amazonaws.com/skip-containers`, read as the injector reads it: the first record of Go's
//! `encoding/csv` (amazon-eks-pod-identity-webhook, `pkg/handler/handler.go`, `parsePodAnnotations`).
//!
//! Empty lines before the record are skipped and a line break ends it, quotes group, and blanks are part of a name.

use std::borrow::Cow;

/// The container names in the annotation; empty where Go's reader returns an error, so that the injector skips none.
pub(super) fn skipped_containers(annotation: &str) -> Vec<Cow<'_, str>> {
    first_record(annotation).unwrap_or_default()
}

/// `csv.NewReader(strings.NewReader(text)).Read()`; `None` where that is an error.
fn first_record(text: &str) -> Option<Vec<Cow<'_, str>>> {
    let mut lines = Lines { rest: text };
    let mut line = loop {
        let line = lines.next()?;
        if !line.content.is_empty() {
            break line;
        }
    };
    let mut fields = Vec::new();
    loop {
        let Some(quoted) = line.content.strip_prefix('"') else {
            let (field, rest) = match line.content.split_once(',') {
                Some((field, rest)) => (field, Some(rest)),
                None => (line.content, None),
            };
            if field.contains('"') {
                return None;
            }
            fields.push(Cow::Borrowed(field));
            match rest {
                Some(rest) => line.content = rest,
                None => return Some(fields),
            }
            continue;
        };
        let (field, rest) = quoted_field(quoted, line.ended, &mut lines)?;
        fields.push(field);
        match rest {
            Some(rest) => line = rest,
            None => return Some(fields),
        }
    }
}

/// A quoted field from behind its first quote: its text, and what follows the comma behind it, if there is one.
fn quoted_field<'t>(
    mut rest: &'t str,
    mut ended: bool,
    lines: &mut Lines<'t>,
) -> Option<(Cow<'t, str>, Option<Line<'t>>)> {
    let mut field = String::new();
    loop {
        let Some((before, behind)) = rest.split_once('"') else {
            // The field goes on in the next line; where there is none, a quote is missing.
            field.push_str(rest);
            if ended {
                field.push('\n');
            }
            let next = lines.next()?;
            (rest, ended) = (next.content, next.ended);
            continue;
        };
        field.push_str(before);
        if let Some(behind) = behind.strip_prefix('"') {
            field.push('"');
            rest = behind;
        } else if let Some(content) = behind.strip_prefix(',') {
            return Some((Cow::Owned(field), Some(Line { content, ended })));
        } else if behind.is_empty() {
            return Some((Cow::Owned(field), None));
        } else {
            return None;
        }
    }
}

/// A line without its line break.
#[derive(Clone, Copy)]
struct Line<'t> {
    content: &'t str,
    /// A line break ended it, and not the end of the text.
    ended: bool,
}

/// The lines of a text as Go's reader sees them: `\r\n` is a line break too, and one `\r` before the end of the text is
/// dropped.
struct Lines<'t> {
    rest: &'t str,
}

impl<'t> Iterator for Lines<'t> {
    type Item = Line<'t>;

    fn next(&mut self) -> Option<Line<'t>> {
        if self.rest.is_empty() {
            return None;
        }
        let (content, rest, ended) = match self.rest.split_once('\n') {
            Some((content, rest)) => (content, rest, true),
            None => (self.rest, "", false),
        };
        self.rest = rest;
        Some(Line { content: content.strip_suffix('\r').unwrap_or(content), ended })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answers of Go's package; `tests/cluster/internal/injector` holds the file to it.
    const ANSWERS: &str = include_str!("skip_containers.json");

    #[derive(serde::Deserialize)]
    struct Answer {
        value: String,
        names: Option<Vec<String>>,
    }

    #[test]
    fn reads_what_go_reads() {
        let answers: Vec<Answer> = serde_json::from_str(ANSWERS).unwrap();
        assert!(answers.len() > 70);
        for Answer { value, names } in answers {
            assert_eq!(skipped_containers(&value), names.unwrap_or_default(), "{value:?}");
        }
    }
}
