//! Custom resources that name an AWS identity: which kinds, and where in them the service account and the roles are. Their
//! controllers request a token of the service account (TokenRequest), so that no pod runs as it.
//!
//! What is here only reads. Whether the chain of an identity holds is judged as for pods.

mod path;
mod read;
mod table;

pub use read::{AssumedRole, AudienceOf, Reading, Reference, RoleOf, Who};
pub use table::{Controller, CustomKind, Listed, Scope, all, find};
