//! `rolecall replay`

mod cluster;
mod recorded;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::Arc;

use anyhow::bail;
use jiff::Timestamp;
use rolecall_core::Known;
use rolecall_core::cluster::{Cluster, Conventions, Namespace, Presence, ServiceAccount};
use rolecall_core::decision::{EnforceOn, Levels, Mode, Outcome, Policy, decide};
use rolecall_core::finding::printable;
use rolecall_core::judge::{Circumstances, judge_workload};
use rolecall_core::workload::{Controller, Kind, Object, Stage, Text, Workload, within_bytes};
use rolecall_core::world::World;

use self::cluster::{KnownCluster, LogChange, LoggedCluster};
use self::recorded::Now;
use super::Exit;
use super::args::{Format, ReplayArgs};
use super::cluster_facts::ClusterFacts;
use crate::config::{Config, SelfExemptions};
use crate::report::{Replay, ReplayedDenial, ReplayedOwner, UnreadableLine, count};
use crate::sources::{
    AuditLog, AuditRecord, Batch, Manifests, ObjectChange, PodCreation, ReadOptions, SourceOptions, load_snapshot,
    read_record,
};

/// Memory for the lists of one object, as for a review of that size.
const MAX_LIST_BYTES: usize = 40 << 20;
/// Below this number of pods between two changes, threads cost more than they bring.
const MIN_PARALLEL: usize = 64;
/// Unreadable lines that standard error names; JSON names more.
const MAX_NAMED_LINES: usize = 20;

/// Checks again every pod that an audit log says was to be created.
///
/// # Errors
/// Where the configuration, the cluster or the snapshot cannot be read, or no record has a pod to check.
pub fn replay(args: &ReplayArgs, out: &mut dyn Write, said: &mut dyn Write) -> anyhow::Result<Exit> {
    refuse_second_use_of_standard_input(args)?;
    let config = args.config.as_deref().map(Config::load).transpose()?.unwrap_or_default();
    let conventions = config.conventions();
    let given = Given::read(args, &config, &conventions)?;
    let options = SourceOptions { cluster: args.cluster.as_deref(), aws: &config.aws, roles: given.roles.clone() };
    let loaded = load_snapshot(&args.source, &options)?;
    let is_agent_known = given.cluster.agent != Presence::Unknown;
    let mut replay = Replay::new(args.level.into(), given.source, given.cluster.complete);
    for part in loaded.unread.iter().chain(&given.unread) {
        replay.note(format!("not read: {part}"));
    }
    let snapshot = Arc::new(loaded.snapshot);
    let mut replaying = Replaying {
        cluster: if given.is_read {
            KnownCluster::Read(Arc::new(World::new(snapshot, given.cluster, conventions.clone())))
        } else {
            KnownCluster::Logged(LoggedCluster::new(given.cluster, snapshot, conventions.clone()))
        },
        conventions,
        is_agent_known,
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
        causes: BTreeMap::new(),
        replay,
    };
    for path in &args.logs {
        replaying.replay_log(path);
    }
    let Replaying { mut replay, causes, .. } = replaying;
    replay.counts.not_replayed = causes.iter().map(|(name, cause)| (*name, cause.requests)).collect();
    print_unreadable(&replay, said)?;
    add_notes(&mut replay, &causes);
    let counts = &replay.counts;
    match args.format {
        Format::Text if counts.checked == 0 && counts.recorded_denials == 0 => {}
        Format::Text => replay.text(out)?,
        Format::Json => replay.json(out)?,
    }
    let counts = &replay.counts;
    // Where no file could be read, that is said already.
    if counts.checked == 0 && (counts.lines > 0 || counts.unreadable == 0) {
        out.flush()?;
        bail!("nothing to replay in {}: {}", number(counts.lines, "line"), why_nothing(&causes));
    }
    Ok(if counts.unreadable > 0 {
        Exit::Unreadable
    } else if counts.denied > 0 {
        Exit::Findings
    } else {
        Exit::Clean
    })
}

fn refuse_second_use_of_standard_input(args: &ReplayArgs) -> anyhow::Result<()> {
    let logs = args.logs.iter().map(|path| ("AUDIT_LOG", path));
    let manifests = args.manifests.iter().map(|path| ("--manifests", path));
    let all = logs.chain(manifests).chain([("--source", &args.source)]);
    let users: Vec<&str> = all.filter(|(_, path)| *path == "-").map(|(user, _)| user).collect();
    if users.len() > 1 {
        bail!("`-` is standard input, which can be read only once: it is given for {}", users.join(" and "));
    }
    Ok(())
}

