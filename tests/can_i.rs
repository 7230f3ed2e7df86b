//! `rolecall can-i` and `rolecall who-can`: answers, exit codes, what they depend on, and what was not considered.

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

#[test]
fn a_list_without_the_policies_is_incomplete_and_says_what_to_collect() {
    let directory = TempDir::new("can-i-list-unread");
    let mut snapshot = common::case_snapshot(&common::test_file("cases/permission/healthy-inline"));
    let role = snapshot["accounts"]["111122223333"]["roles"][0].as_object_mut().unwrap();
    assert!(role.remove("RolePolicyList").is_some());
    let source = directory.file("snapshot.json", &snapshot.to_string()).display().to_string();
    let manifests = common::test_file("cases/permission/healthy-inline/input.yaml").display().to_string();
    let output = rolecall(&["can-i", "carts/carts", "--list", "--source", &source, "--manifests", &manifests]);
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{out}");
    assert!(out.contains("inline policies") && out.contains("rolecall snapshot --policies"), "{out}");
}

/// Two service accounts with roles that are allowed it, one with a role that is not, one whose chain is broken, one that depends,
/// one without an identity, and a node role that is allowed it too.
fn everyone(directory: &TempDir) -> (String, String) {
    let issuer = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE";
    let trust = |subject: &str| {
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
            "Principal": {"Federated": format!("arn:aws:iam::111122223333:oidc-provider/{issuer}")},
            "Condition": {"StringEquals": {format!("{issuer}:sub"): format!("system:serviceaccount:{subject}"),
                                           format!("{issuer}:aud"): "sts.amazonaws.com"}}}]})
    };
    let role = |name: &str, trust: Value, statement: Value| {
        json!({"RoleName": name, "Arn": format!("arn:aws:iam::111122223333:role/{name}"), "Path": "/",
            "AssumeRolePolicyDocument": trust, "AttachedManagedPolicies": [], "Tags": [],
            "RolePolicyList": [{"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}}]})
    };
    let query = json!({"Effect": "Allow", "Action": "dynamodb:Query", "Resource": TABLE});
    let scan = json!({"Effect": "Allow", "Action": "dynamodb:Scan", "Resource": TABLE});
    let mut from_address = query.clone();
    from_address["Condition"] = json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}});
    let pods = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": ["sts:AssumeRole", "sts:TagSession"]}]});
    let nodes = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let snapshot = json!({
        "collectedAt": "2026-11-24T17:26:52Z",
        "cluster": {"name": "shop", "arn": "arn:aws:eks:us-west-2:111122223333:cluster/shop", "status": "ACTIVE",
            "identity": {"oidc": {"issuer": format!("https://{issuer}")}}},
        "addons": [{"addonName": "eks-pod-identity-agent", "status": "ACTIVE"}],
        "podIdentityAssociations": [{"clusterName": "shop", "namespace": "shop", "serviceAccount": "associated",
            "associationId": "a-1", "associationArn": "arn:aws:eks:us-west-2:111122223333:podidentityassociation/shop/a-1",
            "roleArn": "arn:aws:iam::111122223333:role/associated"}],
        "nodeRoles": ["arn:aws:iam::111122223333:role/nodes"],
        "accounts": {"111122223333": {"policies": [],
            "oidcProviders": [{"Arn": format!("arn:aws:iam::111122223333:oidc-provider/{issuer}"),
                "Url": issuer, "ClientIDList": ["sts.amazonaws.com"]}],
            "roles": [role("reader", trust("shop:reader"), query.clone()), role("scanner", trust("shop:scanner"), scan),
                role("elsewhere", trust("other:elsewhere"), query.clone()), role("office", trust("shop:office"), from_address),
                role("associated", pods, query.clone()), role("nodes", nodes, query)]}},
    });
    let annotated = ["reader", "scanner", "elsewhere", "office"].map(|name| {
        format!(
            "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: {name}\n  namespace: shop\n  annotations: \
             {{eks.amazonaws.com/role-arn: 'arn:aws:iam::111122223333:role/{name}'}}\n"
        )
    });
    let plain = ["associated", "plain"]
        .map(|name| format!("apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}, namespace: shop}}\n"));
    let manifests = annotated.into_iter().chain(plain).collect::<Vec<_>>().join("---\n");
    (
        directory.file("snapshot.json", &snapshot.to_string()).display().to_string(),
        directory.file("accounts.yaml", &manifests).display().to_string(),
    )
}

