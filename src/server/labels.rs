//! Values of metric labels that are known at the start, and the counters of each.

use prometheus_client::metrics::counter::Counter;

use crate::live::Unconfirmed;

/// A counter for each value of a label. They are looked up once, at the start: counting takes no lock.
#[derive(Debug)]
pub(super) struct Counters<L>(Vec<(L, Counter)>);

impl<L: Copy + PartialEq> Counters<L> {
    /// A counter for each of these values.
    pub(super) fn new<const N: usize>(values: [L; N], counter: impl Fn(L) -> Counter) -> Self {
        Self(values.into_iter().map(|value| (value, counter(value))).collect())
    }

    pub(super) fn count(&self, value: L) {
        let counter = self.0.iter().find(|(known, _)| *known == value);
        debug_assert!(counter.is_some(), "a value is missing in ALL");
        if let Some((_, counter)) = counter {
            counter.inc();
        }
    }
}

/// Why a check was stopped before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopReason {
    /// The client closed its connection.
    ClientLeft,
    /// The deadline of the review passed.
    Deadline,
}

impl StopReason {
    pub(super) const ALL: [Self; 2] = [Self::ClientLeft, Self::Deadline];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ClientLeft => "client-left",
            Self::Deadline => "deadline",
        }
    }
}

/// The result of reading a denial's links again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RereadOutcome {
    /// The denial stands.
    Confirmed,
    /// It does not.
    Changed,
    /// AWS did not confirm it.
    Unconfirmed(Unconfirmed),
}

impl RereadOutcome {
    pub(super) const ALL: [Self; 5] = [
        Self::Confirmed,
        Self::Changed,
        Self::Unconfirmed(Unconfirmed::Late),
        Self::Unconfirmed(Unconfirmed::Unreadable),
        Self::Unconfirmed(Unconfirmed::Crowded),
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Changed => "changed",
            Self::Unconfirmed(why) => why.name(),
        }
    }
}

/// How a service account or namespace was found that the watch had not brought yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LookupOutcome {
    /// The watch brought it while the review waited.
    Watched,
    /// The API server was asked.
    Asked,
    /// Neither.
    Failed,
}

impl LookupOutcome {
    pub(super) const ALL: [Self; 3] = [Self::Watched, Self::Asked, Self::Failed];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Watched => "watched",
            Self::Asked => "asked",
            Self::Failed => "failed",
        }
    }
}
