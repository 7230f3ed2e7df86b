//! Reports: they render what was judged, and decide nothing.

mod can_i;
mod json;
mod model;
mod policy_report;
mod scan;
mod text;

pub use can_i::{Can, CanI, Grants, Through};
pub use json::json;
pub use model::{Report, ReportedFinding, ReportedResource, ReportedWorkload};
pub use policy_report::{Dialect, PolicyReport, policy_reports};
pub use scan::ReportedOrphan;
pub use text::text;
