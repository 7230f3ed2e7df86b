//! What walking a chain may take at most, before it is walked. It does not depend on what the walk finds: what is left for the
//! next chain must not tell anything about a role.

use rolecall_iam::{Document, PrincipalEntry, RoleArn};

use super::{Chain, RoleSource, Subject};
use crate::effort::Effort;
use crate::finding::{Label, Problem, RoleCause, RolePart, RoleValue};
use crate::fix::Advice;
use crate::rules;
use crate::snapshot::{Account, Association, Snapshot};

/// Of every chain.
const BASE: usize = 40;
/// Comparing two issuers letter by letter.
const PER_ISSUER: usize = 120;
/// Pairs of letters that are compared in the time of one pattern.
const PAIRS_PER_PATTERN: usize = 12;
/// How often a broken trust policy is evaluated, explained and asked about again.
const PASSES: usize = 32;
/// How often the subjects of a broken trust policy are compared with the pod's, letter by letter.
const COMPARISONS: usize = 2;

/// Of looking for a role, and for others with similar names.
pub(super) fn of_search(snapshot: &Snapshot, arn: &str, source: RoleSource<'_>) -> usize {
    let account = RoleArn::parse(arn).ok().and_then(|role| snapshot.accounts.get(role.account));
    let names = account.and_then(|account| account.roles.as_ref()).filter(|_| source.searches());
    BASE + names.map_or(0, |names| names.len())
}

/// Of the chain to a role by web identity.
pub(crate) fn of_role(snapshot: &Snapshot, subject: Subject<'_>, arn: &str, source: RoleSource<'_>) -> usize {
    let Ok(role) = RoleArn::parse(arn) else {
        return of_search(snapshot, arn, source);
    };
    let account = snapshot.accounts.get(role.account);
    let providers = account.and_then(|account| account.providers.as_ref()).map_or(0, |providers| providers.len());
    of_search(snapshot, arn, source)
        + providers * PER_ISSUER
        + of_trust(snapshot, subject, arn)
        + account.map_or(0, of_organization)
}

/// Of the chain of an association, to its target role too.
pub(crate) fn of_association(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    association: &Association,
    role_arn: &str,
) -> usize {
    let of = |arn: &str| {
        let account = RoleArn::parse(arn).ok().and_then(|role| snapshot.accounts.get(role.account));
        let source = RoleSource::Association(association);
        let organization = account.map_or(0, of_organization);
        // Both actions are asked for.
        of_search(snapshot, arn, source) + 2 * (of_trust(snapshot, subject, arn) + organization)
    };
    of(role_arn) + association.target_role_arn.as_deref().map_or(0, of)
}

/// Of the hop to a role that a controller assumes with another role.
pub(super) fn of_next_role(snapshot: &Snapshot, subject: Subject<'_>, arn: &str, source: RoleSource<'_>) -> usize {
    let account = RoleArn::parse(arn).ok().and_then(|role| snapshot.accounts.get(role.account));
    of_search(snapshot, arn, source) + 2 * (of_trust(snapshot, subject, arn) + account.map_or(0, of_organization))
}

fn of_trust(snapshot: &Snapshot, subject: Subject<'_>, arn: &str) -> usize {
    let role = RoleArn::parse(arn).ok().and_then(|role| snapshot.role_by_name(role.account, role.name).present());
    let Some(document) = role.and_then(|role| role.trust.as_ref()) else {
        return 0;
    };
    let claim = "system:serviceaccount:".len() + subject.namespace.len() + subject.service_account.len() + 1;
    let statements = || document.statements.iter();
    let values = statements().flat_map(|statement| &statement.conditions).flat_map(|condition| &condition.values);
    let letters: usize = values.map(|value| value.len()).sum();
    let federated = |entry: &&PrincipalEntry| matches!(entry, PrincipalEntry::Federated(_));
    let issuers = statements().flat_map(|statement| statement.principals.entries()).filter(federated).count();
    PASSES * document.size() + COMPARISONS * letters * claim / PAIRS_PER_PATTERN + 2 * issuers * PER_ISSUER
}

/// Of the resource control policies of an account.
fn of_organization(account: &Account) -> usize {
    let policies = account.resource_control.iter().flat_map(|control| &control.policies);
    let size: usize = policies.filter_map(|policy| policy.document.get()).map(Document::size).sum();
    PASSES / 2 * size
}

/// Walks a chain that costs that much; where the work that is left does not suffice, the whole chain is undecided.
pub(super) fn within(
    cost: usize,
    subject: Subject<'_>,
    arn: &str,
    effort: &Effort,
    walk: impl FnOnce() -> Chain,
) -> Chain {
    if effort.spend(cost) {
        let chain = walk();
        if !effort.is_spent() {
            return chain;
        }
    }
    Chain::undecided(unfinished(subject, arn))
}

fn unfinished(subject: Subject<'_>, arn: &str) -> Problem {
    let name = RoleArn::parse(arn).map_or(arn, |role| role.name);
    Problem::new(
        &rules::IDENTITY_UNDECIDED,
        RoleCause::Unfinished { account: subject.into(), role: name.into() },
        Advice::FewerRolesInObject,
    )
    .expected(Label::Expected, RoleValue::CheckedWithinLimit)
    .found(Label::NotChecked, arn)
    .about(arn, RolePart::Assuming)
}
