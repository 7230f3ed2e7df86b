//! Reports: they render what was judged, and decide nothing.

mod can_i;
mod json;
mod model;
#[cfg(feature = "kube")]
mod policy_report;
#[cfg(feature = "kube")]
mod scan;
mod text;
#[cfg(feature = "kube")]
mod would_deny;

pub use can_i::{Can, CanI, Grants, Through};
pub use json::json;
pub use model::{Report, ReportedFinding, ReportedResource, ReportedUnreadable, ReportedWorkload};
pub use text::text;
#[cfg(feature = "kube")]
pub use {
    policy_report::{Dialect, PolicyReport, policy_reports},
    scan::ReportedOrphan,
    would_deny::{NamespaceDenials, OwnerDenials, would_deny},
};
