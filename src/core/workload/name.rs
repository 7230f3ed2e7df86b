//! Names that come from reviews, before they become parts of a request's path or of a message.

/// Whether a text can be the name of an object: a DNS subdomain (Kubernetes, "Object Names and IDs"). Names become parts of
/// the path of a request, so nothing else may pass.
pub fn is_object_name(name: &str) -> bool {
    let is_end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=253).contains(&name.len())
        && name.starts_with(is_end)
        && name.ends_with(is_end)
        && !name.contains("..")
        && name.chars().all(|c| is_end(c) || c == '-' || c == '.')
}

#[cfg(test)]
mod tests {
    use super::is_object_name;

    #[test]
    fn names_that_are_paths_do_not_pass() {
        for name in ["carts", "carts-7d9f", "a.b-c.d1", "0"] {
            assert!(is_object_name(name), "{name}");
        }
        for name in ["", "../../secrets/x", "a/b", "a..b", ".", "..", "A", "a%2fb", "a?x=1", "-a", "a-", "a b", "ä"] {
            assert!(!is_object_name(name), "{name}");
        }
        assert!(!is_object_name(&"a".repeat(254)));
    }
}
