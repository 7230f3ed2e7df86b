//! `rolecall.dev/identity: required` where time matters: an injector that does not know a new association yet.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::sync::Arc;

use rolecall_core::chain::State;
use rolecall_core::cluster::{Cluster, Conventions, IdentitySelector, Presence, ServiceAccount};
use rolecall_core::decision::{EnforceOn, Level, Levels, Mode, Outcome, Policy, decide};
use rolecall_core::finding::Certainty;
use rolecall_core::judge::{Circumstances, judge_workload};
use rolecall_core::snapshot::Snapshot;
use rolecall_core::workload::{Kind, Object, Stage, Workload};
use rolecall_core::world::World;
use serde_json::{Value, json};

/// A cluster whose injector is registered and whose association was created at 12:00:00.
fn world(conventions: Conventions) -> World {
    let mut snapshot = common::base();
    snapshot["podIdentityAssociations"][0]["createdAt"] = json!("2026-11-26T12:00:00Z");
    let snapshot = Snapshot::parse(&snapshot.to_string()).unwrap();
    let mut cluster = Cluster { complete: true, injector: Presence::Present(()), ..Cluster::default() };
    cluster.add_service_account("carts", "carts-pi", ServiceAccount::default());
    World::new(Arc::new(snapshot), cluster, conventions)
}

/// What is decided at 12:00:26 about a pod that the injector did not touch.
fn decided(world: &World, annotations: &Value) -> (Outcome, &'static str, Certainty, State) {
    let pod = json!({"metadata": {"name": "carts", "namespace": "carts", "annotations": annotations, "labels": {"app": "carts"}},
        "spec": {"serviceAccountName": "carts-pi", "containers": [{"name": "carts", "image": "registry.example/carts:1"}]}})
    .to_string();
    let object: Object<'_> = serde_json::from_str(&pod).unwrap();
    let workload = Workload::of(&object, Kind::Pod, Stage::Admitted, "carts").unwrap();
    let circumstances = Circumstances { now: Some("2026-11-26T12:00:26Z".parse().unwrap()), exemptions: true };
    let judgement = judge_workload(world, &workload, circumstances);
    let levels = Levels { enforce: Level::Chain, ..Levels::default() };
    let policy = Policy {
        levels,
        mode: Mode::Enforce,
        enforce_on: EnforceOn::PODS,
        is_controlled: false,
        self_exemptions: false,
    };
    let finding = &judgement.findings[0];
    let outcome = decide(&judgement, None, &policy).outcome;
    (outcome, finding.rule(), finding.problem.certainty, judgement.containers[0].chain)
}

#[test]
fn a_late_injector_is_no_excuse_where_an_identity_is_required() {
    let world = world(Conventions::default());
    let late = decided(&world, &json!({}));
    assert_eq!(late, (Outcome::Warn, "injection-missing", Certainty::Likely, State::Unknown));
    let required = decided(&world, &json!({"rolecall.dev/identity": "required"}));
    assert_eq!(required, (Outcome::Deny, "injection-missing", Certainty::Certain, State::Broken));
    let other = decided(&world, &json!({"rolecall.dev/identity": "wanted"}));
    assert_eq!(other, late, "another value requires nothing");
}

#[test]
fn the_configuration_requires_as_the_annotation_does() {
    let with = |labels: &[(&str, &str)]| {
        let mut conventions = Conventions::default();
        let pod_labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        conventions.require_identity =
            vec![IdentitySelector { namespaces: vec!["cart*".to_owned()], service_accounts: Vec::new(), pod_labels }];
        decided(&world(conventions), &json!({})).0
    };
    assert_eq!((with(&[]), with(&[("app", "carts")])), (Outcome::Deny, Outcome::Deny));
    assert_eq!(with(&[("app", "orders")]), Outcome::Warn);
}
