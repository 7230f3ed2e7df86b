//! Patterns of actions: `*` stands for any run of characters, `?` for exactly one, case does not count (IAM User Guide,
//! "IAM JSON policy elements: Action").

/// A pattern, ready to be matched with names of actions, which are ASCII.
pub(crate) struct Pattern(Vec<char>);

impl Pattern {
    /// Runs of stars are one star: the work is then bounded by the text that is matched, not by the pattern.
    pub(crate) fn new(pattern: &str) -> Self {
        let mut characters: Vec<char> = pattern.chars().map(|c| c.to_ascii_lowercase()).collect();
        characters.dedup_by(|a, b| *a == '*' && *b == '*');
        Self(characters)
    }

    /// Whether `service:name` matches, without putting the text together.
    pub(crate) fn matches(&self, service: &str, name: &str) -> bool {
        let colon = service.len();
        let text = |at: usize| match at.cmp(&colon) {
            std::cmp::Ordering::Less => service.as_bytes().get(at),
            std::cmp::Ordering::Equal => Some(&b':'),
            std::cmp::Ordering::Greater => name.as_bytes().get(at - colon - 1),
        };
        let (mut at, mut place) = (0, 0);
        let mut star = None;
        while let Some(byte) = text(at) {
            match self.0.get(place) {
                Some('*') => {
                    star = Some((at, place));
                    place += 1;
                }
                Some(c) if *c == '?' || *c == char::from(byte.to_ascii_lowercase()) => {
                    at += 1;
                    place += 1;
                }
                _ => match star {
                    Some((from, after)) => {
                        (at, place) = (from + 1, after + 1);
                        star = Some((from + 1, after));
                    }
                    None => return false,
                },
            }
        }
        self.0.get(place..).is_some_and(|rest| rest.iter().all(|c| *c == '*'))
    }
}

/// Whether the text has a wildcard in it.
pub(crate) fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|skip| naive(rest, &text[skip..])),
            Some((c, rest)) => text.split_first().is_some_and(|(t, tail)| (*c == '?' || c == t) && naive(rest, tail)),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_naive_matcher(pattern in "[ab:?*]{0,9}", service in "[ab]{0,5}", name in "[ab]{0,6}") {
            let p: Vec<char> = pattern.chars().collect();
            let t: Vec<char> = format!("{service}:{name}").chars().collect();
            prop_assert_eq!(Pattern::new(&pattern).matches(&service, &name), naive(&p, &t), "{} on {:?}", pattern, t);
        }
    }
}
