//! `events`

use serde::Deserialize;

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
    pub(super) fn check(self) -> Result<(), String> {
        if !(1..=50).contains(&self.calls_per_second) {
            return Err("events: callsPerSecond must be from 1 to 50".to_owned());
        }
        if !(1..=3_600).contains(&self.repeat_seconds) {
            return Err("events: repeatSeconds must be from 1 to 3600".to_owned());
        }
        Ok(())
    }
}
