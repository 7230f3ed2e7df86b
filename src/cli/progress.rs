//! How far a collection or a scan is, on a terminal; elsewhere nothing is printed.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// One line on standard error.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// Of things that are counted beforehand.
    #[cfg(feature = "aws")]
    pub(super) fn new() -> Self {
        Self::with("{spinner} {pos} of {len} read ({elapsed}), now {msg}")
    }

    /// Of objects, whose number is not known beforehand.
    #[cfg(feature = "kube")]
    pub(super) fn of_objects() -> Self {
        Self::with("{spinner} {human_pos} objects read ({elapsed}), now {msg}")
    }

    fn with(template: &str) -> Self {
        // Hides itself where standard error is no terminal.
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        Self(bar)
    }

    pub(super) fn end(&self) {
        self.0.finish_and_clear();
    }
}

#[cfg(feature = "kube")]
impl crate::scan::Progress for Bar {
    fn begin(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }

    fn step(&self, objects: usize) {
        self.0.inc(objects as u64);
    }
}

#[cfg(feature = "aws")]
impl crate::sources::aws::Progress for Bar {
    fn begin(&self, part: &str, things: usize) {
        self.0.inc_length(things as u64);
        self.0.set_message(part.to_owned());
    }

    fn step(&self) {
        self.0.inc(1);
        // The number of pages is not known beforehand.
        if self.0.length().is_some_and(|length| length < self.0.position()) {
            self.0.inc_length(1);
        }
    }
}
