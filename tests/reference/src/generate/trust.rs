//! Trust policies of EKS workloads: the right one, and what people write instead.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::keys::{COMMON, POD_IDENTITY, carry, compare, decorate};
use super::{Dice, add_condition};
use crate::request::{ContextValue, Policies, Principal, Request};

type Context = BTreeMap<String, ContextValue>;

const ACCOUNT: &str = "111122223333";
const ISSUERS: [&str; 4] = [
    "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE",
    "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE0000000000000000000000000",
    "oidc-eks.us-east-1.api.aws/id/EXAMPLED539D4633E53DE1B71EXAMPLE",
    "s3-eu-west-1.amazonaws.com/kops-oidc/prod",
];
const ROLE: &str = "arn:aws:iam::111122223333:role/carts";

pub(super) fn make(dice: &mut Dice) -> (Request, Policies) {
    match dice.below(10) {
        0..=5 => web_identity(dice),
        6..=7 => pod_identity(dice),
        _ => target(dice),
    }
}

fn provider(account: &str, issuer: &str) -> String {
    format!("arn:aws:iam::{account}:oidc-provider/{issuer}")
}

fn web_identity(dice: &mut Dice) -> (Request, Policies) {
    let issuer = dice.text(&ISSUERS);
    let namespace = dice.text(&["carts", "orders", "kube-system"]);
    let account = dice.text(&["carts", "default", "aws-load-balancer-controller"]);
    let sub = format!("system:serviceaccount:{namespace}:{account}");
    let aud = "sts.amazonaws.com";

    let mut context = BTreeMap::new();
    context.insert(format!("{issuer}:sub"), ContextValue::Single(sub.clone()));
    if !dice.chance(3) {
        let value = match dice.below(20) {
            0 => ContextValue::Multi(vec![aud.into()]),
            1 => ContextValue::Multi(vec![aud.into(), "other".into()]),
            _ => ContextValue::Single(aud.into()),
        };
        context.insert(format!("{issuer}:aud"), value);
    }
    if dice.chance(5) {
        context.insert(format!("{issuer}:amr"), ContextValue::Multi(vec!["authenticated".into(), "eks".into()]));
    }
    context.insert("aws:FederatedProvider".into(), ContextValue::Single(provider(ACCOUNT, &issuer)));
    carry(dice, COMMON, 30, &mut context);

    let mut statements = vec![web_statement(dice, "Allow", &issuer, &sub, &context)];
    if dice.chance(25) {
        let effect = *dice.pick(&["Allow", "Deny", "Deny"]);
        statements.push(web_statement(dice, effect, &issuer, &sub, &context));
    }
    if dice.chance(8) {
        statements.push(json!({
            "Effect": "Allow", "Principal": { "Service": "ec2.amazonaws.com" }, "Action": "sts:AssumeRole",
        }));
    }
    let trust = dice.document(statements);
    let request = Request {
        action: "sts:AssumeRoleWithWebIdentity".into(),
        resource: dice.chance(70).then(|| ROLE.into()),
        principal: Principal::Federated(provider(ACCOUNT, &issuer)),
        principal_account: ACCOUNT.into(),
        context,
    };
    (request, Policies { trust: Some(trust), same_account: true, ..Policies::default() })
}

