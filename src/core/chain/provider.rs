//! The link from the cluster's issuer to an OIDC provider in the role's account (failure family D; STS API,
//! `AssumeRoleWithWebIdentity`, errors).

use rolecall_iam::RoleArn;

use super::{Audience, Subject, fix, missing, unreadable};
use crate::finding::{Hint, Problem};
use crate::fix::{Change, Text};
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
        None => {
            let unreadable = unreadable::provider(snapshot, subject, role);
            let problem = unreadable.unwrap_or_else(|| missing::providers(subject, role.name, role.account, issuer));
            Err(Box::new(problem))
        }
        Some(None) => Err(Box::new(unregistered(snapshot, subject, role, issuer, audience))),
        Some(Some(provider)) => Ok(provider),
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
        format!(
            "service account {subject} cannot assume role {}: account {} has no OIDC provider for the cluster's issuer",
            role.name, role.account
        ),
        fix,
    )
    .expected("the account needs a provider for", format!("https://{issuer}"))
    .found("it has", close.map_or_else(|| "none for it".to_owned(), |url| format!("https://{url}")))
    .hint(close.map(|url| Hint::note(format!("the account has a provider for https://{url}, which is similar"))))
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
        format!(
            "service account {subject} cannot assume role {}: the OIDC provider does not accept the token's audience",
            role.name
        ),
        Change::AddClientId {
            provider: (&provider.arn).into(),
            client_id: audience.into(),
            client_ids: client_ids.iter().take(MAX_CLIENT_IDS).map(Text::from).chain([audience.into()]).collect(),
        },
    );
    Some(problem.expected("the provider accepts", accepted(client_ids)).found("the token's audience is", audience))
}

fn accepted(client_ids: &[Box<str>]) -> String {
    if client_ids.is_empty() { "no audience".to_owned() } else { client_ids.join(", ") }
}

/// The token comes from where it cannot be read.
fn unknown_audience(subject: Subject<'_>, role: RoleArn<'_>, client_ids: &[Box<str>]) -> Problem {
    Problem::new(
        &rules::IRSA_TRUST_UNDECIDED,
        format!(
            "cannot tell whether service account {subject} can assume role {}: the audience of its token is not known",
            role.name
        ),
        "read the token's `aud` in a pod, or leave AWS_WEB_IDENTITY_TOKEN_FILE and its volume to the injector",
    )
    .expected("the provider accepts", accepted(client_ids))
    .found("at admission", "the token cannot be read")
}
