//! The API server's audit log (Kubernetes API reference, audit.k8s.io/v1 Event), one JSON object a line: plain or gzip, read
//! in batches of whole lines. A line may begin with a time stamp, as CloudWatch Logs exports write it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};

use anyhow::Context;
use flate2::bufread::MultiGzDecoder;
use rolecall_core::workload::{Pairs, Text};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// Bytes of lines that are read at once.
const BATCH_BYTES: usize = 8 << 20;
/// Lines that are read at once: short lines take more memory than their text.
const BATCH_LINES: usize = 16_384;
/// Longest line: an API server takes no object that comes near it.
const MAX_LINE_BYTES: usize = 32 << 20;
/// Most characters of the rules that are kept of a record: a denial names few.
const MAX_RULES_CHARS: usize = 1_000;
/// The audit annotations of a decision and of its rules, for each webhook that checks pods (deploy/manifests/webhook.yaml).
const ANNOTATIONS: [(&str, &str); 2] = [
    ("validate.rolecall.dev/decision", "validate.rolecall.dev/rules"),
    ("fail-closed.rolecall.dev/decision", "fail-closed.rolecall.dev/rules"),
];

/// An audit log that is read.
pub struct AuditLog {
    reader: Box<dyn BufRead>,
    line: u64,
    /// Why reading ended early. A reader may say it once only.
    fault: Option<std::io::Error>,
}

impl std::fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditLog").field("line", &self.line).finish_non_exhaustive()
    }
}

/// Lines that follow one another.
#[derive(Debug)]
pub struct Batch {
    /// The lines, each with its line break; the last may lack it. A line that is too long is empty here.
    pub bytes: Vec<u8>,
    /// Number of the first line, from 1.
    pub first_line: u64,
    /// Numbers of lines that are too long, in ascending order.
    pub too_long: Vec<u64>,
}

impl AuditLog {
    /// Opens a file, or standard input for `-`; gzip is found by its first bytes.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn open(path: &str) -> anyhow::Result<Self> {
        let mut reader: Box<dyn BufRead> = match path {
            "-" => Box::new(BufReader::with_capacity(1 << 20, std::io::stdin())),
            path => {
                let file = File::open(path).context("it cannot be read")?;
                Box::new(BufReader::with_capacity(1 << 20, file))
            }
        };
        let start = reader.fill_buf().context("it cannot be read")?;
        if start.starts_with(&[0x1f, 0x8b]) {
            reader = Box::new(BufReader::with_capacity(1 << 20, MultiGzDecoder::new(reader)));
        }
        Ok(Self { reader, line: 0, fault: None })
    }

    /// The number of lines that were read.
    pub fn lines(&self) -> u64 {
        self.line
    }

    /// The next lines; `None` at the end.
    ///
    /// # Errors
    /// Where reading fails, such as in a damaged gzip file. The whole lines before the fault are returned first.
    pub fn next_batch(&mut self) -> std::io::Result<Option<Batch>> {
        let mut batch = Batch { bytes: Vec::new(), first_line: self.line + 1, too_long: Vec::new() };
        let mut lines = 0;
        while self.fault.is_none() && batch.bytes.len() < BATCH_BYTES && lines < BATCH_LINES {
            match self.read_line(&mut batch) {
                Ok(true) => lines += 1,
                Ok(false) => break,
                Err(error) => self.fault = Some(error),
            }
        }
        match self.fault.take() {
            Some(error) if batch.bytes.is_empty() => Err(error),
            fault => {
                self.fault = fault;
                Ok((!batch.bytes.is_empty()).then_some(batch))
            }
        }
    }

    /// Adds a line to the batch; `false` at the end. Nothing is added of a line that breaks off at a fault.
    fn read_line(&mut self, batch: &mut Batch) -> std::io::Result<bool> {
        let start = batch.bytes.len();
        let limit = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX);
        let read = match self.reader.by_ref().take(limit).read_until(b'\n', &mut batch.bytes) {
            Ok(read) => read,
            Err(error) => {
                batch.bytes.truncate(start);
                return Err(error);
            }
        };
        if read == 0 {
            return Ok(false);
        }
        self.line += 1;
        if read == MAX_LINE_BYTES && !batch.bytes.ends_with(b"\n") {
            batch.bytes.truncate(start);
            batch.bytes.push(b'\n');
            batch.too_long.push(self.line);
            self.skip_line()?;
        }
        Ok(true)
    }

    fn skip_line(&mut self) -> std::io::Result<()> {
        loop {
            let bytes = match self.reader.fill_buf() {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                bytes => bytes?,
            };
            let (used, ends) = match bytes.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (bytes.len(), bytes.is_empty()),
            };
            self.reader.consume(used);
            if ends {
                return Ok(());
            }
        }
    }
}

