//! Notices that wait for their object to be looked up, and objects whose Events were written a moment ago.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use rolecall_core::workload::{Kind, is_object_name};
use tokio::time::Instant;

use crate::review::{Note, Notice, NoticedObject};

/// Objects at one time; more are given up.
const MAX_OBJECTS: usize = 512;
/// Of them, objects with warnings: denials find room.
const MAX_WARNED: usize = 448;
/// Of them, objects of one namespace.
const MAX_OF_NAMESPACE: usize = 128;
/// Rules of one object.
const MAX_RULES: usize = 8;

/// What is looked up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) is_denial: bool,
    pub(super) namespace: String,
    pub(super) kind: Kind,
    pub(super) name: String,
    /// `None`: whichever has the name. Only for the service account of an object that was found.
    pub(super) uid: Option<String>,
    /// That was reviewed; 0: any.
    pub(super) generation: i64,
    /// The service account of its pods.
    pub(super) service_account: String,
}

impl Key {
    /// The service account of the object's pods, as something to look up.
    pub(super) fn service_account(&self) -> Option<Self> {
        is_object_name(&self.service_account).then(|| Self {
            is_denial: false,
            namespace: self.namespace.clone(),
            kind: Kind::ServiceAccount,
            name: self.service_account.clone(),
            uid: None,
            generation: 0,
            service_account: String::new(),
        })
    }
}

/// A note, and how many reviews had it.
#[derive(Debug, Clone)]
pub(super) struct Counted {
    pub(super) note: Note,
    pub(super) count: i32,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
}

/// A notice, with its notes apart.
pub(super) struct Taken {
    key: Key,
    replaces: Option<String>,
    notes: Vec<Note>,
}

impl From<Notice> for Taken {
    fn from(notice: Notice) -> Self {
        let Notice { is_denial, namespace, object, service_account, notes } = notice;
        let NoticedObject { kind, name, uid, generation, replaces } = object;
        // Equal warnings of pods are one, whatever their service account; it is needed where one of them is its own.
        let is_of_account = notes.iter().any(|note| note.is_of_account);
        let service_account = if is_of_account { service_account } else { String::new() };
        Self {
            key: Key { is_denial, namespace, kind, name, uid: Some(uid), generation, service_account },
            replaces,
            notes,
        }
    }
}

/// An object to look up now.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) key: Key,
    /// The version of the object that the last reviewed update replaces.
    pub(super) replaces: Option<String>,
    pub(super) notes: Vec<Counted>,
    /// How many times it was looked up in vain.
    pub(super) attempts: u8,
}

#[derive(Debug, Default)]
struct Entry {
    replaces: Option<String>,
    notes: Vec<Counted>,
    attempts: u8,
    /// When its notes are to be written; `None` where it has none.
    due: Option<Instant>,
    /// When they were written last.
    written: Option<Instant>,
}

/// The table: bounded in objects, in objects of one namespace, and in rules of one object.
#[derive(Debug)]
pub(super) struct Waiting {
    entries: HashMap<Key, Entry>,
    /// Between two writings for one object.
    repeat: Duration,
}

impl Waiting {
    pub(super) fn new(repeat: Duration) -> Self {
        Self { entries: HashMap::new(), repeat }
    }

    /// Adds a notice, to be looked at from then on. False where there is no room.
    pub(super) fn add(&mut self, Taken { key, replaces, notes }: Taken, due: Instant) -> bool {
        let now = Timestamp::now();
        let counted = |note| Counted { note, count: 1, first: now, last: now };
        self.add_counted(key, replaces, notes.into_iter().map(counted).collect(), due)
    }

    pub(super) fn add_counted(
        &mut self,
        key: Key,
        replaces: Option<String>,
        notes: Vec<Counted>,
        due: Instant,
    ) -> bool {
        if !self.entries.contains_key(&key) && !self.has_room(&key, due) {
            return false;
        }
        let repeat = self.repeat;
        let entry = self.entries.entry(key).or_default();
        let earliest = entry.written.map_or(due, |written| due.max(written + repeat));
        entry.due = Some(entry.due.unwrap_or(earliest));
        entry.replaces = replaces;
        notes.into_iter().for_each(|counted| entry.count(counted));
        true
    }

    fn has_room(&mut self, key: &Key, now: Instant) -> bool {
        let repeat = self.repeat;
        let is_over =
            |entry: &Entry| entry.due.is_none() && entry.written.is_none_or(|written| written + repeat <= now);
        let limit = if key.is_denial { MAX_OBJECTS } else { MAX_WARNED };
        let is_full = |this: &Self| {
            let of_namespace = this.entries.keys().filter(|other| other.namespace == key.namespace).count();
            this.entries.len() >= limit || of_namespace >= MAX_OF_NAMESPACE
        };
        if !is_full(self) {
            return true;
        }
        self.entries.retain(|_, entry| !is_over(entry));
        if !is_full(self) {
            return true;
        }
        // One that was written is but a memory: without it a repeat is written sooner.
        let written = self.entries.iter().filter(|(_, entry)| entry.due.is_none());
        let oldest = written.min_by_key(|(_, entry)| entry.written).map(|(key, _)| key.clone());
        oldest.is_some_and(|oldest| self.entries.remove(&oldest).is_some()) && !is_full(self)
    }

