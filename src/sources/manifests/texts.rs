//! The texts of the manifests: read again to say on which line a field is, and to show that line.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use super::Manifests;
use super::documents::Span;
use super::marks::{self, DocumentText, Extent, Marks, Scalar};

/// Longest part of a line that is shown, in characters.
const MAX_LINE_CHARS: usize = 160;
/// Files or documents from which several threads share the work.
const MANY: usize = 64;

/// What of which text each document was read from.
#[derive(Debug, Default)]
pub(super) struct SourceTexts {
    files: HashMap<String, SourceText>,
}

#[derive(Debug, Default)]
struct SourceText {
    spans: Vec<Span>,
    /// The text of what cannot be read a second time.
    kept: Option<Vec<u8>>,
}

impl SourceTexts {
    pub(super) fn add(&mut self, file: &str, spans: Vec<Span>) {
        let source = self.files.entry(file.to_owned()).or_default();
        // Standard input has nothing more to give when it is named a second time.
        if source.spans.is_empty() {
            source.spans = spans;
        }
    }

    /// The text of a file; `None` where it cannot be read any more.
    fn read(&self, file: &str) -> Option<Cow<'_, str>> {
        match &self.files.get(file)?.kept {
            Some(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            None => String::from_utf8(std::fs::read(file).ok()?).ok().map(Cow::Owned),
        }
    }

    pub(super) fn keep(&mut self, file: &str, bytes: Vec<u8>) {
        self.files.entry(file.to_owned()).or_default().kept.get_or_insert(bytes);
    }
}

/// A field whose place is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted<'w> {
    /// The file, or `-`.
    pub file: &'w str,
    /// The document in it, from 1.
    pub document: usize,
    /// The JSON pointer of the field in the document.
    pub pointer: &'w str,
}

/// Where a field is; of one that is absent, what would contain it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Located {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Its line.
    pub excerpt: Option<Excerpt>,
    /// Comments on that line and directly above it, and at the start of the document: without `#`.
    pub comments: Vec<String>,
}

/// A line of a manifest. Values other than that of the field do not show.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Excerpt {
    /// The line, or a part of it.
    pub text: String,
    /// Where in it the field begins, in characters from 0.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// What to find besides places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extras {
    excerpts: bool,
    comment: Option<&'static str>,
}

impl Manifests {
    /// Finds fields. Of a text that changed meanwhile, or is gone, no place is known. `comment` is how comments of interest
    /// begin.
    pub fn locate(&self, wanted: &[Wanted<'_>], excerpts: bool, comment: &'static str) -> Vec<Option<Located>> {
        let mut by_file: BTreeMap<&str, BTreeMap<usize, Vec<usize>>> = BTreeMap::new();
        for (at, one) in wanted.iter().enumerate() {
            by_file.entry(one.file).or_default().entry(one.document).or_default().push(at);
        }
        let files: Vec<&str> = by_file.keys().copied().collect();
        let texts = in_parallel(&files, |file| self.texts.read(file));
        let mut work = Vec::new();
        for ((file, documents), text) in by_file.into_iter().zip(&texts) {
            let (Some(source), Some(text)) = (self.texts.files.get(file), text) else { continue };
            let extras = Extras { excerpts, comment: text.contains(comment).then_some(comment) };
            let spans = documents
                .into_iter()
                .filter_map(|(document, places)| Some((*source.spans.get(document.checked_sub(1)?)?, places)));
            work.extend(spans.map(|(span, places)| (text.as_ref(), span, places, extras)));
        }
        let found = in_parallel(&work, |(text, span, places, extras)| locate_in(text, *span, places, wanted, *extras));
        let mut located = vec![None; wanted.len()];
        for (at, place) in found.into_iter().flatten() {
            if let Some(slot) = located.get_mut(at) {
                *slot = Some(place);
            }
        }
        located
    }
}

/// Does the same with each of some items, on as many threads as there are processors; the results are in the order of the items.
fn in_parallel<T: Sync, R: Send + Default>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    if threads == 1 || items.len() < MANY {
        return items.iter().map(work).collect();
    }
    let (share, work) = (items.len().div_ceil(threads), &work);
    std::thread::scope(|scope| {
        let workers: Vec<_> = items
            .chunks(share)
            .map(|items| (items.len(), scope.spawn(move || items.iter().map(work).collect::<Vec<R>>())))
            .collect();
        let gather = |(count, worker): (usize, std::thread::ScopedJoinHandle<'_, Vec<R>>)| {
            worker.join().unwrap_or_else(|_| std::iter::repeat_with(R::default).take(count).collect())
        };
        workers.into_iter().flat_map(gather).collect()
    })
}

