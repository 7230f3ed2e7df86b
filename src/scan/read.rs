//! What a scan asks the API server for, and in which order.

use std::collections::{BTreeSet, HashSet};

use anyhow::{Context, anyhow, bail};
use jiff::Timestamp;
use kube::Client;
use rolecall_core::Known;
use rolecall_core::cluster::{Cluster, Conventions, Namespace, Presence};
use rolecall_core::judge::{
    AgentFault, Circumstances, Running, agent_fault, injector_missing, judge_running, judge_workload,
    node_roles_without_agent,
};
use rolecall_core::workload::{Kind, Object, Stage, Workload};
use rolecall_core::world::World;
use serde_json::value::RawValue;

use super::accounts::{Accounts, roles_in};
use super::custom;
use super::health::{AGENT, AgentHealth, AgentState, Health, InjectorHealth, InjectorState};
use super::item::Item;
use super::orphans::{Names, find};
use super::owners::{Owner, Owners};
use super::tally::Tally;
use super::{Progress, Scanned};
use crate::kube::{Refusal, Seen, get, list};

/// What is scanned.
#[derive(Debug, Clone)]
pub struct Scope {
    /// These namespaces only; all where there are none.
    pub namespaces: Vec<String>,
    /// Namespaces, with wildcards, whose annotations exempt from nothing.
    pub no_exemptions: Vec<String>,
}

impl Scope {
    fn has(&self, namespace: &str) -> bool {
        self.namespaces.is_empty() || self.namespaces.iter().any(|name| name == namespace)
    }

    pub(super) fn exempts(&self, namespace: &str) -> bool {
        !self.no_exemptions.iter().any(|pattern| rolecall_iam::wildcard_match(pattern, namespace))
    }

    /// Where a kind is listed: for the whole cluster, or namespace by namespace.
    pub(super) fn paths(&self, (group, plural): (&str, &str)) -> Vec<(String, String)> {
        if self.namespaces.is_empty() {
            return vec![(format!("{}/{plural}", base(group)), "in all namespaces".to_owned())];
        }
        let of = |name: &String| (path_in(name, (group, plural)), format!("in namespace {name}"));
        self.namespaces.iter().map(of).collect()
    }
}

pub(super) fn base(group: &str) -> String {
    if group == "v1" { "/api/v1".to_owned() } else { format!("/apis/{group}") }
}

/// Where a kind is listed in one namespace.
pub(super) fn path_in(namespace: &str, (group, plural): (&str, &str)) -> String {
    format!("{}/namespaces/{namespace}/{plural}", base(group))
}

/// What creates pods, in the order it is listed: owners first.
pub(super) const WORKLOADS: [Kind; 7] = [
    Kind::Deployment,
    Kind::StatefulSet,
    Kind::DaemonSet,
    Kind::CronJob,
    Kind::ReplicaSet,
    Kind::Job,
    Kind::ReplicationController,
];

/// The API version and the resource of a kind.
pub(super) fn resource(kind: Kind) -> (&'static str, &'static str) {
    (kind.api_version(), kind.plural())
}

/// What is known of a cluster before anything is judged.
#[derive(Debug)]
pub struct Facts {
    /// Service accounts and namespaces.
    pub cluster: Cluster,
    /// Roles that its service accounts name.
    pub roles: BTreeSet<String>,
    accounts: Accounts,
    namespaces: Option<HashSet<Box<str>>>,
    health: Health,
    unread: Vec<String>,
}

impl Facts {
    /// Every namespace, where they could be listed.
    pub fn namespaces(&self) -> Option<&HashSet<Box<str>>> {
        self.namespaces.as_ref()
    }
}

/// What could not be read so far, and whether anything could.
#[derive(Default)]
struct Reading {
    unread: Vec<String>,
    read: usize,
}

