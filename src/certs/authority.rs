//! The CAs that replicas share: what the Secret holds, and how that changes as time goes by.
//!
//! It is a list. A CA is added when the newest has less than a third of its life left, and goes when it has expired; that
//! is all that is ever written. Which one signs, each replica decides for itself (`signer.rs`), by what it has seen
//! published; so there is nothing to hand over, and nothing that two replicas could disagree on.

use std::sync::Arc;

use rcgen::{KeyPair, PublicKeyData};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::certificate::X509Certificate;

use super::make;

/// How many of those that were there before are kept where the Secret is created again.
const KEPT: usize = 4;

/// A CA: its certificate, and its key where replicas may sign with it.
#[derive(Debug, Clone)]
pub struct Authority {
    certificate: CertificateDer<'static>,
    key: Option<Arc<KeyPair>>,
    /// Valid from then on, in seconds since 1970.
    pub from: i64,
    /// Valid until then.
    pub until: i64,
}

impl Authority {
    fn make(now: i64, life: i64) -> anyhow::Result<Self> {
        let (certificate, key) = make::ca(now, now.saturating_add(life))?;
        let mut made = Self::read(certificate).map_err(anyhow::Error::msg)?;
        made.key = Some(Arc::new(key));
        Ok(made)
    }

    fn read(certificate: CertificateDer<'static>) -> Result<Self, String> {
        let parsed = parse(&certificate)?;
        if !parsed.is_ca() {
            return Err(format!("{} is not the certificate of a CA", parsed.subject()));
        }
        let (from, until) = (parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp());
        Ok(Self { certificate, key: None, from, until })
    }

    /// Its certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    pub(super) fn key(&self) -> Option<&KeyPair> {
        self.key.as_deref()
    }

    pub(super) fn can_sign(&self, now: i64) -> bool {
        self.key.is_some() && self.from <= now && now < self.until
    }

    /// What they are sorted by.
    fn age(&self) -> (i64, i64) {
        (self.from, self.until)
    }

    fn is_ours(&self) -> bool {
        parse(&self.certificate).is_ok_and(|parsed| {
            let mut names = parsed.subject().iter_common_name();
            names.any(|name| name.as_str().is_ok_and(|name| name.starts_with(make::CA_NAME)))
        })
    }
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, String> {
    let parsed = x509_parser::parse_x509_certificate(certificate);
    parsed.map(|(_, parsed)| parsed).map_err(|e| format!("a certificate cannot be read: {e}"))
}

/// The CAs that replicas share, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Authorities(Vec<Authority>);

impl Authorities {
    /// Reads certificates and keys in PEM. A certificate without a key is trusted, and signs nothing.
    ///
    /// # Errors
    /// Where something is no PEM, no CA, or a key belongs to no certificate: says what.
    pub fn parse(certificates: &[u8], keys: &[u8]) -> Result<Self, String> {
        let read = read_bundle(certificates).map_err(|fault| format!("ca.crt: {fault}"))?;
        let mut all = read
            .into_iter()
            .map(Authority::read)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|fault| format!("ca.crt: {fault}"))?;
        let keys: Vec<_> = PrivateKeyDer::pem_slice_iter(keys)
            .collect::<Result<_, _>>()
            .map_err(|fault| format!("ca.key: not PEM: {fault}"))?;
        for (index, key) in keys.iter().enumerate() {
            let number = index + 1;
            let pair = KeyPair::try_from(key).map_err(|_| format!("ca.key: key {number} is of an unknown kind"))?;
            let public = pair.subject_public_key_info();
            let owner = all.iter_mut().find(|authority| {
                parse(&authority.certificate).is_ok_and(|parsed| parsed.public_key().raw == public.as_slice())
            });
            let owner = owner.ok_or_else(|| format!("ca.key: key {number} belongs to no certificate of ca.crt"))?;
            owner.key = Some(Arc::new(pair));
        }
        all.sort_by_key(Authority::age);
        Ok(Self(all))
    }

    /// Certificates and keys in PEM.
    pub fn render(&self) -> (String, String) {
        let keys = self.0.iter().filter_map(Authority::key).map(|key| make::pem("PRIVATE KEY", key.serialized_der()));
        (self.bundle(), keys.collect())
    }

    /// The certificates in PEM: what clients must trust.
    pub fn bundle(&self) -> String {
        self.0.iter().map(|authority| make::pem("CERTIFICATE", &authority.certificate)).collect()
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Authority> {
        self.0.iter()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one with this certificate.
    pub fn find(&self, certificate: &CertificateDer<'_>) -> Option<&Authority> {
        self.0.iter().find(|authority| authority.certificate == *certificate)
    }

    /// These are the certificates, in any order.
    pub fn are(&self, certificates: &[CertificateDer<'_>]) -> bool {
        self.0.len() == certificates.len() && certificates.iter().all(|certificate| self.find(certificate).is_some())
    }

    /// What should be there instead at this time, where that is something else: without those that expired, and with a new
    /// one where the newest has less than a third of `life` left.
    ///
    /// # Errors
    /// Where none can be made.
    pub fn tend(&self, now: i64, life: i64) -> anyhow::Result<Option<Self>> {
        let mut kept: Vec<_> = self.0.iter().filter(|authority| now < authority.until).cloned().collect();
        let newest = kept.iter().rfind(|authority| authority.can_sign(now));
        let is_fresh = newest.is_some_and(|authority| authority.until - now >= life / 3);
        if is_fresh && kept.len() == self.0.len() {
            return Ok(None);
        }
        if !is_fresh {
            kept.push(Authority::make(now, life)?);
        }
        kept.sort_by_key(Authority::age);
        Ok(Some(Self(kept)))
    }

    /// What to write where the Secret holds nothing: a new CA, and without their keys those from before, so that leaves by
    /// them are trusted still. Those are the ones that this replica remembers, else the published ones that rolecall made.
    /// So to delete the Secret is to ask for a new CA, and brings it without a gap.
    ///
    /// # Errors
    /// Where none can be made.
    pub fn anew(&self, published: &[CertificateDer<'static>], now: i64, life: i64) -> anyhow::Result<Self> {
        let mut all = self.0.clone();
        if all.is_empty() {
            let read = published.iter().filter_map(|certificate| Authority::read(certificate.clone()).ok());
            all.extend(read.filter(Authority::is_ours));
        }
        all.retain(|authority| now < authority.until);
        all.sort_by_key(Authority::age);
        let mut all = all.split_off(all.len().saturating_sub(KEPT));
        for authority in &mut all {
            authority.key = None;
        }
        all.push(Authority::make(now, life)?);
        Ok(Self(all))
    }
}

/// The certificates of a bundle in PEM, each once.
///
/// # Errors
/// Where there is text but no certificate, or one is broken.
pub fn read_bundle(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut certificates = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|fault| format!("not PEM: {fault}"))?;
        if !certificates.contains(&certificate) {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() && !pem.trim_ascii().is_empty() {
        return Err("holds no certificate in PEM".to_owned());
    }
    Ok(certificates)
}
