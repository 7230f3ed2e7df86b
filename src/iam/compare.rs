//! One value of a condition against one value of the request.

use std::net::IpAddr;

use ipnet::IpNet;
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
    Network(IpNet),
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
            B::Bool => parse_bool(written).map(Self::Bool).or_else(|| replaced(written, variables)),
            B::Null => parse_bool(written).map(Self::Bool),
            B::BinaryEquals => is_base64(written).then(|| Self::Text(Text::Literal(written.into()))),
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
            // A policy variable: its value counts as a truth value, like the request's.
            Self::Text(_) if operator == B::Bool && parse_bool(found).is_none() => Truth::False,
            Self::Text(text) => {
                let fold = matches!(operator, B::StringEqualsIgnoreCase | B::StringNotEqualsIgnoreCase | B::Bool);
                text.matches(found, fold, context)
            }
            Self::Number(wanted) => parse_number(found).is_some_and(|found| in_order(operator, found, *wanted)).into(),
            Self::Date(wanted) => parse_date(found).is_some_and(|found| in_order(operator, found, *wanted)).into(),
            Self::Bool(wanted) => (parse_bool(found) == Some(*wanted)).into(),
            Self::Network(network) => found.parse().is_ok_and(|found: IpAddr| network.contains(&found)).into(),
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

/// A text whose policy variables are replaced; `None` where it has none.
fn replaced(written: &str, variables: bool) -> Option<Operand> {
    let text = Text::compile(written, Reading { wildcards: false, variables, fold: true });
    matches!(text, Text::Template(_)).then_some(Operand::Text(text))
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

/// An integer or decimal value (same page, "Numeric condition operators"): no exponent, no blanks.
fn parse_number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    (is_digits(whole) && is_digits(fraction)).then(|| text.parse().ok()).flatten()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// The W3C's profile of ISO 8601, or seconds since 1970 (same page, "Date condition operators"). The profile has years,
/// months and days, and with a day a time to the minute, the second or its fraction, always with its zone. Four digits
/// are a year.
fn parse_date(text: &str) -> Option<i128> {
    if text.len() != 4 && is_digits(text) {
        return text.parse::<i128>().ok()?.checked_mul(1_000_000_000);
    }
    let (day, time) = text.split_once('T').map_or((text, None), |(day, time)| (day, Some(time)));
    let instant = match (day.len(), time) {
        (4, None) => format!("{day}-01-01T00:00:00Z"),
        (7, None) => format!("{day}-01T00:00:00Z"),
        (10, None) => format!("{day}T00:00:00Z"),
        (10, Some(time)) => {
            let (clock, zone) =
                time.split_at_checked(time.len().checked_sub(if time.ends_with('Z') { 1 } else { 6 })?)?;
            let (clock, fraction) =
                clock.split_once('.').map_or((clock, None), |(clock, fraction)| (clock, Some(fraction)));
            let seconds = if clock.len() == 5 && fraction.is_none() { ":00" } else { "" };
            let fraction = fraction.unwrap_or("0");
            // A leap second is no moment of its own; what is finer than a nanosecond does not count.
            if !is_digits(fraction) || clock.ends_with(":60") {
                return None;
            }
            format!("{day}T{clock}{seconds}.{}{zone}", fraction.get(..9).unwrap_or(fraction))
        }
        _ => return None,
    };
    has_shape(&instant).then(|| instant.parse::<Timestamp>().ok()).flatten().map(Timestamp::as_nanosecond)
}

/// `0000-00-00T00:00:00`, a fraction or none, and a zone: jiff alone is more lenient.
fn has_shape(instant: &str) -> bool {
    let fits = |text: &str, shape: &str| {
        let alike = |(found, wanted): (u8, u8)| if wanted == b'0' { found.is_ascii_digit() } else { found == wanted };
        text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(alike)
    };
    let Some((moment, rest)) = instant.split_at_checked(19) else {
        return false;
    };
    let zone = rest.strip_prefix('.').map_or(rest, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    fits(moment, "0000-00-00T00:00:00") && (zone == "Z" || fits(zone, "+00:00") || fits(zone, "-00:00"))
}

/// Binary values are written in base 64, with their padding (same page, "Binary condition operators").
fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let padding = text.len() - body.len();
    let alphabet = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    text.len().is_multiple_of(4) && padding <= 2 && body.bytes().all(alphabet)
}

/// A network, or an address as a network of its own. Bits beyond the prefix do not count.
fn parse_network(text: &str) -> Option<Operand> {
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.ok().map(Operand::Network)
}
