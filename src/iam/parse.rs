//! From JSON to a [`Document`] (IAM User Guide, "Grammar of the IAM JSON policy language").
//!
//! Lenient where AWS is lenient (one object for a list, numbers and booleans for texts, any case of operators); an error
//! with a JSON pointer where AWS would refuse the document.

use crate::condition::Condition;
use crate::document::{Actions, Document, Effect, Resources, Statement, Version};
use crate::json::Node;
use crate::operator::Operator;
use crate::principal::{PrincipalEntry, Principals};

/// The longest document that is read: far above AWS's own limits on any policy.
pub const MAX_DOCUMENT_BYTES: usize = 128 * 1024;

/// Why a document cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {message}", if pointer.is_empty() { "the document" } else { pointer })]
pub struct PolicyError {
    /// JSON pointer (RFC 6901) to the place; empty for the whole document.
    pub pointer: String,
    /// What is wrong there.
    pub message: String,
}

type Result<T> = std::result::Result<T, PolicyError>;

impl Document {
    /// Reads a document as AWS stores it: JSON, or JSON that was URL-encoded, as the IAM API returns it.
    ///
    /// # Errors
    /// Where the text is too long, is not JSON, or is not a policy.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim_start();
        if text.len() > MAX_DOCUMENT_BYTES {
            return Err(error("", format!("is longer than {MAX_DOCUMENT_BYTES} bytes")));
        }
        let decoded;
        let text = if text.starts_with('%') {
            decoded = percent_encoding::percent_decode_str(text)
                .decode_utf8()
                .map_err(|_| error("", "is URL-encoded, but not as UTF-8"))?;
            &decoded
        } else {
            text
        };
        let node: Node = serde_json::from_str(text).map_err(|e| error("", format!("is not JSON: {e}")))?;
        read_document(&node)
    }
}

fn error(pointer: &str, message: impl Into<String>) -> PolicyError {
    PolicyError { pointer: pointer.to_owned(), message: message.into() }
}

fn read_document(node: &Node) -> Result<Document> {
    let members = object(node, "")?;
    known(members, "", &["Version", "Id", "Statement"])?;
    let version = match get(members, "Version") {
        None => Version::V2008,
        Some(Node::String(version)) if version == "2012-10-17" => Version::V2012,
        Some(Node::String(version)) if version == "2008-10-17" => Version::V2008,
        Some(_) => return Err(error("/Version", "must be \"2012-10-17\" or \"2008-10-17\"")),
    };
    let statement = get(members, "Statement");
    let statements = match statement {
        None => return Err(error("", "has no `Statement`")),
        Some(Node::Array(items)) => items
            .iter()
            .enumerate()
            .map(|(index, item)| read_statement(item, &format!("/Statement/{index}"), version))
            .collect::<Result<_>>()?,
        Some(single) => vec![read_statement(single, "/Statement", version)?],
    };
    Ok(Document { version, statements, is_list: matches!(statement, Some(Node::Array(_))) })
}

fn read_statement(node: &Node, at: &str, version: Version) -> Result<Statement> {
    let members = object(node, at)?;
    known(
        members,
        at,
        &["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"],
    )?;
    let variables = version == Version::V2012;
    let sid = match get(members, "Sid") {
        None => None,
        Some(Node::String(sid)) => Some(sid.as_str().into()),
        Some(other) => return Err(error(&format!("{at}/Sid"), format!("must be a string, not {}", other.kind()))),
    };
    let effect = match get(members, "Effect") {
        Some(Node::String(effect)) if effect == "Allow" => Effect::Allow,
        Some(Node::String(effect)) if effect == "Deny" => Effect::Deny,
        Some(_) => return Err(error(&format!("{at}/Effect"), "must be \"Allow\" or \"Deny\"")),
        None => return Err(error(at, "has no `Effect`")),
    };
    let principals = match either(members, at, "Principal", "NotPrincipal")? {
        None => Principals::Absent,
        Some((name, value, negated)) => {
            let entries = read_principals(value, &format!("{at}/{name}"))?;
            if negated { Principals::IsNot(entries) } else { Principals::Is(entries) }
        }
    };
    let actions = match either(members, at, "Action", "NotAction")? {
        None => return Err(error(at, "has neither `Action` nor `NotAction`")),
        Some((name, value, negated)) => Actions::new(texts(value, &format!("{at}/{name}"))?, negated),
    };
    let resources = match either(members, at, "Resource", "NotResource")? {
        None => Resources::absent(),
        Some((name, value, negated)) => Resources::new(texts(value, &format!("{at}/{name}"))?, negated, variables),
    };
    let conditions = match get(members, "Condition") {
        None => Vec::new(),
        Some(node) => read_conditions(node, &format!("{at}/Condition"), variables)?,
    };
    Ok(Statement { sid, effect, principals, actions, resources, conditions })
}

