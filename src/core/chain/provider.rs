//! The link from the cluster's issuer to an OIDC provider in the role's account (failure family D; STS API,
//! `AssumeRoleWithWebIdentity`, errors).

use rolecall_iam::RoleArn;

use super::{Audience, Subject, cannot_assume, fix, missing, unreadable};
use crate::finding::{
    CannotAssume, CannotTell, Cause, EvidenceValue, Label, Problem, Remark, RoleRef, RoleValue, TrustValue,
};
use crate::fix::{Advice, Change, Text};
use crate::known::Known;
use crate::rules;
use crate::snapshot::{Issuer, Provider, Snapshot};

/// Most client IDs that an OIDC provider has (IAM User Guide, "IAM and AWS STS quotas").
const MAX_CLIENT_IDS: usize = 100;

/// The provider, or why there is none.
pub(super) fn link<'s>(
    snapshot: &'s Snapshot,
    subject: Subject<'_>,
    role: RoleArn<'_>,
    issuer: &Issuer,
    audience: Audience<'_>,
) -> Result<&'s Provider, Box<Problem>> {
    match snapshot.provider(role.account, issuer) {
        Known::Unknown => {
            let unreadable = unreadable::provider(snapshot, subject, role);
            let problem = unreadable.unwrap_or_else(|| missing::providers(subject, role.name, role.account, issuer));
            Err(Box::new(problem))
        }
        Known::Absent => Err(Box::new(unregistered(snapshot, subject, role, issuer, audience))),
        Known::Present(provider) => Ok(provider),
    }
}

fn unregistered(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    role: RoleArn<'_>,
    issuer: &Issuer,
    audience: Audience<'_>,
) -> Problem {
    let home = snapshot.cluster.as_ref().and_then(|cluster| cluster.location()).map(|place| place.account);
    let fix = Change::CreateProvider {
        account: role.account.into(),
        issuer: issuer.as_str().into(),
        audience: match audience {
            Audience::Is(audience) => audience,
            Audience::Unknown => "sts.amazonaws.com",
        }
        .into(),
        cluster: (home == Some(role.account)).then(|| fix::cluster_name(snapshot)),
    };
    let close = snapshot
        .accounts
        .get(role.account)
        .and_then(|account| account.providers.as_ref())
        .and_then(|providers| providers.keys().filter(|url| strsim::levenshtein(url, issuer.as_str()) <= 3).min());
    Problem::new(
        &rules::OIDC_PROVIDER_MISSING,
        cannot_assume(subject, role.name, CannotAssume::NoProvider { account: role.account.into() }),
        fix,
    )
    .expected(Label::AccountNeedsProvider, format!("https://{issuer}"))
    .found(
        Label::ItHas,
        close.map_or(EvidenceValue::Role(RoleValue::NoProvider), |url| format!("https://{url}").into()),
    )
    .hint(close.map(|url| Remark::SimilarProvider { address: url.into() }))
}

/// The provider's client IDs must hold the token's audience.
pub(super) fn audience(
    subject: Subject<'_>,
    role: RoleArn<'_>,
    provider: &Provider,
    audience: Audience<'_>,
) -> Option<Problem> {
    let Some(client_ids) = &provider.client_ids else {
        return Some(missing::client_ids(subject, role.name, provider));
    };
    let Audience::Is(audience) = audience else {
        return Some(unknown_audience(subject, role, client_ids));
    };
    if client_ids.iter().any(|id| **id == *audience) {
        return None;
    }
    let problem = Problem::new(
        &rules::OIDC_PROVIDER_AUDIENCE,
        cannot_assume(subject, role.name, CannotAssume::ProviderAudience),
        Change::AddClientId {
            provider: (&provider.arn).into(),
            client_id: audience.into(),
            client_ids: client_ids.iter().take(MAX_CLIENT_IDS).map(Text::from).chain([audience.into()]).collect(),
            is_elsewhere: false,
        },
    );
    Some(problem.expected(Label::ProviderAccepts, accepted(client_ids)).found(Label::TokenAudience, audience))
}

fn accepted(client_ids: &[Box<str>]) -> RoleValue {
    RoleValue::Audiences(client_ids.iter().collect())
}

/// The token comes from where it cannot be read.
fn unknown_audience(subject: Subject<'_>, role: RoleArn<'_>, client_ids: &[Box<str>]) -> Problem {
    Problem::new(
        &rules::IRSA_TRUST_UNDECIDED,
        Cause::CannotTell { account: subject.into(), role: RoleRef::named(role.name), why: CannotTell::TokenAudience },
        Advice::ReadAudience,
    )
    .expected(Label::ProviderAccepts, accepted(client_ids))
    .found(Label::AtAdmission, TrustValue::TokenNotReadable)
}
