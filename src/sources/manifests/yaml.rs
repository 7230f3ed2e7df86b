//! One YAML document, read as kubectl reads it: Kubernetes' reader (go.yaml.in/yaml/v2) is a port of libyaml, as is the parser
//! used here, and takes scalars, merge keys, aliases and duplicate keys by rules of its own. What it reads differently from
//! readers of YAML 1.2, or from what a person sees in an editor, is refused with line and reason.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::panic::UnwindSafe;
use std::rc::Rc;
use std::sync::Once;

use libyaml_safer::{EventData, Parser, ScalarStyle};
use serde_json::{Map, Value};

use super::scalar::{self, KeyType};

/// Deeper nesting is refused: what is read is dropped and looked through by recursion.
const MAX_DEPTH: usize = 1_000;
/// How many bytes of text aliases may repeat in one document.
const MAX_ALIASED_BYTES: usize = 64 << 20;

/// Why a document cannot be read. The reason never holds any of its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// From 1; 0 where it is not known.
    pub(super) line: usize,
    pub(super) reason: String,
}

impl Fault {
    pub(super) fn new(line: usize, reason: impl Into<String>) -> Self {
        Self { line, reason: reason.into() }
    }
}

/// A key that a mapping has twice: the last counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DuplicateKey {
    pub(super) line: usize,
    pub(super) key: String,
}

/// The same of a template of CloudFormation, whose short forms become the long ones: `!Ref NAME` is `{"Ref": "NAME"}`.
pub(super) fn read_template(text: &str) -> Result<Value, Fault> {
    read_guarded(text, Tags::Functions).map(|(value, _)| value)
}

/// What tags of a document's own mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Tags {
    /// Nothing, as for kubectl.
    #[default]
    Ignored,
    /// Functions of CloudFormation.
    Functions,
}

/// Reads the first document of a text that holds no separator; `Null` where it is empty.
pub(super) fn read(text: &str) -> Result<(Value, Vec<DuplicateKey>), Fault> {
    // Within a document a byte order mark is a character for kubectl; the parser used here would drop it.
    // Both drop two of them at the start.
    let marks = text.chars().take(2).take_while(|c| *c == BYTE_ORDER_MARK).count();
    let (start, rest) = text.split_at(marks * BYTE_ORDER_MARK.len_utf8());
    if !rest.contains(BYTE_ORDER_MARK) {
        return read_marked(text);
    }
    let Some(stand_in) = ('\u{e100}'..'\u{e200}').find(|c| !text.contains(*c)) else {
        return Err(Fault::new(1, "a byte order mark stands within the document"));
    };
    let exchanged = format!("{start}{}", rest.replace(BYTE_ORDER_MARK, stand_in.encode_utf8(&mut [0; 4])));
    let mut read = read_marked(&exchanged)?;
    put_back(&mut read.0, &[(BYTE_ORDER_MARK, stand_in)]);
    Ok(read)
}

const BYTE_ORDER_MARK: char = '\u{feff}';

fn read_marked(text: &str) -> Result<(Value, Vec<DuplicateKey>), Fault> {
    let read = read_guarded(text, Tags::Ignored)?;
    if let Some((line, mark)) = odd_break(text) {
        let same = stand_ins(text).is_some_and(|stand_ins| {
            read_guarded(&exchange(text, &stand_ins), Tags::Ignored).is_ok_and(|mut plain| {
                put_back(&mut plain.0, &stand_ins);
                plain.0 == read.0
            })
        });
        if !same {
            let reason =
                format!("{mark} ends a line for kubectl, but not for every reader: remove it or write it as an escape");
            return Err(Fault::new(line, reason));
        }
    }
    Ok(read)
}

