//! What raised levels would deny: asked for by reviews of namespaces, and counted in the background for a dashboard.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use kube::Client;
use rolecall_core::cluster::Namespace;
use rolecall_core::decision::NamespacePolicy;
use rolecall_core::workload::is_object_name;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::shutdown::Shutdown;
use crate::config::{ClusterConfig, WouldDenyConfig};
use crate::kube::{Candidate, Leadership};
use crate::live::WorldStore;
use crate::review::{NoPreview, Preview, Previewer, Raise, RaisedLevel, Settings};
use crate::scan::{PreviewLimits, preview};
use crate::server::{Metrics, WouldDeny};

/// Most objects that one preview reads.
const MAX_OBJECTS: usize = 3_000;
/// How long the background may check one namespace.
const BACKGROUND: Duration = Duration::from_secs(30);
/// Between two namespaces, at least and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// Name of the Lease of the replica that counts.
const LEASE: &str = "rolecall-would-deny";

/// Checks what runs in namespaces, one page of a list at a time: a page takes memory.
pub(super) struct Previews {
    client: Client,
    store: Arc<WorldStore>,
    metrics: Arc<Metrics>,
    turn: Arc<Semaphore>,
}

impl std::fmt::Debug for Previews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Previews")
    }
}

impl Previews {
    pub(super) fn new(client: Client, store: &Arc<WorldStore>, metrics: &Arc<Metrics>) -> Arc<Self> {
        let (store, metrics) = (Arc::clone(store), Arc::clone(metrics));
        Arc::new(Self { client, store, metrics, turn: Arc::new(Semaphore::new(1)) })
    }

    async fn check(&self, raise: &Raise, settings: &Settings, end: Instant) -> Result<Preview, NoPreview> {
        if !is_object_name(&raise.name) {
            return Err(NoPreview::Unreadable("it is no name of a namespace".to_owned()));
        }
        let world_state = self.store.now_full();
        if !world_state.is_first_hand || !world_state.world.is_complete() {
            return Err(NoPreview::NothingKnown);
        }
        let level = RaisedLevel::new(&world_state.world, settings, raise, Timestamp::now());
        let level = level.ok_or(NoPreview::NothingKnown)?;
        drop(world_state);
        let limits = PreviewLimits { objects: MAX_OBJECTS, end, turn: Arc::clone(&self.turn) };
        preview(&self.client, &raise.name, level, limits).await
    }
}

impl Previewer for Arc<Previews> {
    fn preview(
        &self,
        raise: &Raise,
        settings: &Settings,
        end: Instant,
    ) -> BoxFuture<'static, Result<Preview, NoPreview>> {
        let (this, raise, settings) = (Self::clone(self), raise.clone(), settings.clone());
        async move {
            let checked = this.check(&raise, &settings, end).await;
            if let Err(NoPreview::Unreadable(why) | NoPreview::Forbidden(why)) = &checked {
                let namespace = raise.name.as_str();
                tracing::info!(target: "rolecall::kube", namespace, why, "the preview of a raised level could not be made");
            }
            checked
        }
        .boxed()
    }
}

/// Counts for each namespace what its pods' re-creation would meet at a level, by one replica, for as long as it is polled.
pub(super) async fn count_forever(
    previews: Arc<Previews>,
    settings: Settings,
    (would_deny, cluster): (WouldDenyConfig, ClusterConfig),
    identity: String,
    shutdown: Shutdown,
) {
    let Some(every) = would_deny.every() else { return };
    let duration = Duration::from_secs(cluster.lease_seconds);
    let candidate = Candidate::new(previews.client.clone(), &cluster.own_namespace(), LEASE, &identity, duration);
    let (mut elected, renewal) = candidate.stand().await;
    shutdown.spawn(renewal);
    loop {
        let held = elected.borrow_and_update().clone();
        let work = async {
            if held == Leadership::Follower {
                previews.metrics.would_deny(None);
                return std::future::pending().await;
            }
            loop {
                let start = Instant::now();
                round(&previews, &settings, would_deny, every).await;
                tokio::time::sleep_until(start + every).await;
            }
        };
        tokio::select! {
            () = work => {}
            Ok(()) = elected.changed() => {}
        }
    }
}

/// Checks all namespaces. A namespace that cannot be checked, or not all of it, is not shown as ready.
async fn round(previews: &Previews, settings: &Settings, would_deny: WouldDenyConfig, every: Duration) {
    let raises = raises(previews, settings, would_deny);
    let (least, most) = PAUSES;
    let pause = (every / 2).checked_div(u32::try_from(raises.len()).unwrap_or(u32::MAX));
    let pause = pause.unwrap_or(most).clamp(least, most);
    let mut counted = WouldDeny::default();
    for raise in raises {
        match previews.check(&raise, settings, Instant::now() + BACKGROUND).await {
            Ok(preview) => counted.add(&raise.name, &preview),
            Err(NoPreview::NothingKnown) => return previews.metrics.would_deny(None),
            Err(NoPreview::Forbidden(why)) => {
                tracing::info!(target: "rolecall::kube", why, "what a raised level would deny is not counted");
                return previews.metrics.would_deny(None);
            }
            Err(NoPreview::Busy) => {}
            Err(NoPreview::Unreadable(why)) => {
                let namespace = raise.name;
                tracing::info!(target: "rolecall::kube", namespace, why, "what a raised level would deny there is not counted");
            }
        }
        tokio::time::sleep(pause).await;
    }
    previews.metrics.would_deny(Some(&counted));
}

/// The namespaces, by name, with the level.
fn raises(previews: &Previews, settings: &Settings, would_deny: WouldDenyConfig) -> Vec<Raise> {
    let world_state = previews.store.now();
    let raise = |(name, namespace): (&str, &Namespace)| {
        let NamespacePolicy { enforce_on, .. } = namespace.resolve(name, &settings.levels).policy();
        Raise { name: name.to_owned(), level: would_deny.level, enforce_on, namespace: namespace.clone() }
    };
    let mut raises: Vec<Raise> = world_state.world.namespaces().map(raise).collect();
    raises.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    raises
}
