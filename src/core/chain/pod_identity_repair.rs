//! The edit of a trust policy that allows the association of a service account, and that changes nothing for other callers.

use rolecall_iam::{
    BaseOperator, Condition, Effect, PrincipalEntry, Principals, SetQualifier, Statement, StatementReport, Truth,
};
use serde_json::{Value, json};

use super::fix;
use super::irsa_repair::put;
use super::pod_identity_context::{Lists, SERVICE};
use super::pod_identity_trust::{ACTIONS, CALLER, Case};
use super::trust::{self, Outcome};
use super::{Subject, keys};
use crate::fix::{Advice, Change, FirstValues, StatementChange, StatementEdit, Text};
use crate::snapshot::{Association, ClusterInfo, Role, is_typo};

const NAMESPACE: &str = "aws:RequestTag/kubernetes-namespace";
const ACCOUNT: &str = "aws:RequestTag/kubernetes-service-account";
const CLUSTER_ARN: &str = "aws:RequestTag/eks-cluster-arn";
const CLUSTER_NAME: &str = "aws:RequestTag/eks-cluster-name";

/// Most conditions of a statement that one of its own has too.
const MAX_KEPT: usize = 16;

/// The conditions on session tags that only this service account meets.
pub(super) fn put_tags(conditions: &mut Value, subject: Subject<'_>, cluster: Option<&ClusterInfo>) {
    for (key, value) in tags(subject, cluster) {
        put(conditions, "StringEquals", key, value.into());
    }
}

fn tags<'a>(subject: Subject<'a>, cluster: Option<&'a ClusterInfo>) -> impl Iterator<Item = (&'static str, &'a str)> {
    let of_cluster = cluster.map(|cluster| match &cluster.arn {
        Some(arn) => (CLUSTER_ARN, &**arn),
        None => (CLUSTER_NAME, &*cluster.name),
    });
    [(NAMESPACE, subject.namespace), (ACCOUNT, subject.service_account)].into_iter().chain(of_cluster)
}

