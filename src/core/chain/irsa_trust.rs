//! The trust policy of a role, for a web identity of the cluster (failure family C).

use rolecall_iam::{
    BaseOperator, ConditionReport, Context, Principal, PrincipalEntry, Request, RoleArn, StatementReport, Truth,
    Verdict,
};

use super::irsa_context::{IrsaContext, of_another_token};
use super::trust::{self, Outcome, list, place};
use super::{Audience, State, Subject, fix, slips};
use crate::finding::{Certainty, Problem};
use crate::rules;
use crate::snapshot::{Issuer, Role};

pub(super) const ACTION: &str = "sts:AssumeRoleWithWebIdentity";

pub(super) struct Judged {
    pub(super) state: State,
    pub(super) problem: Option<Problem>,
    pub(super) open: Option<Problem>,
}

/// Everything that a diagnosis needs to know.
struct Case<'a> {
    subject: Subject<'a>,
    role: &'a Role,
    parsed: RoleArn<'a>,
    issuer: &'a Issuer,
    provider_arn: &'a str,
    claim: &'a str,
    audience: Audience<'a>,
}

pub(super) fn link(
    subject: Subject<'_>,
    role: &Role,
    parsed: RoleArn<'_>,
    issuer: &Issuer,
    audience: Audience<'_>,
) -> Judged {
    let Some(document) = &role.trust else {
        return Judged { state: State::Unknown, problem: None, open: None };
    };
    let provider_arn = issuer.provider_arn(parsed.partition, parsed.account);
    let claim = subject.claim();
    let case = Case { subject, role, parsed, issuer, provider_arn: &provider_arn, claim: &claim, audience };
    let context = |presume| case.context(&claim, presume);
    let (outcome, decided_by) = trust::judge(document, ACTION, Principal::Federated(&provider_arn), context);
    match outcome {
        Outcome::Denied(certainty) => {
            let reports = document.explain(&case.request(&decided_by));
            let (certainty, problem) = match case.presents_in_other_case(&reports) {
                true => (
                    Certainty::Undecided,
                    case.undecided("its provider's ARN differs from the registered one in case only"),
                ),
                false => (certainty, case.diagnose(&reports)),
            };
            let state = if certainty == Certainty::Certain { State::Broken } else { State::Unknown };
            Judged { state, problem: Some(problem.at_most(certainty)), open: None }
        }
        Outcome::Undecided => {
            let reports = document.explain(&case.request(&decided_by));
            let keys = undecided_keys(&reports);
            Judged {
                state: State::Unknown,
                problem: Some(case.undecided(&format!("it depends on {keys}"))),
                open: case.open(),
            }
        }
        Outcome::Allowed if case.is_named(&decided_by) => {
            Judged { state: State::Holds, problem: None, open: case.open() }
        }
        Outcome::Allowed => {
            let reason = "what `Principal: \"*\"` does for a web identity is not documented";
            Judged { state: State::Unknown, problem: Some(case.undecided(reason)), open: Some(case.names_everyone()) }
        }
    }
}

