//! Does a workload call AWS at all? Most pods never do; the evidence is listed so that a person can judge it.

use super::object::{Container, EnvVar};

/// Why a container seems to call AWS: a short phrase such as `AWS_REGION is set`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence(pub String);

/// Services whose names are rare outside AWS, as they stand in variable names.
const SERVICE_WORDS: [&str; 9] =
    ["DYNAMODB", "SQS", "SNS", "S3", "KINESIS", "SECRETSMANAGER", "EVENTBRIDGE", "CLOUDWATCH", "BEDROCK"];

/// Images that do nothing but call AWS.
const IMAGES: [&str; 3] = ["amazon/aws-cli", "aws-cli/aws-cli", "amazon/cloudwatch-agent"];

/// What in the container suggests that it calls AWS. What the injector adds is no evidence; credentials variables are.
pub fn evidence(container: &Container<'_>) -> Vec<Evidence> {
    let mut found = Vec::new();
    let mut note = |text: String| {
        if found.len() < 4 && !found.contains(&Evidence(text.clone())) {
            found.push(Evidence(text));
        }
    };
    let local = container.env.iter().any(is_local_endpoint);
    for variable in &container.env {
        let name = variable.name.as_str();
        let value = variable.value.as_ref().map_or("", |value| value.as_str());
        if name.starts_with("AWS_") && !local && !is_harmless(name) {
            note(format!("{name} is set"));
        } else if let Some(hint) = in_text(value) {
            note(format!("{name} holds {hint}"));
        } else if !local && (!value.is_empty() || variable.value_from) && names_service(name) {
            note(format!("{name} is set"));
        }
    }
    for argument in container.command.iter().chain(&container.args) {
        if let Some(hint) = in_text(argument.as_str()) {
            note(format!("an argument holds {hint}"));
        }
    }
    if let Some(image) = &container.image
        && IMAGES.iter().any(|known| image_is(image.as_str(), known))
    {
        note(format!("its image is {}", image.as_str()));
    }
    found
}

/// `AWS_` variables that say nothing of a call to AWS.
fn is_harmless(name: &str) -> bool {
    matches!(name, "AWS_EC2_METADATA_DISABLED" | "AWS_PAGER" | "AWS_LAMBDA_RUNTIME_API")
}

/// An endpoint that is not AWS's: an emulator or a look-alike.
fn is_local_endpoint(variable: &EnvVar<'_>) -> bool {
    let name = variable.name.as_str();
    let endpoint = name.starts_with("AWS_ENDPOINT_URL") || (name.ends_with("_ENDPOINT") && names_service(name));
    let value = variable.value.as_ref().map_or("", |value| value.as_str());
    endpoint && !value.is_empty() && !value.contains(".amazonaws.com") && !value.contains(".api.aws")
}

fn names_service(name: &str) -> bool {
    name.split('_').any(|word| SERVICE_WORDS.contains(&word))
}

fn in_text(text: &str) -> Option<&'static str> {
    if text.contains("arn:aws") {
        Some("an ARN")
    } else if text.contains("s3://") {
        Some("an s3:// address")
    } else if (text.contains(".amazonaws.com") || text.contains(".api.aws")) && !text.contains(".dkr.ecr.") {
        Some("an AWS endpoint")
    } else {
        None
    }
}

fn image_is(image: &str, known: &str) -> bool {
    let name = image.split(['@']).next().unwrap_or(image);
    let name = match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    };
    name == known || name.strip_suffix(known).is_some_and(|prefix| prefix.ends_with('/'))
}
