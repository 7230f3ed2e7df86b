//! What may be said on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use rolecall_core::decision::{Level, Mode};

/// Whom will this pod be when it calls AWS, and does every link of that chain hold?
#[derive(Debug, Parser)]
#[command(name = "rolecall", version, about, long_about = None, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer AdmissionReviews over HTTPS
    Serve(ServeArgs),
    /// Judge manifests: files, folders, or standard input
    Check(CheckArgs),
    /// Judge a running cluster: its service accounts, workloads and pods
    Scan(ScanArgs),
    /// Say whether a service account's pods may do an action, through which identity, and why
    CanI(CanIArgs),
    /// Say what a rule means, why it matters, and how to mend it
    Explain(ExplainArgs),
    /// Read AWS once, and write what was found for others to read
    Snapshot(SnapshotArgs),
    /// Show the webhook at work on built-in sample data: no cluster, no AWS account
    Try(TryArgs),
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Where the snapshot of AWS comes from: aws (collected every 10 minutes), or a path, a file:, s3: or https: URL (looked at
    /// every 30 seconds and before a denial), or - for standard input
    #[arg(long, value_name = "SRC")]
    pub source: String,
    /// Name of the cluster: --source aws needs it, and a snapshot must be of it
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Configuration file (YAML)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The most that may be done about a finding, in any namespace
    #[arg(long, value_enum, default_value_t = ModeArg::Enforce)]
    pub mode: ModeArg,
    /// Where to answer reviews
    #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:8443")]
    pub listen: SocketAddr,
    /// Where to answer probes and Prometheus, in clear
    #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:9090")]
    pub metrics_listen: SocketAddr,
    /// Certificate chain (PEM). Without it and --self-signed, a CA of rolecall's own in the cluster signs one
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Make a certificate with a CA of its own
    #[arg(long, conflicts_with_all = ["tls_cert", "tls_key"])]
    pub self_signed: bool,
    /// Where to keep ca.crt, tls.crt and tls.key of --self-signed
    #[arg(long, value_name = "DIR", requires = "self_signed")]
    pub tls_dir: Option<PathBuf>,
    /// Answer reviews only to clients with a certificate of a CA in this file (PEM). The API server must be given one; EKS
    /// does not offer that
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
#[derive(Debug, Default, Args)]
pub struct InputArgs {
    /// Namespace of objects that name none, as for kubectl -n. Without it `default` is assumed
    #[arg(short, long, value_name = "NS")]
    pub namespace: Option<String>,
    /// Fill placeholders such as ${KEY} or ${KEY:=default}, as Flux's post-build substitution does; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub substitute: Vec<String>,
    /// Fill placeholders from a file: KEY=VALUE lines, a YAML mapping, a ConfigMap or a Secret; may be repeated
    #[arg(long, value_name = "FILE")]
    pub substitute_file: Vec<PathBuf>,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Files, folders, or - for standard input
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<String>,
    /// How the manifests are read
    #[command(flatten)]
    pub input: InputArgs,
    /// Where the snapshot of AWS comes from: aws, a path, or a file:, s3: or https: URL. Without it, what rests on AWS is
    /// unknown
    #[arg(long, value_name = "SRC")]
    pub source: Option<String>,
    /// Name of the cluster: --source aws needs it, and a snapshot must be of it
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// How much is asked
    #[arg(long, value_enum, default_value_t = LevelArg::Fallback)]
    pub level: LevelArg,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Configuration file (YAML), for the injector's settings and where exemptions are forbidden
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Arguments of `scan`.
#[derive(Debug, Args)]
pub struct ScanArgs {
    /// Where the snapshot of AWS comes from: aws, a path, or a file:, s3: or https: URL. Without it, what rests on AWS is
    /// unknown
    #[arg(long, value_name = "SRC")]
    pub source: Option<String>,
    /// Name of the cluster: --source aws needs it, and a snapshot must be of it
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Context of the kubeconfig (KUBECONFIG, else ~/.kube/config); absent: its current one, and in a pod its service account
    #[arg(long, value_name = "CTX")]
    pub context: Option<String>,
    /// A namespace to scan; may be repeated. Absent: all
    #[arg(short, long = "namespace", value_name = "NS")]
    pub namespaces: Vec<String>,
    /// How much is asked
    #[arg(long, value_enum, default_value_t = LevelArg::Fallback)]
    pub level: LevelArg,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Configuration file (YAML), for the injector's settings, where exemptions are forbidden, and reports
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Write what is found as reports in the cluster, one for each namespace, instead of printing it; the exit code is then 0
    /// whatever is found
    #[arg(long, value_enum, value_name = "KIND", conflicts_with = "format")]
    pub reports: Option<ReportsArg>,
    /// Write the reports again and again, this long after the last: 10m, 1h
    #[arg(long, value_name = "DURATION", requires = "reports", value_parser = duration)]
    pub every: Option<std::time::Duration>,
}

/// A length of time, such as `90s`, `10m` or `1h30m`.
fn duration(text: &str) -> Result<std::time::Duration, String> {
    let parsed: jiff::SignedDuration =
        text.parse().map_err(|_| "say how long with a unit, such as 90s, 10m or 1h".to_owned())?;
    let parsed = std::time::Duration::try_from(parsed).map_err(|_| "must not be negative".to_owned())?;
    if parsed < std::time::Duration::from_secs(1) { Err("must be at least 1s".to_owned()) } else { Ok(parsed) }
}

/// Arguments of `can-i`.
#[derive(Debug, Args)]
pub struct CanIArgs {
    /// NAMESPACE/SERVICEACCOUNT
    #[arg(value_name = "NS/SA")]
    pub subject: String,
    /// What it would do: SERVICE:NAME, with * and ? as in a policy
    #[arg(value_name = "ACTION", required_unless_present = "list")]
    pub action: Option<String>,
    /// The ARN it would do it on; without it, on some resource
    #[arg(value_name = "RESOURCE")]
    pub resource: Option<String>,
    /// List what it may do, by service
    #[arg(long, conflicts_with_all = ["action", "resource"])]
    pub list: bool,
    /// Where the snapshot of AWS comes from: a path or a file: URL
    #[arg(long, value_name = "SRC")]
    pub source: Option<String>,
    /// Name of the cluster; must be the snapshot's
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Files and folders with service accounts and namespaces
    #[arg(long, value_name = "PATH")]
    pub manifests: Vec<String>,
    /// How the manifests are read
    #[command(flatten)]
    pub input: InputArgs,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Configuration file (YAML), for the injector's settings
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Arguments of `snapshot`.
#[derive(Debug, Args)]
pub struct SnapshotArgs {
    /// Name of the cluster
    #[arg(long, value_name = "NAME")]
    pub cluster: String,
    /// Where to write: a path, a file: URL, s3://BUCKET/KEY, or - for standard output
    #[arg(short, long, value_name = "SRC")]
    pub output: String,
    /// Configuration file (YAML); its section `aws` says what is read
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Files and folders with service accounts and workloads: the roles that they name are read. May be repeated
    #[arg(long, value_name = "PATH")]
    pub manifests: Vec<String>,
    /// Read the policies of roles too
    #[arg(long)]
    pub policies: bool,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A rule; without one, all are listed
    #[arg(value_name = "RULE")]
    pub rule: Option<String>,
}

/// Arguments of `try`.
#[derive(Debug, Args)]
pub struct TryArgs {
    /// Go on serving afterwards, and print how to send a review by hand
    #[arg(long)]
    pub keep: bool,
}

/// `--mode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModeArg {
    /// Deny where a namespace asks for it
    Enforce,
    /// Deny nothing, warn instead
    Warn,
    /// Only log
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
    /// Nothing
    Off,
    /// An identity that is configured must work
    Chain,
    /// Also: what needs AWS must have an identity
    Fallback,
    /// Also: everything has an identity of its own
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

/// `--reports`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportsArg {
    /// Report of openreports.io/v1alpha1
    #[value(name = "openreports")]
    OpenReports,
    /// PolicyReport of wgpolicyk8s.io/v1alpha2
    #[value(name = "wgpolicyk8s")]
    PolicyWorkingGroup,
}

/// `--format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}
