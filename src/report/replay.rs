//! What a replay of an audit log says: whose pods would be denied, and what became of the denials that it records.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use anstyle::Style;
use rolecall_core::decision::Level;
use rolecall_core::finding::printable;
use rolecall_message::count;
use serde::Serialize;

const BOLD: Style = Style::new().bold();
/// Owners that are kept apart in a list, and namespaces; of the others the number of creations is kept.
const MAX_OWNERS: usize = 10_000;
/// Owners that the text names in a namespace; JSON has all that are kept.
const MAX_NAMED: usize = 20;
/// Unreadable lines that are kept.
const MAX_UNREADABLE: usize = 1_000;
/// Rules, or reasons, that are kept apart of an owner.
const MAX_CAUSES: usize = 64;
/// Recorded rules that are counted of a denial, and the most characters of the name of one.
const MAX_RECORDED_RULES: usize = 20;
const MAX_RULE_CHARS: usize = 64;
/// Reasons that the text names of an owner.
const MAX_REASONS: usize = 3;

/// Who creates pods.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ReplayedOwner {
    /// The namespace.
    pub namespace: String,
    /// For instance `Deployment`; `Pod` for a pod without a controller, or without an object in the record.
    pub kind: String,
    /// The name; `?` where the record does not say.
    pub name: String,
}

/// A creation that is denied now, or was denied then.
#[derive(Debug)]
pub struct ReplayedDenial {
    /// Who created the pod.
    pub owner: ReplayedOwner,
    /// When; empty where the record does not say.
    pub time: String,
    /// The rules that deny it now; none where it is not denied now.
    pub rules: Vec<&'static str>,
    /// What the first of them says.
    pub message: String,
    /// How to fix it.
    pub fix: String,
    /// The rules that denied it then, as recorded; `None` where it was not denied.
    pub recorded: Option<String>,
    /// Why it cannot be decided whether it is denied now.
    pub undecided: Option<String>,
}

/// Creations of an owner.
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
    /// Creations by the reason why they cannot be decided.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    reasons: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    fix: String,
}

/// Creations by owner; of owners over the limit their number.
#[derive(Debug, Default)]
struct Owners {
    owners: BTreeMap<ReplayedOwner, OwnerDenials>,
    further: u64,
}

#[derive(Serialize)]
struct OwnerEntry<'r> {
    #[serde(flatten)]
    owner: &'r ReplayedOwner,
    #[serde(flatten)]
    denials: &'r OwnerDenials,
}

/// A line or a file that could not be read.
#[derive(Debug, Serialize)]
pub struct UnreadableLine {
    /// The file, or `-`.
    pub file: String,
    /// The number of the line; `None` for the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
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
    /// Of these, pods of service accounts that do not exist in the cluster now.
    pub missing_accounts: u64,
    /// Of these, pods of namespaces of which nothing is known.
    pub unknown_namespaces: u64,
    /// Creations of which the record has no object.
    pub without_object: u64,
    /// Requests about pods that could not be checked, by cause.
    pub not_replayed: BTreeMap<&'static str, u64>,
    /// Changes of service accounts and namespaces of which the record does not have the result.
    pub unread_changes: u64,
    /// Lines of rolecall's own log about new pods.
    pub own_lines: u64,
    /// Of these, denials.
    pub own_denials: u64,
    /// Creations that would be denied.
    pub denied: u64,
    /// Creations that were denied then: the sum of the next three.
    pub recorded_denials: u64,
    /// Of these, those that would still be denied.
    pub still_denied: u64,
    /// Of these, those that would certainly not be denied now.
    pub no_longer_denied: u64,
    /// Of these, those of which it cannot be decided.
    pub undecided: u64,
    /// Lines and files that could not be read.
    pub unreadable: u64,
}

/// Where service accounts and namespaces are from.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct ClusterSource {
    source: &'static str,
    complete: bool,
}

/// What a replay says.
#[derive(Debug)]
pub struct Replay {
    level: Level,
    cluster: ClusterSource,
    /// What was read.
    pub counts: ReplayCounts,
    denied: Owners,
    still: Owners,
    no_longer: Owners,
    undecided: Owners,
    by_rule: BTreeMap<&'static str, u64>,
    by_namespace: BTreeMap<String, u64>,
    /// Denied creations in namespaces over the limit.
    further_namespaces: u64,
    unreadable: Vec<UnreadableLine>,
    notes: Vec<String>,
}

