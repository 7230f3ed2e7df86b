//! The Kubernetes API: everything that asks it, watches it or writes to it, behind the feature `kube`.

mod access;
mod ca_bundle;
mod ca_secret;
mod ca_store;
mod client;
mod events;
mod lease;
mod list;
mod lookup;
mod pages;
mod pause;
mod published;
mod watch;
mod write_reports;

pub use access::Authorizer;
pub use ca_store::ClusterCaStore;
pub use client::{connect, explain};
pub use events::{EventQueue, Writing, events};
pub use lease::{Candidate, Leadership};
pub use list::{Refusal, Seen, get, list, list_names};
pub use lookup::FromCluster;
pub use pages::{PageItems, PageText, Pages};
pub use pause::{Pausing, watch_pause};
pub use published::{About, Publication, Published, PublishedSnapshot};
pub use watch::{AGENT, Watching, watch_forever};
pub use write_reports::{ReportKind, WrittenReports, reports_known, write_reports};
