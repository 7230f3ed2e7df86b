//! The trust policy of a role that a task definition of ECS names.

use std::borrow::Cow;

use rolecall_iam::{
    Arn, BaseOperator, ConditionReport, Document, Principal, Request, RoleArn, SetQualifier, StatementReport, Truth,
    wildcard_match,
};

use super::ecs_context::{EcsContext, SERVICE};
use super::trust::{self, Judged, Outcome};
use super::{Subject, cannot_assume, fix, missing, unreadable};
use crate::ecs::{Home, RoleField};
use crate::effort::Effort;
use crate::finding::{
    CannotAssume, CannotTell, Cause, Certainty, DenyGrounds, EcsRefusal, EcsValue, EvidenceValue, Label, OtherTrust,
    Problem, Remark, RoleRef, TrustCondition, TrustValue,
};
use crate::fix::{
    Change, ConditionName, ConditionStep, FirstValues, StatementChange, StatementEdit, TaskDefinitionChange, Text,
};
use crate::rules::{self, Rule};
use crate::snapshot::{Account, Role, Snapshot};

const ACTION: &str = "sts:AssumeRole";

/// Who assumes the role.
pub(super) const CALLER: Principal<'static> = Principal::Service(SERVICE);

/// Endings of the ARN that ECS sends as `aws:SourceArn`: of a task, and one that only a wildcard matches. Which one it sends
/// is not documented, and only a wildcard is supported (Amazon ECS Developer Guide, "Amazon ECS task IAM role").
const ENDINGS: [&str; 2] = ["task/\u{1}/\u{1}", "\u{1}"];

struct Case<'a> {
    snapshot: &'a Snapshot,
    subject: Subject<'a>,
    home: Home<'a>,
    field: RoleField,
    role: &'a Role,
    parsed: RoleArn<'a>,
    effort: &'a Effort,
}

