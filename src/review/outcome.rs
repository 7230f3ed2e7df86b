//! What goes into checking a review, and what comes out of it.

use std::sync::Arc;

use rolecall_core::decision::{LevelAssignment, Mode};
use rolecall_core::effort::Stop;
use rolecall_core::judge::Links;
use rolecall_core::world::Unseen;

use super::disclosure::Messages;
use super::namespace::NamespaceChange;
use super::pause::Pause;

/// What the operator set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The cap on every namespace.
    pub mode: Mode,
    /// Which levels a namespace has.
    pub levels: LevelAssignment,
    /// Users besides Kubernetes' own controllers that create pods from workloads that exist.
    pub controllers: Vec<String>,
    /// Namespace of rolecall's own objects.
    pub own_namespace: String,
    /// Until when denials are warnings.
    pub pause: Arc<Pause>,
    /// What an object that cannot be understood gets in `enforce`.
    pub on_error: OnError,
    /// Annotations of a workload or its service account lift denials too, not only warnings.
    pub self_exemptions: bool,
    /// Patterns of namespaces that may not exempt themselves by annotation.
    pub no_exemptions: Vec<String>,
    /// Seconds after which a snapshot no longer denies; `None`: never.
    pub snapshot_max_age: Option<i64>,
    /// What requesters may read.
    pub messages: Messages,
}

impl Settings {
    /// Whether the registration leaves a namespace out (deploy/manifests/webhook.yaml): pods there bring the cluster or rolecall
    /// back.
    pub fn is_left_out(&self, namespace: &str) -> bool {
        namespace == "kube-system" || namespace == self.own_namespace
    }
}

/// What an object that cannot be understood gets in `enforce`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnError {
    /// It passes, with a warning.
    Allow,
    /// It is refused.
    Deny,
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status: 200, or 400 where the body has no uid to answer to.
    pub status: u16,
    /// The body: an AdmissionReview, or a line of text.
    pub body: Vec<u8>,
}

/// How far a denial reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority<'a> {
    /// What is known is all that there is to know, or was read just now: a denial stands.
    Final,
    /// A denial is to be confirmed first: its links come back instead of an answer.
    Provisional,
    /// A denial becomes a warning, for this reason.
    Withheld(&'a str),
}

/// With what standing a review is answered.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// How far a denial reaches.
    pub authority: Authority<'a>,
    /// The cluster can be asked for what is not known of it.
    pub asks: bool,
    /// The check must be short: a long one comes back as [`NextStep::RunInPool`].
    pub inline: bool,
    /// Ends the check, which then comes back as [`NextStep::Stopped`].
    pub stop: Option<&'a Stop>,
}

/// What came of a review.
#[derive(Debug, PartialEq, Eq)]
pub enum NextStep {
    /// The answer.
    Reply(Reply),
    /// It would be denied: these links are to be read again first.
    ConfirmDenial {
        /// What the denial rests on.
        links: Links,
        /// A pod is to be created, which cannot be without its service account.
        is_new_pod: bool,
    },
    /// It rests on what is not known of the cluster yet, and is to be asked for first.
    ResolveUnknown(Unseen),
    /// A namespace asks for less or for more: [`super::answer_namespace`] answers once the cluster was asked.
    AskAboutNamespace(Box<NamespaceChange>),
    /// Checking it may take long: it is to be done elsewhere, with `inline` off.
    RunInPool,
    /// It was stopped before its end. Nothing is decided, nothing was observed.
    Stopped,
}

impl From<Reply> for NextStep {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}
