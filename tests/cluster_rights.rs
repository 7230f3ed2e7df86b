//! The roles of `deploy/manifests` are exactly what rolecall uses: the API server's audit log has every request of its service accounts.
//! A request that is not granted fails this, and so does a right that no request uses.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
#![cfg(all(feature = "aws", feature = "kube"))]
#[path = "common/aws.rs"]
mod aws;
mod common;

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use aws::{AUDIENCE, Ground};
use common::cluster::{Cluster, deployment, eventually, free_port, manifest, pod, post, snapshot, texts};
use common::{Server, review, text};
use rolecall_core::custom::{Listed, Scope};
use serde_json::{Value, json};

/// A right, or a request that takes one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    /// Empty where it holds in all namespaces, and for requests about the whole cluster.
    namespace: String,
    group: String,
    /// With its subresource.
    resource: String,
    /// Empty where any name fits, and for requests about all.
    name: String,
    verb: String,
}

impl Right {
    fn covers(&self, request: &Self) -> bool {
        (self.namespace.is_empty() || self.namespace == request.namespace)
            && (self.name.is_empty() || self.name == request.name)
            && (&self.group, &self.resource, &self.verb) == (&request.group, &request.resource, &request.verb)
    }
}

const MISSING: &str = "arn:aws:iam::111122223333:role/missing";

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What the roles that are bound to a service account of rolecall grant.
fn granted(cluster: &Cluster, account: &str) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    let bindings = cluster.get(&["clusterrolebindings,rolebindings", "-A"]);
    for binding in bindings["items"].as_array().unwrap() {
        let subjects = binding["subjects"].as_array().cloned().unwrap_or_default();
        if !subjects.iter().any(|subject| subject["namespace"] == "rolecall" && subject["name"] == account) {
            continue;
        }
        let role = (string(&binding["roleRef"]["kind"]), string(&binding["roleRef"]["name"]));
        let namespace = string(&binding["metadata"]["namespace"]);
        let role = match namespace.as_str() {
            "" => cluster.get(&[&role.0, &role.1]),
            namespace => cluster.get(&[&role.0, &role.1, "-n", namespace]),
        };
        for rule in role["rules"].as_array().unwrap() {
            let texts =
                |field: &str| -> Vec<String> { rule[field].as_array().into_iter().flatten().map(string).collect() };
            let names = if rule["resourceNames"].is_null() { vec![String::new()] } else { texts("resourceNames") };
            for group in texts("apiGroups") {
                for resource in texts("resources") {
                    for verb in texts("verbs") {
                        for name in &names {
                            let (namespace, group, resource) = (namespace.clone(), group.clone(), resource.clone());
                            let (name, verb) = (name.clone(), verb.clone());
                            rights.insert(Right { namespace, group, resource, name, verb });
                        }
                    }
                }
            }
        }
    }
    rights
}

/// What a service account of rolecall asked for. Everything was granted, and named its program.
fn called(cluster: &Cluster, account: &str) -> BTreeSet<Right> {
    let user = format!("system:serviceaccount:rolecall:{account}");
    let mut rights = BTreeSet::new();
    for event in cluster.audit().iter().filter(|event| event["user"]["username"] == user.as_str()) {
        let program = concat!("rolecall/", env!("CARGO_PKG_VERSION"));
        assert_eq!(event["userAgent"], program, "{event}");
        assert_ne!(event["responseStatus"]["code"], 403, "{event}");
        let object = &event["objectRef"];
        if object.is_null() {
            // Discovery, which every user may do.
            continue;
        }
        let resource = match string(&object["subresource"]) {
            part if part.is_empty() => string(&object["resource"]),
            part => format!("{}/{part}", string(&object["resource"])),
        };
        let right = Right {
            namespace: string(&object["namespace"]),
            group: string(&object["apiGroup"]),
            resource,
            name: string(&object["name"]),
            verb: string(&event["verb"]),
        };
        if right.verb == "patch" && event["responseStatus"]["code"] == 201 {
            // A server-side apply of what did not exist takes both rights.
            rights.insert(Right { verb: "create".to_owned(), ..right.clone() });
        }
        rights.insert(right);
    }
    rights
}

