//! A cluster changes while it is looked at: one object at a time, or a list that replaces what was there.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Entry, NamespaceEntry, World, plain};
use crate::cluster::{Namespace, Presence, ServiceAccount};

/// Service accounts by namespace, then by name.
pub type Accounts = HashMap<Box<str>, HashMap<Box<str>, ServiceAccount>>;

/// Namespaces by name.
pub type Namespaces = HashMap<Box<str>, Namespace>;

/// Something that is otherwise now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A service account is there, or no longer.
    ServiceAccount {
        /// Its namespace.
        namespace: Box<str>,
        /// Its name.
        name: Box<str>,
        /// `None`: it was deleted.
        account: Option<ServiceAccount>,
    },
    /// A namespace is there, or no longer.
    Namespace {
        /// Its name.
        name: Box<str>,
        /// `None`: it was deleted.
        namespace: Option<Namespace>,
    },
    /// Every service account: others do not exist.
    ServiceAccounts(Accounts),
    /// Every namespace: others do not exist.
    Namespaces(Namespaces),
    /// The DaemonSet of the Pod Identity agent is there, or not.
    Agent(Presence),
    /// The injector's webhook is registered, or not.
    Injector(Presence),
}

impl World {
    /// The same world with these changes, in their order. What they do not touch is shared with this one, and what was
    /// concluded of it is kept.
    #[must_use]
    pub fn with(&self, changes: impl IntoIterator<Item = Change>) -> Self {
        let mut world = self.clone();
        for change in changes {
            world.apply(change);
        }
        world
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::ServiceAccount { namespace, name, account: Some(account) } => {
                if self.has(&namespace, &name, &account) {
                    return;
                }
                let accounts = Arc::make_mut(&mut self.service_accounts).entry(namespace.into()).or_default();
                Arc::make_mut(accounts).insert(name.into(), Entry::new(account, &self.shared));
            }
            Change::ServiceAccount { namespace, name, account: None } => {
                if self.entry(&namespace, &name).is_none() {
                    return;
                }
                let namespaces = Arc::make_mut(&mut self.service_accounts);
                if let Some(accounts) = namespaces.get_mut(&*namespace) {
                    Arc::make_mut(accounts).remove(&*name);
                    if accounts.is_empty() {
                        namespaces.remove(&*namespace);
                    }
                }
            }
            Change::Namespace { name, namespace: Some(namespace) } => {
                if self.namespace(&name) != Some(&namespace) {
                    Arc::make_mut(&mut self.namespaces).insert(name.into(), NamespaceEntry::new(namespace));
                }
            }
            Change::Namespace { name, namespace: None } => {
                if self.namespaces.contains_key(&*name) {
                    Arc::make_mut(&mut self.namespaces).remove(&*name);
                }
            }
            Change::ServiceAccounts(accounts) => {
                self.service_accounts = Arc::new(self.replaced(accounts));
                self.complete = true;
            }
            Change::Namespaces(namespaces) => {
                let namespaces =
                    namespaces.into_iter().map(|(name, namespace)| (name.into(), NamespaceEntry::new(namespace)));
                self.namespaces = Arc::new(namespaces.collect());
            }
            Change::Agent(agent) if agent != self.agent => {
                self.agent = agent;
                // Chains were concluded with the other.
                self.service_accounts = self.unconcluded();
            }
            Change::Agent(_) => {}
            Change::Injector(presence) => self.injector = presence,
        }
    }

    /// Whether this world has the service account or namespace that the change is about, and has it otherwise.
    pub fn contradicts(&self, change: &Change) -> bool {
        match change {
            Change::ServiceAccount { namespace, name, account } => {
                self.entry(namespace, name).is_some()
                    && account.as_ref().is_none_or(|account| !self.has(namespace, name, account))
            }
            Change::Namespace { name, namespace } => {
                self.namespace(name).is_some_and(|known| Some(known) != namespace.as_ref())
            }
            Change::ServiceAccounts(_) | Change::Namespaces(_) | Change::Agent(_) | Change::Injector(_) => false,
        }
    }

    /// A list in place of what was there; a service account that is the same in both keeps its entry.
    fn replaced(&self, accounts: Accounts) -> HashMap<Arc<str>, Arc<super::InNamespace>> {
        let in_namespace = |(namespace, accounts): (Box<str>, HashMap<Box<str>, ServiceAccount>)| {
            let kept = |name: &str, account: &ServiceAccount| {
                let (name, entry) = self.service_accounts.get(&*namespace)?.get_key_value(name)?;
                (entry.account.as_deref().unwrap_or_else(|| plain()) == account)
                    .then(|| (Arc::clone(name), Arc::clone(entry)))
            };
            let entries = accounts
                .into_iter()
                .map(|(name, account)| {
                    kept(&name, &account).unwrap_or_else(|| (name.into(), Entry::new(account, &self.shared)))
                })
                .collect();
            (namespace.into(), Arc::new(entries))
        };
        accounts.into_iter().map(in_namespace).collect()
    }

    /// Whether a service account is there and looks like this already.
    fn has(&self, namespace: &str, name: &str, account: &ServiceAccount) -> bool {
        self.entry(namespace, name).is_some_and(|entry| entry.account.as_deref().unwrap_or_else(|| plain()) == account)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cluster::{Cluster, Conventions};
    use crate::known::Known;
    use crate::snapshot::Snapshot;

    fn account(role: u8) -> ServiceAccount {
        ServiceAccount { role_arn: (role > 0).then(|| format!("role-{role}").into()), ..ServiceAccount::default() }
    }

    fn empty() -> World {
        World::new(Arc::new(Snapshot::default()), Cluster::default(), Conventions::default())
    }

    type Model = HashMap<(u8, u8), u8>;

    #[derive(Debug, Clone)]
    enum Step {
        Set(u8, u8, u8),
        Delete(u8, u8),
        Reset(Vec<(u8, u8, u8)>),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0..4u8, 0..4u8, 0..3u8).prop_map(|(namespace, name, role)| Step::Set(namespace, name, role)),
            2 => (0..4u8, 0..4u8).prop_map(|(namespace, name)| Step::Delete(namespace, name)),
            1 => proptest::collection::vec((0..4u8, 0..4u8, 0..3u8), 0..12).prop_map(Step::Reset),
        ];
        proptest::collection::vec(step, 0..24)
    }

    fn change(step: &Step, model: &mut Model) -> Change {
        let name = |number: &u8| format!("n{number}").into_boxed_str();
        match step {
            Step::Set(namespace, account_name, role) => {
                model.insert((*namespace, *account_name), *role);
                Change::ServiceAccount {
                    namespace: name(namespace),
                    name: name(account_name),
                    account: Some(account(*role)),
                }
            }
            Step::Delete(namespace, account_name) => {
                model.remove(&(*namespace, *account_name));
                Change::ServiceAccount { namespace: name(namespace), name: name(account_name), account: None }
            }
            Step::Reset(all) => {
                model.clear();
                let mut accounts = Accounts::new();
                for (namespace, account_name, role) in all {
                    model.insert((*namespace, *account_name), *role);
                    accounts.entry(name(namespace)).or_default().insert(name(account_name), account(*role));
                }
                Change::ServiceAccounts(accounts)
            }
        }
    }

    proptest! {
        /// However the events come, in whatever portions, the index holds what the cluster holds; and the world before is
        /// what it was.
        #[test]
        fn the_index_follows_the_cluster(steps in steps(), portion in 1..5usize) {
            let mut model = Model::new();
            let mut world = empty().with([Change::ServiceAccounts(Accounts::new())]);
            for some in steps.chunks(portion) {
                let before = world.clone();
                let seen_before: Vec<String> = before.annotated_roles().map(str::to_owned).collect();
                world = world.with(some.iter().map(|step| change(step, &mut model)).collect::<Vec<_>>());
                prop_assert_eq!(before.annotated_roles().map(str::to_owned).collect::<Vec<_>>(), seen_before);
            }
            for namespace in 0..4u8 {
                for name in 0..4u8 {
                    let known = world.service_account(&format!("n{namespace}"), &format!("n{name}"));
                    match model.get(&(namespace, name)) {
                        Some(role) => prop_assert_eq!(known, Known::Present(&account(*role))),
                        None => prop_assert_eq!(known, Known::Absent),
                    }
                }
            }
        }
    }

    #[test]
    fn what_was_concluded_is_kept_where_nothing_changed() {
        let set = |name: &str, role: u8| Change::ServiceAccount {
            namespace: "a".into(),
            name: name.into(),
            account: Some(account(role)),
        };
        let subject = |name| crate::chain::Subject { namespace: "a", service_account: name };
        let is_concluded = |world: &World, name| world.entry("a", name).unwrap().plan.get().is_some();
        let world = empty().with([set("one", 1), set("two", 2)]);
        world.plan(subject("one"));
        world.plan(subject("two"));
        let after = world.with([set("one", 1), set("two", 3)]);
        assert!(is_concluded(&after, "one") && !is_concluded(&after, "two"));
        let listed = HashMap::from([("one".into(), account(1)), ("two".into(), account(2))]);
        let after = world.with([Change::ServiceAccounts(HashMap::from([("a".into(), listed)]))]);
        assert!(is_concluded(&after, "one") && is_concluded(&after, "two"));
        let after = world.with([Change::Agent(Presence::Present(()))]);
        assert!(!is_concluded(&after, "one"), "chains rest on the agent");
        assert!(is_concluded(&world, "one"));
    }
}
