//! The trust policy of an association's role, for EKS Pod Identity (failures G8 to G10).

use rolecall_iam::{Document, Principal, Request, RoleArn, StatementReport, Truth};

use super::pod_identity_context::{Lists, PodIdentityContext, SERVICE};
use super::pod_identity_repair::{names_account, other_namespaces};
use super::trust::{self, Outcome};
use super::{Subject, cannot_assume, fix, missing, unreadable};
use crate::effort::Effort;
use crate::finding::{
    CannotAssume, Certainty, DenyGrounds, EvidenceValue, Label, Problem, Remark, RoleCause, RolePurpose, Sent,
    TrustCondition, TrustValue,
};
use crate::fix::{AssociationChange, Change, FirstValues, NotForAccount};
use crate::rules;
use crate::snapshot::{Association, Role, Snapshot};

/// Both actions must be allowed; without session tags the second is not asked for.
pub(super) const ACTIONS: [&str; 2] = ["sts:AssumeRole", "sts:TagSession"];

/// Who takes the role.
pub(super) const CALLER: Principal<'static> = Principal::Service(SERVICE);

/// What is known of `aws:SourceArn`, which AWS does not document here.
fn source_arn(values: &[Box<str>], cluster: Sent) -> TrustValue {
    let is_of_association = values.iter().any(|value| value.contains("podidentityassociation"));
    TrustValue::SourceArn((!is_of_association).then_some(cluster))
}

pub(super) struct Case<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) subject: Subject<'a>,
    pub(super) association: &'a Association,
    pub(super) role: &'a Role,
    pub(super) parsed: RoleArn<'a>,
    pub(super) effort: &'a Effort,
}

pub(super) fn link(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    association: &Association,
    role: &Role,
    parsed: RoleArn<'_>,
    effort: &Effort,
) -> Option<Problem> {
    let Some(document) = &role.trust else {
        let unreadable = unreadable::trust(subject, role, parsed);
        return Some(unreadable.unwrap_or_else(|| missing::trust_policy(subject, parsed)));
    };
    let case = Case { snapshot, subject, association, role, parsed, effort };
    let lists = Lists::new();
    let context = |presume| case.context(association, &lists, presume);
    let mut undecided = None;
    let mut worst: Option<Problem> = None;
    let mut excluded = false;
    for action in case.actions() {
        let read = trust::judge(document, action, CALLER, context);
        let reports = || {
            read.document.explain(&Request { action, resource: None, principal: Some(CALLER), context: &read.context })
        };
        match read.outcome {
            Outcome::Allowed => {}
            Outcome::Undecided => undecided = undecided.or_else(|| Some(case.undecided(action, document, &reports()))),
            Outcome::Denied(certainty) => {
                let reports = reports();
                excluded |= trust::excludes(&reports, names_account);
                let problem = case.diagnose(action, &reports, certainty);
                worst = match worst {
                    Some(first) if first.certainty >= problem.certainty => Some(first.merge_action(action)),
                    _ => Some(problem),
                };
            }
        }
    }
    let mut problem = worst.or(undecided)?;
    let why = other_namespaces(role, subject).map(NotForAccount::OtherNamespaces);
    if let Some(why) = why.or(excluded.then_some(NotForAccount::Excluded)) {
        let own_role = AssociationChange::Role(fix::ROLE_ARN.into());
        let instead = fix::update_association(snapshot, subject, association, own_role);
        let own = case.own_statement(None);
        problem.fix = fix::own_role_first(problem.fix, subject, parsed, why, &own, instead);
    }
    Some(problem)
}

impl Problem {
    /// The second action is missing for the same reason: the first finding says so.
    fn merge_action(mut self, action: &str) -> Self {
        if self.rule == &rules::POD_IDENTITY_TRUST_ACTION
            && let Some(expected) = &mut self.expected
            && let EvidenceValue::Trust(TrustValue::EksActions { second, .. }) = &mut expected.value
        {
            *second = Some(action.into());
        }
        self
    }
}

