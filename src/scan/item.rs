//! What a scan reads of an object besides what the judgement does: who controls it, how old it is, whether it still runs.

use jiff::Timestamp;
use rolecall_core::workload::{Kind, Metadata, Owner, Pairs, Text};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The fields that matter.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Item<'a> {
    #[serde(borrow)]
    pub(super) metadata: ItemMetadata<'a>,
    spec: ItemSpec,
    #[serde(borrow)]
    status: Status<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ItemMetadata<'a> {
    #[serde(borrow)]
    owner_references: Vec<OwnerReference<'a>>,
    #[serde(borrow)]
    creation_timestamp: Option<Text<'a>>,
    #[serde(borrow)]
    deletion_timestamp: Option<Text<'a>>,
    #[serde(borrow)]
    managed_fields: Vec<Managed<'a>>,
}

#[derive(Debug, Deserialize)]
struct OwnerReference<'a> {
    #[serde(borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(default)]
    controller: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Managed<'a> {
    #[serde(borrow)]
    time: Option<Text<'a>>,
    #[serde(borrow, rename = "fieldsV1")]
    fields: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ItemSpec {
    replicas: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status<'a> {
    #[serde(borrow)]
    phase: Option<Text<'a>>,
    #[serde(borrow)]
    conditions: Vec<Condition<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Condition<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
}

impl<'a> Item<'a> {
    /// Reads an object as the API server wrote it.
    pub(super) fn read(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Kind and name of what controls it.
    pub(super) fn controller(&self) -> Option<(&str, &str)> {
        let controlling = self.metadata.owner_references.iter().find(|reference| reference.controller)?;
        Some((controlling.kind.as_str(), controlling.name.as_str()))
    }

    /// When it was created.
    pub(super) fn created(&self) -> Option<Timestamp> {
        self.metadata.creation_timestamp.as_ref()?.as_str().parse().ok()
    }

    /// A pod that has ended or is about to, or a job that is over.
    pub(super) fn is_over(&self) -> bool {
        let phase = self.status.phase.as_ref().map(Text::as_str);
        self.metadata.deletion_timestamp.is_some()
            || matches!(phase, Some("Succeeded" | "Failed"))
            || self.status.conditions.iter().any(|condition| {
                matches!(condition.kind.as_str(), "Complete" | "Failed") && condition.status.as_str() == "True"
            })
    }

    /// Its template is that of the Deployment or the CronJob that controls it, which is checked instead.
    pub(super) fn repeats_controller(&self, kind: Kind) -> bool {
        let controller = self.controller().and_then(|(kind, _)| Kind::named(kind));
        controller.is_some() && controller == kind.folds_into()
    }

    /// A ReplicaSet without replicas: it keeps an old revision.
    pub(super) fn is_old_revision(&self, kind: Kind) -> bool {
        kind == Kind::ReplicaSet && self.spec.replicas == Some(0)
    }

    /// No pod is created from its template, or its controller's template is checked instead.
    pub(super) fn makes_no_pods(&self, kind: Kind) -> bool {
        self.repeats_controller(kind) || self.is_old_revision(kind) || kind == Kind::Job && self.is_over()
    }

    /// When an annotation was last set, as the managers of its fields say: the earliest of those that agree on it. Of an
    /// object that was made bare the API server notes no managers; it was not before that was made.
    pub(super) fn annotated(&self, key: &str) -> Option<Timestamp> {
        let field = format!("\"f:{key}\"");
        let setting = self
            .metadata
            .managed_fields
            .iter()
            .filter(|managed| managed.fields.is_some_and(|fields| fields.get().contains(&field)));
        setting.filter_map(|managed| managed.time.as_ref()?.as_str().parse().ok()).min().or_else(|| self.created())
    }
}

/// The annotations of an object, for keeping: without what `kubectl apply` repeats there. With them the labels that tell what it
/// comes from.
pub(super) fn kept(metadata: &Metadata<'_>) -> Option<Box<Metadata<'static>>> {
    let own = |text: &str| Text(text.to_owned().into());
    let pairs =
        metadata.annotations.iter().filter(|(key, _)| *key != "kubectl.kubernetes.io/last-applied-configuration");
    let annotations: Vec<(Text<'static>, Text<'static>)> = pairs.map(|(key, value)| (own(key), own(value))).collect();
    if annotations.is_empty() {
        return None;
    }
    let labels = metadata.labels.iter().filter(|(key, _)| Owner::LABELS.contains(key));
    let labels = Pairs(labels.map(|(key, value)| (own(key), own(value))).collect());
    Some(Box::new(Metadata { labels, annotations: Pairs(annotations), ..Metadata::default() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_who_controls_and_how_old() {
        let text = r#"{"metadata":{"creationTimestamp":"2026-11-24T17:00:00Z","ownerReferences":[
            {"kind":"Watcher","name":"w"},{"kind":"ReplicaSet","name":"carts-7d9f","controller":true}],
            "managedFields":[{"time":"2026-11-24T18:00:00Z","fieldsV1":{"f:metadata":{"f:annotations":{"f:a/b":{}}}}},
            {"time":"2026-11-24T17:30:00Z","fieldsV1":{"f:metadata":{"f:labels":{}}}}]},
            "status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}"#;
        let item = Item::read(text).unwrap();
        assert_eq!(item.controller(), Some(("ReplicaSet", "carts-7d9f")));
        assert_eq!(item.created().unwrap().to_string(), "2026-11-24T17:00:00Z");
        assert_eq!(item.annotated("a/b").unwrap().to_string(), "2026-11-24T18:00:00Z");
        assert_eq!(item.annotated("a/c"), item.created());
        assert!(!item.is_over());
    }

    #[test]
    fn tells_what_is_over() {
        for over in [
            r#"{"status":{"phase":"Succeeded"}}"#,
            r#"{"status":{"conditions":[{"type":"Complete","status":"True"}]}}"#,
            r#"{"metadata":{"deletionTimestamp":"2026-11-24T17:00:00Z"}}"#,
        ] {
            assert!(Item::read(over).unwrap().is_over(), "{over}");
        }
        for running in [r#"{"status":{"conditions":[{"type":"Failed","status":"False"}]}}"#, "{}"] {
            assert!(!Item::read(running).unwrap().is_over(), "{running}");
        }
    }
}
