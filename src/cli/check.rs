//! `rolecall check`

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use rolecall_core::decision::Level;
use rolecall_core::judge::{Circumstances, ServiceAccountChange, judge_service_account, judge_workload};
use rolecall_core::snapshot::Snapshot;
use rolecall_core::workload::{Kind, Stage, Workload};
use rolecall_core::world::World;

use super::Exit;
use super::args::{CheckArgs, Format};
use crate::config::Config;
use crate::report::{self, Report};
use crate::sources::{Loaded, Manifest, Manifests, SourceOptions, load_snapshot, namespace_of};

/// Judges manifests and prints what was found.
///
/// # Errors
/// Where something cannot be read or is malformed.
pub fn check(args: &CheckArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let config = args.config.as_deref().map(Config::load).transpose()?.unwrap_or_default();
    let manifests = Manifests::load(&args.paths)?;
    let snapshot = match &args.source {
        Some(source) => {
            let roles = if source == "aws" { manifests.named_roles() } else { BTreeSet::new() };
            load_snapshot(source, &SourceOptions { cluster: args.cluster.as_deref(), aws: &config.aws, roles })?
        }
        None => Loaded { snapshot: Snapshot::default(), unread: Vec::new() },
    };
    let Loaded { snapshot, unread } = snapshot;
    let conventions = config.conventions();
    let cluster = manifests.cluster(&conventions)?;
    let world = World::new(Arc::new(snapshot), cluster, conventions);
    let level: Level = args.level.into();
    let mut report = Report::new(level, &world.snapshot);
    if args.source.is_none() {
        report.note("no --source: roles, providers and associations are unknown");
    }
    for part in &unread {
        report.note(&format!("not read: {part}"));
    }
    for manifest in &manifests.objects {
        if let Some(kind) = manifest.kind {
            judge(&world, &config, manifest, kind, &mut report)?;
        }
    }
    report.finish();
    match args.format {
        Format::Text => report::text(&report, out)?,
        Format::Json => report::json(&report, out)?,
    }
    Ok(if report.counts() { Exit::Findings } else { Exit::Clean })
}

fn judge(world: &World, config: &Config, manifest: &Manifest, kind: Kind, report: &mut Report) -> anyhow::Result<()> {
    let object = manifest.object()?;
    let namespace = namespace_of(&object);
    let name = object.metadata.display_name();
    let exemptions =
        !config.forbid_exemptions_in.iter().any(|pattern| rolecall_iam::wildcard_match(pattern, namespace));
    let circumstances = Circumstances { now: None, exemptions };
    if kind == Kind::ServiceAccount {
        let change = ServiceAccountChange { namespace, name: &name, metadata: &object.metadata, before: None };
        report.add(&judge_service_account(world, &change, circumstances), &name);
        return Ok(());
    }
    let stage = if manifest.admitted { Stage::Admitted } else { Stage::Predicted };
    let Some(workload) = Workload::of(&object, kind, stage, namespace) else {
        anyhow::bail!(
            "{}: {kind} {name} has no pod specification; where this is a patch, check what `kustomize build` prints",
            manifest.origin
        );
    };
    report.add(&judge_workload(world, &workload, circumstances), &name);
    Ok(())
}
