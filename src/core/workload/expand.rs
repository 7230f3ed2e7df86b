//! References to other variables in the value of an environment variable, as the kubelet expands them (Kubernetes, "Define
//! Dependent Environment Variables"; `third_party/forked/golang/expansion/expand.go`).

use std::borrow::Cow;

use super::object::EnvVar;

/// How many references a value may lead through, as in `$(A)` with `A` being `$(B)$(B)`.
const MAX_REFERENCES: usize = 16;

/// Longest value that is put together here; longer than any ARN or URL (IAM API reference, AssumeRole: 2048).
const MAX_LENGTH: usize = 4096;

/// The value of the variable at an index, where the manifest alone says it: a text with its references to earlier entries
/// replaced. `None` where it comes from an object or a field, or leads to one, or to a name that no earlier entry has: a
/// Service or `envFrom` may define that.
pub fn literal<'e>(env: &'e [EnvVar<'_>], index: usize) -> Option<Cow<'e, str>> {
    let variable = env.get(index)?;
    if variable.value_from.is_some() {
        return None;
    }
    let text = variable.value.as_ref().map_or("", |value| value.as_str());
    if !text.contains('$') {
        return Some(Cow::Borrowed(text));
    }
    let mut expanded = String::new();
    let mut references = MAX_REFERENCES;
    expand(env.get(..index).unwrap_or_default(), text, &mut references, &mut expanded)?;
    Some(Cow::Owned(expanded))
}

/// Recurses once a reference at most, of which there are few.
fn expand(earlier: &[EnvVar<'_>], text: &str, references: &mut usize, expanded: &mut String) -> Option<()> {
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('$') {
        push(expanded, before)?;
        if let Some(behind) = behind.strip_prefix('$') {
            push(expanded, "$")?;
            rest = behind;
        } else if let Some((name, behind)) = behind.strip_prefix('(').and_then(|reference| reference.split_once(')')) {
            *references = references.checked_sub(1)?;
            let at = earlier.iter().rposition(|variable| variable.name.as_str() == name)?;
            let found = earlier.get(at)?;
            if found.value_from.is_some() {
                return None;
            }
            let value = found.value.as_ref().map_or("", |value| value.as_str());
            expand(earlier.get(..at)?, value, references, expanded)?;
            rest = behind;
        } else {
            // The kubelet copies the byte behind as a character of its own, which is another one outside of ASCII.
            if behind.starts_with(|next: char| !next.is_ascii()) {
                return None;
            }
            push(expanded, "$")?;
            rest = behind;
        }
    }
    push(expanded, rest)
}

fn push(expanded: &mut String, text: &str) -> Option<()> {
    expanded.push_str(text);
    (expanded.len() <= MAX_LENGTH).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Container;

    fn last(env: &serde_json::Value) -> Option<String> {
        let text = serde_json::json!({"env": env}).to_string();
        let container: Container<'_> = serde_json::from_str(&text).unwrap();
        literal(&container.env, container.env.len() - 1).map(Cow::into_owned)
    }

    fn of(value: &str) -> Option<String> {
        last(&serde_json::json!([
        {"name": "ACCOUNT", "value": "000000000000"},
        {"name": "ACCOUNT", "value": "111122223333"},
        {"name": "NAME", "value": "carts"},
        {"name": "ROLE", "value": "role/$(NAME)"},
        {"name": "EMPTY"},
        {"name": "FIELD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "LED", "value": "x$(FIELD)"},
        {"name": "UNDER_TEST", "value": value},
        ]))
    }

    #[test]
    fn expands_as_the_kubelet_does() {
        for (value, expected) in [
            ("plain", "plain"),
            ("$(NAME)", "carts"),
            ("arn:aws:iam::$(ACCOUNT):role/$(NAME)", "arn:aws:iam::111122223333:role/carts"),
            ("arn:aws:iam::$(ACCOUNT):$(ROLE)", "arn:aws:iam::111122223333:role/carts"),
            ("$$(NAME)", "$(NAME)"),
            ("$$$(NAME)", "$carts"),
            ("a$$b", "a$b"),
            ("a$b$", "a$b$"),
            ("$(NAME", "$(NAME"),
            ("[$(EMPTY)]", "[]"),
            ("$NAME", "$NAME"),
        ] {
            assert_eq!(of(value).as_deref(), Some(expected), "{value}");
        }
    }

    #[test]
    fn what_the_manifest_does_not_say_is_not_known() {
        for value in ["$(OTHER)", "x-$(FIELD)", "$(LED)", "$(UNDER_TEST)", "$()", "$(NAME", "$é"] {
            let expected = (value == "$(NAME").then_some(value);
            assert_eq!(of(value).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn values_that_double_are_not_followed() {
        let mut env = vec![serde_json::json!({"name": "V0", "value": "0123456789"})];
        env.extend((1..60).map(|i| {
            let value = format!("$(V{0})$(V{0})", i - 1);
            serde_json::json!({"name": format!("V{i}"), "value": value})
        }));
        assert_eq!(last(&env.into()), None);
    }
}
