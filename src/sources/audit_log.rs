//! The API server's audit log (Kubernetes API reference, audit.k8s.io/v1 Event), one JSON object a line: plain or gzip, read
//! in batches of whole lines. A line may begin with a time stamp, as CloudWatch Logs exports write it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use anyhow::Context;
use flate2::bufread::MultiGzDecoder;
use rolecall_core::workload::{Pairs, Text};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Bytes of lines that are read at once.
const BATCH_BYTES: usize = 8 << 20;
/// Longest line: an API server takes no object that comes near it.
const MAX_LINE_BYTES: usize = 32 << 20;
/// The audit annotations of the webhook are below this name (deploy/manifests/webhook.yaml).
const WEBHOOK: &str = "validate.rolecall.dev/";

/// An audit log that is read.
pub struct AuditLog {
    reader: Box<dyn BufRead>,
    line: u64,
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
    /// Numbers of lines that are too long.
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
                let file = File::open(path).with_context(|| format!("{path}: cannot be read"))?;
                Box::new(BufReader::with_capacity(1 << 20, file))
            }
        };
        let start = reader.fill_buf().with_context(|| format!("{path}: cannot be read"))?;
        if start.starts_with(&[0x1f, 0x8b]) {
            reader = Box::new(BufReader::with_capacity(1 << 20, MultiGzDecoder::new(reader)));
        }
        Ok(Self { reader, line: 0 })
    }

    /// The number of lines that were read.
    pub fn lines(&self) -> u64 {
        self.line
    }

    /// The next lines; `None` at the end.
    ///
    /// # Errors
    /// Where reading fails, such as in a damaged gzip file.
    pub fn next_batch(&mut self) -> std::io::Result<Option<Batch>> {
        let mut batch = Batch { bytes: Vec::new(), first_line: self.line + 1, too_long: Vec::new() };
        while batch.bytes.len() < BATCH_BYTES {
            let start = batch.bytes.len();
            let limit = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX);
            let read = match self.reader.by_ref().take(limit).read_until(b'\n', &mut batch.bytes) {
                Ok(read) => read,
                // What was read before the fault counts.
                Err(error) if start == 0 => return Err(error),
                Err(_) => {
                    batch.bytes.truncate(start);
                    break;
                }
            };
            if read == 0 {
                break;
            }
            self.line += 1;
            if read == MAX_LINE_BYTES && !batch.bytes.ends_with(b"\n") {
                batch.bytes.truncate(start);
                batch.bytes.push(b'\n');
                batch.too_long.push(self.line);
                self.skip_line()?;
            }
        }
        Ok((!batch.bytes.is_empty()).then_some(batch))
    }

    fn skip_line(&mut self) -> std::io::Result<()> {
        loop {
            let bytes = self.reader.fill_buf()?;
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
    /// A pod was to be created.
    Pod(PodCreation<'a>),
    /// A pod was to be created, and the record has no object.
    PodWithoutObject,
    /// A service account or namespace was written or deleted.
    Change(ObjectChange<'a>),
    /// A line of rolecall's own log about a pod: it has no object.
    OwnLine {
        /// It was denied.
        is_denied: bool,
    },
    /// Something else.
    Other,
}

/// A pod that was to be created.
#[derive(Debug)]
pub struct PodCreation<'a> {
    /// The namespace.
    pub namespace: Text<'a>,
    /// When the request came; empty where the record does not say.
    pub time: Text<'a>,
    /// The pod as JSON.
    pub object: &'a str,
    /// It is the pod as it was stored; else as it was sent, before injection.
    pub is_admitted: bool,
    /// A node asked for it.
    pub is_by_node: bool,
    /// The rules for which rolecall denied it at the time.
    pub denied: Option<Text<'a>>,
}

/// A service account or namespace as it is from then on.
#[derive(Debug)]
pub struct ObjectChange<'a> {
    /// It is a namespace.
    pub is_namespace: bool,
    /// Its namespace.
    pub namespace: Text<'a>,
    /// Its name.
    pub name: Text<'a>,
    /// The object as JSON; `None`: it was deleted.
    pub object: Option<&'a str>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Event<'a> {
    #[serde(borrow)]
    kind: Option<Text<'a>>,
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
    decision: Option<Text<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct User<'a> {
    #[serde(borrow)]
    username: Option<Text<'a>>,
    groups: Option<Vec<Text<'a>>>,
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

/// Reads a line.
///
/// # Errors
/// Where it is no JSON object of an audit log: why.
pub fn read_record(line: &str) -> Result<AuditRecord<'_>, String> {
    let start = line.find('{').ok_or_else(|| "it is no JSON object".to_owned())?;
    let event: Event<'_> =
        serde_json::from_str(line.get(start..).unwrap_or_default()).map_err(|error| reason(&error))?;
    let text = |text: &Option<Text<'_>>| text.as_ref().map_or(String::new(), |text| text.as_str().to_owned());
    if event.target.as_ref().is_some_and(|target| target.as_str() == "rolecall::audit") {
        let is_pod = event.kind.as_ref().is_some_and(|kind| kind.as_str() == "Pod");
        let is_denied = event.decision.as_ref().is_some_and(|decision| decision.as_str() == "deny");
        return Ok(if is_pod { AuditRecord::OwnLine { is_denied } } else { AuditRecord::Other });
    }
    match event.kind.as_ref().map(Text::as_str) {
        Some("Event") => {}
        Some(other) => return Err(format!("it is of kind {}, not Event", other.chars().take(40).collect::<String>())),
        None if event.target.is_some() => return Ok(AuditRecord::Other),
        None => return Err("it is no audit event: `kind` is absent".to_owned()),
    }
    // Each request has an event for each of its stages; this one has its outcome.
    if event.stage.as_ref().map(Text::as_str) != Some("ResponseComplete") {
        return Ok(AuditRecord::Other);
    }
    let is_dry_run = text(&event.request_uri).contains("dryRun=");
    let Some(reference) = event.object_ref.filter(|reference| {
        !is_dry_run
            && reference.subresource.as_ref().is_none_or(|sub| sub.as_str().is_empty())
            && reference.api_group.as_ref().is_none_or(|group| group.as_str().is_empty())
    }) else {
        return Ok(AuditRecord::Other);
    };
    let verb = text(&event.verb);
    let named = |object: &'_ RawValue| -> (String, Option<String>) {
        let typed: Option<Typed<'_>> = serde_json::from_str(object.get()).ok();
        let kind = typed.as_ref().map(|typed| text(&typed.kind)).unwrap_or_default();
        (kind, typed.and_then(|typed| typed.metadata?.name).map(|name| name.as_str().to_owned()))
    };
    let stored = |kind: &str| event.response_object.filter(|object| named(object).0 == kind);
    let namespace = reference.namespace.unwrap_or_default();
    match reference.resource.as_str() {
        "pods" if verb == "create" => {
            let admitted = stored("Pod");
            let Some(object) = admitted.or(event.request_object) else {
                return Ok(AuditRecord::PodWithoutObject);
            };
            let user = event.user.unwrap_or_default();
            let groups = user.groups.unwrap_or_default();
            let is_node = user.username.is_some_and(|name| name.as_str().starts_with("system:node:"));
            let annotations = event.annotations.unwrap_or_default();
            let own = |name: &str| {
                let mut pairs = annotations.0.iter();
                let own = pairs.find(|(key, _)| key.as_str().strip_prefix(WEBHOOK) == Some(name));
                own.map(|(_, value)| Text(value.as_str().to_owned().into()))
            };
            let is_denied = own("decision").is_some_and(|decision| decision.as_str() == "deny");
            Ok(AuditRecord::Pod(PodCreation {
                namespace,
                time: event.request_received_timestamp.unwrap_or_default(),
                object: object.get(),
                is_admitted: admitted.is_some(),
                is_by_node: is_node && groups.iter().any(|group| group.as_str() == "system:nodes"),
                denied: is_denied.then(|| own("rules").unwrap_or_default()),
            }))
        }
        resource @ ("serviceaccounts" | "namespaces") => {
            let is_done = event.response_status.and_then(|status| status.code).is_none_or(|code| code < 300);
            let is_namespace = resource == "namespaces";
            let object = match verb.as_str() {
                _ if !is_done => return Ok(AuditRecord::Other),
                "delete" => None,
                // A patch's request is not the object.
                "patch" => stored(if is_namespace { "Namespace" } else { "ServiceAccount" }),
                "create" | "update" => {
                    stored(if is_namespace { "Namespace" } else { "ServiceAccount" }).or(event.request_object)
                }
                _ => return Ok(AuditRecord::Other),
            };
            if object.is_none() && verb != "delete" {
                return Ok(AuditRecord::Other);
            }
            let of_object = object.and_then(|object| named(object).1).map(|name| Text(name.into()));
            let Some(name) = reference.name.filter(|name| !name.as_str().is_empty()).or(of_object) else {
                return Ok(AuditRecord::Other);
            };
            let object = object.map(RawValue::get);
            Ok(AuditRecord::Change(ObjectChange { is_namespace, namespace, name, object }))
        }
        _ => Ok(AuditRecord::Other),
    }
}

/// The reason without the values of the line.
fn reason(error: &serde_json::Error) -> String {
    match error.classify() {
        serde_json::error::Category::Eof => "the JSON ends early: the line is cut".to_owned(),
        serde_json::error::Category::Data => "a field has a wrong type".to_owned(),
        _ => format!("it is not JSON (column {})", error.column()),
    }
}
