//! Identities that custom resources name, through `check`: what `tests/cases/podless` cannot show.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod common;

use std::time::{Duration, Instant};

use common::{TempDir, rolecall};
use serde_json::{Value, json};

const READER: &str = "arn:aws:iam::111122223333:role/reader";
const CARTS: &str = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";

/// A snapshot in which `carts/carts` can assume the role of its annotation, and `reader` has this statement.
fn snapshot(statement: &Value) -> Value {
    let mut snapshot = common::case_snapshot(&common::test_file("cases/podless/crossplane-role-chain-denied"));
    for role in snapshot["accounts"]["111122223333"]["roles"].as_array_mut().unwrap() {
        if role["Arn"] == READER {
            role["AssumeRolePolicyDocument"] = json!({"Version": "2012-10-17", "Statement": [statement]});
        }
    }
    snapshot
}

fn check(name: &str, snapshot: &Value, objects: &[Value]) -> Value {
    let directory = TempDir::new(&format!("controllers-{name}"));
    let source = directory.file("snapshot.json", &snapshot.to_string()).display().to_string();
    let objects: Vec<String> = objects.iter().map(Value::to_string).collect();
    let input = directory.file("input.yaml", &objects.join("\n---\n")).display().to_string();
    let output = rolecall(&["check", &input, "--source", &source, "--level", "strict", "--format", "json"]);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn account(role: Option<&str>) -> Value {
    let annotations = role.map(|role| json!({"eks.amazonaws.com/role-arn": role})).unwrap_or_default();
    json!({"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "carts", "namespace": "carts", "annotations": annotations}})
}

fn store(aws: &Value) -> Value {
    let mut spec = json!({"service": "SecretsManager", "region": "us-west-2",
        "auth": {"jwt": {"serviceAccountRef": {"name": "carts"}}}});
    spec.as_object_mut().unwrap().extend(aws.as_object().unwrap().clone());
    json!({"apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
        "metadata": {"name": "store", "namespace": "carts"}, "spec": {"provider": {"aws": spec}}})
}

fn provider_config(chain: &Value) -> Value {
    json!({"apiVersion": "aws.upbound.io/v1beta1", "kind": "ProviderConfig", "metadata": {"name": "carts"},
        "spec": {"credentials": {"source": "IRSA"}, "assumeRoleChain": chain}})
}

/// Texts about a controller name no target role of an association, and nothing to run in a pod.
#[test]
fn texts_speak_of_the_controller() {
    let statement = |condition: Value| {
        json!({"Effect": "Allow", "Principal": {"AWS": CARTS}, "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": condition})
    };
    let through = store(&json!({"role": READER}));
    let chain = provider_config(&json!([{"roleARN": CARTS}, {"roleARN": READER, "externalID": "shop"}]));
    for (name, condition, rule, said) in [
        (
            "external-id",
            json!({"StringEquals": {"sts:ExternalId": "other"}}),
            "role-chain-denied",
            "cannot assume role reader",
        ),
        (
            "undecided",
            json!({"StringEquals": {"aws:SourceVpc": "vpc-1"}}),
            "role-chain-denied",
            "can assume role reader",
        ),
    ] {
        for object in [&through, &chain] {
            let report = check(name, &snapshot(&statement(condition.clone())), &[account(Some(CARTS)), object.clone()]);
            let findings = report["findings"].to_string();
            assert!(findings.contains(rule) && findings.contains(said), "{name}: {findings}");
            for other in ["target role", "in a pod", "EKS sends", "the pod's token"] {
                assert!(!findings.contains(other), "{name}: {other}: {findings}");
            }
        }
    }
    let undecided = snapshot(&statement(json!({"StringEquals": {"aws:SourceVpc": "vpc-1"}})));
    let report = check("status", &undecided, &[account(Some(CARTS)), through]);
    assert!(
        report["findings"][0]["fix"].as_str().unwrap().starts_with("see in the status of the object"),
        "{report:#}"
    );
    // A token gets nothing from Pod Identity, whether the service account has an association or not.
    let of_pods = "arn:aws:iam::111122223333:role/carts-pod-identity";
    let report = check("pod-identity", &undecided, &[account(Some(of_pods)), store(&json!({}))]);
    let store_finding = report["findings"].as_array().unwrap().iter().find(|f| f["resource"]["kind"] == "SecretStore");
    let text = store_finding.unwrap_or(&report["findings"][0]).to_string();
    assert!(text.contains("gives credentials to pods and not to tokens"), "{report:#}");
}

/// A role that names a service account may be for the tokens that a controller requests of it.
#[test]
fn a_service_account_of_a_controller_is_not_missing_a_role() {
    let snapshot = snapshot(&json!({"Effect": "Allow", "Principal": {"AWS": CARTS}, "Action": "sts:AssumeRole"}));
    let workload = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "carts", "namespace": "carts"},
        "spec": {"selector": {}, "template": {"spec": {"serviceAccountName": "carts",
            "containers": [{"name": "carts", "image": "carts:1"}]}}}});
    let rules = |name: &str, objects: &[Value]| {
        let report = check(name, &snapshot, objects);
        let mut rules: Vec<String> = report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| finding["rule"].as_str().unwrap().to_owned())
            .collect();
        rules.sort();
        rules
    };
    let alone = rules("alone", &[account(None), workload.clone()]);
    assert!(alone.contains(&"role-not-connected".to_owned()), "{alone:?}");
    // External Secrets reads the annotation, and reports that it is absent.
    let with_store = rules("store", &[account(None), workload.clone(), store(&json!({}))]);
    assert_eq!(with_store, ["identity-reference-broken", "node-role-fallback"]);
    // KEDA has the role in its own field: nothing is wrong.
    let trigger = json!({"apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication",
        "metadata": {"name": "carts", "namespace": "carts"},
        "spec": {"podIdentity": {"provider": "aws", "roleArn": CARTS, "serviceAccountName": "carts"}}});
    assert_eq!(rules("keda", &[account(None), workload, trigger]), ["node-role-fallback"]);
}

