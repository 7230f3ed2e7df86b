//! `rolecall can-i`

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, bail};
use rolecall_actions::Action;
use rolecall_core::chain::Subject;
use rolecall_core::cluster::Conventions;
use rolecall_core::fix::Owners;
use rolecall_core::judge::{EffectiveIdentity, effective_identity, effective_task_identity};
use rolecall_core::permission::{Answer, Need, ask_need, granted_actions};
use rolecall_core::snapshot::Snapshot;
use rolecall_core::world::World;

use super::args::{CanIArgs, Format};
use super::cluster_facts::ClusterFacts;
use super::doubt::Doubts;
use super::question::question;
use super::task_definitions::Found;
use super::{Exit, task_definitions};
use crate::config::Config;
use crate::report::{Can, CanI, Grants, Through};
use crate::sources::aws::AwsSettings;
use crate::sources::{
    Manifests, ReadOptions, SourceOptions, Substitutions, load_snapshot, task_definition_placeholder,
};

/// Says whether a service account's pods are allowed an action, or lists what they are allowed.
///
/// # Errors
/// Where something cannot be read or is malformed, or the action is none of AWS's.
pub fn can_i(args: &CanIArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    if let Some(name) = args.subject.strip_prefix("ecs:").filter(|name| !name.is_empty()) {
        return of_task_definition(args, name, out);
    }
    let Some((namespace, service_account)) =
        args.subject.split_once('/').filter(|(ns, sa)| !ns.is_empty() && !sa.is_empty() && !sa.contains('/'))
    else {
        bail!("`{}` is not NAMESPACE/SERVICEACCOUNT, such as carts/carts, nor ecs:FAMILY", args.subject);
    };
    let config = args.config.as_deref().map(Config::load).transpose()?.unwrap_or_default();
    let conventions = config.conventions();
    let substitutions = Substitutions::new(&args.input.substitute_file, &args.input.substitute)?;
    let options = ReadOptions { namespace: args.input.namespace.as_deref(), substitutions: substitutions.as_ref() };
    let ClusterFacts { cluster, roles, unread } = known(args, &config, &conventions, &options)?;
    let snapshot = snapshot(args, &config, roles)?;
    let world = World::new(Arc::new(snapshot), cluster, conventions);
    let effective = effective_identity(&world, Subject { namespace, service_account });
    answer(args, &config, &effective, unread, out)
}

/// The same of the containers of a task definition.
fn of_task_definition(args: &CanIArgs, name: &str, out: &mut dyn Write) -> anyhow::Result<Exit> {
    if args.manifests.is_empty() {
        bail!("can-i needs the task definition: give --manifests a file of `aws ecs describe-task-definition`");
    }
    let config = args.config.as_deref().map(Config::load).transpose()?.unwrap_or_default();
    let substitutions = Substitutions::new(&args.input.substitute_file, &args.input.substitute)?;
    let options = ReadOptions { namespace: args.input.namespace.as_deref(), substitutions: substitutions.as_ref() };
    let manifests = Manifests::read(&args.manifests, &options)?;
    let Found { definition, owner, mut notes } = task_definitions::find(&manifests, name)?;
    let snapshot = snapshot(args, &config, manifests.named_roles())?;
    let mut effective = effective_task_identity(&snapshot, &definition, task_definition_placeholder);
    if let Some(owner) = owner {
        let owners = Owners { workload: Some(owner), ..Owners::default() };
        effective.problems.iter_mut().for_each(|problem| problem.fix.follow(&owners));
    }
    notes.extend(task_definitions::home_note(&definition, &snapshot));
    answer(args, &config, &effective, notes, out)
}

fn snapshot(args: &CanIArgs, config: &Config, roles: BTreeSet<String>) -> anyhow::Result<Snapshot> {
    let Some(source) = &args.source else {
        bail!("can-i needs to know AWS: give --source SRC, a snapshot or `aws`");
    };
    // The identity alone is no answer: its policies say what it may do.
    let aws = AwsSettings { policies: true, ..config.aws.clone() };
    let options = SourceOptions { cluster: args.cluster.as_deref(), aws: &aws, roles };
    Ok(load_snapshot(source, &options)?.snapshot)
}

fn answer(
    args: &CanIArgs,
    config: &Config,
    effective: &EffectiveIdentity<'_>,
    unread: Vec<String>,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let fixes = config.fix_format(args.fix_format.map(Into::into));
    let through = Through::new(&args.subject, effective);
    if args.list {
        let actions = named_actions(effective);
        let mut answers: Vec<(Action, Answer<'_>)> = Vec::with_capacity(actions.len());
        for (name, action) in &actions {
            if let Some(actor) = effective.actor {
                answers.push((*action, ask_need(actor, Need { action: name, resource: None })));
            }
        }
        let grants = Grants::new(through, effective, &answers).with_notes(unread);
        match args.format {
            Format::Text => grants.text(out)?,
            Format::Json => json(&grants, out)?,
        }
        return Ok(if grants.is_complete() { Exit::Clean } else { Exit::Depends });
    }
    let action = args.action.as_deref().context("can-i: name an ACTION, or --list")?;
    let need = question(action, args.resource.as_deref())?;
    let answer: Option<Answer<'_>> = effective.actor.map(|actor| ask_need(actor, need));
    let answer = CanI::new(through, effective, action, need.resource, answer.as_ref()).with_notes(unread);
    match args.format {
        Format::Text => answer.text(fixes, out)?,
        Format::Json => json(&answer, out)?,
    }
    Ok(match answer.answer {
        Can::Yes => Exit::Clean,
        Can::No => Exit::Findings,
        Can::Depends => Exit::Depends,
    })
}

/// What is known of the cluster, where that is enough to tell which identity the service account has.
fn known(
    args: &CanIArgs,
    config: &Config,
    conventions: &Conventions,
    options: &ReadOptions<'_>,
) -> anyhow::Result<ClusterFacts> {
    if let Some(context) = &args.context {
        return ClusterFacts::of_context(context, config, conventions);
    }
    if args.manifests.is_empty() {
        return Ok(ClusterFacts::default());
    }
    let mut manifests = Manifests::read(&args.manifests, options)?;
    let mut cluster = manifests.readable_cluster(conventions);
    manifests.whole()?;
    let doubts = Doubts::of(&manifests, conventions);
    let (namespace, name) = args.subject.split_once('/').unwrap_or_default();
    if let Some(why) = doubts.of_subject(namespace, name) {
        bail!("cannot tell which identity {} gets: {why}; fill it with --substitute KEY=VALUE", args.subject);
    }
    let listed = cluster.service_accounts.get(namespace).is_some_and(|accounts| accounts.contains_key(name));
    // One without a namespace may be the one that is asked about.
    cluster.complete &= listed || !doubts.has_no_namespace(name);
    Ok(ClusterFacts { cluster, roles: manifests.named_roles(), unread: Vec::new() })
}

/// All actions that the role's policies name, by name.
fn named_actions(effective: &EffectiveIdentity<'_>) -> Vec<(String, Action)> {
    let named = effective.actor.map(granted_actions).unwrap_or_default();
    let by_name: BTreeMap<String, Action> =
        named.into_iter().map(|action| (action.full_name().to_ascii_lowercase(), action)).collect();
    by_name.into_values().map(|action| (action.full_name(), action)).collect()
}

fn json(answer: &impl serde::Serialize, out: &mut dyn Write) -> anyhow::Result<()> {
    serde_json::to_writer_pretty(&mut *out, answer)?;
    writeln!(out)?;
    Ok(())
}
