//! Identities beside a workload that has none: another service account of its namespace whose role nothing uses, an association
//! for a service account that does not exist, a namesake in another namespace. One of them may be the one that is meant.

use std::collections::HashMap;

use rolecall_iam::RoleArn;

use crate::finding::{Cause, CredentialsCause, Finding, Hint, Remark};
use crate::fix::{AccountName, Text};
use crate::world::World;

/// Names with at most so many edits between them may be typos of one another.
const MAX_EDITS: usize = 2;
/// Most identities of a namespace, or of a name, among which the nearest is looked for.
const MAX_COMPARED: usize = 64;
/// The service account of pods that name none: every namespace has it.
const DEFAULT: &str = "default";

/// A service account that has a role.
#[derive(Debug, Clone, Copy)]
struct Connected<'w> {
    namespace: &'w str,
    name: &'w str,
    role: Option<&'w str>,
    /// It is known not to exist: its role comes by an association.
    is_missing: bool,
    is_used: bool,
}

/// The service accounts that have roles.
#[derive(Debug, Default)]
pub struct Identities<'w> {
    by_namespace: HashMap<&'w str, Vec<Connected<'w>>>,
    by_name: HashMap<&'w str, Vec<Connected<'w>>>,
}

impl<'w> Identities<'w> {
    /// Those of a world; `is_used`: whether a workload uses a service account, by its namespace and name.
    pub fn of(world: &'w World, is_used: impl Fn(&str, &str) -> bool) -> Self {
        let mut identities = Self::default();
        let associations = world.snapshot.associations.iter().flatten();
        let associated = associations.flat_map(|(namespace, accounts)| {
            accounts.iter().map(move |(name, association)| (&**namespace, &**name, association.role_arn.as_deref()))
        });
        let is_associated = |namespace: &str, name: &str| world.snapshot.association(namespace, name).is_present();
        let annotated = world.annotated_accounts();
        let annotated = annotated.filter(|(namespace, name, _)| !is_associated(namespace, name));
        for (namespace, name, role) in associated.chain(annotated.map(|(ns, name, role)| (ns, name, Some(role)))) {
            if name == DEFAULT {
                continue;
            }
            let connected = Connected {
                namespace,
                name,
                role,
                is_missing: world.service_account(namespace, name).is_absent(),
                is_used: is_used(namespace, name),
            };
            identities.by_namespace.entry(namespace).or_default().push(connected);
            identities.by_name.entry(name).or_default().push(connected);
        }
        identities
    }

    /// Adds to a finding of a workload without a role which other identity may be meant.
    pub fn explain(&self, finding: &mut Finding) {
        let (Cause::Credentials(CredentialsCause::Fallback { account, .. })
        | Cause::Credentials(CredentialsCause::NotConnected { account, .. })) = &finding.problem.cause
        else {
            return;
        };
        if finding.problem.hint.is_none()
            && let Some(remark) = self.meant(account)
        {
            finding.problem.hint = Some(Hint::Remark(remark));
        }
    }

    fn meant(&self, own: &AccountName) -> Option<Remark> {
        let beside = || self.by_namespace.get(&*own.namespace).into_iter().flatten().filter(|other| !other.is_used);
        let by_name = |other: &Connected<'_>| edits(&own.name, other.name);
        let named = |other: &Connected<'_>| AccountName { namespace: other.namespace.into(), name: other.name.into() };
        if let Some(other) = single(beside().filter(|other| !other.is_missing), by_name) {
            return Some(Remark::UnusedIdentity { account: named(other), role: role(other) });
        }
        if let Some(other) = single(beside().filter(|other| other.is_missing), by_name) {
            return Some(Remark::AssociationWithoutAccount { account: named(other), role: role(other) });
        }
        let namesakes = self.by_name.get(&*own.name).into_iter().flatten();
        let namesakes = namesakes.filter(|other| *other.namespace != *own.namespace && *own.name != *DEFAULT);
        let other = single(namesakes, |other| edits(&own.namespace, other.namespace))?;
        Some(Remark::Namesake { account: named(other), role: role(other) })
    }
}

fn role(other: &Connected<'_>) -> Option<Text> {
    other.role.map(|arn| RoleArn::parse(arn).map_or(arn, |arn| arn.name).into())
}

