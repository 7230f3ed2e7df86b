//! The stand-in for AWS's injector is held to the reviews that were recorded behind the real one: by the tests beside it.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
#![cfg(feature = "kube")]
mod common;

use std::process::Command;

#[test]
fn the_stand_in_does_what_was_recorded() {
    let output = Command::new(common::test_file("cluster/build.sh")).arg("test").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let passed = said.lines().filter(|line| line.starts_with("ok") && line.contains("/internal/injector"));
    assert_eq!(passed.count(), 1, "{said}");
}
