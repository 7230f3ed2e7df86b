//! The policies of `deploy/iam` are exactly what rolecall calls: every recorded call is allowed by them, evaluated as AWS
//! would, and every action that they allow is called.
#![cfg(feature = "aws")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

#[path = "common/aws.rs"]
mod aws;

use std::collections::BTreeSet;
use std::path::Path;

use aws::{ACCOUNT, AUDIENCE, Ground, OTHER, stderr};
use rolecall_aws_ground::Call;
use rolecall_iam::{Document, MapContext, Request, Verdict};
use serde_json::{Value, json};

fn text(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/iam").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Filled in as the README says.
fn filled(file: &str, account: &str) -> Value {
    let text = text(file)
        .replace("PARTITION", "aws")
        .replace("REGION", "eu-west-1")
        .replace("ACCOUNT", account)
        .replace("CLUSTER", "shop")
        .replace("OTHER:role/READER", &format!("{OTHER}:role/reader"))
        .replace("BUCKET/KEY", "snapshots/shop.json");
    serde_json::from_str(&text).unwrap()
}

fn statements(file: &str, account: &str) -> Vec<Value> {
    filled(file, account)["Statement"].as_array().unwrap().clone()
}

/// The action of an S3 operation (Service Authorization Reference, "Actions defined by Amazon S3"), and what it is about.
fn asked(call: &Call) -> (String, String) {
    match call.action.as_str() {
        "s3:GetObject" | "s3:HeadObject" => ("s3:GetObject".to_owned(), "arn:aws:s3:::snapshots/shop.json".to_owned()),
        "s3:PutObject" => ("s3:PutObject".to_owned(), "arn:aws:s3:::snapshots/shop.json".to_owned()),
        action => (action.to_owned(), resource(call)),
    }
}

/// The resource that AWS checks; the ground's names the cluster for all calls of EKS.
fn resource(call: &Call) -> String {
    let part = |kind: &str, name: &str| {
        let name = call.parameter(name).unwrap_or_else(|| panic!("{call:?} has no {name}"));
        format!("arn:aws:eks:{}:{}:{kind}/shop/{name}", call.region, call.account)
    };
    match call.action.as_str() {
        "eks:DescribeAddon" => part("addon", "addonName") + "/id",
        "eks:DescribePodIdentityAssociation" => part("podidentityassociation", "associationId"),
        "eks:DescribeNodegroup" => part("nodegroup", "nodegroupName") + "/id",
        "eks:DescribeFargateProfile" => part("fargateprofile", "fargateProfileName") + "/id",
        "eks:DescribeAccessEntry" => {
            format!("arn:aws:eks:{}:{}:access-entry/shop/role/x/id", call.region, call.account)
        }
        _ => call.resource(),
    }
}

/// Holds the calls of an account to its policies, both ways.
fn assert_exact(name: &str, calls: &[Call], statements: &[Value]) {
    let actions: BTreeSet<String> = statements
        .iter()
        .flat_map(|statement| match &statement["Action"] {
            Value::String(action) => vec![action.clone()],
            list => list.as_array().unwrap().iter().map(|action| action.as_str().unwrap().to_owned()).collect(),
        })
        .collect();
    let policy = Document::parse(&json!({"Version": "2012-10-17", "Statement": statements}).to_string()).unwrap();
    let context = MapContext::new();
    let mut called = BTreeSet::new();
    for call in calls {
        let (action, resource) = asked(call);
        let program = call.user_agent.split(' ').next();
        assert_eq!(program, Some(concat!("rolecall/", env!("CARGO_PKG_VERSION"))), "{action}: {}", call.user_agent);
        let request = Request { principal: None, action: &action, resource: Some(&resource), context: &context };
        assert_eq!(
            policy.evaluate(&request),
            Verdict::Allowed,
            "{name}: {action} on {resource} is called, not allowed"
        );
        called.insert(action);
    }
    assert_eq!(called, actions, "{name}: called, and allowed");
}

#[tokio::test]
async fn each_feature_has_exactly_its_rights() {
    let ground = Ground::furnished("rights").await;
    let manifests = ground.path("manifests.yaml");
    let other = ground.emulator.account(OTHER);
    other.role("far", &ground.cluster.irsa_trust(&other, "shop", "far")).create().await.unwrap();
    other.oidc_provider(ground.cluster.issuer(), &[AUDIENCE]).await.unwrap();
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}, "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": "shop-1"}},
    }]});
    let read = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:*", "Resource": "*"}]});
    let reader = other.role("reader", &trust).inline("read", &read).create().await.unwrap();
    ground.account.bucket("snapshots").await.unwrap();
    ground.proxy.forget();

    let accounts = format!("accounts: [{{id: '{OTHER}', roleArn: '{reader}', externalId: shop-1}}]");
    let s3 = "s3://snapshots/shop.json";
    let file = ground.path("out.json");
    for (name, section, target, more, files) in [
        ("named", "collect: named", file.as_str(), None, vec!["cluster.json", "named.json", "refresh.json"]),
        ("account", "collect: account", file.as_str(), None, vec!["cluster.json", "account.json"]),
        (
            "policies",
            "collect: named",
            file.as_str(),
            Some("--policies"),
            vec!["cluster.json", "named.json", "refresh.json", "policies.json"],
        ),
        (
            "cross-account",
            accounts.as_str(),
            file.as_str(),
            None,
            vec!["cluster.json", "named.json", "refresh.json", "cross-account.json"],
        ),
        (
            "s3",
            "collect: named",
            s3,
            None,
            vec!["cluster.json", "named.json", "refresh.json", "snapshot-s3-write.json"],
        ),
    ] {
        let config = ground.config(section);
        let mut arguments =
            vec!["snapshot", "--cluster", "shop", "-o", target, "--config", &config, "--manifests", &manifests];
        arguments.extend(more);
        // Twice: the first write to S3 makes the object, the second replaces it.
        for _ in 0..2 {
            let run = ground.rolecall(&arguments).await;
            assert_eq!(run.status.code(), Some(0), "{name}: {}", stderr(&run));
        }
        let (own, theirs): (Vec<Call>, Vec<Call>) =
            ground.proxy.forget().into_iter().partition(|call| call.account == ACCOUNT);
        assert_exact(name, &own, &files.iter().flat_map(|file| statements(file, ACCOUNT)).collect::<Vec<_>>());
        if name == "cross-account" {
            let reader = ["named.json", "refresh.json"].map(|file| statements(file, OTHER)).concat();
            assert_exact("the reader role", &theirs, &reader);
        } else {
            assert!(theirs.is_empty(), "{name}: {theirs:?}");
        }
    }
    let run = ground.rolecall(&["check", &manifests, "--source", s3]).await;
    assert_eq!(run.status.code(), Some(1), "{}", stderr(&run));
    assert_exact("reader of S3", &ground.proxy.forget(), &statements("snapshot-s3-read.json", ACCOUNT));
}

#[test]
fn eksctl_and_terraform_say_the_same() {
    let eksctl: Value = serde_saphyr::from_str(&text("eksctl.yaml")).unwrap();
    let inline = eksctl.pointer("/iam/podIdentityAssociations/0/permissionPolicy/Statement").unwrap();
    let raw = |file: &str| serde_json::from_str::<Value>(&text(file)).unwrap()["Statement"].as_array().unwrap().clone();
    assert_eq!(inline.as_array().unwrap(), &[raw("cluster.json"), raw("named.json"), raw("refresh.json")].concat());
    let terraform = text("terraform/main.tf");
    let readme = text("README.md");
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/iam")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".json") {
            assert!(readme.contains(&format!("`{name}`")), "README.md does not tell of {name}");
            assert!(name == "cross-account-trust.json" || terraform.contains(&name), "main.tf does not use {name}");
        }
    }
}
