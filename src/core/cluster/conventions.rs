//! What a cluster's injector is set to. On EKS these are constants; kOps, ROSA and self-hosted injectors differ
//! (amazon-eks-pod-identity-webhook, `main.go` flags).

use super::identity_selector::IdentitySelector;

/// Settings of the injector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conventions {
    /// Prefix of its annotations and labels: `--annotation-prefix`.
    pub annotation_prefix: String,
    /// Audience of web identity tokens where the service account names none: `--token-audience`.
    pub audience: String,
    /// Folder where it mounts web identity tokens: `--token-mount-path`.
    pub token_mount_path: String,
    /// The hop limit of the nodes' instance metadata (IMDS), where the operator states it.
    pub imds_hop_limit: Option<u32>,
    /// Pods that the operator requires to have an identity.
    pub require_identity: Vec<IdentitySelector>,
    keys: Keys,
}

/// The annotation keys, put together once.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Keys {
    role_arn: String,
    audience: String,
    token_expiration: String,
    skip_containers: String,
    skip_label: String,
}

impl Conventions {
    /// Conventions with this prefix, audience and mount path.
    pub fn new(annotation_prefix: &str, audience: &str, token_mount_path: &str) -> Self {
        let key = |name: &str| format!("{annotation_prefix}/{name}");
        Self {
            annotation_prefix: annotation_prefix.to_owned(),
            audience: audience.to_owned(),
            token_mount_path: token_mount_path.trim_end_matches('/').to_owned(),
            imds_hop_limit: None,
            require_identity: Vec::new(),
            keys: Keys {
                role_arn: key("role-arn"),
                audience: key("audience"),
                token_expiration: key("token-expiration"),
                skip_containers: key("skip-containers"),
                skip_label: key("skip-pod-identity-webhook"),
            },
        }
    }

    /// Annotation of a service account: the role.
    pub fn role_arn_key(&self) -> &str {
        &self.keys.role_arn
    }

    /// Annotation of a service account: the token's audience.
    pub fn audience_key(&self) -> &str {
        &self.keys.audience
    }

    /// Annotation of a service account or pod: seconds until the token expires.
    pub fn token_expiration_key(&self) -> &str {
        &self.keys.token_expiration
    }

    /// Annotation of a pod: containers that are left alone, separated by commas.
    pub fn skip_containers_key(&self) -> &str {
        &self.keys.skip_containers
    }

    /// Label of a pod that the injector is not asked about.
    pub fn skip_label_key(&self) -> &str {
        &self.keys.skip_label
    }
}

impl Default for Conventions {
    /// As on EKS.
    fn default() -> Self {
        Self::new("eks.amazonaws.com", "sts.amazonaws.com", "/var/run/secrets/eks.amazonaws.com/serviceaccount")
    }
}
