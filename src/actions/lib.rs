#![doc = include_str!("README.md")]
//!
//! What an action is, and what the columns of its table mean: Service Authorization Reference, "Actions, resources, and
//! condition keys for AWS services".

mod action;
mod arn;
mod index;
mod pattern;
mod suggest;
mod typos;

pub use action::{AccessLevel, Action, ResourceUse, Service, find, is_known, matching, service, services, source};
pub use suggest::suggest;
