//! The teams of workloads, as labels name them.

use std::collections::HashMap;

use rolecall_core::world::World;

use crate::report::ReportedResource;
use crate::sources::{Manifests, namespace_of};

/// By the labels of the workloads themselves.
pub(super) fn by_workload(manifests: &Manifests, key: &str) -> HashMap<ReportedResource, String> {
    let labelled = manifests.objects.iter().filter_map(|manifest| {
        let object = manifest.object().ok()?;
        let team = object.metadata.labels.get(key).filter(|team| !team.is_empty())?.to_owned();
        let resource = ReportedResource {
            namespace: namespace_of(&object).to_owned(),
            kind: manifest.kind?.name().into(),
            name: object.metadata.display_name(),
        };
        Some((resource, team))
    });
    labelled.collect()
}

/// By the label of its namespace.
pub(super) fn of_namespace(world: &World, resource: &ReportedResource, key: &str) -> Option<String> {
    let labels = &world.namespace(&resource.namespace)?.labels;
    labels.iter().find(|(known, _)| **known == *key).map(|(_, team)| team.to_string())
}
