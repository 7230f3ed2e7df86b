//! `rolecall serve`

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rolecall_certs::client_verifier;
use rolecall_core::snapshot::Snapshot;
use rolecall_core::world::World;
use tokio::signal::unix::{SignalKind, signal};

use super::certificates::certificates;
use super::live::Shared;
use super::shutdown::Shutdown;
use crate::cli::ServeArgs;
use crate::config::Config;
#[cfg(feature = "aws")]
use crate::live::{LinkReader, Rereads, refresh_forever};
use crate::live::{Rechecks, Refreshing, WorldState, WorldStore};
use crate::review::Settings;
use crate::server::{ClusterAccess, Confirmation, Listeners, LogFormat, Metrics, State, init_log, start};
use crate::sources::{Manifests, ReadOptions, SnapshotSource, SourceKind, read_snapshot};

/// Serves until SIGTERM or SIGINT, then ends gracefully.
///
/// # Errors
/// Where something that the start needs cannot be read or bound.
pub fn serve(args: &ServeArgs) -> anyhow::Result<()> {
    let config = args.config.as_deref().map(Config::load).transpose()?.unwrap_or_default();
    let scene = Scene::load(args, &config)?;
    let clients = args.client_ca.as_deref().map(client_verifier).transpose().context("--client-ca")?;
    let _log = init_log(LogFormat::Json);
    let listeners = Listeners::bind(args.listen, args.metrics_listen)?;
    super::run(async {
        ignore_hangup()?;
        let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be waited for")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be waited for")?;
        let metrics = Arc::new(Metrics::new());
        let kube = if args.no_kube { None } else { Some(connect().await?) };
        let shutdown = Shutdown::default();
        let start_of = Start { args, config: &config, metrics: &metrics, kube: kube.as_ref(), shutdown: &shutdown };
        // It may wait for the API server.
        let (certificate, certifying) = tokio::select! {
            certificate = certificates(args, &config, Arc::<Metrics>::clone(&metrics), kube.as_ref()) => certificate?,
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        };
        if let Some(clients) = clients {
            certificate.require_client_certificates(clients);
        }
        // So may this for the owner of the snapshot.
        let Known { store, confirmation, settings, refreshing } = tokio::select! {
            known = start_of.load_state(scene) => known?,
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        };
        let (cluster, watching) = start_of.in_cluster(&store, &settings);
        let state = State::confirming(store, confirmation, cluster, metrics, settings, config.limits);
        let mut running = start(listeners, state, &certificate)?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            error = running.failed() => return Err(error),
            () = refreshing => {}
            () = watching => {}
            () = certifying => {}
        }
        running.shut_down().await;
        shutdown.wait().await;
        Ok(())
    })
}

/// SIGHUP ends a process that does not handle it. There is nothing to read again: certificates and snapshots are looked at
/// all the time, and the configuration belongs to the start.
fn ignore_hangup() -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup()).context("SIGHUP cannot be waited for")?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            tracing::info!(target: "rolecall::server", "SIGHUP is ignored; restart to read the configuration again");
        }
    });
    Ok(())
}

/// What connects to the API server; nothing in a build that cannot.
#[cfg(feature = "kube")]
pub(super) type Kube = kube::Client;
#[cfg(not(feature = "kube"))]
pub(super) type Kube = std::convert::Infallible;

#[cfg(feature = "kube")]
async fn connect() -> anyhow::Result<Kube> {
    crate::kube::connect(None).await.context("serve follows a cluster; to serve without one add --no-kube")
}

#[cfg(not(feature = "kube"))]
#[expect(clippy::unused_async, reason = "it waits where the feature is on")]
async fn connect() -> anyhow::Result<Kube> {
    bail!("serve: this build has no feature `kube`; add --no-kube and --manifests PATH")
}

/// The cluster as the manifests have it.
struct Scene {
    world: World,
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "only AWS is asked for single roles"))]
    roles: BTreeSet<String>,
}

impl Scene {
    fn load(args: &ServeArgs, config: &Config) -> anyhow::Result<Self> {
        let conventions = config.conventions();
        let (cluster, roles) = Manifests::known(&args.manifests, &conventions, &ReadOptions::default())?;
        Ok(Self { world: World::new(Arc::new(Snapshot::default()), cluster, conventions), roles })
    }
}

/// Something that goes on for as long as it is polled.
type Task = BoxFuture<'static, ()>;

/// What is known at the start, and what keeps it fresh.
struct Known {
    store: Arc<WorldStore>,
    confirmation: Confirmation,
    settings: Settings,
    refreshing: Task,
}

/// What the parts are made of.
#[derive(Clone, Copy)]
struct Start<'s> {
    args: &'s ServeArgs,
    config: &'s Config,
    metrics: &'s Arc<Metrics>,
    kube: Option<&'s Kube>,
    #[cfg_attr(not(feature = "kube"), expect(dead_code, reason = "only a Lease is given back"))]
    shutdown: &'s Shutdown,
}

