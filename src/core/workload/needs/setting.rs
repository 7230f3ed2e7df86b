//! A line of a file as a setting, and what its key and value look like.

/// A line as a setting.
pub(super) struct Setting<'a> {
    pub indentation: usize,
    pub key: &'a str,
    pub value: &'a str,
}

impl<'a> Setting<'a> {
    pub(super) fn of(line: &'a str) -> Option<Self> {
        let content = line.trim_start();
        let mut indentation = line.len() - content.len();
        let mut content = content;
        while let Some(item) = content.strip_prefix("- ") {
            let rest = item.trim_start();
            indentation += content.len() - rest.len();
            content = rest;
        }
        Self::of_content(content, indentation)
    }

    /// Without the blanks before it.
    pub(super) fn of_content(content: &'a str, indentation: usize) -> Option<Self> {
        if let Some(setting) = Self::of_element(content, indentation) {
            return Some(setting);
        }
        if content.is_empty() || ["#", ";", "//", "--", "/*", "*"].iter().any(|comment| content.starts_with(comment)) {
            return None;
        }
        let ends_key = |(at, c): (usize, char)| match c {
            '=' | ' ' | '\t' => true,
            ':' => {
                // JSON needs no blank behind a key in quotes.
                let is_quoted = content.get(..at).is_some_and(|key| key.len() > 1 && key.ends_with('"'));
                let rest = content.get(at + 1..).unwrap_or_default();
                is_quoted || rest.is_empty() || rest.starts_with([' ', '\t', '"'])
            }
            _ => false,
        };
        let at = content.char_indices().find(|place| ends_key(*place)).map_or(content.len(), |(at, _)| at);
        let (key, value) = content.split_at_checked(at)?;
        // Logstash writes `=>`.
        let value = value.trim_start_matches([' ', '\t', '=', ':']);
        let value = value.strip_prefix("> ").filter(|_| content.contains("=> ")).unwrap_or(value);
        let value = value.split(" #").next().unwrap_or_default().trim();
        let quotes = |c: char| matches!(c, '"' | '\'' | ',');
        Some(Self {
            indentation,
            key: key.trim_matches(quotes),
            value: value.trim_end_matches(',').trim_matches(quotes),
        })
    }

    /// An element of XML, as ClickHouse has them: `<endpoint>http://minio:9000</endpoint>`. A tag that has more than a name is none:
    /// Fluentd has such lines.
    fn of_element(content: &'a str, indentation: usize) -> Option<Self> {
        let (key, rest) = content.strip_prefix('<')?.split_once('>')?;
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let value = rest.split("</").next().unwrap_or_default().trim();
        (!key.is_empty() && key.chars().all(is_of_name)).then_some(Self { indentation, key, value })
    }

    pub(super) fn opens_block(&self) -> bool {
        matches!(self.value, "" | "{" | "[" | "|" | ">" | "|-" | ">-" | "|+" | "{}")
    }
}

/// Whether a key has one of these words, whatever parts its words.
pub(super) fn has_word(key: &str, words: &[&str]) -> bool {
    key.split(['_', '-', '.', '/']).any(|part| words.iter().any(|word| part.eq_ignore_ascii_case(word)))
}

pub(super) fn contains_folded(text: &str, part: &str) -> bool {
    text.as_bytes().windows(part.len().max(1)).any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}

/// Whether a value is an address for an endpoint's setting; other settings must have the form of one.
pub(super) fn is_endpoint(key: &str, value: &str) -> bool {
    if value.contains([' ', '[', '{']) && !value.starts_with("$") {
        return false;
    }
    let is_local = |text: &str| text.starts_with('/');
    if is_local(value) || value.contains("amazonaws.") {
        return false;
    }
    match value.split_once("://") {
        Some((scheme, _)) => matches!(scheme, "http" | "https"),
        None => key.contains("endpoint") || matches!(key, "address" | "host" | "s3url"),
    }
}
