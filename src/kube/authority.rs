//! Where replicas meet over their CAs: the Secret and the `caBundle`.

use k8s_openapi::api::core::v1::Secret;
use kube::Client;

use super::ca_bundle::{CaBundle, Registered};
use super::ca_secret::CaSecret;
use crate::certs::{Authorities, Certificates, Fault, Meeting};
use crate::config::ClusterConfig;

/// The Secret `rolecall-ca` and the ValidatingWebhookConfiguration.
pub struct InCluster {
    secret: CaSecret,
    bundle: CaBundle,
}

impl InCluster {
    /// Asks nothing yet.
    pub fn new(client: &Client, cluster: &ClusterConfig) -> Self {
        let namespace = cluster.own_namespace();
        let secret = CaSecret::new(client.clone(), &namespace);
        Self { secret, bundle: CaBundle::new(client.clone(), cluster, namespace) }
    }
}

impl Meeting for InCluster {
    type Held = Option<Secret>;
    type Registered = Registered;

    async fn registered(&self) -> Result<Option<(Registered, Certificates)>, Fault> {
        self.bundle.read().await
    }

    async fn held(&self) -> Result<(Option<Secret>, Authorities), Fault> {
        self.secret.read().await
    }

    async fn hold(&self, held: Option<Secret>, authorities: &Authorities) -> Result<(), Fault> {
        self.secret.write(held, authorities).await
    }

    async fn publish(&self, registered: &Registered, authorities: &Authorities) -> Result<bool, Fault> {
        self.bundle.write(registered, authorities).await
    }

    fn place(&self) -> String {
        self.bundle.place()
    }
}
