//! From a body to an answer.

use std::borrow::Cow;

use jiff::Timestamp;
use rolecall_core::chain::Subject;
use rolecall_core::decision::{EnforceOn, Mode, NamespacePolicy, Outcome, Policy, decide};
use rolecall_core::effort::{Effort, Stop};
use rolecall_core::finding::{Certainty, Finding};
use rolecall_core::judge::{
    Circumstances, Judgement, Links, ServiceAccountChange, judge_service_account_within, judge_workload_within,
};
use rolecall_core::rules::ASSOCIATION_MISSING;
use rolecall_core::workload::{Controller, Kind, Metadata, Object, PodPath, Stage, Text, Workload};
use rolecall_core::world::{AssociationReading, Unseen, World};

use super::disclosure::{Reader, Texts};
use super::lifted::{Lifted, is_controller};
use super::namespace::is_namespace;
use super::outcome::{Authority, NextStep, Reply, Settings, Standing};
use super::record::{Fault, Record};
use super::request::{Request, Requester, Unreadable, is_judged, read};
use super::response::{Annotations, MAX_ECHO_CHARS, MAX_MESSAGE_CHARS, ResponseOut, Status, cut, fit_warnings, write};
use super::retry;

/// Answers a review, and shows what was decided to `observe`. `snapshot_time` is when the world's snapshot was collected,
/// as text. Links to confirm come back only under [`Authority::Provisional`], what the cluster is to be asked only where it
/// can be; nothing is observed then.
pub fn consider(
    world: &World,
    snapshot_time: &str,
    settings: &Settings,
    body: &[u8],
    now: Timestamp,
    standing: Standing<'_>,
    observe: impl FnOnce(&Record<'_>),
) -> NextStep {
    let Standing { authority, asks, inline, stop } = standing;
    let reviewer = Reviewer { world, snapshot_time, settings, now, authority, asks, inline, stop };
    match read(body) {
        Ok(review) => match &review.request {
            Some(request) => reviewer.request(request, body, observe),
            None => reviewer.unreadable(&Unreadable::Request("the body has no `request`".to_owned()), observe).into(),
        },
        Err(fault) => reviewer.unreadable(&fault, observe).into(),
    }
}

/// Answers a review with all authority.
pub fn answer(
    world: &World,
    snapshot_time: &str,
    settings: &Settings,
    body: &[u8],
    now: Timestamp,
    observe: impl FnOnce(&Record<'_>),
) -> Reply {
    let standing = Standing { authority: Authority::Final, asks: false, inline: false, stop: None };
    match consider(world, snapshot_time, settings, body, now, standing, observe) {
        NextStep::Reply(reply) => reply,
        NextStep::ConfirmDenial { .. }
        | NextStep::ResolveUnknown(_)
        | NextStep::AskAboutNamespace(_)
        | NextStep::RunInPool
        | NextStep::Stopped => Reply { status: 500, body: b"a final answer was left open\n".to_vec() },
    }
}

pub(super) struct Reviewer<'w> {
    pub(super) world: &'w World,
    pub(super) snapshot_time: &'w str,
    pub(super) settings: &'w Settings,
    pub(super) now: Timestamp,
    pub(super) authority: Authority<'w>,
    pub(super) asks: bool,
    pub(super) inline: bool,
    pub(super) stop: Option<&'w Stop>,
}

/// A review that could not be checked, with the message and the fault in its record.
pub(super) struct NotChecked<'r> {
    pub(super) record: Record<'r>,
    /// Its namespace enforces, and objects of its kind can be denied there: `onError: deny` holds.
    pub(super) may_deny: bool,
}

/// A pod with more containers than this is not checked on the threads that answer.
const MAX_INLINE_CONTAINERS: usize = 64;
const REQUIRES: &str = "rolecall.dev/requires";

/// A judged object, and the one it replaces.
pub(super) struct Judged<'r> {
    pub(super) judgement: Judgement<'r>,
    pub(super) before: Option<Judgement<'r>>,
    pub(super) service_account: &'r str,
    /// A role that the object itself names.
    pub(super) names_role: Option<&'r str>,
    /// The work that may be done was not enough for all of it.
    is_cut_short: bool,
}

