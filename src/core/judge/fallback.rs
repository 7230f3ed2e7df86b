//! Workloads that have no identity of their own.

use super::container::Scene;
use crate::chain::fix;
use crate::decision::Level;
use crate::finding::{Certainty, Problem};
use crate::permission;
use crate::rules;
use crate::workload::{Container, Evidence, Workload, evidence};
use crate::world::World;

/// Why a pod runs on Fargate: by what it carries once admitted, or by the profile that it matches.
pub(super) fn on_fargate(world: &World, workload: &Workload<'_>) -> Option<String> {
    let labels = &workload.pod_metadata.labels;
    let scheduler = workload.spec.scheduler_name.as_ref().map(|name| name.as_str());
    // EKS sets label and scheduler together: a label beside another scheduler was set by hand.
    if let Some(profile) = labels.get("eks.amazonaws.com/fargate-profile")
        && scheduler.is_none_or(|scheduler| scheduler == "fargate-scheduler")
    {
        return Some(format!("Fargate profile {profile}"));
    }
    if scheduler == Some("fargate-scheduler") {
        return Some("Fargate (its scheduler is fargate-scheduler)".to_owned());
    }
    let predicted = workload.stage == crate::workload::Stage::Predicted;
    let profile = world.snapshot.fargate_profile(workload.namespace, |key| labels.get(key))?;
    (predicted && workload.kind != crate::workload::Kind::DaemonSet)
        .then(|| format!("Fargate profile {}", profile.name))
}

/// The finding for containers that will be the node, where they need AWS or everything is asked.
pub(super) fn problem(scene: &Scene<'_, '_>, containers: &[&Container<'_>], declared: &[&str]) -> Problem {
    let needs: Vec<String> = containers
        .iter()
        .flat_map(|container| {
            let name = container.name.as_str();
            evidence(container).into_iter().map(move |Evidence(why)| format!("{name}: {why}"))
        })
        .take(6)
        .collect();
    let lands = lands_on(scene);
    let (level, certainty, why) = if !declared.is_empty() {
        let needs: Vec<String> =
            declared.iter().flat_map(|text| permission::needs(text)).take(4).map(|n| n.to_string()).collect();
        let what = if needs.is_empty() { "AWS".to_owned() } else { needs.join(", ") };
        (Level::Fallback, Certainty::Certain, format!("it declares that it needs {what}"))
    } else if needs.is_empty() {
        // Everyone else at `strict`: nobody's business otherwise.
        (Level::Strict, Certainty::Likely, "every workload here is to have an identity of its own".to_owned())
    } else {
        (Level::Fallback, Certainty::Likely, needs.join("; "))
    };
    let message = if level == Level::Strict {
        format!("{} has no AWS identity of its own: its pods would use {lands}", scene.subject)
    } else {
        format!("{} needs AWS but has no identity configured: its pods will use {lands}", scene.subject)
    };
    let found = if scene.plan.mechanism.is_some() {
        "its containers are opted out of injection".to_owned()
    } else {
        format!("{} has neither the role annotation nor an association", scene.subject)
    };
    Problem::new(
        &rules::NODE_ROLE_FALLBACK,
        message,
        format!(
            "{}  # or annotate the workload rolecall.dev/allow-node-role: \"true\"",
            fix::create_association(&scene.world.snapshot, scene.subject, "ROLE_ARN")
        ),
    )
    .at_level(level)
    .at_most(certainty)
    .expected("an identity is expected because", why)
    .found("found", found)
}

fn lands_on(scene: &Scene<'_, '_>) -> String {
    if scene.fargate.is_some() {
        return "no credentials at all: Fargate has no node role".to_owned();
    }
    match scene.world.snapshot.node_role() {
        Some(role) => format!("the node role {}, or get no credentials", role.rsplit('/').next().unwrap_or(role)),
        None => "the node role, or get no credentials".to_owned(),
    }
}
