//! Where tasks run, and what that means for their roles (Amazon ECS Developer Guide, "IAM roles for Amazon ECS", "Amazon ECS
//! task execution IAM role" and "Amazon ECS launch types").

use super::{ContainerDefinition, TaskDefinition};

/// On what a task runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// `FARGATE`
    Fargate,
    /// `EXTERNAL`: ECS Anywhere.
    External,
    /// `MANAGED_INSTANCES`
    ManagedInstances,
    /// `EC2`
    Ec2,
}

/// The launch types for which a task definition is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchTypes {
    /// Those of `requiresCompatibilities`; empty where the field is absent or cannot be read.
    hosts: Vec<Host>,
    /// The field has a value that is none of AWS's.
    has_unknown: bool,
}

impl LaunchTypes {
    /// Those that a task definition asks for.
    pub fn of(definition: &TaskDefinition<'_>) -> Self {
        let mut types = Self { hosts: Vec::new(), has_unknown: false };
        for text in &definition.requires_compatibilities {
            let host = match text.as_str() {
                "FARGATE" => Host::Fargate,
                "EXTERNAL" => Host::External,
                "MANAGED_INSTANCES" => Host::ManagedInstances,
                "EC2" => Host::Ec2,
                _ => {
                    types.has_unknown = true;
                    continue;
                }
            };
            if !types.hosts.contains(&host) {
                types.hosts.push(host);
            }
        }
        types
    }

    /// The only launch type; `None` where there are several, or it is not known.
    pub fn only(&self) -> Option<Host> {
        match self.hosts.as_slice() {
            [host] if !self.has_unknown => Some(*host),
            _ => None,
        }
    }

    /// Whether tasks may run on instances that have a role of their own: EC2, also where no launch type is given.
    pub fn may_have_instance_role(&self) -> bool {
        self.has_unknown
            || self.hosts.is_empty()
            || self.hosts.iter().any(|host| matches!(host, Host::Ec2 | Host::ManagedInstances))
    }

    /// Whether ECS refuses to register a task definition whose agent needs an execution role and has none.
    fn refuses_without_execution_role(&self) -> bool {
        self.hosts.contains(&Host::Fargate)
    }

    /// Some tasks may run where the agent has no rights of its own.
    fn may_be_without_ec2(&self) -> bool {
        self.hosts.iter().any(|host| *host != Host::Ec2)
    }
}

/// For what the agent needs an execution role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExecutionRoleUse {
    /// `secrets` or `secretOptions`.
    Secrets,
    /// `repositoryCredentials`
    PrivateRegistry,
    /// `environmentFiles`
    EnvironmentFiles,
    /// The image is in a private repository of Amazon ECR.
    EcrImage,
    /// The log driver `awslogs`.
    Awslogs,
}

impl ExecutionRoleUse {
    /// What a container needs an execution role for, and whether a task without one certainly fails.
    pub fn of(container: &ContainerDefinition<'_>, types: &LaunchTypes) -> Vec<(Self, bool)> {
        let log = container.log_configuration.as_ref();
        let has_secrets = !container.secrets.is_empty() || log.is_some_and(|log| !log.secret_options.is_empty());
        let everywhere = [
            (has_secrets, Self::Secrets),
            (container.repository_credentials.is_some(), Self::PrivateRegistry),
            (!container.environment_files.is_empty(), Self::EnvironmentFiles),
        ];
        let is_private = container.image.as_ref().is_some_and(|image| is_private_ecr(image.as_str()));
        let off_ec2 = [
            (is_private, Self::EcrImage),
            (log.is_some_and(|log| log.log_driver.as_str() == "awslogs"), Self::Awslogs),
        ];
        let is_certain = types.refuses_without_execution_role();
        let everywhere = everywhere.into_iter().map(|(applies, needed)| (applies, needed, true));
        let off_ec2 =
            off_ec2.into_iter().map(|(applies, needed)| (applies && types.may_be_without_ec2(), needed, is_certain));
        let all = everywhere.chain(off_ec2);
        all.filter(|(applies, ..)| *applies).map(|(_, needed, is_certain)| (needed, is_certain)).collect()
    }
}

/// Whether an image is in a private repository of Amazon ECR: `ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME` (Amazon ECR User
/// Guide, "Amazon ECR private registry").
fn is_private_ecr(image: &str) -> bool {
    let host = image.split('/').next().unwrap_or(image);
    let Some((account, rest)) = host.split_once('.') else {
        return false;
    };
    rolecall_iam::is_account_id(account)
        && ["dkr.ecr.", "dkr.ecr-fips.", "dkr-ecr.", "dkr-ecr-fips."].iter().any(|prefix| rest.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_repository_is_known_by_its_host() {
        for image in [
            "111122223333.dkr.ecr.us-west-2.amazonaws.com/carts:1",
            "111122223333.dkr.ecr-fips.us-gov-west-1.amazonaws.com/carts",
            "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/carts@sha256:0",
            "111122223333.dkr-ecr.us-west-2.on.aws/carts",
        ] {
            assert!(is_private_ecr(image), "{image}");
        }
        for image in ["public.ecr.aws/x/y", "nginx", "", "docker.io/111122223333.dkr.ecr.x/y", "1.dkr.ecr.x/y"] {
            assert!(!is_private_ecr(image), "{image}");
        }
    }
}
