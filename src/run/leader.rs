//! Several replicas, one of which reads AWS for all: a Lease chooses it, the others follow what it publishes.
//!
//! Nothing is lost when the holder goes: every replica keeps what it knows, the next holder collects for itself, and a
//! denial is confirmed by each replica's own reading of the links. Two holders at a time, as a partition may make them, cost
//! calls and nothing else: the one that began earlier does not overwrite the other.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream, StreamExt};
use jiff::Timestamp;
use kube::Client;
use rolecall_core::world::World;
use tokio::time::Instant;

use super::live::{FromAws, parts};
use super::shutdown::Shutdown;
use crate::config::{ClusterConfig, Config};
use crate::kube::{Candidate, Leadership, Publication, Published, PublishedSnapshot};
use crate::live::{Asked, Collection, Collector, Refresh, Refreshing, WorldStore, refresh_forever};
use crate::server::Metrics;
use crate::sources::read_snapshot;

/// Name of the Lease.
const LEASE: &str = "rolecall-collector";
/// Clocks of two nodes may differ by so much; what was read again on this one since then is not undone by what was published.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(10);

/// How long a replica that knows nothing waits for what is published.
const FIRST: Duration = Duration::from_secs(60);
/// How long what is published may take to be read at the start.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a collection waits for the cluster's lists; without them it reads what associations name.
const LISTING: Duration = Duration::from_secs(30);

/// A replica among others.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) store: Arc<WorldStore>,
    pub(super) from_aws: Arc<FromAws>,
    pub(super) refreshing: Refreshing,
    pub(super) metrics: Arc<Metrics>,
    pub(super) cluster: String,
    published: Arc<Published>,
    config: ClusterConfig,
}

impl Replica {
    /// A replica that collects through `from_aws` when it is its turn.
    pub(super) fn new(
        client: &Client,
        config: &Config,
        cluster: &str,
        store: &Arc<WorldStore>,
        from_aws: &Arc<FromAws>,
        refreshing: Refreshing,
        metrics: &Arc<Metrics>,
    ) -> Self {
        let settings = config.cluster.clone();
        let published = Published::new(client.clone(), &settings.own_namespace(), settings.secret_bytes);
        Self {
            store: Arc::clone(store),
            from_aws: Arc::clone(from_aws),
            refreshing,
            metrics: Arc::clone(metrics),
            cluster: cluster.to_owned(),
            published: Arc::new(published),
            config: settings,
        }
    }

    /// Collects or follows, as the Lease says, for as long as it is polled.
    pub(super) async fn serve(self, client: Client, identity: String, chance: fn() -> f64, shutdown: Shutdown) {
        // What was known before this process began is better than nothing, also while AWS is out of reach.
        let read = tokio::time::timeout(READ_TIMEOUT, self.published.read()).await;
        let read = read.unwrap_or_else(|_| Err("the API server did not answer in time".to_owned()));
        if let Some(snapshot) = read.unwrap_or_else(|fault| self.complain(&fault)) {
            self.take(snapshot).await;
        }
        let duration = Duration::from_secs(self.config.lease_seconds);
        let candidate = Candidate::new(client, &self.config.own_namespace(), LEASE, &identity, duration);
        let (mut elected, renewal) = candidate.stand().await;
        shutdown.spawn(renewal);
        loop {
            let held = elected.borrow_and_update().clone();
            tracing::info!(target: "rolecall::kube", held = ?held, "the Lease was decided");
            let work = match held {
                Leadership::Leader => {
                    self.metrics.holds_lease(Some(true));
                    self.collect(true, chance).left_future()
                }
                Leadership::Follower => {
                    self.metrics.holds_lease(Some(false));
                    self.follow(chance).right_future()
                }
                Leadership::Unknown(fault) => {
                    tracing::warn!(target: "rolecall::kube", fault, "no Lease can be had; this replica collects for itself");
                    self.metrics.holds_lease(None);
                    self.collect(false, chance).left_future()
                }
            };
            tokio::select! {
                () = work => {}
                // Where no replica holds the Lease any more, what is under way goes on.
                Ok(()) = elected.changed() => {}
            }
        }
    }

    async fn collect(&self, publishes: bool, chance: fn() -> f64) {
        // What the cluster names is read: without its lists a collection would lack most roles, and be published so.
        let is_listed = |world: &World| world.is_complete() && world.namespace("default").is_some();
        self.store.wait_until(is_listed, Instant::now() + LISTING).await;
        let collector: Arc<dyn Collector> = match publishes {
            true => Arc::new(Publishing {
                from_aws: Arc::clone(&self.from_aws),
                published: Arc::clone(&self.published),
                metrics: Arc::clone(&self.metrics),
            }),
            false => Arc::<FromAws>::clone(&self.from_aws),
        };
        let seen = Arc::clone(&self.metrics);
        refresh_forever(Arc::clone(&self.store), collector, self.refreshing, chance, seen).await;
    }

