//! What the blocks around a line are about, as their names say.

use super::setting::{contains_folded, has_word};

/// Keys whose values are prose or patterns, and no settings.
pub(super) const PROSE: [&str; 18] = [
    "comment",
    "description",
    "doc",
    "docs",
    "example",
    "examples",
    "exclude",
    "expr",
    "help",
    "match",
    "message",
    "note",
    "pattern",
    "regex",
    "replacement",
    "summary",
    "text",
    "title",
];

/// Subjects of the blocks that a line is in, as bits. A block has those of the blocks around it: what a line costs does not depend on how
/// deep it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Subjects(u16);

impl Subjects {
    pub(super) const PROSE: Self = Self(1);
    pub(super) const LOGGING: Self = Self(1 << 1);
    pub(super) const DATA_SOURCES: Self = Self(1 << 2);
    pub(super) const OUTPUTS: Self = Self(1 << 3);
    pub(super) const CATALOG: Self = Self(1 << 4);
    pub(super) const CLOUD: Self = Self(1 << 5);
    pub(super) const AWS: Self = Self(1 << 6);
    pub(super) const STREAM: Self = Self(1 << 7);
    pub(super) const INPUT: Self = Self(1 << 8);
    /// A block in which the endpoint of a store may stand.
    pub(super) const STORE: Self = Self(1 << 9);
    /// A block such as `storageDriver`.
    pub(super) const DRIVER: Self = Self(1 << 10);

    /// Those of a block of this name within these.
    pub(super) fn within(self, name: &str) -> Self {
        let by_word =
            WORDS.iter().filter(|(_, words)| has_word(name, words)).fold(self.0, |bits, (one, _)| bits | one.0);
        let is_driver = DRIVERS.iter().any(|part| contains_folded(name, part));
        Self(by_word | if is_driver { Self::DRIVER.0 } else { 0 })
    }

    pub(super) fn has(self, one: Self) -> bool {
        self.0 & one.0 != 0
    }
}

/// Words in the name of a block, and what they tell.
const WORDS: [(Subjects, &[&str]); 10] = [
    (Subjects::PROSE, &PROSE),
    (Subjects::LOGGING, &["logging", "logger", "loggers"]),
    (Subjects::DATA_SOURCES, &["datasources"]),
    (Subjects::OUTPUTS, &["outputs"]),
    (Subjects::CATALOG, &["catalog", "catalogs"]),
    (Subjects::CLOUD, &["cloud"]),
    (Subjects::AWS, &["aws"]),
    (Subjects::STREAM, &["stream"]),
    (Subjects::INPUT, &["input"]),
    (Subjects::STORE, &["s3", "minio", "aws", "object", "storage", "bucket", "config", "objstore", "ceph"]),
];

/// Parts of the names of blocks that choose where something is stored.
const DRIVERS: [&str; 5] = ["storage", "driver", "store", "backend", "blob"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_the_subjects_of_those_around_it() {
        let within = |names: &[&str]| names.iter().fold(Subjects::default(), |subjects, name| subjects.within(name));
        let subjects = within(&["spring", "cloud", "aws", "region"]);
        assert!(subjects.has(Subjects::CLOUD) && subjects.has(Subjects::AWS) && subjects.has(Subjects::STORE));
        assert!(!subjects.has(Subjects::PROSE) && !subjects.has(Subjects::DRIVER));
        assert!(within(&["storageDriver", "x"]).has(Subjects::DRIVER));
        assert!(within(&["description", "s3"]).has(Subjects::PROSE));
        assert_eq!(within(&["a", "b"]), Subjects::default());
    }
}
