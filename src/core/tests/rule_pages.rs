//! The pages of the rules keep their word: each example makes its rule fire, and the edit of a trust policy that a page prints
//! removes the finding.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

mod common;
#[path = "../../../tests/common/jq.rs"]
mod jq;

use std::collections::BTreeSet;

use common::{Case, Input};
use jq::jq;
use rolecall_core::ecs::TaskDefinition;
use rolecall_core::judge::{Circumstances, judge_task_definition};
use rolecall_core::rules::{self, Rule};
use rolecall_core::snapshot::Snapshot;
use rolecall_core::workload::Kind;
use serde_json::{Value, json};

const ISSUER: &str = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE";
const ROLE: &str = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";

/// Rules whose example a manifest and a snapshot cannot show: they need a running cluster, a requester whose role it is not, or more
/// work than one object may take. `scan.rs`, `recorded.rs`, `attacks.rs` and `effort.rs` show them.
const ELSEWHERE: [&str; 6] = [
    "association-orphaned",
    "injector-missing",
    "node-role-agent",
    "permission-unchecked",
    "pods-predate-identity",
    "role-not-assumable",
];

/// The example of a page, without its fences.
fn example(rule: &Rule) -> &'static str {
    let block = rule.section("Example");
    block.split_once('\n').unwrap().1.strip_suffix("\n```").unwrap()
}

/// What the comment above an example says in words.
fn context(rule: &str) -> Value {
    let role = |name: &str, more: Value| {
        let mut role = json!({
            "RoleName": name.rsplit('/').next().unwrap(), "Arn": format!("arn:aws:iam::111122223333:role/{name}"),
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
                "Principal": {"Federated": format!("arn:aws:iam::111122223333:oidc-provider/{ISSUER}")},
                "Condition": {"StringEquals": {format!("{ISSUER}:sub"): "system:serviceaccount:carts:carts"}}}]}});
        common::merge(&mut role, &more);
        json!({"accounts": {"111122223333": {"roles": [role]}}})
    };
    let allowing = |statement: Value| {
        let policy = json!({"PolicyName": "x", "PolicyDocument": {"Version": "2012-10-17", "Statement": statement}});
        json!({"RolePolicyList": [policy], "AttachedManagedPolicies": []})
    };
    match rule {
        "role-arn-partition" => {
            json!({"cluster": {"arn": "arn:aws-us-gov:eks:us-gov-west-1:111122223333:cluster/shop"}})
        }
        "role-path-missing" => role("shop/eks-workshop-carts-dynamo", json!({})),
        "permission-denied" => {
            role("carts", allowing(json!({"Effect": "Deny", "Action": "dynamodb:DeleteItem", "Resource": "*"})))
        }
        "permission-missing" => {
            let table = "arn:aws:dynamodb:eu-west-1:111122223333:table/carts";
            role("carts", allowing(json!({"Effect": "Allow", "Action": "dynamodb:Query", "Resource": table})))
        }
        "node-role-overprivileged" => {
            role("shop-managed-ondemand", allowing(json!({"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"})))
        }
        "exemption-expiry" => {
            let condition = json!({"StringEquals": {format!("{ISSUER}:sub"): "system:serviceaccount:carts:other"}});
            let mut wrong = role("eks-workshop-carts-dynamo", json!({}));
            wrong["accounts"]["111122223333"]["roles"][0]["AssumeRolePolicyDocument"]["Statement"][0]["Condition"] =
                condition;
            wrong
        }
        "pod-identity-target" | "pod-identity-agent-missing" => {
            let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
                "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": ["sts:AssumeRole", "sts:TagSession"]}]});
            role("eks-workshop-carts-dynamo", json!({"AssumeRolePolicyDocument": trust}))
        }
        "pod-identity-unsupported" => json!({"fargateProfiles": [
            {"fargateProfileName": "carts", "status": "ACTIVE", "selectors": [{"namespace": "carts"}]}]}),
        _ => json!({}),
    }
}

