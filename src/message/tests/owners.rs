//! Fixes are carried out where an object comes from: what Helm, Argo CD, Flux, EKS or eksctl wrote is not annotated by hand.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use rolecall_core::cluster::{Cluster, Conventions, ServiceAccount};
use rolecall_core::judge::{Circumstances, ServiceAccountChange, judge_service_account, judge_workload};
use rolecall_core::snapshot::Snapshot;
use rolecall_core::workload::{Kind, Object, Stage, Workload};
use rolecall_core::world::World;
use rolecall_message::fix::{Format, rendered, sentence};
use serde_json::{Value, json};

const MEANT: &str = "arn:aws:iam::111122223333:role/carts";

/// The sentence and the commands for a service account whose role is misspelled.
fn fix(metadata: &Value, associations: impl IntoIterator<Item = Value>) -> (String, Option<String>, Option<String>) {
    let issuer = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE";
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Federated": format!("arn:aws:iam::111122223333:oidc-provider/{issuer}")},
         "Action": "sts:AssumeRoleWithWebIdentity",
         "Condition": {"StringEquals": {format!("{issuer}:sub"): "system:serviceaccount:carts:carts"}}},
        {"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": ["sts:AssumeRole", "sts:TagSession"]}]});
    let snapshot = json!({
        "cluster": {"name": "shop", "arn": "arn:aws:eks:us-west-2:111122223333:cluster/shop",
            "identity": {"oidc": {"issuer": format!("https://{issuer}")}}},
        "addons": [{"addonName": "eks-pod-identity-agent"}],
        "podIdentityAssociations": associations.into_iter().collect::<Vec<_>>(),
        "accounts": {"111122223333": {
            "roles": [{"RoleName": "carts", "Arn": MEANT, "AssumeRolePolicyDocument": trust}],
            "oidcProviders": [{"Arn": format!("arn:aws:iam::111122223333:oidc-provider/{issuer}"), "Url": issuer,
                "ClientIDList": ["sts.amazonaws.com"]}]}}});
    let snapshot = Snapshot::parse(&snapshot.to_string()).unwrap();
    let world =
        World::new(Arc::new(snapshot), Cluster { complete: true, ..Cluster::default() }, Conventions::default());
    let object = json!({"metadata": metadata}).to_string();
    let object: Object<'_> = serde_json::from_str(&object).unwrap();
    let change = ServiceAccountChange { namespace: "carts", name: "carts", metadata: &object.metadata, before: None };
    let judgement = judge_service_account(&world, &change, Circumstances { now: None, exemptions: true });
    let finding = judgement.findings.first().expect("the role is misspelled");
    assert_eq!(finding.rule(), "role-missing");
    let fix = &finding.problem.fix;
    (sentence(fix), rendered(fix, Format::Cli), rendered(fix, Format::Eksctl))
}

fn annotated(labels: &Value, annotations: &Value) -> Value {
    let mut metadata = json!({"name": "carts", "namespace": "carts", "labels": labels, "annotations": annotations});
    metadata["annotations"]["eks.amazonaws.com/role-arn"] = "arn:aws:iam::111122223333:role/cartz".into();
    metadata
}

#[test]
fn what_a_release_wrote_is_changed_in_its_source() {
    for (labels, annotations, owner) in [
        (
            json!({"app.kubernetes.io/managed-by": "Helm"}),
            json!({"meta.helm.sh/release-name": "shop"}),
            "Helm release shop",
        ),
        (json!({"argocd.argoproj.io/instance": "shop"}), json!({}), "Argo CD application shop"),
        (
            json!({}),
            json!({"argocd.argoproj.io/tracking-id": "shop:/ServiceAccount:carts/carts"}),
            "Argo CD application shop",
        ),
        (json!({"kustomize.toolkit.fluxcd.io/name": "shop"}), json!({}), "Flux Kustomization shop"),
        (json!({"helm.toolkit.fluxcd.io/name": "shop"}), json!({}), "Flux HelmRelease shop"),
    ] {
        let (sentence, cli, _) = fix(&annotated(&labels, &annotations), None);
        assert!(sentence.contains(&format!("in the values or repository of {owner}")), "{sentence}");
        assert_eq!(cli, None, "{owner} reverts what kubectl changes");
    }
    let (sentence, cli, _) = fix(&annotated(&json!({}), &json!({})), None);
    assert!(
        !sentence.contains("repository") && cli.unwrap().starts_with("kubectl annotate serviceaccount"),
        "{sentence}"
    );
}

