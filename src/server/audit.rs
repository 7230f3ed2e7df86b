//! One line for each decision, with stable fields, through `tracing`.

use std::time::Duration;

use rolecall_core::decision::Mode;

use crate::review::Record;

/// Target of the audit lines.
pub(super) const TARGET: &str = "rolecall::audit";

pub(super) fn write(record: &Record<'_>, mode: Mode, duration: Duration) {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let joined = |names: &[&'static str]| match names {
        [] => std::borrow::Cow::Borrowed(""),
        [one] => std::borrow::Cow::Borrowed(*one),
        several => std::borrow::Cow::Owned(several.join(",")),
    };
    let (rules, exempted) = (joined(&record.rules), joined(&record.exempted));
    tracing::info!(
        target: TARGET,
        decision = record.decision.name(),
        mode = mode.name(),
        uid = &*record.uid,
        operation = &*record.operation,
        kind = record.kind.map_or("", |kind| kind.name()),
        namespace = &*record.namespace,
        name = &*record.name,
        user = &*record.user,
        service_account = &*record.service_account,
        dry_run = record.dry_run,
        rules = &*rules,
        identity = record.identity,
        role = &*record.role,
        chain = record.chain,
        snapshot_time = &*record.snapshot_time,
        exempted = &*exempted,
        not_enforced = record.lifted.map_or("", |lifted| lifted.name()),
        error = record.fault.map_or("", |fault| fault.name()),
        detail = record.message.as_str(),
        micros,
    );
}
