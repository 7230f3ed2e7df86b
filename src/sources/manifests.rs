//! Manifests from files, folders and standard input: YAML with many documents, Lists, JSON.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rolecall_core::cluster::{Cluster, Conventions, Namespace, Presence, ServiceAccount};
use rolecall_core::workload::{Kind, Object};
use serde::Deserialize;
use serde_json::Value;

/// Where an object stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectOrigin {
    /// The file, or `-`.
    pub file: String,
    /// Which document of the file, from 1.
    pub document: usize,
}

impl std::fmt::Display for ObjectOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (document {})", self.file, self.document)
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
    value: Value,
}

impl Manifest {
    /// The typed view.
    ///
    /// # Errors
    /// Where a field has a wrong type: the message names origin and field.
    pub fn object(&self) -> anyhow::Result<Object<'_>> {
        serde_path_to_error::deserialize(&self.value)
            .map_err(|e| anyhow::anyhow!("{}: {}: {}", self.origin, e.path(), e.inner()))
    }
}

/// Everything that was read.
#[derive(Debug, Default)]
pub struct Manifests {
    /// In the order they were read: files of a folder by name.
    pub objects: Vec<Manifest>,
    /// Objects of kinds that do not matter, and documents that are no Kubernetes objects.
    pub passed_over: usize,
}

impl Manifests {
    /// Reads files, folders (every `.yaml`, `.yml` and `.json` below) and `-`.
    ///
    /// # Errors
    /// Where something cannot be read or is malformed: the message names file, place and field.
    pub fn load(paths: &[String]) -> anyhow::Result<Self> {
        let mut manifests = Self::default();
        for path in paths {
            if path == "-" {
                let mut bytes = Vec::new();
                std::io::stdin().read_to_end(&mut bytes).context("standard input: cannot be read")?;
                manifests.add("-", bytes)?;
                continue;
            }
            let mut files = Vec::new();
            collect_files(Path::new(path), &mut files)?;
            for (file, documents) in files.iter().zip(read_all(&files)) {
                manifests.add_documents(&file.display().to_string(), documents?)?;
            }
        }
        Ok(manifests)
    }

    /// Reads the text of one file.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn add(&mut self, file: &str, bytes: Vec<u8>) -> anyhow::Result<()> {
        self.add_documents(file, documents(file, bytes)?)
    }

    fn add_documents(&mut self, file: &str, documents: Vec<Value>) -> anyhow::Result<()> {
        for (index, document) in documents.into_iter().enumerate() {
            let origin = ObjectOrigin { file: file.to_owned(), document: index + 1 };
            self.add_value(&origin, document, false)?;
        }
        Ok(())
    }

    fn add_value(&mut self, origin: &ObjectOrigin, mut value: Value, admitted: bool) -> anyhow::Result<()> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        if kind == "AdmissionReview" {
            let namespace = value.pointer("/request/namespace").cloned();
            if let Some(mut object) = value.pointer_mut("/request/object").map(Value::take) {
                if let (Some(namespace), Some(Value::Object(metadata))) = (namespace, object.get_mut("metadata")) {
                    metadata.entry("namespace").or_insert(namespace);
                }
                return self.add_value(origin, object, true);
            }
            bail!("{origin}: request.object: is absent");
        }
        if kind.ends_with("List")
            && let Some(items) = value.get_mut("items").map(Value::take)
        {
            let Value::Array(items) = items else {
                bail!("{origin}: items: must be a list");
            };
            for item in items {
                self.add_value(origin, item, admitted)?;
            }
            return Ok(());
        }
        let known = Kind::from_api_version(&api_version, &kind);
        if known.is_some() || (kind == "Namespace" && api_version == "v1") {
            self.objects.push(Manifest { origin: origin.clone(), kind: known, admitted, value });
        } else {
            self.passed_over += 1;
        }
        Ok(())
    }

    /// What manifests tell of a cluster: its service accounts and namespaces, and the roles that anything names. Without
    /// manifests nothing is known of either.
    ///
    /// # Errors
    /// Where a manifest cannot be read or is malformed.
    pub fn known(paths: &[String], conventions: &Conventions) -> anyhow::Result<(Cluster, BTreeSet<String>)> {
        if paths.is_empty() {
            return Ok((Cluster::default(), BTreeSet::new()));
        }
        let manifests = Self::load(paths)?;
        Ok((manifests.cluster(conventions)?, manifests.named_roles()))
    }

    /// ARNs of roles that stand in the objects as a whole value: in annotations of any prefix, and in variables. Which of them
    /// counts, the judgement finds out.
    pub fn named_roles(&self) -> BTreeSet<String> {
        let mut roles = BTreeSet::new();
        let mut values: Vec<&Value> = self.objects.iter().map(|manifest| &manifest.value).collect();
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
        let mut cluster = Cluster { complete: true, agent: Presence::Gone, ..Cluster::default() };
        for manifest in self.objects.iter().filter(|manifest| !manifest.admitted) {
            if manifest.kind == Some(Kind::DaemonSet) {
                let object = manifest.object()?;
                let name = object.metadata.name.as_ref().map(|name| name.as_str());
                if name == Some("eks-pod-identity-agent") && namespace_of(&object) == "kube-system" {
                    cluster.agent = Presence::Here;
                }
            }
            if !matches!(manifest.kind, None | Some(Kind::ServiceAccount)) {
                continue;
            }
            let object = manifest.object()?;
            let metadata = &object.metadata;
            let name = metadata.name.as_ref().map(|name| name.as_str()).unwrap_or_default();
            if name.is_empty() {
                bail!("{}: metadata.name: is absent", manifest.origin);
            }
            if manifest.kind.is_none() {
                cluster.add_namespace(name, Namespace::of(metadata));
            } else {
                let account = ServiceAccount::of(metadata, conventions);
                cluster.add_service_account(namespace_of(&object), name, account);
            }
        }
        Ok(cluster)
    }
}

