//! Values of trust policies and of requests for a role.
#![expect(missing_docs, reason = "the texts of `rolecall-message` say what each variant means")]

use rolecall_iam::ConditionReport;

use crate::fix::{AccountName, StatementName, Text, Values};
use crate::text::within_a_text;

/// A value of a trust policy or of a policy of AWS Organizations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustValue {
    NoDeny,
    NoDenyOf {
        action: Text,
    },
    NoStatementThatDenies {
        action: Text,
    },
    /// A statement that denies, and under which conditions.
    Denies {
        statement: StatementName,
        grounds: DenyGrounds,
    },
    PolicyDenies {
        statement: StatementName,
        policy: Text,
        conditions: Conditions,
    },
    Statement(StatementName),
    Actions {
        is_negated: bool,
        actions: Values,
    },
    Condition(Condition),
    /// All of them.
    Conditions(Conditions),
    /// The first three, and how many they are.
    FirstConditions {
        shown: Box<[Condition]>,
        count: usize,
    },
    /// What a request carries for a key.
    Sent(Sent),
    /// What EKS sends as `aws:SourceArn`; absent where it is asked for the ARN of an association.
    SourceArn(Option<Sent>),
    /// None is possible.
    Principals(Values),
    ActionFor {
        action: Text,
        principal: Text,
    },
    /// What EKS must be allowed.
    EksActions {
        first: Text,
        second: Option<Text>,
    },
    TokenNotReadable,
    /// A service account has an empty audience annotation.
    EmptyAudience {
        account: AccountName,
        key: Text,
    },
}

/// On which grounds a statement denies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DenyGrounds {
    NotNamed,
    Unconditional,
    Where { is_not_principal: bool, conditions: Conditions },
}

/// A condition of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub operator: Text,
    pub key: Text,
    pub values: Values,
}

impl From<&ConditionReport<'_>> for Condition {
    fn from(report: &ConditionReport<'_>) -> Self {
        Self {
            operator: (&report.operator().written).into(),
            key: (&report.condition.key).into(),
            values: report.condition.values.iter().collect(),
        }
    }
}

/// Conditions of a statement, as many as a text has room for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions(pub Box<[Condition]>);

impl<'r, 'd: 'r> FromIterator<&'r ConditionReport<'d>> for Conditions {
    fn from_iter<I: IntoIterator<Item = &'r ConditionReport<'d>>>(reports: I) -> Self {
        let values = |condition: &Condition| condition.values.shown.iter().map(|value| value.len()).sum::<usize>();
        let len = |condition: &Condition| condition.operator.len() + condition.key.len() + values(condition);
        Self(within_a_text(reports.into_iter().map(Condition::from), len).into())
    }
}

/// What a request carries for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// It does not carry the key.
    Nothing,
    Unknown,
    Values(Values),
}
