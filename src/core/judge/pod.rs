//! Pods and what has a pod template.

use super::container::{OwnChains, Scene, judge_container};
use super::exemptions::{AllOwnAnnotations, Exempts, Holder};
use super::other_credentials::may_bring_keys;
use super::{
    Circumstances, Gathering, JudgedContainer, Judgement, fallback, needs, not_connected, own_names, owners, required,
    token_expiration,
};
use crate::chain::{State, Subject, fix};
use crate::cluster::{OwnAnnotations, legacy_annotation};
use crate::effort::Effort;
use crate::finding::{
    Certainty, ConfigurationCause, ConfigurationValue, EvidenceValue, Label, Note, Problem, SnapshotValue,
};
use crate::fix::{Change, MetadataOf, TemplateChange};
use crate::identity::{Identity, OptOuts};
use crate::known::Known;
use crate::permission;
use crate::rules;
use crate::workload::{Container, Evidence, Metadata, Owner, Stage, Volumes, Workload};
use crate::world::World;

/// Judges a Pod, or the pods that a workload will have.
pub fn judge_workload<'a>(world: &'a World, workload: &Workload<'a>, circumstances: Circumstances) -> Judgement<'a> {
    judge_workload_within(world, workload, circumstances, &Effort::for_one_check())
}

/// The same within a limit of work; what is left when it is reached is undecided.
pub fn judge_workload_within<'a>(
    world: &'a World,
    workload: &Workload<'a>,
    circumstances: Circumstances,
    effort: &Effort,
) -> Judgement<'a> {
    let mut judgement = Judgement::new(workload.kind, workload.namespace);
    if workload.is_mirror {
        return judgement;
    }
    let subject = Subject { namespace: workload.namespace, service_account: workload.service_account() };
    let known = world.service_account(subject.namespace, subject.service_account);
    let plan = world.plan(subject);
    let object_annotations = OwnAnnotations::of(workload.metadata);
    let same = std::ptr::eq(workload.metadata, workload.pod_metadata);
    let pod_annotations = if same { OwnAnnotations::default() } else { OwnAnnotations::of(workload.pod_metadata) };
    let namespace = world.namespace(workload.namespace);
    let own_annotations = AllOwnAnnotations::gather(
        &[
            (Holder::Object(workload.kind), Some(&object_annotations)),
            (Holder::Template(workload.kind), Some(&pod_annotations)),
            (Holder::Account(subject), known.present().map(|account| &account.own_annotations)),
            (Holder::Namespace(workload.namespace), namespace.map(|namespace| &namespace.own_annotations)),
        ],
        circumstances.exemptions,
        circumstances.now,
    );
    let requires = own_annotations.requires.clone();
    let node_role = own_annotations.node_role();
    let required = required::requirement(&own_annotations, world, workload, subject);
    let mut gathering = Gathering::new(own_annotations);
    let fargate = fallback::on_fargate(world, workload);
    let opt_outs = OptOuts::of(workload, &world.conventions);
    let volumes = Volumes::of(workload.spec);
    let refused_expiration = false;
    let mut scene = Scene {
        world,
        workload,
        subject,
        plan,
        known,
        fargate,
        refused_expiration,
        required,
        opt_outs,
        volumes,
        circumstances,
        own_chains: OwnChains::default(),
        effort,
    };
    scene.refused_expiration = token_expiration::is_refused(&scene);

    // An annotation that was written where nothing reads it, while the pod gets no other identity.
    let misplaced_role = if scene.plan.mechanism.is_none() { misplaced_annotation(&scene) } else { None };

    let spec = workload.spec;
    let all = spec.init_containers.iter().map(|container| (container, false));
    let all = all.chain(spec.containers.iter().map(|container| (container, false)));
    let all = all.chain(spec.ephemeral_containers.iter().map(|container| (container, true)));
    let evidence = Evidence::of(workload, &scene.volumes, world.objects());
    let has_evidence = |container: &&Container<'_>| !evidence.uses(container).is_empty();
    let mut without_role = Vec::new();
    let mut opted_out = Vec::new();
    judgement.containers.reserve(spec.init_containers.len() + spec.containers.len());
    for (container, ephemeral) in all {
        let judged = judge_container(&scene, container, ephemeral, &mut gathering);
        let has_no_role = matches!(judged.identity, Identity::Node | Identity::None) && !ephemeral;
        // Where an identity is configured, a container without one was opted out: its own evidence counts.
        if has_no_role && scene.plan.mechanism.is_none() {
            without_role.push(container);
        } else if has_no_role && scene.opt_outs.of_container(container.name.as_str()).is_some() {
            opted_out.push(container);
        }
        judgement.containers.push(judged);
    }
    let pod_containers = spec.init_containers.len() + spec.containers.len();
    let takes_credentials: Vec<&str> =
        requires.iter().copied().filter(|text| permission::takes_credentials(text)).collect();
    let is_declared = !takes_credentials.is_empty() || scene.required.is_some();
    let declared_in_vain = is_declared && opted_out.len() == pod_containers;
    without_role.extend(opted_out.into_iter().filter(|container| declared_in_vain || has_evidence(container)));

    // It is in vain only where a container goes without, and no association can have been overlooked.
    let overlooked = workload.stage == Stage::Predicted && world.snapshot.associations.is_none();
    // Nor where the container may bring other credentials, or the namespace allows the node role.
    let elsewhere = without_role.iter().any(|container| may_bring_keys(container)) || node_role == Some(Exempts::All);
    let at_most =
        if without_role.is_empty() || overlooked || elsewhere { Certainty::Likely } else { Certainty::Certain };
    let misplaced_role = misplaced_role.map(|problem| problem.at_most(at_most));
    if misplaced_role.as_ref().is_some_and(|problem| problem.certainty == Certainty::Certain) {
        let going_without =
            |judged: &&mut JudgedContainer<'_>| matches!(judged.identity, Identity::Node | Identity::None);
        judgement.containers.iter_mut().filter(going_without).for_each(|judged| judged.chain = State::Broken);
    }
    let skip_label = scene.opt_outs.pod();
    // No pod comes about without its service account; and an association that was not read may be there.
    let not_for_us = scene.workload.stage == Stage::Predicted
        && (scene.known == Known::Absent || world.snapshot.associations.is_none() || unseen_account(&scene));
    let is_reported = skip_label && scene.plan.mechanism.is_some() && !declared_in_vain;
    let fallback_problem = if without_role.is_empty() || not_for_us || is_reported {
        None
    } else {
        let problem = fallback::problem(&scene, &without_role, &takes_credentials, &evidence);
        // Another container may be the one that calls AWS, or keys may come from an object that is not read.
        let elsewhere = pod_containers > without_role.len() || without_role.iter().any(|c| may_bring_keys(c));
        Some(if elsewhere { problem.at_most(Certainty::Likely) } else { problem })
    };
    if let Some(problem) = &fallback_problem
        && problem.certainty == Certainty::Certain
        && scene.required.is_some()
    {
        let going_without =
            |judged: &&mut JudgedContainer<'_>| matches!(judged.identity, Identity::Node | Identity::None);
        judgement.containers.iter_mut().filter(going_without).for_each(|judged| judged.chain = State::Broken);
    }
    // What the owner requires must not become a note behind what is only likely.
    let (misplaced_role, beside) = match misplaced_role {
        Some(annotation)
            if scene.required.is_some()
                && fallback_problem.as_ref().is_some_and(|fallback| fallback.certainty > annotation.certainty) =>
        {
            (None, Some(annotation))
        }
        annotation => (annotation, None),
    };
    beside.into_iter().for_each(|annotation| gathering.add(annotation));
    match (misplaced_role, fallback_problem) {
        (Some(annotation), fallback) => {
            let notes = fallback.filter(|problem| problem.level < crate::level::Level::Strict);
            gathering.add_finding(crate::finding::Finding {
                problem: annotation,
                containers: Vec::new(),
                notes: notes.into_iter().map(Note::also).collect(),
            });
        }
        (None, Some(problem)) => {
            not_connected::report(&scene, &judgement.containers, &without_role, is_declared, problem, &mut gathering);
        }
        (None, None) => {}
    }
    of_the_pod(&scene, &mut gathering);
    let kind = workload.kind;
    let own = [(Holder::Object(kind), workload.metadata), (Holder::Template(kind), workload.pod_metadata)];
    for (holder, metadata) in own.into_iter().take(if same { 1 } else { 2 }) {
        own_names::problems(metadata, || holder.name(), false).into_iter().for_each(|problem| gathering.add(problem));
    }
    let has_own =
        |container: &JudgedContainer<'_>| matches!(container.identity, Identity::Irsa | Identity::PodIdentity);
    if judgement.containers.iter().any(has_own)
        && let Some(problem) = token_expiration::refused_volume(&scene)
    {
        gathering.add(problem);
        judgement.containers.iter_mut().filter(|container| has_own(container)).for_each(|c| c.chain = State::Broken);
    }
    let on_node = judgement.containers.iter().filter(|container| container.identity == Identity::Node).count();
    needs::of_the_pod(&scene, &requires, on_node.min(without_role.len()), &mut judgement, &mut gathering);
    if let Some(open) = scene.plan.chain.as_ref().and_then(|chain| chain.open.as_ref()) {
        gathering.add(open.clone());
    }
    let of_account = scene.known.present().and_then(|account| account.owner.as_deref());
    gathering.finish(&mut judgement);
    owners::follow(&mut judgement, world, subject, of_account, Owner::of(workload.metadata).as_ref());
    judgement
}

