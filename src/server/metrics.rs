//! Metrics. Labels come from closed sets; names of roles and pods go to the audit line. Only the count of what a raised level
//! would deny has names of namespaces, and a bound.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use rolecall_certs::{CertificateKind, Failure};
use rolecall_core::decision::Outcome;
use rolecall_core::workload::Kind;

use super::connection::Cut;
use super::histogram::DurationHistogram;
use super::labels::{Counters, LookupOutcome, RereadOutcome, StopReason};
use super::listen::Port;
use super::process;
use super::would_deny::{WouldDeny, WouldDenyMetrics};
use crate::live::{Collection, Refresh, WorldState};
use crate::review::{Fault, Lifted, Record};

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

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WhatLabels {
    what: &'static str,
}

const OUTCOMES: [Outcome; 3] = [Outcome::Allow, Outcome::Warn, Outcome::Deny];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PartLabels {
    part: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    call: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PortLabels {
    port: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CutLabels {
    port: &'static str,
    reason: &'static str,
}

/// A connection whose TLS handshake failed or did not end in time, beside the reasons of [`Cut`].
const HANDSHAKE: &str = "handshake";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WatchLabels {
    what: &'static str,
}

/// How a collection can end: an alert on an increase needs a value to rise from.
const REFRESHED: [&str; 3] = ["whole", "partial", "failed"];

/// What is watched in a cluster, for the same reason.
const WATCHED: [&str; 5] = ["serviceaccounts", "namespaces", "agent", "injector", "pause"];

/// Counters are looked up once, at the start: counting takes no lock.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    process: Registry,
    reviews: Vec<(Option<Kind>, [Counter; 3])>,
    findings: HashMap<&'static str, Counter>,
    errors: Counters<Fault>,
    /// Denials that were not given, by reason.
    lifted: Counters<Lifted>,
    #[cfg_attr(not(feature = "kube"), expect(dead_code, reason = "only a cluster pauses"))]
    paused_until: Gauge,
    duration: DurationHistogram,
    stopped_checks: Counters<StopReason>,
    lost_lines: Counter,
    connections: Family<PortLabels, Gauge>,
    cuts: Family<CutLabels, Counter>,
    accept_errors: Family<PortLabels, Counter>,
    snapshot_time: Gauge<f64, AtomicU64>,
    roles: Gauge,
    certificates: Family<CertificateLabels, Gauge<f64, AtomicU64>>,
    rotations: Family<WhatLabels, Counter>,
    troubles: Family<ErrorLabels, Counter>,
    rereads: Counters<RereadOutcome>,
    lookups: Counters<LookupOutcome>,
    #[cfg_attr(not(feature = "kube"), expect(dead_code, reason = "only a cluster is watched"))]
    watch_lists: Family<WatchLabels, Counter>,
    #[cfg_attr(not(feature = "kube"), expect(dead_code, reason = "only a cluster is watched"))]
    watch_errors: Family<WatchLabels, Counter>,
    #[cfg_attr(not(feature = "kube"), expect(dead_code, reason = "only a cluster is watched"))]
    events: Family<OutcomeLabels, Counter>,
    lease: Gauge,
    would_deny: WouldDenyMetrics,
    publications: Family<OutcomeLabels, Counter>,
    refreshes: Family<OutcomeLabels, Counter>,
    parts: Family<PartLabels, Gauge<f64, AtomicU64>>,
    calls: Family<CallLabels, Counter>,
    call_seconds: Counter<f64, AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("rolecall");
        process::register_build_info(&mut registry);
        let reviews = Family::<ReviewLabels, Counter>::default();
        registry.register("reviews", "Reviews answered, by kind and decision", reviews.clone());
        let counters = |kind: &'static str| {
            OUTCOMES.map(|outcome| reviews.get_or_create_owned(&ReviewLabels { kind, decision: outcome.name() }))
        };
        let kinds = Kind::ALL.into_iter().map(|kind| (Some(kind), counters(kind.name())));
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
            Counters::new(Fault::ALL, |fault| errors.get_or_create_owned(&ErrorLabels { error: fault.name() }));

        let not_enforced = Family::<ReasonLabels, Counter>::default();
        registry.register(
            "not_enforced",
            "Reviews that a namespace's level denies and that were not denied: rolecall was paused, or a controller created the \
             pod where the namespace enforces on workloads alone",
            not_enforced.clone(),
        );
        let lifted = Counters::new(Lifted::ALL, |lifted| {
            not_enforced.get_or_create_owned(&ReasonLabels { reason: lifted.name() })
        });
        let paused_until = Gauge::default();
        registry.register_with_unit(
            "paused_until_timestamp",
            "Until when denials are warnings, since 1970; 0 where rolecall was not paused",
            Unit::Seconds,
            paused_until.clone(),
        );

        let duration = DurationHistogram::default();
        registry.register_with_unit("review_duration", "Time from body to answer", Unit::Seconds, duration.clone());
        let stopped = Family::<ReasonLabels, Counter>::default();
        registry.register(
            "checks_stopped",
            "Checks under way that were stopped before their end: the client left, or the deadline passed",
            stopped.clone(),
        );
        let stopped_checks = Counters::new(StopReason::ALL, |reason| {
            stopped.get_or_create_owned(&ReasonLabels { reason: reason.name() })
        });
        let lost_lines = Counter::default();
        registry.register(
            "log_lines_lost",
            "Log lines given up: the queue was full, or they could not be written",
            lost_lines.clone(),
        );
        let connections = Family::<PortLabels, Gauge>::default();
        registry.register("connections", "Connections that are open", connections.clone());
        let cuts = Family::<CutLabels, Counter>::default();
        registry.register("connections_cut", "Connections that were cut, by reason", cuts.clone());
        let accept_errors = Family::<PortLabels, Counter>::default();
        registry.register(
            "accept_errors",
            "Connections that the system refused, such as for want of file descriptors",
            accept_errors.clone(),
        );
        for port in Port::ALL.map(Port::name) {
            connections.get_or_create_owned(&PortLabels { port });
            accept_errors.get_or_create_owned(&PortLabels { port });
            for reason in Cut::ALL.map(Cut::name).into_iter().chain([HANDSHAKE]) {
                cuts.get_or_create_owned(&CutLabels { port, reason });
            }
        }
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
        let rotations = Family::<WhatLabels, Counter>::default();
        registry.register(
            "certificate_rotations",
            "Certificates that took the place of others: the leaf that is served, the CA that signed it",
            rotations.clone(),
        );
        let troubles = Family::<ErrorLabels, Counter>::default();
        registry.register(
            "certificate_errors",
            "Attempts to keep the certificate current that failed; the one before is served still",
            troubles.clone(),
        );
        // There from the start: an alert on an increase needs a value to rise from.
        for kind in CertificateKind::ALL {
            rotations.get_or_create_owned(&WhatLabels { what: kind.name() });
        }
        for failure in Failure::ALL {
            troubles.get_or_create_owned(&ErrorLabels { error: failure.name() });
        }
        let rereads = Family::<OutcomeLabels, Counter>::default();
        registry.register("rereads", "Re-reads from AWS before a denial, by outcome", rereads.clone());
        let by_reread = Counters::new(RereadOutcome::ALL, |outcome| {
            rereads.get_or_create_owned(&OutcomeLabels { outcome: outcome.name() })
        });
        let lookups = Family::<OutcomeLabels, Counter>::default();
        registry.register(
            "lookups",
            "Service accounts and namespaces not known yet: brought by the watch while a review waited, asked for, or neither",
            lookups.clone(),
        );
        let by_lookup = Counters::new(LookupOutcome::ALL, |outcome| {
            lookups.get_or_create_owned(&OutcomeLabels { outcome: outcome.name() })
        });
        let watch_lists = Family::<WatchLabels, Counter>::default();
        registry.register(
            "watch_lists",
            "Lists of a kind of object, at the start and after a break",
            watch_lists.clone(),
        );
        let watch_errors = Family::<WatchLabels, Counter>::default();
        registry.register("watch_errors", "Watches that broke", watch_errors.clone());
        for what in WATCHED {
            watch_errors.get_or_create_owned(&WatchLabels { what });
        }
        let events = Family::<OutcomeLabels, Counter>::default();
        registry.register(
            "events",
            "Events about denials and warnings: written, counted up, or given up",
            events.clone(),
        );
        let would_deny = WouldDenyMetrics::register(&mut registry);
        let lease = Gauge::default();
        registry.register(
            "lease_holder",
            "1 where this replica collects for all; -1 where no Lease can be had",
            lease.clone(),
        );
        let publications = Family::<OutcomeLabels, Counter>::default();
        registry.register(
            "publications",
            "Snapshots published, or followed, between replicas, by what came of it",
            publications.clone(),
        );
        let refreshes = Family::<OutcomeLabels, Counter>::default();
        registry.register(
            "refreshes",
            "Collections of the snapshot, by outcome: whole, partial, failed",
            refreshes.clone(),
        );
        for outcome in REFRESHED {
            refreshes.get_or_create_owned(&OutcomeLabels { outcome });
        }
        let parts = Family::<PartLabels, Gauge<f64, AtomicU64>>::default();
        registry.register_with_unit(
            "snapshot_part_read_timestamp",
            "When the oldest of a part of the snapshot was read, since 1970",
            Unit::Seconds,
            parts.clone(),
        );
        let calls = Family::<CallLabels, Counter>::default();
        registry.register("aws_calls", "Calls of AWS APIs, by outcome", calls.clone());
        let call_seconds = Counter::<f64, AtomicU64>::default();
        registry.register_with_unit(
            "aws_calls_duration",
            "Time that calls of AWS APIs took, in sum",
            Unit::Seconds,
            call_seconds.clone(),
        );
        Self {
            registry,
            process: process::registry(),
            reviews: by_kind,
            findings: by_rule,
            errors: by_error,
            lifted,
            paused_until,
            duration,
            stopped_checks,
            lost_lines,
            connections,
            cuts,
            accept_errors,
            snapshot_time,
            roles,
            certificates,
            rotations,
            troubles,
            rereads: by_reread,
            lookups: by_lookup,
            watch_lists,
            watch_errors,
            events,
            lease,
            would_deny,
            publications,
            refreshes,
            parts,
            calls,
            call_seconds,
        }
    }

    /// A connection was accepted; it counts as open until this is dropped.
    pub(super) fn connected(&self, port: Port) -> impl Drop + use<> {
        struct Open(Gauge);
        impl Drop for Open {
            fn drop(&mut self) {
                self.0.dec();
            }
        }
        let gauge = self.connections.get_or_create_owned(&PortLabels { port: port.name() });
        gauge.inc();
        Open(gauge)
    }

    /// A connection was cut; `None`: its TLS handshake came to nothing.
    pub(super) fn cut(&self, port: Port, cut: Option<Cut>) {
        let labels = CutLabels { port: port.name(), reason: cut.map_or(HANDSHAKE, Cut::name) };
        self.cuts.get_or_create(&labels).inc();
    }

    /// A check was stopped before its end.
    pub(super) fn check_stopped(&self, reason: StopReason) {
        self.stopped_checks.count(reason);
    }

    pub(super) fn accept_failed(&self, port: Port) {
        self.accept_errors.get_or_create(&PortLabels { port: port.name() }).inc();
    }

    pub(super) fn lookup(&self, outcome: LookupOutcome) {
        self.lookups.count(outcome);
    }

    /// Shows what a raised level would deny; `None`: this replica does not know.
    pub fn would_deny(&self, counted: Option<&WouldDeny>) {
        self.would_deny.show(counted);
    }

    /// Whether this replica holds the Lease of the collector; `None`: it is not known.
    pub fn holds_lease(&self, is_holder: Option<bool>) {
        self.lease.set(is_holder.map_or(-1, i64::from));
    }

    /// A snapshot was published or followed: `published`, `outdated`, `too-large`, `failed`, `followed`, `unreadable`, `silent`.
    pub fn publication(&self, outcome: &'static str) {
        self.publications.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    pub(super) fn reread(&self, outcome: RereadOutcome) {
        self.rereads.count(outcome);
    }

    /// A call of an AWS API, such as `iam:GetRole`.
    pub fn aws_call(&self, call: &str, outcome: &'static str, duration: Duration) {
        self.calls.get_or_create(&CallLabels { call: call.to_owned(), outcome }).inc();
        self.call_seconds.inc_by(duration.as_secs_f64());
    }

    /// Shows the age and the size of what is known.
    pub fn describe_snapshot(&self, world_state: &WorldState) {
        let snapshot = &world_state.world.snapshot;
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact in f64")]
        let seconds = snapshot.collected_at.map_or(0.0, |time| time.as_second() as f64);
        self.snapshot_time.set(seconds);
        let roles: usize =
            snapshot.accounts.values().filter_map(|account| account.roles.as_ref()).map(HashMap::len).sum();
        self.roles.set(i64::try_from(roles).unwrap_or(i64::MAX));
    }

    pub(super) fn observe(&self, record: &Record<'_>, duration: Duration) {
        let index = OUTCOMES.iter().position(|outcome| *outcome == record.decision);
        let counters = self.reviews.iter().find(|(kind, _)| *kind == record.kind);
        if let (Some((_, counters)), Some(index)) = (counters, index)
            && let Some(counter) = counters.get(index)
            && record.fault != Some(Fault::Request)
        {
            counter.inc();
        }
        for rule in &record.rules {
            if let Some(counter) = self.findings.get(rule) {
                counter.inc();
            }
        }
        if let Some(lifted) = record.lifted {
            self.lifted.count(lifted);
        }
        if let Some(fault) = record.fault {
            self.fault(fault);
        }
        self.duration.observe(duration);
    }

    pub(super) fn fault(&self, fault: Fault) {
        self.errors.count(fault);
    }

    /// The text that Prometheus reads (OpenMetrics 1.0).
    pub(super) fn encode(&self) -> String {
        let lost = super::log::lost_lines();
        self.lost_lines.inner().store(lost, std::sync::atomic::Ordering::Relaxed);
        let mut text = String::new();
        let registries = [&self.registry, &self.process];
        let written = registries.into_iter().try_for_each(|registry| text::encode_registry(&mut text, registry));
        match written.and_then(|()| text::encode_eof(&mut text)) {
            Ok(()) => text,
            Err(_) => String::new(),
        }
    }
}

