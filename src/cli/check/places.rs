//! The places of findings in the texts of the manifests.

use crate::report::{Excerpt, FindingLocation, Report};
use crate::sources::{self, Manifests, ObjectOrigin, Wanted};

/// How comments that rolecall reads begin.
const COMMENT: &str = "rolecall:";

/// The place of a field before its line is known: that of its document.
pub(super) fn begin(origin: &ObjectOrigin, pointer: String) -> FindingLocation {
    let ObjectOrigin { file, document, line } = origin.clone();
    FindingLocation { file, document, line, column: 1, pointer, excerpt: None }
}

/// Finds line and column of every finding, and the lines to show.
pub(super) fn find(manifests: &Manifests, excerpts: bool, report: &mut Report) {
    let locations: Vec<FindingLocation> = report.locations().map(|location| location.clone()).collect();
    let wanted: Vec<Wanted<'_>> = locations
        .iter()
        .map(|location| Wanted { file: &location.file, document: location.document, pointer: &location.pointer })
        .collect();
    let located = manifests.locate(&wanted, excerpts, COMMENT);
    for (location, found) in report.locations().zip(located) {
        let Some(found) = found else { continue };
        location.line = found.line;
        location.column = found.column;
        location.excerpt = found.excerpt.map(|sources::Excerpt { text, start, end }| Excerpt { text, start, end });
    }
}
