//! Attacks on the webhook that are kept as tests: bounded, on loopback only. docs/reliability.md names them.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::print_stdout, reason = "the memory tests say what they measured")]
mod common;

#[path = "attacks/answers.rs"]
mod answers;
#[path = "attacks/callers.rs"]
mod callers;
#[path = "attacks/connections.rs"]
mod connections;
#[path = "attacks/disclosure.rs"]
mod disclosure;
#[path = "attacks/enforce_on.rs"]
mod enforce_on;
#[path = "attacks/environment.rs"]
mod environment;
#[path = "attacks/exemptions.rs"]
mod exemptions;
#[path = "attacks/leaving.rs"]
mod leaving;
#[path = "attacks/levels.rs"]
mod levels;
#[path = "attacks/memory.rs"]
mod memory;
#[path = "attacks/size.rs"]
mod size;
#[path = "attacks/wire.rs"]
mod wire;
#[path = "attacks/work.rs"]
mod work;
