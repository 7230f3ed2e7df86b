//! The judgement of rolecall: which AWS identity will each container of a workload have, and does every link of that chain
//! hold?
//!
//! Pure: no I/O, no clock, no environment; the time is an argument. The way of the data is
//! [`workload`] → [`identity`] → [`chain`] → [`finding`] → [`decision`], over a [`world::World`] that joins the
//! [`snapshot`] of AWS with the [`cluster`]'s service accounts and namespaces; [`judge`] walks it.

/// Converts each part of an enum into the variant that holds it.
macro_rules! from_parts {
    ($($part:ident => $whole:ident::$variant:ident),+ $(,)?) => {
        $(impl From<$part> for $whole {
            fn from(part: $part) -> Self {
                Self::$variant(part)
            }
        })+
    };
}

mod certainty;
pub mod chain;
pub mod cluster;
pub mod custom;
pub mod decision;
pub mod ecs;
pub mod effort;
pub mod finding;
pub mod fix;
pub mod identity;
pub mod judge;
mod known;
mod level;
pub mod permission;
pub mod rules;
pub mod snapshot;
mod subject;
mod text;
pub mod workload;
pub mod world;

pub use known::Known;
