//! The trust policy of a role, for a web identity of the cluster (failure family C).

use rolecall_iam::{Context, Effect, Principal, PrincipalEntry, Request, RoleArn, StatementReport, Truth, Verdict};

use super::irsa_context::IrsaContext;
use super::irsa_diagnosis::About;
use super::trust::{self, Outcome};
use super::{Audience, Subject, cannot_assume, fix, missing, unreadable};
use crate::effort::Effort;
use crate::finding::{
    CannotAssume, CannotTell, Cause, Certainty, EvidenceValue, Label, Problem, RoleCause, RoleRef, TrustValue,
};
use crate::fix::{Change, NotForAccount, PoliciesOf};
use crate::rules;
use crate::snapshot::{Issuer, Role};

pub(super) const ACTION: &str = "sts:AssumeRoleWithWebIdentity";

pub(super) struct Judged {
    /// The first leads.
    pub(super) problems: Vec<Problem>,
    pub(super) open: Option<Problem>,
    /// The trust policy is for others on purpose. The statement is for a role of the service account's own.
    pub(super) own_role: Option<(NotForAccount, Change)>,
}

/// Everything that a diagnosis needs to know.
pub(super) struct Case<'a> {
    pub(super) subject: Subject<'a>,
    pub(super) role: &'a Role,
    pub(super) parsed: RoleArn<'a>,
    pub(super) issuer: &'a Issuer,
    pub(super) provider_arn: &'a str,
    pub(super) claim: &'a str,
    pub(super) audience: Audience<'a>,
    pub(super) effort: &'a Effort,
}

pub(super) fn link(
    subject: Subject<'_>,
    role: &Role,
    parsed: RoleArn<'_>,
    issuer: &Issuer,
    audience: Audience<'_>,
    effort: &Effort,
) -> Judged {
    let Some(document) = &role.trust else {
        let unreadable = unreadable::trust(subject, role, parsed);
        let problem = unreadable.unwrap_or_else(|| missing::trust_policy(subject, parsed));
        return Judged { problems: vec![problem], open: None, own_role: None };
    };
    let provider_arn = issuer.provider_arn(parsed.partition, parsed.account);
    let claim = subject.claim();
    let case = Case { subject, role, parsed, issuer, provider_arn: &provider_arn, claim: &claim, audience, effort };
    let context = |presume| case.context(&claim, presume);
    let read = trust::judge(document, ACTION, case.caller(), context);
    match read.outcome {
        Outcome::Denied(certainty) => {
            let reports = read.document.explain(&case.request(&read.context));
            // Nor what a Deny with `Principal: "*"` does to a web identity.
            let certainty = if denied_as_everyone(&reports) { certainty.min(Certainty::Likely) } else { certainty };
            // Whether STS minds the case of a provider's ARN is documented nowhere.
            let certainty =
                if case.presents_in_other_case(&reports) { certainty.min(Certainty::Likely) } else { certainty };
            let problems = case.diagnose(&reports).into_iter().map(|problem| problem.at_most(certainty)).collect();
            let is_about_subject = |condition: &_| matches!(case.about(condition), About::Claim("sub"));
            let not_for_account = case
                .other_namespaces()
                .map(NotForAccount::OtherNamespaces)
                .or_else(|| trust::excludes(&reports, is_about_subject).then_some(NotForAccount::Excluded));
            let own_role = not_for_account.map(|why| (why, case.own_statement(None)));
            Judged { problems, open: None, own_role }
        }
        Outcome::Undecided => {
            let reports = read.document.explain(&case.request(&read.context));
            let conditions = trust::undecided(&reports);
            let problem = case.undecided(CannotTell::Trust(trust::doubt(document, case.caller(), &conditions)));
            let problem = trust::with_conditions(problem, &conditions);
            Judged { problems: vec![problem], open: case.open(), own_role: None }
        }
        Outcome::Allowed if case.is_named(&read.context) => {
            Judged { problems: Vec::new(), open: case.open(), own_role: None }
        }
        Outcome::Allowed => {
            let problem = Problem { fix: case.own_statement(None).into(), ..case.undecided(CannotTell::Everyone) };
            Judged { problems: vec![problem], open: Some(case.names_everyone()), own_role: None }
        }
    }
}

