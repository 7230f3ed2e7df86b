//! The CAs that replicas share: what the store holds, and how the list changes over time.
//!
//! rolecall adds a CA when the newest one has less than a third of its life left, and removes a CA when it has expired.
//! Nothing else is ever written. Each replica decides for itself which CA signs its leaf (`signer.rs`), from what it has seen
//! published. So there is no handover, and nothing that two replicas could disagree on.

use std::sync::Arc;

use rcgen::{KeyPair, PublicKeyData};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::certificate::X509Certificate;

use super::Error;
use super::issue;

/// How many earlier CAs stay trusted when the store is created again.
const MAX_EARLIER_CAS: usize = 4;

/// A CA: its certificate, and its key if replicas may sign with it.
#[derive(Debug, Clone)]
pub struct CertificateAuthority {
    certificate: CertificateDer<'static>,
    key: Option<Arc<KeyPair>>,
    /// Start of its validity, in seconds since 1970.
    pub not_before: i64,
    /// End of its validity, in seconds since 1970.
    pub not_after: i64,
}

impl CertificateAuthority {
    fn create(now: i64, life_seconds: i64) -> Result<Self, Error> {
        let (certificate, key) = issue::ca(now, now.saturating_add(life_seconds))?;
        let mut ca = Self::read(certificate)?;
        ca.key = Some(Arc::new(key));
        Ok(ca)
    }

    fn read(certificate: CertificateDer<'static>) -> Result<Self, Error> {
        let parsed = parse(&certificate)?;
        if !parsed.is_ca() {
            return Err(Error::NotCa(parsed.subject().to_string()));
        }
        let validity = parsed.validity();
        let (not_before, not_after) = (validity.not_before.timestamp(), validity.not_after.timestamp());
        Ok(Self { certificate, key: None, not_before, not_after })
    }

    /// The certificate that clients must trust.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    pub(super) fn key(&self) -> Option<&KeyPair> {
        self.key.as_deref()
    }

    pub(super) fn can_sign(&self, now: i64) -> bool {
        self.key.is_some() && self.not_before <= now && now < self.not_after
    }

    fn validity(&self) -> (i64, i64) {
        (self.not_before, self.not_after)
    }

    /// This crate created it.
    fn is_own(&self) -> bool {
        parse(&self.certificate).is_ok_and(|parsed| {
            let mut names = parsed.subject().iter_common_name();
            names.any(|name| name.as_str().is_ok_and(|name| name.starts_with(issue::CA_NAME)))
        })
    }
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Error> {
    Ok(x509_parser::parse_x509_certificate(certificate)?.1)
}

/// The CAs that replicas share, oldest first.
#[derive(Debug, Clone, Default)]
pub struct CertificateAuthorities(Vec<CertificateAuthority>);

impl CertificateAuthorities {
    /// Reads certificates and keys in PEM. A CA without a key is trusted, but signs nothing.
    ///
    /// # Errors
    /// If something is not PEM or not a CA, or a key belongs to no certificate. The message names `ca.crt` or `ca.key`.
    pub fn parse(certificates: &[u8], keys: &[u8]) -> Result<Self, Error> {
        let mut all = read_bundle(certificates)
            .and_then(|bundle| bundle.into_iter().map(CertificateAuthority::read).collect::<Result<Vec<_>, _>>())
            .map_err(|error| error.at("ca.crt"))?;
        add_keys(&mut all, keys).map_err(|error| error.at("ca.key"))?;
        all.sort_by_key(CertificateAuthority::validity);
        Ok(Self(all))
    }

    /// The certificates and the keys, both in PEM: what [`Self::parse`] reads.
    pub fn to_pem(&self) -> (String, String) {
        let keys = self.0.iter().filter_map(CertificateAuthority::key);
        (self.bundle(), keys.map(|key| issue::pem("PRIVATE KEY", key.serialized_der())).collect())
    }

