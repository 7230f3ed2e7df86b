//! What may be said on the command line.

mod checks;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use rolecall_core::decision::{Level, Mode};

pub use self::checks::{CheckArgs, FailOn, ReportArgs, ReportsArg, ScanArgs};
use super::config::ConfigArgs;
use super::schema::SchemaArgs;

/// Checks which IAM identity each container of a pod gets on Amazon EKS, and whether every link of that chain holds
#[derive(Debug, Parser)]
#[command(name = "rolecall", version, about, long_about = None, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Colours in texts: auto has them on a terminal where NO_COLOR is not set
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = clap::ColorChoice::Auto, env = "ROLECALL_COLOR")]
    pub color: clap::ColorChoice,
}

/// The exit codes of all commands.
const EXIT_CODES: &str = "\
Exit codes:
  0  nothing to fix; for can-i: yes
  1  at least one finding that is certain or likely; for can-i: no
  2  an error: wrong arguments, or input that cannot be read
  3  for can-i: depends";

const CHECK_EXAMPLES: &str = "\
Examples:
  rolecall check manifests/ --source snapshot.json
  helm template carts chart/ | rolecall check - -n carts --source s3://BUCKET/shop.json
  rolecall check manifests/ --source aws --cluster shop --level strict --format json

Exit codes:
  0  no certain or likely finding
  1  at least one certain or likely finding
  2  an error: wrong arguments, input that cannot be read, or nothing to check";

const SCAN_EXAMPLES: &str = "\
Examples:
  rolecall scan --source aws --cluster shop
  rolecall scan -n carts -n orders --level strict --source snapshot.json
  rolecall scan -n carts --would-deny --level chain --source aws --cluster shop
  rolecall scan --source aws --cluster shop --reports openreports --every 10m

Exit codes:
  0  no certain or likely finding, or --reports
  1  at least one certain or likely finding
  2  an error

Environment: KUBECONFIG, and what the AWS SDK reads (AWS_PROFILE, AWS_REGION, …)";

const CAN_I_EXAMPLES: &str = "\
Examples:
  rolecall can-i carts/carts dynamodb:Query arn:aws:dynamodb:us-west-2:111122223333:table/Items --source snapshot.json
  rolecall can-i carts/carts 's3:Get*' --manifests manifests/ --source snapshot.json
  rolecall can-i carts/carts --list --source snapshot.json

Exit codes:
  0  yes
  1  no
  2  an error: an unknown action, or input that cannot be read
  3  depends: the answer needs data that is not in the snapshot, or values that only the call has";

