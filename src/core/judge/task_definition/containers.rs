//! The credentials of each container of a task (AWS SDKs and Tools Reference Guide, "Standardized credential providers"; Amazon
//! ECS Developer Guide, "Amazon ECS task IAM role").

use std::borrow::Cow;

use super::super::{JudgedContainer, other_credentials};
use super::fallback;
use super::roles::NamedRole;
use super::{FindPlaceholder, Scene};
use crate::chain::{State, fix};
use crate::ecs::{ContainerDefinition, RoleField};
use crate::finding::{Certainty, CredentialsValue, EcsCause, EcsValue, Label, Problem, StaticKeys};
use crate::fix::{Fix, PlaceholderIn, TaskDefinitionChange, UnresolvedValue};
use crate::identity::{CredentialEnv, ExpandedTexts, Identity, Value};
use crate::rules;
use crate::workload::{AwsUse, Container, other_store, uses_in};

/// A container, and what else its variables say.
pub(super) struct JudgedCredentials<'a> {
    pub(super) judged: JudgedContainer<'a>,
    /// What suggests that it calls AWS.
    pub(super) uses: Vec<AwsUse>,
    /// Other credentials may come before those of the agent or the instance: from a file, a profile or another endpoint.
    pub(super) may_bring_keys: bool,
    /// It does not ask for instance metadata.
    pub(super) disables_metadata: bool,
    /// What is wrong with them, or not known.
    pub(super) problem: Option<Problem>,
    /// A variable of credentials that is not known yet.
    pub(super) unresolved: Option<UnresolvedValue>,
}

pub(super) fn credentials<'a>(
    scene: &Scene<'a, '_>,
    task: &NamedRole<'a>,
    definition: &'a ContainerDefinition<'a>,
) -> JudgedCredentials<'a> {
    let container = definition.as_container();
    // ECS replaces no references in values.
    let expanded = ExpandedTexts::default();
    let env = CredentialEnv::of(&container, &expanded);
    let name = definition.name.as_str();
    let unresolved = placeholder(&container, scene.find_placeholder);
    let disables_metadata = env.disables_metadata();
    let has_metadata = scene.may_have_instance_role() && !disables_metadata;
    let of_agent = || match task.is_absent() {
        // Whether it reaches the agent without a network is not known.
        false if scene.definition.is_without_network() => {
            (Identity::TaskRole, task.arn(), task.state().and(State::Unknown))
        }
        false => (Identity::TaskRole, task.arn(), task.state()),
        true if has_metadata => {
            let role = fallback::instance_role(scene).map(|role| Cow::Borrowed(&*role.arn));
            (Identity::Node, role, State::Unknown)
        }
        true => (Identity::None, None, State::Unknown),
    };
    let first = Identity::of(&env, has_metadata);
    let may_bring_keys = !definition.environment_files.is_empty()
        || first == Identity::PodIdentity
        || other_credentials::may_bring_keys(&container);
    let mut problem = None;
    let (identity, role, chain) = match first {
        Identity::StaticKeys => {
            problem = Some(static_keys(scene, task, &container, &env, unresolved.is_some()));
            (Identity::StaticKeys, None, State::Unknown)
        }
        Identity::Irsa => {
            problem = Some(undecided("AWS_WEB_IDENTITY_TOKEN_FILE"));
            let role = env.role_arn.and_then(Value::literal).map(|arn| Cow::Owned(arn.to_owned()));
            (Identity::Irsa, role, State::Unknown)
        }
        Identity::PodIdentity => {
            problem = Some(undecided("AWS_CONTAINER_CREDENTIALS_FULL_URI"));
            let (identity, role, _) = of_agent();
            (identity, role, State::Unknown)
        }
        Identity::TaskRole | Identity::Node | Identity::None => of_agent(),
    };
    let judged = JudgedContainer { name, service_account: None, identity, role, chain };
    JudgedCredentials { judged, uses: uses_in(&container), may_bring_keys, disables_metadata, problem, unresolved }
}

/// A placeholder in a variable that decides which credentials an SDK takes.
fn placeholder(container: &Container<'_>, find: FindPlaceholder) -> Option<UnresolvedValue> {
    let decides = |name: &str| name.starts_with("AWS_") && !matches!(name, "AWS_REGION" | "AWS_DEFAULT_REGION");
    container.env.iter().filter(|variable| decides(variable.name.as_str())).find_map(|variable| {
        let found = find(variable.value.as_ref()?.as_str())?;
        let place = PlaceholderIn::Variable(variable.name.as_str().into());
        Some(UnresolvedValue::Placeholder { place, text: found.into() })
    })
}

fn static_keys(
    scene: &Scene<'_, '_>,
    task: &NamedRole<'_>,
    container: &Container<'_>,
    env: &CredentialEnv<'_>,
    is_unresolved: bool,
) -> Problem {
    let family = scene.subject.service_account;
    let remove = Fix::from(TaskDefinitionChange::RemoveKeys);
    let fix = match task.is_absent() {
        true => remove.then(TaskDefinitionChange::set_role(scene.subject, RoleField::Task, fix::ROLE_ARN)),
        false => remove,
    };
    let problem = Problem::new(&rules::STATIC_KEYS, EcsCause::StaticKeys { family: family.into() }, fix)
        .expected(Label::Expected, EcsValue::TaskRole);
    let is_literal = env.secret_access_key.and_then(Value::literal).is_some();
    let (problem, keys) = match other_store(container) {
        // The keys are that store's, and no identity of AWS.
        Some(endpoint) => (problem.at_most(Certainty::Undecided), StaticKeys::ForStore((&endpoint).into())),
        None if is_unresolved => (problem.at_most(Certainty::Likely), StaticKeys::Reference),
        None if is_literal => (problem, StaticKeys::ClearText),
        None => (problem, StaticKeys::Reference),
    };
    problem.found(Label::EnvironmentHas, CredentialsValue::StaticKeys(keys))
}

fn undecided(variable: &'static str) -> Problem {
    Problem::new(&rules::IDENTITY_UNDECIDED, EcsCause::OtherCredentials, TaskDefinitionChange::RemoveCredentials)
        .expected(Label::Expected, EcsValue::TaskRole)
        .found(Label::EnvironmentHas, EcsValue::Variable(variable))
}
