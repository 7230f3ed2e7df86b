//! What was read again of a few links, and the snapshot that has learned it.

use std::sync::Arc;

use super::issuer::Issuer;
use super::model::{Role, Snapshot};

/// The links that were read again: in `found` what is there now, in the lists what was asked for. Of the cluster, its add-ons and
/// its Fargate profiles, what `found` has was asked for.
#[derive(Debug, Clone, Default)]
pub struct Reread {
    /// What was found. Of roles those that are there, and in `missing_roles` those that are not.
    pub found: Snapshot,
    /// Namespaces and service accounts whose associations were asked for.
    pub associations: Vec<(Box<str>, Box<str>)>,
    /// Accounts whose provider for the issuer was asked for.
    pub providers: Vec<(Box<str>, Issuer)>,
}

/// A role that was read without its policies keeps those that are known.
fn with_policies(role: &Arc<Role>, before: Option<&Arc<Role>>) -> Arc<Role> {
    match before {
        Some(before) if role.inline_policies.is_none() && role.attached_policies.is_none() => Arc::new(Role {
            inline_policies: before.inline_policies.clone(),
            attached_policies: before.attached_policies.clone(),
            ..Role::clone(role)
        }),
        _ => Arc::clone(role),
    }
}

impl Snapshot {
    /// This snapshot with what was read again in its place; `None` where nothing has changed.
    pub fn merge(&self, reread: &Reread) -> Option<Self> {
        let mut learned: Option<Self> = self.learn_cluster(&reread.found);
        for (namespace, account) in &reread.associations {
            let now = reread.found.association(namespace, account).present();
            let before = self.association(namespace, account);
            // Where all of them are unknown, one alone would make the others seem absent.
            if before.is_unknown() || before.present() == now {
                continue;
            }
            if let Some(associations) = &mut learned.get_or_insert_with(|| self.clone()).associations {
                let of_namespace = associations.entry(namespace.clone()).or_default();
                match now {
                    Some(now) => of_namespace.insert(account.clone(), now.clone()),
                    None => of_namespace.remove(account),
                };
            }
        }
        for (id, account) in &reread.found.accounts {
            let known = self.accounts.get(id);
            for (name, role) in account.roles.iter().flatten() {
                let role = &with_policies(role, known.and_then(|known| known.roles.as_ref()?.get(name)));
                if known.and_then(|known| known.roles.as_ref()?.get(name)).is_some_and(|before| before == role) {
                    continue;
                }
                let place = learned.get_or_insert_with(|| self.clone()).accounts.entry(id.clone()).or_default();
                place.missing_roles.remove(name);
                if place.roles.is_none() {
                    // Nothing of this account was read before: of others it is still not known whether they exist.
                    place.only_named_roles = true;
                }
                place.roles.get_or_insert_default().insert(name.clone(), Arc::clone(role));
            }
            for name in &account.missing_roles {
                if self.role_by_name(id, name).is_absent() {
                    continue;
                }
                let place = learned.get_or_insert_with(|| self.clone()).accounts.entry(id.clone()).or_default();
                if place.roles.is_none() {
                    place.only_named_roles = true;
                }
                place.roles.get_or_insert_default().remove(name);
                place.missing_roles.insert(name.clone());
            }
            for (arn, policy) in account.policies.iter().flatten() {
                if known.and_then(|known| known.policies.as_ref()?.get(arn)).is_some_and(|before| before == policy) {
                    continue;
                }
                let place = learned.get_or_insert_with(|| self.clone()).accounts.entry(id.clone()).or_default();
                place.policies.get_or_insert_default().insert(arn.clone(), policy.clone());
            }
        }
        for (id, issuer) in &reread.providers {
            let before = self.provider(id, issuer);
            let now = reread.found.provider(id, issuer).present();
            if before.is_unknown() || before.present() == now {
                continue;
            }
            let learned = learned.get_or_insert_with(|| self.clone());
            if let Some(providers) = learned.accounts.get_mut(id).and_then(|account| account.providers.as_mut()) {
                match now {
                    Some(now) => providers.insert(issuer.as_str().into(), now.clone()),
                    None => providers.remove(issuer.as_str()),
                };
            }
        }
        learned
    }

