//! One replica's leaf: which CA signs it, and when there is to be another.
//!
//! A replica changes to a CA once it has seen it in the published `caBundle` for the settle time, when every API server
//! trusts it. Until then it stays with the CA that it has; and where it has none, it takes the oldest that is published and
//! has time enough left.

use std::collections::HashMap;

use rustls::pki_types::CertificateDer;

use super::authority::{Authorities, Authority};
use super::certificate::Certificate;
use super::make;

/// How long things live, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// A CA.
    pub ca: i64,
    /// A leaf. It is renewed at half of it.
    pub leaf: i64,
    /// From the publication of a CA to its first leaf: longer than any API server takes to hear of it.
    pub settle: i64,
}

/// One replica's leaf, and what it goes by.
#[derive(Debug)]
pub struct Signer {
    rules: Rules,
    names: Vec<String>,
    known: Authorities,
    /// Since when each CA has been seen in the published bundle.
    seen: HashMap<CertificateDer<'static>, i64>,
    leaf: Option<Leaf>,
}

#[derive(Debug)]
struct Leaf {
    ca: CertificateDer<'static>,
    made: i64,
    until: i64,
}

impl Leaf {
    /// A share of its life is over, in quarters.
    fn is_over(&self, quarters: i64, now: i64) -> bool {
        now >= self.made + (self.until - self.made) * quarters / 4
    }
}

impl Signer {
    /// Knows no CA yet.
    pub fn new(rules: Rules, names: Vec<String>) -> Self {
        Self { rules, names, known: Authorities::default(), seen: HashMap::new(), leaf: None }
    }

    /// How long things live.
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// The CAs as the Secret last had them.
    pub fn known(&self) -> &Authorities {
        &self.known
    }

    /// The Secret holds these.
    pub fn learn(&mut self, known: Authorities) {
        self.known = known;
    }

    /// The API server has these in the `caBundle` of every webhook.
    pub fn observe(&mut self, published: &[CertificateDer<'static>], now: i64) {
        self.seen.retain(|ca, _| published.contains(ca));
        for ca in published {
            self.seen.entry(ca.clone()).or_insert(now);
        }
    }

    /// A new leaf, where one is due.
    ///
    /// # Errors
    /// Where one is due and there is no CA to sign it, or it cannot be made.
    pub fn renew(&mut self, now: i64) -> anyhow::Result<Option<Certificate>> {
        let Some((ca, is_settled)) = self.choose(now) else {
            anyhow::ensure!(
                self.leaf.as_ref().is_some_and(|leaf| now < leaf.until),
                "there is no CA to sign a certificate with"
            );
            return Ok(None);
        };
        if !self.is_due(ca, is_settled, now) {
            return Ok(None);
        }
        let until = now.saturating_add(self.rules.leaf).min(ca.until);
        let Some(ca_key) = ca.key() else { return Ok(None) };
        let (leaf, key) = make::leaf(ca.certificate(), ca_key, &self.names, now, until)?;
        let ca = ca.certificate().clone();
        let certificate = Certificate::new(vec![leaf], key, Some(ca.clone()))?;
        self.leaf = Some(Leaf { ca, made: now, until });
        Ok(Some(certificate))
    }

    /// Seconds until the leaf is due, as far as time alone decides.
    pub fn patience(&self, now: i64) -> i64 {
        self.leaf.as_ref().map_or(0, |leaf| leaf.made + (leaf.until - leaf.made) / 2 - now).max(0)
    }

    /// The CA that should sign, and whether every API server trusts it for sure.
    fn choose(&self, now: i64) -> Option<(&Authority, bool)> {
        let usable = || self.known.iter().filter(|ca| ca.can_sign(now));
        let seen = |ca: &Authority| self.seen.get(ca.certificate()).copied();
        let is_settled = |ca: &Authority| seen(ca).is_some_and(|since| now - since > self.rules.settle);
        if let Some(newest) = usable().rfind(|ca| is_settled(ca)) {
            return Some((newest, true));
        }
        // It has to last until another one has settled.
        let lasts = |ca: &Authority| ca.until - now > 2 * self.rules.settle;
        let own = self.leaf.as_ref().and_then(|leaf| usable().find(|ca| *ca.certificate() == leaf.ca));
        let chosen = own
            .filter(|ca| lasts(ca))
            .or_else(|| usable().find(|ca| seen(ca).is_some() && lasts(ca)))
            .or_else(|| usable().rfind(|ca| seen(ca).is_some()))
            .or_else(|| usable().find(|ca| lasts(ca)))
            .or_else(|| usable().next_back());
        chosen.map(|ca| (ca, false))
    }

    fn is_due(&self, ca: &Authority, is_settled: bool, now: i64) -> bool {
        let Some(leaf) = &self.leaf else { return true };
        if *ca.certificate() == leaf.ca {
            return leaf.is_over(2, now);
        }
        // A CA that left the list is not trusted for much longer.
        is_settled || self.known.find(&leaf.ca).is_none() || leaf.is_over(3, now)
    }
}
