//! Declared needs: are they actions at all, and may the identity that the pod will have do them?

use std::borrow::Cow;
use std::collections::HashSet;

use rolecall_iam::{Arn, PolicyKind, RoleArn, Ruling, Verdict};

use super::container::Scene;
use super::{Gathering, Judgement};
use crate::chain::{State, Subject, fix};
use crate::effort::Effort;
use crate::finding::{
    Certainty, Finding, Label, NeedName, Note, PermissionCause, PermissionValue, Problem, Remark, RolePart, RoleValue,
};
use crate::fix::{Advice, Fix, PermissionChange};
use crate::identity::{Identity, Mechanism};
use crate::permission::{self, Actor, Answer, MOST_NEEDS, Need, Resources, Session, ask_need_within};
use crate::rules;
use crate::snapshot::Role;
use crate::world::{Plan, World};

/// The needs of a pod against the roles of its containers: a need is met where one of them meets it.
pub(super) fn of_the_pod(
    scene: &Scene<'_, '_>,
    declared: &[&str],
    without_role: usize,
    judgement: &mut Judgement<'_>,
    gathering: &mut Gathering<'_>,
) {
    if declared.is_empty() {
        return;
    }
    let needs = known_needs(scene.subject, declared, gathering);
    let containers = &judgement.containers;
    // Keys bring an identity that is not in the snapshot.
    if needs.is_empty() || containers.iter().any(|container| container.identity == Identity::StaticKeys) {
        return;
    }
    let mut actors: Vec<Actor<'_>> = Vec::new();
    let mut unseen = false;
    let mut roles = HashSet::new();
    for container in containers {
        if !matches!(container.identity, Identity::Irsa | Identity::PodIdentity) {
            continue;
        }
        let role = container.role.as_deref().and_then(|arn| scene.world.snapshot.role(arn));
        let session = session(scene.world, scene.subject, &scene.plan, container.identity, container.role.as_ref());
        match role.zip(session) {
            _ if container.chain == State::Broken => unseen = true,
            None => unseen = true,
            Some((role, _)) if !roles.insert(&*role.arn) => {}
            Some((role, session)) => {
                actors.push(Actor { snapshot: &scene.world.snapshot, role, subject: scene.subject, session });
            }
        }
    }
    if actors.is_empty() && !unseen && without_role > 0 {
        if let Some(problem) = overprivileged_node(scene, &needs) {
            gathering.add(problem);
        }
        return;
    }
    if actors.len() > MAX_ACTORS {
        gathering.add(too_many_roles(scene.subject, actors.len()));
        return;
    }
    // What one of the roles cannot, another that was not seen may.
    if unseen || actors.is_empty() {
        return;
    }
    // Another source of credentials may come first, or a container may use the node's.
    let spec = scene.workload.spec;
    let elsewhere = containers.iter().any(|container| matches!(container.identity, Identity::Node | Identity::None))
        || spec.init_containers.iter().chain(&spec.containers).any(super::other_credentials::may_bring_keys);
    let at_most = if elsewhere { Certainty::Likely } else { Certainty::Certain };
    let broken = report(scene.subject, &actors, &needs, at_most, scene.effort, gathering);
    for container in &mut judgement.containers {
        if matches!(container.identity, Identity::Irsa | Identity::PodIdentity) {
            container.chain = container.chain.and(broken);
        }
    }
}

/// The needs of a service account against the role that its pods will have.
pub(super) fn of_the_account(
    world: &World,
    subject: Subject<'_>,
    plan: &Plan,
    declared: &[&str],
    effort: &Effort,
    gathering: &mut Gathering<'_>,
) {
    if declared.is_empty() {
        return;
    }
    let needs = known_needs(subject, declared, gathering);
    if plan.chain.as_ref().is_none_or(|chain| chain.state == State::Broken) {
        return;
    }
    let identity = plan.mechanism.map_or(Identity::None, Mechanism::identity);
    let arn = plan.role_arn.as_deref().map(Cow::Borrowed);
    let role = arn.as_deref().and_then(|arn| world.snapshot.role(arn));
    if let Some((role, session)) = role.zip(session(world, subject, plan, identity, arn.as_ref())) {
        let actor = Actor { snapshot: &world.snapshot, role, subject, session };
        report(subject, &[actor], &needs, Certainty::Certain, effort, gathering);
    }
}

