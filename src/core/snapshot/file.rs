//! The snapshot's file format: one JSON document whose parts keep the shapes that the AWS APIs return.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use rolecall_iam::Document;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::issuer::Issuer;
use super::model::{
    Account, Association, Associations, ClusterInfo, FargateProfile, FargateSelector, IdentityPolicy, LazyDocument,
    Provider, Role, Snapshot,
};

/// Why a snapshot cannot be read: where, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotError {
    /// The place, such as `accounts.111122223333.roles[3].AssumeRolePolicyDocument`; empty for the whole text.
    pub place: String,
    /// What is wrong there.
    pub message: String,
}

impl std::fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.place.is_empty() || self.place == "." {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.place, self.message)
        }
    }
}

impl std::error::Error for SnapshotError {}

type Result<T> = std::result::Result<T, SnapshotError>;
type Str<'a> = Cow<'a, str>;

fn error(place: impl Into<String>, message: impl Into<String>) -> SnapshotError {
    SnapshotError { place: place.into(), message: message.into() }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireSnapshot<'a> {
    collected_at: Option<String>,
    cluster: Option<WireCluster>,
    addons: Option<Vec<WireAddon>>,
    pod_identity_associations: Option<Vec<WireAssociation>>,
    node_roles: Option<Vec<Box<str>>>,
    fargate_profiles: Option<Vec<WireFargateProfile>>,
    read_at: Option<WireReadAt>,
    #[serde(borrow)]
    accounts: Option<HashMap<Str<'a>, WireAccount<'a>>>,
}

/// Times of the parts; those of roles and providers stand one level deeper.
#[derive(Deserialize)]
#[serde(untagged)]
enum WireReadAt {
    Time(String),
    Parts(HashMap<String, WireReadAt>),
    Other(serde::de::IgnoredAny),
}

