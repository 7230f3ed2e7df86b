//! Where the fields of a document are in its text. A document is read for this a second time, and only where a finding has to
//! be placed.

use libyaml_safer::{EventData, Mark, Parser};

use super::yaml;

/// A position in a text, from 1, in characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// A field: from its key, or from itself where it has none, to the end of its value, or of its key where its value is no scalar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) start: Position,
    pub(super) end: Position,
}

/// A scalar of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scalar {
    pub(super) extent: Extent,
    pub(super) is_key: bool,
}

/// Where the wanted fields of a document are.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// In the order of the wanted pointers: of a field that is not there, the innermost that contains it.
    pub(super) fields: Vec<Extent>,
    /// All scalars, where they were asked for.
    pub(super) scalars: Vec<Scalar>,
}

/// The text of a document.
#[derive(Debug, Clone, Copy)]
pub(super) struct DocumentText<'t> {
    pub(super) text: &'t str,
    /// The line of its first character, from 1.
    pub(super) line: usize,
    /// The column of its first character, from 1.
    pub(super) column: usize,
    pub(super) is_json: bool,
}

/// Finds fields by their JSON pointers. Where a key is given twice, the last one counts, and the whole document is followed.
pub(super) fn find(document: DocumentText<'_>, wanted: &[&str], with_scalars: bool, has_duplicates: bool) -> Marks {
    let start = Position { line: document.line, column: document.column };
    let mut tracker = Tracker {
        wanted,
        marks: Marks { fields: vec![Extent { start, end: start }; wanted.len()], scalars: Vec::new() },
        depths: vec![0; wanted.len()],
        with_scalars,
        has_duplicates,
        pointer: String::new(),
        open: Vec::new(),
        is_root_seen: false,
    };
    match document.is_json {
        true => json(document, &mut tracker),
        false => {
            // It was read before, and is read alike now.
            let _ = yaml::guarded(std::panic::AssertUnwindSafe(|| yaml_events(document, &mut tracker)));
        }
    }
    tracker.marks
}

fn yaml_events(document: DocumentText<'_>, tracker: &mut Tracker<'_>) {
    let mut bytes = document.text.as_bytes();
    let mut parser = Parser::new();
    parser.set_input_string(&mut bytes);
    let position = |mark: Mark| {
        let number = |number: u64| usize::try_from(number).unwrap_or_default();
        Position { line: document.line + number(mark.line), column: number(mark.column) + 1 }
    };
    while let Ok(event) = parser.parse() {
        if tracker.has_all(position(event.start_mark).line) {
            return;
        }
        let extent = Extent { start: position(event.start_mark), end: position(event.end_mark) };
        match event.data {
            EventData::StreamEnd | EventData::DocumentEnd { .. } => return,
            EventData::Scalar { value, .. } => tracker.scalar(&value, extent),
            EventData::Alias { .. } => tracker.scalar("", extent),
            EventData::MappingStart { .. } => tracker.start(true, extent.start),
            EventData::SequenceStart { .. } => tracker.start(false, extent.start),
            EventData::MappingEnd | EventData::SequenceEnd => tracker.end(),
            EventData::StreamStart { .. } | EventData::DocumentStart { .. } => {}
        }
    }
}

/// Follows a JSON value that was read before.
fn json(document: DocumentText<'_>, tracker: &mut Tracker<'_>) {
    let mut position = Position { line: document.line, column: document.column };
    let mut rest = document.text.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        let start = position;
        advance(&mut position, c);
        match c {
            '{' => tracker.start(true, start),
            '[' => tracker.start(false, start),
            '}' | ']' => tracker.end(),
            '"' => {
                let mut is_escaped = false;
                let mut end = document.text.len();
                for (at, c) in rest.by_ref() {
                    advance(&mut position, c);
                    if c == '"' && !is_escaped {
                        end = at + 1;
                        break;
                    }
                    is_escaped = c == '\\' && !is_escaped;
                }
                let literal = document.text.get(at..end).unwrap_or_default();
                let text: String = serde_json::from_str(literal).unwrap_or_default();
                tracker.scalar(&text, Extent { start, end: position });
            }
            c if c.is_ascii_alphanumeric() || c == '-' => {
                while let Some((_, c)) = rest.next_if(|(_, c)| c.is_ascii_alphanumeric() || "+-.".contains(*c)) {
                    advance(&mut position, c);
                }
                tracker.scalar("", Extent { start, end: position });
            }
            _ => {}
        }
        if (tracker.is_root_seen && tracker.open.is_empty()) || tracker.has_all(position.line) {
            return;
        }
    }
}

fn advance(position: &mut Position, c: char) {
    match c {
        '\n' => *position = Position { line: position.line + 1, column: 1 },
        _ => position.column += 1,
    }
}

/// An open mapping or list.
struct Open {
    /// Length of the pointer to it.
    pointer: usize,
    kind: Inside,
    /// It is the key of the mapping around it.
    is_key: bool,
}

enum Inside {
    /// With the key whose value comes next.
    Mapping(Option<Extent>),
    /// With the index of the next item.
    List(usize),
}

/// Follows a document, and keeps the places of what is wanted.
struct Tracker<'w> {
    wanted: &'w [&'w str],
    marks: Marks,
    /// Lengths of the pointers at which fields were found.
    depths: Vec<usize>,
    with_scalars: bool,
    has_duplicates: bool,
    pointer: String,
    open: Vec<Open>,
    is_root_seen: bool,
}