fn undecided_keys(reports: &[StatementReport<'_>]) -> String {
    let mut keys: Vec<Box<str>> = Vec::new();
    let relevant = reports.iter().filter(|report| report.applies() == Truth::Unknown);
    for condition in relevant.flat_map(StatementReport::undecided) {
        if !keys.contains(&condition.condition.key) {
            keys.push(condition.condition.key.clone());
        }
    }
    list(&keys)
}

impl<'a> Case<'a> {
    fn context<'c>(&'c self, claim: &'c str, presume: bool) -> IrsaContext<'c> {
        IrsaContext {
            issuer: self.issuer,
            provider_arn: self.provider_arn,
            account: self.parsed.account,
            claim,
            audience: self.audience,
            role: self.role,
            presume,
        }
    }

    fn request<'c>(&self, context: &'c dyn Context) -> Request<'c>
    where
        'a: 'c,
    {
        Request { action: ACTION, resource: None, principal: Some(Principal::Federated(self.provider_arn)), context }
    }

    fn problem(&self, rule: &'static rules::Rule, why: &str, fix: String) -> Problem {
        Problem::new(rule, format!("{} cannot become {}: {why}", self.subject, self.parsed.name), fix)
    }

    /// A statement that names our provider allows it, not one that names everyone.
    fn is_named(&self, context: &dyn Context) -> bool {
        let request = self.request(context);
        let mut allowing =
            self.role.trust.iter().flat_map(|document| document.with_effect(rolecall_iam::Effect::Allow));
        allowing.any(|statement| {
            statement.applies(&request) == Truth::True
                && !statement.principals.entries().iter().all(|entry| *entry == PrincipalEntry::Everyone)
        })
    }

    /// Some statement would apply if the provider's ARN were compared without regard to case.
    fn presents_in_other_case(&self, reports: &[StatementReport<'_>]) -> bool {
        trust::applying_deny(reports).is_none()
            && trust::allows(reports).any(|report| {
                report.principal == Truth::False
                    && report.action == Truth::True
                    && report.failed().next().is_none()
                    && federated(report).any(|arn| arn.eq_ignore_ascii_case(self.provider_arn))
            })
    }

    fn undecided(&self, reason: &str) -> Problem {
        Problem::new(
            &rules::IRSA_TRUST_UNDECIDED,
            format!("whether {} can become {} is not known: {reason}", self.subject, self.parsed.name),
            format!(
                "try it from a pod: aws sts get-caller-identity; or drop that condition from the trust policy of {}",
                self.parsed.name
            ),
        )
    }

    /// Whether a service account of any other namespace could take the role as well.
    fn open(&self) -> Option<Problem> {
        let document = self.role.trust.as_ref()?;
        let context = self.context("system:serviceaccount:rolecall-probe-7f3a:rolecall-probe-9c1e", false);
        let request = self.request(&context);
        if document.evaluate(&request) != Verdict::Allowed {
            return None;
        }
        let reports = document.explain(&request);
        let open = trust::allows(&reports).find(|report| report.applies() == Truth::True)?;
        let path = format!("{}.Condition.StringEquals[\"{}:sub\"]", self.jq_path(open), self.issuer);
        Some(
            Problem::new(
                &rules::IRSA_TRUST_OPEN,
                format!("any service account of the cluster can become {}", self.parsed.name),
                fix::edit_trust(self.parsed, &format!("{path} = \"{}\"", self.claim)),
            )
            .expected("the trust policy should ask for", format!("{}:sub = {}", self.issuer, self.claim))
            .found("it allows every subject in", place(open)),
        )
    }

    /// `Principal: "*"` opens the role to more than this cluster.
    fn names_everyone(&self) -> Problem {
        Problem::new(
            &rules::IRSA_TRUST_OPEN,
            format!("the trust policy of {} names everyone as its principal", self.parsed.name),
            fix::edit_trust_by_hand(self.parsed, &format!("name {} instead of everyone", self.provider_arn)),
        )
        .expected("the principal should be", self.provider_arn)
        .found("it is", "*")
    }

    fn diagnose(&self, reports: &[StatementReport<'_>]) -> Problem {
        if let Some(deny) = trust::applying_deny(reports) {
            return self.denied(deny);
        }
        let with_principal = || trust::allows(reports).filter(|report| report.principal == Truth::True);
        let nearest = with_principal()
            .filter(|report| report.action == Truth::True)
            .min_by_key(|report| (report.failed().count(), self.distance(report)));
        if let Some(problem) = nearest.and_then(|report| self.condition(report)) {
            return problem;
        }
        if let Some(report) = with_principal().find(|report| report.action == Truth::False) {
            return self.action(report);
        }
        self.principal(reports)
    }

    /// How far the subjects of a statement are from ours.
    fn distance(&self, report: &StatementReport<'_>) -> usize {
        let subjects = report.failed().flat_map(|failed| &failed.condition.values);
        subjects.map(|value| strsim::levenshtein(value, self.claim)).min().unwrap_or(0)
    }

    fn denied(&self, deny: &StatementReport<'_>) -> Problem {
        let conditions: Vec<String> = deny.conditions.iter().map(trust::condition_text).collect();
        let found = if conditions.is_empty() {
            format!("{} denies it unconditionally", place(deny))
        } else {
            format!("{} denies it where {}", place(deny), conditions.join(" and "))
        };
        self.problem(
            &rules::IRSA_TRUST_DENIED,
            "a Deny in the role's trust policy applies",
            fix::edit_trust_by_hand(self.parsed, &format!("narrow {} so that it spares {}", place(deny), self.claim)),
        )
        .expected("expected", "no Deny that applies")
        .found("the trust policy's", found)
    }

    fn jq_path(&self, report: &StatementReport<'_>) -> String {
        self.role.trust.as_ref().map(|document| document.jq_path(report.index)).unwrap_or_default()
    }

    fn action(&self, report: &StatementReport<'_>) -> Problem {
        let path = self.jq_path(report);
        let element = if report.statement.actions.negated { "NotAction" } else { "Action" };
        let program = if report.statement.actions.negated {
            format!("{path}.NotAction |= ([.]|flatten - [\"{ACTION}\"])")
        } else {
            fix::add_value(&format!("{path}.Action"), ACTION)
        };
        self.problem(
            &rules::IRSA_TRUST_ACTION,
            "its trust policy trusts the cluster's provider for another action",
            fix::edit_trust(self.parsed, &program),
        )
        .expected("a web identity needs", ACTION)
        .found("the statement has", format!("{element} {}", list(&report.statement.actions.written)))
    }

    /// The condition that keeps the nearest statement from applying.
    fn condition(&self, report: &StatementReport<'_>) -> Option<Problem> {
        let rank = |failed: &&ConditionReport<'_>| match self.claim_of(failed) {
            None => 0,
            Some("sub") => 1,
            Some(_) => 2,
        };
        let failed = report.failed().min_by_key(rank)?;
        let path = format!("{}.Condition[\"{}\"]", self.jq_path(report), failed.operator().written);
        Some(match self.claim_of(failed) {
            Some("sub") => self.subject_condition(failed, &path),
            Some("aud") => self.audience_condition(failed, &path),
            _ => self.key_condition(failed, &path),
        })
    }

    /// The claim, where the key is one of our own issuer's that the token carries.
    fn claim_of(&self, report: &ConditionReport<'_>) -> Option<&'static str> {
        let rest = report.condition.folded_key.strip_prefix(self.issuer.folded())?;
        match rest {
            ":sub" => Some("sub"),
            ":aud" => Some("aud"),
            _ => None,
        }
    }

    fn subject_condition(&self, failed: &ConditionReport<'_>, path: &str) -> Problem {
        let condition = failed.condition;
        if let Some(problem) = self.literal_wildcard(failed, path, self.claim) {
            return problem;
        }
        let negated = condition.operator.base.is_negated();
        let nearest = condition.values.iter().min_by_key(|value| strsim::levenshtein(value, self.claim));
        let slip = nearest.filter(|_| !negated).and_then(|value| slips::subject(value, self.subject));
        let program = if negated {
            format!("{path}[\"{}\"] |= ([.]|flatten - [\"{}\"])", condition.key, self.claim)
        } else {
            fix::add_value(&format!("{path}[\"{}\"]", condition.key), self.claim)
        };
        let label = if negated { "the role's trust policy excludes" } else { "the role's trust policy allows" };
        let mut shown: Vec<Box<str>> = nearest.into_iter().cloned().collect();
        shown.extend(condition.values.iter().filter(|value| Some(*value) != nearest).cloned());
        self.problem(
            &rules::IRSA_TRUST_SUBJECT,
            "its trust policy does not allow this subject",
            fix::edit_trust(self.parsed, &program),
        )
        .expected(label, list(&shown))
        .found("this pod presents", self.claim)
        .slip(slip)
    }

    /// A wildcard under an operator that takes it literally, and that would match under `StringLike`.
    fn literal_wildcard(&self, failed: &ConditionReport<'_>, path: &str, presented: &str) -> Option<Problem> {
        let condition = failed.condition;
        let written = &condition.operator.written;
        if !matches!(condition.operator.base, BaseOperator::StringEquals | BaseOperator::StringEqualsIgnoreCase) {
            return None;
        }
        let pattern = condition
            .values
            .iter()
            .find(|value| value.contains(['*', '?']) && rolecall_iam::wildcard_match(value, presented))?;
        let (qualifier, suffix) = (written.split_once(':').map(|(set, _)| set), condition.operator.if_exists);
        let like = format!(
            "{}StringLike{}",
            qualifier.map(|set| format!("{set}:")).unwrap_or_default(),
            if suffix { "IfExists" } else { "" }
        );
        let conditions = path.strip_suffix(&format!("[\"{written}\"]")).unwrap_or(path);
        let key = &condition.key;
        let program = format!("{conditions}[\"{like}\"][\"{key}\"] = {path}[\"{key}\"] | del({path}[\"{key}\"])");
        Some(
            self.problem(
                &rules::IRSA_TRUST_WILDCARD,
                &format!("{written} takes the wildcard in its trust policy literally"),
                fix::edit_trust(self.parsed, &program),
            )
            .expected("the role's trust policy allows, literally,", pattern.to_string())
            .found("this pod presents", presented)
            .slip(Some(format!("use {like} instead of {written}"))),
        )
    }

    fn audience_condition(&self, failed: &ConditionReport<'_>, path: &str) -> Problem {
        let condition = failed.condition;
        let audience = match self.audience {
            Audience::Is(audience) => audience,
            Audience::Unknown => "an audience that cannot be seen",
        };
        if let Some(problem) = self.literal_wildcard(failed, path, audience) {
            return problem;
        }
        let swapped = condition.values.iter().any(|value| value.starts_with("system:serviceaccount:"));
        self.problem(
            &rules::IRSA_TRUST_AUDIENCE,
            "its trust policy does not allow the token's audience",
            fix::edit_trust(self.parsed, &fix::add_value(&format!("{path}[\"{}\"]", condition.key), audience)),
        )
        .expected("the role's trust policy allows", list(&condition.values))
        .found("the token's audience is", audience)
        .slip(swapped.then(|| "that is a subject: `sub` and `aud` are swapped".to_owned()))
    }

    /// A condition on a key that this token never carries, or carries with another value.
    fn key_condition(&self, failed: &ConditionReport<'_>, path: &str) -> Problem {
        let condition = failed.condition;
        let (slip, claim) = match slips::miswritten_key(&condition.folded_key, self.issuer) {
            Some((claim, slip)) => (Some(slip.to_owned()), Some(claim)),
            None if of_another_token(&condition.folded_key) => {
                let (address, claim) = slips::split_key(&condition.key);
                let other = Issuer::new(address.split_once("oidc-provider/").map_or(address, |(_, rest)| rest));
                let ours = other.folded() == self.issuer.folded();
                let slip = if ours {
                    format!("an EKS token has no `{claim}` claim that IAM reads")
                } else {
                    slips::issuer(other.as_str(), self.issuer)
                };
                (Some(slip), matches!(claim, "sub" | "aud").then_some(claim))
            }
            None => (None, None),
        };
        let (why, expected, program) = match claim {
            Some(claim @ ("sub" | "aud")) => {
                let right = format!("{}:{claim}", self.issuer);
                let program =
                    format!("{path}[\"{right}\"] = {path}[\"{key}\"] | del({path}[\"{key}\"])", key = condition.key);
                ("a condition is on a key that its token never carries", right, program)
            }
            _ => (
                "a condition is on a key that its token does not carry",
                format!("no condition on {}", condition.key),
                format!("del({path}[\"{}\"])", condition.key),
            ),
        };
        self.problem(&rules::IRSA_TRUST_KEY, why, fix::edit_trust(self.parsed, &program))
            .expected("the key would have to be", expected)
            .found("the trust policy has", trust::condition_text(failed))
            .slip(slip)
    }

    /// No statement names our provider.
    fn principal(&self, reports: &[StatementReport<'_>]) -> Problem {
        let providers = || trust::allows(reports).flat_map(federated);
        let same_issuer = |arn: &&str| provider_address(arn).is_some_and(|url| Issuer::new(url) == *self.issuer);
        let statement = serde_json::json!({
            "Effect": "Allow",
            "Principal": {"Federated": self.provider_arn},
            "Action": ACTION,
            "Condition": {"StringEquals": {
                format!("{}:sub", self.issuer): self.claim,
                format!("{}:aud", self.issuer): match self.audience { Audience::Is(audience) => audience, Audience::Unknown => "sts.amazonaws.com" },
            }},
        });
        let fix = fix::edit_trust(self.parsed, &fix::add_statement(&statement));
        if let Some(arn) = providers().find(same_issuer) {
            let account = rolecall_iam::Arn::parse(arn).map_or("", |arn| arn.account);
            let slip = if !arn.starts_with("arn:") {
                "the principal is the provider's address; it must be its ARN".to_owned()
            } else if account == self.parsed.account {
                "the provider's ARN is written differently: https://, a slash at its end or another partition"
                    .to_owned()
            } else {
                format!(
                    "the provider is one of account {account}; it must be one of the role's own account, {}",
                    self.parsed.account
                )
            };
            return self
                .problem(&rules::IRSA_TRUST_PRINCIPAL, "its trust policy does not name this cluster's provider", fix)
                .expected("the trust policy would have to name", self.provider_arn)
                .found("it names", arn)
                .slip(Some(slip));
        }
        let clusters = providers().filter_map(|arn| Some((arn, provider_address(arn)?)));
        let other = clusters
            .filter(|(_, address)| slips::is_cluster_issuer(address, self.issuer))
            .min_by_key(|(_, address)| strsim::levenshtein(address, self.issuer.as_str()));
        if let Some((_, address)) = other {
            return self
                .problem(&rules::IRSA_TRUST_ISSUER, "its trust policy trusts another issuer than this cluster's", fix)
                .expected("the role's trust policy trusts", address)
                .found("this cluster's issuer is", self.issuer.as_str())
                .slip(Some(slips::issuer(address, self.issuer)));
        }
        let trusted = self.role.trust.as_ref().map(trust::trusted).unwrap_or_default();
        let slip = [
            ("pods.eks.amazonaws.com", "the role is made for Pod Identity, but the service account has no association"),
            ("ecs-tasks.amazonaws.com", "the role is made for ECS tasks"),
            ("ec2.amazonaws.com", "the role is made for EC2 instances"),
            ("lambda.amazonaws.com", "the role is made for Lambda functions"),
        ]
        .into_iter()
        .find(|(service, _)| trusted.contains(service))
        .map(|(_, slip)| slip.to_owned());
        self.problem(&rules::IRSA_TRUST_PRINCIPAL, "its trust policy does not name this cluster's provider", fix)
            .expected("the trust policy would have to name", self.provider_arn)
            .found("it names", trusted)
            .slip(slip)
    }
}

fn federated<'r>(report: &'r StatementReport<'_>) -> impl Iterator<Item = &'r str> {
    report.statement.principals.entries().iter().filter_map(|entry| match entry {
        PrincipalEntry::Federated(arn) => Some(&**arn),
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
