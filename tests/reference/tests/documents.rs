//! The examples and tables of AWS's documents, as tests of the reference evaluator.

use rolecall_reference::{ContextValue, Decision, Policies, Principal, Request, evaluate, evaluate_document};
use serde_json::{Value, json};

const ACCOUNT: &str = "111122223333";

fn single(value: &str) -> ContextValue {
    ContextValue::Single(value.into())
}

fn multi(values: &[&str]) -> ContextValue {
    ContextValue::Multi(values.iter().map(|&value| value.into()).collect())
}

fn request(principal: Principal, action: &str, resource: Option<&str>, context: &[(&str, ContextValue)]) -> Request {
    Request {
        action: action.into(),
        resource: resource.map(Into::into),
        principal,
        principal_account: ACCOUNT.into(),
        context: context.iter().map(|(key, value)| ((*key).into(), value.clone())).collect(),
    }
}

fn aws(arn: &str) -> Principal {
    Principal::Aws(arn.into())
}

/// Whether a condition is met, through an identity policy that consists of little else.
fn met(version: &str, condition: &Value, context: &[(&str, ContextValue)]) -> bool {
    let policy = json!({
        "Version": version,
        "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition },
    });
    let request = request(Principal::None, "s3:GetObject", Some("arn:aws:s3:::amzn-s3-demo-bucket/x"), context);
    evaluate_document(&policy, &request) == Decision::Allowed
}

fn yes(condition: &Value, context: &[(&str, ContextValue)]) {
    assert!(met("2012-10-17", condition, context), "{condition} {context:?}");
}

fn no(condition: &Value, context: &[(&str, ContextValue)]) {
    assert!(!met("2012-10-17", condition, context), "{condition} {context:?}");
}

/// «Condition operators», the tables.
#[test]
fn operator_tables() {
    let job = json!({ "StringEquals": { "aws:PrincipalTag/job-category": "iamuser-admin" } });
    yes(&job, &[("aws:PrincipalTag/job-category", single("iamuser-admin"))]);
    no(&job, &[("aws:PrincipalTag/job-category", single("dev-ops"))]);
    no(&job, &[]);

    let home = json!({ "StringLike": { "s3:prefix": ["", "home/", "home/${aws:username}/"] } });
    yes(&home, &[("aws:username", single("martha")), ("s3:prefix", single("home/martha/"))]);
    yes(&home, &[("aws:username", single("martha")), ("s3:prefix", single(""))]);
    no(&home, &[("aws:username", single("nikki")), ("s3:prefix", single("home/martha/"))]);
    no(&home, &[("s3:prefix", single("home/martha/"))]);

    let tags = json!({
        "StringEqualsIgnoreCase": { "aws:RequestTag/environment": ["preprod", "storage"] },
        "ForAnyValue:StringEquals": { "aws:TagKeys": "environment" },
    });
    yes(&tags, &[("aws:TagKeys", multi(&["environment"])), ("aws:RequestTag/environment", single("preprod"))]);
    let two = multi(&["environment", "costcenter"]);
    yes(&tags, &[("aws:TagKeys", two), ("aws:RequestTag/environment", single("PreProd"))]);
    no(&tags, &[("aws:TagKeys", multi(&["Environment"])), ("aws:RequestTag/Environment", single("preprod"))]);
    no(&tags, &[("aws:TagKeys", multi(&["costcenter"])), ("aws:RequestTag/environment", single("preprod"))]);
    no(&tags, &[("aws:RequestTag/environment", single("storage"))]);
    no(&tags, &[("aws:TagKeys", multi(&["environment"]))]);
    no(&tags, &[]);

    let insecure = json!({ "Bool": { "aws:SecureTransport": "false" } });
    yes(&insecure, &[("aws:SecureTransport", single("false"))]);
    no(&insecure, &[("aws:SecureTransport", single("true"))]);
    no(&insecure, &[]);

    let binary = json!({ "BinaryEquals": { "key": "QmluYXJ5VmFsdWVJbkJhc2U2NA==" } });
    yes(&binary, &[("key", single("QmluYXJ5VmFsdWVJbkJhc2U2NA=="))]);
    no(&binary, &[("key", single("ASIAIOSFODNN7EXAMPLE"))]);
    no(&binary, &[]);

    let address = json!({ "IpAddress": { "aws:SourceIp": "203.0.113.0/24" } });
    yes(&address, &[("aws:SourceIp", single("203.0.113.1"))]);
    no(&address, &[("aws:SourceIp", single("198.51.100.1"))]);

    let topic = json!({ "ArnEquals": { "aws:SourceArn": "arn:aws:sns:us-west-2:123456789012:TOPIC-ID" } });
    yes(&topic, &[("aws:SourceArn", single("arn:aws:sns:us-west-2:123456789012:TOPIC-ID"))]);
    no(&topic, &[("aws:SourceArn", single("arn:aws:sns:us-west-2:777788889999:TOPIC-ID"))]);
    no(&topic, &[]);

    let key = "logs:LogGeneratingResourceArns";
    let arns = json!({ "ForAllValues:ArnLike": { key: [
        "arn:aws:cloudfront::123456789012:distribution/costcenter",
        "arn:aws:cloudfront::123456789012:distribution/support*",
    ] } });
    let costcenter = "arn:aws:cloudfront::123456789012:distribution/costcenter";
    let support = "arn:aws:cloudfront::123456789012:distribution/support2025";
    let admin = "arn:aws:cloudfront::123456789012:distribution/admin";
    yes(&arns, &[(key, multi(&[costcenter]))]);
    yes(&arns, &[(key, multi(&[costcenter, support]))]);
    no(&arns, &[(key, multi(&[costcenter, admin]))]);
    yes(&arns, &[]);

    let instance = json!({ "StringLikeIfExists": { "ec2:InstanceType": ["t1.*", "t2.*", "m3.*"] } });
    yes(&instance, &[("ec2:InstanceType", single("t1.micro"))]);
    no(&instance, &[("ec2:InstanceType", single("m2.micro"))]);
    yes(&instance, &[]);

    let temporary = json!({ "Null": { "aws:TokenIssueTime": "false" } });
    yes(&temporary, &[("aws:TokenIssueTime", single("2024-01-01T00:00:00Z"))]);
    no(&temporary, &[]);
    yes(&json!({ "Null": { "aws:TokenIssueTime": true } }), &[]);
}

