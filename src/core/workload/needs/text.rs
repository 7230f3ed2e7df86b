//! What a text holds of AWS: an ARN, an address, the endpoint of a service, a setting of an SDK. One pass over the text tells which
//! searches can find anything; each search takes time in proportion to the text.

use super::super::endpoint::{AWS_DOMAINS, is_url_elsewhere};

/// What a text holds of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AwsAddress {
    /// An ARN.
    Arn,
    /// An `s3://` address.
    S3,
    /// The endpoint of a service.
    Endpoint,
    /// The endpoint of S3.
    S3Endpoint,
    /// An address of another scheme, such as `s3a` or `sqs`.
    Scheme(&'static str),
    /// A setting, class or login method that only an AWS SDK knows.
    Setting(&'static str),
    /// A plugin of a program that calls AWS, such as the output `cloudwatch_logs` of Fluent Bit.
    Plugin(&'static str),
    /// Code that calls AWS through this SDK, or a command that does.
    Call(&'static str),
    /// The settings of an S3 store in a region of AWS, without another endpoint.
    S3Settings,
}

impl AwsAddress {
    /// Whether it means another store where the container is given the endpoint of one.
    pub(super) fn is_of_s3(self) -> bool {
        match self {
            Self::S3 | Self::S3Settings => true,
            Self::Setting("cloud_storage_credentials_source" | "use_environment_credentials") => true,
            Self::Scheme(name) | Self::Setting(name) | Self::Plugin(name) | Self::Call(name) => {
                name.to_ascii_lowercase().contains("s3")
            }
            Self::Arn | Self::Endpoint | Self::S3Endpoint => false,
        }
    }

    /// Whether keys for S3 are used for it.
    pub(super) fn takes_s3_keys(self) -> bool {
        self.is_of_s3() || self == Self::S3Endpoint
    }
}

/// Schemes of addresses that an AWS SDK serves:
/// - `s3a`, `s3n`: Apache Hadoop, "Hadoop-AWS module"
/// - `sqs`: Celery, "Using Amazon SQS"
/// - `dynamodb`, `awskms`, `awssecretsmanager`, `awsparamstore`, `awssqs`, `awssns`, `s3blob`: Go CDK, "URLs"
/// - `awssecrets`, `awsssm`: vals, "Supported Backends"
/// - `awssm`, `awsps`, `aws-sm`, `aws-ssm`, `ssm`, `smp`, `secretsmanager`, `kinesis`: SecretSpec, Hoplite, gomplate and others
const SCHEMES: [&str; 19] = [
    "aws-sm",
    "aws-ssm",
    "awskms",
    "awsparamstore",
    "awsps",
    "awssecrets",
    "awssecretsmanager",
    "awssm",
    "awssns",
    "awssqs",
    "awsssm",
    "dynamodb",
    "kinesis",
    "s3a",
    "s3blob",
    "s3n",
    "secretsmanager",
    "sqs",
    "ssm",
];

/// Longest scheme that is looked at, with what may stand before it (`ref+`).
const MAX_SCHEME: usize = 40;
/// Longest name of a host (RFC 1035).
const MAX_HOST: usize = 253;

/// Settings, classes and login methods that only AWS SDKs and plugins know, and what they are called in a message:
/// Apache Hadoop ("Hadoop-AWS module"), Spring Cloud AWS, AWS SDK for Java 1.x and 2.x, Amazon MSK ("IAM access control"), MongoDB
/// ("AWS IAM Authentication"), Apache Iceberg ("AWS"), Confluent ("Amazon S3 Sink Connector"), Apache Airflow (provider "amazon").
const SETTINGS: [(&str, &str); 23] = [
    // Consul and Nomad, "Cloud Auto-join"; written with blanks behind it.
    ("provider=aws ", "provider=aws"),
    ("fs.s3a.", "fs.s3a"),
    ("apache.hadoop.fs.s3a", "fs.s3a"),
    ("spring.cloud.aws", "spring.cloud.aws"),
    ("cloud.aws.", "cloud.aws"),
    ("io.awspring", "io.awspring"),
    ("aws-secretsmanager:", "aws-secretsmanager"),
    ("aws-parameterstore:", "aws-parameterstore"),
    ("software.amazon.awssdk", "software.amazon.awssdk"),
    ("software.amazon.msk", "software.amazon.msk"),
    ("com.amazonaws.", "com.amazonaws"),
    ("AWS_MSK_IAM", "AWS_MSK_IAM"),
    ("MONGODB-AWS", "MONGODB-AWS"),
    ("iceberg.aws.", "org.apache.iceberg.aws"),
    ("connect.s3.S3Sink", "S3SinkConnector"),
    ("connect.s3.source", "S3SourceConnector"),
    ("kafka.connect.s3", "S3SinkConnector"),
    ("providers.amazon.aws", "airflow.providers.amazon"),
    ("dagster_aws.s3", "dagster_aws.s3"),
    ("dagster_aws.", "dagster_aws"),
    ("storages.backends.s3", "storages.backends.s3"),
    ("wrapperPlugins=iam", "wrapperPlugins=iam"),
    ("backend-config=dynamodb_table", "terraform:dynamodb_table"),
];

/// How code calls AWS, and with which SDK: for Python, JavaScript, Ruby and PHP. S3 comes first, since its calls may go to another store.
const CALLS: [(&str, &str); 25] = [
    ("boto3.client(\"s3\"", "boto3 for S3"),
    ("boto3.client('s3'", "boto3 for S3"),
    ("boto3.resource(\"s3\"", "boto3 for S3"),
    ("boto3.resource('s3'", "boto3 for S3"),
    ("@aws-sdk/client-s3", "@aws-sdk/client-s3"),
    ("s3fs.S3FileSystem(", "s3fs"),
    ("Aws::S3::", "Aws::S3"),
    ("Aws\\S3\\", "Aws\\S3"),
    ("boto3.client(", "boto3"),
    ("boto3.resource(", "boto3"),
    ("boto3.session.Session(", "boto3"),
    ("boto3.Session(", "boto3"),
    ("@aws-sdk/client-", "@aws-sdk"),
    ("@aws-sdk/lib-dynamodb", "@aws-sdk"),
    ("require('aws-sdk", "aws-sdk"),
    ("require(\"aws-sdk", "aws-sdk"),
    ("Aws::SQS::", "Aws::SQS"),
    ("Aws::SNS::", "Aws::SNS"),
    ("Aws::SES", "Aws::SES"),
    ("Aws::SSM::", "Aws::SSM"),
    ("Aws::SecretsManager::", "Aws::SecretsManager"),
    ("Aws::DynamoDB::", "Aws::DynamoDB"),
    ("Aws\\Sqs\\", "Aws\\Sqs"),
    ("Aws\\DynamoDb\\", "Aws\\DynamoDb"),
    ("pyathena", "pyathena"),
];

/// What a text can hold at all.
#[derive(Default)]
struct Hints {
    amazon: bool,
    s3: bool,
    scheme: bool,
    /// boto3, or the lock table of a Terraform back end.
    code: bool,
}

impl Hints {
    fn of(text: &str) -> Self {
        let mut hints = Self::default();
        for window in text.as_bytes().windows(3) {
            match window {
                [b'a' | b'A', b'w' | b'W', b's' | b'S'] | b"zon" => hints.amazon = true,
                [b'.', b's', b'3'] => hints.s3 = true,
                b"://" => hints.scheme = true,
                b"to3" | b"amo" => hints.code = true,
                _ => {}
            }
        }
        hints
    }
}

/// What a text holds of AWS.
pub(in crate::workload) fn address_in(text: &str) -> Option<AwsAddress> {
    let hints = Hints::of(text);
    let arn = || hints.amazon && holds_arn(text);
    if arn() {
        return Some(AwsAddress::Arn);
    }
    let by_scheme = if hints.scheme { scheme_in(text) } else { None };
    by_scheme
        .or_else(|| if hints.amazon { api_endpoint_in(text) } else { None })
        .or_else(|| if hints.amazon || hints.s3 || hints.code { setting_in(text) } else { None })
        .or_else(|| if hints.amazon || hints.code { call_in(text) } else { None })
        .or_else(|| model_in(text))
        .or_else(|| backend_region_in(text))
}

/// The region of a back end of Terraform: those that are not of AWS have none of this shape.
fn backend_region_in(text: &str) -> Option<AwsAddress> {
    let region = "backend-config=region=";
    let names_region = |(at, _): (usize, &str)| {
        let behind = text.get(at + region.len()..).unwrap_or_default();
        is_region(behind.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap_or_default())
    };
    text.match_indices(region).any(names_region).then_some(AwsAddress::Setting("terraform:region"))
}

/// The name of a model as LiteLLM has it (LiteLLM, "Providers"): `bedrock/anthropic.claude-…`.
fn model_in(text: &str) -> Option<AwsAddress> {
    let is_model = |name: &str| name.strip_prefix("bedrock/").is_some_and(|model| model.contains(['.', '/']));
    let text = text.trim_start_matches(['-', '"', '\'']);
    let name = text.split_once('=').map_or(text, |(_, value)| value).trim_start_matches(['"', '\'']);
    is_model(name).then_some(AwsAddress::Setting("bedrock/"))
}

/// Code that calls AWS. What signs no request, or names another endpoint, does not.
fn call_in(text: &str) -> Option<AwsAddress> {
    let (_, sdk) = CALLS.iter().find(|(needle, _)| text.contains(needle))?;
    let is_elsewhere = text.contains("signature_version=UNSIGNED") || names_code_endpoint(text);
    (!is_elsewhere).then_some(AwsAddress::Call(sdk))
}

/// Whether code gives a client an endpoint that is not AWS's: `endpoint_url="http://minio:9000"`, `endpoint: "http://minio:9000"`.
pub(super) fn names_code_endpoint(text: &str) -> bool {
    ["endpoint_url=", "endpoint_url =", "endpoint: "].iter().any(|name| {
        text.match_indices(name).any(|(at, _)| {
            let behind = text.get(at + name.len()..).unwrap_or_default().trim_start();
            let value = behind.trim_start_matches(['"', '\'', '`']);
            value.len() < behind.len()
                && value.starts_with("http")
                && is_url_elsewhere(value.split(['"', '\'', '`']).next().unwrap_or_default())
        })
    })
}

/// Whether a text holds an ARN of an account that exists: 000000000000 is the one of local stand-ins for AWS.
fn holds_arn(text: &str) -> bool {
    text.match_indices("arn:aws").any(|(at, _)| {
        let before = text.get(..at).unwrap_or_default();
        let behind = text.get(at..).unwrap_or_default();
        !before.ends_with(|c: char| c.is_ascii_alphanumeric()) && behind.split(':').nth(4) != Some("000000000000")
    })
}

fn is_of_scheme(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')
}

/// The first address whose scheme an AWS SDK serves. One that brings its own keys (`sqs://KEY:SECRET@`) needs no identity.
fn scheme_in(text: &str) -> Option<AwsAddress> {
    text.match_indices("://").find_map(|(at, _)| {
        let before = text.get(text.floor_char_boundary(at.saturating_sub(MAX_SCHEME))..at)?;
        let scheme = before.rsplit(|c| !is_of_scheme(c)).next()?;
        let behind = text.get(at + 3..)?;
        let authority = behind.get(..behind.floor_char_boundary(MAX_HOST)).unwrap_or(behind);
        let authority = authority.split(['/', '?', ' ', '"', '\'', '\n']).next()?;
        let parts = || scheme.split('+');
        if parts().any(|part| matches!(part, "http" | "https"))
            || authority.split_once('@').is_some_and(|(user, _)| user.contains(':') && user != ":")
        {
            return None;
        }
        if parts().any(|part| part == "s3") {
            return (!authority.is_empty()).then_some(AwsAddress::S3);
        }
        let known = |part: &str| SCHEMES.into_iter().find(|known| *known == part);
        parts().find_map(known).map(AwsAddress::Scheme)
    })
}

fn setting_in(text: &str) -> Option<AwsAddress> {
    let found = SETTINGS.iter().find(|(needle, _)| {
        text.match_indices(needle).any(|(at, _)| {
            let behind = text.get(at..).unwrap_or_default();
            let behind = behind.get(..behind.floor_char_boundary(MAX_HOST)).unwrap_or(behind);
            let word = behind.split([' ', '\t', '\n', ',', '"', '\'']).next().unwrap_or_default();
            let before = text.get(text.floor_char_boundary(at.saturating_sub(MAX_HOST))..at).unwrap_or_default();
            let before = before.rsplit([' ', '\t', '\n', ',', '"', '\'', ';']).next().unwrap_or_default();
            !is_switched_off(word) && !names_logger(before)
        })
    })?;
    Some(AwsAddress::Setting(found.1))
}

/// `spring.cloud.aws.s3.enabled=false`; a level of a logger, as in `com.amazonaws.request=DEBUG`, calls nothing either.
fn is_switched_off(setting: &str) -> bool {
    setting.split_once('=').is_some_and(|(_, value)| is_off(value) || is_log_level(value))
}

/// Whether what stands before a name makes it that of a logger: `-Dlogging.level.`, `log4j.logger.`.
fn names_logger(before: &str) -> bool {
    let before = before.as_bytes();
    [&b"logging"[..], b"logger", b"log4j", b"loglevel"]
        .iter()
        .any(|known| before.windows(known.len()).any(|window| window.eq_ignore_ascii_case(known)))
}

/// Levels of logging libraries.
pub(super) fn is_log_level(value: &str) -> bool {
    let levels = ["trace", "debug", "info", "notice", "warn", "warning", "error", "critical", "fatal", "severe"];
    let value = value.trim().trim_end_matches(';');
    levels.iter().any(|known| value.eq_ignore_ascii_case(known))
}

/// A value that switches something off, or none at all.
pub(super) fn is_off(value: &str) -> bool {
    let value = value.trim();
    let off = ["false", "0", "no", "off", "none", "null", "disabled", "disable", "n", "f"];
    value.is_empty() || off.iter().any(|known| value.eq_ignore_ascii_case(known))
}

/// Services whose endpoints take signed requests. A database's or a load balancer's host is AWS's too, but needs no role.
const API_HOSTS: [&str; 47] = [
    "acm",
    "acm-pca",
    "appconfig",
    "appconfigdata",
    "aps",
    "aps-workspaces",
    "athena",
    "autoscaling",
    "bedrock",
    "bedrock-agent-runtime",
    "bedrock-runtime",
    "cloudformation",
    "comprehend",
    "dynamodb",
    "ec2",
    "ecr",
    "elasticfilesystem",
    "elasticloadbalancing",
    "email",
    "events",
    "firehose",
    "fsx",
    "glue",
    "iam",
    "kinesis",
    "kms",
    "lambda",
    "logs",
    "monitoring",
    "polly",
    "rekognition",
    "route53",
    "s3",
    "s3express",
    "sagemaker",
    "scheduler",
    "secretsmanager",
    "servicediscovery",
    "sns",
    "sqs",
    "ssm",
    "states",
    "sts",
    "textract",
    "timestream",
    "translate",
    "xray",
];

fn is_of_host(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')
}

/// The endpoint of a service; that of another service than S3 first.
fn api_endpoint_in(text: &str) -> Option<AwsAddress> {
    let ends = text.match_indices(".amazonaws.").chain(text.match_indices(".api.aws"));
    let mut of_s3 = None;
    for (at, _) in ends {
        let before = text.get(text.floor_char_boundary(at.saturating_sub(MAX_HOST))..at).unwrap_or_default();
        let name = before.rsplit(|c| !is_of_host(c)).next().unwrap_or_default();
        let scheme = before.strip_suffix(name).unwrap_or_default();
        let behind = text.get(at..).unwrap_or_default();
        let behind = behind.get(..behind.floor_char_boundary(2 * MAX_HOST)).unwrap_or(behind);
        let host_end = behind.find(|c| !is_of_host(c)).unwrap_or(behind.len());
        let (domain, path) = behind.split_at_checked(host_end).unwrap_or((behind, ""));
        let is_aws = AWS_DOMAINS.iter().any(|known| domain.trim_end_matches('.').strip_prefix('.') == Some(*known));
        match is_aws.then(|| api_endpoint(name, scheme, path)).flatten() {
            Some(AwsAddress::S3Endpoint) => of_s3 = Some(AwsAddress::S3Endpoint),
            Some(other) => return Some(other),
            None => {}
        }
    }
    of_s3
}

/// What the name of a host before AWS's domain says, where it is that of a service: `SERVICE`, `SERVICE.REGION`, `BUCKET.s3.REGION`.
fn api_endpoint(name: &str, scheme: &str, path: &str) -> Option<AwsAddress> {
    let mut labels = name.rsplit('.').peekable();
    let mut region = false;
    while labels.next_if(|label| is_region(label) || matches!(*label, "vpce" | "dualstack")).is_some() {
        region = true;
    }
    let label = labels.next()?;
    let label = label.strip_suffix("-fips").unwrap_or(label);
    let is_s3 = label == "s3" || (label.starts_with("s3-") && !label.starts_with("s3-website"));
    let before = labels.next();
    if is_s3 {
        let is_bucket = before.is_some_and(|bucket| !bucket.starts_with("vpce-"));
        // The host of a bucket is where a browser reads from; an API is called at the host of the region, or of a VPC endpoint.
        let is_called = if is_bucket { is_repository(scheme) } else { !is_download(scheme, path) };
        return is_called.then_some(AwsAddress::S3Endpoint);
    }
    let is_called = match label {
        // The name alone is the audience of a token.
        "sts" => region || scheme.ends_with("://"),
        // A registry of images, which the kubelet reads with the node's role.
        "ecr" => before != Some("dkr"),
        _ => API_HOSTS.contains(&label),
    };
    is_called.then_some(AwsAddress::Endpoint)
}

/// restic's form of a repository.
fn is_repository(scheme: &str) -> bool {
    scheme.ends_with("s3:http://") || scheme.ends_with("s3:https://")
}

/// Whether the URL is that of an object, such as a file that everyone may download; an endpoint has a bucket at most.
fn is_download(scheme: &str, path: &str) -> bool {
    let is_web = scheme.ends_with("http://") || scheme.ends_with("https://");
    let path = path
        .strip_prefix(|c: char| c == ':')
        .map_or(path, |port| port.trim_start_matches(|c: char| c.is_ascii_digit()));
    let path = path.split([' ', '\t', '\n', '"', '\'', '?', '#', ',', ';']).next().unwrap_or_default();
    let parts = path.split('/').filter(|part| !part.is_empty()).take(2).count();
    is_web && !is_repository(scheme) && parts >= 2
}

/// Whether a text has the shape of a region's name: `us-west-2`, `us-gov-east-1`.
pub(in crate::workload) fn is_region(text: &str) -> bool {
    let Some((area, number)) = text.rsplit_once('-') else { return false };
    let mut words = area.split('-');
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    number.len() == 1
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && words.next().is_some_and(|word| is_word(word) && (2..=4).contains(&word.len()))
        && words.next().is_some_and(is_word)
        && words.all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_aws() {
        for (text, expected) in [
            ("arn:aws:sqs:us-west-2:111122223333:orders", AwsAddress::Arn),
            ("--queue=arn:aws-cn:sqs:cn-north-1:111122223333:orders", AwsAddress::Arn),
            ("s3://bucket/key", AwsAddress::S3),
            ("ref+s3://bucket/key", AwsAddress::S3),
            ("s3a://bucket/key", AwsAddress::Scheme("s3a")),
            ("x=s3n://bucket", AwsAddress::Scheme("s3n")),
            ("sqs://", AwsAddress::Scheme("sqs")),
            ("ref+awsssm://path/to", AwsAddress::Scheme("awsssm")),
            ("awssm://prod/db", AwsAddress::Scheme("awssm")),
            ("awskms:///alias/cosign", AwsAddress::Scheme("awskms")),
            ("https://sqs.us-west-2.amazonaws.com/111122223333/orders", AwsAddress::Endpoint),
            ("s3.dualstack.us-west-2.amazonaws.com", AwsAddress::S3Endpoint),
            ("s3-us-west-2.amazonaws.com", AwsAddress::S3Endpoint),
            ("https://bucket.vpce-1a2b3c4d-5e6f.s3.us-west-2.vpce.amazonaws.com", AwsAddress::S3Endpoint),
            ("-retry-join=provider=aws tag_key=role tag_value=server", AwsAddress::Setting("provider=aws")),
            ("s3:https://s3.amazonaws.com/bucket/restic", AwsAddress::S3Endpoint),
            ("kms-fips.us-east-1.amazonaws.com", AwsAddress::Endpoint),
            (
                "https://aps-workspaces.us-west-2.amazonaws.com/workspaces/ws-1/api/v1/remote_write",
                AwsAddress::Endpoint,
            ),
            ("https://sts.amazonaws.com", AwsAddress::Endpoint),
            ("https://dynamodb.cn-north-1.amazonaws.com.cn", AwsAddress::Endpoint),
            ("https://sqs.us-west-2.api.aws", AwsAddress::Endpoint),
            ("spark.hadoop.fs.s3a.path.style.access=true", AwsAddress::Setting("fs.s3a")),
            ("-Dspring.cloud.aws.region.static=us-west-2", AwsAddress::Setting("spring.cloud.aws")),
            ("software.amazon.msk.auth.iam.IAMLoginModule required;", AwsAddress::Setting("software.amazon.msk")),
            ("sasl.mechanism=AWS_MSK_IAM", AwsAddress::Setting("AWS_MSK_IAM")),
            ("io.confluent.connect.s3.S3SinkConnector", AwsAddress::Setting("S3SinkConnector")),
            ("import boto3; boto3.client('ec2').describe_volumes()", AwsAddress::Call("boto3")),
            ("s3 = boto3.resource(\"s3\")", AwsAddress::Call("boto3 for S3")),
            ("const { SQSClient } = require(\"@aws-sdk/client-sqs\")", AwsAddress::Call("@aws-sdk")),
            ("--model=bedrock/amazon.nova-lite-v1:0", AwsAddress::Setting("bedrock/")),
            ("jdbc:aws-wrapper:postgresql://db/x?wrapperPlugins=iam", AwsAddress::Setting("wrapperPlugins=iam")),
            ("-backend-config=region=us-west-2", AwsAddress::Setting("terraform:region")),
            ("-backend-config=dynamodb_table=locks", AwsAddress::Setting("terraform:dynamodb_table")),
        ] {
            assert_eq!(address_in(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_texts() {
        for text in [
            "",
            "lesson3://x",
            "s3://",
            "team-ssm:///registry",
            "sqs://key:secret@",
            "s3+http://minio:9000",
            "charn:aws:x",
            "arn:aws:sqs:us-east-1:000000000000:local",
            "db.abc.us-west-2.rds.amazonaws.com:5432",
            "events.abc.us-west-2.rds.amazonaws.com",
            "internal-x.us-west-2.elb.amazonaws.com",
            "master.cache.abc.use1.cache.amazonaws.com",
            "111122223333.dkr.ecr.us-west-2.amazonaws.com/shop/carts:1",
            "sts.amazonaws.com",
            "--token-audience=sts.amazonaws.com",
            "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE",
            "https://s3.amazonaws.com/downloads/tool-1.2.tar.gz",
            "https://amazon-eks.s3.us-west-2.amazonaws.com/1.27.1/kubectl",
            "https://s3.us-west-2.amazonaws.com.evil.example",
            "http://bucket.s3-website-us-west-2.amazonaws.com",
            "https://bucket.s3.us-west-2.amazonaws.com/",
            "bucket.s3.amazonaws.com",
            "-Dlogging.level.software.amazon.awssdk=INFO",
            "log4j.logger.org.apache.hadoop.fs.s3a=ERROR",
            "com.amazonaws.request=DEBUG",
            "provider=aws-like tag_key=x",
            "email-smtp.us-west-2.amazonaws.com",
            "spring.cloud.aws.s3.enabled=false",
            "amazon-linux",
            "pip install boto3",
            "bedrock/edition",
            "-backend-config=region=cn-hangzhou",
            "-Dcloud.aws.enabled=false",
            "boto3.client('s3', endpoint_url='http://minio:9000')",
            "boto3.client(\"s3\", config=Config(signature_version=UNSIGNED))",
        ] {
            assert_eq!(address_in(text), None, "{text}");
        }
    }

    #[test]
    fn regions() {
        for region in ["us-west-2", "us-gov-east-1", "ap-southeast-5", "us-iso-east-1", "eusc-de-east-1"] {
            assert!(is_region(region), "{region}");
        }
        for other in ["", "auto", "nyc3", "garage", "us-west", "minio-0", "eu-west-22", "US-WEST-2"] {
            assert!(!is_region(other), "{other}");
        }
    }
}
