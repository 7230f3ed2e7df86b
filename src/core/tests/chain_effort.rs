//! The chains of an object take from the same limit of work as its declared needs.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use rolecall_core::chain::{State, Subject};
use rolecall_core::cluster::{Cluster, Conventions, ServiceAccount};
use rolecall_core::effort::{Effort, Stop};
use rolecall_core::finding::{Cause, Certainty, PermissionCause, RoleCause, RoleValue};
use rolecall_core::judge::Links;
use rolecall_core::judge::{Circumstances, Judgement, judge_workload_within};
use rolecall_core::snapshot::Snapshot;
use rolecall_core::workload::{Kind, Object, Stage, Workload};
use rolecall_core::world::World;
use serde_json::{Value, json};

const ISSUER: &str = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE";
const CIRCUMSTANCES: Circumstances = Circumstances { now: None, exemptions: true };

fn arn(name: &str) -> String {
    format!("arn:aws:iam::111122223333:role/{name}")
}

fn trust(condition: &Value) -> Value {
    json!({"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition,
        "Principal": {"Federated": format!("arn:aws:iam::111122223333:oidc-provider/{ISSUER}")}}]})
}

/// 250 roles whose trust policies name 60 service accounts each, none of them the pod's, and `carts`, which trusts the pod's.
fn world(account: &str) -> World {
    let subjects: Vec<String> =
        (0..60).map(|index| format!("system:serviceaccount:team-{index}:service-account-number-{index}")).collect();
    let others = trust(&json!({"StringEquals": {format!("{ISSUER}:sub"): subjects}}));
    let own =
        trust(&json!({"StringEquals": {format!("{ISSUER}:sub"): format!("system:serviceaccount:carts:{account}")}}));
    let roles: Vec<Value> = (0..250)
        .map(|index| (format!("role-{index}"), &others))
        .chain([("carts".to_owned(), &own)])
        .map(|(name, trust)| json!({"RoleName": name, "Arn": arn(&name), "AssumeRolePolicyDocument": trust}))
        .collect();
    let snapshot = json!({
        "cluster": {"name": "shop", "arn": "arn:aws:eks:us-west-2:111122223333:cluster/shop",
            "identity": {"oidc": {"issuer": format!("https://{ISSUER}")}}},
        "podIdentityAssociations": [],
        "accounts": {"111122223333": {"roles": roles, "policies": [], "oidcProviders": [
            {"Arn": format!("arn:aws:iam::111122223333:oidc-provider/{ISSUER}"), "Url": ISSUER, "ClientIDList": ["sts.amazonaws.com"]}]}},
    });
    let mut cluster = Cluster { complete: true, ..Cluster::default() };
    let role_arn = Some(arn("carts").into());
    cluster.add_service_account("carts", account, ServiceAccount { role_arn, ..ServiceAccount::default() });
    World::new(Arc::new(Snapshot::parse(&snapshot.to_string()).unwrap()), cluster, Conventions::default())
}

