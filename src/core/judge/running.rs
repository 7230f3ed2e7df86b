//! Pods that run already: what they have was right when they were created, and an identity that came later never reaches them.

use jiff::Timestamp;

use super::container_problems::{PROPAGATION_SECONDS, planned_role};
use super::{Circumstances, Judgement, judge_workload};
use crate::chain::Subject;
use crate::cluster::{OwnAnnotations, Presence, Validity};
use crate::finding::{AlsoWrong, CredentialsCause, Finding, Label, Note, Problem, RoleValue};
use crate::fix::{Change, Fix};
use crate::identity::{Mechanism, OptOuts};
use crate::rules::{self, Trait};
use crate::workload::Workload;
use crate::world::World;

/// What is known of a pod that runs, besides the pod itself.
#[derive(Debug, Clone, Copy)]
pub struct Running<'a> {
    /// When it was created.
    pub created: Option<Timestamp>,
    /// When its service account was last annotated with a role, where the API server tells.
    pub annotated: Option<Timestamp>,
    /// Kind of what makes such pods again; `Pod` where nothing does.
    pub owner_kind: &'a str,
    /// Its name.
    pub owner: &'a str,
}

/// Judges a pod that runs. Where it lacks what its service account has, its age tells why, and its owner can fix it.
pub fn judge_running<'a>(
    world: &'a World,
    workload: &Workload<'a>,
    circumstances: Circumstances,
    running: Running<'_>,
) -> Judgement<'a> {
    let mut judgement = judge_workload(world, workload, circumstances);
    let is_behind = |note: &Note| matches!(note, Note::Also(also) if also.problem.rule == &rules::INJECTION_MISSING);
    let concerned =
        |finding: &Finding| finding.problem.rule.has(Trait::ExplainedByAge) || finding.notes.iter().any(is_behind);
    if !judgement.findings.iter().any(concerned) || OptOuts::of(workload, &world.conventions).pod() {
        return judgement;
    }
    let older = is_older(world, workload, running);
    for finding in &mut judgement.findings {
        if older {
            for note in finding.notes.iter_mut().filter(|note| is_behind(note)) {
                let problem = predating(world, workload, running, &finding.problem);
                *note = Note::Also(Box::new(AlsoWrong { problem, shows_fix: true }));
            }
        }
        let problem = &mut finding.problem;
        if older && predates(workload, problem) {
            *problem = predating(world, workload, running, problem);
        } else if problem.rule == &rules::INJECTION_MISSING {
            let restart = restart(workload.namespace, running);
            problem.fix = match world.injector {
                _ if problem.fix.steps.first() == Some(&Change::ReinvokeInjector) => {
                    Fix::from(Change::ReinvokeInjector).then(restart)
                }
                Presence::Absent => Fix::from(Change::RegisterInjector { configuration: None }).then(restart),
                Presence::Present(()) => Fix::from(restart).then(Change::CheckInjector { is_registered: true }),
                Presence::Unknown => Fix::from(restart).then(Change::CheckInjector { is_registered: false }),
            };
        }
    }
    if circumstances.exemptions && older && is_exempted(world, workload, circumstances.now) {
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
    problem.rule == &rules::INJECTION_MISSING || (problem.rule.has(Trait::ExplainedByAge) && injected())
}

fn predating(world: &World, workload: &Workload<'_>, running: Running<'_>, instead: &Problem) -> Problem {
    let subject = Subject { namespace: workload.namespace, service_account: workload.service_account() };
    let plan = world.plan(subject);
    let found = match &instead.found {
        Some(found) if instead.rule != &rules::INJECTION_MISSING => found.value.clone(),
        _ => RoleValue::NoRole.into(),
    };
    Problem::new(
        &rules::PODS_PREDATE_IDENTITY,
        CredentialsCause::PodsOlderThan {
            account: subject.into(),
            mechanism: plan.mechanism.unwrap_or(Mechanism::Irsa),
        },
        restart(workload.namespace, running),
    )
    .expected(Label::NewPodsGet, planned_role(&plan))
    .found(Label::ThesePodsHave, found)
}

/// `rolecall.dev/ignore: pods-predate-identity` on the pod, its service account or its namespace.
fn is_exempted(world: &World, workload: &Workload<'_>, now: Option<Timestamp>) -> bool {
    let ignores = |own_annotations: &OwnAnnotations| {
        let is_named = own_annotations.ignore.iter().any(|name| rules::PODS_PREDATE_IDENTITY.is_named(name));
        is_named && own_annotations.validity(now) != Validity::Ended
    };
    let account = world.service_account(workload.namespace, workload.service_account()).present();
    ignores(&OwnAnnotations::of(workload.metadata))
        || account.is_some_and(|account| ignores(&account.own_annotations))
        || world.namespace(workload.namespace).is_some_and(|namespace| ignores(&namespace.own_annotations))
}