/// An object may be as large as etcd takes, or larger in a file: what is read of it is bounded, and what is left out is said.
#[test]
fn huge_objects_take_little_time() {
    let statement = json!({"Effect": "Allow", "Principal": {"AWS": CARTS}, "Action": "sts:AssumeRole"});
    let long = format!("arn:aws:iam::111122223333:role/{}", "r".repeat(1 << 20));
    let solver = json!({"dns01": {"route53": {"role": CARTS, "auth": {"kubernetes": {"serviceAccountRef": {"name": "carts"}}}}}});
    let issuer = json!({"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": "i", "namespace": "carts"},
        "spec": {"acme": {"solvers": vec![solver; 20_000]}}});
    let roles: Vec<String> = (0..50_000).map(|at| format!("arn:aws:iam::111122223333:role/r{at}")).collect();
    let tags: Vec<Value> = (0..50_000).map(|at| json!({"key": format!("k{at}"), "value": "v"})).collect();
    let nested = (0..100).fold(json!({}), |inner, _| json!({"auth": [inner]}));
    for (name, object, limited) in [
        ("solvers", issuer, true),
        ("roles", store(&json!({"additionalRoles": roles, "role": READER})), true),
        ("tags", store(&json!({"role": READER, "sessionTags": tags})), true),
        ("long", store(&json!({"role": long})), false),
        ("nested", store(&json!({"auth": {"jwt": nested}})), false),
    ] {
        let began = Instant::now();
        let report = check(name, &snapshot(&statement), &[account(Some(CARTS)), object]);
        assert!(began.elapsed() < Duration::from_secs(20), "{name}: {:?}", began.elapsed());
        let text = report.to_string();
        assert!(text.len() < 2_000_000, "{name}: {} bytes", text.len());
        assert_eq!(
            text.contains("more than rolecall reads of one object"),
            limited,
            "{name}: {}",
            text.chars().take(4_000).collect::<String>()
        );
    }
}
