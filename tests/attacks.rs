//! Attacks on the webhook that are kept as tests: bounded, on loopback only.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod common;

#[path = "attacks/answers.rs"]
mod answers;
#[path = "attacks/environment.rs"]
mod environment;
#[path = "attacks/exemptions.rs"]
mod exemptions;
#[path = "attacks/levels.rs"]
mod levels;
