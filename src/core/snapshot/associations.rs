//! Pod Identity associations in the snapshot's format.

use serde::Deserialize;

use super::entry::{Faults, Fields, Raw, lazy_document, read, time};
use super::fault::{Result, error};
use super::model::{Association, Associations, ClusterInfo};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAssociation<'a> {
    cluster_name: Option<Box<str>>,
    namespace: Box<str>,
    service_account: Box<str>,
    association_id: Option<Box<str>>,
    role_arn: Option<Box<str>>,
    target_role_arn: Option<Box<str>>,
    external_id: Option<Box<str>>,
    disable_session_tags: Option<bool>,
    #[serde(borrow)]
    policy: Option<Raw<'a>>,
    created_at: Option<serde_json::Value>,
    // They only tell where to change it.
    owner_arn: Option<serde_json::Value>,
    tags: Option<serde_json::Value>,
}

/// The associations, and the places of those of which not even the service account can be read.
pub(super) fn associations(
    list: &[Raw<'_>],
    cluster: Option<&ClusterInfo>,
    faults: &mut Faults,
) -> (Associations, Vec<Box<str>>) {
    let mut associations = Associations::new();
    let mut lost = Vec::new();
    let mut unreadable = Vec::new();
    for (index, raw) in list.iter().enumerate() {
        let place = format!("podIdentityAssociations[{index}]");
        let read = read::<WireAssociation<'_>>(raw, &place).and_then(|wire| {
            let key = (wire.namespace.clone(), wire.service_account.clone());
            Ok((key, wire.build(&place, cluster, faults)?))
        });
        match read {
            Ok(((namespace, service_account), association)) => {
                let by_account = associations.entry(namespace.clone()).or_default();
                match by_account.get(&service_account) {
                    None => {
                        by_account.insert(service_account, association);
                    }
                    Some(other) if *other == association => {
                        faults.push(error(place, format!("{namespace}/{service_account} is in the list twice")));
                    }
                    Some(_) => {
                        let fault = error(place, format!("{namespace}/{service_account} has two associations"));
                        by_account.insert(service_account, Association::unreadable(&fault.to_string()));
                        faults.push(fault);
                    }
                }
            }
            Err(fault) => {
                let fields = Fields::of(raw);
                let said: Box<str> = fault.to_string().into();
                match (fields.get::<Box<str>>("namespace"), fields.get::<Box<str>>("serviceAccount")) {
                    (Some(namespace), Some(account)) => unreadable.push((namespace, account, said)),
                    _ => lost.push(said),
                }
                faults.push(fault);
            }
        }
    }
    // One of the same service account that can be read counts.
    for (namespace, account, said) in unreadable {
        associations.entry(namespace).or_default().entry(account).or_insert_with(|| Association::unreadable(&said));
    }
    (associations, lost)
}

impl WireAssociation<'_> {
    fn build(self, place: &str, cluster: Option<&ClusterInfo>, faults: &mut Faults) -> Result<Association> {
        if let (Some(named), Some(cluster)) = (&self.cluster_name, cluster)
            && *named != cluster.name
        {
            return Err(error(
                format!("{place}.clusterName"),
                format!("is `{named}`, but the snapshot's cluster is `{}`", cluster.name),
            ));
        }
        // When it was made only tells which pods are older.
        let created_at = self.created_at.as_ref().map(|value| time(value, &format!("{place}.createdAt")));
        let created_at = created_at.transpose().unwrap_or_else(|fault| {
            faults.push(fault);
            None
        });
        Ok(Association {
            id: self.association_id,
            role_arn: self.role_arn.filter(|arn| !arn.is_empty()),
            target_role_arn: self.target_role_arn.filter(|arn| !arn.is_empty()),
            external_id: self.external_id,
            disable_session_tags: self.disable_session_tags.unwrap_or(false),
            policy: self
                .policy
                .filter(|raw| raw.get() != r#""""#)
                .map(|raw| lazy_document(raw, &format!("{place}.policy"), faults)),
            created_at,
            add_on: self.owner_arn.as_ref().and_then(serde_json::Value::as_str).and_then(add_on),
            is_by_eksctl: self.tags.as_ref().is_some_and(has_eksctl_tag),
            fault: None,
        })
    }
}

/// The add-on of `arn:aws:eks:REGION:ACCOUNT:addon/CLUSTER/NAME/ID`.
fn add_on(owner_arn: &str) -> Option<Box<str>> {
    let (_, place) = owner_arn.split_once(":addon/")?;
    place.split('/').nth(1).filter(|name| !name.is_empty()).map(Into::into)
}

fn has_eksctl_tag(tags: &serde_json::Value) -> bool {
    tags.as_object().is_some_and(|tags| tags.keys().any(|key| key.starts_with("alpha.eksctl.io/")))
}
