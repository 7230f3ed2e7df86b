//! The Terraform of fixes is what `terraform fmt` writes. It needs Go, whose package of HCL formats and parses for Terraform.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

#[path = "../../core/tests/common/mod.rs"]
mod common;

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use rolecall_message::fix::{Format, rendered};

#[test]
fn terraform_is_formatted_and_parses() {
    let mut texts = BTreeSet::new();
    for case in common::cases() {
        let world = case.world(&case.snapshot);
        case.judge(&world, |_, _, judgement, _| {
            let findings = judgement.findings.iter().chain(&judgement.exempted);
            texts.extend(findings.filter_map(|finding| rendered(&finding.problem.fix, Format::Terraform)));
        });
    }
    assert!(texts.len() >= 107, "only {} different configurations", texts.len());
    let Ok(mut run) = Command::new("go")
        .args(["run", "-mod=mod", "."])
        .current_dir(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hclfmt"))
        .env("GOFLAGS", "-buildvcs=false")
        .env("CGO_ENABLED", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
    else {
        eprintln!("skipped: no Go");
        return;
    };
    let lines: String = texts.iter().map(|text| format!("{}\n", serde_json::json!(format!("{text}\n")))).collect();
    // Where its modules cannot be fetched, Go ends without reading.
    let written = run.stdin.take().unwrap().write_all(lines.as_bytes());
    let output = run.wait_with_output().unwrap();
    if written.is_err() || !output.status.success() {
        eprintln!("skipped: the modules of Go cannot be fetched");
        return;
    }
    let formatted: Vec<Option<String>> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(formatted.len(), texts.len());
    for (text, formatted) in texts.iter().zip(formatted) {
        let formatted = formatted.unwrap_or_else(|| panic!("does not parse:\n{text}"));
        assert_eq!(format!("{text}\n"), formatted);
    }
}