impl Reviewer<'_> {
    fn request(&self, request: &Request<'_>, body: &[u8], observe: impl FnOnce(&Record<'_>)) -> NextStep {
        let operation = text(&request.operation);
        let kind = Kind::from_group(request.kind.group.as_str(), request.kind.kind.as_str());
        if kind.is_none() && is_namespace(request) {
            return self.namespace(request, body, observe);
        }
        let mut record = Record { kind, ..blank(request, self.snapshot_time) };
        let Some(kind) = kind.filter(|kind| is_judged(*kind, operation, text(&request.sub_resource))) else {
            return self.pass(&record, observe).into();
        };
        let Some(object) = &request.object else {
            return self.unreadable_object(record, kind.name(), "request.object: is absent", observe).into();
        };
        if record.namespace.is_empty() {
            record.namespace = Cow::Borrowed(text(&object.metadata.namespace));
        }
        if record.name.is_empty() {
            record.name = Cow::Owned(object.metadata.display_name());
        }
        let namespace = record.namespace.clone();
        let name = record.name.clone();
        if is_same_placement(request, object, kind) {
            return self.pass(&record, observe).into();
        }
        if self.asks
            && let Some(unseen) = self.unseen(object, kind, &namespace)
        {
            return NextStep::ResolveUnknown(unseen);
        }
        if self.inline && self.is_long(object, kind, &namespace) {
            return NextStep::RunInPool;
        }
        let judged = match self.judge(request, object, kind, &namespace, &name) {
            Ok(judged) => judged,
            Err(message) => return self.unreadable_object(record, kind.name(), &message, observe).into(),
        };
        if let Some(unfinished) = self.unfinished(&judged) {
            return unfinished;
        }
        if self.awaits_association(&judged)
            && let Some(next) = self.denied_without_association(&record, (request, object, kind))
        {
            return next;
        }
        self.answer(record, judged, (request, object, kind), body, observe)
    }

    /// Checking it may take long: many containers, a chain that is not walked yet and takes much work, or declared needs to be
    /// checked against policies.
    fn is_long(&self, object: &Object<'_>, kind: Kind, namespace: &str) -> bool {
        let declares = |metadata: &Metadata<'_>| metadata.annotations.get(REQUIRES).is_some();
        let namespace_declares =
            self.world.namespace(namespace).is_some_and(|ns| !ns.own_annotations.requires.is_empty());
        if namespace_declares || declares(&object.metadata) {
            return true;
        }
        let Some(workload) = Workload::of(object, kind, Stage::Admitted, namespace) else {
            return false;
        };
        let spec = workload.spec;
        let containers = spec.containers.len() + spec.init_containers.len() + spec.ephemeral_containers.len();
        let subject = Subject { namespace, service_account: workload.service_account() };
        let account = self.world.service_account(namespace, subject.service_account);
        containers > MAX_INLINE_CONTAINERS
            || !Effort::for_short_check().spend(self.world.work_of_plan(subject))
            || declares(workload.pod_metadata)
            || account.present().is_some_and(|account| !account.own_annotations.requires.is_empty())
    }

    /// What the judgement would rest on and is not known.
    fn unseen(&self, object: &Object<'_>, kind: Kind, namespace: &str) -> Option<Unseen> {
        if kind == Kind::ServiceAccount {
            let unseen = self.world.unseen(namespace, "default")?;
            return unseen.is_namespace_unseen.then_some(Unseen { service_account: None, ..unseen });
        }
        let workload = Workload::of(object, kind, Stage::Admitted, namespace)?;
        self.world.unseen(namespace, workload.service_account())
    }

    pub(super) fn judge<'r>(
        &'r self,
        request: &'r Request<'r>,
        object: &'r Object<'r>,
        kind: Kind,
        namespace: &'r str,
        name: &'r str,
    ) -> Result<Judged<'r>, String> {
        let exempting = &self.settings.no_exemptions;
        let exemptions = !exempting.iter().any(|pattern| rolecall_iam::wildcard_match(pattern, namespace));
        let circumstances = Circumstances { now: Some(self.now), exemptions };
        let old = request.old_object.as_ref().filter(|_| text(&request.operation) == "UPDATE");
        // Each has its own: what one takes must not change what is said of the other.
        let (effort, effort_before) = match old {
            Some(_) => (self.effort().half(), self.effort().half()),
            None => (self.effort(), self.effort()),
        };
        if kind == Kind::ServiceAccount {
            let before = old.map(|old| &old.metadata);
            let change = ServiceAccountChange { namespace, name, metadata: &object.metadata, before };
            let judge = |change: &ServiceAccountChange<'r>, effort: &Effort| {
                judge_service_account_within(self.world, change, circumstances, effort)
            };
            let judgement = judge(&change, &effort);
            let before = before
                .map(|metadata| judge(&ServiceAccountChange { metadata, before: None, ..change }, &effort_before));
            let names_role = object.metadata.annotations.get(self.world.conventions.role_arn_key());
            let is_cut_short = effort.is_spent() || effort_before.is_spent();
            return Ok(Judged { judgement, before, service_account: name, names_role, is_cut_short });
        }
        let of = |object: &'r Object<'r>| {
            let mut workload = Workload::of(object, kind, Stage::Admitted, namespace)?;
            workload.is_mirror &= request.user_info.as_ref().is_some_and(Requester::is_node);
            Some(workload)
        };
        let workload = of(object).ok_or_else(|| {
            let place = kind.pod_path().map_or("spec", PodPath::as_str);
            format!("request.object.{place}: is absent")
        })?;
        if workload.spec.containers.is_empty() {
            return Err("its pod specification has no containers".to_owned());
        }
        let judge = |workload: &Workload<'r>, effort: &Effort| {
            judge_workload_within(self.world, workload, circumstances, effort)
        };
        let judgement = judge(&workload, &effort);
        let before = old.and_then(of).map(|workload| judge(&workload, &effort_before));
        Ok(Judged {
            judgement,
            before,
            service_account: workload.service_account(),
            names_role: None,
            is_cut_short: effort.is_spent() || effort_before.is_spent(),
        })
    }

    /// The work that checking one object may take.
    fn effort(&self) -> Effort {
        let effort = if self.inline { Effort::for_short_check() } else { Effort::for_one_check() };
        effort.until(self.stop.cloned())
    }

    /// What comes back instead of an answer where a check was not carried to its end.
    fn unfinished(&self, judged: &Judged<'_>) -> Option<NextStep> {
        if self.stop.is_some_and(Stop::is_set) {
            Some(NextStep::Stopped)
        } else if self.inline && judged.is_cut_short {
            Some(NextStep::RunInPool)
        } else {
            None
        }
    }

    /// A finding is only likely because the association may be newer than what was read, and it can be read again.
    fn awaits_association(&self, judged: &Judged<'_>) -> bool {
        let is_open = |finding: &Finding| {
            finding.problem.rule == &ASSOCIATION_MISSING && finding.problem.certainty != Certainty::Certain
        };
        self.authority == Authority::Provisional
            && self.world.association_reading == AssociationReading::BeforeAndReadable
            && judged.judgement.findings.iter().any(is_open)
    }

    /// What comes before the denial that follows once a reading confirms that there is no association: its links are read
    /// again. `None` where none follows.
    fn denied_without_association(
        &self,
        record: &Record<'_>,
        (request, object, kind): (&Request<'_>, &Object<'_>, Kind),
    ) -> Option<NextStep> {
        let (namespace, name) = (&*record.namespace, &*record.name);
        let policy = self.policy(namespace, kind, user(request));
        if !policy.may_deny(kind) {
            return None;
        }
        let world = self.world.with_association_reading(AssociationReading::After);
        let reviewer = Reviewer { world: &world, ..*self };
        let judged = reviewer.judge(request, object, kind, namespace, name).ok()?;
        if let Some(unfinished) = self.unfinished(&judged) {
            return Some(unfinished);
        }
        let decision = decide(&judged.judgement, judged.before.as_ref(), &policy);
        let subject = Subject { namespace, service_account: judged.service_account };
        let links = || Links::of_denial(&world, subject, &judged.judgement, judged.names_role);
        let confirm = || NextStep::ConfirmDenial { links: links(), is_new_pod: is_new_pod(record) };
        (decision.outcome == Outcome::Deny).then(confirm)
    }

    pub(super) fn policy(&self, namespace: &str, kind: Kind, user: &str) -> Policy {
        let warns_only = self.withholds() || self.settings.pause.at(self.now).is_some();
        let NamespacePolicy { levels, enforce_on } = self.world.namespace_policy(namespace, &self.settings.levels);
        Policy {
            levels,
            mode: if warns_only { self.settings.mode.min(Mode::Warn) } else { self.settings.mode },
            enforce_on,
            is_controlled: is_controller(user, kind, &self.settings.controllers),
            self_exemptions: self.settings.self_exemptions,
        }
    }

    /// Nothing is denied, for what is known of AWS or the cluster does not suffice.
    pub(super) fn withholds(&self) -> bool {
        self.staleness().is_some() || matches!(self.authority, Authority::Withheld(_))
    }

    fn answer<'r>(
        &self,
        record: Record<'r>,
        mut judged: Judged<'r>,
        (request, object, kind): (&Request<'_>, &Object<'_>, Kind),
        body: &[u8],
        observe: impl FnOnce(&Record<'_>),
    ) -> NextStep {
        let stale = self.staleness();
        let withheld = self.withholds();
        let (namespace, name, uid) = (record.namespace.clone(), record.name.clone(), record.uid.clone());
        let subject = Subject { namespace: &namespace, service_account: judged.service_account };
        let reader = Reader { messages: &self.settings.messages, world: self.world, subject, uid: &uid };
        let foreign = if self.settings.mode == Mode::Audit { Vec::new() } else { reader.foreign(&judged.judgement) };
        let seen_world = (!foreign.is_empty()).then(|| reader.view(&judged, &foreign));
        let reviewer = seen_world.as_ref().map(|world| Reviewer { world, ..*self });
        // What was understood before is understood again.
        let seen =
            reviewer.as_ref().and_then(|reviewer| reviewer.judge(request, object, kind, subject.namespace, &name).ok());
        if let Some(unfinished) = self.unfinished(seen.as_ref().unwrap_or(&judged)) {
            return unfinished;
        }
        reader.withhold(&mut judged, seen.as_ref());
        let judgement = &judged.judgement;
        let policy = self.policy(subject.namespace, kind, user(request));
        let decision = decide(judgement, judged.before.as_ref(), &policy);
        if decision.outcome == Outcome::Deny && self.authority == Authority::Provisional {
            let links = Links::of_denial(self.world, subject, judgement, judged.names_role);
            let links = if foreign.is_empty() { links } else { links.alike() };
            return NextStep::ConfirmDenial { links, is_new_pod: is_new_pod(&record) };
        }
        let disclosed = seen.as_ref().map(|seen| reader.disclose(&foreign, &decision, seen, policy));
        let mut record: Record<'_> = record;
        let texts = self.texts(&reader, judgement, &decision, disclosed.as_ref());
        let Texts { outcome, mut warnings, .. } = texts;
        if outcome == Outcome::Warn
            && disclosed.is_none()
            && !matches!(kind, Kind::Pod | Kind::ServiceAccount)
            && policy.enforce_on.pods
            && decide(judgement, None, &Policy { enforce_on: EnforceOn::BOTH, is_controlled: false, ..policy }).outcome
                == Outcome::Deny
        {
            let (kind, level) = (kind.name(), policy.levels.enforce.name());
            let line =
                format!("rolecall: namespace {namespace} enforces level {level}: pods of this {kind} would be denied");
            warnings.insert(0, line.into());
        }
        if outcome == Outcome::Warn
            && let Some((why, line)) = self.lifted(&judged, &policy, subject.namespace)
        {
            record.lifted = Some(why);
            warnings.insert(0, line.into());
        }
        (record.decision, record.message, record.requester_message) = (outcome, texts.message, texts.requester_message);
        (record.lead, record.warned) = match outcome {
            Outcome::Deny => (reader.lead(&decision, disclosed.as_ref()), Vec::new()),
            Outcome::Warn => ("", reader.warned(seen_world.as_ref(), &decision, disclosed.as_ref())),
            Outcome::Allow => ("", Vec::new()),
        };
        record.service_account = Cow::Borrowed(judged.service_account);
        record.rules = rules(&decision.audited);
        record.exempted = rules(&judgement.exempted.iter().collect::<Vec<_>>());
        record.exempted.retain(|rule| !decision.denials.iter().any(|denied| denied.rule() == *rule));
        if let Some(container) = judgement.representative() {
            record.identity = container.identity.name();
            record.role = Cow::Borrowed(container.role.as_deref().unwrap_or_default());
            record.chain = judgement.chain().name();
        }
        if stale.is_some() {
            record.fault = Some(Fault::StaleSnapshot);
        } else if withheld {
            record.fault = Some(Fault::Unconfirmed);
        }
        let mut response = ResponseOut { uid: &record.uid, allowed: true, ..ResponseOut::default() };
        response.warnings = fit_warnings(warnings);
        if outcome == Outcome::Deny {
            // The author of a pod may name any owner in it: only a controller creates it again.
            if is_new_pod(&record) && policy.is_controlled {
                record.controller = Controller::of_reviewed(body);
            }
            if let Some(line) = record.controller.as_ref().and_then(|owner| retry::advice(&record.namespace, owner)) {
                std::iter::once(&mut record.message)
                    .chain(&mut record.requester_message)
                    .for_each(|text| insert(text, &line));
            }
            response.allowed = false;
            response.status = Some(forbidden(record.requester_message.as_ref().unwrap_or(&record.message)));
        }
        response.audit_annotations = annotations(&record);
        let reply = Reply { status: 200, body: write(response) };
        observe(&record);
        reply.into()
    }

    pub(super) fn staleness(&self) -> Option<i64> {
        staleness(self.world, self.settings, self.now)
    }

    /// Nothing to judge.
    pub(super) fn pass(&self, record: &Record<'_>, observe: impl FnOnce(&Record<'_>)) -> Reply {
        observe(record);
        let response = ResponseOut { uid: &record.uid, allowed: true, ..ResponseOut::default() };
        Reply { status: 200, body: write(response) }
    }
}

