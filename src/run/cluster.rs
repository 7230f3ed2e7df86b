//! Serving in a cluster: what follows it, asks it and tells it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kube::Client;

use crate::config::Config;
use crate::kube::{Authorizer, FromCluster, Pausing, Watching, Writing, events, watch_forever, watch_pause};
use crate::live::{Lookups, WorldStore};
use crate::review::{NoticeSink, Pause};
use crate::server::{ClusterDoor, Metrics};

/// What asks the cluster and writes Events, and what follows it for as long as it is polled.
pub(super) fn follow(
    client: Client,
    config: &Config,
    store: &Arc<WorldStore>,
    metrics: &Arc<Metrics>,
    pause: Arc<Pause>,
) -> (ClusterDoor, BoxFuture<'static, ()>) {
    let settings = config.cluster.clone();
    let conventions = config.conventions();
    let reader = Arc::new(FromCluster::new(client.clone(), conventions.clone()));
    let grace = Duration::from_millis(settings.grace_milliseconds);
    let patience = Duration::from_secs(config.limits.reread_seconds);
    let lookups = Lookups::new(reader, grace, patience);
    let access = Arc::new(Authorizer::new(client.clone()));
    let seen: Arc<dyn Writing> = Arc::<Metrics>::clone(metrics);
    let events_config = config.events;
    let (queue, writing) = events(client.clone(), events_config, std::env::var("POD_NAME").ok(), seen);
    let is_wanted = events_config.denials || events_config.warnings;
    let notices = is_wanted.then(|| Arc::new(queue) as Arc<dyn NoticeSink>);
    let door = ClusterDoor { lookups, access, notices };
    let store = Arc::clone(store);
    let seen: Arc<dyn Watching> = Arc::<Metrics>::clone(metrics);
    let pausing: Arc<dyn Pausing> = Arc::<Metrics>::clone(metrics);
    let task = async move {
        let own_namespace = settings.own_namespace();
        let pause = watch_pause(client.clone(), &own_namespace, &pause, pausing);
        let watching = watch_forever(client, &settings, &conventions, store, seen);
        // Without Events there is no queue, and the writer ends at once.
        tokio::join!(watching, writing, pause);
    };
    (door, task.boxed())
}
