//! What a decision says to people who did not make the request: they look at the workload, not at logs or at the output of
//! `kubectl apply`. Argo CD and Flux drop warnings, and a controller's pod is denied where no person looks.

use rolecall_core::decision::Outcome;
use rolecall_core::finding::Finding;
use rolecall_core::workload::{Controller, Kind, is_object_name};
use serde::Deserialize;

use super::note;
use super::record::Record;

/// Longest uid and resource version that are kept; those of Kubernetes are shorter.
const MAX_ID_BYTES: usize = 64;
/// Most rules of one notice: each becomes an Event of its own.
const MAX_NOTES: usize = 8;

/// A finding that the requester was warned of, as the requester read it.
#[derive(Debug, Clone, Copy)]
pub struct Warned<'a> {
    pub(super) finding: &'a Finding,
    /// It is the service account's, whichever workload uses it.
    pub(super) is_of_account: bool,
    /// Its first note is the reference that a requester reads in the place of what is withheld.
    pub(super) is_referred: bool,
}

/// A denial, or the warnings of a review, for an Event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Whether the object was denied.
    pub is_denial: bool,
    /// The namespace.
    pub namespace: String,
    /// The object to look up.
    pub object: NoticedObject,
    /// The service account of the object's pods; empty where it has none that can exist.
    pub service_account: String,
    /// One for each rule, most severe first.
    pub notes: Vec<Note>,
}

/// The object that an Event is about, as a review names it: for a pod its controller, else the reviewed object itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NoticedObject {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The generation that was reviewed; 0 where the kind has none, and where another object was reviewed.
    pub generation: i64,
    /// The version of the object that a reviewed update replaces. While the API server has it, the update is not stored.
    pub replaces: Option<String>,
}

/// The text of an Event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The rule that the requester reads; empty where the object could not be checked.
    pub rule: &'static str,
    /// At most [`MAX_NOTE_BYTES`](super::MAX_NOTE_BYTES) long.
    pub text: String,
    /// It is the service account's, whichever workload uses it.
    pub is_of_account: bool,
}

/// Takes what was decided. Must not block: it is called while an answer is waited for.
pub trait NoticeSink: Send + Sync + std::fmt::Debug {
    /// A review was answered that is no dry run. `body` is the review.
    fn decided(&self, record: &Record<'_>, body: &[u8]);
}

/// The object that a review names cannot exist: its name, namespace or uid is none of Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImpossibleObject;

impl Notice {
    /// The notice of a record, about the object that the review's body names; `None` where there is nothing to say, or no
    /// object to say it about.
    ///
    /// # Errors
    /// Where the object cannot exist. What a review names becomes parts of a request's path, and is kept in memory.
    pub fn of(record: &Record<'_>, body: &[u8]) -> Result<Option<Self>, ImpossibleObject> {
        let is_denial = record.decision == Outcome::Deny;
        if !is_denial && record.warned.is_empty() {
            return Ok(None);
        }
        let Some(object) = record.kind.and_then(|kind| object(record, kind, is_denial, body)) else {
            return Ok(None);
        };
        if !is_object_name(&record.namespace) || !object.is_possible() {
            return Err(ImpossibleObject);
        }
        let service_account = Some(&*record.service_account).filter(|name| is_object_name(name)).unwrap_or_default();
        Ok(Some(Self {
            is_denial,
            namespace: record.namespace.to_string(),
            object,
            service_account: service_account.to_owned(),
            notes: Self::notes(record),
        }))
    }

    /// What Events say of a record: no more than its requester reads.
    pub fn notes(record: &Record<'_>) -> Vec<Note> {
        match record.decision {
            Outcome::Deny => vec![Self::denial(record)],
            Outcome::Warn | Outcome::Allow => Self::warnings(record),
        }
    }

    /// What an Event says about a denial.
    fn denial(record: &Record<'_>) -> Note {
        let kind = record.kind.map_or("", Kind::name);
        let message = record.requester_message.as_ref().unwrap_or(&record.message);
        let text = note::fit(&format!("{kind} {}: {message}", record.name));
        Note { rule: record.lead, text, is_of_account: false }
    }

    /// What Events say about warnings, one for each rule.
    fn warnings(record: &Record<'_>) -> Vec<Note> {
        let mut notes: Vec<Note> = Vec::new();
        for Warned { finding, is_of_account, .. } in &record.warned {
            let rule = finding.rule();
            if notes.len() == MAX_NOTES || notes.iter().any(|note| note.rule == rule) {
                continue;
            }
            let of_rule = record.warned.iter().filter(|other| other.finding.rule() == rule);
            notes.push(Note { rule, text: note::of_rule(of_rule), is_of_account: *is_of_account });
        }
        notes
    }
}

impl NoticedObject {
    fn is_possible(&self) -> bool {
        is_object_name(&self.name)
            && is_id(&self.uid)
            && self.replaces.as_deref().is_none_or(is_id)
            // None of the kinds that are checked is controlled by a pod.
            && self.kind != Kind::Pod
    }
}

/// Whether a text can be a uid or a resource version.
pub(crate) fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_ID_BYTES && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// The object that a notice is about. Read only for what is denied or warned of, so that no other review pays for it.
fn object(record: &Record<'_>, kind: Kind, is_denial: bool, body: &[u8]) -> Option<NoticedObject> {
    #[derive(Deserialize)]
    struct Review {
        request: Request,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Request {
        object: Object,
        old_object: Option<Object>,
    }
    #[derive(Deserialize)]
    struct Object {
        metadata: Metadata,
    }
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Metadata {
        name: String,
        uid: String,
        generation: i64,
        resource_version: String,
    }
    // A pod is one of many, and what was denied does not exist.
    if kind == Kind::Pod || is_denial {
        let owner = match &record.controller {
            Some(owner) => owner.clone(),
            None => Controller::of_reviewed(body)?,
        };
        let kind = Kind::from_api_version(&owner.api_version, &owner.kind)?;
        return Some(NoticedObject { kind, name: owner.name, uid: owner.uid, generation: 0, replaces: None });
    }
    let Review { request } = serde_json::from_slice(body).ok()?;
    let Metadata { name, uid, generation, .. } = request.object.metadata;
    let replaces = request.old_object.map(|old| old.metadata.resource_version).filter(|version| !version.is_empty());
    Some(NoticedObject { kind, name, uid, generation, replaces })
}
