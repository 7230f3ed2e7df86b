//! Entries of the snapshot's lists, each read on its own: one that is malformed costs only itself.

use std::borrow::Cow;
use std::collections::HashMap;

use jiff::Timestamp;
use rolecall_iam::Document;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::fault::{Result, SnapshotError, error};
use super::model::LazyDocument;

/// The JSON of an entry.
pub(super) type Raw<'a> = &'a RawValue;

/// What is wrong with single entries.
pub(super) type Faults = Vec<SnapshotError>;

/// Reads an entry; the error names the place within it.
pub(super) fn read<'a, T: Deserialize<'a>>(raw: Raw<'a>, place: &str) -> Result<T> {
    // A list would be taken for the fields of an object in their order.
    if raw.get().starts_with('[') {
        return Err(error(place, "is a list, not an object"));
    }
    serde_json::from_str(raw.get()).map_err(|_| {
        // Read again, slowly, for the place.
        let mut deserializer = serde_json::Deserializer::from_str(raw.get());
        match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
            Err(fault) => {
                let within = fault.path().to_string();
                let place = match within.as_str() {
                    "." => place.to_owned(),
                    _ if within.starts_with('[') => format!("{place}{within}"),
                    _ => format!("{place}.{within}"),
                };
                // The line and column are those of the entry alone.
                let message = fault.inner().to_string();
                let message = message.split(" at line ").next().unwrap_or(&message);
                error(place, message)
            }
            Ok(_) => error(place, "cannot be read"),
        }
    })
}

/// The fields of an entry that cannot be read as a whole.
pub(super) struct Fields<'a>(HashMap<Cow<'a, str>, Raw<'a>>);

impl<'a> Fields<'a> {
    /// Empty where it is not even an object.
    pub(super) fn of(raw: Raw<'a>) -> Self {
        Self(serde_json::from_str(raw.get()).unwrap_or_default())
    }

    /// A field as it stands.
    pub(super) fn raw(&self, name: &str) -> Option<Raw<'a>> {
        self.0.get(name).copied().filter(|raw| raw.get() != "null")
    }

    /// A field, where it can be read.
    pub(super) fn get<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.raw(name)?.get()).ok()
    }
}

/// A policy document, parsed.
pub(super) fn document(raw: Raw<'_>, place: &str, of: &str) -> Result<Document> {
    let text = document_text(raw, place)?;
    Document::parse(&text).map_err(|e| error(place, format!("({of}) {e}")))
}

/// A policy document that is parsed when it is first asked.
pub(super) fn lazy_document(raw: Raw<'_>, place: &str, faults: &mut Faults) -> LazyDocument {
    LazyDocument::new(document_text(raw, place).unwrap_or_else(|fault| {
        faults.push(fault);
        Cow::Borrowed("")
    }))
}

/// The JSON of a policy document that came as an object, or as a string that may be URL-encoded.
fn document_text<'r>(raw: &'r RawValue, place: &str) -> Result<Cow<'r, str>> {
    let text = raw.get();
    if !text.starts_with('"') {
        return Ok(Cow::Borrowed(text));
    }
    serde_json::from_str::<String>(text).map(Cow::Owned).map_err(|e| error(place, e.to_string()))
}

/// The AWS CLI prints times as text, the API sends them as seconds since 1970.
pub(super) fn time(value: &serde_json::Value, place: &str) -> Result<Timestamp> {
    let time = match value {
        serde_json::Value::String(text) => text.parse().ok(),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole seconds are enough, and out of range is refused below"
        )]
        serde_json::Value::Number(number) => number.as_f64().and_then(|s| Timestamp::from_second(s as i64).ok()),
        _ => None,
    };
    time.ok_or_else(|| error(place, "is neither a time such as 2026-11-24T17:26:52Z nor seconds since 1970"))
}
