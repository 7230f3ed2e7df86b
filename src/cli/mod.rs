//! The command line: what may be said, and the commands that answer without a server.

mod acceptance;
mod args;
mod can_i;
mod check;
mod cluster_facts;
mod completions;
mod config;
mod defaults;
mod doubt;
mod explain;
mod output;
#[cfg(any(feature = "aws", feature = "kube"))]
mod progress;
mod question;
mod replay;
mod scan;
mod schema;
mod snapshot;
#[cfg(feature = "aws")]
mod snapshot_summary;
mod task_definitions;
mod teams;
mod version;
mod who_can;

pub use args::{
    CanIArgs, CheckArgs, Cli, Command, CompletionsArgs, ExplainArgs, FailOn, Format, InputArgs, LevelArg, ModeArg,
    ReplayArgs, ReportArgs, ReportsArg, ScanArgs, ServeArgs, SnapshotArgs, TryArgs, WhoCanArgs,
};
pub use can_i::can_i;
pub use check::check;
pub use completions::completions;
pub use config::{ConfigArgs, ConfigCheckArgs, ConfigCommand, ConfigShowArgs, config};
pub use explain::explain;
pub use output::{OutputArg, ReportFormat};
pub use replay::replay;
pub use scan::scan;
pub use schema::{SchemaArgs, SchemaOf, schema};
pub use snapshot::snapshot;
pub use version::version;
pub use who_can::who_can;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Nothing was found.
    Clean,
    /// Something was found, or the answer is no.
    Findings,
    /// The answer hangs on what is not known.
    Depends,
    /// Something could not be read; what could be was checked.
    Unreadable,
}
