//! `rolecall replay`

use std::collections::{BTreeSet, HashSet};
use std::io::Write;
use std::sync::Arc;

use anyhow::bail;
use jiff::Timestamp;
use rolecall_core::cluster::{Cluster, Conventions, Namespace, ServiceAccount};
use rolecall_core::decision::{EnforceOn, Levels, Mode, Outcome, Policy, decide};
use rolecall_core::judge::{Circumstances, judge_workload};
use rolecall_core::workload::{Controller, Kind, Object, Stage, Text, Workload, within_bytes};
use rolecall_core::world::{Change, Known, World};

use super::Exit;
use super::args::{Format, ReplayArgs};
use crate::config::{Config, SelfExemptions};
use crate::report::{Replay, ReplayedDenial, ReplayedOwner};
use crate::sources::{
    AuditLog, AuditRecord, Batch, Manifests, ObjectChange, PodCreation, ReadOptions, SourceOptions, load_snapshot,
    read_record,
};

/// Memory for the lists of one object, as for a review of that size.
const MAX_LIST_BYTES: usize = 40 << 20;
/// Below this number of pods between two changes, threads cost more than they bring.
const MIN_PARALLEL: usize = 64;

/// Checks again every pod that an audit log says was to be created.
///
/// # Errors
/// Where a file, the configuration, the cluster or the snapshot cannot be read, or no record has a pod to check.
pub fn replay(args: &ReplayArgs, out: &mut dyn Write, said: &mut dyn Write) -> anyhow::Result<Exit> {
    if args.logs.iter().chain(&args.manifests).filter(|path| *path == "-").count() > 1 {
        bail!("`-` is standard input, which can be read once");
    }
    let config = args.config.as_deref().map(Config::load).transpose()?.unwrap_or_default();
    let conventions = config.conventions();
    let given = Given::read(args, &config, &conventions)?;
    let options = SourceOptions { cluster: args.cluster.as_deref(), aws: &config.aws, roles: given.roles.clone() };
    let loaded = load_snapshot(&args.source, &options)?;
    let mut replaying = Replaying {
        world: World::new(Arc::new(loaded.snapshot), given.cluster, conventions),
        fixed: given.fixed,
        is_fixed: args.context.is_some(),
        now: Timestamp::now(),
        policy: Policy {
            levels: Levels { enforce: args.level.into(), ..Levels::default() },
            mode: Mode::Enforce,
            enforce_on: EnforceOn::PODS,
            is_controlled: false,
            self_exemptions: config.self_exemptions == SelfExemptions::Allow,
        },
        config,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        replay: Replay::new(args.level.into()),
    };
    for part in loaded.unread.iter().chain(&given.unread) {
        replaying.replay.note(format!("not read: {part}"));
    }
    for path in &args.logs {
        replaying.log(path)?;
    }
    let mut replay = replaying.replay;
    for line in replay.unreadable() {
        writeln!(said, "error: {}, line {}: {}", line.file, line.line, line.message)?;
    }
    notes(&mut replay);
    let counts = &replay.counts;
    if counts.checked == 0 {
        let why = match (counts.without_object, counts.own_lines) {
            (1.., _) => {
                "its records have no pod objects: set level Request or RequestResponse for pods in the audit policy"
            }
            (0, 1..) => "rolecall's own log lines have no pod objects: give the API server's audit log",
            _ => "it has no record of a pod that was to be created",
        };
        bail!("nothing to replay: {why} ({} lines read)", counts.lines);
    }
    match args.format {
        Format::Text => replay.text(out)?,
        Format::Json => replay.json(out)?,
    }
    Ok(if replay.counts.unreadable > 0 {
        Exit::Unreadable
    } else if replay.counts.denied > 0 {
        Exit::Findings
    } else {
        Exit::Clean
    })
}

