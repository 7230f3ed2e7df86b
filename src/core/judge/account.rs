//! Service accounts, and what is wrong with them for their pods.

use super::exemptions::{AllOwnAnnotations, Holder};
use super::{Circumstances, Gathering, Judgement, needs, own_names, owners, token_expiration};
use crate::chain::{Subject, fix};
use crate::cluster::{Conventions, OwnAnnotations, ServiceAccount};
use crate::effort::Effort;
use crate::finding::{
    Certainty, ConfigurationCause, ConfigurationValue, CredentialsCause, EvidenceValue, Label, Problem, RolePart,
    RoleValue,
};
use crate::fix::Change;
use crate::rules;
use crate::workload::{Kind, Metadata, Owner};
use crate::world::World;

/// A service account as it is to become.
#[derive(Debug, Clone, Copy)]
pub struct ServiceAccountChange<'a> {
    /// Namespace.
    pub namespace: &'a str,
    /// Name.
    pub name: &'a str,
    /// Its metadata.
    pub metadata: &'a Metadata<'a>,
    /// Its metadata before, on an update.
    pub before: Option<&'a Metadata<'a>>,
}

/// Judges a service account: what its pods would meet.
pub fn judge_service_account<'a>(
    world: &'a World,
    change: &ServiceAccountChange<'a>,
    circumstances: Circumstances,
) -> Judgement<'a> {
    judge_service_account_within(world, change, circumstances, &Effort::for_one_check())
}

/// The same within a limit of work; what is left when it is reached is undecided.
pub fn judge_service_account_within<'a>(
    world: &'a World,
    change: &ServiceAccountChange<'a>,
    circumstances: Circumstances,
    effort: &Effort,
) -> Judgement<'a> {
    let mut judgement = Judgement::new(Kind::ServiceAccount, change.namespace);
    let conventions = &world.conventions;
    let subject = Subject { namespace: change.namespace, service_account: change.name };
    let account = ServiceAccount::of(change.metadata, conventions);
    let namespace_annotations = world.namespace(change.namespace).map(|namespace| &namespace.own_annotations);
    let account_annotations = OwnAnnotations::of(change.metadata);
    let own_annotations = AllOwnAnnotations::gather(
        &[
            (Holder::Account(subject), Some(&account_annotations)),
            (Holder::Namespace(change.namespace), namespace_annotations),
        ],
        circumstances.exemptions,
        circumstances.now,
    );
    let requires = own_annotations.requires.clone();
    let mut gathering = Gathering::new(own_annotations);

    let plan = world.conclude(subject, &account, effort);
    if let Some(chain) = &plan.chain {
        // An association that is not in the snapshot would win over the annotation.
        let is_open = world.snapshot.association(change.namespace, change.name).is_unknown();
        let at_most = if is_open { Certainty::Likely } else { Certainty::Certain };
        let problems = chain.problems.iter().map(|problem| problem.clone().at_most(at_most));
        gathering.add_chain(&problems.collect::<Vec<_>>());
        if let Some(open) = &chain.open {
            gathering.add(open.clone());
        }
    } else if let Some((key, value)) = &account.misspelled {
        gathering.add(misspelled(subject, conventions, key, value));
    } else if let Some((key, value)) = &account.legacy {
        gathering.add(legacy(subject, conventions, key, value, plan.role_to_annotate()));
    }
    own_names::problems(change.metadata, || Holder::Account(subject).name(), false)
        .into_iter()
        .for_each(|problem| gathering.add(problem));
    needs::of_the_account(world, subject, &plan, &requires, effort, &mut gathering);
    if let Some(problem) = ambiguous(world, subject, Some(&account)) {
        gathering.add(problem);
    }
    if let Some(text) = account.token_expiration.as_deref().filter(|_| plan.mechanism.is_some())
        && let Some(problem) = token_expiration::problem(subject, conventions.token_expiration_key(), text)
    {
        gathering.add(problem);
    }
    if let Some(before) = change.before
        && let Some(problem) = pods_predate(subject, conventions, &account, before)
    {
        gathering.add(problem);
    }
    gathering.finish(&mut judgement);
    owners::follow(&mut judgement, world, subject, Owner::of(change.metadata).as_ref(), None);
    judgement
}

/// Injection happens when a pod is created: an update changes nothing for the pods that run.
fn pods_predate(
    subject: Subject<'_>,
    conventions: &Conventions,
    account: &ServiceAccount,
    before: &Metadata<'_>,
) -> Option<Problem> {
    let key = conventions.role_arn_key();
    let old = before.annotations.get(key).filter(|value| !value.is_empty());
    let new = account.role_arn.as_deref()?;
    if old == Some(new) {
        return None;
    }
    Some(
        Problem::new(
            &rules::PODS_PREDATE_IDENTITY,
            CredentialsCause::PodsKeepIdentity { account: subject.into() },
            Change::Recreate { kind: "Deployment".into(), namespace: subject.namespace.into(), name: None },
        )
        .expected(Label::NewPodsGet, new)
        .found(Label::RunningPodsHave, old.map_or(EvidenceValue::Role(RoleValue::NoRole), EvidenceValue::from)),
    )
}

pub(super) fn misspelled(subject: Subject<'_>, conventions: &Conventions, key: &str, value: &str) -> Problem {
    let right = conventions.role_arn_key();
    Problem::new(
        &rules::ANNOTATION_MISSPELLED,
        ConfigurationCause::Misspelled { account: subject.into(), key: key.into() },
        fix::move_annotation(subject, key, right, value),
    )
    .expected(Label::InjectorReads, right)
    .found(Label::ServiceAccountHas, key)
}

/// `meant`: a role that names the service account.
pub(super) fn legacy(
    subject: Subject<'_>,
    conventions: &Conventions,
    key: &str,
    value: &str,
    meant: Option<&str>,
) -> Problem {
    let meant = meant.filter(|_| !value.starts_with("arn:"));
    let role = meant.unwrap_or(if value.starts_with("arn:") { value } else { "ROLE_ARN" });
    let mut problem = Problem::new(
        &rules::ANNOTATION_LEGACY,
        ConfigurationCause::Legacy { account: subject.into(), key: key.into() },
        fix::annotate(subject, conventions.role_arn_key(), role),
    )
    .expected(Label::InjectorReads, ConfigurationValue::OnServiceAccount { key: conventions.role_arn_key().into() })
    .found(Label::ItHas, EvidenceValue::Entry { key: key.into(), value: value.into() });
    if let Some(meant) = meant {
        problem = problem.about(meant, RolePart::Naming);
    }
    problem
}

/// Annotation and association name different roles: the association wins, and its removal changes the role silently.
pub(super) fn ambiguous(world: &World, subject: Subject<'_>, account: Option<&ServiceAccount>) -> Option<Problem> {
    let association = world.association(subject)?;
    let annotated = account?.role_arn.as_deref()?;
    let associated = association.role_arn.as_deref()?;
    let target = association.target_role_arn.as_deref();
    if annotated == associated || target == Some(annotated) {
        return None;
    }
    Some(
        Problem::new(
            &rules::IDENTITY_AMBIGUOUS,
            ConfigurationCause::Ambiguous { account: subject.into() },
            fix::remove_annotation(subject, world.conventions.role_arn_key()),
        )
        .expected(Label::AssociationGives, associated)
        .found(Label::AnnotationHas, annotated),
    )
}
