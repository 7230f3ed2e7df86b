//! Writing Events. The name of one says what it is about, so that all replicas write the same: the second one counts it
//! up.

use std::collections::HashMap;

use k8s_openapi::api::core::v1::{Event, EventSource};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

use super::target::Target;
use super::waiting::Counted;
use super::{Calls, Fault};

/// Events whose count is remembered. Of others it is asked for.
const MAX_REMEMBERED: usize = 1_024;
/// Attempts to count up an Event that another replica changes at the same time.
const ATTEMPTS: usize = 4;
/// The longest name of an object.
const MAX_NAME_BYTES: usize = 253;
const REPORTER: &str = "rolecall";

/// Writes Events.
pub(super) struct Writer {
    instance: Option<String>,
    known: HashMap<(String, String), Known>,
}

/// An Event as the API server had it last.
#[derive(Debug, Clone)]
struct Known {
    count: i32,
    version: String,
}

impl Known {
    fn of(event: &Event) -> Self {
        Self { count: event.count.unwrap_or(1), version: event.metadata.resource_version.clone().unwrap_or_default() }
    }
}

impl Writer {
    pub(super) fn new(instance: Option<String>) -> Self {
        Self { instance, known: HashMap::new() }
    }

    /// Creates the Event, or counts it up where it exists.
    pub(super) async fn write(
        &mut self,
        calls: &mut Calls,
        target: &Target,
        is_denial: bool,
        counted: &Counted,
    ) -> Result<&'static str, Fault> {
        let namespace = target.reference.namespace.clone().unwrap_or_default();
        let name = name(target, is_denial, counted.note.rule);
        let api = Api::<Event>::namespaced(calls.client.clone(), &namespace);
        let key = (namespace, name);
        for _ in 0..ATTEMPTS {
            let Some(known) = self.known.get(&key).cloned() else {
                let event = self.event(&key, target, is_denial, counted);
                match calls.call("create events", api.create(&PostParams::default(), &event)).await? {
                    Ok(event) => {
                        self.remember(key, Known::of(&event));
                        return Ok("written");
                    }
                    // The namespace is gone.
                    Err(kube::Error::Api(status)) if status.code == 404 => return Err(Fault::Refused),
                    // Another replica has written it. An empty patch changes nothing and answers with the Event, so that
                    // no right to read Events is needed.
                    Err(_) => {
                        let (params, patch) = (PatchParams::default(), Patch::Merge(json!({})));
                        let patched = api.patch(&key.1, &params, &patch);
                        if let Ok(event) = calls.call("patch events", patched).await? {
                            self.remember(key.clone(), Known::of(&event));
                        }
                        continue;
                    }
                }
            };
            let patch = Patch::Merge(json!({
                "metadata": {"resourceVersion": known.version},
                "count": known.count.saturating_add(counted.count),
                "lastTimestamp": Time(counted.last),
                "message": counted.note.text,
            }));
            match calls.call("patch events", api.patch(&key.1, &PatchParams::default(), &patch)).await? {
                Ok(event) => {
                    self.remember(key, Known::of(&event));
                    return Ok("counted");
                }
                // Changed by another replica, or gone after its time, an hour by default.
                Err(_) => drop(self.known.remove(&key)),
            }
        }
        Err(Fault::Failed)
    }

    fn remember(&mut self, key: (String, String), known: Known) {
        if self.known.len() >= MAX_REMEMBERED && !self.known.contains_key(&key) {
            self.known.clear();
        }
        self.known.insert(key, known);
    }

    fn event(
        &self,
        (namespace, name): &(String, String),
        target: &Target,
        is_denial: bool,
        counted: &Counted,
    ) -> Event {
        Event {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                namespace: Some(namespace.clone()),
                ..ObjectMeta::default()
            },
            involved_object: target.reference.clone(),
            type_: Some("Warning".to_owned()),
            reason: Some(if is_denial { "IdentityDenied" } else { "IdentityWarning" }.to_owned()),
            action: Some("Admission".to_owned()),
            message: Some(counted.note.text.clone()),
            count: Some(counted.count),
            first_timestamp: Some(Time(counted.first)),
            last_timestamp: Some(Time(counted.last)),
            source: Some(EventSource { component: Some(REPORTER.to_owned()), host: None }),
            reporting_component: Some(REPORTER.to_owned()),
            reporting_instance: Some(self.instance.clone().unwrap_or_else(|| REPORTER.to_owned())),
            ..Event::default()
        }
    }
}

/// `web.UID.irsa-trust-subject.warned.3`: the object, what was found, and the generation where it has one. The uid makes it
/// unique; a long name of the object is cut.
fn name(target: &Target, is_denial: bool, rule: &str) -> String {
    let uid = target.reference.uid.as_deref().unwrap_or_default();
    let rule = if rule.is_empty() { "unchecked" } else { rule };
    let outcome = if is_denial { "denied" } else { "warned" };
    let mut end = format!(".{uid}.{rule}.{outcome}");
    if target.generation > 0 {
        end.push_str(&format!(".{}", target.generation));
    }
    let object = target.reference.name.as_deref().unwrap_or_default();
    let object: String = object.chars().take(MAX_NAME_BYTES.saturating_sub(end.len())).collect();
    format!("{}{end}", object.trim_end_matches(['-', '.']))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ObjectReference;

    use super::*;
    use rolecall_core::workload::is_object_name;

    #[test]
    fn names_are_names_and_tell_apart() {
        let target = |name: &str, generation| {
            let uid = Some("6f1f6f0e-0000-4000-8000-000000000001".to_owned());
            let reference = ObjectReference { name: Some(name.to_owned()), uid, ..ObjectReference::default() };
            Target { reference, generation }
        };
        let web = name(&target("web", 3), false, "irsa-trust-subject");
        assert_eq!(web, "web.6f1f6f0e-0000-4000-8000-000000000001.irsa-trust-subject.warned.3");
        let mut names = vec![
            web,
            name(&target("web", 4), false, "irsa-trust-subject"),
            name(&target("web", 3), true, "irsa-trust-subject"),
            name(&target("web", 3), true, ""),
            name(&target("web", 0), false, "role-missing"),
        ];
        for rule in rolecall_core::rules::all() {
            let long = format!("{}.{}-x", "a".repeat(150), "b-".repeat(50));
            let name = name(&target(&long, i64::MAX), false, rule.name);
            assert!(is_object_name(&name), "{name}");
            names.push(name);
        }
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