impl Replay {
    /// One of nothing, at a level. `source`: where service accounts and namespaces are from. `complete`: a service account
    /// that is not known does not exist.
    pub fn new(level: Level, source: &'static str, complete: bool) -> Self {
        Self {
            level,
            cluster: ClusterSource { source, complete },
            counts: ReplayCounts::default(),
            denied: Owners::default(),
            still: Owners::default(),
            no_longer: Owners::default(),
            undecided: Owners::default(),
            by_rule: BTreeMap::new(),
            by_namespace: BTreeMap::new(),
            further_namespaces: 0,
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
        let ReplayedDenial { owner, time, rules, message, fix, recorded, undecided } = denial;
        let is_denied = !rules.is_empty();
        if let Some(recorded) = recorded {
            self.counts.recorded_denials += 1;
            let (list, counter) = match (is_denied, &undecided) {
                (true, _) => (&mut self.still, &mut self.counts.still_denied),
                (false, Some(_)) => (&mut self.undecided, &mut self.counts.undecided),
                (false, None) => (&mut self.no_longer, &mut self.counts.no_longer_denied),
            };
            *counter += 1;
            let recorded = recorded.split(',').filter(|rule| !rule.is_empty()).take(MAX_RECORDED_RULES);
            let recorded: BTreeSet<String> = recorded.map(|rule| rule.chars().take(MAX_RULE_CHARS).collect()).collect();
            if let Some(denials) = list.count(&owner, &time, recorded.into_iter())
                && let Some(reason) = undecided.filter(|_| !is_denied)
            {
                count_one(&mut denials.reasons, reason);
            }
        }
        if !is_denied {
            return;
        }
        self.counts.denied += 1;
        for rule in &rules {
            *self.by_rule.entry(rule).or_default() += 1;
        }
        if self.by_namespace.len() < MAX_OWNERS || self.by_namespace.contains_key(&owner.namespace) {
            *self.by_namespace.entry(owner.namespace.clone()).or_default() += 1;
        } else {
            self.further_namespaces += 1;
        }
        if let Some(denials) = self.denied.count(&owner, &time, rules.into_iter().map(str::to_owned)) {
            // What was found last is what is to be fixed.
            (denials.message, denials.fix) = (message, fix);
        }
    }

    /// Adds a line that could not be read, or a whole file.
    pub fn add_unreadable(&mut self, file: &str, line: Option<u64>, message: String) {
        self.counts.unreadable += 1;
        if self.unreadable.len() < MAX_UNREADABLE {
            self.unreadable.push(UnreadableLine { file: file.to_owned(), line, message });
        }
    }

    /// The unreadable lines that are kept.
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
            cluster: ClusterSource,
            denied: Vec<OwnerEntry<'r>>,
            still_denied: Vec<OwnerEntry<'r>>,
            no_longer_denied: Vec<OwnerEntry<'r>>,
            undecided: Vec<OwnerEntry<'r>>,
            by_rule: &'r BTreeMap<&'static str, u64>,
            by_namespace: &'r BTreeMap<String, u64>,
            creations_of_further_owners: Further,
            creations_in_further_namespaces: u64,
            unreadable: &'r [UnreadableLine],
            notes: &'r [String],
            summary: &'r ReplayCounts,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Further {
            denied: u64,
            still_denied: u64,
            no_longer_denied: u64,
            undecided: u64,
        }
        let json = Json {
            level: self.level,
            cluster: self.cluster,
            denied: self.denied.entries(),
            still_denied: self.still.entries(),
            no_longer_denied: self.no_longer.entries(),
            undecided: self.undecided.entries(),
            by_rule: &self.by_rule,
            by_namespace: &self.by_namespace,
            creations_of_further_owners: Further {
                denied: self.denied.further,
                still_denied: self.still.further,
                no_longer_denied: self.no_longer.further,
                undecided: self.undecided.further,
            },
            creations_in_further_namespaces: self.further_namespaces,
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
        if !self.denied.owners.is_empty() {
            writeln!(out, "{BOLD}Would be denied at level {}{BOLD:#}", self.level)?;
            self.denied.text(out)?;
            writeln!(out, "{BOLD}By rule{BOLD:#}")?;
            for (rule, creations) in &self.by_rule {
                writeln!(out, "  {rule}: {}", times(*creations))?;
            }
        }
        let groups = [
            ("Denied then, would still be denied", &self.still),
            ("Denied then, would no longer be denied", &self.no_longer),
            ("Denied then, cannot be decided now", &self.undecided),
        ];
        for (heading, group) in groups.into_iter().filter(|(_, group)| !group.owners.is_empty()) {
            writeln!(out, "{BOLD}{heading}{BOLD:#}")?;
            group.text(out)?;
        }
        for note in &self.notes {
            writeln!(out, "note: {}", printable(note))?;
        }
        let counts = &self.counts;
        write!(
            out,
            "{}, {} checked: {} would be denied at level {}",
            number(counts.lines, "line"),
            times(counts.checked),
            counts.denied,
            self.level
        )?;
        if counts.recorded_denials > 0 {
            let were = if counts.recorded_denials == 1 { "was" } else { "were" };
            write!(
                out,
                "; {} {were} denied then: {} would still be denied, {} would no longer be denied, {} cannot be decided now",
                counts.recorded_denials, counts.still_denied, counts.no_longer_denied, counts.undecided
            )?;
        }
        if counts.unreadable > 0 {
            write!(out, "; {} unreadable", counts.unreadable)?;
        }
        writeln!(out)?;
        Ok(())
    }
}