fn web_statement(dice: &mut Dice, effect: &str, issuer: &str, sub: &str, context: &Context) -> Value {
    let right = provider(ACCOUNT, issuer);
    let mut statement = Map::new();
    statement.insert("Effect".into(), json!(effect));
    // Most people make one mistake; some statements are wrong all over.
    let typos = *dice.pick(&[5, 15, 15, 30, 80]);

    let other_issuer = dice.text(&ISSUERS);
    let principal = match if dice.chance(typos) { dice.below(14) } else { 14 } {
        0 => json!({ "Federated": provider(ACCOUNT, &other_issuer) }),
        1 => json!({ "Federated": [provider(ACCOUNT, &other_issuer), right] }),
        2 => json!({ "Federated": provider("444455556666", issuer) }),
        3 => {
            json!({ "Federated": format!("arn:aws:iam::{ACCOUNT}:oidc-provider/https://{issuer}") })
        }
        4 => json!({ "Federated": format!("arn:aws:iam::{ACCOUNT}:oidc-provider/*") }),
        5 => json!({ "Federated": if dice.chance(50) { issuer } else { "*" } }),
        6 => json!("*"),
        7 => json!({ "AWS": "*" }),
        8 => {
            json!({ "AWS": ["arn:aws:iam::444455556666:root", "444455556666"], "Federated": right })
        }
        9 => json!({ "Service": ["pods.eks.amazonaws.com", "ec2.amazonaws.com"] }),
        10 => json!({ "AWS": ACCOUNT }),
        11 => {
            json!({ "AWS": format!("arn:aws:iam::{ACCOUNT}:root"), "Service": "ec2.amazonaws.com" })
        }
        12 if dice.chance(30) => json!({ "Federated": dice.other_case(&right) }),
        12 | 13 => json!({ "Federated": [right] }),
        _ => json!({ "Federated": right }),
    };
    let element = if dice.chance(if effect == "Deny" { 20 } else { 3 }) { "NotPrincipal" } else { "Principal" };
    statement.insert(element.into(), principal);

    action(
        dice,
        &mut statement,
        &[
            "sts:AssumeRoleWithWebIdentity",
            "sts:assumerolewithwebidentity",
            "sts:AssumeRole*",
            "sts:*",
            "*",
            "sts:AssumeRoleWith???Identity",
            "STS:AssumeRoleWithWebIdentity",
        ],
        &["sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:TagSession", "sts:AssumeRoleWithWebIdentit?y"],
    );

    let mut block = Map::new();
    if !(effect == "Deny" && dice.chance(40)) {
        subject(dice, &mut block, issuer, sub, typos);
    }
    if dice.chance(75) {
        audience(dice, &mut block, issuer, typos);
    }
    if dice.chance(4) {
        let operator = dice.text(&["StringEquals", "ForAnyValue:StringEquals", "ForAllValues:StringLike", "Null"]);
        let value = if operator == "Null" { json!("true") } else { json!("authenticated") };
        add_condition(&mut block, &operator, &format!("{issuer}:amr"), value);
    }
    for _ in 0..*dice.pick(&[0, 0, 0, 0, 1, 1, 2]) {
        compare(dice, COMMON, context, &mut block);
    }
    if !block.is_empty() {
        statement.insert("Condition".into(), Value::Object(block));
    }
    Value::Object(statement)
}

/// `sts:…` as it should be, or not.
fn action(dice: &mut Dice, statement: &mut Map<String, Value>, right: &[&str], wrong: &[&str]) {
    let mut actions = vec![if dice.chance(88) {
        let first = right.first().copied().unwrap_or("*");
        json!(if dice.chance(60) { first.to_owned() } else { dice.text(right) })
    } else {
        json!(dice.text(wrong))
    }];
    if dice.chance(15) {
        actions.push(json!(dice.text(wrong)));
    }
    let element = if dice.chance(4) { "NotAction" } else { "Action" };
    let actions = dice.one_or_list(actions);
    statement.insert(element.into(), actions);
}

