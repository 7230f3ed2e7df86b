//! Reports: they render what was judged, and decide nothing.

mod json;
mod model;
mod text;

pub use json::json;
pub use model::{Report, ReportedFinding, ReportedResource, ReportedWorkload};
pub use text::text;