/// «Condition operators», the words: missing keys, `IfExists`, numbers, dates.
#[test]
fn operator_rules() {
    for negated in [
        json!({ "StringNotEquals": { "k": "x" } }),
        json!({ "StringNotEqualsIgnoreCase": { "k": "x" } }),
        json!({ "StringNotLike": { "k": "x" } }),
        json!({ "NumericNotEquals": { "k": "1" } }),
        json!({ "DateNotEquals": { "k": "2024-01-01" } }),
        json!({ "ArnNotEquals": { "k": "arn:aws:s3:::x" } }),
        json!({ "ArnNotLike": { "k": "arn:aws:s3:::x" } }),
        json!({ "NotIpAddress": { "k": "10.0.0.0/8" } }),
        json!({ "StringEqualsIfExists": { "k": "x" } }),
        json!({ "ForAllValues:StringEquals": { "k": "x" } }),
    ] {
        yes(&negated, &[]);
    }
    no(&json!({ "ForAnyValue:StringEquals": { "k": "x" } }), &[]);
    no(&json!({ "ForAnyValue:StringNotEquals": { "k": "x" } }), &[]);

    yes(&json!({ "NumericLessThanEquals": { "s3:max-keys": 10 } }), &[("S3:Max-Keys", single("10.0"))]);
    no(&json!({ "NumericLessThan": { "s3:max-keys": "10" } }), &[("s3:max-keys", single("10"))]);
    no(&json!({ "NumericEquals": { "s3:max-keys": "ten" } }), &[("s3:max-keys", single("10"))]);
    let issued = [("aws:TokenIssueTime", single("2020-01-01T00:00:02Z"))];
    yes(&json!({ "DateGreaterThan": { "aws:TokenIssueTime": "2020-01-01T00:00:01Z" } }), &issued);
    yes(&json!({ "DateEquals": { "aws:TokenIssueTime": "1577836802" } }), &issued);
    no(&json!({ "StringEquals": { "k": "a*" } }), &[("k", single("ab"))]);
    no(&json!({ "StringSpells": { "k": "a" } }), &[("k", single("a"))]);
    no(&json!({ "NullIfExists": { "k": "true" } }), &[]);
    yes(&json!({ "stringequals": { "k": "a" } }), &[("k", single("a"))]);
}

