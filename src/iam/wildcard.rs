//! IAM's wildcards: `*` stands for any run of characters, `?` for exactly one (IAM User Guide, "IAM JSON policy
//! elements: Resource" and "Condition operators": String condition operators).
//!
//! A pattern is cut at its stars; the pieces are then found from left to right, which never backtracks. A piece without
//! `?` is found by the standard library's two-way search, a piece with `?` by bit-parallel matching: both linear in
//! the text.

/// One element of a compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Token {
    /// A character that stands for itself.
    Char(char),
    /// `?`
    One,
    /// `*`
    Any,
}

/// A pattern, ready to be matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob {
    pieces: Vec<Piece>,
    /// The pattern begins with a star.
    open_start: bool,
    /// The pattern ends with a star.
    open_end: bool,
}

/// A run between two stars.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(Box<str>),
    /// At least one place stands for any character: `None`.
    Holes(Box<[Option<char>]>),
}

impl Glob {
    pub(crate) fn from_pattern(pattern: &str) -> Self {
        Self::from_tokens(pattern.chars().map(|c| match c {
            '*' => Token::Any,
            '?' => Token::One,
            c => Token::Char(c),
        }))
    }

    pub(crate) fn from_tokens(tokens: impl IntoIterator<Item = Token>) -> Self {
        let mut pieces = Vec::new();
        let mut piece: Vec<Option<char>> = Vec::new();
        let mut open_start = false;
        let mut open_end = false;
        for token in tokens {
            open_end = token == Token::Any;
            match token {
                Token::Char(c) => piece.push(Some(c)),
                Token::One => piece.push(None),
                Token::Any if piece.is_empty() => open_start |= pieces.is_empty(),
                Token::Any => pieces.push(Piece::new(std::mem::take(&mut piece))),
            }
        }
        if !piece.is_empty() {
            pieces.push(Piece::new(piece));
        }
        Self { pieces, open_start, open_end }
    }

    /// The pattern is nothing but stars.
    pub(crate) fn matches_everything(&self) -> bool {
        self.pieces.is_empty() && self.open_start
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.pieces.split_first() else {
            return self.open_start || text.is_empty();
        };
        let mut remaining = text;
        if self.open_start {
            if rest.is_empty() && !self.open_end {
                return first.ends(text).is_some();
            }
            match first.find(remaining) {
                Some(after) => remaining = after,
                None => return false,
            }
        } else {
            match first.starts(remaining) {
                Some(after) => remaining = after,
                None => return false,
            }
            if rest.is_empty() {
                return self.open_end || remaining.is_empty();
            }
        }
        let Some((last, middle)) = rest.split_last() else {
            return true;
        };
        for piece in middle {
            match piece.find(remaining) {
                Some(after) => remaining = after,
                None => return false,
            }
        }
        if self.open_end { last.find(remaining).is_some() } else { last.ends(remaining).is_some() }
    }
}

impl Piece {
    fn new(characters: Vec<Option<char>>) -> Self {
        match characters.iter().copied().collect::<Option<String>>() {
            Some(literal) => Self::Literal(literal.into()),
            None => Self::Holes(characters.into()),
        }
    }

    /// The text after the piece, where the text starts with it.
    fn starts<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Self::Literal(literal) => text.strip_prefix(&**literal),
            Self::Holes(holes) => {
                let mut rest = text.chars();
                let all = holes.iter().all(|hole| fits(*hole, rest.next()));
                all.then_some(rest.as_str())
            }
        }
    }

    /// The text before the piece, where the text ends with it.
    fn ends<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Self::Literal(literal) => text.strip_suffix(&**literal),
            Self::Holes(holes) => {
                let mut rest = text.chars();
                let all = holes.iter().rev().all(|hole| fits(*hole, rest.next_back()));
                all.then_some(rest.as_str())
            }
        }
    }

    /// The text after the leftmost place where the piece stands.
    fn find<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Self::Literal(literal) => text.split_once(&**literal).map(|(_, after)| after),
            Self::Holes(holes) => find_holes(holes, text),
        }
    }
}

fn fits(hole: Option<char>, found: Option<char>) -> bool {
    found.is_some_and(|found| hole.is_none_or(|wanted| wanted == found))
}

/// Shift-and over 64 places at a time: state bit `i` says that the places up to `i` have matched. Which places accept a
/// character is kept for the distinct characters of the pattern, so that a step costs one word per 64 places.
fn find_holes<'t>(holes: &[Option<char>], text: &'t str) -> Option<&'t str> {
    let words = holes.len().div_ceil(64);
    let place = |index: usize| (index / 64, 1u64 << (index % 64));
    let mut open = vec![0u64; words];
    let mut masks: Vec<(char, Vec<u64>)> = Vec::new();
    for (index, hole) in holes.iter().enumerate() {
        let (word, bit) = place(index);
        let mask = match hole {
            None => &mut open,
            Some(c) => match masks.iter().position(|(known, _)| known == c) {
                Some(at) => &mut masks.get_mut(at)?.1,
                None => {
                    masks.push((*c, vec![0; words]));
                    &mut masks.last_mut()?.1
                }
            },
        };
        *mask.get_mut(word)? |= bit;
    }
    masks.sort_by_key(|(c, _)| *c);
    let (last_word, last_bit) = place(holes.len().checked_sub(1)?);
    let mut state = vec![0u64; words];
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let mask = masks.binary_search_by_key(&c, |(known, _)| *known).ok().and_then(|at| masks.get(at));
        let mut carry = 1u64;
        for (index, word) in state.iter_mut().enumerate() {
            let accepted =
                open.get(index).copied().unwrap_or(0) | mask.and_then(|(_, m)| m.get(index)).copied().unwrap_or(0);
            let shifted = (*word << 1) | carry;
            carry = *word >> 63;
            *word = shifted & accepted;
        }
        if state.get(last_word).is_some_and(|word| word & last_bit != 0) {
            return Some(rest.as_str());
        }
    }
    None
}

/// Whether the whole text matches the pattern, in which `*` is any run of characters (also `/` and `:`) and `?` any one
/// character. Case counts.
///
/// ```
/// assert!(rolecall_iam::wildcard_match("system:serviceaccount:*:carts", "system:serviceaccount:shop:carts"));
/// assert!(!rolecall_iam::wildcard_match("team-?", "team-"));
/// ```
pub fn wildcard_match(pattern: &str, text: &str) -> bool {
    Glob::from_pattern(pattern).matches(text)
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
        fn agrees_with_the_naive_matcher(pattern in "[ab?*é]{0,9}", text in "[abé]{0,12}") {
            let p: Vec<char> = pattern.chars().collect();
            let t: Vec<char> = text.chars().collect();
            prop_assert_eq!(wildcard_match(&pattern, &text), naive(&p, &t), "{} on {}", pattern, text);
        }
    }

    #[test]
    fn a_piece_longer_than_a_word_is_found() {
        let pattern = format!("*{}?{}*", "a".repeat(70), "b".repeat(70));
        assert!(wildcard_match(&pattern, &format!("xx{}z{}yy", "a".repeat(70), "b".repeat(70))));
        assert!(!wildcard_match(&pattern, &format!("xx{}z{}yy", "a".repeat(70), "b".repeat(69))));
    }

    #[test]
    fn many_stars_do_not_blow_up() {
        let pattern = "a*".repeat(1_000) + "b";
        assert!(!wildcard_match(&pattern, &"a".repeat(50_000)));
    }
}
