//! What a task definition writes as a role: an ARN, or a name, which ECS looks up in its account (Amazon ECS API Reference,
//! `RegisterTaskDefinition`).

use std::borrow::Cow;

use super::Home;

/// The fields of a task definition that name roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RoleField {
    /// `taskRoleArn`: the role of the containers.
    Task,
    /// `executionRoleArn`: the role of the agent that starts the task.
    Execution,
}

impl RoleField {
    /// The field's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Task => "taskRoleArn",
            Self::Execution => "executionRoleArn",
        }
    }
}

/// What a field has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleValue<'a> {
    /// An ARN, or a text that is none.
    Written(&'a str),
    /// The ARN of the role that a name stands for.
    Named(Cow<'a, str>),
    /// A name, of an account that is not known.
    NameOfUnknownAccount(&'a str),
}

impl<'a> RoleValue<'a> {
    /// Reads a field.
    pub fn of(text: &'a str, home: Home<'_>) -> Self {
        let name = text.strip_prefix('/').unwrap_or(text);
        // Only a text that can be a name, with or without its path, is looked up.
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "+=,.@_-/".contains(c));
        match (is_name, home.account) {
            (false, _) => Self::Written(text),
            (true, Some(account)) => Self::Named(format!("arn:{}:iam::{account}:role/{name}", home.partition).into()),
            (true, None) => Self::NameOfUnknownAccount(text),
        }
    }

    /// The ARN, or the text in its place.
    pub fn arn(&self) -> Option<&str> {
        match self {
            Self::Written(text) => Some(text),
            Self::Named(arn) => Some(arn),
            Self::NameOfUnknownAccount(_) => None,
        }
    }
}
