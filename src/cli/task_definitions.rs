//! Task definitions of Amazon ECS, in `check` and `can-i`.

use std::collections::BTreeSet;

use anyhow::bail;
use rolecall_core::ecs::{Home, TaskDefinition};
use rolecall_core::finding::Finding;
use rolecall_core::judge::{
    Circumstances, JudgedTaskDefinition, follow_owner_of_task_definition, judge_task_definition,
};
use rolecall_core::snapshot::Snapshot;
use rolecall_core::workload::Owner;
use rolecall_message::fix::unresolved;

use crate::report::{FindingLocation, Report};
use crate::sources::{Manifests, TaskDefinitionManifest, Unreadable, task_definition_placeholder};

/// Judges every task definition; adds what is to be noted of the input to `open`, by its place, and what cannot be read to
/// `unreadable`.
pub(super) fn check(
    manifests: &[TaskDefinitionManifest],
    snapshot: &Snapshot,
    report: &mut Report,
    open: &mut BTreeSet<(String, String)>,
    unreadable: &mut Vec<Unreadable>,
) {
    let circumstances = Circumstances { now: Some(jiff::Timestamp::now()), exemptions: true };
    let mut assumed = 0;
    let mut home = None;
    for manifest in manifests {
        let definition = match manifest.definition() {
            Ok(definition) => definition,
            Err(fault) => {
                unreadable.push(fault);
                continue;
            }
        };
        let mut judged = judge_task_definition(snapshot, &definition, task_definition_placeholder, circumstances);
        if let Some(owner) = &manifest.owner {
            follow_owner_of_task_definition(&mut judged, owner);
        }
        if judged.is_home_assumed {
            assumed += 1;
            home = home.or_else(|| assumed_home(&definition, snapshot));
        }
        let JudgedTaskDefinition { unresolved: values, .. } = &judged;
        open.extend(values.iter().map(|value| (manifest.origin.to_string(), unresolved(value))));
        let origin = &manifest.origin;
        let place = |finding: &Finding, container: Option<&str>| FindingLocation {
            file: origin.file.clone(),
            document: origin.document,
            line: origin.line,
            column: 1,
            pointer: manifest.pointer(&finding.fields(), container),
            excerpt: None,
        };
        report.add_task_definition(&judged, definition.display_name(), Some(&place));
    }
    if let Some(home) = home {
        report.note(&assumed_note(assumed, &home));
    }
}

fn assumed_note(definitions: usize, home: &str) -> String {
    let definitions = if definitions == 1 {
        "1 task definition names".to_owned()
    } else {
        format!("{definitions} task definitions name")
    };
    format!("{definitions} no account and region: {home} is assumed, and what depends on it is not certain")
}

/// `account 111122223333, us-west-2`
fn assumed_home(definition: &TaskDefinition<'_>, snapshot: &Snapshot) -> Option<String> {
    let home = Home::of(definition, snapshot);
    let region = home.region.map(|region| format!(", {region}")).unwrap_or_default();
    Some(format!("account {}{region}", home.account?))
}

/// The note on the account and the region of a task definition, where they are assumed and its task role depends on them.
pub(super) fn home_note(definition: &TaskDefinition<'_>, snapshot: &Snapshot) -> Option<String> {
    definition.task_role()?;
    let home = assumed_home(definition, snapshot).filter(|_| Home::of(definition, snapshot).is_assumed)?;
    Some(assumed_note(1, &home))
}

/// A task definition, and what of the manifests could not be read.
pub(super) struct Found<'m> {
    pub(super) definition: TaskDefinition<'m>,
    /// What it is registered from, where that is a template.
    pub(super) owner: Option<&'m Owner>,
    pub(super) notes: Vec<String>,
}

/// The task definition of a family, or of `FAMILY:REVISION`; of several revisions the newest, else the last. What is malformed
/// beside it is a note.
pub(super) fn find<'m>(manifests: &'m Manifests, name: &str) -> anyhow::Result<Found<'m>> {
    let mut found: Option<(TaskDefinition<'m>, Option<&Owner>)> = None;
    let unrendered = manifests.unrendered.iter().map(ToString::to_string);
    let mut faults: Vec<String> = manifests.unreadable.iter().map(ToString::to_string).chain(unrendered).collect();
    for manifest in &manifests.task_definitions {
        let definition = match manifest.definition() {
            Ok(definition) => definition,
            // It may be the newest revision.
            Err(fault) if manifest.is_of_family(family(name)) => bail!("{fault}"),
            Err(fault) => {
                faults.push(fault.to_string());
                continue;
            }
        };
        let is_meant = definition.family() == Some(name) || definition.display_name() == name;
        if is_meant && found.as_ref().is_none_or(|(found, _)| found.revision <= definition.revision) {
            found = Some((definition, manifest.owner.as_ref()));
        }
    }
    match found {
        Some((definition, owner)) => {
            let further = faults.len().saturating_sub(MAX_FAULTS);
            let mut notes: Vec<String> =
                faults.iter().take(MAX_FAULTS).map(|fault| format!("not read: {fault}")).collect();
            if further > 0 {
                notes.push(format!("… and {further} more of these"));
            }
            Ok(Found { definition, owner, notes })
        }
        None if !faults.is_empty() => bail!("{}", faults.join("\nerror: ")),
        None if manifests.task_definitions.is_empty() => {
            bail!(
                "the manifests have no task definition: give --manifests a file of `aws ecs describe-task-definition`"
            )
        }
        None => bail!("the manifests have no task definition `{name}`"),
    }
}

/// Faults that an answer names.
const MAX_FAULTS: usize = 5;

/// The family of `FAMILY` or `FAMILY:REVISION`.
fn family(name: &str) -> &str {
    name.split_once(':').map_or(name, |(family, _)| family)
}
