//! A certificate in files that others keep: cert-manager, a mounted Secret, a person.
//!
//! They are looked at, not watched: a mounted Secret changes by a symbolic link that is swapped, and a look at intervals
//! cannot miss that.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use super::certificate::Certificate;
use super::live::LiveCertificate;
use super::{Clock, Complaint, Observer, Trouble};

/// A certificate in files that others keep.
#[derive(Debug, Clone)]
pub struct Files {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

impl Files {
    /// Reads them. `now` in seconds since 1970.
    ///
    /// # Errors
    /// Where a file cannot be read, is no PEM, or key and certificate do not fit.
    pub fn load(&self, now: i64) -> anyhow::Result<Certificate> {
        let built = self.read()?;
        if built.leaf_expires <= now {
            // The API server will refuse it, and go by its failure policy: better to say so than to be absent.
            tracing::error!(target: "rolecall::certificates", file = %self.certificate.display(), "the certificate has expired");
        }
        Ok(built)
    }

    /// Looks at them at intervals, and serves what they hold. A pair that cannot be read, does not fit or has expired
    /// leaves the one that is served in its place.
    pub async fn keep(self, live: &LiveCertificate, every: Duration, clock: Clock, observer: &dyn Observer) {
        let mut complaint = Complaint::default();
        loop {
            tokio::time::sleep(every).await;
            let files = self.clone();
            let (before, now) = (live.now(), clock());
            // The disk may be a network away.
            let looked = tokio::task::spawn_blocking(move || files.look(&before, now)).await;
            match looked {
                Ok(Ok(None)) => complaint.settle("the certificate's files are in order again"),
                Ok(Ok(Some(certificate))) => {
                    let (file, expires) = (self.certificate.display(), certificate.leaf_expires);
                    tracing::info!(target: "rolecall::certificates", %file, expires, "the certificate was replaced");
                    live.replace(certificate, observer);
                    complaint = Complaint::default();
                }
                Ok(Err(fault)) => {
                    observer.failed(Trouble::Files);
                    complaint.say(format!("{fault:#}; the certificate from before is served still"));
                }
                Err(_) => observer.failed(Trouble::Files),
            }
        }
    }

    /// What is to be served instead, where that is something else.
    fn look(&self, before: &Certificate, now: i64) -> anyhow::Result<Option<Certificate>> {
        // The second time, as they may have been swapped between one file and the other.
        let built = self.read().or_else(|_| self.read())?;
        if built.chain() == before.chain() && built.ca == before.ca {
            return Ok(None);
        }
        let file = self.certificate.display();
        anyhow::ensure!(
            built.leaf_expires > now || before.leaf_expires <= now,
            "{file}: the new certificate has expired"
        );
        Ok(Some(built))
    }

    fn read(&self) -> anyhow::Result<Certificate> {
        let (chain, key) = (read(&self.certificate)?, read(&self.key)?);
        // cert-manager puts it there; it is of use for its expiry only.
        let ca = self.certificate.parent().and_then(|folder| std::fs::read(folder.join("ca.crt")).ok());
        Certificate::from_pem(&chain, &key, ca.as_deref())
            .with_context(|| format!("{} with {}", self.certificate.display(), self.key.display()))
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))
}
