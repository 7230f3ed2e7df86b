//! What a raised level of a namespace would deny: its running pods and templates, checked as they would be if they were created
//! again. Pod Security Admission answers a raised level in the same way (Kubernetes, "Enforce Pod Security Standards with
//! Namespace Labels").

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use rolecall_core::chain::Subject;
use rolecall_core::cluster::Namespace;
use rolecall_core::decision::{EnforceOn, Level, Levels, Mode, Policy, decide};
use rolecall_core::effort::Effort;
use rolecall_core::finding::{Finding, printable};
use rolecall_core::judge::{Circumstances, judge_workload_within};
use rolecall_core::rules::ROLE_NOT_ASSUMABLE;
use rolecall_core::workload::{Kind, Object, Stage, Workload};
use rolecall_core::world::{Change, World};
use rolecall_message::shell::quote;
use tokio::time::Instant;

use super::disclosure::Reader;
use super::outcome::Settings;

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
    /// The right to list is missing, or the reading failed: why, for the log.
    Unreadable(String),
    /// Nothing was read of AWS yet.
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
    exemptions: bool,
    now: Timestamp,
}

impl RaisedLevel {
    /// Checks over this world, for requesters who may read what `settings` says.
    pub fn new(world: &World, settings: &Settings, raise: &Raise, now: Timestamp) -> Self {
        let Raise { name, level, namespace, .. } = raise;
        let change = Change::Namespace { name: name.as_str().into(), namespace: Some(namespace.clone()) };
        let exemptions = !settings.no_exemptions.iter().any(|pattern| rolecall_iam::wildcard_match(pattern, name));
        let policy = Policy {
            levels: Levels { enforce: *level, warn: Level::Off, audit: Level::Off },
            mode: Mode::Enforce,
            enforce_on: EnforceOn::BOTH,
            is_controlled: false,
            self_exemptions: settings.self_exemptions,
        };
        let (settings, name) = (settings.clone(), name.clone());
        Self { world: world.with([change]), settings, name, policy, exemptions, now }
    }

    /// The rules that would deny an object of this kind if it were created again, as requesters may read them; sorted. It is
    /// checked before the injector has seen it.
    pub fn denying_rules(&self, object: &Object<'_>, kind: Kind) -> Vec<&'static str> {
        let Some(workload) = Workload::of(object, kind, Stage::Predicted, &self.name) else {
            return Vec::new();
        };
        if workload.is_mirror {
            return Vec::new();
        }
        let circumstances = Circumstances { now: Some(self.now), exemptions: self.exemptions };
        let judgement = judge_workload_within(&self.world, &workload, circumstances, &Effort::for_one_check());
        let decision = decide(&judgement, None, &self.policy);
        if decision.denials.is_empty() {
            return Vec::new();
        }
        let subject = Subject { namespace: &self.name, service_account: workload.service_account() };
        let reader = Reader { messages: &self.settings.messages, world: &self.world, subject, uid: "" };
        let foreign = reader.foreign(&judgement);
        // Which rule it is tells the state of a role that is not the namespace's own.
        let read = |finding: &&Finding| match &finding.problem.about {
            Some(about) if foreign.iter().any(|(arn, _)| *arn == about.arn) => ROLE_NOT_ASSUMABLE.name,
            _ => finding.rule(),
        };
        let mut rules: Vec<&'static str> = decision.denials.iter().map(read).collect();
        rules.sort_unstable();
        rules.dedup();
        rules
    }
}

impl Raise {
    /// The warnings about what it denies.
    pub(super) fn warnings(&self, preview: Option<&Result<Preview, NoPreview>>) -> Vec<String> {
        let mut lines = vec![self.announcement(matches!(preview, Some(Ok(_))))];
        match preview {
            Some(Ok(preview)) => lines.extend(self.describe(preview)),
            Some(Err(NoPreview::NothingKnown)) => {
                lines
                    .push("rolecall: it has read nothing of AWS yet, so running workloads were not checked".to_owned());
            }
            Some(Err(NoPreview::Unreadable(_))) | None => {}
        }
        lines
    }

    /// From when on what is denied; without a preview, the command that shows which running workloads that concerns.
    fn announcement(&self, is_previewed: bool) -> String {
        let Self { name, level, enforce_on, .. } = self;
        let what = match (enforce_on.pods, enforce_on.workloads) {
            (true, false) => format!("pods of namespace {name} that are created from now on"),
            (true, true) => format!("pods and workloads of namespace {name} that are created or changed from now on"),
            (false, _) => format!("workloads of namespace {name} that are created or changed from now on"),
        };
        let mut line = format!("rolecall: {what} are denied at level {level}");
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
        if denied.is_empty() {
            lines.push(format!(
                "rolecall: none of {} and {} that were checked would be denied",
                count(*templates, "template"),
                count(*pods, "running pod"),
            ));
        } else {
            let running: usize = denied.iter().map(|owner| owner.pods).sum();
            lines.push(format!(
                "rolecall: {} with {} would be denied if created again; details: {}",
                count(denied.len(), "workload"),
                count(running, "running pod"),
                self.command(),
            ));
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

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
