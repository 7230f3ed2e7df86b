//! The object that an Event is written on: one that the API server confirms by its uid, and no other. Every client that can
//! reach the webhook can name any object in a review, and the author of an object any controller.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use rolecall_core::workload::{Kind, is_object_name};

use super::waiting::{Due, Key};
use super::{Calls, Fault};
use crate::review::is_id;

/// An object that exists.
pub(super) struct Target {
    pub(super) reference: ObjectReference,
    /// 0 where the kind has none, or rolecall may not read it.
    pub(super) generation: i64,
}

pub(super) enum Looked {
    Found(Target),
    /// It is not there, not any more, or not yet.
    Absent,
}

/// Looks for an object. In its place comes its controller where it has one: a person looks at the Deployment, not at its
/// ReplicaSet.
pub(super) async fn look(calls: &mut Calls, Due { key, replaces, .. }: &Due) -> Result<Looked, Fault> {
    let Some(found) = metadata(calls, key.kind, &key.namespace, &key.name).await? else {
        return Ok(Looked::Absent);
    };
    let is_other = key.uid.is_some() && found.uid != key.uid;
    // The update may still be refused by another webhook, or not be stored yet.
    let generation = found.generation.unwrap_or(0);
    let is_before = generation < key.generation;
    let is_replaced = generation == 0 && replaces.is_some() && found.resource_version == *replaces;
    if is_other || is_before || is_replaced {
        return Ok(Looked::Absent);
    }
    let controller = found.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
    if let Some(controller) = controller
        && let Some(target) = controller_of(calls, key, controller).await?
    {
        return Ok(Looked::Found(target));
    }
    // The Event is about the generation that was reviewed, whatever came after it.
    let generation = if key.generation == 0 { generation } else { key.generation };
    let reference = ObjectReference {
        api_version: Some(key.kind.api_version().to_owned()),
        kind: Some(key.kind.name().to_owned()),
        name: Some(key.name.clone()),
        namespace: Some(key.namespace.clone()),
        uid: found.uid,
        ..ObjectReference::default()
    };
    Ok(Looked::Found(Target { reference, generation }))
}

/// The controller that an object names. The API server checks no owner reference, so it is asked for the controller; `None`
/// where it has none of that uid or rolecall may not read it: the Event is then on the object itself. Of kinds that rolecall
/// does not know, such as an Argo Rollout, the reference is taken as it is written, where it can be one.
async fn controller_of(calls: &mut Calls, key: &Key, controller: &OwnerReference) -> Result<Option<Target>, Fault> {
    let OwnerReference { api_version, kind, name, uid, .. } = controller;
    if !is_object_name(name) || !is_id(uid) || !is_type(api_version) || !is_type(kind) {
        return Ok(None);
    }
    let generation = match Kind::from_api_version(api_version, kind) {
        // A pod controls none of the kinds that are looked up.
        Some(Kind::Pod) => return Ok(None),
        None if !is_custom(api_version, kind) => return Ok(None),
        None => 0,
        Some(known) => match metadata(calls, known, &key.namespace, name).await {
            Ok(Some(found)) if found.uid.as_deref() == Some(uid) => found.generation.unwrap_or(0),
            Ok(_) | Err(Fault::Forbidden) => return Ok(None),
            Err(fault) => return Err(fault),
        },
    };
    let reference = ObjectReference {
        api_version: Some(api_version.clone()),
        kind: Some(kind.clone()),
        name: Some(name.clone()),
        namespace: Some(key.namespace.clone()),
        uid: Some(uid.clone()),
        ..ObjectReference::default()
    };
    Ok(Some(Target { reference, generation }))
}

/// Whether a text can be an API version or a kind.
fn is_type(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '/'))
}

/// Whether this can be a kind of an extension: in a group with a domain that is not Kubernetes' own, and not named like a kind
/// that rolecall knows, which readers of Events would take it for.
fn is_custom(api_version: &str, kind: &str) -> bool {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let is_known = Kind::named(kind).is_some();
    group.contains('.') && !group.ends_with("k8s.io") && !is_known && !matches!(kind, "Node" | "Namespace" | "Secret")
}

async fn metadata(calls: &mut Calls, kind: Kind, namespace: &str, name: &str) -> Result<Option<ObjectMeta>, Fault> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(kind.group(), kind.version(), kind.name()));
    let api = Api::<DynamicObject>::namespaced_with(calls.client.clone(), namespace, &resource);
    let right = format!("get {}", resource.plural);
    match calls.call(&right, api.get_metadata(name)).await? {
        Ok(found) => Ok(Some(found.metadata)),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controllers_of_other_kinds_are_those_of_extensions() {
        for (api_version, kind) in [("argoproj.io/v1alpha1", "Rollout"), ("apps.kruise.io/v1beta1", "CloneSet")] {
            assert!(is_custom(api_version, kind), "{api_version} {kind}");
        }
        for (api_version, kind) in [
            ("v1", "Secret"),
            ("v1", "Node"),
            ("apps/v2", "Deployment"),
            ("x.y/v1", "Deployment"),
            ("x.y/v1", "Pod"),
            ("x.y/v1", "ServiceAccount"),
            ("rbac.authorization.k8s.io/v1", "Role"),
            ("batch/v9", "Else"),
        ] {
            assert!(!is_custom(api_version, kind), "{api_version} {kind}");
        }
    }
}
