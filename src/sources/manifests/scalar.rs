//! What a YAML scalar means to kubectl: the rules of the reader that Kubernetes uses (go.yaml.in/yaml/v2, `resolve.go`), which
//! are YAML 1.1's with exceptions of their own, and the conversion to JSON (sigs.k8s.io/yaml).

use serde_json::{Number, Value};

/// The type of a mapping key before it becomes a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyType {
    Text,
    Integer,
    Float,
    Boolean,
}

const PREFIX: &str = "tag:yaml.org,2002:";

/// Resolves a scalar. `plain`: neither quoted nor a block.
///
/// # Errors
/// Where Kubernetes' reader fails, or where readers of YAML 1.1 and 1.2 differ silently. The reason never holds the value.
pub(super) fn resolve(tag: Option<&str>, plain: bool, text: String) -> Result<Value, &'static str> {
    let tag = match tag {
        None if plain => return implicit(text),
        None => return Ok(Value::String(text)),
        Some(tag) => tag.strip_prefix(PREFIX),
    };
    let mismatch = "the value does not fit its tag";
    match tag {
        Some("binary") => binary(&text).map(Value::String),
        Some("str") => Ok(Value::String(text)),
        Some("timestamp") => {
            if is_date(&text) {
                Ok(Value::String(text))
            } else {
                Err(mismatch)
            }
        }
        Some(tag @ ("bool" | "int" | "float" | "null")) => {
            let value = implicit(text)?;
            let fits = match (&value, tag) {
                (Value::Null, "null") | (Value::Bool(_), "bool") => true,
                (Value::Number(number), "int") => number.is_i64() || number.is_u64(),
                (Value::Number(number), "float") => number.is_i64() || number.is_f64(),
                _ => false,
            };
            if fits { Ok(value) } else { Err(mismatch) }
        }
        // Kubernetes' reader takes a value of an unknown tag as it is written.
        _ => Ok(Value::String(text)),
    }
}

fn implicit(text: String) -> Result<Value, &'static str> {
    let Some(first) = text.bytes().next() else {
        return Ok(Value::Null);
    };
    match first {
        b'+' | b'-' | b'0'..=b'9' => number(text),
        b'.' => Ok(match text.as_str() {
            ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" => return Err(NOT_JSON),
            _ if is_float(text.as_bytes()) => float(&text).unwrap_or(Value::String(text)),
            _ => Value::String(text),
        }),
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => Ok(match text.as_str() {
            "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Value::Bool(true),
            "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Value::Bool(false),
            "~" | "null" | "Null" | "NULL" => Value::Null,
            _ => Value::String(text),
        }),
        _ => Ok(Value::String(text)),
    }
}

const NOT_JSON: &str = "JSON has no such number, and kubectl refuses it";

fn number(text: String) -> Result<Value, &'static str> {
    if matches!(text.as_str(), "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf" | "-.INF") {
        return Err(NOT_JSON);
    }
    let plain = text.replace('_', "");
    if let Some(value) = integer(&plain) {
        let digits = text.trim_start_matches(['+', '-']).as_bytes();
        if matches!(digits, [b'0', b'B' | b'O' | b'_', ..]) {
            return Err(
                "readers of YAML 1.1 and 1.2 take such a number for different values: write it in decimal or quote it",
            );
        }
        return Ok(value);
    }
    let float = if is_float(plain.as_bytes()) { float(&plain) } else { None };
    Ok(float.unwrap_or(Value::String(text)))
}