    /// When the next object is to be looked up.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.entries.values().filter_map(|entry| entry.due).min()
    }

    /// The object whose turn it is: denials before warnings, then the one that is due longest.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Due> {
        let due = self.entries.iter().filter_map(|(key, entry)| {
            let due = entry.due.filter(|due| *due <= now)?;
            Some((!key.is_denial, due, key))
        });
        let key = due.min_by_key(|(is_warning, due, _)| (*is_warning, *due)).map(|(.., key)| key.clone())?;
        let entry = self.entries.get_mut(&key)?;
        entry.due = None;
        let notes = std::mem::take(&mut entry.notes);
        Some(Due { key, replaces: entry.replaces.clone(), notes, attempts: entry.attempts })
    }

    /// Puts an object back that was looked up in vain.
    pub(super) fn again(&mut self, due: Due, at: Instant) {
        let entry = self.entries.entry(due.key).or_default();
        entry.replaces = entry.replaces.take().or(due.replaces);
        let newer = std::mem::replace(&mut entry.notes, due.notes);
        newer.into_iter().for_each(|counted| entry.count(counted));
        (entry.attempts, entry.due) = (due.attempts + 1, Some(at));
    }

    /// Remembers that an object's notes were written.
    pub(super) fn written(&mut self, key: &Key, now: Instant) {
        if let Some(entry) = self.entries.get_mut(key) {
            (entry.written, entry.attempts) = (Some(now), 0);
            // What came meanwhile waits like any repeat.
            entry.due = entry.due.map(|due| due.max(now + self.repeat));
        }
    }

    pub(super) fn forget(&mut self, key: &Key) {
        self.entries.remove(key);
    }
}

impl Entry {
    /// Adds a note to the equal one; its text is the newest.
    fn count(&mut self, counted: Counted) {
        if let Some(known) = self.notes.iter_mut().find(|known| known.note.rule == counted.note.rule) {
            known.count = known.count.saturating_add(counted.count);
            (known.note, known.first) = (counted.note, known.first.min(counted.first));
            known.last = known.last.max(counted.last);
        } else if self.notes.len() < MAX_RULES {
            self.notes.push(counted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(namespace: &str, name: usize, is_denial: bool) -> Taken {
        let object = NoticedObject {
            kind: Kind::Deployment,
            name: format!("web-{name}"),
            uid: format!("uid-{name}"),
            generation: 1,
            replaces: None,
        };
        let note = Note { rule: "irsa-trust-subject", text: "text".to_owned(), is_of_account: false };
        let (namespace, service_account) = (namespace.to_owned(), "app".to_owned());
        Notice { is_denial, namespace, object, service_account, notes: vec![note] }.into()
    }

    #[test]
    fn repeats_are_counted_and_written_together() {
        let repeat = Duration::from_secs(60);
        let (mut waiting, start) = (Waiting::new(repeat), Instant::now());
        for _ in 0..5 {
            assert!(waiting.add(taken("shop", 1, false), start));
        }
        let due = waiting.take_due(start).unwrap();
        assert_eq!((due.notes.len(), due.notes[0].count, due.attempts), (1, 5, 0));
        assert!(waiting.take_due(start).is_none());
        waiting.written(&due.key, start);
        // Again within the minute: it waits for the rest of it.
        assert!(waiting.add(taken("shop", 1, false), start));
        assert!(waiting.take_due(start + repeat / 2).is_none());
        assert_eq!(waiting.next_due(), Some(start + repeat));
        assert_eq!(waiting.take_due(start + repeat).unwrap().notes[0].count, 1);
    }

    #[test]
    fn what_was_looked_up_in_vain_keeps_its_count() {
        let (mut waiting, start) = (Waiting::new(Duration::from_secs(60)), Instant::now());
        waiting.add(taken("shop", 1, false), start);
        let due = waiting.take_due(start).unwrap();
        waiting.add(taken("shop", 1, false), start);
        let later = start + Duration::from_secs(10);
        waiting.again(due, later);
        assert_eq!(waiting.next_due(), Some(later));
        let due = waiting.take_due(later).unwrap();
        assert_eq!((due.notes[0].count, due.attempts), (2, 1));
    }

    #[test]
    fn a_flood_leaves_room_for_other_namespaces_and_for_denials() {
        let (mut waiting, now) = (Waiting::new(Duration::from_secs(60)), Instant::now());
        let add = |waiting: &mut Waiting, namespace: &str, count: usize, is_denial: bool| {
            (0..count).filter(|name| waiting.add(taken(namespace, *name, is_denial), now)).count()
        };
        assert_eq!(add(&mut waiting, "flood", 10_000, false), MAX_OF_NAMESPACE);
        assert_eq!(add(&mut waiting, "shop", 1, false), 1);
        let other = |n: usize| format!("flood-{n}");
        let added: usize = (0..100).map(|n| add(&mut waiting, &other(n), 100, false)).sum();
        assert_eq!(added, MAX_WARNED - MAX_OF_NAMESPACE - 1);
        assert_eq!(add(&mut waiting, "denied", 10, true), 10);
        assert!(waiting.take_due(now).unwrap().key.is_denial, "denials come first");
        assert!(waiting.entries.len() <= MAX_OBJECTS);
    }

    #[test]
    fn what_was_written_gives_way() {
        let (mut waiting, now) = (Waiting::new(Duration::from_secs(60)), Instant::now());
        for name in 0..2_000 {
            assert!(waiting.add(taken("shop", name, false), now), "{name}");
            let due = waiting.take_due(now).unwrap();
            waiting.written(&due.key, now);
        }
        assert!(waiting.entries.len() <= MAX_OF_NAMESPACE);
    }
}
