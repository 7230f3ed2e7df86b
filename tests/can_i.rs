//! `rolecall can-i`: answers, exit codes, what they rest on, and what was not considered.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod common;

use std::path::PathBuf;

use common::{TempDir, rolecall};
use serde_json::{Value, json};

const TABLE: &str = "arn:aws:dynamodb:us-west-2:111122223333:table/Items";

/// The snapshot of a case, in a file.
fn snapshot(directory: &TempDir, case: &str) -> PathBuf {
    let value = common::case_snapshot(&common::test_file("cases").join("permission").join(case));
    directory.file(&format!("{case}.json"), &value.to_string())
}

fn ask(case: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let directory = TempDir::new(&format!("can-i-{case}"));
    let source = snapshot(&directory, case).display().to_string();
    let manifests = common::test_file("cases").join("permission").join(case).join("input.yaml").display().to_string();
    let mut all = vec!["can-i"];
    all.extend(arguments);
    all.extend(["--source", &source, "--manifests", &manifests]);
    let output = rolecall(&all);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn answers_and_exit_codes() {
    for (case, arguments, code, said) in [
        (
            "healthy-inline",
            vec!["carts/carts", "dynamodb:Query", TABLE],
            0,
            vec!["yes: ", "irsa", "statement 1 of inline policy reads"],
        ),
        (
            "healthy-inline",
            vec!["carts/carts", "dynamodb:Query"],
            0,
            vec!["yes: ", &format!("on              {TABLE}")],
        ),
        (
            "healthy-inline",
            vec!["carts/carts", "dynamodb:PutItem"],
            1,
            vec!["no: ", "no policy of the role allows it", "the resource's own policy"],
        ),
        ("healthy-inline", vec!["carts/carts", "dynamodb:*Item", TABLE], 1, vec!["dynamodb:PutItem: no policy"]),
        ("healthy-managed", vec!["carts/carts", "dynamodb:*", TABLE], 0, vec!["managed policy carts"]),
        (
            "missing-index",
            vec!["carts/carts", "dynamodb:Query", &format!("{TABLE}/index/i")],
            1,
            vec!["names the action, but for"],
        ),
        (
            "denied-explicitly",
            vec!["carts/carts", "dynamodb:Query", TABLE],
            1,
            vec!["statement 1 (Sid NoQueries) of inline policy guard denies it"],
        ),
        ("denied-explicitly", vec!["carts/carts", "dynamodb:Query"], 1, vec!["NoQueries"]),
        (
            "denied-by-boundary",
            vec!["carts/carts", "dynamodb:Query"],
            1,
            vec!["the permissions boundary does not allow it"],
        ),
        (
            "unknown-deny-by-address",
            vec!["carts/carts", "dynamodb:Query", TABLE],
            3,
            vec!["depends: ", "aws:SourceIp", "of inline policy guard"],
        ),
        (
            "unknown-managed-unread",
            vec!["carts/carts", "dynamodb:PutItem", TABLE],
            3,
            vec!["AmazonDynamoDBFullAccess, which was not read"],
        ),
        ("healthy-session-tags", vec!["carts/carts-pi", "dynamodb:Query", TABLE], 0, vec!["pod-identity"]),
        (
            "node-overprivileged",
            vec!["carts/plain", "dynamodb:Query", TABLE],
            3,
            vec!["the node role", "statement 1 of inline policy wide"],
        ),
        ("node-not-overprivileged", vec!["carts/plain", "dynamodb:Query", TABLE], 1, vec!["no: "]),
        (
            "healthy-caller-identity",
            vec!["carts/carts", "sts:GetCallerIdentity"],
            0,
            vec!["yes: ", "AWS requires no permission for it"],
        ),
        ("denied-session-token", vec!["carts/carts", "sts:GetFederationToken"], 1, vec!["only an IAM user"]),
        (
            "denied-access-key-info",
            vec!["carts/carts", "sts:GetAccessKeyInfo"],
            1,
            vec!["inline policy guard denies it"],
        ),
        (
            "denied-by-session-policy",
            vec!["carts/carts-pi", "dynamodb:Query", TABLE],
            1,
            vec!["the association's session policy does not allow it"],
        ),
        (
            "denied-in-session-policy",
            vec!["carts/carts-pi", "dynamodb:Query", TABLE],
            1,
            vec!["statement 2 of the session policy of association a-carts0pi denies it"],
        ),
        ("healthy-session-policy", vec!["carts/carts-pi", "dynamodb:Query", TABLE], 0, vec!["yes: "]),
        ("healthy-session-policy", vec!["carts/carts-pi", "dynamodb:GetItem", TABLE], 1, vec!["session policy"]),
        (
            "unknown-session-policy",
            vec!["carts/carts-pi", "dynamodb:Query", TABLE],
            3,
            vec!["the session policy of association a-carts0pi, which was not read"],
        ),
        (
            "denied-by-session-policy-of-target",
            vec!["carts/carts-pi", "dynamodb:Query", TABLE],
            1,
            vec!["arn:aws:iam::444455556666:role/carts-data", "session policy does not allow it"],
        ),
        (
            // The table is another account's than the target role: it must grant as well.
            "healthy-session-policy-of-target",
            vec!["carts/carts-pi", "dynamodb:Query", TABLE],
            3,
            vec!["arn:aws:iam::444455556666:role/carts-data", "that resource's own policy"],
        ),
        (
            "denied-by-scp",
            vec!["carts/carts", "dynamodb:Query", TABLE],
            1,
            vec!["statement 1 of service control policy NoDynamo denies it", "RCP not read"],
        ),
        ("denied-by-scp-level", vec!["carts/carts", "dynamodb:Query"], 1, vec!["do not allow it"]),
        ("healthy-scp", vec!["carts/carts", "dynamodb:Query", TABLE], 0, vec!["inline policy reads"]),
        (
            "unknown-scp-levels",
            vec!["carts/carts", "dynamodb:Query", TABLE],
            3,
            vec!["the level at which each service control policy is attached"],
        ),
        ("unknown-scp-condition", vec!["carts/carts", "dynamodb:Query", TABLE], 3, vec!["aws:RequestedRegion"]),
        (
            "unknown-scp-malformed",
            vec!["carts/carts", "dynamodb:Query", TABLE],
            3,
            vec!["service control policy Guard"],
        ),
    ] {
        let (found, out, err) = ask(case, &arguments);
        assert_eq!(found, Some(code), "{case} {arguments:?}: {out}{err}");
        for words in said {
            assert!(out.contains(words), "{case} {arguments:?}: {words} in {out}");
        }
    }
}

#[test]
fn a_broken_chain_means_no() {
    let (code, out, _) = ask("healthy-inline", &["carts/other", "dynamodb:Query", TABLE]);
    assert_eq!(code, Some(1), "{out}");
    let directory = TempDir::new("can-i-broken");
    let source = snapshot(&directory, "healthy-inline").display().to_string();
    let manifest = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: carts\n  namespace: orders\n  annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo'}\n";
    let manifests = directory.file("sa.yaml", manifest).display().to_string();
    let output =
        rolecall(&["can-i", "orders/carts", "dynamodb:Query", TABLE, "--source", &source, "--manifests", &manifests]);
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{out}");
    assert!(out.contains("chain broken") && out.contains("[irsa-trust-subject]"), "{out}");
}

/// `s3:prefix` comes with listing a bucket only.
#[test]
fn a_key_that_the_action_does_not_have_is_pointed_out() {
    let directory = TempDir::new("can-i-key");
    let mut snapshot = common::case_snapshot(&common::test_file("cases").join("permission").join("healthy-inline"));
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*",
        "Condition": {"StringEquals": {"s3:prefix": "carts", "aws:PrincipalTag/team": "carts"}}}]});
    snapshot["accounts"]["111122223333"]["roles"][0]["RolePolicyList"][0]["PolicyDocument"] = policy;
    let source = directory.file("snapshot.json", &snapshot.to_string()).display().to_string();
    let output = rolecall(&["can-i", "carts/carts", "s3:GetObject", "arn:aws:s3:::b/k", "--source", &source]);
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{out}");
    assert!(out.contains("AWS lists no condition key s3:prefix for s3:GetObject"), "{out}");
    let output = rolecall(&["can-i", "carts/carts", "s3:ListBucket", "arn:aws:s3:::b", "--source", &source]);
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(!out.contains("AWS lists no condition key"), "{out}");
}

