//! What a raised level of one namespace would deny: its templates and its running pods, read page by page, within limits of
//! time, memory and number.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use kube::Client;
use rolecall_core::effort::Stop;
use rolecall_core::workload::{Kind, Object, within_bytes};
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::item::Item;
use super::owners::{Owner, Owners};
use super::read::{PODS, WORKLOADS};
use crate::kube::{PageText, Pages, Refusal};
use crate::review::{DeniedOwner, Preview, RaisedLevel};

/// Most bytes that the lists of one object may take while it is read.
const MAX_LIST_BYTES: usize = 40 << 20;
/// Longest name of a controller that is kept (Kubernetes, "Object Names and IDs").
const MAX_NAME_BYTES: usize = 253;

/// How much one preview reads.
#[derive(Debug, Clone)]
pub struct PreviewLimits {
    /// Most objects of all kinds together, also those that count for nothing.
    pub objects: usize,
    /// When it ends.
    pub end: Instant,
    /// One page is held and checked at a time, by all previews together.
    pub turn: Arc<Semaphore>,
}

/// Why there is no preview.
#[derive(Debug)]
pub enum PreviewError {
    /// The API server refuses, or cannot be asked.
    Refusal(Refusal),
    /// Other previews had all the turns.
    Busy,
}

/// Checks the templates and the running pods of a namespace, owners first.
///
/// # Errors
/// Where a right is missing, the API server cannot be asked, or no turn came before the end.
pub async fn preview(
    client: &Client,
    namespace: &str,
    level: RaisedLevel,
    limits: PreviewLimits,
) -> Result<Preview, PreviewError> {
    let (turn, end) = (Arc::clone(&limits.turn), limits.end);
    let stop = Stop::default();
    // Where the review is no longer waited for, the check under way ends at its next step.
    let _ending = StopOnDrop(stop.clone());
    let (owners, groups, done) = (Owners::default(), BTreeMap::new(), Preview::default());
    let mut seen = Seen { level, limits, stop, owners, groups, objects: 0, done };
    for (kind, (group, plural)) in WORKLOADS.into_iter().chain([(Kind::Pod, PODS)]) {
        let base = if group == "v1" { "/api/v1".to_owned() } else { format!("/apis/{group}") };
        let mut pages = Pages::new(client, format!("{base}/namespaces/{namespace}/{plural}"));
        loop {
            let Ok(permit) = tokio::time::timeout_at(end, Arc::clone(&turn).acquire_owned()).await else {
                if seen.objects == 0 {
                    return Err(PreviewError::Busy);
                }
                seen.leave_out(None, plural);
                break;
            };
            let Ok(page) = tokio::time::timeout_at(end, pages.next()).await else {
                seen.leave_out(None, plural);
                break;
            };
            let Some(page) = page.map_err(PreviewError::Refusal)? else { break };
            // Checking takes time that the threads that answer reviews do not have. The turn ends with it.
            let checking = tokio::task::spawn_blocking(move || {
                let left = seen.check(&page, kind);
                drop(permit);
                left.map(|left| (seen, left))
            });
            let checked = checking.await.context("the check was stopped").and_then(|checked| checked);
            let (after, left) = checked.map_err(|error| PreviewError::Refusal(error.into()))?;
            seen = after;
            if let Some(left) = left {
                seen.leave_out(Some(left), plural);
                break;
            }
        }
    }
    Ok(seen.preview())
}

/// Ends what has this stop.
struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}

/// What was read so far.
struct Seen {
    level: RaisedLevel,
    limits: PreviewLimits,
    stop: Stop,
    owners: Owners,
    groups: BTreeMap<Owner, Group>,
    objects: usize,
    done: Preview,
}

/// An owner: its running pods, and the rules that would deny new ones.
#[derive(Default)]
struct Group {
    pods: usize,
    /// The template's, which counts where there is one.
    template: Option<Vec<&'static str>>,
    running: Vec<&'static str>,
}

impl Seen {
    /// Checks the objects of a page. How many were left out, where a limit was reached.
    fn check(&mut self, page: &PageText, kind: Kind) -> anyhow::Result<Option<usize>> {
        let page = page.items().context("the API server's answer is no list")?;
        let all = page.items.len();
        for (at, raw) in page.items.into_iter().enumerate() {
            let is_over = self.objects >= self.limits.objects || Instant::now() >= self.limits.end;
            if is_over || self.stop.is_set() {
                return Ok(Some(all - at + page.remaining));
            }
            self.objects += 1;
            within_bytes(MAX_LIST_BYTES, || self.object(raw, kind))?;
        }
        Ok(None)
    }

    fn object(&mut self, raw: &RawValue, kind: Kind) -> anyhow::Result<()> {
        let fault = |error: serde_json::Error| anyhow!("a {} cannot be read: {error}", kind.name());
        let object: Object<'_> = serde_json::from_str(raw.get()).map_err(fault)?;
        let item = Item::read(raw.get()).map_err(fault)?;
        let text = |text: &Option<rolecall_core::workload::Text<'_>>| {
            text.as_ref().map(|text| text.as_str().to_owned()).unwrap_or_default()
        };
        let (namespace, name) = (text(&object.metadata.namespace), text(&object.metadata.name));
        // The API server checks no owner reference.
        let is_named = |(kind, name): &(&str, &str)| kind.len() <= MAX_NAME_BYTES && name.len() <= MAX_NAME_BYTES;
        let controller = item.controller().filter(is_named);
        let owner = if kind == Kind::Pod {
            if item.is_over() {
                return Ok(());
            }
            self.done.pods += 1;
            self.owners.top(&namespace, ("Pod", &name), controller)
        } else {
            self.owners.add(&namespace, kind.name(), &name, controller);
            if item.makes_no_pods(kind) {
                return Ok(());
            }
            self.done.templates += 1;
            self.owners.top(&namespace, (kind.name(), &name), controller)
        };
        let group = self.groups.entry(owner).or_default();
        if kind == Kind::Pod {
            group.pods += 1;
            // Pods of one owner are alike; its template was checked.
            if group.template.is_none() && group.running.is_empty() {
                group.running = self.level.denying_rules(&object, kind, &self.stop);
            }
        } else {
            let rules = group.template.get_or_insert_default();
            rules.extend(self.level.denying_rules(&object, kind, &self.stop));
            rules.sort_unstable();
            rules.dedup();
        }
        Ok(())
    }

    fn leave_out(&mut self, objects: Option<usize>, plural: &str) {
        self.done.unchecked.push(match objects {
            Some(1) => format!("1 of the {plural}"),
            Some(objects) => format!("{objects} of the {plural}"),
            None => plural.to_owned(),
        });
    }

    fn preview(self) -> Preview {
        let denied = self.groups.into_iter().filter_map(|(owner, group)| {
            let rules = group.template.unwrap_or(group.running);
            let (kind, name) = (owner.kind.into_owned(), owner.name);
            (!rules.is_empty()).then_some(DeniedOwner { kind, name, pods: group.pods, rules })
        });
        Preview { denied: denied.collect(), ..self.done }
    }
}