/// What a line says.
#[derive(Debug)]
pub enum AuditRecord<'a> {
    /// A pod was to be created: its object as JSON, or why the record has none.
    Pod(PodCreation<'a>, Result<&'a str, Cause>),
    /// A request about a pod that creates none, or whose outcome is in another record.
    NotReplayed(Cause),
    /// A service account or namespace was written or deleted.
    Change(ObjectChange<'a>),
    /// It cannot be read.
    Unreadable {
        /// Why, without a full stop.
        message: String,
        /// It may be the record of a change of a service account or namespace.
        may_hide_change: bool,
    },
    /// Something else.
    Other,
}

/// A pod that was to be created.
#[derive(Debug)]
pub struct PodCreation<'a> {
    /// The namespace.
    pub namespace: Text<'a>,
    /// The name; empty where the API server makes it.
    pub name: Text<'a>,
    /// When the request came; empty where the record does not say.
    pub time: Text<'a>,
    /// The object is the pod as it was stored; else as it was sent, before injection.
    pub is_admitted: bool,
    /// A node asked for it.
    pub is_by_node: bool,
    /// The rules for which rolecall denied it at the time, separated by commas.
    pub denied: Option<String>,
}

/// Why a request about a pod cannot be replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    /// The name in JSON.
    pub name: &'static str,
    /// The cause, and what to change where that helps. No full stop.
    pub text: &'static str,
    /// Another audit log would have the object.
    pub is_fixable: bool,
}

impl Cause {
    /// It is a line of rolecall's own log.
    pub fn is_own_line(self) -> bool {
        self == OWN_LINE
    }
}

const METADATA_LEVEL: Cause = Cause {
    name: "metadata-level",
    text: "no object in the record, because the audit policy has level Metadata for pods: set level Request or \
           RequestResponse for pods",
    is_fixable: true,
};
const TRUNCATED: Cause = Cause {
    name: "truncated",
    text: "no object in the record, because the API server cut it off as too large: raise \
           --audit-log-truncate-max-event-size, or the same flag of the audit webhook",
    is_fixable: true,
};
const REMOVED: Cause = Cause {
    name: "removed",
    text: "no object in the record, though the API server records it at this level: look for a log pipeline that removes it",
    is_fixable: true,
};
const OWN_LINE: Cause = Cause {
    name: "own-line",
    text: "rolecall's own log lines have no pod objects: give the API server's audit log",
    is_fixable: true,
};
const REFUSED_EARLY: Cause = Cause {
    name: "refused-early",
    text: "the API server refused the request before it read the object, for example because of RBAC",
    is_fixable: false,
};
const DRY_RUN: Cause =
    Cause { name: "dry-run", text: "a dry run creates no pod, and is not checked", is_fixable: false };
const SUBRESOURCE: Cause = Cause {
    name: "subresource",
    text: "a request for a subresource of a pod, such as pods/binding, creates no pod",
    is_fixable: false,
};
const OTHER_STAGE: Cause = Cause {
    name: "other-stage",
    text: "only stage ResponseComplete has the outcome: remove it from omitStages in the audit policy if no record has it",
    is_fixable: false,
};