/// What is missing is named, part by part.
#[test]
fn an_unknown_chain_names_the_part_that_is_missing() {
    let directory = TempDir::new("can-i-missing");
    let whole = common::case_snapshot(&common::test_file("cases").join("permission").join("healthy-pi"));
    let ask = |take: &dyn Fn(&mut Value), manifests: &str| {
        let mut snapshot = whole.clone();
        take(&mut snapshot);
        let source = directory.file("snapshot.json", &snapshot.to_string()).display().to_string();
        let manifests = directory.file("sa.yaml", manifests).display().to_string();
        let subject = if manifests_name_role(&manifests) { "carts/carts" } else { "carts/carts-pi" };
        let output =
            rolecall(&["can-i", subject, "dynamodb:Query", TABLE, "--source", &source, "--manifests", &manifests]);
        String::from_utf8(output.stdout).unwrap()
    };
    fn manifests_name_role(path: &str) -> bool {
        std::fs::read_to_string(path).unwrap().contains("role-arn")
    }
    let irsa = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: carts\n  namespace: carts\n  annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo'}\n";
    let plain = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: carts-pi, namespace: carts}\n";
    let remove = |path: &'static str, field: &'static str| {
        move |snapshot: &mut Value| {
            snapshot.pointer_mut(path).unwrap().as_object_mut().unwrap().remove(field);
        }
    };
    for (take, manifests, said) in [
        (&remove("", "addons") as &dyn Fn(&mut Value), plain, "the add-on eks-pod-identity-agent"),
        (&remove("/accounts/111122223333/roles/1", "AssumeRolePolicyDocument"), plain, "the trust policy of role"),
        (&remove("/cluster", "identity"), irsa, "the cluster's OIDC issuer"),
        (&remove("/accounts/111122223333", "oidcProviders"), irsa, "the OIDC providers of account 111122223333"),
        (&remove("/accounts/111122223333/oidcProviders/0", "ClientIDList"), irsa, "the client IDs (audiences) of"),
    ] {
        let out = ask(take, manifests);
        assert!(!out.starts_with("yes: "), "{said}: {out}");
        let because = out.lines().find(|line| line.contains("cannot tell whether")).unwrap_or_default();
        assert!(because.contains(said), "{said}: {out}");
    }
}

