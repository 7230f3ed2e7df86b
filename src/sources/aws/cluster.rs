//! What EKS knows of a cluster. Of each answer only the fields that the snapshot's reader knows are kept.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::future::Future;

use aws_sdk_eks::types::PodIdentityAssociation;
use aws_smithy_types::date_time::Format;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use super::clients::Aws;
use super::error::{AwsError, Failure};
use super::observe::Progress;

/// Types of access entries whose principal is the role of nodes with an instance metadata service (EKS User Guide,
/// "Create access entries"). Hybrid nodes have none, and Fargate's role is not in a pod's reach.
const NODE_ENTRIES: [&str; 3] = ["EC2_LINUX", "EC2_WINDOWS", "EC2"];

impl Aws {
    /// `eks:DescribeCluster`.
    ///
    /// # Errors
    /// Where the cluster cannot be read.
    pub async fn describe_cluster(&self) -> Result<Value, AwsError> {
        let call = "eks:DescribeCluster";
        let answer = self.eks_call(call, &self.cluster, self.eks.describe_cluster().name(&self.cluster).send()).await?;
        let Some(cluster) = answer.cluster() else {
            return Err(AwsError::malformed(call, &self.cluster, "there is no `cluster` in it"));
        };
        let issuer = cluster.identity().and_then(|identity| identity.oidc()).and_then(|oidc| oidc.issuer());
        let compute = cluster.compute_config();
        let family = cluster.kubernetes_network_config().and_then(|network| network.ip_family());
        let mode = cluster.access_config().and_then(|access| access.authentication_mode());
        Ok(without_nulls(json!({
            "name": cluster.name(),
            "arn": cluster.arn(),
            "identity": issuer.map(|issuer| json!({"oidc": {"issuer": issuer}})),
            "computeConfig": compute.map(|compute| without_nulls(json!({
                "enabled": compute.enabled(),
                "nodeRoleArn": compute.node_role_arn(),
            }))),
            "kubernetesNetworkConfig": family.map(|family| json!({"ipFamily": family.as_str()})),
            "accessConfig": mode.map(|mode| json!({"authenticationMode": mode.as_str()})),
        })))
    }

