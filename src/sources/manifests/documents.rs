//! A text as documents, separated as kubectl separates them (k8s.io/apimachinery, `util/yaml.NewYAMLOrJSONDecoder`): a text that
//! begins with `{` is a stream of JSON values until one cannot be read; the first two chances are JSON's, then it is YAML for
//! good. In YAML only lines that begin with `---` separate. Unlike kubectl, what follows an unreadable document is read too.

use std::borrow::Cow;
use std::cell::RefCell;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::task_definitions;
use super::yaml::{self, DuplicateKey, Fault};

/// One document that is not empty.
#[derive(Debug)]
pub(super) struct Document {
    /// Where it begins, from 1.
    pub(super) line: usize,
    /// Its value, or why there is none. Lines are those of the text.
    pub(super) content: Result<Value, Fault>,
    /// Lines are those of the text.
    pub(super) duplicates: Vec<DuplicateKey>,
    /// What of the text it was read from.
    pub(super) span: Span,
}

/// A part of a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    /// From this byte.
    pub(super) start: usize,
    /// To before this one.
    pub(super) end: usize,
    /// The line of its start, from 1.
    pub(super) line: usize,
    pub(super) is_json: bool,
    /// A key is given twice, and the last one counts.
    pub(super) has_duplicates: bool,
}

/// Every document of a text that is not empty, in order.
pub(super) fn documents(bytes: &[u8]) -> Vec<Document> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) => {
            let good = bytes.get(..e.valid_up_to()).unwrap_or_default();
            let line = 1 + good.iter().filter(|b| **b == b'\n').count();
            return vec![unreadable(1, Fault::new(line, format!("is not UTF-8: byte {} is wrong", e.valid_up_to())))];
        }
    };
    let mut reader = Reader { text, at: 0, line: 1, found: Vec::new() };
    if text.trim_start().starts_with('{') {
        reader.json();
    } else if let Some(list) = json_list(text) {
        reader.found.push(list);
    } else {
        reader.yaml();
    }
    reader.found
}

/// A text that is one list of JSON. kubectl reads it as YAML, which may be the same, but has no tabs.
fn json_list(text: &str) -> Option<Document> {
    let start = text.trim_start();
    if !start.starts_with('[') {
        return None;
    }
    let duplicates = RefCell::new(Vec::new());
    let mut deserializer = serde_json::Deserializer::from_str(start);
    let value = (Json { duplicates: &duplicates }).deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    let before = text.len() - start.len();
    let line = 1 + text.bytes().take(before).filter(|b| *b == b'\n').count();
    let duplicates: Vec<_> = duplicates.into_inner().into_iter().map(|key| DuplicateKey { line, key }).collect();
    let has_duplicates = !duplicates.is_empty();
    let span = Span { start: before, end: text.len(), line, is_json: true, has_duplicates };
    Some(Document { line, content: Ok(value), duplicates, span })
}

