//! The condition keys of `AssumeRoleWithWebIdentity` for a service account's token (IAM User Guide, "AWS global condition
//! context keys", "IAM and AWS STS condition context keys": AWS OIDC federation; STS API, `AssumeRoleWithWebIdentity`).

use rolecall_iam::{Context, Lookup};

use super::Audience;
use super::keys;
use crate::effort::Effort;
use crate::snapshot::{Issuer, Role};

/// What is known of the request.
#[derive(Clone, Copy)]
pub(super) struct IrsaContext<'a> {
    pub(super) issuer: &'a Issuer,
    pub(super) account: &'a str,
    pub(super) claim: &'a str,
    pub(super) audience: Audience<'a>,
    pub(super) role: &'a Role,
    /// Also use what no document says: an unsigned request carries no keys of a principal.
    pub(super) presume: bool,
    /// What may still be done.
    pub(super) effort: &'a Effort,
}

impl Context for IrsaContext<'_> {
    fn spend(&self, patterns: usize) -> bool {
        self.effort.spend(patterns)
    }

    fn lookup(&self, key: &str) -> Lookup<'_> {
        if let Some(claim) = key.strip_prefix(self.issuer.folded()).and_then(|rest| rest.strip_prefix(':')) {
            return match (claim, self.audience) {
                ("sub", _) => Lookup::One(self.claim),
                // A list in the token, but a single-valued key: the injector asks for exactly one audience.
                ("aud", Audience::Is(audience)) => Lookup::One(audience),
                ("aud", Audience::Unknown) => Lookup::Present,
                _ => Lookup::Absent,
            };
        }
        match key {
            // The guide gives the provider's ARN as its value; in measurements with another provider it was the issuer's
            // address.
            "aws:federatedprovider" => Lookup::Unknown,
            "aws:resourceaccount" => Lookup::One(self.account),
            "aws:securetransport" => Lookup::One("true"),
            // A service account's token carries no session tags.
            "aws:tagkeys" | "sts:transitivetagkeys" => Lookup::Absent,
            // Of IAM users only; the operation has no such parameter.
            "aws:username" | "sts:externalid" => Lookup::Absent,
            _ if key.starts_with("aws:requesttag/") => Lookup::Absent,
            _ if keys::of_a_session(key) || keys::of_a_forwarded_call(key) || keys::of_a_service_principal(key) => {
                Lookup::Absent
            }
            _ => match keys::resource_tag(self.role, key) {
                Some(tag) => tag,
                None if keys::of_another_token(key) || keys::of_another_service(key) => Lookup::Absent,
                None if self.presume && of_a_principal(key) => Lookup::Absent,
                None => Lookup::Unknown,
            },
        }
    }
}

fn of_a_principal(key: &str) -> bool {
    key.starts_with("aws:principal") || matches!(key, "aws:sourceidentity" | "aws:viaawsservice")
}