impl WireReadAt {
    fn oldest(&self) -> Option<Timestamp> {
        match self {
            Self::Time(text) => text.parse().ok(),
            Self::Parts(parts) => parts.values().filter_map(Self::oldest).min(),
            Self::Other(_) => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireCluster {
    name: Box<str>,
    arn: Option<Box<str>>,
    identity: Option<WireIdentity>,
    compute_config: Option<WireComputeConfig>,
}

#[derive(Deserialize)]
struct WireIdentity {
    oidc: Option<WireOidc>,
}

#[derive(Deserialize)]
struct WireOidc {
    issuer: Option<String>,
}

#[derive(Deserialize)]
struct WireComputeConfig {
    enabled: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAddon {
    addon_name: Box<str>,
    status: Option<Box<str>>,
}

impl WireAddon {
    /// Not on its way out, and not stuck on its way in.
    fn is_there(&self) -> bool {
        !matches!(self.status.as_deref(), Some("DELETING" | "CREATE_FAILED"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAssociation {
    cluster_name: Option<Box<str>>,
    namespace: Box<str>,
    service_account: Box<str>,
    association_id: Option<Box<str>>,
    role_arn: Option<Box<str>>,
    target_role_arn: Option<Box<str>>,
    external_id: Option<Box<str>>,
    disable_session_tags: Option<bool>,
    created_at: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireFargateProfile {
    fargate_profile_name: Box<str>,
    status: Option<Box<str>>,
    selectors: Option<Vec<WireSelector>>,
}

impl WireFargateProfile {
    fn is_active(&self) -> bool {
        self.status.as_deref().is_none_or(|status| status == "ACTIVE")
    }
}

#[derive(Deserialize)]
struct WireSelector {
    namespace: Option<Box<str>>,
    labels: Option<HashMap<Box<str>, Box<str>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAccount<'a> {
    #[serde(borrow)]
    roles: Option<Vec<WireRole<'a>>>,
    roles_read: Option<WireRolesRead>,
    missing_roles: Option<Vec<Box<str>>>,
    policies: Option<Vec<WirePolicy<'a>>>,
    oidc_providers: Option<Vec<WireProvider>>,
}

/// Which roles were read: all, or those that something names.
#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum WireRolesRead {
    All,
    Named,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireRole<'a> {
    arn: Box<str>,
    #[serde(borrow)]
    assume_role_policy_document: Option<&'a RawValue>,
    tags: Option<Vec<WireTag>>,
    role_policy_list: Option<Vec<WireInlinePolicy<'a>>>,
    attached_managed_policies: Option<Vec<WireAttached>>,
    permissions_boundary: Option<WireBoundary>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireBoundary {
    permissions_boundary_arn: Option<Box<str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireTag {
    key: Box<str>,
    value: Box<str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireInlinePolicy<'a> {
    policy_name: Box<str>,
    #[serde(borrow)]
    policy_document: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireAttached {
    policy_arn: Box<str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WirePolicy<'a> {
    arn: Box<str>,
    #[serde(borrow)]
    policy_version_list: Option<Vec<WirePolicyVersion<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WirePolicyVersion<'a> {
    is_default_version: Option<bool>,
    #[serde(borrow)]
    document: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireProvider {
    arn: Box<str>,
    url: Option<String>,
    #[serde(rename = "ClientIDList")]
    client_id_list: Option<Vec<Box<str>>>,
}

impl Snapshot {
    /// Reads the format of the design's "Snapshot" contract. Unknown fields are passed over, missing parts stay unknown.
    ///
    /// # Errors
    /// A malformed part, by its place.
    pub fn parse(text: &str) -> Result<Self> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let wire: WireSnapshot<'_> = serde_path_to_error::deserialize(&mut deserializer)
            .map_err(|e| error(e.path().to_string(), e.inner().to_string()))?;
        deserializer.end().map_err(|e| error("", e.to_string()))?;
        wire.build()
    }
}

impl WireSnapshot<'_> {
    fn build(self) -> Result<Snapshot> {
        let collected_at =
            match self.collected_at {
                None => None,
                Some(text) => Some(text.parse::<Timestamp>().map_err(|_| {
                    error("collectedAt", format!("`{text}` is not a time such as 2026-11-24T17:26:52Z"))
                })?),
            };
        let cluster = self.cluster.map(WireCluster::build);
        let associations = match self.pod_identity_associations {
            None => None,
            Some(list) => Some(associations(list, cluster.as_ref())?),
        };
        let mut accounts = HashMap::new();
        for (id, account) in self.accounts.unwrap_or_default() {
            if !rolecall_iam::is_account_id(&id) {
                return Err(error(format!("accounts.{id}"), "the key of an account is its twelve-digit ID"));
            }
            let place = format!("accounts.{id}");
            accounts.insert(id.as_ref().into(), account.build(&place, &id)?);
        }
        Ok(Snapshot {
            withheld: None,
            collected_at,
            oldest_part: self.read_at.as_ref().and_then(WireReadAt::oldest),
            cluster,
            addons: self
                .addons
                .map(|addons| addons.into_iter().filter(WireAddon::is_there).map(|addon| addon.addon_name).collect()),
            associations,
            node_roles: self.node_roles,
            fargate_profiles: self
                .fargate_profiles
                .map(|list| list.into_iter().filter(WireFargateProfile::is_active).map(fargate_profile).collect()),
            accounts,
        })
    }
}

impl WireCluster {
    fn build(self) -> ClusterInfo {
        let issuer = self.identity.and_then(|identity| identity.oidc).and_then(|oidc| oidc.issuer);
        ClusterInfo {
            name: self.name,
            arn: self.arn,
            issuer: issuer.filter(|url| !url.is_empty()).map(|url| Issuer::new(&url)),
            auto_mode: self.compute_config.and_then(|config| config.enabled).unwrap_or(false),
        }
    }
}

fn associations(list: Vec<WireAssociation>, cluster: Option<&ClusterInfo>) -> Result<Associations> {
    let mut associations = Associations::new();
    for (index, wire) in list.into_iter().enumerate() {
        let place = format!("podIdentityAssociations[{index}]");
        if let (Some(named), Some(cluster)) = (&wire.cluster_name, cluster)
            && *named != cluster.name
        {
            return Err(error(
                format!("{place}.clusterName"),
                format!("is `{named}`, but the snapshot's cluster is `{}`", cluster.name),
            ));
        }
        let created_at =
            wire.created_at.as_ref().map(|value| time(value, &format!("{place}.createdAt"))).transpose()?;
        let association = Association {
            id: wire.association_id,
            role_arn: wire.role_arn.filter(|arn| !arn.is_empty()),
            target_role_arn: wire.target_role_arn.filter(|arn| !arn.is_empty()),
            external_id: wire.external_id,
            disable_session_tags: wire.disable_session_tags.unwrap_or(false),
            created_at,
        };
        let by_account = associations.entry(wire.namespace.clone()).or_default();
        if by_account.insert(wire.service_account.clone(), association).is_some() {
            return Err(error(place, format!("{}/{} has two associations", wire.namespace, wire.service_account)));
        }
    }
    Ok(associations)
}

/// The AWS CLI prints times as text, the API sends them as seconds since 1970.
fn time(value: &serde_json::Value, place: &str) -> Result<Timestamp> {
    let time = match value {
        serde_json::Value::String(text) => text.parse().ok(),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole seconds are enough, and out of range is refused below"
        )]
        serde_json::Value::Number(number) => number.as_f64().and_then(|s| Timestamp::from_second(s as i64).ok()),
        _ => None,
    };
    time.ok_or_else(|| error(place, "is neither a time such as 2026-11-24T17:26:52Z nor seconds since 1970"))
}

fn fargate_profile(wire: WireFargateProfile) -> FargateProfile {
    let selectors = wire.selectors.unwrap_or_default().into_iter().filter_map(|selector| {
        Some(FargateSelector {
            namespace: selector.namespace?,
            labels: selector.labels.unwrap_or_default().into_iter().collect(),
        })
    });
    FargateProfile { name: wire.fargate_profile_name, selectors: selectors.collect() }
}

impl WireAccount<'_> {
    fn build(self, place: &str, account: &str) -> Result<Account> {
        let roles = match self.roles {
            None => None,
            Some(list) => {
                let mut roles = HashMap::with_capacity(list.len());
                for (index, wire) in list.into_iter().enumerate() {
                    let place = format!("{place}.roles[{index}]");
                    let (name, role) = wire.build(&place, account)?;
                    if roles.insert(name, Arc::new(role)).is_some() {
                        return Err(error(place, "this role stands there twice"));
                    }
                }
                Some(roles)
            }
        };
        let policies = match self.policies {
            None => None,
            Some(list) => {
                let mut policies = HashMap::with_capacity(list.len());
                for (index, wire) in list.into_iter().enumerate() {
                    let place = format!("{place}.policies[{index}].PolicyVersionList");
                    let versions = wire.policy_version_list.unwrap_or_default();
                    let default = versions.iter().find(|version| version.is_default_version == Some(true));
                    if let Some(raw) = default.and_then(|version| version.document) {
                        policies.insert(wire.arn, LazyDocument::new(document_text(raw, &place)?));
                    }
                }
                Some(policies)
            }
        };
        let providers = match self.oidc_providers {
            None => None,
            Some(list) => {
                let mut providers = HashMap::with_capacity(list.len());
                for (index, wire) in list.into_iter().enumerate() {
                    let url = match (&wire.url, wire.arn.split_once(":oidc-provider/")) {
                        (Some(url), _) => Issuer::new(url),
                        (None, Some((_, url))) => Issuer::new(url),
                        (None, None) => {
                            return Err(error(
                                format!("{place}.oidcProviders[{index}].Arn"),
                                format!("`{}` is not the ARN of an OIDC provider", wire.arn),
                            ));
                        }
                    };
                    providers.insert(url.as_str().into(), Provider { arn: wire.arn, client_ids: wire.client_id_list });
                }
                Some(providers)
            }
        };
        let mut missing_roles = HashSet::new();
        for arn in self.missing_roles.unwrap_or_default() {
            let parsed = rolecall_iam::RoleArn::parse(&arn)
                .map_err(|complaint| error(format!("{place}.missingRoles"), format!("`{arn}`: {complaint}")))?;
            missing_roles.insert(parsed.name.to_ascii_lowercase().into());
        }
        let only_named_roles = self.roles_read == Some(WireRolesRead::Named);
        Ok(Account { roles, only_named_roles, missing_roles, policies, providers })
    }
}

impl WireRole<'_> {
    /// The role, under its name in lower case.
    fn build(self, place: &str, account: &str) -> Result<(Box<str>, Role)> {
        let parsed = rolecall_iam::RoleArn::parse(&self.arn)
            .map_err(|complaint| error(format!("{place}.Arn"), format!("`{}`: {complaint}", self.arn)))?;
        if parsed.account != account {
            return Err(error(
                format!("{place}.Arn"),
                format!("`{}` is not a role of account {account}, under which it stands", self.arn),
            ));
        }
        let name = parsed.name.to_ascii_lowercase().into();
        let trust = match self.assume_role_policy_document {
            None => None,
            Some(raw) => Some(trust(raw, &format!("{place}.AssumeRolePolicyDocument"), parsed.name)?),
        };
        let inline_policies = match self.role_policy_list {
            None => None,
            Some(list) => {
                let mut policies = Vec::with_capacity(list.len());
                for (index, policy) in list.into_iter().enumerate() {
                    let place = format!("{place}.RolePolicyList[{index}].PolicyDocument");
                    let document = LazyDocument::new(document_text(policy.policy_document, &place)?);
                    policies.push(IdentityPolicy { name: policy.policy_name, document });
                }
                Some(policies)
            }
        };
        let role = Role {
            trust,
            tags: self.tags.map(|tags| tags.into_iter().map(|tag| (tag.key, tag.value)).collect()),
            inline_policies,
            boundary: self.permissions_boundary.map(|boundary| boundary.permissions_boundary_arn.unwrap_or_default()),
            attached_policies: self
                .attached_managed_policies
                .map(|list| list.into_iter().map(|policy| policy.policy_arn).collect()),
            arn: self.arn,
        };
        Ok((name, role))
    }
}

fn trust(raw: &RawValue, place: &str, role: &str) -> Result<Document> {
    let text = document_text(raw, place)?;
    Document::parse(&text).map_err(|e| error(place, format!("(role {role}) {e}")))
}

/// The JSON of a policy document that came as an object, or as a string that may be URL-encoded.
fn document_text<'r>(raw: &'r RawValue, place: &str) -> Result<Cow<'r, str>> {
    let text = raw.get();
    if !text.starts_with('"') {
        return Ok(Cow::Borrowed(text));
    }
    serde_json::from_str::<String>(text).map(Cow::Owned).map_err(|e| error(place, e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_place_of_what_is_wrong() {
        for (text, place, message) in [
            ("{", "", "EOF"),
            (r#"{"cluster": {"name": 7}}"#, "cluster.name", "invalid type"),
            (r#"{"collectedAt": "yesterday"}"#, "collectedAt", "not a time"),
            (r#"{"accounts": {"1": {}}}"#, "accounts.1", "twelve-digit"),
            (
                r#"{"accounts": {"111122223333": {"roles": [{}]}}}"#,
                "accounts.111122223333.roles[0]",
                "missing field `Arn`",
            ),
            (
                r#"{"accounts": {"111122223333": {"roles": [{"Arn": "arn:aws:iam::111122223333:role/x",
                   "AssumeRolePolicyDocument": {"Statement": {"Effect": "Permit", "Action": "*"}}}]}}}"#,
                "accounts.111122223333.roles[0].AssumeRolePolicyDocument",
                "/Statement/Effect must be",
            ),
            (r#"{"collectedAt": null, "collectedAt": null}"#, "", "duplicate field"),
            ("{} x", "", "trailing characters"),
        ] {
            let e = Snapshot::parse(text).unwrap_err();
            assert!(e.place.contains(place) && e.message.contains(message), "{text}: {e}");
        }
    }

    #[test]
    fn reads_url_encoded_documents() {
        let snapshot = Snapshot::parse(
            r#"{"accounts": {"111122223333": {"roles": [{"Arn": "arn:aws:iam::111122223333:role/p/X",
               "AssumeRolePolicyDocument": "%7B%22Statement%22%3A%5B%5D%7D"}]}}}"#,
        )
        .unwrap();
        assert!(snapshot.role("arn:aws:iam::111122223333:role/p/X").unwrap().trust.is_some());
        assert!(snapshot.role("arn:aws:iam::111122223333:role/X").is_none());
        assert!(snapshot.role_by_name("111122223333", "x").unwrap().is_some());
        assert!(snapshot.role_by_name("444455556666", "x").is_none(), "an account that is absent is unknown");
    }
}
