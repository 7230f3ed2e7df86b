//! What both mechanisms share in judging a trust policy.

use std::borrow::Cow;

use rolecall_iam::{
    Condition, ConditionReport, Context, Document, Effect, Found, Principal, PrincipalEntry, Request, RoleArn,
    Statement, StatementReport, Truth, Verdict,
};

use super::fix;
use super::readings::{Readings, denies_undocumented, undocumented};
use crate::finding::{Certainty, EvidenceValue, Label, Problem, Sent, TrustCondition, TrustDoubt, TrustValue};
use crate::fix::{Change, FirstValues, PoliciesOf};
use crate::snapshot::Role;

/// Outcome of a trust policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Allowed,
    /// A Deny applies, or nothing allows it; with how sure that is.
    Denied(Certainty),
    Undecided,
}

/// A trust policy, judged.
pub(super) struct Judged<'d, C> {
    pub(super) outcome: Outcome,
    /// The context that decided, to explain with.
    pub(super) context: C,
    /// The reading that allows most, to explain.
    pub(super) document: Cow<'d, Document>,
}

/// Asks for what is certain first. Where that is unknown, what is presumed but documented nowhere (`make(true)`) can make
/// a break likely, never certain. What rests on elements that AWS does not document is decided only where every reading of
/// them agrees.
pub(super) fn judge<'d, C: Context>(
    trust: &'d Document,
    action: &str,
    principal: Principal<'_>,
    make: impl Fn(bool) -> C,
) -> Judged<'d, C> {
    let Some(readings) = Readings::of(trust, principal) else {
        let (outcome, context) = judge_reading(trust, action, principal, &make);
        return Judged { outcome, context, document: Cow::Borrowed(trust) };
    };
    let (generous, context) = judge_reading(&readings.generous, action, principal, &make);
    let (strict, _) = judge_reading(&readings.strict, action, principal, &make);
    let outcome = match (generous, strict) {
        (Outcome::Allowed, Outcome::Allowed) => Outcome::Allowed,
        (Outcome::Denied(generous), Outcome::Denied(strict)) => Outcome::Denied(generous.min(strict)),
        _ => Outcome::Undecided,
    };
    Judged { outcome, context, document: Cow::Owned(readings.generous) }
}

fn judge_reading<C: Context>(
    trust: &Document,
    action: &str,
    principal: Principal<'_>,
    make: impl Fn(bool) -> C,
) -> (Outcome, C) {
    let certain = make(false);
    let ask = |context: &C| trust.evaluate(&Request { action, resource: None, principal: Some(principal), context });
    match ask(&certain) {
        Verdict::Allowed => (Outcome::Allowed, certain),
        Verdict::ExplicitlyDenied | Verdict::ImplicitlyDenied => (Outcome::Denied(Certainty::Certain), certain),
        Verdict::Unknown => {
            let presumed = make(true);
            match ask(&presumed) {
                Verdict::Allowed | Verdict::Unknown => (Outcome::Undecided, certain),
                Verdict::ExplicitlyDenied | Verdict::ImplicitlyDenied => (Outcome::Denied(Certainty::Likely), presumed),
            }
        }
    }
}

/// What an undecided trust policy depends on.
pub(super) fn doubt(trust: &Document, principal: Principal<'_>, conditions: &[&ConditionReport<'_>]) -> TrustDoubt {
    match undocumented(trust, principal) {
        Some(entry) => TrustDoubt::Undocumented(entry),
        None if conditions.is_empty() => TrustDoubt::Request,
        None => TrustDoubt::Keys(keys(conditions)),
    }
}

/// How a person finds out about an undecided trust policy, or takes the doubt out of it. `entry` is the documented principal,
/// `own_statement` names the service account exactly: it helps where all that is in doubt would allow.
pub(super) fn settle(
    trust: &Document,
    principal: Principal<'_>,
    entry: &str,
    role: RoleArn<'_>,
    own_statement: impl FnOnce() -> Change,
) -> Change {
    match undocumented(trust, principal) {
        Some(_) if !denies_undocumented(trust, principal) => own_statement(),
        Some(written) => fix::replace_principal(role, Some(written), entry),
        None => Change::TryFromPod { role: role.into(), policies: PoliciesOf::Trust },
    }
}

