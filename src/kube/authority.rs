//! Keeps the CAs in their Secret and in the `caBundle`, and this replica's leaf current.
//!
//! Every replica does so, at intervals and in this order: read the `caBundle`, read the Secret, write the Secret where a CA
//! is due, write the `caBundle` where it differs. Each write counts only where nothing has changed since the read. As the
//! Secret is read after the `caBundle`, and gains CAs or loses expired ones only, no replica ever takes a CA out of the
//! `caBundle` that another has just published.

use std::sync::Arc;
use std::time::Duration;

use kube::Client;

use super::ca_bundle::CaBundle;
use super::ca_secret::{CaSecret, Fault, Held};
use crate::certs::{Authorities, Certificate, Complaint, LiveCertificate, Observer, Signer, Trouble};
use crate::config::ClusterConfig;

/// How often a round begins again because others were faster.
const ATTEMPTS: usize = 8;
/// How long a round may take before the leaf is seen to without the API server.
const PATIENCE: Duration = Duration::from_secs(30);

/// Keeps the CAs, and this replica's leaf.
pub struct CaKeeper {
    secret: CaSecret,
    bundle: CaBundle,
    signer: Signer,
    every: Duration,
    clock: fn() -> i64,
    observer: Arc<dyn Observer>,
    complaints: Complaints,
}

#[derive(Default)]
struct Complaints {
    secret: Complaint,
    bundle: Complaint,
    leaf: Complaint,
    api: Complaint,
}

impl CaKeeper {
    /// Asks nothing yet. `clock`: seconds since 1970.
    pub fn new(
        client: &Client,
        cluster: &ClusterConfig,
        signer: Signer,
        every: Duration,
        clock: fn() -> i64,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let namespace = cluster.own_namespace();
        let secret = CaSecret::new(client.clone(), &namespace);
        let bundle = CaBundle::new(client.clone(), cluster, &namespace);
        Self { secret, bundle, signer, every, clock, observer, complaints: Complaints::default() }
    }

    /// The first certificate. Waits for as long as the Secret can be neither read nor made, and says why.
    pub async fn first(&mut self) -> Certificate {
        let mut pause = Duration::from_secs(1);
        loop {
            if let Some(certificate) = self.round().await {
                return certificate;
            }
            tokio::time::sleep(pause.min(self.every)).await;
            pause = pause.saturating_mul(2);
        }
    }

    /// Keeps everything current until it is dropped.
    pub async fn keep(mut self, live: &LiveCertificate) {
        loop {
            let due = u64::try_from(self.signer.patience((self.clock)())).unwrap_or_default();
            let due = if due == 0 { self.every } else { Duration::from_secs(due) };
            tokio::time::sleep(due.min(self.every)).await;
            if let Some(certificate) = self.round().await {
                let expires = certificate.leaf_expires;
                tracing::info!(target: "rolecall::certificates", expires, "the certificate was renewed");
                live.replace(certificate, &*self.observer);
            }
        }
    }

    /// One round; a new leaf, where one is due. What fails is said, and leaves things as they are.
    async fn round(&mut self) -> Option<Certificate> {
        match tokio::time::timeout(PATIENCE, self.reconcile()).await {
            Ok(()) => self.complaints.api.settle("the API server answers again"),
            Err(_) => {
                self.observer.failed(Trouble::Secret);
                self.complaints.api.say("the API server does not answer; the CAs stay as they are".to_owned());
            }
        }
        match self.signer.renew((self.clock)()) {
            Ok(certificate) => {
                self.complaints.leaf.settle("there is a CA to sign with again");
                certificate
            }
            Err(error) => {
                self.observer.failed(Trouble::Leaf);
                self.complaints.leaf.say(format!("no certificate: {error:#}"));
                None
            }
        }
    }

    /// Brings Secret, `caBundle` and memory together.
    async fn reconcile(&mut self) {
        for _ in 0..ATTEMPTS {
            match self.attempt().await {
                Ok(()) => return,
                Err((_, Fault::Conflict)) => {}
                Err((trouble, Fault::Other(message))) => {
                    self.observer.failed(trouble);
                    let complaint = match trouble {
                        Trouble::Secret => &mut self.complaints.secret,
                        _ => &mut self.complaints.bundle,
                    };
                    complaint.say(message);
                    return;
                }
            }
        }
        self.observer.failed(Trouble::Secret);
    }

    async fn attempt(&mut self) -> Result<(), (Trouble, Fault)> {
        // The order matters: see above.
        let published = self.bundle.read().await;
        let trusted = match &published {
            Ok(Some(published)) => published.by_all(),
            _ => Vec::new(),
        };
        let held = self.secret.read().await.map_err(|fault| (Trouble::Secret, fault))?;
        let known = self.tended(held, &trusted).await.map_err(|fault| (Trouble::Secret, fault))?;
        self.complaints.secret.settle("the CA's Secret is in order again");
        self.signer.learn(known);

        let Some(published) = published.map_err(|fault| (Trouble::Bundle, fault))? else {
            let place = self.bundle.place();
            self.complaints.bundle.say(format!("{place}: not there yet; it gets its caBundle when it is"));
            return Ok(());
        };
        let known = self.signer.known();
        let was_written = self.bundle.write(&published, known).await.map_err(|fault| (Trouble::Bundle, fault))?;
        if was_written {
            let (place, cas) = (self.bundle.place(), known.iter().count());
            tracing::info!(target: "rolecall::certificates", place, cas, "the caBundle was written");
        }
        self.complaints.bundle.settle("the caBundle is in order again");
        let published: Vec<_> = known.iter().map(|ca| ca.certificate().clone()).collect();
        self.signer.observe(&published, (self.clock)());
        Ok(())
    }

    /// What the Secret holds, after a CA that is due was added and those that expired are gone.
    async fn tended(
        &self,
        held: Held,
        trusted: &[rustls::pki_types::CertificateDer<'static>],
    ) -> Result<Authorities, Fault> {
        let (now, life) = ((self.clock)(), self.signer.rules().ca);
        let made = if held.authorities.is_empty() {
            self.signer.known().anew(trusted, now, life).map(Some)
        } else {
            held.authorities.tend(now, life)
        };
        let made = made.map_err(|error| Fault::Other(format!("no CA can be made: {error:#}")))?;
        let Some(made) = made else {
            return Ok(held.authorities);
        };
        self.secret.write(held, &made).await?;
        let (cas, until) = (made.iter().count(), made.iter().map(|ca| ca.until).max());
        tracing::info!(target: "rolecall::certificates", cas, until, "the CA's Secret was written");
        Ok(made)
    }
}
