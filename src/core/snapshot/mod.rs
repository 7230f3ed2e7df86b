//! The snapshot: an immutable view of AWS. A part that was not read is `None`, and what depends on it is unknown; an
//! account that is present without a role means that the role does not exist.

mod file;
mod issuer;
mod model;
mod reread;
mod view;

pub use file::SnapshotError;
pub use issuer::Issuer;
pub use model::{
    Account, Association, Associations, ClusterInfo, FargateProfile, FargateSelector, IdentityPolicy, LazyDocument,
    Provider, Role, Snapshot,
};
pub use reread::Reread;
pub use view::{OwnRole, Viewer, Withheld};
