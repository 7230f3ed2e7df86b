//! Roles, managed policies and OIDC providers in the snapshot's format.

use std::collections::HashMap;
use std::sync::Arc;

use rolecall_iam::RoleArn;
use serde::Deserialize;

use super::entry::{Faults, Fields, Raw, document, lazy_document, read, time};
use super::fault::{Result, error};
use super::issuer::Issuer;
use super::model::{Account, IdentityPolicy, LazyDocument, Provider, Role};
use crate::known::Known;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireRole<'a> {
    arn: Box<str>,
    #[serde(borrow)]
    assume_role_policy_document: Option<Raw<'a>>,
    tags: Option<Vec<WireTag>>,
    #[serde(borrow)]
    role_policy_list: Option<Vec<Raw<'a>>>,
    #[serde(borrow)]
    attached_managed_policies: Option<Vec<Raw<'a>>>,
    permissions_boundary: Option<WireBoundary>,
    role_last_used: Option<WireLastUsed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireLastUsed {
    last_used_date: Option<serde_json::Value>,
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
    policy_document: Raw<'a>,
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
    document: Option<Raw<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireProvider {
    arn: Box<str>,
    url: Option<String>,
    #[serde(rename = "ClientIDList")]
    client_id_list: Option<Vec<Box<str>>>,
}

/// A role that is listed under an account which is not its own.
pub(super) struct Stray {
    pub(super) account: Box<str>,
    pub(super) name: Box<str>,
    pub(super) fault: Box<str>,
}

/// Reads the roles into an account; gives those that are not the account's.
pub(super) fn roles(list: &[Raw<'_>], at: &str, id: &str, account: &mut Account, faults: &mut Faults) -> Vec<Stray> {
    let mut strays = Vec::new();
    let mut roles: HashMap<Box<str>, Arc<Role>> = HashMap::with_capacity(list.len());
    for (index, raw) in list.iter().enumerate() {
        let place = format!("{at}.roles[{index}]");
        let before = faults.len();
        let wire = read::<WireRole<'_>>(raw, &place).unwrap_or_else(|fault| {
            faults.push(fault);
            // What can be read of it still counts.
            let fields = Fields::of(raw);
            WireRole {
                arn: fields.get("Arn").unwrap_or_default(),
                assume_role_policy_document: fields.raw("AssumeRolePolicyDocument"),
                tags: fields.get("Tags"),
                role_policy_list: fields.get("RolePolicyList"),
                attached_managed_policies: fields.get("AttachedManagedPolicies"),
                // There is one, and which it is cannot be told.
                permissions_boundary: fields.raw("PermissionsBoundary").map(|boundary| {
                    serde_json::from_str(boundary.get()).unwrap_or(WireBoundary { permissions_boundary_arn: None })
                }),
                role_last_used: fields.get("RoleLastUsed"),
            }
        });
        let name = match name_of(&wire.arn, &place, id) {
            Ok(name) => name,
            Err(fault) => {
                let fault = if faults.len() == before { fault } else { faults.pop().unwrap_or(fault) };
                let named = Fields::of(raw).get::<Box<str>>("RoleName");
                let named = named.or_else(|| RoleArn::parse(&wire.arn).ok().map(|arn| arn.name.into()));
                if let Ok(RoleArn { account, name, .. }) = RoleArn::parse(&wire.arn) {
                    let fault = fault.to_string().into();
                    strays.push(Stray { account: account.into(), name: name.into(), fault });
                }
                account.note_unreadable_role(named.as_deref(), &fault.to_string());
                faults.push(fault);
                continue;
            }
        };
        if let Some(last_used) = &wire.role_last_used {
            let date = last_used.last_used_date.as_ref();
            // A time that cannot be read costs nothing but itself.
            match date.map(|date| time(date, &format!("{place}.RoleLastUsed.LastUsedDate"))).transpose() {
                Ok(date) => drop(account.last_used.insert(name.as_str().into(), date)),
                Err(fault) => faults.push(fault),
            }
        }
        let role = wire.build(&place, &name, faults);
        match roles.get_mut(name.as_str()) {
            None => {
                roles.insert(name.into(), Arc::new(role));
            }
            Some(other) if **other == role => faults.push(error(place, "this role is in the list twice")),
            Some(other) => {
                let fault = error(place, "this role is in the list twice, and the two differ");
                *other = Arc::new(Role::unreadable(role.arn, &fault.to_string()));
                faults.push(fault);
            }
        }
    }
    account.roles = Some(roles);
    strays
}

/// The role's name in lower case.
fn name_of(arn: &str, place: &str, account: &str) -> Result<String> {
    let parsed =
        RoleArn::parse(arn).map_err(|complaint| error(format!("{place}.Arn"), format!("`{arn}`: {complaint}")))?;
    if parsed.account == account {
        return Ok(parsed.name.to_ascii_lowercase());
    }
    Err(error(format!("{place}.Arn"), format!("`{arn}` is not a role of account {account}, under which it is listed")))
}

