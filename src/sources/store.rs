//! Snapshots in S3: read with conditional requests, written with conditional ones too, so that of two writers the one
//! with the older view does not win.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use aws_sdk_iam::config::{ProvideCredentials, SharedCredentialsProvider};
use hyper::header::HeaderValue;
use jiff::Timestamp;
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsCredential};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, ClientOptions, CredentialProvider, Error, GetOptions, ObjectStore, PutMode, PutOptions,
    PutPayload, RetryConfig, UpdateVersion,
};

use super::aws::{AwsSettings, sdk_config};
use super::place::{Fetched, MAX_SNAPSHOT_BYTES, utf8};

/// The name of the metadata that says when a snapshot was collected.
const COLLECTED_AT: &str = "collected-at";

/// Attempts at a conditional write, each lost to another writer.
const MAX_WRITE_ATTEMPTS: usize = 5;

/// A snapshot in S3.
#[derive(Debug)]
pub(super) struct Object {
    store: AmazonS3,
    path: Path,
    name: String,
    etag: Option<String>,
}

/// What became of a snapshot that was to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It stands there now.
    Done,
    /// A newer one stood there, and was left.
    NewerThere(Timestamp),
}

impl Object {
    /// Opens `s3://BUCKET/KEY`, with the credentials, the region and the endpoint that the SDK's chain gives.
    pub(super) async fn open(source: &str, settings: &AwsSettings) -> anyhow::Result<Self> {
        let rest = source.strip_prefix("s3://").unwrap_or_default();
        let Some((bucket, key)) = rest.split_once('/').filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty())
        else {
            bail!("{source}: must be s3://BUCKET/KEY");
        };
        let path = Path::parse(key).with_context(|| format!("{source}: the key"))?;
        let config = sdk_config(settings).await;
        let Some(region) = config.region() else {
            bail!("{source}: no region is set; set AWS_REGION to the bucket's region");
        };
        let Some(credentials) = config.credentials_provider() else {
            bail!("{source}: no credentials are set up");
        };
        let attempt = Duration::from_secs(settings.timeout_seconds);
        let client = ClientOptions::new()
            .with_user_agent(HeaderValue::from_static(super::USER_AGENT))
            .with_connect_timeout(attempt)
            .with_timeout(Duration::from_secs(120));
        let retries = RetryConfig {
            max_retries: settings.attempts.saturating_sub(1) as usize,
            retry_timeout: attempt.saturating_mul(settings.attempts.saturating_mul(2)),
            ..RetryConfig::default()
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(region.to_string())
            .with_credentials(Arc::new(SdkCredentials(credentials)))
            .with_client_options(client)
            .with_retry(retries);
        // The SDK's own variable for this service goes before the one for all.
        let own = std::env::var("AWS_ENDPOINT_URL_S3").ok().filter(|url| !url.is_empty());
        if let Some(endpoint) = own.or_else(|| config.endpoint_url().map(str::to_owned)) {
            builder = builder.with_allow_http(endpoint.starts_with("http://")).with_endpoint(endpoint);
        }
        let store = builder.build().with_context(|| format!("{source}: cannot be opened"))?;
        Ok(Self { store, path, name: source.to_owned(), etag: None })
    }

    pub(super) async fn poll(&mut self) -> anyhow::Result<Option<Fetched>> {
        let options = GetOptions { if_none_match: self.etag.clone(), ..GetOptions::default() };
        let found = match self.store.get_opts(&self.path, options).await {
            Err(Error::NotModified { .. }) => return Ok(None),
            found => found.map_err(|error| self.explain(error, "s3:GetObject", "snapshot-s3-read.json"))?,
        };
        if found.meta.size > MAX_SNAPSHOT_BYTES {
            bail!("{}: is longer than {} MiB; that is no snapshot", self.name, MAX_SNAPSHOT_BYTES >> 20);
        }
        let etag = found.meta.e_tag.clone();
        let bytes =
            found.bytes().await.map_err(|error| self.explain(error, "s3:GetObject", "snapshot-s3-read.json"))?;
        let text = utf8(bytes.into(), &self.name)?;
        self.etag.clone_from(&etag);
        Ok(Some(Fetched { text, etag }))
    }

    /// Writes a snapshot, unless a newer one stands there.
    pub(super) async fn write(&self, text: &str, collected_at: Timestamp) -> anyhow::Result<Written> {
        let payload = PutPayload::from(text.to_owned());
        for _ in 0..MAX_WRITE_ATTEMPTS {
            let mode = match self.there().await? {
                Some((_, Some(time))) if time > collected_at => return Ok(Written::NewerThere(time)),
                Some((etag, _)) => PutMode::Update(UpdateVersion { e_tag: etag, version: None }),
                None => PutMode::Create,
            };
            let attributes = Attributes::from_iter([
                (Attribute::ContentType, "application/json".to_owned()),
                (Attribute::Metadata(COLLECTED_AT.into()), collected_at.to_string()),
            ]);
            let options = PutOptions { mode, attributes, ..PutOptions::default() };
            match self.store.put_opts(&self.path, payload.clone(), options).await {
                Ok(_) => return Ok(Written::Done),
                Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {}
                Err(error) => return Err(self.explain(error, "s3:PutObject", "snapshot-s3-write.json")),
            }
        }
        bail!("{}: other writers keep replacing it; let one job write it", self.name)
    }

    /// The version that stands there, and when it was collected. S3 says "forbidden" of an object that is not there to
    /// those who may not list the bucket, which rolecall need not; the conditional write then tells the two apart.
    async fn there(&self) -> anyhow::Result<Option<(Option<String>, Option<Timestamp>)>> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        match self.store.get_opts(&self.path, options).await {
            Err(Error::NotFound { .. } | Error::PermissionDenied { .. }) => Ok(None),
            Err(error) => Err(self.explain(error, "s3:GetObject", "snapshot-s3-write.json")),
            Ok(found) => {
                let time = found.attributes.get(&Attribute::Metadata(COLLECTED_AT.into()));
                Ok(Some((found.meta.e_tag, time.and_then(|time| time.parse().ok()))))
            }
        }
    }

    fn explain(&self, error: Error, call: &str, policy: &str) -> anyhow::Error {
        let name = &self.name;
        match error {
            Error::NotFound { .. } => {
                anyhow!("{name}: there is no such object; check bucket, key and region ({call} said: not found)")
            }
            Error::PermissionDenied { source, .. } | Error::Unauthenticated { source, .. } => anyhow!(
                "{name}: {call} is not allowed, or there is no such object; deploy/iam/{policy} grants the permission, and a \
                 bucket policy may take it away: {source}"
            ),
            error => anyhow::Error::new(error).context(format!("{name}: {call} failed")),
        }
    }
}

/// The SDK's credentials for the object store.
#[derive(Debug)]
struct SdkCredentials(SharedCredentialsProvider);

#[async_trait::async_trait]
impl CredentialProvider for SdkCredentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let found = self.0.provide_credentials().await;
        let found = found.map_err(|error| Error::Generic { store: "S3", source: Box::new(error) })?;
        Ok(Arc::new(AwsCredential {
            key_id: found.access_key_id().to_owned(),
            secret_key: found.secret_access_key().to_owned(),
            token: found.session_token().map(str::to_owned),
        }))
    }
}
