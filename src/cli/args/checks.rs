//! Arguments of the commands that report findings.

use std::path::PathBuf;

use clap::builder::{BoolishValueParser, FalseyValueParser, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

use rolecall_core::identity::Identity;

use super::{FixFormat, InputArgs, LevelArg};
use crate::cli::output::{OutputArg, ReportFormat};
use crate::report::{Detail, GroupBy, RollCall, RollCallOrder};

/// Arguments of `check`.
#[derive(Debug, Clone, Default, Args)]
pub struct CheckArgs {
    /// Files, folders, or - for standard input
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<String>,
    /// How the manifests are read
    #[command(flatten)]
    pub input: InputArgs,
    /// Leave out files and folders: a name, or the end of a path, with *, ? and **; may be repeated
    #[arg(long, value_name = "GLOB", env = "ROLECALL_EXCLUDE", value_delimiter = '\n')]
    pub exclude: Vec<String>,
    /// Accept that there is nothing to check: the exit code is then 0, not 2
    #[arg(long, value_name = "BOOL", env = "ROLECALL_ALLOW_EMPTY", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub allow_empty: Option<bool>,
    /// Stop at the first file that cannot be read, instead of checking the rest
    #[arg(long, value_name = "BOOL", env = "ROLECALL_STRICT_INPUT", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub strict_input: Option<bool>,
    /// Files and folders with service accounts and namespaces that are not to be checked themselves
    #[arg(long, value_name = "PATH", env = "ROLECALL_MANIFESTS", value_delimiter = '\n')]
    pub manifests: Vec<String>,
    /// Context of the kubeconfig: service accounts and namespaces as they are in that cluster now
    #[arg(long, value_name = "CTX", env = "ROLECALL_CONTEXT", conflicts_with = "manifests")]
    pub context: Option<String>,
    /// Source of the AWS data: aws, a path, or a file:, s3: or https: URL of a snapshot. Without it, checks that need AWS data
    /// are unknown
    #[arg(long, value_name = "SRC", env = "ROLECALL_SOURCE")]
    pub source: Option<String>,
    /// Name of the cluster. Required with --source aws; a snapshot must be of this cluster
    #[arg(long, value_name = "NAME", env = "ROLECALL_CLUSTER")]
    pub cluster: Option<String>,
    /// Strictness level. Default: fallback
    #[arg(long, value_enum, env = "ROLECALL_LEVEL")]
    pub level: Option<LevelArg>,
    /// Output format. Default: text
    #[arg(long, value_enum, env = "ROLECALL_FORMAT")]
    pub format: Option<ReportFormat>,
    /// What is reported, and how
    #[command(flatten)]
    pub report: ReportArgs,
    /// Configuration file (YAML), with the settings of the injector, the namespaces without exemptions, and defaults of these
    /// options. Default: the nearest .rolecall.yaml in the current folder and those above it
    #[arg(long, value_name = "FILE", env = "ROLECALL_CONFIG")]
    pub config: Option<PathBuf>,
}

/// What is reported, and how.
#[derive(Debug, Clone, Default, Args)]
pub struct ReportArgs {
    /// Write the report in a format to a file, or to standard output (-); may be repeated. Without --format, nothing else is
    /// written to standard output
    #[arg(long, value_name = "FORMAT=FILE", env = "ROLECALL_OUTPUT", value_delimiter = '\n', value_parser = OutputArg::parse)]
    pub output: Vec<OutputArg>,
    /// The least certain findings that make the exit code 1. Default: likely
    #[arg(long, value_enum, value_name = "CERTAINTY", env = "ROLECALL_FAIL_ON")]
    pub fail_on: Option<FailOn>,
    /// Report these rules only; may be repeated
    #[arg(long, value_name = "RULE", env = "ROLECALL_SELECT", value_delimiter = ',')]
    pub select: Vec<String>,
    /// Do not report these rules; may be repeated. Admission checks them all the same
    #[arg(long, value_name = "RULE", env = "ROLECALL_IGNORE", value_delimiter = ',')]
    pub ignore: Vec<String>,
    /// Findings of this file do not change the exit code
    #[arg(long, value_name = "FILE", env = "ROLECALL_BASELINE")]
    pub baseline: Option<PathBuf>,
    /// Write the findings to a file for --baseline. The exit code is then 0, or 2 where something cannot be read
    #[arg(long, value_name = "FILE", env = "ROLECALL_WRITE_BASELINE")]
    pub write_baseline: Option<PathBuf>,
    /// How the text report writes fixes: as commands, Terraform, eksctl commands or CloudFormation; where a format has nothing
    /// for a fix, as commands. Default: messages.fixFormat of the configuration, else cli
    #[arg(long, value_enum, value_name = "FORMAT", env = "ROLECALL_FIX_FORMAT")]
    pub fix_format: Option<FixFormat>,
    /// Rows of --format table and csv: containers with this identity only; may be repeated
    #[arg(long, value_name = "IDENTITY", env = "ROLECALL_IDENTITY", value_delimiter = ',',
        value_parser = identities())]
    pub identity: Vec<String>,
    /// The same: containers with this role only, by its ARN or its name
    #[arg(long, value_name = "ROLE", env = "ROLECALL_ROLE")]
    pub role: Option<String>,
    /// The same: what groups the rows
    #[arg(long, value_enum, value_name = "WHAT", env = "ROLECALL_GROUP_BY")]
    pub group_by: Option<GroupBy>,
    /// The same: the order of the rows. Default: name
    #[arg(long, value_enum, value_name = "ORDER", env = "ROLECALL_SORT")]
    pub sort: Option<RollCallOrder>,
    /// Label that names the team of a workload or of a namespace
    #[arg(long, value_name = "KEY", env = "ROLECALL_TEAM_LABEL")]
    pub team_label: Option<String>,
    /// One line for each finding in the text report, and the totals
    #[arg(short, long, conflicts_with = "verbose", env = "ROLECALL_QUIET", value_parser = FalseyValueParser::new())]
    pub quiet: bool,
    /// Name every resource, place and note in the text report, however many they are
    #[arg(short, long, env = "ROLECALL_VERBOSE", value_parser = FalseyValueParser::new())]
    pub verbose: bool,
}

