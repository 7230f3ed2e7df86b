//! Reports: they render what was judged, and decide nothing.

mod accept;
mod can_i;
mod ci;
mod cluster;
mod custom;
mod fixes;
mod html;
mod json;
mod model;
mod place;
#[cfg(feature = "kube")]
mod policy_report;
mod replay;
mod roles;
mod roll_call;
#[cfg(feature = "kube")]
mod scan;
mod summary;
mod text;
mod who_can;
#[cfg(feature = "kube")]
mod would_deny;

pub use accept::Baseline;
pub use can_i::{Can, CanI, Grants, Through};
pub use ci::{github, gitlab, junit, markdown, sarif};
pub use cluster::ReportedCluster;
pub use custom::CustomRemarks;
pub use html::html;
pub use json::json;
pub use model::{
    Accepted, AcceptedBy, Report, ReportedFinding, ReportedIdentity, ReportedResource, ReportedServiceAccount,
    ReportedSkipped, ReportedUnreadable, ReportedWorkload,
};
pub use place::{Excerpt, FindingLocation, Placing};
pub use replay::{Replay, ReplayCounts, ReplayedDenial, ReplayedOwner, UnreadableLine};
pub(crate) use rolecall_message::count;
pub use roles::ReportedRole;
pub use roll_call::{GroupBy, RollCall, RollCallOrder, csv, table};
pub use text::{Detail, TextOptions, text};
pub use who_can::{Allowed, WhoCan, WhoCanSummary};
#[cfg(feature = "kube")]
pub use {
    policy_report::{Dialect, PolicyReport, policy_reports},
    scan::ReportedOrphan,
    would_deny::{NamespaceDenials, OwnerDenials, would_deny},
};

/// Why a finding does not change the exit code.
fn accepted(accepted: &Accepted) -> String {
    match (&accepted.by, &accepted.reason) {
        (AcceptedBy::Baseline, _) => "in the baseline; admission still reports it".to_owned(),
        (AcceptedBy::Comment, None) => "ignored by a comment; admission still reports it".to_owned(),
        (AcceptedBy::Comment, Some(reason)) => format!("ignored by a comment ({reason}); admission still reports it"),
    }
}
