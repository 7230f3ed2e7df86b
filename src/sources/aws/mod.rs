//! AWS: which of its APIs are called, how often, and what is kept of their answers.
//!
//! [`Aws`] reads; every call waits for a token of its account's buckets ([`AwsSettings::rates`]), whether a collection or a
//! single re-read makes it. [`Collected`] is what came of it, part by part, and makes the snapshot's document.

#[cfg(feature = "aws")]
mod account;
#[cfg(feature = "aws")]
mod budget;
#[cfg(feature = "aws")]
mod clients;
#[cfg(feature = "aws")]
mod cluster;
#[cfg(feature = "aws")]
mod collect;
#[cfg(feature = "aws")]
mod collected;
#[cfg(feature = "aws")]
mod error;
#[cfg(feature = "aws")]
mod listing;
#[cfg(feature = "aws")]
mod observe;
#[cfg(feature = "aws")]
mod providers;
#[cfg(feature = "aws")]
mod roles;
mod setting_error;
mod settings;
#[cfg(feature = "aws")]
mod user_agent;

#[cfg(feature = "aws")]
pub(crate) use clients::sdk_config;
pub use setting_error::InvalidField;
pub use settings::{AwsSettings, Collect, CrossAccount, Rate};
#[cfg(feature = "aws")]
pub use {
    clients::Aws,
    collect::Wanted,
    collected::{AccountParts, Collected, Part},
    error::{AwsError, Failure},
    observe::{Observer, Outcome, Progress, Unseen},
};
