//! Writing an AdmissionReview (Kubernetes API reference, AdmissionResponse v1).

use std::borrow::Cow;

use rolecall_core::finding::printable;
use rolecall_message::Warning;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// A warning over this length may be cut by the API server (`k8s.io/apiserver`, `endpoints/filters/warning.go`).
pub const MAX_WARNING_CHARS: usize = 256;
/// All warnings of a response together; beyond it the API server drops.
pub const MAX_WARNINGS_CHARS: usize = 4096;

/// A value from a review that is sent back or written down is cut to this; the longest role ARN has 2,048 characters or fewer.
pub(super) const MAX_ECHO_CHARS: usize = 2_048;
/// The message of a denial, of many lines.
pub(super) const MAX_MESSAGE_CHARS: usize = 16_384;

/// The body of an answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReviewOut<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: ResponseOut<'a>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResponseOut<'a> {
    pub(super) uid: &'a str,
    pub(super) allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<Status>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<String>,
    #[serde(skip_serializing_if = "Annotations::is_empty")]
    pub(super) audit_annotations: Annotations<'a>,
}

#[derive(Debug, Serialize)]
pub(super) struct Status {
    pub(super) code: u16,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// Audit annotations, in a fixed order. Empty values are left out.
#[derive(Debug, Default)]
pub(super) struct Annotations<'a>(pub(super) Vec<(&'static str, Cow<'a, str>)>);

impl Annotations<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Annotations<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let filled = || self.0.iter().filter(|(_, value)| !value.is_empty());
        let mut map = serializer.serialize_map(Some(filled().count()))?;
        for (key, value) in filled() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

pub(super) fn write(response: ResponseOut<'_>) -> Vec<u8> {
    let review = ReviewOut { api_version: "admission.k8s.io/v1", kind: "AdmissionReview", response };
    let mut body = Vec::with_capacity(512);
    // Writing texts and numbers to memory cannot fail; were it to, an empty body is a failed call, which the API server
    // answers by the failure policy.
    if serde_json::to_writer(&mut body, &review).is_err() {
        body.clear();
    }
    body
}

/// Longest warning, as long as all together are short.
const MAX_LONG_WARNING_CHARS: usize = 500;
/// Up to this total, warnings may be longer than the API server's limit for one: it cuts single warnings only where all of a
/// request together, also those of other webhooks, pass [`MAX_WARNINGS_CHARS`].
const MAX_SHORT_TOTAL_CHARS: usize = 2_000;

/// Fits warnings to what the API server passes on: one printable line each, the most severe first, none twice. Long words,
/// such as ARNs, are shortened in the middle before anything is cut off.
pub(super) fn fit_warnings<W: Into<Warning>>(warnings: impl IntoIterator<Item = W>) -> Vec<String> {
    let mut lines: Vec<Warning> = warnings.into_iter().take(MAX_WARNINGS).map(Into::into).collect();
    lines.dedup();
    let fit =
        |limit: usize| lines.iter().map(|line| shorten(&printable(line.within(limit)), limit)).collect::<Vec<_>>();
    let mut fitted = fit(MAX_LONG_WARNING_CHARS);
    if fitted.iter().map(|line| line.chars().count()).sum::<usize>() > MAX_SHORT_TOTAL_CHARS {
        fitted = fit(MAX_WARNING_CHARS);
    }
    let mut warnings: Vec<String> = Vec::new();
    let mut total = 0;
    for line in fitted {
        let length = line.chars().count();
        if warnings.contains(&line) {
            continue;
        }
        if total + length > MAX_WARNINGS_CHARS - 80 {
            warnings.push("rolecall: further warnings were left out; see the audit annotations".to_owned());
            break;
        }
        total += length;
        warnings.push(line);
    }
    warnings
}

/// Most warnings that are looked at: more than fit.
const MAX_WARNINGS: usize = 64;
/// Words up to this length are never shortened.
const SHORT_WORD_CHARS: usize = 24;

/// A text of at most this many characters: its longest words lose their middle, and only then its end is cut.
pub(super) fn shorten(text: &str, limit: usize) -> String {
    let text = cut(text, MAX_MESSAGE_CHARS);
    let mut words: Vec<Cow<'_, str>> = text.split(' ').map(Cow::Borrowed).collect();
    let length = |words: &[Cow<'_, str>]| words.iter().map(|word| word.chars().count() + 1).sum::<usize>() - 1;
    loop {
        let over = length(&words).saturating_sub(limit);
        if over == 0 {
            break;
        }
        let longest = words.iter_mut().max_by_key(|word| word.chars().count());
        let Some(longest) = longest.filter(|word| word.chars().count() > SHORT_WORD_CHARS) else {
            break;
        };
        let count = longest.chars().count();
        let keep = count.saturating_sub(over + 1).max(count / 2).max(SHORT_WORD_CHARS - 1);
        let (head, tail) = (keep / 2, keep - keep / 2);
        let shortened: String =
            longest.chars().take(head).chain(['…']).chain(longest.chars().skip(count - tail)).collect();
        *longest = Cow::Owned(shortened);
    }
    cut(&words.join(" "), limit).into_owned()
}

/// A text of at most this many characters; `…` stands for what was cut.
pub(super) fn cut(text: &str, limit: usize) -> Cow<'_, str> {
    // Nearly every text is shorter in bytes already.
    if text.len() <= limit {
        return Cow::Borrowed(text);
    }
    match text.char_indices().nth(limit) {
        None => Cow::Borrowed(text),
        Some(_) => Cow::Owned(text.chars().take(limit.saturating_sub(1)).chain(['…']).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_stay_within_the_api_servers_limits() {
        let lines = (0..100).map(|i| format!("{i} {}\nnext\u{7}", "é".repeat(400)));
        let warnings = fit_warnings(lines.chain(["same".to_owned(), "same".to_owned()]));
        assert!(warnings.iter().all(|w| w.chars().count() <= MAX_WARNING_CHARS && !w.chars().any(char::is_control)));
        assert!(warnings.iter().map(|w| w.chars().count()).sum::<usize>() <= MAX_WARNINGS_CHARS);
        assert!(warnings.last().unwrap().contains("left out"));
        assert_eq!(fit_warnings(["a".to_owned(), "a".to_owned()]).len(), 1);
        // A few may be longer than the API server's limit for one.
        let few = fit_warnings((0..4).map(|i| format!("{i} {}", "word ".repeat(99))));
        assert!(few.iter().all(|w| w.chars().count() <= MAX_LONG_WARNING_CHARS && w.chars().count() > 400));
    }

    #[test]
    fn names_are_shortened_before_evidence_is_cut() {
        let arn = format!("arn:aws:iam::111122223333:role/{}", "long-path/".repeat(40));
        let line =
            format!("rolecall: cannot assume role {arn} [role-missing]; expected {arn}; the account has no such role");
        let short = shorten(&line, MAX_WARNING_CHARS);
        assert!(short.chars().count() <= MAX_WARNING_CHARS, "{short}");
        assert!(
            short.ends_with("; the account has no such role") && short.contains("[role-missing]; expected "),
            "{short}"
        );
        assert_eq!(shorten("short", 5), "short");
        assert_eq!(shorten(&"a ".repeat(300), 20).chars().count(), 20);
    }
}