/// The condition on the subject.
fn subject(dice: &mut Dice, block: &mut Map<String, Value>, issuer: &str, sub: &str, typos: u32) {
    let (prefix, account) = sub.rsplit_once(':').unwrap_or((sub, ""));
    let near = |dice: &mut Dice| -> String {
        match dice.below(14) {
            0 => "system:serviceaccount:other:carts".into(),
            1 => format!("{prefix}:{account}s"),
            2 => format!("{prefix}:*"),
            3 => format!("system:serviceaccount:*:{account}"),
            4 => "system:serviceaccount:*".into(),
            5 => "*".into(),
            6 => format!("{sub} "),
            7 => dice.other_case(sub),
            8 => sub.replacen("serviceaccount", "serviceaccounts", 1),
            9 => sub.replace(account, &"?".repeat(account.len())),
            10 => format!("{prefix}:${{aws:username}}"),
            11 => format!("{prefix}:${{aws:username, '{account}'}}"),
            12 => format!("${{{issuer}:sub}}"),
            _ => "sts.amazonaws.com".into(),
        }
    };
    let mut values = vec![json!(if dice.chance(typos) { near(dice) } else { sub.to_owned() })];
    while dice.chance(20) {
        values.push(json!(near(dice)));
    }
    let values = dice.one_or_list(values);
    let operator = if !dice.chance(typos) {
        dice.text(&["StringEquals", "StringEquals", "StringLike"])
    } else {
        let base = dice.text(&[
            "StringEquals",
            "StringLike",
            "StringEqualsIgnoreCase",
            "StringNotEquals",
            "StringNotLike",
            "StringNotEqualsIgnoreCase",
            "ArnLike",
        ]);
        let as_set = dice.chance(25);
        decorate(dice, &base, as_set)
    };
    add_condition(block, &operator, &claim(dice, issuer, "sub", typos), values);
}

fn audience(dice: &mut Dice, block: &mut Map<String, Value>, issuer: &str, typos: u32) {
    let values = match if dice.chance(typos) { dice.below(6) } else { 6 } {
        0 => json!("sts.amazonaws.com.cn"),
        1 => json!(["other", "sts.amazonaws.com"]),
        2 => json!("sts.*"),
        3 => json!("pods.eks.amazonaws.com"),
        4 => json!("STS.amazonaws.com"),
        5 => json!(["sts.amazonaws.com"]),
        _ => json!("sts.amazonaws.com"),
    };
    let operator = match if dice.chance(typos) { dice.below(5) } else { 5 } {
        0 => "ForAnyValue:StringEquals".into(),
        1 => "ForAllValues:StringEquals".into(),
        2 => dice.text(&["StringEqualsIfExists", "StringEqualsIgnoreCase", "StringLike", "StringNotEquals"]),
        3 => {
            let base = dice.text(&["StringEquals", "StringLike", "StringNotLike"]);
            decorate(dice, &base, true)
        }
        _ => "StringEquals".into(),
    };
    add_condition(block, &operator, &claim(dice, issuer, "aud", typos), values);
}

/// The name of a claim's key, or one that is nearly it.
fn claim(dice: &mut Dice, issuer: &str, claim: &str, typos: u32) -> String {
    match if dice.chance(typos / 2) { dice.below(6) } else { 6 } {
        0 => format!("https://{issuer}:{claim}"),
        1 => format!("{}:{claim}", dice.text(&ISSUERS)),
        2 | 3 => dice.other_case(&format!("{issuer}:{claim}")),
        4 => format!("{issuer}:{}", if claim == "sub" { "aud" } else { "sub" }),
        5 => format!("{issuer}/:{claim}"),
        _ => format!("{issuer}:{claim}"),
    }
}

fn pod_identity(dice: &mut Dice) -> (Request, Policies) {
    let mut context = BTreeMap::new();
    let percent = if dice.chance(80) { 90 } else { 20 };
    carry(dice, POD_IDENTITY, percent, &mut context);
    carry(dice, COMMON, 10, &mut context);
    let count = dice.between(1, 2);
    let mut statements: Vec<Value> = (0..count).map(|_| pod_statement(dice, "Allow", &context)).collect();
    if dice.chance(20) {
        statements.push(pod_statement(dice, "Deny", &context));
    }
    let trust = dice.document(statements);
    let request = Request {
        action: dice.text(&["sts:AssumeRole", "sts:TagSession"]),
        resource: dice.chance(70).then(|| ROLE.into()),
        principal: Principal::Service("pods.eks.amazonaws.com".into()),
        principal_account: ACCOUNT.into(),
        context,
    };
    (request, Policies { trust: Some(trust), same_account: true, ..Policies::default() })
}

