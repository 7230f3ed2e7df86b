//! What a replay of an audit log says: whose pods would be denied, and which denials are over.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use anstyle::Style;
use rolecall_core::decision::Level;
use rolecall_core::finding::printable;
use serde::Serialize;

use super::text::count;

const BOLD: Style = Style::new().bold();
/// Owners that are kept apart; of the others the number of creations is kept.
const MAX_OWNERS: usize = 10_000;
/// Owners that the text names in a namespace; JSON has all that are kept.
const MAX_NAMED: usize = 20;
/// Unreadable lines that are named.
const MAX_LINES: usize = 20;

/// Who creates pods.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ReplayedOwner {
    /// The namespace.
    pub namespace: String,
    /// For instance `Deployment`; `Pod` for a pod without a controller.
    pub kind: String,
    /// The name.
    pub name: String,
}

/// A creation that is denied now, or was denied then.
#[derive(Debug)]
pub struct ReplayedDenial {
    /// Who created the pod.
    pub owner: ReplayedOwner,
    /// When; empty where the record does not say.
    pub time: String,
    /// The rules that deny it now; none where it is admitted now.
    pub rules: Vec<&'static str>,
    /// What the first of them says, and how to fix it.
    pub message: String,
    /// How to fix it.
    pub fix: String,
    /// The rules that denied it then, as recorded; `None` where it was not denied.
    pub recorded: Option<String>,
}

/// The denials of an owner.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct OwnerDenials {
    creations: u64,
    /// Creations by rule.
    rules: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    first: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    last: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    fix: String,
}

#[derive(Serialize)]
struct OwnerEntry<'r> {
    #[serde(flatten)]
    owner: &'r ReplayedOwner,
    #[serde(flatten)]
    denials: &'r OwnerDenials,
}

/// A line that could not be read.
#[derive(Debug, Serialize)]
pub struct UnreadableLine {
    /// The file, or `-`.
    pub file: String,
    /// The number of the line.
    pub line: u64,
    /// Why.
    pub message: String,
}

/// What was read.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayCounts {
    /// Lines.
    pub lines: u64,
    /// Creations of pods that were checked.
    pub checked: u64,
    /// Of these, the records with the pod as it was sent: injection is predicted.
    pub predicted: u64,
    /// Of these, pods of service accounts of which nothing is known.
    pub unknown_accounts: u64,
    /// Creations of which the record has no object.
    pub without_object: u64,
    /// Lines of rolecall's own log about pods.
    pub own_lines: u64,
    /// Of these, denials.
    pub own_denials: u64,
    /// Creations that would be denied.
    pub denied: u64,
    /// Creations that were denied then.
    pub recorded_denials: u64,
    /// Of these, those that would be admitted now.
    pub no_longer_denied: u64,
    /// Lines that could not be read.
    pub unreadable: u64,
}

/// What a replay says.
#[derive(Debug)]
pub struct Replay {
    level: Level,
    /// What was read.
    pub counts: ReplayCounts,
    denied: BTreeMap<ReplayedOwner, OwnerDenials>,
    no_longer: BTreeMap<ReplayedOwner, OwnerDenials>,
    by_rule: BTreeMap<&'static str, u64>,
    by_namespace: BTreeMap<String, u64>,
    /// Creations of owners over the limit.
    of_others: u64,
    unreadable: Vec<UnreadableLine>,
    notes: Vec<String>,
}

