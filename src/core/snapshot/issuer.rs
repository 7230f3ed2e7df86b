//! OIDC issuers, as policies and providers write them: without scheme.

use std::fmt;

/// An issuer or provider address without `https://` and without a slash at its end; the host in lower case, the path as
/// it was written (OpenID Connect Core: an issuer's path is case-sensitive).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Issuer {
    written: Box<str>,
    folded: Box<str>,
}

impl Issuer {
    /// Normalises an address.
    pub fn new(url: &str) -> Self {
        let bare = url.trim();
        let bare = bare.strip_prefix("https://").unwrap_or(bare);
        let bare = bare.strip_suffix('/').unwrap_or(bare);
        let (host, path) = match bare.split_once('/') {
            Some((host, path)) => (host, Some(path)),
            None => (bare, None),
        };
        let host = host.to_ascii_lowercase();
        let written = match path {
            Some(path) => format!("{host}/{path}"),
            None => host,
        };
        Self { folded: written.to_ascii_lowercase().into(), written: written.into() }
    }

    /// The address: `oidc.eks.REGION.amazonaws.com/id/HEX`.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The address in lower case, as condition keys are compared.
    pub fn folded(&self) -> &str {
        &self.folded
    }

    /// The ARN of its provider in an account.
    pub fn provider_arn(&self, partition: &str, account: &str) -> String {
        format!("arn:{partition}:iam::{account}:oidc-provider/{}", self.written)
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}
