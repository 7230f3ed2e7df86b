//! The link from the cluster's issuer to an OIDC provider in the role's account (failure family D; STS API,
//! `AssumeRoleWithWebIdentity`, errors).

use rolecall_iam::RoleArn;

use super::{Audience, State, Subject, fix};
use crate::finding::Problem;
use crate::rules;
use crate::snapshot::{Issuer, Provider, Snapshot};

pub(super) struct Registered<'s> {
    pub(super) state: State,
    pub(super) problem: Option<Problem>,
    pub(super) provider: Option<&'s Provider>,
}

pub(super) fn link<'s>(
    snapshot: &'s Snapshot,
    subject: Subject<'_>,
    role: RoleArn<'_>,
    issuer: &Issuer,
) -> Registered<'s> {
    match snapshot.provider(role.account, issuer) {
        None => Registered { state: State::Unknown, problem: None, provider: None },
        Some(Some(provider)) => Registered { state: State::Holds, problem: None, provider: Some(provider) },
        Some(None) => {
            let problem = missing(snapshot, subject, role, issuer);
            Registered { state: State::Broken, problem: Some(problem), provider: None }
        }
    }
}

fn missing(snapshot: &Snapshot, subject: Subject<'_>, role: RoleArn<'_>, issuer: &Issuer) -> Problem {
    let home = snapshot.cluster.as_ref().and_then(|cluster| cluster.location()).map(|place| place.account);
    let fix = if home == Some(role.account) {
        format!("eksctl utils associate-iam-oidc-provider --cluster {} --approve", fix::cluster_name(snapshot))
    } else {
        format!(
            "in account {}: aws iam create-open-id-connect-provider --url https://{issuer} --client-id-list sts.amazonaws.com",
            role.account
        )
    };
    let close = snapshot
        .accounts
        .get(role.account)
        .and_then(|account| account.providers.as_ref())
        .and_then(|providers| providers.keys().filter(|url| strsim::levenshtein(url, issuer.as_str()) <= 3).min());
    Problem::new(
        &rules::OIDC_PROVIDER_MISSING,
        format!(
            "{subject} cannot become {}: account {} has no OIDC provider for the cluster's issuer",
            role.name, role.account
        ),
        fix,
    )
    .expected("the account needs a provider for", format!("https://{issuer}"))
    .found("it has", close.map_or_else(|| "none for it".to_owned(), |url| format!("https://{url}")))
    .slip(close.map(|url| format!("the account has a provider for https://{url}, which comes close")))
}

/// The provider's client IDs must hold the token's audience.
pub(super) fn audience(
    subject: Subject<'_>,
    role: RoleArn<'_>,
    provider: &Provider,
    audience: Audience<'_>,
) -> (State, Option<Problem>) {
    let (Some(client_ids), Audience::Is(audience)) = (&provider.client_ids, audience) else {
        return (State::Unknown, None);
    };
    if client_ids.iter().any(|id| **id == *audience) {
        return (State::Holds, None);
    }
    let list = client_ids.iter().map(|id| &**id).collect::<Vec<_>>().join(", ");
    let problem = Problem::new(
        &rules::OIDC_PROVIDER_AUDIENCE,
        format!("{subject} cannot become {}: the OIDC provider does not accept the token's audience", role.name),
        format!(
            "aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn {} --client-id {audience}",
            provider.arn
        ),
    )
    .expected("the provider accepts", if list.is_empty() { "no audience".to_owned() } else { list })
    .found("the token's audience is", audience);
    (State::Broken, Some(problem))
}
