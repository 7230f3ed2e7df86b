//! Warnings that are logged when they begin, not at every attempt.

/// The warning that was logged last, until it is resolved.
#[derive(Debug, Default)]
pub(crate) struct LogOnce(Option<String>);

impl LogOnce {
    /// Logs the warning if it differs from the last one.
    pub(crate) fn warn(&mut self, message: String) {
        if self.0.as_ref() != Some(&message) {
            tracing::warn!(target: "rolecall::certificates", "{message}");
            self.0 = Some(message);
        }
    }

    /// Logs that the fault is over, if there was one.
    pub(crate) fn resolve(&mut self, message: &str) {
        if self.0.take().is_some() {
            tracing::info!(target: "rolecall::certificates", "{message}");
        }
    }
}
