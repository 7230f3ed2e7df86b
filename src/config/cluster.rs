//! `cluster`

use serde::Deserialize;

use crate::sources::aws::InvalidField;

/// The cluster that `serve` runs in.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClusterConfig {
    /// Namespace of rolecall's own objects; absent: that of its pod, else `rolecall`.
    pub namespace: Option<String>,
    /// Name of the Service by which the API server calls.
    pub service: String,
    /// Name of the ValidatingWebhookConfiguration whose `caBundle` is kept.
    pub webhook_configuration: String,
    /// Name of the injector's MutatingWebhookConfiguration.
    pub injector_configuration: String,
    /// Milliseconds that a review waits for the event of a service account or namespace that is not known yet, before the
    /// API server is asked for it.
    pub grace_milliseconds: u64,
    /// Seconds after which a replica that collects and is not heard of is replaced.
    pub lease_seconds: u64,
    /// Bytes that one Secret takes of a published snapshot. Kubernetes allows 1 MiB for a whole Secret.
    pub secret_bytes: usize,
    /// Users besides Kubernetes' own controllers that create pods from workloads that exist, such as
    /// `system:serviceaccount:kruise-system:kruise-manager`. They count where a namespace enforces on workloads alone.
    pub controllers: Vec<String>,
    /// Hop limit of the nodes' instance metadata (IMDS). With 1, pods without a role get no credentials rather than the
    /// node's role, unless they use the node's network. Absent: what the snapshot says of the nodes, if anything.
    pub imds_hop_limit: Option<u32>,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            namespace: None,
            service: "rolecall".to_owned(),
            webhook_configuration: "rolecall".to_owned(),
            injector_configuration: "pod-identity-webhook".to_owned(),
            grace_milliseconds: 100,
            lease_seconds: 15,
            secret_bytes: 900 << 10,
            controllers: Vec::new(),
            imds_hop_limit: None,
        }
    }
}

impl ClusterConfig {
    /// Namespace of rolecall's own objects.
    pub fn own_namespace(&self) -> String {
        // Where a pod's service account is mounted (Kubernetes, "Accessing the Kubernetes API from a Pod").
        let mounted = || std::fs::read_to_string("/var/run/secrets/kubernetes.io/serviceaccount/namespace").ok();
        let found = self.namespace.clone().or_else(|| std::env::var("POD_NAMESPACE").ok()).or_else(mounted);
        let found = found.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        found.unwrap_or_else(|| "rolecall".to_owned())
    }

    pub(super) fn check(&self) -> Result<(), InvalidField> {
        InvalidField::check("cluster.graceMilliseconds", self.grace_milliseconds, 0..=2_000)?;
        InvalidField::check("cluster.leaseSeconds", self.lease_seconds, 5..=600)?;
        InvalidField::check("cluster.secretBytes", self.secret_bytes, 1..=1_000_000)
    }
}
