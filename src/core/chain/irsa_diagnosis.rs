//! Why a trust policy does not let a web identity in: the statement that comes closest, every condition of it that fails,
//! the likely typo, and one edit that fixes all of it (failure family C).

use rolecall_iam::{BaseOperator, Condition, ConditionReport, Found, PrincipalEntry, StatementReport, Truth};

use super::irsa_trust::{ACTION, Case, federated};
use super::keys::of_another_token;
use super::{Audience, fix, trust, typos};
use crate::finding::{
    CannotAssume, DenyGrounds, EvidenceValue, Label, Problem, Remark, RolePurpose, TrustCondition, TrustValue, Typo,
};
use crate::fix::{Change, FirstValues};
use crate::rules;
use crate::snapshot::Issuer;

/// Most conditions of a statement that a message lists.
const MAX_PROBLEMS: usize = 16;

/// What a failed condition is about.
pub(super) enum About<'r> {
    /// `ISSUER:sub` or `ISSUER:aud` of our own issuer: the value does not match.
    Claim(&'static str),
    /// A claim that was meant, under a key that no token of ours carries.
    Miswritten { claim: &'static str, typo: Typo },
    /// A key that our token does not carry at all.
    Foreign { hint: Option<Remark>, key: &'r str },
}

impl Case<'_> {
    /// What keeps the web identity out; the first problem leads and its fix fixes the whole statement.
    pub(super) fn diagnose(&self, reports: &[StatementReport<'_>]) -> Vec<Problem> {
        if let Some(deny) = trust::applying_deny(reports) {
            return vec![self.denied(deny)];
        }
        let with_principal = || trust::allows(reports).filter(|report| report.principal == Truth::True);
        let nearest = with_principal()
            .filter(|report| report.action == Truth::True)
            .min_by_key(|report| (report.failed().count(), self.distance(report)));
        let problems = nearest.map(|report| self.conditions(report)).unwrap_or_default();
        if !problems.is_empty() {
            return problems;
        }
        match with_principal().find(|report| report.action == Truth::False) {
            Some(report) => vec![self.action(report)],
            None => vec![self.principal(reports)],
        }
    }

    /// How far the subjects of a statement are from ours.
    fn distance(&self, report: &StatementReport<'_>) -> usize {
        let subjects = report.failed().flat_map(|failed| &failed.condition.values);
        subjects.map(|value| typos::edits(value, self.claim)).min().unwrap_or(0)
    }

    fn denied(&self, deny: &StatementReport<'_>) -> Problem {
        let is_not_principal = matches!(deny.statement.principals, rolecall_iam::Principals::IsNot(_));
        let grounds = if deny.conditions.is_empty() && !is_not_principal {
            DenyGrounds::Unconditional
        } else {
            DenyGrounds::Where { is_not_principal, conditions: deny.conditions.iter().collect() }
        };
        self.problem(
            &rules::IRSA_TRUST_DENIED,
            CannotAssume::TrustDenies,
            fix::narrow_deny(self.parsed, deny.into(), self.claim, None),
        )
        .expected(Label::Expected, TrustValue::NoDeny)
        .found(Label::TrustStatement, TrustValue::Denies { statement: deny.into(), grounds })
    }

    fn action(&self, report: &StatementReport<'_>) -> Problem {
        let fix = self.allow_by_action(report);
        self.problem(&rules::IRSA_TRUST_ACTION, CannotAssume::TrustAllowsOtherAction, fix)
            .expected(Label::WebIdentityNeeds, ACTION)
            .found(
                Label::StatementHas,
                TrustValue::Actions {
                    is_negated: report.statement.actions.negated,
                    actions: report.statement.actions.written.iter().collect(),
                },
            )
    }

    /// A problem for each condition that keeps the nearest statement from applying: keys first, then subject, then audience.
    fn conditions(&self, report: &StatementReport<'_>) -> Vec<Problem> {
        let mut failed: Vec<&ConditionReport<'_>> = report.failed().collect();
        failed.sort_by_key(|failed| match self.about(failed.condition) {
            About::Miswritten { claim: "sub", .. } => 0,
            About::Miswritten { .. } | About::Foreign { .. } => 1,
            About::Claim("sub") => 2,
            About::Claim(_) => 3,
        });
        let fix = self.allow_caller(report);
        failed.into_iter().take(MAX_PROBLEMS).map(|failed| self.condition(failed, fix.clone())).collect()
    }

    fn condition(&self, failed: &ConditionReport<'_>, fix: Change) -> Problem {
        match self.about(failed.condition) {
            About::Claim("sub") => self.subject(failed, fix),
            About::Claim(_) => self.token_audience(failed, fix),
            About::Miswritten { claim, typo } => self
                .problem(&rules::IRSA_TRUST_KEY, CannotAssume::TrustKeyUnknown, fix)
                .expected(Label::KeyMustBe, format!("{}:{claim}", self.issuer))
                .found(Label::TrustHas, TrustCondition::from(failed))
                .hint(Some(typo)),
            About::Foreign { hint, key } => {
                let carried = matches!(failed.found, Found::Values(_));
                let why = if carried {
                    CannotAssume::TrustKeyMismatch { key: key.into() }
                } else {
                    CannotAssume::TrustKeyNotCarried
                };
                self.problem(&rules::IRSA_TRUST_KEY, why, fix)
                    .expected(Label::TrustAsksFor, TrustCondition::from(failed))
                    .found(Label::RequestCarries, trust::sent(&failed.found))
                    .hint(hint)
            }
        }
    }

    pub(super) fn about<'r>(&self, condition: &'r Condition) -> About<'r> {
        let key = &*condition.folded_key;
        if let Some(claim) = key.strip_prefix(self.issuer.folded()).and_then(|rest| rest.strip_prefix(':')) {
            return match known_claim(claim) {
                Some(claim) => About::Claim(claim),
                None => About::Foreign { hint: Some(Remark::NoSuchClaim { claim: claim.into() }), key: &condition.key },
            };
        }
        if typos::is_bare_issuer(key, self.issuer) {
            let is_audience = condition.values.iter().any(|value| value.contains("amazonaws.com"));
            let claim = if is_audience { "aud" } else { "sub" };
            return About::Miswritten { claim, typo: Typo::KeyWithoutClaim { claim } };
        }
        if let Some((claim, typo)) = typos::miswritten_key(key, self.issuer)
            && let Some(claim) = known_claim(claim)
        {
            return About::Miswritten { claim, typo };
        }
        if !of_another_token(key) {
            return About::Foreign { hint: None, key: &condition.key };
        }
        let (address, claim) = typos::split_key(&condition.key);
        let address = address.split_once("oidc-provider/").map_or(address, |(_, rest)| rest);
        match known_claim(&claim.to_ascii_lowercase()) {
            Some(claim) if typos::is_cluster_issuer(address, self.issuer) => {
                About::Miswritten { claim, typo: Typo::Issuer(typos::issuer(address, self.issuer)) }
            }
            _ => About::Foreign { hint: Some(Remark::OtherIssuer { address: address.into() }), key: &condition.key },
        }
    }

    fn subject(&self, failed: &ConditionReport<'_>, fix: Change) -> Problem {
        if let Some(problem) = self.literal_wildcard(failed, self.claim, &fix) {
            return problem;
        }
        let condition = failed.condition;
        let nearest = condition.values.iter().min_by_key(|value| typos::edits(value, self.claim));
        let hint = nearest.filter(|_| is_plain(condition)).and_then(|value| typos::subject(value, self.subject));
        let others = condition.values.iter().filter(|value| Some(*value) != nearest);
        let (label, shown) = if is_plain(condition) {
            (Label::TrustAllows, EvidenceValue::Values(nearest.into_iter().chain(others).collect()))
        } else {
            (Label::RoleTrustAsksFor, TrustCondition::from(failed).into())
        };
        self.problem(&rules::IRSA_TRUST_SUBJECT, CannotAssume::TrustSubject, fix)
            .expected(label, shown)
            .found(Label::TokenHas, self.claim)
            .hint(hint)
    }

    fn token_audience(&self, failed: &ConditionReport<'_>, fix: Change) -> Problem {
        let audience = audience_of(self.audience);
        if let Some(problem) = self.literal_wildcard(failed, audience, &fix) {
            return problem;
        }
        let condition = failed.condition;
        let swapped = condition.values.iter().any(|value| is_subject(value));
        self.problem(&rules::IRSA_TRUST_AUDIENCE, CannotAssume::TrustAudience, fix)
            .expected(Label::TrustAllows, FirstValues::from_iter(&condition.values))
            .found(Label::TokenAudience, audience)
            .hint(swapped.then_some(Typo::AudienceIsSubject))
    }

    /// A wildcard under an operator that takes it literally, and that would match under `StringLike`.
    fn literal_wildcard(&self, failed: &ConditionReport<'_>, presented: &str, fix: &Change) -> Option<Problem> {
        let condition = failed.condition;
        let pattern = literal_pattern(condition, presented)?;
        let written = &condition.operator.written;
        Some(
            self.problem(
                &rules::IRSA_TRUST_WILDCARD,
                CannotAssume::TrustWildcard { operator: written.into() },
                fix.clone(),
            )
            .expected(Label::TrustAllowsLiterally, pattern)
            .found(Label::TokenHas, presented)
            .hint(Some(Remark::UseOperator { operator: like(condition).into(), instead_of: written.into() })),
        )
    }

    /// No statement names our provider.
    fn principal(&self, reports: &[StatementReport<'_>]) -> Problem {
        let providers = || trust::allows(reports).flat_map(federated);
        let same_issuer = |arn: &&str| provider_address(arn).is_some_and(|url| Issuer::new(url) == *self.issuer);
        let fix = self.own_statement(None);
        if let Some(arn) = providers().find(same_issuer) {
            return self
                .problem(&rules::IRSA_TRUST_PRINCIPAL, CannotAssume::TrustProvider, fix)
                .expected(Label::TrustMustName, self.provider_arn)
                .found(Label::ItNames, arn)
                .hint(Some(self.typo_in_provider(arn)));
        }
        let clusters = providers().filter_map(provider_address);
        let other = clusters
            .filter(|address| typos::is_cluster_issuer(address, self.issuer))
            .min_by_key(|address| strsim::levenshtein(address, self.issuer.as_str()));
        if let Some(address) = other {
            return self
                .problem(&rules::IRSA_TRUST_ISSUER, CannotAssume::TrustIssuer, fix)
                .expected(Label::TrustTrusts, address)
                .found(Label::ClusterIssuer, self.issuer.as_str())
                .hint(Some(Remark::Issuer(typos::issuer(address, self.issuer))));
        }
        let trusted = self.role.trust.as_ref().map(trust::trusted).unwrap_or_default();
        let hint = made_for(reports).map(Remark::RoleIsFor);
        self.problem(&rules::IRSA_TRUST_PRINCIPAL, CannotAssume::TrustProvider, fix)
            .expected(Label::TrustMustName, self.provider_arn)
            .found(Label::ItNames, TrustValue::Principals(trusted))
            .hint(hint)
    }

    /// How the ARN of a provider for our own issuer is wrong.
    fn typo_in_provider(&self, arn: &str) -> Typo {
        let account = rolecall_iam::Arn::parse(arn).map_or("", |arn| arn.account);
        if !arn.starts_with("arn:") {
            Typo::ProviderIsAddress
        } else if account == self.parsed.account {
            Typo::ProviderSpelling
        } else {
            Typo::ProviderOfAccount { account: account.into(), own: self.parsed.account.into() }
        }
    }
}

/// The audience of a token; where it cannot be seen, the usual one.
pub(super) fn audience_of(audience: Audience<'_>) -> &str {
    match audience {
        Audience::Is(audience) => audience,
        Audience::Unknown => "sts.amazonaws.com",
    }
}

fn known_claim(claim: &str) -> Option<&'static str> {
    ["sub", "aud"].into_iter().find(|known| *known == claim)
}

