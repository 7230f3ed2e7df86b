//! Certificates of clients: with `--client-ca` only the API server may call.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

/// Accepts clients whose certificate is signed by a CA in this file (PEM).
///
/// # Errors
/// Where the file cannot be read, or has no CA that can be used.
pub fn client_verifier(path: &Path) -> anyhow::Result<Arc<dyn ClientCertVerifier>> {
    let pem = std::fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    verifier(&pem).with_context(|| path.display().to_string())
}

fn verifier(pem: &[u8]) -> anyhow::Result<Arc<dyn ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|e| anyhow::anyhow!("not PEM: {e}"))?;
        roots.add(certificate).map_err(|e| anyhow::anyhow!("a certificate cannot be used as a CA: {e}"))?;
    }
    if roots.is_empty() {
        bail!("no certificate in it");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    builder.build().map_err(|e| anyhow::anyhow!("cannot be used to check clients: {e}"))
}

#[cfg(test)]
mod tests {
    use super::verifier;

    #[test]
    fn what_is_no_ca_is_refused() {
        for (pem, why) in [
            ("", "no certificate"),
            ("nothing", "no certificate"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be used"),
            ("-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n", "not PEM"),
        ] {
            let error = format!("{:#}", verifier(pem.as_bytes()).unwrap_err());
            assert!(error.contains(why), "{pem}: {error}");
        }
    }
}
