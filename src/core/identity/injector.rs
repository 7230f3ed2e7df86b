//! What AWS's injector does to a pod (amazon-eks-pod-identity-webhook, `pkg/handler/handler.go`): predicted for a template,
//! recognised on an admitted pod.

use std::borrow::Cow;
use std::collections::HashSet;

use super::Identity;
use super::env::{CredentialEnv, Value};
use super::skip_containers::skipped_containers;
use crate::cluster::Conventions;
use crate::workload::Workload;

/// Folder of the Pod Identity token.
pub const POD_IDENTITY_FOLDER: &str = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount";
/// File of the Pod Identity token.
const POD_IDENTITY_TOKEN: &str = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token";
/// The same as the injector writes it for Windows pods.
const POD_IDENTITY_TOKEN_ON_WINDOWS: &str =
    r"C:\var\run\secrets\pods.eks.amazonaws.com\serviceaccount\eks-pod-identity-token";
/// Audience of the Pod Identity token.
pub const POD_IDENTITY_AUDIENCE: &str = "pods.eks.amazonaws.com";
/// Address of the agent.
const AGENT_URI: &str = "http://169.254.170.23/v1/credentials";
/// The same in clusters whose pods have IPv6 addresses.
const AGENT_URI_IPV6: &str = "http://[fd00:ec2::23]/v1/credentials";

/// What the injector writes, besides what the service account decides.
#[derive(Debug, Clone, Copy)]
pub struct Written<'a> {
    /// The file of a web identity token.
    pub token_file: &'a str,
    /// The pod has the node selector by which the injector knows Windows pods.
    pub windows: bool,
    /// Pods have IPv6 addresses.
    pub ipv6: bool,
}

/// Whether a path is the token file that the injector names in `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`.
pub fn is_pod_identity_token(path: &str) -> bool {
    path == POD_IDENTITY_TOKEN || path == POD_IDENTITY_TOKEN_ON_WINDOWS
}

/// Which set of variables the injector adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// The service account is annotated.
    Irsa,
    /// The service account has an association, which wins.
    PodIdentity,
}

impl Mechanism {
    /// The token's file in the volume that it adds.
    pub fn token_file(self) -> &'static str {
        match self {
            Self::Irsa => "token",
            Self::PodIdentity => "eks-pod-identity-token",
        }
    }

    /// The identity of a container that has its variables.
    pub fn identity(self) -> Identity {
        match self {
            Self::Irsa => Identity::Irsa,
            Self::PodIdentity => Identity::PodIdentity,
        }
    }

    /// Whether SDKs exchange the token at STS themselves, by `sts:AssumeRoleWithWebIdentity`.
    pub fn uses_web_identity(self) -> bool {
        match self {
            Self::Irsa => true,
            Self::PodIdentity => false,
        }
    }

    /// Whether the service account's association names the role, so that EKS gives the credentials.
    pub fn uses_association(self) -> bool {
        match self {
            Self::Irsa => false,
            Self::PodIdentity => true,
        }
    }

    /// Name of the volume that it adds.
    pub fn volume(self) -> &'static str {
        match self {
            Self::Irsa => "aws-iam-token",
            Self::PodIdentity => "eks-pod-identity-token",
        }
    }
}

/// What the injector does to a container of its own accord.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Injection {
    /// The whole set is there.
    Complete,
    /// The container has variables of its own, so that nothing was added to them.
    Preset,
    /// Nothing of the set is there.
    Nothing,
}

impl Injection {
    /// What is there of a mechanism's set.
    pub fn found(env: &CredentialEnv<'_>, mechanism: Mechanism) -> Self {
        let there = match mechanism {
            Mechanism::Irsa => [env.role_arn, env.token_file],
            Mechanism::PodIdentity => [env.full_uri, env.authorization_token_file],
        };
        match there.iter().flatten().count() {
            0 => Self::Nothing,
            2 if there.iter().flatten().all(|value| value.is_set()) => Self::Complete,
            _ => Self::Preset,
        }
    }
}

/// Why the injector leaves a container alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptOut {
    /// The pod's label.
    Pod,
    /// The pod's annotation names the container.
    Container,
}

/// Which containers are opted out of injection; read once for all containers.
#[derive(Debug, Default)]
pub struct OptOuts<'a> {
    pod: bool,
    containers: HashSet<Cow<'a, str>>,
}

impl<'a> OptOuts<'a> {
    /// Reads a pod's label and annotation.
    pub fn of(workload: &Workload<'a>, conventions: &Conventions) -> Self {
        let metadata = workload.pod_metadata;
        let skipped = metadata.annotations.get(conventions.skip_containers_key());
        Self {
            pod: metadata.labels.get(conventions.skip_label_key()).is_some(),
            containers: skipped.map(skipped_containers).into_iter().flatten().collect(),
        }
    }

    /// Whether the whole pod is left alone.
    pub fn pod(&self) -> bool {
        self.pod
    }

    /// Why a container is left alone.
    pub fn of_container(&self, name: &str) -> Option<OptOut> {
        if self.pod { Some(OptOut::Pod) } else { self.containers.contains(name).then_some(OptOut::Container) }
    }
}

/// Adds the variables that the injector would add. Either variable of a pair keeps both away.
pub fn predict<'a>(env: &mut CredentialEnv<'a>, mechanism: Mechanism, role_arn: &'a str, written: Written<'a>) {
    if Injection::found(env, mechanism) != Injection::Nothing {
        return;
    }
    match mechanism {
        Mechanism::Irsa => {
            env.role_arn = Some(Value::Literal(role_arn));
            env.token_file = Some(Value::Literal(written.token_file));
        }
        Mechanism::PodIdentity => {
            env.full_uri = Some(Value::Literal(if written.ipv6 { AGENT_URI_IPV6 } else { AGENT_URI }));
            let file = if written.windows { POD_IDENTITY_TOKEN_ON_WINDOWS } else { POD_IDENTITY_TOKEN };
            env.authorization_token_file = Some(Value::Literal(file));
        }
    }
}
