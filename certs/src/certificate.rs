//! A certificate with its key, ready to serve.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::Error;

/// A certificate with its key, ready to serve.
#[derive(Debug, Clone)]
pub struct Certificate {
    pub(super) certified: Arc<CertifiedKey>,
    /// When the leaf expires, in seconds since 1970.
    pub leaf_expires: i64,
    /// The CA that signed the leaf and that clients must trust; absent if only the chain is known.
    pub ca: Option<CertificateDer<'static>>,
    /// When the CA expires, in seconds since 1970; absent without `ca`.
    pub ca_expires: Option<i64>,
}

impl Certificate {
    /// Reads a chain, leaf first, its key, and the CA if it is known.
    ///
    /// # Errors
    /// If something is not PEM, or the key does not belong to the certificate.
    pub(super) fn from_pem(chain: &[u8], key: &[u8], ca: Option<&[u8]>) -> Result<Self, Error> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(Error::pem("the certificate is"))?;
        if chain.is_empty() {
            return Err(Error::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(Error::pem("the key is"))?;
        let ca = ca.and_then(|pem| CertificateDer::from_pem_slice(pem).ok()).filter(|ca| expiry(ca).is_ok());
        Self::new(chain, key, ca)
    }

    /// From a chain, leaf first.
    ///
    /// # Errors
    /// If the chain is empty, or the key does not belong to the certificate.
    pub(super) fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        ca: Option<CertificateDer<'static>>,
    ) -> Result<Self, Error> {
        let leaf_expires = expiry(chain.first().ok_or(Error::NoCertificate)?)?;
        let ca_expires = ca.as_ref().map(expiry).transpose()?;
        let certified = CertifiedKey::from_der(chain, key, &rustls::crypto::aws_lc_rs::default_provider())
            .map_err(Error::unusable("the certificate with its key"))?;
        Ok(Self { certified: Arc::new(certified), leaf_expires, ca, ca_expires })
    }

    /// The chain that is served, leaf first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }

    /// The CA in PEM.
    pub fn ca_pem(&self) -> Option<String> {
        self.ca.as_ref().map(|ca| super::issue::pem("CERTIFICATE", ca))
    }
}

fn expiry(certificate: &CertificateDer<'_>) -> Result<i64, Error> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate)?;
    Ok(parsed.validity().not_after.timestamp())
}
