//! Declared needs: the lines of `rolecall.dev/requires`.

use rolecall_actions::Action;

/// One line: `ACTION [RESOURCE]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need<'a> {
    /// `SERVICE:NAME`, with `*` and `?` allowed.
    pub action: &'a str,
    /// The ARN that it is needed on; `None`: on some resource.
    pub resource: Option<&'a str>,
}

/// Most actions that a pattern is spelled out to; what stands for more is asked as it is written.
const MOST_ACTIONS: usize = 300;
/// Most lines that are checked: a pod's author must not keep the webhook busy.
pub(crate) const MOST_NEEDS: usize = 50;

/// The needs in an annotation's text: one a line, blank lines and `#` comments left out.
pub fn needs(text: &str) -> impl Iterator<Item = Need<'_>> {
    text.lines().filter_map(|line| {
        let line = line.split(" #").next().unwrap_or(line).trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let mut words = line.splitn(2, char::is_whitespace);
        let action = words.next()?;
        let resource = words.next().map(str::trim).filter(|resource| !resource.is_empty() && *resource != "*");
        Some(Need { action, resource })
    })
}

/// Whether what is declared takes credentials: an action that the SDKs send unsigned takes none.
pub fn takes_credentials(text: &str) -> bool {
    let mut needs = needs(text).peekable();
    needs.peek().is_none() || needs.any(|need| !rolecall_iam::is_unsigned(need.action))
}

/// Patterns compared to spell out a pattern of actions: all that AWS has are looked through.
const PATTERNS_PER_PATTERN: usize = 5_000;

impl Need<'_> {
    /// How many comparisons it takes to spell it out.
    pub(crate) fn cost(&self) -> usize {
        if self.action.contains(['*', '?']) { PATTERNS_PER_PATTERN } else { 1 }
    }

    /// The actions that it stands for, by the names that policies use; as written where they are too many or unknown.
    pub fn actions(&self) -> Vec<(String, Option<Action>)> {
        if !self.action.contains(['*', '?']) {
            let known = rolecall_actions::find(self.action);
            return vec![(known.map_or_else(|| self.action.to_owned(), |action| action.full_name()), known)];
        }
        let matching: Vec<Action> = rolecall_actions::matching(self.action).take(MOST_ACTIONS + 1).collect();
        if matching.is_empty() || matching.len() > MOST_ACTIONS {
            return vec![(self.action.to_owned(), None)];
        }
        matching.into_iter().map(|action| (action.full_name(), Some(action))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lines() {
        let text =
            "dynamodb:Query arn:aws:dynamodb:*:*:table/carts\n\n# a comment\n  s3:Get*  *\nsqs:SendMessage # why\n";
        let read: Vec<(&str, Option<&str>)> = needs(text).map(|need| (need.action, need.resource)).collect();
        let table = "arn:aws:dynamodb:*:*:table/carts";
        assert_eq!(read, [("dynamodb:Query", Some(table)), ("s3:Get*", None), ("sqs:SendMessage", None)]);
    }
}
