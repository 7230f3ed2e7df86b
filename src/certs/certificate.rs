//! A certificate with its key, ready to serve.

use std::sync::Arc;

use anyhow::{Context, bail};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// A certificate with its key, ready to serve.
#[derive(Debug, Clone)]
pub struct Certificate {
    pub(super) certified: Arc<CertifiedKey>,
    /// When it expires, in seconds since 1970.
    pub leaf_expires: i64,
    /// The CA that signed it, where that is known: what clients must trust.
    pub ca: Option<CertificateDer<'static>>,
    /// When that expires.
    pub ca_expires: Option<i64>,
}

impl Certificate {
    /// Reads a chain, leaf first, its key, and the CA where that is known.
    ///
    /// # Errors
    /// Where something is no PEM, or key and certificate do not fit.
    pub(super) fn from_pem(chain: &[u8], key: &[u8], ca: Option<&[u8]>) -> anyhow::Result<Self> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|e| anyhow::anyhow!("the certificate is not PEM: {e}"))?;
        if chain.is_empty() {
            bail!("the certificate file holds no certificate");
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|e| anyhow::anyhow!("the key is not PEM: {e}"))?;
        let ca = ca.and_then(|pem| CertificateDer::from_pem_slice(pem).ok()).filter(|ca| expiry(ca).is_ok());
        Self::new(chain, key, ca)
    }

    /// From a chain, leaf first.
    ///
    /// # Errors
    /// Where key and certificate do not fit, or cannot be used.
    pub(super) fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        ca: Option<CertificateDer<'static>>,
    ) -> anyhow::Result<Self> {
        let leaf = chain.first().context("there is no certificate")?;
        let leaf_expires = expiry(leaf)?;
        let ca_expires = ca.as_ref().map(expiry).transpose()?;
        let certified = CertifiedKey::from_der(chain, key, &rustls::crypto::aws_lc_rs::default_provider())
            .map_err(|e| anyhow::anyhow!("certificate and key cannot be used: {e}"))?;
        Ok(Self { certified: Arc::new(certified), leaf_expires, ca, ca_expires })
    }

    /// The chain that is served, leaf first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }

    /// The CA in PEM.
    pub fn ca_pem(&self) -> Option<String> {
        self.ca.as_ref().map(|ca| super::make::pem("CERTIFICATE", ca))
    }
}

fn expiry(certificate: &CertificateDer<'_>) -> anyhow::Result<i64> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate)
        .map_err(|e| anyhow::anyhow!("the certificate cannot be read: {e}"))?;
    Ok(parsed.validity().not_after.timestamp())
}
