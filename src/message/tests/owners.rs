//! Fixes are carried out where an object comes from: what Helm, Argo CD, Flux, EKS or eksctl wrote is not annotated by hand.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use rolecall_core::cluster::{Cluster, Conventions};
use rolecall_core::judge::{Circumstances, ServiceAccountChange, judge_service_account};
use rolecall_core::snapshot::Snapshot;
use rolecall_core::workload::Object;
use rolecall_core::world::World;
use rolecall_message::fix::{Format, rendered, sentence};
use serde_json::{Value, json};

const MEANT: &str = "arn:aws:iam::111122223333:role/carts";

/// The sentence and the commands for a service account whose role is misspelled.
fn fix(metadata: &Value, association: Option<Value>) -> (String, Option<String>, Option<String>) {
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
        "podIdentityAssociations": association.into_iter().collect::<Vec<_>>(),
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

    let (_, cli, eksctl) = fix(&annotated(&json!({"app.kubernetes.io/managed-by": "eksctl"}), &json!({})), None);
    let expected = "eksctl create iamserviceaccount --cluster shop --namespace carts --name carts --attach-role-arn \
                    arn:aws:iam::111122223333:role/carts --override-existing-serviceaccounts --approve";
    assert_eq!((cli.as_deref(), eksctl.as_deref()), (Some(expected), Some(expected)));

    let association = json!({"clusterName": "shop", "namespace": "carts", "serviceAccount": "carts", "associationId": "a-1",
        "roleArn": "arn:aws:iam::111122223333:role/cartz"});
    let with = |key: &str, value: Value| {
        let mut association = association.clone();
        association[key] = value;
        fix(&json!({"name": "carts", "namespace": "carts"}), Some(association))
    };
    let (_, cli, _) = with("ownerArn", json!("arn:aws:eks:us-west-2:111122223333:addon/shop/aws-efs-csi-driver/0-1"));
    let expected = "aws eks update-addon --cluster-name shop --addon-name aws-efs-csi-driver --pod-identity-associations \
                    '[{\"roleArn\":\"arn:aws:iam::111122223333:role/carts\",\"serviceAccount\":\"carts\"}]' \
                    --resolve-conflicts PRESERVE";
    assert_eq!(cli.as_deref(), Some(expected));
    let (_, cli, _) = with("tags", json!({"alpha.eksctl.io/cluster-name": "shop"}));
    assert!(cli.unwrap().starts_with("eksctl update podidentityassociation --cluster shop"));
    let (_, cli, _) = with("tags", json!({"team": "shop"}));
    assert!(cli.unwrap().starts_with("aws eks update-pod-identity-association"));
}
