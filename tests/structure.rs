//! The structure of the code: which module may import which.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod common;

use std::collections::{BTreeMap, BTreeSet};
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
    // A scan's rules are separate from its reading: only `read.rs` asks the cluster.
    for pure in ["accounts", "health", "item", "orphans", "owners", "tally"] {
        assert_free_of(&format!("scan/{pure}.rs"), &["crate::kube", "kube::", "tokio", "async"]);
    }
    for asking in ["kube/list.rs", "kube/write_reports.rs"] {
        assert_free_of(asking, &["crate::scan", "crate::report", "crate::review", "crate::live"]);
    }
}

/// Which module of the core may import which: a staircase, from what knows nothing of the others to what judges and decides.
const CORE: &[(&str, &[&str])] = &[
    ("certainty", &[]),
    ("effort", &[]),
    ("known", &[]),
    ("subject", &[]),
    ("text", &[]),
    ("snapshot", &["known"]),
    ("workload", &["text"]),
    ("custom", &["workload"]),
    ("level", &["workload"]),
    ("rules", &["certainty", "level"]),
    ("cluster", &["known", "level", "workload"]),
    ("ecs", &["cluster", "snapshot", "workload"]),
    ("fix", &["ecs", "subject", "text", "workload"]),
    ("identity", &["cluster", "workload"]),
    ("permission", &["effort", "fix", "known", "snapshot", "subject", "text"]),
    ("finding", &["certainty", "custom", "ecs", "fix", "identity", "level", "permission", "rules", "text", "workload"]),
    (
        "chain",
        &["cluster", "ecs", "effort", "finding", "fix", "known", "level", "permission", "rules", "snapshot", "subject"],
    ),
    ("world", &["chain", "cluster", "effort", "identity", "known", "level", "snapshot", "workload"]),
    (
        "judge",
        &[
            "chain",
            "cluster",
            "custom",
            "ecs",
            "effort",
            "finding",
            "fix",
            "identity",
            "known",
            "level",
            "permission",
            "rules",
            "snapshot",
            "workload",
            "world",
        ],
    ),
    ("decision", &["finding", "judge", "level", "rules", "workload"]),
];

/// The same for the program.
const PROGRAM: &[(&str, &[&str])] = &[
    ("live", &[]),
    ("review", &[]),
    ("sources", &[]),
    ("config", &["review", "sources"]),
    ("kube", &["config", "live", "review"]),
    ("scan", &["kube", "review"]),
    ("report", &["scan"]),
    ("server", &["config", "kube", "live", "review"]),
    ("cli", &["config", "kube", "report", "scan", "sources"]),
    ("run", &["cli", "config", "kube", "live", "review", "scan", "server", "sources"]),
];

/// The modules that a file imports by `crate::`, outside of comments and of its unit tests.
fn imports(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
    let lines = code.lines().map(|line| line.split("//").next().unwrap());
    let paths = lines.flat_map(|line| line.split("crate::").skip(1));
    let name = |path: &str| path.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
    paths.map(name).filter(|name| !name.is_empty()).collect()
}

fn assert_imports(folder: &Path, allowed: &[(&str, &[&str])]) {
    // Each module imports only those above it, so that there is no cycle.
    for (at, (module, imported)) in allowed.iter().enumerate() {
        for other in *imported {
            assert!(allowed[..at].iter().any(|(above, _)| above == other), "{module} may not import {other}");
        }
    }
    let mut files = Vec::new();
    sources(folder, &mut files);
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        let place = file.strip_prefix(folder).unwrap();
        let first = place.components().next().unwrap().as_os_str().to_str().unwrap();
        let module = first.strip_suffix(".rs").unwrap_or(first).to_owned();
        if folder.join(&module).join("Cargo.toml").exists() || ["lib", "main", "tests"].contains(&module.as_str()) {
            continue;
        }
        let mut imported = imports(&std::fs::read_to_string(&file).unwrap());
        imported.remove(&module);
        found.entry(module).or_default().extend(imported);
    }
    for (module, imported) in &found {
        let (_, allowed) = allowed.iter().find(|(name, _)| name == module).unwrap_or_else(|| panic!("{module} is new"));
        let allowed: BTreeSet<String> = allowed.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(*imported, allowed, "what {module} imports, and what the list says");
    }
    assert_eq!(found.len(), allowed.len(), "the list names modules that do not exist");
}

