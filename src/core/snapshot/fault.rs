//! What is wrong with a snapshot, and where.

/// Why a snapshot cannot be read: where, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotError {
    /// The place, such as `accounts.111122223333.roles[3].AssumeRolePolicyDocument`; empty for the whole text.
    pub place: String,
    /// What is wrong there.
    pub message: String,
}

impl std::fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.place.is_empty() || self.place == "." {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.place, self.message)
        }
    }
}

impl std::error::Error for SnapshotError {}

pub(super) type Result<T> = std::result::Result<T, SnapshotError>;

pub(super) fn error(place: impl Into<String>, message: impl Into<String>) -> SnapshotError {
    SnapshotError { place: place.into(), message: message.into() }
}
