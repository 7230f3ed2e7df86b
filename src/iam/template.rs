//! Text patterns of policies: literals, wildcards and policy variables (IAM User Guide, "IAM policy elements: Variables
//! and tags").

use crate::context::{Context, Lookup};
use crate::truth::Truth;
use crate::wildcard::{Glob, Token, relation};

/// How many pairs of elements cost as much as a pattern that is compared with a text.
const PAIRS_PER_PATTERN: usize = 100;

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Text {
    /// Matches itself only.
    Literal(Box<str>),
    /// Has wildcards.
    Glob(Glob),
    /// Has policy variables: put together again for each request.
    Template(Box<[Part]>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Token(Token),
    Variable { key: Box<str>, default: Option<Box<str>> },
}

/// How a pattern is to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    /// `*` and `?` are wildcards.
    pub(crate) wildcards: bool,
    /// `${…}` is a variable: policies of version 2012-10-17 only.
    pub(crate) variables: bool,
    /// The pattern is compared without regard to case.
    pub(crate) fold: bool,
}

impl Text {
    pub(crate) fn compile(pattern: &str, reading: Reading) -> Self {
        let folded = reading.fold.then(|| pattern.to_lowercase());
        let pattern = folded.as_deref().unwrap_or(pattern);
        if !(reading.variables && pattern.contains("${")) {
            return if reading.wildcards && pattern.contains(['*', '?']) {
                Self::Glob(Glob::from_pattern(pattern))
            } else {
                Self::Literal(pattern.into())
            };
        }
        Self::from_parts(parts(pattern, reading))
    }

    fn from_parts(parts: Vec<Part>) -> Self {
        if parts.iter().any(|part| matches!(part, Part::Variable { .. })) {
            return Self::Template(parts.into());
        }
        let tokens = parts.into_iter().filter_map(|part| match part {
            Part::Token(token) => Some(token),
            Part::Variable { .. } => None,
        });
        Self::from_tokens(tokens.collect())
    }

    /// Compiles an ARN: variables count in its resource part only, after the fifth colon (same page, "Where you can use
    /// policy variables"). A text with fewer colons is all resource part.
    pub(crate) fn compile_arn(pattern: &str, reading: Reading) -> Self {
        let resource = match split_colons(pattern, 6).as_slice() {
            [_, _, _, _, _, resource] => *resource,
            // An ARN that breaks off is completed with wildcards (IAM User Guide, "Resource").
            [first, .., _] if *first == "arn" && reading.wildcards => {
                let missing = 6 - split_colons(pattern, 6).len();
                return Self::compile(
                    &format!("{pattern}{}", ":*".repeat(missing)),
                    Reading { variables: false, ..reading },
                );
            }
            _ => return Self::compile(pattern, reading),
        };
        if !resource.contains("${") {
            return Self::compile(pattern, Reading { variables: false, ..reading });
        }
        let place = pattern.strip_suffix(resource).unwrap_or_default();
        let mut parts = parts(place, Reading { variables: false, ..reading });
        parts.extend(self::parts(resource, reading));
        Self::from_parts(parts)
    }

    fn from_tokens(tokens: Vec<Token>) -> Self {
        let literal: Option<String> = tokens
            .iter()
            .map(|token| match token {
                Token::Char(c) => Some(*c),
                Token::One | Token::Any => None,
            })
            .collect();
        match literal {
            Some(literal) => Self::Literal(literal.into()),
            None => Self::Glob(Glob::from_tokens(tokens)),
        }
    }

    /// Whether the text matches. `fold` must be what the pattern was compiled with.
    pub(crate) fn matches(&self, text: &str, fold: bool, context: &dyn Context) -> Truth {
        if fold
            && text.is_ascii()
            && let Self::Literal(literal) = self
        {
            return literal.eq_ignore_ascii_case(text).into();
        }
        let folded = fold.then(|| text.to_lowercase());
        let text = folded.as_deref().unwrap_or(text);
        match self {
            Self::Literal(literal) => (**literal == *text).into(),
            Self::Glob(glob) => glob.matches(text).into(),
            Self::Template(parts) => match resolve(parts, fold, context) {
                Ok(tokens) => match Self::from_tokens(tokens) {
                    Self::Literal(literal) => (*literal == *text).into(),
                    Self::Glob(glob) => glob.matches(text).into(),
                    Self::Template(_) => Truth::Unknown,
                },
                Err(truth) => truth,
            },
        }
    }

    /// Whether it matches every text that a pattern stands for, none, or (`Unknown`) some or perhaps all.
    pub(crate) fn relates_to(&self, asked: &[Token], context: &dyn Context) -> Truth {
        let spend = |pairs: usize| context.spend(pairs / PAIRS_PER_PATTERN);
        match self {
            Self::Literal(literal) => {
                let tokens: Vec<Token> = literal.chars().map(Token::Char).collect();
                relation(&tokens, asked, spend)
            }
            Self::Glob(glob) => relation(&glob.tokens(), asked, spend),
            Self::Template(parts) => match resolve(parts, false, context) {
                Ok(tokens) => relation(&tokens, asked, spend),
                Err(truth) => truth,
            },
        }
    }

