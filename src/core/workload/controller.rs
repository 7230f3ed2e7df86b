//! What controls an object: the owner that creates it again (Kubernetes API reference, meta/v1 OwnerReference).

use serde::Deserialize;

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
        #[derive(Deserialize)]
        struct Object {
            metadata: Metadata,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Metadata {
            #[serde(default)]
            owner_references: Vec<Reference>,
            labels: Option<Labels>,
        }
        #[derive(Deserialize)]
        struct Labels {
            #[serde(rename = "pod-template-hash")]
            template_hash: Option<String>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        #[derive(Default)]
        struct Reference {
            api_version: String,
            kind: String,
            name: String,
            uid: String,
            controller: bool,
        }
        let metadata = serde_json::from_str::<Object>(object).ok()?.metadata;
        let owner = metadata.owner_references.into_iter().find(|reference| reference.controller)?;
        let template_hash = metadata.labels.and_then(|labels| labels.template_hash);
        let Reference { api_version, kind, name, uid, .. } = owner;
        Some(Self { api_version, kind, name, uid, template_hash })
    }

    /// The Deployment behind a ReplicaSet: its name without the hash that the pods have as a label.
    pub fn deployment(&self) -> Option<&str> {
        let hash = self.template_hash.as_deref().filter(|hash| !hash.is_empty() && self.kind == "ReplicaSet")?;
        self.name.strip_suffix(hash)?.strip_suffix('-').filter(|name| !name.is_empty())
    }
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
        assert_eq!(Controller::of(r#"{"metadata":{}}"#), None);
        assert_eq!(Controller::of("{"), None);
    }
}