    /// Takes what is published; while nothing of use comes, collects.
    async fn follow(&self, chance: fn() -> f64) {
        let mut snapshots = std::pin::pin!(self.published.follow());
        loop {
            self.listen(&mut snapshots).await;
            tokio::select! {
                () = self.collect(false, chance) => {}
                () = self.news(&mut snapshots) => {}
            }
        }
    }

    /// Takes what is published until that is too long, cannot be read by one who knows nothing, or brings no news for long.
    async fn listen(&self, snapshots: &mut (impl Stream<Item = Result<PublishedSnapshot, String>> + Unpin)) {
        let mut heard = Instant::now();
        loop {
            let knows = self.store.now().is_first_hand;
            let patience = if knows { self.refreshing.interval.saturating_mul(3).max(FIRST) } else { FIRST };
            match tokio::time::timeout_at(heard + patience, snapshots.next()).await {
                Ok(Some(Ok(snapshot))) if snapshot.about.too_large => return,
                Ok(Some(Ok(snapshot))) => {
                    if self.take(snapshot).await {
                        heard = Instant::now();
                    }
                }
                Ok(Some(Err(fault))) => {
                    self.complain(&fault);
                    if !knows {
                        return;
                    }
                }
                Ok(None) => return,
                Err(_) => {
                    self.metrics.publication("silent");
                    let seconds = patience.as_secs();
                    tracing::warn!(target: "rolecall::kube", seconds, "nothing new was published; this replica collects for itself");
                    return;
                }
            }
        }
    }

    /// Takes the next that is published and newer than what is known.
    async fn news(&self, snapshots: &mut (impl Stream<Item = Result<PublishedSnapshot, String>> + Unpin)) {
        while let Some(read) = snapshots.next().await {
            match read {
                Ok(snapshot) => {
                    if self.take(snapshot).await {
                        return;
                    }
                }
                Err(fault) => {
                    self.complain(&fault);
                }
            }
        }
        std::future::pending().await
    }

    fn complain(&self, fault: &str) -> Option<PublishedSnapshot> {
        self.metrics.publication("unreadable");
        tracing::warn!(target: "rolecall::kube", fault, "what others publish cannot be had");
        None
    }

    /// Takes a snapshot; gives whether it was newer than what is known.
    async fn take(&self, PublishedSnapshot { about, document }: PublishedSnapshot) -> bool {
        if about.too_large {
            return false;
        }
        let start = Instant::now();
        let cluster = self.cluster.clone();
        let read = tokio::task::spawn_blocking(move || read_snapshot(&document, Some(&cluster))).await;
        let snapshot = match read.map_err(|error| error.to_string()).and_then(|read| read) {
            Ok(snapshot) => snapshot,
            Err(fault) => {
                self.complain(&fault);
                return false;
            }
        };
        {
            let known = self.store.now();
            if known.is_first_hand && snapshot.collected_at <= known.world.snapshot.collected_at {
                return false;
            }
        }
        let age = Timestamp::now().duration_since(about.began).unsigned_abs();
        let began = Instant::now().checked_sub(age + MAX_CLOCK_SKEW).unwrap_or_else(Instant::now);
        let collection = Collection { is_usable: true, parts: parts(&snapshot), ..Collection::default() };
        self.store.take(snapshot, began, about.is_whole);
        self.metrics.publication("followed");
        self.metrics.refreshed(&self.store.now(), &collection, start.elapsed());
        true
    }
}

/// Collects from AWS, and publishes what comes of it.
#[derive(Debug)]
struct Publishing {
    from_aws: Arc<FromAws>,
    published: Arc<Published>,
    metrics: Arc<Metrics>,
}

impl Collector for Publishing {
    fn collect(&self, asked: Asked) -> BoxFuture<'_, Option<Collection>> {
        async move {
            let began = Timestamp::now();
            let (collection, document) = self.from_aws.collect_document(asked).await;
            if let Some(document) = document {
                // Its own answers do not wait for this: a Secret that hangs must not keep what was read from being used.
                let (published, metrics) = (Arc::clone(&self.published), Arc::clone(&self.metrics));
                let is_whole = collection.failures.is_empty();
                tokio::spawn(async move {
                    let outcome = match published.publish(document, began, is_whole).await {
                        Ok(Publication::Published) => "published",
                        Ok(Publication::Outdated) => "outdated",
                        Ok(Publication::TooLarge) => {
                            tracing::warn!(target: "rolecall::kube", "the snapshot is too long to be published in Secrets: each replica collects for itself; let `rolecall snapshot` write it to an object store, and serve it with --source s3://BUCKET/KEY");
                            "too-large"
                        }
                        Err(fault) => {
                            tracing::warn!(target: "rolecall::kube", fault, "the snapshot could not be published");
                            "failed"
                        }
                    };
                    metrics.publication(outcome);
                });
            }
            Some(collection)
        }
        .boxed()
    }
}