/// «Single-valued vs. multivalued context keys».
#[test]
fn set_operators() {
    let all = json!({
        "ForAllValues:StringEquals": { "aws:TagKeys": ["environment", "cost-center"] },
        "Null": { "aws:TagKeys": "false" },
    });
    yes(&all, &[("aws:TagKeys", multi(&["environment"]))]);
    yes(&all, &[("aws:TagKeys", multi(&["environment", "cost-center"]))]);
    no(&all, &[("aws:TagKeys", multi(&["environment", "dept"]))]);
    no(&all, &[]);
    no(&all, &[("aws:TagKeys", multi(&[]))]);

    let any = json!({ "ForAnyValue:StringEquals": { "aws:TagKeys": ["environment", "cost-center"] } });
    yes(&any, &[("aws:TagKeys", multi(&["environment", "dept"]))]);
    no(&any, &[("aws:TagKeys", multi(&["dept"]))]);
    no(&any, &[]);

    // *None of the values … can match any*; *at least one … must NOT match any*.
    let none = json!({ "ForAllValues:StringNotEquals": { "aws:TagKeys": ["a", "b"] } });
    yes(&none, &[("aws:TagKeys", multi(&["c", "d"]))]);
    no(&none, &[("aws:TagKeys", multi(&["c", "a"]))]);
    let some_not = json!({ "ForAnyValue:StringNotEquals": { "aws:TagKeys": ["a", "b"] } });
    yes(&some_not, &[("aws:TagKeys", multi(&["c", "a"]))]);
    no(&some_not, &[("aws:TagKeys", multi(&["a", "b"]))]);

    no(&json!({ "StringEquals": { "aws:TagKeys": "a" } }), &[("aws:TagKeys", multi(&["a"]))]);
    no(&json!({ "StringNotEquals": { "aws:TagKeys": "b" } }), &[("aws:TagKeys", multi(&["a"]))]);
}

/// «Conditions with multiple context keys or values», both tables.
#[test]
fn and_or_nor() {
    let block = |arn_operator: &str| {
        json!({
            "StringEquals": {
                "aws:PrincipalTag/department": ["finance", "hr", "legal"],
                "aws:PrincipalTag/role": ["audit", "security"],
            },
            arn_operator: { "aws:PrincipalArn": [
                "arn:aws:iam::222222222222:user/Ana",
                "arn:aws:iam::222222222222:user/Mary",
            ] },
        })
    };
    let context = |department: &str, role: Option<&str>, user: &str| {
        let mut context = vec![
            ("aws:PrincipalTag/department", single(department)),
            ("aws:PrincipalArn", single(&format!("arn:aws:iam::222222222222:user/{user}"))),
        ];
        context.extend(role.map(|role| ("aws:PrincipalTag/role", single(role))));
        context
    };
    yes(&block("ArnLike"), &context("legal", Some("audit"), "Mary"));
    no(&block("ArnLike"), &context("hr", Some("audit"), "Nikki"));
    no(&block("ArnLike"), &context("hr", Some("payroll"), "Mary"));
    no(&block("ArnLike"), &context("hr", None, "Mary"));
    yes(&block("ArnNotLike"), &context("legal", Some("audit"), "Nikki"));
    no(&block("ArnNotLike"), &context("hr", Some("audit"), "Mary"));
    no(&block("ArnNotLike"), &context("hr", Some("payroll"), "Nikki"));
    no(&block("ArnNotLike"), &context("hr", None, "Nikki"));
}

/// «Variables and tags»: versions, and variables without a value.
#[test]
fn variables() {
    let team = [("aws:PrincipalTag/Team", single("blue")), ("s3:ExistingObjectTag/Team", single("blue"))];
    let same = json!({ "StringEquals": { "s3:ExistingObjectTag/Team": "${aws:PrincipalTag/Team}" } });
    let other = json!({ "StringNotEquals": { "s3:ExistingObjectTag/Team": "${aws:PrincipalTag/Team}" } });
    yes(&same, &team);
    no(&other, &team);
    // *Access is explicitly denied when aws:PrincipalTag/Team is not set.*
    let unset = [("s3:ExistingObjectTag/Team", single("blue"))];
    no(&same, &unset);
    yes(&other, &unset);
    assert!(!met("2008-10-17", &same, &team));
    let literal = [("s3:ExistingObjectTag/Team", single("${aws:PrincipalTag/Team}"))];
    assert!(met("2008-10-17", &same, &literal));
    yes(&json!({ "StringLike": { "k": "a${*}" } }), &[("k", single("a*"))]);
    no(&json!({ "StringLike": { "k": "a${*}" } }), &[("k", single("ab"))]);
}

