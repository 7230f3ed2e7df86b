//! Creates CAs and leaves.

use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;

use super::Error;

/// How the names of the CAs begin that are created here.
pub(super) const CA_NAME: &str = "rolecall CA";

/// A certificate is valid from an hour ago: clocks differ.
const CLOCK_SKEW_SECONDS: i64 = 3_600;

/// The names by which clients call a Service of Kubernetes, those of loopback, and `more`; each once.
pub fn service_names(service: &str, namespace: &str, more: &[String]) -> Vec<String> {
    let own = [
        format!("{service}.{namespace}.svc"),
        format!("{service}.{namespace}.svc.cluster.local"),
        format!("{service}.{namespace}"),
        service.to_owned(),
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    let mut names: Vec<String> = Vec::new();
    for name in own.iter().chain(more) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// A self-signed CA that is valid until `not_after`.
pub(super) fn ca(now: i64, not_after: i64) -> Result<(CertificateDer<'static>, KeyPair), Error> {
    let key = KeyPair::generate()?;
    let created = jiff::Timestamp::from_second(now).map_err(|_| Error::Time)?;
    let mut ca = CertificateParams::default();
    // Each CA has its own name, so that a client finds the right one among several.
    ca.distinguished_name.push(DnType::CommonName, format!("{CA_NAME} {created}"));
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (ca.not_before, ca.not_after) = (time(now.saturating_sub(CLOCK_SKEW_SECONDS))?, time(not_after)?);
    let certificate = ca.self_signed(&key)?;
    Ok((certificate.into(), key))
}

/// A leaf for these names that is valid until `not_after`.
pub(super) fn leaf(
    ca: &CertificateDer<'static>,
    ca_key: &KeyPair,
    names: &[String],
    now: i64,
    not_after: i64,
) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), Error> {
    let key = KeyPair::generate()?;
    let mut leaf = CertificateParams::default();
    leaf.distinguished_name.push(DnType::CommonName, "rolecall");
    for name in names {
        leaf.subject_alt_names.push(match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(name.as_str().try_into().map_err(|_| Error::Name(name.clone()))?),
        });
    }
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.use_authority_key_identifier_extension = true;
    (leaf.not_before, leaf.not_after) = (time(now.saturating_sub(CLOCK_SKEW_SECONDS))?, time(not_after)?);
    let (_, parsed) = x509_parser::parse_x509_certificate(ca)?;
    let issuer = issuer(&parsed)?;
    let issuer = Issuer::from_params(&issuer, ca_key);
    let certificate: CertificateDer<'static> = leaf.signed_by(&key, &issuer)?.into();
    let (_, signed) = x509_parser::parse_x509_certificate(&certificate)?;
    if signed.issuer.as_raw() != parsed.subject().as_raw() {
        return Err(Error::CaName);
    }
    Ok((certificate, PrivatePkcs8KeyDer::from(key.serialize_der()).into()))
}

/// What a leaf repeats of its CA: the name, and the identifier of the key.
fn issuer(ca: &X509Certificate<'_>) -> Result<CertificateParams, Error> {
    let mut issuer = CertificateParams::default();
    issuer.distinguished_name = DistinguishedName::new();
    for part in ca.subject().iter_attributes() {
        let kind: Vec<u64> = part.attr_type().iter().ok_or(Error::CaName)?.collect();
        let text = part.as_str().map_err(|_| Error::CaName)?;
        let value = match part.attr_value().header.tag().0 {
            UTF8_STRING => DnValue::Utf8String(text.to_owned()),
            PRINTABLE_STRING if text.chars().all(is_printable) => DnValue::PrintableString(text.try_into()?),
            _ => return Err(Error::CaName),
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

/// What rcgen can write in a PrintableString: not `?`, at which it panics.
fn is_printable(character: char) -> bool {
    character.is_ascii_alphanumeric() || " '()+,-./:=".contains(character)
}

/// ASN.1 (X.680, 8.4).
const UTF8_STRING: u32 = 12;
const PRINTABLE_STRING: u32 = 19;

/// Writes DER as PEM.
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let lines = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(label, der), lines)
}

fn time(seconds: i64) -> Result<time::OffsetDateTime, Error> {
    time::OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| Error::Time)
}
