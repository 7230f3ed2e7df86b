//! The stand-in for AWS's injector is held to the reviews that were recorded behind the real one, by the tests beside it;
//! and rolecall's prediction of the injector to the stand-in.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
#![cfg(feature = "kube")]
mod common;

use std::process::Command;
use std::sync::Arc;

use rolecall_core::cluster::{Cluster, Conventions, ServiceAccount};
use rolecall_core::judge::{Circumstances, judge_workload};
use rolecall_core::snapshot::Snapshot;
use rolecall_core::workload::{Kind, Object, Stage, Workload};
use rolecall_core::world::World;
use serde_json::{Value, json};

#[test]
fn the_stand_in_does_what_was_recorded() {
    let output = Command::new(common::test_file("cluster/build.sh")).arg("test").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let passed = said.lines().filter(|line| line.starts_with("ok") && line.contains("/internal/injector"));
    assert_eq!(passed.count(), 1, "{said}");
}

/// A template's verdict is that of the pod that will come of it: predicted from the template, and judged on the pod behind
/// the stand-in and the API server's validation.
#[test]
fn templates_are_judged_as_their_pods() {
    let setting = |name: &str, default: u64| std::env::var(name).map_or(default, |value| value.parse().unwrap());
    let pods = setting("ROLECALL_CASES", 4_000);
    let mut choose = Choose(setting("ROLECALL_SEED", 0x5eed));
    let samples: Vec<Sample> = (0..pods).map(|_| Sample::generate(&mut choose)).collect();
    let input: String = samples.iter().map(|sample| format!("{}\n", sample.line())).collect();
    let output = pods_behind_the_injector(&input);
    assert_eq!(output.len(), samples.len());

    let snapshot = Snapshot::parse(&common::text("cases/base.json")).unwrap();
    let snapshot = Arc::new(snapshot);
    let (mut compared, mut refused, mut broken, mut failures) = (0, 0, 0, Vec::new());
    for (sample, result) in samples.iter().zip(&output) {
        let invalid_before = result["before"].as_array().unwrap();
        if !invalid_before.is_empty() {
            continue;
        }
        compared += 1;
        let predicted = sample.verdict(&snapshot, &sample.pod, Stage::Predicted);
        let errors = result["errors"].as_array().unwrap();
        if !errors.is_empty() {
            refused += 1;
            if !predicted.iter().any(|container| container.chain == "broken") {
                failures
                    .push(format!("{}\nthe API server refuses it: {errors:?}\npredicted {predicted:?}", sample.line()));
            }
            continue;
        }
        let admitted = sample.verdict(&snapshot, &result["pod"], Stage::Admitted);
        broken += usize::from(admitted.iter().any(|container| container.chain == "broken"));
        if predicted != admitted {
            failures.push(format!("{}\npredicted {predicted:#?}\nadmitted {admitted:#?}", sample.line()));
        }
    }
    println!("{compared} templates compared, {refused} refused by the API server, {broken} broken");
    assert!(
        failures.is_empty(),
        "{} of {compared} differ:\n{}",
        failures.len(),
        failures[..failures.len().min(3)].join("\n\n")
    );
    assert!(
        compared > 2_000 && refused > 20 && broken > 200,
        "{compared} compared, {refused} refused, {broken} broken"
    );
}

/// What is compared of a container.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    name: String,
    identity: &'static str,
    role: Option<String>,
    chain: &'static str,
}

/// A small generator of numbers (xorshift), so that every run has the same pods.
struct Choose(u64);

impl Choose {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.next().is_multiple_of(count)
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.next() % choices.len() as u64).unwrap()].clone()
    }
}

struct Sample {
    annotations: serde_json::Map<String, Value>,
    associated: bool,
    pod: Value,
}

const ROLE: &str = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";
const FOLDERS: [&str; 6] = [
    "/var/run/secrets/eks.amazonaws.com/serviceaccount",
    "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount",
    "/var/run/secrets/eks.amazonaws.com/serviceaccount/",
    "/var/run/secrets",
    "/tokens",
    "/home/app/.aws",
];

