//! Conditions (IAM User Guide, "IAM JSON policy elements: Condition", "Condition operators", "Set operators").

use crate::compare::Operand;
use crate::context::{Context, Lookup};
use crate::operator::{BaseOperator, Operator, SetQualifier};
use crate::truth::Truth;

/// One operator applied to one key.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The operator.
    pub operator: Operator,
    /// The key, as written.
    pub key: Box<str>,
    /// The key in lower case.
    pub folded_key: Box<str>,
    /// The values, as written.
    pub values: Vec<Box<str>>,
    pub(crate) operands: Vec<Operand>,
}

impl Condition {
    pub(crate) fn new(operator: Operator, key: &str, values: Vec<Box<str>>, variables: bool) -> Self {
        let operands = values.iter().map(|value| Operand::compile(value, operator.base, variables)).collect();
        Self { operator, key: key.into(), folded_key: key.to_ascii_lowercase().into(), values, operands }
    }

    /// The keys of policy variables in its values, in lower case.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        self.operands.iter().flat_map(Operand::variables)
    }

    /// Whether the condition holds.
    pub fn holds(&self, context: &dyn Context) -> Truth {
        self.holds_given(context.lookup(&self.folded_key), context)
    }

    /// The same, with what is known of the key already looked up.
    pub(crate) fn holds_given(&self, found: Lookup<'_>, context: &dyn Context) -> Truth {
        let operator = &self.operator;
        match operator.base {
            BaseOperator::Null => return self.is_null(found),
            BaseOperator::Unrecognised => return Truth::False,
            _ => {}
        }
        match found {
            Lookup::Absent => self.holds_when_absent().into(),
            Lookup::Unknown if self.operands.iter().any(Operand::matches_everything) => {
                // Present, it is decided by the pattern; absent, by the operator's rule.
                let present = !operator.base.is_negated();
                if present == self.holds_when_absent() { present.into() } else { Truth::Unknown }
            }
            Lookup::Present if self.operands.iter().any(Operand::matches_everything) => {
                (!operator.base.is_negated()).into()
            }
            Lookup::Unknown | Lookup::Present => Truth::Unknown,
            _ if operator.set != SetQualifier::None && found.is_null_data_set() => self.holds_when_absent().into(),
            Lookup::One(value) => self.holds_for(value, context),
            Lookup::Many(values) => match operator.set {
                // A multivalued key asks for a set operator; without one nothing is met, negated or not.
                SetQualifier::None => Truth::False,
                SetQualifier::ForAnyValue => Truth::any(values.iter().map(|value| self.holds_for(value, context))),
                SetQualifier::ForAllValues => Truth::all(values.iter().map(|value| self.holds_for(value, context))),
            },
        }
    }

    /// What an absent key does: `ForAllValues`, `IfExists` and the negated operators are then true. Of `ForAnyValue` with
    /// `IfExists` the guide's pages say either; those who tried report false.
    pub(crate) fn holds_when_absent(&self) -> bool {
        match self.operator.set {
            SetQualifier::ForAllValues => true,
            SetQualifier::ForAnyValue => false,
            SetQualifier::None => self.operator.if_exists || self.operator.base.is_negated(),
        }
    }

    fn holds_for(&self, value: &str, context: &dyn Context) -> Truth {
        let base = self.operator.base;
        let matched = Truth::any(self.operands.iter().map(|operand| operand.matches(base, value, context)));
        if base.is_negated() { matched.negate() } else { matched }
    }

    fn is_null(&self, found: Lookup<'_>) -> Truth {
        let absent = match found {
            Lookup::Absent => Truth::True,
            Lookup::Unknown => Truth::Unknown,
            Lookup::Present => Truth::False,
            Lookup::One(_) | Lookup::Many(_) => found.is_null_data_set().into(),
        };
        Truth::any(self.operands.iter().map(|operand| match operand {
            Operand::Bool(true) => absent,
            Operand::Bool(false) => absent.negate(),
            _ => Truth::False,
        }))
    }
}
