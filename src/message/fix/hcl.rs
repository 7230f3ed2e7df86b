//! HCL as `terraform fmt` writes it: two blanks a level, equals signs aligned within a group of attributes.

use std::fmt::Write;

use serde_json::Value;

/// A block with a header such as `resource "aws_eks_addon" "agent"`.
#[derive(Debug)]
pub(super) struct Block {
    header: String,
    items: Vec<Item>,
}

#[derive(Debug)]
enum Item {
    /// A group of attributes with an expression of one line each.
    Attributes(Vec<(String, String)>),
    /// An attribute whose value is a map.
    Map(String, Vec<(String, String)>),
    Block(Block),
}

impl Block {
    pub(super) fn new(kind: &str, labels: &[&str]) -> Self {
        let labels: String = labels.iter().map(|label| format!(" {}", string(label))).collect();
        Self { header: format!("{kind}{labels}"), items: Vec::new() }
    }

    /// Adds an attribute with an expression of one line.
    pub(super) fn attribute(mut self, name: &str, expression: impl Into<String>) -> Self {
        let attribute = (name.to_owned(), expression.into());
        match self.items.last_mut() {
            Some(Item::Attributes(group)) => group.push(attribute),
            _ => self.items.push(Item::Attributes(vec![attribute])),
        }
        self
    }

    /// Adds an attribute with a map of texts.
    pub(super) fn map(mut self, name: &str, entries: impl IntoIterator<Item = (String, String)>) -> Self {
        let entries = entries.into_iter().map(|(key, value)| (string(&key), string(&value)));
        self.items.push(Item::Map(name.to_owned(), entries.collect()));
        self
    }

    pub(super) fn block(mut self, block: Self) -> Self {
        self.items.push(Item::Block(block));
        self
    }

    /// The block as text, without a line break at its end.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, 0);
        out.truncate(out.trim_end().len());
        out
    }

    fn write(&self, out: &mut String, depth: usize) {
        let indent = "  ".repeat(depth);
        let _ = writeln!(out, "{indent}{} {{", self.header);
        for (index, item) in self.items.iter().enumerate() {
            if index > 0 {
                out.push('\n');
            }
            match item {
                Item::Attributes(group) => attributes(group, out, depth + 1),
                Item::Map(name, entries) => {
                    let _ = writeln!(out, "{indent}  {name} = {{");
                    attributes(entries, out, depth + 2);
                    let _ = writeln!(out, "{indent}  }}");
                }
                Item::Block(block) => block.write(out, depth + 1),
            }
        }
        let _ = writeln!(out, "{indent}}}");
    }
}

fn attributes(group: &[(String, String)], out: &mut String, depth: usize) {
    let indent = "  ".repeat(depth);
    let width = group.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, expression) in group {
        let _ = writeln!(out, "{indent}{name:width$} = {expression}");
    }
}

/// A string literal (HCL Native Syntax Specification, "Quoted Template Expression"): `${` and `%{` begin no template.
pub(super) fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '$' | '%' if characters.peek() == Some(&'{') => {
                out.push(c);
                out.push(c);
            }
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A list of texts.
pub(super) fn list(values: impl IntoIterator<Item = String>) -> String {
    let values: Vec<String> = values.into_iter().map(|value| string(&value)).collect();
    format!("[{}]", values.join(", "))
}

/// JSON texts of a value that is a text or a list of them.
pub(super) fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// A name of a resource: what is no letter, digit or underscore becomes an underscore.
pub(super) fn name(parts: &[&str]) -> String {
    let name: String = parts.join("_").chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let name: String = name.chars().take(100).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}
