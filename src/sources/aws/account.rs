//! All roles and managed policies of an account, page by page (IAM API, `GetAccountAuthorizationDetails`).

use std::collections::BTreeMap;

use aws_sdk_iam::types::{EntityType, ManagedPolicyDetail, RoleDetail};
use serde_json::{Value, json};

use super::clients::Reader;
use super::cluster::{pages, without_nulls};
use super::error::AwsError;
use super::observe::Progress;
use super::roles::{boundary, last_used, tags};

/// What IAM allows at most; it may send fewer.
const PAGE: i32 = 1000;

/// Everything, by ARN.
#[derive(Debug, Default)]
pub(super) struct Everything {
    pub(super) roles: BTreeMap<String, Value>,
    pub(super) policies: BTreeMap<String, Value>,
}

/// An item of a page.
enum Item {
    Role(String, Value),
    Policy(String, Value),
}

impl Reader {
    /// Reads all pages; a broken one spoils all, since what stands on it could be taken for absent.
    pub(super) async fn everything(&self, progress: &dyn Progress) -> Result<Everything, AwsError> {
        let call = "iam:GetAccountAuthorizationDetails";
        progress.begin("pages of roles", 0);
        let items = pages(|marker| async move {
            let get = self
                .iam
                .get_account_authorization_details()
                .filter(EntityType::Role)
                .filter(EntityType::LocalManagedPolicy)
                .filter(EntityType::AwsManagedPolicy)
                .max_items(PAGE)
                .set_marker(marker);
            let answer = self.call(call, "the account", get.send()).await?;
            progress.step();
            let roles = answer.role_detail_list.unwrap_or_default().into_iter().filter_map(role);
            let policies = answer.policies.unwrap_or_default().into_iter().filter_map(policy);
            Ok((roles.chain(policies).collect(), answer.marker.filter(|_| answer.is_truncated)))
        })
        .await?;
        let mut everything = Everything::default();
        for item in items {
            match item {
                Item::Role(arn, role) => everything.roles.insert(arn, role),
                Item::Policy(arn, policy) => everything.policies.insert(arn, policy),
            };
        }
        Ok(everything)
    }
}

fn role(role: RoleDetail) -> Option<Item> {
    let arn = role.arn?;
    let inline = role.role_policy_list.unwrap_or_default().into_iter().filter_map(|policy| {
        Some(json!({"PolicyName": policy.policy_name?, "PolicyDocument": policy.policy_document?}))
    });
    let attached = role.attached_managed_policies.unwrap_or_default().into_iter().filter_map(|policy| {
        Some(without_nulls(json!({"PolicyName": policy.policy_name, "PolicyArn": policy.policy_arn?})))
    });
    let detail = without_nulls(json!({
        "Arn": arn,
        "RoleName": role.role_name,
        "AssumeRolePolicyDocument": role.assume_role_policy_document,
        "Tags": tags(&role.tags.unwrap_or_default()),
        "RolePolicyList": inline.collect::<Vec<_>>(),
        "AttachedManagedPolicies": attached.collect::<Vec<_>>(),
        "PermissionsBoundary": role.permissions_boundary.as_ref().map(boundary),
        "RoleLastUsed": role.role_last_used.as_ref().map(last_used),
    }));
    Some(Item::Role(arn, detail))
}

fn policy(policy: ManagedPolicyDetail) -> Option<Item> {
    let arn = policy.arn?;
    let versions = policy.policy_version_list.unwrap_or_default();
    let default = versions.into_iter().find(|version| version.is_default_version)?;
    let detail = without_nulls(json!({
        "PolicyName": policy.policy_name,
        "Arn": arn,
        "DefaultVersionId": policy.default_version_id,
        "PolicyVersionList": [without_nulls(json!({
            "VersionId": default.version_id,
            "IsDefaultVersion": true,
            "Document": default.document,
        }))],
    }));
    Some(Item::Policy(arn, detail))
}
