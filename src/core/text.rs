//! Values that come from objects, policies and annotations: of any length until they are cut here.

use std::sync::Arc;

/// Longest value of an object that a message, its evidence, a likely typo or a fix may carry, in bytes. No name or ARN that
/// AWS or Kubernetes accepts is longer than 2,048 characters.
const MAX_TEXT_BYTES: usize = 4_096;

/// Cuts a text that carries values to 4,096 bytes; `…` stands for what was cut.
pub fn bounded(mut text: String) -> String {
    if text.len() > MAX_TEXT_BYTES {
        text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
        text.push(CUT);
        text.shrink_to_fit();
    }
    text
}

/// Stands for what was cut off a value. No command and no configuration is written with such a value.
pub const CUT: char = '…';

/// A value of at most 4,096 bytes; a longer one ends with [`CUT`]. Copies share it: what is wrong with a service account is
/// reported for each of its pods.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Arc<str>);

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
        match text.split_at(text.floor_char_boundary(MAX_TEXT_BYTES)) {
            (whole, "") => Self(whole.into()),
            (start, _) => Self(format!("{start}{CUT}").into()),
        }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(bounded(text).into())
    }
}

impl From<&Box<str>> for Text {
    fn from(text: &Box<str>) -> Self {
        Self::from(&**text)
    }
}

/// Several values. Those that a text of 4,096 bytes has no room for are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List(Box<[Text]>);

impl List {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|text| &**text)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: AsRef<str>> FromIterator<T> for List {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let values = values.into_iter().map(|value| Text::from(value.as_ref()));
        Self(within_a_text(values, |value| value.len()).into())
    }
}

/// As many values as a text has room for, and one more, so that it is seen to be cut. Two bytes at least part them.
pub(crate) fn within_a_text<T>(values: impl IntoIterator<Item = T>, len: impl Fn(&T) -> usize) -> Vec<T> {
    let mut taken = Vec::new();
    let mut bytes = 0;
    for value in values {
        if bytes > MAX_TEXT_BYTES + 2 {
            break;
        }
        bytes += len(&value) + 2;
        taken.push(value);
    }
    taken
}

/// The first three of several values, and how many they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FirstValues {
    /// At most three.
    pub shown: Box<[Text]>,
    /// Of all.
    pub count: usize,
}

impl<T: AsRef<str>> FromIterator<T> for FirstValues {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut values = values.into_iter();
        let shown: Box<[Text]> = values.by_ref().take(3).map(|value| Text::from(value.as_ref())).collect();
        let count = shown.len() + values.count();
        Self { shown, count }
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

    #[test]
    fn a_list_keeps_what_a_text_has_room_for() {
        let few: List = ["a", "b"].into_iter().collect();
        assert_eq!(few.iter().collect::<Vec<_>>(), ["a", "b"]);
        for value in ["", "a", &"a".repeat(1 << 20)] {
            let list: List = std::iter::repeat_n(value, 10_000).collect();
            let joined = list.iter().collect::<Vec<_>>().join(", ");
            assert!(joined.len() > MAX_TEXT_BYTES && joined.len() < 3 * MAX_TEXT_BYTES, "{}", joined.len());
        }
        let values: FirstValues = std::iter::repeat_n("a", 10_000).collect();
        assert_eq!((values.shown.len(), values.count), (3, 10_000));
    }
}