/// What has the pods created again.
fn restart(namespace: &str, running: Running<'_>) -> Change {
    Change::Recreate { kind: running.owner_kind.into(), namespace: namespace.into(), name: Some(running.owner.into()) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cluster::{Cluster, Conventions, ServiceAccount};
    use crate::snapshot::Snapshot;
    use crate::workload::{Kind, Object, Stage};

    const ROLE: &str = "arn:aws:iam::111122223333:role/carts";
    /// When the identity came about.
    const SINCE: &str = "2026-11-24T12:00:00Z";

    fn world(association: bool) -> World {
        let associations = if association {
            format!(r#"[{{"namespace":"shop","serviceAccount":"carts","roleArn":"{ROLE}","createdAt":"{SINCE}"}}]"#)
        } else {
            "[]".to_owned()
        };
        let snapshot = Snapshot::parse(&format!(r#"{{"podIdentityAssociations":{associations}}}"#)).unwrap();
        let mut cluster = Cluster { complete: true, ..Cluster::default() };
        let role_arn = (!association).then(|| ROLE.into());
        cluster.add_service_account("shop", "carts", ServiceAccount { role_arn, ..ServiceAccount::default() });
        World::new(Arc::new(snapshot), cluster, Conventions::default())
    }

    /// Rule and fix of the first finding of a pod that was created then.
    fn said(world: &World, created: &str, pod: &str, kind: &str) -> (&'static str, Fix) {
        let object: Object<'_> = serde_json::from_str(pod).unwrap();
        let workload = Workload::of(&object, Kind::Pod, Stage::Admitted, "shop").unwrap();
        let running =
            Running { created: created.parse().ok(), annotated: SINCE.parse().ok(), owner_kind: kind, owner: "carts" };
        let circumstances = Circumstances { now: None, exemptions: true };
        let judgement = judge_running(world, &workload, circumstances, running);
        let first = judgement.findings.first();
        first.map_or(("", Change::CheckAgent.into()), |finding| (finding.rule(), finding.problem.fix.clone()))
    }

    const PLAIN: &str = r#"{"spec":{"serviceAccountName":"carts","containers":[{"name":"app"}]}}"#;

    #[test]
    fn its_age_tells_why_a_pod_lacks_its_identity() {
        let restart =
            || Change::Recreate { kind: "Deployment".into(), namespace: "shop".into(), name: Some("carts".into()) };
        for (association, before, after) in [
            (false, "2026-11-24T11:59:59Z", "2026-11-24T12:00:00Z"),
            // An association takes a while to reach the injector.
            (true, "2026-11-24T12:00:30Z", "2026-11-24T12:02:00Z"),
        ] {
            let world = world(association);
            assert_eq!(said(&world, before, PLAIN, "Deployment"), ("pods-predate-identity", restart().into()));
            let (rule, fix) = said(&world, after, PLAIN, "Deployment");
            assert_eq!(rule, "injection-missing");
            assert_eq!(fix, Fix::from(restart()).then(Change::CheckInjector { is_registered: false }));
        }
    }

    #[test]
    fn another_role_is_old_only_where_the_injector_gave_it() {
        let pod = |volume: &str| {
            format!(
                r#"{{"spec":{{"serviceAccountName":"carts","containers":[{{"name":"app","env":[
                {{"name":"AWS_ROLE_ARN","value":"arn:aws:iam::111122223333:role/old"}},
                {{"name":"AWS_WEB_IDENTITY_TOKEN_FILE","value":"/var/run/secrets/eks.amazonaws.com/serviceaccount/token"}}],
                "volumeMounts":[{{"name":"{volume}","mountPath":"/var/run/secrets/eks.amazonaws.com/serviceaccount"}}]}}],
                "volumes":[{{"name":"{volume}","projected":{{"sources":[{{"serviceAccountToken":
                {{"audience":"sts.amazonaws.com","path":"token"}}}}]}}}}]}}}}"#
            )
        };
        let old = "2026-11-01T00:00:00Z";
        let annotated = world(false);
        assert_eq!(said(&annotated, old, &pod("aws-iam-token"), "Pod").0, "pods-predate-identity");
        assert_eq!(said(&annotated, old, &pod("my-own"), "Pod").0, "role-overridden");
        assert_eq!(said(&world(true), old, &pod("aws-iam-token"), "Pod").0, "pods-predate-identity");
        assert_eq!(said(&world(true), old, &pod("my-own"), "Pod").0, "association-shadowed");
    }

    #[test]
    fn opting_out_and_exempting_are_respected() {
        let old = "2026-11-01T00:00:00Z";
        let with = |metadata: &str| PLAIN.replacen('{', &format!(r#"{{"metadata":{metadata},"#), 1);
        let out = with(r#"{"labels":{"eks.amazonaws.com/skip-pod-identity-webhook":"true"}}"#);
        assert_eq!(said(&world(false), old, &out, "Pod").0, "injection-missing");
        let exempt = with(r#"{"annotations":{"rolecall.dev/ignore":"pods-predate-identity"}}"#);
        assert_eq!(said(&world(false), old, &exempt, "Pod").0, "");
    }

    #[test]
    fn says_what_re_creates_the_pods() {
        for kind in ["StatefulSet", "CronJob", "Job", "Pod", "Rollout"] {
            let (_, fix) = said(&world(false), "2026-11-01T00:00:00Z", PLAIN, kind);
            let expected = Change::Recreate { kind: kind.into(), namespace: "shop".into(), name: Some("carts".into()) };
            assert_eq!(fix, Fix::from(expected));
        }
    }
}
