//! What a raised level of one namespace would deny: its templates and its running pods, read page by page, within limits of
//! time, memory and number.

use std::collections::BTreeMap;

use anyhow::{Context, anyhow};
use kube::Client;
use rolecall_core::workload::{Kind, Object};
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::item::Item;
use super::owners::{Owner, Owners};
use super::read::{PODS, WORKLOADS};
use crate::kube::{PageText, Pages, Refusal};
use crate::review::{DeniedOwner, Preview, RaisedLevel};

/// How much one preview reads.
#[derive(Debug, Clone, Copy)]
pub struct PreviewLimits {
    /// Most templates and pods together.
    pub objects: usize,
    /// When it ends.
    pub end: Instant,
}

/// Checks the templates and the running pods of a namespace, owners first.
///
/// # Errors
/// Where a right is missing, or the API server cannot be asked.
pub async fn preview(
    client: &Client,
    namespace: &str,
    level: RaisedLevel,
    limits: PreviewLimits,
) -> Result<Preview, Refusal> {
    let mut seen = Seen { level, limits, owners: Owners::default(), groups: BTreeMap::new(), done: Preview::default() };
    for (kind, (group, plural)) in WORKLOADS.into_iter().chain([(Kind::Pod, PODS)]) {
        let base = if group == "v1" { "/api/v1".to_owned() } else { format!("/apis/{group}") };
        let mut pages = Pages::new(client, format!("{base}/namespaces/{namespace}/{plural}"));
        loop {
            let Ok(page) = tokio::time::timeout_at(limits.end, pages.next()).await else {
                seen.leave_out(None, plural);
                break;
            };
            let Some(page) = page? else { break };
            // Checking takes time that the threads that answer reviews do not have.
            let checking = tokio::task::spawn_blocking(move || seen.check(&page, kind).map(|left| (seen, left)));
            let (after, left) = checking.await.context("the check was stopped")??;
            seen = after;
            if let Some(left) = left {
                seen.leave_out(Some(left), plural);
                break;
            }
        }
    }
    Ok(seen.preview())
}

/// What was read so far.
struct Seen {
    level: RaisedLevel,
    limits: PreviewLimits,
    owners: Owners,
    groups: BTreeMap<Owner, Group>,
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
            if self.done.templates + self.done.pods >= self.limits.objects || Instant::now() >= self.limits.end {
                return Ok(Some(all - at + page.remaining));
            }
            self.object(raw, kind)?;
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
        let controller = item.controller();
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
                group.running = self.level.denying_rules(&object, kind);
            }
        } else {
            let rules = group.template.get_or_insert_default();
            rules.extend(self.level.denying_rules(&object, kind));
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
