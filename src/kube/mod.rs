//! The Kubernetes API: everything that asks it, watches it or writes to it, behind the feature `kube`.

mod authority;
mod ca_bundle;
mod ca_secret;
mod client;

pub use authority::CaKeeper;
pub use client::{connect, explain};
