//! A typed view of the fields of a task definition that are checked (Amazon ECS API Reference, `RegisterTaskDefinition` and
//! `DescribeTaskDefinition`). Everything else is passed over, and texts are borrowed.

use serde::Deserialize;
use serde::de::Deserializer;

use crate::workload::list::list;
use crate::workload::{Container, EnvVar, Pairs, Text, ValueFrom};

/// A task definition, as `register-task-definition` takes it or `describe-task-definition` returns it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskDefinition<'a> {
    /// Absent before it is registered.
    #[serde(borrow)]
    pub task_definition_arn: Option<Text<'a>>,
    /// Its name.
    pub family: Option<Text<'a>>,
    /// Absent before it is registered.
    #[serde(deserialize_with = "revision")]
    pub revision: Option<u64>,
    /// The role of the containers: its name or its ARN.
    pub task_role_arn: Option<Text<'a>>,
    /// The role of the agent that starts the task: its name or its ARN.
    pub execution_role_arn: Option<Text<'a>>,
    /// `awsvpc`, `bridge`, `host` or `none`.
    pub network_mode: Option<Text<'a>>,
    /// The launch types for which ECS validates it.
    #[serde(deserialize_with = "list")]
    pub requires_compatibilities: Vec<Text<'a>>,
    /// The containers.
    #[serde(deserialize_with = "list")]
    pub container_definitions: Vec<ContainerDefinition<'a>>,
    /// Its tags.
    #[serde(deserialize_with = "list")]
    pub tags: Vec<Tag<'a>>,
}

/// A tag.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Tag<'a> {
    /// Its key.
    #[serde(borrow)]
    pub key: Text<'a>,
    /// Its value.
    pub value: Text<'a>,
}

/// A container of a task.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerDefinition<'a> {
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Its image.
    pub image: Option<Text<'a>>,
    /// The entry point.
    #[serde(deserialize_with = "list")]
    pub entry_point: Vec<Text<'a>>,
    /// Arguments.
    #[serde(deserialize_with = "list")]
    pub command: Vec<Text<'a>>,
    /// Variables in clear text.
    #[serde(deserialize_with = "list")]
    pub environment: Vec<NameAndValue<'a>>,
    /// Files in S3 with variables.
    #[serde(deserialize_with = "list")]
    pub environment_files: Vec<EnvironmentFile<'a>>,
    /// Variables from Secrets Manager and Parameter Store.
    #[serde(deserialize_with = "list")]
    pub secrets: Vec<SecretReference<'a>>,
    /// Credentials for a private registry.
    pub repository_credentials: Option<RepositoryCredentials<'a>>,
    /// Where the logs go.
    pub log_configuration: Option<LogConfiguration<'a>>,
    /// Labels of the container.
    pub docker_labels: Pairs<'a>,
}

/// A variable in clear text.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct NameAndValue<'a> {
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Its value.
    pub value: Option<Text<'a>>,
}

/// A file with variables.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct EnvironmentFile<'a> {
    /// ARN of an object in S3.
    #[serde(borrow)]
    pub value: Text<'a>,
}

/// A value from Secrets Manager or Parameter Store.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretReference<'a> {
    /// The variable or the option that gets it.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// The ARN of the secret, or the ARN or the name of the parameter.
    pub value_from: Text<'a>,
}

/// Credentials for a private registry.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RepositoryCredentials<'a> {
    /// ARN or name of a secret.
    #[serde(borrow)]
    pub credentials_parameter: Text<'a>,
}

/// Where the logs of a container go.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogConfiguration<'a> {
    /// `awslogs`, `awsfirelens` or another.
    #[serde(borrow)]
    pub log_driver: Text<'a>,
    /// Options with values from Secrets Manager or Parameter Store.
    #[serde(deserialize_with = "list")]
    pub secret_options: Vec<SecretReference<'a>>,
}

/// The revision; what is no number counts as absent, and so does 0, which a skeleton has.
fn revision<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(serde_json::Value::deserialize(deserializer)?.as_u64().filter(|revision| *revision > 0))
}

/// A text that is filled in: an empty one counts as absent, as `--generate-cli-skeleton` writes it.
fn filled<'t>(text: &'t Option<Text<'_>>) -> Option<&'t str> {
    text.as_ref().map(|text| text.as_str()).filter(|text| !text.is_empty())
}

impl<'a> TaskDefinition<'a> {
    /// The family; from the ARN where the field is absent.
    pub fn family(&self) -> Option<&str> {
        let of_arn = || {
            let (_, name) = self.arn()?.split_once(":task-definition/")?;
            Some(name.split(':').next().unwrap_or(name)).filter(|name| !name.is_empty())
        };
        filled(&self.family).or_else(of_arn)
    }

    /// `FAMILY`, or `FAMILY:REVISION` once it is registered; `?` where it has no family.
    pub fn display_name(&self) -> String {
        let family = self.family().unwrap_or("?");
        self.revision.map_or_else(|| family.to_owned(), |revision| format!("{family}:{revision}"))
    }

    /// Its ARN, once it is registered.
    pub fn arn(&self) -> Option<&str> {
        filled(&self.task_definition_arn)
    }

    /// The role of the containers, as written.
    pub fn task_role(&self) -> Option<&str> {
        filled(&self.task_role_arn)
    }

    /// The role of the agent, as written.
    pub fn execution_role(&self) -> Option<&str> {
        filled(&self.execution_role_arn)
    }

    /// Whether the tasks have no network, and so no credentials endpoint and no instance metadata.
    pub fn is_without_network(&self) -> bool {
        self.network_mode.as_ref().is_some_and(|mode| mode.as_str() == "none")
    }
}

impl<'a> ContainerDefinition<'a> {
    /// As much of the container as is read of the containers of pods too.
    pub fn as_container(&'a self) -> Container<'a> {
        let literal = self.environment.iter().map(|variable| EnvVar {
            name: variable.name.as_str().into(),
            value: variable.value.as_ref().map(|value| value.as_str().into()),
            value_from: None,
        });
        let secret = self.secrets.iter().map(|secret| EnvVar {
            name: secret.name.as_str().into(),
            value: None,
            value_from: Some(ValueFrom::default()),
        });
        let texts = |all: &'a [Text<'a>]| all.iter().map(|text| text.as_str().into()).collect();
        Container {
            name: self.name.as_str().into(),
            image: self.image.as_ref().map(|image| image.as_str().into()),
            command: texts(&self.entry_point),
            args: texts(&self.command),
            env: literal.chain(secret).collect(),
            env_from: Vec::new(),
            volume_mounts: Vec::new(),
        }
    }
}