impl Replay {
    /// One of nothing, at a level.
    pub fn new(level: Level) -> Self {
        Self {
            level,
            counts: ReplayCounts::default(),
            denied: BTreeMap::new(),
            no_longer: BTreeMap::new(),
            by_rule: BTreeMap::new(),
            by_namespace: BTreeMap::new(),
            of_others: 0,
            unreadable: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a note.
    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Adds a creation that is denied now, or was denied then.
    pub fn add(&mut self, denial: ReplayedDenial) {
        let ReplayedDenial { owner, time, rules, message, fix, recorded } = denial;
        if recorded.is_some() {
            self.counts.recorded_denials += 1;
        }
        if rules.is_empty() {
            if let Some(recorded) = recorded {
                self.counts.no_longer_denied += 1;
                let recorded = recorded.split(',').filter(|rule| !rule.is_empty()).take(20).map(str::to_owned);
                let recorded: Vec<String> = recorded.collect();
                self.of_others += Self::count(&mut self.no_longer, owner, time, recorded, String::new(), String::new());
            }
            return;
        }
        self.counts.denied += 1;
        for rule in &rules {
            *self.by_rule.entry(rule).or_default() += 1;
        }
        // A namespace is counted where its owners are: the limit is the same.
        if self.by_namespace.len() < MAX_OWNERS || self.by_namespace.contains_key(&owner.namespace) {
            *self.by_namespace.entry(owner.namespace.clone()).or_default() += 1;
        }
        let rules = rules.into_iter().map(str::to_owned).collect();
        self.of_others += Self::count(&mut self.denied, owner, time, rules, message, fix);
    }

    /// Counts a creation at its owner; 1 where there are too many owners already.
    fn count(
        owners: &mut BTreeMap<ReplayedOwner, OwnerDenials>,
        owner: ReplayedOwner,
        time: String,
        rules: Vec<String>,
        message: String,
        fix: String,
    ) -> u64 {
        if owners.len() >= MAX_OWNERS && !owners.contains_key(&owner) {
            return 1;
        }
        let denials = owners.entry(owner).or_default();
        denials.creations += 1;
        for rule in rules {
            if denials.rules.len() < 64 || denials.rules.contains_key(&rule) {
                *denials.rules.entry(rule).or_default() += 1;
            }
        }
        if !time.is_empty() {
            if denials.first.is_empty() || time < denials.first {
                denials.first.clone_from(&time);
            }
            if time > denials.last {
                denials.last = time;
            }
        }
        // What was found last is what is to be fixed.
        (denials.message, denials.fix) = (message, fix);
        0
    }

    /// Adds a line that could not be read.
    pub fn add_unreadable(&mut self, file: &str, line: u64, message: String) {
        self.counts.unreadable += 1;
        if self.unreadable.len() < MAX_LINES {
            self.unreadable.push(UnreadableLine { file: file.to_owned(), line, message });
        }
    }

    /// The unreadable lines that are named.
    pub fn unreadable(&self) -> &[UnreadableLine] {
        &self.unreadable
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// Where writing fails.
    pub fn json(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Json<'r> {
            level: Level,
            denied: Vec<OwnerEntry<'r>>,
            no_longer_denied: Vec<OwnerEntry<'r>>,
            by_rule: &'r BTreeMap<&'static str, u64>,
            by_namespace: &'r BTreeMap<String, u64>,
            creations_of_further_owners: u64,
            unreadable: &'r [UnreadableLine],
            notes: &'r [String],
            summary: &'r ReplayCounts,
        }
        fn entries(owners: &BTreeMap<ReplayedOwner, OwnerDenials>) -> Vec<OwnerEntry<'_>> {
            owners.iter().map(|(owner, denials)| OwnerEntry { owner, denials }).collect()
        }
        let json = Json {
            level: self.level,
            denied: entries(&self.denied),
            no_longer_denied: entries(&self.no_longer),
            by_rule: &self.by_rule,
            by_namespace: &self.by_namespace,
            creations_of_further_owners: self.of_others,
            unreadable: &self.unreadable,
            notes: &self.notes,
            summary: &self.counts,
        };
        serde_json::to_writer_pretty(&mut *out, &json)?;
        writeln!(out)?;
        Ok(())
    }

    /// Writes it as text.
    ///
    /// # Errors
    /// Where writing fails.
    pub fn text(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        if !self.denied.is_empty() {
            writeln!(out, "{BOLD}Would be denied at level {}{BOLD:#}", self.level)?;
            owners(&self.denied, out)?;
            writeln!(out, "{BOLD}By rule{BOLD:#}")?;
            for (rule, creations) in &self.by_rule {
                writeln!(out, "  {rule}: {}", times(*creations))?;
            }
        }
        if !self.no_longer.is_empty() {
            writeln!(out, "{BOLD}Denied then, admitted now{BOLD:#}")?;
            owners(&self.no_longer, out)?;
        }
        if self.of_others > 0 {
            writeln!(out, "note: {} of further owners are counted, and not named", times(self.of_others))?;
        }
        for note in &self.notes {
            writeln!(out, "note: {}", printable(note))?;
        }
        let ReplayCounts { lines, checked, denied, recorded_denials, no_longer_denied, unreadable, .. } = self.counts;
        write!(out, "{lines} lines, {}: {denied} would be denied at level {}", times(checked), self.level)?;
        if recorded_denials > 0 {
            write!(out, "; {recorded_denials} were denied then, {no_longer_denied} of them would be admitted now")?;
        }
        if unreadable > 0 {
            write!(out, "; {unreadable} unreadable")?;
        }
        writeln!(out)?;
        Ok(())
    }
}

fn times(creations: u64) -> String {
    count(usize::try_from(creations).unwrap_or(usize::MAX), "pod creation")
}

fn owners(all: &BTreeMap<ReplayedOwner, OwnerDenials>, out: &mut dyn Write) -> anyhow::Result<()> {
    let namespaces: BTreeSet<&str> = all.keys().map(|owner| owner.namespace.as_str()).collect();
    for namespace in namespaces {
        let of = || all.iter().filter(|(owner, _)| owner.namespace == namespace);
        let creations = of().map(|(_, denials)| denials.creations).sum();
        let line = format!("{namespace}: {}, {}", count(of().count(), "owner"), times(creations));
        writeln!(out, "  {}", printable(&line))?;
        for (owner, denials) in of().take(MAX_NAMED) {
            let rules: Vec<&str> = denials.rules.keys().map(String::as_str).collect();
            let line = format!(
                "{} {} ({}, last {}): {}",
                owner.kind,
                owner.name,
                times(denials.creations),
                if denials.last.is_empty() { "at an unknown time" } else { &denials.last },
                rules.join(", ")
            );
            writeln!(out, "    {}", printable(&line))?;
            if !denials.message.is_empty() {
                writeln!(out, "      {}", printable(&denials.message))?;
                writeln!(out, "      fix: {}", printable(&denials.fix))?;
            }
        }
        if let more @ 1.. = of().count().saturating_sub(MAX_NAMED) {
            writeln!(out, "    and {}", count(more, "more owner"))?;
        }
    }
    Ok(())
}
