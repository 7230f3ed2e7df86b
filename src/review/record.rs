//! The record of a decision: what the audit line and the metrics are made of.

use std::borrow::Cow;

use rolecall_core::decision::Outcome;
use rolecall_core::workload::{Controller, Kind};

use super::lifted::Lifted;
use super::notice::Warned;

/// What was decided about one review. Fields are stable: people search their logs by them.
#[derive(Debug)]
pub struct Record<'a> {
    /// The request's uid.
    pub uid: Cow<'a, str>,
    /// What was done.
    pub decision: Outcome,
    /// The kind; `None` where it is none that rolecall judges.
    pub kind: Option<Kind>,
    /// `CREATE`, `UPDATE`, …
    pub operation: Cow<'a, str>,
    /// The namespace.
    pub namespace: Cow<'a, str>,
    /// The object's name.
    pub name: Cow<'a, str>,
    /// The name of the user who asked. Groups are left out.
    pub user: Cow<'a, str>,
    /// The service account.
    pub service_account: Cow<'a, str>,
    /// Nothing will be stored.
    pub dry_run: bool,
    /// Rules of the findings at the audit level, in order.
    pub rules: Vec<&'static str>,
    /// Rules that an exemption hid.
    pub exempted: Vec<&'static str>,
    /// The identity that speaks for the workload.
    pub identity: &'static str,
    /// Its role.
    pub role: Cow<'a, str>,
    /// The state of its chain.
    pub chain: &'static str,
    /// When the snapshot was collected.
    pub snapshot_time: Cow<'a, str>,
    /// The message of a denial, or of what went wrong.
    pub message: String,
    /// What the requester reads instead; `None`: the message.
    pub requester_message: Option<String>,
    /// Of a denial, the rule that leads it as the requester reads it.
    pub lead: &'static str,
    /// What the requester is warned of, most severe first.
    pub warned: Vec<Warned<'a>>,
    /// Of a denied pod, the controller that it names.
    pub controller: Option<Controller>,
    /// Why it is not denied, where its namespace's levels would deny it.
    pub lifted: Option<Lifted>,
    /// What went wrong with the review itself.
    pub fault: Option<Fault>,
}

impl<'a> Record<'a> {
    /// The record of a review of which nothing is known yet.
    pub(super) fn blank(snapshot_time: &'a str) -> Self {
        Self {
            uid: Cow::Borrowed(""),
            decision: Outcome::Allow,
            kind: None,
            operation: Cow::Borrowed(""),
            namespace: Cow::Borrowed(""),
            name: Cow::Borrowed(""),
            user: Cow::Borrowed(""),
            service_account: Cow::Borrowed(""),
            dry_run: false,
            rules: Vec::new(),
            exempted: Vec::new(),
            identity: "",
            role: Cow::Borrowed(""),
            chain: "",
            snapshot_time: Cow::Borrowed(snapshot_time),
            message: String::new(),
            requester_message: None,
            lead: "",
            warned: Vec::new(),
            controller: None,
            lifted: None,
            fault: None,
        }
    }
}

/// What can go wrong with a review itself; each has a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// No uid could be read.
    Request,
    /// The object could not be understood.
    Object,
    /// The snapshot is older than it may be.
    StaleSnapshot,
    /// A denial could not be confirmed, and was not given.
    Unconfirmed,
    /// The body is larger than the limit.
    TooLarge,
    /// The memory for reviews was taken by others until the deadline.
    Overloaded,
    /// The body broke off, or came too slowly.
    BrokenBody,
    /// Checking did not end before the deadline.
    Late,
}

impl Fault {
    /// All, for metrics that exist from the start.
    pub const ALL: [Self; 8] = [
        Self::Request,
        Self::Object,
        Self::StaleSnapshot,
        Self::Unconfirmed,
        Self::TooLarge,
        Self::Overloaded,
        Self::BrokenBody,
        Self::Late,
    ];

    /// The name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "unreadable-request",
            Self::Object => "unreadable-object",
            Self::StaleSnapshot => "stale-snapshot",
            Self::Unconfirmed => "unconfirmed",
            Self::TooLarge => "body-too-large",
            Self::Overloaded => "overloaded",
            Self::BrokenBody => "broken-body",
            Self::Late => "late",
        }
    }
}
