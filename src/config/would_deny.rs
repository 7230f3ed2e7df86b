//! `wouldDeny`

use std::time::Duration;

use rolecall_core::decision::Level;
use serde::Deserialize;

use crate::sources::aws::InvalidField;

/// The count of workloads that a level would deny.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WouldDenyConfig {
    /// The level.
    pub level: Level,
    /// Seconds from one count to the next; 0: none is made.
    pub interval_seconds: u64,
}

impl Default for WouldDenyConfig {
    fn default() -> Self {
        Self { level: Level::Chain, interval_seconds: 600 }
    }
}

impl WouldDenyConfig {
    /// From one count to the next; `None`: none is made.
    pub fn every(self) -> Option<Duration> {
        (self.interval_seconds > 0).then(|| Duration::from_secs(self.interval_seconds))
    }

    pub(super) fn check(self) -> Result<(), InvalidField> {
        if self.level == Level::Off {
            return Err(InvalidField::new(
                "wouldDeny.level",
                "is off, which denies nothing; use chain, fallback or strict",
            ));
        }
        match self.interval_seconds {
            0 => Ok(()),
            seconds => InvalidField::check("wouldDeny.intervalSeconds", seconds, 10..=86_400),
        }
    }
}
