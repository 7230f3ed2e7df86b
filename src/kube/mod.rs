//! The Kubernetes API: everything that asks it, watches it or writes to it, behind the feature `kube`.

mod access;
mod authority;
mod ca_bundle;
mod ca_secret;
mod client;
mod events;
mod lookup;
mod published;
mod watch;

pub use access::Authorizer;
pub use authority::CaKeeper;
pub use client::{connect, explain};
pub use events::{EventQueue, Writing, events};
pub use lookup::FromCluster;
pub use published::{About, Publication, Published, PublishedSnapshot};
pub use watch::{AGENT, Watching, watch_forever};