fn read_principals(node: &Node, at: &str) -> Result<Vec<PrincipalEntry>> {
    let members = match node {
        Node::String(text) if text == "*" => return Ok(vec![PrincipalEntry::Everyone]),
        Node::Object(members) => members,
        other => return Err(error(at, format!("must be \"*\" or an object, not {}", other.kind()))),
    };
    known(members, at, &["AWS", "Federated", "Service", "CanonicalUser"])?;
    let mut entries = Vec::new();
    for (kind, values) in members {
        for text in texts(values, &format!("{at}/{kind}"))? {
            entries.push(match kind.as_str() {
                "AWS" => PrincipalEntry::aws(&text),
                "Federated" => PrincipalEntry::Federated(text),
                "Service" => PrincipalEntry::Service(text),
                _ => PrincipalEntry::CanonicalUser(text),
            });
        }
    }
    Ok(entries)
}

fn read_conditions(node: &Node, at: &str, variables: bool) -> Result<Vec<Condition>> {
    let mut conditions = Vec::new();
    let operators = object(node, at)?;
    unique(operators, at)?;
    for (written, keys) in operators {
        let at = format!("{at}/{}", escape(written));
        let keys = object(keys, &at)?;
        unique(keys, &at)?;
        for (key, values) in keys {
            let values = texts(values, &format!("{at}/{}", escape(key)))?;
            conditions.push(Condition::new(Operator::parse(written), key, values, variables));
        }
    }
    Ok(conditions)
}

/// A text or a list of texts; numbers and booleans count as texts.
fn texts(node: &Node, at: &str) -> Result<Vec<Box<str>>> {
    let text = |node: &Node, at: &str| match node {
        Node::String(text) => Ok(text.as_str().into()),
        Node::Number(number) => Ok(number.to_string().into()),
        Node::Bool(value) => Ok(value.to_string().into()),
        other => Err(error(at, format!("must be a string, not {}", other.kind()))),
    };
    match node {
        Node::Array(items) => items.iter().enumerate().map(|(i, item)| text(item, &format!("{at}/{i}"))).collect(),
        single => Ok(vec![text(single, at)?]),
    }
}

fn object<'n>(node: &'n Node, at: &str) -> Result<&'n [(String, Node)]> {
    match node {
        Node::Object(members) => Ok(members),
        other => Err(error(at, format!("must be an object, not {}", other.kind()))),
    }
}

fn get<'n>(members: &'n [(String, Node)], name: &str) -> Option<&'n Node> {
    members.iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// The one of two elements that is there, with whether it is the second.
fn either<'n, 's>(
    members: &'n [(String, Node)],
    at: &str,
    plain: &'s str,
    negated: &'s str,
) -> Result<Option<(&'s str, &'n Node, bool)>> {
    match (get(members, plain), get(members, negated)) {
        (Some(_), Some(_)) => Err(error(at, format!("has both `{plain}` and `{negated}`"))),
        (Some(value), None) => Ok(Some((plain, value, false))),
        (None, Some(value)) => Ok(Some((negated, value, true))),
        (None, None) => Ok(None),
    }
}

fn known(members: &[(String, Node)], at: &str, names: &[&str]) -> Result<()> {
    unique(members, at)?;
    for (key, _) in members {
        if !names.contains(&key.as_str()) {
            let hint = names.iter().find(|name| name.eq_ignore_ascii_case(key));
            let hint = hint.map(|name| format!(" (it is written `{name}`)")).unwrap_or_default();
            return Err(error(&format!("{at}/{}", escape(key)), format!("is not an element of a policy{hint}")));
        }
    }
    Ok(())
}

fn unique(members: &[(String, Node)], at: &str) -> Result<()> {
    for (index, (key, _)) in members.iter().enumerate() {
        if members.iter().take(index).any(|(earlier, _)| earlier == key) {
            return Err(error(&format!("{at}/{}", escape(key)), "is defined twice"));
        }
    }
    Ok(())
}

fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
