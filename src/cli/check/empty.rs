//! What was not checked: kinds that were skipped, and input in which there is nothing to check.

use crate::report::{Report, ReportedSkipped};
use crate::sources::{Manifests, Skipped, SkippedCount, SkippedKind};

/// Kinds that a sentence names.
const MAX_KINDS: usize = 20;

/// Adds to the report what was skipped, by kind.
pub(super) fn add_skipped(skipped: &Skipped, report: &mut Report) {
    for (SkippedKind { api_version, kind }, SkippedCount { objects, with_pods }) in skipped {
        report.add_skipped(ReportedSkipped {
            api_version: api_version.clone(),
            kind: kind.clone(),
            count: *objects,
            with_pods: *with_pods,
        });
    }
    let with_pods: Skipped =
        skipped.iter().filter(|(_, count)| count.with_pods > 0).map(|(kind, count)| (kind.clone(), *count)).collect();
    if !with_pods.is_empty() {
        report.note(&format!("not checked, although it may run pods: {}", kinds(&with_pods)));
    }
}

/// `2 Service (v1), 1 Rollout (argoproj.io/v1alpha1)`; those that may run pods come first.
fn kinds(skipped: &Skipped) -> String {
    let mut all: Vec<_> = skipped.iter().collect();
    all.sort_by_key(|(_, count)| count.with_pods == 0);
    let one = |(name, count): &(&SkippedKind, &SkippedCount)| match name {
        SkippedKind { api_version: Some(version), kind: Some(kind) } if version.starts_with("extensions/") => {
            format!("{} {kind} ({version}, which Kubernetes no longer serves: use apps/v1)", count.objects)
        }
        SkippedKind { api_version: Some(version), kind: Some(kind) } => {
            format!("{} {kind} ({version})", count.objects)
        }
        _ if count.objects == 1 => "1 document that is no Kubernetes object".to_owned(),
        _ => format!("{} documents that are no Kubernetes objects", count.objects),
    };
    let mut named: Vec<String> = all.iter().take(MAX_KINDS).map(one).collect();
    if let more @ 1.. = all.len().saturating_sub(MAX_KINDS) {
        named.push(format!("and {more} more kinds"));
    }
    named.join(", ")
}

/// Why nothing was checked; `None` where something was.
pub(super) fn nothing_checked(manifests: &Manifests, paths: &[String], report: &Report) -> Option<String> {
    let is_read = !manifests.objects.is_empty() || manifests.without_identity > 0;
    if report.summary.resources > 0 || is_read {
        return None;
    }
    let mut reasons = Vec::new();
    for (folder, left_out) in &manifests.empty_folders {
        let folder = folder.display();
        reasons.push(match left_out {
            0 => format!("{folder} has no .yaml, .yml or .json file"),
            _ => format!("--exclude and .gitignore leave out all manifests of {folder} ({left_out})"),
        });
    }
    if !manifests.skipped.is_empty() {
        reasons.push(format!("skipped: {}", kinds(&manifests.skipped)));
    } else if reasons.is_empty() && manifests.unrendered.is_empty() {
        let is_piped = paths.iter().any(|path| path == "-");
        reasons.push(match is_piped {
            true => "standard input has no object; the command before the pipe may have failed".to_owned(),
            false => format!("no object in {}", paths.join(", ")),
        });
    }
    let rendering = manifests.unrendered.iter().map(ToString::to_string);
    let reasons: Vec<String> = reasons.into_iter().chain(rendering).collect();
    Some(format!("nothing to check: {}; --allow-empty accepts this", reasons.join("; ")))
}
