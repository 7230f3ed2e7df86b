//! IAM's wildcards: `*` stands for any run of characters, `?` for exactly one (IAM User Guide, "IAM JSON policy
//! elements: Resource" and "Condition operators": String condition operators).
//!
//! A pattern is cut at its stars; the pieces are then found from left to right, which never backtracks. A piece without
//! `?` is found by the standard library's two-way search, a piece with `?` by bit-parallel matching: both linear in
//! the text.

use crate::truth::Truth;

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
        Self::from_tokens(tokens_of(pattern))
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

    /// The pattern as elements, in its order.
    pub(crate) fn tokens(&self) -> Vec<Token> {
        let mut tokens = Vec::new();
        for (index, piece) in self.pieces.iter().enumerate() {
            if index > 0 || self.open_start {
                tokens.push(Token::Any);
            }
            match piece {
                Piece::Literal(literal) => tokens.extend(literal.chars().map(Token::Char)),
                Piece::Holes(holes) => tokens.extend(holes.iter().map(|hole| hole.map_or(Token::One, Token::Char))),
            }
        }
        if self.open_end || (self.pieces.is_empty() && self.open_start) {
            tokens.push(Token::Any);
        }
        tokens
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

/// The elements of a pattern.
pub(crate) fn tokens_of(pattern: &str) -> Vec<Token> {
    pattern
        .chars()
        .map(|c| match c {
            '*' => Token::Any,
            '?' => Token::One,
            c => Token::Char(c),
        })
        .collect()
}

/// Whether a pattern matches every text that another one stands for (`True`), none (`False`), or some or perhaps all of
/// them (`Unknown`). `spend` gets the number of pairs of elements to compare; where it refuses, the answer is
/// `Unknown`.
pub(crate) fn relation(pattern: &[Token], asked: &[Token], spend: impl FnOnce(usize) -> bool) -> Truth {
    let (mut pattern, mut asked) = (pattern, asked);
    while let ([Token::Char(a), rest @ ..], [Token::Char(b), others @ ..]) = (pattern, asked) {
        if a != b {
            return Truth::False;
        }
        (pattern, asked) = (rest, others);
    }
    while let ([rest @ .., Token::Char(a)], [others @ .., Token::Char(b)]) = (pattern, asked) {
        if a != b {
            return Truth::False;
        }
        (pattern, asked) = (rest, others);
    }
    match (pattern, asked) {
        ([], []) | ([Token::Any], _) => return Truth::True,
        (_, [Token::Any]) => return Truth::Unknown,
        _ if !spend(pattern.len() * asked.len()) => return Truth::Unknown,
        _ => {}
    }
    let overlap = |p: &Token, q: &Token, near: Near| match (p, q) {
        (Token::Any, _) | (_, Token::Any) => near.without_p || near.without_q,
        (Token::Char(a), Token::Char(b)) => near.without_both && a == b,
        _ => near.without_both,
    };
    let covers = |p: &Token, q: &Token, near: Near| match (p, q) {
        (Token::Any, _) => near.without_p || near.without_q,
        (_, Token::Any) | (Token::Char(_), Token::One) => false,
        (Token::Char(a), Token::Char(b)) => near.without_both && a == b,
        (Token::One, _) => near.without_both,
    };
    if align(pattern, asked, covers, false) {
        Truth::True
    } else if align(pattern, asked, overlap, true) {
        Truth::Unknown
    } else {
        Truth::False
    }
}

/// What holds of two beginnings that are shorter by their last elements.
#[derive(Clone, Copy)]
struct Near {
    without_p: bool,
    without_q: bool,
    without_both: bool,
}

/// Whether a rule holds of two patterns as wholes: it is worked out for all their beginnings, row by row. Only a star
/// stands for nothing; `empty_asked` says whether one of what is asked may.
fn align(pattern: &[Token], asked: &[Token], rule: impl Fn(&Token, &Token, Near) -> bool, empty_asked: bool) -> bool {
    let mut row: Vec<bool> = vec![true];
    let mut holds = true;
    for q in asked {
        holds &= empty_asked && *q == Token::Any;
        row.push(holds);
    }
    for p in pattern {
        let mut before = row.iter().copied();
        let mut without_both = before.next().unwrap_or(false);
        let mut without_q = *p == Token::Any && without_both;
        let mut next = vec![without_q];
        for (q, without_p) in asked.iter().zip(before) {
            without_q = rule(p, q, Near { without_p, without_q, without_both });
            next.push(without_q);
            without_both = without_p;
        }
        row = next;
    }
    row.last().copied().unwrap_or(false)
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

    /// All texts of a pattern, with stars of up to three characters.
    fn texts(pattern: &str) -> Vec<String> {
        let mut all = vec![String::new()];
        for c in pattern.chars() {
            let endings: Vec<String> = match c {
                '?' => ["a", "b"].map(str::to_owned).into(),
                '*' => {
                    let mut runs = vec![String::new()];
                    for _ in 0..3 {
                        let longer = runs.iter().flat_map(|run| [format!("{run}a"), format!("{run}b")]);
                        runs = longer.chain(runs.iter().cloned()).collect();
                        runs.sort();
                        runs.dedup();
                    }
                    runs
                }
                c => vec![c.to_string()],
            };
            all = all.iter().flat_map(|text| endings.iter().map(move |ending| format!("{text}{ending}"))).collect();
        }
        all
    }

    proptest! {
        #[test]
        fn relates_patterns_as_their_texts(pattern in "[ab?*]{0,5}", asked in "[ab?*]{0,3}") {
            let found = relation(&tokens_of(&pattern), &tokens_of(&asked), |_| true);
            let (hits, misses): (Vec<String>, Vec<String>) =
                texts(&asked).into_iter().partition(|text| wildcard_match(&pattern, text));
            match found {
                Truth::True => prop_assert!(misses.is_empty(), "{} on {}: {:?}", pattern, asked, misses),
                Truth::False => prop_assert!(hits.is_empty(), "{} on {}: {:?}", pattern, asked, hits),
                // A star of either kind may need more than three characters, and `?*` covers what `*?` asks.
                Truth::Unknown => prop_assert!(
                    !misses.is_empty() || pattern.contains(['*', '?']),
                    "{} on {}", pattern, asked
                ),
            }
            prop_assert_eq!(Glob::from_pattern(&pattern), Glob::from_tokens(Glob::from_pattern(&pattern).tokens()));
        }
    }

    #[test]
    fn relates_patterns_of_resources() {
        for (pattern, asked, expected) in [
            ("arn:aws:s3:::b/*", "arn:aws:s3:::b/*", Truth::True),
            ("arn:aws:s3:::b*", "arn:aws:s3:::b/*", Truth::True),
            ("*", "arn:aws:s3:::b/*", Truth::True),
            ("arn:aws:s3:::b/secret/*", "arn:aws:s3:::b/*", Truth::Unknown),
            ("arn:aws:s3:::*/secret/*", "arn:aws:s3:::b/*", Truth::Unknown),
            ("arn:aws:s3:::c/*", "arn:aws:s3:::b/*", Truth::False),
            ("arn:aws:s3:::b", "arn:aws:s3:::b/*", Truth::False),
            ("arn:aws:s3:::b/?", "arn:aws:s3:::b/*", Truth::Unknown),
            ("arn:aws:s3:::b/*.txt", "arn:aws:s3:::b/a*.csv", Truth::False),
            ("arn:aws:s3:::b/x-*-y", "arn:aws:s3:::b/x-?-y", Truth::True),
            ("arn:aws:s3:::b/x-?-y", "arn:aws:s3:::b/x-??-y", Truth::False),
        ] {
            assert_eq!(relation(&tokens_of(pattern), &tokens_of(asked), |_| true), expected, "{pattern} on {asked}");
        }
        // Without the means to compare, nothing is known.
        assert_eq!(relation(&tokens_of("a*b*c"), &tokens_of("a?x*c"), |_| false), Truth::Unknown);
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
