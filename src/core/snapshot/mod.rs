//! The snapshot: an immutable view of AWS. A part that was not read is `None`, and what depends on it is unknown; an
//! account that is present without a role means that the role does not exist.

mod associations;
mod entry;
mod fault;
mod file;
mod issuer;
mod metadata;
mod model;
mod naming;
mod near;
mod organization;
mod reread;
mod roles;
mod view;

pub use fault::SnapshotError;
pub use file::SNAPSHOT_VERSION;
pub use issuer::Issuer;
pub use model::{
    Account, Association, Associations, ClusterInfo, ControlPolicies, ControlPolicy, FargateProfile, FargateSelector,
    IdentityPolicy, LazyDocument, Provider, Role, Snapshot,
};
pub use naming::{NamedBy, NamingIndex, NamingRole};
pub use reread::Reread;
pub(crate) use view::is_typo;
pub use view::{OwnRole, Viewer, Withheld};
