//! The structure of the code: which module may import which.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod common;

use std::path::{Path, PathBuf};

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.ends_with("tests") {
            continue;
        }
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn assert_free_of(module: &str, forbidden: &[&str]) {
    assert_folder_free_of(&Path::new("src").join(module), forbidden);
}

fn assert_folder_free_of(folder: &Path, forbidden: &[&str]) {
    let mut files = Vec::new();
    let place = common::root().join(folder);
    if place.is_dir() {
        sources(&place, &mut files)
    } else {
        files.push(place)
    }
    assert!(!files.is_empty(), "{} is empty", folder.display());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for name in forbidden {
            assert!(!text.contains(name), "{}: must not use {name}", file.display());
        }
    }
}

#[test]
fn modules_import_one_way() {
    assert_free_of("server", &["crate::cli", "crate::run", "crate::report"]);
    assert_free_of("cli", &["crate::server", "crate::run", "crate::review"]);
    assert_free_of("report", &["crate::server", "crate::cli", "crate::run", "crate::sources", "crate::review"]);
    assert_free_of("sources", &["crate::server", "crate::cli", "crate::run", "crate::report", "crate::review"]);
    // A scan is told by the report, which knows its result; it asks the cluster through `kube`, and nobody else.
    assert_free_of(
        "scan",
        &["crate::server", "crate::cli", "crate::run", "crate::report", "crate::review", "crate::sources"],
    );
    for pure in ["accounts", "health", "item", "orphans", "owners", "tally"] {
        assert_free_of(&format!("scan/{pure}.rs"), &["crate::kube", "kube::", "tokio", "async"]);
    }
    for asking in ["kube/list.rs", "kube/write_reports.rs"] {
        assert_free_of(asking, &["crate::scan", "crate::report", "crate::review", "crate::live"]);
    }
    assert_free_of("review", &["crate::server", "crate::cli", "crate::run", "crate::report", "crate::sources"]);
}

/// The pure crates know no clock, environment, file or network: Cargo keeps runtimes out, this the standard library's.
#[test]
fn the_pure_crates_are_pure() {
    let impure = [
        "std::fs",
        "std::net::Tcp",
        "std::env",
        "std::process",
        "std::time",
        "SystemTime",
        "Timestamp::now",
        "std::io",
    ];
    for module in ["actions", "iam", "core"] {
        assert_free_of(module, &impure);
        let manifest = std::fs::read_to_string(common::root().join("src").join(module).join("Cargo.toml")).unwrap();
        for dependency in ["tokio", "hyper", "axum", "kube", "aws-", "tracing"] {
            assert!(!manifest.contains(dependency), "{module} must not depend on {dependency}");
        }
    }
    assert_free_of("iam", &["rolecall_core", "rolecall_actions", "crate::snapshot"]);
    assert_free_of("actions", &["rolecall_core", "rolecall_iam"]);
}

/// The certificates know neither Kubernetes nor this program, and take the time as an argument.
#[test]
fn the_certificates_are_independent() {
    let foreign =
        ["use rolecall::", "rolecall_core", "kube::", "k8s_openapi", "SystemTime", "Timestamp::now", "std::env"];
    assert_folder_free_of(Path::new("certs/src"), &foreign);
    let manifest = std::fs::read_to_string(common::root().join("certs/Cargo.toml")).unwrap();
    for dependency in ["rolecall-core", "rolecall-iam", "kube.", "k8s-openapi", "hyper", "axum", "aws-"] {
        assert!(!manifest.contains(dependency), "certs must not depend on {dependency}");
    }
}

/// A file that nobody would want to read is to be split.
#[test]
fn files_stay_readable() {
    let mut files = Vec::new();
    for folder in ["src", "certs/src"] {
        sources(&common::root().join(folder), &mut files);
    }
    for file in files {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 600, "{} has {lines} lines", file.display());
    }
}

/// What code must know of a rule is in its declaration: no other module keeps names of rules in texts.
#[test]
fn rules_are_named_in_their_declarations_only() {
    // These are also names of something else: an identity, and an annotation.
    let other_meanings = [("core/identity/mod.rs", "static-keys"), ("core/cluster/conventions.rs", "token-expiration")];
    let root = common::root().join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut read = 0;
    for file in files.iter().filter(|file| !file.starts_with(root.join("core/rules"))) {
        let text = std::fs::read_to_string(file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for rule in rolecall_core::rules::all() {
            let place = file.strip_prefix(&root).unwrap().to_str().unwrap();
            let is_named = code.contains(&format!("\"{}\"", rule.name));
            assert!(!is_named || other_meanings.contains(&(place, rule.name)), "{place}: \"{}\"", rule.name);
        }
        read += 1;
    }
    assert!(read > 100, "only {read} files");
}
