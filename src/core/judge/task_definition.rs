//! A task definition of Amazon ECS: which identity will its containers get, and do the chains of its two roles hold?

mod confused;
mod containers;
mod fallback;
mod roles;

use std::borrow::Cow;
use std::cell::OnceCell;

use super::exemptions::{AllOwnAnnotations, Holder};
use super::{Circumstances, EffectiveIdentity, Gathering, JudgedContainer, needs, own_names};
use crate::chain::{State, Subject};
use crate::ecs::{self, Home, LaunchTypes, RoleField, TaskDefinition};
use crate::effort::Effort;
use crate::finding::{Certainty, EcsCause, EcsValue, Finding, Label, Problem};
use crate::fix::{Change, TaskDefinitionChange, Text, UnresolvedValue};
use crate::identity::Identity;
use crate::permission::{Actor, Session};
use crate::rules;
use crate::snapshot::{Role, Snapshot};

use self::containers::{JudgedCredentials, credentials};
use self::roles::{NamedRole, field_doubt};

/// Finds what something else fills in before a task definition is registered.
pub type FindPlaceholder = fn(&str) -> Option<&str>;

/// A task definition, judged.
#[derive(Debug)]
pub struct JudgedTaskDefinition<'a> {
    /// Every container, in the order of the task definition.
    pub containers: Vec<JudgedContainer<'a>>,
    /// Most severe first.
    pub findings: Vec<Finding>,
    /// What its tags and labels hide.
    pub exempted: Vec<Finding>,
    /// Values that are not known yet.
    pub unresolved: Vec<UnresolvedValue>,
    /// Its account and its region are assumed, and it matters.
    pub is_home_assumed: bool,
}

/// What the parts of the judgement share.
struct Scene<'a, 's> {
    snapshot: &'a Snapshot,
    definition: &'a TaskDefinition<'a>,
    subject: Subject<'a>,
    home: Home<'a>,
    types: LaunchTypes,
    find_placeholder: FindPlaceholder,
    effort: &'s Effort,
    /// The role of the container instances, once it was looked for.
    instance_role: OnceCell<Option<&'a Role>>,
}

impl<'a, 's> Scene<'a, 's> {
    fn new(
        snapshot: &'a Snapshot,
        definition: &'a TaskDefinition<'a>,
        find_placeholder: FindPlaceholder,
        effort: &'s Effort,
    ) -> Self {
        Self {
            snapshot,
            definition,
            subject: Subject::of_task_definition(definition.family().unwrap_or("?")),
            home: Home::of(definition, snapshot),
            types: LaunchTypes::of(definition),
            find_placeholder,
            effort,
            instance_role: OnceCell::new(),
        }
    }

    /// Whether containers without a role may have that of the instance.
    fn may_have_instance_role(&self) -> bool {
        !self.definition.is_without_network() && self.types.may_have_instance_role()
    }
}

/// Judges a task definition. `find_placeholder` finds what something else fills in later.
pub fn judge_task_definition<'a>(
    snapshot: &'a Snapshot,
    definition: &'a TaskDefinition<'a>,
    find_placeholder: FindPlaceholder,
    circumstances: Circumstances,
) -> JudgedTaskDefinition<'a> {
    let effort = Effort::for_one_check();
    let scene = Scene::new(snapshot, definition, find_placeholder, &effort);
    let own = ecs::own_annotations(definition);
    let annotations =
        AllOwnAnnotations::gather(&[(Holder::TaskDefinition, Some(&own))], circumstances.exemptions, circumstances.now);
    let (declared, is_required) = (annotations.requires.clone(), annotations.identity_required.is_some());
    let mut gathering = Gathering::new(annotations);
    let [task, execution] = [RoleField::Task, RoleField::Execution].map(|field| NamedRole::of(&scene, field));
    let all: Vec<JudgedCredentials<'_>> =
        definition.container_definitions.iter().map(|one| credentials(&scene, &task, one)).collect();
    for one in &all {
        if let Some(problem) = &one.problem {
            gathering.add_for(one.judged.name, problem.clone());
        }
    }
    let mut containers: Vec<JudgedContainer<'a>> = all.iter().map(|one| one.judged.clone()).collect();

    // Containers with other credentials may work whatever becomes of the role.
    let takes_role = |one: &JudgedCredentials<'_>| one.judged.identity == Identity::TaskRole && !one.may_bring_keys;
    let is_used = containers.is_empty() || all.iter().any(takes_role);
    task.report(if is_used { Certainty::Certain } else { Certainty::Likely }, &mut gathering);
    execution.report(Certainty::Certain, &mut gathering);
    if let Some(problem) = no_network(&scene, &task).filter(|_| is_used) {
        gathering.add(problem);
    }
    let doubt = declared.iter().find_map(|text| field_doubt(&scene, "rolecall.dev/requires", text));
    let known = if doubt.is_some() { Vec::new() } else { needs::known_needs(scene.subject, &declared, &mut gathering) };
    if task.is_absent() {
        let wanted = fallback::Wanted { is_required, declared: &declared, is_doubtful: doubt.is_some() };
        if let Some((problem, is_instance_role)) = fallback::no_task_role(&scene, &all, &wanted) {
            match is_instance_role {
                true => gathering.add_of_node_role(problem),
                false => gathering.add(problem),
            }
        }
    }
    if execution.is_absent()
        && let Some(problem) = fallback::no_execution_role(&scene)
    {
        gathering.add(problem);
    }
    if let Some(actor) = task.actor(&scene)
        && !known.is_empty()
        && !containers.iter().any(|one| one.identity == Identity::StaticKeys)
    {
        // In another account the name may stand for another role.
        let is_guess = scene.home.is_assumed && task.is_by_name();
        let elsewhere = is_guess || !all.iter().all(takes_role);
        let at_most = if elsewhere { Certainty::Likely } else { Certainty::Certain };
        let state = needs::report(scene.subject, &[actor], &known, at_most, &effort, &mut gathering);
        for one in containers.iter_mut().filter(|one| one.identity == Identity::TaskRole) {
            one.chain = one.chain.and(state);
        }
    }
    if let Some(problem) = confused::problem(&scene, [&task, &execution], &known, &all) {
        gathering.add(problem);
    }
    let metadata = ecs::own_metadata(definition);
    let misspelled = own_names::problems(&metadata, || Holder::TaskDefinition.name(), false);
    misspelled.into_iter().for_each(|problem| gathering.add(problem));
    let is_home_assumed = scene.home.is_assumed && [&task, &execution].iter().any(|role| !role.is_absent());
    let unresolved = [task.unresolved(), execution.unresolved(), doubt].into_iter().flatten();
    let unresolved = unresolved.chain(all.iter().filter_map(|one| one.unresolved.clone())).collect();
    let gathered = gathering.gathered();
    let mut exempted = gathered.exempted;
    exempted.extend(gathered.self_exempted);
    JudgedTaskDefinition { containers, findings: gathered.findings, exempted, unresolved, is_home_assumed }
}

