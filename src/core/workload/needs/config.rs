//! What a file of a ConfigMap says of AWS, line by line: YAML, JSON, properties, INI and the formats of Fluent Bit, Fluentd and Vault are
//! alike enough for that. Comments and descriptions are no settings.

use super::block::{PROSE, Subjects};
use super::command::cli_service;
use super::flow;
use super::own_keys::brings_keys;
use super::plugins::{ALLOY, BLOCKS, PLUGINS, TELEGRAF};
use super::setting::{Setting, contains_folded, has_word, is_endpoint};
use super::text::{AwsAddress, address_in, is_log_level, is_off, is_region, names_code_endpoint};

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::workload) struct FileUse {
    /// What suggests that its reader calls AWS.
    pub found: Option<AwsAddress>,
    /// The endpoint of a store that is not AWS's.
    pub store: Option<Box<str>>,
}

/// Longer lines are data, such as a dashboard in one line, and no settings.
const MAX_LINE: usize = 4_096;
/// How deep blocks are followed.
const MAX_DEPTH: usize = 64;

/// Names of files that hold no settings.
fn is_document(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".md", ".txt", ".rst", ".html", ".adoc"].iter().any(|end| name.ends_with(end))
        || ["readme", "license", "notes", "notice", "changelog"].iter().any(|start| name.starts_with(start))
}

/// Reads a file.
pub(in crate::workload) fn read(name: &str, text: &str) -> FileUse {
    if is_document(name) {
        return FileUse::default();
    }
    let mut reader = Reader {
        is_corefile: name.eq_ignore_ascii_case("Corefile"),
        is_script: name.ends_with(".sh") || name.ends_with(".bash") || text.starts_with("#!"),
        ..Reader::default()
    };
    text.lines().filter(|line| line.len() <= MAX_LINE).for_each(|line| reader.line(line));
    reader.finish()
}

/// Whether the value of a variable is a file by itself: settings in lines, or an object of JSON.
pub(super) fn is_file(value: &str) -> bool {
    value.trim_end().contains('\n') || value.trim_start().starts_with('{')
}

/// What the value of a variable holds of AWS. Of a value that is a file by itself, keys and endpoints in it count.
pub(in crate::workload) fn address_of_value(value: &str) -> Option<AwsAddress> {
    if !is_file(value) {
        let takes_keys = |found: &AwsAddress| found.takes_s3_keys() || is_spring(*found);
        return address_in(value).filter(|found| !(takes_keys(found) && brings_keys(value)));
    }
    let file = read("", value);
    file.found.or_else(|| address_in(value).filter(|_| file.store.is_none() && !brings_keys(value)))
}

/// A setting of Spring Cloud AWS, whose keys are for all of its clients.
fn is_spring(found: AwsAddress) -> bool {
    matches!(found, AwsAddress::Setting("spring.cloud.aws" | "cloud.aws"))
}

#[derive(Default)]
struct Reader<'a> {
    /// Settings of CoreDNS.
    is_corefile: bool,
    /// A script of a shell.
    is_script: bool,
    /// The line before continues in this one, and signs no request.
    is_unsigned: bool,
    /// The name of a property whose value follows: `<name>` and `<value>` in files of Hadoop.
    property: Option<&'a str>,
    /// Code gives its client an endpoint that is not AWS's.
    is_code_elsewhere: bool,
    /// Plugins that were found, and pairs of keys beside them.
    plugins: usize,
    auth_types: usize,
    /// The blocks that the line is in: the indentation of each, and what it and those around it are about.
    blocks: Vec<(usize, Subjects)>,
    /// The section of an INI file.
    section: &'a str,
    found: Option<AwsAddress>,
    s3: S3<'a>,
}

/// What is said of an S3 store.
#[derive(Default)]
struct S3<'a> {
    is_named: bool,
    region: bool,
    bucket: bool,
    store: Option<&'a str>,
    key: usize,
    secret: usize,
}

