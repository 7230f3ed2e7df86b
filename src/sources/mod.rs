//! Sources: they fill snapshots and tell of the cluster. They read; they judge nothing.

mod audit_log;
pub mod aws;
mod manifests;
mod place;
mod snapshot;
#[cfg(feature = "aws")]
mod store;
#[cfg(feature = "aws")]
mod web;
#[cfg(feature = "aws")]
mod write;

/// What rolecall calls itself to AWS and to a web server that has a snapshot.
#[cfg(feature = "aws")]
const USER_AGENT: &str = concat!("rolecall/", env!("CARGO_PKG_VERSION"));

pub use audit_log::{AuditLog, AuditRecord, Batch, ObjectChange, PodCreation, read_record};
pub use manifests::{
    CustomManifest, Excerpt, Excluded, Located, Manifest, Manifests, ObjectOrigin, ReadOptions, Skipped, SkippedCount,
    SkippedKind, Substitutions, TaskDefinitionManifest, Unreadable, Unrendered, Wanted, decode, namespace_of,
    placeholder, task_definition_placeholder,
};
pub use place::{Fetched, SnapshotSource, SourceKind};
pub use snapshot::{Loaded, SourceOptions, load_snapshot, read_snapshot, wait};
#[cfg(feature = "aws")]
pub use {store::Written, write::Target};