pub(super) fn link(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    home: Home<'_>,
    field: RoleField,
    (role, parsed): (&Role, RoleArn<'_>),
    effort: &Effort,
) -> Option<Problem> {
    let Some(document) = &role.trust else {
        let unreadable = unreadable::trust(subject, role, parsed);
        return Some(unreadable.unwrap_or_else(|| missing::trust_policy(subject, parsed)));
    };
    let case = Case { snapshot, subject, home, field, role, parsed, effort };
    let read = case.judge(document);
    let request = Request { action: ACTION, resource: None, principal: Some(CALLER), context: &read.context };
    match read.outcome {
        Outcome::Allowed => None,
        Outcome::Undecided => Some(case.undecided(document, &read.document.explain(&request))),
        Outcome::Denied(certainty) => Some(case.diagnose(&read.document.explain(&request), certainty)),
    }
}

impl<'a> Case<'a> {
    fn rule(&self) -> &'static Rule {
        match self.field {
            RoleField::Task => &rules::ECS_TASK_ROLE_TRUST,
            RoleField::Execution => &rules::ECS_EXECUTION_ROLE_TRUST,
        }
    }

    fn context(&self, source_arn: Option<&str>, presume: bool) -> EcsContext<'a> {
        EcsContext {
            role: self.role,
            account: self.parsed.account,
            source_arn: source_arn.map(Into::into),
            organization: self.snapshot.accounts.get(self.parsed.account).and_then(Account::organization),
            presume,
            effort: self.effort,
        }
    }

    /// First without the ARN that ECS sends. Where the outcome depends on it, it is decided where all endings agree.
    fn judge<'d>(&self, document: &'d Document) -> Judged<'d, EcsContext<'a>> {
        let judge = |arn: Option<&str>| trust::judge(document, ACTION, CALLER, |presume| self.context(arn, presume));
        let unknown = judge(None);
        let is_final = matches!(unknown.outcome, Outcome::Allowed | Outcome::Denied(Certainty::Certain));
        let Some(region) = self.home.region.filter(|_| !is_final && asks_for_source_arn(document)) else {
            return unknown;
        };
        let RoleArn { partition, account, .. } = self.parsed;
        let [one, other] =
            ENDINGS.map(|ending| judge(Some(&format!("arn:{partition}:ecs:{region}:{account}:{ending}"))));
        match (one.outcome, other.outcome) {
            (Outcome::Allowed, Outcome::Allowed) => other,
            (Outcome::Denied(certainty), Outcome::Denied(same)) => {
                let certainty = certainty.min(same).min(self.sure_of_source_arn(document, region));
                Judged { outcome: Outcome::Denied(certainty), ..other }
            }
            _ => unknown,
        }
    }

    /// How sure it is that a condition on `aws:SourceArn` does not match. AWS documents no more than that a narrower one is
    /// not supported; and an assumed region may be another.
    fn sure_of_source_arn(&self, document: &Document, region: &str) -> Certainty {
        let is_narrowed = |value: &str| self.is_of_home(value, region);
        let narrowed = source_arns(document).flat_map(|condition| &condition.values).any(|value| is_narrowed(value));
        if narrowed || self.home.is_assumed { Certainty::Likely } else { Certainty::Certain }
    }

    /// Whether a pattern is of the account and the region of the task, or may be: it is no whole ARN.
    fn is_of_home(&self, pattern: &str, region: &str) -> bool {
        Arn::parse(pattern).is_none_or(|arn| {
            wildcard_match(arn.partition, self.parsed.partition)
                && wildcard_match(arn.service, "ecs")
                && wildcard_match(arn.region, region)
                && wildcard_match(arn.account, self.parsed.account)
        })
    }

    fn problem(&self, why: EcsRefusal, change: Change) -> Problem {
        let cause = cannot_assume(self.subject, self.parsed.name, CannotAssume::Ecs(why));
        Problem::new(self.rule(), cause, change)
    }

    fn edit(&self, report: &StatementReport<'_>, change: StatementChange) -> Change {
        let path = self.role.trust.as_ref().map(|document| document.jq_path(report.index)).unwrap_or_default();
        fix::edit_statement(
            self.parsed,
            StatementEdit::new(report.into(), path, trust::as_written(self.role, report), change),
        )
    }

    fn undecided(&self, document: &Document, reports: &[StatementReport<'_>]) -> Problem {
        let conditions = trust::undecided(reports);
        let entry = format!("Principal: {{\"Service\": \"{SERVICE}\"}}");
        let settle = match trust::settle(document, CALLER, &entry, self.parsed, || self.own_statement()) {
            Change::TryFromPod { role, .. } => TaskDefinitionChange::TryInTask { role }.into(),
            change => change,
        };
        let problem = Problem::new(
            &rules::ECS_ROLE_TRUST_UNDECIDED,
            Cause::CannotTell {
                account: self.subject.into(),
                role: RoleRef::named(self.parsed.name),
                why: CannotTell::Trust(trust::doubt(document, CALLER, &conditions)),
            },
            settle,
        );
        trust::with_conditions(problem, &conditions)
    }

    fn diagnose(&self, reports: &[StatementReport<'_>], certainty: Certainty) -> Problem {
        let problem = if let Some(deny) = trust::applying_deny(reports) {
            self.denied(deny)
        } else {
            let trusting = || trust::allows(reports).filter(|report| report.principal == Truth::True);
            let allowing = trusting().filter(|report| report.action == Truth::True);
            let nearest = allowing.min_by_key(|report| report.failed().count());
            let condition = nearest.and_then(|report| Some((report, report.failed().next()?)));
            match (condition, trusting().find(|report| report.action == Truth::False)) {
                (Some((report, failed)), _) => self.condition(report, failed),
                (None, Some(report)) => self.action(report),
                (None, None) => self.principal(),
            }
        };
        problem.at_most(certainty)
    }

    fn denied(&self, deny: &StatementReport<'_>) -> Problem {
        let grounds = match deny.conditions.is_empty() {
            true => DenyGrounds::NotNamed,
            false => DenyGrounds::Where { is_not_principal: false, conditions: deny.conditions.iter().collect() },
        };
        let cause = cannot_assume(self.subject, self.parsed.name, CannotAssume::TrustDenies);
        Problem::new(self.rule(), cause, fix::narrow_deny(self.parsed, deny.into(), SERVICE, Some(self.subject)))
            .expected(Label::Expected, TrustValue::NoDenyOf { action: ACTION.into() })
            .found(Label::TrustStatement, TrustValue::Denies { statement: deny.into(), grounds })
    }

    /// The first condition that is not met; the fix is for all of them.
    fn condition(&self, report: &StatementReport<'_>, failed: &ConditionReport<'_>) -> Problem {
        let key = Text::from(&failed.condition.key);
        let steps: Option<Vec<Vec<ConditionStep>>> = report.failed().map(|failed| self.steps(failed)).collect();
        // What cannot be met stays for the callers that it allows.
        let fix = match steps {
            Some(steps) => self.edit(report, StatementChange::Conditions(steps.into_iter().flatten().collect())),
            None => self.own_statement(),
        };
        let sent: EvidenceValue = match self.documented(&failed.condition.folded_key) {
            Some(value) if is_source_arn(failed) => EcsValue::BeginsWith(value.trim_end_matches('*').into()).into(),
            _ => trust::sent(&failed.found).into(),
        };
        let hint = if takes_wildcard_literally(failed) {
            let instead_of = (&failed.operator().written).into();
            Some(Remark::UseOperator { operator: LIKE.into(), instead_of })
        } else {
            self.is_narrowed(failed).then_some(Remark::EcsClusterNotSupported)
        };
        self.problem(EcsRefusal::TrustKey { key }, fix)
            .expected(Label::RoleTrustAsksFor, TrustCondition::from(failed))
            .found(Label::EcsSends, sent)
            .hint(hint)
    }

    /// What has a condition hold. Only what AWS documents of ECS can be put in; `None` where it asks for something else.
    fn steps(&self, failed: &ConditionReport<'_>) -> Option<Vec<ConditionStep>> {
        let condition = ConditionName::new(&failed.operator().written, &failed.condition.key);
        let is_plain = matches!(failed.operator().set, SetQualifier::None | SetQualifier::ForAnyValue);
        let is_exact =
            matches!(failed.operator().base, BaseOperator::StringEquals | BaseOperator::StringEqualsIgnoreCase);
        let is_like = matches!(
            failed.operator().base,
            BaseOperator::StringLike | BaseOperator::ArnLike | BaseOperator::ArnEquals
        );
        let value = self.documented(&failed.condition.folded_key).filter(|_| is_plain)?;
        let add = |condition| ConditionStep::AddValues { condition, values: vec![value.as_ref().into()] };
        match is_source_arn(failed) {
            true if is_exact => {
                let like = || ConditionName::new(LIKE, &failed.condition.key);
                Some(vec![ConditionStep::Move { from: condition, to: like() }, add(like())])
            }
            false if is_exact => Some(vec![add(condition)]),
            _ if is_like => Some(vec![add(condition)]),
            _ => None,
        }
    }

    /// The value that a condition on this key is documented to have.
    fn documented(&self, key: &str) -> Option<Cow<'_, str>> {
        match key {
            "aws:sourceaccount" => Some(self.parsed.account.into()),
            "aws:sourcearn" => {
                let region = self.home.region.filter(|_| !self.home.is_assumed).unwrap_or("*");
                Some(format!("arn:{}:ecs:{region}:{}:*", self.parsed.partition, self.parsed.account).into())
            }
            _ => None,
        }
    }

    fn is_narrowed(&self, failed: &ConditionReport<'_>) -> bool {
        let Some(region) = self.home.region.filter(|_| is_source_arn(failed)) else {
            return false;
        };
        failed.condition.values.iter().any(|value| self.is_of_home(value, region))
    }

    fn action(&self, report: &StatementReport<'_>) -> Problem {
        let actions = vec![Text::from(ACTION)];
        let change = match report.statement.actions.negated {
            true => StatementChange::SetActions(actions),
            false => StatementChange::AddActions(actions),
        };
        self.problem(EcsRefusal::TrustAction, self.edit(report, change))
            .expected(Label::TrustMustName, ACTION)
            .found(Label::StatementHas, FirstValues::from_iter(&report.statement.actions.written))
    }

    /// Adds a statement for the tasks of this account. For a task role it has the conditions of AWS's example (Amazon ECS
    /// Developer Guide, "Amazon ECS task IAM role"); for an execution role AWS documents none.
    fn own_statement(&self) -> Change {
        let mut statement = serde_json::json!({"Effect": "Allow", "Principal": {"Service": SERVICE}, "Action": ACTION});
        if let (RoleField::Task, Some(source), Some(fields)) =
            (self.field, self.documented("aws:sourcearn"), statement.as_object_mut())
        {
            let conditions = serde_json::json!({
                LIKE: {"aws:SourceArn": source}, "StringEquals": {"aws:SourceAccount": self.parsed.account},
            });
            fields.insert("Condition".to_owned(), conditions);
        }
        fix::add_statement(self.parsed, SERVICE, &statement)
    }

    fn principal(&self) -> Problem {
        let trusted = self.role.trust.as_ref().map(trust::trusted).unwrap_or_default();
        let hint = trusted.shown.iter().find_map(|name| other_trust(name)).map(Remark::RoleTrusts);
        self.problem(EcsRefusal::TrustService, self.own_statement())
            .expected(Label::TrustMustName, SERVICE)
            .found(Label::ItNames, TrustValue::Principals(trusted))
            .hint(hint)
    }
}

