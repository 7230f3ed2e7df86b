//! `rolecall schema`

use std::io::Write;

use clap::{Args, ValueEnum};

/// Arguments of `schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Of what
    #[arg(value_enum, value_name = "DOCUMENT")]
    pub document: SchemaOf,
}

/// What has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// The JSON report of check and scan
    Report,
    /// The snapshot of AWS
    Snapshot,
    /// The configuration file
    #[value(alias = "config")]
    Configuration,
}

impl SchemaOf {
    fn text(self) -> &'static str {
        match self {
            Self::Report => include_str!("../../schemas/report.json"),
            Self::Snapshot => include_str!("../../schemas/snapshot.json"),
            Self::Configuration => include_str!("../../schemas/configuration.json"),
        }
    }
}

/// Prints a JSON schema.
///
/// # Errors
/// Where writing fails.
pub fn schema(args: &SchemaArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    Ok(out.write_all(args.document.text().as_bytes())?)
}
