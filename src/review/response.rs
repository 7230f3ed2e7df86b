//! Writing an AdmissionReview (Kubernetes API reference, AdmissionResponse v1).

use std::borrow::Cow;

use rolecall_core::finding::printable;
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

/// Cuts warnings to what the API server passes on: one printable line each, the most severe first, none twice.
pub(super) fn fit_warnings(lines: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut warnings: Vec<String> = Vec::new();
    let mut total = 0;
    for line in lines {
        let line = cut(&printable(&line), MAX_WARNING_CHARS).into_owned();
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
    }
}
