//! The world that a judgement is made in: the snapshot of AWS joined with the cluster's service accounts and namespaces.
//! Immutable; a new one is built beside the old and swapped whole.

mod changes;
mod reading;
mod shared;
mod unseen;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

pub use changes::{Accounts, Change, Namespaces};
pub use reading::AssociationReading;
use shared::SharedAccounts;
pub use unseen::Unseen;

use crate::chain::{self, Audience, Chain, MissingStep, RoleSource, State, Subject, Unconnected};
use crate::cluster::{Cluster, Conventions, Namespace, Objects, Presence, ServiceAccount};
use crate::effort::Effort;
use crate::identity::Mechanism;
use crate::known::Known;
use crate::level::{LevelAssignment, NamespacePolicy};
use crate::snapshot::{Association, Snapshot};

/// Snapshot and cluster, with what was concluded for each service account. A copy shares all of it.
#[derive(Debug, Clone)]
pub struct World {
    /// AWS.
    pub snapshot: Arc<Snapshot>,
    /// The injector's settings.
    pub conventions: Conventions,
    /// The file of a web identity token, as the injector names it in `AWS_WEB_IDENTITY_TOKEN_FILE`.
    pub token_file: String,
    /// The same for pods with a Windows node selector.
    pub windows_token_file: String,
    service_accounts: Arc<HashMap<Arc<str>, Arc<InNamespace>>>,
    shared: Arc<SharedAccounts>,
    namespaces: Arc<HashMap<Arc<str>, Arc<NamespaceEntry>>>,
    complete: bool,
    agent: Presence,
    objects: Arc<Objects>,
    /// The injector's webhook.
    pub injector: Presence,
    /// When the associations were read, compared with the object that is judged.
    pub association_reading: AssociationReading,
}

/// The service accounts of a namespace.
type InNamespace = HashMap<Arc<str>, Arc<Entry>>;

/// A namespace, with what is in force for it. A process has one configuration, so that it is resolved once.
#[derive(Debug)]
struct NamespaceEntry {
    namespace: Namespace,
    policy: OnceLock<NamespacePolicy>,
}

impl NamespaceEntry {
    fn new(namespace: Namespace) -> Arc<Self> {
        Arc::new(Self { namespace, policy: OnceLock::new() })
    }
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
    /// The audience that the injector asks for; empty for that of the API server.
    pub injected_audience: Box<str>,
    /// The audience of their web identity tokens; `None` where the API server's is not known.
    audience: Option<Box<str>>,
    /// The chain; `None` where nothing is configured.
    pub chain: Option<Chain>,
    /// Where it is known that nothing is configured: the roles that name the service account.
    pub unconnected: Vec<Unconnected>,
}

impl Plan {
    /// Whether the pods are to exchange a web identity token.
    pub fn uses_web_identity(&self) -> bool {
        self.mechanism.is_some_and(Mechanism::uses_web_identity)
    }

    /// Whether the role is to come from the service account's association.
    pub fn uses_association(&self) -> bool {
        self.mechanism.is_some_and(Mechanism::uses_association)
    }

    /// The audience of the pods' web identity tokens.
    pub fn audience(&self) -> Audience<'_> {
        self.audience.as_deref().map_or(Audience::Unknown, Audience::Is)
    }

    /// The role that the annotation is missing for, where just one names the service account and trusts it.
    pub fn role_to_annotate(&self) -> Option<&str> {
        match self.unconnected.as_slice() {
            [only] if only.step == MissingStep::Annotation && only.state == State::Holds => Some(&only.role_arn),
            _ => None,
        }
    }
}

impl Entry {
    fn new(account: ServiceAccount, shared: &SharedAccounts) -> Arc<Self> {
        let account = (account != *plain()).then(|| shared.share(account));
        Arc::new(Self { account, plan: OnceLock::new() })
    }

    fn account(&self) -> &ServiceAccount {
        self.account.as_deref().unwrap_or_else(|| plain())
    }
}

static PLAIN: OnceLock<ServiceAccount> = OnceLock::new();

fn plain() -> &'static ServiceAccount {
    PLAIN.get_or_init(ServiceAccount::default)
}