impl rolecall_certs::Observer for Metrics {
    fn serving(&self, leaf_expires: i64, ca_expires: Option<i64>) {
        for (certificate, expires) in [(CertificateKind::Leaf, Some(leaf_expires)), (CertificateKind::Ca, ca_expires)] {
            let labels = CertificateLabels { certificate: certificate.name() };
            match expires {
                #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact in f64")]
                Some(expires) => drop(self.certificates.get_or_create(&labels).set(expires as f64)),
                None => drop(self.certificates.remove(&labels)),
            }
        }
    }

    fn rotated(&self, kind: CertificateKind) {
        self.rotations.get_or_create(&WhatLabels { what: kind.name() }).inc();
    }

    fn failed(&self, failure: Failure) {
        self.troubles.get_or_create(&ErrorLabels { error: failure.name() }).inc();
    }
}

#[cfg(feature = "kube")]
impl crate::kube::Watching for Metrics {
    fn listed(&self, what: &'static str, objects: usize) {
        self.watch_lists.get_or_create(&WatchLabels { what }).inc();
        tracing::info!(target: "rolecall::kube", what, objects, "listed");
    }

    fn lost(&self, what: &'static str, error: &str) {
        self.watch_errors.get_or_create(&WatchLabels { what }).inc();
        tracing::warn!(target: "rolecall::kube", what, error, "a watch broke; it is tried again");
    }
}