/// A pod whose containers have these roles, in that order.
fn pod(account: &str, roles: impl Iterator<Item = String>) -> String {
    let container = |(index, role): (usize, String)| {
        json!({"name": format!("c{index}"), "env": [{"name": "AWS_ROLE_ARN", "value": role},
            {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/tokens/token"}],
            "volumeMounts": [{"name": "tokens", "mountPath": "/tokens"}]})
    };
    let containers: Vec<Value> = roles.enumerate().map(container).collect();
    let token = json!({"serviceAccountToken": {"audience": "sts.amazonaws.com", "path": "token"}});
    json!({"metadata": {"name": "carts"}, "spec": {"serviceAccountName": account, "containers": containers,
        "volumes": [{"name": "tokens", "projected": {"sources": [token]}}]}})
    .to_string()
}

fn judge(world: &World, text: &str, effort: &Effort, see: impl FnOnce(&Judgement<'_>)) {
    let object: Object<'_> = serde_json::from_str(text).unwrap();
    let workload = Workload::of(&object, Kind::Pod, Stage::Admitted, "carts").unwrap();
    see(&judge_workload_within(world, &workload, CIRCUMSTANCES, effort));
}

fn states(judgement: &Judgement<'_>) -> Vec<State> {
    judgement.containers.iter().map(|container| container.chain).collect()
}

/// What is over the limit is undecided and has a finding; what is below it is decided as without a limit.
#[test]
fn chains_take_from_the_same_limit() {
    let account = "a".repeat(253);
    let world = world(&account);
    let text = pod(&account, (0..250).map(|index| arn(&format!("role-{index}"))).chain([arn("carts")]));
    let mut whole = Vec::new();
    judge(&world, &text, &Effort::unlimited(), |judgement| whole = states(judgement));
    assert!(whole[..250].iter().all(|state| *state == State::Broken) && whole[250] == State::Holds);
    judge(&world, &text, &Effort::for_one_check(), |judgement| {
        let states = states(judgement);
        let decided = states.iter().position(|state| *state == State::Unknown).expect("it has a limit");
        assert!(decided > 4, "{decided}");
        assert_eq!(states[..decided], whole[..decided]);
        // But for the service account's own role, whose chain is kept.
        assert!(states[decided..250].iter().all(|state| *state == State::Unknown));
        assert_eq!(states[250], State::Holds);
        let unfinished = |cause: &Cause| matches!(cause, Cause::Role(RoleCause::Unfinished { .. }));
        let findings = || judgement.findings.iter().filter(|finding| finding.rule() == "identity-undecided");
        let explained: usize =
            findings().filter(|f| unfinished(&f.problem.cause)).map(|finding| finding.containers.len()).sum();
        assert_eq!(explained, 250 - decided, "each has a finding");
        assert!(findings().all(|finding| finding.problem.certainty == Certainty::Undecided));
    });
}

/// The plan of a service account is kept for all pods: what the first of them takes does not cut it short.
#[test]
fn a_stopped_check_leaves_nothing_behind() {
    let world = world("carts");
    let text = pod("carts", std::iter::repeat_n(arn("role-1"), 3).chain([arn("carts")]));
    let stop = Stop::default();
    stop.set();
    judge(&world, &text, &Effort::for_one_check().until(Some(stop)), |judgement| {
        assert_eq!(states(judgement), [State::Unknown, State::Unknown, State::Unknown, State::Holds]);
    });
    judge(&world, &text, &Effort::for_one_check(), |judgement| {
        assert_eq!(states(judgement), [State::Broken, State::Broken, State::Broken, State::Holds]);
    });
}

/// A pod may name more roles than can be read again before the API server's deadline.
#[test]
fn few_roles_are_read_again_and_the_broken_first() {
    let world = world("carts");
    let subject = Subject { namespace: "carts", service_account: "carts" };
    let names = (0..2_000).map(|index| arn(&format!("none-{index}")));
    let text = pod("carts", std::iter::repeat_n(arn("carts"), 40).chain(names));
    judge(&world, &text, &Effort::for_one_check(), |judgement| {
        let links = Links::of_denial(&world, subject, judgement, None);
        assert_eq!(links.roles.len(), 32 + 1, "{:?}", links.roles);
        assert!(links.roles.contains(&arn("carts")) && links.roles.contains(&arn("none-0")));
        let all = Links::of(&world, subject, judgement, None);
        assert_eq!(all.roles.len(), 512, "of the others no chain was walked");
    });
    let text = pod("carts", (0..3).map(|index| arn(&format!("role-{index}"))).chain([arn("carts")]));
    judge(&world, &text, &Effort::for_one_check(), |judgement| {
        let links = Links::of_denial(&world, subject, judgement, None);
        assert_eq!(links, Links::of(&world, subject, judgement, None), "few roles are read whatever their state");
    });
}

/// The policies of each role would be asked about each need.
#[test]
fn needs_are_not_checked_for_more_roles_than_a_pod_should_have() {
    let account = "a".repeat(253);
    let world = world(&account);
    let declared = |count: usize| {
        let mut pod: Value =
            serde_json::from_str(&pod(&account, (0..count).map(|index| arn(&format!("role-{}", index % 250)))))
                .unwrap();
        pod["metadata"]["annotations"] = json!({"rolecall.dev/requires": "s3:GetObject"});
        pod.to_string()
    };
    let stop = Stop::default();
    stop.set();
    judge(&world, &declared(1_000), &Effort::for_one_check().until(Some(stop)), |judgement| {
        let unchecked = judgement.findings.iter().find(|finding| finding.rule() == "permission-unchecked").unwrap();
        let cause = &unchecked.problem.cause;
        assert!(matches!(cause, Cause::Permission(PermissionCause::TooManyRoles { .. })), "{cause:?}");
        assert_eq!(unchecked.problem.found.as_ref().unwrap().value, RoleValue::Count(250).into());
    });
}
