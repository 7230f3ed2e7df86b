//! Whether an ARN, perhaps with wildcards, and a pattern of the reference have a text in common.

/// One element of either side.
#[derive(Clone, Copy)]
enum Token {
    Char(char),
    /// Exactly one character.
    One,
    /// Any run of characters.
    Any,
    /// Any run of characters within a field of an ARN.
    Field,
}

/// Longer texts are no ARNs of anything (2,048 is the longest AWS takes); they count as fitting.
const MAX_ARN: usize = 4096;

/// Whether some ARN matches both: the pattern as the Service Authorization Reference has it, with `${Placeholder}`, and the
/// text as a policy's `Resource` has it, with `*`, `?` and policy variables.
///
/// Partition, region and account may be anything on either side, also empty, and case does not count: the reference is not
/// exact enough for a "does not fit" to rest on them.
pub(crate) fn overlap(pattern: &str, text: &str) -> bool {
    text.len() > MAX_ARN || intersect(&of_pattern(pattern), &of_text(text))
}

fn of_pattern(pattern: &str) -> Vec<Token> {
    let mut parts = pattern.splitn(6, ':');
    let mut tokens = Vec::new();
    let (Some(_), Some(_), Some(service), Some(_), Some(_), Some(resource)) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return vec![Token::Any];
    };
    tokens.extend("arn:".chars().map(Token::Char));
    tokens.extend([Token::Field, Token::Char(':')]);
    placeholders(service, &mut tokens);
    for _ in 0..2 {
        tokens.extend([Token::Char(':'), Token::Field]);
    }
    tokens.push(Token::Char(':'));
    placeholders(resource, &mut tokens);
    tokens
}

/// A placeholder stands for one character or more; a star in the reference for any.
fn placeholders(text: &str, tokens: &mut Vec<Token>) {
    variables(text, &[Token::One, Token::Any], tokens);
}

/// A policy variable stands for anything: what it is replaced by is not known here.
fn of_text(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    variables(text, &[Token::Any], &mut tokens);
    tokens
}

fn variables(text: &str, stand_in: &[Token], tokens: &mut Vec<Token>) {
    let mut rest = text;
    loop {
        let (plain, variable) = match rest.split_once("${") {
            Some((plain, variable)) => (plain, Some(variable)),
            None => (rest, None),
        };
        tokens.extend(plain.chars().map(|c| match c {
            '*' => Token::Any,
            '?' => Token::One,
            c => Token::Char(c),
        }));
        let Some(variable) = variable else { return };
        tokens.extend(stand_in);
        rest = variable.split_once('}').map_or("", |(_, rest)| rest);
    }
}

/// Walks both at once: a place is reached where the tokens before it on either side can stand for the same text.
fn intersect(a: &[Token], b: &[Token]) -> bool {
    let mut row = vec![false; b.len() + 1];
    let mut below = vec![false; b.len() + 1];
    if let Some(first) = row.first_mut() {
        *first = true;
    }
    for i in 0..=a.len() {
        let left = a.get(i).copied();
        for j in 0..=b.len() {
            if !row.get(j).is_some_and(|reached| *reached) {
                continue;
            }
            let right = b.get(j).copied();
            let mut reach = |down: bool, at: usize| {
                if let Some(place) = if down { below.get_mut(at) } else { row.get_mut(at) } {
                    *place = true;
                }
            };
            let together = left.zip(right).is_some_and(|(left, right)| agree(left, right));
            let (left_run, right_run) = (left.is_some_and(is_run), right.is_some_and(is_run));
            // A run stands for nothing more, or takes up what the other side has here.
            if left_run || together && right_run {
                reach(true, j);
            }
            if right_run || together && left_run {
                reach(false, j + 1);
            }
            if together && !left_run && !right_run {
                reach(true, j + 1);
            }
        }
        if i < a.len() {
            std::mem::swap(&mut row, &mut below);
            below.fill(false);
        }
    }
    row.last().is_some_and(|reached| *reached)
}

fn agree(a: Token, b: Token) -> bool {
    match (a, b) {
        (Token::Char(a), Token::Char(b)) => a.eq_ignore_ascii_case(&b),
        (Token::Field, Token::Char(':')) | (Token::Char(':'), Token::Field) => false,
        _ => true,
    }
}

fn is_run(token: Token) -> bool {
    matches!(token, Token::Any | Token::Field)
}

#[cfg(test)]
#[allow(clippy::string_slice, reason = "the texts are ASCII")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tokens(text: &str) -> Vec<Token> {
        of_text(text)
    }

    proptest! {
        /// Against a text without wildcards, overlap is matching; and two patterns that match one text overlap.
        #[test]
        fn whatever_matches_both_is_an_overlap(
            text in "[ab]{0,8}",
            stars in prop::collection::vec((0usize..9, 0usize..4, any::<bool>()), 2),
        ) {
            let patterns: Vec<String> = stars.iter().map(|(from, length, one)| {
                let from = (*from).min(text.len());
                let to = (from + length).min(text.len());
                let middle = if *one { "?".repeat(to - from) } else { "*".into() };
                format!("{}{middle}{}", &text[..from], &text[to..])
            }).collect();
            prop_assert!(intersect(&tokens(&patterns[0]), &tokens(&patterns[1])), "{:?}", patterns);
        }

        #[test]
        fn an_overlap_has_a_common_text(a in "[ab?*]{0,5}", b in "[ab?*]{0,5}") {
            let matches = |pattern: &str, text: &str| intersect(&tokens(pattern), &tokens(text));
            let mut texts = vec![String::new()];
            let mut all = texts.clone();
            for _ in 0..8 {
                texts = texts.iter().flat_map(|text| ["a", "b"].map(|c| format!("{text}{c}"))).collect();
                all.extend(texts.clone());
            }
            let common = all.iter().any(|text| matches(&a, text) && matches(&b, text));
            prop_assert_eq!(intersect(&tokens(&a), &tokens(&b)), common, "{} and {}", a, b);
        }
    }

    #[test]
    fn a_hostile_text_is_quick() {
        let pattern = "arn:${Partition}:s3:::${A}/${B}/${C}/${D}";
        assert!(overlap(pattern, &format!("arn:{}", "*a?".repeat(1_300))));
        assert!(!overlap(pattern, &format!("urn:{}", "*a?".repeat(1_300))));
        assert!(overlap(pattern, &"x".repeat(MAX_ARN + 1)));
        assert!(!overlap(pattern, &"x".repeat(MAX_ARN)));
    }
}