#[test]
fn what_eks_or_eksctl_created_is_changed_by_them() {
    let of_eks = json!({"app.kubernetes.io/managed-by": "EKS", "app.kubernetes.io/name": "aws-ebs-csi-driver"});
    let (_, cli, _) = fix(&annotated(&of_eks, &json!({})), None);
    let expected = "aws eks update-addon --cluster-name shop --addon-name aws-ebs-csi-driver --service-account-role-arn \
                    arn:aws:iam::111122223333:role/carts --resolve-conflicts PRESERVE";
    assert_eq!(cli.as_deref(), Some(expected));

    // `eksctl create iamserviceaccount` leaves out what it created before.
    let (sentence, cli, eksctl) = fix(&annotated(&json!({"app.kubernetes.io/managed-by": "eksctl"}), &json!({})), None);
    let expected = "kubectl annotate serviceaccount -n carts carts \
                    eks.amazonaws.com/role-arn=arn:aws:iam::111122223333:role/carts --overwrite";
    assert_eq!((cli.as_deref(), eksctl), (Some(expected), None));
    assert!(sentence.ends_with("and change the configuration of eksctl that created it"), "{sentence}");

    let association = json!({"clusterName": "shop", "namespace": "carts", "serviceAccount": "carts", "associationId": "a-1",
        "roleArn": "arn:aws:iam::111122223333:role/cartz"});
    let with = |key: &str, value: Value| {
        let mut association = association.clone();
        association[key] = value;
        fix(&json!({"name": "carts", "namespace": "carts"}), Some(association))
    };
    let of_add_on = json!("arn:aws:eks:us-west-2:111122223333:addon/shop/aws-efs-csi-driver/0-1");
    let (_, cli, _) = with("ownerArn", of_add_on);
    let expected = "aws eks update-addon --cluster-name shop --addon-name aws-efs-csi-driver --pod-identity-associations \
                    '[{\"roleArn\":\"arn:aws:iam::111122223333:role/carts\",\"serviceAccount\":\"carts\"}]' \
                    --resolve-conflicts PRESERVE";
    assert_eq!(cli.as_deref(), Some(expected));
    let (_, cli, _) = with("tags", json!({"alpha.eksctl.io/cluster-name": "shop"}));
    assert!(cli.unwrap().starts_with("eksctl update podidentityassociation --cluster shop"));
    let (_, cli, _) = with("tags", json!({"team": "shop"}));
    assert!(cli.unwrap().starts_with("aws eks update-pod-identity-association"));
}

