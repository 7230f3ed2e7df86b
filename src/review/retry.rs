//! What the controller of a denied pod does next: it creates the pod again by itself, later and later.

use rolecall_message::shell::quote;
use serde::Deserialize;

/// The line of a denial that says when the pod is created again, and how to have it at once. `None` where no controller of
/// Kubernetes creates it.
///
/// Pauses are those of the controllers' queues: from 5 ms, doubled each time, to 1,000 s (client-go,
/// `DefaultTypedControllerRateLimiter`); for Jobs from 1 s to 60 s (kube-controller-manager, `pkg/controller/job`).
pub(super) fn advice(namespace: &str, labelled: &Labelled) -> Option<String> {
    let owner = labelled.owner.as_ref()?;
    let restart = match (owner.api_version.as_str(), owner.kind.as_str()) {
        ("apps/v1", "ReplicaSet") => deployment(owner, labelled).map(|name| ("deployment", name)),
        ("apps/v1", "StatefulSet") => Some(("statefulset", owner.name.as_str())),
        ("apps/v1", "DaemonSet") => Some(("daemonset", owner.name.as_str())),
        ("v1", "ReplicationController") => None,
        ("batch/v1", "Job") => {
            return Some(format!(
                "retry: Job {} creates the pod again by itself, after pauses that double from 1 s to 60 s",
                owner.name
            ));
        }
        _ => return None,
    };
    let pauses = format!(
        "retry: {} {} creates the pod again by itself, after pauses that double: 1.3, 2.6, 5, 10, 20, 41, 82, 164 s, to 17 min",
        owner.kind, owner.name
    );
    Some(match restart {
        Some((kind, name)) => {
            format!("{pauses}; at once: kubectl rollout restart -n {} {kind}/{}", quote(namespace), quote(name))
        }
        None => pauses,
    })
}

/// The Deployment of a ReplicaSet: its name without the hash that the pods carry as a label.
fn deployment<'o>(owner: &'o Owner, labelled: &Labelled) -> Option<&'o str> {
    let hash = labelled.template_hash.as_deref().filter(|hash| !hash.is_empty())?;
    owner.name.strip_suffix(hash)?.strip_suffix('-').filter(|name| !name.is_empty())
}

/// A controlling object (Kubernetes API reference, meta/v1 OwnerReference).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Owner {
    /// `GROUP/VERSION`
    pub(super) api_version: String,
    /// Its kind.
    pub(super) kind: String,
    /// Its name.
    pub(super) name: String,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn of(api_version: &str, kind: &str, name: &str, hash: Option<&str>) -> Option<String> {
        let owner = Owner { api_version: api_version.into(), kind: kind.into(), name: name.into() };
        advice("carts", &Labelled { owner: Some(owner), template_hash: hash.map(Into::into) })
    }

    #[test]
    fn each_controller_is_restarted_by_its_name() {
        for (api_version, kind, name, hash, end) in [
            ("apps/v1", "ReplicaSet", "web-7d9f", Some("7d9f"), "kubectl rollout restart -n carts deployment/web"),
            ("apps/v1", "ReplicaSet", "bare", None, "to 17 min"),
            ("apps/v1", "ReplicaSet", "bare", Some("7d9f"), "to 17 min"),
            ("apps/v1", "StatefulSet", "db", None, "kubectl rollout restart -n carts statefulset/db"),
            ("apps/v1", "DaemonSet", "log", None, "kubectl rollout restart -n carts daemonset/log"),
            ("v1", "ReplicationController", "old", None, "to 17 min"),
            ("batch/v1", "Job", "once", None, "from 1 s to 60 s"),
        ] {
            let line = of(api_version, kind, name, hash).unwrap();
            assert!(line.starts_with("retry: ") && line.ends_with(end), "{line}");
        }
        assert_eq!(of("example.com/v1", "Rollout", "web", None), None, "its back-off is not known");
        assert_eq!(advice("carts", &Labelled::default()), None);
    }
}
