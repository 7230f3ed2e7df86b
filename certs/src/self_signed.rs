//! A certificate that is created at the start, with its own CA.

use std::path::{Path, PathBuf};

use super::certificate::Certificate;
use super::{Error, issue};

/// Longer than any test, short enough that it is of no use in production.
const LIFE_DAYS: i64 = 90;
const DAY_SECONDS: i64 = 86_400;

/// A certificate that is created at the start, with its own CA; kept in a folder if there is one.
#[derive(Debug, Clone)]
pub struct SelfSigned {
    /// Where `ca.crt`, `tls.crt` and `tls.key` are kept; absent: in memory only.
    pub directory: Option<PathBuf>,
    /// Names and addresses that clients use.
    pub names: Vec<String>,
}

impl SelfSigned {
    /// Reads what an earlier start has written if it is valid for another day, else creates a certificate. `now` in seconds
    /// since 1970.
    ///
    /// # Errors
    /// If the certificate cannot be created, or not be written to the folder.
    pub fn load_or_create(&self, now: i64) -> Result<Certificate, Error> {
        let Some(directory) = self.directory.as_deref() else {
            return Ok(self.create(now)?.0);
        };
        if let Some(certificate) = load(directory, now) {
            return Ok(certificate);
        }
        let (certificate, key) = self.create(now)?;
        save(directory, &certificate, &key)?;
        Ok(certificate)
    }

    /// The certificate, and its key in PEM.
    fn create(&self, now: i64) -> Result<(Certificate, String), Error> {
        let not_after = now.saturating_add(LIFE_DAYS * DAY_SECONDS);
        let (ca, ca_key) = issue::ca(now, not_after)?;
        let (leaf, key) = issue::leaf(&ca, &ca_key, &self.names, now, not_after)?;
        let key_pem = issue::pem("PRIVATE KEY", key.secret_der());
        Ok((Certificate::new(vec![leaf], key, Some(ca))?, key_pem))
    }
}

fn load(directory: &Path, now: i64) -> Option<Certificate> {
    let file = |name: &str| std::fs::read(directory.join(name)).ok();
    let read = Certificate::from_pem(&file("tls.crt")?, &file("tls.key")?, Some(&file("ca.crt")?)).ok()?;
    (read.ca.is_some() && read.leaf_expires > now + DAY_SECONDS).then_some(read)
}

fn save(directory: &Path, certificate: &Certificate, key: &str) -> Result<(), Error> {
    std::fs::create_dir_all(directory).map_err(Error::file(directory, "created"))?;
    let write = |name: &str, text: &str, mode: u32| {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let path = directory.join(name);
        let mut options = std::fs::OpenOptions::new();
        let opened = options.write(true).create(true).truncate(true).mode(mode).open(&path);
        opened.and_then(|mut file| file.write_all(text.as_bytes())).map_err(Error::file(&path, "written"))
    };
    let chain: String = certificate.chain().iter().map(|der| issue::pem("CERTIFICATE", der)).collect();
    write("tls.key", key, 0o600)?;
    write("tls.crt", &chain, 0o644)?;
    write("ca.crt", &certificate.ca_pem().unwrap_or_default(), 0o644)
}
