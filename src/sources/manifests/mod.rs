//! Manifests from files, folders and standard input: YAML with many documents, Lists, JSON; read as kubectl reads them.

mod custom_manifest;
mod described;
mod documents;
mod field;
mod files;
mod marks;
mod placeholder;
mod scalar;
mod skipped;
mod substitute;
mod task_definitions;
mod texts;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rolecall_core::cluster::{Cluster, Conventions, Namespace, Objects, Presence, ServiceAccount};
use rolecall_core::custom::{self, Listed, PodForm, PodSource, Reference};
use rolecall_core::workload::{Kind, Object};
use serde_json::{Map, Value};

pub use custom_manifest::CustomManifest;
use documents::Document;
use files::Files;
pub use files::{Excluded, Unrendered};
pub use placeholder::placeholder;
pub use skipped::{Skipped, SkippedCount, SkippedKind};
pub use substitute::Substitutions;
pub use task_definitions::{TaskDefinitionManifest, task_definition_placeholder};
use texts::SourceTexts;
pub use texts::{Excerpt, Located, Wanted};

/// Where an object stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectOrigin {
    /// The file, or `-`.
    pub file: String,
    /// Which document of the file, from 1; empty ones do not count.
    pub document: usize,
    /// Where the document begins, from 1.
    pub line: usize,
}

impl std::fmt::Display for ObjectOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (document {}, line {})", self.file, self.document, self.line)
    }
}

/// A document, or an object in it, that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Where it stands; `line` is that of the fault where it is known.
    pub origin: ObjectOrigin,
    /// What is wrong. It never holds any of the content.
    pub reason: String,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.origin, self.reason)
    }
}

/// One object of a kind that matters.
#[derive(Debug)]
pub struct Manifest {
    /// Where it stands.
    pub origin: ObjectOrigin,
    /// Its kind; `None` for a Namespace.
    pub kind: Option<Kind>,
    /// Whether it came inside an AdmissionReview: mutation is over then.
    pub admitted: bool,
    /// Whether it names no namespace, and none was given for such objects.
    pub assumed_namespace: bool,
    /// Its JSON pointer in its document.
    within: Box<str>,
    /// Where in a custom resource its pods are described; `None` for other objects.
    described: Option<Box<(String, PodForm)>>,
    /// Whether an object before it has the same name: a custom resource may describe several kinds of pods.
    pub is_further: bool,
    value: Value,
}

impl Manifest {
    /// The typed view.
    ///
    /// # Errors
    /// Where a field has a wrong type: the reason names the field, and never its value.
    pub fn object(&self) -> Result<Object<'_>, Unreadable> {
        serde_path_to_error::deserialize(&self.value).map_err(|e| {
            let reason = format!("{}: {}", e.path(), without_value(&e.inner().to_string()));
            Unreadable { origin: self.origin.clone(), reason }
        })
    }
}

/// What serde says of a wrong type, without the value that it found.
fn without_value(message: &str) -> String {
    let Some((found, expected)) = message.rsplit_once(", expected ") else {
        return "is malformed".to_owned();
    };
    let kinds = ["string", "integer", "floating point", "boolean", "map", "sequence", "null"];
    let found = found.strip_prefix("invalid type: ").unwrap_or_default();
    match kinds.into_iter().find(|kind| found.starts_with(kind)) {
        Some(kind) => format!("invalid type: {kind}, expected {expected}"),
        None => format!("expected {expected}"),
    }
}

/// How manifests are read.
#[derive(Debug, Default)]
pub struct ReadOptions<'a> {
    /// The namespace of objects that name none.
    pub namespace: Option<&'a str>,
    /// What placeholders stand for.
    pub substitutions: Option<&'a Substitutions>,
}

