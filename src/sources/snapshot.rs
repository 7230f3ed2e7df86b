//! Snapshots from files.

use std::path::Path;

use anyhow::{Context, bail};
use rolecall_core::snapshot::Snapshot;

/// Loads a snapshot from a source as the command line names it: a path, a `file:` URL, or `-` for standard input.
///
/// # Errors
/// Where the source is of a kind that this build does not read, cannot be read, or is malformed; and where the snapshot is
/// of another cluster than `cluster`.
pub fn load_snapshot(source: &str, cluster: Option<&str>) -> anyhow::Result<Snapshot> {
    let text = match source {
        "-" => std::io::read_to_string(std::io::stdin()).context("standard input: cannot be read")?,
        "aws" => bail!("--source aws: this build reads snapshots from files only; give the path of a snapshot"),
        _ if source.starts_with("s3:") || source.starts_with("https:") || source.starts_with("http:") => {
            bail!("--source {source}: this build reads snapshots from files only; copy it to a file first")
        }
        _ => {
            let path = source.strip_prefix("file://").or_else(|| source.strip_prefix("file:")).unwrap_or(source);
            let bytes =
                std::fs::read(Path::new(path)).with_context(|| format!("{path}: the snapshot cannot be read"))?;
            String::from_utf8(bytes).map_err(|e| {
                anyhow::anyhow!("{path}: the snapshot is not UTF-8: byte {} is wrong", e.utf8_error().valid_up_to())
            })?
        }
    };
    read_snapshot(&text, cluster).map_err(|message| anyhow::anyhow!("{source}: {message}"))
}

/// Reads a snapshot from text, and holds its cluster to the name that was asked for.
///
/// # Errors
/// A malformed part by its place, or another cluster.
pub fn read_snapshot(text: &str, cluster: Option<&str>) -> Result<Snapshot, String> {
    let snapshot = Snapshot::parse(text).map_err(|e| e.to_string())?;
    match (cluster, &snapshot.cluster) {
        (Some(asked), Some(found)) if *found.name != *asked => {
            Err(format!("the snapshot is of cluster `{}`, but --cluster says `{asked}`", found.name))
        }
        _ => Ok(snapshot),
    }
}