/// The operator that AWS documents for `aws:SourceArn`.
const LIKE: &str = "ArnLike";

/// Whether a wildcard in it is a character as any other.
fn takes_wildcard_literally(failed: &ConditionReport<'_>) -> bool {
    let is_exact = matches!(failed.operator().base, BaseOperator::StringEquals | BaseOperator::StringEqualsIgnoreCase);
    is_exact && is_source_arn(failed) && failed.condition.values.iter().any(|value| value.contains(['*', '?']))
}

fn is_source_arn(report: &ConditionReport<'_>) -> bool {
    &*report.condition.folded_key == "aws:sourcearn"
}

fn source_arns(document: &Document) -> impl Iterator<Item = &rolecall_iam::Condition> {
    let conditions = document.statements.iter().flat_map(|statement| &statement.conditions);
    conditions.filter(|condition| &*condition.folded_key == "aws:sourcearn")
}

fn asks_for_source_arn(document: &Document) -> bool {
    let mut conditions = document.statements.iter().flat_map(|statement| &statement.conditions);
    conditions.any(|condition| &*condition.folded_key == "aws:sourcearn")
}

/// What a role is for that trusts this principal.
fn other_trust(principal: &str) -> Option<OtherTrust> {
    Some(match principal {
        "ec2.amazonaws.com" | "ec2.amazonaws.com.cn" => OtherTrust::Ec2,
        "ecs.amazonaws.com" => OtherTrust::EcsService,
        "ssm.amazonaws.com" => OtherTrust::Ssm,
        "lambda.amazonaws.com" => OtherTrust::Lambda,
        "pods.eks.amazonaws.com" => OtherTrust::PodIdentity,
        "eks.amazonaws.com" => OtherTrust::EksService,
        _ if principal.contains(":oidc-provider/") => OtherTrust::Irsa,
        _ => return None,
    })
}