impl WireRole<'_> {
    fn build(self, place: &str, name: &str, faults: &mut Faults) -> Role {
        let (mut trust, mut trust_fault) = (None, None);
        if let Some(raw) = self.assume_role_policy_document {
            match document(raw, &format!("{place}.AssumeRolePolicyDocument"), &format!("role {name}")) {
                Ok(document) => trust = Some(document),
                Err(fault) => {
                    trust_fault = Some(fault.to_string().into());
                    faults.push(fault);
                }
            }
        }
        let inline_policies = self.role_policy_list.map(|list| {
            let policies = list.into_iter().enumerate().map(|(index, raw)| {
                let place = format!("{place}.RolePolicyList[{index}]");
                match read::<WireInlinePolicy<'_>>(raw, &place) {
                    Ok(policy) => {
                        let place = format!("{place}.PolicyDocument");
                        let document = lazy_document(policy.policy_document, &place, faults);
                        IdentityPolicy { name: policy.policy_name, document }
                    }
                    Err(fault) => {
                        faults.push(fault);
                        let name = Fields::of(raw).get("PolicyName").unwrap_or_else(|| place.into());
                        IdentityPolicy { name, document: LazyDocument::new("") }
                    }
                }
            });
            policies.collect()
        });
        let attached_policies = self.attached_managed_policies.map(|list| {
            let arns = list.into_iter().enumerate().map(|(index, raw)| {
                let place = format!("{place}.AttachedManagedPolicies[{index}]");
                read::<WireAttached>(raw, &place).map_or_else(
                    |fault| {
                        faults.push(fault);
                        // No policy has this for an ARN: it counts as attached and not read.
                        place.into()
                    },
                    |attached| attached.policy_arn,
                )
            });
            arns.collect()
        });
        Role {
            trust,
            trust_fault,
            tags: self.tags.map(|tags| tags.into_iter().map(|tag| (tag.key, tag.value)).collect()),
            inline_policies,
            boundary: self.permissions_boundary.map_or(Known::Absent, |boundary| {
                Known::found(boundary.permissions_boundary_arn.filter(|arn| !arn.is_empty()), false)
            }),
            attached_policies,
            arn: self.arn,
        }
    }
}

/// Reads the managed policies; of one that cannot be read nothing is known.
pub(super) fn policies(list: &[Raw<'_>], at: &str, faults: &mut Faults) -> HashMap<Box<str>, LazyDocument> {
    let mut policies = HashMap::with_capacity(list.len());
    for (index, raw) in list.iter().enumerate() {
        let place = format!("{at}.policies[{index}]");
        match read::<WirePolicy<'_>>(raw, &place) {
            Ok(wire) => {
                let versions = wire.policy_version_list.unwrap_or_default();
                let default = versions.iter().find(|version| version.is_default_version == Some(true));
                if let Some(raw) = default.and_then(|version| version.document) {
                    let place = format!("{place}.PolicyVersionList");
                    policies.insert(wire.arn, lazy_document(raw, &place, faults));
                }
            }
            Err(fault) => faults.push(fault),
        }
    }
    policies
}

/// Reads the OIDC providers into an account.
pub(super) fn providers(list: &[Raw<'_>], at: &str, account: &mut Account, faults: &mut Faults) {
    let mut providers = HashMap::with_capacity(list.len());
    for (index, raw) in list.iter().enumerate() {
        let place = format!("{at}.oidcProviders[{index}]");
        let mut fault = None;
        let wire = read::<WireProvider>(raw, &place).unwrap_or_else(|said| {
            fault = Some(said);
            let fields = Fields::of(raw);
            WireProvider {
                arn: fields.get("Arn").unwrap_or_default(),
                url: fields.get("Url"),
                client_id_list: fields.get("ClientIDList"),
            }
        });
        let url = match (&wire.url, wire.arn.split_once(":oidc-provider/")) {
            (Some(url), _) => Some(Issuer::new(url)),
            (None, Some((_, url))) => Some(Issuer::new(url)),
            (None, None) => None,
        };
        match url {
            Some(url) => {
                providers.insert(url.as_str().into(), Provider { arn: wire.arn, client_ids: wire.client_id_list });
            }
            None => {
                let said = format!("`{}` is not the ARN of an OIDC provider", wire.arn);
                let said = fault.take().unwrap_or_else(|| error(format!("{place}.Arn"), said));
                account.unreadable_providers.push(said.to_string().into());
                fault = Some(said);
            }
        }
        faults.extend(fault);
    }
    account.providers = Some(providers);
}
