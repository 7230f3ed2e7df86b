//! Makes CAs and leaves.

use std::net::IpAddr;

use anyhow::{Context, ensure};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// How CAs that are made here begin their names.
pub(super) const CA_NAME: &str = "rolecall CA";

/// A certificate is valid from an hour ago: clocks differ.
const BEFORE: i64 = 3_600;

/// The names that the API server and people call by: those of the Service, loopback, and `more`.
pub fn names(service: &str, namespace: &str, more: &[String]) -> Vec<String> {
    let known = [
        format!("{service}.{namespace}.svc"),
        format!("{service}.{namespace}.svc.cluster.local"),
        format!("{service}.{namespace}"),
        service.to_owned(),
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    let mut names: Vec<String> = Vec::new();
    for name in known.iter().chain(more) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// A CA that signs itself, valid until `until`.
pub(super) fn ca(now: i64, until: i64) -> anyhow::Result<(CertificateDer<'static>, KeyPair)> {
    let key = KeyPair::generate()?;
    let made = jiff::Timestamp::from_second(now).context("the time is out of range")?;
    let mut ca = CertificateParams::default();
    // Each has a name of its own, so that a client finds the right one among several.
    ca.distinguished_name.push(DnType::CommonName, format!("{CA_NAME} {made}"));
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (ca.not_before, ca.not_after) = (time(now.saturating_sub(BEFORE))?, time(until)?);
    let certificate = ca.self_signed(&key)?;
    Ok((certificate.into(), key))
}

/// A leaf for these names, valid until `until`.
pub(super) fn leaf(
    ca: &CertificateDer<'static>,
    ca_key: &KeyPair,
    names: &[String],
    now: i64,
    until: i64,
) -> anyhow::Result<(CertificateDer<'static>, PrivateKeyDer<'static>)> {
    let key = KeyPair::generate()?;
    let mut leaf = CertificateParams::default();
    leaf.distinguished_name.push(DnType::CommonName, "rolecall");
    for name in names {
        leaf.subject_alt_names.push(match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => {
                let name = name.as_str().try_into().with_context(|| format!("`{name}` cannot be in a certificate"))?;
                SanType::DnsName(name)
            }
        });
    }
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.use_authority_key_identifier_extension = true;
    (leaf.not_before, leaf.not_after) = (time(now.saturating_sub(BEFORE))?, time(until)?);
    let issuer = Issuer::from_ca_cert_der(ca, ca_key).context("the CA cannot be used to sign")?;
    let certificate: CertificateDer<'static> = leaf.signed_by(&key, &issuer)?.into();
    // A CA that somebody brought may have a name that is not written the same way again.
    let issuer_of = x509_parser::parse_x509_certificate(&certificate)?.1.issuer.as_raw().to_vec();
    let subject_of = x509_parser::parse_x509_certificate(ca)?.1.subject.as_raw().to_vec();
    ensure!(issuer_of == subject_of, "the CA's name is written in a way that cannot be repeated; give it a plain one");
    Ok((certificate, PrivatePkcs8KeyDer::from(key.serialize_der()).into()))
}

/// In PEM.
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let lines = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(label, der), lines)
}

fn time(seconds: i64) -> anyhow::Result<time::OffsetDateTime> {
    time::OffsetDateTime::from_unix_timestamp(seconds).context("the time is out of range")
}
