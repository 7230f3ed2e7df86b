//! A certificate that is made at the start, with a CA of its own.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::certificate::Certificate;
use super::make;

/// Days that a self-made certificate lives. Longer than any test, short enough that nobody builds on it.
const DAYS: i64 = 90;

/// A certificate that is made at the start, with a CA of its own; kept in a folder where one is named.
#[derive(Debug, Clone)]
pub struct SelfSigned {
    /// Where `ca.crt`, `tls.crt` and `tls.key` are kept.
    pub directory: Option<PathBuf>,
    /// Names and addresses that clients use.
    pub names: Vec<String>,
}

impl SelfSigned {
    /// Takes what an earlier start left, or makes one. `now` in seconds since 1970.
    ///
    /// # Errors
    /// Where it cannot be made or kept.
    pub fn load(&self, now: i64) -> anyhow::Result<Certificate> {
        let Some(directory) = self.directory.as_deref() else {
            return Ok(self.make(now)?.0);
        };
        if let Some(kept) = kept(directory, now) {
            return Ok(kept);
        }
        let (certificate, key) = self.make(now)?;
        keep(directory, &certificate, &key)?;
        Ok(certificate)
    }

    /// The certificate, and its key in PEM.
    fn make(&self, now: i64) -> anyhow::Result<(Certificate, String)> {
        let until = now.saturating_add(DAYS * 86_400);
        let (ca, ca_key) = make::ca(now, until).context("a self-signed CA cannot be made")?;
        let made = make::leaf(&ca, &ca_key, &self.names, now, until);
        let (leaf, key) = made.context("a self-signed certificate cannot be made")?;
        let key_pem = make::pem("PRIVATE KEY", key.secret_der());
        Ok((Certificate::new(vec![leaf], key, Some(ca))?, key_pem))
    }
}

/// What an earlier start left, where it will live for at least a day more.
fn kept(directory: &Path, now: i64) -> Option<Certificate> {
    let file = |name: &str| std::fs::read(directory.join(name)).ok();
    let built = Certificate::from_pem(&file("tls.crt")?, &file("tls.key")?, Some(&file("ca.crt")?)).ok()?;
    (built.ca.is_some() && built.leaf_expires > now + 86_400).then_some(built)
}

fn keep(directory: &Path, certificate: &Certificate, key: &str) -> anyhow::Result<()> {
    let place = directory.display();
    std::fs::create_dir_all(directory).with_context(|| format!("{place}: cannot be made"))?;
    let write = |name: &str, text: &str, mode: u32| -> anyhow::Result<()> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let path = directory.join(name);
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&path)
            .with_context(|| format!("{}: cannot be written", path.display()))?;
        file.write_all(text.as_bytes()).with_context(|| format!("{}: cannot be written", path.display()))
    };
    let chain: String = certificate.chain().iter().map(|der| make::pem("CERTIFICATE", der)).collect();
    write("tls.key", key, 0o600)?;
    write("tls.crt", &chain, 0o644)?;
    write("ca.crt", &certificate.ca_pem().unwrap_or_default(), 0o644)
}
