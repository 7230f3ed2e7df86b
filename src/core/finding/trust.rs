//! Values of trust policies and of requests for a role.
#![expect(missing_docs, reason = "the texts of `rolecall-message` say what each variant means")]

use rolecall_iam::ConditionReport;

use crate::fix::{AccountName, FirstValues, StatementName, Text};
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
        conditions: TrustConditions,
    },
    Statement(StatementName),
    Actions {
        is_negated: bool,
        actions: FirstValues,
    },
    Condition(TrustCondition),
    /// All of them.
    Conditions(TrustConditions),
    /// The first three, and how many they are.
    FirstConditions {
        shown: Box<[TrustCondition]>,
        count: usize,
    },
    /// What a request carries for a key.
    Sent(Sent),
    /// What EKS sends as `aws:SourceArn`; absent where it is asked for the ARN of an association.
    SourceArn(Option<Sent>),
    /// None is possible.
    Principals(FirstValues),
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
    Where { is_not_principal: bool, conditions: TrustConditions },
}

/// A condition of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustCondition {
    pub operator: Text,
    pub key: Text,
    pub values: FirstValues,
}

impl From<&ConditionReport<'_>> for TrustCondition {
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
pub struct TrustConditions(pub Box<[TrustCondition]>);

impl<'r, 'd: 'r> FromIterator<&'r ConditionReport<'d>> for TrustConditions {
    fn from_iter<I: IntoIterator<Item = &'r ConditionReport<'d>>>(reports: I) -> Self {
        let values = |condition: &TrustCondition| condition.values.shown.iter().map(|value| value.len()).sum::<usize>();
        let len = |condition: &TrustCondition| condition.operator.len() + condition.key.len() + values(condition);
        Self(within_a_text(reports.into_iter().map(TrustCondition::from), len).into())
    }
}

/// What a request carries for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// It does not carry the key.
    Nothing,
    /// Only the request to AWS has the value.
    Unknown,
    Values(FirstValues),
}
