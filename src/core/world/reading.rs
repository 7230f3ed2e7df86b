//! When the associations were read, compared with the object that is judged.

/// What the injector adds shows which associations exist when a pod is created. A snapshot that is older than the pod cannot
/// contradict that with certainty; a reading that is newer can.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AssociationReading {
    /// Nothing tells which is older, as for a file that is checked. Only the injector's label counts as newer evidence.
    #[default]
    Unordered,
    /// Before the object was created, and they cannot be read again.
    Before,
    /// Before the object was created. They are read again before a denial.
    BeforeAndReadable,
    /// The service account's association was read after the object was created.
    After,
}

impl AssociationReading {
    /// The object is known to be newer.
    pub fn is_older(self) -> bool {
        matches!(self, Self::Before | Self::BeforeAndReadable)
    }
}