/// Names on standard error what could not be read. A part of a message may be from the log.
fn print_unreadable(replay: &Replay, said: &mut dyn Write) -> anyhow::Result<()> {
    for UnreadableLine { file, line, message } in replay.unreadable().iter().take(MAX_NAMED_LINES) {
        let place = line.map_or(String::new(), |line| format!(", line {line}"));
        writeln!(said, "error: {}", printable(&format!("{file}{place}: {message}")))?;
    }
    let named = u64::try_from(replay.unreadable().len().min(MAX_NAMED_LINES)).unwrap_or(u64::MAX);
    if let more @ 1.. = replay.counts.unreadable.saturating_sub(named) {
        writeln!(said, "error: {} cannot be read; --format json names the first 1,000", number(more, "more line"))?;
    }
    Ok(())
}

/// Requests that could not be replayed, by the name of the cause.
type Causes = BTreeMap<&'static str, NotReplayed>;

struct NotReplayed {
    text: &'static str,
    /// Another audit log would have the objects.
    is_fixable: bool,
    requests: u64,
}

fn why_nothing(causes: &Causes) -> String {
    let mut texts: Vec<String> =
        causes.values().map(|cause| format!("{}: {}", number(cause.requests, "request"), cause.text)).collect();
    if texts.is_empty() {
        texts.push("no record is about a pod that was to be created".to_owned());
    }
    texts.join("; ")
}

/// Adds what to know of the records when reading the result.
fn add_notes(replay: &mut Replay, causes: &Causes) {
    let counts = &replay.counts;
    let mut notes = Vec::new();
    let pods = |pods: u64| number(pods, "pod");
    let is = |number: u64| if number == 1 { "is" } else { "are" };
    if counts.predicted > 0 {
        notes.push(format!(
            "{} of {} {} recorded as sent, before injection: what the injector adds is predicted; level RequestResponse in \
             the audit policy records pods as stored",
            counts.predicted,
            pods(counts.checked),
            is(counts.predicted)
        ));
    }
    if counts.unknown_accounts > 0 {
        notes.push(format!(
            "nothing is known of the service account of {}, so little is certain about {}: give --manifests or --context",
            pods(counts.unknown_accounts),
            if counts.unknown_accounts == 1 { "it" } else { "them" }
        ));
    }
    if counts.missing_accounts > 0 {
        notes.push(format!(
            "the service account of {} does not exist in the cluster of --context now, so little is certain about {}",
            pods(counts.missing_accounts),
            if counts.missing_accounts == 1 { "it" } else { "them" }
        ));
    }
    if counts.unknown_namespaces > 0 {
        notes.push(format!(
            "nothing is known of the namespace of {}: exemptions and needs that its annotations declare are left out",
            pods(counts.unknown_namespaces)
        ));
    }
    if counts.unread_changes > 0 {
        notes.push(format!(
            "the log does not have the result of {} of service accounts or namespaces: what was known of these objects is \
             unknown from there on; set level RequestResponse for serviceaccounts and namespaces in the audit policy",
            number(counts.unread_changes, "change")
        ));
    }
    for cause in causes.values().filter(|cause| cause.is_fixable) {
        notes.push(format!("{} could not be checked: {}", number(cause.requests, "pod creation"), cause.text));
    }
    notes.into_iter().for_each(|note| replay.note(note));
}

fn number(number: u64, noun: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), noun)
}

/// What the arguments say about the cluster.
struct Given {
    /// The name of where it is from.
    source: &'static str,
    /// It was read from the API server: nothing that the log says of it counts.
    is_read: bool,
    cluster: Cluster,
    roles: BTreeSet<String>,
    unread: Vec<String>,
}

impl Given {
    fn read(args: &ReplayArgs, config: &Config, conventions: &Conventions) -> anyhow::Result<Self> {
        if let Some(context) = &args.context {
            let ClusterFacts { cluster, roles, unread } = ClusterFacts::of_context(context, config, conventions)?;
            return Ok(Self { source: "context", is_read: true, cluster, roles, unread });
        }
        let (is_read, unread) = (false, Vec::new());
        if args.manifests.is_empty() {
            return Ok(Self { source: "log", is_read, cluster: Cluster::default(), roles: BTreeSet::new(), unread });
        }
        let mut manifests = Manifests::read(&args.manifests, &ReadOptions::default())?;
        let mut cluster = manifests.readable_cluster(conventions);
        manifests.whole()?;
        // The log knows of others.
        cluster.complete = false;
        cluster.agent = Presence::Unknown;
        Ok(Self { source: "manifests", is_read, cluster, roles: manifests.named_roles(), unread })
    }
}

