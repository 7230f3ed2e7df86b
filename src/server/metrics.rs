//! Metrics. Labels come from closed sets; names of namespaces, roles and pods go to the audit line.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use rolecall_core::decision::Outcome;
use rolecall_core::workload::Kind;

use super::histogram::DurationHistogram;
use super::state::Knowledge;
use crate::review::Record;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReviewLabels {
    kind: &'static str,
    decision: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RuleLabels {
    rule: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    error: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CertificateLabels {
    certificate: &'static str,
}

/// What can go wrong with a review, by the names of the metric's label.
const ERRORS: [&str; 6] =
    ["unreadable-request", "unreadable-object", "stale-snapshot", "body-too-large", "overloaded", "broken-body"];

const OUTCOMES: [Outcome; 3] = [Outcome::Allow, Outcome::Warn, Outcome::Deny];

/// Counters are looked up once, at the start: counting takes no lock.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    reviews: Vec<(Option<Kind>, [Counter; 3])>,
    findings: HashMap<&'static str, Counter>,
    errors: Vec<(&'static str, Counter)>,
    duration: DurationHistogram,
    lost_lines: Counter,
    snapshot_time: Gauge<f64, AtomicU64>,
    roles: Gauge,
    certificates: Family<CertificateLabels, Gauge<f64, AtomicU64>>,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let mut registry = Registry::with_prefix("rolecall");
        let reviews = Family::<ReviewLabels, Counter>::default();
        registry.register("reviews", "Reviews answered, by kind and decision", reviews.clone());
        let counters = |kind: &'static str| {
            OUTCOMES.map(|outcome| reviews.get_or_create_owned(&ReviewLabels { kind, decision: outcome.name() }))
        };
        let kinds = Kind::ALL.into_iter().map(|(_, kind)| (Some(kind), counters(kind.name())));
        let by_kind = kinds.chain([(None, counters("other"))]).collect();

        let findings = Family::<RuleLabels, Counter>::default();
        registry.register("findings", "Findings that counted at a namespace's levels, by rule", findings.clone());
        let by_rule = rolecall_core::rules::all()
            .into_iter()
            .map(|rule| (rule.name, findings.get_or_create_owned(&RuleLabels { rule: rule.name })))
            .collect();

        let errors = Family::<ErrorLabels, Counter>::default();
        registry.register("review_errors", "Reviews that could not be judged as they should be", errors.clone());
        let by_error =
            ERRORS.into_iter().map(|error| (error, errors.get_or_create_owned(&ErrorLabels { error }))).collect();

        let duration = DurationHistogram::default();
        registry.register_with_unit("review_duration", "Time from body to answer", Unit::Seconds, duration.clone());
        let lost_lines = Counter::default();
        registry.register("log_lines_lost", "Log lines given up because nobody read them", lost_lines.clone());
        let snapshot_time = Gauge::default();
        registry.register_with_unit(
            "snapshot_collected_timestamp",
            "When the snapshot was collected, since 1970; 0 where it does not say",
            Unit::Seconds,
            snapshot_time.clone(),
        );
        let roles = Gauge::default();
        registry.register("snapshot_roles", "Roles in the snapshot", roles.clone());
        let certificates = Family::<CertificateLabels, Gauge<f64, AtomicU64>>::default();
        registry.register_with_unit(
            "certificate_expiry_timestamp",
            "When the certificate expires, since 1970",
            Unit::Seconds,
            certificates.clone(),
        );
        Self {
            registry,
            reviews: by_kind,
            findings: by_rule,
            errors: by_error,
            duration,
            lost_lines,
            snapshot_time,
            roles,
            certificates,
        }
    }

    pub(super) fn describe_snapshot(&self, knowledge: &Knowledge) {
        let snapshot = &knowledge.world.snapshot;
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact in f64")]
        let seconds = snapshot.collected_at.map_or(0.0, |time| time.as_second() as f64);
        self.snapshot_time.set(seconds);
        let roles: usize =
            snapshot.accounts.values().filter_map(|account| account.roles.as_ref()).map(HashMap::len).sum();
        self.roles.set(i64::try_from(roles).unwrap_or(i64::MAX));
    }

    pub(super) fn certificate(&self, certificate: &'static str, expires: i64) {
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact in f64")]
        self.certificates.get_or_create(&CertificateLabels { certificate }).set(expires as f64);
    }

    pub(super) fn observe(&self, record: &Record<'_>, duration: Duration) {
        let index = OUTCOMES.iter().position(|outcome| *outcome == record.decision);
        let counters = self.reviews.iter().find(|(kind, _)| *kind == record.kind);
        if let (Some((_, counters)), Some(index)) = (counters, index)
            && let Some(counter) = counters.get(index)
            && record.fault != Some(crate::review::Fault::Request)
        {
            counter.inc();
        }
        for rule in &record.rules {
            if let Some(counter) = self.findings.get(rule) {
                counter.inc();
            }
        }
        if let Some(fault) = record.fault {
            self.fault(fault.name());
        }
        self.duration.observe(duration);
    }

    pub(super) fn fault(&self, error: &str) {
        if let Some((_, counter)) = self.errors.iter().find(|(name, _)| *name == error) {
            counter.inc();
        }
    }

    /// The text that Prometheus reads (OpenMetrics 1.0).
    pub(super) fn encode(&self) -> String {
        let lost = super::log::lost_lines();
        self.lost_lines.inner().store(lost, std::sync::atomic::Ordering::Relaxed);
        let mut text = String::new();
        match text::encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => String::new(),
        }
    }
}
