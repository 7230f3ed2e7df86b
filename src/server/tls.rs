//! Certificates: from files, or made here.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Makes aws-lc-rs the process's cryptography. Must come first.
pub fn install_crypto_provider() {
    // Fails only where one is installed already, which then is the same.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// Where the certificate comes from.
#[derive(Debug, Clone)]
pub enum TlsSource {
    /// PEM files.
    Files {
        /// The chain, leaf first.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// Made at start, with a CA of its own; kept in a folder where one is named.
    SelfSigned {
        /// Where `ca.crt`, `tls.crt` and `tls.key` are kept.
        directory: Option<PathBuf>,
        /// Names and addresses that clients use, besides loopback.
        names: Vec<String>,
    },
}

/// A certificate, ready to serve.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// For rustls.
    pub config: Arc<ServerConfig>,
    /// The CA in PEM, where it was made here: what clients must trust.
    pub ca_pem: Option<String>,
    /// When the leaf expires, in seconds since 1970.
    pub leaf_expires: i64,
    /// When the CA expires, where it was made here.
    pub ca_expires: Option<i64>,
}

/// Days that a self-made certificate lives. Longer than any test, short enough that nobody builds on it.
const SELF_SIGNED_DAYS: i64 = 90;

impl TlsSource {
    /// Reads or makes the certificate. `now` in seconds since 1970.
    ///
    /// # Errors
    /// Where a file cannot be read, is no PEM, or key and certificate do not fit.
    pub fn load(&self, now: i64) -> anyhow::Result<Certificate> {
        match self {
            Self::Files { certificate, key } => from_files(certificate, key, now),
            Self::SelfSigned { directory, names } => self_signed(directory.as_deref(), names, now),
        }
    }
}

fn from_files(certificate: &Path, key: &Path, now: i64) -> anyhow::Result<Certificate> {
    let chain_pem = read(certificate)?;
    let key_pem = read(key)?;
    let built = build(&chain_pem, &key_pem, None)
        .with_context(|| format!("{} with {}", certificate.display(), key.display()))?;
    if built.leaf_expires <= now {
        // The API server will refuse it, and fail open by its failure policy: better to say so than to be absent.
        tracing::error!(target: "rolecall::server", file = %certificate.display(), "the certificate has expired");
    }
    Ok(built)
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))
}

fn self_signed(directory: Option<&Path>, names: &[String], now: i64) -> anyhow::Result<Certificate> {
    if let Some(directory) = directory
        && let Some(kept) = kept(directory, now)
    {
        return Ok(kept);
    }
    let (ca_pem, chain_pem, key_pem) = make(names, now).context("a self-signed certificate cannot be made")?;
    if let Some(directory) = directory {
        keep(directory, &ca_pem, &chain_pem, &key_pem)?;
    }
    build(&chain_pem, &key_pem, Some(ca_pem))
}

/// What an earlier start left, where it will live for at least a day more.
fn kept(directory: &Path, now: i64) -> Option<Certificate> {
    let file = |name: &str| std::fs::read_to_string(directory.join(name)).ok();
    let built = build(&file("tls.crt")?, &file("tls.key")?, Some(file("ca.crt")?)).ok()?;
    (built.leaf_expires > now + 86_400).then_some(built)
}

fn keep(directory: &Path, ca: &str, chain: &str, key: &str) -> anyhow::Result<()> {
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
    write("tls.key", key, 0o600)?;
    write("tls.crt", chain, 0o644)?;
    write("ca.crt", ca, 0o644)
}

/// A CA and a leaf for loopback, the in-cluster name and `names`: CA, leaf and key in PEM.
fn make(names: &[String], now: i64) -> Result<(String, String, String), rcgen::Error> {
    let from = time(now - 3_600);
    let until = time(now + SELF_SIGNED_DAYS * 86_400);
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "rolecall self-signed CA");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (ca.not_before, ca.not_after) = (from, until);
    let ca_certificate = ca.self_signed(&ca_key)?;

    let leaf_key = KeyPair::generate()?;
    let mut leaf = CertificateParams::default();
    leaf.distinguished_name.push(DnType::CommonName, "rolecall");
    let known = ["localhost", "rolecall.rolecall.svc"].map(str::to_owned);
    for name in known.iter().chain(names) {
        leaf.subject_alt_names.push(match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(name.as_str().try_into()?),
        });
    }
    for address in ["127.0.0.1", "::1"] {
        if let Ok(address) = address.parse() {
            leaf.subject_alt_names.push(SanType::IpAddress(address));
        }
    }
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    (leaf.not_before, leaf.not_after) = (from, until);
    let issuer = Issuer::from_params(&ca, &ca_key);
    let leaf_certificate = leaf.signed_by(&leaf_key, &issuer)?;
    Ok((ca_certificate.pem(), leaf_certificate.pem(), leaf_key.serialize_pem()))
}

fn time(seconds: i64) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
}

fn build(chain_pem: &str, key_pem: &str, ca_pem: Option<String>) -> anyhow::Result<Certificate> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain_pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|e| anyhow::anyhow!("the certificate is not PEM: {e}"))?;
    let Some(leaf) = chain.first() else {
        bail!("the certificate file holds no certificate");
    };
    let leaf_expires = expiry(leaf)?;
    let ca_expires = match &ca_pem {
        Some(pem) => CertificateDer::from_pem_slice(pem.as_bytes()).ok().map(|ca| expiry(&ca)).transpose()?,
        None => None,
    };
    let key =
        PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(|e| anyhow::anyhow!("the key is not PEM: {e}"))?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|e| anyhow::anyhow!("certificate and key cannot be used: {e}"))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Certificate { config: Arc::new(config), ca_pem, leaf_expires, ca_expires })
}

fn expiry(certificate: &CertificateDer<'_>) -> anyhow::Result<i64> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate)
        .map_err(|e| anyhow::anyhow!("the certificate cannot be read: {e}"))?;
    Ok(parsed.validity().not_after.timestamp())
}
