//! Roles one by one, in the shape of `GetAccountAuthorizationDetails`' `RoleDetail`. Documents stay as the API sends them:
//! URL-encoded JSON.

use std::sync::Mutex;
use std::sync::PoisonError;

use aws_sdk_iam::types::{AttachedPermissionsBoundary, RoleLastUsed, Tag};
use aws_smithy_types::date_time::Format;
use rolecall_iam::RoleArn;
use serde_json::{Value, json};

use super::clients::{Aws, Reader};
use super::cluster::{pages, without_nulls};
use super::error::{AwsError, Failure};

/// Failures of the network or of AWS itself after which the rest of a part is not tried: each has been tried several
/// times by then.
const MAX_FAILURES: usize = 10;

impl Aws {
    /// A role as it is now, found by its name: its ARN may have another path. `None`: there is none of this name.
    ///
    /// # Errors
    /// Where it cannot be read, or its account has no reader.
    pub async fn role(&self, arn: &str) -> Result<Option<Value>, AwsError> {
        let account = RoleArn::parse(arn).map(|arn| arn.account).unwrap_or_default();
        let own_account = self.own_account().await?;
        let Some(reader) = self.reader(account, own_account) else {
            return Err(AwsError {
                kind: Failure::Refused,
                call: "iam:GetRole".to_owned(),
                subject: arn.to_owned(),
                place: format!("account {account}"),
                said: "this account is not among aws.accounts".to_owned(),
            });
        };
        reader.role(arn, account, self.settings.policies).await
    }

    /// A role with its policies, and the managed ones among them with their default versions, its boundary too. Reads
    /// nothing but the role unless `policies`.
    ///
    /// # Errors
    /// Where one of the calls fails.
    pub async fn role_and_policies(&self, arn: &str, policies: bool) -> Result<(Option<Value>, Vec<Value>), AwsError> {
        let account = RoleArn::parse(arn).map(|arn| arn.account).unwrap_or_default();
        let own_account = self.own_account().await?;
        let Some(reader) = self.reader(account, own_account).filter(|_| policies) else {
            return Ok((self.role(arn).await?, Vec::new()));
        };
        let Some(role) = reader.role(arn, account, true).await? else {
            return Ok((None, Vec::new()));
        };
        let attached = role.get("AttachedManagedPolicies").and_then(Value::as_array).into_iter().flatten();
        let mut arns: Vec<&str> =
            attached.filter_map(|policy| policy.get("PolicyArn").and_then(Value::as_str)).collect();
        arns.extend(role.pointer("/PermissionsBoundary/PermissionsBoundaryArn").and_then(Value::as_str));
        let mut managed = Vec::with_capacity(arns.len());
        for arn in arns {
            managed.extend(reader.policy(arn).await?);
        }
        Ok((Some(role), managed))
    }
}

impl Reader {
    /// A role; with its inline policies and attachments where asked.
    pub(super) async fn role(&self, arn: &str, account: &str, policies: bool) -> Result<Option<Value>, AwsError> {
        let call = "iam:GetRole";
        let Ok(RoleArn { name, .. }) = RoleArn::parse(arn) else {
            return Err(AwsError::malformed(call, arn, "this is not a role's ARN"));
        };
        let answer = match self.call(call, arn, self.iam.get_role().role_name(name).send()).await {
            Err(error) if error.kind == Failure::NotFound => return Ok(None),
            answer => answer?,
        };
        let Some(role) = answer.role else {
            return Err(AwsError::malformed(call, arn, "there is no `Role` in it"));
        };
        if RoleArn::parse(&role.arn).map(|found| found.account) != Ok(account) {
            return Err(AwsError::malformed(call, arn, format!("it is about `{}`, of another account", role.arn)));
        }
        let mut detail = json!({
            "Arn": role.arn,
            "RoleName": role.role_name,
            "AssumeRolePolicyDocument": role.assume_role_policy_document,
            "Tags": tags(&role.tags.unwrap_or_default()),
            "PermissionsBoundary": role.permissions_boundary.as_ref().map(boundary),
            "RoleLastUsed": role.role_last_used.as_ref().map(last_used),
        });
        if policies {
            let inline = match self.inline_policies(&role.role_name, &role.arn).await {
                Err(error) if error.kind == Failure::NotFound => return Ok(None),
                inline => inline?,
            };
            let attached = match self.attached_policies(&role.role_name, &role.arn).await {
                Err(error) if error.kind == Failure::NotFound => return Ok(None),
                attached => attached?,
            };
            if let Value::Object(fields) = &mut detail {
                fields.insert("RolePolicyList".to_owned(), Value::Array(inline));
                fields.insert("AttachedManagedPolicies".to_owned(), Value::Array(attached));
            }
        }
        Ok(Some(without_nulls(detail)))
    }

