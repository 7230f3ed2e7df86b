//! What is read and not checked, counted by kind.

use std::collections::BTreeMap;

use serde_json::Value;

/// Characters of a kind or an API version that are kept.
const MAX_NAME_CHARS: usize = 100;

/// A kind that is not checked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SkippedKind {
    /// `apiVersion`; `None` where a document is no Kubernetes object.
    pub api_version: Option<String>,
    /// `kind`
    pub kind: Option<String>,
}

/// How many objects of a kind are not checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SkippedCount {
    /// Objects.
    pub objects: usize,
    /// Of them, those that have a list of containers somewhere: they may run pods.
    pub with_pods: usize,
}

/// All that is not checked.
pub type Skipped = BTreeMap<SkippedKind, SkippedCount>;

pub(super) fn add(skipped: &mut Skipped, api_version: &str, kind: &str, value: &Value) {
    let name = |text: &str| Some(text.chars().take(MAX_NAME_CHARS).collect::<String>());
    let key = match api_version.is_empty() || kind.is_empty() {
        true => SkippedKind { api_version: None, kind: None },
        false => SkippedKind { api_version: name(api_version), kind: name(kind) },
    };
    let count = skipped.entry(key).or_default();
    count.objects += 1;
    count.with_pods += usize::from(has_containers(value));
}

/// Whether a value has a list of containers in it: objects with names below `containers`.
fn has_containers(value: &Value) -> bool {
    let mut values = vec![value];
    while let Some(value) = values.pop() {
        match value {
            Value::Object(fields) => {
                let containers = fields.get("containers").and_then(Value::as_array);
                if containers.is_some_and(|list| list.iter().any(|one| one.get("name").is_some_and(Value::is_string))) {
                    return true;
                }
                values.extend(fields.values().filter(|value| value.is_object() || value.is_array()));
            }
            Value::Array(items) => values.extend(items.iter().filter(|value| value.is_object() || value.is_array())),
            _ => {}
        }
    }
    false
}
