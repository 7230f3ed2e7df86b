//! Keeps the CAs that replicas share, and this replica's leaf, current.
//!
//! Every replica does the same at intervals, in this order: read the published CAs, read the stored ones, write the stored
//! ones if a CA is due, publish them if they differ. Each write succeeds only if nothing has changed since the read. The store
//! is read after the published CAs, and it only gains CAs or loses expired ones. So no replica ever withdraws a CA that another
//! one has just published.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;

use super::authorities::CertificateAuthorities;
use super::certificate::Certificate;
use super::live::LiveCertificate;
use super::log_once::LogOnce;
use super::signer::Signer;
use super::{Clock, Failure, Observer};

/// How often a round starts again because another replica wrote first.
const MAX_ATTEMPTS: usize = 8;
/// How long a round may take. After that the leaf is renewed without the store.
const ROUND_TIMEOUT: Duration = Duration::from_secs(30);

/// Where replicas share their CAs: a store for CAs with their keys, and a public place that tells clients what to trust. In
/// Kubernetes these are a Secret and the `caBundle` of a webhook registration.
pub trait CaStore: Send + Sync {
    /// The stored CAs as they were read, with what a conditional write needs.
    type Stored: Send;
    /// The public place as it was read, with what a conditional write needs.
    type Published: Send + Sync;

    /// Reads the public place, and the CAs that all clients trust by it. `None`: it does not exist yet.
    fn read_published(
        &self,
    ) -> impl Future<Output = Result<Option<(Self::Published, Certificates)>, StoreError>> + Send;

    /// Reads the stored CAs; the list is empty if nothing is stored.
    fn read_stored(&self) -> impl Future<Output = Result<(Self::Stored, CertificateAuthorities), StoreError>> + Send;

    /// Stores these CAs if the store has not changed since it was read.
    fn write_stored(
        &self,
        stored: Self::Stored,
        authorities: &CertificateAuthorities,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Makes clients trust these CAs if the public place has not changed since it was read. Returns whether it had to change
    /// anything.
    fn publish(
        &self,
        published: &Self::Published,
        authorities: &CertificateAuthorities,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// How log messages name the public place.
    fn published_place(&self) -> String;
}

/// Certificates of CAs.
pub type Certificates = Vec<CertificateDer<'static>>;

/// Why a [`CaStore`] does not read or write.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another replica has written since the read: read again.
    #[error("another replica has written since the read")]
    Conflict,
    /// Anything else, as a message that names the place.
    #[error("{0}")]
    Other(String),
}

/// Keeps the shared CAs and this replica's leaf current.
pub struct CaManager<S> {
    store: S,
    signer: Signer,
    interval: Duration,
    clock: Clock,
    observer: Arc<dyn Observer>,
    warnings: Warnings,
}

#[derive(Default)]
struct Warnings {
    secret: LogOnce,
    bundle: LogOnce,
    leaf: LogOnce,
    timeout: LogOnce,
}

impl<S: CaStore> CaManager<S> {
    /// Makes no call yet. `interval` is the time between two rounds.
    pub fn new(store: S, signer: Signer, interval: Duration, clock: Clock, observer: Arc<dyn Observer>) -> Self {
        Self { store, signer, interval, clock, observer, warnings: Warnings::default() }
    }

    /// The first certificate. Waits while the store can be neither read nor written, and logs why.
    pub async fn first_certificate(&mut self) -> Certificate {
        let mut pause = Duration::from_secs(1);
        loop {
            if let Some(certificate) = self.run_round().await {
                return certificate;
            }
            tokio::time::sleep(pause.min(self.interval)).await;
            pause = pause.saturating_mul(2);
        }
    }

    /// Keeps everything current until the future is dropped.
    pub async fn run(mut self, live: &LiveCertificate) {
        loop {
            let due = u64::try_from(self.signer.seconds_until_renewal((self.clock)())).unwrap_or_default();
            let due = if due == 0 { self.interval } else { Duration::from_secs(due) };
            tokio::time::sleep(due.min(self.interval)).await;
            if let Some(certificate) = self.run_round().await {
                let expires = certificate.leaf_expires;
                tracing::info!(target: "rolecall::certificates", expires, "the certificate was renewed");
                live.replace(certificate, &*self.observer);
            }
        }
    }

