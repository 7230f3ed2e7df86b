//! Context keys by type: what a request carries under them, and what a policy compares them with.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Dice, add_condition};
use crate::request::ContextValue;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Arn,
    Number,
    Date,
    Boolean,
    Address,
    Binary,
}

/// A key, its type, whether it is multivalued, what requests carry, and what policies compare it with.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Type,
    pub(super) multi: bool,
    values: &'static [&'static str],
    policies: &'static [&'static str],
}

const fn key(
    name: &'static str,
    kind: Type,
    values: &'static [&'static str],
    policies: &'static [&'static str],
) -> Key {
    Key { name, kind, multi: false, values, policies }
}

const fn multi(
    name: &'static str,
    kind: Type,
    values: &'static [&'static str],
    policies: &'static [&'static str],
) -> Key {
    Key { name, kind, multi: true, values, policies }
}

/// The session tags of EKS Pod Identity, and what else a service brings.
pub(super) const POD_IDENTITY: &[Key] = &[
    key(
        "aws:RequestTag/eks-cluster-name",
        Type::Text,
        &["prod", "dev"],
        &["prod", "dev", "pro*", "Prod", "${aws:RequestTag/eks-cluster-name}"],
    ),
    key(
        "aws:RequestTag/kubernetes-namespace",
        Type::Text,
        &["carts", "orders", "Carts"],
        &["carts", "orders", "c*", "*", "????s", "${aws:RequestTag/kubernetes-service-account}"],
    ),
    key(
        "aws:RequestTag/kubernetes-service-account",
        Type::Text,
        &["carts", "orders"],
        &["carts", "orders", "cart?", "${aws:RequestTag/kubernetes-namespace}", "${aws:RequestTag/none, 'carts'}"],
    ),
    key(
        "aws:RequestTag/eks-cluster-arn",
        Type::Arn,
        &["arn:aws:eks:eu-west-1:111122223333:cluster/prod"],
        &[
            "arn:aws:eks:eu-west-1:111122223333:cluster/prod",
            "arn:aws:eks:*:111122223333:cluster/*",
            "arn:aws:eks:eu-west-1:${aws:SourceAccount}:cluster/${aws:RequestTag/eks-cluster-name}",
            "arn:aws:eks:us-*:*:cluster/*",
        ],
    ),
    key(
        "aws:SourceArn",
        Type::Arn,
        &[
            "arn:aws:eks:eu-west-1:111122223333:cluster/prod",
            "arn:aws:eks:eu-west-1:111122223333:podidentityassociation/prod/a-1",
        ],
        &[
            "arn:aws:eks:eu-west-1:111122223333:cluster/prod",
            "arn:aws:eks:*:*:*",
            "arn:aws:eks:eu-west-1:444455556666:cluster/*",
        ],
    ),
    key("aws:SourceAccount", Type::Text, &["111122223333"], &["111122223333", "444455556666", "1111*"]),
    key("aws:SourceOrgId", Type::Text, &["o-example"], &["o-example", "o-other"]),
    multi(
        "aws:TagKeys",
        Type::Text,
        &["eks-cluster-name", "kubernetes-namespace", "kubernetes-service-account", "kubernetes-pod-name"],
        &["eks-cluster-name", "kubernetes-*", "kubernetes-namespace", "eks-*", "team"],
    ),
    multi(
        "sts:TransitiveTagKeys",
        Type::Text,
        &["eks-cluster-name", "kubernetes-namespace"],
        &["*", "eks-cluster-name", "kubernetes-*"],
    ),
];

