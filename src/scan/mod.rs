//! A running cluster, reduced to what is to be said about it: pages of objects go in, and owners with their findings, orphans
//! and the health of what gives pods their identities come out. What is asked for is in `read` and `custom`, all else is pure.

mod accounts;
mod custom;
mod health;
mod item;
mod orphans;
mod owners;
mod preview;
mod read;
mod tally;

pub use custom::{Named, read_named};
pub use health::{AgentHealth, AgentState, Health, InjectorHealth, InjectorState, WebhookHealth};
pub use orphans::{Orphan, OrphanReason};
pub use owners::Owner;
pub use preview::{PreviewLimits, preview};
pub use read::{Facts, Scope, read_facts, read_roles, read_workloads};
pub use tally::{Group, Judged, NamedIdentity, Tally};

/// What came of a scan.
#[derive(Debug)]
pub struct Scanned {
    /// Owners and service accounts with what was found at them.
    pub tally: Tally,
    /// Identities that no workload has, sorted.
    pub orphans: Vec<Orphan>,
    /// How the agent and the injector are.
    pub health: Health,
    /// What could not be read, and the right that would help, one sentence each.
    pub unread: Vec<String>,
    /// What else to know when reading this.
    pub notes: Vec<String>,
}

/// Told how far a scan is.
pub trait Progress: Sync {
    /// Something is about to be read.
    fn begin(&self, what: &str);
    /// So many objects were read.
    fn step(&self, objects: usize);
}