/// A service account that no complete list speaks of may be annotated. `default` mostly is not, and is rarely listed.
fn unseen_account(scene: &Scene<'_, '_>) -> bool {
    scene.known == Known::Unknown && scene.subject.service_account != "default"
}

/// What is wrong with the pod or its service account as a whole.
fn of_the_pod(scene: &Scene<'_, '_>, gathering: &mut Gathering<'_>) {
    let workload = scene.workload;
    if let Some(problem) = missing_account(scene) {
        gathering.add(problem);
    }
    if let Some(mut problem) = super::account::ambiguous(scene.world, scene.subject, scene.known.present()) {
        if scene.fargate.is_some() || workload.is_windows() {
            // Where there is no agent, the annotation is what is needed.
            problem.fix = super::container_problems::delete_association(scene).into();
        }
        gathering.add(problem);
    }
    if scene.plan.mechanism.is_some() {
        if let Some(problem) = token_expiration::of_the_pod(scene) {
            gathering.add(problem);
        }
        if let Some(problem) = misplaced(scene) {
            gathering.add(problem);
        }
    }
}

/// An annotation that was meant to give an identity and gives none: misspelled, misplaced, or another system's.
fn misplaced_annotation(scene: &Scene<'_, '_>) -> Option<Problem> {
    let account = scene.known.present();
    let misspelled = account.and_then(|account| account.misspelled.as_ref());
    if let Some((key, value)) = misspelled {
        return Some(super::account::misspelled(scene.subject, &scene.world.conventions, key, value));
    }
    if let Some(problem) = misplaced(scene) {
        return Some(problem);
    }
    let legacy = legacy_annotation(scene.workload.pod_metadata).or_else(|| legacy_annotation(scene.workload.metadata));
    let of_account = account.and_then(|account| account.legacy.as_ref()).map(|(key, value)| (&**key, &**value));
    let meant = scene.plan.role_to_annotate();
    legacy
        .or(of_account)
        .map(|(key, value)| super::account::legacy(scene.subject, &scene.world.conventions, key, value, meant))
}

