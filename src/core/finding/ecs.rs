//! What is wrong with a task definition of Amazon ECS, as data.
#![expect(missing_docs, reason = "the sentences of `rolecall-message` say what each variant means")]

use crate::ecs::{ExecutionRoleUse, Host, RoleField};
use crate::fix::Text;

/// What is wrong with a task definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EcsCause {
    NoTaskRole {
        family: Text,
        why: TaskRoleNeed,
        to: TaskFallback,
    },
    NoExecutionRole {
        family: Text,
        is_certain: bool,
    },
    StaticKeys {
        family: Text,
    },
    /// Variables bring other credentials than those of the task role.
    OtherCredentials,
    /// The execution role allows what the containers need, and they cannot use it.
    NeedsOfExecutionRole {
        family: Text,
        role: Text,
    },
    /// The containers have a role that allows no more than an execution role needs.
    TaskRoleIsForExecution {
        family: Text,
        role: Text,
    },
    /// The tasks have no network, and the agent serves the credentials of the task role over it.
    NoNetwork {
        family: Text,
    },
    /// A role is given by its name, and it is not known in which account.
    AccountUnknown {
        family: Text,
        field: RoleField,
    },
}

/// Why a task role is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskRoleNeed {
    /// `rolecall.dev/identity: required`
    Required,
    /// Needs are declared, or there is evidence of them.
    Needs,
    /// The level expects one for every task.
    Level,
}

/// What containers without a task role use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskFallback {
    /// The role of the container instance, where that is the launch type; its name where it is known.
    InstanceRole(Option<Text>),
    /// Nothing, on this launch type.
    NothingOn(Host),
    /// Nothing: no launch type of the task definition has a role.
    Nothing,
    /// Nothing: the tasks have no network.
    NoNetwork,
    /// `AWS_EC2_METADATA_DISABLED` is true.
    MetadataDisabled,
}

/// Why ECS cannot assume a role for a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EcsRefusal {
    OtherAccount,
    OtherPartition,
    TrustService,
    TrustAction,
    TrustKey { key: Text },
}

/// A value of a task definition, or of what ECS sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EcsValue {
    /// The task definition does not have the field.
    NoField(RoleField),
    /// The value of `networkMode` for tasks without a network.
    NetworkModeNone,
    /// An identity of the task.
    TaskRole,
    /// What each container needs an execution role for.
    Uses(Box<[(Text, ExecutionRoleUse)]>),
    /// A value of which only the beginning is documented.
    BeginsWith(Text),
    /// The variable that brings other credentials.
    Variable(&'static str),
    /// The only policy of a role.
    OnlyPolicy(Text),
    /// More than the policy of an execution role.
    OtherPolicies,
}

/// What a role is for that ECS tasks cannot assume, as its trust policy shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherTrust {
    Ec2,
    EcsService,
    Ssm,
    Lambda,
    PodIdentity,
    EksService,
    Irsa,
}