/// Everything that was read.
#[derive(Debug, Default)]
pub struct Manifests {
    /// In the order they were read: files of a folder by name.
    pub objects: Vec<Manifest>,
    /// Custom resources that name an identity of AWS, in the same order.
    pub custom: Vec<CustomManifest>,
    /// Task definitions of Amazon ECS, in the order they were read.
    pub task_definitions: Vec<TaskDefinitionManifest>,
    /// Objects of kinds that are not checked, and documents that are no Kubernetes objects.
    pub skipped: Skipped,
    /// Objects of kinds that may name an identity of AWS, and name none.
    pub without_identity: usize,
    /// Folders that were named and have no manifest, with how many are left out there.
    pub empty_folders: BTreeMap<PathBuf, usize>,
    /// What cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// Folders that must be rendered first.
    pub unrendered: Vec<Unrendered>,
    /// Keys that stand twice: the last counts.
    pub notes: Vec<String>,
    /// What ConfigMaps and SecretProviderClasses among them say of AWS.
    seen: Objects,
    /// What of which text each document was read from.
    texts: SourceTexts,
    /// Custom resources that describe pods, besides those of the built-in table.
    pod_sources: Vec<&'static PodSource>,
}

impl Manifests {
    /// Reads files, folders (every `.yaml`, `.yml` and `.json` below) and `-`.
    ///
    /// # Errors
    /// Where something cannot be read or is malformed: the message names file, place and field.
    pub fn load(paths: &[String]) -> anyhow::Result<Self> {
        let manifests = Self::read(paths, &ReadOptions::default())?;
        manifests.whole()?;
        Ok(manifests)
    }

    /// The same, but what is malformed does not hide the rest: it is listed.
    ///
    /// # Errors
    /// Where a path that is named cannot be read at all.
    pub fn read(paths: &[String], options: &ReadOptions<'_>) -> anyhow::Result<Self> {
        Self::read_but(paths, options, &Excluded::default(), &[])
    }

    /// The same without what is excluded; pods of custom resources are read from `pod_sources` too.
    ///
    /// # Errors
    /// Where a path that is named cannot be read at all.
    pub fn read_but(
        paths: &[String],
        options: &ReadOptions<'_>,
        excluded: &Excluded,
        pod_sources: &[&'static PodSource],
    ) -> anyhow::Result<Self> {
        let mut manifests = Self { pod_sources: pod_sources.to_vec(), ..Self::default() };
        for path in paths {
            if path == "-" {
                let mut bytes = Vec::new();
                std::io::stdin().read_to_end(&mut bytes).context("standard input: cannot be read")?;
                manifests.add_documents("-", documents::documents(&bytes), options);
                manifests.texts.keep("-", bytes);
                continue;
            }
            let mut found = Files::default();
            found.collect(Path::new(path), excluded)?;
            manifests.unrendered.append(&mut found.unrendered);
            manifests.empty_folders.append(&mut found.empty);
            for (folder, reason) in &found.unreadable {
                manifests.refuse_file(folder, reason);
            }
            let is_named = found.files.iter().any(|file| file == Path::new(path));
            for (file, documents) in found.files.iter().zip(files::read_all(&found.files)) {
                match documents {
                    Ok(documents) => manifests.add_documents(&file.display().to_string(), documents, options),
                    Err(error) if is_named => anyhow::bail!("{}: {error}", file.display()),
                    Err(error) => manifests.refuse_file(file, &error.to_string()),
                }
            }
        }
        Ok(manifests)
    }

    /// Nothing is unreadable, and nothing must be rendered first.
    ///
    /// # Errors
    /// Where something is: one line for each.
    pub fn whole(&self) -> anyhow::Result<()> {
        let unrendered = self.unrendered.iter().map(ToString::to_string);
        let faults: Vec<String> = self.unreadable.iter().map(ToString::to_string).chain(unrendered).collect();
        anyhow::ensure!(faults.is_empty(), "{}", faults.join("\nerror: "));
        Ok(())
    }

    /// The same, but only the first is named.
    ///
    /// # Errors
    /// Where something is unreadable or must be rendered first.
    pub fn first_fault(&self) -> anyhow::Result<()> {
        let unrendered = self.unrendered.iter().map(ToString::to_string);
        match self.unreadable.iter().map(ToString::to_string).chain(unrendered).next() {
            Some(fault) => anyhow::bail!(fault),
            None => Ok(()),
        }
    }

    /// Reads the text of one file.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn add(&mut self, file: &str, bytes: impl AsRef<[u8]>) -> anyhow::Result<()> {
        self.add_documents(file, documents::documents(bytes.as_ref()), &ReadOptions::default());
        self.whole()
    }

