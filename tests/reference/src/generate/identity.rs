//! Identity policies, boundaries, session policies and resource policies of everyday services.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Dice;
use super::keys::{COMMON, PERMISSIONS, carry, compare};
use crate::request::{ContextValue, Policies, Principal, Request};

type Context = BTreeMap<String, ContextValue>;

const ACCOUNT: &str = "111122223333";

/// Actions of a service with the resources they are asked for, and what policies write for either.
struct Service {
    actions: &'static [&'static str],
    action_patterns: &'static [&'static str],
    /// Empty: the actions have no resources.
    resources: &'static [&'static str],
    resource_patterns: &'static [&'static str],
}

const SERVICES: &[Service] = &[
    Service {
        actions: &["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
        action_patterns: &["s3:GetObject", "s3:Get*", "s3:*Object", "s3:*", "S3:getobject", "s3:??tObject", "*"],
        resources: &[
            "arn:aws:s3:::app-data/home/alice/file.txt",
            "arn:aws:s3:::app-data/blue/x",
            "arn:aws:s3:::app-data/a?b",
            "arn:aws:s3:::logs/2026/11/24",
        ],
        resource_patterns: &[
            "arn:aws:s3:::app-data/*",
            "arn:aws:s3:::app-*/*",
            "arn:aws:s3:::app-data/home/${aws:username}/*",
            "arn:aws:s3:::app-data/${aws:PrincipalTag/team}/*",
            "arn:aws:s3:::app-data/${aws:PrincipalTag/none, 'blue'}/*",
            "arn:aws:s3:::app-data/a${?}b",
            "arn:aws:s3:::app-data/a?b",
            "arn:aws:s3:::logs/*/11/*",
            "arn:aws:s3:::app-data",
            "arn:aws:s3:::*",
            "arn:aws:s3:::APP-DATA/*",
            "*",
        ],
    },
    Service {
        actions: &["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem"],
        action_patterns: &["dynamodb:GetItem", "dynamodb:*Item", "dynamodb:Query", "dynamodb:*", "*"],
        resources: &[
            "arn:aws:dynamodb:eu-west-1:111122223333:table/carts",
            "arn:aws:dynamodb:eu-west-1:111122223333:table/carts/index/by-owner",
        ],
        resource_patterns: &[
            "arn:aws:dynamodb:eu-west-1:111122223333:table/carts",
            "arn:aws:dynamodb:eu-west-1:111122223333:table/carts*",
            "arn:aws:dynamodb:*:111122223333:table/carts/index/*",
            "arn:aws:dynamodb:*:*:table/*",
            "arn:aws:dynamodb:eu-*:*:*",
            "arn:aws:dynamodb:eu-west-1:111122223333:table/${aws:PrincipalTag/team}",
            "arn:aws:dynamodb",
            "arn:aws:dynamodb:us-east-1:111122223333:table/carts",
            "*",
        ],
    },
    Service {
        actions: &["sqs:SendMessage", "sqs:ReceiveMessage"],
        action_patterns: &["sqs:SendMessage", "sqs:*Message", "sqs:*", "sqs:Send*", "*"],
        resources: &["arn:aws:sqs:eu-west-1:111122223333:orders", "arn:aws:sqs:eu-west-1:111122223333:alice-queue"],
        resource_patterns: &[
            "arn:aws:sqs:eu-west-1:111122223333:orders",
            "arn:aws:sqs:*:*:${aws:username}-queue",
            "arn:aws:sqs:eu-west-?:111122223333:*",
            "arn:aws:sqs:*:*:or*s",
            "*",
        ],
    },
    Service {
        actions: &["logs:PutLogEvents", "logs:CreateLogStream"],
        action_patterns: &["logs:PutLogEvents", "logs:*Log*", "logs:*", "*"],
        resources: &["arn:aws:logs:eu-west-1:111122223333:log-group:/app/carts:log-stream:one"],
        resource_patterns: &[
            "arn:aws:logs:*:*:*",
            "arn:aws:logs:eu-west-1:111122223333:log-group:/app/*",
            "arn:aws:logs:eu-west-1:111122223333:log-group:/app/*:log-stream:*",
            "arn:aws:logs:eu-west-1:111122223333:log-group:/app/*:log-stream:two",
            "arn:aws:logs:eu-west-1:*:log-stream:one",
            "*",
        ],
    },
    Service {
        actions: &["lambda:InvokeFunction"],
        action_patterns: &["lambda:InvokeFunction", "lambda:Invoke*", "lambda:*", "*"],
        resources: &[
            "arn:aws:lambda:eu-west-1:111122223333:function:carts",
            "arn:aws:lambda:eu-west-1:111122223333:function:carts:live",
        ],
        resource_patterns: &[
            "arn:aws:lambda:eu-west-1:111122223333:function:carts",
            "arn:aws:lambda:eu-west-1:111122223333:function:carts:*",
            "arn:aws:lambda:*:*:function:*",
            "arn:aws:lambda:*:*:function:ca?ts",
            "*",
        ],
    },
    Service {
        actions: &["execute-api:Invoke"],
        action_patterns: &["execute-api:Invoke", "execute-api:*", "*"],
        resources: &["arn:aws:execute-api:eu-west-1:111122223333:a1b2c3/prod/GET/items"],
        resource_patterns: &[
            "arn:aws:execute-api:eu-west-1:111122223333:a1b2c3/prod/GET/*",
            "arn:aws:execute-api:eu-west-1:111122223333:a1b2c3/prod/*",
            "arn:aws:execute-api:*:*:a1b2c3/*",
            "arn:aws:execute-api:eu-*:111122223333:*",
            "arn:aws:execute-api:*:*:*/prod/GET/*",
            "arn:aws:execute-api:eu-west-1:111122223333:a1b2c3/*/POST/*",
            "*",
        ],
    },
    Service {
        actions: &["iam:PassRole", "iam:GetRole"],
        action_patterns: &["iam:PassRole", "iam:*Role", "iam:Get*", "iam:*", "*"],
        resources: &["arn:aws:iam::111122223333:role/app", "arn:aws:iam::111122223333:role/path/App"],
        resource_patterns: &[
            "arn:aws:iam::111122223333:role/app",
            "arn:aws:iam::*:role/*",
            "arn:aws:iam::111122223333:role/path/*",
            "arn:aws:iam::${aws:PrincipalAccount}:role/app",
            "*",
        ],
    },
    Service {
        actions: &["ec2:DescribeInstances", "s3:ListAllMyBuckets"],
        action_patterns: &["ec2:Describe*", "s3:List*", "ec2:*", "*", "s3:ListAllMyBuckets"],
        resources: &[],
        resource_patterns: &["*", "*", "arn:aws:ec2:*:*:instance/*", "arn:aws:s3:::*"],
    },
];

pub(super) fn make(dice: &mut Dice) -> (Request, Policies) {
    let service = dice.pick(SERVICES);
    let mut context = BTreeMap::new();
    carry(dice, PERMISSIONS, 45, &mut context);
    carry(dice, COMMON, 30, &mut context);

    let principal = match dice.below(10) {
        0..=3 => Principal::None,
        4..=6 => Principal::Aws(format!("arn:aws:sts::{ACCOUNT}:assumed-role/app/session-1")),
        7..=8 => Principal::Aws(format!("arn:aws:iam::{ACCOUNT}:user/alice")),
        _ => Principal::Aws(format!("arn:aws:iam::{ACCOUNT}:role/app")),
    };
    let is_user = matches!(&principal, Principal::Aws(arn) if arn.contains(":user/"));
    let has_resource = !service.resources.is_empty();
    let same_account = dice.chance(75);
    let trust = (principal != Principal::None && has_resource && dice.chance(if same_account { 45 } else { 90 }))
        .then(|| document(dice, service, Some(&principal), &context));
    let count = *dice.pick(&[0, 1, 1, 1, 2]);
    let identity = (0..count).map(|_| document(dice, service, None, &context)).collect();
    let boundary = dice.chance(35).then(|| limit(dice, service, &context));
    let session = (!is_user && dice.chance(25)).then(|| {
        let count = dice.between(1, 2);
        (0..count).map(|_| limit(dice, service, &context)).collect()
    });
    let request = Request {
        action: dice.text(service.actions),
        resource: has_resource.then(|| dice.text(service.resources)),
        principal,
        principal_account: ACCOUNT.into(),
        context,
    };
    (request, Policies { trust, identity, boundary, session, service_control: None, same_account })
}

/// A boundary or a session policy; half of them let everything through but for what follows.
fn limit(dice: &mut Dice, service: &Service, context: &Context) -> Value {
    let mut document = document(dice, service, None, context);
    if dice.chance(50)
        && let Some(document) = document.as_object_mut()
    {
        let mut statements = vec![json!({ "Effect": "Allow", "Action": "*", "Resource": "*" })];
        match document.remove("Statement") {
            Some(Value::Array(more)) => statements.extend(more),
            more => statements.extend(more),
        }
        document.insert("Statement".into(), Value::Array(statements));
    }
    document
}

/// A document of the identity, or with a principal one of the resource.
fn document(dice: &mut Dice, service: &Service, principal: Option<&Principal>, context: &Context) -> Value {
    let count = *dice.pick(&[1, 1, 2, 2, 3]);
    let statements = (0..count).map(|_| statement(dice, service, principal, context)).collect();
    dice.document(statements)
}

fn statement(dice: &mut Dice, service: &Service, principal: Option<&Principal>, context: &Context) -> Value {
    let mut statement = Map::new();
    let effect = if dice.chance(80) { "Allow" } else { "Deny" };
    statement.insert("Effect".into(), json!(effect));
    if dice.chance(30) {
        statement.insert("Sid".into(), json!("Some1"));
    }
    if principal.is_some() {
        let who = grantees(dice);
        let element = if dice.chance(if effect == "Deny" { 25 } else { 3 }) { "NotPrincipal" } else { "Principal" };
        statement.insert(element.into(), who);
    }

    let mut actions = vec![json!(dice.text(service.action_patterns))];
    if dice.chance(25) {
        actions.push(json!(dice.text(&["sns:Publish", "s3:GetBucketLocation", "ec2:*", "iam:Create*", "kms:Decrypt"])));
    }
    let element = if dice.chance(10) { "NotAction" } else { "Action" };
    let actions = dice.one_or_list(actions);
    statement.insert(element.into(), actions);

    let identity = principal.is_none();
    let resource = |dice: &mut Dice| loop {
        // A resource policy or a session policy takes no incomplete ARNs.
        let pattern = dice.text(service.resource_patterns);
        if (identity && dice.chance(50)) || pattern == "*" || pattern.split(':').count() >= 6 {
            return json!(pattern);
        }
    };
    let mut resources = vec![resource(dice)];
    if dice.chance(25) {
        resources.push(resource(dice));
    }
    let element = if dice.chance(10) { "NotResource" } else { "Resource" };
    let resources = dice.one_or_list(resources);
    statement.insert(element.into(), resources);

    let mut block = Map::new();
    for _ in 0..*dice.pick(&[0, 0, 0, 1, 1, 2, 3]) {
        let keys = if dice.chance(70) { PERMISSIONS } else { COMMON };
        compare(dice, keys, context, &mut block);
    }
    if !block.is_empty() {
        statement.insert("Condition".into(), Value::Object(block));
    }
    Value::Object(statement)
}

fn grantees(dice: &mut Dice) -> Value {
    let count = dice.between(1, 2);
    let names = (0..count)
        .map(|_| {
            json!(dice.text(&[
                "arn:aws:sts::111122223333:assumed-role/app/session-1",
                "arn:aws:iam::111122223333:role/app",
                "arn:aws:iam::111122223333:role/app",
                "arn:aws:iam::111122223333:role/path/app",
                "arn:aws:iam::111122223333:user/alice",
                "arn:aws:iam::111122223333:user/Alice",
                "arn:aws:iam::111122223333:root",
                "111122223333",
                "444455556666",
                "arn:aws:sts::111122223333:assumed-role/app/session-2",
                "arn:aws:iam::444455556666:role/app",
            ]))
        })
        .collect();
    let names = dice.one_or_list(names);
    match dice.below(10) {
        0 => json!("*"),
        1 => json!({ "AWS": "*" }),
        2 => json!({ "Service": "lambda.amazonaws.com", "AWS": names }),
        3 => {
            json!({ "CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be", "AWS": names })
        }
        _ => json!({ "AWS": names }),
    }
}
