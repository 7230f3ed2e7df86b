//! Workloads that have no identity of their own.

use super::container::{COMPUTE_TYPE, Scene};
use crate::chain::fix;
use crate::finding::{
    Certainty, CredentialsCause, CredentialsValue, EvidenceValue, Expectation, Fallback, FallbackCause, InjectionValue,
    Label, NeedName, Platform, Problem,
};
use crate::fix::{Annotated, Change, Fix, TemplateChange, Text};
use crate::identity::{CredentialEnv, ExpandedTexts};
use crate::level::Level;
use crate::permission;
use crate::rules;
use crate::workload::{AwsUse, Container, Evidence, Kind, Stage, Workload};
use crate::world::World;

/// Why a pod runs on Fargate: once admitted, by what EKS set; before, by the profile whose selector it matches (Amazon EKS
/// User Guide, "Define which Pods use AWS Fargate when launched"). A label on a template is anyone's.
pub(super) fn on_fargate(world: &World, workload: &Workload<'_>) -> Option<Platform> {
    let labels = &workload.pod_metadata.labels;
    let scheduler = workload.spec.scheduler_name.as_ref().map(|name| name.as_str());
    let is_admitted = workload.stage == Stage::Admitted;
    // EKS sets label and scheduler together: a label beside another scheduler was set by hand.
    if let Some(profile) = labels.get("eks.amazonaws.com/fargate-profile").filter(|_| is_admitted)
        && scheduler.is_none_or(|scheduler| scheduler == "fargate-scheduler")
    {
        return Some(Platform::FargateProfile(profile.into()));
    }
    if scheduler == Some("fargate-scheduler") {
        return Some(Platform::FargateScheduler);
    }
    let keeps_off = labels.get(COMPUTE_TYPE).or_else(|| workload.pod_metadata.annotations.get(COMPUTE_TYPE));
    if is_admitted || workload.kind == Kind::DaemonSet || keeps_off == Some("ec2") {
        return None;
    }
    let profile = world.snapshot.fargate_profile(workload.namespace, |key| labels.get(key))?;
    Some(Platform::FargateProfile((&profile.name).into()))
}

/// The finding for containers that will be the node, where they need AWS or everything is asked.
pub(super) fn problem<'a>(
    scene: &Scene<'_, '_>,
    containers: &[&'a Container<'a>],
    declared: &[&str],
    evidence: &Evidence<'a>,
) -> Problem {
    let needs: Box<[(Text, AwsUse)]> = containers
        .iter()
        .flat_map(|container| evidence.uses(container).into_iter().map(|found| (container.name.as_str().into(), found)))
        .take(6)
        .collect();
    let (level, certainty, why) = if let Some(required) = &scene.required {
        (Level::Chain, Certainty::Certain, Expectation::Required(required.by.clone()))
    } else if !declared.is_empty() {
        let needs = declared.iter().flat_map(|text| permission::needs(text)).take(4).map(NeedName::from);
        (Level::Fallback, Certainty::Certain, Expectation::Declared(needs.collect()))
    } else if needs.is_empty() {
        // Every other workload, at `strict` only.
        let by_default = containers.iter().find_map(|container| evidence.on_node_by_default(container));
        (Level::Strict, Certainty::Likely, by_default.map_or(Expectation::Level, Expectation::NodeRoleByDefault))
    } else {
        (Level::Fallback, Certainty::Likely, Expectation::Evidence(needs))
    };
    let is_opted_out = scene.plan.mechanism.is_some();
    let subject = scene.subject;
    let cause = CredentialsCause::Fallback {
        account: subject.into(),
        why: match (scene.required.is_some(), is_opted_out) {
            (true, true) => FallbackCause::RequiredSkipped,
            (true, false) => FallbackCause::RequiredNotConfigured,
            (false, true) => FallbackCause::Skipped,
            (false, false) if level == Level::Strict => FallbackCause::NoIdentity,
            (false, false) => FallbackCause::NotConfigured,
        },
        to: fallback_of(scene, containers),
    };
    let conventions = &scene.world.conventions;
    let (found, fix) = if scene.opt_outs.pod() && is_opted_out {
        let label = conventions.skip_label_key();
        let found = InjectionValue::Label { key: label.into() };
        (EvidenceValue::from(found), Fix::from(TemplateChange::RemoveLabel { key: label.into() }))
    } else if is_opted_out {
        let key = conventions.skip_containers_key();
        let found = InjectionValue::NamesContainers { key: key.into() };
        (found.into(), Fix::from(TemplateChange::InjectContainers { key: key.into(), container: None }))
    } else {
        (
            CredentialsValue::NeitherAnnotationNorAssociation(subject.into()).into(),
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
    Problem::new(&rules::NODE_ROLE_FALLBACK, cause, fix)
        .at_level(level)
        .at_most(certainty)
        .expected(Label::IdentityExpected, CredentialsValue::Expectation(why))
        .found(Label::Found, found)
}

/// What the pods use instead.
pub(super) fn fallback_of(scene: &Scene<'_, '_>, containers: &[&Container<'_>]) -> Fallback {
    if let Some(why) = scene.without_metadata() {
        return Fallback::NoMetadata(why);
    }
    let disables =
        |container: &&Container<'_>| CredentialEnv::of(container, &ExpandedTexts::of(container)).disables_metadata();
    if containers.iter().all(disables) {
        return Fallback::MetadataDisabled;
    }
    Fallback::NodeRole(scene.world.snapshot.node_role().map(|role| role.rsplit('/').next().unwrap_or(role).into()))
}