    /// The keys of its variables.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        let parts = match self {
            Self::Template(parts) => &**parts,
            Self::Literal(_) | Self::Glob(_) => &[],
        };
        parts.iter().filter_map(|part| match part {
            Part::Variable { key, .. } => Some(&**key),
            Part::Token(_) => None,
        })
    }

    /// Whether it matches every text, present or not.
    pub(crate) fn matches_everything(&self) -> bool {
        matches!(self, Self::Glob(glob) if glob.matches_everything())
    }
}

/// Puts the values in. A variable whose key is absent and that has no default makes the pattern match nothing; so does a
/// multivalued key (same page: "you can use only single-valued keys").
fn resolve(parts: &[Part], fold: bool, context: &dyn Context) -> Result<Vec<Token>, Truth> {
    let mut tokens = Vec::new();
    let mut unknown = false;
    for part in parts {
        match part {
            Part::Token(token) => tokens.push(token.clone()),
            Part::Variable { key, default } => match (context.lookup(key), default) {
                (Lookup::One(value), _) if fold => tokens.extend(value.to_lowercase().chars().map(Token::Char)),
                (Lookup::One(value), _) => tokens.extend(value.chars().map(Token::Char)),
                (Lookup::Absent | Lookup::Many(_), Some(default)) => tokens.extend(default.chars().map(Token::Char)),
                (Lookup::Absent | Lookup::Many(_), None) => return Err(Truth::False),
                (Lookup::Unknown | Lookup::Present, _) => unknown = true,
            },
        }
    }
    if unknown { Err(Truth::Unknown) } else { Ok(tokens) }
}

fn parts(pattern: &str, reading: Reading) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = pattern;
    loop {
        if reading.variables
            && let Some(inner) = rest.strip_prefix("${")
            && let Some((name, after)) = inner.split_once('}')
        {
            parts.push(variable(name));
            rest = after;
            continue;
        }
        let mut characters = rest.chars();
        let Some(c) = characters.next() else {
            return parts;
        };
        parts.push(Part::Token(match c {
            '*' if reading.wildcards => Token::Any,
            '?' if reading.wildcards => Token::One,
            c => Token::Char(c),
        }));
        rest = characters.as_str();
    }
}

fn variable(name: &str) -> Part {
    if let "*" | "?" | "$" = name {
        return Part::Token(Token::Char(name.chars().next().unwrap_or('$')));
    }
    let (key, default) = match name.split_once(',') {
        Some((key, default)) => {
            let default = default.trim();
            let inner = default.strip_prefix('\'').and_then(|d| d.strip_suffix('\''));
            (key, Some(inner.unwrap_or(default).into()))
        }
        None => (name, None),
    };
    Part::Variable { key: key.trim().to_ascii_lowercase().into(), default }
}

/// Cuts at colons, but not inside `${…}`, into at most `limit` pieces.
pub(crate) fn split_colons(pattern: &str, limit: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = pattern;
    while pieces.len() + 1 < limit {
        let mut inside = false;
        let cut = rest.char_indices().zip(rest.chars().skip(1).map(Some).chain([None])).find_map(|((at, c), next)| {
            match c {
                '$' if next == Some('{') => inside = true,
                '}' => inside = false,
                ':' if !inside => return Some(at),
                _ => {}
            }
            None
        });
        match cut.and_then(|at| Some((rest.get(..at)?, rest.get(at + 1..)?))) {
            Some((piece, after)) => {
                pieces.push(piece);
                rest = after;
            }
            None => break,
        }
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::MapContext;

    const LIKE: Reading = Reading { wildcards: true, variables: true, fold: false };

    #[test]
    fn variables_defaults_and_escapes() {
        let context = MapContext::new().with("aws:username", "a*");
        let matches = |pattern: &str, text: &str| Text::compile(pattern, LIKE).matches(text, false, &context);
        assert_eq!(matches("home/${aws:username}/*", "home/a*/x"), Truth::True);
        assert_eq!(matches("home/${aws:username}/*", "home/ab/x"), Truth::False, "a value's star is literal");
        assert_eq!(matches("${aws:missing, 'team'}-x", "team-x"), Truth::True);
        assert_eq!(matches("${aws:missing}*", "x"), Truth::False);
        assert_eq!(matches("a${*}b${?}${$}", "a*b?$"), Truth::True);
        assert_eq!(matches("a${*}b", "axb"), Truth::False);
        let unknown = MapContext::new().unknown_by_default();
        assert_eq!(Text::compile("x-${aws:username}", LIKE).matches("x-y", false, &unknown), Truth::Unknown);
    }

    #[test]
    fn colons_inside_a_variable_do_not_cut() {
        assert_eq!(split_colons("arn:aws:iam::1:user/${aws:username}", 6).len(), 6);
        assert_eq!(split_colons("arn:${a:b}:c", 6), ["arn", "${a:b}", "c"]);
    }
}
