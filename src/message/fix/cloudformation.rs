//! Fixes as CloudFormation, in JSON, which a YAML template takes too: one statement of a trust policy, and associations.

use rolecall_core::fix::{AccountName, Change, TrustChange};
use serde_json::{Value, json};

use super::association::Resource;

/// What goes into a template. Of a trust policy it is the statement alone, for the list of the others.
pub(super) fn of(change: &Change) -> Option<String> {
    let json = match change {
        Change::Trust(edit) => {
            let statement = match &edit.change {
                TrustChange::Add { statement, .. } => statement,
                TrustChange::Statement(edit) => &edit.after,
                TrustChange::NarrowDeny { .. } | TrustChange::ReplacePrincipal { .. } => return None,
            };
            serde_json::from_str(statement).ok()?
        }
        other => association(&Resource::of(other)?),
    };
    serde_json::to_string_pretty(&json).ok()
}

fn association(resource: &Resource<'_>) -> Value {
    let AccountName { namespace, name } = resource.account;
    // Logical IDs have letters and digits only.
    let id: String = format!("{namespace}-{name}")
        .split(|c: char| !c.is_ascii_alphanumeric())
        .map(|part| {
            let mut characters = part.chars();
            characters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(characters).collect::<String>()
        })
        .collect();
    let mut properties = json!({
        "ClusterName": resource.cluster,
        "Namespace": &**namespace,
        "ServiceAccount": &**name,
        "RoleArn": resource.role,
    });
    if let Some(properties) = properties.as_object_mut() {
        if let Some(target) = resource.target {
            properties.insert("TargetRoleArn".to_owned(), target.into());
        }
        if resource.disable_session_tags {
            properties.insert("DisableSessionTags".to_owned(), true.into());
        }
    }
    json!({"Resources": {format!("{id}Association"): {
        "Type": "AWS::EKS::PodIdentityAssociation", "Properties": properties,
    }}})
}
