//! Makes CAs and leaves.

use std::net::IpAddr;

use anyhow::{Context, bail, ensure};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;

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
    let (_, parsed) = x509_parser::parse_x509_certificate(ca)?;
    let issuer = issuer(&parsed)?;
    let issuer = Issuer::from_params(&issuer, ca_key);
    let certificate: CertificateDer<'static> = leaf.signed_by(&key, &issuer)?.into();
    let issuer_of_leaf = x509_parser::parse_x509_certificate(&certificate)?.1.issuer.as_raw().to_vec();
    ensure!(issuer_of_leaf == parsed.subject().as_raw(), PLAIN);
    Ok((certificate, PrivatePkcs8KeyDer::from(key.serialize_der()).into()))
}

/// Somebody brought a CA whose name leaves cannot repeat to the byte, as they must.
const PLAIN: &str = "the CA's name is written in an unusual way; give it a plain one in UTF-8";

/// What leaves repeat of their CA: its name and the identifier of its key.
fn issuer(ca: &X509Certificate<'_>) -> anyhow::Result<CertificateParams> {
    let mut issuer = CertificateParams::default();
    issuer.distinguished_name = DistinguishedName::new();
    for part in ca.subject().iter_attributes() {
        let kind: Vec<u64> = part.attr_type().iter().context(PLAIN)?.collect();
        let text = part.as_str().context(PLAIN)?;
        let value = match part.attr_value().header.tag().0 {
            UTF8_STRING => DnValue::Utf8String(text.to_owned()),
            PRINTABLE_STRING => DnValue::PrintableString(text.try_into()?),
            _ => bail!(PLAIN),
        };
        issuer.distinguished_name.push(DnType::from_oid(&kind), value);
    }
    let identifier = ca.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(identifier) => Some(identifier.0.to_vec()),
        _ => None,
    });
    if let Some(identifier) = identifier {
        issuer.key_identifier_method = KeyIdMethod::PreSpecified(identifier);
    }
    Ok(issuer)
}

/// ASN.1 (X.680, 8.4).
const UTF8_STRING: u32 = 12;
const PRINTABLE_STRING: u32 = 19;

/// In PEM.
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let lines = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(label, der), lines)
}

fn time(seconds: i64) -> anyhow::Result<time::OffsetDateTime> {
    time::OffsetDateTime::from_unix_timestamp(seconds).context("the time is out of range")
}
