//! What is generated is current, and what the documents say is there.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod common;

use std::collections::BTreeSet;

/// `docs/rules/` comes from the declarations; `ROLECALL_BLESS=1` writes it again.
#[test]
fn the_pages_of_the_rules_are_current() {
    let folder = common::root().join("docs/rules");
    let rules = rolecall_core::rules::all();
    let mut pages: Vec<(String, String)> =
        rules.iter().map(|rule| (format!("{}.md", rule.name), rule.markdown())).collect();
    pages.push(("README.md".to_owned(), rolecall_core::rules::index_markdown(&rolecall_core::rules::families())));
    if std::env::var_os("ROLECALL_BLESS").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in &pages {
            std::fs::write(folder.join(name), text).unwrap();
        }
    }
    let there: BTreeSet<String> =
        std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    let expected: BTreeSet<String> = pages.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(there, expected);
    for (name, text) in pages {
        assert_eq!(
            std::fs::read_to_string(folder.join(&name)).unwrap(),
            text,
            "{name}: ROLECALL_BLESS=1 writes it again"
        );
    }
}

/// Every rule is there for a reason: some case makes it fire.
#[test]
fn every_rule_has_a_case() {
    let mut seen = BTreeSet::new();
    for family in std::fs::read_dir(common::test_file("cases")).unwrap() {
        let family = family.unwrap().path();
        for case in std::fs::read_dir(&family).into_iter().flatten() {
            let text = std::fs::read_to_string(case.unwrap().path().join("expected.json")).unwrap();
            let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
            for finding in expected["findings"].as_array().unwrap() {
                seen.insert(finding["rule"].as_str().unwrap().to_owned());
            }
        }
    }
    // Needs an object before and after: `recorded.rs` has it. The others need a cluster that runs: `scan.rs` has them.
    for elsewhere in
        ["pods-predate-identity", "association-orphaned", "injector-missing", "node-role-agent", "role-not-assumable"]
    {
        seen.insert(elsewhere.to_owned());
    }
    let without: Vec<&str> =
        rolecall_core::rules::all().iter().map(|rule| rule.name).filter(|name| !seen.contains(*name)).collect();
    assert!(without.is_empty(), "no case makes these fire: {without:?}");
}
