#![doc = include_str!("../README.md")]

mod authorities;
mod certificate;
mod clients;
mod error;
mod files;
mod issue;
mod live;
mod log_once;
mod manager;
mod self_signed;
mod signer;

pub use authorities::{CertificateAuthorities, CertificateAuthority, read_bundle};
pub use certificate::Certificate;
pub use clients::client_verifier;
pub use error::Error;
pub use files::CertificateFiles;
pub use issue::service_names;
pub use live::LiveCertificate;
pub use manager::{CaManager, CaStore, Certificates, StoreError};
pub use self_signed::SelfSigned;
pub use signer::{Lifetimes, Signer};

/// Makes aws-lc-rs the cryptography of this process. Call it before any TLS configuration is built.
pub fn install_crypto_provider() {
    // Fails only if one is installed already, which then is the same.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// Returns the time in seconds since 1970.
pub type Clock = std::sync::Arc<dyn Fn() -> i64 + Send + Sync>;

/// The two certificates that are replaced over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateKind {
    /// The certificate that is served.
    Leaf,
    /// The CA that signed it.
    Ca,
}

impl CertificateKind {
    /// Both, in the order of the metric's labels.
    pub const ALL: [Self; 2] = [Self::Leaf, Self::Ca];

    /// The label in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Leaf => "leaf",
            Self::Ca => "ca",
        }
    }
}

/// What can fail while the earlier certificate is still served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The files cannot be read, or the key does not belong to the certificate.
    Files,
    /// The stored CAs (in Kubernetes a Secret) cannot be read or written, or are something else.
    Secret,
    /// The published CAs (in Kubernetes the `caBundle`) cannot be read or written.
    Bundle,
    /// No leaf can be created.
    Leaf,
}

impl Failure {
    /// All, in the order of the metric's labels.
    pub const ALL: [Self; 4] = [Self::Files, Self::Secret, Self::Bundle, Self::Leaf];

    /// The label in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Secret => "secret",
            Self::Bundle => "bundle",
            Self::Leaf => "leaf",
        }
    }
}

/// Receives what happens to certificates, for metrics.
pub trait Observer: Send + Sync {
    /// A certificate is served from now on: when it expires, and its CA if it is known, in seconds since 1970.
    fn serving(&self, leaf_expires: i64, ca_expires: Option<i64>);
    /// A certificate was replaced by another.
    fn rotated(&self, kind: CertificateKind);
    /// An attempt failed.
    fn failed(&self, failure: Failure);
}