impl Reading {
    /// Reads a kind wherever it is in scope; what is denied is reported and left out. Whether all of it was read.
    async fn all(
        &mut self,
        client: &Client,
        scope: &Scope,
        kind: (&str, &str),
        mut see: impl FnMut(Seen<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<bool> {
        let mut complete = true;
        for (path, place) in scope.paths(kind) {
            match list(client, &path, "", &mut see).await {
                Ok(()) => self.read += 1,
                Err(Refusal::Failed(error)) => return Err(error),
                Err(refusal) => {
                    complete = false;
                    let group = kind.0.split_once('/').map_or(String::new(), |(group, _)| format!(".{group}"));
                    let or = if scope.namespaces.is_empty() { "; or name namespaces by --namespace" } else { "" };
                    self.unread.push(match refusal {
                        Refusal::Denied(why) => {
                            format!("{} {place}: grant the verb `list` on `{}{group}`{or} ({why})", kind.1, kind.1)
                        }
                        _ => format!("{} {place}: the API server does not know them", kind.1),
                    });
                }
            }
        }
        Ok(complete)
    }

    /// Reads one object; unknown where that is denied.
    async fn one(&mut self, client: &Client, path: &str, what: &str, right: &str) -> anyhow::Result<Known<String>> {
        match get(client, path).await {
            Ok(text) => Ok(Known::Present(text)),
            Err(Refusal::Absent) => Ok(Known::Absent),
            Err(Refusal::Denied(why)) => {
                self.unread.push(format!("{what}: grant the verb `get` on `{right}` ({why})"));
                Ok(Known::Unknown)
            }
            Err(Refusal::Failed(error)) => Err(error),
        }
    }
}

/// Reads namespaces, service accounts, the agent and the injector. `injector`: name of the injector's configuration.
///
/// # Errors
/// Where the API server cannot be asked, a namespace that was named does not exist, or nothing at all may be read.
pub async fn read_facts(
    client: &Client,
    scope: &Scope,
    conventions: &Conventions,
    injector: &str,
    progress: &dyn Progress,
) -> anyhow::Result<Facts> {
    let mut reading = Reading::default();
    let mut cluster = Cluster::default();
    progress.begin("namespaces");
    let namespaces = read_namespaces(client, scope, &mut cluster, &mut reading).await?;

    progress.begin("service accounts");
    let (mut accounts, mut roles) = (Accounts::default(), BTreeSet::new());
    let complete = reading
        .all(client, scope, resource(Kind::ServiceAccount), |seen| {
            match seen {
                Seen::Page(items) => {
                    progress.step(items.len());
                    for item in items {
                        accounts.add(item.get(), &mut cluster, conventions).context("a service account")?;
                        roles_in(item.get(), &mut roles);
                    }
                }
                Seen::Restarted => {
                    accounts = Accounts::default();
                    cluster.service_accounts.clear();
                }
            }
            Ok(())
        })
        .await?;
    cluster.complete = complete;

    progress.begin("agent and injector");
    let health = read_health(client, injector, &mut reading).await?;
    cluster.agent = match health.agent.state {
        AgentState::Missing => Presence::Absent,
        AgentState::Unknown => Presence::Unknown,
        _ => Presence::Present(()),
    };
    cluster.injector = match health.injector.state {
        InjectorState::Present => Presence::Present(()),
        InjectorState::Missing => Presence::Absent,
        InjectorState::Unknown => Presence::Unknown,
    };
    Ok(Facts { cluster, roles, accounts, namespaces, health, unread: reading.unread })
}

/// All namespaces, where they may be listed; of those that were named, each by itself.
async fn read_namespaces(
    client: &Client,
    scope: &Scope,
    cluster: &mut Cluster,
    reading: &mut Reading,
) -> anyhow::Result<Option<HashSet<Box<str>>>> {
    let add = |text: &str, cluster: &mut Cluster| -> anyhow::Result<()> {
        let object: Object<'_> = serde_json::from_str(text).context("a namespace")?;
        let name = object.metadata.name.as_ref().map(|name| name.as_str()).unwrap_or_default();
        cluster.add_namespace(name, Namespace::of(&object.metadata));
        Ok(())
    };
    if scope.namespaces.is_empty() {
        let listed = reading
            .all(client, scope, ("v1", "namespaces"), |seen| {
                match seen {
                    Seen::Page(items) => items.iter().try_for_each(|item| add(item.get(), cluster))?,
                    Seen::Restarted => cluster.namespaces.clear(),
                }
                Ok(())
            })
            .await?;
        return Ok(listed.then(|| cluster.namespaces.keys().cloned().collect()));
    }
    for name in &scope.namespaces {
        let path = format!("/api/v1/namespaces/{name}");
        let what = format!("namespace {name} itself, with the exemptions and needs that it declares");
        match reading.one(client, &path, &what, "namespaces").await? {
            Known::Present(text) => add(&text, cluster)?,
            Known::Absent => bail!("namespace {name} does not exist in this cluster"),
            Known::Unknown => {}
        }
    }
    Ok(None)
}

async fn read_health(client: &Client, injector: &str, reading: &mut Reading) -> anyhow::Result<Health> {
    let (namespace, name) = AGENT;
    let path = format!("/apis/apps/v1/namespaces/{namespace}/daemonsets/{name}");
    let what = format!("the Pod Identity agent (DaemonSet {namespace}/{name})");
    let agent = match reading.one(client, &path, &what, "daemonsets.apps").await? {
        Known::Present(text) => AgentHealth::of(&text)?,
        Known::Absent => AgentHealth::missing(),
        Known::Unknown => AgentHealth::unknown(),
    };
    let path = format!("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{injector}");
    let what = format!("the injector (MutatingWebhookConfiguration {injector})");
    let right = "mutatingwebhookconfigurations.admissionregistration.k8s.io";
    let injector = match reading.one(client, &path, &what, right).await? {
        Known::Present(text) => InjectorHealth::of(injector, &text)?,
        Known::Absent => InjectorHealth::missing(injector),
        Known::Unknown => InjectorHealth::unknown(injector),
    };
    Ok(Health { agent, injector })
}

/// The roles that workloads bring themselves.
///
/// # Errors
/// Where the API server cannot be asked. What is denied is left out, and reported by [`read_workloads`].
pub async fn read_roles(client: &Client, scope: &Scope, progress: &dyn Progress) -> anyhow::Result<BTreeSet<String>> {
    let mut roles = BTreeSet::new();
    let mut reading = Reading::default();
    progress.begin("roles that workloads name");
    for kind in WORKLOADS {
        let see = |seen: Seen<'_>| {
            if let Seen::Page(items) = seen {
                items.iter().for_each(|item| roles_in(item.get(), &mut roles));
            }
            Ok(())
        };
        reading.all(client, scope, resource(kind), see).await?;
    }
    Ok(roles)
}

/// Judges service accounts, workloads and the pods that run, page by page.
///
/// # Errors
/// Where the API server cannot be asked, or nothing at all may be read.
pub async fn read_workloads(
    client: &Client,
    scope: &Scope,
    world: &World,
    facts: Facts,
    now: Timestamp,
    progress: &dyn Progress,
) -> anyhow::Result<Scanned> {
    let Facts { accounts, namespaces, mut health, unread, roles: _, cluster: _ } = facts;
    let mut reading = Reading { unread, read: 0 };
    let mut tally = Tally::default();
    let exempts = |namespace: &str| scope.exempts(namespace);
    accounts.judge(world, exempts, now, &mut tally);

    let mut owners = Owners::default();
    let mut all_users = true;
    let judge = Judge { world, scope, accounts: &accounts, now };
    for kind in WORKLOADS {
        progress.begin(kind.plural());
        let mut part = Tally::default();
        all_users &= reading
            .all(client, scope, resource(kind), |seen| {
                let Seen::Page(items) = seen else {
                    part = Tally::default();
                    return Ok(());
                };
                progress.step(items.len());
                items.iter().try_for_each(|item| judge.workload(item, kind, &mut owners, &mut part))
            })
            .await?;
        tally.merge(part);
    }
    progress.begin(Kind::Pod.plural());
    let mut part = Tally::default();
    all_users &= reading
        .all(client, scope, resource(Kind::Pod), |seen| {
            let Seen::Page(items) = seen else {
                part = Tally::default();
                return Ok(());
            };
            progress.step(items.len());
            items.iter().try_for_each(|item| judge.pod(item, &owners, &mut part))
        })
        .await?;
    tally.merge(part);
    if reading.read == 0 {
        let unread = reading.unread.join("\n  ");
        return Err(anyhow!("neither workloads nor pods may be read:\n  {unread}"));
    }

    progress.begin("custom resources");
    let notes = custom::read(client, scope, world, now, progress, &mut tally).await?;

    let in_scope = |namespace: &str| scope.has(namespace);
    let names = Names { accounts: &accounts, namespaces: namespaces.as_ref(), in_scope: &in_scope, all_users };
    let orphans = find(world, &names, &mut tally);
    if names.all_users {
        tally.explain_fallbacks(world);
    }
    whole(world, &accounts, &mut health, scope, &mut tally);
    Ok(Scanned { tally, orphans, health, unread: reading.unread, notes })
}

/// What concerns the cluster as a whole.
fn whole(world: &World, accounts: &Accounts, health: &mut Health, scope: &Scope, tally: &mut Tally) {
    let associations = world.snapshot.associations.iter().flatten();
    let associations: usize =
        associations.filter(|(namespace, _)| scope.has(namespace)).map(|(_, accounts)| accounts.len()).sum();
    let agent = &mut health.agent;
    if agent.state == AgentState::Missing && world.snapshot.cluster.as_ref().is_some_and(|cluster| cluster.auto_mode) {
        agent.state = AgentState::BuiltIn;
    }
    let daemon_set = || Owner::new(AGENT.0, "DaemonSet", AGENT.1);
    let fault = match agent.state {
        AgentState::Missing => Some(AgentFault::Missing),
        AgentState::Down => Some(AgentFault::Down(agent.desired.unwrap_or_default())),
        _ => None,
    };
    if let Some(fault) = fault.filter(|_| associations > 0) {
        tally.add_finding(daemon_set(), agent_fault(world, associations, fault));
    }
    if associations > 0 && agent.state != AgentState::BuiltIn {
        for finding in node_roles_without_agent(world) {
            tally.add_finding(daemon_set(), finding);
        }
    }
    if health.injector.state == InjectorState::Missing {
        let subject = |(namespace, service_account)| rolecall_core::chain::Subject { namespace, service_account };
        let with = accounts.names().filter(|name| world.plan(subject(*name)).mechanism.is_some()).count();
        if with > 0 {
            let injector = &health.injector.name;
            let owner = Owner::new("", "MutatingWebhookConfiguration", injector);
            tally.add_finding(owner, injector_missing(injector, with));
        }
    }
}

/// Judges objects as they come.
struct Judge<'a> {
    world: &'a World,
    scope: &'a Scope,
    accounts: &'a Accounts,
    now: Timestamp,
}

