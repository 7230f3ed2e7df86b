//! One policy value against one context value, for every kind of operator.

use std::cmp::Ordering;
use std::net::IpAddr;

/// «Condition operators», Numeric: *an integer or decimal value*. Anything else is no number.
pub(crate) fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    (all_digits(whole) && all_digits(fraction)).then(|| text.parse().ok()).flatten()
}

/// How two numbers compare; none when either is no number.
pub(crate) fn numbers(context: &str, policy: &str) -> Option<Ordering> {
    number(context)?.partial_cmp(&number(policy)?)
}

/// How two moments compare; none when either is no date.
pub(crate) fn dates(context: &str, policy: &str) -> Option<Ordering> {
    Some(date(context)?.cmp(&date(policy)?))
}

/// Nanoseconds since 1970, from *one of the W3C implementations of the ISO 8601 date formats or … epoch (UNIX) time*
/// («Condition operators», Date). The W3C note has: year; year and month; date; date and time to the minute, the second,
/// or a fraction, always with `Z` or an offset.
///
/// Epoch time counts seconds: «AWS global condition context keys», `aws:EpochTime`. Choice: four digits are a year.
pub(crate) fn date(text: &str) -> Option<i128> {
    const NANOS: i128 = 1_000_000_000;
    if text.len() != 4 && !text.is_empty() && text.chars().all(|c| c.is_ascii_digit()) {
        return Some(text.parse::<i128>().ok()? * NANOS);
    }
    let (day, time) = match text.split_once('T') {
        Some((day, time)) => (day, Some(time)),
        None => (text, None),
    };
    let mut parts = day.split('-');
    let year = digits(parts.next()?, 4)?;
    let month = parts.next().map_or(Some(1), |part| digits(part, 2))?;
    let day_of_month = parts.next().map_or(Some(1), |part| digits(part, 2))?;
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day_of_month) {
        return None;
    }
    let days = (0..year).map(days_in_year).sum::<i128>() - (0..1970).map(days_in_year).sum::<i128>()
        + (1..month).map(|earlier| days_in(year, earlier)).sum::<i128>()
        + (day_of_month - 1);
    let midnight = days * 86_400 * NANOS;
    let Some(time) = time else {
        return Some(midnight);
    };
    // A time goes with a full date.
    if day.len() != 10 {
        return None;
    }

    let (clock, offset) = if let Some(clock) = time.strip_suffix('Z') {
        (clock, 0)
    } else {
        let at = time.rfind(['+', '-'])?;
        let (clock, zone) = time.split_at_checked(at)?;
        let (hours, minutes) = zone.strip_prefix(['+', '-'])?.split_once(':')?;
        let ahead = digits(hours, 2)? * 3600 + digits(minutes, 2)? * 60;
        (clock, if zone.starts_with('-') { -ahead } else { ahead })
    };
    let mut parts = clock.split(':');
    let hour = digits(parts.next()?, 2)?;
    let minute = digits(parts.next()?, 2)?;
    let (second, nanos) = match parts.next() {
        None => (0, 0),
        Some(seconds) => match seconds.split_once('.') {
            None => (digits(seconds, 2)?, 0),
            Some((seconds, fraction)) => {
                let padded: String = fraction.chars().chain("000000000".chars()).take(9).collect();
                (digits(seconds, 2)?, if fraction.is_empty() { None } else { digits(&padded, 9) }?)
            }
        },
    };
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(midnight + (hour * 3600 + minute * 60 + second - offset) * NANOS + nanos)
}

