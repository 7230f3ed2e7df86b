//! A policy document and its statements.

use serde_json::{Map, Value};

use crate::condition;
use crate::principal::{self, Named};
use crate::request::Request;
use crate::text;

/// What a document is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attached {
    /// To the requester: identity policy, boundary, session policy. There is no `Principal`.
    ToIdentity,
    /// To the resource. There must be a `Principal` or a `NotPrincipal`.
    ToResource {
        /// The requester has a permissions boundary.
        boundary: bool,
    },
}

/// What the applicable statements of a document say.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// A Deny applies.
    pub(crate) denies: bool,
    /// How the Allows that apply name the requester. For a document attached to the identity: itself.
    pub(crate) allows: Vec<Named>,
}

/// The single value or the items of the list: «Grammar»: *if the element takes an array … but only one value is
/// included, the brackets are optional*.
pub(crate) fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        single => vec![single],
    }
}

/// The strings of a string or list of strings.
pub(crate) fn strings(value: &Value) -> Vec<String> {
    list(value).into_iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Reads a document for a request.
pub(crate) fn read(document: &Value, attached: Attached, request: &Request) -> Outcome {
    // «IAM JSON policy elements: Version» and «Variables and tags»: variables came with 2012-10-17; in an earlier
    // version, or without one, *variables like `${aws:username}` are treated as literal strings*.
    let variables = document.get("Version").and_then(Value::as_str) == Some("2012-10-17");
    let mut outcome = Outcome::default();
    for statement in document.get("Statement").map(list).unwrap_or_default() {
        let Some(statement) = statement.as_object() else {
            continue;
        };
        let ways = applies(statement, variables, attached, request);
        // «IAM JSON policy elements: Effect»: *Allow and Deny. The Effect value is case sensitive.*
        match statement.get("Effect").and_then(Value::as_str) {
            Some("Deny") if !ways.is_empty() => outcome.denies = true,
            Some("Allow") => outcome.allows.extend(ways),
            _ => {}
        }
    }
    outcome
}

/// How a statement applies to the request; nothing when it does not. All of its elements must match.
fn applies(statement: &Map<String, Value>, variables: bool, attached: Attached, request: &Request) -> Vec<Named> {
    let identity = attached == Attached::ToIdentity;
    let rest = action_matches(statement, request)
        && resource_matches(statement, variables, identity, request)
        && statement.get("Condition").is_none_or(|condition| condition::met(condition, variables, request));
    if rest { principal_matches(statement, attached, request) } else { Vec::new() }
}

fn principal_matches(statement: &Map<String, Value>, attached: Attached, request: &Request) -> Vec<Named> {
    match (attached, statement.get("Principal"), statement.get("NotPrincipal")) {
        (Attached::ToIdentity, None, None) => vec![Named::Itself],
        (Attached::ToResource { .. }, Some(element), None) => principal::named(element, request),
        (Attached::ToResource { boundary }, None, Some(element)) => {
            // «NotPrincipal»: *The NotPrincipal element with a Deny effect will always deny any IAM principal that has a
            // permissions boundary policy attached, regardless of the values specified*.
            let deny = statement.get("Effect").and_then(Value::as_str) == Some("Deny");
            if (deny && boundary) || !principal::exempt(element, request) { vec![Named::Everyone] } else { Vec::new() }
        }
        // A principal where none belongs, or none where one belongs: IAM refuses such a document.
        _ => Vec::new(),
    }
}

/// «IAM JSON policy elements: Action», «NotAction»: *The prefix and the action name are case insensitive*; wildcards
/// anywhere in it.
fn action_matches(statement: &Map<String, Value>, request: &Request) -> bool {
    let asked = request.action.to_lowercase();
    let any = |actions: &Value| {
        strings(actions).iter().any(|action| text::like(&text::written(&action.to_lowercase()), &asked))
    };
    match (statement.get("Action"), statement.get("NotAction")) {
        (Some(actions), None) => any(actions),
        (None, Some(actions)) => !any(actions),
        _ => false,
    }
}

/// «IAM JSON policy elements: Resource», «NotResource». A trust policy has neither.
fn resource_matches(statement: &Map<String, Value>, variables: bool, identity: bool, request: &Request) -> bool {
    let any =
        |resources: &Value| strings(resources).iter().any(|entry| text::resource(entry, variables, identity, request));
    match (statement.get("Resource"), statement.get("NotResource")) {
        (Some(resources), None) => any(resources),
        (None, Some(resources)) => !any(resources),
        (None, None) => true,
        (Some(_), Some(_)) => false,
    }
}