#[test]
fn modules_import_only_what_the_list_allows() {
    let root = common::root().join("src");
    assert_imports(&root.join("core"), CORE);
    assert_imports(&root, PROGRAM);
    // Comments and unit tests do not count.
    let text = "use crate::a::B;\n// crate::b\nfn f() -> crate::c::D {}\n#[cfg(test)]\nmod tests { use crate::d; }";
    assert_eq!(imports(text).into_iter().collect::<Vec<_>>(), ["a", "c"]);
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

/// A long file is to be split.
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

/// The string literals of code, without comments and unit tests.
fn literals(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
    let mut found = Vec::new();
    let mut rest = code;
    while let Some((before, from)) = rest.find(['"', '/', '\'']).map(|at| rest.split_at(at)) {
        rest = if let Some(comment) = from.strip_prefix("//") {
            comment.split_once('\n').map_or("", |(_, behind)| behind)
        } else if let Some(behind) = from.strip_prefix("'\"'").or_else(|| from.strip_prefix("'\\\"'")) {
            behind
        } else if let Some(literal) = from.strip_prefix('"') {
            let mut escaped = false;
            let closes = |c: char| {
                let closes = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                closes
            };
            let end = if before.ends_with("r#") { literal.find("\"#") } else { literal.find(closes) };
            let (content, behind) = literal.split_at(end.expect("it ends"));
            // Of an attribute: `reason = "..."`.
            if !before.ends_with("reason = ") {
                found.push(content.to_owned());
            }
            behind.strip_prefix('"').unwrap()
        } else {
            from.split_at(1).1
        };
    }
    found
}

/// Whether a literal is a phrase for people: it has two words or more, and one in lower case. A text of one word passes.
fn is_phrase(literal: &str) -> bool {
    // What is between braces, without a blank, is the name of a placeholder.
    let is_placeholder = |at: usize, part: &str| at % 2 == 1 && !part.contains(char::is_whitespace);
    let parts = literal.split(['{', '}']).enumerate();
    let text: String = parts.map(|(at, part)| if is_placeholder(at, part) { "{}" } else { part }).collect();
    let words = text.split_whitespace().map(|word| word.trim_matches(|c: char| c.is_ascii_punctuation()));
    let words: Vec<&str> =
        words.filter(|word| word.len() > 1 && word.bytes().all(|b| b.is_ascii_alphabetic())).collect();
    words.len() > 1 && words.iter().any(|word| word.bytes().all(|b| b.is_ascii_lowercase()))
}

/// The core returns data, and `rolecall-message` writes the sentences. Two things in the core are texts by their nature: the
/// pages of the rules, and what is wrong with a file that cannot be read.
#[test]
fn the_core_writes_no_sentences() {
    // Names for policies that have none of their own, and a fault in an object that cannot be read.
    let allowed = [
        "inline policies",
        "managed policies",
        "of the association",
        "permissions boundary",
        "trust policy",
        "an object of strings",
        "a list of owner references",
        "the object has too many elements to be checked",
    ];
    let root = common::root().join("src/core");
    let mut files = Vec::new();
    sources(&root, &mut files);
    // The components' names are those that their projects give them.
    let texts = ["rules", "snapshot", "workload/needs/components"].map(|folder| root.join(folder));
    let mut checked = 0;
    let mut found = BTreeSet::new();
    for file in files.iter().filter(|file| !texts.iter().any(|folder| file.starts_with(folder))) {
        for literal in literals(&std::fs::read_to_string(file).unwrap()) {
            checked += 1;
            if is_phrase(&literal) {
                let is_allowed = allowed.contains(&literal.as_str());
                assert!(is_allowed, "{}: {literal:?} belongs into rolecall-message", file.display());
                found.insert(literal);
            }
        }
    }
    assert!(checked > 500, "only {checked} literals");
    assert_eq!(found, allowed.map(str::to_owned).into(), "the list allows texts that do not exist");
    let text = "let a = \"no\"; // \"in a comment\"\nlet b = '\"'; f(\"one \\\"more\", r#\"as \"it\" is\"#);";
    assert_eq!(literals(text), ["no", "one \\\"more", "as \"it\" is"]);
    assert_eq!(literals(r#"f('"', '\"', "a \\"); g("b")"#), ["a \\\\", "b"]);
    for phrase in [
        "role {} does not exist",
        "role {name} missing",
        "AWS denies {action}",
        "Denied: {why}, again.",
        "no, or not",
        "{\\\"a\\\": is not}",
    ] {
        assert!(is_phrase(phrase), "{phrase}");
    }
    for other in
        ["AWS_ROLE_ARN", "{} = {}", "arn:aws:iam::ACCOUNT:role/NAME", "Principal: {{\"AWS\": \"{}\"}}", "a string"]
    {
        assert!(!is_phrase(other), "{other}");
    }
}
