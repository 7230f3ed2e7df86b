//! What controls an object: the owner that creates it again (Kubernetes API reference, meta/v1 OwnerReference).

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::kind::Kind;

/// The controller of an object, as the object names it. Its author may write any: it proves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    /// `GROUP/VERSION`
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The object's label `pod-template-hash`, which a Deployment sets on its pods.
    template_hash: Option<String>,
}

impl Controller {
    /// The controller of an object's JSON; `None` where it names none, or cannot be read.
    pub fn of(object: &str) -> Option<Self> {
        let Metadata { owner_references: owner, labels } = serde_json::from_str::<Object>(object).ok()?.metadata;
        let Reference { api_version, kind, name, uid, .. } = owner?;
        Some(Self { api_version, kind, name, uid, template_hash: labels.and_then(|labels| labels.template_hash) })
    }

    /// The controller of the object in an AdmissionReview.
    pub fn of_reviewed(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Review<'b> {
            #[serde(borrow)]
            request: Request<'b>,
        }
        #[derive(Deserialize)]
        struct Request<'b> {
            #[serde(borrow)]
            object: &'b RawValue,
        }
        let Review { request } = serde_json::from_slice(body).ok()?;
        Self::of(request.object.get())
    }

    /// The Deployment behind a ReplicaSet: its name without the hash that the pods have as a label.
    pub fn deployment(&self) -> Option<&str> {
        let hash =
            self.template_hash.as_deref().filter(|hash| !hash.is_empty() && self.kind == Kind::ReplicaSet.name())?;
        self.name.strip_suffix(hash)?.strip_suffix('-').filter(|name| !name.is_empty())
    }
}

#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default, deserialize_with = "controller")]
    owner_references: Option<Reference>,
    labels: Option<Labels>,
}

#[derive(Deserialize)]
struct Labels {
    #[serde(rename = "pod-template-hash")]
    template_hash: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Reference {
    api_version: String,
    kind: String,
    name: String,
    uid: String,
    controller: bool,
}

/// The reference to the controller among others, which are not kept: an element takes far more memory than its text.
fn controller<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Reference>, D::Error> {
    struct First;

    impl<'de> Visitor<'de> for First {
        type Value = Option<Reference>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of owner references")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut references: A) -> Result<Self::Value, A::Error> {
            let mut found = None;
            while let Some(reference) = references.next_element::<Reference>()? {
                if found.is_none() && reference.controller {
                    found = Some(reference);
                }
            }
            Ok(found)
        }
    }

    deserializer.deserialize_any(First)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_is_known_by_the_hash_of_its_template() {
        let deployment = |labels: &str| {
            let object = format!(
                r#"{{"metadata":{{{labels}"ownerReferences":[{{"kind":"Node","name":"n"}},
                {{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-7d9f","uid":"u","controller":true}}]}}}}"#
            );
            Controller::of(&object).unwrap().deployment().map(str::to_owned)
        };
        assert_eq!(deployment(r#""labels":{"pod-template-hash":"7d9f"},"#).as_deref(), Some("web"));
        for labels in [
            "",
            r#""labels":null,"#,
            r#""labels":{"pod-template-hash":""},"#,
            r#""labels":{"pod-template-hash":"web-7d9f"},"#,
        ] {
            assert_eq!(deployment(labels), None, "{labels}");
        }
        for object in [r#"{"metadata":{}}"#, r#"{"metadata":{"ownerReferences":null}}"#] {
            assert_eq!(Controller::of(object), None, "{object}");
        }
        assert_eq!(Controller::of("{"), None);
    }
}
