//! `rolecall who-can`

mod others;

use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::sync::Arc;

use anyhow::bail;
use rolecall_core::chain::{State, Subject};
use rolecall_core::cluster::Cluster;
use rolecall_core::identity::Identity;
use rolecall_core::judge::effective_identity;
use rolecall_core::permission::{Actor, Answer, Need, Session, ask_need};
use rolecall_core::snapshot::Snapshot;
use rolecall_core::world::World;
use rolecall_iam::Verdict;

use super::Exit;
use super::args::{Format, WhoCanArgs};
use super::cluster_facts::ClusterFacts;
use super::doubt::Doubts;
use super::question::question;
use crate::config::Config;
use crate::report::{Allowed, WhoCan};
use crate::sources::aws::AwsSettings;
use crate::sources::{Manifests, ReadOptions, SourceOptions, Substitutions, load_snapshot};

/// Lists the service accounts, task definitions, identities of custom resources and node roles that are allowed an action, or may
/// be.
///
/// # Errors
/// Where something cannot be read or is malformed, or AWS has no such action.
pub fn who_can(args: &WhoCanArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let need = question(&args.action, args.resource.as_deref())?;
    let Some(source) = &args.source else {
        bail!("who-can needs AWS data: give --source SRC, a snapshot or `aws`");
    };
    let config = args.config.as_deref().map(Config::load).transpose()?.unwrap_or_default();
    let conventions = config.conventions();
    let substitutions = Substitutions::new(&args.input.substitute_file, &args.input.substitute)?;
    let options = ReadOptions { namespace: args.input.namespace.as_deref(), substitutions: substitutions.as_ref() };
    let mut manifests = Manifests::read(&args.manifests, &options)?;
    let ClusterFacts { cluster, roles, unread } = match &args.context {
        Some(context) => ClusterFacts::of_context(context, &config, &conventions)?,
        None if args.manifests.is_empty() => ClusterFacts::default(),
        None => {
            let cluster = manifests.readable_cluster(&conventions);
            manifests.whole()?;
            ClusterFacts { cluster, roles: manifests.named_roles(), unread: Vec::new() }
        }
    };
    let aws = AwsSettings { policies: true, ..config.aws };
    let options = SourceOptions { cluster: args.cluster.as_deref(), aws: &aws, roles };
    let snapshot = load_snapshot(source, &options)?.snapshot;
    let accounts = accounts(&cluster, &snapshot);
    let mut report = WhoCan::new(need.action, need.resource);
    unread.into_iter().for_each(|part| report.note(part));
    if args.manifests.is_empty() && args.context.is_none() {
        report.note(
            "no --manifests and no --context: only service accounts with a Pod Identity association are known"
                .to_owned(),
        );
    }
    if args.context.is_some() {
        report.note(
            "custom resources of the cluster were not read: `rolecall scan` checks the identities they name".to_owned(),
        );
    }
    let doubts = Doubts::of(&manifests, &conventions);
    let world = World::new(Arc::new(snapshot), cluster, conventions);
    for Answers { accounts, without_identity, allowed } in answers(&world, &accounts, need) {
        report.add_accounts(accounts, without_identity, allowed);
    }
    others::add_task_definitions(&manifests, &world.snapshot, need, &mut report);
    others::add_custom_resources(&manifests, &doubts, &world, need, &mut report);
    for role in world.snapshot.node_roles.iter().flatten() {
        let subject = Subject { namespace: "", service_account: "" };
        let actor = world.snapshot.role(role).map(|role| Actor {
            snapshot: &world.snapshot,
            role,
            subject,
            session: Session::Node,
        });
        report.add_node_role(role, actor.map(|actor| ask_need(actor, need)).as_ref());
    }
    report.finish();
    match args.format {
        Format::Text => report.text(out)?,
        Format::Json => report.json(out)?,
    }
    Ok(Exit::Clean)
}

/// Namespaces and names of the service accounts that the cluster has, and of those that associations name.
fn accounts(cluster: &Cluster, snapshot: &Snapshot) -> Vec<(Box<str>, Box<str>)> {
    let listed = cluster.service_accounts.iter().flat_map(|(namespace, all)| all.keys().map(move |sa| (namespace, sa)));
    let associated = snapshot.associations.iter().flatten();
    let associated = associated.flat_map(|(namespace, all)| all.keys().map(move |sa| (namespace, sa)));
    let all: BTreeSet<(&Box<str>, &Box<str>)> = listed.chain(associated).collect();
    all.into_iter().map(|(namespace, name)| (namespace.clone(), name.clone())).collect()
}

/// What was found out about a part of the service accounts.
#[derive(Debug, Default)]
struct Answers {
    /// How many were looked at.
    accounts: usize,
    /// How many have no identity of their own.
    without_identity: usize,
    /// Those that are allowed the action, or may be.
    allowed: Vec<Allowed>,
}

/// The answers, by as many threads as there are processors, in the order of the accounts.
fn answers(world: &World, accounts: &[(Box<str>, Box<str>)], need: Need<'_>) -> Vec<Answers> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = accounts.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let running: Vec<_> =
            accounts.chunks(share).map(|part| scope.spawn(move || answers_of(world, part, need))).collect();
        running.into_iter().map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

fn answers_of(world: &World, accounts: &[(Box<str>, Box<str>)], need: Need<'_>) -> Answers {
    let mut answers = Answers { accounts: accounts.len(), ..Answers::default() };
    // A session without tags is the same for all service accounts of a role.
    let mut by_role: HashMap<&str, Verdict> = HashMap::new();
    for (namespace, service_account) in accounts {
        let subject = Subject { namespace, service_account };
        let effective = effective_identity(world, subject);
        if matches!(effective.identity, Identity::Node | Identity::None) {
            answers.without_identity += 1;
            continue;
        }
        if effective.chain == State::Broken {
            continue;
        }
        if let Some(Actor { role, session: Session::WebIdentity, .. }) = effective.actor
            && matches!(by_role.get(&*role.arn), Some(Verdict::ExplicitlyDenied | Verdict::ImplicitlyDenied))
        {
            continue;
        }
        let answer: Option<Answer<'_>> = effective.actor.map(|actor| ask_need(actor, need));
        if let (Some(actor), Some(answer)) = (effective.actor, &answer) {
            by_role.insert(&actor.role.arn, answer.verdict);
        }
        let name = format!("{namespace}/{service_account}");
        answers.allowed.extend(Allowed::of_identity(&name, &effective, need, answer.as_ref()));
    }
    answers
}
