//! Namespaces: who lowers what rolecall asks of one needs a right, and who raises it reads what that denies.

use jiff::Timestamp;
use rolecall_core::decision::{Mode, Outcome};

use super::answer::{Reviewer, annotations, blank, forbidden, text};
use super::guard::{self, Access, Lowering};
use super::outcome::{NextStep, Reply, Settings};
use super::raise::{NoPreview, Preview, Raise};
use super::record::{Fault, Record};
use super::request::{Request, read};
use super::response::{ResponseOut, fit_warnings, write};

/// A change of a namespace, about which the cluster is asked before the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceChange {
    /// It asks for less than before: the user needs a right.
    pub lowering: Option<Lowering>,
    /// It asks for more than before.
    pub raise: Option<Raise>,
}

/// What the cluster said about a change of a namespace. `None`: it was not asked.
#[derive(Debug, Default)]
pub struct NamespaceAnswers {
    /// Whether the user may lower what is asked of the namespace.
    pub access: Option<Access>,
    /// What the raised level would deny.
    pub preview: Option<Result<Preview, NoPreview>>,
}

/// Whatever the subresource: an update of `status` or `finalize` stores changed labels and annotations too (Kubernetes,
/// `pkg/registry/core/namespace/strategy.go`).
pub(super) fn is_namespace(request: &Request<'_>) -> bool {
    request.kind.group.as_str().is_empty()
        && request.kind.kind.as_str() == "Namespace"
        && matches!(text(&request.operation), "CREATE" | "UPDATE")
}

impl Reviewer<'_> {
    /// Answers a review of a namespace, or says what the cluster is to be asked first.
    pub(super) fn namespace(&self, request: &Request<'_>, body: &[u8], observe: impl FnOnce(&Record<'_>)) -> NextStep {
        let Some(object) = &request.object else {
            return self.pass(&blank(request, self.snapshot_time), observe).into();
        };
        let before = request.old_object.as_ref().map(|old| &old.metadata);
        let what = guard::lowered(before, &object.metadata, &self.settings.levels);
        let lowering = (self.asks && !what.is_empty()).then(|| {
            let (namespace, is_new) = (object.metadata.display_name(), before.is_none());
            Lowering { namespace, is_new, what, user: guard::user(body) }
        });
        let raise = guard::raise(before, &object.metadata, self.settings);
        let change = NamespaceChange { lowering, raise };
        let is_shown = change.raise.is_some() && self.settings.mode != Mode::Audit;
        if self.asks && (change.lowering.is_some() || is_shown) {
            return NextStep::AskAboutNamespace(Box::new(change));
        }
        answer((self.settings, self.now), &change, request, &NamespaceAnswers::default(), observe).into()
    }
}

/// Answers a review of a namespace, now that the cluster was asked. Where it could not be found out whether the user may lower
/// a level, the review passes with a warning: the API server's own policy (deploy/manifests/backstop.yaml) stands behind this.
pub fn answer_namespace(
    settings: &Settings,
    change: &NamespaceChange,
    body: &[u8],
    answers: &NamespaceAnswers,
    observe: impl FnOnce(&Record<'_>),
) -> Reply {
    let review = read(body).unwrap_or_default();
    match &review.request {
        Some(request) => answer((settings, Timestamp::now()), change, request, answers, observe),
        None => Reply { status: 400, body: b"the body has no `request`\n".to_vec() },
    }
}

fn answer(
    (settings, now): (&Settings, Timestamp),
    NamespaceChange { lowering, raise }: &NamespaceChange,
    request: &Request<'_>,
    NamespaceAnswers { access, preview }: &NamespaceAnswers,
    observe: impl FnOnce(&Record<'_>),
) -> Reply {
    let mut record = blank(request, "");
    let mut response = ResponseOut { uid: text(&request.uid), allowed: true, ..ResponseOut::default() };
    let mut warnings: Vec<String> =
        request.object.iter().flat_map(|object| guard::ineffective(&object.metadata, settings)).collect();
    let refusal = lowering.as_ref().map(guard::refusal).unwrap_or_default();
    match access {
        None | Some(Access::Granted) => {}
        Some(Access::Refused) if settings.mode == Mode::Enforce => {
            record.decision = Outcome::Deny;
            record.message = refusal;
            response.allowed = false;
            response.status = Some(forbidden(&record.message));
        }
        Some(Access::Refused) => {
            record.message = refusal;
            warnings.insert(0, format!("rolecall: {}", record.message.lines().next().unwrap_or_default()));
        }
        Some(Access::Unknown(reason)) => {
            record.fault = Some(Fault::Unconfirmed);
            warnings.insert(0, format!("rolecall: could not ask whether this may be lowered: {reason}"));
        }
    }
    let not_now = match settings.mode {
        Mode::Enforce if settings.pause.at(now).is_some() => Some("rolecall is paused"),
        Mode::Enforce => None,
        Mode::Warn | Mode::Audit => Some("rolecall only warns, because of its option --mode"),
    };
    warnings.extend(raise.iter().flat_map(|raise| raise.warnings(preview.as_ref(), not_now)));
    if response.allowed && settings.mode != Mode::Audit && !warnings.is_empty() {
        record.decision = Outcome::Warn;
        response.warnings = fit_warnings(warnings);
    }
    if lowering.is_some() || record.decision != Outcome::Allow {
        response.audit_annotations = annotations(&record);
    }
    let reply = Reply { status: 200, body: write(response) };
    observe(&record);
    reply
}
