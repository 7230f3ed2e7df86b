//! `rolecall can-i`

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, bail};
use rolecall_actions::Action;
use rolecall_core::chain::Subject;
use rolecall_core::cluster::{Cluster, Conventions};
use rolecall_core::judge::{EffectiveIdentity, effective_identity};
use rolecall_core::permission::{Answer, Need, ask_need, granted_actions};
use rolecall_core::world::World;
use rolecall_iam::Arn;

use super::Exit;
use super::args::{CanIArgs, Format};
use super::doubt::Doubts;
use crate::config::Config;
use crate::report::{Can, CanI, Grants, Through};
use crate::sources::aws::AwsSettings;
use crate::sources::{Manifests, ReadOptions, SourceOptions, Substitutions, load_snapshot};

/// Says whether a service account's pods may do an action, or lists what they may do.
///
/// # Errors
/// Where something cannot be read or is malformed, or the action is none of AWS's.
pub fn can_i(args: &CanIArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let Some((namespace, service_account)) =
        args.subject.split_once('/').filter(|(ns, sa)| !ns.is_empty() && !sa.is_empty() && !sa.contains('/'))
    else {
        bail!("`{}` is not NAMESPACE/SERVICEACCOUNT, such as carts/carts", args.subject);
    };
    let Some(source) = &args.source else {
        bail!("can-i needs to know AWS: give --source SRC, a snapshot or `aws`");
    };
    let config = args.config.as_deref().map(Config::load).transpose()?.unwrap_or_default();
    let conventions = config.conventions();
    let substitutions = Substitutions::new(&args.input.substitute_file, &args.input.substitute)?;
    let options = ReadOptions { namespace: args.input.namespace.as_deref(), substitutions: substitutions.as_ref() };
    let (cluster, roles) = known(args, &conventions, &options)?;
    // The identity alone is no answer: its policies say what it may do.
    let fixes = config.fix_format(args.fix_format.map(Into::into));
    let aws = AwsSettings { policies: true, ..config.aws };
    let options = SourceOptions { cluster: args.cluster.as_deref(), aws: &aws, roles };
    let snapshot = load_snapshot(source, &options)?.snapshot;
    let world = World::new(Arc::new(snapshot), cluster, conventions);
    let effective = effective_identity(&world, Subject { namespace, service_account });
    let through = Through::new(&args.subject, &effective);
    if args.list {
        let actions = named_actions(&effective);
        let mut answers: Vec<(Action, Answer<'_>)> = Vec::with_capacity(actions.len());
        for (name, action) in &actions {
            if let Some(actor) = effective.actor {
                answers.push((*action, ask_need(actor, Need { action: name, resource: None })));
            }
        }
        let grants = Grants::new(through, &effective, &answers);
        match args.format {
            Format::Text => grants.text(out)?,
            Format::Json => json(&grants, out)?,
        }
        return Ok(Exit::Clean);
    }
    let action = args.action.as_deref().context("can-i: name an ACTION, or --list")?;
    if !rolecall_actions::is_known(action) {
        match rolecall_actions::suggest(action) {
            Some(near) => bail!("AWS has no action `{action}`; did you mean `{near}`?"),
            None => bail!("AWS has no action `{action}`: actions are written SERVICE:NAME, such as dynamodb:Query"),
        }
    }
    let resource = args.resource.as_deref().filter(|resource| *resource != "*");
    if let (Some(resource), Some(known)) = (resource, rolecall_actions::find(action)) {
        fits(&known, resource)?;
    }
    let need = Need { action, resource };
    let answer: Option<Answer<'_>> = effective.actor.map(|actor| ask_need(actor, need));
    let answer = CanI::new(through, &effective, action, resource, answer.as_ref());
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

/// Refuses what cannot be a resource of the action: no ARN, or one of another service.
fn fits(action: &Action, resource: &str) -> anyhow::Result<()> {
    let Some(arn) = Arn::parse(resource) else {
        bail!("`{resource}` is not an ARN, such as arn:aws:dynamodb:us-west-2:111122223333:table/carts");
    };
    let patterns: Vec<&str> = action.resource_types().flat_map(|kind| kind.arn_patterns()).collect();
    let may_be = |pattern: &&str| {
        let service = pattern.split(':').nth(2).unwrap_or("$");
        service == arn.service || service.contains('$')
    };
    if let Some(pattern) = patterns.first()
        && !arn.service.contains(['*', '?'])
        && !patterns.iter().any(may_be)
    {
        bail!("{} does not act on resources of {}; its resources are {pattern}", action.full_name(), arn.service);
    }
    Ok(())
}

/// What the manifests tell of the cluster, where they tell enough of the service account that is asked about.
fn known(
    args: &CanIArgs,
    conventions: &Conventions,
    options: &ReadOptions<'_>,
) -> anyhow::Result<(Cluster, BTreeSet<String>)> {
    if args.manifests.is_empty() {
        return Ok((Cluster::default(), BTreeSet::new()));
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
    Ok((cluster, manifests.named_roles()))
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