    /// The add-ons: `eks:ListAddons`, then `eks:DescribeAddon` for each.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub async fn read_addons(&self, progress: &dyn Progress) -> Result<Vec<Value>, AwsError> {
        let names = pages(|token| async move {
            let list = self.eks.list_addons().cluster_name(&self.cluster).set_next_token(token);
            let answer = self.eks_call("eks:ListAddons", &self.cluster, list.send()).await?;
            Ok((answer.addons.unwrap_or_default(), answer.next_token))
        })
        .await?;
        self.each("add-ons", names, progress, |name| async move {
            let describe = self.eks.describe_addon().cluster_name(&self.cluster).addon_name(&name);
            let answer = self.eks_call("eks:DescribeAddon", &name, describe.send()).await?;
            Ok(answer.addon().map(|addon| {
                let status = addon.status().map(|status| status.as_str());
                without_nulls(json!({"addonName": name, "status": status}))
            }))
        })
        .await
    }

    /// All associations: `eks:ListPodIdentityAssociations`, whose items have no role, then
    /// `eks:DescribePodIdentityAssociation` for each.
    pub(super) async fn read_associations(&self, progress: &dyn Progress) -> Result<Vec<Value>, AwsError> {
        let ids = self.association_ids(None, None).await?;
        self.describe_associations(ids, progress).await
    }

    /// The associations of one service account, as they are now; at most one.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub async fn associations(&self, namespace: &str, service_account: &str) -> Result<Vec<Value>, AwsError> {
        let ids = self.association_ids(Some(namespace), Some(service_account)).await?;
        self.describe_associations(ids, &super::observe::Unseen).await
    }

    async fn association_ids(&self, namespace: Option<&str>, account: Option<&str>) -> Result<Vec<String>, AwsError> {
        pages(|token| async move {
            let list = self
                .eks
                .list_pod_identity_associations()
                .cluster_name(&self.cluster)
                .set_namespace(namespace.map(str::to_owned))
                .set_service_account(account.map(str::to_owned))
                .set_next_token(token);
            let answer = self.eks_call("eks:ListPodIdentityAssociations", &self.cluster, list.send()).await?;
            let found = answer.associations.unwrap_or_default();
            Ok((found.into_iter().filter_map(|summary| summary.association_id).collect(), answer.next_token))
        })
        .await
    }

    async fn describe_associations(&self, ids: Vec<String>, progress: &dyn Progress) -> Result<Vec<Value>, AwsError> {
        self.each("associations", ids, progress, |id| async move {
            let describe = self.eks.describe_pod_identity_association().cluster_name(&self.cluster).association_id(&id);
            let answer = self.eks_call("eks:DescribePodIdentityAssociation", &id, describe.send()).await?;
            Ok(answer.association().map(association))
        })
        .await
    }

    /// ARNs of the nodes' roles: of node groups, of access entries for nodes, and of Auto Mode.
    pub(super) async fn read_node_roles(
        &self,
        cluster: &Value,
        progress: &dyn Progress,
    ) -> Result<Vec<Value>, AwsError> {
        let groups = pages(|token| async move {
            let list = self.eks.list_nodegroups().cluster_name(&self.cluster).set_next_token(token);
            let answer = self.eks_call("eks:ListNodegroups", &self.cluster, list.send()).await?;
            Ok((answer.nodegroups.unwrap_or_default(), answer.next_token))
        })
        .await?;
        let of_groups = self
            .each("node groups", groups, progress, |name| async move {
                let describe = self.eks.describe_nodegroup().cluster_name(&self.cluster).nodegroup_name(&name);
                let answer = self.eks_call("eks:DescribeNodegroup", &name, describe.send()).await?;
                Ok(answer.nodegroup.and_then(|group| group.node_role).map(Value::String))
            })
            .await?;
        // Without the access entry API the call is refused (EKS User Guide, "Change authentication mode").
        let has_entries = cluster.pointer("/accessConfig/authenticationMode") != Some(&json!("CONFIG_MAP"));
        let of_entries = if has_entries { self.roles_of_entries(progress).await? } else { Vec::new() };
        let auto = cluster.pointer("/computeConfig/nodeRoleArn").cloned();
        let roles = of_groups.into_iter().chain(of_entries).chain(auto);
        let sorted: BTreeSet<String> = roles.filter_map(|role| role.as_str().map(str::to_owned)).collect();
        Ok(sorted.into_iter().map(Value::String).collect())
    }

    async fn roles_of_entries(&self, progress: &dyn Progress) -> Result<Vec<Value>, AwsError> {
        let principals = pages(|token| async move {
            let list = self.eks.list_access_entries().cluster_name(&self.cluster).set_next_token(token);
            let answer = self.eks_call("eks:ListAccessEntries", &self.cluster, list.send()).await?;
            Ok((answer.access_entries.unwrap_or_default(), answer.next_token))
        })
        .await?;
        // Nodes have roles, and no role of a service that is linked to an account runs them.
        let candidates = principals
            .into_iter()
            .filter(|arn| rolecall_iam::RoleArn::parse(arn).is_ok() && !arn.contains(":role/aws-service-role/"));
        self.each("access entries", candidates.collect(), progress, |principal| async move {
            let describe = self.eks.describe_access_entry().cluster_name(&self.cluster).principal_arn(&principal);
            let answer = self.eks_call("eks:DescribeAccessEntry", &principal, describe.send()).await?;
            let kind = answer.access_entry.and_then(|entry| entry.r#type).unwrap_or_default();
            Ok(NODE_ENTRIES.contains(&kind.as_str()).then_some(Value::String(principal)))
        })
        .await
    }

    /// The Fargate profiles: `eks:ListFargateProfiles`, then `eks:DescribeFargateProfile` for each.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub async fn read_fargate_profiles(&self, progress: &dyn Progress) -> Result<Vec<Value>, AwsError> {
        let names = pages(|token| async move {
            let list = self.eks.list_fargate_profiles().cluster_name(&self.cluster).set_next_token(token);
            let answer = self.eks_call("eks:ListFargateProfiles", &self.cluster, list.send()).await?;
            Ok((answer.fargate_profile_names.unwrap_or_default(), answer.next_token))
        })
        .await?;
        self.each("Fargate profiles", names, progress, |name| async move {
            let describe = self.eks.describe_fargate_profile().cluster_name(&self.cluster).fargate_profile_name(&name);
            let answer = self.eks_call("eks:DescribeFargateProfile", &name, describe.send()).await?;
            Ok(answer.fargate_profile().map(|profile| {
                let selectors = profile.selectors().iter().map(|selector| {
                    without_nulls(json!({"namespace": selector.namespace(), "labels": selector.labels()}))
                });
                without_nulls(json!({
                    "fargateProfileName": name,
                    "status": profile.status().map(|status| status.as_str()),
                    "selectors": selectors.collect::<Vec<_>>(),
                }))
            }))
        })
        .await
    }

    /// Reads things side by side, in order; what has vanished since it was listed is left out.
    async fn each<'a, F>(
        &self,
        part: &str,
        things: Vec<String>,
        progress: &dyn Progress,
        read: impl Fn(String) -> F,
    ) -> Result<Vec<Value>, AwsError>
    where
        F: Future<Output = Result<Option<Value>, AwsError>> + 'a,
    {
        progress.begin(part, things.len());
        let found: Vec<Option<Value>> = stream::iter(things.into_iter().map(read))
            .buffered(self.settings.concurrency)
            .map(|read| match read {
                Err(error) if error.kind == Failure::NotFound => Ok(None),
                read => read,
            })
            .inspect(|_| progress.step())
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }
}

