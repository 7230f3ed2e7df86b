//! What is known of the cluster at a point of the log: service accounts and namespaces, given or read from the log.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use rolecall_core::cluster::{Cluster, Conventions, Namespace, Presence, ServiceAccount};
use rolecall_core::snapshot::Snapshot;
use rolecall_core::world::{Change, World};

/// The cluster that pods are checked in.
#[derive(Debug)]
pub(super) enum KnownCluster {
    /// As it was read from the API server. The log changes nothing of it.
    Read(Arc<World>),
    /// From manifests and the log.
    Logged(LoggedCluster),
}

impl KnownCluster {
    /// The world in which a pod of this service account is checked.
    pub(super) fn world(&self, namespace: &str, service_account: &str) -> Arc<World> {
        match self {
            Self::Read(world) => Arc::clone(world),
            Self::Logged(cluster) => cluster.world(namespace, service_account),
        }
    }

    /// Forgets what the log said: a part of it is missing, which may have had any change.
    pub(super) fn forget_log(&mut self) {
        self.apply(LogChange::Everything);
    }

    /// Takes a change from the log.
    pub(super) fn apply(&mut self, change: LogChange) {
        if let Self::Logged(cluster) = self {
            cluster.apply(change);
        }
    }
}

/// A change that the log records. An object that was deleted, or whose state is not in the record, is unknown from then on.
#[derive(Debug)]
pub(super) enum LogChange {
    /// A service account: `None` is unknown.
    Account { namespace: Box<str>, name: Box<str>, account: Option<ServiceAccount> },
    /// Every service account of a namespace is unknown.
    AccountsOf { namespace: Box<str> },
    /// A namespace: `None` is unknown. A deleted one loses its service accounts too.
    Namespace { name: Box<str>, namespace: Option<Namespace>, is_deleted: bool },
    /// All is unknown.
    Everything,
}

/// Service accounts and namespaces, each in a place of its own, so that a change costs the same however many there are. Pods
/// are checked in a world of their own service account; it is kept until that or its namespace changes.
#[derive(Debug)]
pub(super) struct LoggedCluster {
    /// A world in which nothing of the cluster is known.
    nothing: Arc<World>,
    namespaces: HashMap<Box<str>, KnownNamespace>,
    /// The log said something that was not forgotten since.
    has_logged: bool,
}

/// What is known of a namespace, and of what is in it.
#[derive(Debug, Default)]
struct KnownNamespace {
    given: Option<Namespace>,
    given_accounts: HashMap<Box<str>, ServiceAccount>,
    logged: Option<Namespace>,
    logged_accounts: HashMap<Box<str>, ServiceAccount>,
    /// By service account; `None` where nothing is known of it.
    worlds: RwLock<HashMap<Option<Box<str>>, Arc<World>>>,
}

impl LoggedCluster {
    /// The cluster of the manifests that were given. The log knows of other objects.
    pub(super) fn new(given: Cluster, snapshot: Arc<Snapshot>, conventions: Conventions) -> Self {
        let mut namespaces: HashMap<Box<str>, KnownNamespace> = HashMap::new();
        for (name, accounts) in given.service_accounts {
            namespaces.entry(name).or_default().given_accounts = accounts;
        }
        for (name, namespace) in given.namespaces {
            namespaces.entry(name).or_default().given = Some(namespace);
        }
        let unknown = Cluster { complete: false, agent: Presence::Unknown, ..Cluster::default() };
        Self { nothing: Arc::new(World::new(snapshot, unknown, conventions)), namespaces, has_logged: false }
    }

    fn world(&self, namespace: &str, service_account: &str) -> Arc<World> {
        match self.namespaces.get(namespace) {
            Some(known) => known.world(namespace, service_account, &self.nothing),
            None => Arc::clone(&self.nothing),
        }
    }

    fn apply(&mut self, change: LogChange) {
        match change {
            LogChange::Account { namespace, name, account: Some(account) } => {
                self.has_logged = true;
                let known = self.namespaces.entry(namespace).or_default();
                let is_given = known.given_accounts.contains_key(&name);
                if !is_given && known.logged_accounts.get(&name) != Some(&account) {
                    known.worlds_mut().remove(&Some(name.clone()));
                    known.logged_accounts.insert(name, account);
                }
            }
            LogChange::Account { namespace, name, account: None } => self.edit(&namespace, |known| {
                if known.logged_accounts.remove(&name).is_some() {
                    known.worlds_mut().remove(&Some(name));
                }
            }),
            LogChange::AccountsOf { namespace } => self.edit(&namespace, KnownNamespace::forget_accounts),
            LogChange::Namespace { name, namespace: Some(namespace), .. } => {
                self.has_logged = true;
                let known = self.namespaces.entry(name).or_default();
                if known.given.is_none() && known.logged.as_ref() != Some(&namespace) {
                    known.logged = Some(namespace);
                    *known.worlds_mut() = HashMap::new();
                }
            }
            LogChange::Namespace { name, namespace: None, is_deleted } => self.edit(&name, |known| {
                known.forget_namespace();
                if is_deleted {
                    known.forget_accounts();
                }
            }),
            LogChange::Everything if self.has_logged => {
                self.has_logged = false;
                self.namespaces.retain(|_, known| {
                    known.forget_namespace();
                    known.forget_accounts();
                    !known.is_empty()
                });
                // `retain` visits the whole capacity: the next time costs what is known then.
                self.namespaces.shrink_to_fit();
            }
            LogChange::Everything => {}
        }
    }

    /// Edits what is known of a namespace, and drops it where nothing is left.
    fn edit(&mut self, namespace: &str, edit: impl FnOnce(&mut KnownNamespace)) {
        if let Some(known) = self.namespaces.get_mut(namespace) {
            edit(known);
            if known.is_empty() {
                self.namespaces.remove(namespace);
            }
        }
    }
}

impl KnownNamespace {
    fn worlds_mut(&mut self) -> &mut HashMap<Option<Box<str>>, Arc<World>> {
        self.worlds.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_empty(&self) -> bool {
        self.given.is_none()
            && self.logged.is_none()
            && self.given_accounts.is_empty()
            && self.logged_accounts.is_empty()
    }

    fn forget_accounts(&mut self) {
        if !self.logged_accounts.is_empty() {
            self.logged_accounts = HashMap::new();
            *self.worlds_mut() = HashMap::new();
        }
    }

    fn forget_namespace(&mut self) {
        if self.logged.take().is_some() {
            *self.worlds_mut() = HashMap::new();
        }
    }

    fn world(&self, namespace: &str, service_account: &str, nothing: &Arc<World>) -> Arc<World> {
        let account = self.given_accounts.get(service_account).or_else(|| self.logged_accounts.get(service_account));
        let key = account.map(|_| Box::from(service_account));
        if let Some(world) = self.worlds.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Arc::clone(world);
        }
        let account = account.map(|account| Change::ServiceAccount {
            namespace: namespace.into(),
            name: service_account.into(),
            account: Some(account.clone()),
        });
        let of_namespace = self
            .given
            .as_ref()
            .or(self.logged.as_ref())
            .map(|known| Change::Namespace { name: namespace.into(), namespace: Some(known.clone()) });
        let world = Arc::new(nothing.with(account.into_iter().chain(of_namespace)));
        // Where another thread was first, its world is used: the plan of a service account is concluded once.
        let mut worlds = self.worlds.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(worlds.entry(key).or_insert(world))
    }
}