fn digits(text: &str, length: usize) -> Option<i128> {
    (text.len() == length && text.chars().all(|c| c.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn leap(year: i128) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn days_in_year(year: i128) -> i128 {
    if leap(year) { 366 } else { 365 }
}

fn days_in(year: i128, month: i128) -> i128 {
    match month {
        2 if leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// «Condition operators», Boolean: *comparing a key to `true` or `false`*. Choice: case does not matter.
pub(crate) fn booleans(context: &str, policy: &str) -> bool {
    ["true", "false"].iter().any(|word| context.eq_ignore_ascii_case(word) && policy.eq_ignore_ascii_case(word))
}

/// «Condition operators», Binary: *compares the value of the specified key byte for byte against a base-64 encoded
/// representation of the binary value in the policy*. In the context, as in the document's table, it is base-64 too.
pub(crate) fn binaries(context: &str, policy: &str) -> bool {
    matches!((base64(context), base64(policy)), (Some(context), Some(policy)) if context == policy)
}

fn base64(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let body = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - body.len() > 2 {
        return None;
    }
    let mut bits = Vec::new();
    for c in body.chars() {
        let sextet = ALPHABET.find(c)?;
        bits.extend((0..6).rev().map(|bit| u8::from((sextet >> bit) & 1 == 1)));
    }
    Some(bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |value, bit| value * 2 + bit)).collect())
}

/// «Condition operators», IP address: *the specified IP address or range*, in *the standard CIDR format*; *if you
/// specify an IP address without the associated routing prefix, IAM uses the default prefix value of /32*.
///
/// Choice: for an IPv6 address without a prefix that means all of its 128 bits. Choice: bits behind the prefix are
/// ignored. An address of the other family is never in a range.
pub(crate) fn address_in(context: &str, policy: &str) -> bool {
    let (network, prefix) = policy.split_once('/').map_or((policy, None), |(network, prefix)| (network, Some(prefix)));
    let (Some(network), Some(address)) = (bits(network), bits(context)) else {
        return false;
    };
    let prefix = match prefix {
        None => network.len(),
        Some(prefix) => match prefix.parse::<usize>() {
            Ok(length) if length <= network.len() => length,
            _ => return false,
        },
    };
    network.len() == address.len() && network.iter().zip(&address).take(prefix).all(|(a, b)| a == b)
}

fn bits(address: &str) -> Option<Vec<bool>> {
    let octets = match address.parse::<IpAddr>().ok()? {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    Some(octets.iter().flat_map(|octet| (0..8).rev().map(move |bit| (octet >> bit) & 1 == 1)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_the_w3c_note() {
        let seconds = |text: &str| date(text).map(|nanos| nanos / 1_000_000_000);
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2000-03-01"), Some(951_868_800));
        assert_eq!(seconds("2024-02-29T12:34:56Z"), Some(1_709_210_096));
        assert_eq!(seconds("2024-02-29T12:34Z"), Some(1_709_210_040));
        assert_eq!(seconds("2024-02-29T13:34:56+01:00"), Some(1_709_210_096));
        assert_eq!(seconds("2024-02-29T07:04:56-05:30"), Some(1_709_210_096));
        assert_eq!(seconds("1709210096"), Some(1_709_210_096));
        assert_eq!(seconds("1969-12-31T23:59:59Z"), Some(-1));
        assert_eq!(date("2024-01-01T00:00:00.5Z"), Some(1_704_067_200_500_000_000));
        assert_eq!(date("2024"), date("2024-01"));
        assert_eq!(date("2024"), date("2024-01-01"));
        assert_eq!(date("2024"), date("2024-01-01T00:00Z"));
        for wrong in ["", "soon", "2023-02-29", "2024-13", "2024-01-01T00:00", "2024-01T00:00Z", "24-01-01", "2024-1-1"]
        {
            assert_eq!(date(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_are_decimal() {
        assert_eq!(number("10"), Some(10.0));
        assert_eq!(number("-1.50"), Some(-1.5));
        for wrong in ["", "ten", "1e3", "inf", "NaN", "0x10", "1.", ".5", "10 "] {
            assert_eq!(number(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn addresses() {
        assert!(address_in("203.0.113.1", "203.0.113.0/24"));
        assert!(!address_in("198.51.100.1", "203.0.113.0/24"));
        assert!(address_in("203.0.113.9", "203.0.113.9"));
        assert!(address_in("10.9.9.9", "10.1.2.3/8"));
        assert!(address_in("1.2.3.4", "0.0.0.0/0"));
        assert!(!address_in("2001:db8::1", "0.0.0.0/0"));
        assert!(address_in("2001:db8:1234:5678::9", "2001:DB8:1234:5678::/64"));
        assert!(address_in("2001:0db8:0:0::1", "2001:db8::1"));
        assert!(!address_in("10.0.0.1", "10.0.0.0/33"));
        assert!(!address_in("10.0.0.1", "10.0.0.*"));
    }

    #[test]
    fn base64_is_strict() {
        assert_eq!(base64("QmluYXJ5VmFsdWVJbkJhc2U2NA=="), Some(b"BinaryValueInBase64".to_vec()));
        assert_eq!(base64(""), Some(Vec::new()));
        assert_eq!(base64("Qm="), None);
        assert_eq!(base64("Qm!="), None);
    }
}
