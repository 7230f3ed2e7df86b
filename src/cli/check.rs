//! `rolecall check`

mod comments;
mod elsewhere;
mod empty;
mod places;

use std::cell::LazyCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::Write;
use std::sync::Arc;

use anyhow::bail;
use rolecall_core::chain::{State, Subject};
use rolecall_core::decision::Level;
use rolecall_core::finding::{Certainty, Finding};
use rolecall_core::fix::{AccountName, Owners};
use rolecall_core::identity::Identity;
use rolecall_core::judge::{
    Circumstances, Identities, Judgement, Referring, ServiceAccountChange, follow_owners, judge_references,
    judge_service_account, judge_workload, own_names_of_namespace,
};
use rolecall_core::rules::{SERVICE_ACCOUNT_MISSING, Trait};
use rolecall_core::snapshot::Snapshot;
use rolecall_core::workload::{Evidence, Kind, Owner, Stage, Volumes, Workload};
use rolecall_core::world::World;

use self::elsewhere::Elsewhere;
use super::acceptance::{self, RuleFilter};
use super::args::{CheckArgs, LevelArg};
use super::doubt::Doubts;
use super::output::{Outputs, ReportFormat, text_options};
use super::{Exit, defaults, task_definitions, teams};
use crate::config::Config;
use crate::report::{CustomRemarks, Report, ReportedUnreadable};
use crate::sources::{
    Excluded, Loaded, Manifest, Manifests, ObjectOrigin, ReadOptions, SourceKind, SourceOptions, Substitutions,
    Unreadable, load_snapshot, namespace_of,
};

/// How many notes of one kind are printed.
const MAX_NOTES: usize = 20;