pub(super) fn is_subject(value: &str) -> bool {
    value.starts_with("system:serviceaccount:")
}

/// A positive comparison of texts, to which a value can be added.
pub(super) fn is_plain(condition: &Condition) -> bool {
    matches!(
        condition.operator.base,
        BaseOperator::StringEquals | BaseOperator::StringEqualsIgnoreCase | BaseOperator::StringLike
    )
}

/// The value with a wildcard that an exact operator takes literally, and that would match as a pattern.
fn literal_pattern<'c>(condition: &'c Condition, presented: &str) -> Option<&'c str> {
    let exact = matches!(condition.operator.base, BaseOperator::StringEquals | BaseOperator::StringEqualsIgnoreCase);
    let patterns = condition.values.iter().filter(|value| exact && value.contains(['*', '?']));
    patterns.map(|value| &**value).find(|value| rolecall_iam::wildcard_match(value, presented))
}

/// The operator that reads the wildcard.
fn like(condition: &Condition) -> String {
    let qualifier = condition.operator.written.split_once(':').map(|(set, _)| format!("{set}:")).unwrap_or_default();
    format!("{qualifier}StringLike{}", if condition.operator.if_exists { "IfExists" } else { "" })
}

/// What a role was evidently made for.
fn made_for(reports: &[StatementReport<'_>]) -> Option<RolePurpose> {
    let services = trust::allows(reports).flat_map(|report| report.statement.principals.entries());
    services.into_iter().find_map(|entry| match entry {
        PrincipalEntry::Service(service) => match &**service {
            "pods.eks.amazonaws.com" => Some(RolePurpose::PodIdentity),
            "ecs-tasks.amazonaws.com" => Some(RolePurpose::EcsTasks),
            "ec2.amazonaws.com" => Some(RolePurpose::Ec2),
            "lambda.amazonaws.com" => Some(RolePurpose::Lambda),
            _ => None,
        },
        _ => None,
    })
}

/// The address in a provider's ARN, or the text itself where it is written as an address.
fn provider_address(principal: &str) -> Option<&str> {
    if let Some((_, address)) = principal.split_once(":oidc-provider/") {
        return Some(address);
    }
    (!principal.starts_with("arn:") && principal.contains('/')).then_some(principal)
}