    /// This snapshot with the parts of the cluster that were read again; `None` where nothing has changed.
    fn learn_cluster(&self, found: &Self) -> Option<Self> {
        let is_new = |differs: bool, is_read: bool| differs && is_read;
        let cluster = is_new(self.cluster != found.cluster, found.cluster.is_some());
        let addons = is_new(self.addons != found.addons, found.addons.is_some());
        let fargate = is_new(self.fargate_profiles != found.fargate_profiles, found.fargate_profiles.is_some());
        if !cluster && !addons && !fargate {
            return None;
        }
        let mut learned = self.clone();
        if cluster {
            learned.cluster.clone_from(&found.cluster);
        }
        if addons {
            learned.addons.clone_from(&found.addons);
        }
        if fargate {
            learned.fargate_profiles.clone_from(&found.fargate_profiles);
        }
        Some(learned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = r#"{"cluster": {"name": "shop"},
        "podIdentityAssociations": [{"namespace": "carts", "serviceAccount": "carts", "roleArn": "arn:aws:iam::111122223333:role/a"}],
        "accounts": {"111122223333": {"roles": [{"Arn": "arn:aws:iam::111122223333:role/a", "Tags": []}],
            "oidcProviders": [{"Arn": "arn:aws:iam::111122223333:oidc-provider/x.example/id", "ClientIDList": ["a"]}]}}}"#;

    fn merge(found: &str, associations: &[(&str, &str)], providers: bool) -> Option<Snapshot> {
        let reread = Reread {
            found: Snapshot::parse(found).unwrap(),
            associations: associations.iter().map(|(ns, sa)| ((*ns).into(), (*sa).into())).collect(),
            providers: if providers {
                vec![("111122223333".into(), Issuer::new("https://x.example/id"))]
            } else {
                vec![]
            },
        };
        Snapshot::parse(BEFORE).unwrap().merge(&reread)
    }

    #[test]
    fn the_same_teaches_nothing() {
        assert!(merge(BEFORE, &[("carts", "carts")], true).is_none());
        assert!(merge("{}", &[], false).is_none());
    }

    #[test]
    fn what_came_and_what_went() {
        let role = "arn:aws:iam::111122223333:role/B";
        let found = r#"{"podIdentityAssociations": [{"namespace": "carts", "serviceAccount": "new", "roleArn": "arn:aws:iam::111122223333:role/b"}],
            "accounts": {"111122223333": {"rolesRead": "named", "missingRoles": ["arn:aws:iam::111122223333:role/a"],
                "roles": [{"Arn": "arn:aws:iam::111122223333:role/B"}], "oidcProviders": []}}}"#;
        let learned = merge(found, &[("carts", "carts"), ("carts", "new")], true).unwrap();
        assert!(learned.association("carts", "carts").is_absent());
        assert!(learned.association("carts", "new").is_present());
        assert!(learned.role(role).is_some());
        assert!(learned.role_by_name("111122223333", "a").is_absent());
        assert!(learned.provider("111122223333", &Issuer::new("https://x.example/id")).is_absent());
        let back = learned.merge(&Reread { found: Snapshot::parse(BEFORE).unwrap(), ..Reread::default() }).unwrap();
        assert!(back.role("arn:aws:iam::111122223333:role/a").is_some(), "a role that comes back is missing no more");
    }

    #[test]
    fn parts_of_the_cluster_that_were_read_replace_those_before() {
        let issuer = |id: &str| {
            format!(
                r#"{{"cluster": {{"name": "shop", "identity": {{"oidc": {{"issuer": "https://x.example/{id}"}}}}}}}}"#
            )
        };
        let before = Snapshot::parse(&issuer("old")).unwrap();
        let read = |text: &str| Reread { found: Snapshot::parse(text).unwrap(), ..Reread::default() };
        assert!(before.merge(&read(&issuer("old"))).is_none());
        let learned = before.merge(&read(&issuer("new"))).unwrap();
        assert_eq!(learned.cluster.unwrap().issuer, Some(Issuer::new("https://x.example/new")));
        let addons = r#"{"addons": [{"addonName": "eks-pod-identity-agent"}], "fargateProfiles": []}"#;
        let learned = before.merge(&read(addons)).unwrap();
        assert_eq!((learned.addons.map(|addons| addons.len()), learned.fargate_profiles), (Some(1), Some(Vec::new())));
        assert!(learned.cluster.is_some(), "what was not read stays");
    }

    #[test]
    fn what_was_unknown_as_a_whole_stays_so() {
        let snapshot = Snapshot::default();
        let reread = Reread {
            found: Snapshot::parse(BEFORE).unwrap(),
            associations: vec![("carts".into(), "carts".into())],
            providers: Vec::new(),
        };
        let learned = snapshot.merge(&reread).unwrap();
        assert!(learned.association("carts", "other").is_unknown());
        assert!(learned.role_by_name("111122223333", "other").is_unknown());
        assert!(learned.role("arn:aws:iam::111122223333:role/a").is_some());
    }
}
