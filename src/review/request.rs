//! Reading an AdmissionReview: one pass over the body into borrowed views of what the check needs.
//!
//! `serde_json` reads it: without recursion over what is skipped, and without unsafe code of its own for that. A body that it
//! refuses is read again, to say where the fault is.

use rolecall_core::workload::{Kind, Object, Text, within_bytes};
use serde::Deserialize;

use super::frame::Frame;

/// An AdmissionReview.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Review<'a> {
    /// `admission.k8s.io/v1`
    #[serde(borrow)]
    pub api_version: Option<Text<'a>>,
    /// `AdmissionReview`
    pub kind: Option<Text<'a>>,
    /// The request.
    pub request: Option<Request<'a>>,
}

/// What the API server asks.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request<'a> {
    /// To be sent back.
    #[serde(borrow)]
    pub uid: Option<Text<'a>>,
    /// The kind of the object, after conversion.
    pub kind: GroupKind<'a>,
    /// For instance `ephemeralcontainers`.
    pub sub_resource: Option<Text<'a>>,
    /// The object's name; absent on a create with `generateName`.
    pub name: Option<Text<'a>>,
    /// The object's namespace.
    pub namespace: Option<Text<'a>>,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    pub operation: Option<Text<'a>>,
    /// The object as it is to be.
    pub object: Option<Object<'a>>,
    /// The object as it is.
    pub old_object: Option<Object<'a>>,
    /// Nothing will be stored.
    pub dry_run: Option<bool>,
    /// Who asks.
    pub user_info: Option<Requester<'a>>,
}

/// Who asks, as far as the check reads it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Requester<'a> {
    /// Name.
    #[serde(borrow)]
    pub username: Option<Text<'a>>,
    /// Groups.
    pub groups: Option<Vec<Text<'a>>>,
}

impl Requester<'_> {
    /// Whether a node asks (Kubernetes, "Using Node Authorization").
    pub(super) fn is_node(&self) -> bool {
        let named = self.username.as_ref().is_some_and(|name| name.as_str().starts_with("system:node:"));
        let groups = self.groups.as_deref().unwrap_or_default();
        named && groups.iter().any(|group| group.as_str() == "system:nodes")
    }
}

/// Group and kind.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct GroupKind<'a> {
    /// Empty for the core group.
    #[serde(borrow)]
    pub group: Text<'a>,
    /// The kind.
    pub kind: Text<'a>,
}

/// Why a body is no review that can be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// No uid can be read, so that no AdmissionResponse can be given.
    Request(String),
    /// The uid can be read, the object cannot be understood.
    Object {
        /// What could be read of the request.
        frame: Box<Frame>,
        /// Where the fault is, and what it is.
        message: String,
    },
    /// The uid can be read, and the kind is none that rolecall judges: whatever the object looks like, it may pass.
    Foreign {
        /// The request's uid.
        uid: String,
    },
}

/// Reads a body.
///
/// # Errors
/// Where the body is no AdmissionReview, or its object is not of the shape that its kind has.
pub fn read(body: &[u8]) -> Result<Review<'_>, Unreadable> {
    within_bytes(allowance(body.len()), || read_within(body))
}

/// Memory for the lists of a review besides its text. An element of a list takes more memory than its text; the largest
/// object that etcd takes, of the smallest elements, needs less than this (docs/reliability.md).
fn allowance(body_bytes: usize) -> usize {
    body_bytes.saturating_mul(32).clamp(MIN_LIST_BYTES, MAX_LIST_BYTES)
}

/// Longest uid that is sent back.
pub(super) const MAX_UID_BYTES: usize = 256;
const MIN_LIST_BYTES: usize = 1 << 20;
const MAX_LIST_BYTES: usize = 40 << 20;

fn read_within(body: &[u8]) -> Result<Review<'_>, Unreadable> {
    let text = std::str::from_utf8(body)
        .map_err(|e| Unreadable::Request(format!("the body is not UTF-8: byte {} is wrong", e.valid_up_to())))?;
    match serde_json::from_str::<Review<'_>>(text) {
        Ok(review) if has_uid(&review) => match foreign_type(review.api_version.as_ref(), review.kind.as_ref()) {
            Some(complaint) => Err(Unreadable::Request(complaint)),
            None => Ok(review),
        },
        // Reading a large one again would take its memory twice.
        Err(fault) if body.len() > MAX_TRACED_BYTES => read_again(text, Some(&fault.to_string())),
        _ => read_again(text, None),
    }
}

/// Of a body up to this size an error names the field.
const MAX_TRACED_BYTES: usize = 1 << 20;

/// A message may quote the wrong value, which may be long or confidential.
fn shortened(message: &str) -> String {
    let quoted = message.find('"').unwrap_or(message.len());
    let end = message.rfind("\", ").map_or(quoted, |at| at + 1);
    let text = match (message.get(..quoted), message.get(end..)) {
        (Some(start), Some(rest)) if end > quoted => format!("{start}…{rest}"),
        _ => message.to_owned(),
    };
    text.chars().take(300).collect()
}