fn pod_statement(dice: &mut Dice, effect: &str, context: &Context) -> Value {
    let mut statement = Map::new();
    statement.insert("Effect".into(), json!(effect));
    let principal = match dice.below(24) {
        0 => json!({ "Service": "ec2.amazonaws.com" }),
        1 => json!({ "Service": "eks.amazonaws.com" }),
        2 => json!({ "Service": ["ec2.amazonaws.com", "pods.eks.amazonaws.com"] }),
        3 => json!({ "Service": "*" }),
        4 => json!({ "AWS": "*" }),
        5 => json!("*"),
        6 => json!({ "AWS": format!("arn:aws:iam::{ACCOUNT}:root") }),
        7 if dice.chance(20) => json!({ "AWS": "pods.eks.amazonaws.com" }),
        8 if dice.chance(30) => json!({ "Service": "Pods.EKS.amazonaws.com" }),
        _ => json!({ "Service": "pods.eks.amazonaws.com" }),
    };
    let element = if dice.chance(if effect == "Deny" { 20 } else { 3 }) { "NotPrincipal" } else { "Principal" };
    statement.insert(element.into(), principal);
    match dice.below(4) {
        0 => {
            statement.insert("Action".into(), json!(["sts:AssumeRole", "sts:TagSession"]));
        }
        1 => {
            statement.insert("Action".into(), json!("sts:*"));
        }
        _ => action(
            dice,
            &mut statement,
            &["sts:AssumeRole", "sts:TagSession", "sts:Tag*", "sts:AssumeRole*", "STS:tagsession"],
            &["sts:AssumeRoleWithWebIdentity", "eks-auth:AssumeRoleForPodIdentity", "sts:SetSourceIdentity"],
        ),
    }
    let mut block = Map::new();
    for _ in 0..*dice.pick(&[0, 0, 1, 1, 2, 3]) {
        compare(dice, POD_IDENTITY, context, &mut block);
    }
    if dice.chance(10) {
        compare(dice, COMMON, context, &mut block);
    }
    if !block.is_empty() {
        statement.insert("Condition".into(), Value::Object(block));
    }
    Value::Object(statement)
}

/// The second hop: a session of the first role assumes the target.
fn target(dice: &mut Dice) -> (Request, Policies) {
    const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/first/eks-prod-carts";
    let same_account = dice.chance(50);
    let owner = if same_account { ACCOUNT } else { "999999999999" };
    let role = format!("arn:aws:iam::{owner}:role/target");
    let mut context = BTreeMap::new();
    context.insert("aws:PrincipalArn".into(), ContextValue::Single("arn:aws:iam::111122223333:role/first".into()));
    if dice.chance(50) {
        let id = "eu-west-1/111122223333/prod/carts/carts";
        context.insert("sts:ExternalId".into(), ContextValue::Single(id.into()));
    }
    carry(dice, POD_IDENTITY, 30, &mut context);
    carry(dice, COMMON, 15, &mut context);

    let count = dice.between(1, 2);
    let mut statements: Vec<Value> = (0..count).map(|_| target_statement(dice, "Allow", SESSION, &context)).collect();
    if dice.chance(20) {
        statements.push(target_statement(dice, "Deny", SESSION, &context));
    }
    let trust = dice.document(statements);
    let mut identity = Vec::new();
    if dice.chance(75) {
        let own = own_side(dice, &role, &context);
        identity.push(own);
    }
    let boundary = dice.chance(25).then(|| own_side(dice, &role, &context));
    let session = dice.chance(15).then(|| vec![own_side(dice, &role, &context)]);
    let request = Request {
        action: dice.text(&["sts:AssumeRole", "sts:AssumeRole", "sts:TagSession"]),
        resource: Some(role),
        principal: Principal::Aws(SESSION.into()),
        principal_account: ACCOUNT.into(),
        context,
    };
    (request, Policies { trust: Some(trust), identity, boundary, session, service_control: None, same_account })
}

