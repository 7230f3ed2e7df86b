//! The pause: for a while, what would be denied is a warning.
//!
//! It is an annotation on an object of rolecall's own namespace, so that every replica reads the same text. Its end is
//! computed from the object alone, never from the moment when a replica reads it: replicas agree, and a restart extends
//! nothing.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

/// The ConfigMap in rolecall's own namespace (deploy/manifests/pause.yaml).
pub const PAUSE_CONFIG_MAP: &str = "rolecall-pause";
/// Its annotation: an RFC 3339 time.
pub const PAUSE_UNTIL: &str = "rolecall.dev/pause-until";
/// A pause is at most this long, from the moment when the annotation was set.
pub const MAX_PAUSE: SignedDuration = SignedDuration::from_hours(4);

/// How far the clocks of the API server and of rolecall may be apart.
const MAX_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Until when denials are warnings. Readers take no lock.
#[derive(Debug, Default)]
pub struct Pause(AtomicI64);

/// What an annotation asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskedPause {
    /// There is no annotation.
    Nothing,
    /// The text is no RFC 3339 time, or was set at a time that is still to come: it pauses nothing.
    Unreadable,
    /// A time.
    Until {
        /// The end.
        end: Timestamp,
        /// The time that the annotation names, where that is beyond the maximum.
        cut_from: Option<Timestamp>,
    },
}

impl AskedPause {
    /// Reads the annotation's text, which was set at that time. A time of setting that is still to come is no such time: the
    /// API server keeps what a client writes of other clients' managed fields.
    pub fn read(text: Option<&str>, set_at: Timestamp, now: Timestamp) -> Self {
        let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
            return Self::Nothing;
        };
        let Ok(asked) = text.parse::<Timestamp>() else {
            return Self::Unreadable;
        };
        if set_at > now.checked_add(MAX_SKEW).unwrap_or(now) {
            return Self::Unreadable;
        }
        let latest = set_at.checked_add(MAX_PAUSE).unwrap_or(set_at);
        Self::Until { end: asked.min(latest), cut_from: (asked > latest).then_some(asked) }
    }

    /// The end of the pause, where it asks for one.
    pub fn end(&self) -> Option<Timestamp> {
        match self {
            Self::Until { end, .. } => Some(*end),
            Self::Nothing | Self::Unreadable => None,
        }
    }
}

impl Pause {
    /// Pauses until then; `None`: not at all. A fraction of a second is left out.
    pub fn set(&self, until: Option<Timestamp>) {
        self.0.store(until.map_or(0, Timestamp::as_second).max(0), Ordering::Relaxed);
    }

    /// The end of the pause where it is paused now.
    pub fn at(&self, now: Timestamp) -> Option<Timestamp> {
        let end = self.0.load(Ordering::Relaxed);
        if end == 0 {
            return None;
        }
        Timestamp::from_second(end).ok().filter(|end| now < *end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_pause_has_an_end_and_a_maximum() {
        let set_at = time("2026-11-27T10:00:00Z");
        let read = |text: &str| AskedPause::read(Some(text), set_at, set_at);
        assert_eq!(read("2026-11-27T11:00:00Z").end(), Some(time("2026-11-27T11:00:00Z")));
        assert_eq!(read(" 2026-11-27T12:00:00+01:00 ").end(), Some(time("2026-11-27T11:00:00Z")));
        let long =
            AskedPause::Until { end: time("2026-11-27T14:00:00Z"), cut_from: Some(time("2036-01-01T00:00:00Z")) };
        assert_eq!(read("2036-01-01T00:00:00Z"), long);
        for text in ["soon", "1h", "2026-11-27", "2026-11-27T11:00:00", "1764241200"] {
            assert_eq!(read(text), AskedPause::Unreadable, "{text}");
        }
        assert_eq!(AskedPause::read(None, set_at, set_at), AskedPause::Nothing);
        let before = |minutes| set_at.checked_sub(SignedDuration::from_mins(minutes)).unwrap();
        let seen = |minutes| AskedPause::read(Some("2026-11-27T11:00:00Z"), set_at, before(minutes));
        assert_eq!(seen(4).end(), Some(time("2026-11-27T11:00:00Z")), "clocks differ");
        assert_eq!(seen(6), AskedPause::Unreadable, "it claims to have been set later");
        assert_eq!(read(" "), AskedPause::Nothing);
    }

    #[test]
    fn it_ends_by_itself() {
        let pause = Pause::default();
        assert_eq!(pause.at(Timestamp::UNIX_EPOCH), None);
        let end = time("2026-11-27T11:00:00Z");
        pause.set(Some(end));
        assert_eq!(pause.at(time("2026-11-27T10:59:59.9Z")), Some(end));
        assert_eq!(pause.at(end), None);
        pause.set(None);
        assert_eq!(pause.at(time("2026-11-27T10:00:00Z")), None);
    }
}
