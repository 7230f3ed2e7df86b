//! The Secret that holds the CAs.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use rolecall_certs::{CertificateAuthorities, StoreError};

use super::client::explain;

/// Its name.
const NAME: &str = "rolecall-ca";
const CERTIFICATES: &str = "ca.crt";
const KEYS: &str = "ca.key";

/// The Secret that holds the CAs: all that is trusted in `ca.crt`, the keys in `ca.key`.
pub(super) struct CaSecret {
    api: Api<Secret>,
    namespace: String,
}

impl CaSecret {
    pub(super) fn new(client: Client, namespace: &str) -> Self {
        Self { api: Api::namespaced(client, namespace), namespace: namespace.to_owned() }
    }

    /// Reads it. No CAs where there is none, or nothing in it.
    pub(super) async fn read(&self) -> Result<(Option<Secret>, CertificateAuthorities), StoreError> {
        let secret = self.api.get_opt(NAME).await.map_err(|error| self.error(&error))?;
        let data = secret.as_ref().and_then(|secret| secret.data.as_ref());
        let part =
            |name: &str| data.and_then(|data| data.get(name)).map(|bytes| bytes.0.as_slice()).unwrap_or_default();
        let authorities = CertificateAuthorities::parse(part(CERTIFICATES), part(KEYS)).map_err(|error| {
            let (place, error) = (self.place(), error.with_causes());
            StoreError::Other(format!("{place}: {error}; delete it; rolecall creates it again without interruption"))
        })?;
        Ok((secret, authorities))
    }

    /// Writes it, where it is still as it was read.
    pub(super) async fn write(
        &self,
        held: Option<Secret>,
        authorities: &CertificateAuthorities,
    ) -> Result<(), StoreError> {
        let (certificates, keys) = authorities.to_pem();
        let is_new = held.is_none();
        let mut secret = held.unwrap_or_else(template);
        let data = secret.data.get_or_insert_default();
        data.insert(CERTIFICATES.to_owned(), ByteString(certificates.into_bytes()));
        data.insert(KEYS.to_owned(), ByteString(keys.into_bytes()));
        let parameters = PostParams::default();
        let written = if is_new {
            self.api.create(&parameters, &secret).await
        } else {
            // It carries the resourceVersion that was read.
            self.api.replace(NAME, &parameters, &secret).await
        };
        written.map(drop).map_err(|error| match error {
            kube::Error::Api(status) if status.code == 409 || (status.code == 404 && !is_new) => StoreError::Conflict,
            error => self.error(&error),
        })
    }

    fn place(&self) -> String {
        format!("Secret {}/{NAME}", self.namespace)
    }

    fn error(&self, error: &kube::Error) -> StoreError {
        StoreError::Other(format!("{}: {}", self.place(), explain(error)))
    }
}

fn template() -> Secret {
    let labels = [("app.kubernetes.io/name", "rolecall"), ("app.kubernetes.io/managed-by", "rolecall")];
    let labels: BTreeMap<String, String> = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let metadata = ObjectMeta { name: Some(NAME.to_owned()), labels: Some(labels), ..ObjectMeta::default() };
    Secret { metadata, type_: Some("Opaque".to_owned()), ..Secret::default() }
}
