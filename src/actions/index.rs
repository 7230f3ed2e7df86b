//! The embedded file, read as far as is needed: its sections once, at the first question; a section's names and its
//! details once each, when they are first needed. The format is described in the README.

use std::sync::OnceLock;

static DATA: &str = include_str!("data/actions.txt");

/// The whole file, cut into sections.
pub(crate) struct Index {
    /// Condition keys that many services share (`aws:…`).
    shared: Vec<&'static str>,
    /// By prefix.
    sections: Vec<Section>,
    /// Package and version.
    pub(crate) source: &'static str,
}

/// One service.
pub(crate) struct Section {
    pub(crate) prefix: &'static str,
    pub(crate) name: &'static str,
    text: &'static str,
    names: OnceLock<Names>,
    details: OnceLock<Details>,
}

struct Names {
    /// The heads of the groups: level, resource types, condition keys.
    groups: Vec<&'static str>,
    /// By name in lower case.
    entries: Vec<Entry>,
}

/// One action.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    group: u32,
}

struct Details {
    lists: Vec<Box<[Box<str>]>>,
    types: Vec<ResourceType>,
}

/// A row of a service's table of resource types.
pub(crate) struct ResourceType {
    pub(crate) name: &'static str,
    pub(crate) patterns: Box<[Box<str>]>,
    list: Option<usize>,
}

/// What the head of a group says.
pub(crate) struct Head {
    pub(crate) level: char,
    pub(crate) uses: Vec<Use>,
    pub(crate) keys: &'static [Box<str>],
}

/// A resource type in an action's table.
pub(crate) struct Use {
    pub(crate) kind: &'static ResourceType,
    pub(crate) required: bool,
    /// Of the row in the action's table, then of the type itself.
    pub(crate) keys: [&'static [Box<str>]; 2],
}

/// The index; built at the first call.
pub(crate) fn index() -> &'static Index {
    static INDEX: OnceLock<Index> = OnceLock::new();
    INDEX.get_or_init(|| {
        let mut parts = DATA.split("\n@");
        let head = parts.next().unwrap_or_default();
        let source = head.lines().find_map(|line| line.strip_prefix("# source: ")).unwrap_or_default();
        let shared = head.lines().filter_map(|line| line.strip_prefix('?')).collect();
        let sections = parts.filter_map(Section::new).collect();
        Index { shared, sections, source }
    })
}

impl Index {
    pub(crate) fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// Case does not count.
    pub(crate) fn section(&self, prefix: &str) -> Option<&Section> {
        let at = self.sections.binary_search_by(|section| compare(section.prefix, prefix)).ok()?;
        self.sections.get(at)
    }
}

/// As if both were in lower case.
fn compare(a: &str, b: &str) -> std::cmp::Ordering {
    a.bytes().map(|b| b.to_ascii_lowercase()).cmp(b.bytes().map(|b| b.to_ascii_lowercase()))
}

impl Section {
    fn new(part: &'static str) -> Option<Self> {
        let (head, text) = part.split_once('\n').unwrap_or((part, ""));
        let (prefix, name) = head.split_once('\t')?;
        Some(Self { prefix, name, text, names: OnceLock::new(), details: OnceLock::new() })
    }

