//! What the program says and does when AWS fails, in whichever way.
#![cfg(feature = "aws")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

#[path = "common/aws.rs"]
mod aws;

use std::time::Duration;

use aws::{ACCOUNT, Ground, OTHER, stderr};
use rolecall_aws_ground::Fault;
use serde_json::Value;

/// What stops a collection: each error names the call and what to do, and leaves the old file as it was.
#[tokio::test]
async fn failures_that_stop_everything_are_told_apart() {
    let ground = Ground::furnished("stops").await;
    let config = ground.config("");
    let file = ground.write("kept.json", "the old one");
    let call = "eks:DescribeCluster";
    for (name, fault, said) in [
        ("denied", Fault::access_denied(call), ["lacks the permission eks:DescribeCluster", "deploy/iam/cluster.json"]),
        ("expired", Fault::expired_token(call), ["the credentials have expired", call]),
        ("unknown key", Fault::unknown_key(call), ["does not accept these credentials", call]),
        ("throttled", Fault::throttle(call), ["AWS throttles, also after all retries", call]),
        ("broken", Fault::server_error(call), ["AWS failed, also after all retries", call]),
        ("away", Fault::unavailable(call), ["AWS failed, also after all retries", call]),
        ("slow", Fault::delay(call, Duration::from_secs(8)), ["no answer in time", call]),
        ("cut", Fault::cut_before(call), ["AWS cannot be reached", call]),
        ("cut within", Fault::cut_within(call), ["AWS cannot be reached", call]),
        ("truncated", Fault::truncate(call), ["not what the API sends", call]),
        ("captive portal", Fault::malformed(call), ["not what the API sends", call]),
    ] {
        ground.proxy.heal();
        ground.proxy.fault(fault);
        let run = ground.rolecall(&["snapshot", "--cluster", "shop", "-o", &file, "--config", &config]).await;
        let message = stderr(&run);
        assert_eq!(run.status.code(), Some(2), "{name}: {message}");
        for text in said {
            assert!(message.contains(text), "{name}: no `{text}` in: {message}");
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "the old one", "{name}");
    }
}

#[tokio::test]
async fn wrong_surroundings_are_told_apart() {
    let ground = Ground::furnished("wrong").await;
    let config = ground.config("");
    let file = ground.path("out.json");
    let arguments = ["snapshot", "--cluster", "shop", "-o", &file, "--config", &config];
    for (name, variables, said) in [
        ("no region", vec![("AWS_REGION", "")], "no region is set"),
        ("no keys", vec![("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")], "no credentials"),
        ("nobody listens", vec![("AWS_ENDPOINT_URL", "http://127.0.0.1:9")], "AWS cannot be reached"),
        ("no such host", vec![("AWS_ENDPOINT_URL", "http://nowhere.invalid")], "AWS cannot be reached"),
    ] {
        let mut command = ground.command(&arguments);
        for (key, value) in variables {
            if value.is_empty() {
                command.env_remove(key);
            } else {
                command.env(key, value);
            }
        }
        let run = command.output().await.unwrap();
        let message = stderr(&run);
        assert_eq!(run.status.code(), Some(2), "{name}: {message}");
        assert!(message.contains(said) && message.contains("eks:DescribeCluster"), "{name}: {message}");
    }
    let run = ground.rolecall(&["snapshot", "--cluster", "shoe", "-o", &file, "--config", &config]).await;
    assert!(stderr(&run).contains("no cluster `shoe` (region eu-west-1"), "{}", stderr(&run));
}

#[tokio::test]
async fn passing_trouble_is_got_over() {
    let ground = Ground::furnished("passing").await;
    let manifests = ground.path("manifests.yaml");
    let (whole, _) = ground.snapshot(&["--manifests", &manifests]).await;
    for fault in [
        Fault::throttle("eks:DescribeCluster").times(2),
        Fault::throttle("iam:GetRole").times(2),
        Fault::server_error("eks:ListPodIdentityAssociations").once(),
        Fault::unavailable("iam:ListOpenIDConnectProviders").once(),
        Fault::cut_before("eks:DescribeAddon").once(),
        Fault::delay("eks:ListNodegroups", Duration::from_secs(4)).once(),
    ] {
        ground.proxy.fault(fault);
    }
    let (mut again, _) = ground.snapshot(&["--manifests", &manifests]).await;
    again["collectedAt"] = whole["collectedAt"].clone();
    assert_eq!(again, whole);
}