struct Replaying {
    cluster: KnownCluster,
    conventions: Conventions,
    is_agent_known: bool,
    now: Timestamp,
    policy: Policy,
    config: Config,
    threads: usize,
    causes: Causes,
    replay: Replay,
}

/// What came of a pod.
#[derive(Default)]
struct Checked {
    is_predicted: bool,
    is_account_unknown: bool,
    is_account_missing: bool,
    is_namespace_unknown: bool,
    denial: Option<ReplayedDenial>,
}

impl Replaying {
    /// Replays a log. Where it cannot be read on, what follows the fault may be any change of the cluster.
    fn replay_log(&mut self, path: &str) {
        let mut log = match AuditLog::open(path) {
            Ok(log) => log,
            Err(error) => {
                self.replay.add_unreadable(path, None, format!("{error:#}"));
                self.cluster.forget_log();
                return;
            }
        };
        loop {
            match log.next_batch() {
                Ok(Some(batch)) => self.replay_batch(path, &batch),
                Ok(None) => break,
                Err(error) => {
                    let message = format!("the file cannot be read from here on: {error}");
                    self.replay.add_unreadable(path, Some(log.lines() + 1), message);
                    self.cluster.forget_log();
                    break;
                }
            }
        }
        self.replay.counts.lines += log.lines();
    }

