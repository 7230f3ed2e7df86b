//! Denials as Events on the owner of what was denied, where `kubectl describe` shows them.
//!
//! Written by a task of its own, off the way of the answer, and no faster than the rate below: the API server keeps Events
//! in its own store, and a controller that is denied tries again and again. What is given up is counted; the same denials
//! stand in the audit annotations.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Api, Client};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::explain;
use super::name::is_object_name;
use crate::review::{Denial, DenialSink, Owner};

/// Events that wait to be written; more are given up.
const QUEUE: usize = 256;
/// Events at once, and one more each second.
const BURST: NonZeroU32 = NonZeroU32::new(25).unwrap();
/// How long the API server may take for one.
const PATIENCE: Duration = Duration::from_secs(5);
/// A note is at most 1,024 bytes long (Kubernetes API reference, events.k8s.io/v1 Event).
const LONGEST_NOTE: usize = 1_000;

/// Sees what becomes of Events.
pub trait Writing: Send + Sync + std::fmt::Debug {
    /// An Event was written, or was not: `written`, `limited`, `failed`, or `unverified` where its object does not exist.
    fn event(&self, outcome: &'static str);
}

/// Takes denials and hands them to the writer.
#[derive(Debug)]
pub struct EventQueue {
    sender: Sender<Denial>,
    seen: Arc<dyn Writing>,
}

impl DenialSink for EventQueue {
    fn denied(&self, denial: Denial) {
        // Nobody controls it: there is no object to describe.
        if denial.owner.is_some() && self.sender.try_send(denial).is_err() {
            self.seen.event("limited");
        }
    }
}

/// A queue, and what writes its Events for as long as it is polled.
pub fn events(
    client: Client,
    instance: Option<String>,
    seen: Arc<dyn Writing>,
) -> (EventQueue, impl Future<Output = ()> + Send) {
    let (sender, receiver) = channel(QUEUE);
    let queue = EventQueue { sender, seen: Arc::clone(&seen) };
    (queue, write(client, instance, receiver, seen))
}

async fn write(client: Client, instance: Option<String>, mut denials: Receiver<Denial>, seen: Arc<dyn Writing>) {
    let reporter = Reporter { controller: "rolecall".to_owned(), instance };
    let recorder = Recorder::new(client.clone(), reporter);
    let limit: DefaultDirectRateLimiter = RateLimiter::direct(
        Quota::with_period(Duration::from_secs(1)).unwrap_or(Quota::per_second(BURST)).allow_burst(BURST),
    );
    while let Some(denial) = denials.recv().await {
        if limit.check().is_err() {
            seen.event("limited");
            continue;
        }
        let Some(owner) = &denial.owner else {
            continue;
        };
        let event = Event {
            type_: EventType::Warning,
            reason: "IdentityDenied".to_owned(),
            note: Some(note(&denial)),
            action: "Admission".to_owned(),
            secondary: None,
        };
        // Whoever can reach the webhook can name an owner: an Event is written on an object that exists, and on no other.
        let Some(top) = verified(&client, &denial.namespace, owner).await else {
            seen.event("unverified");
            continue;
        };
        let reference = reference(&denial.namespace, &top);
        match tokio::time::timeout(PATIENCE, recorder.publish(&event, &reference)).await {
            Ok(Ok(())) => seen.event("written"),
            Err(_) => seen.event("failed"),
            Ok(Err(error)) => {
                seen.event("failed");
                tracing::warn!(target: "rolecall::kube", namespace = denial.namespace, owner = top.name, error = explain(&error), "an event could not be written");
            }
        }
    }
}

fn note(denial: &Denial) -> String {
    let mut text = format!("{} {}: {}", denial.kind, denial.name, denial.message);
    if text.len() > LONGEST_NOTE {
        // The last line may say when the controller tries again: it stays.
        let last = text.rsplit_once('\n').map(|(_, last)| last).filter(|last| last.trim_start().starts_with("retry: "));
        let last = last.filter(|last| last.len() < LONGEST_NOTE / 2).map(str::to_owned);
        let room = LONGEST_NOTE - last.as_ref().map_or(0, |last| last.len() + "…\n".len());
        let end = (0..=room).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
        if let Some(last) = last {
            text.push('\n');
            text.push_str(&last);
        }
    }
    text
}

fn reference(namespace: &str, owner: &Owner) -> ObjectReference {
    ObjectReference {
        api_version: Some(owner.api_version.clone()),
        kind: Some(owner.kind.clone()),
        name: Some(owner.name.clone()),
        namespace: Some(namespace.to_owned()),
        uid: Some(owner.uid.clone()),
        ..ObjectReference::default()
    }
}

/// Kinds that control pods, and whose metadata rolecall may read (deploy/manifests/rbac.yaml).
const CONTROLLERS: [(&str, &str); 6] = [
    ("apps/v1", "ReplicaSet"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("v1", "ReplicationController"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
];

/// The owner, once the API server has confirmed it by its uid; in its place its own controller where it has one: a person
/// looks at the Deployment, not at its ReplicaSet. `None` where no such object exists.
async fn verified(client: &Client, namespace: &str, owner: &Owner) -> Option<Owner> {
    let is_known = CONTROLLERS.contains(&(owner.api_version.as_str(), owner.kind.as_str()));
    if !is_known || !is_object_name(namespace) || !is_object_name(&owner.name) {
        return None;
    }
    let (group, version) = owner.api_version.split_once('/').unwrap_or(("", &owner.api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &owner.kind));
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource);
    let found = tokio::time::timeout(PATIENCE, api.get_metadata(&owner.name)).await.ok()?.ok()?;
    if found.metadata.uid.as_deref() != Some(owner.uid.as_str()) {
        return None;
    }
    let mut owners = found.metadata.owner_references.unwrap_or_default().into_iter();
    let controller = owners.find(|owner| owner.controller == Some(true));
    Some(controller.map_or_else(
        || owner.clone(),
        |controller| Owner {
            api_version: controller.api_version,
            kind: controller.kind,
            name: controller.name,
            uid: controller.uid,
        },
    ))
}
