//! Custom resources that name identities: which of their kinds the cluster has, and what their objects say. All of it is optional:
//! what cannot be read is a note.

use std::collections::{BTreeSet, HashMap};

use anyhow::Context;
use jiff::Timestamp;
use kube::Client;
use rolecall_core::custom::{CustomKind, Listed, Scope as KindScope, Who, all};
use rolecall_core::judge::{Circumstances, Referring, judge_references};
use rolecall_core::world::World;
use serde::Deserialize;
use serde_json::Value;

use super::Progress;
use super::accounts::roles_in;
use super::owners::Owner;
use super::read::{Scope, base};
use super::tally::Tally;
use crate::kube::{Refusal, Seen, get, list};

/// Objects of one kind that are read at most.
const MAX_OBJECTS: usize = 100_000;

/// `GET /apis`, as far as it is needed.
#[derive(Deserialize)]
struct Groups {
    #[serde(default)]
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    name: String,
    preferred_version: Version,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    group_version: String,
}

/// What could not be read.
#[derive(Default)]
struct Unread {
    denied: Vec<String>,
    failed: Vec<String>,
}

impl Unread {
    fn add(&mut self, resource: String, refusal: &Refusal) {
        match refusal {
            // The CustomResourceDefinition is not there.
            Refusal::Absent => {}
            Refusal::Denied(_) if self.denied.contains(&resource) => {}
            Refusal::Denied(_) => self.denied.push(resource),
            Refusal::Failed(error) => self.failed.push(format!("{resource}: could not be read: {error:#}")),
        }
    }

    fn into_notes(self) -> Vec<String> {
        let mut notes = self.failed;
        if !self.denied.is_empty() {
            notes.push(format!(
                "identities in custom resources were not checked, and may be listed as unused: grant the verb `list` on {}",
                self.denied.join(", ")
            ));
        }
        notes
    }
}

/// The versions of the API groups that the cluster has, by group; empty where it does not say.
async fn versions(client: &Client, unread: &mut Unread) -> HashMap<String, String> {
    let text = match get(client, "/apis").await {
        Ok(text) => text,
        Err(refusal) => {
            unread.add("/apis".to_owned(), &refusal);
            return HashMap::new();
        }
    };
    let groups = serde_json::from_str::<Groups>(&text).map(|groups| groups.groups).unwrap_or_default();
    groups.into_iter().map(|group| (group.name, group.preferred_version.group_version)).collect()
}

/// Lists the objects of every kind that the cluster has.
async fn list_all(
    client: &Client,
    scope: &Scope,
    unread: &mut Unread,
    mut see: impl FnMut(&'static CustomKind, Seen<'_>) -> anyhow::Result<()>,
) {
    let versions = versions(client, unread).await;
    for kind in all() {
        let (Listed::As(plural), Some(version)) = (kind.listed, versions.get(kind.group)) else { continue };
        let paths = match kind.scope {
            KindScope::Namespaced => scope.paths((version, plural)).into_iter().map(|(path, _)| path).collect(),
            KindScope::Cluster => vec![format!("{}/{plural}", base(version))],
        };
        for path in paths {
            if let Err(refusal) = list(client, &path, "", |seen| see(kind, seen)).await {
                unread.add(format!("{plural}.{}", kind.group), &refusal);
            }
        }
    }
}

/// Roles that custom resources name.
///
/// # Errors
/// Never; what cannot be read is reported by [`read`].
pub(super) async fn read_roles(client: &Client, scope: &Scope, roles: &mut BTreeSet<String>) -> anyhow::Result<()> {
    let see = |_: &'static CustomKind, seen: Seen<'_>| {
        if let Seen::Page(items) = seen {
            items.iter().for_each(|item| roles_in(item.get(), roles));
        }
        Ok(())
    };
    list_all(client, scope, &mut Unread::default(), see).await;
    Ok(())
}

/// Judges the identities that custom resources name; returns what to note.
///
/// # Errors
/// Never for what a cluster holds or forbids.
pub(super) async fn read(
    client: &Client,
    scope: &Scope,
    world: &World,
    now: Timestamp,
    progress: &dyn Progress,
    tally: &mut Tally,
) -> anyhow::Result<Vec<String>> {
    let mut unread = Unread::default();
    let mut remarks = Remarks::default();
    let mut part = (None, Tally::default(), 0);
    let see = |kind: &'static CustomKind, seen: Seen<'_>| {
        if part.0 != Some(kind.kind) {
            tally.merge(std::mem::take(&mut part.1));
            part = (Some(kind.kind), Tally::default(), 0);
        }
        let Seen::Page(items) = seen else {
            (part.1, part.2) = (Tally::default(), 0);
            return Ok(());
        };
        progress.step(items.len());
        for item in items.iter().take(MAX_OBJECTS.saturating_sub(part.2)) {
            let object: Value = serde_json::from_str(item.get()).with_context(|| format!("a {}", kind.kind))?;
            add(world, scope, now, kind, &object, &mut part.1, &mut remarks);
        }
        part.2 += items.len();
        Ok(())
    };
    list_all(client, scope, &mut unread, see).await;
    tally.merge(part.1);
    let mut notes = unread.into_notes();
    notes.extend(remarks.0);
    Ok(notes)
}

/// Objects with fields of an unexpected type.
#[derive(Default)]
struct Remarks(Vec<String>);

/// Remarks that are kept.
const MAX_REMARKS: usize = 20;

impl Remarks {
    fn add(&mut self, owner: &Owner, path: &str) {
        if self.0.len() < MAX_REMARKS {
            let place = if owner.namespace.is_empty() { String::new() } else { format!("{}/", owner.namespace) };
            let (kind, name) = (&owner.kind, &owner.name);
            self.0.push(format!(
                "{kind} {place}{name}: {path} has an unexpected type; the identity there is not checked"
            ));
        }
    }
}

fn add(
    world: &World,
    scope: &Scope,
    now: Timestamp,
    kind: &'static CustomKind,
    object: &Value,
    tally: &mut Tally,
    remarks: &mut Remarks,
) {
    let reading = kind.read(object);
    let Some(metadata) = kind.metadata(object).filter(|_| !reading.is_empty()) else { return };
    let namespace = kind.namespace(&metadata);
    let owner = Owner::new(namespace, kind.kind, &metadata.display_name());
    reading.malformed.iter().for_each(|path| remarks.add(&owner, path));
    for reference in &reading.references {
        if let Who::Account { namespace, name, .. } = &reference.who {
            match namespace {
                Some(namespace) => tally.uses(namespace, name),
                None => tally.uses_anywhere(name),
            }
        }
    }
    let circumstances = Circumstances { now: Some(now), exemptions: scope.exempts(namespace) };
    let referring = Referring { kind, namespace, metadata: &metadata, reading: &reading };
    tally.add(owner, &judge_references(world, &referring, circumstances), 0);
}