impl Sample {
    fn generate(choose: &mut Choose) -> Self {
        let associated = choose.one_in(3);
        let mut annotations = serde_json::Map::new();
        if !choose.one_in(8) {
            annotations.insert("eks.amazonaws.com/role-arn".to_owned(), json!(choose.of(&[ROLE, ROLE, "", "no-role"])));
        }
        if choose.one_in(5) {
            let audience = choose.of(&["", "vault", "sts.amazonaws.com"]);
            annotations.insert("eks.amazonaws.com/audience".to_owned(), json!(audience));
        }
        let lifetimes = ["60", "3600", "86400", "x", "4294967296", "4294967297", "-1", "+700"];
        if choose.one_in(8) {
            annotations.insert("eks.amazonaws.com/token-expiration".to_owned(), json!(choose.of(&lifetimes)));
        }
        let mut metadata = json!({"name": "carts-1", "namespace": "carts", "labels": {}, "annotations": {}});
        if choose.one_in(8) {
            metadata["annotations"]["eks.amazonaws.com/token-expiration"] = json!(choose.of(&lifetimes));
        }
        if choose.one_in(4) {
            let skipped = ["carts", "proxy\n", "carts, proxy", "\"carts\"", "carts,proxy", "\"", "other", "init"];
            metadata["annotations"]["eks.amazonaws.com/skip-containers"] = json!(choose.of(&skipped));
        }
        if choose.one_in(20) {
            metadata["labels"]["eks.amazonaws.com/skip-pod-identity-webhook"] = json!("true");
        }
        let names: Vec<&str> = choose.of(&[vec!["carts"], vec!["carts", "proxy"]]);
        let containers: Vec<Value> = names.iter().map(|name| container(choose, name)).collect();
        let init: Vec<Value> = if choose.one_in(4) { vec![container(choose, "init")] } else { Vec::new() };
        let mut spec = json!({
            "serviceAccountName": if associated { "carts-pi" } else { "carts" },
            "containers": containers,
            "initContainers": init,
            "volumes": volumes(choose),
        });
        if choose.one_in(10) {
            let label = choose.of(&["kubernetes.io/os", "beta.kubernetes.io/os"]);
            spec["nodeSelector"] = json!({label: choose.of(&["windows", "linux"])});
        }
        if choose.one_in(20) {
            spec["os"] = json!({"name": "windows"});
        }
        Self {
            annotations,
            associated,
            pod: json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}),
        }
    }

    fn line(&self) -> String {
        json!({"pod": self.pod, "annotations": self.annotations, "associated": self.associated}).to_string()
    }

    /// What rolecall says of the pod's containers.
    fn verdict(&self, snapshot: &Arc<Snapshot>, pod: &Value, stage: Stage) -> Vec<Verdict> {
        let conventions = Conventions::default();
        let name = if self.associated { "carts-pi" } else { "carts" };
        let text =
            json!({"metadata": {"name": name, "namespace": "carts", "annotations": self.annotations}}).to_string();
        let account: Object<'_> = serde_json::from_str(&text).unwrap();
        let mut cluster = Cluster { complete: true, ..Cluster::default() };
        cluster.add_service_account("carts", name, ServiceAccount::of(&account.metadata, &conventions));
        let world = World::new(Arc::clone(snapshot), cluster, conventions);
        let text = pod.to_string();
        let object: Object<'_> = serde_json::from_str(&text).unwrap();
        let workload = Workload::of(&object, Kind::Pod, stage, "carts").unwrap();
        let circumstances = Circumstances { now: None, exemptions: true };
        let judgement = judge_workload(&world, &workload, circumstances);
        let containers = judgement.containers.iter();
        let verdict = containers.map(|container| Verdict {
            name: container.name.to_owned(),
            identity: container.identity.name(),
            role: container.role.as_ref().map(|role| role.to_string()),
            chain: container.chain.name(),
        });
        verdict.collect()
    }
}

fn container(choose: &mut Choose, name: &str) -> Value {
    let mut env = Vec::new();
    let values = [
        ("AWS_ROLE_ARN", vec![ROLE, "arn:aws:iam::111122223333:role/absent", "", "$(ROLE)"]),
        (
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            vec![
                "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
                "/var/run/secrets/kubernetes.io/serviceaccount/token",
                "/tokens/token",
                r"C:\var\run\secrets\eks.amazonaws.com\serviceaccount\token",
                "",
            ],
        ),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", vec!["http://169.254.170.23/v1/credentials", "http://localhost/", ""]),
        (
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            vec![
                "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token",
                "/tokens/eks-pod-identity-token",
                "",
            ],
        ),
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", vec!["/v2/credentials", ""]),
        ("AWS_REGION", vec!["us-west-2", ""]),
        ("AWS_STS_REGIONAL_ENDPOINTS", vec!["regional"]),
        ("AWS_ACCESS_KEY_ID", vec!["x", ""]),
        ("AWS_SECRET_ACCESS_KEY", vec!["x", ""]),
        ("AWS_EC2_METADATA_DISABLED", vec!["true", "false"]),
        ("AWS_ENDPOINT_URL_STS", vec!["http://minio:9000"]),
        ("ROLE", vec![ROLE]),
    ];
    for (variable, values) in values {
        let rarity = if variable.starts_with("AWS_ROLE") || variable.contains("TOKEN_FILE") { 5 } else { 10 };
        if choose.one_in(rarity) {
            env.push(json!({"name": variable, "value": choose.of(&values)}));
        } else if choose.one_in(60) {
            let optional = choose.one_in(2);
            env.push(json!({"name": variable, "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": optional}}}));
        }
    }
    let mut mounts = Vec::new();
    for volume in ["aws-iam-token", "eks-pod-identity-token", "own"] {
        if choose.one_in(6) {
            mounts.push(json!({"name": volume, "mountPath": choose.of(&FOLDERS)}));
        }
    }
    json!({
        "name": name, "image": "registry.example/carts:1.2.1", "env": env, "volumeMounts": mounts,
        "terminationMessagePolicy": "File", "imagePullPolicy": "IfNotPresent",
    })
}

fn volumes(choose: &mut Choose) -> Value {
    let mut volumes = Vec::new();
    for name in ["aws-iam-token", "eks-pod-identity-token", "own"] {
        if name != "own" && !choose.one_in(6) {
            continue;
        }
        let token = |audience: &str, path: &str| json!({"projected": {"sources": [{"serviceAccountToken": {"audience": audience, "path": path, "expirationSeconds": 3600}}]}});
        let mut volume = choose.of(&[
            json!({"emptyDir": {}}),
            json!({"secret": {"secretName": "s"}}),
            token("sts.amazonaws.com", "token"),
            token("", "token"),
            token("pods.eks.amazonaws.com", "eks-pod-identity-token"),
            token("vault", "other"),
        ]);
        volume["name"] = json!(name);
        volumes.push(volume);
    }
    Value::Array(volumes)
}

/// The pods behind the stand-in and the API server's validation, one for each line.
fn pods_behind_the_injector(input: &str) -> Vec<Value> {
    let output = Command::new(common::test_file("cluster/build.sh")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let program = String::from_utf8(output.stdout).unwrap();
    let directory = common::TempDir::new("inject");
    let pods = std::fs::File::open(directory.file("pods.json", input)).unwrap();
    let output = Command::new(program.trim()).arg("inject").stdin(pods).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
