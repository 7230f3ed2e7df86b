//! `rolecall serve`

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, bail};
use jiff::Timestamp;
use rolecall_core::cluster::Cluster;
use rolecall_core::world::World;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::ServeArgs;
use crate::config::Config;
use crate::live::Knowledge;
use crate::server::{Listeners, LogFormat, State, TlsSource, init_log, start};
use crate::sources::{Manifests, SourceOptions, load_snapshot};

/// Serves until SIGTERM or SIGINT, then ends gracefully.
///
/// # Errors
/// Where something that the start needs cannot be read or bound.
pub fn serve(args: &ServeArgs) -> anyhow::Result<()> {
    if !args.no_kube {
        bail!("serve: this build does not watch a cluster; add --no-kube and --manifests PATH");
    }
    let config = args.config.as_deref().map(Config::load).transpose()?.unwrap_or_default();
    let state = State::new(knowledge(args, &config)?, config.settings(args.mode.into()), config.limits);
    let _log = init_log(LogFormat::Json);
    let certificate = tls_source(args).load(Timestamp::now().as_second())?;
    let listeners = Listeners::bind(args.listen, args.metrics_listen)?;
    super::runtime()?.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be waited for")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be waited for")?;
        let mut running = start(listeners, state, &certificate)?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            error = running.failed() => return Err(error),
        }
        running.shut_down().await;
        Ok(())
    })
}

fn tls_source(args: &ServeArgs) -> TlsSource {
    match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => TlsSource::Files { certificate: certificate.clone(), key: key.clone() },
        _ => TlsSource::SelfSigned { directory: args.tls_dir.clone(), names: Vec::new() },
    }
}

fn knowledge(args: &ServeArgs, config: &Config) -> anyhow::Result<Knowledge> {
    let conventions = config.conventions();
    let (cluster, roles) = if args.manifests.is_empty() {
        (Cluster::default(), BTreeSet::new())
    } else {
        let manifests = Manifests::load(&args.manifests)?;
        (manifests.cluster(&conventions)?, manifests.named_roles())
    };
    let options = SourceOptions { cluster: args.cluster.as_deref(), aws: &config.aws, roles };
    let snapshot = load_snapshot(&args.source, &options)?.snapshot;
    Ok(Knowledge::new(World::new(Arc::new(snapshot), cluster, conventions)))
}