    fn add_documents(&mut self, file: &str, documents: Vec<Document>, options: &ReadOptions<'_>) {
        self.texts.add(file, documents.iter().map(|document| document.span).collect());
        for (index, document) in documents.into_iter().enumerate() {
            let origin = ObjectOrigin { file: file.to_owned(), document: index + 1, line: document.line };
            match document.content {
                Ok(mut value) => {
                    // The keys of a Secret are confidential too.
                    let secret = value.get("kind").and_then(Value::as_str) == Some("Secret");
                    for duplicate in document.duplicates {
                        let key = if secret { String::new() } else { format!(" `{}`", duplicate.key.escape_debug()) };
                        let place = ObjectOrigin { line: duplicate.line, ..origin.clone() };
                        self.notes
                            .push(format!("{place}: the key{key} is given twice; the last one counts, as for kubectl"));
                    }
                    if let Some(substitutions) = options.substitutions {
                        substitutions.fill(&mut value);
                    }
                    self.add_value(&origin, String::new(), value, false, options);
                }
                Err(fault) => {
                    let line = if fault.line == 0 { document.line } else { fault.line };
                    self.refuse(&ObjectOrigin { line, ..origin }, &fault.reason);
                }
            }
        }
    }

    /// Adds what cannot be read.
    pub fn refuse(&mut self, origin: &ObjectOrigin, reason: &str) {
        self.unreadable.push(Unreadable { origin: origin.clone(), reason: reason.to_owned() });
    }

    fn refuse_file(&mut self, file: &Path, reason: &str) {
        self.refuse(&ObjectOrigin { file: file.display().to_string(), document: 1, line: 1 }, reason);
    }

    fn add_value(
        &mut self,
        origin: &ObjectOrigin,
        within: String,
        mut value: Value,
        admitted: bool,
        options: &ReadOptions<'_>,
    ) {
        if let Some(found) = task_definitions::of(&mut value).filter(|_| !admitted) {
            for one in found {
                match one {
                    Ok(found) => self.task_definitions.push(task_definitions::at(origin, found)),
                    Err(reason) => self.refuse(origin, &reason),
                }
            }
            return;
        }
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        if kind == "AdmissionReview" {
            let namespace = value.pointer("/request/namespace").cloned();
            let Some(mut object) = value.pointer_mut("/request/object").map(Value::take) else {
                return self.refuse(origin, "request.object: is absent");
            };
            if let (Some(namespace), Some(Value::Object(metadata))) = (namespace, object.get_mut("metadata")) {
                metadata.entry("namespace").or_insert(namespace);
            }
            return self.add_value(origin, within + "/request/object", object, true, options);
        }
        if let Some(item_kind) = kind.strip_suffix("List")
            && let Some(items) = value.get_mut("items").map(Value::take)
        {
            let Value::Array(items) = items else {
                return self.refuse(origin, "items: must be a list");
            };
            for (at, mut item) in items.into_iter().enumerate() {
                // A typed list's items may leave out what the list says of them.
                if let Value::Object(item) = &mut item
                    && !item_kind.is_empty()
                    && item.get("kind").is_none_or(|kind| kind.as_str() == Some(""))
                {
                    item.insert("kind".to_owned(), item_kind.into());
                    item.entry("apiVersion").or_insert_with(|| api_version.as_str().into());
                }
                if item.is_object() || item.is_null() {
                    self.add_value(origin, format!("{within}/items/{at}"), item, admitted, options);
                } else {
                    self.refuse(origin, "items: must hold objects");
                }
            }
            return;
        }
        if !admitted {
            self.add_object(&api_version, &kind, &value, options);
        }
        if let Some(served) = custom::served_by_controller(&api_version, &kind, &value).filter(|_| !admitted) {
            self.seen.add_served(served);
        }
        let known = Kind::from_api_version(&api_version, &kind);
        if known.is_none() && (kind != "Namespace" || api_version != "v1") {
            let describes_pods = self.add_described(origin, &within, (&api_version, &kind), &value, options);
            match CustomManifest::of(origin, within, (&api_version, &kind), value, options.namespace) {
                Ok(custom) => {
                    for (namespace, name) in custom.reading().references.iter().filter_map(Reference::account) {
                        self.seen.add_of_controller(namespace, name);
                    }
                    self.custom.push(custom);
                }
                Err(value) => {
                    let known = custom::find(&api_version, &kind);
                    self.without_identity += usize::from(known.is_some());
                    // Most objects of such a kind have nothing to do with AWS.
                    if !describes_pods && known.is_none_or(|known| known.listed == Listed::Never) {
                        skipped::add(&mut self.skipped, &api_version, &kind, &value);
                    }
                }
            }
            return;
        }
        let named =
            value.pointer("/metadata/namespace").is_some_and(|name| !name.is_null() && name.as_str() != Some(""));
        let mut assumed_namespace = known.is_some() && !named && !admitted;
        if let Some(namespace) = options.namespace.filter(|_| assumed_namespace)
            && let Value::Object(object) = &mut value
            && let Value::Object(metadata) = object.entry("metadata").or_insert_with(|| Map::new().into())
        {
            metadata.insert("namespace".to_owned(), namespace.into());
            assumed_namespace = false;
        }
        let within = within.into_boxed_str();
        let origin = origin.clone();
        let (described, is_further) = (None, false);
        self.objects.push(Manifest {
            origin,
            kind: known,
            admitted,
            assumed_namespace,
            within,
            described,
            is_further,
            value,
        });
    }

