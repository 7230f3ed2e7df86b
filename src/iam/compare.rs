//! One value of a condition against one value of the request.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::context::Context;
use crate::operator::BaseOperator;
use crate::template::{Reading, Text, split_colons};
use crate::truth::Truth;

/// A condition's value, compiled for its operator.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operand {
    Text(Text),
    Number(f64),
    /// Nanoseconds since 1970.
    Date(i128),
    Bool(bool),
    Network {
        address: IpAddr,
        prefix: u8,
    },
    Arn(Box<[Text]>),
    /// A text that the operator cannot use: matches nothing.
    Unusable,
}

impl Operand {
    /// Compiles `written` for `operator`; variables count in policies of version 2012-10-17 only.
    pub(crate) fn compile(written: &str, operator: BaseOperator, variables: bool) -> Self {
        use BaseOperator as B;
        let compiled = match operator {
            B::StringEquals | B::StringNotEquals => text(written, Reading { wildcards: false, variables, fold: false }),
            B::StringEqualsIgnoreCase | B::StringNotEqualsIgnoreCase => {
                text(written, Reading { wildcards: false, variables, fold: true })
            }
            B::StringLike | B::StringNotLike => text(written, Reading { wildcards: true, variables, fold: false }),
            B::ArnEquals | B::ArnLike | B::ArnNotEquals | B::ArnNotLike => {
                let reading = Reading { wildcards: true, variables, fold: false };
                let sections = split_colons(written, 6);
                Some(Self::Arn(sections.into_iter().map(|section| Text::compile(section, reading)).collect()))
            }
            B::Bool | B::Null => parse_bool(written).map(Self::Bool),
            B::BinaryEquals => Some(Self::Text(Text::Literal(written.into()))),
            B::IpAddress | B::NotIpAddress => parse_network(written),
            B::NumericEquals
            | B::NumericNotEquals
            | B::NumericLessThan
            | B::NumericLessThanEquals
            | B::NumericGreaterThan
            | B::NumericGreaterThanEquals => parse_number(written).map(Self::Number),
            B::DateEquals
            | B::DateNotEquals
            | B::DateLessThan
            | B::DateLessThanEquals
            | B::DateGreaterThan
            | B::DateGreaterThanEquals => parse_date(written).map(Self::Date),
            B::Unrecognised => None,
        };
        compiled.unwrap_or(Self::Unusable)
    }

    /// Whether the request's value matches, *before* negation: `StringNotEquals` asks for equality here.
    pub(crate) fn matches(&self, operator: BaseOperator, found: &str, context: &dyn Context) -> Truth {
        use BaseOperator as B;
        match self {
            Self::Text(text) => {
                let fold = matches!(operator, B::StringEqualsIgnoreCase | B::StringNotEqualsIgnoreCase);
                text.matches(found, fold, context)
            }
            Self::Number(wanted) => parse_number(found).is_some_and(|found| in_order(operator, found, *wanted)).into(),
            Self::Date(wanted) => parse_date(found).is_some_and(|found| in_order(operator, found, *wanted)).into(),
            Self::Bool(wanted) => (parse_bool(found) == Some(*wanted)).into(),
            Self::Network { address, prefix } => {
                found.parse().is_ok_and(|found: IpAddr| in_network(found, *address, *prefix)).into()
            }
            Self::Arn(sections) => {
                let parts = split_colons(found, 6);
                if parts.len() != 6 || sections.len() != 6 {
                    return Truth::False;
                }
                Truth::all(sections.iter().zip(parts).map(|(section, part)| section.matches(part, false, context)))
            }
            Self::Unusable => Truth::False,
        }
    }

    /// Has policy variables in it.
    pub(crate) fn has_variables(&self) -> bool {
        match self {
            Self::Text(text) => matches!(text, Text::Template(_)),
            Self::Arn(sections) => sections.iter().any(|section| matches!(section, Text::Template(_))),
            _ => false,
        }
    }

    /// The keys of its policy variables.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        let texts = match self {
            Self::Text(text) => std::slice::from_ref(text),
            Self::Arn(sections) => sections,
            _ => &[],
        };
        texts.iter().flat_map(Text::variables)
    }

    /// The only text that it matches.
    pub(crate) fn exact_text(&self) -> Option<&str> {
        match self {
            Self::Text(Text::Literal(literal)) => Some(literal),
            _ => None,
        }
    }

    /// Matches whatever the value is.
    pub(crate) fn matches_everything(&self) -> bool {
        matches!(self, Self::Text(text) if text.matches_everything())
    }
}

fn text(written: &str, reading: Reading) -> Option<Operand> {
    Some(Operand::Text(Text::compile(written, reading)))
}

fn in_order<T: PartialOrd + Copy>(operator: BaseOperator, found: T, wanted: T) -> bool {
    use BaseOperator as B;
    match operator {
        B::NumericLessThan | B::DateLessThan => found < wanted,
        B::NumericLessThanEquals | B::DateLessThanEquals => found <= wanted,
        B::NumericGreaterThan | B::DateGreaterThan => found > wanted,
        B::NumericGreaterThanEquals | B::DateGreaterThanEquals => found >= wanted,
        _ => found == wanted,
    }
}

fn parse_bool(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

fn parse_number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// A W3C profile of ISO 8601, or seconds since 1970 (same page, "Date condition operators").
fn parse_date(text: &str) -> Option<i128> {
    let text = text.trim();
    // A year, and a year with its month, are dates in that profile.
    let completed = match text.len() {
        4 if text.bytes().all(|b| b.is_ascii_digit()) => format!("{text}-01-01"),
        7 if text.as_bytes().get(4) == Some(&b'-') => format!("{text}-01"),
        _ => text.to_owned(),
    };
    let text = completed.as_str();
    if let Ok(seconds) = text.parse::<i64>() {
        return Some(i128::from(seconds) * 1_000_000_000);
    }
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp.as_nanosecond());
    }
    let civil: jiff::civil::DateTime =
        text.parse().or_else(|_| text.parse::<jiff::civil::Date>().map(|date| date.at(0, 0, 0, 0))).ok()?;
    civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp().as_nanosecond())
}

fn parse_network(text: &str) -> Option<Operand> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.unwrap_or(bits);
    (prefix <= bits).then_some(Operand::Network { address, prefix })
}

fn in_network(found: IpAddr, network: IpAddr, prefix: u8) -> bool {
    let shift = |bits: u8| u32::from(bits.saturating_sub(prefix));
    match (found, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let differing = u32::from(a) ^ u32::from(b);
            differing.checked_shr(shift(32)).unwrap_or(0) == 0
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let differing = u128::from(a) ^ u128::from(b);
            differing.checked_shr(shift(128)).unwrap_or(0) == 0
        }
        _ => false,
    }
}