    /// Reads the lines on all threads, then takes them in their order.
    fn replay_batch(&mut self, path: &str, batch: &Batch) {
        let is_too_long = |number: &u64| batch.too_long.binary_search(number).is_ok();
        let lines: Vec<(u64, &[u8])> = (batch.first_line..)
            .zip(batch.bytes.split_inclusive(|byte| *byte == b'\n'))
            .filter(|(number, line)| !line.trim_ascii().is_empty() || is_too_long(number))
            .collect();
        let unreadable = |message: &str| AuditRecord::Unreadable { message: message.to_owned(), may_hide_change: true };
        let records = on_threads(self.threads, &lines, |(number, line)| {
            if is_too_long(number) {
                return Some((*number, unreadable("the line is longer than 32 MiB")));
            }
            match std::str::from_utf8(line) {
                Ok(line) => match within_bytes(MAX_LIST_BYTES, || read_record(line)) {
                    AuditRecord::Other => None,
                    record => Some((*number, record)),
                },
                Err(_) => Some((*number, unreadable("it is not UTF-8"))),
            }
        });
        let mut pods: Vec<(u64, PodCreation<'_>, &str)> = Vec::new();
        for (number, record) in records.into_iter().flatten() {
            match record {
                AuditRecord::Pod(pod, Ok(object)) => pods.push((number, pod, object)),
                AuditRecord::Pod(pod, Err(cause)) => {
                    let counts = &mut self.replay.counts;
                    if cause.is_own_line() {
                        counts.own_lines += 1;
                        counts.own_denials += u64::from(pod.denied.is_some());
                    } else {
                        counts.without_object += 1;
                    }
                    self.count_cause(cause.name, cause.text, cause.is_fixable);
                    self.add_undecided(pod, cause.text);
                }
                AuditRecord::NotReplayed(cause) => self.count_cause(cause.name, cause.text, cause.is_fixable),
                AuditRecord::Change(change) => {
                    self.check_pods(path, std::mem::take(&mut pods));
                    self.apply_change(path, number, &change);
                }
                AuditRecord::Unreadable { message, may_hide_change } => {
                    self.replay.add_unreadable(path, Some(number), message);
                    if may_hide_change {
                        self.check_pods(path, std::mem::take(&mut pods));
                        self.cluster.forget_log();
                    }
                }
                AuditRecord::Other => {}
            }
        }
        self.check_pods(path, pods);
    }

    fn count_cause(&mut self, name: &'static str, text: &'static str, is_fixable: bool) {
        self.causes.entry(name).or_insert(NotReplayed { text, is_fixable, requests: 0 }).requests += 1;
    }

    /// Adds the denial of a pod that cannot be checked, where one was recorded.
    fn add_undecided(&mut self, pod: PodCreation<'_>, why: &str) {
        let PodCreation { namespace, name, time, denied: Some(recorded), .. } = pod else { return };
        let name = if name.as_str().is_empty() { "?" } else { name.as_str() };
        self.replay.add(ReplayedDenial {
            owner: ReplayedOwner {
                namespace: cut(namespace.as_str()),
                kind: Kind::Pod.name().to_owned(),
                name: cut(name),
            },
            time: cut(time.as_str()),
            rules: Vec::new(),
            message: String::new(),
            fix: String::new(),
            recorded: Some(recorded),
            undecided: Some(why.to_owned()),
        });
    }

    fn check_pods(&mut self, path: &str, pods: Vec<(u64, PodCreation<'_>, &str)>) {
        let threads = if pods.len() < MIN_PARALLEL { 1 } else { self.threads };
        let this = &*self;
        let checked =
            on_threads(threads, &pods, |(_, pod, object)| within_bytes(MAX_LIST_BYTES, || this.check(pod, object)));
        for ((number, pod, _), checked) in pods.into_iter().zip(checked) {
            match checked {
                Ok(checked) => {
                    let counts = &mut self.replay.counts;
                    counts.checked += 1;
                    counts.predicted += u64::from(checked.is_predicted);
                    counts.unknown_accounts += u64::from(checked.is_account_unknown);
                    counts.missing_accounts += u64::from(checked.is_account_missing);
                    counts.unknown_namespaces += u64::from(checked.is_namespace_unknown);
                    checked.denial.into_iter().for_each(|denial| self.replay.add(denial));
                }
                Err(message) => {
                    self.add_undecided(pod, &format!("the object in the record cannot be read: {message}"));
                    self.replay.add_unreadable(path, Some(number), message);
                }
            }
        }
    }

    /// Takes a change into what is known of the cluster. An object that cannot be read is unknown from then on.
    fn apply_change(&mut self, path: &str, number: u64, change: &ObjectChange<'_>) {
        if matches!(self.cluster, KnownCluster::Read(_)) {
            return;
        }
        let ObjectChange { is_namespace, namespace, name, object, is_deleted, is_unread } = change;
        self.replay.counts.unread_changes += u64::from(*is_unread);
        let object = object.map(|object| within_bytes(MAX_LIST_BYTES, || read_object(object))).transpose();
        let object = object.unwrap_or_else(|message| {
            self.replay.add_unreadable(path, Some(number), message);
            None
        });
        let metadata = object.as_ref().map(|object| &object.metadata);
        let namespace: Box<str> = namespace.as_str().into();
        let name = name.as_ref().map(|name| Box::from(name.as_str()));
        self.cluster.apply(match (is_namespace, name) {
            (true, Some(name)) => {
                LogChange::Namespace { name, namespace: metadata.map(Namespace::of), is_deleted: *is_deleted }
            }
            (false, Some(name)) => {
                let account = metadata.map(|metadata| ServiceAccount::of(metadata, &self.conventions));
                LogChange::Account { namespace, name, account }
            }
            (false, None) if !namespace.is_empty() => LogChange::AccountsOf { namespace },
            (_, None) => LogChange::Everything,
        });
    }

    fn check(&self, pod: &PodCreation<'_>, json: &str) -> Result<Checked, String> {
        let object = read_object(json)?;
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
        let world = self.cluster.world(namespace, workload.service_account());
        let judgement = judge_workload(&world, &workload, circumstances);
        let decision = decide(&judgement, None, &self.policy);
        let is_denied = decision.outcome == Outcome::Deny;
        let account = world.service_account(namespace, workload.service_account());
        let denial = (is_denied || pod.denied.is_some()).then(|| {
            let (kind, name) = match Controller::of(json) {
                Some(owner) => match owner.deployment() {
                    Some(name) => (Kind::Deployment.name().to_owned(), name.to_owned()),
                    None => (owner.kind, owner.name),
                },
                None => (Kind::Pod.name().to_owned(), object.metadata.display_name()),
            };
            let lead = decision.denials.first().map(|finding| &finding.problem);
            let rules: BTreeSet<&'static str> = decision.denials.iter().map(|finding| finding.rule()).collect();
            let now = Now {
                world: &world,
                workload: &workload,
                judgement: &judgement,
                level: self.policy.levels.enforce,
                is_read: matches!(self.cluster, KnownCluster::Read(_)),
                is_agent_known: self.is_agent_known,
            };
            ReplayedDenial {
                owner: ReplayedOwner { namespace: cut(namespace), kind: cut(&kind), name: cut(&name) },
                time: cut(pod.time.as_str()),
                rules: if is_denied { rules.into_iter().collect() } else { Vec::new() },
                message: lead
                    .map_or(String::new(), |problem| rolecall_message::message(problem).chars().take(1_000).collect()),
                fix: lead.map_or(String::new(), |problem| {
                    rolecall_message::fix::line(&problem.fix).chars().take(2_000).collect()
                }),
                recorded: pod.denied.clone(),
                undecided: pod.denied.as_ref().filter(|_| !is_denied).and_then(|rules| now.why_undecided(rules)),
            }
        });
        Ok(Checked {
            is_predicted: !pod.is_admitted,
            is_account_unknown: account == Known::Unknown && workload.service_account() != "default",
            is_account_missing: account == Known::Absent,
            is_namespace_unknown: world.namespace(namespace).is_none(),
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