/// What to know of the records when reading the result.
fn notes(replay: &mut Replay) {
    let counts = &replay.counts;
    let mut notes = Vec::new();
    if counts.predicted > 0 {
        notes.push(format!(
            "{} of {} pods are recorded as they were sent, before injection: what the injector does is predicted; level \
             RequestResponse in the audit policy records them as stored",
            counts.predicted, counts.checked
        ));
    }
    if counts.unknown_accounts > 0 {
        notes.push(format!(
            "the service accounts of {} pods are neither in the log nor given, so little is certain about these pods: give \
             --manifests or --context",
            counts.unknown_accounts
        ));
    }
    if counts.without_object > 0 {
        notes.push(format!(
            "{} pod creations could not be checked: their records have no object; set level Request or RequestResponse for \
             pods in the audit policy",
            counts.without_object
        ));
    }
    if counts.own_lines > 0 {
        notes.push(format!(
            "{} lines of rolecall's own log about pods ({} denials) could not be checked: they have no object; the API \
             server's audit log has it",
            counts.own_lines, counts.own_denials
        ));
    }
    notes.into_iter().for_each(|note| replay.note(note));
}

/// What the arguments say about the cluster.
struct Given {
    cluster: Cluster,
    /// Service accounts and namespaces (without a service account) that the log does not change.
    fixed: HashSet<(Box<str>, Option<Box<str>>)>,
    roles: BTreeSet<String>,
    unread: Vec<String>,
}

impl Given {
    fn read(args: &ReplayArgs, config: &Config, conventions: &Conventions) -> anyhow::Result<Self> {
        if args.context.is_some() {
            return from_cluster(args, config, conventions);
        }
        if args.manifests.is_empty() {
            return Ok(Self {
                cluster: Cluster::default(),
                fixed: HashSet::new(),
                roles: BTreeSet::new(),
                unread: Vec::new(),
            });
        }
        let mut manifests = Manifests::read(&args.manifests, &ReadOptions::default())?;
        let mut cluster = manifests.readable_cluster(conventions);
        manifests.whole()?;
        // The log knows of others.
        cluster.complete = false;
        cluster.agent = rolecall_core::cluster::Presence::Unknown;
        let accounts = cluster
            .service_accounts
            .iter()
            .flat_map(|(namespace, accounts)| accounts.keys().map(move |name| (namespace.clone(), Some(name.clone()))));
        let fixed = accounts.chain(cluster.namespaces.keys().map(|name| (name.clone(), None))).collect();
        Ok(Self { cluster, fixed, roles: manifests.named_roles(), unread: Vec::new() })
    }
}

#[cfg(not(feature = "kube"))]
fn from_cluster(_: &ReplayArgs, _: &Config, _: &Conventions) -> anyhow::Result<Given> {
    bail!("--context: this build has no feature `kube`, which reads clusters; give --manifests")
}

#[cfg(feature = "kube")]
fn from_cluster(args: &ReplayArgs, config: &Config, conventions: &Conventions) -> anyhow::Result<Given> {
    use anyhow::Context;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("the runtime cannot be started")?;
    let client = runtime.block_on(crate::kube::connect(args.context.as_deref()))?;
    let scope = crate::scan::Scope { namespaces: Vec::new(), no_exemptions: config.forbid_exemptions_in.clone() };
    let injector = &config.cluster.injector_configuration;
    let bar = super::progress::Bar::of_objects();
    let facts = runtime.block_on(crate::scan::read_facts(&client, &scope, conventions, injector, &bar));
    bar.end();
    let facts = facts?;
    Ok(Given { cluster: facts.cluster, fixed: HashSet::new(), roles: facts.roles, unread: Vec::new() })
}

struct Replaying {
    world: World,
    fixed: HashSet<(Box<str>, Option<Box<str>>)>,
    /// The cluster was read: nothing that the log says of it counts.
    is_fixed: bool,
    now: Timestamp,
    policy: Policy,
    config: Config,
    threads: usize,
    replay: Replay,
}

/// A record, with the number of its line.
type Numbered<'b> = (u64, Result<AuditRecord<'b>, String>);