/// Characters that end a line in YAML 1.1, and that editors or YAML 1.2 do not take for its end.
fn is_odd_break(character: char) -> bool {
    matches!(character, '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// The first of them, with its line. Their first bytes are rare, so that most texts are passed over fast.
fn odd_break(text: &str) -> Option<(usize, &'static str)> {
    let bytes = text.as_bytes();
    if !bytes.iter().any(|b| matches!(b, b'\r' | 0xc2 | 0xe2)) {
        return None;
    }
    let mut characters = text.char_indices();
    let found = characters.find(|(at, c)| is_odd_break(*c) || (*c == '\r' && bytes.get(at + 1) != Some(&b'\n')));
    let (at, character) = found?;
    let line = 1 + bytes.iter().take(at).filter(|b| **b == b'\n').count();
    Some((
        line,
        match character {
            '\u{85}' => "the character U+0085",
            '\u{2028}' => "the character U+2028",
            '\u{2029}' => "the character U+2029",
            _ => "a carriage return without a line feed",
        },
    ))
}

/// Characters that end no line and are not in the text, each with what it stands for.
fn stand_ins(text: &str) -> Option<[(char, char); 4]> {
    let mut free = ('\u{e000}'..'\u{e100}').filter(|c| !text.contains(*c));
    let mut next = |odd: char| Some((odd, free.next()?));
    Some([next('\u{85}')?, next('\u{2028}')?, next('\u{2029}')?, next('\r')?])
}

fn exchange(text: &str, stand_ins: &[(char, char); 4]) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let odd = is_odd_break(character) || (character == '\r' && characters.peek() != Some(&'\n'));
        let stand_in = stand_ins.iter().find(|(of, _)| odd && *of == character);
        plain.push(stand_in.map_or(character, |(_, stand_in)| *stand_in));
    }
    plain
}

fn put_back(value: &mut Value, stand_ins: &[(char, char)]) {
    let original = |text: &str| -> String {
        let of = |c: char| stand_ins.iter().find(|(_, stand_in)| *stand_in == c).map_or(c, |(of, _)| *of);
        text.chars().map(of).collect()
    };
    match value {
        Value::String(text) => *text = original(text),
        Value::Array(items) => items.iter_mut().for_each(|item| put_back(item, stand_ins)),
        Value::Object(entries) => {
            *entries = std::mem::take(entries)
                .into_iter()
                .map(|(key, mut value)| {
                    put_back(&mut value, stand_ins);
                    (original(&key), value)
                })
                .collect();
        }
        _ => {}
    }
}

fn read_guarded(text: &str, tags: Tags) -> Result<(Value, Vec<DuplicateKey>), Fault> {
    guarded(|| read_document(text, tags))
        .unwrap_or_else(|| Err(Fault::new(0, "the YAML parser cannot read this document")))
}

/// The parser has a few assertions of its own: a text that trips one does not end the program. `None` where one does.
pub(super) fn guarded<T>(read: impl FnOnce() -> T + UnwindSafe) -> Option<T> {
    thread_local! {
        static IS_READING: Cell<bool> = const { Cell::new(false) };
    }
    static QUIET_HOOK: Once = Once::new();
    QUIET_HOOK.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !IS_READING.get() {
                report(panic);
            }
        }));
    });
    IS_READING.set(true);
    let result = std::panic::catch_unwind(read);
    IS_READING.set(false);
    result.ok()
}

fn read_document(text: &str, tags: Tags) -> Result<(Value, Vec<DuplicateKey>), Fault> {
    let mut bytes = text.as_bytes();
    let mut parser = Parser::new();
    parser.set_input_string(&mut bytes);
    let mut builder = Builder { tags, ..Builder::default() };
    loop {
        let event = parser.parse().map_err(|e| fault(&e, text))?;
        let line = usize::try_from(event.start_mark.line).unwrap_or_default() + 1;
        match event.data {
            EventData::StreamStart { .. } | EventData::DocumentStart { .. } => {}
            EventData::StreamEnd => return Ok((Value::Null, builder.duplicates)),
            EventData::DocumentEnd { .. } => {
                match parser.parse().map(|next| next.data) {
                    Ok(EventData::StreamEnd) => {}
                    _ => {
                        let reason =
                            "the document ends here for kubectl, which drops what follows: separate documents by `---`";
                        return Err(Fault::new(line, reason));
                    }
                }
                return Ok((builder.root.unwrap_or_default(), builder.duplicates));
            }
            data => builder.event(data, line)?,
        }
    }
}

fn fault(error: &libyaml_safer::Error, text: &str) -> Fault {
    let mark = error.problem_mark().or_else(|| error.context_mark());
    let line = mark.map_or(0, |mark| usize::try_from(mark.line).unwrap_or_default() + 1);
    // The end of a text may lie behind its last line.
    let line = line.min(text.lines().count());
    match error.context() {
        Some(context) => Fault::new(line, format!("{context}: {}", error.problem())),
        None => Fault::new(line, error.problem()),
    }
}

/// What an anchor stands for.
struct Anchored {
    value: Value,
    /// Nodes below it, itself included, as Kubernetes' reader counts them.
    nodes: usize,
    /// Bytes of text in it.
    bytes: usize,
}

enum Key {
    Named(String, KeyType),
    Merge,
}

