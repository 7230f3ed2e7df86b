//! The pause: an annotation on the ConfigMap `rolecall-pause` in rolecall's own namespace, watched.
//!
//! A pause ends by itself at the time that the annotation names, so that an API server that cannot be reached extends nothing.

use std::pin::pin;
use std::sync::Arc;

use futures_util::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ObjectMeta;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client};

use super::watch::{Watching, in_words};
use crate::review::{AskedPause, PAUSE_CONFIG_MAP, PAUSE_UNTIL, Pause};

/// Sees when rolecall is paused and when it goes on.
pub trait Pausing: Watching {
    /// It is paused until then; `None`: it is not.
    fn paused_until(&self, end: Option<Timestamp>);
}

/// Watches until it is dropped.
pub async fn watch_pause(client: Client, namespace: &str, pause: &Pause, seen: Arc<dyn Pausing>) {
    const WHAT: &str = "pause";
    let only = Config::default().fields(&format!("metadata.name={PAUSE_CONFIG_MAP}"));
    let watched = watcher(Api::<PartialObjectMeta<ConfigMap>>::namespaced(client, namespace), only);
    let mut events = pin!(watched.default_backoff());
    let mut listed: Option<PartialObjectMeta<ConfigMap>> = None;
    let mut now_asked = AskedPause::Nothing;
    loop {
        let end = pause.at(Timestamp::now());
        let ends = async {
            match end {
                // It ends on the wall clock, which a timer does not follow exactly: at worst it looks again.
                Some(end) => {
                    let left = end.duration_since(Timestamp::now()).unsigned_abs();
                    tokio::time::sleep(left + std::time::Duration::from_millis(20)).await;
                }
                None => std::future::pending().await,
            }
        };
        let event = tokio::select! {
            event = events.next() => event,
            () = ends => {
                if pause.at(Timestamp::now()).is_none() {
                    pause.set(None);
                    seen.paused_until(None);
                    tracing::warn!(target: "rolecall::pause", "the pause has ended: denials are enforced again");
                }
                continue;
            }
        };
        let object = match event {
            None => return,
            Some(Ok(Event::Init)) => {
                listed = None;
                continue;
            }
            Some(Ok(Event::InitApply(object))) => {
                listed = Some(object);
                continue;
            }
            Some(Ok(Event::InitDone)) => {
                let object = listed.take();
                seen.listed(WHAT, usize::from(object.is_some()));
                object
            }
            Some(Ok(Event::Apply(object))) => Some(object),
            Some(Ok(Event::Delete(_))) => None,
            Some(Err(error)) => {
                seen.lost(WHAT, &in_words(&error));
                continue;
            }
        };
        let asked = object.as_ref().map_or(AskedPause::Nothing, |object| asked_by(&object.metadata, Timestamp::now()));
        // Listed again, or changed in something else.
        if asked == now_asked {
            continue;
        }
        pause.set(asked.end());
        let in_force = pause.at(Timestamp::now());
        seen.paused_until(in_force);
        tell(&asked, in_force.is_some(), object.as_ref().map(|object| &object.metadata));
        now_asked = asked;
    }
}

