//! Workloads that have no identity of their own.

use super::container::{COMPUTE_TYPE, Scene};
use crate::chain::fix;
use crate::finding::{Certainty, Problem};
use crate::fix::{Annotated, Change, Fix, TemplateChange};
use crate::identity::{CredentialEnv, ExpandedTexts};
use crate::level::Level;
use crate::permission;
use crate::rules;
use crate::workload::{Container, Evidence, Kind, Stage, Workload, evidence};
use crate::world::World;

/// Why a pod runs on Fargate: once admitted, by what EKS set; before, by the profile whose selector it matches (Amazon EKS
/// User Guide, "Define which Pods use AWS Fargate when launched"). A label on a template is anyone's.
pub(super) fn on_fargate(world: &World, workload: &Workload<'_>) -> Option<String> {
    let labels = &workload.pod_metadata.labels;
    let scheduler = workload.spec.scheduler_name.as_ref().map(|name| name.as_str());
    let is_admitted = workload.stage == Stage::Admitted;
    // EKS sets label and scheduler together: a label beside another scheduler was set by hand.
    if let Some(profile) = labels.get("eks.amazonaws.com/fargate-profile").filter(|_| is_admitted)
        && scheduler.is_none_or(|scheduler| scheduler == "fargate-scheduler")
    {
        return Some(format!("Fargate profile {profile}"));
    }
    if scheduler == Some("fargate-scheduler") {
        return Some("Fargate (its scheduler is fargate-scheduler)".to_owned());
    }
    let keeps_off = labels.get(COMPUTE_TYPE).or_else(|| workload.pod_metadata.annotations.get(COMPUTE_TYPE));
    if is_admitted || workload.kind == Kind::DaemonSet || keeps_off == Some("ec2") {
        return None;
    }
    let profile = world.snapshot.fargate_profile(workload.namespace, |key| labels.get(key))?;
    Some(format!("Fargate profile {}", profile.name))
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
    let lands = lands_on(scene, containers);
    let (level, certainty, why) = if let Some(required) = &scene.required {
        (Level::Chain, Certainty::Certain, required.said.clone())
    } else if !declared.is_empty() {
        let needs: Vec<String> =
            declared.iter().flat_map(|text| permission::needs(text)).take(4).map(|n| n.to_string()).collect();
        let what = if needs.is_empty() { "AWS".to_owned() } else { needs.join(", ") };
        (Level::Fallback, Certainty::Certain, format!("it declares that it needs {what}"))
    } else if needs.is_empty() {
        // Every other workload, at `strict` only.
        (Level::Strict, Certainty::Likely, "this level expects an AWS identity for every workload".to_owned())
    } else {
        (Level::Fallback, Certainty::Likely, needs.join("; "))
    };
    let is_opted_out = scene.plan.mechanism.is_some();
    let subject = scene.subject;
    let message = if scene.required.is_some() {
        let why = if is_opted_out { "injection is skipped for its containers" } else { "none is configured" };
        format!("service account {subject} must have an IAM identity, and {why}: its pods will use {lands}")
    } else if is_opted_out {
        format!(
            "pods of service account {subject} need AWS, but injection is skipped for its containers: they will use {lands}"
        )
    } else if level == Level::Strict {
        format!("service account {subject} has no AWS identity: its pods would use {lands}")
    } else {
        format!("service account {subject} needs AWS but has no identity configured: its pods will use {lands}")
    };
    let conventions = &scene.world.conventions;
    let (found, fix) = if scene.opt_outs.pod() && is_opted_out {
        let label = conventions.skip_label_key();
        (format!("the pod has the label {label}"), Fix::from(TemplateChange::RemoveLabel { key: label.into() }))
    } else if is_opted_out {
        let key = conventions.skip_containers_key();
        let found = format!("the pod's annotation {key} names its containers");
        (found, Fix::from(TemplateChange::InjectContainers { key: key.into(), container: None }))
    } else {
        (
            format!("{subject} has neither the role annotation nor an association"),
            fix::create_association(&scene.world.snapshot, subject),
        )
    };
    let fix = match &scene.required {
        Some(required) => fix.or(required.lift.clone()),
        None => fix.or(Change::Annotate {
            object: Annotated::Namespace(scene.workload.namespace.into()),
            set: vec![("rolecall.dev/allow-node-role".into(), "true".into())],
            remove: Vec::new(),
        }),
    };
    Problem::new(&rules::NODE_ROLE_FALLBACK, message, fix)
        .at_level(level)
        .at_most(certainty)
        .expected("an identity is expected because", why)
        .found("found", found)
}

fn lands_on(scene: &Scene<'_, '_>, containers: &[&Container<'_>]) -> String {
    if let Some(why) = scene.without_metadata() {
        return format!("no credentials at all: {why}");
    }
    let disables =
        |container: &&Container<'_>| CredentialEnv::of(container, &ExpandedTexts::of(container)).disables_metadata();
    if containers.iter().all(disables) {
        return "no credentials at all: AWS_EC2_METADATA_DISABLED is true".to_owned();
    }
    match scene.world.snapshot.node_role() {
        Some(role) => format!(
            "the node role {} (or get no credentials if IMDS is blocked)",
            role.rsplit('/').next().unwrap_or(role)
        ),
        None => "the node role (or get no credentials if IMDS is blocked)".to_owned(),
    }
}