/// Checks manifests and prints what was found; what cannot be read is also printed on `said`.
///
/// # Errors
/// Where a file, the configuration or the snapshot cannot be read.
pub fn check(args: &CheckArgs, out: &mut dyn Write, said: &mut dyn Write) -> anyhow::Result<Exit> {
    let loaded = defaults::load(args.config.as_deref())?;
    let args = &loaded.check_args(args.clone())?;
    let config = &loaded.config;
    let outputs = Outputs::new(args.format, &args.report.output)?;
    let filter = RuleFilter::new(&args.report)?;
    let (may_be_empty, is_strict) = (args.allow_empty == Some(true), args.strict_input == Some(true));
    let substitutions = Substitutions::new(&args.input.substitute_file, &args.input.substitute)?;
    let namespace = args.input.namespace.as_deref();
    let options = ReadOptions { namespace, substitutions: substitutions.as_ref() };
    let pod_sources = config.pod_sources();
    let mut manifests = Manifests::read_but(&args.paths, &options, &Excluded::new(&args.exclude)?, &pod_sources)?;
    if is_strict {
        manifests.first_fault()?;
    }
    let conventions = config.conventions();
    let mut elsewhere = Elsewhere::read(args, config, &conventions, &options)?;
    let Loaded { snapshot, unread } = snapshot(args, config, &manifests, &elsewhere)?;
    let cluster = elsewhere.join(manifests.readable_cluster(&conventions));
    let mut doubts = Doubts::of(&manifests, &conventions);
    doubts.add(&elsewhere.manifests, &conventions);
    let world = World::new(Arc::new(snapshot), cluster, conventions);
    let level: Level = args.level.unwrap_or(LevelArg::Fallback).into();
    let mut report = Report::new(level, &world.snapshot).with_docs(config.messages.docs_url.clone());
    if args.source.is_none() {
        report.note("no --source: roles, providers and associations are unknown");
    }
    for part in unread.iter().chain(&elsewhere.unread) {
        report.note(&format!("not read: {part}"));
    }
    let mut unreadable = std::mem::take(&mut manifests.unreadable);
    let mut open = BTreeSet::new();
    // Only a workload without a role needs them.
    let identities = LazyCell::new(|| {
        let used = used_accounts(&manifests);
        Identities::of(&world, |namespace, name| {
            used.contains(&(namespace.to_owned(), name.to_owned())) || world.objects().is_of_controller(namespace, name)
        })
    });
    let explain = |finding: &mut Finding| {
        if finding.problem.rule.has(Trait::OnNodeRole) {
            identities.explain(finding);
        }
    };
    let files = AccountFiles::of([&elsewhere.manifests, &manifests]);
    let knows_accounts = elsewhere.is_given;
    let inputs = Inputs { world: &world, config, doubts: &doubts, files: &files, knows_accounts, explain: &explain };
    for manifest in &manifests.objects {
        let Some(kind) = manifest.kind else { continue };
        match judge(&inputs, manifest, kind, &mut report) {
            Ok(notes) => open.extend(notes.into_iter().map(|note| (manifest.origin.to_string(), note))),
            // A service account may have been found unreadable before.
            Err(fault) if unreadable.contains(&fault) => {}
            Err(fault) => unreadable.push(fault),
        }
    }
    for manifest in manifests.objects.iter().filter(|manifest| manifest.kind.is_none()) {
        for problem in manifest.object().iter().flat_map(|object| own_names_of_namespace(&object.metadata)) {
            report.note(&format!("{}: {}", manifest.origin, rolecall_message::sentence(&problem)));
        }
    }
    open.extend(custom_resources(&inputs, &manifests, &mut report));
    task_definitions::check(&manifests.task_definitions, &world.snapshot, &mut report, &mut open, &mut unreadable);
    input_notes(&manifests, &open, &mut report);
    if !knows_accounts && report.findings.iter().any(|finding| finding.rule == SERVICE_ACCOUNT_MISSING.name) {
        report.note(
            "service accounts that are not in the input may exist elsewhere; give --manifests PATH or --context CTX",
        );
    }
    unreadable.sort_by(|a, b| {
        let key = |fault: &Unreadable| (fault.origin.file.clone(), fault.origin.document, fault.origin.line);
        key(a).cmp(&key(b)).then_with(|| a.reason.cmp(&b.reason))
    });
    if let Some(fault) = unreadable.first().filter(|_| is_strict) {
        bail!("{fault}");
    }
    for fault in &unreadable {
        writeln!(said, "error: {fault}")?;
        report.add_unreadable(ReportedUnreadable {
            file: fault.origin.file.clone(),
            document: fault.origin.document,
            line: fault.origin.line,
            message: fault.reason.clone(),
        });
    }
    empty::add_skipped(&manifests.skipped, &mut report);
    filter.apply(&mut report);
    report.finish();
    if outputs.describe_roles() {
        report.describe_roles(&world.snapshot);
    }
    if let Some(key) = &args.report.team_label {
        let own = teams::by_workload(&manifests, key);
        report.name_teams(|resource| own.get(resource).cloned().or_else(|| teams::of_namespace(&world, resource, key)));
    }
    for fault in places::find(&manifests, outputs.have(ReportFormat::Text), &mut report) {
        report.note(&fault);
    }
    acceptance::accept(&mut report, &args.report)?;
    let nothing = empty::nothing_checked(&manifests, &args.paths, &report);
    match &nothing {
        // What cannot be read is said already.
        Some(_) if !unreadable.is_empty() => {}
        Some(nothing) => writeln!(said, "{}: {nothing}", if may_be_empty { "warning" } else { "error" })?,
        None => {
            for folder in &manifests.unrendered {
                writeln!(said, "warning: {folder}")?;
            }
        }
    }
    let is_failed = !unreadable.is_empty() || (nothing.is_some() && !may_be_empty);
    let text = text_options(&args.report, config);
    outputs.write_files(&report, &text)?;
    match outputs.standard {
        // Where nothing could be checked, there is nothing to report but that.
        Some(ReportFormat::Text) if report.summary.resources == 0 && is_failed => {}
        Some(format) => format.write(&report, &text, out)?,
        None => {}
    }
    let is_baseline = nothing.is_none() && acceptance::write_baseline(&report, &args.report, said)?;
    Ok(if is_failed {
        Exit::Unreadable
    } else if report.counts() && !is_baseline {
        Exit::Findings
    } else {
        Exit::Clean
    })
}

/// The snapshot; of live AWS, with the roles that the objects name.
fn snapshot(args: &CheckArgs, config: &Config, manifests: &Manifests, elsewhere: &Elsewhere) -> anyhow::Result<Loaded> {
    let Some(source) = &args.source else {
        return Ok(Loaded { snapshot: Snapshot::default(), unread: Vec::new() });
    };
    let mut roles = BTreeSet::new();
    if SourceKind::of(source) == SourceKind::Aws {
        roles = manifests.named_roles();
        roles.extend(elsewhere.named_roles());
    }
    load_snapshot(source, &SourceOptions { cluster: args.cluster.as_deref(), aws: &config.aws, roles })
}