/// One line for each change. The API server's audit log has the user.
fn tell(asked: &AskedPause, is_paused: bool, metadata: Option<&ObjectMeta>) {
    let text = metadata.and_then(|metadata| metadata.annotations.as_ref()?.get(PAUSE_UNTIL)).map_or("", String::as_str);
    let text: String = text.chars().take(100).collect();
    let (set_at, manager) = metadata.map_or((None, ""), set_by);
    let set_at = set_at.map(|time| time.to_string()).unwrap_or_default();
    match asked {
        AskedPause::Nothing => {
            tracing::warn!(target: "rolecall::pause", "the pause was taken back: denials are enforced");
        }
        AskedPause::Unreadable => tracing::warn!(
            target: "rolecall::pause", asked = text, set_at, manager,
            "the annotation rolecall.dev/pause-until is no RFC 3339 time, or managedFields say that it was set in the future: rolecall is \
             not paused"
        ),
        AskedPause::Until { end, .. } if !is_paused => tracing::info!(
            target: "rolecall::pause", until = %end, asked = text, set_at, manager,
            "the annotation rolecall.dev/pause-until is in the past: rolecall is not paused"
        ),
        AskedPause::Until { end, cut_from: None } => tracing::warn!(
            target: "rolecall::pause", until = %end, set_at, manager,
            "rolecall is paused: what would be denied is a warning"
        ),
        AskedPause::Until { end, cut_from: Some(_) } => tracing::warn!(
            target: "rolecall::pause", until = %end, asked = text, set_at, manager,
            "rolecall is paused: what would be denied is a warning; the time asked for was cut to 4 hours after it was set"
        ),
    }
}

fn asked_by(metadata: &ObjectMeta, now: Timestamp) -> AskedPause {
    let text = metadata.annotations.as_ref().and_then(|annotations| annotations.get(PAUSE_UNTIL));
    // Without managed fields only the creation is certain: then a pause may be shorter, and never longer.
    let created = metadata.creation_timestamp.as_ref().map(|time| time.0);
    let set_at = set_by(metadata).0.or(created).unwrap_or(Timestamp::UNIX_EPOCH);
    AskedPause::read(text.map(String::as_str), set_at, now)
}

/// When the annotation was set, and by which client (Kubernetes, "Server-Side Apply": field management).
fn set_by(metadata: &ObjectMeta) -> (Option<Timestamp>, &str) {
    let key = format!("f:{PAUSE_UNTIL}");
    let mut fields = metadata.managed_fields.iter().flatten();
    let owner = fields.find(|entry| {
        let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
        fields.and_then(|fields| fields.get("f:metadata")?.get("f:annotations")?.get(&key)).is_some()
    });
    owner.map_or((None, ""), |entry| {
        (entry.time.as_ref().map(|time| time.0), entry.manager.as_deref().unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(managed: &serde_json::Value) -> ObjectMeta {
        serde_json::from_value(serde_json::json!({
            "name": "rolecall-pause", "creationTimestamp": "2026-11-27T00:00:00Z",
            "annotations": {"rolecall.dev/pause-until": "2026-11-27T11:00:00Z"}, "managedFields": managed,
        }))
        .unwrap()
    }

    #[test]
    fn the_maximum_counts_from_when_the_annotation_was_set() {
        let set = |time: &str, annotation: &str| {
            serde_json::json!({"manager": "kubectl-annotate", "operation": "Update", "apiVersion": "v1", "time": time,
                "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": {"f:annotations": {annotation: {}}}}})
        };
        let now = "2026-11-27T10:40:00Z".parse().unwrap();
        let other = set("2026-11-27T10:30:00Z", "f:other");
        let own = set("2026-11-27T10:00:00Z", "f:rolecall.dev/pause-until");
        let metadata_of = metadata(&serde_json::json!([other, own]));
        assert_eq!(set_by(&metadata_of), (Some("2026-11-27T10:00:00Z".parse().unwrap()), "kubectl-annotate"));
        assert_eq!(asked_by(&metadata_of, now).end(), Some("2026-11-27T11:00:00Z".parse().unwrap()));
        // It cannot be told when it was set: the creation counts.
        let unmanaged = metadata(&serde_json::Value::Null);
        assert_eq!(asked_by(&unmanaged, now).end(), Some("2026-11-27T04:00:00Z".parse().unwrap()));
        // Another writer of the object does not extend it.
        let set_long_ago =
            metadata(&serde_json::json!([set("2026-11-27T01:00:00Z", "f:rolecall.dev/pause-until"), other]));
        assert_eq!(asked_by(&set_long_ago, now).end(), Some("2026-11-27T05:00:00Z".parse().unwrap()));
    }
}
