//! The trust policy of an association's role, for EKS Pod Identity (failures G8 to G10).

use rolecall_iam::{Document, Principal, Request, RoleArn, StatementReport, Truth};

use super::pod_identity_context::{Lists, PodIdentityContext, SERVICE};
use super::trust::{self, Outcome};
use super::{Subject, cannot_assume, fix, missing, unreadable};
use crate::effort::Effort;
use crate::finding::{
    CannotAssume, Certainty, DenyGrounds, EvidenceValue, Label, Problem, Remark, RoleCause, RolePurpose, Sent,
    TrustCondition, TrustValue,
};
use crate::fix::{
    AssociationChange, Change, ConditionName, ConditionStep, FirstValues, StatementChange, StatementEdit, Text,
};
use crate::rules;
use crate::snapshot::{Association, Role, Snapshot};

/// Both actions must be allowed; without session tags the second is not asked for.
const ACTIONS: [&str; 2] = ["sts:AssumeRole", "sts:TagSession"];

/// Who takes the role.
const CALLER: Principal<'static> = Principal::Service(SERVICE);

/// What is known of `aws:SourceArn`, which AWS does not document here.
fn source_arn(values: &[Box<str>], cluster: Sent) -> TrustValue {
    let is_of_association = values.iter().any(|value| value.contains("podidentityassociation"));
    TrustValue::SourceArn((!is_of_association).then_some(cluster))
}

struct Case<'a> {
    snapshot: &'a Snapshot,
    subject: Subject<'a>,
    association: &'a Association,
    role: &'a Role,
    parsed: RoleArn<'a>,
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
    let case = Case { snapshot, subject, association, role, parsed };
    let lists = Lists::new();
    let context = |presume| PodIdentityContext {
        subject,
        cluster: snapshot.cluster.as_ref(),
        association,
        role,
        account: parsed.account,
        second: None,
        lists: &lists,
        presume,
        effort,
    };
    let mut undecided = None;
    let mut worst: Option<Problem> = None;
    for action in case.actions() {
        let read = trust::judge(document, action, CALLER, context);
        let reports = || {
            read.document.explain(&Request { action, resource: None, principal: Some(CALLER), context: &read.context })
        };
        match read.outcome {
            Outcome::Allowed => {}
            Outcome::Undecided => undecided = undecided.or_else(|| Some(case.undecided(action, document, &reports()))),
            Outcome::Denied(certainty) => {
                let problem = case.diagnose(action, &reports(), certainty);
                worst = match worst {
                    Some(first) if first.certainty >= problem.certainty => Some(first.merge_action(action)),
                    _ => Some(problem),
                };
            }
        }
    }
    worst.or(undecided)
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
    fn actions(&self) -> &'static [&'static str] {
        if self.association.disable_session_tags { &["sts:AssumeRole"] } else { &ACTIONS }
    }

    /// Changes a statement.
    fn edit(&self, report: &StatementReport<'_>, change: StatementChange) -> Change {
        let edit =
            StatementEdit::new(report.into(), self.jq_path(report), trust::as_written(self.role, report), change);
        fix::edit_statement(self.parsed, edit)
    }

    fn edit_condition(&self, report: &StatementReport<'_>, step: ConditionStep) -> Change {
        self.edit(report, StatementChange::Conditions(vec![step]))
    }

    fn jq_path(&self, report: &StatementReport<'_>) -> String {
        self.role.trust.as_ref().map(|document| document.jq_path(report.index)).unwrap_or_default()
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
            trust::settle(document, CALLER, &entry, self.parsed),
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
            let missing: Vec<&str> =
                self.actions().iter().copied().filter(|needed| !report.statement.actions.apply_to(needed)).collect();
            let texts = |actions: &[&str]| actions.iter().map(|action| Text::from(*action)).collect();
            let change = match report.statement.actions.negated {
                true => StatementChange::SetActions(texts(self.actions())),
                false => StatementChange::AddActions(texts(&missing)),
            };
            return self
                .problem(
                    &rules::POD_IDENTITY_TRUST_ACTION,
                    CannotAssume::TrustServiceAction { action: action.into() },
                    self.edit(report, change),
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
        let condition = ConditionName::new(&failed.operator().written, &failed.condition.key);
        let found = trust::sent(&failed.found);
        if !of_tags {
            return Some(
                self.problem(
                    &rules::POD_IDENTITY_TRUST_KEY,
                    CannotAssume::TrustKeyNotMetByEks { key: (&failed.condition.key).into() },
                    self.edit_condition(report, ConditionStep::Remove(condition)),
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
        let fix = if disabled {
            fix::update_association(self.snapshot, self.subject, self.association, AssociationChange::SessionTags)
        } else if failed.found == rolecall_iam::Found::Absent || failed.operator().base.is_negated() {
            self.edit_condition(report, ConditionStep::Remove(condition))
        } else {
            let values = match &failed.found {
                rolecall_iam::Found::Values(values) => values.iter().map(Text::from).collect(),
                _ => Vec::new(),
            };
            self.edit_condition(report, ConditionStep::AddValues { condition, values })
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
        let statement = serde_json::json!({
            "Effect": "Allow",
            "Principal": {"Service": SERVICE},
            "Action": ACTIONS,
        });
        let trusted = self.role.trust.as_ref().map(trust::trusted).unwrap_or_default();
        let shows = |part: &str| trusted.shown.iter().any(|name| name.contains(part));
        let hint = if shows(":oidc-provider/") {
            Some(Remark::RoleIsFor(RolePurpose::Irsa))
        } else if shows("eks.amazonaws.com") {
            Some(Remark::PodIdentityService)
        } else {
            None
        };
        self.problem(
            &rules::POD_IDENTITY_TRUST_PRINCIPAL,
            CannotAssume::TrustService,
            fix::add_statement(self.parsed, SERVICE, &statement),
        )
        .expected(Label::TrustMustName, SERVICE)
        .found(Label::ItNames, TrustValue::Principals(trusted))
        .hint(hint)
        .at_most(certainty)
    }
}
