//! How many workloads a raised level would deny, by namespace and rule: for a dashboard that shows which namespaces are ready.

use std::collections::BTreeMap;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::review::Preview;

/// Most series. What is beyond counts for the namespace `""`.
const MAX_SERIES: usize = 1_000;

/// The counts of one round over all namespaces.
#[derive(Debug, Default)]
pub struct WouldDeny(BTreeMap<WouldDenyLabels, i64>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct WouldDenyLabels {
    namespace: String,
    rule: &'static str,
}

impl WouldDeny {
    /// Adds a namespace that was checked. One in which nothing would be denied has a series with an empty rule and 0, but not
    /// where a part of it was left out.
    pub fn add(&mut self, namespace: &str, preview: &Preview) {
        if preview.denied.is_empty() && preview.unchecked.is_empty() {
            self.count(namespace, "", 0);
        }
        for rule in preview.denied.iter().flat_map(|owner| &owner.rules) {
            self.count(namespace, rule, 1);
        }
    }

    fn count(&mut self, namespace: &str, rule: &'static str, workloads: i64) {
        let mut labels = WouldDenyLabels { namespace: namespace.to_owned(), rule };
        if self.0.len() >= MAX_SERIES && !self.0.contains_key(&labels) {
            labels.namespace.clear();
        }
        *self.0.entry(labels).or_default() += workloads;
    }
}

/// The metrics of it.
#[derive(Debug, Default)]
pub(super) struct WouldDenyMetrics {
    workloads: Family<WouldDenyLabels, Gauge>,
    counted: Gauge,
}

impl WouldDenyMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "would_deny",
            "Workloads of a namespace that a level would deny if they were created again; an empty rule and 0: none",
            metrics.workloads.clone(),
        );
        registry.register_with_unit(
            "would_deny_timestamp",
            "When these were counted, since 1970; 0 where another replica counts or none can",
            Unit::Seconds,
            metrics.counted.clone(),
        );
        metrics
    }

    /// Shows the counts of a round; `None`: nothing is known.
    pub(super) fn show(&self, counted: Option<&WouldDeny>) {
        self.workloads.clear();
        for (labels, workloads) in counted.iter().flat_map(|counted| &counted.0) {
            self.workloads.get_or_create(labels).set(*workloads);
        }
        self.counted.set(counted.map_or(0, |_| Timestamp::now().as_second()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::review::DeniedOwner;

    #[test]
    fn series_are_bounded_and_nothing_is_lost() {
        let owner =
            |rules: Vec<&'static str>| DeniedOwner { kind: "Pod".to_owned(), name: "p".to_owned(), pods: 1, rules };
        let mut counted = WouldDeny::default();
        for namespace in 0..3_000 {
            let denied = vec![owner(vec!["role-missing"]), owner(vec!["role-missing", "static-keys"])];
            counted.add(&format!("team-{namespace}"), &Preview { denied, ..Preview::default() });
        }
        let unchecked = vec!["pods".to_owned()];
        let mut partial = WouldDeny::default();
        partial.add("large", &Preview { unchecked, ..Preview::default() });
        assert!(partial.0.is_empty(), "a namespace of which a part was left out is not ready");
        assert!(counted.0.len() <= MAX_SERIES + 2, "{}", counted.0.len());
        let sum = |rule: &str| -> i64 {
            counted.0.iter().filter(|(labels, _)| labels.rule == rule).map(|(_, workloads)| workloads).sum()
        };
        assert_eq!((sum("role-missing"), sum("static-keys")), (6_000, 3_000));
    }
}