    /// The certificates in PEM: what clients must trust.
    pub fn bundle(&self) -> String {
        self.0.iter().map(|ca| issue::pem("CERTIFICATE", &ca.certificate)).collect()
    }

    /// All CAs, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &CertificateAuthority> {
        self.0.iter()
    }

    /// There is no CA yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The CA with this certificate.
    pub fn find(&self, certificate: &CertificateDer<'_>) -> Option<&CertificateAuthority> {
        self.0.iter().find(|ca| ca.certificate == *certificate)
    }

    /// Whether these are the certificates of exactly these CAs, in any order.
    pub fn matches(&self, certificates: &[CertificateDer<'_>]) -> bool {
        self.0.len() == certificates.len() && certificates.iter().all(|certificate| self.find(certificate).is_some())
    }

    /// The list to store instead at this time, or `None` if nothing is due. It leaves out the CAs that have expired, and has
    /// a new one if the newest has less than a third of `life_seconds` left.
    ///
    /// # Errors
    /// If a CA is due and cannot be created.
    pub fn rotate(&self, now: i64, life_seconds: i64) -> Result<Option<Self>, Error> {
        let mut cas: Vec<_> = self.0.iter().filter(|ca| now < ca.not_after).cloned().collect();
        let newest = cas.iter().rfind(|ca| ca.can_sign(now));
        let is_fresh = newest.is_some_and(|ca| ca.not_after - now >= life_seconds / 3);
        if is_fresh && cas.len() == self.0.len() {
            return Ok(None);
        }
        if !is_fresh {
            cas.push(CertificateAuthority::create(now, life_seconds)?);
        }
        cas.sort_by_key(CertificateAuthority::validity);
        Ok(Some(Self(cas)))
    }

    /// The list to store if the store is empty: a new CA, and the earlier ones without their keys, so that clients still
    /// trust the leaves that those have signed. The earlier ones are those that this replica remembers, else the published
    /// ones that this crate created. So after the stored list is deleted there is a new CA, and no call fails.
    ///
    /// # Errors
    /// If the new CA cannot be created.
    pub fn recreate(&self, published: &[CertificateDer<'static>], now: i64, life_seconds: i64) -> Result<Self, Error> {
        let mut earlier = self.0.clone();
        if earlier.is_empty() {
            let read = published.iter().filter_map(|ca| CertificateAuthority::read(ca.clone()).ok());
            earlier.extend(read.filter(CertificateAuthority::is_own));
        }
        earlier.retain(|ca| now < ca.not_after);
        earlier.sort_by_key(CertificateAuthority::validity);
        let mut all = earlier.split_off(earlier.len().saturating_sub(MAX_EARLIER_CAS));
        for ca in &mut all {
            ca.key = None;
        }
        all.push(CertificateAuthority::create(now, life_seconds)?);
        Ok(Self(all))
    }
}

/// Gives each key in PEM to the CA that it belongs to.
fn add_keys(cas: &mut [CertificateAuthority], keys: &[u8]) -> Result<(), Error> {
    for (index, key) in PrivateKeyDer::pem_slice_iter(keys).enumerate() {
        let (key, number) = (key.map_err(Error::pem("it is"))?, index + 1);
        let pair = KeyPair::try_from(&key).map_err(|_| Error::UnknownKey(number))?;
        let public = pair.subject_public_key_info();
        let owner = cas
            .iter_mut()
            .find(|ca| parse(&ca.certificate).is_ok_and(|parsed| parsed.public_key().raw == public.as_slice()));
        owner.ok_or(Error::ForeignKey(number))?.key = Some(Arc::new(pair));
    }
    Ok(())
}

/// The certificates of a bundle in PEM, each once.
///
/// # Errors
/// If there is text but no certificate, or one is broken.
pub fn read_bundle(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let mut certificates = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(Error::pem("it is"))?;
        if !certificates.contains(&certificate) {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() && !pem.trim_ascii().is_empty() {
        return Err(Error::NoCertificate);
    }
    Ok(certificates)
}
