//! The soak test: `rolecall serve` under a constant load while AWS, the API server, the certificates and the state of roles
//! change, with attacks mixed in. `make soak` runs it; docs/reliability.md says what it checks.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::print_stdout, reason = "the report is the result")]
#![cfg(all(feature = "aws", feature = "kube", target_os = "linux"))]

#[path = "soak/attacks.rs"]
mod attacks;
#[path = "common/aws.rs"]
mod aws;
mod common;
#[path = "soak/connections.rs"]
mod connections;
#[path = "soak/history.rs"]
mod history;
#[path = "soak/probes.rs"]
mod probes;
#[path = "soak/process.rs"]
mod process;
#[path = "soak/report.rs"]
mod report;
#[path = "soak/run.rs"]
mod run;
#[path = "attacks/wire.rs"]
#[allow(dead_code, reason = "only its reviews are used")]
mod wire;
#[path = "soak/world.rs"]
mod world;

use std::time::Duration;

/// The length of the run, in seconds.
const DEFAULT_SECONDS: u64 = 3_600;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes an hour: make soak"]
async fn soak() {
    let seconds = std::env::var("SOAK_SECONDS").map_or(DEFAULT_SECONDS, |text| text.parse().unwrap());
    assert!(seconds >= 120, "SOAK_SECONDS: at least 120, so that each quarter has each fault");
    let failures = run::run(Duration::from_secs(seconds)).await;
    assert!(failures.is_empty(), "{} checks failed:\n{}", failures.len(), failures.join("\n"));
}
