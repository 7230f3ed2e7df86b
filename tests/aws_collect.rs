//! Collecting, through the program, against an AWS emulator.
#![cfg(feature = "aws")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

#[path = "common/aws.rs"]
mod aws;

use std::collections::BTreeSet;

use aws::{ACCOUNT, AUDIENCE, Ground, OTHER, stderr, stdout};
use rolecall_aws_ground::{Cluster, Fault};
use serde_json::{Value, json};

fn arns(list: &Value) -> BTreeSet<&str> {
    list.as_array().unwrap().iter().map(|item| item["Arn"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn collects_every_part() {
    let ground = Ground::furnished("parts").await;
    let manifests = ground.path("manifests.yaml");
    let (snapshot, said) = ground.snapshot(&["--manifests", &manifests, "--policies"]).await;

    assert_eq!(snapshot["cluster"]["name"], "shop");
    assert_eq!(snapshot["cluster"]["identity"]["oidc"]["issuer"], ground.cluster.issuer());
    assert_eq!(snapshot["addons"][0]["addonName"], "eks-pod-identity-agent");
    let association = &snapshot["podIdentityAssociations"][0];
    assert_eq!(association["roleArn"], format!("arn:aws:iam::{ACCOUNT}:role/carts"));
    assert_eq!(association["serviceAccount"], "carts");
    assert_eq!(
        snapshot["nodeRoles"],
        json!([format!("arn:aws:iam::{ACCOUNT}:role/auto"), format!("arn:aws:iam::{ACCOUNT}:role/node")]),
        "of the node group and of the entry of type EC2; not the entry of type STANDARD"
    );
    assert_eq!(
        snapshot["fargateProfiles"][0]["selectors"],
        json!([{"namespace": "batch", "labels": {"run": "fargate"}}])
    );

    let account = &snapshot["accounts"][ACCOUNT];
    assert_eq!(account["rolesRead"], "named");
    let roles = arns(&account["roles"]);
    let named = ["auto", "carts", "node", "team/orders"].map(|name| format!("arn:aws:iam::{ACCOUNT}:role/{name}"));
    assert_eq!(roles, named.iter().map(String::as_str).collect());
    assert_eq!(account["missingRoles"], json!([format!("arn:aws:iam::{ACCOUNT}:role/gone")]));
    let orders = account["roles"].as_array().unwrap().iter().find(|role| role["RoleName"] == "orders").unwrap();
    assert!(orders["AssumeRolePolicyDocument"].as_str().unwrap().contains("sts"));
    assert_eq!(orders["RolePolicyList"][0]["PolicyName"], "own");
    assert_eq!(orders["AttachedManagedPolicies"][0]["PolicyArn"], format!("arn:aws:iam::{ACCOUNT}:policy/orders"));
    assert!(orders["PermissionsBoundary"]["PermissionsBoundaryArn"].is_string(), "{orders}");
    assert!(account["policies"][0]["PolicyVersionList"][0]["Document"].is_string());
    let providers = account["oidcProviders"].as_array().unwrap();
    let own = providers.iter().find(|provider| provider["ClientIDList"] == json!([AUDIENCE])).unwrap();
    assert!(own["Arn"].as_str().unwrap().ends_with(ground.cluster.issuer().trim_start_matches("https://")));
    assert_eq!(providers.len(), 2);
    assert_eq!(ground.proxy.count("iam:GetOpenIDConnectProvider"), 1, "only the cluster's own is read whole");

    assert!(snapshot["accounts"].get(OTHER).is_none(), "nobody reads it: unknown");
    assert!(snapshot.get("unread").is_none() && snapshot.get("readAt").is_none(), "{snapshot}");
    assert!(said.contains(&format!("account {OTHER}: not read, 1 roles there stay unknown")), "{said}");
    assert!(said.contains("4 roles of 5 named, 1 do not exist"), "{said}");
}

/// By construction: nothing but the fields that the reader knows is written.
#[tokio::test]
async fn writes_nothing_that_it_does_not_need() {
    let ground = Ground::furnished("fields").await;
    let (snapshot, _) = ground.snapshot(&[]).await;
    let text = snapshot.to_string();
    for word in ["certificateAuthority", "endpoint", "vpc", "secret-of-the-test", "createdBy", "tags\"", "modifiedAt"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
}

#[tokio::test]
async fn the_whole_account_and_the_named_roles_lead_to_the_same_verdicts() {
    let ground = Ground::furnished("modes").await;
    let manifests = ground.path("manifests.yaml");
    let mut reports = Vec::new();
    let mut named = Value::Null;
    for collect in ["collect: named, policies: true", "collect: account"] {
        let config = ground.config(collect);
        let file = ground.path("whole.json");
        let run = ground
            .rolecall(&["snapshot", "--cluster", "shop", "-o", &file, "--config", &config, "--manifests", &manifests])
            .await;
        assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
        let snapshot = aws::read(file.as_ref());
        if collect.contains("named") {
            named = snapshot;
        } else {
            assert!(snapshot["accounts"][ACCOUNT].get("rolesRead").is_none(), "all are there");
            let all = arns(&snapshot["accounts"][ACCOUNT]["roles"]).len();
            assert!(all >= arns(&named["accounts"][ACCOUNT]["roles"]).len());
        }
        for source in [file.as_str(), "aws"] {
            let arguments =
                ["check", &manifests, "--source", source, "--cluster", "shop", "--config", &config, "--format", "json"];
            let run = ground.rolecall(&arguments).await;
            assert_eq!(run.status.code(), Some(1), "a role is missing: {}", stderr(&run));
            let mut report: Value = serde_json::from_str(&stdout(&run)).unwrap();
            report["summary"] = Value::Null;
            report["snapshotTime"] = Value::Null;
            // The emulator gives it for single roles only.
            for role in report["roles"].as_array_mut().unwrap() {
                role.as_object_mut().unwrap().remove("lastUsed");
            }
            reports.push((collect, source.to_owned(), report));
        }
    }
    assert!(reports[0].2["findings"].to_string().contains("gone"), "{}", reports[0].2);
    for (collect, source, report) in &reports {
        assert_eq!(report, &reports[0].2, "{collect}, {source}");
    }
}

#[tokio::test]
async fn reads_thousands_over_many_pages() {
    let ground = Ground::start("pages").await;
    let trust = Cluster::pod_identity_trust();
    let mut manifests = String::new();
    for n in 0..1500 {
        ground.account.role(&format!("role-{n:04}"), &trust).create().await.unwrap();
        manifests += &format!(
            "---\napiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: a{n}\n  namespace: many\n  annotations: \
             {{eks.amazonaws.com/role-arn: \"arn:aws:iam::{ACCOUNT}:role/role-{n:04}\"}}\n"
        );
    }
    for n in 0..230 {
        let role = format!("arn:aws:iam::{ACCOUNT}:role/role-{n:04}");
        ground.cluster.association("many", &format!("p{n}"), &role).create().await.unwrap();
    }
    let manifests = ground.write("many.yaml", &manifests);
    ground.proxy.forget();

    let (snapshot, _) = ground.snapshot(&["--manifests", &manifests]).await;
    assert_eq!(snapshot["accounts"][ACCOUNT]["roles"].as_array().unwrap().len(), 1500);
    assert_eq!(snapshot["podIdentityAssociations"].as_array().unwrap().len(), 230);
    assert_eq!(ground.proxy.count("iam:GetRole"), 1500, "each once");
    assert!(ground.proxy.count("eks:ListPodIdentityAssociations") >= 3, "100 on a page");
    assert_eq!(ground.proxy.count("eks:DescribePodIdentityAssociation"), 230);

    let config = ground.config("collect: account");
    let file = ground.path("all.json");
    let run = ground.rolecall(&["snapshot", "--cluster", "shop", "-o", &file, "--config", &config]).await;
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    assert!(aws::read(file.as_ref())["accounts"][ACCOUNT]["roles"].as_array().unwrap().len() >= 1500);
    assert!(ground.proxy.count("iam:GetAccountAuthorizationDetails") >= 2);
    assert_eq!(ground.proxy.count("iam:GetRole"), 1500, "not one by one");
}

#[tokio::test]
async fn reads_other_accounts_through_their_roles() {
    let ground = Ground::furnished("accounts").await;
    let other = ground.emulator.account(OTHER);
    other.role("far", &ground.cluster.irsa_trust(&other, "shop", "far")).create().await.unwrap();
    other.oidc_provider(ground.cluster.issuer(), &[AUDIENCE]).await.unwrap();
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}, "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": "shop-1"}},
    }]});
    let read = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:*", "Resource": "*"}]});
    let reader = other.role("reader", &trust).inline("read", &read).create().await.unwrap();
    let manifests = ground.path("manifests.yaml");
    let file = ground.path("both.json");
    ground.proxy.forget();

    let config = ground.config(&format!("accounts: [{{id: '{OTHER}', roleArn: '{reader}', externalId: shop-1}}]"));
    let arguments = ["snapshot", "--cluster", "shop", "-o", &file, "--config", &config, "--manifests", &manifests];
    let run = ground.rolecall(&arguments).await;
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let account = &aws::read(file.as_ref())["accounts"][OTHER];
    assert_eq!(arns(&account["roles"]), [format!("arn:aws:iam::{OTHER}:role/far").as_str()].into());
    assert_eq!(account["oidcProviders"][0]["ClientIDList"], json!([AUDIENCE]));
    assert_eq!(ground.proxy.count("sts:AssumeRole"), 1, "one session for all calls");
    let assumed = ground.proxy.calls().into_iter().find(|call| call.action == "sts:AssumeRole").unwrap();
    assert_eq!(assumed.parameter("ExternalId"), Some("shop-1"));
    assert_eq!(assumed.parameter("RoleSessionName"), Some("rolecall"));
    assert!(ground.proxy.calls().iter().any(|call| call.action == "iam:GetRole" && call.account == OTHER));
}

