//! The certificate that is served now.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificate::Certificate;
use super::{CertificateKind, Observer};

/// The certificate that is served now. A new one applies to later handshakes; open connections continue.
#[derive(Debug)]
pub struct LiveCertificate {
    current: ArcSwap<Certificate>,
    /// Verifies the certificates of clients; unset if clients need none.
    client_verifier: OnceLock<Arc<dyn ClientCertVerifier>>,
}

impl LiveCertificate {
    /// Serves this certificate first.
    pub fn new(certificate: Certificate) -> Arc<Self> {
        Arc::new(Self { current: ArcSwap::from_pointee(certificate), client_verifier: OnceLock::new() })
    }

    /// The certificate that is served now.
    pub fn current(&self) -> Arc<Certificate> {
        self.current.load_full()
    }

    /// Serves another certificate from now on.
    pub fn replace(&self, certificate: Certificate, observer: &dyn Observer) {
        observer.serving(certificate.leaf_expires, certificate.ca_expires);
        let before = self.current.swap(Arc::new(certificate));
        let now = self.current.load();
        let changes =
            [(CertificateKind::Leaf, now.chain() != before.chain()), (CertificateKind::Ca, now.ca != before.ca)];
        for (kind, is_other) in changes {
            if is_other {
                observer.rotated(kind);
            }
        }
    }

    /// Only clients with a certificate may connect. Call it before [`Self::server_config`]; a second call has no effect.
    pub fn require_client_certificates(&self, verifier: Arc<dyn ClientCertVerifier>) {
        let _ = self.client_verifier.set(verifier);
    }

    /// A TLS configuration that serves this certificate, for HTTP/2 and HTTP/1.1.
    pub fn server_config(self: &Arc<Self>) -> Arc<ServerConfig> {
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Self>::clone(self);
        let builder = match self.client_verifier.get() {
            Some(verifier) => ServerConfig::builder().with_client_cert_verifier(Arc::clone(verifier)),
            None => ServerConfig::builder().with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

impl ResolvesServerCert for LiveCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.load().certified))
    }
}
