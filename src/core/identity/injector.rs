//! What AWS's injector does to a pod (amazon-eks-pod-identity-webhook, `pkg/handler/handler.go`): predicted for a template,
//! recognised on an admitted pod.

use super::env::{CredentialEnv, Value};
use crate::cluster::Conventions;
use crate::workload::Workload;

/// Folder of the Pod Identity token.
const POD_IDENTITY_TOKEN: &str = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token";
/// Address of the agent.
const AGENT_URI: &str = "http://169.254.170.23/v1/credentials";

/// Which set of variables the injector adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// The service account is annotated.
    Irsa,
    /// The service account has an association, which wins.
    PodIdentity,
}

impl Mechanism {
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

/// Whether a person opted the container out.
pub fn opt_out(workload: &Workload<'_>, container: &str, conventions: &Conventions) -> Option<OptOut> {
    if workload.pod_metadata.labels.get(conventions.skip_label_key()).is_some() {
        return Some(OptOut::Pod);
    }
    let skipped = workload.pod_metadata.annotations.get(conventions.skip_containers_key())?;
    // One line of CSV; where it cannot be read, nothing is skipped.
    if skipped.contains('\n') || skipped.matches('"').count() % 2 == 1 {
        return None;
    }
    let names = skipped.split(',').map(|name| name.trim().trim_matches('"'));
    names.into_iter().any(|name| name == container).then_some(OptOut::Container)
}

/// Adds what the injector would add. Either variable of a pair keeps both away.
pub fn predict<'a>(env: &mut CredentialEnv<'a>, mechanism: Mechanism, role_arn: &'a str, token_file: &'a str) {
    if Injection::found(env, mechanism) != Injection::Nothing {
        return;
    }
    match mechanism {
        Mechanism::Irsa => {
            env.role_arn = Some(Value::Literal(role_arn));
            env.token_file = Some(Value::Literal(token_file));
        }
        Mechanism::PodIdentity => {
            env.full_uri = Some(Value::Literal(AGENT_URI));
            env.authorization_token_file = Some(Value::Literal(POD_IDENTITY_TOKEN));
        }
    }
}