/// Keys that any request may carry or lack.
pub(super) const COMMON: &[Key] = &[
    key(
        "aws:SourceIp",
        Type::Address,
        &["203.0.113.7", "10.1.2.3", "2001:db8:1234:5678::9", "2001:0db8::1"],
        &[
            "203.0.113.0/24",
            "10.0.0.0/8",
            "10.9.9.9/8",
            "203.0.113.7",
            "203.0.113.7/32",
            "0.0.0.0/0",
            "2001:DB8:1234:5678::/64",
            "2001:db8::/32",
            "2001:db8::1",
            "::/0",
        ],
    ),
    key(
        "aws:CurrentTime",
        Type::Date,
        &["2026-11-24T17:26:52Z", "2026-11-24T18:26:52+01:00", "2026-11-24T17:26:52.500Z"],
        &[
            "2026-11-24T17:26:52Z",
            "2026-11-24T17:26:52.5Z",
            "2026-11-24T17:26Z",
            "2026-11-24",
            "2026-11",
            "2027-01-01T00:00:00Z",
            "2020-01-01T00:00:01Z",
            "2026-11-24T12:26:52-05:00",
            "1795541212",
            "1600000000",
            "2026",
            "2027",
        ],
    ),
    key(
        "aws:EpochTime",
        Type::Date,
        &["1795541212"],
        &["1795541212", "1795541213", "1600000000", "1900000000", "2026-11-24T17:26:52Z", "2020-01-01T00:00:00Z"],
    ),
    key("aws:SecureTransport", Type::Boolean, &["true", "false"], &["true", "false"]),
    key(
        "aws:MultiFactorAuthAge",
        Type::Number,
        &["0", "300", "3600", "300.5"],
        &["0", "300", "300.0", "300.5", "3600", "86400", "-1"],
    ),
    key(
        "aws:UserAgent",
        Type::Text,
        &["aws-sdk-go-v2/1.30", "aws-sdk-rust/1.3"],
        &["aws-sdk-go*", "aws-sdk-*", "*", "AWS-SDK-GO-V2/1.30", "aws-sdk-go-v2/1.30"],
    ),
    key(
        "aws:RequestedRegion",
        Type::Text,
        &["eu-west-1", "us-east-1"],
        &["eu-west-1", "eu-*", "us-east-1", "eu-west-?"],
    ),
    key(
        "sts:RoleSessionName",
        Type::Text,
        &["botocore-session-1", "carts"],
        &["carts", "botocore-session-*", "${aws:username}"],
    ),
];

