//! What the controller of a denied pod does next: it creates the pod again by itself, after longer and longer pauses.

use rolecall_core::workload::{Controller, Kind, is_object_name};
use rolecall_message::shell::quote;

/// The line of a denial that says when the pod is created again, and how to have it at once. `None` where no controller of
/// Kubernetes creates it.
///
/// Pauses are those of the controllers' queues: from 5 ms, doubled each time, to 1,000 s (client-go,
/// `DefaultTypedControllerRateLimiter`); for Jobs from 1 s to 60 s (kube-controller-manager, `pkg/controller/job`).
pub(super) fn advice(namespace: &str, owner: &Controller) -> Option<String> {
    // The author of a pod may write any text there.
    if !is_object_name(&owner.name) {
        return None;
    }
    let name = owner.name.as_str();
    let kind = Kind::named(&owner.kind).filter(|kind| kind.api_version() == owner.api_version)?;
    let restart = match kind {
        Kind::ReplicaSet => owner.deployment().map(|name| ("deployment", name)),
        Kind::StatefulSet => Some(("statefulset", name)),
        Kind::DaemonSet => Some(("daemonset", name)),
        Kind::ReplicationController => None,
        Kind::Job => {
            return Some(format!(
                "retry: Job {name} creates the pod again by itself, after pauses that double from 1 s to 60 s"
            ));
        }
        // These create no pods themselves.
        Kind::CronJob | Kind::Deployment | Kind::Pod | Kind::PodTemplate | Kind::ServiceAccount | Kind::Custom(_) => {
            return None;
        }
    };
    let pauses = format!(
        "retry: {kind} {name} creates the pod again by itself, after pauses that double: 1.3, 2.6, 5, 10, 20, 41, 82, 164 s, to 17 min"
    );
    Some(match restart {
        Some((kind, name)) => {
            format!("{pauses}; at once: kubectl rollout restart -n {} {kind}/{}", quote(namespace), quote(name))
        }
        None => pauses,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(api_version: &str, kind: &str, name: &str, hash: Option<&str>) -> Option<String> {
        let owner = serde_json::json!({"apiVersion": api_version, "kind": kind, "name": name, "controller": true});
        let labels = serde_json::json!({"pod-template-hash": hash});
        let object = serde_json::json!({"metadata": {"labels": labels, "ownerReferences": [owner]}});
        let review = serde_json::json!({"request": {"object": object}}).to_string();
        advice("carts", &Controller::of_reviewed(review.as_bytes()).unwrap())
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
        assert_eq!(of("apps/v1", "DaemonSet", "x\n  change: nothing", None), None, "it is no name");
    }
}
