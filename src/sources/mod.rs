//! Sources: they fill snapshots and tell of the cluster. They read; they judge nothing.

mod manifests;
mod snapshot;

pub use manifests::{Manifest, Manifests, ObjectOrigin, namespace_of};
pub use snapshot::{load_snapshot, read_snapshot};