struct Frame {
    anchor: Option<String>,
    /// The function of which it is the argument.
    function: Option<String>,
    nodes_before: usize,
    collection: Collection,
}

enum Collection {
    List(Vec<Value>),
    Mapping(Mapping),
}

#[derive(Default)]
struct Mapping {
    entries: Map<String, Value>,
    key: Option<Key>,
    /// Keys that came in by a merge only.
    merged: HashSet<String>,
    /// Keys that are no texts.
    typed: Vec<(String, KeyType)>,
}

/// Puts a document together from events.
#[derive(Default)]
struct Builder {
    tags: Tags,
    root: Option<Value>,
    open: Vec<Frame>,
    /// `None` while the anchored node is still open.
    anchors: HashMap<String, Option<Rc<Anchored>>>,
    duplicates: Vec<DuplicateKey>,
    nodes: usize,
    aliased: usize,
    aliased_bytes: usize,
}

impl Builder {
    fn event(&mut self, data: EventData, line: usize) -> Result<(), Fault> {
        match data {
            EventData::Scalar { anchor, tag, value, plain_implicit, style, .. } => {
                let merge_tag = tag.as_deref() == Some("tag:yaml.org,2002:merge");
                if value == "<<" && (plain_implicit || merge_tag) && self.expects_key() {
                    if let Some(anchor) = anchor {
                        self.anchors.insert(anchor, None);
                    }
                    self.set_key(Key::Merge);
                    return Ok(());
                }
                self.count(line)?;
                let plain = plain_implicit || (tag.is_none() && style == ScalarStyle::Plain);
                let function = self.function(tag.as_deref());
                let tag = tag.as_deref().filter(|_| function.is_none());
                let value = scalar::resolve(tag, plain, value).map_err(|reason| Fault::new(line, reason))?;
                let value = called(function, value);
                self.finish(value, anchor, 1, false, line)
            }
            EventData::Alias { anchor } => self.alias(&anchor, line),
            EventData::SequenceStart { anchor, tag, .. } => {
                self.start(anchor, self.function(tag.as_deref()), Collection::List(Vec::new()), line)
            }
            EventData::MappingStart { anchor, tag, .. } => {
                self.start(anchor, self.function(tag.as_deref()), Collection::Mapping(Mapping::default()), line)
            }
            EventData::SequenceEnd | EventData::MappingEnd => {
                let Some(frame) = self.open.pop() else {
                    return Err(Fault::new(line, "the document ends in the wrong place"));
                };
                let value = match frame.collection {
                    Collection::List(items) => Value::Array(items),
                    Collection::Mapping(mapping) => Value::Object(mapping.entries),
                };
                let nodes = self.nodes - frame.nodes_before;
                let value = called(frame.function, value);
                self.finish(value, frame.anchor, nodes, false, line)
            }
            _ => Ok(()),
        }
    }

    /// The function that a tag names, by its long name.
    fn function(&self, tag: Option<&str>) -> Option<String> {
        let name = tag?.strip_prefix('!').filter(|name| self.tags == Tags::Functions && !name.is_empty())?;
        Some(if matches!(name, "Ref" | "Condition") { name.to_owned() } else { format!("Fn::{name}") })
    }

    fn start(
        &mut self,
        anchor: Option<String>,
        function: Option<String>,
        collection: Collection,
        line: usize,
    ) -> Result<(), Fault> {
        let nodes_before = self.nodes;
        self.count(line)?;
        if self.open.len() >= MAX_DEPTH {
            return Err(Fault::new(line, format!("it is nested more than {MAX_DEPTH} levels deep")));
        }
        if let Some(anchor) = &anchor {
            self.anchors.insert(anchor.clone(), None);
        }
        self.open.push(Frame { anchor, function, nodes_before, collection });
        Ok(())
    }

    fn alias(&mut self, anchor: &str, line: usize) -> Result<(), Fault> {
        let Some(anchored) = self.anchors.get(anchor) else {
            return Err(Fault::new(line, "an alias names no anchor before it"));
        };
        let Some(anchored) = anchored.clone() else {
            return Err(Fault::new(line, "an anchor contains itself"));
        };
        self.nodes += 1 + anchored.nodes;
        self.aliased += anchored.nodes;
        self.aliased_bytes += anchored.bytes;
        self.check_aliases(line)?;
        self.finish(anchored.value.clone(), None, 0, true, line)
    }

    fn count(&mut self, line: usize) -> Result<(), Fault> {
        self.nodes += 1;
        self.check_aliases(line)
    }

