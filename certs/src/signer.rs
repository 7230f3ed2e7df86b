//! One replica's leaf: which CA signs it, and when it is renewed.
//!
//! A replica changes to a CA after it has seen the CA published for the settle time: then every client trusts it. Until then
//! it stays with its CA. Without one, it takes the oldest CA that is published and has enough time left.

use std::collections::HashMap;

use rustls::pki_types::CertificateDer;

use super::authorities::{CertificateAuthorities, CertificateAuthority};
use super::certificate::Certificate;
use super::{Error, issue};

/// How long CAs and leaves are valid.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// Validity of a CA.
    pub ca_seconds: i64,
    /// Validity of a leaf. It is renewed at half of it.
    pub leaf_seconds: i64,
    /// From the publication of a CA to its first leaf: longer than any client takes to learn of the CA.
    pub settle_seconds: i64,
}

/// One replica's leaf, and what decides when it is renewed by which CA.
#[derive(Debug)]
pub struct Signer {
    lifetimes: Lifetimes,
    names: Vec<String>,
    authorities: CertificateAuthorities,
    /// Since when each CA has been seen published, in seconds since 1970.
    published_since: HashMap<CertificateDer<'static>, i64>,
    leaf: Option<Leaf>,
}

#[derive(Debug)]
struct Leaf {
    ca: CertificateDer<'static>,
    created: i64,
    not_after: i64,
}

impl Leaf {
    /// So many quarters of its life are over.
    fn is_past(&self, quarters: i64, now: i64) -> bool {
        now >= self.created + (self.not_after - self.created) * quarters / 4
    }
}

impl Signer {
    /// Has no CA yet. `names` are those of the leaf.
    pub fn new(lifetimes: Lifetimes, names: Vec<String>) -> Self {
        let authorities = CertificateAuthorities::default();
        Self { lifetimes, names, authorities, published_since: HashMap::new(), leaf: None }
    }

    /// How long CAs and leaves are valid.
    pub fn lifetimes(&self) -> Lifetimes {
        self.lifetimes
    }

    /// The stored CAs as this replica read them last.
    pub fn authorities(&self) -> &CertificateAuthorities {
        &self.authorities
    }

    /// Takes the stored CAs.
    pub fn set_authorities(&mut self, authorities: CertificateAuthorities) {
        self.authorities = authorities;
    }

    /// Takes the CAs that all clients trust. A CA that is no longer among them has to settle again.
    pub fn record_published(&mut self, published: &[CertificateDer<'static>], now: i64) {
        self.published_since.retain(|ca, _| published.contains(ca));
        for ca in published {
            self.published_since.entry(ca.clone()).or_insert(now);
        }
    }

    /// A new leaf, or `None` if none is due.
    ///
    /// # Errors
    /// If a leaf is due and there is no CA to sign it, or it cannot be created.
    pub fn renew(&mut self, now: i64) -> Result<Option<Certificate>, Error> {
        let Some((ca, is_settled)) = self.choose(now) else {
            let is_valid = self.leaf.as_ref().is_some_and(|leaf| now < leaf.not_after);
            return if is_valid { Ok(None) } else { Err(Error::NoCa) };
        };
        if !self.is_due(ca, is_settled, now) {
            return Ok(None);
        }
        let not_after = now.saturating_add(self.lifetimes.leaf_seconds).min(ca.not_after);
        let Some(ca_key) = ca.key() else { return Ok(None) };
        let (leaf, key) = issue::leaf(ca.certificate(), ca_key, &self.names, now, not_after)?;
        let ca = ca.certificate().clone();
        let certificate = Certificate::new(vec![leaf], key, Some(ca.clone()))?;
        self.leaf = Some(Leaf { ca, created: now, not_after });
        Ok(Some(certificate))
    }

    /// Seconds until the leaf is at half its life. A CA that settles can make it due earlier.
    pub fn seconds_until_renewal(&self, now: i64) -> i64 {
        self.leaf.as_ref().map_or(0, |leaf| leaf.created + (leaf.not_after - leaf.created) / 2 - now).max(0)
    }

    /// The CA that should sign, and whether every client certainly trusts it.
    fn choose(&self, now: i64) -> Option<(&CertificateAuthority, bool)> {
        let settle = self.lifetimes.settle_seconds;
        let usable = || self.authorities.iter().filter(|ca| ca.can_sign(now));
        let since = |ca: &CertificateAuthority| self.published_since.get(ca.certificate()).copied();
        let is_settled = |ca: &CertificateAuthority| since(ca).is_some_and(|since| now - since > settle);
        if let Some(newest) = usable().rfind(|ca| is_settled(ca)) {
            return Some((newest, true));
        }
        // It has to last until another one has settled.
        let lasts = |ca: &CertificateAuthority| ca.not_after - now > 2 * settle;
        let own = self.leaf.as_ref().and_then(|leaf| usable().find(|ca| *ca.certificate() == leaf.ca));
        let chosen = own
            .filter(|ca| lasts(ca))
            .or_else(|| usable().find(|ca| since(ca).is_some() && lasts(ca)))
            .or_else(|| usable().rfind(|ca| since(ca).is_some()))
            .or_else(|| usable().find(|ca| lasts(ca)))
            .or_else(|| usable().next_back());
        chosen.map(|ca| (ca, false))
    }

    fn is_due(&self, ca: &CertificateAuthority, is_settled: bool, now: i64) -> bool {
        let Some(leaf) = &self.leaf else { return true };
        if *ca.certificate() == leaf.ca {
            return leaf.is_past(2, now);
        }
        // A CA that left the list is soon no longer trusted.
        is_settled || self.authorities.find(&leaf.ca).is_none() || leaf.is_past(3, now)
    }
}
