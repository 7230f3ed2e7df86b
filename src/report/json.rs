//! JSON, for programs.

use std::io::Write;

use super::model::Report;

/// Writes the report as JSON.
///
/// # Errors
/// Where writing fails.
pub fn json(report: &Report, out: &mut dyn Write) -> anyhow::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    writeln!(out)?;
    Ok(())
}