fn web_identity(sub: &str) -> Request {
    let issuer = "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE";
    request(
        Principal::Federated(format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}")),
        "sts:AssumeRoleWithWebIdentity",
        None,
        &[(&format!("{issuer}:sub"), single(sub)), (&format!("{issuer}:aud"), single("sts.amazonaws.com"))],
    )
}

/// The trust policy of the EKS User Guide, «Assign IAM roles to Kubernetes service accounts».
#[test]
fn irsa() {
    let issuer = "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE";
    let (sub, aud) = (format!("{issuer}:sub"), format!("{issuer}:aud"));
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Federated": format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}") },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": { "StringEquals": { aud: "sts.amazonaws.com", sub: "system:serviceaccount:carts:carts" } },
        }],
    });
    assert_eq!(evaluate_document(&trust, &web_identity("system:serviceaccount:carts:carts")), Decision::Allowed);
    assert_eq!(evaluate_document(&trust, &web_identity("system:serviceaccount:carts:cart")), Decision::ImplicitDeny);
    let policies = Policies { trust: Some(trust), same_account: true, ..Policies::default() };
    assert_eq!(evaluate(&policies, &web_identity("system:serviceaccount:carts:carts")), Decision::Allowed);
}

/// «AWS JSON policy elements: NotPrincipal», its two examples.
#[test]
fn not_principal() {
    let deny = |names: &[&str]| {
        json!({
            "Version": "2012-10-17",
            "Statement": [
                { "Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*" },
                { "Effect": "Deny", "NotPrincipal": { "AWS": names }, "Action": "s3:*", "Resource": "arn:aws:s3:::b/*" },
            ],
        })
    };
    let asked = |arn: &str| request(aws(arn), "s3:GetObject", Some("arn:aws:s3:::b/x"), &[]);
    let root = "arn:aws:iam::111122223333:root";
    let bob = deny(&["arn:aws:iam::111122223333:user/Bob", root]);
    assert_eq!(evaluate_document(&bob, &asked("arn:aws:iam::111122223333:user/Bob")), Decision::Allowed);
    assert_eq!(evaluate_document(&bob, &asked("arn:aws:iam::111122223333:user/Eve")), Decision::ExplicitDeny);

    let session = "arn:aws:sts::111122223333:assumed-role/audit/app";
    let audit = deny(&[session, "arn:aws:iam::111122223333:role/audit", root]);
    assert_eq!(evaluate_document(&audit, &asked(session)), Decision::Allowed);
    let other = "arn:aws:sts::111122223333:assumed-role/audit/other";
    assert_eq!(evaluate_document(&audit, &asked(other)), Decision::ExplicitDeny);

    // «Permissions boundaries»: with a boundary, always denied.
    let all = json!({ "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*" } });
    let mut policies =
        Policies { trust: Some(audit), identity: vec![all.clone()], same_account: true, ..Policies::default() };
    assert_eq!(evaluate(&policies, &asked(session)), Decision::Allowed);
    policies.boundary = Some(all);
    assert_eq!(evaluate(&policies, &asked(session)), Decision::ExplicitDeny);
}

