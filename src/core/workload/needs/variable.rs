//! What the name and the value of a variable say.

use super::super::endpoint::is_url_elsewhere;
use super::AwsUse;
use super::own_keys::connects_to_aws;
use super::text::{AwsAddress, is_log_level, is_off};

/// Services whose names are rare outside AWS, as they stand in variable names.
const SERVICE_WORDS: [&str; 8] =
    ["DYNAMODB", "SQS", "S3", "KINESIS", "SECRETSMANAGER", "EVENTBRIDGE", "CLOUDWATCH", "SIGV4"];

/// Services whose names mean other things too (a name service, an edition of a game), with the words that tell.
const AMBIGUOUS_WORDS: [(&str, &[&str]); 2] = [
    ("SNS", &["TOPIC", "TOPICS", "ARN", "REGION", "SUBSCRIPTION", "SQS", "AWS"]),
    ("BEDROCK", &["MODEL", "MODELS", "REGION", "AGENT", "RUNTIME", "KNOWLEDGE", "GUARDRAIL", "AWS", "EMBEDDING"]),
];

/// How names of variables begin that programs read for AWS: Spring Cloud AWS, Apache Airflow.
const PREFIXES: [&str; 3] = ["SPRING_CLOUD_AWS_", "CLOUD_AWS_", "AIRFLOW_CONN_AWS_"];

/// Variables that choose AWS by their value: the seal of Vault (Vault, "AWS KMS seal"), the store of ChartMuseum (ChartMuseum,
/// "Configuration"), the back end of the Argo CD Vault Plugin ("AWS Secrets Manager"), the offloader of Pulsar ("Use AWS S3 offloader"), how
/// Kong signs in to its database (Kong Gateway, "Amazon RDS database authentication with AWS IAM").
const SWITCHES: [(&str, &[&str]); 6] = [
    ("VAULT_SEAL_TYPE", &["awskms"]),
    ("STORAGE", &["amazon"]),
    ("AVP_TYPE", &["awssecretsmanager", "awsparameterstore"]),
    ("KONG_PG_IAM_AUTH", &["on", "true"]),
    ("PULSAR_PREFIX_managedLedgerOffloadDriver", &["aws-s3"]),
    ("managedLedgerOffloadDriver", &["aws-s3"]),
];

/// The value of a variable, as far as it is known.
#[derive(Clone, Copy)]
pub(super) enum Value<'v> {
    Text(&'v str),
    /// It comes from an object that was not seen, or is too long to be kept.
    Unknown,
}

pub(super) fn use_of_variable(name: &str, value: Value<'_>, address: Option<AwsAddress>) -> Option<AwsUse> {
    // Not set, or switched off.
    if matches!(value, Value::Text(text) if is_off(text)) {
        return None;
    }
    if let Value::Text(text) = value
        && (SWITCHES.iter().any(|(variable, known)| *variable == name && known.contains(&text.trim()))
            || is_rclone_provider(name, text))
    {
        return Some(AwsUse::Variable(name.into()));
    }
    if let Value::Text(text) = value
        && connects_to_aws(name, text)
    {
        return Some(AwsUse::InVariable(name.into(), AwsAddress::Scheme("aws")));
    }
    if name.starts_with("AWS_") && !is_harmless(name, value) {
        Some(AwsUse::Variable(name.into()))
    } else if let Some(address) = address {
        Some(AwsUse::InVariable(name.into(), address))
    } else if names_service(name) && !is_of_another_kind(name, value) {
        Some(AwsUse::Variable(name.into()))
    } else {
        None
    }
}

/// Whether a variable is for AWS whatever store there is: the calls are to another service than S3.
pub(super) fn is_beside_stores(name: &str) -> bool {
    matches!(name, "VAULT_SEAL_TYPE" | "AVP_TYPE" | "KONG_PG_IAM_AUTH") || is_of_iam_login(name)
}

/// Words of variables that choose where something is stored.
const STORE_WORDS: [&str; 8] = ["STORAGE", "STORE", "BACKEND", "DRIVER", "DISK", "PROVIDER", "TYPE", "OBJECTSTORE"];

/// Whether a variable chooses S3 as a store by its value, as `druid_storage_type=s3`. Other variables tell which S3 it is.
pub(super) fn chooses_s3(name: &str, value: &str) -> bool {
    let is_s3 =
        ["s3", "aws_s3", "aws-s3", "amazon_s3", "awss3"].iter().any(|known| value.trim().eq_ignore_ascii_case(known));
    is_s3 && name.split(['_', '.', '-']).any(|word| STORE_WORDS.iter().any(|known| word.eq_ignore_ascii_case(known)))
}

