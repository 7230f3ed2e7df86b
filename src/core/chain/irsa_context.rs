//! The condition keys of `AssumeRoleWithWebIdentity` for a service account's token (IAM User Guide, "IAM and AWS STS
//! condition context keys": AWS OIDC federation; STS API, `AssumeRoleWithWebIdentity`).

use rolecall_iam::{Context, Lookup};

use super::Audience;
use crate::snapshot::{Issuer, Role};

/// What is known of the request.
#[derive(Clone, Copy)]
pub(super) struct IrsaContext<'a> {
    pub(super) issuer: &'a Issuer,
    pub(super) provider_arn: &'a str,
    pub(super) account: &'a str,
    pub(super) claim: &'a str,
    pub(super) audience: Audience<'a>,
    pub(super) role: &'a Role,
    /// Also use what no document says: an unsigned request carries no keys of a principal.
    pub(super) presume: bool,
}

impl Context for IrsaContext<'_> {
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
            "aws:federatedprovider" => Lookup::One(self.provider_arn),
            "aws:resourceaccount" => Lookup::One(self.account),
            "aws:securetransport" => Lookup::One("true"),
            // A service account's token carries no session tags.
            "aws:tagkeys" | "sts:transitivetagkeys" => Lookup::Absent,
            _ if key.starts_with("aws:requesttag/") => Lookup::Absent,
            _ => match resource_tag(self.role, key) {
                Some(tag) => tag,
                None if of_another_token(key) => Lookup::Absent,
                None if self.presume && of_a_principal(key) => Lookup::Absent,
                None => Lookup::Unknown,
            },
        }
    }
}

/// `aws:ResourceTag/KEY`, `iam:ResourceTag/KEY`: a tag of the role; `None` where the key is another.
pub(super) fn resource_tag<'r>(role: &'r Role, key: &str) -> Option<Lookup<'r>> {
    let tag = key.strip_prefix("aws:resourcetag/").or_else(|| key.strip_prefix("iam:resourcetag/"))?;
    let Some(tags) = &role.tags else {
        return Some(Lookup::Unknown);
    };
    let found = tags.iter().find(|(name, _)| name.eq_ignore_ascii_case(tag));
    Some(found.map_or(Lookup::Absent, |(_, value)| Lookup::One(value)))
}

/// Keys of a claim, whoever issued it: `HOST:CLAIM`, `HOST/PATH:CLAIM`, also where they are written wrongly. Our own
/// issuer's were answered before.
pub(super) fn of_another_token(key: &str) -> bool {
    if ["aws:", "sts:", "iam:"].iter().any(|service| key.starts_with(service)) {
        return false;
    }
    match key.rsplit_once(':') {
        Some((issuer, _)) => issuer.contains('.') || issuer.contains("oidc-provider/"),
        None => key.contains('.') && key.contains('/'),
    }
}

fn of_a_principal(key: &str) -> bool {
    key.starts_with("aws:principal")
        || matches!(
            key,
            "aws:multifactorauthpresent"
                | "aws:multifactorauthage"
                | "aws:tokenissuetime"
                | "aws:username"
                | "aws:sourceaccount"
                | "aws:sourcearn"
                | "aws:sourceorgid"
                | "aws:sourceorgpaths"
                | "aws:sourceidentity"
                | "aws:calledvia"
                | "aws:viaawsservice"
                | "sts:externalid"
        )
}