fn unreadable(line: usize, fault: Fault) -> Document {
    Document { line, content: Err(fault), duplicates: Vec::new(), span: Span::default() }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    /// The line of `at`.
    line: usize,
    found: Vec<Document>,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Goes on by so many bytes, and returns them.
    fn skip(&mut self, bytes: usize) -> &'t str {
        let skipped = self.rest().get(..bytes).unwrap_or_default();
        self.line += skipped.bytes().filter(|b| *b == b'\n').count();
        self.at += skipped.len();
        skipped
    }

    fn json(&mut self) {
        let mut read = 0;
        loop {
            let rest = self.rest();
            self.skip(rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len());
            if self.rest().is_empty() {
                return;
            }
            let duplicates = RefCell::new(Vec::new());
            let mut deserializer = serde_json::Deserializer::from_str(self.rest());
            match (Json { duplicates: &duplicates }).deserialize(&mut deserializer) {
                Ok(value) => {
                    let line = self.line;
                    // A deserializer says no offset, an iterator over it does.
                    let end = deserializer.into_iter::<serde::de::IgnoredAny>().byte_offset();
                    let span = (self.at, self.at + end);
                    self.skip(end);
                    read += 1;
                    let keys = duplicates.into_inner().into_iter();
                    let duplicates: Vec<_> = keys.map(|key| DuplicateKey { line, key }).collect();
                    let (start, end) = span;
                    let span = Span { start, end, line, is_json: true, has_duplicates: !duplicates.is_empty() };
                    if !value.is_null() {
                        self.found.push(Document { line, content: Ok(value), duplicates, span });
                    }
                }
                Err(e) if read < 2 => {
                    let before = self.found.len();
                    // What was read ends here; the rest of its line is blank.
                    let rest = self.rest();
                    let blank = rest.len() - rest.trim_start().len();
                    let line_end = rest.find('\n').map_or(rest.len(), |at| at + 1);
                    self.skip(blank.min(line_end));
                    self.yaml();
                    if let Some(Document { content: Err(fault), .. }) = self.found.get_mut(before)
                        && read == 0
                    {
                        fault.reason = format!("{}, nor YAML: {}", reason(&e), fault.reason);
                    }
                    return;
                }
                Err(e) => {
                    let line = self.line + e.line().saturating_sub(1);
                    self.found.push(unreadable(self.line, Fault::new(line, reason(&e))));
                    return self.recover();
                }
            }
        }
    }

    /// Goes on behind a JSON value that cannot be read: at a separator, or where a line begins another one.
    fn recover(&mut self) {
        let rest = self.rest();
        let next = rest.match_indices('\n').map(|(at, _)| at + 1).find(|at| {
            let line = rest.get(*at..).unwrap_or_default();
            line.starts_with("---") || line.starts_with('{')
        });
        let Some(next) = next else { return };
        self.skip(next);
        if self.rest().starts_with('{') { self.json() } else { self.yaml() }
    }

    fn yaml(&mut self) {
        let mut fits = !self.rest().starts_with("---") || self.is_separator();
        while !self.rest().is_empty() {
            let (line, start) = (self.line, self.at);
            // A separator that ends nothing belongs to what follows it.
            let chunk = self.skip_to_separator();
            if fits {
                self.document(chunk, Span { start, end: self.at, line, is_json: false, has_duplicates: false });
            }
            fits = self.rest().is_empty() || self.is_separator();
            if fits {
                let rest = self.rest();
                self.skip(rest.find('\n').map_or(rest.len(), |at| at + 1));
                fits = !self.rest().starts_with("---") || self.is_separator();
            }
        }
    }

    /// Whether the line that begins with `---` here is one that kubectl takes; where it is not, that is listed.
    fn is_separator(&mut self) -> bool {
        let after = self.rest().lines().next().and_then(|line| line.strip_prefix("---")).unwrap_or_default().trim();
        let fits = after.is_empty() || after.starts_with('#');
        if !fits {
            let fault = Fault::new(self.line, "kubectl refuses what stands behind the separator `---`");
            self.found.push(unreadable(self.line, fault));
        }
        fits
    }

    /// Goes to the next line that begins with `---` and is not this one, and returns what was passed.
    fn skip_to_separator(&mut self) -> &'t str {
        let rest = self.rest();
        let end = rest.find("\n---").map_or(rest.len(), |at| at + 1);
        self.skip(end)
    }

    fn document(&mut self, chunk: &str, span: Span) {
        let line = span.line;
        let chunk: Cow<'_, str> =
            if chunk.ends_with('\n') { Cow::Borrowed(chunk) } else { Cow::Owned(format!("{chunk}\n")) };
        let is_blank = |line: &str| {
            let line = line.trim();
            // `---#` is a separator for kubectl's splitter, and a text for its parser.
            line.is_empty()
                || line.starts_with('#')
                || line == "---"
                || line.starts_with("--- ")
                || line.starts_with("---\t")
        };
        let Some(blank) = chunk.lines().position(|line| !is_blank(line)) else {
            // Nothing but comments; one may still hide what kubectl reads.
            if chunk.bytes().any(|b| matches!(b, b'\r' | 0xc2 | 0xe2))
                && let Err(fault) = yaml::read(&chunk)
            {
                let fault = Fault { line: line + fault.line.saturating_sub(1), ..fault };
                self.found.push(unreadable(line, fault));
            }
            return;
        };
        let absolute = |within: usize| line + within.max(1) - 1;
        match yaml::read(&chunk) {
            Ok((Value::Null, _)) => {}
            Ok((value, mut duplicates)) => {
                // What reads it as kubectl does has lost the functions of a template.
                let value = match chunk.contains('!') && task_definitions::is_template(&value) {
                    true => yaml::read_template(&chunk).unwrap_or(value),
                    false => value,
                };
                for duplicate in &mut duplicates {
                    duplicate.line = absolute(duplicate.line);
                }
                let span = Span { has_duplicates: !duplicates.is_empty(), ..span };
                self.found.push(Document { line: line + blank, content: Ok(value), duplicates, span });
            }
            Err(fault) => {
                let hint = if chunk.contains("{{") {
                    "; a template must be rendered first, as by `helm template`"
                } else {
                    ""
                };
                let at = if fault.line == 0 { line + blank } else { absolute(fault.line) };
                self.found.push(unreadable(line + blank, Fault::new(at, fault.reason + hint)));
            }
        }
    }
}

/// What serde_json says, without the place: that is given beside it.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let bare = text.rsplit_once(" at line ").map_or(text.as_str(), |(bare, _)| bare);
    format!("is not JSON: {bare}")
}

/// A JSON value in which a member may stand twice: the last counts, as in Go.
struct Json<'d> {
    duplicates: &'d RefCell<Vec<String>>,
}

impl<'de> DeserializeSeed<'de> for Json<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Json<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Json { duplicates: self.duplicates })? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(Json { duplicates: self.duplicates })?;
            if members.contains_key(&key) {
                self.duplicates.borrow_mut().push(key.clone());
            }
            members.insert(key, value);
        }
        Ok(Value::Object(members))
    }
}
