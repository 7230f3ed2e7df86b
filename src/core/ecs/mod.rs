//! Task definitions of Amazon ECS: what they say of roles, of where their tasks run, and of what they need.

mod definition;
mod home;
mod launch;
mod needs;
mod role_value;

pub use definition::{
    ContainerDefinition, EnvironmentFile, LogConfiguration, NameAndValue, RepositoryCredentials, SecretReference, Tag,
    TaskDefinition,
};
pub use home::Home;
pub use launch::{ExecutionRoleUse, Host, LaunchTypes};
pub use needs::{own_annotations, own_metadata};
pub use role_value::{RoleField, RoleValue};
