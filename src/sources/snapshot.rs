//! Snapshots: from AWS itself, or from wherever one was written to.

use std::collections::BTreeSet;
use std::future::Future;

use anyhow::{Context, bail};
use rolecall_core::snapshot::Snapshot;
use serde::Deserialize;

use super::aws::AwsSettings;
use super::place::{SnapshotSource, SourceKind};

/// What a source needs to know to be read.
#[derive(Debug)]
pub struct SourceOptions<'a> {
    /// Name of the cluster; `aws` needs it, and a snapshot's own must be the same.
    pub cluster: Option<&'a str>,
    /// How AWS is read.
    pub aws: &'a AwsSettings,
    /// Roles that `aws` is to read besides those that associations and nodes name.
    pub roles: BTreeSet<String>,
}

/// A snapshot, and what is to be said about it.
#[derive(Debug)]
pub struct Loaded {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Parts that could not be read when it was collected, and why.
    pub unread: Vec<String>,
}

/// Loads a snapshot from a source as the command line names it: `aws`, a path, a `file:`, `s3:` or `https:` URL, or `-` for
/// standard input. Blocks; must not be called from within a runtime.
///
/// # Errors
/// Where the source is of a kind that this build does not read, cannot be read, or is malformed; and where the snapshot is
/// of another cluster than was asked for.
pub fn load_snapshot(source: &str, options: &SourceOptions<'_>) -> anyhow::Result<Loaded> {
    let text = wait(async {
        if SourceKind::of(source) == SourceKind::Aws {
            return collected(options).await;
        }
        let mut source = SnapshotSource::open(source, options.aws).await?;
        Ok(source.poll().await?.map(|fetched| fetched.text).unwrap_or_default())
    })??;
    let snapshot = read_snapshot(&text, options.cluster).map_err(|message| anyhow::anyhow!("{source}: {message}"))?;
    let mut unread = unread(&text);
    let faults = snapshot.faults.iter().map(ToString::to_string);
    unread.extend(faults.filter(|fault| !unread.contains(fault)).collect::<Vec<_>>());
    Ok(Loaded { snapshot, unread })
}

/// Runs something that waits for the network, in a command that has no runtime of its own.
///
/// # Errors
/// Where no runtime can be had.
pub fn wait<T>(future: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.context("no runtime can be had")?.block_on(future))
}

#[cfg(feature = "aws")]
async fn collected(options: &SourceOptions<'_>) -> anyhow::Result<String> {
    let Some(cluster) = options.cluster else {
        bail!("--source aws: needs --cluster NAME");
    };
    let aws = super::aws::Aws::connect(options.aws.clone(), cluster).await?;
    let wanted = super::aws::Wanted { roles: options.roles.clone(), policies: false };
    let collected = aws.collect(&wanted, None, &super::aws::Unseen).await;
    match collected.cluster.error {
        Some(error) => Err(error.into()),
        None => Ok(collected.document().to_string()),
    }
}

#[cfg(not(feature = "aws"))]
#[expect(clippy::unused_async, reason = "it waits where the feature is on")]
async fn collected(_: &SourceOptions<'_>) -> anyhow::Result<String> {
    bail!("--source aws: this build has no feature `aws`; give the path of a snapshot")
}

/// Reads a snapshot from text, and holds its cluster to the name that was asked for.
///
/// # Errors
/// A malformed part by its place, or another cluster.
pub fn read_snapshot(text: &str, cluster: Option<&str>) -> Result<Snapshot, String> {
    let snapshot = Snapshot::parse(text).map_err(|e| e.to_string())?;
    warn_of_faults(&snapshot);
    match (cluster, &snapshot.cluster) {
        (Some(asked), Some(found)) if *found.name != *asked => {
            Err(format!("the snapshot is of cluster `{}`, but --cluster says `{asked}`", found.name))
        }
        _ => Ok(snapshot),
    }
}

/// Most entries that cannot be read that are logged one by one.
const MAX_LOGGED_FAULTS: usize = 20;

/// Logs each entry that cannot be read: it costs only itself.
fn warn_of_faults(snapshot: &Snapshot) {
    for fault in snapshot.faults.iter().take(MAX_LOGGED_FAULTS) {
        tracing::warn!(target: "rolecall::snapshot", place = fault.place, error = fault.message,
            "an entry of the snapshot cannot be read: what depends on it is unknown");
    }
    let more = snapshot.faults.len().saturating_sub(MAX_LOGGED_FAULTS);
    if more > 0 {
        tracing::warn!(target: "rolecall::snapshot", more, "more entries of the snapshot cannot be read");
    }
}

/// What the collector could not read, as the snapshot itself says.
fn unread(text: &str) -> Vec<String> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(default)]
        unread: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        part: String,
        error: String,
    }
    // A large snapshot is not read twice for nothing.
    if !text.contains("\"unread\"") {
        return Vec::new();
    }
    let wire: Wire = serde_json::from_str(text).unwrap_or(Wire { unread: Vec::new() });
    wire.unread.into_iter().map(|Entry { part, error }| format!("{part}: {error}")).collect()
}
