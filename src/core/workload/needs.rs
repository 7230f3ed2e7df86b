//! Does a workload call AWS at all? Most pods never do; the evidence is listed so that a person can judge it.

use super::endpoint::{Endpoint, other_store};
use super::object::{Container, ValueFrom};
use crate::text::Text;

/// What in a container suggests that it calls AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AwsUse {
    /// A variable is set.
    Variable(Text),
    /// A variable holds an address of AWS.
    InVariable(Text, AwsAddress),
    /// An argument holds an address of AWS.
    InArgument(AwsAddress),
    /// Its image does nothing but call AWS.
    Image(Text),
}

/// What a text holds of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AwsAddress {
    /// An ARN.
    Arn,
    /// An `s3://` address.
    S3,
    /// The endpoint of a service.
    Endpoint,
}

/// Services whose names are rare outside AWS, as they stand in variable names.
const SERVICE_WORDS: [&str; 9] =
    ["DYNAMODB", "SQS", "SNS", "S3", "KINESIS", "SECRETSMANAGER", "EVENTBRIDGE", "CLOUDWATCH", "BEDROCK"];

/// Images that do nothing but call AWS.
const IMAGES: [&str; 3] = ["amazon/aws-cli", "aws-cli/aws-cli", "amazon/cloudwatch-agent"];

/// What in the container suggests that it calls AWS. What the injector adds is no evidence; credentials variables are.
pub fn uses_of_aws(container: &Container<'_>) -> Vec<AwsUse> {
    let mut found = Vec::new();
    let mut note = |found_use: AwsUse| {
        if found.len() < 4 && !found.contains(&found_use) {
            found.push(found_use);
        }
    };
    let local = matches!(other_store(container), Some(Endpoint::Other(_)));
    for variable in &container.env {
        let name = variable.name.as_str();
        let value = variable.value.as_ref().map_or("", |value| value.as_str());
        // An object that may not exist says nothing about what the container does.
        if variable.value_from.is_some_and(ValueFrom::is_optional) {
            continue;
        }
        if name.starts_with("AWS_") && !local && !is_harmless(name) {
            note(AwsUse::Variable(name.into()));
        } else if let Some(address) = in_text(value) {
            note(AwsUse::InVariable(name.into(), address));
        } else if !local && (!value.is_empty() || variable.value_from.is_some()) && names_service(name) {
            note(AwsUse::Variable(name.into()));
        }
    }
    for argument in container.command.iter().chain(&container.args) {
        if let Some(address) = in_text(argument.as_str()) {
            note(AwsUse::InArgument(address));
        }
    }
    if let Some(image) = &container.image
        && IMAGES.iter().any(|known| image_is(image.as_str(), known))
    {
        note(AwsUse::Image(image.as_str().into()));
    }
    found
}

/// `AWS_` variables that say nothing of a call to AWS.
fn is_harmless(name: &str) -> bool {
    matches!(name, "AWS_EC2_METADATA_DISABLED" | "AWS_PAGER" | "AWS_LAMBDA_RUNTIME_API")
}

pub(super) fn names_service(name: &str) -> bool {
    name.split('_').any(|word| SERVICE_WORDS.contains(&word))
}

fn in_text(text: &str) -> Option<AwsAddress> {
    let starts_word = |at: usize| !text.get(..at).unwrap_or_default().ends_with(|c: char| c.is_ascii_alphanumeric());
    if text.match_indices("arn:aws").any(|(at, _)| starts_word(at)) {
        Some(AwsAddress::Arn)
    } else if text.match_indices("s3://").any(|(at, _)| starts_word(at)) {
        Some(AwsAddress::S3)
    } else if names_api_endpoint(text) {
        Some(AwsAddress::Endpoint)
    } else {
        None
    }
}

/// Services whose endpoints take signed requests. A database's or a load balancer's host is AWS's too, but needs no role.
const API_HOSTS: [&str; 24] = [
    "athena",
    "bedrock",
    "bedrock-runtime",
    "cloudformation",
    "dynamodb",
    "ec2",
    "email",
    "events",
    "firehose",
    "glue",
    "kinesis",
    "kms",
    "lambda",
    "logs",
    "monitoring",
    "rekognition",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "states",
    "sts",
    "textract",
];

fn names_api_endpoint(text: &str) -> bool {
    let hosts = text.split(|c: char| !(c.is_ascii_alphanumeric() || "-._".contains(c)));
    hosts
        .filter(|host| host.contains(".amazonaws.com") || host.ends_with(".api.aws"))
        .any(|host| host.split('.').any(|label| API_HOSTS.contains(&label) || label.starts_with("s3-")))
}

fn image_is(image: &str, known: &str) -> bool {
    let name = image.split(['@']).next().unwrap_or(image);
    let name = match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    };
    name == known || name.strip_suffix(known).is_some_and(|prefix| prefix.ends_with('/'))
}