/// Waits until each right was used, and holds that each request has one.
fn assert_exact(cluster: &Cluster, account: &str) {
    let granted = granted(cluster, account);
    assert!(granted.len() > 10, "{granted:?}");
    eventually("each right is used", Duration::from_secs(60), || {
        let called = called(cluster, account);
        let unused: Vec<&Right> =
            granted.iter().filter(|right| !called.iter().any(|request| right.covers(request))).collect();
        if unused.is_empty() { Ok(()) } else { Err(format!("{account} has rights that it does not use: {unused:#?}")) }
    });
    for request in called(cluster, account) {
        assert!(granted.iter().any(|right| right.covers(&request)), "{account}: by no right of its own: {request:?}");
    }
}

/// One object of each kind that makes pods, for the Events on them.
fn workloads(namespace: &str) -> Vec<Value> {
    let template = json!({"metadata": {"labels": {"app": "x"}}, "spec": pod(namespace, "x")["spec"]});
    let mut once = template.clone();
    once["spec"]["restartPolicy"] = json!("Never");
    let selector = json!({"matchLabels": {"app": "x"}});
    let several = json!({"replicas": 0, "selector": selector, "template": template});
    let stateful = json!({"replicas": 0, "selector": selector, "template": template, "serviceName": "x"});
    let mut objects: Vec<Value> = [
        ("apps/v1", "Deployment", several.clone()),
        ("apps/v1", "ReplicaSet", several),
        ("apps/v1", "StatefulSet", stateful),
        ("apps/v1", "DaemonSet", json!({"selector": selector, "template": template})),
        ("v1", "ReplicationController", json!({"replicas": 0, "selector": {"app": "x"}, "template": template})),
        ("batch/v1", "Job", json!({"suspend": true, "template": once})),
        ("batch/v1", "CronJob", json!({"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": once}}})),
    ]
    .into_iter()
    .map(|(version, kind, spec)| {
        let metadata = json!({"namespace": namespace, "name": kind.to_lowercase()});
        json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})
    })
    .collect();
    objects.push(json!({"apiVersion": "v1", "kind": "PodTemplate", "template": template,
                        "metadata": {"namespace": namespace, "name": "podtemplate"}}));
    objects
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_has_exactly_its_rights() {
    let aws = Ground::start("cluster-rights").await;
    let trust = aws.cluster.irsa_trust(&aws.account, "shop", "app");
    aws.account.role("orders", &trust).create().await.unwrap();
    aws.account.oidc_provider(aws.cluster.issuer(), &[AUDIENCE]).await.unwrap();
    let config = std::fs::read_to_string(aws.config("")).unwrap();
    // Small Secrets, so that the snapshot is cut into several, and old ones are deleted.
    let config = aws.write(
        "serve.yaml",
        &format!(
            "{config}refresh: {{intervalSeconds: 2, jitter: 0, rememberSeconds: 0}}\n\
             cluster: {{leaseSeconds: 5, secretBytes: 400}}\nevents: {{repeatSeconds: 1}}\nwouldDeny: {{intervalSeconds: 10}}\n"
        ),
    );
    tokio::task::block_in_place(|| {
        let cluster = Cluster::start();
        let port = free_port();
        cluster.register(port);
        let kubeconfig = cluster.as_service_account("rolecall", "rolecall");
        let arguments = ["--cluster", "shop", "--config", &config];
        let mut environment = aws.environment().to_vec();
        environment.push(("POD_NAME", "rolecall-0".to_owned()));
        let server = Server::in_cluster(&kubeconfig, "aws", port, &arguments, &environment).ready();
        // Another one follows what the first publishes.
        environment.push(("POD_NAME", "rolecall-1".to_owned()));
        let follower = Server::in_cluster(&kubeconfig, "aws", free_port(), &arguments, &environment).ready();

        // A denial confirms its service account; a warning writes Events on the workload.
        cluster.namespace("shop", &json!({"rolecall.dev/enforce": "chain"}), Some(MISSING));
        cluster.until_denied("shop");
        cluster.namespace("warned", &json!({}), Some(MISSING));
        for object in workloads("warned") {
            cluster.apply(&object.to_string());
        }
        // What a replica hears of twice is counted up.
        let stored = cluster.get(&["deployment", "deployment", "-n", "warned"]);
        let again = review(("apps", "Deployment"), "CREATE", &stored, None);
        post(&server, &cluster, &[again.clone(), again.clone()]);
        std::thread::sleep(Duration::from_secs(2));
        post(&server, &cluster, &[again]);
        // Neither the namespace nor the service account is known.
        post(&server, &cluster, &[review(("apps", "Deployment"), "CREATE", &deployment("nowhere", "x", 1), None)]);
        let lower = ["label", "namespace", "shop", "rolecall.dev/enforce=off", "--overwrite", "--dry-run=server"];
        cluster.try_kubectl(&[lower.as_slice(), &["--as=alice", "--as-group=system:masters"]].concat(), "");
        assert_exact(&cluster, "rolecall");

        // Metrics that exist from their first value on; docs/metrics.md and the dashboard name them.
        for metric in ["rolecall_aws_calls_total{", "rolecall_events_total{", "rolecall_would_deny{"] {
            eventually(metric, Duration::from_secs(30), || {
                let (of_one, of_other) = (server.get("/metrics").1, follower.get("/metrics").1);
                let is_there = of_one.lines().chain(of_other.lines()).any(|line| line.starts_with(metric));
                if is_there { Ok(()) } else { Err(of_one) }
            });
        }
    });
}

