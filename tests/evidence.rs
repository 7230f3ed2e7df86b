//! Evidence that a workload calls AWS, over two sets: shapes of ordinary workloads, which must be silent at `fallback`, and
//! workloads that call AWS, which must be found with the evidence that is expected. The documents state the figures.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod common;

use std::collections::{BTreeMap, BTreeSet};

use rolecall_core::workload::{Evidence, Kind, Object, Objects, Stage, Volumes, Workload};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Shape {
    name: String,
    #[serde(default = "deployment")]
    kind: String,
    /// A part of the evidence.
    expect: Option<String>,
    #[serde(rename = "why")]
    _why: Option<String>,
    pod: Value,
    /// Of the pod.
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    /// Other objects of the input; without a namespace, in the shape's.
    #[serde(default)]
    objects: Vec<Value>,
    #[serde(default)]
    config_maps: BTreeMap<String, BTreeMap<String, String>>,
    /// By name, the provider.
    #[serde(default)]
    secret_provider_classes: BTreeMap<String, String>,
}

fn deployment() -> String {
    "Deployment".to_owned()
}

impl Shape {
    /// The objects of the shape, in a namespace of its name.
    fn objects(&self) -> Vec<Value> {
        let named = |name: &str| json!({"name": name, "namespace": self.name});
        let mut pod = self.pod.clone();
        pod["serviceAccountName"] = "app".into();
        let template =
            json!({"metadata": {"labels": {"app": self.name}, "annotations": self.annotations}, "spec": pod});
        let spec = match self.kind.as_str() {
            "Job" => json!({"template": template}),
            "CronJob" => json!({"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": template}}}),
            _ => json!({"selector": {"matchLabels": {"app": self.name}}, "template": template}),
        };
        let group = if self.kind.ends_with("Job") { "batch/v1" } else { "apps/v1" };
        let mut objects = vec![
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": named("app")}),
            json!({"apiVersion": group, "kind": self.kind, "metadata": named(&self.name), "spec": spec}),
        ];
        for object in &self.objects {
            let mut object = object.clone();
            object["metadata"]["namespace"] = self.name.as_str().into();
            objects.push(object);
        }
        for (name, data) in &self.config_maps {
            objects.push(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": named(name), "data": data}));
        }
        for (name, provider) in &self.secret_provider_classes {
            let spec = json!({"provider": provider});
            let api_version = "secrets-store.csi.x-k8s.io/v1";
            objects.push(json!({"apiVersion": api_version, "kind": "SecretProviderClass", "metadata": named(name), "spec": spec}));
        }
        objects
    }
}

fn shapes(file: &str) -> Vec<Shape> {
    let text = std::fs::read_to_string(common::test_file("evidence").join(file)).unwrap();
    let shapes: Vec<Shape> = serde_saphyr::from_str(&text).unwrap();
    let names: BTreeSet<&str> = shapes.iter().map(|shape| shape.name.as_str()).collect();
    assert_eq!(names.len(), shapes.len(), "a name stands twice");
    shapes
}

