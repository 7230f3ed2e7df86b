//! Serving in a cluster: what follows it, asks it and tells it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kube::Client;

use super::previews::{Previews, count_forever};
use super::shutdown::Shutdown;
use crate::config::Config;
use crate::kube::{Authorizer, FromCluster, Pausing, Watching, Writing, events, watch_forever, watch_pause};
use crate::live::{Lookups, WorldStore};
use crate::review::{NoticeSink, Previewer, Settings};
use crate::server::{ClusterAccess, Metrics};

/// What asks the cluster and writes Events, and what follows it for as long as it is polled. `identity`: the name of this
/// replica among others.
pub(super) fn follow(
    client: Client,
    config: &Config,
    (store, metrics): (&Arc<WorldStore>, &Arc<Metrics>),
    review_settings: &Settings,
    (identity, shutdown): (String, Shutdown),
) -> (ClusterAccess, BoxFuture<'static, ()>) {
    let pause = Arc::clone(&review_settings.pause);
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
    let previews = Previews::new(client.clone(), store, metrics);
    let previewer: Arc<dyn Previewer> = Arc::new(Arc::clone(&previews));
    let access = ClusterAccess { lookups, access, previewer: Some(previewer), notices };
    let counting = (config.would_deny, settings.clone());
    let counting = count_forever(previews, review_settings.clone(), counting, identity, shutdown);
    let store = Arc::clone(store);
    let seen: Arc<dyn Watching> = Arc::<Metrics>::clone(metrics);
    let pausing: Arc<dyn Pausing> = Arc::<Metrics>::clone(metrics);
    let task = async move {
        let own_namespace = settings.own_namespace();
        let pause = watch_pause(client.clone(), &own_namespace, &pause, pausing);
        let watching = watch_forever(client, &settings, &conventions, store, seen);
        // Without Events there is no queue, and the writer ends at once.
        tokio::join!(watching, writing, pause, counting);
    };
    (access, task.boxed())
}