/// Finds fields of one document.
fn locate_in(text: &str, span: Span, places: &[usize], wanted: &[Wanted<'_>], extras: Extras) -> Vec<(usize, Located)> {
    let Some(part) = text.get(span.start..span.end) else { return Vec::new() };
    let before = text.get(..span.start).unwrap_or_default();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let document = DocumentText { text: part, line: span.line, column, is_json: span.is_json };
    let pointers: Vec<&str> = places.iter().filter_map(|at| Some(wanted.get(*at)?.pointer)).collect();
    let with_scalars = extras.excerpts || extras.comment.is_some();
    let Marks { fields, scalars } = marks::find(document, &pointers, with_scalars, span.has_duplicates);
    let lines: Vec<&str> = if with_scalars { part.lines().collect() } else { Vec::new() };
    let locate = |extent: Extent| Located {
        line: extent.start.line,
        column: extent.start.column,
        excerpt: if extras.excerpts { excerpt(&document, &lines, extent, &scalars) } else { None },
        comments: extras.comment.map(|start| comments(&document, &lines, extent, &scalars, start)).unwrap_or_default(),
    };
    places.iter().copied().zip(fields.into_iter().map(locate)).collect()
}

/// The line of a field with nothing but keys and its own value. Of a line of JSON, which may be long, a part.
fn excerpt(document: &DocumentText<'_>, lines: &[&str], field: Extent, scalars: &[Scalar]) -> Option<Excerpt> {
    let line = field.start.line;
    let text = *lines.get(line.checked_sub(document.line)?)?;
    // The first line of a document may begin within a line of its file.
    let offset = if line == document.line { document.column } else { 1 };
    let mut chars: Vec<char> = text.chars().collect();
    let (mut last, mut is_block) = (0, false);
    for scalar in scalars {
        let Extent { start, end } = scalar.extent;
        if start.line > line || end.line < line {
            continue;
        }
        let from = if start.line == line { start.column.saturating_sub(offset) } else { 0 };
        let to = if end.line == line { end.column.saturating_sub(offset) } else { chars.len() };
        last = last.max(to);
        let is_own = scalar.extent.start >= field.start && scalar.extent.end <= field.end;
        // A value that goes on, as a block scalar does, is not shown at all.
        is_block |= end.line > line && !scalar.is_key;
        if !scalar.is_key && !is_own || end.line > line {
            chars.iter_mut().take(to).skip(from).for_each(|c| *c = HIDDEN);
        }
    }
    let start = field.start.column.checked_sub(offset)?;
    let end = if field.end.line == line { field.end.column.saturating_sub(offset) } else { chars.len() };
    // What follows the last value is a comment, or closes collections.
    let closing = chars.iter().skip(last).take_while(|c| !matches!(c, '#')).count();
    chars.truncate((last + closing).max(end.min(chars.len())));
    if is_block {
        chars.truncate(chars.iter().position(|c| *c == HIDDEN).map_or(chars.len(), |at| at + 1));
    }
    let end = end.clamp(start, chars.len().max(start));
    let (text, start, end) = cut(&squeezed(&chars, start, end));
    Some(Excerpt { text, start, end })
}

/// Stands for a character of a value that is not shown.
const HIDDEN: char = '\u{0}';

/// Each hidden value as one `…`, without blanks at the end.
fn squeezed(chars: &[char], start: usize, end: usize) -> (Vec<char>, usize, usize) {
    let mut shown = Vec::with_capacity(chars.len());
    let (mut new_start, mut new_end) = (0, 0);
    for (at, c) in chars.iter().enumerate() {
        if at == start {
            new_start = shown.len();
        }
        let follows_hidden = at > 0 && chars.get(at - 1) == Some(&HIDDEN);
        match *c {
            HIDDEN if follows_hidden => {}
            HIDDEN => shown.push('…'),
            '\t' => shown.push(' '),
            c => shown.push(c),
        }
        if at + 1 == end {
            new_end = shown.len();
        }
    }
    while shown.last().is_some_and(|c| c.is_whitespace()) && shown.len() > new_end {
        shown.pop();
    }
    (shown, new_start, new_end.max(new_start))
}

/// A part of a long line, around the field.
fn cut((chars, start, end): &(Vec<char>, usize, usize)) -> (String, usize, usize) {
    let printable = |part: &[char]| rolecall_core::finding::printable(&part.iter().collect::<String>());
    if chars.len() <= MAX_LINE_CHARS {
        let text = printable(chars);
        // Characters that are written as escapes would shift the mark.
        let is_plain = text.chars().count() == chars.len();
        return if is_plain { (text, *start, *end) } else { (text, 0, 0) };
    }
    let from = start.saturating_sub(20);
    let to = chars.len().min(from + MAX_LINE_CHARS);
    let part = chars.get(from..to).unwrap_or_default();
    let text = printable(part);
    if text.chars().count() != part.len() {
        return (text, 0, 0);
    }
    let lead = if from > 0 { "…" } else { "" };
    let shift = lead.chars().count();
    let trail = if to < chars.len() { "…" } else { "" };
    (format!("{lead}{text}{trail}"), start - from + shift, end.min(&to) - from + shift)
}

/// Comments on the line of a field, on the lines directly above it that are nothing else, and at the start of the document.
fn comments(
    document: &DocumentText<'_>,
    lines: &[&str],
    field: Extent,
    scalars: &[Scalar],
    start: &str,
) -> Vec<String> {
    if document.is_json {
        return Vec::new();
    }
    let Some(own) = field.start.line.checked_sub(document.line) else { return Vec::new() };
    let is_comment = |line: &&&str| line.trim_start().starts_with('#');
    let mut found = Vec::new();
    let mut add = |number: usize| {
        let Some(line) = lines.get(number) else { return };
        for (at, _) in line.match_indices('#') {
            let column = line.get(..at).unwrap_or_default().chars().count() + 1;
            let position = marks::Position { line: document.line + number, column };
            // A `#` within a scalar is a part of it.
            let is_text = scalars.iter().any(|scalar| scalar.extent.start <= position && position < scalar.extent.end);
            let is_apart = line.get(..at).is_some_and(|before| before.is_empty() || before.ends_with([' ', '\t']));
            let text = line.get(at + 1..).unwrap_or_default().trim();
            if !is_text && is_apart && text.starts_with(start) {
                found.push(text.to_owned());
                return;
            }
        }
    };
    add(own);
    let above = lines.iter().take(own).rev().take_while(is_comment).count();
    (own - above.min(own)..own).for_each(&mut add);
    let is_blank = |line: &&&str| line.trim().is_empty() || line.trim() == "---";
    let head = lines.iter().take_while(|line| is_comment(line) || is_blank(line)).count();
    (0..head.min(own - above.min(own))).for_each(add);
    found
}
