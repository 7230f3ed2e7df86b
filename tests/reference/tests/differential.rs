//! The examples of `TRIAGE.md`, and (with node) a run against iam-simulate.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rolecall_reference::differential::{CLASSES, Disagreement, NodeJudge, ReferenceJudge, Report, class_of, compare};
use rolecall_reference::{Case, evaluate, generate};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../differential")
}

/// Each class has an example, and the reference still says of it what the triage says.
#[test]
fn examples() {
    for class in CLASSES {
        let path = folder().join("examples").join(class.id).with_extension("json");
        let example: Disagreement = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let reference = example.decisions["reference"];
        let other = example.decisions["iam-simulate"];
        assert_eq!(evaluate(&example.case.policies, &example.case.request), reference, "{}", class.id);
        assert_ne!(reference, other, "{}", class.id);
        assert_eq!(class_of(&example.case, reference, other).map(|class| class.id), Some(class.id));
    }
}

/// `known.json`, `TRIAGE.md` and the code name the same classes.
#[test]
fn triage_is_complete() {
    let in_code: BTreeSet<&str> = CLASSES.iter().map(|class| class.id).collect();
    let known: Value = serde_json::from_str(&fs::read_to_string(folder().join("known.json")).unwrap()).unwrap();
    let known: BTreeSet<&str> =
        known["classes"].as_array().unwrap().iter().filter_map(|class| class["id"].as_str()).collect();
    assert_eq!(in_code, known);
    let triage = fs::read_to_string(folder().join("TRIAGE.md")).unwrap();
    let told: BTreeSet<&str> =
        triage.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).collect();
    assert_eq!(in_code, told);
}

#[test]
#[ignore = "needs node and `npm ci` in tests/differential"]
fn nothing_new() {
    let cases: Vec<Case> = generate::cases(11, 4_000, None).collect();
    let mut node = NodeJudge::start(&folder().join("judge.mjs")).unwrap();
    let mut report = Report::default();
    compare(&mut ReferenceJudge, &mut [&mut node], &cases, &mut report).unwrap();
    let new: Vec<&Disagreement> = report.disagreements.iter().filter(|found| found.class.is_none()).collect();
    assert!(new.is_empty(), "{new:#?}");
}