/// What is wrong with the type of a body; nothing where it does not say.
fn foreign_type(api_version: Option<&Text<'_>>, kind: Option<&Text<'_>>) -> Option<String> {
    const API_VERSION: &str = "admission.k8s.io/v1";
    const KIND: &str = "AdmissionReview";
    let written = |text: &Text<'_>| text.as_str().chars().take(64).collect::<String>();
    match (api_version, kind) {
        (_, Some(kind)) if kind.as_str() != KIND => {
            Some(format!("the body is of kind {}; an {KIND} is expected", written(kind)))
        }
        (Some(version), _) if version.as_str() != API_VERSION => Some(format!(
            "the body is an {KIND} of {}, this webhook answers {API_VERSION}: set admissionReviewVersions: [v1] in its \
             ValidatingWebhookConfiguration",
            written(version)
        )),
        _ => None,
    }
}

fn has_uid(review: &Review<'_>) -> bool {
    let uid = review.request.as_ref().and_then(|request| request.uid.as_ref());
    uid.is_some_and(|uid| is_uid(uid.as_str()))
}

/// A uid is 36 characters long. It is sent back whole, so a text of any length is not taken for one.
fn is_uid(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_UID_BYTES
}

/// Pods are judged when they are created, when an ephemeral container is added, and when their nodes change while scheduling
/// gates hold them: nothing else about their identity can change. Other subresources, such as `status` and `scale`, do not
/// touch it.
pub(super) fn is_judged(kind: Kind, operation: &str, sub_resource: &str) -> bool {
    match (kind, operation, sub_resource) {
        (Kind::Pod, "CREATE" | "UPDATE", "") | (Kind::Pod, "UPDATE", "ephemeralcontainers") => true,
        (Kind::Pod, ..) => false,
        (_, "CREATE" | "UPDATE", "") => true,
        _ => false,
    }
}

/// The frame of a review, which can be read where the object cannot.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(borrow, default)]
    api_version: Option<Text<'a>>,
    #[serde(default)]
    kind: Option<Text<'a>>,
    request: Option<EnvelopeRequest>,
}

#[derive(Deserialize)]
struct EnvelopeRequest {
    uid: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
    kind: Option<EnvelopeKind>,
    operation: Option<String>,
    #[serde(rename = "subResource")]
    sub_resource: Option<String>,
    #[serde(rename = "userInfo")]
    user_info: Option<EnvelopeUser>,
}

#[derive(Deserialize)]
struct EnvelopeUser {
    username: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct EnvelopeKind {
    group: String,
    kind: String,
}

fn read_again<'a>(text: &'a str, fault: Option<&str>) -> Result<Review<'a>, Unreadable> {
    if text.trim().is_empty() {
        return Err(Unreadable::Request("the body is empty; an AdmissionReview is expected".to_owned()));
    }
    let envelope: Envelope<'_> = serde_json::from_str(text)
        .map_err(|e| Unreadable::Request(format!("the body is not an AdmissionReview in JSON: {e}")))?;
    if let Some(complaint) = foreign_type(envelope.api_version.as_ref(), envelope.kind.as_ref()) {
        return Err(Unreadable::Request(complaint));
    }
    let Some(request) = envelope.request else {
        return Err(Unreadable::Request("the body has no `request`; an AdmissionReview is expected".to_owned()));
    };
    let Some(uid) = request.uid.filter(|uid| is_uid(uid)) else {
        return Err(Unreadable::Request("the body has no `request.uid`".to_owned()));
    };
    let kind = request.kind.unwrap_or_default();
    let (operation, sub_resource) = (request.operation.unwrap_or_default(), request.sub_resource.unwrap_or_default());
    // Whether an update changes a pod's nodes cannot be read: other updates, such as of finalizers, must not be refused.
    let is_update_of_pod = |kind: Kind| kind == Kind::Pod && operation == "UPDATE" && sub_resource.is_empty();
    let judged = Kind::from_group(&kind.group, &kind.kind)
        .is_some_and(|kind| is_judged(kind, &operation, &sub_resource) && !is_update_of_pod(kind));
    if !judged {
        return Err(Unreadable::Foreign { uid });
    }
    let user = request.user_info.and_then(|user| user.username).unwrap_or_default();
    let unreadable = |message: &str| {
        let frame = Frame {
            uid,
            group: kind.group,
            kind: kind.kind,
            sub_resource,
            namespace: request.namespace.unwrap_or_default(),
            name: request.name.unwrap_or_default(),
            operation,
            user,
        };
        Unreadable::Object { frame: Box::new(frame), message: shortened(message) }
    };
    if let Some(fault) = fault {
        return Err(unreadable(fault));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|e| unreadable(&format!("{}: {}", e.path(), e.inner())))
}