/// How the session of a container comes about; `None` where its role is not the plan's and who tags it is not known.
pub(super) fn session<'a>(
    world: &'a World,
    subject: Subject<'_>,
    plan: &Plan,
    identity: Identity,
    role: Option<&Cow<'_, str>>,
) -> Option<Session<'a>> {
    match identity {
        Identity::Irsa => Some(Session::WebIdentity),
        Identity::PodIdentity if plan.role_arn.as_deref() == role.map(|role| &**role) => {
            world.association(subject).map(Session::PodIdentity)
        }
        _ => None,
    }
}

/// The needs that name actions; of the others one finding says so.
pub(super) fn known_needs<'d>(
    subject: Subject<'_>,
    declared: &[&'d str],
    gathering: &mut Gathering<'_>,
) -> Vec<Need<'d>> {
    let mut known = Vec::new();
    let mut unknown: Vec<Problem> = Vec::new();
    let mut lines = declared.iter().flat_map(|text| permission::needs(text));
    for need in lines.by_ref().take(MOST_NEEDS) {
        if known.contains(&need) {
            continue;
        }
        if rolecall_actions::is_known(need.action) {
            known.push(need);
        } else {
            unknown.push(unknown_action(subject, need, unknown.len() < MAX_SUGGESTIONS));
        }
    }
    if lines.next().is_some() {
        gathering.add(
            Problem::new(
                &rules::ACTION_UNKNOWN,
                PermissionCause::TooManyNeeds { account: subject.into(), checked: MOST_NEEDS },
                Advice::UsePatterns,
            )
            .at_most(Certainty::Undecided),
        );
    }
    // The surest leads.
    unknown.sort_by_key(|problem| std::cmp::Reverse(problem.certainty));
    let mut unknown = unknown.into_iter();
    if let Some(lead) = unknown.next() {
        let notes = unknown.map(Note::also).collect();
        gathering.add_finding(Finding { problem: lead, containers: Vec::new(), notes });
    }
    known
}

/// Most roles of one pod whose policies are asked about its declared needs.
const MAX_ACTORS: usize = 64;

fn too_many_roles(subject: Subject<'_>, count: usize) -> Problem {
    Problem::new(
        &rules::PERMISSION_UNCHECKED,
        PermissionCause::TooManyRoles { account: subject.into() },
        Advice::FewerRolesInPod,
    )
    .expected(Label::Expected, RoleValue::AtMost(MAX_ACTORS))
    .found(Label::ContainersHave, RoleValue::Count(count))
}

/// For how many unknown actions a similar one is looked for: all actions of AWS are compared.
const MAX_SUGGESTIONS: usize = 5;

fn unknown_action(subject: Subject<'_>, need: Need<'_>, suggests: bool) -> Problem {
    let suggestion = suggests.then(|| rolecall_actions::suggest(need.action)).flatten();
    let service = need.action.split_once(':').map(|(service, _)| service);
    // Services and actions come to AWS every week: only what cannot be new is certain.
    let certain = match (service.and_then(rolecall_actions::service), &suggestion) {
        (Some(_), Some(near)) => is_misspelling(need.action, near),
        (None, _) => service.is_none(),
        (Some(_), None) => false,
    };
    let right = suggestion.as_deref().unwrap_or("SERVICE:ACTION");
    let problem = Problem::new(
        &rules::ACTION_UNKNOWN,
        PermissionCause::NotAnAction { account: subject.into(), action: need.action.into() },
        PermissionChange::CorrectNeed { action: right.into() },
    )
    .at_most(if certain { Certainty::Certain } else { Certainty::Likely })
    .found(Label::RequiresHas, PermissionValue::Need(need.into()));
    match suggestion {
        Some(near) => problem.expected(Label::AwsHas, near),
        None => problem.expected(Label::Expected, PermissionValue::ServiceAction),
    }
}

