//! What a judgement would rest on and the world does not have.

use super::World;

/// A namespace or a service account that is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unseen {
    /// The namespace of the object.
    pub namespace: String,
    /// Whether the namespace itself is not known.
    pub is_namespace_unseen: bool,
    /// The service account, where that is not known.
    pub service_account: Option<String>,
}

impl World {
    /// What is not known of these two; `None` where both are.
    pub fn unseen(&self, namespace: &str, service_account: &str) -> Option<Unseen> {
        let is_namespace_unseen = self.namespace(namespace).is_none();
        let is_unseen = !self.service_account(namespace, service_account).is_present();
        (is_namespace_unseen || is_unseen).then(|| Unseen {
            namespace: namespace.to_owned(),
            is_namespace_unseen,
            service_account: is_unseen.then(|| service_account.to_owned()),
        })
    }
}
