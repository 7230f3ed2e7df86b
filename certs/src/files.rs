//! A certificate in files that something else renews: cert-manager, a mounted Secret, a person.
//!
//! The files are read at intervals, not watched: Kubernetes changes a mounted Secret by replacing a symbolic link, and reading
//! at intervals cannot miss that.

use std::path::PathBuf;
use std::time::Duration;

use super::certificate::Certificate;
use super::live::LiveCertificate;
use super::log_once::LogOnce;
use super::{Clock, Error, Failure, Observer};

/// A certificate in files that something else renews.
#[derive(Debug, Clone)]
pub struct CertificateFiles {
    /// The chain in PEM, leaf first.
    pub certificate: PathBuf,
    /// The key in PEM.
    pub key: PathBuf,
}

impl CertificateFiles {
    /// Reads the files. `now` in seconds since 1970.
    ///
    /// # Errors
    /// If a file cannot be read or is not PEM, or the key does not belong to the certificate.
    pub fn load(&self, now: i64) -> Result<Certificate, Error> {
        let certificate = self.read()?;
        if certificate.leaf_expires <= now {
            // Clients refuse it; a server that does not start would be worse to diagnose.
            tracing::error!(target: "rolecall::certificates", file = %self.certificate.display(), "the certificate has expired");
        }
        Ok(certificate)
    }

    /// Reads the files at intervals, and serves what they hold. If the new pair cannot be read, does not fit or has expired,
    /// the earlier certificate stays.
    pub async fn watch(self, live: &LiveCertificate, interval: Duration, clock: Clock, observer: &dyn Observer) {
        let mut failures = LogOnce::default();
        loop {
            tokio::time::sleep(interval).await;
            let files = self.clone();
            let (current, now) = (live.current(), clock());
            // A file system may be remote and slow.
            let read = tokio::task::spawn_blocking(move || files.read_if_changed(&current, now)).await;
            match read {
                Ok(Ok(None)) => failures.resolve("the certificate's files are in order again"),
                Ok(Ok(Some(certificate))) => {
                    let (file, expires) = (self.certificate.display(), certificate.leaf_expires);
                    tracing::info!(target: "rolecall::certificates", %file, expires, "the certificate was replaced");
                    live.replace(certificate, observer);
                    failures = LogOnce::default();
                }
                Ok(Err(error)) => {
                    observer.failed(Failure::Files);
                    failures.warn(format!("{}; the earlier certificate is still served", error.with_causes()));
                }
                Err(_) => observer.failed(Failure::Files),
            }
        }
    }

    /// What to serve instead, if the files hold something else.
    fn read_if_changed(&self, current: &Certificate, now: i64) -> Result<Option<Certificate>, Error> {
        // Again if it fails: the files may have been replaced between one and the other.
        let read = self.read().or_else(|_| self.read())?;
        if read.chain() == current.chain() && read.ca == current.ca {
            return Ok(None);
        }
        if read.leaf_expires <= now && current.leaf_expires > now {
            return Err(Error::Expired(self.certificate.clone()));
        }
        Ok(Some(read))
    }

    fn read(&self) -> Result<Certificate, Error> {
        let read = |path: &PathBuf| std::fs::read(path).map_err(Error::file(path, "read"));
        let (chain, key) = (read(&self.certificate)?, read(&self.key)?);
        // cert-manager writes it beside the certificate; only its expiry is of use here.
        let ca = self.certificate.parent().and_then(|folder| std::fs::read(folder.join("ca.crt")).ok());
        Certificate::from_pem(&chain, &key, ca.as_deref())
            .map_err(|error| error.at(format!("{} with {}", self.certificate.display(), self.key.display())))
    }
}