    fn names(&self) -> &Names {
        self.names.get_or_init(|| {
            let mut groups = Vec::new();
            let mut entries = Vec::new();
            for line in self.text.lines() {
                match line.strip_prefix('=') {
                    Some(head) => groups.push(head),
                    None if line.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                        let group = u32::try_from(groups.len().saturating_sub(1)).unwrap_or(u32::MAX);
                        entries.push(Entry { name: line, group });
                    }
                    None => {}
                }
            }
            entries.sort_unstable_by(|a, b| compare(a.name, b.name));
            Names { groups, entries }
        })
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.names().entries
    }

    /// Case does not count.
    pub(crate) fn find(&self, name: &str) -> Option<&Entry> {
        let entries = self.entries();
        let at = entries.binary_search_by(|entry| compare(entry.name, name)).ok()?;
        entries.get(at)
    }

    fn details(&self) -> &Details {
        self.details.get_or_init(|| {
            let shared = &index().shared;
            let mut own: Vec<Box<str>> = Vec::new();
            let mut lists: Vec<Box<[Box<str>]>> = Vec::new();
            let mut types = Vec::new();
            for line in self.text.lines() {
                if let Some(key) = line.strip_prefix('?') {
                    let cut = key.starts_with(':');
                    own.push(if cut { format!("{}{key}", self.prefix).into() } else { key.into() });
                } else if let Some(references) = line.strip_prefix('&') {
                    let key = |reference: &str| match reference.strip_prefix('a') {
                        Some(at) => shared.get(at.parse::<usize>().ok()?).map(|key| Box::from(*key)),
                        None => own.get(reference.parse::<usize>().ok()?).cloned(),
                    };
                    lists.push(references.split(' ').filter_map(key).collect());
                } else if let Some(row) = line.strip_prefix('/') {
                    let mut cells = row.split('\t');
                    let name = cells.next().unwrap_or_default();
                    let patterns = cells.next().unwrap_or_default().split(' ');
                    let patterns = patterns.map(|pattern| self.expand(pattern)).collect();
                    types.push(ResourceType { name, patterns, list: cells.next().and_then(|at| at.parse().ok()) });
                }
            }
            Details { lists, types }
        })
    }

    /// An ARN pattern in full: the file has the usual beginnings as one mark.
    fn expand(&self, pattern: &str) -> Box<str> {
        for (mark, head) in [('~', "${Region}:${Account}:"), ('^', ":${Account}:"), ('%', "${Region}::"), ('_', "::")] {
            if let Some(rest) = pattern.strip_prefix(mark) {
                return format!("arn:${{Partition}}:{}:{head}{rest}", self.prefix).into();
            }
        }
        pattern.into()
    }

    pub(crate) fn head(&'static self, entry: &Entry) -> Head {
        let details = self.details();
        let list = |at: Option<usize>| at.and_then(|at| details.lists.get(at)).map_or(&[][..], |list| list);
        let group = usize::try_from(entry.group).ok().and_then(|at| self.names().groups.get(at)).copied();
        let mut words = group.unwrap_or_default().split(' ');
        let level = words.next().and_then(|word| word.chars().next()).unwrap_or_default();
        let mut head = Head { level, uses: Vec::new(), keys: &[] };
        for word in words {
            if let Some(at) = word.strip_prefix('&') {
                head.keys = list(at.parse().ok());
                continue;
            }
            let (word, row) = word.split_once('/').map_or((word, None), |(word, row)| (word, row.parse().ok()));
            let optional = word.strip_suffix('?');
            let at = optional.unwrap_or(word).parse::<usize>().ok();
            if let Some(kind) = at.and_then(|at| details.types.get(at)) {
                head.uses.push(Use { kind, required: optional.is_none(), keys: [list(row), list(kind.list)] });
            }
        }
        head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every reference in the file leads somewhere: the readers above pass over what does not.
    #[test]
    fn every_reference_resolves() {
        let index = index();
        for section in index.sections() {
            let details = section.details();
            let rows = section.text.lines().filter(|line| line.starts_with('/')).count();
            assert_eq!(rows, details.types.len(), "{}", section.prefix);
            for (line, list) in section.text.lines().filter(|line| line.starts_with('&')).zip(&details.lists) {
                assert_eq!(line.split(' ').count(), list.len(), "{}: {line}", section.prefix);
            }
            for kind in &details.types {
                assert!(kind.list.is_none_or(|at| at < details.lists.len()), "{}/{}", section.prefix, kind.name);
                assert!(kind.patterns.iter().all(|arn| arn.starts_with("arn:${Partition}:")), "{}", kind.name);
            }
            for entry in section.entries() {
                let group = section.names().groups[entry.group as usize];
                let head = section.head(entry);
                let words = group.split(' ').count();
                let keys = usize::from(group.contains('&'));
                assert_eq!(words, 1 + head.uses.len() + keys, "{}:{}", section.prefix, entry.name);
                assert_eq!(keys == 1, !head.keys.is_empty(), "{}:{}", section.prefix, entry.name);
                let rows = head.uses.iter().filter(|one| !one.keys[0].is_empty()).count();
                assert_eq!(group.matches('/').count(), rows, "{}:{}", section.prefix, entry.name);
                assert!("LRWTP".contains(head.level), "{}:{}", section.prefix, entry.name);
            }
        }
    }

    #[test]
    fn every_line_of_the_file_is_read() {
        let names: usize = index().sections().iter().map(|section| section.entries().len()).sum();
        let named = DATA.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_alphabetic())).count();
        assert_eq!(names, named);
        assert!(names > 20_000, "{names}");
        let unknown = DATA.lines().find(|line| {
            !line.starts_with(|c: char| c.is_ascii_alphabetic()) && !line.starts_with(['#', '@', '?', '&', '/', '='])
        });
        assert_eq!(unknown, None);
        assert!(DATA.len() < 800_000, "{} bytes", DATA.len());
    }
}