/// The Deny statement that applies.
pub(super) fn applying_deny<'r, 'd>(reports: &'r [StatementReport<'d>]) -> Option<&'r StatementReport<'d>> {
    reports.iter().find(|report| report.statement.effect == Effect::Deny && report.applies() == Truth::True)
}

/// The policy excludes the caller on purpose: a Deny that applies has a condition on it, or so has every Allow that it would
/// meet otherwise, with a negated operator. `is_about_caller` tells such conditions.
pub(super) fn excludes(reports: &[StatementReport<'_>], is_about_caller: impl Fn(&Condition) -> bool) -> bool {
    if let Some(deny) = applying_deny(reports) {
        return deny.conditions.iter().any(|report| is_about_caller(report.condition));
    }
    let is_open = |report: &&StatementReport<'_>| report.principal == Truth::True && report.action == Truth::True;
    let mut open = allows(reports).filter(is_open).peekable();
    let excluded = |report: &StatementReport<'_>| {
        report.failed().any(|failed| failed.condition.operator.base.is_negated() && is_about_caller(failed.condition))
    };
    open.peek().is_some() && open.all(excluded)
}

/// The Allow statements.
pub(super) fn allows<'r, 'd>(reports: &'r [StatementReport<'d>]) -> impl Iterator<Item = &'r StatementReport<'d>> {
    reports.iter().filter(|report| report.statement.effect == Effect::Allow)
}

/// The conditions that a verdict depends on.
pub(super) fn undecided<'r, 'd>(reports: &'r [StatementReport<'d>]) -> Vec<&'r ConditionReport<'d>> {
    let relevant = reports.iter().filter(|report| report.applies() == Truth::Unknown);
    relevant.flat_map(|report| &report.conditions).filter(|condition| condition.holds == Truth::Unknown).collect()
}

/// Their keys, each once.
pub(super) fn keys(conditions: &[&ConditionReport<'_>]) -> FirstValues {
    let mut keys: Vec<&Box<str>> = Vec::new();
    for report in conditions {
        if !keys.contains(&&report.condition.key) {
            keys.push(&report.condition.key);
        }
    }
    keys.into_iter().collect()
}

/// Adds to an undecided problem what it depends on.
pub(super) fn with_conditions(problem: Problem, conditions: &[&ConditionReport<'_>]) -> Problem {
    if conditions.is_empty() {
        return problem;
    }
    let shown = conditions.iter().take(3).map(|report| TrustCondition::from(*report)).collect();
    problem
        .expected(Label::TrustAsksFor, TrustValue::FirstConditions { shown, count: conditions.len() })
        .found(Label::AtAdmission, EvidenceValue::NotKnown)
}

/// The statement of a report as the role's trust policy has it: a report may be of one reading of it.
pub(super) fn as_written<'r>(role: &'r Role, report: &StatementReport<'r>) -> &'r Statement {
    role.trust.as_ref().and_then(|trust| trust.statements.get(report.index)).unwrap_or(report.statement)
}

/// What the request carries for a key.
pub(super) fn sent(found: &Found<'_>) -> Sent {
    match found {
        Found::Absent => Sent::Nothing,
        Found::Unknown => Sent::Unknown,
        Found::Values(values) => Sent::Values(values.iter().collect()),
    }
}

/// All principals that the Allow statements name, each once.
pub(super) fn trusted(document: &Document) -> FirstValues {
    let entries = document.with_effect(Effect::Allow).flat_map(|statement| statement.principals.entries());
    let mut names: Vec<&str> = Vec::new();
    for entry in entries {
        let name = match entry {
            PrincipalEntry::Everyone => "*",
            PrincipalEntry::Aws(
                rolecall_iam::AwsPrincipal::Account(name)
                | rolecall_iam::AwsPrincipal::Arn(name)
                | rolecall_iam::AwsPrincipal::UniqueId(name),
            )
            | PrincipalEntry::Federated(name)
            | PrincipalEntry::Service(name)
            | PrincipalEntry::CanonicalUser(name) => name,
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.into_iter().collect()
}
