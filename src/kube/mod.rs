//! The Kubernetes API: everything that asks it, watches it or writes to it, behind the feature `kube`.

mod client;

pub use client::{connect, explain};
