//! Rules on task definitions of Amazon ECS: their task role and their execution role.

use super::{Impact, Link, Rule, Trait};
use crate::certainty::Certainty;
use crate::level::Level;

/// A task definition has no task role, and its containers need AWS.
pub static ECS_TASK_ROLE_MISSING: Rule = Rule {
    name: "ecs-task-role-missing",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Assignment),
    traits: &[Trait::ReadsNeeds, Trait::OnNodeRole],
    page: include_str!("pages/ecs-task-role-missing.md"),
};

/// The task role does not let ECS tasks assume it.
pub static ECS_TASK_ROLE_TRUST: Rule = Rule {
    name: "ecs-task-role-trust",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Trust),
    traits: &[Trait::ChangesRole],
    page: include_str!("pages/ecs-task-role-trust.md"),
};

/// A task definition has no execution role, and starting its tasks needs one.
pub static ECS_EXECUTION_ROLE_MISSING: Rule = Rule {
    name: "ecs-execution-role-missing",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Assignment),
    traits: &[],
    page: include_str!("pages/ecs-execution-role-missing.md"),
};

/// The execution role does not let ECS tasks assume it.
pub static ECS_EXECUTION_ROLE_TRUST: Rule = Rule {
    name: "ecs-execution-role-trust",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Trust),
    traits: &[Trait::ChangesRole],
    page: include_str!("pages/ecs-execution-role-trust.md"),
};

/// A role is of another account than the task definition.
pub static ECS_ROLE_ACCOUNT: Rule = Rule {
    name: "ecs-role-account",
    aliases: &[],
    since: "0.1.0",
    level: Level::Chain,
    certainty: Certainty::Certain,
    impact: Impact::Availability,
    link: Some(Link::Role),
    traits: &[],
    page: include_str!("pages/ecs-role-account.md"),
};

/// Whether ECS can assume a role rests on something that a check cannot know.
pub static ECS_ROLE_TRUST_UNDECIDED: Rule = Rule {
    name: "ecs-role-trust-undecided",
    aliases: &[],
    since: "0.1.0",
    level: Level::Strict,
    certainty: Certainty::Undecided,
    impact: Impact::Availability,
    link: Some(Link::Trust),
    traits: &[Trait::ChangesRole],
    page: include_str!("pages/ecs-role-trust-undecided.md"),
};

/// The execution role has the permissions that the containers need, or the task role those of an execution role.
pub static ECS_ROLES_CONFUSED: Rule = Rule {
    name: "ecs-roles-confused",
    aliases: &[],
    since: "0.1.0",
    level: Level::Fallback,
    certainty: Certainty::Likely,
    impact: Impact::Availability,
    link: Some(Link::Assignment),
    traits: &[Trait::ReadsPolicies, Trait::ReadsNeeds],
    page: include_str!("pages/ecs-roles-confused.md"),
};

/// The rules of this file.
pub(super) static RULES: &[&Rule] = &[
    &ECS_TASK_ROLE_MISSING,
    &ECS_TASK_ROLE_TRUST,
    &ECS_EXECUTION_ROLE_MISSING,
    &ECS_EXECUTION_ROLE_TRUST,
    &ECS_ROLE_ACCOUNT,
    &ECS_ROLE_TRUST_UNDECIDED,
    &ECS_ROLES_CONFUSED,
];