/// «How AWS enforcement code logic evaluates requests»: who is limited by what, in one account and across.
#[test]
fn policies_together() {
    let allow = |action: &str| json!({ "Statement": { "Effect": "Allow", "Action": action, "Resource": "*" } });
    let grant = |principal: Value| json!({ "Statement": { "Effect": "Allow", "Principal": principal, "Action": "s3:*", "Resource": "*" } });
    let user = "arn:aws:iam::111122223333:user/exampleuser";
    let session = "arn:aws:sts::111122223333:assumed-role/examplerole/name";
    let role = "arn:aws:iam::111122223333:role/path/examplerole";
    let decide = |arn: &str, policies: &Policies| {
        evaluate(policies, &request(aws(arn), "s3:GetObject", Some("arn:aws:s3:::b/x"), &[]))
    };
    let narrow = Policies {
        boundary: Some(allow("ec2:*")),
        session: Some(vec![allow("ec2:*")]),
        same_account: true,
        ..Policies::default()
    };
    let with = |principal: Value| Policies { trust: Some(grant(principal)), ..narrow.clone() };
    assert_eq!(decide(session, &with(json!({ "AWS": session }))), Decision::Allowed);
    assert_eq!(decide(session, &with(json!({ "AWS": role }))), Decision::ImplicitDeny);
    assert_eq!(decide(session, &with(json!("*"))), Decision::Allowed);
    assert_eq!(decide(session, &with(json!({ "AWS": ACCOUNT }))), Decision::ImplicitDeny);
    assert_eq!(decide(user, &with(json!({ "AWS": user }))), Decision::Allowed);

    // A role needs no identity policy, but its limits hold.
    let free = Policies { trust: Some(grant(json!({ "AWS": role }))), same_account: true, ..Policies::default() };
    assert_eq!(decide(session, &free), Decision::Allowed);
    let account = Policies { trust: Some(grant(json!({ "AWS": ACCOUNT }))), ..free.clone() };
    assert_eq!(decide(session, &account), Decision::ImplicitDeny);
    let account = Policies { identity: vec![allow("s3:*")], ..account };
    assert_eq!(decide(session, &account), Decision::Allowed);

    // Across accounts both sides must allow.
    let across = Policies { same_account: false, ..free };
    assert_eq!(decide(session, &across), Decision::ImplicitDeny);
    let across = Policies { identity: vec![allow("s3:*")], ..across };
    assert_eq!(decide(session, &across), Decision::Allowed);
    let limited = Policies { session: Some(vec![allow("ec2:*")]), ..across.clone() };
    assert_eq!(decide(session, &limited), Decision::ImplicitDeny);
    let denied = Policies {
        boundary: Some(json!({ "Statement": [
            { "Effect": "Allow", "Action": "*", "Resource": "*" },
            { "Effect": "Deny", "NotAction": "s3:Put*", "Resource": "*" },
        ] })),
        ..across
    };
    assert_eq!(decide(session, &denied), Decision::ExplicitDeny);
}

/// *IAM role trust policies … must explicitly allow access for principals*, in one account too.
#[test]
fn trust_must_name() {
    let role = "arn:aws:iam::111122223333:role/target";
    let session = "arn:aws:sts::111122223333:assumed-role/first/name";
    let trust = |principal: Value| json!({ "Statement": { "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole" } });
    let own = json!({ "Statement": { "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role } });
    let decide = |trust: Value, identity: Vec<Value>| {
        let policies = Policies { trust: Some(trust), identity, same_account: true, ..Policies::default() };
        evaluate(&policies, &request(aws(session), "sts:AssumeRole", Some(role), &[]))
    };
    let stranger = || trust(json!({ "Service": "ec2.amazonaws.com" }));
    assert_eq!(decide(stranger(), vec![own.clone()]), Decision::ImplicitDeny);
    let account = || trust(json!({ "AWS": "arn:aws:iam::111122223333:root" }));
    assert_eq!(decide(account(), vec![own]), Decision::Allowed);
    assert_eq!(decide(account(), vec![]), Decision::ImplicitDeny);
    let first = trust(json!({ "AWS": "arn:aws:iam::111122223333:role/first" }));
    assert_eq!(decide(first, vec![]), Decision::Allowed);
}

/// Malformed documents allow and deny nothing.
#[test]
fn malformed() {
    for policy in [
        json!(null),
        json!("*"),
        json!({}),
        json!({ "Statement": "x" }),
        json!({ "Statement": { "Effect": "allow", "Action": "*", "Resource": "*" } }),
        json!({ "Statement": { "Effect": "Allow", "Resource": "*" } }),
        json!({ "Statement": { "Effect": "Allow", "Action": "*", "NotAction": "x", "Resource": "*" } }),
        json!({ "Statement": { "Effect": "Allow", "Action": 1, "Resource": "*" } }),
        json!({ "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": [] } }),
        json!({ "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": { "Bool": 1 } } }),
        json!({ "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*" } }),
    ] {
        let asked = request(Principal::None, "s3:GetObject", Some("arn:aws:s3:::b/x"), &[]);
        assert_eq!(evaluate_document(&policy, &asked), Decision::ImplicitDeny, "{policy}");
    }
}
