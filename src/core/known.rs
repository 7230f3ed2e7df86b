//! What is known of something: that it exists, that it does not, or neither.

/// Something that may exist. What was not read is unknown, and never counts as absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Known<T> {
    /// It was not read.
    #[default]
    Unknown,
    /// It was read, and does not exist.
    Absent,
    /// It exists.
    Present(T),
}

impl<T> Known<T> {
    /// The result of a look-up. What is not found is absent only where the list `is_complete`.
    pub fn found(found: Option<T>, is_complete: bool) -> Self {
        match found {
            Some(found) => Self::Present(found),
            None if is_complete => Self::Absent,
            None => Self::Unknown,
        }
    }

    /// It, where it exists.
    pub fn present(self) -> Option<T> {
        match self {
            Self::Present(value) => Some(value),
            Self::Absent | Self::Unknown => None,
        }
    }

    /// Whether it exists for certain.
    pub fn is_present(&self) -> bool {
        matches!(self, Self::Present(_))
    }

    /// Whether it does not exist for certain.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Whether it may exist or not.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }

    /// The same of what this makes of it.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Known<U> {
        match self {
            Self::Unknown => Known::Unknown,
            Self::Absent => Known::Absent,
            Self::Present(value) => Known::Present(make(value)),
        }
    }

    /// The same by reference.
    pub fn as_ref(&self) -> Known<&T> {
        match self {
            Self::Unknown => Known::Unknown,
            Self::Absent => Known::Absent,
            Self::Present(value) => Known::Present(value),
        }
    }
}

impl Known<()> {
    /// Something that was looked for.
    pub fn exists(exists: bool) -> Self {
        if exists { Self::Present(()) } else { Self::Absent }
    }
}
