//! `rolecall serve`

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use rolecall_core::snapshot::Snapshot;
use rolecall_core::world::World;
use tokio::signal::unix::{SignalKind, signal};

use super::certificates::certificates;
use super::live::Shared;
use crate::cli::ServeArgs;
use crate::config::Config;
use crate::live::{Keeper, Knowledge, Refreshing, refresh_forever};
#[cfg(feature = "aws")]
use crate::live::{LinkReader, Rereads};
use crate::review::Settings;
use crate::server::{Listeners, LogFormat, Metrics, State, init_log, start};
use crate::sources::{Manifests, SnapshotSource, read_snapshot};

/// Serves until SIGTERM or SIGINT, then ends gracefully.
///
/// # Errors
/// Where something that the start needs cannot be read or bound.
pub fn serve(args: &ServeArgs) -> anyhow::Result<()> {
    if !args.no_kube {
        bail!("serve: this build does not watch a cluster; add --no-kube and --manifests PATH");
    }
    let config = args.config.as_deref().map(Config::load).transpose()?.unwrap_or_default();
    let scene = Scene::load(args, &config)?;
    let _log = init_log(LogFormat::Json);
    let listeners = Listeners::bind(args.listen, args.metrics_listen)?;
    super::runtime()?.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be waited for")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be waited for")?;
        let metrics = Arc::new(Metrics::new());
        // It may wait for the API server.
        let (certificate, keeping) = tokio::select! {
            certificate = certificates(args, &config, Arc::<Metrics>::clone(&metrics), None) => certificate?,
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        };
        let (state, refreshing) = knowing(args, &config, scene, metrics).await?;
        let mut running = start(listeners, state, &certificate)?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            error = running.failed() => return Err(error),
            () = refreshing => {}
            () = keeping => {}
        }
        running.shut_down().await;
        Ok(())
    })
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
        let (cluster, roles) = Manifests::known(&args.manifests, &conventions)?;
        Ok(Self { world: World::new(Arc::new(Snapshot::default()), cluster, conventions), roles })
    }
}

/// What keeps knowledge fresh, for as long as it is polled.
type Refresher = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The server's state, and what refreshes it.
async fn knowing(
    args: &ServeArgs,
    config: &Config,
    scene: Scene,
    metrics: Arc<Metrics>,
) -> anyhow::Result<(Arc<State>, Refresher)> {
    let mut settings = config.settings(args.mode.into());
    let interval = Duration::from_secs(config.refresh.interval_seconds);
    let refreshing = Refreshing { interval, jitter: config.refresh.jitter };
    let is_file = args.source != "aws" && !["s3:", "https:", "http:"].iter().any(|s| args.source.starts_with(s));
    if !is_file && settings.snapshot_max_age.is_none() {
        // A file is as old as somebody leaves it; of what is refreshed it means that something is wrong.
        settings.snapshot_max_age = i64::try_from(interval.as_secs().saturating_mul(4).max(3_600)).ok();
    }
    if args.source == "aws" {
        return from_aws(args, config, scene, metrics, settings, refreshing).await;
    }
    let mut source = SnapshotSource::open(&args.source, &config.aws).await?;
    let first = match source.poll().await {
        Ok(fetched) => {
            let text = fetched.map(|fetched| fetched.text).unwrap_or_default();
            let snapshot = read_snapshot(&text, args.cluster.as_deref())
                .map_err(|message| anyhow::anyhow!("{}: {message}", args.source))?;
            Knowledge::new(scene.world.with_snapshot(Arc::new(snapshot)))
        }
        Err(error) if is_file => return Err(error),
        // Whoever writes it may not have done so yet: warn only, not ready, and try again.
        Err(error) => {
            tracing::warn!(target: "rolecall::live", error = format!("{error:#}"), "the snapshot cannot be read yet");
            Knowledge::before_reading(scene.world)
        }
    };
    metrics.describe_snapshot(&first);
    let keeper = Arc::new(Keeper::new(first));
    let state = State::live(Arc::clone(&keeper), None, Arc::clone(&metrics), settings, config.limits);
    let collector = Arc::new(Shared::new(source, args.cluster.clone()));
    Ok((state, Box::pin(refresh_forever(keeper, collector, refreshing, chance, metrics))))
}

#[cfg(feature = "aws")]
async fn from_aws(
    args: &ServeArgs,
    config: &Config,
    scene: Scene,
    metrics: Arc<Metrics>,
    settings: Settings,
    refreshing: Refreshing,
) -> anyhow::Result<(Arc<State>, Refresher)> {
    let Some(cluster) = &args.cluster else {
        bail!("serve --source aws: needs --cluster NAME");
    };
    let counting = Arc::new(super::live::Counting(Arc::clone(&metrics)));
    let aws = crate::sources::aws::Aws::observed(config.aws.clone(), cluster, counting).await?;
    let from_aws = Arc::new(super::live::FromAws::new(aws, scene.roles));
    let keeper = Arc::new(Keeper::new(Knowledge::before_reading(scene.world)));
    let reader: Arc<dyn LinkReader> = Arc::<super::live::FromAws>::clone(&from_aws);
    let remember = Duration::from_secs(config.refresh.remember_seconds);
    let rereads = Rereads::new(reader, remember, Duration::from_secs(config.limits.reread_seconds));
    let state = State::live(Arc::clone(&keeper), Some(rereads), Arc::clone(&metrics), settings, config.limits);
    Ok((state, Box::pin(refresh_forever(keeper, from_aws, refreshing, chance, metrics))))
}

#[cfg(not(feature = "aws"))]
#[expect(clippy::unused_async, reason = "it waits where the feature is on")]
async fn from_aws(
    _: &ServeArgs,
    _: &Config,
    _: Scene,
    _: Arc<Metrics>,
    _: Settings,
    _: Refreshing,
) -> anyhow::Result<(Arc<State>, Refresher)> {
    bail!("--source aws: this build has no feature `aws`; give the path of a snapshot")
}

/// A number from 0 to 1, another in each process: that is all that jitter asks for.
fn chance() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    let random = u32::try_from(RandomState::new().hash_one(0) >> 32).unwrap_or_default();
    f64::from(random) / f64::from(u32::MAX)
}
