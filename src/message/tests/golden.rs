//! What the chains of all cases of `tests/cases` say, and their fixes in every format, word for word: `ROLECALL_BLESS=1`
//! writes the golden files again, then read the diff.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

#[path = "../../core/tests/common/mod.rs"]
mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use rolecall_core::chain::Subject;
use rolecall_core::workload::Kind;
use rolecall_message::fix::{Format, rendered, statement, steps};
use rolecall_message::{evidence, hint_line, message};

/// Compares a text with a golden file of this package.
fn assert_golden(name: &str, found: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("ROLECALL_BLESS").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    let differing = expected.lines().zip(found.lines()).find(|(expected, found)| expected != found);
    assert!(expected == found, "{name} (ROLECALL_BLESS=1 writes it again) differs: {differing:#?}");
}

#[test]
fn chains_say_what_they_said() {
    let mut texts: BTreeSet<String> = BTreeSet::new();
    for case in common::cases() {
        let world = case.world(&case.snapshot);
        for input in case.inputs.iter().filter(|input| input.kind == Some(Kind::ServiceAccount)) {
            let object = input.object();
            let name = object.metadata.display_name();
            let plan = world.plan(Subject { namespace: common::namespace_of(&object), service_account: &name });
            for problem in plan.chain.iter().flat_map(|chain| chain.problems.iter().chain(&chain.open)) {
                let mut text = format!("[{}, {}] {}\n", problem.rule.name, problem.certainty.name(), message(problem));
                let lines = evidence(problem).map(|(label, value)| format!("{label} {value}"));
                for line in lines.chain(problem.hint.as_ref().map(hint_line)) {
                    writeln!(text, "  {line}").unwrap();
                }
                texts.insert(text);
            }
        }
    }
    let found: String = texts.into_iter().collect();
    assert_golden("../core/tests/chain.golden.txt", &found);
}

#[test]
fn fixes_say_what_they_said() {
    let mut texts: BTreeMap<(&str, String), String> = BTreeMap::new();
    for case in common::cases() {
        let world = case.world(&case.snapshot);
        case.judge(&world, |_, _, judgement, _| {
            for finding in judgement.findings.iter().chain(&judgement.exempted) {
                let fix = &finding.problem.fix;
                let mut text = String::new();
                for (sentence, command) in steps(fix) {
                    writeln!(text, "  change: {sentence}").unwrap();
                    command.iter().for_each(|command| writeln!(text, "  command: {command}").unwrap());
                }
                if let Some(statement) = statement(fix) {
                    writeln!(text, "  statement then: {statement}").unwrap();
                }
                for format in Format::ALL.into_iter().filter(|format| *format != Format::Cli) {
                    let Some(other) = rendered(fix, format) else { continue };
                    writeln!(text, "  {}:", format.name()).unwrap();
                    other.lines().for_each(|line| writeln!(text, "    {line}").unwrap());
                }
                texts.insert((finding.rule(), text), case.name.clone());
            }
        });
    }
    // Of each rule the first few: most differ in names only.
    let mut found = String::new();
    let mut written: BTreeMap<&str, usize> = BTreeMap::new();
    for ((rule, text), case) in texts {
        let count = written.entry(rule).or_default();
        *count += 1;
        if *count <= 4 {
            writeln!(found, "[{rule}] {case}\n{text}").unwrap();
        }
    }
    assert_golden("tests/fixes.golden.txt", &found);
}
