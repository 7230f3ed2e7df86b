//! The ground itself: what it says of AWS must be so, or the tests that stand on it prove nothing.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use rolecall_aws_ground::{Account, Cluster, Emulator, FaultProxy};
use serde_json::{Value, json};

const ACCOUNT: &str = "111122223333";
const OTHER: &str = "444455556666";

fn document(action: &str) -> Value {
    json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": action, "Resource": "*" }] })
}

/// The texts of all elements of this name.
fn texts(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&open).skip(1).filter_map(|part| part.split_once(&close)).map(|(text, _)| text.to_owned()).collect()
}

async fn at(account: &Account, path: &str, pointer: &str) -> Result<String> {
    let answer = account.eks("GET", path, &Value::Null).await?;
    let value = answer.pointer(pointer).with_context(|| format!("no {pointer} in {answer}"))?;
    Ok(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

#[tokio::test]
async fn a_cluster_has_all_its_parts() -> Result<()> {
    let emulator = Emulator::start().await?;
    let account = emulator.account(ACCOUNT);
    let cluster = account.cluster("shop").await?;
    let trust = Cluster::pod_identity_trust();
    let role = account.role("carts", &trust).create().await?;
    let node = account.role("node", &trust).create().await?;
    let id = cluster.association("carts", "carts", &role).create().await?;
    cluster.node_group("blue", &node).await?;
    cluster.access_entry(&node, "EC2").await?;
    cluster.addon("eks-pod-identity-agent").await?;
    cluster.fargate_profile("batch", &node, "batch", &json!({ "run": "fargate" })).await?;

    let read = async |path: &str, pointer: &str| at(&account, &format!("/clusters/shop{path}"), pointer).await;
    let entry = node.replace('/', "%2F");
    assert!(cluster.issuer().starts_with("https://oidc.eks.eu-west-1.amazonaws.com/id/"), "{}", cluster.issuer());
    assert_eq!(read("", "/cluster/status").await?, "ACTIVE");
    assert_eq!(read(&format!("/pod-identity-associations/{id}"), "/association/roleArn").await?, role);
    assert_eq!(read("/node-groups", "/nodegroups/0").await?, "blue");
    assert_eq!(read("/node-groups/blue", "/nodegroup/nodeRole").await?, node);
    assert_eq!(read("/access-entries", "/accessEntries/0").await?, node);
    assert_eq!(read(&format!("/access-entries/{entry}"), "/accessEntry/type").await?, "EC2");
    assert_eq!(read("/addons", "/addons/0").await?, "eks-pod-identity-agent");
    assert_eq!(read("/addons/eks-pod-identity-agent", "/addon/status").await?, "ACTIVE");
    assert_eq!(read("/fargate-profiles", "/fargateProfileNames/0").await?, "batch");
    assert_eq!(read("/fargate-profiles/batch", "/fargateProfile/selectors/0/namespace").await?, "batch");
    Ok(())
}

#[tokio::test]
async fn a_role_reads_as_aws_sends_it() -> Result<()> {
    let emulator = Emulator::start().await?;
    let account = emulator.account(ACCOUNT);
    let boundary = account.policy("boundary", &document("s3:*")).await?;
    let managed = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";
    let role = account
        .role("carts", &json!({ "Version": "2012-10-17", "Statement": [] }))
        .path("/team/")
        .inline("table", &document("dynamodb:Query"))
        .managed(managed)
        .boundary(&boundary)
        .tag("team", "shop")
        .create()
        .await?;
    account.set_trust("carts", &Cluster::pod_identity_trust()).await?;
    assert_eq!(role, "arn:aws:iam::111122223333:role/team/carts");

    let read = account.iam("GetRole", &[("RoleName", "carts")]).await?;
    assert_eq!(texts(&read, "PermissionsBoundaryArn"), [boundary.as_str()]);
    assert!(texts(&read, "AssumeRolePolicyDocument")[0].contains("%22sts%3ATagSession%22"), "{read}");
    let inline = account.iam("GetRolePolicy", &[("RoleName", "carts"), ("PolicyName", "table")]).await?;
    assert!(texts(&inline, "PolicyDocument")[0].starts_with("%7B%22"), "{inline}");

    let all = account.iam("GetAccountAuthorizationDetails", &[]).await?;
    let ours = all.split("<RoleName>carts</RoleName>").nth(1).context("no such role")?;
    assert_eq!(texts(ours, "PermissionsBoundaryArn"), [boundary.as_str()], "one role has one, and only one");
    let policies = all.split("<Policies>").nth(1).context("no policies")?;
    assert_eq!(texts(policies, "Arn"), [boundary.as_str(), managed]);
    assert_eq!(texts(policies, "Document").len(), 2);
    let roles = account.iam("GetAccountAuthorizationDetails", &[("Filter.member.1", "Role")]).await?;
    assert!(!roles.contains("<Document>"), "{roles}");
    let version = texts(&account.iam("GetPolicy", &[("PolicyArn", managed)]).await?, "DefaultVersionId");
    let version = account.iam("GetPolicyVersion", &[("PolicyArn", managed), ("VersionId", &version[0])]).await?;
    assert!(texts(&version, "Document")[0].contains("s3%3A"), "{version}");

    account.delete_role("carts").await?;
    let gone = account.iam("GetRole", &[("RoleName", "carts")]).await.unwrap_err();
    assert!(format!("{gone:#}").contains("NoSuchEntity"), "{gone:#}");
    Ok(())
}

#[tokio::test]
async fn an_oidc_provider_has_no_scheme_and_its_client_ids() -> Result<()> {
    let emulator = Emulator::start().await?;
    let account = emulator.account(ACCOUNT);
    let cluster = account.cluster("shop").await?;
    let arn = account.oidc_provider(cluster.issuer(), &["sts.amazonaws.com", "other"]).await?;
    let host = cluster.issuer().trim_start_matches("https://");
    assert_eq!(arn, format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{host}"));
    let provider = account.iam("GetOpenIDConnectProvider", &[("OpenIDConnectProviderArn", &arn)]).await?;
    assert_eq!(texts(&provider, "Url"), [host]);
    let ids = texts(&provider, "ClientIDList");
    assert_eq!(texts(&ids[0], "member"), ["sts.amazonaws.com", "other"]);
    let elsewhere = emulator.account(OTHER).iam("ListOpenIDConnectProviders", &[]).await?;
    assert!(!elsewhere.contains("oidc-provider"), "{elsewhere}");
    Ok(())
}

#[tokio::test]
async fn an_association_with_a_target_has_awss_external_id() -> Result<()> {
    let emulator = Emulator::start().await?;
    let account = emulator.account(ACCOUNT);
    let cluster = account.cluster("shop").await?;
    let trust = Cluster::pod_identity_trust();
    let role = account.role("carts", &trust).create().await?;
    let target = emulator.account(OTHER).role("table", &trust).create().await?;
    let id = cluster.association("carts", "carts", &role).create().await?;
    let path = format!("/clusters/shop/pod-identity-associations/{id}");
    assert!(at(&account, &path, "/association/externalId").await.is_err());
    cluster.update_association(&id, &json!({ "targetRoleArn": target, "disableSessionTags": true })).await?;
    let external = format!("eu-west-1/{ACCOUNT}/shop/carts/carts");
    assert_eq!(at(&account, &path, "/association/externalId").await?, external);

    let refused = cluster.association("carts", "second", &role).policy(&document("s3:*")).create().await.unwrap_err();
    assert!(format!("{refused:#}").contains("InvalidParameterException"), "{refused:#}");
    let with = cluster.association("carts", "second", &role).without_session_tags().policy(&document("s3:*"));
    let id = with.create().await?;
    let path = format!("/clusters/shop/pod-identity-associations/{id}");
    assert_eq!(at(&account, &path, "/association/policy").await?, document("s3:*").to_string());
    Ok(())
}

#[tokio::test]
async fn thousands_of_roles_come_page_by_page() -> Result<()> {
    const ROLES: usize = 2500;
    let emulator = Emulator::start().await?;
    let account = emulator.account(ACCOUNT);
    let boundary = account.policy("boundary", &document("s3:*")).await?;
    let trust = Cluster::pod_identity_trust();
    for number in 0..ROLES {
        let name = format!("role-{number:04}");
        account.role(&name, &trust).inline("own", &document("s3:Get*")).boundary(&boundary).create().await?;
    }
    let (mut names, mut pages, mut marker) = (Vec::new(), 0, None::<String>);
    loop {
        let mut parameters = vec![("Filter.member.1", "Role"), ("MaxItems", "1000")];
        parameters.extend(marker.as_deref().map(|marker| ("Marker", marker)));
        let page = account.iam("GetAccountAuthorizationDetails", &parameters).await?;
        let found: Vec<_> = texts(&page, "RoleName").into_iter().filter(|name| name.starts_with("role-")).collect();
        assert_eq!(texts(&page, "PermissionsBoundaryArn").len(), found.len());
        names.extend(found);
        pages += 1;
        marker = texts(&page, "Marker").pop();
        if marker.is_none() {
            break;
        }
    }
    let expected: Vec<_> = (0..ROLES).map(|number| format!("role-{number:04}")).collect();
    assert_eq!(names, expected);
    assert_eq!(pages, 3);
    Ok(())
}

#[tokio::test]
async fn associations_are_paged_and_filtered() -> Result<()> {
    let emulator = Emulator::start().await?;
    let account = emulator.account(ACCOUNT);
    let cluster = account.cluster("shop").await?;
    let role = account.role("carts", &Cluster::pod_identity_trust()).create().await?;
    for number in 0..250 {
        cluster.association(&format!("ns-{}", number % 5), &format!("sa-{number}"), &role).create().await?;
    }
    let list = async |query: String| {
        account.eks("GET", &format!("/clusters/shop/pod-identity-associations?{query}"), &Value::Null).await
    };
    let many = |page: &Value| page.pointer("/associations").and_then(Value::as_array).map_or(0, Vec::len);
    let (mut sizes, mut query) = (Vec::new(), String::new());
    loop {
        let page = list(query).await?;
        sizes.push(many(&page));
        let Some(token) = page.get("nextToken").and_then(Value::as_str) else { break };
        query = format!("nextToken={token}");
    }
    assert_eq!(sizes, [100, 100, 50]);
    assert_eq!(many(&list("namespace=ns-3".to_owned()).await?), 50);
    let one = list("namespace=ns-3&serviceAccount=sa-8".to_owned()).await?;
    assert_eq!(many(&one), 1, "{one}");
    assert!(one.pointer("/associations/0/roleArn").is_none(), "AWS's list names no role: {one}");
    Ok(())
}

#[tokio::test]
async fn a_role_of_another_account_is_assumed_with_its_external_id() -> Result<()> {
    let emulator = Emulator::start().await?;
    let proxy = FaultProxy::start(&emulator).await?;
    let trust = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "AWS": format!("arn:aws:iam::{ACCOUNT}:root") }, "Action": "sts:AssumeRole",
        "Condition": { "StringEquals": { "sts:ExternalId": "fleet" } },
    }] });
    let role = emulator.account(OTHER).role("reader", &trust).create().await?;
    let caller = proxy.account(ACCOUNT);
    let with = [("RoleArn", role.as_str()), ("RoleSessionName", "rolecall"), ("ExternalId", "fleet")];
    assert!(caller.sts("AssumeRole", &with[..2]).await.is_err());
    let session = caller.sts("AssumeRole", &with).await?;
    let session = proxy.account(&texts(&session, "AccessKeyId")[0]);
    session.iam("GetRole", &[("RoleName", "reader")]).await?;
    assert!(session.sts("GetCallerIdentity", &[]).await?.contains(&format!("<Account>{OTHER}</Account>")));
    let accounts: Vec<_> = proxy.calls().into_iter().map(|call| (call.action, call.account)).collect();
    let expected = [
        ("sts:AssumeRole", ACCOUNT),
        ("sts:AssumeRole", ACCOUNT),
        ("iam:GetRole", OTHER),
        ("sts:GetCallerIdentity", OTHER),
    ];
    assert_eq!(accounts, expected.map(|(action, account)| (action.to_owned(), account.to_owned())));
    Ok(())
}

