//! A field of the configuration with a value that it must not have.

use std::fmt::Display;
use std::ops::RangeInclusive;

/// A field of the configuration with a value that it must not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidField {
    /// The path of the field, such as `limits.bodyBytes`.
    pub field: String,
    /// What is wrong with its value, and what it must be.
    pub problem: String,
}

impl InvalidField {
    /// A field with this problem.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }

    /// Checks that the value is in the range.
    ///
    /// # Errors
    /// Names the field, its value and the range.
    pub fn check<T: PartialOrd + Display + Copy>(field: &str, value: T, range: RangeInclusive<T>) -> Result<(), Self> {
        if range.contains(&value) {
            return Ok(());
        }
        Err(Self::new(field, format!("is {value}, and must be from {} to {}", range.start(), range.end())))
    }
}
