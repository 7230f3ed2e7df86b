//! Custom resources among manifests.

use rolecall_core::custom::{self, CustomKind, Reading, Scope};
use rolecall_core::workload::Metadata;
use serde_json::{Map, Value};

use super::ObjectOrigin;

/// A custom resource that names an identity of AWS.
#[derive(Debug)]
pub struct CustomManifest {
    /// Where it stands.
    pub origin: ObjectOrigin,
    /// Its kind.
    pub kind: &'static CustomKind,
    /// Whether it names no namespace, and none was given for such objects.
    pub assumed_namespace: bool,
    /// Its JSON pointer in its document.
    pub(super) within: String,
    value: Value,
}

impl CustomManifest {
    /// The custom resource in a document; the document where it is of another kind, or names no identity of AWS. `namespace` is
    /// that of objects that name none.
    pub(super) fn of(
        origin: &ObjectOrigin,
        within: String,
        (api_version, kind): (&str, &str),
        mut value: Value,
        namespace: Option<&str>,
    ) -> Result<Self, Value> {
        let Some(kind) = custom::find(api_version, kind).filter(|kind| !kind.read(&value).is_empty()) else {
            return Err(value);
        };
        let named =
            value.pointer("/metadata/namespace").is_some_and(|name| !name.is_null() && name.as_str() != Some(""));
        let mut assumed_namespace = kind.scope == Scope::Namespaced && !named;
        if let Some(namespace) = namespace.filter(|_| assumed_namespace)
            && let Value::Object(object) = &mut value
            && let Value::Object(metadata) = object.entry("metadata").or_insert_with(|| Map::new().into())
        {
            metadata.insert("namespace".to_owned(), namespace.into());
            assumed_namespace = false;
        }
        Ok(Self { origin: origin.clone(), kind, assumed_namespace, within, value })
    }

    /// The identities that it names.
    pub fn reading(&self) -> Reading<'_> {
        self.kind.read(&self.value)
    }

    /// Its metadata; `None` where it cannot be read.
    pub fn metadata(&self) -> Option<Metadata<'_>> {
        self.kind.metadata(&self.value)
    }

    pub(super) fn value(&self) -> &Value {
        &self.value
    }
}
