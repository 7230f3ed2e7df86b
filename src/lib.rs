//! rolecall: which IAM identity does each container of a pod get, and does every link of that chain hold?
//!
//! The checks are in `rolecall-core`. This crate has what calls them ([`review`] and [`server`] for the webhook, [`cli`] for
//! manifests), the [`sources`] that fill its snapshots, what keeps them fresh ([`live`]), and the [`report`]s that render its findings.

pub mod cli;
pub mod config;
#[cfg(feature = "kube")]
pub mod kube;
pub mod live;
pub mod report;
pub mod review;
pub mod run;
#[cfg(feature = "kube")]
pub mod scan;
pub mod server;
pub mod sources;
