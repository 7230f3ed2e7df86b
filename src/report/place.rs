//! Where a finding is in the manifests.

use rolecall_core::finding::Finding;
use serde::Serialize;

/// Where in the manifests the field is that causes a finding.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FindingLocation {
    /// The file, or `-`.
    pub file: String,
    /// Which document of the file, from 1.
    pub document: usize,
    /// The line of the field, from 1.
    pub line: usize,
    /// The column of the field, from 1, in characters.
    pub column: usize,
    /// The JSON pointer of the field in the document.
    #[serde(skip)]
    pub pointer: String,
    /// The line of the field, where it is to be shown.
    #[serde(skip)]
    pub excerpt: Option<Excerpt>,
}

/// A line of a manifest that may be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Excerpt {
    /// The line, or a part of it.
    pub text: String,
    /// Where in it the field begins, in characters from 0.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

impl FindingLocation {
    /// `FILE:LINE:COLUMN`
    pub fn place(&self) -> String {
        format!("{}:{}:{}", self.file.strip_prefix("./").unwrap_or(&self.file), self.line, self.column)
    }
}

/// The place of a finding, and of the container that has it.
pub type Placing<'p> = dyn Fn(&Finding, Option<&str>) -> FindingLocation + 'p;