    /// One round. Returns a new leaf if one is due. A fault is logged and changes nothing.
    async fn run_round(&mut self) -> Option<Certificate> {
        match tokio::time::timeout(ROUND_TIMEOUT, self.reconcile()).await {
            Ok(()) => self.warnings.timeout.resolve("the API server answers again"),
            Err(_) => {
                self.observer.failed(Failure::Secret);
                self.warnings.timeout.warn("the API server does not answer; the CAs stay as they are".to_owned());
            }
        }
        match self.signer.renew((self.clock)()) {
            Ok(certificate) => {
                self.warnings.leaf.resolve("there is a CA to sign with again");
                certificate
            }
            Err(error) => {
                self.observer.failed(Failure::Leaf);
                self.warnings.leaf.warn(format!("no certificate: {}", error.with_causes()));
                None
            }
        }
    }

    /// Brings the store, the published CAs and this replica's memory together.
    async fn reconcile(&mut self) {
        for _ in 0..MAX_ATTEMPTS {
            match self.attempt().await {
                Ok(()) => return,
                Err((_, StoreError::Conflict)) => {}
                Err((failure, StoreError::Other(message))) => {
                    self.observer.failed(failure);
                    let warnings = match failure {
                        Failure::Secret => &mut self.warnings.secret,
                        _ => &mut self.warnings.bundle,
                    };
                    warnings.warn(message);
                    return;
                }
            }
        }
        self.observer.failed(Failure::Secret);
        let message =
            format!("the Secret changed under {MAX_ATTEMPTS} attempts; the CAs stay as they are until the next round");
        self.warnings.secret.warn(message);
    }

    async fn attempt(&mut self) -> Result<(), (Failure, StoreError)> {
        // The order matters: see the top of this file.
        let published = self.store.read_published().await;
        let trusted = match &published {
            Ok(Some((_, trusted))) => {
                // A CA that was removed from the list waits again before it signs.
                self.signer.record_published(trusted, (self.clock)());
                trusted.as_slice()
            }
            _ => &[],
        };
        let (stored, authorities) = self.store.read_stored().await.map_err(|error| (Failure::Secret, error))?;
        let authorities = self.rotate(stored, authorities, trusted).await.map_err(|error| (Failure::Secret, error))?;
        self.warnings.secret.resolve("the CA's Secret is in order again");
        self.signer.set_authorities(authorities);

        let authorities = self.signer.authorities();
        let Some((published, _)) = published.map_err(|error| (Failure::Bundle, error))? else {
            let place = self.store.published_place();
            self.warnings.bundle.warn(format!("{place}: does not exist yet; it gets its caBundle when it does"));
            return Ok(());
        };
        let written = self.store.publish(&published, authorities).await.map_err(|error| (Failure::Bundle, error))?;
        if written {
            let (place, cas) = (self.store.published_place(), authorities.iter().count());
            tracing::info!(target: "rolecall::certificates", place, cas, "the caBundle was written");
        }
        self.warnings.bundle.resolve("the caBundle is in order again");
        let published: Certificates = authorities.iter().map(|ca| ca.certificate().clone()).collect();
        self.signer.record_published(&published, (self.clock)());
        Ok(())
    }

    /// What the store holds after a CA that is due was added and the expired ones were removed.
    async fn rotate(
        &self,
        stored: S::Stored,
        authorities: CertificateAuthorities,
        trusted: &[CertificateDer<'static>],
    ) -> Result<CertificateAuthorities, StoreError> {
        let (now, life_seconds) = ((self.clock)(), self.signer.lifetimes().ca_seconds);
        let rotated = if authorities.is_empty() {
            self.signer.authorities().recreate(trusted, now, life_seconds).map(Some)
        } else {
            authorities.rotate(now, life_seconds)
        };
        let rotated =
            rotated.map_err(|error| StoreError::Other(format!("cannot create a CA: {}", error.with_causes())))?;
        let Some(rotated) = rotated else {
            return Ok(authorities);
        };
        self.store.write_stored(stored, &rotated).await?;
        let (cas, until) = (rotated.iter().count(), rotated.iter().map(|ca| ca.not_after).max());
        tracing::info!(target: "rolecall::certificates", cas, until, "the CA's Secret was written");
        Ok(rotated)
    }
}
