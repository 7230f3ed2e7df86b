//! Keeps the CAs that replicas share, and this replica's leaf, current.
//!
//! Every replica does so, at intervals and in this order: read the `caBundle`, read the Secret, write the Secret where a CA
//! is due, write the `caBundle` where it differs. Each write counts only where nothing has changed since the read. As the
//! Secret is read after the `caBundle`, and gains CAs or loses expired ones only, no replica ever takes a CA out of the
//! `caBundle` that another has just published.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;

use super::authority::Authorities;
use super::certificate::Certificate;
use super::live::LiveCertificate;
use super::signer::Signer;
use super::{Clock, Complaint, Observer, Trouble};

/// How often a round begins again because others were faster.
const ATTEMPTS: usize = 8;
/// How long a round may take before the leaf is seen to without the API server.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where replicas meet: the Secret that holds the CAs, and the registration whose `caBundle` publishes them.
pub trait Meeting: Send + Sync {
    /// The Secret as it was read.
    type Held: Send;
    /// The registration as it was read.
    type Registered: Send + Sync;

    /// Reads the registration, and what all of its webhooks trust. `None`: there is none.
    fn registered(&self) -> impl Future<Output = Result<Option<(Self::Registered, Certificates)>, Fault>> + Send;

    /// Reads the Secret. No CAs where there is none, or nothing in it.
    fn held(&self) -> impl Future<Output = Result<(Self::Held, Authorities), Fault>> + Send;

    /// Writes the Secret, where it is still as it was read.
    fn hold(&self, held: Self::Held, authorities: &Authorities) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Makes the webhooks trust these, where the registration is still as it was read. Whether there was something to do.
    fn publish(
        &self,
        registered: &Self::Registered,
        authorities: &Authorities,
    ) -> impl Future<Output = Result<bool, Fault>> + Send;

    /// How messages name the registration.
    fn place(&self) -> String;
}

/// Certificates of CAs.
pub type Certificates = Vec<CertificateDer<'static>>;

/// What may come in between.
#[derive(Debug)]
pub enum Fault {
    /// Another replica was faster: read again.
    Conflict,
    /// Anything else, as a sentence.
    Other(String),
}

/// Keeps the CAs, and this replica's leaf.
pub struct CaKeeper<M> {
    meeting: M,
    signer: Signer,
    every: Duration,
    clock: Clock,
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

impl<M: Meeting> CaKeeper<M> {
    /// Asks nothing yet.
    pub fn new(meeting: M, signer: Signer, every: Duration, clock: Clock, observer: Arc<dyn Observer>) -> Self {
        Self { meeting, signer, every, clock, observer, complaints: Complaints::default() }
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
        let registered = self.meeting.registered().await;
        let trusted = match &registered {
            Ok(Some((_, trusted))) => {
                // What somebody took away has to settle again.
                self.signer.observe(trusted, (self.clock)());
                trusted.as_slice()
            }
            _ => &[],
        };
        let (held, known) = self.meeting.held().await.map_err(|fault| (Trouble::Secret, fault))?;
        let known = self.tended(held, known, trusted).await.map_err(|fault| (Trouble::Secret, fault))?;
        self.complaints.secret.settle("the CA's Secret is in order again");
        self.signer.learn(known);

        let known = self.signer.known();
        let Some((registered, _)) = registered.map_err(|fault| (Trouble::Bundle, fault))? else {
            let place = self.meeting.place();
            self.complaints.bundle.say(format!("{place}: not there yet; it gets its caBundle when it is"));
            return Ok(());
        };
        let written = self.meeting.publish(&registered, known).await.map_err(|fault| (Trouble::Bundle, fault))?;
        if written {
            let (place, cas) = (self.meeting.place(), known.iter().count());
            tracing::info!(target: "rolecall::certificates", place, cas, "the caBundle was written");
        }
        self.complaints.bundle.settle("the caBundle is in order again");
        let published: Certificates = known.iter().map(|ca| ca.certificate().clone()).collect();
        self.signer.observe(&published, (self.clock)());
        Ok(())
    }

    /// What the Secret holds, after a CA that is due was added and those that expired are gone.
    async fn tended(
        &self,
        held: M::Held,
        known: Authorities,
        trusted: &[CertificateDer<'static>],
    ) -> Result<Authorities, Fault> {
        let (now, life) = ((self.clock)(), self.signer.rules().ca);
        let made = if known.is_empty() {
            self.signer.known().anew(trusted, now, life).map(Some)
        } else {
            known.tend(now, life)
        };
        let made = made.map_err(|error| Fault::Other(format!("no CA can be made: {error:#}")))?;
        let Some(made) = made else {
            return Ok(known);
        };
        self.meeting.hold(held, &made).await?;
        let (cas, until) = (made.iter().count(), made.iter().map(|ca| ca.until).max());
        tracing::info!(target: "rolecall::certificates", cas, until, "the CA's Secret was written");
        Ok(made)
    }
}