impl Owners {
    /// Counts a creation at its owner; `None` where there are too many owners already.
    fn count(
        &mut self,
        owner: &ReplayedOwner,
        time: &str,
        rules: impl Iterator<Item = String>,
    ) -> Option<&mut OwnerDenials> {
        if !self.owners.contains_key(owner) {
            if self.owners.len() >= MAX_OWNERS {
                self.further += 1;
                return None;
            }
            self.owners.insert(owner.clone(), OwnerDenials::default());
        }
        let denials = self.owners.get_mut(owner)?;
        denials.creations += 1;
        rules.for_each(|rule| count_one(&mut denials.rules, rule));
        if !time.is_empty() {
            if denials.first.is_empty() || *time < *denials.first {
                time.clone_into(&mut denials.first);
            }
            if *time > *denials.last {
                time.clone_into(&mut denials.last);
            }
        }
        Some(denials)
    }

    fn entries(&self) -> Vec<OwnerEntry<'_>> {
        self.owners.iter().map(|(owner, denials)| OwnerEntry { owner, denials }).collect()
    }

    fn text(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        // They are sorted by namespace first.
        let all: Vec<(&ReplayedOwner, &OwnerDenials)> = self.owners.iter().collect();
        for of_namespace in all.chunk_by(|(a, _), (b, _)| a.namespace == b.namespace) {
            let namespace = of_namespace.first().map_or("", |(owner, _)| owner.namespace.as_str());
            let creations = of_namespace.iter().map(|(_, denials)| denials.creations).sum();
            let line = format!("{namespace}: {}, {}", count(of_namespace.len(), "owner"), times(creations));
            writeln!(out, "  {}", printable(&line))?;
            for (owner, denials) in of_namespace.iter().take(MAX_NAMED) {
                denials.text(owner, out)?;
            }
            let more = of_namespace.get(MAX_NAMED..).unwrap_or_default();
            if !more.is_empty() {
                let creations = more.iter().map(|(_, denials)| denials.creations).sum();
                let line = format!(
                    "and {} of namespace {namespace} with {}; --format json lists all",
                    count(more.len(), "more owner"),
                    times(creations)
                );
                writeln!(out, "    {}", printable(&line))?;
            }
        }
        if self.further > 0 {
            writeln!(
                out,
                "  and {} of further owners: only the first {MAX_OWNERS} owners are listed, in JSON too",
                times(self.further)
            )?;
        }
        Ok(())
    }
}

impl OwnerDenials {
    fn text(&self, owner: &ReplayedOwner, out: &mut dyn Write) -> anyhow::Result<()> {
        let name = if owner.name == "?" { "whose name is not in the record" } else { &owner.name };
        let last = if self.last.is_empty() { "at an unknown time" } else { &self.last };
        let rules: Vec<&str> = self.rules.keys().map(String::as_str).collect();
        let rules = if rules.is_empty() { "rules not recorded".to_owned() } else { rules.join(", ") };
        let line = format!("{} {name} ({}, last {last}): {rules}", owner.kind, times(self.creations));
        writeln!(out, "    {}", printable(&line))?;
        for reason in self.reasons.keys().take(MAX_REASONS) {
            writeln!(out, "      reason: {}", printable(reason))?;
        }
        if let more @ 1.. = self.reasons.len().saturating_sub(MAX_REASONS) {
            writeln!(out, "      and {}; --format json lists all", count(more, "more reason"))?;
        }
        if !self.message.is_empty() {
            writeln!(out, "      {}", printable(&self.message))?;
            writeln!(out, "      fix: {}", printable(&self.fix))?;
        }
        Ok(())
    }
}

/// Counts a rule or a reason; those over the limit are left out.
fn count_one(causes: &mut BTreeMap<String, u64>, cause: String) {
    if causes.len() < MAX_CAUSES || causes.contains_key(&cause) {
        *causes.entry(cause).or_default() += 1;
    }
}

fn number(number: u64, noun: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), noun)
}

fn times(creations: u64) -> String {
    number(creations, "pod creation")
}