    async fn inline_policies(&self, role: &str, arn: &str) -> Result<Vec<Value>, AwsError> {
        let names = pages(|marker| async move {
            let list = self.iam.list_role_policies().role_name(role).set_marker(marker);
            let answer = self.call("iam:ListRolePolicies", arn, list.send()).await?;
            Ok((answer.policy_names, answer.marker.filter(|_| answer.is_truncated)))
        })
        .await?;
        let mut policies = Vec::with_capacity(names.len());
        for name in names {
            let get = self.iam.get_role_policy().role_name(role).policy_name(&name);
            match self.call("iam:GetRolePolicy", arn, get.send()).await {
                Ok(answer) => {
                    policies.push(json!({"PolicyName": name, "PolicyDocument": answer.policy_document}));
                }
                // Taken away since it was listed, or the role was, which the next call will tell.
                Err(error) if error.kind == Failure::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(policies)
    }

    async fn attached_policies(&self, role: &str, arn: &str) -> Result<Vec<Value>, AwsError> {
        pages(|marker| async move {
            let list = self.iam.list_attached_role_policies().role_name(role).set_marker(marker);
            let answer = self.call("iam:ListAttachedRolePolicies", arn, list.send()).await?;
            let attached =
                answer.attached_policies.unwrap_or_default().into_iter().map(|policy| {
                    without_nulls(json!({"PolicyName": policy.policy_name, "PolicyArn": policy.policy_arn}))
                });
            Ok((attached.collect(), answer.marker.filter(|_| answer.is_truncated)))
        })
        .await
    }

    /// A managed policy with its default version; `None` where it is gone.
    pub(super) async fn policy(&self, arn: &str) -> Result<Option<Value>, AwsError> {
        let policy = match self.call("iam:GetPolicy", arn, self.iam.get_policy().policy_arn(arn).send()).await {
            Err(error) if error.kind == Failure::NotFound => return Ok(None),
            answer => answer?.policy,
        };
        let Some((policy, version)) = policy.and_then(|policy| {
            let version = policy.default_version_id.clone()?;
            Some((policy, version))
        }) else {
            return Err(AwsError::malformed("iam:GetPolicy", arn, "there is no default version in it"));
        };
        let get = self.iam.get_policy_version().policy_arn(arn).version_id(&version);
        let document = match self.call("iam:GetPolicyVersion", arn, get.send()).await {
            Err(error) if error.kind == Failure::NotFound => return Ok(None),
            answer => answer?.policy_version.and_then(|version| version.document),
        };
        let Some(document) = document else {
            return Err(AwsError::malformed("iam:GetPolicyVersion", arn, "there is no document in it"));
        };
        Ok(Some(without_nulls(json!({
            "PolicyName": policy.policy_name,
            "Arn": arn,
            "DefaultVersionId": version,
            "PolicyVersionList": [{"VersionId": version, "IsDefaultVersion": true, "Document": document}],
        }))))
    }
}

/// Gives up on the rest of a part where going on would only cost calls: the credentials are at fault, or AWS is away.
#[derive(Debug, Default)]
pub(super) struct Patience {
    state: Mutex<(usize, Option<AwsError>)>,
}

impl Patience {
    /// Why nothing more is to be tried.
    pub(super) fn lost(&self) -> Option<AwsError> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.1.as_ref().filter(|error| error.is_general() || state.0 >= MAX_FAILURES).cloned()
    }

    /// Takes note of a failure.
    pub(super) fn note(&self, error: &AwsError) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let away =
            matches!(error.kind, Failure::Unreachable | Failure::TimedOut | Failure::Throttled | Failure::Server);
        if away || error.is_general() {
            state.0 += 1;
            state.1 = Some(error.clone());
        }
    }
}

pub(super) fn tags(tags: &[Tag]) -> Vec<Value> {
    tags.iter().map(|tag| json!({"Key": tag.key, "Value": tag.value})).collect()
}

/// When a role was last used; without a date where AWS has seen no use in its tracking period.
pub(super) fn last_used(last_used: &RoleLastUsed) -> Value {
    let date = last_used.last_used_date.and_then(|date| date.fmt(Format::DateTime).ok());
    without_nulls(json!({"LastUsedDate": date, "Region": last_used.region}))
}

pub(super) fn boundary(boundary: &AttachedPermissionsBoundary) -> Value {
    without_nulls(json!({
        "PermissionsBoundaryType": boundary.permissions_boundary_type.as_ref().map(|kind| kind.as_str()),
        "PermissionsBoundaryArn": boundary.permissions_boundary_arn,
    }))
}