/// Of the roles that nothing names, those whose trust policies name a service account come with one listing.
#[tokio::test]
async fn roles_that_name_a_service_account_are_found_by_listing() {
    let ground = Ground::furnished("naming").await;
    let role = async |name: &str, trust: &Value| ground.account.role(name, trust).create().await.unwrap();
    let cluster = &ground.cluster;
    role("billing", &cluster.irsa_trust(&ground.account, "shop", "billing")).await;
    role("everyone", &cluster.irsa_trust(&ground.account, "shop", "*")).await;
    let mut tagged = Cluster::pod_identity_trust();
    tagged["Statement"][0]["Condition"] = json!({"StringEquals": {
        "aws:RequestTag/kubernetes-namespace": "shop", "aws:RequestTag/kubernetes-service-account": "mail"}});
    role("mail", &tagged).await;
    role("unrelated", &Cluster::pod_identity_trust()).await;
    let workload = |name: &str| {
        let spec = json!({"serviceAccountName": name, "containers": [{"name": name, "image": name}]});
        let template = json!({"metadata": {"labels": {"app": name}}, "spec": spec});
        let spec = json!({"selector": {"matchLabels": {"app": name}}, "template": template});
        let metadata = json!({"name": name, "namespace": "shop"});
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata});
        [account, json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})]
    };
    let items: Vec<Value> = ["billing", "mail", "plain"].into_iter().flat_map(workload).collect();
    let manifests =
        ground.write("workloads.yaml", &json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string());
    ground.proxy.forget();
    let (snapshot, said) = ground.snapshot(&["--manifests", &manifests]).await;
    let roles = arns(&snapshot["accounts"][ACCOUNT]["roles"]);
    let arn = |name: &str| format!("arn:aws:iam::{ACCOUNT}:role/{name}");
    for (name, is_there) in [("billing", true), ("mail", true), ("everyone", false), ("unrelated", false)] {
        assert_eq!(roles.contains(arn(name).as_str()), is_there, "{name}: {roles:?}");
    }
    assert!(snapshot.get("unread").is_none(), "{snapshot}");
    assert!(said.contains("more whose trust policies name a service account"), "{said}");
    assert_eq!(ground.proxy.count("iam:ListRoles"), 1, "1,000 roles a call");
    assert!(!ground.proxy.calls().iter().any(|call| call.parameter("RoleName") == Some("billing")));

    let config = ground.config("");
    let arguments =
        ["check", &manifests, "--source", "aws", "--cluster", "shop", "--config", &config, "--format", "json"];
    let found = async || {
        let run = ground.rolecall(&arguments).await;
        let report: Value = serde_json::from_str(&stdout(&run)).unwrap_or_else(|e| panic!("{e}: {}", stderr(&run)));
        let findings = report["findings"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        findings.map(|found| (text(&found["resource"]["name"]), text(&found["rule"]))).collect::<Vec<_>>()
    };
    let unconnected = |name: &str| (name.to_owned(), "role-not-connected".to_owned());
    assert_eq!(found().await, [unconnected("billing"), unconnected("mail")]);
    // Without the right to list them nothing is known of such roles, and nothing else is lost.
    ground.proxy.fault(Fault::access_denied("iam:ListRoles"));
    assert_eq!(found().await, []);
    let (snapshot, said) = ground.snapshot(&["--manifests", &manifests]).await;
    assert!(snapshot.get("unread").is_none() && said.contains("others could not be listed"), "{said}");
}