#[tokio::test]
async fn one_part_that_fails_leaves_the_others() {
    let ground = Ground::furnished("parts-fail").await;
    let manifests = ground.path("manifests.yaml");
    let name = ("RoleName", "orders");
    for (fault, place, said) in [
        (Fault::access_denied("eks:ListAddons"), "addons".to_owned(), "deploy/iam/cluster.json"),
        (Fault::truncate("eks:DescribePodIdentityAssociation"), "podIdentityAssociations".to_owned(), "not what"),
        (Fault::access_denied("eks:DescribeNodegroup"), "nodeRoles".to_owned(), "eks:DescribeNodegroup"),
        (Fault::server_error("eks:ListFargateProfiles"), "fargateProfiles".to_owned(), "AWS failed"),
        (
            Fault::access_denied("iam:GetOpenIDConnectProvider"),
            format!("accounts.{ACCOUNT}.oidcProviders"),
            "named.json",
        ),
        (
            Fault::access_denied("iam:GetRole").with(name.0, name.1),
            format!("accounts.{ACCOUNT}.roles.arn:aws:iam::{ACCOUNT}:role/team/orders"),
            "iam:GetRole",
        ),
        (
            Fault::rewrite("iam:GetRole", |call, text| {
                let Some((before, rest)) = text.split_once("<AssumeRolePolicyDocument>") else { return text };
                let (_, after) = rest.split_once("</AssumeRolePolicyDocument>").unwrap();
                if call.parameter("RoleName") != Some("orders") {
                    return text.clone();
                }
                format!("{before}<AssumeRolePolicyDocument>%7B%22Statement</AssumeRolePolicyDocument>{after}")
            }),
            format!("accounts.{ACCOUNT}.roles.arn:aws:iam::{ACCOUNT}:role/team/orders.AssumeRolePolicyDocument"),
            "AssumeRolePolicyDocument",
        ),
    ] {
        ground.proxy.heal();
        ground.proxy.fault(fault);
        let (snapshot, said_aloud) = ground.snapshot(&["--manifests", &manifests]).await;
        let unread = snapshot["unread"].as_array().unwrap_or_else(|| panic!("{place}: {snapshot}"));
        let entry = unread.iter().find(|entry| entry["part"] == place).unwrap_or_else(|| panic!("{place}: {unread:?}"));
        assert!(entry["error"].as_str().unwrap().contains(said), "{place}: {entry}");
        assert!(said_aloud.contains(&place), "{place}: {said_aloud}");
        assert_eq!(unread.len(), 1, "{place}: {unread:?}");
        let file = ground.path("snapshot.json");
        let run = ground.rolecall(&["check", &manifests, "--source", &file, "--format", "json"]).await;
        let report: Value =
            serde_json::from_str(&aws::stdout(&run)).unwrap_or_else(|e| panic!("{e}: {}", stderr(&run)));
        let orders = report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|finding| finding["resource"]["name"] == "orders" && finding["certainty"] == "certain");
        assert_eq!(orders.count(), 0, "{place}: what was not read breaks nothing: {report}");
    }
}

/// A page in the middle that cannot be read: the roles before it must not pass for all of them.
#[tokio::test]
async fn a_broken_page_makes_the_account_unknown() {
    let ground = Ground::furnished("page").await;
    let config = ground.config("collect: account");
    let file = ground.path("out.json");
    ground.proxy.fault(Fault::truncate("iam:GetAccountAuthorizationDetails"));
    let run = ground.rolecall(&["snapshot", "--cluster", "shop", "-o", &file, "--config", &config]).await;
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let snapshot = aws::read(file.as_ref());
    assert!(snapshot["accounts"][ACCOUNT].get("roles").is_none(), "{snapshot}");
    assert_eq!(snapshot["unread"][0]["part"], format!("accounts.{ACCOUNT}.roles"));
}

#[tokio::test]
async fn a_role_that_cannot_be_assumed_is_told() {
    let ground = Ground::furnished("assume").await;
    let manifests = ground.path("manifests.yaml");
    let config = ground.config(&format!("accounts: [{{id: '{OTHER}', roleArn: 'arn:aws:iam::{OTHER}:role/reader'}}]"));
    let file = ground.path("out.json");
    ground.proxy.fault(Fault::access_denied("sts:AssumeRole"));
    let arguments = ["snapshot", "--cluster", "shop", "-o", &file, "--config", &config, "--manifests", &manifests];
    let run = ground.rolecall(&arguments).await;
    assert_eq!(run.status.code(), Some(0), "the own account is there: {}", stderr(&run));
    assert!(stderr(&run).contains("deploy/iam/cross-account.json"), "{}", stderr(&run));
    assert!(aws::read(file.as_ref())["accounts"][ACCOUNT]["roles"].is_array());
}
