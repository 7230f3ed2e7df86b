//! `--substitute` and `--substitute-file`: placeholders filled as Flux's post-build substitution fills them
//! (fluxcd/pkg/envsubst, after drone/envsubst). Where Flux would put nothing for a variable that it was not given, the
//! placeholder stays, and what depends on it is unknown.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use serde_json::{Map, Value};

use super::{documents, scalar};

/// A resource with this label or annotation, set to `disabled`, is left alone.
const OPT_OUT: &str = "kustomize.toolkit.fluxcd.io/substitute";
/// Defaults within defaults.
const MAX_DEPTH: usize = 8;

/// What placeholders stand for.
#[derive(Debug, Default)]
pub struct Substitutions {
    values: HashMap<String, String>,
}

impl Substitutions {
    /// Reads files, and `KEY=VALUE` pairs, which win over files; `None` where there are neither.
    ///
    /// # Errors
    /// Where a file cannot be read, or something is no pair.
    pub fn new(files: &[PathBuf], pairs: &[String]) -> anyhow::Result<Option<Self>> {
        if files.is_empty() && pairs.is_empty() {
            return Ok(None);
        }
        let mut values = HashMap::new();
        for file in files {
            let name = file.display();
            let bytes = std::fs::read(file).with_context(|| format!("{name}: cannot be read"))?;
            read_file(&bytes, &mut values).with_context(|| format!("{name}: has no variables that can be read"))?;
        }
        for pair in pairs {
            let Some((key, value)) = pair.split_once('=').filter(|(key, _)| is_name(key)) else {
                bail!("--substitute: write KEY=VALUE, such as AWS_ACCOUNT_ID=111122223333");
            };
            values.insert(key.to_owned(), value.to_owned());
        }
        Ok(Some(Self { values }))
    }

    /// Fills every text of an object, keys too.
    pub(super) fn fill(&self, value: &mut Value) {
        let opted_out = |map: &str| value.pointer(map).and_then(|map| map.get(OPT_OUT)).and_then(Value::as_str);
        if opted_out("/metadata/labels") == Some("disabled") || opted_out("/metadata/annotations") == Some("disabled") {
            return;
        }
        let mut open = vec![value];
        while let Some(value) = open.pop() {
            match value {
                Value::String(text) if text.contains('$') => *text = self.text(text, 0),
                Value::Array(items) => open.extend(items),
                Value::Object(entries) => {
                    if entries.keys().any(|key| key.contains('$')) {
                        let filled = std::mem::take(entries).into_iter();
                        *entries = filled.map(|(key, value)| (self.text(&key, 0), value)).collect::<Map<_, _>>();
                    }
                    open.extend(entries.values_mut());
                }
                _ => {}
            }
        }
    }

    fn text(&self, text: &str, depth: usize) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            filled.push_str(rest.get(..at).unwrap_or_default());
            let from = rest.get(at..).unwrap_or_default();
            if let Some(after) = from.strip_prefix("$$") {
                filled.push('$');
                rest = after;
                continue;
            }
            let expression = from.strip_prefix("${").and_then(|after| after.get(..closing(after)?));
            match expression {
                Some(expression) => {
                    match self.evaluate(expression, depth) {
                        Some(value) => filled.push_str(&value),
                        None => filled.push_str(from.get(..expression.len() + 3).unwrap_or_default()),
                    }
                    rest = from.get(expression.len() + 3..).unwrap_or_default();
                }
                None => {
                    filled.push('$');
                    rest = from.get(1..).unwrap_or_default();
                }
            }
        }
        filled.push_str(rest);
        filled
    }

    /// What stands between the braces, as a value; `None` where the variable was not given, or the form is not supported.
    fn evaluate(&self, expression: &str, depth: usize) -> Option<String> {
        let end = expression.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(expression.len());
        let (name, operator) = (expression.get(..end)?, expression.get(end..)?);
        if !is_name(name) || depth > MAX_DEPTH {
            return None;
        }
        let value = self.values.get(name);
        let default = [":=", ":-", ":?", ":+", "="].into_iter().find_map(|form| operator.strip_prefix(form));
        if let Some(default) = default {
            // An empty value takes the default too; `:?` and `:+` are no different here.
            let value = value.filter(|value| !value.is_empty() || default.is_empty());
            return Some(value.cloned().unwrap_or_else(|| self.text(default, depth + 1)));
        }
        let value = value?;
        let first = |change: fn(&str) -> String| {
            let at = value.chars().next().map_or(0, char::len_utf8);
            let (first, others) = (value.get(..at).unwrap_or_default(), value.get(at..).unwrap_or_default());
            change(first) + others
        };
        match operator {
            "" => Some(value.clone()),
            "^^" => Some(value.to_uppercase()),
            ",," => Some(value.to_lowercase()),
            "^" => Some(first(str::to_uppercase)),
            "," => Some(first(str::to_lowercase)),
            _ => None,
        }
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Where the brace is that closes an expression.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut before = ' ';
    for (at, character) in text.char_indices() {
        match character {
            '{' if before == '$' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
        before = character;
    }
    None
}

/// A mapping of texts, a ConfigMap, a Secret, or lines of `KEY=VALUE`.
fn read_file(bytes: &[u8], values: &mut HashMap<String, String>) -> anyhow::Result<()> {
    let mut read = false;
    for document in documents::documents(bytes) {
        let Ok(Value::Object(mut object)) = document.content else { continue };
        read = true;
        let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
        let sources: &[&str] = match kind {
            "ConfigMap" => &["data"],
            "Secret" => &["data", "stringData"],
            _ => &[],
        };
        let encoded = kind == "Secret";
        if sources.is_empty() {
            add(object, false, values)?;
            continue;
        }
        for source in sources {
            if let Some(Value::Object(entries)) = object.remove(*source) {
                add(entries, encoded && *source == "data", values)?;
            }
        }
    }
    if read {
        return Ok(());
    }
    for (index, line) in std::str::from_utf8(bytes).context("is not UTF-8")?.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let pair = line.split_once('=').map(|(key, value)| (key.trim(), value.trim()));
        let Some((key, value)) = pair.filter(|(key, _)| is_name(key)) else {
            bail!("line {} is not KEY=VALUE", index + 1);
        };
        let unquoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
        values.insert(key.to_owned(), unquoted.unwrap_or(value).to_owned());
    }
    Ok(())
}

fn add(entries: Map<String, Value>, encoded: bool, values: &mut HashMap<String, String>) -> anyhow::Result<()> {
    for (key, value) in entries {
        ensure!(is_name(&key), "`{}` is no name of a variable", key.escape_debug());
        let text = match value {
            Value::String(text) if encoded => {
                scalar::binary(&text).map_err(|_| anyhow::anyhow!("{key} is not base64"))?
            }
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(value) => value.to_string(),
            Value::Null => String::new(),
            Value::Array(_) | Value::Object(_) => bail!("{key} must be a text"),
        };
        values.insert(key, text);
    }
    Ok(())
}
