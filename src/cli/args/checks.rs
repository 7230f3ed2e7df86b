//! Arguments of the commands that report findings.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum};

use super::{FixFormat, Format, InputArgs, LevelArg};
use crate::report::Detail;

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Files, folders, or - for standard input
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<String>,
    /// How the manifests are read
    #[command(flatten)]
    pub input: InputArgs,
    /// Leave out files and folders: a name, or the end of a path, with *, ? and **; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Accept that there is nothing to check: the exit code is then 0, not 2
    #[arg(long)]
    pub allow_empty: bool,
    /// Stop at the first file that cannot be read, instead of checking the rest
    #[arg(long)]
    pub strict_input: bool,
    /// Source of the AWS data: aws, a path, or a file:, s3: or https: URL of a snapshot. Without it, checks that need AWS data
    /// are unknown
    #[arg(long, value_name = "SRC")]
    pub source: Option<String>,
    /// Name of the cluster. Required with --source aws; a snapshot must be of this cluster
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Strictness level
    #[arg(long, value_enum, default_value_t = LevelArg::Fallback)]
    pub level: LevelArg,
    /// Output format
    #[arg(long, value_enum, default_value_t = CheckFormat::Text)]
    pub format: CheckFormat,
    /// How the report is written
    #[command(flatten)]
    pub report: ReportArgs,
    /// Configuration file (YAML), with the settings of the injector and the namespaces without exemptions
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// How a report is written.
#[derive(Debug, Default, Args)]
pub struct ReportArgs {
    /// How the text report writes fixes: as commands, Terraform, eksctl commands or CloudFormation; where a format has nothing
    /// for a fix, as commands. Default: messages.fixFormat of the configuration, else cli
    #[arg(long, value_enum, value_name = "FORMAT", env = "ROLECALL_FIX_FORMAT")]
    pub fix_format: Option<FixFormat>,
    /// One line for each finding in the text report, and the totals
    #[arg(short, long, conflicts_with = "verbose", env = "ROLECALL_QUIET", value_parser = FalseyValueParser::new())]
    pub quiet: bool,
    /// Name every resource, place and note in the text report, however many they are
    #[arg(short, long, env = "ROLECALL_VERBOSE", value_parser = FalseyValueParser::new())]
    pub verbose: bool,
}

impl ReportArgs {
    /// How much the text report says.
    pub fn detail(&self) -> Detail {
        match (self.quiet, self.verbose) {
            (true, _) => Detail::Quiet,
            (false, true) => Detail::Verbose,
            (false, false) => Detail::Normal,
        }
    }
}

/// Arguments of `scan`.
#[derive(Debug, Args)]
pub struct ScanArgs {
    /// Source of the AWS data: aws, a path, or a file:, s3: or https: URL of a snapshot. Without it, checks that need AWS data
    /// are unknown
    #[arg(long, value_name = "SRC")]
    pub source: Option<String>,
    /// Name of the cluster. Required with --source aws; a snapshot must be of this cluster
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Context of the kubeconfig (KUBECONFIG, or ~/.kube/config). Default: the current context; in a pod, its service account
    #[arg(long, value_name = "CTX")]
    pub context: Option<String>,
    /// Namespace to scan; may be repeated. Default: all namespaces
    #[arg(short, long = "namespace", value_name = "NS")]
    pub namespaces: Vec<String>,
    /// Strictness level
    #[arg(long, value_enum, default_value_t = LevelArg::Fallback)]
    pub level: LevelArg,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// How the report is written
    #[command(flatten)]
    pub report: ReportArgs,
    /// Configuration file (YAML), with the settings of the injector, the namespaces without exemptions, and the reports
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// List what would be denied if the namespaces enforced --level: owners and running pods by namespace. Exit code 1 if any
    #[arg(long, conflicts_with = "reports")]
    pub would_deny: bool,
    /// Write the findings as reports in the cluster, one per namespace, instead of printing them. The exit code is then 0
    #[arg(long, value_enum, value_name = "KIND", conflicts_with = "format")]
    pub reports: Option<ReportsArg>,
    /// Repeat the scan and write the reports this long after the last scan: 10m, 1h
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

/// `--format` of `check`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// Text for people
    Text,
    /// JSON for programs
    Json,
    /// SARIF 2.1.0, for GitHub code scanning and others
    Sarif,
    /// JUnit XML, one test case per resource
    Junit,
    /// Annotations of GitHub Actions
    Github,
    /// GitLab code quality report
    Gitlab,
    /// Markdown table, for a comment on a pull request
    Markdown,
}
