//! What was meant.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

use std::collections::HashMap;
use std::sync::LazyLock;

use proptest::prelude::*;
use rolecall_actions::{Action, find, is_known, matching, service, suggest};

#[test]
fn slips_are_understood() {
    for (written, meant) in [
        // Edits.
        ("dynamodb:Querry", "dynamodb:Query"),
        ("dynamodb:Qurey", "dynamodb:Query"),
        ("dynamodb:GetItems", "dynamodb:GetItem"),
        ("dynamodb:PutItems", "dynamodb:PutItem"),
        ("dynamodb:BatchGetItems", "dynamodb:BatchGetItem"),
        ("s3:GetObjects", "s3:GetObject"),
        ("sqs:RecieveMessage", "sqs:ReceiveMessage"),
        ("sqs:SendMessages", "sqs:SendMessage"),
        ("ssm:GetParamter", "ssm:GetParameter"),
        ("sts:AssumeRoleWithWebIdenity", "sts:AssumeRoleWithWebIdentity"),
        ("ec2:DescribeInstance", "ec2:DescribeInstances"),
        // The service's prefix.
        ("dynamo:Query", "dynamodb:Query"),
        ("dynamodbb:Query", "dynamodb:Query"),
        ("secretmanager:GetSecretValue", "secretsmanager:GetSecretValue"),
        ("secret-manager:GetSecretValue", "secretsmanager:GetSecretValue"),
        ("cloudwatch:PutLogEvents", "logs:PutLogEvents"),
        ("cloudwatchlogs:CreateLogStream", "logs:CreateLogStream"),
        ("cloudwatch:PutEvents", "events:PutEvents"),
        ("eventbridge:PutEvents", "events:PutEvents"),
        ("stepfunctions:StartExecution", "states:StartExecution"),
        ("elbv2:DescribeLoadBalancers", "elasticloadbalancing:DescribeLoadBalancers"),
        ("efs:DescribeMountTargets", "elasticfilesystem:DescribeMountTargets"),
        ("parameterstore:GetParameter", "ssm:GetParameter"),
        ("msk:DescribeCluster", "kafka:DescribeCluster"),
        ("kafka:ReadData", "kafka-cluster:ReadData"),
        ("bedrock-runtime:InvokeModel", "bedrock:InvokeModel"),
        ("sesv2:SendEmail", "ses:SendEmail"),
        ("iam:AssumeRole", "sts:AssumeRole"),
        ("eks:AssumeRoleForPodIdentity", "eks-auth:AssumeRoleForPodIdentity"),
        ("dynamo:Querry", "dynamodb:Query"),
        // The API's name.
        ("s3:ListObjects", "s3:ListBucket"),
        ("s3:ListObjectsV2", "s3:ListBucket"),
        ("s3:listobjectsv2", "s3:ListBucket"),
        ("s3:HeadObject", "s3:GetObject"),
        ("s3:HeadBucket", "s3:ListBucket"),
        ("s3:ListBuckets", "s3:ListAllMyBuckets"),
        ("s3:UploadPart", "s3:PutObject"),
        ("s3:DeleteObjects", "s3:DeleteObject"),
        ("s3:GetBucketEncryption", "s3:GetEncryptionConfiguration"),
        ("s3api:HeadObject", "s3:GetObject"),
        ("sqs:SendMessageBatch", "sqs:SendMessage"),
        ("lambda:Invoke", "lambda:InvokeFunction"),
        ("dynamodb:TransactWriteItems", "dynamodb:PutItem"),
        ("apigateway:GetRestApis", "apigateway:GET"),
        // The way of writing.
        ("s3.GetObject", "s3:GetObject"),
        ("s3/GetObject", "s3:GetObject"),
        ("s3 GetObject", "s3:GetObject"),
        ("s3::GetObject", "s3:GetObject"),
        ("s3: GetObject", "s3:GetObject"),
        (" s3:GetObject", "s3:GetObject"),
        ("\"s3:GetObject\"", "s3:GetObject"),
        ("s3:GetObject,", "s3:GetObject"),
        ("s3GetObject", "s3:GetObject"),
        ("s3:get-object", "s3:GetObject"),
        ("s3:get_object", "s3:GetObject"),
        ("dynamo.Query", "dynamodb:Query"),
        ("GetSecretValue", "secretsmanager:GetSecretValue"),
        // Patterns.
        ("dynamo:*", "dynamodb:*"),
        ("dynamo:Get*", "dynamodb:Get*"),
        ("dynamodb:Qeury*", "dynamodb:Query*"),
        ("s3:GetObjct*", "s3:GetObject*"),
        ("s3.Get*", "s3:Get*"),
    ] {
        assert_eq!(suggest(written).as_deref(), Some(meant), "{written}");
    }
}