impl World {
    /// Joins a snapshot with a cluster.
    pub fn new(snapshot: Arc<Snapshot>, cluster: Cluster, conventions: Conventions) -> Self {
        snapshot.index_naming_roles();
        let namespaces =
            cluster.namespaces.into_iter().map(|(name, namespace)| (name.into(), NamespaceEntry::new(namespace)));
        let shared = SharedAccounts::default();
        let service_accounts = cluster.service_accounts.into_iter().map(|(namespace, accounts)| {
            let entries = accounts.into_iter().map(|(name, account)| (name.into(), Entry::new(account, &shared)));
            (namespace.into(), Arc::new(entries.collect()))
        });
        Self {
            snapshot,
            token_file: format!("{}/token", conventions.token_mount_path),
            windows_token_file: format!("C:{}\\token", conventions.token_mount_path.replace('/', "\\")),
            conventions,
            service_accounts: Arc::new(service_accounts.collect()),
            shared: Arc::new(shared),
            namespaces: Arc::new(namespaces.collect()),
            complete: cluster.complete,
            agent: cluster.agent,
            injector: cluster.injector,
            objects: Arc::new(cluster.objects),
            association_reading: AssociationReading::default(),
        }
    }

    /// The same world whose associations were read at another time.
    #[must_use]
    pub fn with_association_reading(&self, association_reading: AssociationReading) -> Self {
        Self { association_reading, ..self.clone() }
    }

    /// The same cluster over another snapshot.
    #[must_use]
    pub fn with_snapshot(&self, snapshot: Arc<Snapshot>) -> Self {
        snapshot.index_naming_roles();
        Self { snapshot, service_accounts: self.unconcluded(), ..self.clone() }
    }

    /// The same cluster over another snapshot, for one service account: of the others nothing is known.
    #[must_use]
    pub fn for_one(&self, snapshot: Arc<Snapshot>, subject: Subject<'_>) -> Self {
        let entry = self.entry(subject.namespace, subject.service_account);
        let of_namespace = entry.map(|entry| {
            let entry = Arc::new(Entry { account: entry.account.clone(), plan: OnceLock::new() });
            let accounts = InNamespace::from([(subject.service_account.into(), entry)]);
            (subject.namespace.into(), Arc::new(accounts))
        });
        Self { snapshot, service_accounts: Arc::new(of_namespace.into_iter().collect()), ..self.clone() }
    }

    /// The service accounts without what was concluded for them.
    fn unconcluded(&self) -> Arc<HashMap<Arc<str>, Arc<InNamespace>>> {
        let entry = |entry: &Entry| Arc::new(Entry { account: entry.account.clone(), plan: OnceLock::new() });
        let service_accounts = self.service_accounts.iter().map(|(namespace, accounts)| {
            let entries = accounts.iter().map(|(name, known)| (Arc::clone(name), entry(known)));
            (Arc::clone(namespace), Arc::new(entries.collect()))
        });
        Arc::new(service_accounts.collect())
    }

