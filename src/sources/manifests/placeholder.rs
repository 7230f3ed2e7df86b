//! Values that something else fills in before they are applied.

/// The first placeholder in a text: `${NAME}`, `$NAME` or `{{ … }}`. `$(NAME)` is none: Kubernetes itself expands it, as the
/// manifest stands.
pub fn placeholder(text: &str) -> Option<&str> {
    for (at, _) in text.match_indices(['$', '{']) {
        let from = text.get(at..).unwrap_or_default();
        if from.starts_with("${") {
            return from.get(..=from.find('}').unwrap_or(from.len() - 1)).or(Some(from));
        }
        if from.starts_with("{{") {
            return from.get(..from.find("}}").map_or(from.len(), |end| end + 2));
        }
        if let Some(after) = from.strip_prefix('$')
            && after.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        {
            let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
            return from.get(..=end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::placeholder;

    #[test]
    fn finds_what_is_filled_in_later() {
        for (text, found) in [
            ("arn:aws:iam::${AWS_ACCOUNT_ID}:role/x", Some("${AWS_ACCOUNT_ID}")),
            ("${var.account_id}", Some("${var.account_id}")),
            ("${unclosed", Some("${unclosed")),
            ("a-$ENV-b", Some("$ENV")),
            ("$ENV", Some("$ENV")),
            ("{{ .Values.roleArn }}", Some("{{ .Values.roleArn }}")),
            ("x{{ open", Some("{{ open")),
            ("$(NAME)", None),
            ("a$", None),
            ("US$5", None),
            ("{a}", None),
            ("arn:aws:iam::<ACCOUNT_ID>:role/x", None),
            ("", None),
        ] {
            assert_eq!(placeholder(text), found, "{text}");
        }
    }
}