impl Case<'_> {
    fn problem(&self, rule: &'static rules::Rule, why: CannotAssume, fix: Change) -> Problem {
        Problem::new(rule, cannot_assume(self.subject, self.parsed.name, why), fix)
    }

    /// Without session tags there is nothing to tag.
    pub(super) fn actions(&self) -> &'static [&'static str] {
        if self.association.disable_session_tags { &["sts:AssumeRole"] } else { &ACTIONS }
    }

    pub(super) fn context<'c>(
        &'c self,
        association: &'c Association,
        lists: &'c Lists,
        presume: bool,
    ) -> PodIdentityContext<'c> {
        PodIdentityContext {
            subject: self.subject,
            cluster: self.snapshot.cluster.as_ref(),
            association,
            role: self.role,
            account: self.parsed.account,
            second: None,
            lists,
            presume,
            effort: self.effort,
        }
    }

    fn undecided(&self, action: &str, document: &Document, reports: &[StatementReport<'_>]) -> Problem {
        let conditions = trust::undecided(reports);
        let entry = format!("Principal: {{\"Service\": \"{SERVICE}\"}}");
        let problem = Problem::new(
            &rules::POD_IDENTITY_TRUST_UNDECIDED,
            RoleCause::PodIdentityUndecided {
                account: self.subject.into(),
                role: self.parsed.name.into(),
                action: action.into(),
                doubt: trust::doubt(document, CALLER, &conditions),
            },
            trust::settle(document, CALLER, &entry, self.parsed, || self.own_statement(None)),
        );
        trust::with_conditions(problem, &conditions)
    }

    fn diagnose(&self, action: &str, reports: &[StatementReport<'_>], certainty: Certainty) -> Problem {
        if let Some(deny) = trust::applying_deny(reports) {
            let grounds = if deny.conditions.is_empty() {
                DenyGrounds::NotNamed
            } else {
                DenyGrounds::Where { is_not_principal: false, conditions: deny.conditions.iter().collect() }
            };
            return self
                .problem(
                    &rules::POD_IDENTITY_TRUST_DENIED,
                    CannotAssume::TrustDenies,
                    fix::narrow_deny(self.parsed, deny.into(), SERVICE, Some(self.subject)),
                )
                .expected(Label::Expected, TrustValue::NoDenyOf { action: action.into() })
                .found(Label::TrustStatement, TrustValue::Denies { statement: deny.into(), grounds })
                .at_most(certainty);
        }
        let with_principal = || trust::allows(reports).filter(|report| report.principal == Truth::True);
        let nearest =
            with_principal().filter(|report| report.action == Truth::True).min_by_key(|report| report.failed().count());
        if let Some(report) = nearest
            && let Some(problem) = self.condition(report)
        {
            return problem.at_most(certainty);
        }
        if let Some(report) = with_principal().find(|report| report.action == Truth::False) {
            return self
                .problem(
                    &rules::POD_IDENTITY_TRUST_ACTION,
                    CannotAssume::TrustServiceAction { action: action.into() },
                    self.allow_by_action(report),
                )
                .expected(Label::PodIdentityNeeds, TrustValue::EksActions { first: action.into(), second: None })
                .found(Label::StatementHas, FirstValues::from_iter(&report.statement.actions.written))
                .at_most(certainty);
        }
        self.principal(certainty)
    }

    fn condition(&self, report: &StatementReport<'_>) -> Option<Problem> {
        let failed = report.failed().next()?;
        let key = &*failed.condition.folded_key;
        let of_tags = key.starts_with("aws:requesttag/") || matches!(key, "aws:tagkeys" | "sts:transitivetagkeys");
        let found = trust::sent(&failed.found);
        if !of_tags {
            return Some(
                self.problem(
                    &rules::POD_IDENTITY_TRUST_KEY,
                    CannotAssume::TrustKeyNotMetByEks { key: (&failed.condition.key).into() },
                    self.own_statement(Some(report)),
                )
                .expected(Label::RoleTrustAsksFor, TrustCondition::from(failed))
                .found(
                    Label::EksSends,
                    if key == "aws:sourcearn" {
                        source_arn(&failed.condition.values, found)
                    } else {
                        TrustValue::Sent(found)
                    },
                ),
            );
        }
        let disabled = self.association.disable_session_tags;
        let fix = if disabled && self.is_allowed_with_tags() {
            fix::update_association(self.snapshot, self.subject, self.association, AssociationChange::SessionTags)
        } else {
            self.own_statement(Some(report))
        };
        Some(
            self.problem(
                &rules::POD_IDENTITY_TRUST_TAGS,
                CannotAssume::TrustTags { key: (&failed.condition.key).into() },
                fix,
            )
            .expected(Label::RoleTrustAsksFor, TrustCondition::from(failed))
            .found(Label::EksSends, found)
            .hint(disabled.then_some(Remark::NoSessionTags)),
        )
    }

    fn principal(&self, certainty: Certainty) -> Problem {
        let trusted = self.role.trust.as_ref().map(trust::trusted).unwrap_or_default();
        let shows = |part: &str| trusted.shown.iter().any(|name| name.contains(part));
        let hint = if shows(":oidc-provider/") {
            Some(Remark::RoleIsFor(RolePurpose::Irsa))
        } else if shows("eks.amazonaws.com") {
            Some(Remark::PodIdentityService)
        } else {
            None
        };
        self.problem(&rules::POD_IDENTITY_TRUST_PRINCIPAL, CannotAssume::TrustService, self.own_statement(None))
            .expected(Label::TrustMustName, SERVICE)
            .found(Label::ItNames, TrustValue::Principals(trusted))
            .hint(hint)
            .at_most(certainty)
    }
}
