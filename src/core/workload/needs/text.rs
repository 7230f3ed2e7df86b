//! What a text holds of AWS: an ARN, an address, the endpoint of a service, a setting of an SDK. One pass over the text tells which
//! searches can find anything; each search takes time in proportion to the text.

use super::super::endpoint::AWS_DOMAINS;

/// What a text holds of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AwsAddress {
    /// An ARN.
    Arn,
    /// An `s3://` address.
    S3,
    /// The endpoint of a service.
    Endpoint,
    /// An address of another scheme, such as `s3a` or `sqs`.
    Scheme(&'static str),
    /// A setting, class or login method that only an AWS SDK knows.
    Setting(&'static str),
    /// A plugin of a program that calls AWS, such as the output `cloudwatch_logs` of Fluent Bit.
    Plugin(&'static str),
    /// The settings of an S3 store in a region of AWS, without another endpoint.
    S3Settings,
}

impl AwsAddress {
    /// Whether it means another store where the container is given the endpoint of one.
    pub(super) fn is_of_s3(self) -> bool {
        match self {
            Self::S3 | Self::S3Settings => true,
            Self::Setting("cloud_storage_credentials_source") => true,
            Self::Scheme(name) | Self::Setting(name) | Self::Plugin(name) => name.to_ascii_lowercase().contains("s3"),
            Self::Arn | Self::Endpoint => false,
        }
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
const SETTINGS: [(&str, &str); 18] = [
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
];

/// What a text can hold at all.
#[derive(Default)]
struct Hints {
    amazon: bool,
    s3: bool,
    scheme: bool,
}

impl Hints {
    fn of(text: &str) -> Self {
        let mut hints = Self::default();
        for window in text.as_bytes().windows(3) {
            match window {
                [b'a' | b'A', b'w' | b'W', b's' | b'S'] | b"zon" => hints.amazon = true,
                [b'.', b's', b'3'] => hints.s3 = true,
                b"://" => hints.scheme = true,
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
        .or_else(|| (hints.amazon && names_api_endpoint(text)).then_some(AwsAddress::Endpoint))
        .or_else(|| if hints.amazon || hints.s3 { setting_in(text) } else { None })
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

fn names_api_endpoint(text: &str) -> bool {
    let ends = text.match_indices(".amazonaws.").chain(text.match_indices(".api.aws"));
    ends.map(|(at, _)| at).any(|at| {
        let before = text.get(text.floor_char_boundary(at.saturating_sub(MAX_HOST))..at).unwrap_or_default();
        let name = before.rsplit(|c| !is_of_host(c)).next().unwrap_or_default();
        let scheme = before.strip_suffix(name).unwrap_or_default();
        let behind = text.get(at..).unwrap_or_default();
        let behind = behind.get(..behind.floor_char_boundary(2 * MAX_HOST)).unwrap_or(behind);
        let host_end = behind.find(|c| !is_of_host(c)).unwrap_or(behind.len());
        let (domain, path) = behind.split_at_checked(host_end).unwrap_or((behind, ""));
        let is_aws = AWS_DOMAINS.iter().any(|known| domain.trim_end_matches('.').strip_prefix('.') == Some(*known));
        is_aws && is_api_endpoint(name, scheme, path)
    })
}

/// Whether the name of a host before AWS's domain is that of a service: `SERVICE`, `SERVICE.REGION`, `BUCKET.s3.REGION`.
fn is_api_endpoint(name: &str, scheme: &str, path: &str) -> bool {
    let mut labels = name.rsplit('.').peekable();
    let mut region = false;
    while labels.next_if(|label| is_region(label) || matches!(*label, "vpce" | "dualstack")).is_some() {
        region = true;
    }
    let Some(label) = labels.next() else { return false };
    let label = label.strip_suffix("-fips").unwrap_or(label);
    let is_s3 = label == "s3" || (label.starts_with("s3-") && !label.starts_with("s3-website"));
    let before = labels.next();
    match label {
        // The host of a bucket is where a browser reads from; an API is called at the host of the region, or of a VPC endpoint.
        _ if is_s3 && before.is_some_and(|bucket| !bucket.starts_with("vpce-")) => is_repository(scheme),
        _ if is_s3 => !is_download(scheme, path),
        // The name alone is the audience of a token.
        "sts" => region || scheme.ends_with("://"),
        // A registry of images, which the kubelet reads with the node's role.
        "ecr" => before != Some("dkr"),
        _ => API_HOSTS.contains(&label),
    }
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

/// Services of the AWS CLI that are called with credentials, as its first argument.
const CLI_SERVICES: [&str; 33] = [
    "acm",
    "autoscaling",
    "backup",
    "bedrock-runtime",
    "cloudformation",
    "cloudfront",
    "cloudwatch",
    "dynamodb",
    "ec2",
    "ecr",
    "ecs",
    "eks",
    "elbv2",
    "events",
    "firehose",
    "iam",
    "kinesis",
    "kms",
    "lambda",
    "logs",
    "rds",
    "route53",
    "s3",
    "s3api",
    "secretsmanager",
    "ses",
    "sesv2",
    "sns",
    "sqs",
    "ssm",
    "stepfunctions",
    "sts",
    "elasticache",
];

/// The service that a command line calls through the AWS CLI: `aws --region us-west-2 s3 sync …`.
pub(super) fn cli_service<'a>(arguments: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    let words = arguments.flat_map(|argument| argument.split(is_blank).filter(|word| !word.is_empty()));
    // Words since the command; options may come first.
    let mut since = None;
    for word in words {
        if word == "aws" || word.ends_with("/aws") || word.ends_with("(aws") {
            since = Some(0);
            continue;
        }
        let Some(count) = since else { continue };
        if let Some(service) = CLI_SERVICES.into_iter().find(|known| *known == word) {
            return Some(service);
        }
        since = (count < 6 && (word.starts_with('-') || count > 0)).then_some(count + 1);
    }
    None
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | ';' | '|' | '&' | '`' | '"' | '\'')
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
            ("s3.dualstack.us-west-2.amazonaws.com", AwsAddress::Endpoint),
            ("s3-us-west-2.amazonaws.com", AwsAddress::Endpoint),
            ("https://bucket.vpce-1a2b3c4d-5e6f.s3.us-west-2.vpce.amazonaws.com", AwsAddress::Endpoint),
            ("-retry-join=provider=aws tag_key=role tag_value=server", AwsAddress::Setting("provider=aws")),
            ("s3:https://s3.amazonaws.com/bucket/restic", AwsAddress::Endpoint),
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
        ] {
            assert_eq!(address_in(text), None, "{text}");
        }
    }

    #[test]
    fn commands_of_the_cli() {
        let service = |argument: &str| cli_service([argument].into_iter());
        assert_eq!(service("set -e; aws s3 sync /data s3://bucket"), Some("s3"));
        assert_eq!(service("aws --region us-west-2 ecr get-login-password | docker login"), Some("ecr"));
        assert_eq!(service("export T=$(aws ssm get-parameter --name x)"), Some("ssm"));
        for other in ["aws --version", "echo aws", "laws s3", "aws configure set region us-west-2", "cat s3"] {
            assert_eq!(service(other), None, "{other}");
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