/// Whether one is the other with a typo, rather than a name that AWS may have added: `GetItems` may come to
/// be beside `GetItem`, `Querry` not beside `Query`.
fn is_misspelling(written: &str, near: &str) -> bool {
    let (written, near) = (written.to_ascii_lowercase(), near.to_ascii_lowercase());
    let one_begins_the_other = written.starts_with(&near) || near.starts_with(&written);
    !one_begins_the_other && strsim::damerau_levenshtein(&written, &near) <= 2
}

/// Reports the needs that none of the roles may meet, one finding a rule; returns what that makes of the chain.
pub(super) fn report(
    subject: Subject<'_>,
    actors: &[Actor<'_>],
    needs: &[Need<'_>],
    at_most: Certainty,
    effort: &Effort,
    gathering: &mut Gathering<'_>,
) -> State {
    let mut denied: Vec<Problem> = Vec::new();
    let mut missing: Vec<Problem> = Vec::new();
    for need in needs {
        let answers: Vec<(Actor<'_>, Answer<'_>)> =
            actors.iter().map(|actor| (*actor, ask_need_within(*actor, *need, effort))).collect();
        if effort.is_spent() {
            gathering.add(unchecked(subject, actors, *need));
            break;
        }
        let is_denied =
            |answer: &Answer<'_>| matches!(answer.verdict, Verdict::ExplicitlyDenied | Verdict::ImplicitlyDenied);
        if !answers.iter().all(|(_, answer)| is_denied(answer)) {
            continue;
        }
        // As certain as the least certain of the roles: that one may do it after all.
        let mut problems: Vec<Problem> =
            answers.iter().filter_map(|(actor, answer)| problem(actor, *need, answer)).collect();
        problems.sort_by_key(|problem| problem.certainty);
        let Some(problem) = problems.into_iter().next().map(|problem| problem.at_most(at_most)) else {
            continue;
        };
        if problem.rule == &rules::PERMISSION_DENIED { denied.push(problem) } else { missing.push(problem) }
    }
    // The surest leads.
    denied.sort_by_key(|problem| std::cmp::Reverse(problem.certainty));
    let mut state = State::Holds;
    for (problems, broken) in [(denied, State::Broken), (missing, State::Unknown)] {
        let mut problems = problems.into_iter();
        if let Some(lead) = problems.next() {
            if !gathering.is_ignored(&lead) {
                let is_sure = lead.certainty == Certainty::Certain;
                state = state.and(if is_sure { broken } else { State::Unknown });
            }
            let notes = problems.map(Note::also).collect();
            gathering.add_finding(Finding { problem: lead, containers: Vec::new(), notes });
        }
    }
    state
}

/// The policies are too large to be checked for all that is declared.
fn unchecked(subject: Subject<'_>, actors: &[Actor<'_>], from: Need<'_>) -> Problem {
    let roles = actors.iter().take(3).map(|actor| actor.role.arn.rsplit('/').next().unwrap_or("")).collect();
    Problem::new(
        &rules::PERMISSION_UNCHECKED,
        PermissionCause::PoliciesTooLarge { account: subject.into(), roles },
        Advice::DeclareFewerNeeds,
    )
    .expected(Label::Expected, PermissionValue::CheckedWithinLimit)
    .found(Label::NotChecked, PermissionValue::NeedAndFollowing(from.into()))
}

/// The finding for a need that a role may not meet.
fn problem(actor: &Actor<'_>, need: Need<'_>, answer: &Answer<'_>) -> Option<Problem> {
    let (action, resources, ruling) = answer.deciding()?;
    let is_limited = |ruling: &Ruling<'_>| {
        ruling.verdict == Verdict::ExplicitlyDenied
            || ruling.exempt.is_some()
            || matches!(
                ruling.missing_in,
                Some(PolicyKind::Boundary | PolicyKind::Session | PolicyKind::ServiceControl)
            )
    };
    let limited = is_limited(ruling);
    // Of all that a pattern stands for the pod may need but one.
    let certain = answer.rulings.iter().all(|(.., ruling)| is_limited(ruling) && ruling.is_certain_denial());
    let role = RoleArn::parse(&actor.role.arn).map_or(&*actor.role.arn, |arn| arn.name);
    let subject = actor.subject;
    let rule = if limited { &rules::PERMISSION_DENIED } else { &rules::PERMISSION_MISSING };
    let resource = match resources {
        Resources::One(resource) => Some((*resource).into()),
        Resources::None | Resources::Some => None,
    };
    let hint = need
        .resource
        .filter(|resource| Arn::parse(resource).is_some())
        .zip(rolecall_actions::find(action))
        .filter(|(resource, action)| !action.takes_no_resource() && !action.fits_resource(resource))
        .and_then(|(_, action)| Some((action.resource_types().next()?.arn_patterns().next()?, action)))
        .map(|(pattern, action)| Remark::ActsOn { action: action.full_name().into(), pattern: pattern.into() })
        .or_else(|| permission::unlisted_key(action, ruling).map(Remark::UnlistedKey));
    Some(
        Problem::new(
            rule,
            PermissionCause::Denied {
                account: subject.into(),
                role: role.into(),
                action: action.as_str().into(),
                resource,
                is_certain: certain,
            },
            permission_fix(*actor, action, *resources, ruling),
        )
        .expected(Label::DeclaredNeed, PermissionValue::Need(need.into()))
        .found(Label::Found, PermissionValue::Denial(permission::denial(ruling)))
        .hint(hint)
        .about(&actor.role.arn, RolePart::Beyond)
        .at_most(if certain { Certainty::Certain } else { Certainty::Likely }),
    )
}