/// The role annotation on the pod, its template or its workload, where the injector does not look.
fn misplaced(scene: &Scene<'_, '_>) -> Option<Problem> {
    let workload = scene.workload;
    let key = scene.world.conventions.role_arn_key();
    let on =
        |metadata: &Metadata<'_>| metadata.annotations.get(key).filter(|value| !value.is_empty()).map(str::to_owned);
    let is_pod = std::ptr::eq(workload.metadata, workload.pod_metadata);
    let places = [
        (Some(workload.pod_metadata).filter(|_| !is_pod), MetadataOf::PodTemplate),
        (workload.job_metadata, MetadataOf::JobTemplate),
        (Some(workload.metadata), MetadataOf::Object(workload.kind)),
    ];
    let mut found = places.into_iter().filter_map(|(metadata, place)| Some((on(metadata?)?, place)));
    let (value, place) = found.next()?;
    let configured = scene.plan.mechanism.is_some();
    if configured && scene.plan.role_arn.as_deref() == Some(value.as_str()) {
        // Useless, but the pods become what it says.
        return None;
    }
    let certain = !configured && scene.known != Known::Unknown;
    Some(
        Problem::new(
            &rules::ANNOTATION_MISPLACED,
            ConfigurationCause::Misplaced { account: scene.subject.into(), key: key.into(), place },
            if configured {
                TemplateChange::RemoveAnnotation { key: key.into(), place }.into()
            } else {
                fix::annotate(scene.subject, key, &value)
            },
        )
        .at_most(if certain { Certainty::Certain } else { Certainty::Likely })
        .expected(Label::InjectorReadsRoleFrom, EvidenceValue::ServiceAccount(scene.subject.into()))
        .found(Label::AnnotatedOn, ConfigurationValue::On { place, value: value.into() }),
    )
}

/// A workload whose service account does not exist: its pods will not be created. It may arrive later in the same apply, and a
/// Pod that was admitted has one.
fn missing_account(scene: &Scene<'_, '_>) -> Option<Problem> {
    if scene.known != Known::Absent || scene.workload.stage == Stage::Admitted {
        return None;
    }
    Some(
        Problem::new(
            &rules::SERVICE_ACCOUNT_MISSING,
            ConfigurationCause::AccountMissing { account: scene.subject.into() },
            Change::CreateAccount(scene.subject.into()),
        )
        .expected(Label::WorkloadNames, scene.subject.service_account)
        .found(Label::NamespaceHas, SnapshotValue::NoSuchServiceAccount),
    )
}
