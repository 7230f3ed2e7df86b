//! Reports: they render what was judged, and decide nothing.

mod can_i;
mod ci;
mod custom;
mod fixes;
mod json;
mod model;
#[cfg(feature = "kube")]
mod policy_report;
mod replay;
mod roles;
#[cfg(feature = "kube")]
mod scan;
mod text;
mod who_can;
#[cfg(feature = "kube")]
mod would_deny;

pub use can_i::{Can, CanI, Grants, Through};
pub use ci::{github, gitlab, junit, markdown, sarif};
pub use custom::CustomRemarks;
pub use json::json;
pub use model::{
    Excerpt, FindingLocation, Placing, Report, ReportedFinding, ReportedIdentity, ReportedResource,
    ReportedServiceAccount, ReportedSkipped, ReportedUnreadable, ReportedWorkload,
};
pub use replay::{Replay, ReplayCounts, ReplayedDenial, ReplayedOwner, UnreadableLine};
pub(crate) use rolecall_message::count;
pub use roles::ReportedRole;
pub use text::{Detail, TextOptions, text};
pub use who_can::{Allowed, WhoCan, WhoCanSummary};
#[cfg(feature = "kube")]
pub use {
    policy_report::{Dialect, PolicyReport, policy_reports},
    scan::ReportedOrphan,
    would_deny::{NamespaceDenials, OwnerDenials, would_deny},
};
