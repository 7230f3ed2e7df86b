//! `rolecall check`

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use rolecall_core::decision::Level;
use rolecall_core::judge::{
    Circumstances, ServiceAccountChange, judge_service_account, judge_workload, own_names_of_namespace,
};
use rolecall_core::snapshot::Snapshot;
use rolecall_core::workload::{Kind, Stage, Workload};
use rolecall_core::world::World;

use super::Exit;
use super::args::{CheckArgs, CheckFormat};
use super::doubt::Doubts;
use super::task_definitions;
use crate::config::Config;
use crate::report::{self, FindingLocation, Report, ReportedUnreadable};
use crate::sources::{
    Loaded, Manifest, Manifests, ObjectOrigin, ReadOptions, SourceKind, SourceOptions, Substitutions, Unreadable,
    load_snapshot, namespace_of,
};

/// How many notes of one kind are printed.
const MAX_NOTES: usize = 20;

/// Checks manifests and prints what was found; what cannot be read is also printed on `said`.
///
/// # Errors
/// Where a file, the configuration or the snapshot cannot be read.
pub fn check(args: &CheckArgs, out: &mut dyn Write, said: &mut dyn Write) -> anyhow::Result<Exit> {
    let config = args.config.as_deref().map(Config::load).transpose()?.unwrap_or_default();
    let substitutions = Substitutions::new(&args.input.substitute_file, &args.input.substitute)?;
    let namespace = args.input.namespace.as_deref();
    let options = ReadOptions { namespace, substitutions: substitutions.as_ref() };
    let mut manifests = Manifests::read(&args.paths, &options)?;
    let snapshot = match &args.source {
        Some(source) => {
            let roles =
                if SourceKind::of(source) == SourceKind::Aws { manifests.named_roles() } else { BTreeSet::new() };
            load_snapshot(source, &SourceOptions { cluster: args.cluster.as_deref(), aws: &config.aws, roles })?
        }
        None => Loaded { snapshot: Snapshot::default(), unread: Vec::new() },
    };
    let Loaded { snapshot, unread } = snapshot;
    let conventions = config.conventions();
    let cluster = manifests.readable_cluster(&conventions);
    let doubts = Doubts::of(&manifests, &conventions);
    let world = World::new(Arc::new(snapshot), cluster, conventions);
    let level: Level = args.level.into();
    let mut report = Report::new(level, &world.snapshot).with_docs(config.messages.docs_url.clone());
    if args.source.is_none() {
        report.note("no --source: roles, providers and associations are unknown");
    }
    for part in &unread {
        report.note(&format!("not read: {part}"));
    }
    let mut unreadable = std::mem::take(&mut manifests.unreadable);
    let mut open = BTreeSet::new();
    for manifest in &manifests.objects {
        let Some(kind) = manifest.kind else { continue };
        match judge(&world, &config, &doubts, manifest, kind, &mut report) {
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
    task_definitions::check(&manifests.task_definitions, &world.snapshot, &mut report, &mut open, &mut unreadable);
    input_notes(&manifests, &open, &mut report);
    report.finish();
    unreadable.sort_by(|a, b| {
        let key = |fault: &Unreadable| (fault.origin.file.clone(), fault.origin.document, fault.origin.line);
        key(a).cmp(&key(b)).then_with(|| a.reason.cmp(&b.reason))
    });
    for fault in &unreadable {
        writeln!(said, "error: {fault}")?;
        report.add_unreadable(ReportedUnreadable {
            file: fault.origin.file.clone(),
            document: fault.origin.document,
            line: fault.origin.line,
            message: fault.reason.clone(),
        });
    }
    let is_empty = manifests.objects.is_empty() && manifests.task_definitions.is_empty();
    let nothing_else = is_empty && manifests.passed_over == 0 && !manifests.unrendered.is_empty();
    for folder in &manifests.unrendered {
        let prefix = if nothing_else { "error" } else { "warning" };
        writeln!(said, "{prefix}: {folder}")?;
    }
    match args.format {
        // Where nothing could be checked, there is nothing to report but that.
        CheckFormat::Text if report.summary.resources == 0 && (!unreadable.is_empty() || nothing_else) => {}
        CheckFormat::Text => report::text(&report, config.fix_format(args.fix_format.map(Into::into)), out)?,
        CheckFormat::Json => report::json(&report, out)?,
        CheckFormat::Sarif => report::sarif(&report, out)?,
        CheckFormat::Junit => report::junit(&report, out)?,
        CheckFormat::Github => report::github(&report, out)?,
        CheckFormat::Gitlab => report::gitlab(&report, out)?,
        CheckFormat::Markdown => report::markdown(&report, out)?,
    }
    Ok(if !unreadable.is_empty() || nothing_else {
        Exit::Unreadable
    } else if report.counts() {
        Exit::Findings
    } else {
        Exit::Clean
    })
}

/// What to know of the input when reading the report.
fn input_notes(manifests: &Manifests, open: &BTreeSet<(String, String)>, report: &mut Report) {
    for folder in &manifests.unrendered {
        report.note(&folder.to_string());
    }
    let assumed = manifests.objects.iter().filter(|manifest| manifest.assumed_namespace).count();
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

/// Judges an object; returns what to note of its input.
fn judge(
    world: &World,
    config: &Config,
    doubts: &Doubts,
    manifest: &Manifest,
    kind: Kind,
    report: &mut Report,
) -> Result<Vec<String>, Unreadable> {
    let object = manifest.object()?;
    let ObjectOrigin { file, document, line } = manifest.origin.clone();
    let location = FindingLocation { file, document, line };
    let unreadable = |reason: String| Unreadable { origin: manifest.origin.clone(), reason };
    let namespace = namespace_of(&object);
    let name = object.metadata.display_name();
    let exemptions =
        !config.forbid_exemptions_in.iter().any(|pattern| rolecall_iam::wildcard_match(pattern, namespace));
    let circumstances = Circumstances { now: Some(jiff::Timestamp::now()), exemptions };
    if kind == Kind::ServiceAccount {
        if !manifest.admitted && object.metadata.name.as_ref().is_none_or(|name| name.as_str().is_empty()) {
            return Err(unreadable("metadata.name: is absent".to_owned()));
        }
        let change = ServiceAccountChange { namespace, name: &name, metadata: &object.metadata, before: None };
        let mut judgement = judge_service_account(world, &change, circumstances);
        let notes = doubts.weaken(&mut judgement, manifest, &object, None, world);
        report.add(&judgement, &name, Some(&location));
        return Ok(notes);
    }
    let stage = if manifest.admitted { Stage::Admitted } else { Stage::Predicted };
    let Some(workload) = Workload::of(&object, kind, stage, namespace) else {
        return Err(unreadable(format!(
            "{kind} {name} has no pod specification; where this is a patch, check what `kustomize build` prints"
        )));
    };
    let mut judgement = judge_workload(world, &workload, circumstances);
    let notes = doubts.weaken(&mut judgement, manifest, &object, Some(&workload), world);
    report.add(&judgement, &name, Some(&location));
    Ok(notes)
}