/// Tasks without a network have no connection to the outside, and the agent serves the credentials of the task role at a
/// link-local address (Amazon ECS API Reference, `RegisterTaskDefinition`; Amazon ECS Developer Guide, "Amazon ECS task IAM role").
/// AWS does not say that the one excludes the other.
fn no_network(scene: &Scene<'_, '_>, task: &NamedRole<'_>) -> Option<Problem> {
    if task.is_absent() || !scene.definition.is_without_network() {
        return None;
    }
    let family = || scene.subject.service_account.into();
    let (cause, fix) =
        (EcsCause::NoNetwork { family: family() }, TaskDefinitionChange::SetNetworkMode { family: family() });
    let problem = Problem::new(&rules::IDENTITY_UNDECIDED, cause, Change::from(fix));
    Some(
        problem
            .expected(Label::ContainersCanUse, EcsValue::TaskRole)
            .found(Label::TaskDefinitionHas, EcsValue::NetworkModeNone),
    )
}

/// The identity that the containers of a task definition get, and which of them have others.
pub fn effective_task_identity<'w>(
    snapshot: &'w Snapshot,
    definition: &'w TaskDefinition<'w>,
    find_placeholder: FindPlaceholder,
) -> EffectiveIdentity<'w> {
    let effort = Effort::unlimited();
    let scene = Scene::new(snapshot, definition, find_placeholder, &effort);
    let task = NamedRole::of(&scene, RoleField::Task);
    let all: Vec<JudgedCredentials<'_>> =
        definition.container_definitions.iter().map(|one| credentials(&scene, &task, one)).collect();
    let container = |one: &JudgedCredentials<'_>| Text::from(one.judged.name);
    let other = all.iter().filter_map(|one| Some((container(one), one.problem.clone()?)));
    let other_credentials: Vec<(Text, Problem)> = other.collect();
    let may_bring_keys = all.iter().filter(|one| one.may_bring_keys && one.problem.is_none()).map(container).collect();
    let only = |identity: Identity| !all.is_empty() && all.iter().all(|one| one.judged.identity == identity);
    let has_keys_only = only(Identity::StaticKeys);
    let has_nothing = all.iter().all(|one| matches!(one.judged.identity, Identity::None | Identity::StaticKeys));
    let plain = |identity| EffectiveIdentity {
        identity,
        role_arn: None,
        chain: State::Unknown,
        problems: Vec::new(),
        actor: None,
        assumed: false,
        undecided: None,
        other_credentials,
        may_bring_keys,
    };
    if has_keys_only {
        return plain(Identity::StaticKeys);
    }
    if !task.is_absent() {
        let unreached = no_network(&scene, &task);
        return EffectiveIdentity {
            role_arn: task.arn(),
            chain: if unreached.is_some() { task.state().and(State::Unknown) } else { task.state() },
            problems: task.problems().into_iter().chain(unreached).collect(),
            actor: task.actor(&scene),
            ..plain(Identity::TaskRole)
        };
    }
    if has_nothing && (!all.is_empty() || !scene.may_have_instance_role()) {
        let wanted = fallback::Wanted { is_required: false, declared: &[], is_doubtful: false };
        let problem = fallback::no_task_role(&scene, &all, &wanted).map(|(problem, _)| problem);
        return EffectiveIdentity { problems: problem.into_iter().collect(), ..plain(Identity::None) };
    }
    let role = fallback::instance_role(&scene);
    EffectiveIdentity {
        role_arn: role.map(|role| Cow::Borrowed(&*role.arn)),
        actor: role.map(|role| Actor { snapshot, role, subject: scene.subject, session: Session::Node }),
        ..plain(Identity::Node)
    }
}