/// Rules of which the example says that the service account has an association.
fn is_associated(rule: &str) -> bool {
    rule.starts_with("pod-identity-")
        || ["association-shadowed", "proxy-intercepts", "identity-ambiguous"].contains(&rule)
}

/// Rules whose example has a service account without a role.
fn is_without_role(rule: &str) -> bool {
    ["association-missing", "annotation-legacy", "annotation-misplaced", "node-role-overprivileged"].contains(&rule)
        || is_associated(rule)
}

/// The world that the example is in, with the example, its pods as they will be or as they were admitted.
fn case(rule: &Rule, example: &Value, admitted: bool) -> Case {
    let name = rule.name;
    let mut snapshot = common::base();
    snapshot["podIdentityAssociations"] = json!([]);
    common::merge(&mut snapshot, &context(name));
    if is_associated(name) {
        let association =
            json!({"clusterName": "shop", "namespace": "carts", "serviceAccount": "carts", "roleArn": ROLE});
        snapshot["podIdentityAssociations"] = json!([association]);
    }
    let mut inputs: Vec<Input> = Vec::new();
    match example {
        Value::Array(objects) => {
            for object in objects {
                let kind = common::kind_of(object);
                let admitted = admitted && kind == Some(Kind::Pod);
                inputs.push(Input { kind, admitted, value: object.clone() });
            }
        }
        trust if !trust["Statement"].is_null() => {
            snapshot["accounts"]["111122223333"]["roles"][0]["AssumeRolePolicyDocument"] = trust.clone();
        }
        provider if !provider["ClientIDList"].is_null() => {
            snapshot["accounts"]["111122223333"]["oidcProviders"] = json!([provider]);
        }
        associated if !associated["association"].is_null() => {
            snapshot["podIdentityAssociations"] = json!([associated["association"]]);
            if !associated["targetRole"].is_null() {
                let mut target = associated["targetRole"].clone();
                target["Arn"] = associated["association"]["targetRoleArn"].clone();
                snapshot["accounts"]["111122223333"]["roles"].as_array_mut().unwrap().push(target);
            }
        }
        part => common::merge(&mut snapshot, part),
    }
    let has = |wanted: Kind| inputs.iter().any(|input| input.kind == Some(wanted));
    let (has_account, has_workload) = (has(Kind::ServiceAccount), has(Kind::Pod) || has(Kind::Deployment));
    if !has_account {
        let annotations = if is_without_role(name) { json!({}) } else { json!({"eks.amazonaws.com/role-arn": ROLE}) };
        let metadata = json!({"name": "carts", "namespace": "carts", "annotations": annotations});
        let value = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata});
        inputs.push(Input { kind: Some(Kind::ServiceAccount), admitted: false, value });
    }
    if !has_workload {
        let spec = json!({"serviceAccountName": "carts", "containers": [{"name": "carts", "image": "carts"}]});
        let metadata = json!({"name": "carts", "namespace": "carts"});
        let value = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec});
        inputs.push(Input { kind: Some(Kind::Pod), admitted: false, value });
    }
    Case { name: name.to_owned(), snapshot, expected: Value::Null, inputs }
}

