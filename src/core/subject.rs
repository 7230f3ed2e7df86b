//! The service account that a pod runs as.

/// A service account: whose chain is resolved.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Namespace of the service account.
    pub namespace: &'a str,
    /// Name of the service account.
    pub service_account: &'a str,
}

impl Subject<'_> {
    /// The `sub` claim of its tokens (Kubernetes, "Managing Service Accounts").
    pub fn claim(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.service_account)
    }
}

impl std::fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.service_account)
    }
}