impl Start<'_> {
    /// What asks the cluster, and what follows it for as long as it is polled.
    fn in_cluster(self, store: &Arc<WorldStore>, settings: &Settings) -> (Option<ClusterAccess>, Task) {
        match self.kube {
            #[cfg(feature = "kube")]
            Some(client) => {
                let known = (store, self.metrics);
                let replica = (identity(), self.shutdown.clone());
                let (access, task) = super::cluster::follow(client.clone(), self.config, known, settings, replica);
                (Some(access), task)
            }
            #[cfg(not(feature = "kube"))]
            Some(never) => match *never {},
            None => {
                let _ = (store, settings);
                (None, pending().boxed())
            }
        }
    }

    async fn load_state(self, scene: Scene) -> anyhow::Result<Known> {
        let Self { args, config, metrics, .. } = self;
        let mut settings = config.settings(args.mode.into());
        let refresh = config.refresh;
        let kind = SourceKind::of(&args.source);
        let seconds = if kind == SourceKind::Aws { refresh.collect_seconds() } else { refresh.poll_seconds() };
        let interval = Duration::from_secs(seconds);
        let refreshing = Refreshing { interval, jitter: config.refresh.jitter };
        if settings.snapshot_max_age.is_none() {
            let default = kind.default_max_age(interval);
            settings.snapshot_max_age = default.and_then(|age| i64::try_from(age.as_secs()).ok());
        }
        if kind == SourceKind::Aws {
            return self.over_aws(scene, settings, refreshing).await;
        }
        let mut source = SnapshotSource::open(&args.source, &config.aws).await?;
        let first = match source.poll().await {
            Ok(fetched) => {
                let text = fetched.map(|fetched| fetched.text).unwrap_or_default();
                let snapshot = read_snapshot(&text, args.cluster.as_deref())
                    .map_err(|message| anyhow::anyhow!("{}: {message}", args.source))?;
                WorldState::new(scene.world.with_snapshot(Arc::new(snapshot)))
            }
            Err(error) if kind.must_exist() => return Err(error),
            // The snapshot may not have been written yet: warn only, not ready, and try again.
            Err(error) => {
                tracing::warn!(target: "rolecall::live", error = format!("{error:#}"), "the snapshot cannot be read yet");
                WorldState::before_reading(scene.world)
            }
        };
        metrics.describe_snapshot(&first);
        let store = Arc::new(WorldStore::new(first));
        let collector = Arc::new(Shared::new(source, args.cluster.clone()));
        let seen = Arc::clone(metrics);
        let rechecks = Arc::new(Rechecks::new(Arc::clone(&store), collector, seen));
        let confirmation = Confirmation::Snapshot(Arc::clone(&rechecks));
        let refreshing = async move { rechecks.refresh_forever(refreshing, fastrand::f64).await }.boxed();
        Ok(Known { store, confirmation, settings, refreshing })
    }

    #[cfg(feature = "aws")]
    async fn over_aws(self, scene: Scene, settings: Settings, refreshing: Refreshing) -> anyhow::Result<Known> {
        let Self { args, config, metrics, .. } = self;
        let Some(cluster) = &args.cluster else {
            bail!("serve --source aws: needs --cluster NAME");
        };
        let counting = Arc::new(super::live::Counting(Arc::clone(metrics)));
        let aws = crate::sources::aws::Aws::observed(config.aws.clone(), cluster, counting).await?;
        let from_aws = Arc::new(super::live::FromAws::new(aws, scene.roles));
        let store = Arc::new(WorldStore::new(WorldState::before_reading(scene.world)));
        let reader: Arc<dyn LinkReader> = Arc::<super::live::FromAws>::clone(&from_aws);
        let remember = Duration::from_secs(config.refresh.remember_seconds);
        let rereads = Rereads::new(reader, remember, Duration::from_secs(config.limits.reread_seconds));
        let refreshing = self.collecting(&store, &from_aws, refreshing, cluster);
        Ok(Known { store, confirmation: Confirmation::Links(rereads), settings, refreshing })
    }

    /// In a cluster one replica collects for all; without one, each process for itself.
    #[cfg(feature = "aws")]
    fn collecting(
        self,
        store: &Arc<WorldStore>,
        from_aws: &Arc<super::live::FromAws>,
        refreshing: Refreshing,
        cluster: &str,
    ) -> Task {
        #[cfg(feature = "kube")]
        if let Some(client) = self.kube {
            let replica =
                super::leader::Replica::new(client, self.config, cluster, store, from_aws, refreshing, self.metrics);
            return replica.serve(client.clone(), identity(), fastrand::f64, self.shutdown.clone()).boxed();
        }
        let _ = cluster;
        let collector = Arc::<super::live::FromAws>::clone(from_aws);
        let seen = Arc::clone(self.metrics);
        refresh_forever(Arc::clone(store), collector, refreshing, fastrand::f64, seen).boxed()
    }

    #[cfg(not(feature = "aws"))]
    #[expect(clippy::unused_async, reason = "it waits where the feature is on")]
    async fn over_aws(self, _: Scene, _: Settings, _: Refreshing) -> anyhow::Result<Known> {
        bail!("--source aws: this build has no feature `aws`; give the path of a snapshot")
    }
}

/// The name of this replica among others: its pod's name, which Kubernetes makes unique, else a random one.
#[cfg(feature = "kube")]
fn identity() -> String {
    let random = || format!("rolecall-{}-{:08x}", std::process::id(), fastrand::u32(..));
    std::env::var("POD_NAME").ok().filter(|name| !name.is_empty()).unwrap_or_else(random)
}