#[tokio::test]
async fn objects_are_written_on_conditions() -> Result<()> {
    let emulator = Emulator::start().await?;
    let proxy = FaultProxy::start(&emulator).await?;
    emulator.account(ACCOUNT).bucket("snapshots").await?;
    let account = proxy.account(ACCOUNT);
    let object = async |method: &str, headers: &[(&'static str, &str)], body: &str| -> Result<(u16, String)> {
        let answer = account.request("s3", (method, "/snapshots/shop.json"), headers, body).await?;
        let tag = answer.headers().get("etag").map_or("", |tag| tag.to_str().unwrap_or_default()).to_owned();
        Ok((answer.status().as_u16(), tag))
    };
    let (status, first) = object("PUT", &[("if-none-match", "*")], "one").await?;
    assert_eq!(status, 200);
    assert_eq!(object("PUT", &[("if-none-match", "*")], "two").await?.0, 412);
    let (status, second) = object("PUT", &[("if-match", &first)], "two").await?;
    assert_eq!(status, 200);
    assert_eq!(object("PUT", &[("if-match", &first)], "three").await?.0, 412);
    assert_eq!(object("GET", &[("if-none-match", &second)], "").await?.0, 304);
    assert_eq!(object("HEAD", &[], "").await?, (200, second));
    assert_eq!(account.request("s3", ("GET", "/snapshots/shop.json"), &[], "").await?.body().as_ref(), b"two");
    assert_eq!((proxy.count("s3:PutObject"), proxy.count("s3:GetObject"), proxy.count("s3:HeadObject")), (4, 2, 1));
    Ok(())
}

#[tokio::test]
async fn the_emulator_ends_with_the_one_who_started_it() -> Result<()> {
    let binary = Emulator::binary().await?;
    let mut process =
        tokio::process::Command::new(binary).stdin(Stdio::piped()).stdout(Stdio::null()).kill_on_drop(true).spawn()?;
    assert!(process.try_wait()?.is_none());
    drop(process.stdin.take());
    let status = tokio::time::timeout(Duration::from_secs(10), process.wait()).await??;
    assert!(status.success(), "{status}");
    Ok(())
}
