//! The edit of a trust policy that allows a web identity, and that changes nothing for other callers. A statement is changed only
//! where that is certain of the change; else a statement of its own is added.

use rolecall_iam::{
    BaseOperator, Condition, ConditionReport, Document, PrincipalEntry, Principals, SetQualifier, Statement,
    StatementReport, Truth, Verdict, Version,
};
use serde_json::{Value, json};

use super::irsa_diagnosis::{About, audience_of, is_plain, is_subject};
use super::irsa_trust::{ACTION, Case};
use super::keys::of_another_token;
use super::{fix, trust};
use crate::fix::{Change, ConditionName, ConditionStep, FirstValues, StatementChange, StatementEdit};
use crate::snapshot::is_typo;

/// Most conditions of a statement that one of its own has too.
const MAX_KEPT: usize = 16;

impl Case<'_> {
    /// Allows the web identity beside the callers that a statement allows already.
    pub(super) fn allow_caller(&self, report: &StatementReport<'_>) -> Change {
        match self.exact_change(report) {
            Some(edit) => fix::edit_statement(self.parsed, edit),
            None => self.own_statement(Some(report)),
        }
    }

    /// The same for a statement that allows another action.
    pub(super) fn allow_by_action(&self, report: &StatementReport<'_>) -> Change {
        let change = match report.statement.actions.negated {
            true => StatementChange::SetActions(vec![ACTION.into()]),
            false => StatementChange::AddActions(vec![ACTION.into()]),
        };
        let edit = self.edit(report, change);
        // Whoever else meets the statement's conditions would get the action too.
        let is_exact = self.is_alone(report.statement) && self.pins(report.statement);
        match is_exact && self.applies_after(&edit) {
            true => fix::edit_statement(self.parsed, edit),
            false => self.own_statement(Some(report)),
        }
    }

    /// Adds a statement for this service account alone. It keeps what the nearest statement asks for besides.
    pub(super) fn own_statement(&self, nearest: Option<&StatementReport<'_>>) -> Change {
        let mut conditions = json!({});
        let of_nearest = nearest.into_iter().flat_map(|report| &report.conditions).map(|report| report.condition);
        for condition in of_nearest.filter(|condition| self.is_kept(condition)).take(MAX_KEPT) {
            let values = condition.values.iter().map(|value| Value::from(&**value)).collect();
            put(&mut conditions, &condition.operator.written, &condition.key, values);
        }
        put(&mut conditions, "StringEquals", &self.right_key("sub"), self.claim.into());
        put(&mut conditions, "StringEquals", &self.right_key("aud"), audience_of(self.audience).into());
        let statement = json!({
            "Effect": "Allow",
            "Principal": {"Federated": self.provider_arn},
            "Action": ACTION,
            "Condition": conditions,
        });
        fix::add_statement(self.parsed, self.claim, &statement)
    }

    /// The namespaces that the trust policy names, where it names others than the service account's only. Where one of them is
    /// a likely typo of the service account's namespace, the role is meant for it.
    pub(super) fn other_namespaces(&self) -> Option<FirstValues> {
        let mut namespaces: Vec<&str> = Vec::new();
        let statements = self.role.trust.iter().flat_map(|document| document.with_effect(rolecall_iam::Effect::Allow));
        for statement in statements.filter(|statement| self.names_provider(statement)) {
            let mut subjects =
                statement.conditions.iter().filter(|condition| self.is_about_subject(condition)).peekable();
            // It is open to any of them.
            subjects.peek()?;
            for value in subjects.flat_map(|condition| &condition.values) {
                let mut parts = value.splitn(4, ':');
                let (Some("system"), Some("serviceaccount"), Some(namespace), Some(_)) =
                    (parts.next(), parts.next(), parts.next(), parts.next())
                else {
                    return None;
                };
                let is_meant = is_typo(namespace.trim(), self.subject.namespace);
                if namespace.contains(['*', '?', '$']) || is_meant {
                    return None;
                }
                if !namespaces.contains(&namespace) {
                    namespaces.push(namespace);
                }
            }
        }
        (!namespaces.is_empty()).then(|| namespaces.into_iter().collect())
    }

    fn right_key(&self, claim: &str) -> String {
        format!("{}:{claim}", self.issuer)
    }

    fn edit(&self, report: &StatementReport<'_>, change: StatementChange) -> StatementEdit {
        StatementEdit::new(report.into(), self.jq_path(report), trust::as_written(self.role, report), change)
    }

    /// A change of the statement that allows the web identity and no other caller.
    fn exact_change(&self, report: &StatementReport<'_>) -> Option<StatementEdit> {
        // A pattern or a variable would allow others.
        if self.claim.contains(['*', '?', '$']) {
            return None;
        }
        // A subject more in each list of subjects adds this subject alone, whatever else the statement asks for.
        let of_subject = |failed: &ConditionReport<'_>| {
            is_plain(failed.condition) && matches!(self.about(failed.condition), About::Claim("sub"))
        };
        if report.failed().all(of_subject) {
            let steps = report.failed().map(|failed| self.allow_value(failed.condition, "sub")).collect();
            return Some(self.edit(report, StatementChange::Conditions(steps))).filter(|edit| self.applies_after(edit));
        }
        let steps = self.repair(report);
        // An addition takes the role from no caller; nor does a change of a condition that no caller meets.
        let takes_nothing = steps.iter().all(|step| matches!(step, ConditionStep::AddValues { .. }))
            || self.is_alone(report.statement) && report.failed().any(|failed| self.has_no_match(failed.condition));
        let edit = self.edit(report, StatementChange::Conditions(steps));
        let is_exact =
            takes_nothing && self.applies_after(&edit) && self.pins(self.statement_of(&edit)?.statements.first()?);
        is_exact.then_some(edit)
    }

    /// Adds the right value to a condition on a claim, or puts it in the place of values that no claim has.
    fn allow_value(&self, condition: &Condition, claim: &'static str) -> ConditionStep {
        let name = ConditionName::new(&condition.operator.written, &condition.key);
        let values = vec![self.right_value(claim).into()];
        if is_swapped(claim, condition) {
            let old = condition.values.iter().map(|value| (**value).into()).collect();
            return ConditionStep::Replace { condition: name, old, new: values };
        }
        ConditionStep::AddValues { condition: name, values }
    }

    fn right_value(&self, claim: &str) -> &str {
        if claim == "sub" { self.claim } else { audience_of(self.audience) }
    }

    /// The steps that make the statement apply to us, whatever other callers they allow.
    fn repair(&self, report: &StatementReport<'_>) -> Vec<ConditionStep> {
        let mut steps = Vec::new();
        let mut kept: Vec<&str> = ["sub", "aud"].into_iter().filter(|claim| self.holds_on(report, claim)).collect();
        for failed in report.failed() {
            let condition = failed.condition;
            let name = || ConditionName::new(&condition.operator.written, &condition.key);
            match self.about(condition) {
                About::Claim(claim) if is_plain(condition) => {
                    steps.push(self.allow_value(condition, claim));
                    kept.push(claim);
                }
                About::Miswritten { claim, .. }
                    if is_plain(condition)
                        && is_free(report, &steps, &condition.operator.written, &self.right_key(claim)) =>
                {
                    let right = || ConditionName::new(&condition.operator.written, &self.right_key(claim));
                    steps.push(ConditionStep::Move { from: name(), to: right() });
                    let value = self.right_value(claim);
                    let matches = |written: &str| match condition.operator.base {
                        BaseOperator::StringLike => rolecall_iam::wildcard_match(written, value),
                        _ => written == value,
                    };
                    if !condition.values.iter().any(|written| matches(written)) {
                        steps.push(ConditionStep::AddValues { condition: right(), values: vec![value.into()] });
                    }
                    kept.push(claim);
                }
                About::Claim(_) | About::Miswritten { .. } | About::Foreign { .. } => {
                    steps.push(ConditionStep::Remove(name()));
                }
            }
        }
        let only_adds = steps.iter().all(|step| matches!(step, ConditionStep::AddValues { .. }));
        for claim in ["sub", "aud"].into_iter().filter(|claim| !only_adds && !kept.contains(claim)) {
            steps.push(fix::put_condition("StringEquals", &self.right_key(claim), self.right_value(claim)));
        }
        steps
    }

    /// The statement has a condition on the claim that holds.
    fn holds_on(&self, report: &StatementReport<'_>, claim: &str) -> bool {
        report.conditions.iter().any(|report| {
            report.holds == Truth::True
                && !report.operator().if_exists
                && !report.operator().base.is_negated()
                && matches!(self.about(report.condition), About::Claim(found) if found == claim)
        })
    }

    /// The statement after a change, as a policy of its own.
    fn statement_of(&self, edit: &StatementEdit) -> Option<Document> {
        let version = match self.role.trust.as_ref().map(|document| document.version) {
            Some(Version::V2012) => "2012-10-17",
            Some(Version::V2008) | None => "2008-10-17",
        };
        Document::parse(&format!(r#"{{"Version": "{version}", "Statement": [{}]}}"#, edit.after)).ok()
    }

    /// Whether the statement lets us in once it is changed, as far as can be told.
    fn applies_after(&self, edit: &StatementEdit) -> bool {
        let context = self.context(self.claim, true);
        self.statement_of(edit).is_some_and(|document| {
            !matches!(document.evaluate(&self.request(&context)), Verdict::ImplicitlyDenied | Verdict::ExplicitlyDenied)
        })
    }

    /// Only tokens with our subject can meet the statement.
    fn pins(&self, statement: &Statement) -> bool {
        statement.conditions.iter().any(|condition| {
            matches!(self.about(condition), About::Claim("sub"))
                && matches!(condition.operator.base, BaseOperator::StringEquals | BaseOperator::StringLike)
                && must_be_present(condition)
                && !condition.values.is_empty()
                && condition.values.iter().all(|value| **value == *self.claim)
        })
    }

    /// Only tokens of our issuer are asked about in the statement.
    fn is_alone(&self, statement: &Statement) -> bool {
        matches!(&statement.principals, Principals::Is(entries)
            if entries.iter().all(|entry| matches!(entry, PrincipalEntry::Federated(arn) if **arn == *self.provider_arn)))
    }

    /// No token of our issuer meets the condition, whichever service account it is of.
    fn has_no_match(&self, condition: &Condition) -> bool {
        if condition.values.iter().any(|value| value.contains('$')) {
            return false;
        }
        match self.about(condition) {
            About::Claim("sub") => {
                is_plain(condition)
                    && must_be_present(condition)
                    && condition.values.iter().all(|value| !is_subject(value) && !value.contains(['*', '?']))
            }
            About::Claim(_) => false,
            // What the request carries for it does not depend on the service account.
            About::Miswritten { .. } | About::Foreign { .. } => true,
        }
    }

    /// What a statement of its own asks for as well: what only the request can tell, and what has nothing to do with tokens.
    fn is_kept(&self, condition: &Condition) -> bool {
        let key = &*condition.folded_key;
        let is_of_token = matches!(self.about(condition), About::Claim(_) | About::Miswritten { .. })
            || key.starts_with(self.issuer.folded())
            || of_another_token(key);
        !is_of_token && condition.holds(&self.context(self.claim, true)) != Truth::False
    }

    fn names_provider(&self, statement: &Statement) -> bool {
        let is_ours =
            |entry: &PrincipalEntry| matches!(entry, PrincipalEntry::Federated(arn) if **arn == *self.provider_arn);
        matches!(&statement.principals, Principals::Is(entries) if entries.iter().any(is_ours))
    }

    fn is_about_subject(&self, condition: &Condition) -> bool {
        let is_of_subject =
            matches!(self.about(condition), About::Claim("sub") | About::Miswritten { claim: "sub", .. });
        is_of_subject && is_plain(condition)
    }
}

/// A request without the key does not meet the condition.
fn must_be_present(condition: &Condition) -> bool {
    !condition.operator.if_exists && condition.operator.set != SetQualifier::ForAllValues
}

/// A subject under `aud`, or an audience under `sub`.
fn is_swapped(claim: &str, condition: &Condition) -> bool {
    condition.values.iter().all(|value| match claim {
        "sub" => value.contains(".amazonaws.com") && !is_subject(value) && !value.contains(['*', '?', '$']),
        _ => is_subject(value),
    })
}

/// The statement has no condition of this name, nor does a step before bring one.
fn is_free(report: &StatementReport<'_>, steps: &[ConditionStep], operator: &str, key: &str) -> bool {
    let is_there = |report: &ConditionReport<'_>| {
        *report.operator().written == *operator && report.condition.key.eq_ignore_ascii_case(key)
    };
    let is_moved = |step: &ConditionStep| matches!(step, ConditionStep::Move { to, .. } if *to.operator == *operator && *to.key == *key);
    !report.conditions.iter().any(is_there) && !steps.iter().any(is_moved)
}

/// Adds a condition to those of a statement.
pub(super) fn put(conditions: &mut Value, operator: &str, key: &str, values: Value) {
    let Some(all) = conditions.as_object_mut() else { return };
    let written = all.keys().find(|written| written.eq_ignore_ascii_case(operator)).cloned();
    let of_operator = all.entry(written.unwrap_or_else(|| operator.to_owned())).or_insert_with(|| json!({}));
    if let Some(of_operator) = of_operator.as_object_mut() {
        of_operator.insert(key.to_owned(), values);
    }
}