/// The Deny statements that apply name everyone, and none names the provider.
fn denied_as_everyone(reports: &[StatementReport<'_>]) -> bool {
    let denies =
        reports.iter().filter(|report| report.statement.effect == Effect::Deny && report.applies() == Truth::True);
    let mut denies = denies.peekable();
    denies.peek().is_some()
        && denies
            .all(|report| report.statement.principals.entries().iter().all(|entry| *entry == PrincipalEntry::Everyone))
}

impl<'a> Case<'a> {
    pub(super) fn context<'c>(&'c self, claim: &'c str, presume: bool) -> IrsaContext<'c> {
        IrsaContext {
            issuer: self.issuer,
            account: self.parsed.account,
            claim,
            audience: self.audience,
            role: self.role,
            presume,
            effort: self.effort,
        }
    }

    fn caller(&self) -> Principal<'a> {
        Principal::Federated(self.provider_arn)
    }

    pub(super) fn request<'c>(&self, context: &'c dyn Context) -> Request<'c>
    where
        'a: 'c,
    {
        Request { action: ACTION, resource: None, principal: Some(self.caller()), context }
    }

    pub(super) fn problem(&self, rule: &'static rules::Rule, why: CannotAssume, fix: Change) -> Problem {
        Problem::new(rule, cannot_assume(self.subject, self.parsed.name, why), fix)
    }

    /// It is allowed by statements that name our provider, not only by one that names everyone.
    fn is_named(&self, context: &dyn Context) -> bool {
        let request = self.request(context);
        let applying = |for_everyone: bool| {
            let allowing = self.role.trust.iter().flat_map(|document| document.with_effect(Effect::Allow));
            allowing.filter(|statement| statement.applies(&request) == Truth::True).any(|statement| {
                statement.principals.entries().iter().all(|entry| *entry == PrincipalEntry::Everyone) == for_everyone
            })
        };
        applying(false) || !applying(true)
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

    pub(super) fn jq_path(&self, report: &StatementReport<'_>) -> String {
        self.role.trust.as_ref().map(|document| document.jq_path(report.index)).unwrap_or_default()
    }

    fn undecided(&self, why: CannotTell) -> Problem {
        Problem::new(
            &rules::IRSA_TRUST_UNDECIDED,
            Cause::CannotTell { account: self.subject.into(), role: RoleRef::named(self.parsed.name), why },
            match &self.role.trust {
                Some(document) => {
                    let entry = format!("Principal: {{\"Federated\": \"{}\"}}", self.provider_arn);
                    trust::settle(document, self.caller(), &entry, self.parsed, || self.own_statement(None))
                }
                None => Change::TryFromPod { role: self.parsed.into(), policies: PoliciesOf::Trust },
            },
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
        Some(
            Problem::new(
                &rules::IRSA_TRUST_OPEN,
                RoleCause::Open { role: self.parsed.name.into() },
                fix::narrow_open(self.parsed, open.into(), &format!("{}:sub", self.issuer), self.claim),
            )
            .expected(
                Label::TrustShouldAskFor,
                EvidenceValue::KeyIs { key: format!("{}:sub", self.issuer).into(), value: self.claim.into() },
            )
            .found(Label::TrustOpenIn, TrustValue::Statement(open.into())),
        )
    }

    /// `Principal: "*"` opens the role to more than this cluster.
    fn names_everyone(&self) -> Problem {
        Problem::new(
            &rules::IRSA_TRUST_OPEN,
            RoleCause::NamesEveryone { role: self.parsed.name.into() },
            fix::replace_principal(self.parsed, None, self.provider_arn),
        )
        .expected(Label::PrincipalShouldBe, self.provider_arn)
        .found(Label::ItIs, "*")
    }
}

/// The provider ARNs that a statement names.
pub(super) fn federated<'r>(report: &'r StatementReport<'_>) -> impl Iterator<Item = &'r str> {
    report.statement.principals.entries().iter().filter_map(|entry| match entry {
        PrincipalEntry::Federated(arn) => Some(&**arn),
        _ => None,
    })
}