/// What lets a role do what it may not: a change of its policies, or another role where it is a protected one.
pub fn permission_fix(actor: Actor<'_>, action: &str, resources: Resources<'_>, ruling: &Ruling<'_>) -> Fix {
    let Actor { snapshot, role, subject, session } = actor;
    if snapshot.is_protected(&role.arn) {
        return fix::use_another_role(snapshot, subject, &role.arn);
    }
    let association = match session {
        Session::PodIdentity(association) => Some(fix::association_name(snapshot, subject, Some(association))),
        _ => None,
    };
    let mut fix = Fix::from(permission::fix_for(&role.arn, association, action, resources, ruling));
    if let Some(place) = snapshot.cluster.as_ref().and_then(|cluster| cluster.location()) {
        fix.mark_other_accounts(place.account);
    }
    fix
}

/// The node's role permits what a workload without an identity of its own declares.
fn overprivileged_node(scene: &Scene<'_, '_>, needs: &[Need<'_>]) -> Option<Problem> {
    if scene.fargate.is_some() {
        return None;
    }
    let snapshot = &scene.world.snapshot;
    let role: &Role = snapshot.role(snapshot.node_role()?)?;
    let actor = Actor { snapshot, role, subject: scene.subject, session: Session::Node };
    let answers: Vec<Answer<'_>> = needs.iter().map(|need| ask_need_within(actor, *need, scene.effort)).collect();
    let allowed = |answer: &Answer<'_>| answer.verdict == Verdict::Allowed;
    let is_granted = |answer: &Answer<'_>| answer.rulings.iter().any(|(.., ruling)| ruling.exempt.is_none());
    if !answers.iter().all(allowed) || !answers.iter().any(is_granted) {
        return None;
    }
    let name = RoleArn::parse(&role.arn).map_or(&*role.arn, |arn| arn.name);
    let permitting = answers.iter().flat_map(|answer| &answer.rulings).flat_map(|(.., ruling)| &ruling.deciding).next();
    Some(
        Problem::new(
            &rules::NODE_ROLE_OVERPRIVILEGED,
            PermissionCause::NodeRoleAllows { account: scene.subject.into(), role: name.into() },
            fix::create_association(snapshot, scene.subject).then(Advice::RemoveFromNodeRole(name.into())),
        )
        .about(&role.arn, RolePart::Beyond)
        .expected(Label::NodeRoleShouldAllow, PermissionValue::WhatNodeNeeds)
        .found(
            Label::AlsoAllows,
            PermissionValue::NeedsAllowedBy {
                needs: needs.iter().map(|need| NeedName::from(*need)).collect(),
                statement: permitting.map(Into::into),
            },
        ),
    )
}
