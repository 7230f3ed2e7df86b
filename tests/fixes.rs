//! Every message fixes something: the edits that findings print for trust policies are carried out and judged again. Only the
//! named service account gains the role by it, and no other caller loses it. `src/message/tests/fix_law.rs` has the same law on
//! generated worlds.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

mod common;
#[path = "common/jq.rs"]
mod jq;
#[path = "common/users.rs"]
mod users;

use std::collections::BTreeSet;
use std::path::Path;

use jq::jq;
use serde_json::{Value, json};

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

/// Two service accounts share a statement that lets neither of them in: the edit for one does not take away what the edit for
/// the other gave, in either order.
#[test]
fn trust_policy_edits_do_not_undo_one_another() {
    const ISSUER: &str = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE";
    let (sub, aud) = (format!("{ISSUER}:sub"), format!("{ISSUER}:aud"));
    let (other, audience) = ("system:serviceaccount:carts:other", "sts.amazonaws.com");
    let directory = common::TempDir::new("fixes-all");
    let folder = common::test_file("cases/irsa-trust/two-service-accounts-one-role");
    for conditions in [
        json!({"StringEquals": {&sub: other, &aud: audience}}),
        json!({"StringEquals": {&sub: other}, "StringLike": {&sub: [other, "system:serviceaccount:orders:*"]}}),
        json!({"StringEquals": {&sub: "system:serviceaccount:carts:?*"}, "StringLike": {&sub: other}}),
        json!({"StringEquals": {&sub: other, format!("https://{ISSUER}:sub"): other, &aud: audience}}),
        json!({"StringEquals": {format!("https://{ISSUER}:sub"): other, &aud: audience}}),
        json!({"StringEquals": {&sub: "system:serviceaccount:carts:*", &aud: audience}}),
        json!({"StringEquals": {&sub: audience, &aud: other}}),
        json!({"StringEquals": {&aud: audience, "aws:PrincipalTag/team": "shop"}}),
    ] {
        let mut snapshot = common::case_snapshot(&folder);
        trust_of(&mut snapshot, "eks-workshop-carts-dynamo")["Statement"][0]["Condition"] = conditions.clone();
        let before = findings(&folder, &snapshot, &directory);
        let edits: Vec<(&str, String)> = before.iter().filter_map(edit).collect();
        assert!(edits.len() > 1, "{conditions}: an edit for each service account: {edits:#?}");
        for edits in [edits.iter().collect::<Vec<_>>(), edits.iter().rev().collect()] {
            let mut snapshot = snapshot.clone();
            for (role, program) in &edits {
                let trust = trust_of(&mut snapshot, role);
                *trust = jq(program, trust.clone());
            }
            let left = rules(&findings(&folder, &snapshot, &directory));
            let left: Vec<_> = left.iter().filter(|rule| rule.starts_with("irsa-")).collect();
            assert!(left.is_empty(), "{conditions}: {left:?} after {edits:#?}");
        }
    }
}

/// Who uses a role that is open to all is known to a person alone: no edit is printed that would cut one of them off.
#[test]
fn a_role_that_is_open_to_all_is_narrowed_by_a_person() {
    const AUDIENCE: &str = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE:aud";
    let directory = common::TempDir::new("fixes-open");
    let folder = common::test_file("cases/irsa-trust/two-service-accounts-one-role");
    for conditions in [json!({"StringEquals": {AUDIENCE: "sts.amazonaws.com"}}), json!({})] {
        let mut snapshot = common::case_snapshot(&folder);
        trust_of(&mut snapshot, "eks-workshop-carts-dynamo")["Statement"][0]["Condition"] = conditions;
        let findings = findings(&folder, &snapshot, &directory);
        let open: Vec<_> = findings.iter().filter(|finding| finding["rule"] == "irsa-trust-open").collect();
        assert!(open.len() > 1 && open.iter().all(|finding| edit(finding).is_none()), "{open:#?}");
        assert!(open.iter().all(|finding| finding["fixes"]["grantsAccess"] == false), "{open:#?}");
        assert!(open.iter().all(|finding| finding["fixes"]["sentence"].as_str().unwrap().contains("loses access")));
    }
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
            let fields = fields.iter().map(|(key, value)| (key.clone(), list(normal(value))));
            fields.collect::<serde_json::Map<_, _>>().into()
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
        decode(trust);
        let trusted_before = trust.clone();
        *trust = jq(&program, trust.clone());
        let trusted = trust.clone();
        let cluster = snapshot["cluster"]["arn"].as_str().unwrap_or("arn:aws:eks:us-west-2:111122223333:cluster/shop");
        let fault = of_others(&trusted_before, &trusted, cluster);
        if rule == "role-chain-denied" {
            // Nothing tells the controller's session from others of its role: the role as a whole is allowed, and no other.
            let gained = fault.as_deref().unwrap_or("lost by [], gained by []");
            assert!(gained.starts_with("lost by []"), "{}: {gained}", folder.display());
        } else {
            assert_eq!(fault, None, "{}: {program}", folder.display());
        }
        let trust = trust_of(&mut snapshot, role);
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
        fixed += 1;
    }
    assert!(fixed > 80, "only {fixed} edits were carried out");
}

/// Who loses the role, or gains it beside one service account.
fn of_others(before: &Value, after: &Value, cluster: &str) -> Option<String> {
    let everyone = users::of(&[before, after], &[cluster, "arn:aws:eks:us-west-2:111122223333:cluster/another"]);
    let (could, can) = (users::allowed(&everyone, before), users::allowed(&everyone, after));
    let lost: Vec<_> = could.difference(&can).collect();
    // An association without session tags cannot be named in a trust policy.
    let gained: Vec<_> = can.difference(&could).filter(|user| user.can_be_named()).collect();
    let named: BTreeSet<String> = gained.iter().map(|user| user.account()).collect();
    (!lost.is_empty() || named.len() > 1).then(|| format!("lost by {lost:?}, gained by {gained:?}"))
}

/// Reads a policy that is URL-encoded, as the API sends it.
fn decode(policy: &mut Value) {
    if let Some(text) = policy.as_str() {
        *policy = serde_json::from_str(&percent_decode(text)).unwrap();
    }
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
