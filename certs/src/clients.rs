//! Certificates of clients.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::Error;

/// Accepts clients whose certificate is signed by a CA in this file (PEM).
///
/// # Errors
/// If the file cannot be read, or has no CA that can be used.
pub fn client_verifier(path: &Path) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let pem = std::fs::read(path).map_err(Error::file(path, "read"))?;
    verifier(&pem).map_err(|error| error.at(path.display().to_string()))
}

fn verifier(pem: &[u8]) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(Error::pem("it is"))?;
        roots.add(certificate).map_err(Error::unusable("a certificate"))?;
    }
    if roots.is_empty() {
        return Err(Error::NoCertificate);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    builder.build().map_err(Error::unusable("the CA"))
}

#[cfg(test)]
mod tests {
    use super::verifier;

    #[test]
    fn refuses_what_is_not_a_ca() {
        for (pem, why) in [
            ("", "no certificate"),
            ("nothing", "no certificate"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be used"),
            ("-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n", "not PEM"),
        ] {
            let error = verifier(pem.as_bytes()).unwrap_err().with_causes();
            assert!(error.contains(why), "{pem}: {error}");
        }
    }
}
