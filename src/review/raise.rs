//! What a raised level of a namespace would deny: its running pods and templates, checked as they would be if they were created
//! again. Pod Security Admission answers a raised level in the same way (Kubernetes, "Enforce Pod Security Standards with
//! Namespace Labels").

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use rolecall_core::chain::Subject;
use rolecall_core::cluster::Namespace;
use rolecall_core::decision::{EnforceOn, Level, Levels, Mode, Policy, decide};
use rolecall_core::effort::Stop;
use rolecall_core::finding::{Finding, printable};
use rolecall_core::rules::{INJECTION_MISSING, ROLE_NOT_ASSUMABLE, Trait};
use rolecall_core::workload::{Kind, Object};
use rolecall_core::world::{Change, World};
use rolecall_message::count;
use rolecall_message::shell::quote;
use tokio::time::Instant;

use super::answer::{Judged, Reviewer, staleness};
use super::disclosure::Reader;
use super::outcome::{Authority, Settings};
use super::request::Request;

/// Most workloads that a preview names, each in a warning of its own.
const MAX_NAMED: usize = 12;

/// A namespace whose level is raised, or in which more kinds of objects are denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raise {
    /// The namespace's name.
    pub name: String,
    /// The level that it will enforce.
    pub level: Level,
    /// What it will be enforced on.
    pub enforce_on: EnforceOn,
    /// The namespace as it will be.
    pub namespace: Namespace,
}

/// What a raised level would deny.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    /// What would be denied, by owner.
    pub denied: Vec<DeniedOwner>,
    /// Templates that were checked.
    pub templates: usize,
    /// Running pods that were checked.
    pub pods: usize,
    /// What was not checked because of the limits, for instance `1200 pods` or `jobs`.
    pub unchecked: Vec<String>,
}

/// An owner of which new pods would be denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeniedOwner {
    /// For instance `Deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its running pods.
    pub pods: usize,
    /// The rules that would deny new ones, sorted; never empty.
    pub rules: Vec<&'static str>,
}

/// Why there is no preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoPreview {
    /// The right to list is missing: why, for the log.
    Forbidden(String),
    /// The reading failed: why, for the log.
    Unreadable(String),
    /// Other namespaces are being checked.
    Busy,
    /// Nothing was read of AWS yet, or too long ago.
    NothingKnown,
}

/// Checks what runs in a namespace.
pub trait Previewer: Send + Sync + std::fmt::Debug {
    /// Checks it until `end` at the latest.
    fn preview(
        &self,
        raise: &Raise,
        settings: &Settings,
        end: Instant,
    ) -> BoxFuture<'static, Result<Preview, NoPreview>>;
}

/// Checks objects of a namespace as its raised level would.
#[derive(Debug, Clone)]
pub struct RaisedLevel {
    world: World,
    settings: Settings,
    name: String,
    policy: Policy,
    now: Timestamp,
}

impl RaisedLevel {
    /// Checks over this world, for requesters who may read what `settings` says. `None` where the snapshot is so old that nothing
    /// is denied.
    pub fn new(world: &World, settings: &Settings, raise: &Raise, now: Timestamp) -> Option<Self> {
        if staleness(world, settings, now).is_some() {
            return None;
        }
        let Raise { name, level, namespace, .. } = raise;
        let change = Change::Namespace { name: name.as_str().into(), namespace: Some(namespace.clone()) };
        let world = world.with([change]);
        let policy = Policy {
            levels: Levels { enforce: *level, warn: Level::Off, audit: Level::Off },
            mode: Mode::Enforce,
            enforce_on: EnforceOn::BOTH,
            is_controlled: false,
            self_exemptions: settings.self_exemptions,
        };
        Some(Self { world, settings: settings.clone(), name: name.clone(), policy, now })
    }

    /// The rules that would deny an object of this kind if it were created again, as requesters may read them; sorted. A
    /// template is checked as its pods will be, a pod as it is; whether the injector would act on the pod again is not known, so
    /// that what only its absence causes does not count.
    pub fn denying_rules(&self, object: &Object<'_>, kind: Kind, stop: &Stop) -> Vec<&'static str> {
        let reviewer = |world| Reviewer {
            world,
            snapshot_time: "",
            settings: &self.settings,
            now: self.now,
            authority: Authority::Final,
            asks: false,
            inline: false,
            stop: Some(stop),
        };
        let request = Request::default();
        let name = object.metadata.display_name();
        let first = reviewer(&self.world);
        let Some(mut judged) = self.judge(&first, &request, object, kind, &name) else {
            return Vec::new();
        };
        let subject = Subject { namespace: &self.name, service_account: judged.service_account };
        let reader = Reader { messages: &self.settings.messages, world: &self.world, subject, uid: "" };
        let foreign = reader.foreign(&judged.judgement);
        let seen_world = (!foreign.is_empty()).then(|| reader.view(&judged, &foreign));
        let second = seen_world.as_ref().map(reviewer);
        let seen = second.as_ref().and_then(|second| self.judge(second, &request, object, kind, &name));
        reader.withhold(&mut judged, seen.as_ref());
        let decision = decide(&judged.judgement, None, &self.policy);
        let disclosed = seen.as_ref().map(|seen| reader.disclose(&foreign, &decision, seen, self.policy));
        let mut rules: Vec<&'static str> = match &disclosed {
            _ if decision.denials.is_empty() => Vec::new(),
            Some(disclosed) => disclosed.denied_rules().collect(),
            None => decision.denials.iter().map(|finding| finding.rule()).collect(),
        };
        if rules.is_empty() && !decision.denials.is_empty() {
            rules.push(ROLE_NOT_ASSUMABLE.name);
        }
        rules.sort_unstable();
        rules.dedup();
        rules
    }

