//! Paths into an object: `spec.acme.solvers[].dns01.route53`, `annotations["eks.amazonaws.com/role-arn"]`. They come from
//! tables, and what they lead through comes from anybody: each step is checked, and nothing recurses on the object.

use serde_json::Value;

/// Most places that a path with lists is followed to.
pub(super) const MAX_PLACES: usize = 64;

/// What is at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At<T> {
    /// Nothing: absent, null or, of a text, empty. Go writes and reads these alike.
    Absent,
    /// A value of another type than the CustomResourceDefinition has.
    Malformed,
    /// A value.
    Is(T),
}

/// A step of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step<'p> {
    Field(&'p str),
    Items,
}

/// The steps of a path.
struct Steps<'p>(&'p str);

impl<'p> Iterator for Steps<'p> {
    type Item = Step<'p>;

    fn next(&mut self) -> Option<Step<'p>> {
        if let Some(rest) = self.0.strip_prefix("[]") {
            self.0 = rest;
            return Some(Step::Items);
        }
        if let Some(rest) = self.0.strip_prefix("[\"")
            && let Some((key, rest)) = rest.split_once("\"]")
        {
            self.0 = rest;
            return Some(Step::Field(key));
        }
        let path = self.0.strip_prefix('.').unwrap_or(self.0);
        if path.is_empty() {
            return None;
        }
        let (key, rest) = path.split_at(path.find(['.', '[']).unwrap_or(path.len()));
        self.0 = rest;
        Some(Step::Field(key))
    }
}

/// What is at a path, of which no step is a list; an empty path leads to the value itself.
pub(super) fn value<'o>(from: &'o Value, path: &str) -> At<&'o Value> {
    let mut value = from;
    for step in Steps(path) {
        let Step::Field(key) = step else { return At::Malformed };
        match value {
            Value::Object(fields) => match fields.get(key) {
                None | Some(Value::Null) => return At::Absent,
                Some(field) => value = field,
            },
            _ => return At::Malformed,
        }
    }
    if value.is_null() { At::Absent } else { At::Is(value) }
}

/// The text at a path.
pub(super) fn text<'o>(from: &'o Value, path: &str) -> At<&'o str> {
    match value(from, path) {
        At::Is(Value::String(text)) if text.is_empty() => At::Absent,
        At::Is(Value::String(text)) => At::Is(text),
        At::Is(_) | At::Malformed => At::Malformed,
        At::Absent => At::Absent,
    }
}

/// A place that a path with lists leads to: its own path, with the positions in the lists, and what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place<'o> {
    pub(super) path: String,
    pub(super) value: &'o Value,
}

/// All places that a path with lists leads to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Places<'o> {
    pub(super) found: Vec<Place<'o>>,
    /// Paths of what has another type.
    pub(super) malformed: Vec<String>,
    /// There are more than are followed.
    pub(super) more: bool,
}

/// Follows a path with lists.
pub(super) fn places<'o>(from: &'o Value, path: &str) -> Places<'o> {
    let mut places = Places { found: vec![Place { path: String::new(), value: from }], ..Places::default() };
    for step in Steps(path) {
        let before = std::mem::take(&mut places.found);
        for Place { path, value } in before {
            match (step, value) {
                (_, Value::Null) => {}
                (Step::Field(key), Value::Object(fields)) => {
                    let path = joined(&path, key);
                    places.found.extend(fields.get(key).map(|value| Place { path, value }));
                }
                (Step::Items, Value::Array(items)) => {
                    let room = MAX_PLACES - places.found.len();
                    places.more |= items.len() > room;
                    let items = items.iter().take(room).enumerate();
                    places.found.extend(items.map(|(at, value)| Place { path: format!("{path}[{at}]"), value }));
                }
                (Step::Field(_) | Step::Items, _) => places.malformed.push(path),
            }
        }
    }
    places.found.retain(|place| !place.value.is_null());
    places
}

/// A path and what follows it.
pub(super) fn joined(path: &str, further: &str) -> String {
    match (path.is_empty(), further.is_empty()) {
        (true, _) => further.to_owned(),
        (_, true) => path.to_owned(),
        _ if further.starts_with('[') => format!("{path}{further}"),
        _ => format!("{path}.{further}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn follows_fields_keys_and_lists() {
        let object =
            json!({"a": {"b": "x", "c.d/e": "y", "n": null, "empty": ""}, "l": [{"v": 1}, {"v": 2}, null, {}]});
        assert_eq!(text(&object, "a.b"), At::Is("x"));
        assert_eq!(text(&object, r#"a["c.d/e"]"#), At::Is("y"));
        assert_eq!(text(&object, "a.n"), At::Absent);
        assert_eq!(text(&object, "a.empty"), At::Absent);
        assert_eq!(text(&object, "a.none.deeper"), At::Absent);
        assert_eq!(text(&object, "a.b.deeper"), At::Malformed);
        assert_eq!(text(&object, "l"), At::Malformed);
        let found = places(&object, "l[].v");
        let paths: Vec<&str> = found.found.iter().map(|place| place.path.as_str()).collect();
        assert_eq!(paths, ["l[0].v", "l[1].v"]);
        assert_eq!(places(&object, "a[]").malformed, ["a"]);
        assert_eq!(places(&object, "l.v").malformed, ["l"]);
        assert_eq!(places(&object, "").found.len(), 1);
    }

    #[test]
    fn follows_no_more_than_its_limit() {
        let inner: Vec<Value> = (0..100).map(|n| json!(n)).collect();
        let object = json!({"l": vec![json!(inner); 100]});
        let found = places(&object, "l[][]");
        assert!(found.more && found.found.len() == MAX_PLACES);
    }
}
