//! Task definitions of Amazon ECS, in `check` and `can-i`.

use std::collections::BTreeSet;

use anyhow::{Context, bail};
use rolecall_core::ecs::{Home, TaskDefinition};
use rolecall_core::finding::Finding;
use rolecall_core::judge::{Circumstances, JudgedTaskDefinition, judge_task_definition};
use rolecall_core::snapshot::Snapshot;
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
        let judged = judge_task_definition(snapshot, &definition, task_definition_placeholder, circumstances);
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
        let definitions = if assumed == 1 {
            "1 task definition names".to_owned()
        } else {
            format!("{assumed} task definitions name")
        };
        report.note(&format!(
            "{definitions} no account and region: {home} is assumed, and what depends on it is not certain"
        ));
    }
}

/// `account 111122223333, us-west-2`
fn assumed_home(definition: &TaskDefinition<'_>, snapshot: &Snapshot) -> Option<String> {
    let home = Home::of(definition, snapshot);
    let region = home.region.map(|region| format!(", {region}")).unwrap_or_default();
    Some(format!("account {}{region}", home.account?))
}

/// The task definition of a family, or of `FAMILY:REVISION`; of several revisions the newest, else the last.
pub(super) fn find<'m>(manifests: &'m Manifests, name: &str) -> anyhow::Result<TaskDefinition<'m>> {
    let mut found: Option<TaskDefinition<'m>> = None;
    for manifest in &manifests.task_definitions {
        let definition = manifest.definition().map_err(|fault| anyhow::anyhow!("{fault}"))?;
        let is_meant = definition.family() == Some(name) || definition.display_name() == name;
        if is_meant && found.as_ref().is_none_or(|found| found.revision <= definition.revision) {
            found = Some(definition);
        }
    }
    if found.is_none() && manifests.task_definitions.is_empty() {
        bail!("the manifests have no task definition: give --manifests a file of `aws ecs describe-task-definition`");
    }
    found.with_context(|| format!("the manifests have no task definition `{name}`"))
}
