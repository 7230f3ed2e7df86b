//! Answers to reviews over the recorded cluster, without a socket.

#![allow(unreachable_pub, reason = "it is a module of a test")]

use std::sync::Arc;

use rolecall::config::Config;
use rolecall::review::{Authority, NextStep, Settings, Standing, consider};
use rolecall::sources::Manifests;
use rolecall_core::decision::Mode;
use rolecall_core::snapshot::Snapshot;
use rolecall_core::world::World;
use serde_json::{Value, json};

use crate::common;

/// A role that the recorded account does not have.
pub const GONE: &str = "arn:aws:iam::111122223333:role/carts-absent";

/// When the reviews are answered.
pub const NOW: &str = "2026-11-26T12:00:00Z";

/// The recorded cluster, in which namespace `carts` has these labels and annotations.
pub struct Ground {
    world: World,
    config: Config,
}

impl Ground {
    pub fn new(labels: &Value, annotations: &Value, config: &str) -> Self {
        let directory = common::TempDir::new("attacks");
        let recorded = common::text("fixtures/cluster.yaml");
        let named = "metadata: {name: carts}";
        assert!(recorded.contains(named));
        let metadata = json!({"name": "carts", "labels": labels, "annotations": annotations});
        let file = directory.file("cluster.yaml", &recorded.replacen(named, &format!("metadata: {metadata}"), 1));
        let config = Config::parse(config).unwrap();
        let conventions = config.conventions();
        let cluster = Manifests::load(&[file.display().to_string()]).unwrap().cluster(&conventions).unwrap();
        let snapshot = Snapshot::parse(&common::text("fixtures/snapshot.json")).unwrap();
        Self { world: World::new(Arc::new(snapshot), cluster, conventions), config }
    }

    /// Namespace `carts` enforces `chain`, with these annotations.
    pub fn enforcing(annotations: &Value, config: &str) -> Self {
        Self::new(&json!({"rolecall.dev/enforce": "chain"}), annotations, config)
    }

    pub fn settings(&self, mode: Mode) -> Settings {
        self.config.settings(mode)
    }

    pub fn consider(&self, review: &Value, mode: Mode, asks: bool) -> NextStep {
        self.consider_with(review, &self.settings(mode), asks)
    }

    pub fn consider_with(&self, review: &Value, settings: &Settings, asks: bool) -> NextStep {
        let standing = Standing { authority: Authority::Final, asks, inline: false, stop: None };
        let (body, now) = (review.to_string(), NOW.parse().unwrap());
        consider(&self.world, "", settings, body.as_bytes(), now, standing, |_| {})
    }

    /// The response.
    pub fn ask(&self, review: &Value) -> Value {
        self.ask_in(review, Mode::Enforce)
    }

    pub fn ask_in(&self, review: &Value, mode: Mode) -> Value {
        match self.consider(review, mode, false) {
            NextStep::Reply(reply) => serde_json::from_slice::<Value>(&reply.body).unwrap()["response"].clone(),
            other => panic!("{other:?}"),
        }
    }
}

pub fn decision(response: &Value) -> &str {
    response["auditAnnotations"]["decision"].as_str().unwrap_or_default()
}

pub fn warnings(response: &Value) -> String {
    let all = response["warnings"].as_array().cloned().unwrap_or_default();
    all.iter().map(|warning| warning.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

/// A pod of namespace `carts` that brings a web identity with these variables and annotations.
pub fn pod(variables: &Value, annotations: &Value) -> Value {
    let folder = "/var/run/secrets/eks.amazonaws.com/serviceaccount";
    let mut env = variables.as_array().unwrap().clone();
    env.push(json!({"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": format!("{folder}/token")}));
    let token = json!({"serviceAccountToken": {"audience": "sts.amazonaws.com", "path": "token"}});
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "attack", "namespace": "carts", "annotations": annotations},
        "spec": {"serviceAccountName": "default",
            "containers": [{"name": "app", "image": "example.com/app:1", "env": env,
                "volumeMounts": [{"name": "aws-iam-token", "mountPath": folder}]}],
            "volumes": [{"name": "aws-iam-token", "projected": {"sources": [token]}}]}})
}

/// A pod whose role does not exist.
pub fn broken_pod(annotations: &Value) -> Value {
    pod(&json!([{"name": "AWS_ROLE_ARN", "value": GONE}]), annotations)
}

pub fn created(object: &Value) -> Value {
    let kind = object["kind"].as_str().unwrap();
    let group = object["apiVersion"].as_str().unwrap().split_once('/').map_or("", |(group, _)| group);
    common::review((group, kind), "CREATE", object, None)
}
