//! Why a configuration cannot be used.

use crate::sources::aws::InvalidField;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It is not YAML, or a field is unknown or of the wrong type. The message names line and column.
    #[error("{0}")]
    Syntax(String),
    /// A field has a value that it must not have.
    #[error(transparent)]
    Field(#[from] InvalidField),
}