    /// Notes what a ConfigMap or a SecretProviderClass says of AWS, and that a Secret brings access keys; content is not kept.
    fn add_object(&mut self, api_version: &str, kind: &str, value: &Value, options: &ReadOptions<'_>) {
        let group = api_version.split('/').next().unwrap_or_default();
        let text = |place: &str| value.pointer(place).and_then(Value::as_str).filter(|text| !text.is_empty());
        let namespace = text("/metadata/namespace").or(options.namespace).unwrap_or("default");
        let Some(name) = text("/metadata/name") else { return };
        match (group, kind) {
            ("v1", "ConfigMap") => {
                let data = value.get("data").and_then(Value::as_object).into_iter().flatten();
                let data = data.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)));
                self.seen.add_config_map(namespace, name, data);
            }
            ("secrets-store.csi.x-k8s.io", "SecretProviderClass") => {
                self.seen.add_secret_provider(namespace, name, text("/spec/provider").unwrap_or_default());
            }
            ("v1", "Secret") => {
                for part in ["data", "stringData"] {
                    let keys = value.get(part).and_then(Value::as_object).into_iter().flatten();
                    let set = keys.filter(|(_, value)| value.as_str().is_some_and(|text| !text.is_empty()));
                    self.seen.add_secret(namespace, name, set.map(|(key, _)| key.as_str()));
                }
            }
            // Its controller makes a Secret of it.
            ("external-secrets.io", "ExternalSecret") => {
                let data = value.pointer("/spec/data").and_then(Value::as_array).into_iter().flatten();
                let keys = data.filter_map(|item| item.get("secretKey").and_then(Value::as_str));
                self.seen.add_secret(namespace, text("/spec/target/name").unwrap_or(name), keys);
            }
            ("bitnami.com", "SealedSecret") => {
                let keys = value.pointer("/spec/encryptedData").and_then(Value::as_object).into_iter().flatten();
                self.seen.add_secret(namespace, name, keys.map(|(key, _)| key.as_str()));
            }
            _ => {}
        }
    }

    /// What manifests tell of a cluster: its service accounts and namespaces, and the roles that anything names. Without
    /// manifests nothing is known of either.
    ///
    /// # Errors
    /// Where a manifest cannot be read or is malformed.
    pub fn known(
        paths: &[String],
        conventions: &Conventions,
        options: &ReadOptions<'_>,
    ) -> anyhow::Result<(Cluster, BTreeSet<String>)> {
        if paths.is_empty() {
            return Ok((Cluster::default(), BTreeSet::new()));
        }
        let mut manifests = Self::read(paths, options)?;
        let cluster = manifests.readable_cluster(conventions);
        manifests.whole()?;
        Ok((cluster, manifests.named_roles()))
    }

    /// ARNs of roles that stand in the objects as a whole value: in annotations of any prefix, and in variables. Which of them
    /// counts, the judgement finds out.
    pub fn named_roles(&self) -> BTreeSet<String> {
        let mut roles = BTreeSet::new();
        let objects = self.objects.iter().map(|manifest| &manifest.value);
        let custom = self.custom.iter().map(CustomManifest::value);
        let definitions = self.task_definitions.iter().map(|manifest| &manifest.value);
        let mut values: Vec<&Value> = objects.chain(custom).chain(definitions).collect();
        while let Some(value) = values.pop() {
            match value {
                Value::String(text) if text.contains(":role/") && rolecall_iam::RoleArn::parse(text).is_ok() => {
                    roles.insert(text.clone());
                }
                Value::Array(items) => values.extend(items),
                Value::Object(fields) => values.extend(fields.values()),
                _ => {}
            }
        }
        roles
    }

    /// The service accounts and namespaces among the objects; their list is taken to be complete.
    ///
    /// # Errors
    /// Where one of them has a field of a wrong type.
    pub fn cluster(&self, conventions: &Conventions) -> anyhow::Result<Cluster> {
        let (cluster, unreadable) = self.cluster_and_unreadable(conventions);
        let faults: Vec<String> = unreadable.iter().map(ToString::to_string).collect();
        anyhow::ensure!(faults.is_empty(), "{}", faults.join("\nerror: "));
        Ok(cluster)
    }

    /// The same, where what cannot be read is listed; the list is complete only where there is nothing of that.
    pub fn readable_cluster(&mut self, conventions: &Conventions) -> Cluster {
        let (mut cluster, mut unreadable) = self.cluster_and_unreadable(conventions);
        self.unreadable.append(&mut unreadable);
        cluster.complete = self.unreadable.is_empty() && self.unrendered.is_empty();
        if !cluster.complete && cluster.agent == Presence::Absent {
            cluster.agent = Presence::Unknown;
        }
        cluster
    }

    fn cluster_and_unreadable(&self, conventions: &Conventions) -> (Cluster, Vec<Unreadable>) {
        let objects = self.seen.clone();
        let mut cluster = Cluster { complete: true, agent: Presence::Absent, objects, ..Cluster::default() };
        let mut unreadable = Vec::new();
        let matters = |manifest: &&Manifest| {
            !manifest.admitted && matches!(manifest.kind, None | Some(Kind::ServiceAccount | Kind::DaemonSet))
        };
        for manifest in self.objects.iter().filter(matters) {
            let object = match manifest.object() {
                Ok(object) => object,
                // A DaemonSet is judged later, and listed then.
                Err(_) if manifest.kind == Some(Kind::DaemonSet) => continue,
                Err(fault) => {
                    unreadable.push(fault);
                    continue;
                }
            };
            let metadata = &object.metadata;
            let name = metadata.name.as_ref().map(|name| name.as_str()).unwrap_or_default();
            if manifest.kind == Some(Kind::DaemonSet) {
                if name == "eks-pod-identity-agent" && namespace_of(&object) == "kube-system" {
                    cluster.agent = Presence::Present(());
                }
            } else if name.is_empty() {
                let reason = "metadata.name: is absent".to_owned();
                unreadable.push(Unreadable { origin: manifest.origin.clone(), reason });
            } else if manifest.kind.is_none() {
                cluster.add_namespace(name, Namespace::of(metadata));
            } else {
                let account = ServiceAccount::of(metadata, conventions);
                cluster.add_service_account(namespace_of(&object), name, account);
            }
        }
        (cluster, unreadable)
    }
}

/// The namespace of an object, `default` where it names none, as `kubectl apply` does.
pub fn namespace_of<'o>(object: &'o Object<'_>) -> &'o str {
    let namespace = object.metadata.namespace.as_ref().map(|namespace| namespace.as_str());
    namespace.filter(|namespace| !namespace.is_empty()).unwrap_or("default")
}

/// The documents of a text as kubectl reads them: a value, or the line of the fault and what is wrong.
pub fn decode(bytes: &[u8]) -> Vec<Result<Value, (usize, String)>> {
    let documents = documents::documents(bytes).into_iter();
    documents.map(|document| document.content.map_err(|fault| (fault.line, fault.reason))).collect()
}
