//! Where replicas share their CAs: the Secret and the `caBundle`.

use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use rolecall_certs::{CaStore, CertificateAuthorities, Certificates, StoreError};

use super::ca_bundle::{CaBundle, Registered};
use super::ca_secret::CaSecret;
use crate::config::ClusterConfig;

/// The Secret `rolecall-ca` and the ValidatingWebhookConfiguration.
pub struct ClusterCaStore {
    secret: CaSecret,
    bundle: CaBundle,
}

impl ClusterCaStore {
    /// Makes no call yet.
    pub fn new(client: &Client, cluster: &ClusterConfig) -> Self {
        let namespace = cluster.own_namespace();
        let secret = CaSecret::new(client.clone(), &namespace);
        Self { secret, bundle: CaBundle::new(client.clone(), cluster, namespace) }
    }
}

impl CaStore for ClusterCaStore {
    type Stored = Option<Secret>;
    type Published = Registered;

    async fn read_published(&self) -> Result<Option<(Registered, Certificates)>, StoreError> {
        self.bundle.read().await
    }

    async fn read_stored(&self) -> Result<(Option<Secret>, CertificateAuthorities), StoreError> {
        self.secret.read().await
    }

    async fn write_stored(
        &self,
        stored: Option<Secret>,
        authorities: &CertificateAuthorities,
    ) -> Result<(), StoreError> {
        self.secret.write(stored, authorities).await
    }

    async fn publish(&self, published: &Registered, authorities: &CertificateAuthorities) -> Result<bool, StoreError> {
        self.bundle.write(published, authorities).await
    }

    fn published_place(&self) -> String {
        self.bundle.place()
    }
}