/// What came of a pod.
#[derive(Default)]
struct Checked {
    is_predicted: bool,
    is_account_unknown: bool,
    denial: Option<ReplayedDenial>,
}

impl Replaying {
    fn log(&mut self, path: &str) -> anyhow::Result<()> {
        let mut log = AuditLog::open(path)?;
        loop {
            match log.next_batch() {
                Ok(Some(batch)) => self.batch(path, &batch),
                Ok(None) => break,
                Err(error) => {
                    self.replay.add_unreadable(path, log.lines() + 1, format!("the file cannot be read on: {error}"));
                    break;
                }
            }
        }
        self.replay.counts.lines += log.lines();
        Ok(())
    }

    /// Reads the lines on all threads, then takes them in their order.
    fn batch(&mut self, path: &str, batch: &Batch) {
        for line in &batch.too_long {
            self.replay.add_unreadable(path, *line, "the line is too long".to_owned());
        }
        let lines: Vec<(u64, &[u8])> = (batch.first_line..)
            .zip(batch.bytes.split_inclusive(|byte| *byte == b'\n'))
            .filter(|(_, line)| !line.trim_ascii().is_empty())
            .collect();
        let records = on_threads(self.threads, &lines, |(number, line)| -> Option<Numbered<'_>> {
            let read = || read_record(std::str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned())?);
            match within_bytes(MAX_LIST_BYTES, read) {
                Ok(AuditRecord::Other) => None,
                record => Some((*number, record)),
            }
        });
        let mut pods: Vec<(u64, PodCreation<'_>)> = Vec::new();
        for (number, record) in records.into_iter().flatten() {
            match record {
                Ok(AuditRecord::Pod(pod)) => pods.push((number, pod)),
                Ok(AuditRecord::Change(change)) => match self.change(&change) {
                    Ok(None) => {}
                    Ok(Some(change)) => {
                        self.pods(path, &std::mem::take(&mut pods));
                        self.world = self.world.with([change]);
                    }
                    Err(message) => self.replay.add_unreadable(path, number, message),
                },
                Ok(AuditRecord::PodWithoutObject) => self.replay.counts.without_object += 1,
                Ok(AuditRecord::OwnLine { is_denied }) => {
                    self.replay.counts.own_lines += 1;
                    self.replay.counts.own_denials += u64::from(is_denied);
                }
                Ok(AuditRecord::Other) => {}
                Err(message) => self.replay.add_unreadable(path, number, message),
            }
        }
        self.pods(path, &pods);
    }

    fn pods(&mut self, path: &str, pods: &[(u64, PodCreation<'_>)]) {
        let threads = if pods.len() < MIN_PARALLEL { 1 } else { self.threads };
        let this = &*self;
        let checked = on_threads(threads, pods, |(_, pod)| within_bytes(MAX_LIST_BYTES, || this.check(pod)));
        for ((number, _), checked) in pods.iter().zip(checked) {
            match checked {
                Ok(checked) => {
                    let counts = &mut self.replay.counts;
                    counts.checked += 1;
                    counts.predicted += u64::from(checked.is_predicted);
                    counts.unknown_accounts += u64::from(checked.is_account_unknown);
                    checked.denial.into_iter().for_each(|denial| self.replay.add(denial));
                }
                Err(message) => self.replay.add_unreadable(path, *number, message),
            }
        }
    }

    /// What a change makes of the cluster; `None` where what was given counts instead.
    fn change(&self, change: &ObjectChange<'_>) -> Result<Option<Change>, String> {
        let name: Box<str> = change.name.as_str().into();
        let namespace: Box<str> = change.namespace.as_str().into();
        let key = if change.is_namespace { (name.clone(), None) } else { (namespace.clone(), Some(name.clone())) };
        if self.is_fixed || self.fixed.contains(&key) {
            return Ok(None);
        }
        let object = change.object.map(read_object).transpose()?;
        let metadata = object.as_ref().map(|object| &object.metadata);
        Ok(Some(if change.is_namespace {
            Change::Namespace { name, namespace: metadata.map(Namespace::of) }
        } else {
            let account = metadata.map(|metadata| ServiceAccount::of(metadata, &self.world.conventions));
            Change::ServiceAccount { namespace, name, account }
        }))
    }

    fn check(&self, pod: &PodCreation<'_>) -> Result<Checked, String> {
        let object = read_object(pod.object)?;
        let stage = if pod.is_admitted { Stage::Admitted } else { Stage::Predicted };
        let namespace = Some(pod.namespace.as_str()).filter(|namespace| !namespace.is_empty());
        let of_object = object.metadata.namespace.as_ref().map(Text::as_str);
        let namespace = namespace.or(of_object).unwrap_or("default");
        let mut workload = Workload::of(&object, Kind::Pod, stage, namespace)
            .filter(|workload| !workload.spec.containers.is_empty())
            .ok_or_else(|| "the pod has no containers".to_owned())?;
        workload.is_mirror &= pod.is_by_node;
        let patterns = &self.config.forbid_exemptions_in;
        let exemptions = !patterns.iter().any(|pattern| rolecall_iam::wildcard_match(pattern, namespace));
        let circumstances = Circumstances { now: Some(self.now), exemptions };
        let judgement = judge_workload(&self.world, &workload, circumstances);
        let decision = decide(&judgement, None, &self.policy);
        let is_denied = decision.outcome == Outcome::Deny;
        let account = self.world.service_account(namespace, workload.service_account());
        let denial = (is_denied || pod.denied.is_some()).then(|| {
            let (kind, name) = match Controller::of(pod.object) {
                Some(owner) => match owner.deployment() {
                    Some(name) => ("Deployment".to_owned(), name.to_owned()),
                    None => (owner.kind, owner.name),
                },
                None => ("Pod".to_owned(), object.metadata.display_name()),
            };
            let lead = decision.denials.first().map(|finding| &finding.problem);
            let rules: BTreeSet<&'static str> = decision.denials.iter().map(|finding| finding.rule()).collect();
            ReplayedDenial {
                owner: ReplayedOwner { namespace: cut(namespace), kind: cut(&kind), name: cut(&name) },
                time: cut(pod.time.as_str()),
                rules: if is_denied { rules.into_iter().collect() } else { Vec::new() },
                message: lead
                    .map_or(String::new(), |problem| rolecall_message::message(problem).chars().take(1_000).collect()),
                fix: lead.map_or(String::new(), |problem| {
                    rolecall_message::fix::line(&problem.fix).chars().take(2_000).collect()
                }),
                recorded: pod.denied.as_ref().map(|rules| rules.as_str().chars().take(1_000).collect()),
            }
        });
        Ok(Checked {
            is_predicted: !pod.is_admitted,
            is_account_unknown: account == Known::Unknown && workload.service_account() != "default",
            denial,
        })
    }
}

/// A name of the log, of the length that Kubernetes allows.
fn cut(name: &str) -> String {
    name.chars().take(253).collect()
}

fn read_object(text: &str) -> Result<Object<'_>, String> {
    serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => "the object has a field of a wrong type".to_owned(),
        _ => "the object is not JSON".to_owned(),
    })
}

/// Maps a slice on several threads, and keeps the order.
fn on_threads<T: Sync, R: Send>(threads: usize, items: &[T], map: impl Fn(&T) -> R + Sync) -> Vec<R> {
    if threads <= 1 || items.len() < 2 {
        return items.iter().map(map).collect();
    }
    let map = &map;
    std::thread::scope(|scope| {
        let chunks = items.chunks(items.len().div_ceil(threads));
        let running: Vec<_> =
            chunks.map(|chunk| (chunk, scope.spawn(move || chunk.iter().map(map).collect::<Vec<R>>()))).collect();
        // A thread that ended in a panic is done again here, which shows the panic; no record is lost silently.
        running
            .into_iter()
            .flat_map(|(chunk, thread)| thread.join().unwrap_or_else(|_| chunk.iter().map(map).collect()))
            .collect()
    })
}
