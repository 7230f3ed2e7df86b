//! The certificate that is served now.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificate::Certificate;
use super::{Observer, What};

/// The certificate that is served now. Another one counts for the handshakes to come; connections that stand are left alone.
#[derive(Debug)]
pub struct LiveCertificate {
    now: ArcSwap<Certificate>,
    /// Checks the certificates of clients; unset: clients need none.
    clients: OnceLock<Arc<dyn ClientCertVerifier>>,
}

impl LiveCertificate {
    /// Serves this one to begin with.
    pub fn new(certificate: Certificate) -> Arc<Self> {
        Arc::new(Self { now: ArcSwap::from_pointee(certificate), clients: OnceLock::new() })
    }

    /// The one that is served now.
    pub fn now(&self) -> Arc<Certificate> {
        self.now.load_full()
    }

    /// Serves another one from now on.
    pub fn replace(&self, certificate: Certificate, observer: &dyn Observer) {
        observer.serving(certificate.leaf_expires, certificate.ca_expires);
        let before = self.now.swap(Arc::new(certificate));
        let now = self.now.load();
        for (what, is_other) in [(What::Leaf, now.chain() != before.chain()), (What::Ca, now.ca != before.ca)] {
            if is_other {
                observer.rotated(what);
            }
        }
    }

    /// From now on only clients with a certificate may connect. Has no effect on configurations that were made before.
    pub fn require_clients(&self, verifier: Arc<dyn ClientCertVerifier>) {
        // The first one stays.
        let _ = self.clients.set(verifier);
    }

    /// A TLS configuration that serves it, for HTTP/2 and HTTP/1.1.
    pub fn server_config(self: &Arc<Self>) -> Arc<ServerConfig> {
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Self>::clone(self);
        let builder = match self.clients.get() {
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
        Some(Arc::clone(&self.now.load().certified))
    }
}