/// The age of the snapshot in seconds, where it is past the limit.
pub(super) fn staleness(world: &World, settings: &Settings, now: Timestamp) -> Option<i64> {
    let limit = settings.snapshot_max_age?;
    let oldest = [world.snapshot.collected_at, world.snapshot.oldest_part].into_iter().flatten().min()?;
    let age = now.duration_since(oldest).as_secs();
    (age > limit).then_some(age)
}

/// Puts a line into a message, before its last one, which says where to read on.
fn insert(message: &mut String, line: &str) {
    let end = message.rfind("\n  more: ").unwrap_or(message.len());
    message.insert_str(end, &format!("\n  {line}"));
}

fn is_new_pod(record: &Record<'_>) -> bool {
    record.kind == Some(Kind::Pod) && record.operation == "CREATE"
}

/// The record of a request of which nothing is decided yet.
pub(super) fn blank<'r>(request: &'r Request<'_>, snapshot_time: &'r str) -> Record<'r> {
    Record {
        uid: Cow::Borrowed(text(&request.uid)),
        operation: Cow::Borrowed(text(&request.operation)),
        namespace: Cow::Borrowed(text(&request.namespace)),
        name: Cow::Borrowed(text(&request.name)),
        user: Cow::Borrowed(user(request)),
        dry_run: request.dry_run.unwrap_or(false),
        ..Record::blank(snapshot_time)
    }
}

