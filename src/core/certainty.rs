//! How sure a finding is.

use serde::Serialize;

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// Admission cannot know: a note, which never denies.
    Undecided,
    /// Right for most workloads: warns, denies only at `strict`.
    Likely,
    /// The facts fix it: may deny.
    Certain,
}

impl Certainty {
    /// The name in JSON and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Undecided => "undecided",
            Self::Likely => "likely",
            Self::Certain => "certain",
        }
    }
}