/// The namespace of an object, `default` where it names none, as `kubectl apply` does.
pub fn namespace_of<'o>(object: &'o Object<'_>) -> &'o str {
    let namespace = object.metadata.namespace.as_ref().map(|namespace| namespace.as_str());
    namespace.filter(|namespace| !namespace.is_empty()).unwrap_or("default")
}

fn collect_files(path: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let display = path.display();
    let metadata = std::fs::metadata(path).with_context(|| format!("{display}: cannot be read"))?;
    if !metadata.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = std::fs::read_dir(path).with_context(|| format!("{display}: cannot be read"))?;
    let mut below = Vec::new();
    for entry in entries {
        below.push(entry.with_context(|| format!("{display}: cannot be read"))?.path());
    }
    below.sort();
    for path in below {
        let hidden = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with('.'));
        let manifest =
            path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml" || extension == "json");
        // Links to folders could lead in a circle.
        let folder = path.is_dir() && !path.is_symlink();
        if !hidden && (folder || (manifest && !path.is_dir())) {
            collect_files(&path, files)?;
        }
    }
    Ok(())
}

/// Reads files on as many threads as there are processors; the results are in the order of the files.
fn read_all(files: &[PathBuf]) -> Vec<anyhow::Result<Vec<Value>>> {
    let read = |file: &PathBuf| {
        let name = file.display().to_string();
        let bytes = std::fs::read(file).with_context(|| format!("{name}: cannot be read"))?;
        documents(&name, bytes)
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    if threads == 1 || files.len() < 2 {
        return files.iter().map(read).collect();
    }
    let share = files.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let readers: Vec<_> = files
            .chunks(share)
            .map(|files| (files.len(), scope.spawn(move || files.iter().map(read).collect::<Vec<_>>())))
            .collect();
        let gather = |(count, reader): (usize, std::thread::ScopedJoinHandle<'_, Vec<_>>)| {
            reader.join().unwrap_or_else(|_| {
                std::iter::repeat_with(|| Err(anyhow::anyhow!("a reader of manifests panicked"))).take(count).collect()
            })
        };
        readers.into_iter().flat_map(gather).collect()
    })
}

fn documents(file: &str, bytes: Vec<u8>) -> anyhow::Result<Vec<Value>> {
    let text = String::from_utf8(bytes)
        .map_err(|e| anyhow::anyhow!("{file}: is not UTF-8: byte {} is wrong", e.utf8_error().valid_up_to()))?;
    parse(&text).map_err(|message| anyhow::anyhow!("{file}: {message}"))
}

/// The documents of a text: JSON where it begins as JSON does, else YAML. Empty documents are left out.
fn parse(text: &str) -> Result<Vec<Value>, String> {
    if text.trim_start().starts_with('{') {
        let stream = serde_json::Deserializer::from_str(text).into_iter::<Document>();
        return stream.map(|value| value.map(|Document(value)| value).map_err(|e| e.to_string())).collect();
    }
    // Room for a whole cluster's service accounts in one file; what aliases may blow up stays bounded.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: 100_000,
            max_nodes: 3_000_000,
            max_events: 10_000_000,
            max_total_scalar_bytes: 256 << 20,
        },
    };
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options).map_err(|e| e.to_string())?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

/// A JSON value whose members may not stand twice.
struct Document(Value);

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Strict;

        impl<'de> serde::de::Visitor<'de> for Strict {
            type Value = Document;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON value")
            }

            fn visit_unit<E>(self) -> Result<Document, E> {
                Ok(Document(Value::Null))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Document, E> {
                Ok(Document(value.into()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Document, E> {
                Ok(Document(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Document, E> {
                Ok(Document(value.into()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Document, E> {
                Ok(Document(value.into()))
            }

            fn visit_str<E>(self, value: &str) -> Result<Document, E> {
                Ok(Document(value.into()))
            }

            fn visit_string<E>(self, value: String) -> Result<Document, E> {
                Ok(Document(value.into()))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Document, A::Error> {
                let mut list = Vec::new();
                while let Some(Document(item)) = items.next_element()? {
                    list.push(item);
                }
                Ok(Document(Value::Array(list)))
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut entries: A) -> Result<Document, A::Error> {
                let mut members = serde_json::Map::new();
                while let Some((key, Document(value))) = entries.next_entry::<String, Document>()? {
                    if members.contains_key(&key) {
                        return Err(serde::de::Error::custom(format!("duplicate key `{key}`")));
                    }
                    members.insert(key, value);
                }
                Ok(Document(Value::Object(members)))
            }
        }

        deserializer.deserialize_any(Strict)
    }
}
