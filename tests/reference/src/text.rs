//! Policy text: variables, wildcards, ARNs.

use crate::request::{ContextValue, Request};

/// A character of a policy value, after variables are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// As written in the policy: `*` may be a wildcard, `:` may part an ARN.
    Written(char),
    /// Out of a variable: always just this character.
    Value(char),
}

/// A pattern to match, one element at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Char(char),
    /// `?`: one character; a colon only if `colons`.
    One {
        colons: bool,
    },
    /// `*`: any number of characters; colons only if `colons`.
    Many {
        colons: bool,
    },
}

/// Replaces policy variables.
///
/// «IAM policy elements: Variables and tags»: `${key}` stands for the value of a single-valued context key, `${key,
/// 'default'}` has a default, `${*}`, `${?}` and `${$}` stand for those characters. `None` when a variable has no value
/// and no default: *the value is effectively null. There is no equal or like value.*
///
/// Choice: a value put in is literal, also when it holds `*`. Choice: a multivalued key *can't be used as a variable*,
/// so it has no value here, and a default steps in. Choice: `${` without its `}` is text.
pub(crate) fn expand(text: &str, request: &Request) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((inside, behind)) = after.split_once('}') else {
            break;
        };
        pieces.extend(written(before));
        pieces.extend(variable(inside, request)?.chars().map(Piece::Value));
        rest = behind;
    }
    pieces.extend(written(rest));
    Some(pieces)
}

fn variable(inside: &str, request: &Request) -> Option<String> {
    if matches!(inside, "*" | "?" | "$") {
        return Some(inside.to_owned());
    }
    let (name, default) = match inside.split_once(',') {
        Some((name, default)) => {
            (name.trim(), default.trim().strip_prefix('\'').and_then(|text| text.strip_suffix('\'')))
        }
        None => (inside.trim(), None),
    };
    match request.context_value(name) {
        Some(ContextValue::Single(value)) => Some(value.clone()),
        _ => default.map(str::to_owned),
    }
}

/// The text as it stands, without variables: `Version` 2008-10-17, or an operator that takes none.
pub(crate) fn written(text: &str) -> Vec<Piece> {
    text.chars().map(Piece::Written).collect()
}

/// The plain characters, where neither wildcards nor ARN parts matter.
pub(crate) fn plain(pieces: &[Piece]) -> String {
    pieces.iter().map(|piece| character(*piece)).collect()
}

fn character(piece: Piece) -> char {
    match piece {
        Piece::Written(c) | Piece::Value(c) => c,
    }
}

/// Whether `*` and `?` make the text alike: `StringLike`, `Action`. They match every character, `/` and `:` too.
pub(crate) fn like(pattern: &[Piece], text: &str) -> bool {
    let tokens: Vec<Token> = pattern
        .iter()
        .map(|piece| match piece {
            Piece::Written('*') => Token::Many { colons: true },
            Piece::Written('?') => Token::One { colons: true },
            other => Token::Char(character(*other)),
        })
        .collect();
    matches(&tokens, &text.chars().collect::<Vec<_>>())
}

/// Whether an ARN pattern of an ARN operator matches an ARN.
///
/// «Condition operators», ARN: *Case-sensitive matching of the ARN. Each of the six colon-delimited components of the
/// ARN is checked separately and each can include multi-character match wildcards (\*) or single-character match
/// wildcards (?).* Choice: a pattern of fewer than six components (a lone `*`) is no ARN and matches nothing.
pub(crate) fn arn_like(pattern: &[Piece], arn: &str) -> bool {
    let mut components: Vec<Vec<Piece>> = vec![Vec::new()];
    for piece in pattern {
        if *piece == Piece::Written(':') && components.len() < 6 {
            components.push(Vec::new());
        } else if let Some(last) = components.last_mut() {
            last.push(*piece);
        }
    }
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    components.len() == 6
        && parts.len() == 6
        && components.iter().zip(parts).all(|(component, part)| like(component, part))
}

/// Whether a `Resource` or `NotResource` entry covers the resource.
///
/// * «IAM JSON policy elements: Resource»: wildcards stand *within the individual segments of an ARN (the parts
///   separated by colons)*; *if the \* wildcard is the last character of a resource ARN segment, it can expand to match
///   beyond the colon boundaries*. The sixth segment holds the colons of the resource itself.
/// * «Variables and tags»: variables only *after the fifth colon*; *the resource that includes a policy variable with no
///   value will not match any resource*.
/// * «Identify AWS resources with ARNs»: *when you specify an incomplete ARN … in an identity-based policy, AWS
///   automatically completes the ARN by adding wildcard characters (\*) to all missing fields*.
/// * An action without resources needs `*`.
pub(crate) fn resource(entry: &str, variables: bool, identity: bool, request: &Request) -> bool {
    let Some(asked) = request.resource.as_deref() else {
        return !entry.is_empty() && entry.chars().all(|c| c == '*');
    };
    let fifth_colon = entry.char_indices().filter(|(_, c)| *c == ':').nth(4).map(|(at, _)| at);
    let mut pieces = match fifth_colon.and_then(|at| entry.split_at_checked(at)) {
        Some((head, tail)) if variables => {
            let Some(tail) = expand(tail, request) else {
                return false;
            };
            let mut pieces = written(head);
            pieces.extend(tail);
            pieces
        }
        _ => written(entry),
    };
    if identity && entry.starts_with("arn:") {
        while pieces.iter().filter(|piece| **piece == Piece::Written(':')).count() < 5 {
            pieces.extend(written(":*"));
        }
    }

    let mut tokens = Vec::new();
    let mut colons_so_far = 0;
    for (at, piece) in pieces.iter().enumerate() {
        let in_resource = colons_so_far >= 5;
        match piece {
            Piece::Written('*') => {
                let next = pieces.iter().skip(at + 1).find(|next| **next != Piece::Written('*'));
                let ends_segment = next.is_none_or(|next| *next == Piece::Written(':'));
                tokens.push(Token::Many { colons: in_resource || ends_segment });
            }
            Piece::Written('?') => tokens.push(Token::One { colons: in_resource }),
            Piece::Written(':') => {
                colons_so_far += 1;
                tokens.push(Token::Char(':'));
            }
            other => tokens.push(Token::Char(character(*other))),
        }
    }
    matches(&tokens, &asked.chars().collect::<Vec<_>>())
}

