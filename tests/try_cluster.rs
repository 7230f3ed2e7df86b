//! `make cluster` keeps working: its script runs to the end, and what it has people try comes out as it says.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
#![cfg(feature = "kube")]
mod common;

use std::process::{Command, Stdio};

#[test]
fn the_cluster_to_try_things_on_shows_what_it_says() {
    let output = Command::new(common::root().join("examples/cluster/run.sh"))
        .arg("--once")
        .env("ROLECALL", env!("CARGO_BIN_EXE_rolecall"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{out}\n{error}", output.status);
    let of_line = |parts: &[&str]| {
        let found = out.lines().any(|line| parts.iter().all(|part| line.contains(part)));
        assert!(found, "no line with {parts:?} in\n{out}");
    };
    of_line(&["Warning: ", "irsa-trust-subject", "shop/orders"]);
    of_line(&["deployment.apps/checkout created"]);
    of_line(&[
        "admission webhook \"validate.rolecall.dev\" denied the request: service account shop/orders",
        "[irsa-trust-subject]",
    ]);
    of_line(&["the pod's token has", "system:serviceaccount:shop:orders"]);
    of_line(&["Deployment", "orders", "Pod orders-", "[irsa-trust-subject]"]);
    of_line(&["its own annotations hide [irsa-trust-subject] from warnings only"]);
    of_line(&["namespace/shop annotated"]);
    of_line(&["pod/orders-exempted created"]);
    of_line(&["alice may not lower", "levels.rolecall.dev"]);
    of_line(&["certain service account legacy/reports cannot assume role reports", "[role-missing]"]);
}
