//! The cases of `tests/cases`, read without the program around this crate.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(unreachable_pub, missing_docs, reason = "it is a module of a test")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::ProptestConfig;
use rolecall_core::cluster::{Cluster, Conventions, Namespace, Presence, ServiceAccount};
use rolecall_core::custom::{CustomKind, find};
use rolecall_core::judge::{
    Circumstances, Judgement, Referring, ServiceAccountChange, judge_references, judge_service_account, judge_workload,
};
use rolecall_core::snapshot::Snapshot;
use rolecall_core::workload::{Kind, Object, Stage, Workload};
use rolecall_core::world::World;
use serde::Deserialize;
use serde_json::Value;

/// The folder of the cases.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases")
}

pub fn json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The snapshot that every case patches.
pub fn base() -> Value {
    json(&root().join("base.json"))
}

/// An object of a case.
#[derive(Clone)]
pub struct Input {
    /// `None` for a Namespace.
    pub kind: Option<Kind>,
    pub admitted: bool,
    pub value: Value,
}

impl Input {
    /// Its kind, where it is a custom resource.
    pub fn custom(&self) -> Option<&'static CustomKind> {
        find(self.value["apiVersion"].as_str().unwrap_or_default(), self.value["kind"].as_str().unwrap_or_default())
    }

    pub fn object(&self) -> Object<'_> {
        Object::deserialize(&self.value).unwrap()
    }
}

#[derive(Clone)]
pub struct Case {
    /// `FAMILY/CASE`
    pub name: String,
    pub snapshot: Value,
    pub expected: Value,
    pub inputs: Vec<Input>,
}

pub fn cases() -> Vec<Case> {
    let folders = |path: &Path| {
        let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
        folders.sort();
        folders
    };
    // Of Amazon ECS the program reads the forms: its own tests run those cases.
    let families = folders(&root()).into_iter().filter(|family| !family.ends_with("ecs"));
    let cases: Vec<Case> = families.flat_map(|family| folders(&family)).map(|case| load(&case)).collect();
    assert!(cases.len() > 400, "only {} cases", cases.len());
    cases
}

fn load(folder: &Path) -> Case {
    let mut snapshot = base();
    let patch = folder.join("snapshot.json");
    if patch.exists() {
        merge(&mut snapshot, &json(&patch));
    }
    let mut inputs = Vec::new();
    for file in ["input.yaml", "review.json", "cluster.yaml"] {
        if let Ok(text) = std::fs::read_to_string(folder.join(file)) {
            let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
            documents.into_iter().for_each(|document| read(document, false, &mut inputs));
        }
    }
    let name = folder.strip_prefix(root()).unwrap().display().to_string();
    Case { name, snapshot, expected: json(&folder.join("expected.json")), inputs }
}

fn read(mut value: Value, admitted: bool, inputs: &mut Vec<Input>) {
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let kind = text("kind");
    if kind == "AdmissionReview" {
        let namespace = value["request"]["namespace"].take();
        let mut object = value["request"]["object"].take();
        if object["metadata"]["namespace"].is_null() {
            object["metadata"]["namespace"] = namespace;
        }
        return read(object, true, inputs);
    }
    if kind.ends_with("List") {
        let items = value["items"].as_array().cloned().unwrap_or_default();
        return items.into_iter().for_each(|item| read(item, admitted, inputs));
    }
    let known = kind_of(&value);
    if known.is_some() || kind == "Namespace" {
        inputs.push(Input { kind: known, admitted, value });
    }
}

/// The kind of an object; `None` where it is not judged.
pub fn kind_of(value: &Value) -> Option<Kind> {
    let text = |name: &str| value[name].as_str().unwrap_or_default();
    let custom = find(text("apiVersion"), text("kind")).filter(|custom| !custom.read(value).is_empty());
    Kind::from_api_version(text("apiVersion"), text("kind")).or(custom.map(|custom| Kind::Custom(custom.kind)))
}

/// RFC 7386.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut target[key], value);
        }
    }
}

pub fn namespace_of<'o>(object: &'o Object<'_>) -> &'o str {
    object
        .metadata
        .namespace
        .as_ref()
        .map(|namespace| namespace.as_str())
        .filter(|n| !n.is_empty())
        .unwrap_or("default")
}

impl Case {
    pub fn world(&self, snapshot: &Value) -> World {
        let snapshot = Snapshot::parse(&snapshot.to_string()).unwrap_or_else(|e| panic!("{}: {e}", self.name));
        let conventions = Conventions::default();
        let mut cluster = Cluster { complete: true, agent: Presence::Absent, ..Cluster::default() };
        for input in self.inputs.iter().filter(|input| !input.admitted && !input.kind.is_some_and(Kind::is_custom)) {
            let object = input.object();
            let name = object.metadata.name.as_ref().map(|name| name.as_str()).unwrap_or_default();
            let namespace = namespace_of(&object);
            match input.kind {
                None => cluster.add_namespace(name, Namespace::of(&object.metadata)),
                Some(Kind::ServiceAccount) => {
                    cluster.add_service_account(namespace, name, ServiceAccount::of(&object.metadata, &conventions));
                }
                Some(Kind::DaemonSet) if (namespace, name) == ("kube-system", "eks-pod-identity-agent") => {
                    cluster.agent = Presence::Present(());
                }
                Some(_) => {}
            }
        }
        World::new(Arc::new(snapshot), cluster, conventions)
    }

    /// What the library says of every object.
    pub fn judge(&self, world: &World, mut see: impl FnMut(Kind, &str, &Judgement<'_>, Option<&Workload<'_>>)) {
        let circumstances = Circumstances { now: None, exemptions: true };
        for input in &self.inputs {
            let Some(kind) = input.kind else { continue };
            if kind.is_custom() {
                // A test may have changed its kind.
                let Some(custom) = input.custom() else { continue };
                let reading = custom.read(&input.value);
                let Some(metadata) = custom.metadata(&input.value) else { continue };
                let namespace = custom.namespace(&metadata);
                let referring = Referring { kind: custom, namespace, metadata: &metadata, reading: &reading };
                let judgement = judge_references(world, &referring, circumstances);
                see(kind, &metadata.display_name(), &judgement, None);
                continue;
            }
            let object = input.object();
            let (namespace, name) = (namespace_of(&object), object.metadata.display_name());
            if kind == Kind::ServiceAccount {
                let change = ServiceAccountChange { namespace, name: &name, metadata: &object.metadata, before: None };
                see(kind, &name, &judge_service_account(world, &change, circumstances), None);
            } else {
                let stage = if input.admitted { Stage::Admitted } else { Stage::Predicted };
                let workload = Workload::of(&object, kind, stage, namespace).unwrap();
                see(kind, &name, &judge_workload(world, &workload, circumstances), Some(&workload));
            }
        }
    }
}

/// So many cases of a property, or as many as `PROPTEST_CASES` says.
pub fn many(default: u32) -> ProptestConfig {
    let from_environment = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(from_environment.unwrap_or(default)) }
}