impl Tracker<'_> {
    fn scalar(&mut self, text: &str, extent: Extent) {
        let expects_key = matches!(self.open.last(), Some(Open { kind: Inside::Mapping(None), .. }));
        if self.with_scalars {
            self.marks.scalars.push(Scalar { extent, is_key: expects_key });
        }
        if expects_key {
            self.key(text, extent);
        } else {
            self.node(extent.start, extent.end);
            self.close_node();
        }
    }

    /// Whether all fields were found, on lines before this one: their lines are complete.
    fn has_all(&self, line: usize) -> bool {
        let mut found = self.wanted.iter().zip(&self.depths).zip(&self.marks.fields);
        self.is_root_seen
            && !self.has_duplicates
            && found.all(|((wanted, depth), place)| wanted.len() == *depth && place.end.line < line)
    }

    fn key(&mut self, text: &str, extent: Extent) {
        let Some(open) = self.open.last_mut() else { return };
        self.pointer.truncate(open.pointer);
        self.pointer.push('/');
        push_escaped(&mut self.pointer, text);
        open.kind = Inside::Mapping(Some(extent));
    }

    fn start(&mut self, is_mapping: bool, start: Position) {
        // A mapping or a list as a key: no field that is asked for is below it.
        let is_key = matches!(self.open.last(), Some(Open { kind: Inside::Mapping(None), .. }));
        if is_key {
            self.key("", Extent { start, end: start });
        }
        let end = match self.open.last() {
            Some(Open { kind: Inside::Mapping(Some(key)), .. }) => key.end,
            _ => start,
        };
        self.node(start, end);
        let kind = if is_mapping { Inside::Mapping(None) } else { Inside::List(0) };
        self.open.push(Open { pointer: self.pointer.len(), kind, is_key });
    }

    fn end(&mut self) {
        if let Some(open) = self.open.pop() {
            self.pointer.truncate(open.pointer);
            if !open.is_key {
                self.close_node();
            }
        }
    }

    /// A node begins: keeps its place where it is wanted, or contains what is.
    fn node(&mut self, start: Position, end: Position) {
        self.is_root_seen = true;
        let mut start = start;
        if let Some(open) = self.open.last() {
            match &open.kind {
                Inside::Mapping(key) => start = key.map_or(start, |key| key.start),
                Inside::List(index) => {
                    self.pointer.truncate(open.pointer);
                    self.pointer.push('/');
                    self.pointer.push_str(&index.to_string());
                }
            }
        }
        let (pointer, places) = (&self.pointer, self.marks.fields.iter_mut().zip(&mut self.depths));
        for (wanted, (place, depth)) in self.wanted.iter().zip(places) {
            let is_part =
                wanted.strip_prefix(pointer.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            if is_part && pointer.len() >= *depth {
                *place = Extent { start, end };
                *depth = pointer.len();
            }
        }
    }

    /// A node is complete: what follows in the collection around it is another one.
    fn close_node(&mut self) {
        if let Some(open) = self.open.last_mut() {
            match &mut open.kind {
                Inside::Mapping(key) => *key = None,
                Inside::List(index) => *index += 1,
            }
        }
    }
}

/// A key as a token of a JSON pointer (RFC 6901).
pub(super) fn push_escaped(pointer: &mut String, key: &str) {
    for c in key.chars() {
        match c {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            c => pointer.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str, is_json: bool, wanted: &[&str]) -> Vec<[usize; 4]> {
        let document = DocumentText { text, line: 1, column: 1, is_json };
        let numbers = |Extent { start, end }: Extent| [start.line, start.column, end.line, end.column];
        find(document, wanted, false, true).fields.into_iter().map(numbers).collect()
    }

    #[test]
    fn finds_keys_items_and_what_contains_them() {
        let yaml = "a:\n  b: ë x\n  l:\n  - n: 1\n    v: &x {q/r: [1, 2]}\n  - *x\nlast: {a: 'b'}\n";
        let found = places(
            yaml,
            false,
            &["/a/b", "/a/l/0/n", "/a/l/0/v/q~1r/1", "/a/l/1/q~1r", "/a/none/x", "/last/a", "/a/l", ""],
        );
        let expected = [
            [2, 3, 2, 9],
            [4, 5, 4, 9],
            [5, 21, 5, 22],
            [6, 5, 6, 7],
            [1, 1, 1, 2],
            [7, 8, 7, 14],
            [3, 3, 3, 4],
            [1, 1, 1, 1],
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn follows_json_as_yaml() {
        let json =
            "{\"a\": {\"b/c\": \"x\\\"}\",\n\t\"l\": [1, true, {\"n\": -1.5e+3}]}, \"\\u0065\": null} {\"a\": 1}";
        let found = places(json, true, &["/a/b~1c", "/a/l/1", "/a/l/2/n", "/e", "/a/x"]);
        assert_eq!(found, [[1, 8, 1, 21], [2, 11, 2, 15], [2, 18, 2, 30], [2, 35, 2, 49], [1, 2, 1, 5]]);
    }

    #[test]
    fn a_key_that_is_given_twice_counts_last_and_complex_keys_are_passed() {
        assert_eq!(places("a: 1\nb: 2\na: 3\n", false, &["/a"]), [[3, 1, 3, 5]]);
        assert_eq!(places("? [x, y]\n: z\na: 1\n", false, &["/a"]), [[3, 1, 3, 5]]);
    }
}
