//! The certificate that `serve` shows, by what the command line says, and what keeps it current.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use jiff::Timestamp;
use rolecall_certs::{CertificateFiles, LiveCertificate, Observer, SelfSigned, service_names};

use super::serve::Kube;
use crate::cli::ServeArgs;
use crate::config::Config;

/// What keeps the certificate current, for as long as it is polled.
pub(super) type Keeping = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The certificate, and what keeps it current. Waits for the API server where the CA is in the cluster.
pub(super) async fn certificates(
    args: &ServeArgs,
    config: &Config,
    observer: Arc<dyn Observer>,
    kube: Option<&Kube>,
) -> anyhow::Result<(Arc<LiveCertificate>, Keeping)> {
    let settings = &config.certificates;
    if let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) {
        let files = CertificateFiles { certificate: certificate.clone(), key: key.clone() };
        let live = LiveCertificate::new(files.load(now())?);
        let (watched, interval) = (Arc::clone(&live), Duration::from_secs(settings.files_seconds));
        return Ok((live, Box::pin(async move { files.watch(&watched, interval, Arc::new(now), &*observer).await })));
    }
    let names = service_names(&config.cluster.service, &config.cluster.own_namespace(), &settings.names);
    if args.self_signed {
        let created = SelfSigned { directory: args.tls_dir.clone(), names }.load_or_create(now())?;
        return Ok((LiveCertificate::new(created), Box::pin(std::future::pending())));
    }
    match kube {
        None => bail!(
            "serve: without a cluster there is no CA to share: give --tls-cert FILE and --tls-key FILE, or --self-signed"
        ),
        Some(client) => built_in(client, config, names, observer).await,
    }
}

/// Signed by the CA that the cluster holds.
#[cfg(feature = "kube")]
async fn built_in(
    client: &Kube,
    config: &Config,
    names: Vec<String>,
    observer: Arc<dyn Observer>,
) -> anyhow::Result<(Arc<LiveCertificate>, Keeping)> {
    let signer = rolecall_certs::Signer::new(config.certificates.lifetimes(), names);
    let interval = Duration::from_secs(config.certificates.check_seconds);
    let store = crate::kube::ClusterCaStore::new(client, &config.cluster);
    let mut manager = rolecall_certs::CaManager::new(store, signer, interval, Arc::new(now), observer);
    let live = LiveCertificate::new(manager.first_certificate().await);
    let served = Arc::clone(&live);
    Ok((live, Box::pin(async move { manager.run(&served).await })))
}

#[cfg(not(feature = "kube"))]
#[expect(clippy::unused_async, reason = "it waits where the feature is on")]
async fn built_in(
    client: &Kube,
    _: &Config,
    _: Vec<String>,
    _: Arc<dyn Observer>,
) -> anyhow::Result<(Arc<LiveCertificate>, Keeping)> {
    match *client {}
}

/// Seconds since 1970.
fn now() -> i64 {
    Timestamp::now().as_second()
}