/// The only one, or else the only one whose name may be a typo.
fn single<'c, 'w>(
    found: impl Iterator<Item = &'c Connected<'w>>,
    edits: impl Fn(&Connected<'_>) -> Option<usize>,
) -> Option<&'c Connected<'w>> {
    let found: Vec<&Connected<'_>> = found.take(MAX_COMPARED + 1).collect();
    match found.as_slice() {
        [only] => Some(only),
        more if more.len() > MAX_COMPARED => None,
        several => {
            let near = several.iter().filter_map(|other| Some((edits(other)?, *other)));
            let near: Vec<(usize, &Connected<'_>)> = near.collect();
            let fewest = near.iter().map(|(edits, _)| *edits).min()?;
            let mut nearest = near.into_iter().filter(|(edits, _)| *edits == fewest);
            nearest.next().filter(|_| nearest.next().is_none()).map(|(_, other)| other)
        }
    }
}

/// How many edits there are between two names that may be typos of one another.
fn edits(one: &str, other: &str) -> Option<usize> {
    if one.len().abs_diff(other.len()) > MAX_EDITS {
        return None;
    }
    Some(strsim::damerau_levenshtein(one, other)).filter(|edits| *edits <= MAX_EDITS)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cluster::{Cluster, Conventions, ServiceAccount};
    use crate::snapshot::Snapshot;

    fn world(associations: &[(&str, &str)], accounts: &[(&str, &str, bool)]) -> World {
        let of = |(namespace, name): &(&str, &str)| {
            format!(
                r#"{{"namespace": "{namespace}", "serviceAccount": "{name}", "roleArn": "arn:aws:iam::111122223333:role/x/{name}"}}"#
            )
        };
        let list = associations.iter().map(of).collect::<Vec<_>>().join(",");
        let snapshot = Snapshot::parse(&format!(r#"{{"podIdentityAssociations": [{list}]}}"#)).unwrap();
        let mut cluster = Cluster { complete: true, ..Cluster::default() };
        for (namespace, name, is_annotated) in accounts {
            let role_arn = is_annotated.then(|| "arn:aws:iam::111122223333:role/annotated".into());
            cluster.add_service_account(namespace, name, ServiceAccount { role_arn, ..ServiceAccount::default() });
        }
        World::new(Arc::new(snapshot), cluster, Conventions::default())
    }

    fn meant(world: &World, used: &[(&str, &str)]) -> Option<Remark> {
        let identities = Identities::of(world, |namespace, name| used.contains(&(namespace, name)));
        identities.meant(&AccountName { namespace: "shop".into(), name: "carts".into() })
    }

    fn account(namespace: &str, name: &str) -> AccountName {
        AccountName { namespace: namespace.into(), name: name.into() }
    }

    #[test]
    fn an_unused_identity_of_the_namespace_is_named() {
        let accounts = [("shop", "carts", false), ("shop", "cart", true), ("shop", "billing", true)];
        let known = world(&[], &accounts);
        let cart = Remark::UnusedIdentity { account: account("shop", "cart"), role: Some("annotated".into()) };
        assert_eq!(meant(&known, &[]), Some(cart.clone()), "the nearer of two");
        assert_eq!(meant(&known, &[("shop", "billing")]), Some(cart), "the only one that is not used");
        let billing = Remark::UnusedIdentity { account: account("shop", "billing"), role: Some("annotated".into()) };
        assert_eq!(meant(&known, &[("shop", "cart")]), Some(billing));
        assert_eq!(meant(&known, &[("shop", "cart"), ("shop", "billing")]), None);
        let unlike = world(&[], &[("shop", "a", true), ("shop", "b", true)]);
        assert_eq!(meant(&unlike, &[]), None, "several, and none is near");
    }

    #[test]
    fn an_association_for_nobody_is_named() {
        let known = world(&[("shop", "cart")], &[("shop", "carts", false)]);
        let cart = Remark::AssociationWithoutAccount { account: account("shop", "cart"), role: Some("cart".into()) };
        assert_eq!(meant(&known, &[]), Some(cart));
    }

    #[test]
    fn a_namesake_is_named() {
        let known = world(&[("shops", "carts"), ("other", "carts"), ("shop", "default")], &[("shop", "carts", false)]);
        let carts = Remark::Namesake { account: account("shops", "carts"), role: Some("carts".into()) };
        assert_eq!(meant(&known, &[]), Some(carts), "used or not, and the nearer namespace");
        let known = world(&[("live", "carts"), ("other", "carts")], &[("shop", "carts", false)]);
        assert_eq!(meant(&known, &[]), None);
    }
}
