//! Custom resources that name identities: which of their kinds the cluster has, and what their objects say. All of it is optional:
//! what cannot be read is a note.

use std::collections::{BTreeSet, HashMap};

use anyhow::Context;
use jiff::Timestamp;
use kube::Client;
use rolecall_core::custom::{CustomKind, Listed, Reference, Scope as KindScope, all};
use rolecall_core::judge::{Circumstances, Referring, judge_references};
use rolecall_core::workload::Served;
use rolecall_core::world::World;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::Progress;
use super::accounts::roles_in;
use super::owners::Owner;
use super::read::{Scope, base};
use super::tally::Tally;
use crate::kube::{Pages, Refusal, get};

/// Objects of one kind that are read at most.
const MAX_OBJECTS: usize = 50_000;
/// Bytes of the objects of one kind that are read at most. A page has a limit of its own, so that no more is held at once.
const MAX_BYTES: usize = 256 << 20;
/// Pages of one kind that are read at most, whatever is in them.
const MAX_PAGES: usize = 5_000;

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

    fn left_out(&mut self, resource: &str, read: usize) {
        self.failed.push(format!(
            "{resource}: only {read} objects were read, the most that a scan reads of one kind; identities in the others were \
             not checked, and may be listed as unused"
        ));
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

/// What of one kind was read, and what may be.
struct Budget {
    objects: usize,
    bytes: usize,
    pages: usize,
}

impl Budget {
    fn is_spent(&self) -> bool {
        self.objects >= MAX_OBJECTS || self.bytes >= MAX_BYTES || self.pages >= MAX_PAGES
    }
}

/// Lists the objects of every kind that the cluster has, within limits. Notes what of a kind was left out.
async fn list_all(
    client: &Client,
    scope: &Scope,
    unread: &mut Unread,
    mut see: impl FnMut(&'static CustomKind, &[&RawValue]) -> anyhow::Result<()>,
) {
    let versions = versions(client, unread).await;
    for kind in all() {
        let (Listed::As(plural), Some(version)) = (kind.listed, versions.get(kind.group)) else { continue };
        let paths: Vec<String> = match kind.scope {
            KindScope::Namespaced => scope.paths((version, plural)).into_iter().map(|(path, _)| path).collect(),
            KindScope::Cluster => vec![format!("{}/{plural}", base(version))],
        };
        let mut budget = Budget { objects: 0, bytes: 0, pages: 0 };
        for path in paths {
            match list_kind(client, path, &mut budget, |items| see(kind, items)).await {
                Ok(true) => {}
                Ok(false) => {
                    unread.left_out(&format!("{plural}.{}", kind.group), budget.objects);
                    break;
                }
                Err(refusal) => unread.add(format!("{plural}.{}", kind.group), &refusal),
            }
        }
    }
}

/// Lists what is at a path; whether all of it was read.
async fn list_kind(
    client: &Client,
    path: String,
    budget: &mut Budget,
    mut see: impl FnMut(&[&RawValue]) -> anyhow::Result<()>,
) -> Result<bool, Refusal> {
    let mut pages = Pages::new(client, path);
    while !budget.is_spent() {
        let Some(page) = pages.next().await? else { return Ok(true) };
        budget.pages += 1;
        budget.bytes += page.bytes();
        let items = page.items().context("a page of a list")?.items;
        let room = MAX_OBJECTS.saturating_sub(budget.objects).min(items.len());
        budget.objects += room;
        see(items.get(..room).unwrap_or_default())?;
        if room < items.len() {
            return Ok(false);
        }
    }
    Ok(pages.is_over())
}

/// What custom resources name: roles, and service accounts whose tokens controllers request.
#[derive(Debug, Default)]
pub struct Named {
    /// ARNs of roles.
    pub roles: BTreeSet<String>,
    /// Namespace, where it is known, and name of each service account.
    pub accounts: BTreeSet<(Option<String>, String)>,
    /// What has its controller call AWS with the controller's own identity.
    pub served: Vec<Served>,
}

/// Reads what custom resources name. What cannot be read is reported by `read`.
pub async fn read_named(client: &Client, scope: &Scope, progress: &dyn Progress) -> Named {
    progress.begin("identities that custom resources name");
    let mut named = Named::default();
    let see = |kind: &'static CustomKind, items: &[&RawValue]| {
        progress.step(items.len());
        for item in items {
            roles_in(item.get(), &mut named.roles);
            // `read` says what is wrong with it.
            let Ok(object) = serde_json::from_str::<Value>(item.get()) else { continue };
            let reading = kind.read(&object);
            named.served.extend(kind.served(&reading).filter(|served| !named.served.contains(served)));
            let accounts = reading.references.iter().filter_map(Reference::account);
            named.accounts.extend(accounts.map(|(namespace, name)| (namespace.map(str::to_owned), name.to_owned())));
        }
        Ok(())
    };
    list_all(client, scope, &mut Unread::default(), see).await;
    named
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
    let see = |kind: &'static CustomKind, items: &[&RawValue]| {
        progress.step(items.len());
        for item in items {
            let object: Value = serde_json::from_str(item.get()).with_context(|| format!("a {}", kind.kind))?;
            add(world, scope, now, kind, &object, tally, &mut remarks);
        }
        Ok(())
    };
    list_all(client, scope, &mut unread, see).await;
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
        match reference.account() {
            Some((Some(namespace), name)) => tally.uses(namespace, name),
            Some((None, name)) => tally.uses_anywhere(name),
            None => {}
        }
    }
    let circumstances = Circumstances { now: Some(now), exemptions: scope.exempts(namespace) };
    let referring = Referring { kind, namespace, metadata: &metadata, reading: &reading };
    tally.add(owner, &judge_references(world, &referring, circumstances), 0);
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use hyper::{Request, Response};
    use kube::client::Body;
    use tower::service_fn;

    use super::*;

    /// A client whose API server has no end: each page has these objects, and another follows.
    fn endless(items: String) -> Client {
        let service = service_fn(move |_: Request<Body>| {
            let body = format!(r#"{{"metadata":{{"continue":"next"}},"items":[{items}]}}"#);
            async move { Ok::<_, Infallible>(Response::new(Body::from(body.into_bytes()))) }
        });
        Client::new(service, "default")
    }

    #[tokio::test]
    async fn a_list_without_end_is_read_to_a_limit() {
        for (item, times) in [("{}", 0), ("{}", 100), (&*format!("\"{}\"", "x".repeat(1 << 20)), 3)] {
            let client = endless(vec![item; times].join(","));
            let mut budget = Budget { objects: 0, bytes: 0, pages: 0 };
            let mut seen = 0;
            let see = |items: &[&RawValue]| {
                seen += items.len();
                Ok(())
            };
            let whole = list_kind(&client, "/apis/x/v1/xs".to_owned(), &mut budget, see).await.unwrap();
            assert!(!whole && budget.is_spent(), "{times}");
            assert_eq!(seen, budget.objects);
            assert!(budget.objects <= MAX_OBJECTS && budget.pages <= MAX_PAGES && budget.bytes < MAX_BYTES + (4 << 20));
        }
    }
}
