//! The `caBundle` of the ValidatingWebhookConfiguration: read, and written where it differs. Nothing else of it is touched.

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{ValidatingWebhook, ValidatingWebhookConfiguration};
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use rolecall_certs::{CertificateAuthorities, Certificates, StoreError, read_bundle};
use serde_json::{Value, json};

use super::client::explain;
use crate::config::ClusterConfig;

/// The `caBundle` of the webhooks that call this program.
pub(super) struct CaBundle {
    api: Api<ValidatingWebhookConfiguration>,
    name: String,
    namespace: String,
    service: String,
}

/// A webhook that calls this program, as it was read.
struct Hook {
    index: usize,
    name: String,
    bundle: Option<ByteString>,
    trusted: Certificates,
}

/// The registration, as it was read.
pub struct Registered {
    version: Option<String>,
    hooks: Vec<Hook>,
}

impl Registered {
    /// What all of the webhooks trust.
    fn by_all(&self) -> Certificates {
        let mut trusted = self.hooks.first().map(|hook| hook.trusted.clone()).unwrap_or_default();
        trusted.retain(|certificate| self.hooks.iter().all(|hook| hook.trusted.contains(certificate)));
        trusted
    }

    /// What makes the webhooks trust these, and does nothing where anything has changed meanwhile. `None`
    /// where they do already.
    fn patch(&self, authorities: &CertificateAuthorities) -> Option<Value> {
        let bundle = ByteString(authorities.bundle().into_bytes());
        let mut operations = vec![json!({"op": "test", "path": "/metadata/resourceVersion", "value": self.version})];
        for hook in self.hooks.iter().filter(|hook| !authorities.matches(&hook.trusted)) {
            let place = format!("/webhooks/{}", hook.index);
            operations.push(json!({"op": "test", "path": format!("{place}/name"), "value": hook.name}));
            let operation = if hook.bundle.is_some() { "replace" } else { "add" };
            let path = format!("{place}/clientConfig/caBundle");
            operations.push(json!({"op": operation, "path": path, "value": bundle}));
        }
        (operations.len() > 1).then_some(Value::Array(operations))
    }
}

impl CaBundle {
    pub(super) fn new(client: Client, cluster: &ClusterConfig, namespace: String) -> Self {
        Self {
            api: Api::all(client),
            name: cluster.webhook_configuration.clone(),
            namespace,
            service: cluster.service.clone(),
        }
    }

    /// Reads it, and what all of its webhooks trust. `None`: there is no such configuration.
    pub(super) async fn read(&self) -> Result<Option<(Registered, Certificates)>, StoreError> {
        let Some(found) = self.api.get_opt(&self.name).await.map_err(|error| self.error(&error))? else {
            return Ok(None);
        };
        let webhooks = found.webhooks.unwrap_or_default();
        let hooks: Vec<Hook> =
            webhooks.into_iter().enumerate().filter_map(|(index, hook)| self.ours(index, hook)).collect();
        if hooks.is_empty() {
            let (place, namespace, service) = (self.place(), &self.namespace, &self.service);
            return Err(StoreError::Other(format!(
                "{place}: no webhook of it calls Service {namespace}/{service} or a URL"
            )));
        }
        let registered = Registered { version: found.metadata.resource_version, hooks };
        let trusted = registered.by_all();
        Ok(Some((registered, trusted)))
    }

    /// Makes the webhooks trust these. Whether there was something to do.
    pub(super) async fn write(
        &self,
        registered: &Registered,
        authorities: &CertificateAuthorities,
    ) -> Result<bool, StoreError> {
        let Some(operations) = registered.patch(authorities) else {
            return Ok(false);
        };
        let patch = serde_json::from_value(operations).map_err(|error| StoreError::Other(error.to_string()))?;
        let patched = self.api.patch(&self.name, &PatchParams::default(), &Patch::Json::<()>(patch)).await;
        patched.map(|_| true).map_err(|error| match error {
            // A test of the patch that fails is 422.
            kube::Error::Api(status) if [404, 409, 422].contains(&status.code) => StoreError::Conflict,
            error => self.error(&error),
        })
    }

    /// How messages name it.
    pub(super) fn place(&self) -> String {
        format!("ValidatingWebhookConfiguration {}", self.name)
    }

    fn ours(&self, index: usize, hook: ValidatingWebhook) -> Option<Hook> {
        let client = hook.client_config;
        let is_ours = match &client.service {
            Some(service) => service.namespace == self.namespace && service.name == self.service,
            None => client.url.is_some(),
        };
        let trusted = client.ca_bundle.as_ref().and_then(|bundle| read_bundle(&bundle.0).ok()).unwrap_or_default();
        is_ours.then_some(Hook { index, name: hook.name, bundle: client.ca_bundle, trusted })
    }

    fn error(&self, error: &kube::Error) -> StoreError {
        StoreError::Other(format!("{}: {}", self.place(), explain(error)))
    }
}