/// A service account or namespace from then on.
#[derive(Debug)]
pub struct ObjectChange<'a> {
    /// It is a namespace.
    pub is_namespace: bool,
    /// Its namespace; the same as `name` for a namespace.
    pub namespace: Text<'a>,
    /// Its name; `None`: any of the namespace, or any namespace.
    pub name: Option<Text<'a>>,
    /// The object as JSON; `None`: it was deleted, or the record does not have it.
    pub object: Option<&'a str>,
    /// It was deleted, or may have been.
    pub is_deleted: bool,
    /// What it was changed to is not in the record.
    pub is_unread: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Event<'a> {
    #[serde(borrow)]
    kind: Option<Text<'a>>,
    level: Option<Text<'a>>,
    stage: Option<Text<'a>>,
    verb: Option<Text<'a>>,
    #[serde(rename = "requestURI")]
    request_uri: Option<Text<'a>>,
    user: Option<User<'a>>,
    object_ref: Option<ObjectRef<'a>>,
    response_status: Option<ResponseStatus>,
    request_object: Option<&'a RawValue>,
    response_object: Option<&'a RawValue>,
    request_received_timestamp: Option<Text<'a>>,
    annotations: Option<Pairs<'a>>,
    // rolecall's own log.
    target: Option<Text<'a>>,
}

/// A line of rolecall's own log (`server/audit.rs`).
#[derive(Default, Deserialize)]
#[serde(default)]
struct OwnLine<'a> {
    #[serde(borrow)]
    timestamp: Text<'a>,
    decision: Text<'a>,
    operation: Text<'a>,
    kind: Text<'a>,
    namespace: Text<'a>,
    name: Text<'a>,
    rules: Text<'a>,
    dry_run: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct User<'a> {
    #[serde(borrow)]
    username: Option<Text<'a>>,
    // A set of two values: a list of any length takes no memory.
    groups: Option<BTreeSet<Group>>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Deserialize)]
enum Group {
    #[serde(rename = "system:nodes")]
    Nodes,
    #[serde(other)]
    Other,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef<'a> {
    #[serde(borrow)]
    resource: Text<'a>,
    subresource: Option<Text<'a>>,
    namespace: Option<Text<'a>>,
    name: Option<Text<'a>>,
    api_group: Option<Text<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ResponseStatus {
    code: Option<u16>,
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow, default)]
    kind: Option<Text<'a>>,
    #[serde(default)]
    metadata: Option<Named<'a>>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
}

/// The options of a deletion.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct DeleteOptions {
    dry_run: Option<Vec<IgnoredAny>>,
}

/// Reads a line.
pub fn read_record(line: &str) -> AuditRecord<'_> {
    let unreadable = |message: String, may_hide_change| AuditRecord::Unreadable { message, may_hide_change };
    let Some(text) = line.find('{').and_then(|start| line.get(start..)) else {
        return unreadable("it is no JSON object".to_owned(), false);
    };
    let event: Event<'_> = match serde_json::from_str(text) {
        Ok(event) => event,
        Err(error) => return unreadable(reason(&error), true),
    };
    if event.target.as_ref().is_some_and(|target| target.as_str() == "rolecall::audit") {
        return match serde_json::from_str(text) {
            Ok(line) => own_line(line),
            Err(error) => unreadable(reason(&error), false),
        };
    }
    match event.kind.as_ref().map(Text::as_str) {
        Some("Event") => event.record(),
        Some("EventList") => {
            unreadable("it is a list of events: write each of its items on a line of its own".into(), true)
        }
        Some(other) => {
            let other: String = other.chars().take(40).collect();
            unreadable(format!("it is of kind {other}, not Event"), false)
        }
        None if event.target.is_some() => AuditRecord::Other,
        None => unreadable("it is no audit event: `kind` is absent".to_owned(), false),
    }
}

