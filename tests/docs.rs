//! What is generated is current, and what the documents say is there.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod common;

use std::collections::BTreeSet;

use clap::Parser;
use rolecall::cli::Cli;

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

/// `docs/components.md` comes from the tables of components.
#[test]
fn the_page_of_the_components_is_current() {
    let page = rolecall_message::components::page();
    let file = common::root().join("docs/components.md");
    if std::env::var_os("ROLECALL_BLESS").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), page, "ROLECALL_BLESS=1 writes it again");
}

/// Each component names a document and actions that AWS has, and the row of an image that counts can be reached.
#[test]
fn the_table_of_the_components_is_sound() {
    use rolecall_core::workload::{ComponentRole, components};
    assert!(components().count() >= 40);
    let mut without_signs: BTreeSet<&str> = BTreeSet::new();
    for component in components() {
        assert!(component.source.starts_with("https://"), "{}", component.name);
        for action in component.actions {
            assert!(rolecall_actions::find(action).is_some(), "{}: AWS has no action {action}", component.name);
        }
        let calls = component.role != ComponentRole::None;
        assert!(calls || component.actions.is_empty(), "{}", component.name);
        for image in component.images {
            assert!(!without_signs.contains(image), "{}: a row before it takes {image}", component.name);
            if component.signs.is_empty() {
                without_signs.insert(image);
            }
        }
    }
}

/// The table of kinds and paths in the documentation is that of the code; `ROLECALL_BLESS=1` writes it again.
#[test]
fn the_kinds_of_custom_resources_are_documented() {
    let page = common::root().join("docs/identities-without-a-pod.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let mut table = String::from("| read by | kind | where | source |\n|---|---|---|---|\n");
    for kind in rolecall_core::custom::all() {
        let group = if kind.group.is_empty() { "" } else { &format!(" (`{}`)", kind.group) };
        let paths: Vec<String> = kind.paths().map(|path| format!("`{path}`")).collect();
        let (controller, name, source) = (kind.controller.name(), kind.kind, kind.source);
        table.push_str(&format!("| {controller} | {name}{group} | {} | {source} |\n", paths.join(", ")));
    }
    let begin = "<!-- begin: kinds and paths; ROLECALL_BLESS=1 writes them again -->\n";
    let (before, rest) = text.split_once(begin).unwrap();
    let (_, after) = rest.split_once("<!-- end -->").unwrap();
    let current = format!("{before}{begin}{table}<!-- end -->{after}");
    if std::env::var_os("ROLECALL_BLESS").is_some() {
        std::fs::write(&page, &current).unwrap();
        return;
    }
    assert!(text == current, "docs/identities-without-a-pod.md: ROLECALL_BLESS=1 writes the table again");
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

/// Every link between the documents leads to a file that exists, and to a heading of it.
#[test]
fn links_lead_somewhere() {
    let root = common::root();
    let mut pages = vec![root.join("README.md"), root.join("CONTRIBUTING.md")];
    for folder in ["docs", "docs/rules"] {
        let files = std::fs::read_dir(root.join(folder)).unwrap().map(|file| file.unwrap().path());
        pages.extend(files.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    let (mut checked, mut broken) = (0, Vec::new());
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") || target.contains(' ') {
                continue;
            }
            checked += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let has_heading = || std::fs::read_to_string(&path).is_ok_and(|text| headings(&text).contains(anchor));
            if !path.exists() || !anchor.is_empty() && !has_heading() {
                broken.push(format!("{}: {target}", page.strip_prefix(&root).unwrap().display()));
            }
        }
    }
    assert!(checked > 150 && broken.is_empty(), "{checked} links; broken:\n{}", broken.join("\n"));
}

/// Rules that a page names in brackets, as messages do, exist.
#[test]
fn rules_in_brackets_exist() {
    let known: BTreeSet<&str> = rolecall_core::rules::all().iter().map(|rule| rule.name).collect();
    let mut named = BTreeSet::new();
    for file in std::fs::read_dir(common::root().join("docs")).unwrap().map(|file| file.unwrap().path()) {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let brackets = text.split('[').skip(1).filter_map(|rest| rest.split_once(']'));
        let names = brackets.filter(|(name, rest)| name.contains('-') && !rest.starts_with('('));
        let is_rule = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        named.extend(names.map(|(name, _)| name.to_owned()).filter(|name| is_rule(name)));
    }
    let unknown: Vec<&String> = named.iter().filter(|name| !known.contains(name.as_str())).collect();
    assert!(named.len() > 5 && unknown.is_empty(), "{unknown:?} of {named:?}");
}

/// The anchors of a page's headings, as GitHub makes them.
fn headings(text: &str) -> BTreeSet<String> {
    let mut in_code = false;
    let headings = text.lines().filter(|line| {
        in_code ^= line.starts_with("```");
        !in_code && line.starts_with('#')
    });
    let anchor = |heading: &str| {
        let title = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>()
    };
    headings.map(anchor).collect()
}

/// Every `rolecall` command in the documents is one that the program takes.
#[test]
fn commands_in_the_documents_are_taken() {
    let root = common::root();
    let mut commands = BTreeSet::new();
    let mut files: Vec<_> = std::fs::read_dir(root.join("docs")).unwrap().map(|file| file.unwrap().path()).collect();
    files.push(root.join("README.md"));
    for file in files.into_iter().filter(|path| path.is_file()) {
        let text = std::fs::read_to_string(file).unwrap().replace("\\\n", " ");
        let mut in_shell = false;
        for line in text.lines() {
            if let Some(language) = line.strip_prefix("```") {
                in_shell = matches!(language, "sh" | "console" | "shell");
            } else if in_shell {
                let line = line.trim_start().trim_start_matches("$ ");
                let line = line.strip_prefix("target/release/").unwrap_or(line);
                if line.starts_with("rolecall ") {
                    commands.insert(line.to_owned());
                }
            }
        }
    }
    assert!(commands.len() > 20, "{commands:#?}");
    for command in commands {
        let command = command.split(" | ").next().unwrap().split(" > ").next().unwrap().split(" && ").next().unwrap();
        let words = shlex::split(command).unwrap_or_else(|| panic!("{command}"));
        let parsed = Cli::try_parse_from(words.iter().filter(|word| *word != "…"));
        assert!(parsed.is_ok(), "{command}: {}", parsed.unwrap_err());
    }
}