impl Case<'_> {
    /// Adds a statement for this service account alone. It keeps what the nearest statement asks for besides.
    pub(super) fn own_statement(&self, nearest: Option<&StatementReport<'_>>) -> Change {
        let is_tagged = !self.association.disable_session_tags;
        // Without tags the statement is for every association of the role that sends none.
        if !is_tagged && self.others_send_no_tags() {
            return Advice::SendSessionTags { account: self.subject.into(), role: self.parsed.into() }.into();
        }
        let mut conditions = json!({});
        let of_nearest = nearest.into_iter().flat_map(|report| &report.conditions).map(|report| report.condition);
        for condition in of_nearest.filter(|condition| self.is_kept(condition)).take(MAX_KEPT) {
            let values = condition.values.iter().map(|value| Value::from(&**value)).collect();
            put(&mut conditions, &condition.operator.written, &condition.key, values);
        }
        if is_tagged {
            put_tags(&mut conditions, self.subject, self.snapshot.cluster.as_ref());
        } else {
            // Those that do send tags do not get in by it.
            put(&mut conditions, "Null", NAMESPACE, "true".into());
        }
        let statement = json!({
            "Effect": "Allow", "Principal": {"Service": SERVICE}, "Action": self.actions(), "Condition": conditions,
        });
        fix::add_statement(self.parsed, SERVICE, &statement)
    }

    /// Allows the association by a statement that allows another action.
    pub(super) fn allow_by_action(&self, report: &StatementReport<'_>) -> Change {
        let statement = report.statement;
        // Whoever else meets the statement's conditions would get the action too.
        if statement.actions.negated || report.failed().next().is_some() || !self.pins(statement) {
            return self.own_statement(Some(report));
        }
        let missing = self.actions().iter().filter(|needed| !statement.actions.apply_to(needed));
        let change = StatementChange::AddActions(missing.map(|action| Text::from(*action)).collect());
        let path = self.role.trust.as_ref().map(|document| document.jq_path(report.index)).unwrap_or_default();
        let edit = StatementEdit::new(report.into(), path, trust::as_written(self.role, report), change);
        fix::edit_statement(self.parsed, edit)
    }

    /// Whether the trust policy would do, if only the association sent session tags: those who lead on by an external ID and
    /// those with a session policy send none for a reason.
    pub(super) fn is_allowed_with_tags(&self) -> bool {
        let (Some(document), None, None) =
            (&self.role.trust, &self.association.policy, &self.association.target_role_arn)
        else {
            return false;
        };
        let association = Association { disable_session_tags: false, ..self.association.clone() };
        let lists = Lists::new();
        let is_allowed = |action: &&str| {
            let judged = trust::judge(document, action, CALLER, |presume| self.context(&association, &lists, presume));
            judged.outcome == Outcome::Allowed
        };
        ACTIONS.iter().all(is_allowed)
    }

    /// Only the association of this service account can meet the statement.
    fn pins(&self, statement: &Statement) -> bool {
        let is_pinned = |(key, value): (&str, &str)| {
            statement.conditions.iter().any(|condition| {
                condition.key.eq_ignore_ascii_case(key)
                    && is_exact(condition)
                    && !value.contains(['*', '?', '$'])
                    && !condition.values.is_empty()
                    && condition.values.iter().all(|found| **found == *value)
            })
        };
        self.snapshot.cluster.as_ref().is_some_and(|cluster| cluster.arn.is_some())
            && tags(self.subject, self.snapshot.cluster.as_ref()).all(is_pinned)
    }

    /// What a statement of its own asks for as well: what only the request can tell, and what has nothing to do with session tags.
    fn is_kept(&self, condition: &Condition) -> bool {
        let key = &*condition.folded_key;
        let is_of_tags = key.starts_with("aws:requesttag/") || matches!(key, "aws:tagkeys" | "sts:transitivetagkeys");
        let lists = Lists::new();
        let context = self.context(self.association, &lists, true);
        !is_of_tags && !keys::of_another_token(key) && condition.holds(&context) != Truth::False
    }

    fn others_send_no_tags(&self) -> bool {
        let associations = self.snapshot.associations.iter().flat_map(|all| all.values().flat_map(|of| of.values()));
        let mut alike = associations.filter(|other| {
            other.disable_session_tags && other.role_arn == self.association.role_arn && other.id != self.association.id
        });
        alike.next().is_some()
    }
}

fn is_exact(condition: &Condition) -> bool {
    matches!(condition.operator.base, BaseOperator::StringEquals | BaseOperator::StringLike)
        && !condition.operator.if_exists
        && condition.operator.set != SetQualifier::ForAllValues
}

/// The namespaces that a trust policy names for Pod Identity, where it names others than the service account's only.
pub(super) fn other_namespaces(role: &Role, subject: Subject<'_>) -> Option<FirstValues> {
    let mut namespaces: Vec<&str> = Vec::new();
    let statements = role.trust.iter().flat_map(|document| document.with_effect(Effect::Allow));
    for statement in statements.filter(|statement| names_service(statement)) {
        let of_namespace =
            |condition: &&Condition| condition.key.eq_ignore_ascii_case(NAMESPACE) && is_exact(condition);
        let mut conditions = statement.conditions.iter().filter(of_namespace).peekable();
        // It is open to any of them.
        conditions.peek()?;
        for namespace in conditions.flat_map(|condition| &condition.values) {
            if namespace.contains(['*', '?', '$']) || is_typo(namespace.trim(), subject.namespace) {
                return None;
            }
            if !namespaces.contains(&&**namespace) {
                namespaces.push(namespace);
            }
        }
    }
    (!namespaces.is_empty()).then(|| namespaces.into_iter().collect())
}

/// A condition on the session tags that name the service account.
pub(super) fn names_account(condition: &Condition) -> bool {
    [NAMESPACE, ACCOUNT].iter().any(|key| condition.key.eq_ignore_ascii_case(key))
}

fn names_service(statement: &Statement) -> bool {
    let is_ours = |entry: &PrincipalEntry| matches!(entry, PrincipalEntry::Service(service) if **service == *SERVICE);
    matches!(&statement.principals, Principals::Is(entries) if entries.iter().any(is_ours))
}
