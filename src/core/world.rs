//! The world that a judgement is made in: the snapshot of AWS joined with the cluster's service accounts and namespaces.
//! Immutable; a new one is built beside the old and swapped whole.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::chain::{self, Audience, Chain, RoleSource, Subject};
use crate::cluster::{Cluster, Conventions, Namespace, ServiceAccount};
use crate::decision::Levels;
use crate::identity::Mechanism;
use crate::snapshot::{Association, Snapshot};

/// Snapshot and cluster, with what was concluded for each service account.
#[derive(Debug)]
pub struct World {
    /// AWS.
    pub snapshot: Arc<Snapshot>,
    /// The injector's settings.
    pub conventions: Conventions,
    /// Where a `file` of a web identity token is mounted.
    pub token_file: String,
    service_accounts: HashMap<Box<str>, HashMap<Box<str>, Entry>>,
    namespaces: HashMap<Box<str>, Namespace>,
    complete: bool,
    agent: bool,
}

/// A service account. Most have no annotation of ours: they share one.
#[derive(Debug)]
struct Entry {
    account: Option<Arc<ServiceAccount>>,
    plan: OnceLock<Box<Plan>>,
}

/// What is meant for the pods of a service account, and whether it will work. Concluded once for each snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What the injector will add; `None` where nothing is configured.
    pub mechanism: Option<Mechanism>,
    /// The role that the pods are to have, in the end: an association's target where it has one.
    pub role_arn: Option<Box<str>>,
    /// The audience of their web identity tokens.
    pub audience: Box<str>,
    /// The chain; `None` where nothing is configured.
    pub chain: Option<Chain>,
}

/// What is known of a service account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known<'w> {
    /// It exists.
    Exists(&'w ServiceAccount),
    /// It does not exist, as far as a complete list tells.
    Missing,
    /// It is not in a list that is not complete.
    Unknown,
}

impl<'w> Known<'w> {
    /// The service account, where it exists.
    pub fn account(self) -> Option<&'w ServiceAccount> {
        match self {
            Self::Exists(account) => Some(account),
            Self::Missing | Self::Unknown => None,
        }
    }
}

static PLAIN: OnceLock<ServiceAccount> = OnceLock::new();

fn plain() -> &'static ServiceAccount {
    PLAIN.get_or_init(ServiceAccount::default)
}

impl World {
    /// Joins a snapshot with a cluster.
    pub fn new(snapshot: Arc<Snapshot>, cluster: Cluster, conventions: Conventions) -> Self {
        let entry = |account: ServiceAccount| Entry {
            account: (account != *plain()).then(|| Arc::new(account)),
            plan: OnceLock::new(),
        };
        let service_accounts = cluster.service_accounts.into_iter().map(|(namespace, accounts)| {
            (namespace, accounts.into_iter().map(|(name, account)| (name, entry(account))).collect())
        });
        Self {
            snapshot,
            token_file: format!("{}/token", conventions.token_mount_path),
            conventions,
            service_accounts: service_accounts.collect(),
            namespaces: cluster.namespaces,
            complete: cluster.complete,
            agent: cluster.agent,
        }
    }

    /// The same cluster over another snapshot.
    #[must_use]
    pub fn with_snapshot(&self, snapshot: Arc<Snapshot>) -> Self {
        let entry = |entry: &Entry| Entry { account: entry.account.clone(), plan: OnceLock::new() };
        let service_accounts = self.service_accounts.iter().map(|(namespace, accounts)| {
            (namespace.clone(), accounts.iter().map(|(name, known)| (name.clone(), entry(known))).collect())
        });
        Self {
            snapshot,
            conventions: self.conventions.clone(),
            token_file: self.token_file.clone(),
            service_accounts: service_accounts.collect(),
            namespaces: self.namespaces.clone(),
            complete: self.complete,
            agent: self.agent,
        }
    }

    /// The roles that service accounts are annotated with, each as it is written.
    pub fn annotated_roles(&self) -> impl Iterator<Item = &str> {
        let accounts = self.service_accounts.values().flat_map(HashMap::values);
        accounts.filter_map(|entry| entry.account.as_ref()?.role_arn.as_deref())
    }

    /// Whether a service account or a namespace declares what it needs, so that roles' policies matter.
    pub fn declares_needs(&self) -> bool {
        let mut accounts = self.service_accounts.values().flat_map(HashMap::values);
        accounts.any(|entry| entry.account.as_ref().is_some_and(|account| !account.wishes.requires.is_empty()))
            || self.namespaces.values().any(|namespace| !namespace.wishes.requires.is_empty())
    }

    fn entry(&self, namespace: &str, name: &str) -> Option<&Entry> {
        self.service_accounts.get(namespace)?.get(name)
    }

    /// What is known of a service account. Every namespace has one called `default`.
    pub fn service_account(&self, namespace: &str, name: &str) -> Known<'_> {
        match self.entry(namespace, name) {
            Some(entry) => Known::Exists(entry.account.as_deref().unwrap_or_else(|| plain())),
            None if self.complete && name != "default" => Known::Missing,
            None => Known::Unknown,
        }
    }

    /// A namespace's labels and wishes, where it is known.
    pub fn namespace(&self, name: &str) -> Option<&Namespace> {
        self.namespaces.get(name)
    }

    /// A namespace's levels, over defaults.
    pub fn levels(&self, name: &str, defaults: Levels) -> Levels {
        let Some(namespace) = self.namespace(name) else {
            return defaults;
        };
        Levels {
            enforce: namespace.enforce.unwrap_or(defaults.enforce),
            warn: namespace.warn.unwrap_or(defaults.warn),
            audit: namespace.audit.unwrap_or(defaults.audit),
        }
    }

    /// The plan for a service account; concluded on first use, then kept.
    pub fn plan(&self, subject: Subject<'_>) -> Cow<'_, Plan> {
        match self.entry(subject.namespace, subject.service_account) {
            Some(entry) => {
                let account = entry.account.as_deref().unwrap_or_else(|| plain());
                Cow::Borrowed(entry.plan.get_or_init(|| Box::new(self.conclude(subject, account))))
            }
            None => Cow::Owned(self.conclude(subject, plain())),
        }
    }

    /// The association of a service account, where the associations are known and there is one.
    pub fn association(&self, subject: Subject<'_>) -> Option<&Association> {
        self.snapshot.association(subject.namespace, subject.service_account).flatten()
    }

    /// What would be meant for the pods of a service account that looks like this.
    pub fn conclude(&self, subject: Subject<'_>, account: &ServiceAccount) -> Plan {
        let audience: Box<str> = account.audience.clone().unwrap_or_else(|| self.conventions.audience.as_str().into());
        if let Some(association) = self.association(subject) {
            let role = association.target_role_arn.as_ref().or(association.role_arn.as_ref());
            return Plan {
                mechanism: Some(Mechanism::PodIdentity),
                role_arn: role.cloned(),
                chain: Some(chain::pod_identity(&self.snapshot, subject, association, self.agent)),
                audience,
            };
        }
        let Some(role_arn) = &account.role_arn else {
            return Plan { mechanism: None, role_arn: None, audience, chain: None };
        };
        let source = RoleSource::Annotation(self.conventions.role_arn_key());
        Plan {
            mechanism: Some(Mechanism::Irsa),
            role_arn: Some(role_arn.clone()),
            chain: Some(chain::irsa(&self.snapshot, subject, role_arn, Audience::Is(&audience), source)),
            audience,
        }
    }
}
