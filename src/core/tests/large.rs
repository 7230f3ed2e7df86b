//! Pods with thousands of containers, each broken in its own way: what a check costs stays in proportion to their number. A
//! square of these sizes would take minutes.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use rolecall_core::cluster::{Cluster, Conventions};
use rolecall_core::decision::{EnforceOn, Level, Levels, Mode, Outcome, Policy, decide};
use rolecall_core::judge::{Circumstances, Judgement, judge_workload};
use rolecall_core::snapshot::Snapshot;
use rolecall_core::workload::{Kind, Object, Stage, Workload};
use rolecall_core::world::World;
use serde::Deserialize;
use serde_json::{Value, json};

const CONTAINERS: usize = 30_000;

fn world() -> World {
    let base = include_str!("../../../tests/cases/base.json");
    World::new(Arc::new(Snapshot::parse(base).unwrap()), Cluster::default(), Conventions::default())
}

/// A pod whose containers bring 200 roles and token files of their own.
fn pod(count: usize, annotations: &Value) -> Value {
    let container = |i: usize| {
        json!({"name": format!("c{i}"), "env": [
            {"name": "AWS_ROLE_ARN", "value": format!("role-{}", i % 200)},
            {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": format!("/v{}/token", i % 200)}]})
    };
    json!({"kind": "Pod", "metadata": {"name": "p", "namespace": "carts", "annotations": annotations},
           "spec": {"serviceAccountName": "carts", "containers": (0..count).map(container).collect::<Vec<_>>()}})
}

fn check<'w>(world: &'w World, object: &'w Object<'w>) -> Judgement<'w> {
    let workload = Workload::of(object, Kind::Pod, Stage::Admitted, "carts").unwrap();
    judge_workload(world, &workload, Circumstances { now: None, exemptions: true })
}

#[test]
fn findings_of_a_rule_are_bounded_and_name_every_container() {
    let world = world();
    let value = pod(CONTAINERS, &json!({}));
    let object = Object::deserialize(&value).unwrap();
    let judgement = check(&world, &object);
    assert_eq!(judgement.containers.len(), CONTAINERS);
    let malformed = judgement.findings.iter().filter(|finding| finding.rule() == "role-arn-malformed");
    assert_eq!(malformed.clone().count(), 64);
    assert_eq!(malformed.map(|finding| finding.containers.len()).sum::<usize>(), CONTAINERS);
    assert!(judgement.findings.len() < 1_000);

    // Denied, with nothing audited besides; and an update that changes nothing is not.
    let levels = Levels { enforce: Level::Strict, warn: Level::Off, audit: Level::Off };
    let policy = Policy {
        levels,
        mode: Mode::Enforce,
        enforce_on: EnforceOn::PODS,
        is_controlled: false,
        self_exemptions: false,
    };
    let decision = decide(&judgement, None, &policy);
    assert_eq!((decision.outcome, decision.audited.len()), (Outcome::Deny, decision.denials.len()));
    let same = check(&world, &object);
    assert_ne!(decide(&judgement, Some(&same), &policy).outcome, Outcome::Deny);
    // One more broken container is new.
    let value = pod(CONTAINERS + 1, &json!({}));
    let more = Object::deserialize(&value).unwrap();
    let more = check(&world, &more);
    assert_eq!(decide(&more, Some(&judgement), &policy).outcome, Outcome::Deny);
}

#[test]
fn ignored_findings_are_bounded_too() {
    let world = world();
    let names = (0..50_000).map(|i| format!("rule-{i}")).collect::<Vec<_>>().join(",");
    let ignore = format!("{names},role-arn-malformed,role-overridden");
    let value = pod(CONTAINERS, &json!({"rolecall.dev/ignore": ignore}));
    let object = Object::deserialize(&value).unwrap();
    let judgement = check(&world, &object);
    assert!(judgement.findings.iter().all(|finding| finding.rule() != "role-arn-malformed"));
    assert!(judgement.exempted.iter().any(|finding| finding.rule() == "role-arn-malformed"));
    assert!(judgement.exempted.len() < 1_000, "{}", judgement.exempted.len());
}