    /// Checks an object as admission does. `None` where it cannot be checked.
    fn judge<'r>(
        &'r self,
        reviewer: &'r Reviewer<'r>,
        request: &'r Request<'r>,
        object: &'r Object<'r>,
        kind: Kind,
        name: &'r str,
    ) -> Option<Judged<'r>> {
        let mut judged = reviewer.judge(request, object, kind, &self.name, name).ok()?;
        let is_over = |finding: &Finding| {
            let rule = finding.problem.rule;
            kind == Kind::Pod && (rule.has(Trait::OfRunningPods) || rule == &INJECTION_MISSING)
        };
        judged.judgement.findings.retain(|finding| !is_over(finding));
        Some(judged)
    }
}

impl Raise {
    /// The warnings about what it denies. `not_now`: why nothing is denied at present.
    pub(super) fn warnings(&self, preview: Option<&Result<Preview, NoPreview>>, not_now: Option<&str>) -> Vec<String> {
        let mut lines = vec![self.announcement(matches!(preview, Some(Ok(_))), not_now)];
        match preview {
            Some(Ok(preview)) => lines.extend(self.describe(preview)),
            Some(Err(NoPreview::NothingKnown)) => {
                lines
                    .push("rolecall: running workloads were not checked: AWS was not read, or too long ago".to_owned());
            }
            Some(Err(NoPreview::Busy)) => {
                lines.push(
                    "rolecall: running workloads were not checked: other namespaces are being checked".to_owned(),
                );
            }
            Some(Err(NoPreview::Unreadable(_) | NoPreview::Forbidden(_))) | None => {}
        }
        lines
    }

    /// From when on what is denied; without a preview, the command that shows which running workloads that concerns.
    fn announcement(&self, is_previewed: bool, not_now: Option<&str>) -> String {
        let Self { name, level, enforce_on, .. } = self;
        let what = match (enforce_on.pods, enforce_on.workloads) {
            (true, false) => format!("pods of namespace {name} that are created from now on"),
            (true, true) => format!("pods and workloads of namespace {name} that are created or changed from now on"),
            (false, _) => format!("workloads of namespace {name} that are created or changed from now on"),
        };
        let mut line = match not_now {
            None => format!("rolecall: {what} are denied at level {level}"),
            Some(why) => format!("rolecall: {what} would be denied at level {level}, but {why}"),
        };
        if !is_previewed {
            line.push_str(&format!("; to see which running workloads that concerns: {}", self.command()));
        }
        line
    }

    fn command(&self) -> String {
        format!("rolecall scan -n {} --would-deny --level {}", quote(&self.name), self.level)
    }

    fn describe(&self, preview: &Preview) -> Vec<String> {
        let Preview { denied, templates, pods, unchecked } = preview;
        let mut lines = Vec::new();
        if !denied.is_empty() {
            let running: usize = denied.iter().map(|owner| owner.pods).sum();
            let (workloads, running) = (count(denied.len(), "workload"), count(running, "running pod"));
            let what = match (self.enforce_on.pods, self.enforce_on.workloads) {
                (true, false) => format!("new pods of {workloads} with {running} would be denied"),
                (true, true) => format!("{workloads} with {running} would be denied if created again"),
                (false, _) => {
                    format!("{workloads} would be denied if created again; pods that a controller creates would not")
                }
            };
            lines.push(format!("rolecall: {what}; details: {}", self.command()));
        } else if templates + pods > 0 || unchecked.is_empty() {
            let (templates, pods) = (count(*templates, "template"), count(*pods, "running pod"));
            lines.push(format!("rolecall: none of {templates} and {pods} that were checked would be denied"));
        }
        for DeniedOwner { kind, name, pods, rules } in denied.iter().take(MAX_NAMED) {
            let running = match (kind.as_str(), pods) {
                ("Pod", _) | (_, 0) => String::new(),
                (_, pods) => format!(" (and {})", count(*pods, "pod")),
            };
            let line = format!("rolecall: {}/{name}{running}: {}", kind.to_lowercase(), rules.join(", "));
            lines.push(printable(&line));
        }
        if let more @ 1.. = denied.len().saturating_sub(MAX_NAMED) {
            lines.push(format!("rolecall: and {}", count(more, "more workload")));
        }
        if !unchecked.is_empty() {
            lines.push(format!(
                "rolecall: not checked, because of the limits of this preview: {}",
                unchecked.join(", ")
            ));
        }
        lines
    }
}
