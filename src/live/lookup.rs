//! What the watched cluster does not tell yet: a short wait for its event, then one question to the API server.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use rolecall_core::cluster::{Namespace, ServiceAccount};
use rolecall_core::world::{Change, Unseen, World};
use tokio::time::Instant;

use super::flight::{Flights, Waiting};
use super::gate::Requester;
use super::turns::{MAX_NAME_BYTES, Turns};
use super::world_store::WorldStore;

/// Reads single objects of the cluster. Errors are sentences for a person.
pub trait ClusterReader: Send + Sync + std::fmt::Debug {
    /// A service account; `None` where there is none.
    fn service_account(
        &self,
        namespace: String,
        name: String,
    ) -> BoxFuture<'static, Result<Option<ServiceAccount>, String>>;
    /// A namespace; `None` where there is none.
    fn namespace(&self, name: String) -> BoxFuture<'static, Result<Option<Namespace>, String>>;
}

/// An object that is looked up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    ServiceAccount(String, String),
    Namespace(String),
}

impl Key {
    fn is_known(&self, world: &World) -> bool {
        match self {
            Self::ServiceAccount(namespace, name) => world.service_account(namespace, name).is_present(),
            Self::Namespace(name) => world.namespace(name).is_some(),
        }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ServiceAccount(namespace, name) => write!(f, "service account {namespace}/{name}"),
            Self::Namespace(name) => write!(f, "namespace {name}"),
        }
    }
}

type Answer = Arc<Result<Change, String>>;

/// Asks the API server for single objects: each one at a time, shared by all reviews that wait for it.
///
/// What is found serves just the reviews that asked: the index stays the watch's own, whose events have an order.
#[derive(Debug)]
pub struct Lookups {
    reader: Arc<dyn ClusterReader>,
    flights: Flights<Key, Answer>,
    turns: Turns<Key>,
    grace: Duration,
    patience: Duration,
}

/// Questions to the API server at one time.
const MAX_CONCURRENT_LOOKUPS: usize = 64;

/// Objects being looked up at one time.
const MAX_FLIGHTS: usize = 4_096;

impl Lookups {
    /// Looks up through a reader, after waiting for so long; a question is given up after `patience`.
    pub fn new(reader: Arc<dyn ClusterReader>, grace: Duration, patience: Duration) -> Self {
        let flights = Flights::new(Duration::ZERO, |answer: &Answer| answer.is_ok(), MAX_FLIGHTS);
        Self { reader, flights, turns: Turns::new(MAX_CONCURRENT_LOOKUPS, MAX_FLIGHTS, patience), grace, patience }
    }

    /// What is not known yet, once it is: nothing where the watch brought it meanwhile, else what the API server says.
    ///
    /// # Errors
    /// A sentence, where the API server did not say in time.
    pub async fn seek(
        &self,
        store: &WorldStore,
        unseen: Unseen,
        source: Option<IpAddr>,
        deadline: Instant,
    ) -> Result<Vec<Change>, String> {
        let came = self.flights.since();
        let Unseen { namespace, is_namespace_unseen, service_account } = unseen;
        let requester = Requester { source, namespace: namespace.clone() };
        let mut keys: Vec<Key> =
            service_account.map(|name| Key::ServiceAccount(namespace.clone(), name)).into_iter().collect();
        if is_namespace_unseen {
            keys.push(Key::Namespace(namespace));
        }
        let until = (Instant::now() + self.grace).min(deadline);
        if store.wait_until(|world| keys.iter().all(|key| key.is_known(world)), until).await {
            return Ok(Vec::new());
        }
        let world = Arc::clone(&store.now_full());
        let mut changes = Vec::with_capacity(keys.len());
        for key in keys.into_iter().filter(|key| !key.is_known(&world.world)) {
            changes.push(self.ask(key, came, &requester, deadline).await?);
        }
        Ok(changes)
    }

    /// A service account and its namespace as the API server has them now: a denial rests on the annotations of both, and on
    /// the namespace's labels. Neither is older than this call.
    ///
    /// # Errors
    /// A sentence, where the API server did not say in time.
    pub async fn read_again(
        &self,
        namespace: &str,
        service_account: &str,
        source: Option<IpAddr>,
        deadline: Instant,
    ) -> Result<Vec<Change>, String> {
        let came = self.flights.since();
        let requester = Requester { source, namespace: namespace.to_owned() };
        let account = Key::ServiceAccount(namespace.to_owned(), service_account.to_owned());
        let namespace = Key::Namespace(namespace.to_owned());
        let (account, namespace) = tokio::join!(
            self.ask(account, came, &requester, deadline),
            self.ask(namespace, came, &requester, deadline)
        );
        Ok(vec![account?, namespace?])
    }

    /// Asks, or waits for the answer to a question that was sent at `came` or later.
    async fn ask(&self, key: Key, came: Instant, requester: &Requester, deadline: Instant) -> Result<Change, String> {
        let crowded = || Err("too many other objects are being asked for".to_owned());
        let is_long = match &key {
            Key::ServiceAccount(namespace, name) => namespace.len().max(name.len()) > MAX_NAME_BYTES,
            Key::Namespace(name) => name.len() > MAX_NAME_BYTES,
        };
        if is_long {
            return Err("its name is longer than Kubernetes allows".to_owned());
        }
        if !self.turns.want(&key, requester) {
            return crowded();
        }
        let lost: Answer = Arc::new(Err("the question broke off".to_owned()));
        let Some(flight) = self.flights.join(key.clone(), came, |waiting| self.start(&key, waiting), lost) else {
            return crowded();
        };
        match tokio::time::timeout_at(deadline, flight).await {
            Ok((_, answer)) => {
                (*answer).clone().map_err(|fault| format!("the API server was asked for {key}: {fault}"))
            }
            Err(_) => Err(format!("the API server did not answer in time when it was asked for {key}")),
        }
    }

    fn start(&self, key: &Key, waiting: Arc<Waiting>) -> BoxFuture<'static, Answer> {
        let reader = Arc::clone(&self.reader);
        let patience = self.patience;
        let place = self.turns.place(key);
        let key = key.clone();
        let asking = async move {
            let _place = place.await;
            if !waiting.is_wanted() {
                return Err("no review waits for it any more".to_owned());
            }
            match key {
                Key::ServiceAccount(namespace, name) => {
                    let account = reader.service_account(namespace.clone(), name.clone()).await?;
                    Ok(Change::ServiceAccount { namespace: namespace.into(), name: name.into(), account })
                }
                Key::Namespace(name) => {
                    let namespace = reader.namespace(name.clone()).await?;
                    Ok(Change::Namespace { name: name.into(), namespace })
                }
            }
        };
        Box::pin(async move {
            let given_up = |_| Err(format!("no answer within {} s", patience.as_secs()));
            Arc::new(tokio::time::timeout(patience, asking).await.unwrap_or_else(given_up))
        })
    }
}