/// The service accounts that workloads of the input use: namespace and name.
fn used_accounts(manifests: &Manifests) -> HashSet<(String, String)> {
    let workloads = manifests.objects.iter().filter_map(|manifest| {
        let kind = manifest.kind.filter(|kind| *kind != Kind::ServiceAccount)?;
        let object = manifest.object().ok()?;
        let namespace = namespace_of(&object);
        let workload = Workload::of(&object, kind, Stage::Predicted, namespace)?;
        Some((namespace.to_owned(), workload.service_account().to_owned()))
    });
    workloads.collect()
}

/// What to know of the input when reading the report.
fn input_notes(manifests: &Manifests, open: &BTreeSet<(String, String)>, report: &mut Report) {
    for folder in &manifests.unrendered {
        report.note(&folder.to_string());
    }
    let assumed = manifests.objects.iter().filter(|manifest| manifest.assumed_namespace).count()
        + manifests.custom.iter().filter(|manifest| manifest.assumed_namespace).count();
    if assumed > 0 {
        let objects = if assumed == 1 { "1 object names".to_owned() } else { format!("{assumed} objects name") };
        report.note(&format!(
            "{objects} no namespace: `default` is assumed, and what depends on it is not certain; give -n NS"
        ));
    }
    let placeholders = open.iter().map(|(origin, why)| format!("{origin}: {why}; what depends on it is unknown"));
    for notes in [manifests.notes.clone(), placeholders.collect()] {
        notes.iter().take(MAX_NOTES).for_each(|note| report.note(note));
        if notes.len() > MAX_NOTES {
            report.note(&format!("… and {} more of these", notes.len() - MAX_NOTES));
        }
    }
}

/// In which files the service accounts are, for fixes that change them.
struct AccountFiles(HashMap<(String, String), Owner>);

impl AccountFiles {
    /// Of one that is in several places, the last counts.
    fn of(places: [&Manifests; 2]) -> Self {
        let objects = places.into_iter().flat_map(|manifests| &manifests.objects);
        let accounts = objects.filter(|manifest| manifest.kind == Some(Kind::ServiceAccount));
        let entry = |manifest: &Manifest| {
            let object = manifest.object().ok()?;
            let name = object.metadata.name.as_ref()?.as_str().to_owned();
            Some(((namespace_of(&object).to_owned(), name), file_of(manifest)?))
        };
        Self(accounts.filter_map(entry).collect())
    }

    /// Has fixes of an object and of its service account say which file to change.
    fn follow(&self, judgement: &mut Judgement<'_>, subject: Subject<'_>, manifest: &Manifest) {
        let account = self.0.get(&(subject.namespace.to_owned(), subject.service_account.to_owned()));
        let name = AccountName::from(subject);
        let workload = file_of(manifest);
        let owners =
            Owners { account: account.map(|owner| (&name, owner)), workload: workload.as_ref(), ..Owners::default() };
        follow_owners(judgement, &owners);
    }
}

/// The file to change; a recorded request is none.
fn file_of(manifest: &Manifest) -> Option<Owner> {
    let ObjectOrigin { file, line, .. } = &manifest.origin;
    (!manifest.admitted && file != "-").then(|| Owner::File { path: file.as_str().into(), line: *line })
}

/// What the check of each object uses.
struct Inputs<'i> {
    world: &'i World,
    config: &'i Config,
    doubts: &'i Doubts,
    files: &'i AccountFiles,
    /// Whether service accounts outside of the input are known.
    knows_accounts: bool,
    /// Adds to a finding which identity may be meant.
    explain: &'i dyn Fn(&mut Finding),
}

impl Inputs<'_> {
    /// A service account that is not in the input may be elsewhere.
    fn doubt_missing_accounts(&self, judgement: &mut Judgement<'_>) {
        let missing = judgement.findings.iter_mut().filter(|finding| finding.problem.rule == &SERVICE_ACCOUNT_MISSING);
        missing.filter(|_| !self.knows_accounts).for_each(|finding| finding.problem.certainty = Certainty::Undecided);
    }
}

