//! Certificates: how they come about, and how they change while the server runs.
//!
//! Three ways: files that others keep ([`Files`]), one that is made at the start ([`SelfSigned`]), and a CA of our own that
//! several replicas share ([`CaKeeper`]). All end in a [`LiveCertificate`], which new handshakes read.
//! Nothing here knows the clock or the Kubernetes API: the time is an argument, and what the cluster holds is handed in.

mod authority;
mod certificate;
mod clients;
mod files;
mod keeper;
mod live;
mod make;
mod self_signed;
mod signer;

pub use authority::{Authorities, Authority, read_bundle};
pub use certificate::Certificate;
pub use clients::client_verifier;
pub use files::Files;
pub use keeper::{CaKeeper, Certificates, Fault, Meeting};
pub use live::LiveCertificate;
pub use make::names;
pub use self_signed::SelfSigned;
pub use signer::{Rules, Signer};

/// Makes aws-lc-rs the process's cryptography. Must come first.
pub fn install_crypto_provider() {
    // Fails only where one is installed already, which then is the same.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// Tells the time in seconds since 1970.
pub type Clock = std::sync::Arc<dyn Fn() -> i64 + Send + Sync>;

/// What changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The certificate that is served.
    Leaf,
    /// The CA that signed it.
    Ca,
}

impl What {
    /// All, in the order of the metric's labels.
    pub const ALL: [Self; 2] = [Self::Leaf, Self::Ca];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Leaf => "leaf",
            Self::Ca => "ca",
        }
    }
}

/// What fails while the certificate that is there goes on being served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The files cannot be read, or do not fit each other.
    Files,
    /// The CA's Secret cannot be read or written, or holds something else.
    Secret,
    /// The `caBundle` cannot be read or written.
    Bundle,
    /// No certificate can be made.
    Leaf,
}

impl Trouble {
    /// All, in the order of the metric's labels.
    pub const ALL: [Self; 4] = [Self::Files, Self::Secret, Self::Bundle, Self::Leaf];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Secret => "secret",
            Self::Bundle => "bundle",
            Self::Leaf => "leaf",
        }
    }
}

/// Sees what becomes of certificates.
pub trait Observer: Send + Sync {
    /// A certificate is served from now on: when it expires, and its CA where that is known, in seconds since 1970.
    fn serving(&self, leaf_expires: i64, ca_expires: Option<i64>);
    /// One took the place of another.
    fn rotated(&self, what: What);
    /// Something failed.
    fn failed(&self, trouble: Trouble);
}

/// Says what goes wrong once, not at every attempt.
#[derive(Debug, Default)]
pub struct Complaint(Option<String>);

impl Complaint {
    /// Logs where it is another than the last.
    pub fn say(&mut self, message: String) {
        if self.0.as_ref() != Some(&message) {
            tracing::warn!(target: "rolecall::certificates", "{message}");
            self.0 = Some(message);
        }
    }

    /// All is well; logs where it was not.
    pub fn settle(&mut self, message: &str) {
        if self.0.take().is_some() {
            tracing::info!(target: "rolecall::certificates", "{message}");
        }
    }
}
