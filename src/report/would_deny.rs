//! What would be denied if a namespace enforced a level: the question to ask before the level is raised.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use anstyle::Style;
use rolecall_core::decision::Level;
use rolecall_core::finding::printable;
use serde::Serialize;

use super::model::Report;
use crate::scan::Tally;

const BOLD: Style = Style::new().bold();
/// Owners named of a namespace; JSON has all.
const MAX_OWNERS: usize = 20;

/// A namespace in which pods would be denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamespaceDenials {
    /// The namespace.
    pub namespace: String,
    /// Running pods that could not be created again.
    pub pods: usize,
    /// The rules that would deny them, sorted.
    pub rules: Vec<&'static str>,
    /// The controllers, and pods without one, whose new pods would be denied.
    pub owners: Vec<OwnerDenials>,
}

/// An owner whose new pods would be denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OwnerDenials {
    /// For instance `Deployment`.
    pub kind: String,
    /// The name.
    pub name: String,
    /// Its running pods.
    pub pods: usize,
    /// The rules that would deny new ones.
    pub rules: Vec<&'static str>,
}

/// By namespace, what would be denied.
pub(super) fn denials(tally: &Tally, level: Level) -> Vec<NamespaceDenials> {
    let mut by_namespace: BTreeMap<&str, Vec<OwnerDenials>> = BTreeMap::new();
    for (owner, group) in &tally.groups {
        let rules = group.denied_at(level);
        if !rules.is_empty() {
            let (kind, name) = (owner.kind.to_string(), owner.name.clone());
            by_namespace.entry(&owner.namespace).or_default().push(OwnerDenials {
                kind,
                name,
                pods: group.pods,
                rules,
            });
        }
    }
    let denials = by_namespace.into_iter().map(|(namespace, owners)| NamespaceDenials {
        namespace: namespace.to_owned(),
        pods: owners.iter().map(|owner| owner.pods).sum(),
        rules: owners.iter().flat_map(|owner| &owner.rules).copied().collect::<BTreeSet<_>>().into_iter().collect(),
        owners,
    });
    denials.collect()
}

/// Writes the table.
///
/// # Errors
/// Where writing fails.
pub fn would_deny(report: &Report, out: &mut dyn Write) -> anyhow::Result<()> {
    let level = report.summary.level;
    let denials = report.would_deny.as_deref().unwrap_or_default();
    if denials.is_empty() {
        for note in &report.summary.notes {
            writeln!(out, "note: {}", printable(note))?;
        }
        let of_all =
            if report.summary.notes.is_empty() { "running workload" } else { "workload that could be checked" };
        writeln!(out, "No {of_all} would be denied at level {level}.")?;
        return Ok(());
    }
    writeln!(out, "{BOLD}Would be denied if the namespace enforced level {level}{BOLD:#}")?;
    for NamespaceDenials { namespace, pods, owners, .. } in denials {
        let line = format!(
            "{namespace}: {} with {}",
            rolecall_message::count(owners.len(), "owner"),
            rolecall_message::count(*pods, "running pod")
        );
        writeln!(out, "  {}", printable(&line))?;
        for OwnerDenials { kind, name, pods, rules } in owners.iter().take(MAX_OWNERS) {
            let line = format!("{kind} {name} ({}): {}", rolecall_message::count(*pods, "pod"), rules.join(", "));
            writeln!(out, "    {}", printable(&line))?;
        }
        if let more @ 1.. = owners.len().saturating_sub(MAX_OWNERS) {
            writeln!(out, "    and {more} more")?;
        }
    }
    for note in &report.summary.notes {
        writeln!(out, "note: {}", printable(note))?;
    }
    Ok(())
}