/// What `rolecall check --level fallback` says of shapes: by name, the evidence of the finding.
fn check(shapes: &[Shape]) -> BTreeMap<String, String> {
    let directory = common::TempDir::new("evidence");
    let objects: Vec<Value> = shapes.iter().flat_map(Shape::objects).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let input = directory.file("shapes.json", &list.to_string());
    let snapshot = common::test_file("cases").join("base.json");
    let output = common::rolecall(&[
        "check",
        input.to_str().unwrap(),
        "--source",
        snapshot.to_str().unwrap(),
        "--level",
        "fallback",
        "--format",
        "json",
    ]);
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    let findings = report["findings"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    findings
        .map(|finding| {
            let name = text(&finding["resource"]["namespace"]);
            (name, format!("{}: {}", text(&finding["rule"]), text(&finding["expected"])))
        })
        .collect()
}

/// Precision and recall of the evidence over both sets: none of the ordinary workloads is found, each of the others is.
#[test]
fn evidence_over_the_shapes() {
    let (silent, calling) = (shapes("silent.yaml"), shapes("calls.yaml"));
    assert!(silent.len() >= 100 && calling.len() >= 40, "{} and {}", silent.len(), calling.len());
    let wrong = check(&silent);
    let found = check(&calling);
    let mut faults: Vec<String> = wrong.iter().map(|(name, why)| format!("{name} must be silent: {why}")).collect();
    for shape in &calling {
        let expected = shape.expect.as_deref().unwrap_or_else(|| panic!("{}: no evidence is expected", shape.name));
        match found.get(&shape.name) {
            Some(why) if why.starts_with("node-role-fallback: ") && why.contains(expected) => {}
            Some(why) => faults.push(format!("{}: expected {expected:?}, found {why}", shape.name)),
            None => faults.push(format!("{}: not found, expected {expected:?}", shape.name)),
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    // What the documents say.
    let flagged = found.len() + wrong.len();
    let percent = |part: usize, whole: usize| part * 100 / whole;
    let (precision, recall) = (percent(found.len(), flagged), percent(found.len(), calling.len()));
    let sentence = format!(
        "Over {} shapes of ordinary workloads and {} workloads that call AWS, precision is {precision} % and recall {recall} %.",
        silent.len(),
        calling.len()
    );
    let page = std::fs::read_to_string(common::root().join("docs/evidence.md")).unwrap();
    let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(page.contains(&sentence), "docs/evidence.md must say: {sentence}");
}

/// Texts that bring every search to its worst take time in proportion to their length, in arguments, variables and ConfigMaps.
#[test]
fn long_texts_take_little_time() {
    let units =
        ["arn:aws", "://", ".amazonaws.", ".api.aws", "fs.s3a.", "aws ", "s3://:@", "a: {\n", "endpoint=x ", "- "];
    let namespace = "shop";
    for unit in units {
        let text = unit.repeat((1 << 18) / unit.len());
        let begin = std::time::Instant::now();
        let mut objects = Objects::default();
        objects.add_config_map(namespace, "app", [("app.yaml", text.as_str())]);
        let env = json!([{"name": "X", "value": text}]);
        let container = json!({"name": "app", "image": "app", "args": [text], "env": env,
            "volumeMounts": [{"name": "app", "mountPath": "/etc/app"}]});
        let volumes = json!([{"name": "app", "configMap": {"name": "app"}}]);
        let pod = json!({"spec": {"containers": [container], "volumes": volumes}}).to_string();
        let object: Object<'_> = serde_json::from_str(&pod).unwrap();
        let workload = Workload::of(&object, Kind::Pod, Stage::Predicted, namespace).unwrap();
        let volumes = Volumes::of(workload.spec);
        Evidence::of(&workload, &volumes, &objects).uses(&workload.spec.containers[0]);
        assert!(begin.elapsed().as_secs() < 10, "{unit:?}: {:?}", begin.elapsed());
    }
}

/// Keys of ConfigMaps are looked at up to a limit for one workload, however often a container mounts them.
#[test]
fn many_mounts_of_large_config_maps_take_little_time() {
    let key = |at: usize| format!("key-{at}.yaml");
    let filler: Vec<(String, String)> = (0..1_024).map(|at| (key(at), "a: b".to_owned())).collect();
    let last: Vec<(String, String)> = (0..400).map(|at| (key(at), "bucket: s3://carts/x".to_owned())).collect();
    let mut objects = Objects::default();
    for (name, data) in [("filler", &filler), ("last", &last)] {
        objects.add_config_map("shop", name, data.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    }
    // 194 mounts leave room for the last one: 194 × 1,024 + 400 is below 200,000 keys, and 195 × 1,024 + 400 is above.
    for (mounts, is_seen) in [(194, true), (195, false), (100_000, false)] {
        let mount = |name: &str, at: usize| json!({"name": name, "mountPath": format!("/etc/{at}")});
        let mounts: Vec<Value> = (0..mounts).map(|at| mount("filler", at)).chain([mount("last", mounts)]).collect();
        let container = json!({"name": "app", "image": "app", "volumeMounts": mounts});
        let volumes = json!([{"name": "filler", "configMap": {"name": "filler"}}, {"name": "last", "configMap": {"name": "last"}}]);
        let pod = json!({"spec": {"containers": [container], "volumes": volumes}}).to_string();
        let object: Object<'_> = serde_json::from_str(&pod).unwrap();
        let workload = Workload::of(&object, Kind::Pod, Stage::Predicted, "shop").unwrap();
        let volumes = Volumes::of(workload.spec);
        let begin = std::time::Instant::now();
        let uses = Evidence::of(&workload, &volumes, &objects).uses(&workload.spec.containers[0]);
        assert!(begin.elapsed().as_secs() < 10, "{:?}", begin.elapsed());
        assert_eq!(!uses.is_empty(), is_seen, "{uses:?}");
    }
}
