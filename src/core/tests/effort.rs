//! The work of one check is limited, whatever its author and its role's policies bring.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

use std::fmt::Write;
use std::sync::Arc;

use rolecall_core::cluster::{Cluster, Conventions, ServiceAccount};
use rolecall_core::finding::{Finding, Hint, Typo};
use rolecall_core::judge::{Circumstances, Judgement, judge_workload};
use rolecall_core::snapshot::Snapshot;
use rolecall_core::workload::{Kind, Object, Stage, Workload};
use rolecall_core::world::World;
use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::111122223333:role/carts";
const ISSUER: &str = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE";

/// A cluster whose role `carts` has these statements.
fn world(statements: &[Value]) -> World {
    let trust = json!({"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": format!("arn:aws:iam::111122223333:oidc-provider/{ISSUER}")},
        "Condition": {"StringEquals": {format!("{ISSUER}:sub"): "system:serviceaccount:carts:carts"}}}]});
    let policies = statements.chunks(100).enumerate().map(|(index, statements)| {
        json!({"PolicyName": format!("p{index}"), "PolicyDocument": {"Version": "2012-10-17", "Statement": statements}})
    });
    let policies: Vec<Value> = policies.collect();
    let snapshot = json!({
        "cluster": {"name": "shop", "arn": "arn:aws:eks:us-west-2:111122223333:cluster/shop",
            "identity": {"oidc": {"issuer": format!("https://{ISSUER}")}}},
        "podIdentityAssociations": [],
        "accounts": {"111122223333": {
            "roles": [{"RoleName": "carts", "Arn": ROLE, "AssumeRolePolicyDocument": trust, "AttachedManagedPolicies": [],
                "RolePolicyList": policies}],
            "policies": [],
            "oidcProviders": [{"Arn": format!("arn:aws:iam::111122223333:oidc-provider/{ISSUER}"), "Url": ISSUER,
                "ClientIDList": ["sts.amazonaws.com"]}],
        }},
    });
    let text = json!({"metadata": {"annotations": {"eks.amazonaws.com/role-arn": ROLE}}}).to_string();
    let account: Object<'_> = serde_json::from_str(&text).unwrap();
    let conventions = Conventions::default();
    let mut cluster = Cluster { complete: true, ..Cluster::default() };
    cluster.add_service_account("carts", "carts", ServiceAccount::of(&account.metadata, &conventions));
    World::new(Arc::new(Snapshot::parse(&snapshot.to_string()).unwrap()), cluster, conventions)
}

/// The rules of the findings on a Deployment that declares these needs.
fn rules(world: &World, needs: &str) -> Vec<(&'static str, &'static str)> {
    let text = json!({"metadata": {"name": "carts"}, "spec": {"template": {
        "metadata": {"annotations": {"rolecall.dev/requires": needs}},
        "spec": {"serviceAccountName": "carts", "containers": [{"name": "carts"}]},
    }}})
    .to_string();
    let object: Object<'_> = serde_json::from_str(&text).unwrap();
    let workload = Workload::of(&object, Kind::Deployment, Stage::Predicted, "carts").unwrap();
    let judgement: Judgement<'_> = judge_workload(world, &workload, Circumstances { now: None, exemptions: true });
    judgement.findings.iter().map(|finding| (finding.rule(), finding.problem.certainty.name())).collect()
}

/// Within AWS's quotas: 1,960 statements of wildcards with conditions on keys that admission cannot know.
#[test]
fn the_largest_policies_end_in_a_note() {
    let statement = |index: usize| {
        let condition = json!({"StringLike": {"aws:SourceIp": format!("{index}*"), "aws:UserAgent": "*b*"}});
        json!({"Effect": "Allow", "Action": ["*", "s3:*et*"], "Resource": format!("arn:*:*:*:*:{index}*a*"), "Condition": condition})
    };
    let world = world(&(0..1_960).map(statement).collect::<Vec<_>>());
    let services = ["s3", "ec2", "iam", "sns", "sqs", "kms", "rds", "eks", "ecs", "ssm"];
    let patterns =
        services.iter().flat_map(|service| ["a", "e", "i", "s", "t"].map(|letter| format!("{service}:*{letter}*")));
    let needs: Vec<String> = patterns.collect();
    assert_eq!(rules(&world, &needs.join("\n")), [("permission-unchecked", "undecided")]);
    let on_objects: Vec<String> = (0..50).map(|index| format!("s3:*et* arn:aws:s3:::{index}*")).collect();
    assert_eq!(rules(&world, &on_objects.join("\n")), [("permission-unchecked", "undecided")]);
    assert_eq!(rules(&world, "s3:GetObject"), []);
}