#[test]
fn nothing_near_is_nothing() {
    for text in [
        "",
        ":",
        "*:",
        "s3",
        "s3:",
        "s3:Frobnicate",
        "frobnicate:Everything",
        "frobnicate:*",
        "dynamodb:Zz*",
        "arn:aws:s3:::carts",
        "arn:aws:dynamodb:eu-west-1:111122223333:table/carts",
        "TagResource",
        "carts",
        "dynamodb:Query",
        "dynamodb:*",
        "*",
        "dy*:Querry",
    ] {
        assert_eq!(suggest(text), None, "{text}");
    }
    assert_eq!(suggest(&"a".repeat(1_000_000)), None);
}

/// A verb is not a typo of another.
#[test]
fn verbs_are_meant() {
    for action in matching("sqs:Get*") {
        let put = action.full_name().replace(":Get", ":Put");
        assert!(is_known(&put) || suggest(&put).is_none_or(|found| found != action.full_name()), "{put}");
    }
}

static LONG: LazyLock<Vec<Action>> = LazyLock::new(|| matching("*").filter(|one| one.name().len() >= 14).collect());

/// How many services have an action of a name.
static SERVICES: LazyLock<HashMap<&str, usize>> = LazyLock::new(|| {
    let mut services = HashMap::new();
    matching("*").for_each(|action| *services.entry(action.name()).or_default() += 1);
    services
});

#[derive(Debug, Clone, Copy)]
enum Edit {
    Drop,
    Double,
    Replace(char),
    Insert(char),
    Swap,
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        Just(Edit::Drop),
        Just(Edit::Double),
        "[a-z]".prop_map(|c| Edit::Replace(c.chars().next().unwrap())),
        "[a-z]".prop_map(|c| Edit::Insert(c.chars().next().unwrap())),
        Just(Edit::Swap),
    ]
}

fn edited(name: &str, at: usize, edit: Edit) -> String {
    let mut characters: Vec<char> = name.chars().collect();
    match edit {
        Edit::Drop => drop(characters.remove(at)),
        Edit::Double => characters.insert(at, characters[at]),
        Edit::Replace(c) => characters[at] = c,
        Edit::Insert(c) => characters.insert(at, c),
        Edit::Swap => characters.swap(at - 1, at),
    }
    characters.into_iter().collect()
}

proptest! {
    /// The first words of names are left alone: they are verbs.
    #[test]
    fn one_edit_is_seen_through(action in prop::sample::select(&**LONG), place in 0.5f64..1.0, edit in edit()) {
        let at = ((action.name().len() as f64) * place) as usize;
        let name = edited(action.name(), at.min(action.name().len() - 1), edit);
        let text = format!("{}:{name}", action.service());
        prop_assume!(!is_known(&text));
        let lower = |text: &str| text.to_lowercase();
        let rivals = service(action.service()).unwrap().actions().filter(|other| {
            *other != action && strsim::osa_distance(&lower(other.name()), &lower(&name)) <= 1
        });
        let rivals: Vec<String> = rivals.map(|other| other.full_name()).collect();
        let found = suggest(&text).unwrap_or_else(|| panic!("nothing for {text}"));
        prop_assert!(found == action.full_name() || rivals.contains(&found), "{} for {}", found, text);
    }

    /// An edit in the prefix is seen through where the name is of that service alone.
    #[test]
    fn one_edit_in_the_prefix_is_seen_through(action in prop::sample::select(&**LONG), place in 0.2f64..1.0, edit in edit()) {
        prop_assume!(action.service().len() > 2);
        prop_assume!(SERVICES[action.name()] == 1);
        let prefix = action.service();
        let at = (((prefix.len() as f64) * place) as usize).clamp(1, prefix.len() - 1);
        let text = format!("{}:{}", edited(prefix, at, edit), action.name());
        prop_assume!(!is_known(&text) && service(text.split_once(':').unwrap().0).is_none());
        prop_assert_eq!(suggest(&text), Some(find(&action.full_name()).unwrap().full_name()));
    }
}