/// The CustomResourceDefinitions of all kinds that a scan lists, without schemas.
fn custom_kinds(cluster: &Cluster) {
    for kind in rolecall_core::custom::all() {
        let Listed::As(plural) = kind.listed else { continue };
        let scope = if kind.scope == Scope::Namespaced { "Namespaced" } else { "Cluster" };
        let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
        let versions = json!([{"name": "v1", "served": true, "storage": true, "schema": schema}]);
        let names = json!({"kind": kind.kind, "plural": plural, "singular": kind.kind.to_lowercase()});
        let name = format!("{plural}.{}", kind.group);
        let mut metadata = json!({"name": name});
        if kind.group.ends_with(".k8s.io") || kind.group.ends_with(".kubernetes.io") {
            metadata["annotations"] = json!({"api-approved.kubernetes.io": "unapproved, for a test"});
        }
        cluster.apply(
            &json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": metadata,
                    "spec": {"group": kind.group, "scope": scope, "names": names, "versions": versions}})
            .to_string(),
        );
        cluster.kubectl(&["wait", "--for=condition=Established", &format!("crd/{name}"), "--timeout=30s"]);
    }
}

#[test]
fn a_scan_has_exactly_its_rights() {
    let cluster = Cluster::start();
    for file in ["namespace.yaml", "scan-cronjob.yaml"] {
        cluster.apply(&manifest(file));
    }
    custom_kinds(&cluster);
    cluster.apply(&text("fixtures/scan/openreports.yaml"));
    cluster.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"]);
    cluster.namespace("shop", &json!({}), Some(MISSING));
    cluster.apply(&deployment("shop", "web", 1).to_string());
    let kubeconfig = cluster.as_service_account("rolecall", "rolecall-scan");
    let source = snapshot().display().to_string();
    // Reports are created, changed, and deleted.
    for (at, level, more) in [(0, "fallback", "first"), (1, "fallback", "second"), (2, "off", "third")] {
        cluster.service_account("shop", more, (at < 2).then_some(MISSING));
        let output = Command::new(env!("CARGO_BIN_EXE_rolecall"))
            .args(["scan", "--source", &source, "--level", level, "--reports", "openreports"])
            .env("KUBECONFIG", &kubeconfig)
            .output()
            .unwrap();
        let (said, error) = texts(&output);
        assert!(matches!(output.status.code(), Some(0 | 1)) && !said.contains("note: not read"), "{said}{error}");
    }
    assert_exact(&cluster, "rolecall-scan");
}
