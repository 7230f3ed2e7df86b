//! What is known of the request's condition keys.

/// What a [`Context`] says of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// The request does not carry the key.
    Absent,
    /// Whether the request carries it, and with which value, is not known.
    Unknown,
    /// The request carries it; its value is not known.
    Present,
    /// A single-valued key.
    One(&'a str),
    /// A multivalued key.
    Many(&'a [Box<str>]),
}

impl Lookup<'_> {
    /// The request carries the key with empty texts only, or with no value at all: to `Null` and to the set operators that
    /// is no value (IAM User Guide, "Set operators for multivalued context keys").
    pub(crate) fn is_null_data_set(self) -> bool {
        match self {
            Self::One(value) => value.is_empty(),
            Self::Many(values) => values.iter().all(|value| value.is_empty()),
            Self::Absent | Self::Unknown | Self::Present => false,
        }
    }
}

/// The request context: a condition key in lower case to what is known of it. Key names are not case-sensitive (IAM User
/// Guide, "IAM JSON policy elements: Condition").
pub trait Context {
    /// What is known of this key; `key` comes in lower case.
    fn lookup(&self, key: &str) -> Lookup<'_>;

    /// Accounts for work: so many patterns and values are about to be compared. Where it returns `false`, the evaluation ends
    /// and its verdict is unknown. By default the work is not limited.
    fn spend(&self, _patterns: usize) -> bool {
        true
    }
}

/// A context as a table. A key that is not in it is absent, unless [`MapContext::unknown_by_default`] says otherwise.
#[derive(Debug, Clone, Default)]
pub struct MapContext {
    /// In the order of their lengths, then of their letters: nearly every comparison is one of two numbers.
    entries: Vec<(Box<str>, Entry)>,
    unknown_by_default: bool,
}

#[derive(Debug, Clone)]
enum Entry {
    Absent,
    Unknown,
    Present,
    One(Box<str>),
    Many(Vec<Box<str>>),
}

impl MapContext {
    /// An empty context: every key is absent.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keys that are not in the table are unknown rather than absent.
    #[must_use]
    pub fn unknown_by_default(mut self) -> Self {
        self.unknown_by_default = true;
        self
    }

    /// Sets a single-valued key.
    #[must_use]
    pub fn with(self, key: &str, value: &str) -> Self {
        self.put(key, Entry::One(value.into()))
    }

    /// Sets a multivalued key.
    #[must_use]
    pub fn with_many(self, key: &str, values: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        self.put(key, Entry::Many(values.into_iter().map(Into::into).collect()))
    }

    /// Marks a key as one that the request does not carry.
    #[must_use]
    pub fn with_absent(self, key: &str) -> Self {
        self.put(key, Entry::Absent)
    }

    /// Marks a key as one of which nothing is known.
    #[must_use]
    pub fn with_unknown(self, key: &str) -> Self {
        self.put(key, Entry::Unknown)
    }

    /// Marks a key that the request carries with a value that is not known.
    #[must_use]
    pub fn with_present(self, key: &str) -> Self {
        self.put(key, Entry::Present)
    }

    fn put(mut self, key: &str, entry: Entry) -> Self {
        let key = key.to_ascii_lowercase().into_boxed_str();
        match self.place(&key) {
            Ok(at) => self.entries.get_mut(at).into_iter().for_each(|(_, found)| *found = entry.clone()),
            Err(at) => self.entries.insert(at, (key, entry)),
        }
        self
    }

    /// Where the key is, or where it would have to stand.
    fn place(&self, key: &str) -> Result<usize, usize> {
        self.entries.binary_search_by(|(known, _)| known.len().cmp(&key.len()).then_with(|| (**known).cmp(key)))
    }
}

impl Context for MapContext {
    fn lookup(&self, key: &str) -> Lookup<'_> {
        match self.place(key).ok().and_then(|at| self.entries.get(at)).map(|(_, entry)| entry) {
            Some(Entry::Absent) => Lookup::Absent,
            Some(Entry::Unknown) => Lookup::Unknown,
            Some(Entry::Present) => Lookup::Present,
            Some(Entry::One(value)) => Lookup::One(value),
            Some(Entry::Many(values)) => Lookup::Many(values),
            None if self.unknown_by_default => Lookup::Unknown,
            None => Lookup::Absent,
        }
    }
}
