//! Values that something else fills in before they are applied.

/// Beginnings and ends of placeholders: of Flux and envsubst, Helm and Jinja, `cdktf` and Terraform templates, Octopus and
/// Replace Tokens, Concourse, EJS and ERB, and the Argo CD Vault Plugin.
const BRACKETS: [(&str, &str); 8] =
    [("${", "}"), ("{{", "}}"), ("%{", "}"), ("#{", "}"), ("((", "))"), ("[[", "]]"), ("<%", "%>"), ("<path:", ">")];

/// The first placeholder in a text: `${NAME}`, `$NAME`, `{{ … }}` or other brackets, or a reference of vals
/// (`ref+vault://…`), which is the whole text. `$(NAME)` is none: Kubernetes itself expands it, as the manifest stands.
pub fn placeholder(text: &str) -> Option<&str> {
    if text.starts_with("ref+") && text.contains("://") {
        return Some(text);
    }
    for (at, _) in text.match_indices(['$', '{', '%', '#', '(', '[', '<']) {
        let from = text.get(at..).unwrap_or_default();
        if let Some((_, end)) = BRACKETS.iter().find(|(begin, _)| from.starts_with(begin)) {
            return from.get(..from.find(end).map_or(from.len(), |at| at + end.len()));
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
            ("arn:aws:iam::<path:kv/data/aws#account>:role/x", Some("<path:kv/data/aws#account>")),
            ("ref+awsssm://carts/role", Some("ref+awsssm://carts/role")),
            ("arn:aws:iam::#{AccountId}:role/x", Some("#{AccountId}")),
            ("#{TOKEN}#", Some("#{TOKEN}")),
            ("((role))", Some("((role))")),
            ("<%= role %>", Some("<%= role %>")),
            ("[[ .role ]]", Some("[[ .role ]]")),
            ("%{ if a }", Some("%{ if a }")),
            ("100% #1 (a) [b]", None),
            ("preference+x", None),
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
