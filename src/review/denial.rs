//! A denial, for those who look at the pod's owner rather than at logs.

use rolecall_core::workload::Kind;
use serde::Deserialize;

use super::record::Record;

/// A denial that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The namespace.
    pub namespace: String,
    /// The kind of what was denied.
    pub kind: &'static str,
    /// Its name; with `*` where the API server would have made one.
    pub name: String,
    /// The object that controls it.
    pub owner: Option<Owner>,
    /// The whole message.
    pub message: String,
}

/// A controlling object (Kubernetes API reference, meta/v1 OwnerReference).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// `GROUP/VERSION`
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// Takes denials. Must not block: it is called while an answer is waited for.
pub trait DenialSink: Send + Sync + std::fmt::Debug {
    /// A denial stands.
    fn denied(&self, denial: Denial);
}

impl Denial {
    /// The denial of a record, with the owner that the review's body names.
    pub fn of(record: &Record<'_>, body: &[u8]) -> Self {
        Self {
            namespace: record.namespace.to_string(),
            kind: record.kind.map_or("", Kind::name),
            name: record.name.to_string(),
            owner: labelled(body).owner,
            message: record.told.as_ref().unwrap_or(&record.message).clone(),
        }
    }
}

/// Who controls a denied object.
#[derive(Debug, Default)]
pub(super) struct Labelled {
    /// The controller among its owners.
    pub(super) owner: Option<Owner>,
    /// The label `pod-template-hash`, which a Deployment sets.
    pub(super) template_hash: Option<String>,
}

/// Who controls the object of a review. Read only for denials, which are rare, so that no other review pays for it.
pub(super) fn labelled(body: &[u8]) -> Labelled {
    #[derive(Deserialize)]
    struct Review {
        request: Request,
    }
    #[derive(Deserialize)]
    struct Request {
        object: Object,
    }
    #[derive(Deserialize)]
    struct Object {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        #[serde(default)]
        owner_references: Vec<Reference>,
        #[serde(default)]
        labels: Labels,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Labels {
        #[serde(rename = "pod-template-hash")]
        template_hash: Option<String>,
    }
    #[derive(Deserialize)]
    struct Reference {
        #[serde(default)]
        controller: bool,
        #[serde(flatten)]
        owner: Owner,
    }
    let Ok(review) = serde_json::from_slice::<Review>(body) else {
        return Labelled::default();
    };
    let Metadata { owner_references, labels } = review.request.object.metadata;
    let controller = owner_references.into_iter().find(|reference| reference.controller);
    Labelled { owner: controller.map(|reference| reference.owner), template_hash: labels.template_hash }
}
