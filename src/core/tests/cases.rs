//! The cases of `tests/cases` through this crate alone: fast enough to hold it against mutations. `tests/cases.rs` of the
//! program runs them through the library, the router and the binary.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::collections::BTreeSet;
use std::fmt::Write;

use rolecall_core::chain::Subject;
use rolecall_core::finding::Evidence;
use rolecall_core::workload::Kind;

use serde_json::{Value, json};

fn set(values: impl IntoIterator<Item = Value>) -> BTreeSet<String> {
    values.into_iter().map(|value| value.to_string()).collect()
}

#[test]
fn every_case_is_judged_as_expected() {
    let mut failures = Vec::new();
    for case in common::cases() {
        let (mut findings, mut workloads) = (Vec::new(), Vec::new());
        case.judge(&case.world(&case.snapshot), |kind, name, judgement, _| {
            for finding in &judgement.findings {
                let one = |container: Value| {
                    json!({"kind": kind.name(), "name": name, "rule": finding.rule(), "container": container,
                        "certainty": finding.problem.certainty.name()})
                };
                if finding.containers.is_empty() {
                    findings.push(one(Value::Null));
                }
                findings.extend(finding.containers.iter().map(|container| one(container.as_str().into())));
            }
            workloads.extend(judgement.containers.iter().map(|container| {
                let role = container.role.as_deref().filter(|role| rolecall_iam::RoleArn::parse(role).is_ok());
                json!({"kind": kind.name(), "name": name, "container": container.name, "role": role,
                    "identity": container.identity.name(), "chain": container.chain.name()})
            }));
        });
        let expected = |name: &str| set(case.expected[name].as_array().unwrap().iter().cloned());
        for (what, found) in [("findings", set(findings)), ("workloads", set(workloads))] {
            if found != expected(what) {
                failures.push(format!("{}: {what}: expected {:#?}, found {found:#?}", case.name, expected(what)));
            }
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

/// What the chains of all cases say, word for word: `ROLECALL_BLESS=1` writes `chain.golden.txt` again, then read the diff.
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
                let mut text = format!("[{}, {}] {}\n", problem.rule.name, problem.certainty.name(), problem.message);
                let evidence = |evidence: &Evidence| format!("{} {}", evidence.label, evidence.value);
                let lines = [&problem.expected, &problem.found].into_iter().flatten().map(evidence);
                for line in lines.chain(problem.hint.as_ref().map(ToString::to_string)) {
                    writeln!(text, "  {line}").unwrap();
                }
                texts.insert(text);
            }
        }
    }
    let found: String = texts.into_iter().collect();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chain.golden.txt");
    if std::env::var_os("ROLECALL_BLESS").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    let differing = expected.lines().zip(found.lines()).find(|(expected, found)| expected != found);
    assert!(expected == found, "chain.golden.txt (ROLECALL_BLESS=1 writes it again) differs: {differing:#?}");
}