impl<'a> Reader<'a> {
    fn line(&mut self, line: &'a str) {
        let content = line.trim_start();
        let indentation = line.len() - content.len();
        if std::mem::take(&mut self.is_unsigned) || content.contains("--no-sign-request") {
            self.is_unsigned = content.ends_with('\\');
            return;
        }
        self.is_code_elsewhere |= names_code_endpoint(content);
        self.command(content);
        // Elements in one line: `<property><name>a</name><value>b</value></property>`.
        if content.starts_with('<') && content.matches('<').take(3).count() > 2 {
            let starts =
                content.match_indices('<').map(|(at, _)| at).filter(|at| content.get(at + 1..at + 2) != Some("/"));
            for at in starts {
                let piece = content.get(at..).unwrap_or_default();
                let end = piece.get(1..).and_then(|rest| rest.find('<')).map_or(piece.len(), |end| end + 1);
                let piece = piece.get(..end).unwrap_or(piece);
                Setting::of_content(piece, indentation + at).into_iter().for_each(|setting| self.setting(setting));
            }
            return;
        }
        if flow::is_flow(content) {
            flow::pieces(content, |depth, piece| {
                let setting = match flow::quoted(piece) {
                    Some(value) => Some(Setting { indentation: indentation + depth, key: "", value }),
                    None => Setting::of_content(piece, indentation + depth),
                };
                setting.into_iter().for_each(|setting| self.setting(setting));
            });
            return;
        }
        let Some(setting) = Setting::of(line) else { return };
        if let Some(section) = setting.key.strip_prefix('[').and_then(|key| key.strip_suffix(']')) {
            (self.section, self.blocks) = (section.trim_matches(['[', ']']), Vec::new());
            // Telegraf names its plugins in the section.
            if self.found.is_none() {
                let plugin = TELEGRAF.into_iter().find(|plugin| *plugin == self.section);
                self.found = plugin.map(AwsAddress::Plugin);
                self.plugins += usize::from(self.found.is_some());
            }
            return;
        }
        self.setting(setting);
    }

    /// A command of the AWS CLI, in a line of a script or as the value of a key for commands.
    fn command(&mut self, content: &str) {
        if self.found.is_some() || content.starts_with('#') || !content.contains("aws ") {
            return;
        }
        let is_of_step = || {
            let key = content.trim_start_matches(['-', ' ']).split(':').next().unwrap_or_default();
            matches!(key, "run" | "command" | "script" | "aws")
        };
        if (self.is_script || is_of_step()) && !content.contains("--endpoint") {
            self.found = cli_service(std::iter::once(content))
                .map(|service| AwsAddress::Call(if matches!(service, "s3" | "s3api") { "aws s3" } else { "AWS CLI" }));
        }
    }

    fn setting(&mut self, mut setting: Setting<'a>) {
        match (setting.key, self.property.take()) {
            ("name", _) if !setting.value.is_empty() => self.property = Some(setting.value),
            ("value", Some(name)) => setting.key = name,
            _ => {}
        }
        while self.blocks.last().is_some_and(|(indentation, _)| *indentation >= setting.indentation) {
            self.blocks.pop();
        }
        if self.is_in(Subjects::PROSE) || has_word(setting.key, &PROSE) {
            if setting.opens_block() {
                self.open(&setting);
            }
            return;
        }
        self.s3(&setting);
        let found = self.use_in(&setting);
        self.plugins += usize::from(matches!(found, Some(AwsAddress::Plugin(_))));
        if self.found.is_none() || self.found.is_some_and(AwsAddress::takes_s3_keys) {
            self.found = found.filter(|found| self.found.is_none() || !found.takes_s3_keys()).or(self.found);
        }
        if setting.opens_block() {
            self.open(&setting);
        }
    }

    fn open(&mut self, setting: &Setting<'a>) {
        if self.blocks.len() < MAX_DEPTH {
            let subjects = self.subjects().within(setting.key);
            self.blocks.push((setting.indentation, subjects));
        }
    }

    fn subjects(&self) -> Subjects {
        self.blocks.last().map(|(_, subjects)| *subjects).unwrap_or_default()
    }

