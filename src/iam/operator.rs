//! Condition operators (IAM User Guide, "IAM JSON policy elements: Condition operators").

/// `ForAnyValue:` or `ForAllValues:` before an operator (IAM User Guide, "Set operators for multivalued context keys").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SetQualifier {
    /// No qualifier: the key is single-valued.
    None,
    /// True when at least one value of the key matches.
    ForAnyValue,
    /// True when every value of the key matches, also when there is none.
    ForAllValues,
}

/// An operator without its qualifier and without `IfExists`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the operator of that name in the IAM User Guide")]
pub enum BaseOperator {
    StringEquals,
    StringNotEquals,
    StringEqualsIgnoreCase,
    StringNotEqualsIgnoreCase,
    StringLike,
    StringNotLike,
    NumericEquals,
    NumericNotEquals,
    NumericLessThan,
    NumericLessThanEquals,
    NumericGreaterThan,
    NumericGreaterThanEquals,
    DateEquals,
    DateNotEquals,
    DateLessThan,
    DateLessThanEquals,
    DateGreaterThan,
    DateGreaterThanEquals,
    Bool,
    BinaryEquals,
    IpAddress,
    NotIpAddress,
    ArnEquals,
    ArnLike,
    ArnNotEquals,
    ArnNotLike,
    Null,
    /// Not an operator that AWS documents, and none that it would store: never matches.
    Unrecognised,
}

const OPERATORS: [(&str, BaseOperator); 27] = [
    ("stringequals", BaseOperator::StringEquals),
    ("stringnotequals", BaseOperator::StringNotEquals),
    ("stringequalsignorecase", BaseOperator::StringEqualsIgnoreCase),
    ("stringnotequalsignorecase", BaseOperator::StringNotEqualsIgnoreCase),
    ("stringlike", BaseOperator::StringLike),
    ("stringnotlike", BaseOperator::StringNotLike),
    ("numericequals", BaseOperator::NumericEquals),
    ("numericnotequals", BaseOperator::NumericNotEquals),
    ("numericlessthan", BaseOperator::NumericLessThan),
    ("numericlessthanequals", BaseOperator::NumericLessThanEquals),
    ("numericgreaterthan", BaseOperator::NumericGreaterThan),
    ("numericgreaterthanequals", BaseOperator::NumericGreaterThanEquals),
    ("dateequals", BaseOperator::DateEquals),
    ("datenotequals", BaseOperator::DateNotEquals),
    ("datelessthan", BaseOperator::DateLessThan),
    ("datelessthanequals", BaseOperator::DateLessThanEquals),
    ("dategreaterthan", BaseOperator::DateGreaterThan),
    ("dategreaterthanequals", BaseOperator::DateGreaterThanEquals),
    ("bool", BaseOperator::Bool),
    ("binaryequals", BaseOperator::BinaryEquals),
    ("ipaddress", BaseOperator::IpAddress),
    ("notipaddress", BaseOperator::NotIpAddress),
    ("arnequals", BaseOperator::ArnEquals),
    ("arnlike", BaseOperator::ArnLike),
    ("arnnotequals", BaseOperator::ArnNotEquals),
    ("arnnotlike", BaseOperator::ArnNotLike),
    ("null", BaseOperator::Null),
];

impl BaseOperator {
    /// What the operator compares, negated or not: conditions of one family on one value are about the same thing.
    pub(crate) fn family(self) -> Self {
        match self {
            Self::StringNotEquals => Self::StringEquals,
            Self::StringNotEqualsIgnoreCase => Self::StringEqualsIgnoreCase,
            Self::StringNotLike => Self::StringLike,
            Self::NumericNotEquals => Self::NumericEquals,
            Self::DateNotEquals => Self::DateEquals,
            Self::NotIpAddress => Self::IpAddress,
            Self::ArnNotEquals | Self::ArnNotLike | Self::ArnLike => Self::ArnEquals,
            other => other,
        }
    }

    /// `StringNotEquals` and its kin: true when *no* value matches, and when the key is absent.
    pub fn is_negated(self) -> bool {
        matches!(
            self,
            Self::StringNotEquals
                | Self::StringNotEqualsIgnoreCase
                | Self::StringNotLike
                | Self::NumericNotEquals
                | Self::DateNotEquals
                | Self::NotIpAddress
                | Self::ArnNotEquals
                | Self::ArnNotLike
        )
    }
}

/// An operator as a policy writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// As written.
    pub written: Box<str>,
    /// The set qualifier.
    pub set: SetQualifier,
    /// The operator proper.
    pub base: BaseOperator,
    /// `IfExists`: true when the key is absent.
    pub if_exists: bool,
}

impl Operator {
    /// Reads an operator; names are not case-sensitive.
    pub fn parse(written: &str) -> Self {
        let folded = written.to_ascii_lowercase();
        let (set, rest) = match folded.split_once(':') {
            Some(("foranyvalue", rest)) => (SetQualifier::ForAnyValue, rest),
            Some(("forallvalues", rest)) => (SetQualifier::ForAllValues, rest),
            _ => (SetQualifier::None, folded.as_str()),
        };
        let (name, if_exists) = match rest.strip_suffix("ifexists") {
            // `NullIfExists` is not an operator (IAM User Guide, "...IfExists condition operators").
            Some(name) if name != "null" => (name, true),
            _ => (rest, false),
        };
        let base =
            OPERATORS.iter().find(|(known, _)| *known == name).map_or(BaseOperator::Unrecognised, |(_, base)| *base);
        Self { written: written.into(), set, base, if_exists }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_qualifier_and_suffix_in_any_case() {
        let operator = Operator::parse("foranyvalue:STRINGLIKEifexists");
        assert_eq!(operator.set, SetQualifier::ForAnyValue);
        assert_eq!(operator.base, BaseOperator::StringLike);
        assert!(operator.if_exists);
        assert_eq!(Operator::parse("StringMatches").base, BaseOperator::Unrecognised);
        assert_eq!(Operator::parse("NullIfExists").base, BaseOperator::Unrecognised);
    }
}
