//! Where the pages of `docs/rules/` are published.

use std::fmt;

use serde::{Deserialize, Deserializer};

/// Longest base: a denial has at most two URLs, and the API server passes some kilobytes on.
const MAX_BYTES: usize = 300;
/// What the name of the rule replaces.
const PLACEHOLDER: &str = "{rule}";

/// The address of the published rule pages, for instance `https://docs.example.com/rolecall/{rule}.html`. Without `{rule}`, the name
/// of the rule is the last part of the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocsUrl(Box<str>);

impl DocsUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// Where it is not an `http` or `https` address that can be printed on a line.
    pub fn parse(text: &str) -> Result<Self, DocsUrlError> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let is_printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        match rest {
            Some(rest)
                if is_printable && text.len() <= MAX_BYTES && !rest.starts_with(['/', '{']) && !rest.is_empty() =>
            {
                Ok(Self(text.into()))
            }
            _ => Err(DocsUrlError),
        }
    }

    /// The address of a rule's page.
    pub fn of(&self, rule: &str) -> String {
        if self.0.contains(PLACEHOLDER) {
            self.0.replace(PLACEHOLDER, rule)
        } else {
            format!("{}/{rule}", self.0.trim_end_matches('/'))
        }
    }
}

impl<'de> Deserialize<'de> for DocsUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// The text is no address of rule pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocsUrlError;

impl fmt::Display for DocsUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "must be an http or https URL of at most {MAX_BYTES} characters, such as https://docs.example.com/{{rule}}.html"
        )
    }
}

impl std::error::Error for DocsUrlError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_goes_into_its_place() {
        for (base, page) in [
            ("https://docs.example.com/rules", "https://docs.example.com/rules/static-keys"),
            ("https://docs.example.com/rules/", "https://docs.example.com/rules/static-keys"),
            ("http://x/{rule}.html#{rule}", "http://x/static-keys.html#static-keys"),
        ] {
            assert_eq!(DocsUrl::parse(base).unwrap().of("static-keys"), page);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("https://x/{}", "a".repeat(MAX_BYTES));
        for text in [
            "",
            "docs",
            "ftp://x/y",
            "https://",
            "https:///x",
            "https://{rule}",
            "https://x/a b",
            "https://x/\n",
            &long,
        ] {
            assert_eq!(DocsUrl::parse(text), Err(DocsUrlError), "{text:?}");
        }
    }
}
