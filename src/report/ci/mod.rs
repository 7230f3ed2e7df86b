//! Reports in the formats that CI systems read.

mod annotations;
mod code_quality;
mod junit;
mod markdown;
mod sarif;

pub use annotations::github;
pub use code_quality::gitlab;
pub use junit::junit;
pub use markdown::markdown;
pub use sarif::sarif;

use super::model::ReportedFinding;

/// `Deployment carts/carts, container app`.
fn subject(finding: &ReportedFinding) -> String {
    let container = finding.container.as_ref().map(|name| format!(", container {name}")).unwrap_or_default();
    format!("{}{container}", super::text::named(&finding.resource))
}

/// The message with its evidence, a hint and the fix, one to a line.
fn full_text(finding: &ReportedFinding) -> String {
    let mut lines = vec![finding.message.clone()];
    let evidence = [(finding.labels.0, &finding.expected), (finding.labels.1, &finding.found)];
    lines.extend(evidence.into_iter().filter_map(|(label, value)| Some(format!("{label}: {}", value.as_ref()?))));
    lines.extend(finding.hint.clone());
    lines.push(format!("fix: {}", finding.fix));
    if let Some(accepted) = &finding.accepted {
        lines.push(super::accepted(accepted));
    }
    let docs = finding.docs.as_ref().map(|url| format!(", {url}"));
    lines.push(format!("more: rolecall explain {}{}", finding.rule, docs.unwrap_or_default()));
    lines.iter().map(|line| rolecall_core::finding::printable(line)).collect::<Vec<_>>().join("\n")
}

/// A path from the folder that the command runs in, as CI systems write it.
fn path(file: &str) -> &str {
    file.strip_prefix("./").unwrap_or(file)
}
