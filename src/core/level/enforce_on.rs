//! What is denied where a namespace enforces a level: pods, or the workloads that people write.

use std::fmt;

use crate::workload::Kind;

/// What is denied, as the label `rolecall.dev/enforce-on` and the field `enforceOn` say it. Never neither of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EnforceOn {
    /// Pods of all creators.
    pub pods: bool,
    /// Templates of pods, service accounts, and pods that no controller of Kubernetes creates.
    pub workloads: bool,
}

impl Default for EnforceOn {
    fn default() -> Self {
        Self::PODS
    }
}

impl EnforceOn {
    /// Pods alone.
    pub const PODS: Self = Self { pods: true, workloads: false };
    /// Workloads alone: what runs already is not denied when it is re-created.
    pub const WORKLOADS: Self = Self { pods: false, workloads: true };
    /// Both.
    pub const BOTH: Self = Self { pods: true, workloads: true };

    /// Reads a label's value: `pods`, `workloads`, or both with `.`, `_` or `-` between them, in either order.
    pub fn from_label(value: &str) -> Option<Self> {
        Self::from_names(value.split(['.', '_', '-']))
    }

    /// Reads a list of names. `None` where it is empty or has another name.
    pub fn from_names<'n>(names: impl IntoIterator<Item = &'n str>) -> Option<Self> {
        let mut on = Self { pods: false, workloads: false };
        for name in names {
            match name {
                "pods" => on.pods = true,
                "workloads" => on.workloads = true,
                _ => return None,
            }
        }
        (on.pods || on.workloads).then_some(on)
    }

    /// The value as a label.
    pub fn name(self) -> &'static str {
        match (self.pods, self.workloads) {
            (true, true) => "pods.workloads",
            (false, true) => "workloads",
            (_, false) => "pods",
        }
    }

    /// What either of the two denies.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { pods: self.pods || other.pods, workloads: self.workloads || other.workloads }
    }

    /// Whether the other denies all that this one does.
    pub fn is_within(self, other: Self) -> bool {
        self.and(other) == other
    }

    /// Whether an object of this kind can be denied. `is_controlled`: a controller of Kubernetes creates it from a workload
    /// that exists, so that its author is not there to read a denial.
    pub fn denies(self, kind: Kind, is_controlled: bool) -> bool {
        match (kind, is_controlled) {
            (Kind::Pod, true) => self.pods,
            (Kind::Pod, false) => self.pods || self.workloads,
            // A Deployment's ReplicaSet or a CronJob's Job: its owner is the workload that was checked. Controllers create no
            // other templates.
            (kind, true) if kind.folds_into().is_some() => false,
            _ => self.workloads,
        }
    }
}

impl fmt::Display for EnforceOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_names_one_or_both() {
        for (value, expected) in [
            ("pods", Some(EnforceOn::PODS)),
            ("workloads", Some(EnforceOn::WORKLOADS)),
            ("pods.workloads", Some(EnforceOn::BOTH)),
            ("workloads_pods", Some(EnforceOn::BOTH)),
            ("pods-workloads", Some(EnforceOn::BOTH)),
            ("pods.pods", Some(EnforceOn::PODS)),
            ("", None),
            ("pod", None),
            ("Pods", None),
            ("pods.", None),
            ("none", None),
        ] {
            assert_eq!(EnforceOn::from_label(value), expected, "{value}");
            if let Some(on) = expected {
                assert_eq!(EnforceOn::from_label(on.name()), Some(on));
            }
        }
    }

    #[test]
    fn what_a_controller_creates_is_no_workload() {
        let denied = |on: EnforceOn| {
            [(Kind::Pod, true), (Kind::Pod, false), (Kind::ReplicaSet, true), (Kind::Deployment, false)]
                .map(|(kind, is_controlled)| on.denies(kind, is_controlled))
        };
        assert_eq!(denied(EnforceOn::PODS), [true, true, false, false]);
        assert_eq!(denied(EnforceOn::WORKLOADS), [false, true, false, true]);
        assert_eq!(denied(EnforceOn::BOTH), [true, true, false, true]);
    }
}