    fn is_in(&self, subject: Subjects) -> bool {
        self.subjects().has(subject)
    }

    fn use_in(&self, setting: &Setting<'_>) -> Option<AwsAddress> {
        let Setting { key, value, .. } = setting;
        let folded = key.to_ascii_lowercase();
        if let Some(found) = self.plugin(&folded, value, setting.opens_block()) {
            return Some(found);
        }
        if is_off(value) {
            return None;
        }
        // The level of a logger that has the name of a package.
        let is_of_logger = is_log_level(value) || contains_folded(key, "logger") || self.is_in(Subjects::LOGGING);
        let by_key = address_in(key).filter(|found| {
            matches!(found, AwsAddress::Call(_)) || matches!(found, AwsAddress::Setting(name) if *name != "bedrock/")
        });
        let by_value = match address_in(value) {
            // The whole value, and not a word in a sentence or a pattern.
            Some(AwsAddress::Arn) if !value.starts_with("arn:") || value.contains([' ', '*', '(']) => None,
            other => other,
        };
        by_value.or(by_key).filter(|found| !(is_of_logger && matches!(found, AwsAddress::Setting(_))))
    }

    fn plugin(&self, key: &str, value: &str, opens_block: bool) -> Option<AwsAddress> {
        let named = |names: &[&'static str], text: &str| names.iter().copied().find(|name| *name == text);
        match key {
            "name" | "@type" | "type" | "plugin" => {
                if let Some(name) =
                    named(&PLUGINS, value).filter(|name| !matches!(*name, "sqs" | "sns") || key == "@type")
                {
                    return Some(AwsAddress::Plugin(name));
                }
                // `cloudwatch` and `s3` mean other things elsewhere: panels of a dashboard, a kind of store.
                let is_source = self.is_in(Subjects::DATA_SOURCES) && key == "type";
                let is_output =
                    key == "@type" || self.section.eq_ignore_ascii_case("output") || self.is_in(Subjects::OUTPUTS);
                match value {
                    "cloudwatch" if is_source || is_output => Some(AwsAddress::Plugin("cloudwatch")),
                    "s3" if is_output => Some(AwsAddress::Plugin("s3")),
                    "glue" if self.is_in(Subjects::CATALOG) => Some(AwsAddress::Setting("glue")),
                    _ => None,
                }
            }
            "provider" if value.starts_with("aws\" {") => Some(AwsAddress::Call("provider:aws")),
            _ if opens_block && key.starts_with("aws_") => named(&PLUGINS, key).map(AwsAddress::Plugin),
            "static" if is_region(value) && self.is_in(Subjects::CLOUD) && self.is_in(Subjects::AWS) => {
                Some(AwsAddress::Setting("spring.cloud.aws"))
            }
            "binder" => named(&["kinesis"], value).map(AwsAddress::Plugin),
            "use_environment_credentials" if matches!(value, "true" | "1") => {
                Some(AwsAddress::Setting("use_environment_credentials"))
            }
            "aws_region_name" if is_region(value) => Some(AwsAddress::Setting("aws_region_name")),
            _ if key.contains("cloud.stream.kinesis") => Some(AwsAddress::Setting("spring.cloud.stream.kinesis")),
            "kinesis" if self.is_in(Subjects::STREAM) && self.is_in(Subjects::CLOUD) => {
                Some(AwsAddress::Setting("spring.cloud.stream.kinesis"))
            }
            _ if key.contains("metastore.glue.") && !is_off(value) => Some(AwsAddress::Setting("glue")),
            _ if value.eq_ignore_ascii_case("glue") && has_word(key, &["catalog", "metastore"]) => {
                Some(AwsAddress::Setting("glue"))
            }
            "module" if value == "aws" => Some(AwsAddress::Plugin("module:aws")),
            "sqs" if self.is_in(Subjects::INPUT) && value == "{" => Some(AwsAddress::Plugin("sqs")),
            "fs.native-s3.enabled" if value == "true" => Some(AwsAddress::Setting("fs.native-s3")),
            "managedledgeroffloaddriver" if value == "aws-s3" => {
                Some(AwsAddress::Setting("managedLedgerOffloadDriver=aws-s3"))
            }
            "cloud_storage_credentials_source" if matches!(value, "aws_instance_metadata" | "sts") => {
                Some(AwsAddress::Setting("cloud_storage_credentials_source"))
            }
            "route53" if self.is_corefile => Some(AwsAddress::Plugin("route53")),
            "aws_auth" if !is_off(value) => Some(AwsAddress::Plugin("aws_auth")),
            "seal" if value.starts_with("awskms") => Some(AwsAddress::Plugin("awskms")),
            "storage" | "backend" if value.starts_with("dynamodb") => Some(AwsAddress::Plugin("dynamodb")),
            _ if value.ends_with('{') && ALLOY.contains(&key) => named(&ALLOY, key).map(AwsAddress::Plugin),
            _ => {
                let block = key.split('/').next().unwrap_or_default();
                named(&BLOCKS, block).filter(|_| matches!(value, "" | "{" | "{}" | "[")).map(AwsAddress::Plugin)
            }
        }
    }

    /// Notes what the line says of an S3 store.
    fn s3(&mut self, setting: &Setting<'a>) {
        let Setting { key, value, .. } = *setting;
        let says_s3 = |text: &str| matches!(text.to_ascii_lowercase().as_str(), "s3" | "aws" | "aws_s3" | "amazons3");
        let last = key.rsplit(['.', '/']).next().unwrap_or_default().to_ascii_lowercase();
        if (setting.opens_block() && says_s3(&last))
            || (says_s3(value) && has_word(key, &["backend", "type", "store", "storage", "driver", "provider"]))
            || (matches!(last.as_str(), "storage" | "backend") && value.starts_with("s3\""))
            || contains_folded(key, "s3.bucket")
            || (says_s3(value) && matches!(&*last, "name" | "class") && self.is_in(Subjects::DRIVER))
            || (last == "service" && says_s3(value))
            || (last == "region" && has_word(key, &["s3"]))
        {
            self.s3.is_named = true;
        }
        if is_off(value) {
            return;
        }
        self.s3.region |= contains_folded(&last, "region") && is_region(value);
        self.auth_types += usize::from(last == "authtype" && value == "keys");
        let folded: String = last.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
        self.s3.bucket |= folded.contains("bucket");
        // Hadoop parts the words: `fs.s3a.access.key`.
        let whole: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
        let whole = whole.to_ascii_lowercase();
        let is_secret = whole.contains("secret");
        let is_key =
            !is_secret && (folded.contains("accesskey") || whole.ends_with("accesskey") || folded == "awskeyid");
        let is_secret = ["secretkey", "secretaccesskey", "awsseckey"].iter().any(|name| folded.contains(name))
            || whole.ends_with("secretkey");
        self.s3.key += usize::from(is_key);
        self.s3.secret += usize::from(is_secret);
        let names_endpoint = folded.contains("endpoint");
        let in_store = || {
            self.is_in(Subjects::STORE)
                || has_word(key, &["s3", "s3a", "minio", "store"])
                || (names_endpoint && self.s3.is_named)
        };
        let may_name = names_endpoint || matches!(folded.as_str(), "s3url" | "url" | "address" | "host");
        if may_name && address_in(value).is_none() && is_endpoint(&folded, value) && in_store() {
            self.s3.store.get_or_insert(value);
        }
    }

    fn finish(self) -> FileUse {
        let S3 { is_named, region, bucket, store, key, secret } = self.s3;
        let has_keys = key > 0 && secret > 0;
        let settings =
            (is_named && (region || bucket) && store.is_none() && !has_keys).then_some(AwsAddress::S3Settings);
        // Keys of its own come before those of the pod. One pair of keys may be for one of several plugins.
        let pairs = key.min(secret).max(self.auth_types);
        let takes_keys = |found: &AwsAddress| match found {
            AwsAddress::Plugin(name) if TELEGRAF.contains(name) || ALLOY.contains(name) => has_keys,
            AwsAddress::Plugin(_) if !found.is_of_s3() => pairs > 0 && pairs >= self.plugins,
            AwsAddress::Setting("bedrock/" | "aws_region_name") => has_keys,
            found if is_spring(*found) => has_keys,
            AwsAddress::Call(_) => self.is_code_elsewhere,
            found => has_keys && found.takes_s3_keys(),
        };
        let found = self.found.filter(|found| !takes_keys(found));
        FileUse { found: found.or(settings), store: store.map(|store| store.chars().take(256).collect()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<AwsAddress> {
        read("config.yaml", text).found
    }

    #[test]
    fn settings_that_call_aws() {
        for (text, expected) in [
            ("bucket: s3://orders/archive", AwsAddress::S3),
            ("queue: https://sqs.us-west-2.amazonaws.com/111122223333/orders", AwsAddress::Endpoint),
            ("roleArn: \"arn:aws:iam::111122223333:role/x\"", AwsAddress::Arn),
            ("[OUTPUT]\n    Name  cloudwatch_logs\n    Match *", AwsAddress::Plugin("cloudwatch_logs")),
            ("[OUTPUT]\n    Name s3\n    bucket b", AwsAddress::Plugin("s3")),
            ("<match **>\n  @type kinesis_streams\n", AwsAddress::Plugin("kinesis_streams")),
            ("sinks:\n  out:\n    type: aws_s3\n", AwsAddress::Plugin("aws_s3")),
            ("exporters:\n  awsxray:\n    region: us-west-2", AwsAddress::Plugin("awsxray")),
            ("exporters:\n  awsemf/prod: {}\n", AwsAddress::Plugin("awsemf")),
            ("remote_write:\n- url: https://example\n  sigv4:\n    region: us-west-2", AwsAddress::Plugin("sigv4")),
            ("datasources:\n- name: CloudWatch\n  type: cloudwatch\n", AwsAddress::Plugin("cloudwatch")),
            ("seal \"awskms\" {\n  kms_key_id = \"x\"\n}", AwsAddress::Plugin("awskms")),
            ("storage:\n  s3:\n    region: us-west-2\n    bucket: registry", AwsAddress::S3Settings),
            ("type: S3\nconfig:\n  bucket: b\n  region: us-west-2\n", AwsAddress::S3Settings),
            ("type: S3\nconfig:\n  bucket: b\n  endpoint: s3.us-west-2.amazonaws.com\n", AwsAddress::S3Endpoint),
            ("spark.hadoop.fs.s3a.impl org.apache.hadoop.fs.s3a.S3AFileSystem", AwsAddress::Setting("fs.s3a")),
            ("spring.cloud.aws.region.static=us-west-2", AwsAddress::Setting("spring.cloud.aws")),
            ("retry_join = [\"provider=aws tag_key=role tag_value=server\"]", AwsAddress::Setting("provider=aws")),
            (
                "terraform {\n  backend \"s3\" {\n    bucket = \"b\"\n    region = \"us-west-2\"\n  }\n}",
                AwsAddress::S3Settings,
            ),
            ("input {\n  s3 {\n    bucket => \"b\"\n    region => \"us-west-2\"\n  }\n}", AwsAddress::S3Settings),
            ("input {\n  sqs {\n    queue => \"q\"\n  }\n}", AwsAddress::Plugin("sqs")),
            ("- module: aws\n  period: 5m\n  metricsets: [ec2]", AwsAddress::Plugin("module:aws")),
            ("[[outputs.cloudwatch]]\n  region = \"us-west-2\"", AwsAddress::Plugin("outputs.cloudwatch")),
            (
                "prometheus.exporter.cloudwatch \"rds\" {\n  sts_region = \"us-west-2\"\n}",
                AwsAddress::Plugin("prometheus.exporter.cloudwatch"),
            ),
            ("fs.native-s3.enabled=true\ns3.region=us-west-2", AwsAddress::Setting("fs.native-s3")),
            (
                "cloud_storage_credentials_source: aws_instance_metadata",
                AwsAddress::Setting("cloud_storage_credentials_source"),
            ),
            ("managedLedgerOffloadDriver=aws-s3", AwsAddress::Setting("managedLedgerOffloadDriver=aws-s3")),
            ("exporters:\n  awsxray: {region: us-west-2}", AwsAddress::Plugin("awsxray")),
            ("exporters: {awsemf: {region: us-west-2}, otlp: {}}", AwsAddress::Plugin("awsemf")),
            (
                r#"{"storage":{"driver":{"name":"s3","region":"us-west-2","bucket":"b","secure":true}}}"#,
                AwsAddress::S3Settings,
            ),
            (r#"{"retry_join":["provider=aws tag_key=a tag_value=b"]}"#, AwsAddress::Setting("provider=aws")),
            ("<c><property><name>a</name><value>s3a://b/c</value></property></c>", AwsAddress::Scheme("s3a")),
            (
                "<s3>\n <endpoint>https://b.s3.us-west-2.amazonaws.com/d/</endpoint>\n <use_environment_credentials>1</use_environment_credentials>\n</s3>",
                AwsAddress::Setting("use_environment_credentials"),
            ),
            ("druid.storage.type=s3\ndruid.storage.bucket=b", AwsAddress::S3Settings),
            ("input:\n  aws_sqs:\n    url: q", AwsAddress::Plugin("aws_sqs")),
            ("provider \"aws\" {\n  region = var.region\n}", AwsAddress::Call("provider:aws")),
            (
                "spring:\n  cloud:\n    aws:\n      region:\n        static: us-west-2",
                AwsAddress::Setting("spring.cloud.aws"),
            ),
            ("catalog.type=glue", AwsAddress::Setting("glue")),
            ("catalogs:\n  lake:\n    type: glue", AwsAddress::Setting("glue")),
            ("s3.region=us-west-2", AwsAddress::S3Settings),
            ("uploads:\n  service: S3\n  bucket: b\n  region: us-west-2", AwsAddress::S3Settings),
            ("compute_logs:\n  module: dagster_aws.s3.compute_log_manager", AwsAddress::Setting("dagster_aws.s3")),
            ("models:\n- model: bedrock/amazon.nova-lite-v1:0", AwsAddress::Setting("bedrock/")),
            ("bindings:\n  in-0:\n    binder: kinesis", AwsAddress::Plugin("kinesis")),
            ("import boto3\nc = boto3.client(\"rds\")\n", AwsAddress::Call("boto3")),
            ("const { SNSClient } = require(\"@aws-sdk/client-sns\");", AwsAddress::Call("@aws-sdk")),
            ("#!/bin/sh\nset -e\naws ecr get-login-password > /t", AwsAddress::Call("AWS CLI")),
            ("steps:\n- run: aws ssm get-parameter --name x", AwsAddress::Call("AWS CLI")),
            (
                "args: [\"-backend-config=bucket=b\", \"-backend-config=dynamodb_table=t\"]",
                AwsAddress::Setting("terraform:dynamodb_table"),
            ),
            (
                "<disks>\n  <s3>\n    <type>s3</type>\n    <endpoint>https://s3.us-west-2.amazonaws.com/b/</endpoint>\n  </s3>\n</disks>",
                AwsAddress::S3Endpoint,
            ),
        ] {
            assert_eq!(found(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_files() {
        for text in [
            "# role: arn:aws:iam::111122223333:role/x",
            "key: value # s3://bucket",
            "description: copies to s3://bucket",
            "help: |\n  Use s3://bucket\n  or arn:aws:s3:::x\nlevel: info",
            "pattern: arn:aws:.*",
            "panels:\n- datasource:\n    type: cloudwatch",
            "spring.cloud.aws.enabled=false",
            "storage:\n  s3:\n    region: us-west-2\n    accesskey: a\n    secretkey: b\n",
            "storage:\n  s3:\n    region: us-east-1\n    regionendpoint: http://minio:9000\n    bucket: b",
            "type: S3\nconfig:\n  bucket: b\n  region: us-east-1\n  endpoint: nyc3.digitaloceanspaces.com\n",
            "region: us-west-2",
            "host: db.abc.us-west-2.rds.amazonaws.com",
            "exporters:\n  otlp:\n    endpoint: collector:4317",
            "exporters: [awsxray]",
            "items:\n  name: s3",
            "logging:\n  level:\n    software.amazon.awssdk: WARN\n    com.amazonaws.request: DEBUG",
            "logging.level.org.apache.hadoop.fs.s3a: ERROR",
            "<logger name=\"software.amazon.awssdk\" level=\"WARN\"/>",
            "fs.native-s3.enabled=true\ns3.endpoint=http://minio:9000\ns3.aws-access-key=a\ns3.aws-secret-key=b",
            "cloud_storage_credentials_source: config_file",
            "managedLedgerOffloadDriver=google-cloud-storage",
            "- module: kubernetes",
            "[[outputs.influxdb]]",
            "[[outputs.cloudwatch]]\n  access_key = \"a\"\n  secret_key = \"b\"",
            "terraform {\n  backend \"s3\" {\n    endpoint = \"https://nyc3.digitaloceanspaces.com\"\n    region = \"us-east-1\"\n  }\n}",
            "route53 example.org.:Z1",
            "exporters: [awsxray]\nx: {y: [awsemf]}",
            r#"{"storageDriver":{"name":"s3","region":"us-east-1","regionendpoint":"http://minio:9000"}}"#,
            r#"{"storageDriver":{"name":"s3","region":"us-west-2","accesskey":"a","secretkey":"b"}}"#,
            "datasources:\n- type: cloudwatch\n  jsonData:\n    authType: keys",
            "s3 = boto3.client(\"s3\",\n    endpoint_url=\"http://minio:9000\")",
            "pip install boto3 aws-sdk",
            "#!/bin/sh\naws s3 cp --no-sign-request \\\n  s3://x/y .",
            "<c><property><name>fs.s3a.access.key</name><value>a</value></property>\n<property><name>fs.s3a.secret.key</name><value>b</value></property></c>",
            "store:\n  endpoint: s3.us-west-2.amazonaws.com\n  access_key: a\n  secret_key: b",
            "service: S3\nregion: us-west-2\naccess_key_id: a\nsecret_access_key: b",
            "catalog.type=hive",
            "spring.cloud.aws.region.static=a\nspring.cloud.aws.credentials.access-key=a\nspring.cloud.aws.credentials.secret-key=b",
            "storage:\n  type: s3\n  bucket: b\n  endpoint: ${S3_ENDPOINT}",
            "title: glue",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
        assert_eq!(read("README.md", "s3://bucket"), FileUse::default());
        assert_eq!(
            read("Corefile", ".:53 {\n    route53 example.org.:Z1\n}").found,
            Some(AwsAddress::Plugin("route53"))
        );
    }

    #[test]
    fn endpoints_of_other_stores() {
        for (text, expected) in [
            ("minio:\n  address: release-minio\n  port: 9000", Some("release-minio")),
            ("spark.hadoop.fs.s3a.endpoint http://minio:9000", Some("http://minio:9000")),
            ("common:\n  storage:\n    s3:\n      endpoint: minio.loki.svc:9000", Some("minio.loki.svc:9000")),
            ("store.url=http://minio:9000", Some("http://minio:9000")),
            ("s3:\n  endpoint: s3.us-west-2.amazonaws.com", None),
            (
                "<disks>\n  <s3>\n    <type>s3</type>\n    <endpoint>http://minio:9000/b/</endpoint>\n  </s3>\n</disks>",
                Some("http://minio:9000/b/"),
            ),
            ("otlp:\n  endpoint: collector:4317", None),
            (
                "<property>\n  <name>fs.s3a.endpoint</name>\n  <value>http://ceph:7480</value>\n</property>",
                Some("http://ceph:7480"),
            ),
        ] {
            assert_eq!(read("config", text).store.as_deref(), expected, "{text}");
        }
    }
}
