//! Pods that run already: what they have was right when they were created, and an identity that came later never reaches them.

use jiff::Timestamp;

use super::container_problems::{PROPAGATION_SECONDS, REGISTER};
use super::{Circumstances, Judgement, judge_workload};
use crate::chain::{Subject, fix};
use crate::cluster::{Presence, Wishes};
use crate::finding::{Finding, Problem};
use crate::identity::{Mechanism, OptOuts};
use crate::rules;
use crate::workload::Workload;
use crate::world::World;

/// What is known of a pod that runs, besides the pod itself.
#[derive(Debug, Clone, Copy)]
pub struct Running<'a> {
    /// When it was created.
    pub created: Option<Timestamp>,
    /// When its service account was last annotated with a role, where the API server tells.
    pub annotated: Option<Timestamp>,
    /// Kind of what makes such pods anew; `Pod` where nothing does.
    pub owner_kind: &'a str,
    /// Its name.
    pub owner: &'a str,
}

/// Judges a pod that runs. Where it lacks what its service account has, its age tells why, and its owner can mend it.
pub fn judge_running<'a>(
    world: &'a World,
    workload: &Workload<'a>,
    circumstances: Circumstances,
    running: Running<'_>,
) -> Judgement<'a> {
    let mut judgement = judge_workload(world, workload, circumstances);
    let explained = [&rules::INJECTION_MISSING, &rules::ROLE_OVERRIDDEN, &rules::ASSOCIATION_SHADOWED];
    let behind = format!("also [{}]", rules::INJECTION_MISSING.name);
    let is_behind = |note: &String| note.starts_with(&behind);
    let concerned =
        |finding: &Finding| explained.contains(&finding.problem.rule) || finding.notes.iter().any(is_behind);
    if !judgement.findings.iter().any(concerned) || OptOuts::of(workload, &world.conventions).pod() {
        return judgement;
    }
    let older = is_older(world, workload, running);
    for finding in &mut judgement.findings {
        if older {
            for note in finding.notes.iter_mut().filter(|note| is_behind(note)) {
                let problem = predating(world, workload, running, &finding.problem);
                *note = format!("also [{}] {}: {}", problem.rule.name, problem.message, problem.fix);
            }
        }
        let problem = &mut finding.problem;
        if older && predates(workload, problem) {
            *problem = predating(world, workload, running, problem);
        } else if problem.rule == &rules::INJECTION_MISSING {
            let restart = restart(workload.namespace, running);
            problem.fix = match world.injector {
                Presence::Gone => format!("{REGISTER}: {restart}"),
                Presence::Here | Presence::Unknown => format!(
                    "{restart}; where that does not help: kubectl get mutatingwebhookconfiguration pod-identity-webhook -o yaml"
                ),
            };
        }
    }
    if circumstances.exemptions && older && is_exempted(world, workload) {
        let (exempted, findings): (Vec<Finding>, Vec<Finding>) = std::mem::take(&mut judgement.findings)
            .into_iter()
            .partition(|finding| finding.problem.rule == &rules::PODS_PREDATE_IDENTITY);
        judgement.findings = findings;
        judgement.exempted.extend(exempted);
    }
    judgement.findings.sort_by_key(Finding::severity);
    judgement
}

/// Whether the pod was created before its identity was. An association takes some seconds to reach the injector.
fn is_older(world: &World, workload: &Workload<'_>, running: Running<'_>) -> bool {
    let subject = Subject { namespace: workload.namespace, service_account: workload.service_account() };
    let since = match world.plan(subject).mechanism {
        Some(Mechanism::PodIdentity) => {
            let created = world.association(subject).and_then(|association| association.created_at);
            created.and_then(|time| time.checked_add(jiff::SignedDuration::from_secs(PROPAGATION_SECONDS)).ok())
        }
        Some(Mechanism::Irsa) => running.annotated,
        None => None,
    };
    matches!((running.created, since), (Some(created), Some(since)) if created < since)
}

/// Whether its age explains it. Another role than the service account's is the injector's doing only beside its own volume.
fn predates(workload: &Workload<'_>, problem: &Problem) -> bool {
    let injected = || workload.spec.volumes.iter().any(|volume| volume.name.as_str() == Mechanism::Irsa.volume());
    problem.rule == &rules::INJECTION_MISSING
        || ([&rules::ROLE_OVERRIDDEN, &rules::ASSOCIATION_SHADOWED].contains(&problem.rule) && injected())
}

fn predating(world: &World, workload: &Workload<'_>, running: Running<'_>, instead: &Problem) -> Problem {
    let subject = Subject { namespace: workload.namespace, service_account: workload.service_account() };
    let plan = world.plan(subject);
    let what = if plan.mechanism == Some(Mechanism::PodIdentity) { "association" } else { "role annotation" };
    let found = match &instead.found {
        Some(found) if instead.rule != &rules::INJECTION_MISSING => found.value.clone(),
        _ => "no role of their own".to_owned(),
    };
    Problem::new(
        &rules::PODS_PREDATE_IDENTITY,
        format!("pods of {subject} are older than its {what}: they keep the identity they were created with"),
        restart(workload.namespace, running),
    )
    .expected("new pods get", plan.role_arn.as_deref().unwrap_or("a role that was not read"))
    .found("these pods have", found)
}

/// `rolecall.dev/ignore: pods-predate-identity` on the pod, its service account or its namespace.
fn is_exempted(world: &World, workload: &Workload<'_>) -> bool {
    let name = rules::PODS_PREDATE_IDENTITY.name;
    let ignores = |wishes: &Wishes| wishes.ignore.iter().any(|rule| **rule == *name);
    let account = world.service_account(workload.namespace, workload.service_account()).account();
    ignores(&Wishes::of(workload.metadata))
        || account.is_some_and(|account| ignores(&account.wishes))
        || world.namespace(workload.namespace).is_some_and(|namespace| ignores(&namespace.wishes))
}

/// What has the pods made anew.
fn restart(namespace: &str, running: Running<'_>) -> String {
    let (kind, name) = (running.owner_kind, fix::word(running.owner));
    let namespace = fix::word(namespace);
    match kind {
        "Deployment" | "DaemonSet" | "StatefulSet" => {
            format!("kubectl rollout restart -n {namespace} {}/{name}", kind.to_ascii_lowercase())
        }
        "CronJob" => format!(
            "wait for the next run, or start one: kubectl create job -n {namespace} --from=cronjob/{name} {name}-again"
        ),
        "Job" => format!("create the job anew, after kubectl delete job -n {namespace} {name}"),
        "Pod" => {
            format!("create the pod anew, which no controller does, after kubectl delete pod -n {namespace} {name}")
        }
        _ => format!("delete the pods in {namespace} that {kind} {name} controls: it makes new ones"),
    }
}