/// The rules that fire over a task definition: that of the example, or one whose roles have its trust policy.
fn fired_of_ecs(example: &Value) -> BTreeSet<&'static str> {
    let trust = json!({"Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let is_trust = !example["Statement"].is_null();
    let trust = if is_trust { example.clone() } else { trust };
    let role = |name: &str, statements: Value, managed: &[&str]| {
        let attached: Vec<Value> = managed.iter().map(|arn| json!({"PolicyName": "x", "PolicyArn": arn})).collect();
        json!({"RoleName": name, "Arn": format!("arn:aws:iam::111122223333:role/{name}"),
            "AssumeRolePolicyDocument": trust, "AttachedManagedPolicies": attached,
            "RolePolicyList": [{"PolicyName": "own", "PolicyDocument": {"Statement": statements}}]})
    };
    let policy = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy";
    let document = json!({"Statement": {"Effect": "Allow", "Action": "ecr:*", "Resource": "*"}});
    let mut snapshot = common::base();
    snapshot["accounts"]["111122223333"]["roles"] = json!([
        role("carts-task", json!({"Effect": "Allow", "Action": "dynamodb:Query", "Resource": "*"}), &[]),
        role("ecsTaskExecutionRole", json!([]), &[policy]),
    ]);
    snapshot["accounts"]["111122223333"]["policies"] = json!([{"Arn": policy, "PolicyName": "x", "DefaultVersionId": "v1",
        "PolicyVersionList": [{"VersionId": "v1", "IsDefaultVersion": true, "Document": document}]}]);
    let named = json!({"family": "carts",
        "taskDefinitionArn": "arn:aws:ecs:us-west-2:111122223333:task-definition/carts:7",
        "taskRoleArn": "arn:aws:iam::111122223333:role/carts-task",
        "executionRoleArn": "arn:aws:iam::111122223333:role/ecsTaskExecutionRole",
        "containerDefinitions": [{"name": "carts"}]});
    let definition = if is_trust { named } else { example.clone() };
    let definition: TaskDefinition<'_> = serde::Deserialize::deserialize(&definition).unwrap();
    let snapshot = Snapshot::parse(&snapshot.to_string()).unwrap();
    let circumstances = Circumstances { now: None, exemptions: true };
    let judged = judge_task_definition(&snapshot, &definition, |_| None, circumstances);
    judged.findings.iter().map(rolecall_core::finding::Finding::rule).collect()
}

/// The rules that fire, with the pods of the example as they will be and as they were admitted.
fn fired(rule: &Rule, example: &Value) -> BTreeSet<&'static str> {
    if rule.name.starts_with("ecs-") {
        return fired_of_ecs(example);
    }
    let mut fired = BTreeSet::new();
    for admitted in [false, true] {
        let case = case(rule, example, admitted);
        case.judge(&case.world(&case.snapshot), |_, _, judgement, _| {
            fired.extend(judgement.findings.iter().map(rolecall_core::finding::Finding::rule));
        });
    }
    fired
}

fn parsed(rule: &Rule) -> Value {
    let text = example(rule);
    if text.starts_with('{') {
        return serde_json::from_str(text).unwrap_or_else(|e| panic!("{}: {e}", rule.name));
    }
    let objects: Vec<Value> = serde_saphyr::from_multiple(text).unwrap_or_else(|e| panic!("{}: {e}", rule.name));
    Value::Array(objects)
}

#[test]
fn every_example_makes_its_rule_fire() {
    let mut failures = Vec::new();
    for rule in rules::all().into_iter().filter(|rule| !ELSEWHERE.contains(&rule.name)) {
        let fired = fired(rule, &parsed(rule));
        if !fired.contains(rule.name) {
            failures.push(format!("{}: fired {fired:?}", rule.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

const CLUSTER_ARN: &str = "arn:aws:eks:us-west-2:111122223333:cluster/shop";

/// The `jq` program of a page that edits a trust policy, with the example's values for its placeholders.
fn trust_edit(rule: &Rule) -> Option<String> {
    let (_, rest) = rule.section("How to fix it").split_once("\njq '")?;
    let (program, _) = rest.split_once("' \\\n    trust.json > new-trust.json")?;
    let values = [("ACCOUNT", "111122223333"), ("ISSUER", ISSUER), ("CLUSTER_ARN", CLUSTER_ARN)];
    Some(values.iter().fold(program.to_owned(), |program, (placeholder, value)| program.replace(placeholder, value)))
}

#[test]
fn the_edit_of_a_trust_policy_removes_the_finding() {
    let mut edited = 0;
    for rule in rules::all() {
        let Some(program) = trust_edit(rule) else { continue };
        let before = parsed(rule);
        if before["Statement"].is_null() {
            continue;
        }
        let after = jq(&program, before);
        let fired = fired(rule, &after);
        assert!(!fired.contains(rule.name), "{}: still fires after {program}\n{after:#}", rule.name);
        assert!(!fired.contains("irsa-trust-open"), "{}: {program} opens the role", rule.name);
        edited += 1;
    }
    assert!(edited >= 15, "only {edited} edits were carried out");
}