/// Without the parts nothing changes, and the answer says that they were not read.
#[test]
fn policies_of_the_organization_that_were_not_read_are_named() {
    let (code, out, _) = ask("healthy-inline", &["carts/carts", "dynamodb:Query", TABLE]);
    assert!(code == Some(0) && out.contains("SCP and RCP not read"), "{out}");
    let (_, out, _) = ask("healthy-inline", &["carts/carts", "dynamodb:Query", TABLE, "--format", "json"]);
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(answer["notes"], json!(["SCP and RCP not read"]));
    let directory = TempDir::new("can-i-organization");
    let source = snapshot(&directory, "healthy-scp").display().to_string();
    let manifests = common::test_file("cases/permission/healthy-scp/input.yaml").display().to_string();
    let output = rolecall(&["check", &manifests, "--source", &source, "--format", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["summary"]["notConsidered"], json!(["RCP not read"]));
}

#[test]
fn json_says_the_same() {
    let (code, out, _) = ask("unknown-deny-by-address", &["carts/carts", "dynamodb:Query", TABLE, "--format", "json"]);
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, Some(3));
    assert_eq!(answer["answer"], "depends");
    assert_eq!((&answer["identity"], &answer["chain"]), (&json!("irsa"), &json!("holds")));
    assert_eq!(answer["actions"][0]["unknownKeys"], json!(["aws:SourceIp"]));
    assert_eq!(answer["actions"][0]["statements"][0]["policy"], "guard");
    assert_eq!(answer["actions"][0]["statements"][0]["applies"], "unknown");
    assert!(answer["notConsidered"].as_array().unwrap().iter().any(|item| item == "service control policies (SCPs)"));
}

#[test]
fn lists_what_an_identity_may_do() {
    let (code, out, _) = ask("healthy-inline", &["carts/carts", "--list"]);
    assert_eq!(code, Some(0));
    assert!(out.contains("dynamodb  Amazon DynamoDB\n    GetItem, Query\n"), "{out}");
    assert!(out.contains(&format!("on {TABLE}")), "{out}");
    let (_, out, _) = ask("node-overprivileged", &["carts/plain", "--list"]);
    assert!(out.contains("dynamodb  everything ("), "{out}");
    let (_, out, _) = ask("denied-by-boundary", &["carts/carts", "--list", "--format", "json"]);
    let grants: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(grants["services"], json!([]), "the boundary leaves nothing");
}

#[test]
fn bad_questions_get_clear_answers() {
    for (arguments, said) in [
        (vec!["carts/carts", "dynamodb:Querry"], "did you mean `dynamodb:Query`"),
        (vec!["carts/carts", "Query"], "AWS has no action `Query`"),
        (vec!["carts", "dynamodb:Query"], "NAMESPACE/SERVICEACCOUNT"),
        (vec!["carts/carts"], "ACTION"),
        (vec!["carts/carts", "dynamodb:Query", "--list"], "--list"),
    ] {
        let (code, out, err) = ask("healthy-inline", &arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {out}{err}");
        assert!(err.contains(said), "{arguments:?}: {err}");
    }
    let output = rolecall(&["can-i", "carts/carts", "dynamodb:Query"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("--source"));
}

#[test]
fn an_unread_service_account_is_said_to_be_so() {
    let directory = TempDir::new("can-i-unread");
    let source = snapshot(&directory, "healthy-inline").display().to_string();
    let output = rolecall(&["can-i", "carts/carts", "dynamodb:Query", "--source", &source]);
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{out}");
    assert!(out.contains("the service account, which was not read"), "{out}");
    let output = rolecall(&["can-i", "orders/nobody", "dynamodb:Query", "--source", &source]);
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{out}");
    assert!(out.contains("the service account was not read") && out.contains("no role trusts it"), "{out}");
}
