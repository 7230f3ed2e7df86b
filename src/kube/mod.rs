//! The Kubernetes API: everything that asks it, watches it or writes to it, behind the feature `kube`.

mod client;

pub use client::{connect, explain};

mod list;

pub use list::{PAGE, Refusal, Seen, get, list, list_names};

mod write_reports;

pub use write_reports::{ReportKind, WrittenReports, reports_known, write_reports};
