//! Names under which programs configure what calls AWS.

/// Plugins that call AWS, by the name that stands behind `Name`, `@type` or `type`: outputs of Fluent Bit and Fluentd, sinks and sources of
/// Vector, components of Redpanda Connect.
pub(super) const PLUGINS: [&str; 25] = [
    "aws_bedrock_chat",
    "aws_cloudwatch",
    "aws_cloudwatch_logs",
    "aws_cloudwatch_metrics",
    "aws_dynamodb",
    "aws_kinesis",
    "aws_kinesis_firehose",
    "aws_kinesis_streams",
    "aws_lambda",
    "aws_s3",
    "aws_sns",
    "aws_sqs",
    "bedrock",
    "cloudwatch_logs",
    "cloudwatch_put",
    "firehose",
    "kinesis",
    "kinesis_firehose",
    "kinesis_firehose_agent",
    "kinesis_streams",
    "kinesis_streams_aggregated",
    "sqs",
    "sns",
    "aws_timestream",
    "awscloudwatchlogs",
];

/// Blocks that call AWS: exporters, receivers and extensions of OpenTelemetry collectors; discovery and signatures of Prometheus.
pub(super) const BLOCKS: [&str; 13] = [
    "awscloudwatchlogs",
    "awscloudwatch",
    "awscontainerinsightreceiver",
    "awsemf",
    "awskinesis",
    "awss3",
    "awss3receiver",
    "awsxray",
    "ec2_sd_configs",
    "ecs_sd_configs",
    "lightsail_sd_configs",
    "sigv4",
    "sigv4auth",
];

/// Components of Grafana Alloy (Grafana Alloy, "Components").
pub(super) const ALLOY: [&str; 7] = [
    "discovery.ec2",
    "discovery.lightsail",
    "otelcol.auth.sigv4",
    "otelcol.exporter.awss3",
    "otelcol.receiver.awscloudwatch",
    "prometheus.exporter.cloudwatch",
    "remote.s3",
];

/// Plugins of Telegraf (Telegraf, "Plugin directory").
pub(super) const TELEGRAF: [&str; 7] = [
    "inputs.cloudwatch",
    "inputs.kinesis_consumer",
    "outputs.cloudwatch",
    "outputs.cloudwatch_logs",
    "outputs.kinesis",
    "outputs.timestream",
    "processors.aws_ec2",
];