fn association(association: &PodIdentityAssociation) -> Value {
    let created = association.created_at().and_then(|time| time.fmt(Format::DateTime).ok());
    without_nulls(json!({
        "clusterName": association.cluster_name(),
        "namespace": association.namespace(),
        "serviceAccount": association.service_account(),
        "associationId": association.association_id(),
        "roleArn": association.role_arn(),
        "targetRoleArn": association.target_role_arn(),
        "externalId": association.external_id(),
        "disableSessionTags": association.disable_session_tags(),
        "policy": association.policy(),
        "createdAt": created,
        "ownerArn": association.owner_arn(),
        "tags": eksctl_tags(association),
    }))
}

/// The tags by which eksctl knows its own; no other tag is read.
fn eksctl_tags(association: &PodIdentityAssociation) -> Option<Value> {
    let tags = association.tags()?.iter().filter(|(key, _)| key.starts_with("alpha.eksctl.io/"));
    let tags: serde_json::Map<String, Value> = tags.map(|(key, value)| (key.clone(), value.as_str().into())).collect();
    (!tags.is_empty()).then(|| tags.into())
}

/// Follows the pages of a list until one names no next. A token that comes again would lead round in a circle.
pub(super) async fn pages<T, K, F>(mut page: impl FnMut(Option<K>) -> F) -> Result<Vec<T>, AwsError>
where
    K: PartialEq + Clone + Display,
    F: Future<Output = Result<(Vec<T>, Option<K>), AwsError>>,
{
    let mut all = Vec::new();
    let mut token: Option<K> = None;
    loop {
        let (found, next) = page(token.clone()).await?;
        all.extend(found);
        match next {
            Some(next) if token.as_ref() == Some(&next) => {
                return Err(AwsError::malformed(
                    "a list",
                    "its pages",
                    format!("page `{next}` names itself as the next"),
                ));
            }
            Some(next) if !next.to_string().is_empty() => token = Some(next),
            _ => return Ok(all),
        }
    }
}

/// A field that AWS left out is left out here too.
pub(super) fn without_nulls(mut value: Value) -> Value {
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, field| !field.is_null());
    }
    value
}
