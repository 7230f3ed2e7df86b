//! The places of findings in the texts of the manifests, and the comments there.

use std::collections::BTreeSet;

use super::comments;
use crate::report::{Excerpt, FindingLocation, Report};
use crate::sources::{self, Located, Manifests, ObjectOrigin, Wanted};

/// The place of a field before its line is known: that of its document.
pub(super) fn begin(origin: &ObjectOrigin, pointer: String) -> FindingLocation {
    let ObjectOrigin { file, document, line } = origin.clone();
    FindingLocation { file, document, line, column: 1, pointer, excerpt: None }
}

/// Finds line and column of every finding, and the lines to show. Accepts findings by comments; returns what is wrong with those.
pub(super) fn find(manifests: &Manifests, excerpts: bool, report: &mut Report) -> BTreeSet<String> {
    let of_findings = report.findings.iter().filter_map(|finding| finding.location.as_ref());
    let of_exempted = report.exempted.iter().filter_map(|exempted| exempted.location.as_ref());
    let wanted: Vec<Wanted<'_>> = of_findings
        .chain(of_exempted)
        .map(|location| Wanted { file: &location.file, document: location.document, pointer: &location.pointer })
        .collect();
    let mut located = manifests.locate(&wanted, excerpts, comments::START).into_iter();
    let mut faults = BTreeSet::new();
    for finding in &mut report.findings {
        let Some(location) = &mut finding.location else { continue };
        let Some(Some(found)) = located.next() else { continue };
        let of_comments = place(location, found);
        faults.extend(comments::apply(finding, &of_comments));
    }
    for exempted in &mut report.exempted {
        let Some(location) = &mut exempted.location else { continue };
        let Some(Some(found)) = located.next() else { continue };
        place(location, found);
    }
    faults
}

/// Sets line and column; returns the comments there.
fn place(location: &mut FindingLocation, found: Located) -> Vec<String> {
    location.line = found.line;
    location.column = found.column;
    location.excerpt = found.excerpt.map(|sources::Excerpt { text, start, end }| Excerpt { text, start, end });
    found.comments
}