/// Judges the identities that custom resources name; returns what to note of the input, with where it stands.
fn custom_resources(inputs: &Inputs<'_>, manifests: &Manifests, report: &mut Report) -> Vec<(String, String)> {
    let Inputs { world, config, doubts, .. } = *inputs;
    let mut open = Vec::new();
    let mut remarks = CustomRemarks::default();
    for manifest in &manifests.custom {
        let reading = manifest.reading();
        let Some(metadata) = manifest.metadata() else {
            remarks.add_unreadable(manifest.kind, &manifest.origin.to_string(), "metadata");
            continue;
        };
        remarks.add(manifest.kind, &manifest.origin.to_string(), &reading);
        let namespace = manifest.kind.namespace(&metadata);
        let circumstances = circumstances(config, namespace);
        let referring = Referring { kind: manifest.kind, namespace, metadata: &metadata, reading: &reading };
        let mut judgement = judge_references(world, &referring, circumstances);
        let notes = doubts.weaken_identities(&mut judgement, manifest, &reading, world);
        inputs.doubt_missing_accounts(&mut judgement);
        open.extend(notes.into_iter().map(|note| (manifest.origin.to_string(), note)));
        let broken = judgement.identities.iter().find(|identity| identity.chain != State::Holds);
        let identity = broken.or(judgement.identities.first()).map(|identity| identity.path);
        let place = |finding: &Finding, _: Option<&str>| {
            places::begin(&manifest.origin, manifest.pointer(&finding.fields(), identity, &world.conventions))
        };
        report.add(&judgement, &metadata.display_name(), Some(&place));
    }
    remarks.into_notes().iter().for_each(|note| report.note(note));
    open
}

fn circumstances(config: &Config, namespace: &str) -> Circumstances {
    let exemptions =
        !config.forbid_exemptions_in.iter().any(|pattern| rolecall_iam::wildcard_match(pattern, namespace));
    Circumstances { now: Some(jiff::Timestamp::now()), exemptions }
}

/// Judges an object; returns what to note of its input.
fn judge(inputs: &Inputs<'_>, manifest: &Manifest, kind: Kind, report: &mut Report) -> Result<Vec<String>, Unreadable> {
    let Inputs { world, config, doubts, files, explain, .. } = *inputs;
    let object = manifest.object()?;
    let place = |finding: &Finding, container: Option<&str>| {
        places::begin(&manifest.origin, manifest.pointer(&finding.fields(), container, &world.conventions))
    };
    let unreadable = |reason: String| Unreadable { origin: manifest.origin.clone(), reason };
    let namespace = namespace_of(&object);
    let name = object.metadata.display_name();
    let circumstances = circumstances(config, namespace);
    if kind == Kind::ServiceAccount {
        if !manifest.admitted && object.metadata.name.as_ref().is_none_or(|name| name.as_str().is_empty()) {
            return Err(unreadable("metadata.name: is absent".to_owned()));
        }
        let change = ServiceAccountChange { namespace, name: &name, metadata: &object.metadata, before: None };
        let mut judgement = judge_service_account(world, &change, circumstances);
        let notes = doubts.weaken(&mut judgement, manifest, &object, None, world);
        files.follow(&mut judgement, Subject { namespace, service_account: &name }, manifest);
        report.add(&judgement, &name, Some(&place));
        return Ok(notes);
    }
    let stage = if manifest.admitted { Stage::Admitted } else { Stage::Predicted };
    let Some(workload) = Workload::of(&object, kind, stage, namespace) else {
        return Err(unreadable(format!(
            "{kind} {name} has no pod specification; where this is a patch, check what `kustomize build` prints"
        )));
    };
    let mut judgement = judge_workload(world, &workload, circumstances);
    if judgement.containers.iter().any(|container| container.identity == Identity::Node) {
        note_default(world, &workload, &name, report);
    }
    let notes = doubts.weaken(&mut judgement, manifest, &object, Some(&workload), world);
    inputs.doubt_missing_accounts(&mut judgement);
    judgement.findings.iter_mut().for_each(explain);
    files.follow(&mut judgement, Subject { namespace, service_account: workload.service_account() }, manifest);
    match manifest.is_further {
        true => report.add_further(&judgement, &name, Some(&place)),
        false => report.add(&judgement, &name, Some(&place)),
    }
    Ok(notes)
}

/// Notes a component that AWS runs with the node's role: below `strict` that is no finding.
fn note_default(world: &World, workload: &Workload<'_>, name: &str, report: &mut Report) {
    let volumes = Volumes::of(workload.spec);
    let evidence = Evidence::of(workload, &volumes, world.objects());
    let default = workload.spec.containers.iter().find_map(|container| evidence.on_node_by_default(container));
    if let Some(component) = default {
        let resource = format!("{} {}/{name}", workload.kind, workload.namespace);
        report.note(&rolecall_message::components::node_role_note(&resource, component));
    }
}