/// Go's `strconv.ParseInt` and `ParseUint` with base 0, over a text without underscores.
fn integer(text: &str) -> Option<Value> {
    let (negative, digits, signed) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..)?, true),
        Some(b'+') => (false, text.get(1..)?, true),
        _ => (false, text, false),
    };
    let bytes = digits.as_bytes();
    let (digits, radix) = match bytes {
        [b'0', b'x' | b'X', _, ..] => (digits.get(2..)?, 16),
        [b'0', b'b' | b'B', _, ..] => (digits.get(2..)?, 2),
        [b'0', b'o' | b'O', _, ..] => (digits.get(2..)?, 8),
        [b'0', _, ..] => (digits.get(1..)?, 8),
        _ => (digits, 10),
    };
    if !digits.bytes().all(|b| b.is_ascii_alphanumeric()) || digits.is_empty() {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        let value = 0_i64.checked_sub_unsigned(magnitude)?;
        return Some(value.into());
    }
    match i64::try_from(magnitude) {
        Ok(value) => Some(value.into()),
        // ParseUint takes no sign.
        Err(_) if signed => None,
        Err(_) => Some(magnitude.into()),
    }
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`
fn is_float(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
    let text = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let whole = digits(text);
    let mut rest = text.get(whole..).unwrap_or_default();
    if let Some(after) = rest.strip_prefix(b".") {
        let fraction = digits(after);
        if whole == 0 && fraction == 0 {
            return false;
        }
        rest = after.get(fraction..).unwrap_or_default();
    } else if whole == 0 {
        return false;
    }
    let Some(exponent) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) else {
        return rest.is_empty();
    };
    let exponent = exponent.strip_prefix(b"-").or_else(|| exponent.strip_prefix(b"+")).unwrap_or(exponent);
    !exponent.is_empty() && digits(exponent) == exponent.len()
}

/// A float on its way through JSON: what is whole comes out as an integer.
fn float(text: &str) -> Option<Value> {
    let value: f64 = text.parse().ok().filter(|value: &f64| value.is_finite())?;
    if value.fract() == 0.0 && value.abs() < 9e15 {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and in the range of exact integers")]
        return Some((value as i64).into());
    }
    Number::from_f64(value).map(Value::Number)
}

fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let year = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    year == 4 && bytes.get(4) == Some(&b'-') && bytes.iter().filter(|b| **b == b'-').count() >= 2
}

/// Go's `base64.StdEncoding`, which passes over line breaks.
pub(super) fn binary(text: &str) -> Result<String, &'static str> {
    let wrong = "the value does not fit its tag";
    let symbols: Vec<u8> = text.bytes().filter(|b| !matches!(b, b'\n' | b'\r')).collect();
    if !symbols.len().is_multiple_of(4) {
        return Err(wrong);
    }
    let padding = symbols.iter().rev().take_while(|b| **b == b'=').count();
    let data = symbols.get(..symbols.len() - padding).unwrap_or_default();
    if padding > 2 {
        return Err(wrong);
    }
    let mut bytes = Vec::with_capacity(data.len());
    let (mut buffer, mut bits) = (0_u32, 0_u32);
    for symbol in data {
        let six = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a' + 26,
            b'0'..=b'9' => symbol - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Err(wrong),
        };
        buffer = (buffer << 6) | u32::from(six);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((buffer >> bits) & 0xff).unwrap_or_default());
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A mapping key as JSON has it.
///
/// # Errors
/// Where it cannot be one.
pub(super) fn key(value: Value) -> Result<(String, KeyType), &'static str> {
    match value {
        Value::String(text) => Ok((text, KeyType::Text)),
        Value::Bool(value) => Ok((value.to_string(), KeyType::Boolean)),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(value), _) => Ok((value.to_string(), KeyType::Integer)),
            (None, Some(value)) if number.is_f64() => Ok((float_key(value), KeyType::Float)),
            _ => Err("a mapping key is a number too large for kubectl"),
        },
        Value::Null => Err("a mapping key is null, which kubectl refuses"),
        Value::Array(_) | Value::Object(_) => Err("a mapping key is a list or a mapping, which kubectl refuses"),
    }
}

/// Go's `strconv.FormatFloat(value, 'g', -1, 32)`.
fn float_key(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "Kubernetes' reader writes 32 bits")]
    let scientific = format!("{:e}", value as f32);
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..21).contains(&exponent) {
        #[expect(clippy::cast_possible_truncation, reason = "as above")]
        return (value as f32).to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}