/// EKS API Reference, `UpdateAddon`: the associations in the call replace all of the add-on's.
#[test]
fn the_other_associations_of_an_add_on_stay() {
    let of_add_on = |name: &str, id: u32, role: &str, more: Value| {
        let mut association = json!({"clusterName": "shop", "namespace": "carts", "serviceAccount": name,
            "associationId": format!("a-{id}"), "roleArn": format!("arn:aws:iam::111122223333:role/{role}"),
            "ownerArn": "arn:aws:eks:us-west-2:111122223333:addon/shop/aws-efs-csi-driver/0-1"});
        for (key, value) in more.as_object().unwrap() {
            association[key] = value.clone();
        }
        association
    };
    let plain = json!({"name": "carts", "namespace": "carts"});
    let wrong = || of_add_on("carts", 1, "cartz", json!({}));
    let (_, cli, _) = fix(
        &plain,
        [
            wrong(),
            of_add_on("node", 2, "node", json!({})),
            of_add_on("controller", 3, "controller", json!({})),
            of_add_on(
                "other",
                4,
                "other",
                json!({"ownerArn": "arn:aws:eks:us-west-2:111122223333:addon/shop/adot/0-1"}),
            ),
            of_add_on("mine", 5, "mine", json!({"ownerArn": null})),
        ],
    );
    let words = shlex::split(cli.as_deref().unwrap()).unwrap();
    let at = words.iter().position(|word| word == "--pod-identity-associations").unwrap();
    let given: Value = serde_json::from_str(&words[at + 1]).unwrap();
    let role =
        |name: &str| json!({"serviceAccount": name, "roleArn": format!("arn:aws:iam::111122223333:role/{name}")});
    assert_eq!(given, json!([role("carts"), role("controller"), role("node")]));

    // What an add-on cannot set, or what cannot be read, would be lost.
    for other in [
        of_add_on("node", 2, "node", json!({"targetRoleArn": "arn:aws:iam::444455556666:role/far"})),
        json!({"clusterName": "shop", "namespace": "carts", "serviceAccount": "node", "associationId": 7}),
        json!({"clusterName": "shop", "associationId": "a-2"}),
    ] {
        let (sentence, cli, _) = fix(&plain, [wrong(), other.clone()]);
        assert_eq!(cli, None, "{other}");
        assert!(sentence.contains("through the EKS add-on aws-efs-csi-driver"), "{sentence}");
    }
    // Nor can an add-on set a target role.
    let (sentence, cli, _) =
        fix(&plain, [of_add_on("carts", 1, "cartz", json!({"targetRoleArn": "arn:aws:iam::444455556666:role/far"}))]);
    assert_eq!(cli, None);
    assert!(sentence.contains("can set nothing but the role"), "{sentence}");
}

/// Of an account without a role only the owner is known: the pod's fix is made there all the same.
#[test]
fn a_service_account_without_a_role_has_an_owner_too() {
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"},
        "Condition": {"StringEquals": {
            "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE:sub": "system:serviceaccount:carts:carts"}}}]});
    let snapshot = json!({
        "cluster": {"name": "shop", "arn": "arn:aws:eks:us-west-2:111122223333:cluster/shop",
            "identity": {"oidc": {"issuer": "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"}}},
        "podIdentityAssociations": [],
        "accounts": {"111122223333": {
            "roles": [{"RoleName": "carts", "Arn": MEANT, "AssumeRolePolicyDocument": trust}],
            "oidcProviders": [{"Arn": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE",
                "Url": "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE", "ClientIDList": ["sts.amazonaws.com"]}]}}});
    let conventions = Conventions::default();
    let mut cluster = Cluster { complete: true, ..Cluster::default() };
    let account = json!({"metadata": {"name": "carts", "namespace": "carts",
        "labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {"meta.helm.sh/release-name": "shop"}}})
    .to_string();
    let account: Object<'_> = serde_json::from_str(&account).unwrap();
    cluster.add_service_account("carts", "carts", ServiceAccount::of(&account.metadata, &conventions));
    let world = World::new(Arc::new(Snapshot::parse(&snapshot.to_string()).unwrap()), cluster, conventions);
    let pod = json!({"metadata": {"name": "p", "namespace": "carts"}, "spec": {"serviceAccountName": "carts",
        "containers": [{"name": "app", "image": "app"}]}})
    .to_string();
    let pod: Object<'_> = serde_json::from_str(&pod).unwrap();
    let workload = Workload::of(&pod, Kind::Pod, Stage::Predicted, "carts").unwrap();
    let judgement = judge_workload(&world, &workload, Circumstances { now: None, exemptions: true });
    let finding = judgement.findings.iter().find(|finding| finding.rule() == "role-not-connected").unwrap();
    let sentence = sentence(&finding.problem.fix);
    assert!(sentence.contains("in the values or repository of Helm release shop"), "{sentence}");
}
