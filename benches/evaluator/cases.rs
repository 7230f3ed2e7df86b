//! What is asked: trust policies of IRSA and Pod Identity as people write them, each with a request that it allows and one
//! that it does not.

use serde_json::{Value, json};

const ACCOUNT: &str = "111122223333";
const ISSUER: &str = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE";

/// One policy, and one request for each action.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) policy: Value,
    /// Kind and name, as a policy's `Principal` writes them.
    pub(crate) principal: (&'static str, String),
    pub(crate) actions: &'static [&'static str],
    pub(crate) allowed: Vec<(String, String)>,
    pub(crate) broken: Vec<(String, String)>,
}

/// The role that all policies belong to. iam-rs applies no statement without a `Resource`, so that the policies have one.
pub(crate) fn role() -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/carts")
}

fn provider(issuer: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}")
}

fn web_identity(issuer: &str, operator: &str, subject: &str) -> Value {
    json!({
        "Effect": "Allow",
        "Principal": {"Federated": provider(issuer)},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Resource": "*",
        "Condition": {
            operator: {format!("{issuer}:sub"): subject},
            "StringEqualsIgnoreCase": {format!("{issuer}:aud"): "sts.amazonaws.com"},
        },
    })
}

fn document(statements: &[Value]) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn token(namespace: &str) -> Vec<(String, String)> {
    vec![
        (format!("{ISSUER}:sub"), format!("system:serviceaccount:{namespace}:carts")),
        (format!("{ISSUER}:aud"), "sts.amazonaws.com".to_owned()),
    ]
}

fn session(namespace: &str) -> Vec<(String, String)> {
    [
        ("aws:RequestTag/kubernetes-namespace", namespace),
        ("aws:RequestTag/kubernetes-service-account", "carts"),
        ("aws:RequestTag/eks-cluster-name", "prod"),
        ("aws:SourceAccount", ACCOUNT),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .to_vec()
}

/// All cases.
pub(crate) fn cases() -> Vec<Case> {
    let irsa = |name, policy| Case {
        name,
        policy,
        principal: ("Federated", provider(ISSUER)),
        actions: &["sts:AssumeRoleWithWebIdentity"],
        allowed: token("shop"),
        broken: token("other"),
    };
    let plain = json!({
        "Effect": "Allow",
        "Principal": {"Federated": provider(ISSUER)},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Resource": "*",
        "Condition": {"StringEquals": {
            format!("{ISSUER}:sub"): "system:serviceaccount:shop:carts",
            format!("{ISSUER}:aud"): "sts.amazonaws.com",
        }},
    });
    let ecs = json!({
        "Effect": "Allow",
        "Principal": {"Service": "ecs-tasks.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Resource": "*",
    });
    let elsewhere = "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE8C21F07B3A94E6D502EXAMPLE";
    let three = [ecs, web_identity(elsewhere, "StringEquals", "system:serviceaccount:shop:carts"), plain.clone()];
    vec![
        irsa("irsa", document(std::slice::from_ref(&plain))),
        irsa("irsa, wildcard", document(&[web_identity(ISSUER, "StringLike", "system:serviceaccount:shop*:carts")])),
        irsa("irsa, third of three", document(&three)),
        Case {
            name: "pod identity",
            policy: document(&[json!({
                "Effect": "Allow",
                "Principal": {"Service": "pods.eks.amazonaws.com"},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
                "Resource": "*",
                "Condition": {
                    "StringEquals": {
                        "aws:RequestTag/kubernetes-namespace": "shop",
                        "aws:RequestTag/kubernetes-service-account": "carts",
                    },
                },
            })]),
            principal: ("Service", "pods.eks.amazonaws.com".to_owned()),
            actions: &["sts:AssumeRole", "sts:TagSession"],
            allowed: session("shop"),
            broken: session("other"),
        },
    ]
}