    /// What ConfigMaps and SecretProviderClasses say of AWS, where they were read.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Whether a service account that is not listed does not exist.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.service_accounts.values().flat_map(|accounts| accounts.values().map(|entry| &**entry))
    }

    /// The service accounts that are annotated with a role: namespace, name and role.
    pub fn annotated_accounts(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.service_accounts.iter().flat_map(|(namespace, accounts)| {
            accounts.iter().filter_map(move |(name, entry)| {
                Some((&**namespace, &**name, entry.account.as_ref()?.role_arn.as_deref()?))
            })
        })
    }

    /// The roles that service accounts are annotated with, each as it is written.
    pub fn annotated_roles(&self) -> impl Iterator<Item = &str> {
        self.entries().filter_map(|entry| entry.account.as_ref()?.role_arn.as_deref())
    }

    /// Whether a service account or a namespace declares what it needs, so that roles' policies matter.
    pub fn declares_needs(&self) -> bool {
        self.entries()
            .any(|entry| entry.account.as_ref().is_some_and(|account| !account.own_annotations.requires.is_empty()))
            || self.namespaces.values().any(|entry| !entry.namespace.own_annotations.requires.is_empty())
    }

    fn entry(&self, namespace: &str, name: &str) -> Option<&Entry> {
        Some(self.service_accounts.get(namespace)?.get(name)?)
    }

    /// What is known of a service account. Every namespace has one called `default`.
    pub fn service_account(&self, namespace: &str, name: &str) -> Known<&ServiceAccount> {
        Known::found(self.entry(namespace, name).map(Entry::account), self.complete && name != "default")
    }

    /// A namespace's levels and annotations of `rolecall.dev`, where it is known.
    pub fn namespace(&self, name: &str) -> Option<&Namespace> {
        self.namespaces.get(name).map(|entry| &entry.namespace)
    }

    /// The namespaces that are known, in no order.
    pub fn namespaces(&self) -> impl Iterator<Item = (&str, &Namespace)> {
        self.namespaces.iter().map(|(name, entry)| (&**name, &entry.namespace))
    }

    /// What is in force for a namespace. It is resolved on first use, then kept: all calls must give the same assignment. Of a
    /// namespace that is not known only the name counts.
    pub fn namespace_policy(&self, name: &str, assignment: &LevelAssignment) -> NamespacePolicy {
        match self.namespaces.get(name) {
            Some(entry) => *entry.policy.get_or_init(|| entry.namespace.resolve(name, assignment).policy()),
            None => Namespace::default().resolve(name, assignment).policy(),
        }
    }

    /// The plan for a service account; concluded on first use, then kept.
    pub fn plan(&self, subject: Subject<'_>) -> Cow<'_, Plan> {
        match self.entry(subject.namespace, subject.service_account) {
            Some(entry) => {
                let account = entry.account();
                // It is kept for all pods, so that it has a limit of its own, whatever the first of them takes.
                let conclude = || Box::new(self.conclude(subject, account, &Effort::for_one_check()));
                Cow::Borrowed(entry.plan.get_or_init(conclude))
            }
            None => Cow::Owned(self.conclude(subject, plain(), &Effort::for_one_check())),
        }
    }

    /// The work that [`Self::plan`] may take, in compared patterns; 0 where the plan is concluded.
    pub fn work_of_plan(&self, subject: Subject<'_>) -> usize {
        let entry = self.entry(subject.namespace, subject.service_account);
        if entry.is_some_and(|entry| entry.plan.get().is_some()) {
            return 0;
        }
        if let Some(association) = self.association(subject) {
            let of = |arn: &str| chain::cost::of_association(&self.snapshot, subject, association, arn);
            return association.role_arn.as_deref().map_or(0, of);
        }
        let account = entry.map_or_else(|| plain(), Entry::account);
        let key = self.conventions.role_arn_key();
        match account.role_arn.as_deref() {
            Some(arn) => chain::cost::of_role(&self.snapshot, subject, arn, RoleSource::Annotation(key)),
            None => chain::unconnected::work(&self.snapshot, subject, key),
        }
    }

    /// The audience of tokens that name none: the API server's own. On EKS it is the same in every cluster (AWS Containers
    /// Blog, "Diving into IAM Roles for Service Accounts"); elsewhere a flag decides.
    pub fn api_audience(&self) -> Option<&'static str> {
        let issuer = self.snapshot.cluster.as_ref()?.issuer.as_ref()?.as_str();
        let is_eks = ["oidc.eks.", "oidc-eks."].iter().any(|host| issuer.starts_with(host));
        is_eks.then_some("https://kubernetes.default.svc")
    }

    /// Whether pods with a network of their own reach instance metadata (IMDS); `None` where it is not known.
    pub fn pods_reach_metadata(&self) -> Option<bool> {
        let stated = self.conventions.imds_hop_limit.map(|limit| limit > 1);
        stated.or(self.snapshot.pods_reach_metadata)
    }

    /// The association of a service account, where the associations are known and there is one.
    pub fn association(&self, subject: Subject<'_>) -> Option<&Association> {
        self.snapshot.association(subject.namespace, subject.service_account).present()
    }

    /// What would be meant for the pods of a service account that looks like this.
    pub fn conclude(&self, subject: Subject<'_>, account: &ServiceAccount, effort: &Effort) -> Plan {
        let injected_audience: Box<str> =
            account.audience.clone().unwrap_or_else(|| self.conventions.audience.as_str().into());
        let audience = match &*injected_audience {
            "" => self.api_audience().map(Into::into),
            own => Some(own.into()),
        };
        if let Some(association) = self.association(subject) {
            let role = association.target_role_arn.as_ref().or(association.role_arn.as_ref());
            return Plan {
                mechanism: Some(Mechanism::PodIdentity),
                role_arn: role.cloned(),
                chain: Some(chain::pod_identity(&self.snapshot, subject, association, self.agent, effort)),
                injected_audience,
                audience,
                unconnected: Vec::new(),
            };
        }
        let key = self.conventions.role_arn_key();
        let token = audience.as_deref().map_or(Audience::Unknown, Audience::Is);
        let Some(role_arn) = &account.role_arn else {
            let is_known = !self.snapshot.association(subject.namespace, subject.service_account).is_unknown();
            let roles = || chain::unconnected(&self.snapshot, subject, key, token, effort);
            let unconnected = if is_known { roles() } else { Vec::new() };
            return Plan { mechanism: None, role_arn: None, injected_audience, audience, chain: None, unconnected };
        };
        let source = RoleSource::Annotation(key);
        let mut chain = chain::irsa(&self.snapshot, subject, role_arn, token, source, effort);
        if injected_audience.is_empty() {
            chain.blame_empty_audience(subject, self.conventions.audience_key());
        }
        Plan {
            mechanism: Some(Mechanism::Irsa),
            role_arn: Some(role_arn.clone()),
            chain: Some(chain),
            injected_audience,
            audience,
            unconnected: Vec::new(),
        }
    }
}
