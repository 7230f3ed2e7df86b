//! Answers to reviews that were not checked: too large, too many at once, or not done in time.

use std::borrow::Cow;

use jiff::Timestamp;
use rolecall_core::decision::{Mode, Outcome};
use rolecall_core::workload::Kind;
use rolecall_core::world::World;

use super::answer::{NotChecked, Reviewer, annotations, forbidden};
use super::frame::Frame;
use super::outcome::{Authority, OnError, Reply, Settings};
use super::record::{Fault, Record};
use super::request::{Unreadable, is_judged};
use super::response::{MAX_ECHO_CHARS, ResponseOut, cut, fit_warnings, write};

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
    let reviewer = Reviewer { world, snapshot_time, settings, now, authority, asks: false, inline: false, stop: None };
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
        return reviewer.pass(&record, observe);
    }
    let object = if frame.kind.is_empty() { "object" } else { &frame.kind };
    let message = format!("rolecall: could not check this {object}: {}", why.reason());
    let may_deny = reviewer.can_be_denied(kind, &record.namespace, &record.user);
    reviewer
        .not_checked(NotChecked { record: Record { message, fault: Some(why.fault()), ..record }, may_deny }, observe)
}

impl Reviewer<'_> {
    /// The answer to a body that cannot be understood.
    pub(super) fn unreadable(&self, fault: &Unreadable, observe: impl FnOnce(&Record<'_>)) -> Reply {
        let blank = Record::blank(self.snapshot_time);
        match fault {
            Unreadable::Request(message) => {
                // It may quote what came.
                let message = cut(message, MAX_ECHO_CHARS).into_owned();
                let body = format!("{message}\n").into_bytes();
                observe(&Record { message, fault: Some(Fault::Request), ..blank });
                Reply { status: 400, body }
            }
            Unreadable::Foreign { uid } => self.pass(&Record { uid: Cow::Borrowed(uid), ..blank }, observe),
            Unreadable::Object { frame, message } => {
                let record = Record {
                    uid: Cow::Borrowed(&frame.uid),
                    kind: Kind::from_group(&frame.group, &frame.kind),
                    operation: Cow::Borrowed(&frame.operation),
                    namespace: Cow::Borrowed(&frame.namespace),
                    name: Cow::Borrowed(&frame.name),
                    user: Cow::Borrowed(&frame.user),
                    ..blank
                };
                self.unreadable_object(record, &frame.kind, message, observe)
            }
        }
    }

    /// An object that cannot be understood passes, unless the operator says otherwise for namespaces that enforce.
    pub(super) fn unreadable_object(
        &self,
        record: Record<'_>,
        kind: &str,
        message: &str,
        observe: impl FnOnce(&Record<'_>),
    ) -> Reply {
        let may_deny = self.can_be_denied(record.kind, &record.namespace, &record.user);
        let message = format!("rolecall: could not check this {kind}: {message}");
        let record = Record { message, fault: Some(Fault::Object), ..record };
        self.not_checked(NotChecked { record, may_deny }, observe)
    }

    /// The answer to a review that could not be checked: by `onError` where its namespace enforces.
    pub(super) fn not_checked(&self, unchecked: NotChecked<'_>, observe: impl FnOnce(&Record<'_>)) -> Reply {
        let NotChecked { mut record, may_deny } = unchecked;
        let denied = may_deny
            && !self.withholds()
            && self.settings.mode == Mode::Enforce
            && self.settings.on_error == OnError::Deny;
        let mut status = None;
        let mut warnings = Vec::new();
        record.decision = if denied {
            status = Some(forbidden(&format!("{}; onError: deny is set", record.message)));
            Outcome::Deny
        } else if self.settings.mode == Mode::Audit {
            Outcome::Allow
        } else {
            warnings = fit_warnings([record.message.clone()]);
            Outcome::Warn
        };
        let audit_annotations = annotations(&record);
        let response = ResponseOut { uid: &record.uid, allowed: !denied, status, warnings, audit_annotations };
        let reply = Reply { status: 200, body: write(response) };
        observe(&record);
        reply
    }
}
