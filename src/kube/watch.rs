//! Watching the cluster: service accounts, namespaces, the injector's webhook and the agent's DaemonSet.
//!
//! Only metadata is asked for, and of it only what the judgement reads is kept. Each watch lists first, replaces what was
//! known by the list, and follows the events; where it breaks, it lists again (Kubernetes API concepts, "Efficient
//! detection of changes").

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Namespace as KubeNamespace, ServiceAccount as KubeServiceAccount};
use kube::api::ObjectMeta;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Error, Event, watcher};
use kube::{Api, Client};
use rolecall_core::cluster::{Conventions, Namespace, Presence, ServiceAccount};
use rolecall_core::workload::{Metadata, Pairs, Text};
use rolecall_core::world::{Accounts, Change, Namespaces};

use crate::config::ClusterConfig;
use crate::live::WorldStore;

/// Sees how the watches fare.
pub trait Watching: Send + Sync + Debug {
    /// A kind was listed: so many objects.
    fn listed(&self, what: &'static str, objects: usize);
    /// A watch broke, for this reason; it will be tried again.
    fn lost(&self, what: &'static str, error: &str);
}

/// Name and namespace of the Pod Identity agent's DaemonSet (Amazon EKS User Guide, "Set up the Amazon EKS Pod Identity
/// Agent").
pub const AGENT: (&str, &str) = ("kube-system", "eks-pod-identity-agent");

/// Watches until it is dropped, and tells the store of each change.
pub async fn watch_forever(
    client: Client,
    config: &ClusterConfig,
    conventions: &Conventions,
    store: Arc<WorldStore>,
    seen: Arc<dyn Watching>,
) {
    let named = |name: &str| Config::default().fields(&format!("metadata.name={name}"));
    let accounts = watcher(Api::<PartialObjectMeta<KubeServiceAccount>>::all(client.clone()), Config::default());
    let namespaces = watcher(Api::<PartialObjectMeta<KubeNamespace>>::all(client.clone()), Config::default());
    let agent = watcher(Api::<PartialObjectMeta<DaemonSet>>::namespaced(client.clone(), AGENT.0), named(AGENT.1));
    let injector = watcher(
        Api::<PartialObjectMeta<MutatingWebhookConfiguration>>::all(client),
        named(&config.injector_configuration),
    );
    let (store, seen) = (&*store, &*seen);
    tokio::join!(
        follow("serviceaccounts", AccountList(conventions), accounts, store, seen),
        follow("namespaces", NamespaceList, namespaces, store, seen),
        follow("agent", Single(agent_is), agent, store, seen),
        follow("injector", Single(injector_is), injector, store, seen),
    );
}

fn injector_is(there: bool) -> Change {
    Change::Injector(Presence::exists(there))
}

fn agent_is(there: bool) -> Change {
    Change::Agent(Presence::exists(there))
}

/// What a kind of object comes to, one by one and as a list.
trait Listing {
    /// A list under way.
    type List: Default;
    /// One more of the list.
    fn add(&self, list: &mut Self::List, object: &ObjectMeta);
    /// The list is complete.
    fn whole(&self, list: Self::List) -> Change;
    /// An object is there, or no longer.
    fn one(&self, object: &ObjectMeta, there: bool) -> Change;
}

async fn follow<L: Listing, K: Debug + Send>(
    what: &'static str,
    listing: L,
    events: impl Stream<Item = Result<Event<PartialObjectMeta<K>>, Error>>,
    store: &WorldStore,
    seen: &dyn Watching,
) {
    // What has gathered is taken at once: a swap for each of thousands of events would be waste.
    let mut events = pin!(events.default_backoff().ready_chunks(256));
    let mut list = L::List::default();
    let mut objects = 0;
    while let Some(gathered) = events.next().await {
        let mut changes = Vec::new();
        for event in gathered {
            match event {
                Ok(Event::Init) => {
                    list = L::List::default();
                    objects = 0;
                }
                Ok(Event::InitApply(object)) => {
                    listing.add(&mut list, &object.metadata);
                    objects += 1;
                }
                Ok(Event::InitDone) => {
                    changes.push(listing.whole(std::mem::take(&mut list)));
                    seen.listed(what, objects);
                }
                Ok(Event::Apply(object)) => changes.push(listing.one(&object.metadata, true)),
                Ok(Event::Delete(object)) => changes.push(listing.one(&object.metadata, false)),
                Err(error) => seen.lost(what, &in_words(&error)),
            }
        }
        if !changes.is_empty() {
            store.apply(changes);
        }
    }
}

pub(super) fn in_words(error: &Error) -> String {
    match error {
        Error::InitialListFailed(cause) | Error::WatchStartFailed(cause) | Error::WatchFailed(cause) => {
            super::explain(cause)
        }
        other => other.to_string(),
    }
}

struct AccountList<'c>(&'c Conventions);

impl Listing for AccountList<'_> {
    type List = Accounts;

    fn add(&self, list: &mut Accounts, object: &ObjectMeta) {
        let account = service_account(object, self.0);
        list.entry(text(object.namespace.as_ref())).or_default().insert(text(object.name.as_ref()), account);
    }

    fn whole(&self, list: Accounts) -> Change {
        Change::ServiceAccounts(list)
    }

    fn one(&self, object: &ObjectMeta, there: bool) -> Change {
        Change::ServiceAccount {
            namespace: text(object.namespace.as_ref()),
            name: text(object.name.as_ref()),
            account: there.then(|| service_account(object, self.0)),
        }
    }
}

struct NamespaceList;

impl Listing for NamespaceList {
    type List = Namespaces;

    fn add(&self, list: &mut Namespaces, object: &ObjectMeta) {
        list.insert(text(object.name.as_ref()), namespace(object));
    }

    fn whole(&self, list: Namespaces) -> Change {
        Change::Namespaces(list)
    }

    fn one(&self, object: &ObjectMeta, there: bool) -> Change {
        Change::Namespace { name: text(object.name.as_ref()), namespace: there.then(|| namespace(object)) }
    }
}

/// One object of a known name: there or not.
struct Single(fn(bool) -> Change);

impl Listing for Single {
    type List = bool;

    fn add(&self, list: &mut bool, _: &ObjectMeta) {
        *list = true;
    }

    fn whole(&self, list: bool) -> Change {
        self.0(list)
    }

    fn one(&self, _: &ObjectMeta, there: bool) -> Change {
        self.0(there)
    }
}

fn text(value: Option<&String>) -> Box<str> {
    value.map(String::as_str).unwrap_or_default().into()
}

pub(super) fn service_account(object: &ObjectMeta, conventions: &Conventions) -> ServiceAccount {
    ServiceAccount::of(&metadata(object), conventions)
}

pub(super) fn namespace(object: &ObjectMeta) -> Namespace {
    Namespace::of(&metadata(object))
}

/// The view of metadata that the judgement reads.
fn metadata(object: &ObjectMeta) -> Metadata<'_> {
    fn name(value: Option<&String>) -> Option<Text<'_>> {
        value.map(|text| Text::from(text.as_str()))
    }
    fn pairs(map: Option<&BTreeMap<String, String>>) -> Pairs<'_> {
        let pairs = map.into_iter().flatten();
        Pairs(pairs.map(|(key, value)| (Text::from(key.as_str()), Text::from(value.as_str()))).collect())
    }
    Metadata {
        name: name(object.name.as_ref()),
        generate_name: name(object.generate_name.as_ref()),
        namespace: name(object.namespace.as_ref()),
        labels: pairs(object.labels.as_ref()),
        annotations: pairs(object.annotations.as_ref()),
    }
}