#[cfg(feature = "kube")]
impl crate::kube::Pausing for Metrics {
    fn paused_until(&self, end: Option<jiff::Timestamp>) {
        self.paused_until.set(end.map_or(0, jiff::Timestamp::as_second));
    }
}

#[cfg(feature = "kube")]
impl crate::kube::Writing for Metrics {
    fn event(&self, outcome: &'static str) {
        self.events.get_or_create(&OutcomeLabels { outcome }).inc();
    }
}

impl Refresh for Metrics {
    fn refreshed(&self, world_state: &WorldState, collection: &Collection, took: Duration) {
        let outcome = match (collection.is_usable, collection.failures.is_empty()) {
            (true, true) => "whole",
            (true, false) => "partial",
            (false, _) => "failed",
        };
        self.refreshes.get_or_create(&OutcomeLabels { outcome }).inc();
        for (part, seconds) in &collection.parts {
            #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact in f64")]
            self.parts.get_or_create(&PartLabels { part }).set(*seconds as f64);
        }
        self.describe_snapshot(world_state);
        for (place, error) in collection.failures.iter().take(20) {
            tracing::warn!(target: "rolecall::live", place, error, "a part could not be read");
        }
        let seconds = took.as_secs_f64();
        let failures = collection.failures.len();
        tracing::info!(target: "rolecall::live", outcome, seconds, failures, "refreshed");
    }
}
