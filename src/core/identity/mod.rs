//! Which identity each container gets: the SDKs' order over what is in its environment, or will be after injection.

mod env;
mod injector;
mod skip_containers;

pub use env::{CredentialEnv, ExpandedTexts, Value};
pub use injector::{
    Injection, Mechanism, OptOut, OptOuts, POD_IDENTITY_AUDIENCE, POD_IDENTITY_FOLDER, Written, is_pod_identity_token,
    predict,
};

/// What a container's SDK will find first.
///
/// The order is the one that AWS's SDKs share: static keys, web identity, container credentials, instance metadata (AWS SDKs
/// and Tools Reference Guide, "Standardized credential providers").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identity {
    /// `AWS_ACCESS_KEY_ID` with `AWS_SECRET_ACCESS_KEY`.
    StaticKeys,
    /// `AWS_ROLE_ARN` with `AWS_WEB_IDENTITY_TOKEN_FILE`.
    Irsa,
    /// `AWS_CONTAINER_CREDENTIALS_FULL_URI` or `_RELATIVE_URI`.
    PodIdentity,
    /// The task role of Amazon ECS, from the agent.
    TaskRole,
    /// The node's role, through instance metadata; the role of the container instance on Amazon ECS.
    Node,
    /// None: instance metadata is out of reach or disabled.
    None,
}

impl Identity {
    /// All of them, in the order in which an SDK tries what brings them.
    pub const ALL: [Self; 6] =
        [Self::StaticKeys, Self::Irsa, Self::PodIdentity, Self::TaskRole, Self::Node, Self::None];

    /// The name in JSON, annotations and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::StaticKeys => "static-keys",
            Self::Irsa => "irsa",
            Self::PodIdentity => "pod-identity",
            Self::TaskRole => "task-role",
            Self::Node => "node",
            Self::None => "none",
        }
    }

    /// What gives a service account this identity; `None` for one that no service account decides.
    pub fn mechanism(self) -> Option<Mechanism> {
        match self {
            Self::Irsa => Some(Mechanism::Irsa),
            Self::PodIdentity => Some(Mechanism::PodIdentity),
            Self::StaticKeys | Self::TaskRole | Self::Node | Self::None => None,
        }
    }

    /// What this environment leads to; `metadata` says whether instance metadata can be reached at all.
    pub fn of(env: &CredentialEnv<'_>, metadata: bool) -> Self {
        let set = |value: &Option<Value<'_>>| value.is_some_and(|value| value.is_set());
        let certain = |value: &Option<Value<'_>>| value.is_some_and(|value| value.is_certainly_set());
        if certain(&env.access_key_id) && certain(&env.secret_access_key) {
            Self::StaticKeys
        } else if set(&env.role_arn) && set(&env.token_file) {
            Self::Irsa
        } else if set(&env.full_uri) || set(&env.relative_uri) {
            Self::PodIdentity
        } else if metadata {
            Self::Node
        } else {
            Self::None
        }
    }
}
