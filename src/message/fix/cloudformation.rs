//! Fixes as CloudFormation: the statement of a trust policy, and associations, as JSON, which a YAML template takes too.

use rolecall_core::fix::{AccountName, AssociationChange, AssociationName, Change, TrustChange};
use serde_json::{Value, json};

/// What goes into a template.
pub(super) fn of(change: &Change) -> Option<String> {
    let json = match change {
        Change::Trust(edit) => {
            let statement = match &edit.change {
                TrustChange::Add { statement, .. } => statement,
                TrustChange::Statement(edit) => &edit.after,
                TrustChange::NarrowDeny { .. } | TrustChange::ReplacePrincipal { .. } => return None,
            };
            let statement: Value = serde_json::from_str(statement).ok()?;
            json!({"AssumeRolePolicyDocument": {"Statement": [statement]}})
        }
        Change::CreateAssociation { cluster, account, role } => {
            association(cluster, account, role.as_deref().unwrap_or("ROLE_ARN"), None)
        }
        Change::UseAnotherRole { cluster, account, .. } => association(cluster, account, "ROLE_ARN", None),
        Change::UpdateAssociation(AssociationName { cluster, account, .. }, change) => match change {
            AssociationChange::Role(role) => association(cluster, account, role, None),
            AssociationChange::RoleAndTarget(role, target) => association(cluster, account, role, Some(target)),
            AssociationChange::Target(target) => association(cluster, account, "ROLE_ARN", Some(target)),
            AssociationChange::SessionTags | AssociationChange::Policy { .. } => return None,
        },
        _ => return None,
    };
    serde_json::to_string_pretty(&json).ok()
}

fn association(
    cluster: &str,
    AccountName { namespace, name }: &AccountName,
    role: &str,
    target: Option<&str>,
) -> Value {
    // Logical IDs have letters and digits only.
    let id: String = format!("{namespace}-{name}")
        .split(|c: char| !c.is_ascii_alphanumeric())
        .map(|part| {
            let mut characters = part.chars();
            characters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(characters).collect::<String>()
        })
        .collect();
    let mut properties = json!({
        "ClusterName": cluster, "Namespace": &**namespace, "ServiceAccount": &**name, "RoleArn": role,
    });
    if let (Some(target), Some(properties)) = (target, properties.as_object_mut()) {
        properties.insert("TargetRoleArn".to_owned(), target.into());
    }
    json!({"Resources": {format!("{id}Association"): {
        "Type": "AWS::EKS::PodIdentityAssociation", "Properties": properties,
    }}})
}
