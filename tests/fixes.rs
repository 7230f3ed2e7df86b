//! Every message fixes something: the edits that findings print for trust policies are carried out and judged again.
//!
//! The `jq` programs run in `jaq`, a second implementation of the language.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, RcIter};
use jaq_json::Val;
use serde_json::Value;

/// Runs a `jq` program on one input with one output.
fn jq(program: &str, input: Value) -> Value {
    let loader = Loader::new(jaq_std::defs().chain(jaq_json::defs()));
    let arena = Arena::default();
    let modules = loader.load(&arena, File { code: program, path: () }).unwrap_or_else(|_| panic!("not jq: {program}"));
    let filter = Compiler::default().with_funs(jaq_std::funs().chain(jaq_json::funs())).compile(modules).unwrap();
    let inputs = RcIter::new(core::iter::empty());
    let mut outputs = filter.run((Ctx::new([], &inputs), Val::from(input)));
    let output = outputs.next().unwrap().unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(outputs.next().is_none(), "several outputs: {program}");
    output.into()
}

fn findings(folder: &Path, snapshot: &Value, directory: &common::TempDir) -> Vec<Value> {
    let source = directory.file("snapshot.json", &snapshot.to_string());
    let mut arguments = vec!["check".to_owned()];
    arguments.extend(common::case_paths(folder));
    arguments
        .extend(["--source", source.to_str().unwrap(), "--level", "strict", "--format", "json"].map(str::to_owned));
    let output = common::rolecall(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    report["findings"].as_array().unwrap().clone()
}

fn rules(findings: &[Value]) -> BTreeSet<String> {
    findings.iter().map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect()
}

/// The role and the program of a printed edit.
fn edit(finding: &Value) -> Option<(&str, String)> {
    let (_, rest) = finding["fixes"]["cli"].as_str()?.split_once("aws iam get-role --role-name ")?;
    let (role, rest) = rest.split_once(' ')?;
    let (_, rest) = rest.split_once("| jq '")?;
    let (program, _) = rest.split_once("' > trust.json")?;
    Some((role, program.replace(r"'\''", "'")))
}

/// A statement with every list an array, and sorted: what it means, however it is written.
fn normal(value: &Value) -> Value {
    match value {
        Value::Array(list) => {
            let mut list: Vec<Value> = list.iter().map(normal).collect();
            list.sort_by_key(Value::to_string);
            list.into()
        }
        Value::Object(fields) => {
            // An operator that is left without a key asks for nothing.
            let is_empty = |value: &Value| value.as_object().is_some_and(serde_json::Map::is_empty);
            let fields = fields.iter().map(|(key, value)| (key.clone(), normal(value)));
            let fields: serde_json::Map<String, Value> = fields.filter(|(_, value)| !is_empty(value)).collect();
            fields.into_iter().map(|(key, value)| (key, list(value))).collect::<serde_json::Map<_, _>>().into()
        }
        // AWS reads `false` and "false" alike.
        Value::Bool(_) | Value::Number(_) => value.to_string().into(),
        other => other.clone(),
    }
}

fn list(value: Value) -> Value {
    if value.is_object() || value.is_array() || value == "*" { value } else { vec![value].into() }
}

fn trust_of<'s>(snapshot: &'s mut Value, role: &str) -> &'s mut Value {
    let accounts = snapshot["accounts"].as_object_mut().unwrap();
    let roles = accounts.values_mut().filter_map(|account| account["roles"].as_array_mut()).flatten();
    let role = roles.into_iter().find(|found| found["Arn"].as_str().unwrap().ends_with(&format!("/{role}")));
    &mut role.unwrap()["AssumeRolePolicyDocument"]
}

#[test]
fn trust_policy_edits_fix_what_they_name_and_open_nothing() {
    let directory = common::TempDir::new("fixes");
    let mut fixed = 0;
    for folder in common::case_folders() {
        let mut snapshot = common::case_snapshot(&folder);
        let before = findings(&folder, &snapshot, &directory);
        let Some(finding) = before.iter().find(|finding| edit(finding).is_some()) else { continue };
        let rule = finding["rule"].as_str().unwrap();
        let (role, program) = edit(finding).unwrap();
        let trust = trust_of(&mut snapshot, role);
        if let Some(text) = trust.as_str() {
            let decoded = percent_decode(text);
            *trust = serde_json::from_str(&decoded).unwrap();
        }
        *trust = jq(&program, trust.clone());
        let shown: Value = serde_json::from_str(finding["fixes"]["statement"].as_str().unwrap()).unwrap();
        let statements = match &trust["Statement"] {
            Value::Array(list) => list.clone(),
            one => vec![one.clone()],
        };
        let is_there = statements.iter().any(|statement| normal(statement) == normal(&shown));
        assert!(is_there, "{}: {program} leaves {statements:#?}, the finding shows {shown:#}", folder.display());
        let after = findings(&folder, &snapshot, &directory);
        let same = after.iter().filter(|f| f["rule"] == rule && f["resource"] == finding["resource"]).count();
        assert_eq!(same, 0, "{}: still {rule} after {program}", folder.display());
        let new: Vec<_> = rules(&after).difference(&rules(&before)).cloned().collect();
        let opened = new.iter().any(|rule| rule == "irsa-trust-open");
        assert!(!opened, "{}: {program} opens the role", folder.display());
        fixed += 1;
    }
    assert!(fixed > 80, "only {fixed} edits were carried out");
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let hex = [rest.next().unwrap(), rest.next().unwrap()];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// What comes from a manifest is a word of the printed command, never a command of its own.
#[test]
fn printed_commands_are_safe_to_paste() {
    let directory = common::TempDir::new("quoting");
    let hostile = "x'; touch pwned; echo \"$(id)\" `id` #";
    let account = serde_json::json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "carts", "namespace": "carts", "annotations": {"eks.amazon.com/role-arn": hostile}},
    });
    let manifest = directory.file("account.json", &account.to_string());
    let output = common::rolecall(&["check", manifest.to_str().unwrap(), "--format", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let fix = report["findings"][0]["fixes"]["cli"].as_str().unwrap();
    // The shell itself says what the command's words are.
    let words = std::process::Command::new("sh")
        .arg("-c")
        .arg(format!("kubectl() {{ printf '%s\\n' \"$@\"; }}; {fix}"))
        .current_dir(&directory.0)
        .output()
        .unwrap();
    let words = String::from_utf8(words.stdout).unwrap();
    assert!(words.lines().any(|word| word == format!("eks.amazonaws.com/role-arn={hostile}")), "{fix}\n{words}");
    assert!(!directory.0.join("pwned").exists());
}