    /// Kubernetes' reader's own limit, and one for memory: it shares texts, and here they are copied.
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    fn check_aliases(&self, line: usize) -> Result<(), Fault> {
        if self.aliased <= 100 {
            return Ok(());
        }
        let (low, high) = (400_000.0, 4_000_000.0);
        let nodes = self.nodes as f64;
        let allowed = 0.99 - 0.89 * ((nodes.clamp(low, high) - low) / (high - low));
        if (self.nodes > 1000 && self.aliased as f64 / nodes > allowed) || self.aliased_bytes > MAX_ALIASED_BYTES {
            return Err(Fault::new(line, "its aliases repeat too much"));
        }
        Ok(())
    }

    fn expects_key(&self) -> bool {
        let top = self.open.last().map(|frame| &frame.collection);
        matches!(top, Some(Collection::Mapping(Mapping { key: None, .. })))
    }

    fn set_key(&mut self, key: Key) {
        if let Some(Frame { collection: Collection::Mapping(mapping), .. }) = self.open.last_mut() {
            mapping.key = Some(key);
        }
    }

    /// A node is complete: it goes where it belongs.
    fn finish(
        &mut self,
        value: Value,
        anchor: Option<String>,
        nodes: usize,
        aliased: bool,
        line: usize,
    ) -> Result<(), Fault> {
        if let Some(anchor) = anchor {
            let anchored = Anchored { bytes: text_bytes(&value), value: value.clone(), nodes };
            self.anchors.insert(anchor, Some(Rc::new(anchored)));
        }
        let Some(frame) = self.open.last_mut() else {
            self.root = Some(value);
            return Ok(());
        };
        match &mut frame.collection {
            Collection::List(items) => items.push(value),
            Collection::Mapping(mapping) => match mapping.key.take() {
                None => {
                    let (text, kind) = scalar::key(value).map_err(|reason| Fault::new(line, reason))?;
                    mapping.key = Some(Key::Named(text, kind));
                }
                Some(Key::Named(key, kind)) => {
                    if mapping.insert(&key, kind, value, line)? {
                        self.duplicates.push(DuplicateKey { line, key });
                    }
                }
                Some(Key::Merge) => mapping.merge(value, aliased, line)?,
            },
        }
        Ok(())
    }
}

impl Mapping {
    /// Whether the key stands here for the second time.
    fn insert(&mut self, key: &str, kind: KeyType, value: Value, line: usize) -> Result<bool, Fault> {
        let before = self.entries.insert(key.to_owned(), value);
        let known = if self.typed.is_empty() { None } else { self.typed.iter().find(|(k, _)| k == key) };
        let known = known.map_or(KeyType::Text, |(_, kind)| *kind);
        if kind != KeyType::Text && before.is_none() {
            self.typed.push((key.to_owned(), kind));
        }
        if before.is_none() || self.merged.remove(key) {
            return Ok(false);
        }
        if kind != known {
            return Err(Fault::new(line, "two keys of one mapping become the same text: kubectl takes either of them"));
        }
        Ok(true)
    }

    /// Kubernetes' reader lets a merge override what stands before it, other readers do not.
    fn merge(&mut self, value: Value, aliased: bool, line: usize) -> Result<(), Fault> {
        let wrong = || Fault::new(line, "a merge key needs a mapping or a list of mappings");
        let merged = match value {
            Value::Object(entries) => entries,
            Value::Array(items) if !aliased => {
                let mut merged = Map::new();
                for item in items.into_iter().rev() {
                    let Value::Object(entries) = item else { return Err(wrong()) };
                    merged.extend(entries);
                }
                merged
            }
            _ => return Err(wrong()),
        };
        for (key, value) in merged {
            match self.entries.get(&key) {
                Some(before) if *before != value => {
                    let reason =
                        "readers differ on a merge key (`<<`) that overrides what stands before it: put it first, once";
                    return Err(Fault::new(line, reason));
                }
                Some(_) => {}
                None => {
                    self.merged.insert(key.clone());
                    self.entries.insert(key, value);
                }
            }
        }
        Ok(())
    }
}

/// A value, or the call of a function with it.
fn called(function: Option<String>, value: Value) -> Value {
    match function {
        Some(function) => Value::Object(Map::from_iter([(function, value)])),
        None => value,
    }
}

fn text_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(text_bytes).sum(),
        Value::Object(entries) => entries.iter().map(|(key, value)| key.len() + text_bytes(value)).sum(),
        _ => 0,
    }
}
