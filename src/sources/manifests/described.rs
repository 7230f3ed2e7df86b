//! Pods that custom resources describe: each kind of them is checked as a workload with a template.

use rolecall_core::custom::{self, DescribedPods, PodSource};
use rolecall_core::workload::Kind;
use serde_json::{Map, Value};

use super::{Manifest, Manifests, ObjectOrigin, ReadOptions};

impl Manifests {
    /// Adds the pods that a custom resource describes, if it does.
    pub(super) fn add_described(
        &mut self,
        origin: &ObjectOrigin,
        within: &str,
        (api_version, kind): (&str, &str),
        value: &Value,
        options: &ReadOptions<'_>,
    ) -> bool {
        let configured = self.pod_sources.iter().copied().filter(|source| source.is_of(api_version, kind));
        let sources: Vec<&'static PodSource> = configured.chain(custom::pod_source(api_version, kind)).collect();
        let mut pods: Vec<(&'static str, DescribedPods)> = Vec::new();
        for source in sources {
            for found in source.read(value) {
                if !pods.iter().any(|(_, other)| other.pointer == found.pointer) {
                    pods.push((source.kind, found));
                }
            }
        }
        let named = value.pointer("/metadata/namespace").and_then(Value::as_str).filter(|name| !name.is_empty());
        let namespace = named.or(options.namespace);
        for (at, (kind, DescribedPods { pointer, form, template })) in pods.iter().enumerate() {
            let mut metadata = value.get("metadata").cloned().unwrap_or_else(|| Map::new().into());
            if let (Some(namespace), Value::Object(metadata)) = (namespace, &mut metadata) {
                metadata.insert("namespace".to_owned(), namespace.into());
            }
            let object = [
                ("apiVersion", api_version.into()),
                ("kind", (*kind).into()),
                ("metadata", metadata),
                ("spec", Map::from_iter([("template".to_owned(), template.clone())]).into()),
            ];
            self.objects.push(Manifest {
                origin: origin.clone(),
                kind: Some(Kind::Custom(kind)),
                admitted: false,
                assumed_namespace: namespace.is_none(),
                within: within.into(),
                described: Some(Box::new((pointer.clone(), *form))),
                is_further: at > 0,
                value: Value::Object(object.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
            });
        }
        !pods.is_empty()
    }
}
