//! Annotations for rolecall, on a Pod, a template, a ServiceAccount or a Namespace.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::workload::Metadata;

/// How long before its end an exemption is warned about.
const NOTICE: SignedDuration = SignedDuration::from_hours(14 * 24);

/// The only value of `rolecall.dev/identity`.
pub(crate) const IDENTITY_REQUIRED: &str = "required";

/// What a person asked of rolecall by annotation, on a Pod, a template, a ServiceAccount or a Namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnAnnotations {
    /// `rolecall.dev/requires`, as written; empty where nothing is declared.
    pub requires: Box<str>,
    /// `rolecall.dev/identity: required`
    pub identity_required: bool,
    /// `rolecall.dev/allow-node-role: "true"`
    pub allow_node_role: bool,
    /// `rolecall.dev/ignore`: names of rules.
    pub ignore: Vec<Box<str>>,
    /// `rolecall.dev/ignore-until`: how long `ignore` counts; `None`: without end.
    pub ignore_until: Option<Until>,
    /// `rolecall.dev/ignore-reason`; empty where none is given.
    pub ignore_reason: Box<str>,
}

/// The end of an exemption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Until {
    /// As written.
    pub text: Box<str>,
    /// The moment; `None` where the text is neither a date nor an RFC 3339 time.
    pub end: Option<Timestamp>,
}

/// Whether an exemption counts now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// It does.
    Counts,
    /// It does, and ends within a fortnight.
    EndsSoon,
    /// It ended.
    Ended,
    /// Its end cannot be read: it lifts warnings only.
    Unreadable,
}

impl Until {
    /// Reads `YYYY-MM-DD`, which counts to the end of that day in UTC, or an RFC 3339 time.
    fn parse(text: &str) -> Self {
        let text = text.trim();
        Self { text: text.into(), end: parse_end(text) }
    }
}

fn parse_end(text: &str) -> Option<Timestamp> {
    // jiff reads more forms than these two; an older or other reader would not.
    let (date, time) = text.split_at_checked(10)?;
    let has_shape = date.bytes().enumerate().all(|(index, byte)| match index {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    if !has_shape {
        return None;
    }
    if time.is_empty() {
        let next = date.parse::<Date>().ok()?.tomorrow().ok()?;
        return Some(next.to_zoned(TimeZone::UTC).ok()?.timestamp());
    }
    time.starts_with(['T', 't']).then(|| text.parse().ok()).flatten()
}

impl OwnAnnotations {
    /// Reads the annotations.
    pub fn of(metadata: &Metadata<'_>) -> Self {
        let mut own_annotations = Self::default();
        for (key, value) in metadata.annotations.iter() {
            let Some(name) = key.strip_prefix("rolecall.dev/") else {
                continue;
            };
            match name {
                "requires" => own_annotations.requires = value.trim().into(),
                "identity" => own_annotations.identity_required = value.trim() == IDENTITY_REQUIRED,
                "allow-node-role" => own_annotations.allow_node_role = value.trim() == "true",
                "ignore" => own_annotations.ignore = split_list(value).map(Into::into).collect(),
                "ignore-until" => own_annotations.ignore_until = Some(Until::parse(value)),
                "ignore-reason" => own_annotations.ignore_reason = value.trim().into(),
                _ => {}
            }
        }
        own_annotations
    }

    /// Nothing was asked.
    pub fn is_empty(&self) -> bool {
        self.requires.is_empty() && !self.identity_required && !self.allow_node_role && self.ignore.is_empty()
    }

    /// Whether `ignore` counts now. Without a clock every end that can be read is in the future.
    pub fn validity(&self, now: Option<Timestamp>) -> Validity {
        match (&self.ignore_until, now) {
            (None, _) => Validity::Counts,
            (Some(Until { end: None, .. }), _) => Validity::Unreadable,
            (Some(_), None) => Validity::Counts,
            (Some(Until { end: Some(end), .. }), Some(now)) if now >= *end => Validity::Ended,
            (Some(Until { end: Some(end), .. }), Some(now)) if end.duration_since(now) <= NOTICE => Validity::EndsSoon,
            (Some(_), Some(_)) => Validity::Counts,
        }
    }

    /// Whether `ignore` here counts longer than there.
    pub fn ignores_longer_than(&self, other: &Self) -> bool {
        // (without end, end): one whose end cannot be read refuses nothing, and so comes first.
        let rank = |own_annotations: &Self| match &own_annotations.ignore_until {
            None => (true, None),
            Some(until) => (false, until.end),
        };
        rank(self) > rank(other)
    }
}

/// The items of a list in an annotation.
pub(crate) fn split_list(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', '\n', ' ']).map(str::trim).filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_annotations(until: &str) -> OwnAnnotations {
        OwnAnnotations {
            ignore: vec!["static-keys".into()],
            ignore_until: Some(Until::parse(until)),
            ..OwnAnnotations::default()
        }
    }

    #[test]
    fn a_date_counts_to_the_end_of_its_day() {
        let at = |now: &str, until: &str| own_annotations(until).validity(Some(now.parse().unwrap()));
        for (now, until, expected) in [
            ("2026-11-26T23:59:59Z", "2026-11-26", Validity::EndsSoon),
            ("2026-11-27T00:00:00Z", "2026-11-26", Validity::Ended),
            ("2026-11-26T12:00:00Z", "2026-12-09", Validity::EndsSoon),
            ("2026-11-26T00:00:00Z", "2026-12-09", Validity::EndsSoon),
            ("2026-11-25T23:59:59Z", "2026-12-09", Validity::Counts),
            ("2026-11-26T12:00:00Z", "2026-11-26T12:00:00Z", Validity::Ended),
            ("2026-11-26T12:00:00Z", "2026-11-26T13:00:00+00:30", Validity::EndsSoon),
            ("2026-11-26T12:00:00Z", " 2026-11-26t12:00:01z ", Validity::EndsSoon),
        ] {
            assert_eq!(at(now, until), expected, "{until} at {now}");
        }
        assert_eq!(own_annotations("2020-01-01").validity(None), Validity::Counts);
        assert_eq!(OwnAnnotations::default().validity(None), Validity::Counts);
    }

    #[test]
    fn what_is_no_date_is_unreadable() {
        for text in
            ["", "soon", "2026-02-30", "2026-13-01", "26.11.2026", "20261126", "2026-11-26T12:00:00", "2026-1-1"]
        {
            assert_eq!(own_annotations(text).validity(None), Validity::Unreadable, "{text}");
        }
    }

    #[test]
    fn longer_is_later_and_longest_without_an_end() {
        let longer = |a: Option<&str>, b: Option<&str>| {
            let of = |until: Option<&str>| OwnAnnotations {
                ignore_until: until.map(Until::parse),
                ..OwnAnnotations::default()
            };
            of(a).ignores_longer_than(&of(b))
        };
        assert!(longer(None, Some("2026-11-26")) && !longer(Some("2026-11-26"), None) && !longer(None, None));
        assert!(longer(Some("2026-11-27"), Some("2026-11-26")) && !longer(Some("2026-11-26"), Some("2026-11-26")));
        assert!(longer(Some("2026-11-26"), Some("soon")) && !longer(Some("soon"), Some("2026-11-26")));
    }
}
