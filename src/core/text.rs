//! Values that come from objects, policies and annotations: of any length until they are cut here.

/// Longest value of an object that a message, its evidence, a likely typo or a fix may carry, in bytes. No name or ARN that
/// AWS or Kubernetes accepts is longer than 2,048 characters.
pub(crate) const MAX_TEXT_BYTES: usize = 4_096;

/// Cuts a text that may carry a value of any length; `…` stands for what was cut.
pub(crate) fn bounded(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let end = (0..=limit).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push(CUT);
        text.shrink_to_fit();
    }
    text
}

/// Stands for what was cut off a value. No command and no configuration is written with such a value.
pub const CUT: char = '…';

/// A value of at most 4,096 bytes; a longer one ends with [`CUT`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Box<str>);

impl std::ops::Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        let end = (0..=MAX_TEXT_BYTES.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        match text.get(..end) {
            Some(start) if end < text.len() => Self(format!("{start}{CUT}").into()),
            _ => Self(text.into()),
        }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(bounded(text, MAX_TEXT_BYTES).into())
    }
}

impl From<&Box<str>> for Text {
    fn from(text: &Box<str>) -> Self {
        Self::from(&**text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_cut_at_a_character() {
        let long = "é".repeat(1 << 20);
        for text in [Text::from(long.as_str()), Text::from(long)] {
            assert!(text.ends_with(CUT) && text.len() <= MAX_TEXT_BYTES + 3);
        }
        let arn = "a".repeat(2_048);
        assert_eq!(&*Text::from(arn.as_str()), arn);
    }
}