/// Keys of permissions.
pub(super) const PERMISSIONS: &[Key] = &[
    key(
        "aws:PrincipalTag/team",
        Type::Text,
        &["blue", "Blue", "red"],
        &["blue", "red", "BLUE", "b*", "bl?e", "${aws:ResourceTag/team}", "${aws:PrincipalTag/team}"],
    ),
    key(
        "aws:ResourceTag/team",
        Type::Text,
        &["blue", "red", "b*"],
        &[
            "blue",
            "red",
            "${aws:PrincipalTag/team}",
            "${AWS:principaltag/TEAM}",
            "${aws:PrincipalTag/none, 'blue'}",
            "${aws:PrincipalTag/none}",
            "${aws:TagKeys}",
            "${aws:TagKeys, 'blue'}",
            "b${*}",
            "*",
        ],
    ),
    key(
        "s3:prefix",
        Type::Text,
        &["home/", "home/alice/", "home/bob/", "a*b", "a?b", "$x"],
        &[
            "home/",
            "home/*",
            "home/${aws:username}/",
            "home/${aws:username}/*",
            "a${*}b",
            "a${?}b",
            "a?b",
            "${$}x",
            "*",
        ],
    ),
    key("aws:username", Type::Text, &["alice", "bob"], &["alice", "Alice", "a*", "${aws:username}"]),
    key("aws:PrincipalOrgID", Type::Text, &["o-example"], &["o-example", "o-other", "o-*"]),
    key(
        "aws:PrincipalArn",
        Type::Arn,
        &[
            "arn:aws:iam::111122223333:role/app",
            "arn:aws:iam::111122223333:role/path/app",
            "arn:aws:iam::111122223333:user/alice",
        ],
        &[
            "arn:aws:iam::111122223333:role/app",
            "arn:aws:iam::111122223333:role/*",
            "arn:aws:iam::*:role/app",
            "arn:aws:iam::111122223333:user/${aws:username}",
            "arn:aws:iam::${aws:PrincipalAccount}:role/app",
            "arn:*:iam::*:*",
            "arn:aws:iam::111122223333:role/ap?",
            "arn:aws:iam::111122223333:ROLE/app",
            "arn:aws:iam::111122223333:user/${aws:PrincipalTag/none}",
        ],
    ),
    key("aws:PrincipalAccount", Type::Text, &["111122223333"], &["111122223333", "444455556666"]),
    key(
        "aws:SourceArn",
        Type::Arn,
        &["arn:aws:sns:eu-west-1:111122223333:topic", "arn:aws:logs:eu-west-1:111122223333:log-group:a:log-stream:b"],
        &[
            "arn:aws:sns:eu-west-1:111122223333:topic",
            "arn:aws:sns:*:*:*",
            "arn:aws:logs:*:111122223333:log-group:*",
            "arn:aws:logs:*:log-stream:b",
            "arn:aws:sns:eu-west-1:111122223333:t????",
        ],
    ),
    key("s3:max-keys", Type::Number, &["10", "100", "9.5"], &["10", "10.0", "100", "9.5", "50", "-3"]),
    key("aws:MultiFactorAuthPresent", Type::Boolean, &["true", "false"], &["true", "false"]),
    key(
        "aws:VpcSourceIp",
        Type::Address,
        &["10.0.0.5", "fd00::5"],
        &["10.0.0.0/16", "10.0.0.5", "fd00::/8", "fd00:0::5"],
    ),
    key(
        "aws:TokenIssueTime",
        Type::Date,
        &["2026-11-24T10:00:00Z", "2020-06-01T00:00:00Z"],
        &["2026-01-01T00:00:00Z", "2026-11-24T10:00:00Z", "2020-06-01", "1767225600"],
    ),
    key(
        "example:Digest",
        Type::Binary,
        &["QmluYXJ5VmFsdWVJbkJhc2U2NA==", "AAEC"],
        &["QmluYXJ5VmFsdWVJbkJhc2U2NA==", "AAEC", "AAED"],
    ),
    multi(
        "aws:TagKeys",
        Type::Text,
        &["team", "environment", "Environment", "cost-center"],
        &["team", "environment", "cost-*", "ENVIRONMENT", "*", "${aws:PrincipalTag/team}"],
    ),
    multi(
        "aws:PrincipalOrgPaths",
        Type::Text,
        &["o-example/r-ab12/ou-ab12-11111111/", "o-example/r-ab12/ou-ab12-22222222/"],
        &["o-example/r-ab12/ou-ab12-11111111/", "o-example/r-ab12/*", "o-other/*"],
    ),
    multi(
        "logs:LogGeneratingResourceArns",
        Type::Arn,
        &["arn:aws:cloudfront::111122223333:distribution/one", "arn:aws:cloudfront::111122223333:distribution/two"],
        &[
            "arn:aws:cloudfront::111122223333:distribution/one",
            "arn:aws:cloudfront::111122223333:distribution/*",
            "arn:aws:cloudfront::444455556666:*",
        ],
    ),
    multi("example:Flags", Type::Boolean, &["true", "false"], &["true", "false"]),
    multi("example:Sizes", Type::Number, &["1", "2", "3"], &["1", "2", "2.5", "10"]),
];

fn operators(kind: Type) -> &'static [&'static str] {
    match kind {
        Type::Text => &[
            "StringEquals",
            "StringNotEquals",
            "StringEqualsIgnoreCase",
            "StringNotEqualsIgnoreCase",
            "StringLike",
            "StringNotLike",
        ],
        Type::Arn => {
            &["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", "StringEquals", "StringLike", "StringNotLike"]
        }
        Type::Number => &[
            "NumericEquals",
            "NumericNotEquals",
            "NumericLessThan",
            "NumericLessThanEquals",
            "NumericGreaterThan",
            "NumericGreaterThanEquals",
        ],
        Type::Date => &[
            "DateEquals",
            "DateNotEquals",
            "DateLessThan",
            "DateLessThanEquals",
            "DateGreaterThan",
            "DateGreaterThanEquals",
        ],
        Type::Boolean => &["Bool"],
        Type::Address => &["IpAddress", "NotIpAddress"],
        Type::Binary => &["BinaryEquals"],
    }
}

