//! `events`

use serde::Deserialize;

use crate::sources::aws::InvalidField;

/// The Kubernetes Events that `serve` writes.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EventsConfig {
    /// Whether denials are written as Events on the controller of the pod.
    pub denials: bool,
    /// Whether warnings are written as Events on the workload and its service account.
    pub warnings: bool,
    /// Most calls to the API server for Events in a second.
    pub calls_per_second: u32,
    /// Seconds between two updates of one Event. What is repeated in between is counted, and written with the next update.
    pub repeat_seconds: u64,
}

impl Default for EventsConfig {
    fn default() -> Self {
        Self { denials: true, warnings: true, calls_per_second: 5, repeat_seconds: 60 }
    }
}

impl EventsConfig {
    pub(super) fn check(self) -> Result<(), InvalidField> {
        InvalidField::check("events.callsPerSecond", self.calls_per_second, 1..=50)?;
        InvalidField::check("events.repeatSeconds", self.repeat_seconds, 1..=3_600)
    }
}
