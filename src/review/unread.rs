//! Answers to reviews that were not checked: too large, too many at once, or not done in time.

use std::borrow::Cow;

use jiff::Timestamp;
use rolecall_core::workload::Kind;
use rolecall_core::world::World;

use super::answer::{Door, NotChecked};
use super::frame::Frame;
use super::outcome::{Authority, Reply, Settings};
use super::record::{Fault, Record};
use super::request::is_judged;

/// Why a review was not checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// It is larger than this many bytes.
    TooLarge(usize),
    /// The memory for reviews was taken by others until the deadline.
    Overloaded,
    /// Checking it did not end before the deadline.
    Late,
}

impl Unread {
    fn fault(self) -> Fault {
        match self {
            Self::TooLarge(_) => Fault::TooLarge,
            Self::Overloaded => Fault::Overloaded,
            Self::Late => Fault::Late,
        }
    }

    fn reason(self) -> String {
        match self {
            Self::TooLarge(limit) => format!("its review is larger than {limit} bytes (limits.bodyBytes)"),
            Self::Overloaded => "too many large reviews came at once (limits.inFlightBytes)".to_owned(),
            Self::Late => "checking it took longer than the API server waits".to_owned(),
        }
    }
}

/// Answers by `onError` what was not read, and by a warning what came too late. Kinds and operations that rolecall does not
/// check pass silently.
pub fn unread(
    world: &World,
    snapshot_time: &str,
    settings: &Settings,
    frame: &Frame,
    why: Unread,
    now: Timestamp,
    observe: impl FnOnce(&Record<'_>),
) -> Reply {
    let late = why == Unread::Late;
    let authority = if late { Authority::Withheld("it was late") } else { Authority::Final };
    let door = Door { world, snapshot_time, settings, now, authority, asks: false, inline: false, stop: None };
    let kind = Kind::from_group(&frame.group, &frame.kind);
    let is_namespace = frame.group.is_empty() && frame.kind == "Namespace";
    let record = Record {
        uid: Cow::Borrowed(&frame.uid),
        kind,
        operation: Cow::Borrowed(&frame.operation),
        namespace: Cow::Borrowed(if is_namespace && frame.namespace.is_empty() {
            &frame.name
        } else {
            &frame.namespace
        }),
        name: Cow::Borrowed(&frame.name),
        user: Cow::Borrowed(&frame.user),
        ..Record::blank(snapshot_time)
    };
    let is_checked = match kind {
        Some(kind) => is_judged(kind, &frame.operation, &frame.sub_resource),
        None => is_namespace && matches!(frame.operation.as_str(), "CREATE" | "UPDATE"),
    };
    if !is_checked {
        return door.pass(&record, observe);
    }
    let object = if frame.kind.is_empty() { "object" } else { &frame.kind };
    let message = format!("rolecall could not check this {object}: {}", why.reason());
    let may_deny = door.can_be_denied(kind, &record.namespace, &record.user);
    door.not_checked(NotChecked { record: Record { message, fault: Some(why.fault()), ..record }, may_deny }, observe)
}