/// The identities of containers, as reports name them.
fn identities() -> PossibleValuesParser {
    PossibleValuesParser::new(Identity::ALL.map(Identity::name))
}

impl ReportArgs {
    /// The rows of tables.
    pub fn roll_call(&self) -> RollCall {
        RollCall {
            identities: self.identity.clone(),
            role: self.role.clone(),
            group_by: self.group_by,
            sort: self.sort.unwrap_or_default(),
        }
    }

    /// How much the text report says.
    pub fn detail(&self) -> Detail {
        match (self.quiet, self.verbose) {
            (true, _) => Detail::Quiet,
            (false, true) => Detail::Verbose,
            (false, false) => Detail::Normal,
        }
    }
}

/// `--fail-on`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Certain findings only
    Certain,
    /// Certain and likely findings
    #[default]
    Likely,
}

/// Formats of `scan`: that of GitLab needs files.
const SCAN_FORMATS: [&str; 9] = ["text", "json", "sarif", "junit", "github", "markdown", "table", "csv", "html"];

/// Arguments of `scan`.
#[derive(Debug, Clone, Default, Args)]
pub struct ScanArgs {
    /// Source of the AWS data: aws, a path, or a file:, s3: or https: URL of a snapshot. Without it, checks that need AWS data
    /// are unknown
    #[arg(long, value_name = "SRC", env = "ROLECALL_SOURCE")]
    pub source: Option<String>,
    /// Name of the cluster. Required with --source aws; a snapshot must be of this cluster
    #[arg(long, value_name = "NAME", env = "ROLECALL_CLUSTER")]
    pub cluster: Option<String>,
    /// Context of the kubeconfig (KUBECONFIG, or ~/.kube/config). Default: the current context; in a pod, its service account
    #[arg(long, value_name = "CTX", env = "ROLECALL_CONTEXT")]
    pub context: Option<String>,
    /// Namespace to scan; may be repeated. Default: all namespaces
    #[arg(short, long = "namespace", value_name = "NS", env = "ROLECALL_NAMESPACE", value_delimiter = ',')]
    pub namespaces: Vec<String>,
    /// Strictness level. Default: fallback
    #[arg(long, value_enum, env = "ROLECALL_LEVEL")]
    pub level: Option<LevelArg>,
    /// Output format. Default: text
    #[arg(long, value_name = "FORMAT", env = "ROLECALL_FORMAT",
        value_parser = PossibleValuesParser::new(SCAN_FORMATS).try_map(|name| ReportFormat::from_str(&name, false)))]
    pub format: Option<ReportFormat>,
    /// What is reported, and how
    #[command(flatten)]
    pub report: ReportArgs,
    /// Configuration file (YAML), with the settings of the injector, the namespaces without exemptions, the reports, and defaults
    /// of these options. Default: the nearest .rolecall.yaml in the current folder and those above it
    #[arg(long, value_name = "FILE", env = "ROLECALL_CONFIG")]
    pub config: Option<PathBuf>,
    /// List what would be denied if the namespaces enforced --level: owners and running pods by namespace. Exit code 1 if any
    #[arg(long, conflicts_with = "reports", env = "ROLECALL_WOULD_DENY", value_parser = FalseyValueParser::new())]
    pub would_deny: bool,
    /// Write the findings as reports in the cluster, one per namespace, instead of printing them. The exit code is then 0
    #[arg(long, value_enum, value_name = "KIND", conflicts_with_all = ["format", "output"], env = "ROLECALL_REPORTS")]
    pub reports: Option<ReportsArg>,
    /// Repeat the scan and write the reports this long after the last scan: 10m, 1h
    #[arg(long, value_name = "DURATION", requires = "reports", value_parser = duration, env = "ROLECALL_EVERY")]
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