fn target_statement(dice: &mut Dice, effect: &str, session: &str, context: &Context) -> Value {
    let mut statement = Map::new();
    statement.insert("Effect".into(), json!(effect));
    let mut who = vec![match dice.below(12) {
        0..=3 => "arn:aws:iam::111122223333:role/first".to_owned(),
        4 => "arn:aws:iam::111122223333:role/some/path/first".to_owned(),
        5 => session.to_owned(),
        6 => "arn:aws:iam::111122223333:root".to_owned(),
        7 => ACCOUNT.to_owned(),
        8 => "arn:aws:iam::111122223333:role/second".to_owned(),
        9 => "arn:aws:sts::111122223333:assumed-role/first/another".to_owned(),
        10 => "AROAEXAMPLEID".to_owned(),
        _ => "444455556666".to_owned(),
    }];
    if dice.chance(20) {
        who.push(dice.text(&[
            "arn:aws:iam::111122223333:root",
            "arn:aws:iam::111122223333:role/first",
            "444455556666",
        ]));
    }
    let who = dice.one_or_list(who.into_iter().map(Value::String).collect());
    let principal = match dice.below(12) {
        0 => json!("*"),
        1 => json!({ "AWS": "*" }),
        2 => json!({ "AWS": ["444455556666", "*"] }),
        _ => json!({ "AWS": who }),
    };
    let element = if dice.chance(if effect == "Deny" { 30 } else { 3 }) { "NotPrincipal" } else { "Principal" };
    statement.insert(element.into(), principal);
    action(
        dice,
        &mut statement,
        &["sts:AssumeRole", "sts:*", "sts:AssumeRole", "sts:TagSession"],
        &["sts:AssumeRoleWithSAML", "sts:SetSourceIdentity"],
    );
    let mut block = Map::new();
    if dice.chance(30) {
        let operator = dice.text(&["StringEquals", "StringLike", "StringEqualsIfExists", "StringNotEquals"]);
        let value = dice.text(&[
            "eu-west-1/111122223333/prod/carts/carts",
            "eu-west-1/111122223333/prod/*",
            "eu-west-1/111122223333/dev/carts/carts",
        ]);
        add_condition(&mut block, &operator, "sts:ExternalId", json!(value));
    }
    if dice.chance(25) {
        let operator = dice.text(&["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", "StringLike"]);
        let value = dice.text(&[
            "arn:aws:iam::111122223333:role/first",
            "arn:aws:iam::111122223333:role/f*",
            "arn:aws:iam::*:role/second",
        ]);
        add_condition(&mut block, &operator, "aws:PrincipalArn", json!(value));
    }
    if dice.chance(30) {
        compare(dice, POD_IDENTITY, context, &mut block);
    }
    if !block.is_empty() {
        statement.insert("Condition".into(), Value::Object(block));
    }
    Value::Object(statement)
}

fn own_side(dice: &mut Dice, role: &str, context: &Context) -> Value {
    let mut statements = vec![own_statement(dice, "Allow", role, context)];
    if dice.chance(15) {
        statements.push(own_statement(dice, "Deny", role, context));
    }
    dice.document(statements)
}

fn own_statement(dice: &mut Dice, effect: &str, role: &str, context: &Context) -> Value {
    let mut statement = Map::new();
    statement.insert("Effect".into(), json!(effect));
    action(
        dice,
        &mut statement,
        &["sts:AssumeRole", "sts:*", "*", "sts:TagSession"],
        &["s3:GetObject", "sts:AssumeRoleWithSAML"],
    );
    let resource = match dice.below(8) {
        0 => "*".to_owned(),
        1 => "arn:aws:iam::*:role/target".to_owned(),
        2 => "arn:aws:iam::444455556666:role/target".to_owned(),
        3 => role.replace("target", "t*"),
        4 => role.replace("target", "other"),
        _ => role.to_owned(),
    };
    statement.insert(if dice.chance(5) { "NotResource" } else { "Resource" }.into(), json!(resource));
    let mut block = Map::new();
    if dice.chance(15) {
        compare(dice, COMMON, context, &mut block);
        statement.insert("Condition".into(), Value::Object(block));
    }
    Value::Object(statement)
}
