//! What is known of the cluster: service accounts and namespaces, trimmed to what the judgement reads.

mod conventions;
mod facts;
mod identity_selector;
mod near_miss;
mod own_annotations;

pub use crate::workload::Objects;
pub use conventions::Conventions;
pub use facts::{Cluster, Namespace, Presence, ServiceAccount};
pub use identity_selector::IdentitySelector;
pub use near_miss::{legacy_annotation, misspelled_annotation};
pub(crate) use own_annotations::{IDENTITY_REQUIRED, split_list};
pub use own_annotations::{OwnAnnotations, Until, Validity};