/// An update of a pod that leaves its nodes as they were: whatever else it changes does not touch its identity.
fn is_same_placement(request: &Request<'_>, object: &Object<'_>, kind: Kind) -> bool {
    if kind != Kind::Pod || text(&request.operation) != "UPDATE" || !text(&request.sub_resource).is_empty() {
        return false;
    }
    let of = |object| Workload::of(object, kind, Stage::Admitted, "");
    match (of(object), request.old_object.as_ref().and_then(of)) {
        (Some(new), Some(old)) => new.has_placement_of(&old),
        _ => true,
    }
}

/// The name of the user who asks.
pub(super) fn user<'r>(request: &'r Request<'_>) -> &'r str {
    request.user_info.as_ref().map_or("", |user| text(&user.username))
}

pub(super) fn text<'t>(text: &'t Option<Text<'_>>) -> &'t str {
    text.as_ref().map(Text::as_str).unwrap_or_default()
}

/// The rules of findings, each once.
fn rules(findings: &[&Finding]) -> Vec<&'static str> {
    let mut names = Vec::with_capacity(findings.len());
    for finding in findings {
        if !names.contains(&finding.rule()) {
            names.push(finding.rule());
        }
    }
    names
}

pub(super) fn annotations<'r>(record: &'r Record<'_>) -> Annotations<'r> {
    Annotations(vec![
        ("decision", Cow::Borrowed(record.decision.name())),
        ("rules", Cow::Owned(record.rules.join(","))),
        ("identity", Cow::Borrowed(record.identity)),
        ("role", cut(&record.role, MAX_ECHO_CHARS)),
        ("chain", Cow::Borrowed(record.chain)),
        ("snapshot-time", Cow::Borrowed(&record.snapshot_time)),
        ("exempted", Cow::Owned(record.exempted.join(","))),
        ("not-enforced", Cow::Borrowed(record.lifted.map_or("", Lifted::name))),
    ])
}

pub(super) fn forbidden(message: &str) -> Status {
    Status { code: 403, reason: "Forbidden", message: cut(message, MAX_MESSAGE_CHARS).into_owned() }
}