impl Judge<'_> {
    fn circumstances(&self, namespace: &str) -> Circumstances {
        Circumstances { now: Some(self.now), exemptions: self.scope.exempts(namespace) }
    }

    fn workload(&self, raw: &RawValue, kind: Kind, owners: &mut Owners, tally: &mut Tally) -> anyhow::Result<()> {
        let (object, item) = read(raw, kind)?;
        let (namespace, name) = names(&object);
        let controller = item.controller();
        owners.add(namespace, kind, name, controller);
        let Some(workload) = Workload::of(&object, kind, Stage::Predicted, namespace) else {
            return Ok(());
        };
        let owner = owners.top(namespace, (kind, name), controller);
        if item.repeats_controller(kind) || item.is_old_revision(kind) {
            return Ok(());
        }
        tally.uses(namespace, workload.service_account());
        if item.makes_no_pods(kind) {
            return Ok(());
        }
        tally.add(owner, &judge_workload(self.world, &workload, self.circumstances(namespace)), 0);
        Ok(())
    }

    fn pod(&self, raw: &RawValue, owners: &Owners, tally: &mut Tally) -> anyhow::Result<()> {
        let (object, item) = read(raw, Kind::Pod)?;
        let (namespace, name) = names(&object);
        let Some(workload) = Workload::of(&object, Kind::Pod, Stage::Admitted, namespace) else {
            return Ok(());
        };
        tally.uses(namespace, workload.service_account());
        if workload.is_mirror || item.is_over() {
            return Ok(());
        }
        let owner = owners.top(namespace, (Kind::Pod, name), item.controller());
        let running = Running {
            created: item.created(),
            annotated: self.accounts.annotated(namespace, workload.service_account()),
            owner_kind: &owner.kind,
            owner: &owner.name,
        };
        let judgement = judge_running(self.world, &workload, self.circumstances(namespace), running);
        tally.add(owner.clone(), &judgement, 1);
        Ok(())
    }
}

/// An object as it is checked, and what a scan reads of it besides.
pub(super) fn read(raw: &RawValue, kind: Kind) -> anyhow::Result<(Object<'_>, Item<'_>)> {
    let object: Object<'_> = serde_json::from_str(raw.get()).with_context(|| format!("a {kind} of the API server"))?;
    let item = Item::read(raw.get()).with_context(|| format!("a {kind} of the API server"))?;
    Ok((object, item))
}

/// Namespace and name.
pub(super) fn names<'o>(object: &'o Object<'_>) -> (&'o str, &'o str) {
    let text = |field: &'o Option<rolecall_core::workload::Text<'_>>| field.as_ref().map(|t| t.as_str()).unwrap_or("");
    (text(&object.metadata.namespace), text(&object.metadata.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_that_creates_pods_is_listed_owners_first() {
        for kind in Kind::ALL {
            let creates_pods = kind.controller_account().is_some();
            assert_eq!(WORKLOADS.contains(&kind), creates_pods, "{kind}");
        }
        let at = |kind| WORKLOADS.iter().position(|listed| *listed == kind);
        for kind in WORKLOADS {
            assert!(kind.folds_into().is_none_or(|owner| at(owner) < at(kind)), "{kind}");
        }
    }
}
