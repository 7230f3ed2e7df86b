//! rolecall: whom will this pod be when it calls AWS, and does every link of that chain hold?
//!
//! The judgement lives in `rolecall-core`; here are its doors ([`review`] and [`server`] for the webhook, [`cli`] for
//! manifests), the [`sources`] that fill its snapshots, what keeps them fresh ([`live`]), and the [`report`]s that render its findings.

pub mod certs;
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
