//! `rolecall check`: what it reads and leaves out, the places of findings, its formats, and what makes its exit code.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod common;

#[path = "check/accepted.rs"]
mod accepted;
#[path = "check/empty.rs"]
mod empty;
#[path = "check/outputs.rs"]
mod outputs;
#[path = "check/places.rs"]
mod places;
#[path = "check/roll_call.rs"]
mod roll_call;

#[path = "check/pods.rs"]
mod pods;

use std::path::Path;
use std::process::Output;

use common::TempDir;
use serde_json::Value;

/// What a command did.
struct Ran {
    code: i32,
    out: String,
    said: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}{}", self.out, self.said))
    }
}

/// Runs the program in a folder, with variables of the environment and standard input.
fn run_with(folder: &Path, arguments: &[&str], environment: &[(&str, &str)], input: &str) -> Ran {
    let Output { status, stdout, stderr } = common::rolecall_in(folder, arguments, environment, input);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: status.code().unwrap(), out: text(stdout), said: text(stderr) }
}

fn run(folder: &TempDir, arguments: &[&str]) -> Ran {
    run_with(&folder.0, arguments, &[], "")
}

/// Writes a file below a folder, with the folders that it needs.
fn write(folder: &TempDir, name: &str, text: &str) {
    let path = folder.0.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}
