//! Commands that call AWS: those of the AWS CLI, and programs that take their configuration or their files from AWS.

use super::text::AwsAddress;

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

/// Programs that call AWS, with their subcommands: chamber (Segment, "chamber"), Mountpoint for Amazon S3, goofys. An empty list: whatever the arguments are.
const PROGRAMS: [(&str, &[&str]); 3] =
    [("chamber", &["exec", "export", "read", "env", "list", "write"]), ("mount-s3", &[]), ("goofys", &[])];

/// Words behind a program in which its subcommand is looked for; options come before it.
const MAX_OPTIONS: usize = 4;

/// The program that a command line calls which calls AWS.
pub(super) fn program<'a>(arguments: impl Iterator<Item = &'a str>) -> Option<AwsAddress> {
    let words = arguments.flat_map(|argument| argument.split(is_blank).filter(|word| !word.is_empty()));
    let mut called: Option<(&'static str, &[&str], usize)> = None;
    for word in words {
        let name = word.rsplit('/').next().unwrap_or(word);
        if let Some((program, subcommands)) = PROGRAMS.iter().find(|(program, _)| *program == name) {
            if subcommands.is_empty() {
                return Some(AwsAddress::Call(program));
            }
            called = Some((program, subcommands, 0));
            continue;
        }
        let Some((program, subcommands, count)) = called else { continue };
        if subcommands.contains(&word) {
            return Some(AwsAddress::Call(program));
        }
        called = (count < MAX_OPTIONS).then_some((program, subcommands, count + 1));
    }
    None
}

/// Reads a public bucket without credentials (AWS CLI, "Global options").
const UNSIGNED: &str = "--no-sign-request";

/// Whether a command of a container signs no request.
pub(super) fn has_unsigned<'a>(mut arguments: impl Iterator<Item = &'a str>) -> bool {
    arguments.any(|argument| argument.contains(UNSIGNED))
}

/// The parts of arguments that are not of a command which signs no request. Arguments without blanks are one command; a script has one in
/// each of its lines, or several.
pub(super) fn signed<'a>(arguments: impl Iterator<Item = &'a str> + Clone) -> Vec<&'a str> {
    let is_script = |argument: &&str| argument.contains([' ', '\n']);
    let words_are_signed = !arguments.clone().any(|argument| argument == UNSIGNED);
    let words = arguments.clone().filter(move |argument| words_are_signed && !is_script(argument));
    let scripts = arguments.filter(is_script).flat_map(commands).filter(|command| !command.contains(UNSIGNED));
    let scripts = scripts.filter(|command| !command.trim().is_empty());
    words.chain(scripts).collect()
}

/// The commands of a script: they end with a line that a backslash does not continue, or with `;`, `&` or `|`.
fn commands(script: &str) -> impl Iterator<Item = &str> {
    let mut before = ' ';
    script.split(move |c| {
        let ends = matches!(c, ';' | '&' | '|') || (c == '\n' && before != '\\');
        before = c;
        ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn programs_that_call_aws() {
        let called = |text: &str| program(text.split(' '));
        assert_eq!(called("chamber exec shop -- /app"), Some(AwsAddress::Call("chamber")));
        assert_eq!(called("/usr/local/bin/chamber -b secretsmanager exec shop"), Some(AwsAddress::Call("chamber")));
        assert_eq!(called("mount-s3 shop-data /data"), Some(AwsAddress::Call("mount-s3")));
        for other in ["chamber --version", "torture-chamber exec", "echo chamber music for a long evening read"] {
            assert_eq!(called(other), None, "{other}");
        }
    }

    #[test]
    fn commands_that_sign_no_request() {
        let script = "aws s3 cp --no-sign-request \\\n s3://public/x . && aws s3 cp x s3://own/x\necho done";
        assert_eq!(signed([script].into_iter()), [" aws s3 cp x s3://own/x", "echo done"]);
        let words = ["s3", "cp", "--no-sign-request", "s3://public/x", "."];
        assert!(signed(words.into_iter()).is_empty());
        assert!(has_unsigned(words.into_iter()));
    }
}