#[test]
fn who_can_lists_those_that_are_allowed_and_those_that_may_be() {
    let directory = TempDir::new("who-can");
    let (source, manifests) = everyone(&directory);
    let ask = |arguments: &[&str]| {
        let output = rolecall(&[&["who-can"], arguments, &["--source", &source, "--manifests", &manifests]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let report: Value = serde_json::from_str(&ask(&["dynamodb:Query", TABLE, "--format", "json"])).unwrap();
    let row = |entry: &Value| {
        let text = |field: &str| entry[field].as_str().unwrap_or("-").to_owned();
        [text("subject"), text("identity"), text("chain"), text("answer")].join(" ")
    };
    let rows: Vec<String> = report["allowed"].as_array().unwrap().iter().map(row).collect();
    assert_eq!(
        rows,
        [
            "shop/associated pod-identity holds yes",
            "shop/office irsa holds depends",
            "shop/reader irsa holds yes",
            "- node - yes",
        ]
    );
    assert_eq!(
        report["summary"],
        json!({"yes": 3, "depends": 1, "serviceAccounts": 6, "withoutIdentity": 1, "taskDefinitions": 0,
            "customResources": 0, "nodeRoles": 1})
    );
    assert!(report["allowed"][1]["reasons"].to_string().contains("aws:SourceIp"), "{report}");
    // Every answer is that of can-i.
    for (subject, code) in [("associated", 0), ("office", 3), ("reader", 0), ("scanner", 1), ("elsewhere", 1)] {
        let output = rolecall(&[
            "can-i",
            &format!("shop/{subject}"),
            "dynamodb:Query",
            TABLE,
            "--source",
            &source,
            "--manifests",
            &manifests,
        ]);
        assert_eq!(output.status.code(), Some(code), "{subject}: {}", String::from_utf8_lossy(&output.stdout));
    }
    let text = ask(&["dynamodb:Query", TABLE]);
    assert!(text.contains("yes      shop/reader") && text.contains("depends on"), "{text}");
    assert!(text.ends_with(
        "3 yes, 1 depends, of 6 service accounts and 1 node role; 1 service account without an identity of its own\n"
    ));
    let none = ask(&["iam:CreateUser"]);
    assert!(none.starts_with("iam:CreateUser: 0 yes, 0 depends"), "{none}");
}

/// Task definitions and custom resources are asked like service accounts.
#[test]
fn who_can_asks_task_definitions_and_custom_resources() {
    let directory = TempDir::new("who-can-others");
    let (source, accounts) = everyone(&directory);
    let mut snapshot: Value = serde_json::from_str(&std::fs::read_to_string(&source).unwrap()).unwrap();
    snapshot["accounts"]["111122223333"]["roles"].as_array_mut().unwrap().push(json!({"RoleName": "task",
        "Arn": "arn:aws:iam::111122223333:role/task", "Path": "/", "AttachedManagedPolicies": [], "Tags": [],
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"}}]},
        "RolePolicyList": [{"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "dynamodb:Query", "Resource": TABLE}]}}]}));
    let source = directory.file("snapshot.json", &snapshot.to_string()).display().to_string();
    let definition = |family: &str, revision: u64, role: Option<&str>| {
        json!({"taskDefinitionArn": format!("arn:aws:ecs:us-west-2:111122223333:task-definition/{family}:{revision}"),
            "family": family, "revision": revision, "requiresCompatibilities": ["FARGATE"], "taskRoleArn": role,
            "containerDefinitions": [{"name": "c", "image": "c"}]})
    };
    let task = Some("arn:aws:iam::111122223333:role/task");
    let scanner = Some("arn:aws:iam::111122223333:role/scanner");
    let definitions = json!({"taskDefinitions": [
        definition("carts", 2, task), definition("carts", 1, scanner), definition("none", 1, None),
        definition("broken", 1, scanner), {"family": "odd", "containerDefinitions": 7}]});
    let definitions = directory.file("definitions.json", &definitions.to_string()).display().to_string();
    let store = |name: &str, account: &str| {
        json!({"apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "metadata": {"name": name, "namespace": "shop"},
            "spec": {"provider": {"aws": {"service": "SecretsManager", "region": "us-west-2",
                "auth": {"jwt": {"serviceAccountRef": {"name": account}}}}}}})
        .to_string()
    };
    let own = json!({"apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore", "metadata": {"name": "own"},
        "spec": {"provider": {"aws": {"service": "SecretsManager", "role": "arn:aws:iam::111122223333:role/reader"}}}})
    .to_string();
    let stores =
        [store("reader", "reader"), store("scanner", "scanner"), store("elsewhere", "elsewhere"), own].join("\n---\n");
    let stores = directory.file("stores.yaml", &stores).display().to_string();
    let ask = |format: &str| {
        let output = rolecall(&[
            "who-can",
            "dynamodb:Query",
            TABLE,
            "--source",
            &source,
            "--manifests",
            &accounts,
            "--manifests",
            &definitions,
            "--manifests",
            &stores,
            "--format",
            format,
        ]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let report: Value = serde_json::from_str(&ask("json")).unwrap();
    let rows: Vec<String> = report["allowed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            format!("{} {} {}", entry["subject"].as_str().unwrap_or("-"), entry["identity"], entry["answer"])
                .replace('"', "")
        })
        .collect();
    assert_eq!(
        rows,
        [
            "SecretStore shop/reader irsa yes",
            "ecs:carts:2 task-role yes",
            "shop/associated pod-identity yes",
            "shop/office irsa depends",
            "shop/reader irsa yes",
            "- node yes"
        ]
    );
    assert_eq!((&report["summary"]["taskDefinitions"], &report["summary"]["customResources"]), (&json!(3), &json!(2)));
    let notes = report["notes"].to_string();
    assert!(notes.contains("taskDefinitions[4].containerDefinitions"), "{notes}");
    assert!(notes.contains("1 identity of custom resources not asked"), "{notes}");
    assert!(
        ask("text")
            .contains("of 6 service accounts, 3 task definitions, 2 identities of custom resources and 1 node role")
    );
}

#[test]
fn who_can_refuses_what_is_no_action() {
    let output = rolecall(&["who-can", "dynamodb:Querry", "--source", "none.json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("did you mean `dynamodb:Query`"));
    let output = rolecall(&["who-can", "dynamodb:Query"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("--source"));
}
