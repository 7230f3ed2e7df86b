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
                TrustChange::NarrowDeny { .. }
                | TrustChange::NarrowAllow { .. }
                | TrustChange::ReplacePrincipal { .. } => return None,
            };
            serde_json::from_str(statement).ok()?
        }
        Change::OwnRole { account, statement, .. } => own_role(account, &serde_json::from_str(statement).ok()?),
        other => association(&Resource::of(other)?),
    };
    serde_json::to_string_pretty(&json).ok()
}

/// Several parts as one: resources go into the same template.
pub(super) fn joined(parts: &[String]) -> Option<String> {
    let (first, others) = parts.split_first()?;
    if others.is_empty() {
        return Some(first.clone());
    }
    let mut whole: Value = serde_json::from_str(first).ok()?;
    let resources = whole.get_mut("Resources")?.as_object_mut()?;
    for part in others {
        let part: Value = serde_json::from_str(part).ok()?;
        resources.extend(part.get("Resources")?.as_object()?.clone());
    }
    serde_json::to_string_pretty(&whole).ok()
}

/// A logical ID, which has letters and digits only.
fn logical_id(AccountName { namespace, name }: &AccountName) -> String {
    format!("{namespace}-{name}")
        .split(|c: char| !c.is_ascii_alphanumeric())
        .map(|part| {
            let mut characters = part.chars();
            characters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(characters).collect::<String>()
        })
        .collect()
}

/// A role for a service account alone.
fn own_role(account: &AccountName, statement: &Value) -> Value {
    json!({"Resources": {format!("{}Role", logical_id(account)): {
        "Type": "AWS::IAM::Role",
        "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}},
    }}})
}

fn association(resource: &Resource<'_>) -> Value {
    let AccountName { namespace, name } = resource.account;
    let id = logical_id(resource.account);
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