/// Puts some of the keys into a request.
pub(super) fn carry(dice: &mut Dice, keys: &[Key], percent: u32, context: &mut BTreeMap<String, ContextValue>) {
    for key in keys {
        if !dice.chance(percent) {
            continue;
        }
        let value = if key.multi {
            // A list of none is rare, but keys with no values exist.
            let count = if dice.chance(3) { 0 } else { dice.between(1, 3) };
            ContextValue::Multi((0..count).map(|_| dice.text(key.values)).collect())
        } else if dice.chance(1) {
            // A single-valued key that comes as a list: a wrong request, but one that judges must answer alike.
            ContextValue::Multi(vec![dice.text(key.values)])
        } else if key.kind == Type::Text && dice.chance(1) {
            ContextValue::Single(String::new())
        } else {
            ContextValue::Single(dice.text(key.values))
        };
        let name = if dice.chance(5) { dice.other_case(key.name) } else { key.name.to_owned() };
        context.insert(name, value);
    }
}

/// Adds a condition on one of the keys; more often than not on one that the request carries, with a value of its.
pub(super) fn compare(
    dice: &mut Dice,
    keys: &[Key],
    context: &BTreeMap<String, ContextValue>,
    block: &mut Map<String, Value>,
) {
    let carried: Vec<&Key> = keys.iter().filter(|key| context.contains_key(key.name)).collect();
    let key = if carried.is_empty() || dice.chance(35) { dice.pick(keys) } else { *dice.pick(&carried) };
    let name = if dice.chance(8) { dice.other_case(key.name) } else { key.name.to_owned() };
    if dice.chance(8) {
        let wanted = if dice.chance(50) { "true" } else { "false" };
        let value = if dice.chance(20) { json!(wanted == "true") } else { json!(wanted) };
        let value = if dice.chance(5) { json!([wanted, "false"]) } else { value };
        let operator = if dice.chance(3) { "null" } else { "Null" };
        return add_condition(block, operator, &name, value);
    }
    let operator = if dice.chance(2) {
        // A wrong operator for the type, or no operator at all.
        let strange = [
            "StringEqual",
            "StringMatches",
            "NumericEquals",
            "NumericNotEquals",
            "DateLessThan",
            "DateNotEquals",
            "IpAddress",
            "NotIpAddress",
            "ArnLike",
            "ArnNotLike",
            "Bool",
            "StringLike",
        ];
        dice.text(&strange)
    } else {
        dice.text(operators(key.kind))
    };
    let operator = decorate(dice, &operator, key.multi);
    let count = if dice.chance(70) { 1 } else { dice.between(2, 3) };
    let values = (0..count)
        .map(|_| {
            let text = match context.get(key.name) {
                Some(ContextValue::Single(value)) if !value.is_empty() && dice.chance(40) => value.clone(),
                _ => dice.text(key.policies),
            };
            match key.kind {
                Type::Number if dice.chance(20) => {
                    text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number))
                }
                Type::Boolean if dice.chance(20) => json!(text == "true"),
                _ => json!(text),
            }
        })
        .collect();
    let values = dice.one_or_list(values);
    add_condition(block, &operator, &name, values);
}

/// Adds set prefixes and `IfExists`, and sometimes spells the name in another case.
pub(super) fn decorate(dice: &mut Dice, operator: &str, multi: bool) -> String {
    let set =
        if dice.chance(if multi { 85 } else { 10 }) { *dice.pick(&["ForAllValues:", "ForAnyValue:"]) } else { "" };
    let if_exists = if dice.chance(15) { "IfExists" } else { "" };
    let name = format!("{set}{operator}{if_exists}");
    if dice.chance(3) { dice.other_case(&name) } else { name }
}