/// `DB_IAM_AUTH`, `RDS_IAM_AUTHENTICATION_ENABLED`, `USE_IAM_AUTH`.
fn is_of_iam_login(name: &str) -> bool {
    has_word(name, "IAM") && ["AUTH", "AUTHENTICATION", "RDS", "DB", "DATABASE"].iter().any(|word| has_word(name, word))
}

/// Whether a variable has its program sign in to a database with a token of IAM. Other variables tell whether the database is one of AWS.
/// `awsRegion` is a parameter of JDBC URLs (OpenMetadata, "AWS RDS IAM authentication").
pub(super) fn signs_in_with_iam(name: &str, value: &str) -> bool {
    let is_on = ["true", "on", "1", "yes", "enabled", "iam"].iter().any(|on| value.trim().eq_ignore_ascii_case(on));
    (is_on && is_of_iam_login(name)) || value.split(['?', '&', ';']).any(|part| part.starts_with("awsRegion="))
}

/// Whether a value has the host of a database or a cache of AWS in it.
pub(super) fn is_database(value: &str) -> bool {
    [".rds.amazonaws.com", ".docdb.amazonaws.com", ".cache.amazonaws.com", ".redshift.amazonaws.com"]
        .iter()
        .any(|domain| value.contains(domain))
}

/// The variables of the same remote of rclone that say whether it takes credentials from where it runs, and that bring keys: the first is
/// off unless it is set, and keys come before it (rclone, "Amazon S3 Storage Providers").
pub(super) fn rclone_credentials(provider: &str) -> Option<[String; 2]> {
    let remote = provider.strip_suffix("_PROVIDER").filter(|remote| remote.starts_with("RCLONE_"))?;
    Some([format!("{remote}_ENV_AUTH"), format!("{remote}_ACCESS_KEY_ID")])
}

/// `RCLONE_CONFIG_NAME_PROVIDER=AWS` of a remote of the type `s3` (rclone, "Amazon S3 Storage Providers").
fn is_rclone_provider(name: &str, value: &str) -> bool {
    let remote = name.strip_prefix("RCLONE_CONFIG_").and_then(|rest| rest.strip_suffix("_PROVIDER"));
    (remote.is_some() || name == "RCLONE_S3_PROVIDER") && value.trim().eq_ignore_ascii_case("AWS")
}

/// `AWS_` variables that say nothing of a call to AWS.
fn is_harmless(name: &str, value: Value<'_>) -> bool {
    match name {
        "AWS_EC2_METADATA_DISABLED" | "AWS_PAGER" | "AWS_LAMBDA_RUNTIME_API" => true,
        // The daemon beside the program has the role (AWS X-Ray Developer Guide, "Configuring the SDK").
        "AWS_XRAY_DAEMON_ADDRESS" | "AWS_XRAY_CONTEXT_MISSING" | "AWS_XRAY_TRACING_NAME" => true,
        // Regions of stores that only speak S3's language.
        "AWS_REGION" | "AWS_DEFAULT_REGION" => {
            matches!(value, Value::Text(text) if matches!(text.trim(), "auto" | "garage" | "minio" | "local" | "dummy"))
        }
        // Tokens are checked, logs are written to the program's output, and the node's network is set up.
        _ => ["AWS_COGNITO_", "AWS_EMF_", "AWS_VPC_K8S_CNI_"].iter().any(|prefix| name.starts_with(prefix)),
    }
}

/// A variable that has the name of a service in its own, and says nothing of a call: the level of a logger, the address of a network that
/// delivers files, the URL of a server that is not AWS's.
fn is_of_another_kind(name: &str, value: Value<'_>) -> bool {
    let Value::Text(text) = value else { return false };
    let is_of_cdn = has_word(name, "CDN") && !has_word(name, "BUCKET");
    is_log_level(text) || is_of_cdn || is_url_elsewhere(text)
}

pub(super) fn has_word(name: &str, word: &str) -> bool {
    name.split('_').any(|part| part == word)
}

/// The services whose names variables have.
pub(super) fn known_services() -> impl Iterator<Item = &'static str> {
    SERVICE_WORDS.into_iter().chain(AMBIGUOUS_WORDS.iter().map(|(word, _)| *word))
}

/// The services that a name has in it.
pub(in crate::workload) fn services_in(name: &str) -> impl Iterator<Item = &'static str> + '_ {
    known_services().filter(move |word| has_word(name, word))
}

pub(in crate::workload) fn names_service(name: &str) -> bool {
    name.split('_').any(|word| {
        SERVICE_WORDS.contains(&word)
            || AMBIGUOUS_WORDS
                .iter()
                .any(|(ambiguous, others)| word == *ambiguous && name.split('_').any(|other| others.contains(&other)))
    }) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}
