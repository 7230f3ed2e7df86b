//! Who is allowed an action without a service account of a pod: the containers of task definitions, and controllers for custom
//! resources.

use std::collections::{BTreeMap, BTreeSet};

use rolecall_core::chain::{State, Subject};
use rolecall_core::custom::Reference;
use rolecall_core::ecs::TaskDefinition;
use rolecall_core::identity::Identity;
use rolecall_core::judge::{Circumstances, JudgedIdentity, Referring, effective_task_identity, judge_references};
use rolecall_core::permission::{Actor, Need, Session, ask_need};
use rolecall_core::snapshot::Snapshot;
use rolecall_core::world::World;

use super::super::doubt::Doubts;
use crate::report::{Allowed, WhoCan};
use crate::sources::{Manifests, task_definition_placeholder};

/// Adds the task definitions, of each family the newest.
pub(super) fn add_task_definitions(manifests: &Manifests, snapshot: &Snapshot, need: Need<'_>, report: &mut WhoCan) {
    let mut newest: BTreeMap<String, TaskDefinition<'_>> = BTreeMap::new();
    for manifest in &manifests.task_definitions {
        let definition = match manifest.definition() {
            Ok(definition) => definition,
            Err(fault) => {
                report.note(format!("not read: {fault}"));
                continue;
            }
        };
        let family = definition.family().map_or_else(|| manifest.origin.to_string(), str::to_owned);
        match newest.get(&family) {
            Some(other) if other.revision > definition.revision => {}
            _ => {
                newest.insert(family, definition);
            }
        }
    }
    for definition in newest.values() {
        let effective = effective_task_identity(snapshot, definition, task_definition_placeholder);
        let answer = effective.actor.map(|actor| ask_need(actor, need));
        // Which role the instances have is mostly not known.
        let is_known = effective.identity != Identity::Node || effective.actor.is_some();
        let name = format!("ecs:{}", definition.display_name());
        let allowed = is_known.then(|| Allowed::of_identity(&name, &effective, need, answer.as_ref())).flatten();
        report.add_task_definition(allowed);
    }
}

/// Adds the identities that custom resources name, where their chains hold.
pub(super) fn add_custom_resources(
    manifests: &Manifests,
    doubts: &Doubts,
    world: &World,
    need: Need<'_>,
    report: &mut WhoCan,
) {
    let mut unknown = 0;
    for manifest in &manifests.custom {
        let reading = manifest.reading();
        let Some(metadata) = manifest.metadata() else {
            unknown += 1;
            continue;
        };
        let kind = manifest.kind;
        let namespace = kind.namespace(&metadata);
        let referring = Referring { kind, namespace, metadata: &metadata, reading: &reading };
        let circumstances = Circumstances { now: None, exemptions: false };
        let mut judgement = judge_references(world, &referring, circumstances);
        doubts.weaken_identities(&mut judgement, manifest, &reading, world);
        let place = if namespace.is_empty() { String::new() } else { format!("{namespace}/") };
        let name = format!("{} {place}{}", kind.kind, metadata.display_name());
        let mut asked = BTreeSet::new();
        for identity in judgement.identities.iter().filter(|identity| identity.chain != State::Broken) {
            let reference = reading.references.iter().find(|reference| reference.path == identity.path);
            let Some(actor) = reference.and_then(|reference| actor(world, identity, reference)) else {
                unknown += 1;
                continue;
            };
            if asked.insert(&*actor.role.arn) {
                let answer = ask_need(actor, need);
                report.add_custom_resource(Allowed::of_custom_resource(name.clone(), &actor.role.arn, &answer));
            }
        }
    }
    if unknown > 0 {
        let identities = if unknown == 1 { "1 identity".to_owned() } else { format!("{unknown} identities") };
        report.note(format!(
            "{identities} of custom resources not asked: the chain to the role is not known; `rolecall check` says why"
        ));
    }
}

/// The session that a controller has in the end; `None` where it is not known.
fn actor<'w>(world: &'w World, identity: &JudgedIdentity<'w>, reference: &Reference<'w>) -> Option<Actor<'w>> {
    if identity.chain != State::Holds || reference.then.iter().any(|role| !role.tags.is_empty()) {
        return None;
    }
    let (namespace, service_account) = identity.service_account?;
    let subject = Subject { namespace: namespace?, service_account };
    let role = world.snapshot.role(identity.role.as_deref()?)?;
    Some(Actor { snapshot: &world.snapshot, role, subject, session: Session::WebIdentity })
}
