//! Objects in one line: JSON and the flow style of YAML. Each setting in them becomes a piece of its own.

/// Whether a line has an object that does not end it, and no template.
pub(super) fn is_flow(content: &str) -> bool {
    let content = content.trim_end().trim_end_matches(',');
    content.find('{').is_some_and(|at| at + 1 < content.len()) && !content.contains("{{")
}

/// Gives the pieces of a line, with the depth of each. One that opens an object or a list ends with its bracket.
pub(super) fn pieces<'a>(content: &'a str, mut give: impl FnMut(usize, &'a str)) {
    let (mut depth, mut begin, mut quote, mut before) = (0_usize, 0, None, ' ');
    let mut is_placeholder = false;
    let mut emit = |depth, from: usize, to: usize| {
        let piece = content.get(from..to).unwrap_or_default().trim();
        if !piece.is_empty() {
            give(depth, piece);
        }
    };
    for (at, c) in content.char_indices() {
        let last = before;
        // A backslash that another one escapes escapes nothing.
        before = if last == '\\' && c == '\\' { ' ' } else { c };
        match quote {
            Some(open) => {
                if c == open && last != '\\' {
                    quote = None;
                }
                continue;
            }
            // An apostrophe within a word opens nothing.
            None if c == '"' || (c == '\'' && !last.is_alphanumeric()) => {
                quote = Some(c);
                continue;
            }
            None => {}
        }
        match c {
            // `${VARIABLE}` is no object.
            '{' if last == '$' => is_placeholder = true,
            '}' if is_placeholder => is_placeholder = false,
            '{' | '[' => {
                emit(depth, begin, at + 1);
                (depth, begin) = (depth + 1, at + 1);
            }
            '}' | ']' => {
                emit(depth, begin, at);
                (depth, begin) = (depth.saturating_sub(1), at + 1);
            }
            ',' => {
                emit(depth, begin, at);
                begin = at + 1;
            }
            _ => {}
        }
    }
    emit(depth, begin, content.len());
}

/// The text of a piece that is one in quotes, or one word: an item of a list.
pub(super) fn quoted(piece: &str) -> Option<&str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    if piece.chars().all(is_word) {
        return Some(piece);
    }
    let quote = piece.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let inner = piece.strip_prefix(quote)?.strip_suffix(quote)?;
    (!inner.contains(quote)).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_in_one_line() {
        let all = |content: &str| {
            let mut found = Vec::new();
            pieces(content, |depth, piece| found.push(format!("{depth} {piece}")));
            found
        };
        assert_eq!(all("a: {b: c, d: [e]}"), ["0 a: {", "1 b: c", "1 d: [", "2 e"]);
        assert_eq!(all(r#"{"a":{"b":"c, {d}"}}"#), ["0 {", r#"1 "a":{"#, r#"2 "b":"c, {d}""#]);
        assert_eq!(all("a: {y: ${Z}, w: don't}"), ["0 a: {", "1 y: ${Z}", "1 w: don't"]);
        assert!(is_flow("a: {b: c}") && is_flow("a: {}"));
        assert!(!is_flow("a: {") && !is_flow("a: b") && !is_flow("a: {{ .Values.b }}") && !is_flow("\"a\": {,"));
    }
}