fn own_line(line: OwnLine<'_>) -> AuditRecord<'_> {
    let OwnLine { timestamp, decision, operation, kind, namespace, name, rules, dry_run } = line;
    if kind.as_str() != "Pod" || operation.as_str() != "CREATE" {
        return AuditRecord::Other;
    }
    if dry_run {
        return AuditRecord::NotReplayed(DRY_RUN);
    }
    let denied = (decision.as_str() == "deny").then(|| cut_rules(rules.as_str()));
    let (is_admitted, is_by_node) = (false, false);
    let pod = PodCreation { namespace, name, time: timestamp, is_admitted, is_by_node, denied };
    AuditRecord::Pod(pod, Err(OWN_LINE))
}

impl<'a> Event<'a> {
    fn record(self) -> AuditRecord<'a> {
        let Some(reference) = &self.object_ref else {
            return AuditRecord::Other;
        };
        if !text(&reference.api_group).is_empty() {
            return AuditRecord::Other;
        }
        match reference.resource.as_str() {
            "pods" => self.pod(),
            "serviceaccounts" => self.change(false),
            "namespaces" => self.change(true),
            _ => AuditRecord::Other,
        }
    }

    fn is_dry_run(&self) -> bool {
        let query = text(&self.request_uri).split_once('?').map_or("", |(_, query)| query);
        query.split('&').any(|parameter| parameter.starts_with("dryRun="))
    }

    fn code(&self) -> Option<u16> {
        self.response_status.as_ref()?.code
    }

    /// The object as the API server answered with it, where it is of this kind: not a `Status`, not a `Table`.
    fn stored(&self, kind: &str) -> Option<&'a RawValue> {
        let is_of_kind = |object: &&RawValue| typed(object).is_some_and(|typed| text(&typed.kind) == kind);
        self.response_object.filter(is_of_kind)
    }

    fn pod(self) -> AuditRecord<'a> {
        // A patch creates what does not exist: server-side apply.
        let creates = match text(&self.verb) {
            "create" => true,
            "patch" => self.code() == Some(201),
            _ => false,
        };
        if !creates {
            return AuditRecord::Other;
        }
        if self.object_ref.as_ref().is_some_and(|reference| !text(&reference.subresource).is_empty()) {
            return AuditRecord::NotReplayed(SUBRESOURCE);
        }
        if self.is_dry_run() {
            return AuditRecord::NotReplayed(DRY_RUN);
        }
        // Each request has an event for each of its stages; this one has its outcome.
        if text(&self.stage) != "ResponseComplete" {
            return AuditRecord::NotReplayed(OTHER_STAGE);
        }
        let denied = self.annotations.as_ref().and_then(recorded_denial);
        let admitted = self.stored("Pod");
        // A patch's request is not the object.
        let sent = self.request_object.filter(|_| text(&self.verb) == "create");
        let object = admitted.or(sent).map(RawValue::get).ok_or_else(|| self.no_pod_object(denied.is_some()));
        let is_by_node = self.user.as_ref().is_some_and(|user| {
            text(&user.username).starts_with("system:node:")
                && user.groups.as_ref().is_some_and(|groups| groups.contains(&Group::Nodes))
        });
        let time = self.request_received_timestamp.unwrap_or_default();
        let ObjectRef { namespace, name, .. } = self.object_ref.unwrap_or_default();
        let (namespace, name) = (namespace.unwrap_or_default(), name.unwrap_or_default());
        let is_admitted = admitted.is_some();
        AuditRecord::Pod(PodCreation { namespace, name, time, is_admitted, is_by_node, denied }, object)
    }

    /// Why the record of a pod that was to be created has no object.
    fn no_pod_object(&self, is_denied: bool) -> Cause {
        let annotation = |key: &str| self.annotations.as_ref()?.get(key);
        if annotation("audit.k8s.io/truncated") == Some("true") {
            return TRUNCATED;
        }
        match text(&self.level) {
            "Metadata" => METADATA_LEVEL,
            // The API server had read what a webhook denied.
            "Request" | "RequestResponse" if !is_denied && self.code().is_some_and(|code| code >= 400) => REFUSED_EARLY,
            _ => REMOVED,
        }
    }

    /// What becomes of a service account or namespace. What the record does not say of it is unknown from then on.
    fn change(self, is_namespace: bool) -> AuditRecord<'a> {
        let verb = text(&self.verb);
        let Some(reference) = &self.object_ref else {
            return AuditRecord::Other;
        };
        let subresource = text(&reference.subresource);
        // The API server keeps changed labels and annotations of a namespace in these too.
        let is_whole = subresource.is_empty();
        let is_about_it = is_whole || (is_namespace && matches!(subresource, "status" | "finalize"));
        let is_deleted = is_whole && matches!(verb, "delete" | "deletecollection");
        let is_written = matches!(verb, "create" | "update" | "patch");
        if !is_about_it || !(is_deleted || is_written) || self.is_dry_run() {
            return AuditRecord::Other;
        }
        let options = self.request_object.filter(|_| is_deleted);
        let options: Option<DeleteOptions> = options.and_then(|options| serde_json::from_str(options.get()).ok());
        if options.and_then(|options| options.dry_run).is_some_and(|dry_run| !dry_run.is_empty()) {
            return AuditRecord::Other;
        }
        // A request that ends in an error of the server (5xx), or in a panic, may have been carried out.
        let is_certain = match (text(&self.stage), self.code()) {
            ("ResponseComplete", Some(..300)) => true,
            // A deletion of many may have deleted some.
            ("ResponseComplete", Some(300..500)) if verb != "deletecollection" => return AuditRecord::Other,
            ("ResponseComplete" | "Panic", _) => false,
            _ => return AuditRecord::Other,
        };
        let stored = || self.stored(if is_namespace { "Namespace" } else { "ServiceAccount" });
        let object = match verb {
            _ if !is_certain || is_deleted => None,
            // A patch's request is not the object, and that of a subresource is a part of it.
            "create" | "update" if is_whole => stored().or(self.request_object),
            _ => stored(),
        };
        let of_object = || typed(object?)?.metadata?.name;
        let named = |name: &Text<'_>| !name.as_str().is_empty();
        let name = reference.name.clone().filter(named).or_else(|| of_object().filter(named));
        if name.is_none() && verb == "create" {
            // The API server made the name: whatever it is, nothing was known of it.
            return AuditRecord::Other;
        }
        AuditRecord::Change(ObjectChange {
            is_namespace,
            namespace: reference.namespace.clone().unwrap_or_default(),
            name,
            is_unread: object.is_none() && !(is_deleted && is_certain),
            object: object.map(RawValue::get),
            is_deleted,
        })
    }
}

/// The rules for which rolecall denied the request, as the audit annotations say.
fn recorded_denial(annotations: &Pairs<'_>) -> Option<String> {
    let (_, rules) = ANNOTATIONS.iter().find(|(decision, _)| annotations.get(decision) == Some("deny"))?;
    Some(cut_rules(annotations.get(rules).unwrap_or_default()))
}

fn cut_rules(rules: &str) -> String {
    rules.chars().take(MAX_RULES_CHARS).collect()
}

fn text<'t>(text: &'t Option<Text<'_>>) -> &'t str {
    text.as_ref().map_or("", Text::as_str)
}

fn typed(object: &RawValue) -> Option<Typed<'_>> {
    serde_json::from_str(object.get()).ok()
}

/// The reason without the values of the line.
fn reason(error: &serde_json::Error) -> String {
    match error.classify() {
        serde_json::error::Category::Eof => "the JSON ends early: the line is cut".to_owned(),
        serde_json::error::Category::Data => "a field has a wrong type".to_owned(),
        _ => format!("it is not JSON (column {})", error.column()),
    }
}