/// Tries everything. Slow on purpose: nothing to get wrong.
fn matches(pattern: &[Token], text: &[char]) -> bool {
    let Some((token, rest)) = pattern.split_first() else {
        return text.is_empty();
    };
    let next = text.split_first();
    match token {
        Token::Char(c) => next.is_some_and(|(first, tail)| first == c && matches(rest, tail)),
        Token::One { colons } => next.is_some_and(|(first, tail)| (*colons || *first != ':') && matches(rest, tail)),
        Token::Many { colons } => {
            matches(rest, text)
                || next.is_some_and(|(first, tail)| (*colons || *first != ':') && matches(pattern, tail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Principal;

    fn request(resource: &str) -> Request {
        Request {
            action: "s3:GetObject".into(),
            resource: Some(resource.into()),
            principal: Principal::None,
            principal_account: "111122223333".into(),
            context: [
                ("aws:username".to_owned(), ContextValue::Single("a*b:c".into())),
                ("aws:TagKeys".to_owned(), ContextValue::Multi(vec!["x".into()])),
            ]
            .into(),
        }
    }

    fn expanded(text: &str) -> Option<String> {
        expand(text, &request("x")).map(|pieces| plain(&pieces))
    }

    #[test]
    fn variables() {
        assert_eq!(expanded("home/${AWS:UserName}/"), Some("home/a*b:c/".into()));
        assert_eq!(expanded("${*}${?}${$}"), Some("*?$".into()));
        assert_eq!(expanded("${aws:userid, 'nobody'}"), Some("nobody".into()));
        assert_eq!(expanded("${aws:username, 'nobody'}"), Some("a*b:c".into()));
        assert_eq!(expanded("${aws:userid}"), None);
        assert_eq!(expanded("${aws:TagKeys}"), None);
        assert_eq!(expanded("${aws:TagKeys, 'x'}"), Some("x".into()));
        assert_eq!(expanded("${open"), Some("${open".into()));
    }

    #[test]
    fn values_are_literal() {
        let value = expand("${aws:username}", &request("x")).unwrap();
        assert!(like(&value, "a*b:c"));
        assert!(!like(&value, "axxb:c"));
    }

    #[test]
    fn wildcards() {
        assert!(like(&written("a*c"), "abbc"));
        assert!(like(&written("a*c"), "ac"));
        assert!(!like(&written("a?c"), "ac"));
        assert!(like(&written("*:*"), "a/b:c:d"));
        assert!(!like(&written("a*"), "ba"));
    }

    #[test]
    fn arn_operators_keep_to_components() {
        // The example of «Condition operators» for where a string operator matches and an ARN operator does not.
        let pattern = written("arn:aws:someservice:*:111122223333:finance/*");
        let value = "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt";
        assert!(like(&pattern, value));
        assert!(!arn_like(&pattern, value));
        assert!(arn_like(&pattern, "arn:aws:someservice:us-east-2:111122223333:finance/a:b"));
        assert!(!arn_like(&written("*"), "arn:aws:iam::111122223333:role/x"));
    }

    #[test]
    fn resources() {
        let covers = |entry: &str, asked: &str| resource(entry, true, true, &request(asked));
        // The examples of «IAM JSON policy elements: Resource».
        let entry = "arn:aws:s3:::amzn-s3-demo-bucket/*/test/*";
        for object in [
            "1/test/object.jpg",
            "1/2/test/object.jpg",
            "1/2/test/3/object.jpg",
            "1///test///object.jpg",
            "1/test/.jpg",
            "/test/object.jpg",
            "1/test/",
        ] {
            assert!(covers(entry, &format!("arn:aws:s3:::amzn-s3-demo-bucket/{object}")), "{object}");
        }
        for object in ["1-test/object.jpg", "test/object.jpg", "1/2/test.jpg"] {
            assert!(!covers(entry, &format!("arn:aws:s3:::amzn-s3-demo-bucket/{object}")), "{object}");
        }
        assert!(covers("arn:aws:sqs", "arn:aws:sqs:us-east-1:111122223333:queue"));
        assert!(!resource("arn:aws:sqs", true, false, &request("arn:aws:sqs:us-east-1:111122223333:queue")));
        assert!(covers("arn:aws:states:us-east-1:*:x:y", "arn:aws:states:us-east-1:111122223333:execution:x:y"));
        assert!(!covers("arn:aws:sqs:us-*-1:111122223333:q", "arn:aws:sqs:us-a:b-1:111122223333:q"));
        assert!(covers("arn:aws:s3:::b/${aws:username}", "arn:aws:s3:::b/a*b:c"));
        assert!(!covers("arn:aws:s3:::b/${aws:userid}", "arn:aws:s3:::b/${aws:userid}"));
        assert!(resource("arn:aws:s3:::b/${aws:userid}", false, true, &request("arn:aws:s3:::b/${aws:userid}")));
    }
}
