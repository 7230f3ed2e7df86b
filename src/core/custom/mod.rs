//! Custom resources that name an AWS identity: which kinds, and where in them the service account and the roles are. Their
//! controllers request a token of the service account (TokenRequest), so that no pod runs as it.
//!
//! What is here only reads. Whether the chain of an identity holds is judged as for pods.

mod path;
mod pods;
mod read;
mod served;
mod table;

pub use pods::{DescribedPods, PodForm, PodSource, pod_source, pod_sources};
pub use read::{AssumedRole, AudienceOf, Reading, Reference, RoleOf, Who};
pub use served::served_by_controller;
use table::KINDS;
pub use table::{Controller, CustomKind, Listed, Scope};

/// Every kind.
pub fn all() -> &'static [CustomKind] {
    KINDS
}

/// The kind of an object with this `apiVersion`.
pub fn find(api_version: &str, kind: &str) -> Option<&'static CustomKind> {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    all().iter().find(|known| known.group == group && known.kind == kind)
}