const WHO_CAN_EXAMPLES: &str = "\
Examples:
  rolecall who-can dynamodb:DeleteTable --manifests manifests/ --source snapshot.json
  rolecall who-can 's3:Put*' arn:aws:s3:::carts/* --context shop --source aws --cluster shop --format json

Exit codes:
  0  the list is complete as far as the data goes; it may be empty
  2  an error: an unknown action, or input that cannot be read";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  rolecall completions bash > /etc/bash_completion.d/rolecall
  rolecall completions zsh > \"${fpath[1]}/_rolecall\"
  rolecall completions fish > ~/.config/fish/completions/rolecall.fish";

const SCHEMA_EXAMPLES: &str = "\
Examples:
  rolecall schema report > report.schema.json
  rolecall schema configuration > rolecall.schema.json";

const REPLAY_EXAMPLES: &str = "\
Examples:
  rolecall replay audit.log --source snapshot.json --level chain
  rolecall replay audit-*.log.gz --source s3://BUCKET/shop.json --context shop
  aws s3 cp s3://BUCKET/audit.gz - | rolecall replay - --source snapshot.json --manifests cluster/ --format json

Exit codes:
  0  no pod would be denied
  1  at least one pod would be denied
  2  an error: wrong arguments, lines that cannot be read, or no pod to check";

const SNAPSHOT_EXAMPLES: &str = "\
Examples:
  rolecall snapshot --cluster shop --output snapshot.json --manifests manifests/
  rolecall snapshot --cluster shop --output s3://BUCKET/shop.json --policies

Environment: what the AWS SDK reads (AWS_PROFILE, AWS_REGION, …)";

const SERVE_EXAMPLES: &str = "\
Examples:
  rolecall serve --source aws --cluster shop --config rolecall.yaml
  rolecall serve --source s3://BUCKET/shop.json --mode warn
  rolecall serve --no-kube --manifests cluster.yaml --source snapshot.json --self-signed --tls-dir tls

Environment: RUST_LOG, and what the AWS SDK reads (AWS_PROFILE, AWS_REGION, …)";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the validating admission webhook
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ServeArgs),
    /// Check manifests: files, folders, or standard input
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Check a running cluster: its service accounts, workloads and pods
    #[command(after_help = SCAN_EXAMPLES)]
    Scan(ScanArgs),
    /// Check the pods of an API server's audit log again: which would be denied, and which denials are over
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(ReplayArgs),
    /// Tell whether pods of a service account are allowed an AWS action, as which role, and why
    #[command(after_help = CAN_I_EXAMPLES)]
    CanI(CanIArgs),
    /// List the service accounts, task definitions and other identities that are allowed an AWS action
    #[command(after_help = WHO_CAN_EXAMPLES)]
    WhoCan(WhoCanArgs),
    /// Explain a rule: what it means, why it matters, and how to fix it
    Explain(ExplainArgs),
    /// Collect the AWS data once, and write it as a snapshot
    #[command(after_help = SNAPSHOT_EXAMPLES)]
    Snapshot(SnapshotArgs),
    /// Check a configuration file, or show which levels it gives a namespace
    Config(ConfigArgs),
    /// Print the JSON schema of the report, the snapshot or the configuration
    #[command(after_help = SCHEMA_EXAMPLES)]
    Schema(SchemaArgs),
    /// Demonstrate the webhook with built-in sample data; needs no cluster and no AWS account
    Try(TryArgs),
    /// Print a script that completes commands and options in a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
    /// Print the version, and how this program was built
    Version,
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Source of the AWS data: aws (collected every 10 minutes), a path, a file:, s3: or https: URL of a snapshot (read again
    /// every 30 seconds and before a denial), or - for standard input
    #[arg(long, value_name = "SRC")]
    pub source: String,
    /// Name of the cluster. Required with --source aws; a snapshot must be of this cluster
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Configuration file (YAML)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Strongest action in any namespace
    #[arg(long, value_enum, default_value_t = ModeArg::Enforce)]
    pub mode: ModeArg,
    /// Address for admission reviews (HTTPS)
    #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:8443")]
    pub listen: SocketAddr,
    /// Address for probes and Prometheus metrics (HTTP)
    #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:9090")]
    pub metrics_listen: SocketAddr,
    /// Certificate chain (PEM). Without it and without --self-signed, rolecall creates a CA and keeps it in a Secret
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Create a CA and a certificate at start
    #[arg(long, conflicts_with_all = ["tls_cert", "tls_key"])]
    pub self_signed: bool,
    /// Directory for ca.crt, tls.crt and tls.key of --self-signed
    #[arg(long, value_name = "DIR", requires = "self_signed")]
    pub tls_dir: Option<PathBuf>,
    /// Accept reviews only from clients with a certificate of a CA in this file (PEM). The API server needs such a certificate;
    /// EKS does not offer that
    #[arg(long, value_name = "FILE")]
    pub client_ca: Option<PathBuf>,
    /// Run without a cluster: service accounts and namespaces come from --manifests
    #[arg(long)]
    pub no_kube: bool,
    /// Files and folders with service accounts and namespaces
    #[arg(long, value_name = "PATH", requires = "no_kube")]
    pub manifests: Vec<String>,
}

/// How manifests are read.
#[derive(Debug, Clone, Default, Args)]
pub struct InputArgs {
    /// Namespace for objects that name none, like kubectl -n. Default: assume `default`, and nothing that depends on it is certain
    #[arg(short, long, value_name = "NS", env = "ROLECALL_NAMESPACE")]
    pub namespace: Option<String>,
    /// Fill placeholders such as ${KEY} or ${KEY:=default}, as Flux's post-build substitution does; may be repeated
    #[arg(long, value_name = "KEY=VALUE", env = "ROLECALL_SUBSTITUTE", value_delimiter = '\n')]
    pub substitute: Vec<String>,
    /// Fill placeholders from a file: KEY=VALUE lines, a YAML mapping, a ConfigMap or a Secret; may be repeated
    #[arg(long, value_name = "FILE", env = "ROLECALL_SUBSTITUTE_FILE", value_delimiter = '\n')]
    pub substitute_file: Vec<PathBuf>,
}

/// Arguments of `can-i`.
#[derive(Debug, Args)]
pub struct CanIArgs {
    /// NAMESPACE/SERVICEACCOUNT, or ecs:FAMILY for the containers of a task definition of Amazon ECS among the manifests
    #[arg(value_name = "NS/SA|ecs:FAMILY")]
    pub subject: String,
    /// AWS action, SERVICE:NAME; * and ? are wildcards as in a policy
    #[arg(value_name = "ACTION", required_unless_present = "list")]
    pub action: Option<String>,
    /// ARN of the resource; may have wildcards. Default: any resource
    #[arg(value_name = "RESOURCE")]
    pub resource: Option<String>,
    /// How the text writes the fix of a no: as commands, Terraform, eksctl commands or CloudFormation
    #[arg(long, value_enum, value_name = "FORMAT", env = "ROLECALL_FIX_FORMAT")]
    pub fix_format: Option<FixFormat>,
    /// List all allowed actions by service
    #[arg(long, conflicts_with_all = ["action", "resource"])]
    pub list: bool,
    /// Source of the AWS data: aws, a path, or a file:, s3: or https: URL of a snapshot
    #[arg(long, value_name = "SRC")]
    pub source: Option<String>,
    /// Name of the cluster. Required with --source aws; a snapshot must be of this cluster
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Files and folders with service accounts and namespaces, or with the task definition
    #[arg(long, value_name = "PATH")]
    pub manifests: Vec<String>,
    /// Context of the kubeconfig: service accounts and namespaces as they are in that cluster now
    #[arg(long, value_name = "CTX", conflicts_with = "manifests")]
    pub context: Option<String>,
    /// How the manifests are read
    #[command(flatten)]
    pub input: InputArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Configuration file (YAML), with the settings of the injector
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Arguments of `who-can`.
#[derive(Debug, Args)]
pub struct WhoCanArgs {
    /// AWS action, SERVICE:NAME; * and ? are wildcards as in a policy: all actions that match must be allowed
    #[arg(value_name = "ACTION")]
    pub action: String,
    /// ARN of the resource; may have wildcards. Default: any resource
    #[arg(value_name = "RESOURCE")]
    pub resource: Option<String>,
    /// Source of the AWS data: aws, a path, or a file:, s3: or https: URL of a snapshot
    #[arg(long, value_name = "SRC")]
    pub source: Option<String>,
    /// Name of the cluster. Required with --source aws; a snapshot must be of this cluster
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Files and folders with service accounts, namespaces, task definitions and custom resources
    #[arg(long, value_name = "PATH")]
    pub manifests: Vec<String>,
    /// Context of the kubeconfig: service accounts and namespaces as they are in that cluster now
    #[arg(long, value_name = "CTX", conflicts_with = "manifests")]
    pub context: Option<String>,
    /// How the manifests are read
    #[command(flatten)]
    pub input: InputArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Configuration file (YAML), with the settings of the injector
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// Arguments of `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Audit logs of the API server in the order of their time: JSON lines, plain or gzip, or - for standard input
    #[arg(value_name = "AUDIT_LOG", required = true)]
    pub logs: Vec<String>,
    /// Source of the AWS data: aws, a path, or a file:, s3: or https: URL of a snapshot
    #[arg(long, value_name = "SRC")]
    pub source: String,
    /// Name of the cluster. Required with --source aws; a snapshot must be of this cluster
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Level that all namespaces enforce
    #[arg(long, value_enum, default_value_t = LevelArg::Fallback)]
    pub level: LevelArg,
    /// Files and folders with service accounts and namespaces. Others are taken from the log, as it goes
    #[arg(long, value_name = "PATH")]
    pub manifests: Vec<String>,
    /// Context of the kubeconfig: service accounts and namespaces as they are in that cluster now
    #[arg(long, value_name = "CTX", conflicts_with = "manifests")]
    pub context: Option<String>,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Configuration file (YAML), with the settings of the injector and the namespaces without exemptions
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Arguments of `snapshot`.
#[derive(Debug, Args)]
pub struct SnapshotArgs {
    /// Name of the cluster
    #[arg(long, value_name = "NAME")]
    pub cluster: String,
    /// Destination: a path, a file: URL, s3://BUCKET/KEY, or - for standard output
    #[arg(short, long, value_name = "SRC")]
    pub output: String,
    /// Configuration file (YAML); its section `aws` sets what is collected
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Files and folders with service accounts and workloads, whose roles are collected; may be repeated
    #[arg(long, value_name = "PATH")]
    pub manifests: Vec<String>,
    /// Collect the policies of the roles too
    #[arg(long)]
    pub policies: bool,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Name of a rule, or its beginning. Default: list all rules
    #[arg(value_name = "RULE")]
    pub rule: Option<String>,
}

/// Arguments of `try`.
#[derive(Debug, Args)]
pub struct TryArgs {
    /// Keep serving afterwards, and print how to send a review by hand
    #[arg(long)]
    pub keep: bool,
}

/// `--mode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModeArg {
    /// Deny where the namespace enforces a level
    Enforce,
    /// Warn instead of denying
    Warn,
    /// Log only
    Audit,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Enforce => Self::Enforce,
            ModeArg::Warn => Self::Warn,
            ModeArg::Audit => Self::Audit,
        }
    }
}

/// `--level`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LevelArg {
    /// No checks
    Off,
    /// A configured identity must work
    Chain,
    /// Also: a workload that needs AWS must have an identity
    Fallback,
    /// Also: every workload has its own identity, and no static keys
    Strict,
}

impl From<LevelArg> for Level {
    fn from(level: LevelArg) -> Self {
        match level {
            LevelArg::Off => Self::Off,
            LevelArg::Chain => Self::Chain,
            LevelArg::Fallback => Self::Fallback,
            LevelArg::Strict => Self::Strict,
        }
    }
}

/// `--fix-format`, and `messages.fixFormat` of the configuration
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FixFormat {
    /// AWS CLI and kubectl commands
    Cli,
    /// Terraform of the aws and kubernetes providers
    Terraform,
    /// eksctl commands, for associations and OIDC providers
    Eksctl,
    /// CloudFormation, for trust policies and associations
    #[value(name = "cloudformation")]
    CloudFormation,
}

impl From<FixFormat> for rolecall_message::fix::Format {
    fn from(format: FixFormat) -> Self {
        match format {
            FixFormat::Cli => Self::Cli,
            FixFormat::Terraform => Self::Terraform,
            FixFormat::Eksctl => Self::Eksctl,
            FixFormat::CloudFormation => Self::CloudFormation,
        }
    }
}

/// `--format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for people
    Text,
    /// For programs
    Json,
}