/// What everyday roles and needs take is far below the limit.
#[test]
fn ordinary_policies_are_checked_whole() {
    let statement = |index: usize| {
        json!({"Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:Query", "s3:GetObject"],
               "Resource": [format!("arn:aws:dynamodb:us-west-2:111122223333:table/t{index}"), format!("arn:aws:s3:::b{index}/*")]})
    };
    let world = world(&(0..200).map(statement).collect::<Vec<_>>());
    let mut needs = String::new();
    for index in 0..49 {
        let _ = writeln!(needs, "dynamodb:Query arn:aws:dynamodb:us-west-2:111122223333:table/t{index}");
    }
    assert_eq!(rules(&world, &needs), []);
    needs.push_str("dynamodb:PutItem arn:aws:dynamodb:us-west-2:111122223333:table/t1\n");
    assert_eq!(rules(&world, &needs), [("permission-missing", "likely")]);
}

/// A pod may name a role of its own in each of thousands of containers, and the account may have thousands of roles.
#[test]
fn thousands_of_roles_in_one_pod_cost_in_proportion() {
    // Roles that exist and do not trust the pod, and roles that do and are misspelled in it.
    let of_nodes =
        json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}});
    let of_carts = json!({"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": format!("arn:aws:iam::111122223333:oidc-provider/{ISSUER}")},
        "Condition": {"StringEquals": {format!("{ISSUER}:sub"): "system:serviceaccount:carts:carts"}}});
    for (prefix, trust) in [("carts-", of_nodes), ("cartz-", of_carts)] {
        let roles: Vec<Value> = (0..5_000)
            .map(|index| json!({"RoleName": format!("carts-{index}"), "Arn": format!("arn:aws:iam::111122223333:role/carts-{index}"),
                "AssumeRolePolicyDocument": {"Statement": [trust]}}))
            .collect();
        judge_thousands(prefix, &roles);
    }
}

fn judge_thousands(prefix: &str, roles: &[Value]) {
    let snapshot = json!({
        "cluster": {"name": "shop", "arn": "arn:aws:eks:us-west-2:111122223333:cluster/shop",
            "identity": {"oidc": {"issuer": format!("https://{ISSUER}")}}},
        "podIdentityAssociations": [],
        "accounts": {"111122223333": {"roles": roles, "policies": [], "oidcProviders": [{"Arn": format!("arn:aws:iam::111122223333:oidc-provider/{ISSUER}"),
            "Url": ISSUER, "ClientIDList": ["sts.amazonaws.com"]}]}},
    });
    let conventions = Conventions::default();
    let mut cluster = Cluster { complete: true, ..Cluster::default() };
    cluster.add_service_account("carts", "carts", ServiceAccount::default());
    let world = World::new(Arc::new(Snapshot::parse(&snapshot.to_string()).unwrap()), cluster, conventions);
    let container = |index: usize| {
        json!({"name": format!("c{index}"), "env": [
            {"name": "AWS_ROLE_ARN", "value": format!("arn:aws:iam::111122223333:role/{prefix}{index}")},
            {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/tokens/token"}],
            "volumeMounts": [{"name": "tokens", "mountPath": "/tokens"}]})
    };
    let containers: Vec<Value> = (0..5_000).map(container).collect();
    let text = json!({"metadata": {"name": "carts"}, "spec": {"serviceAccountName": "carts", "containers": containers,
        "volumes": [{"name": "tokens", "projected": {"sources": [{"serviceAccountToken": {"audience": "sts.amazonaws.com", "path": "token"}}]}}]}})
    .to_string();
    let object: Object<'_> = serde_json::from_str(&text).unwrap();
    let workload = Workload::of(&object, Kind::Pod, Stage::Admitted, "carts").unwrap();
    let judgement = judge_workload(&world, &workload, Circumstances { now: None, exemptions: true });
    // The first 64 that are reported one by one, and one that says what was not checked.
    assert!(judgement.findings.len() <= 65, "{prefix}: {}", judgement.findings.len());
    let unchecked = judgement.findings.iter().filter(|finding| finding.rule() == "identity-undecided");
    assert_eq!(unchecked.count(), 1, "{prefix}");
    let unknown = judgement.containers.iter().filter(|container| container.chain.name() == "unknown").count();
    assert_eq!(unknown, 5_000 - 256, "{prefix}");
    let named = |finding: &&Finding| matches!(&finding.problem.hint, Some(Hint::Typo(Typo::Role { meant, .. })) if meant.starts_with("carts-"));
    let expected = if prefix == "cartz-" { 32 } else { 0 };
    assert_eq!(judgement.findings.iter().filter(named).count(), expected, "{prefix}");
    assert_eq!(judgement.chain().name(), "broken");
}
