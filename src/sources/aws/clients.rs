//! Clients of EKS and IAM, for the credentials' own account and for those that are configured beside it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::{Builder, Connector, proxy, tls};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use tokio::sync::OnceCell;

use super::budget::Budget;
use super::error::AwsError;
use super::observe::{Attempts, Observer, Unseen};
use super::settings::AwsSettings;
use super::user_agent::Named;

/// The name under which rolecall's sessions stand in CloudTrail.
const SESSION: &str = "rolecall";

/// Reads AWS, within a budget.
#[derive(Debug)]
pub struct Aws {
    pub(super) settings: AwsSettings,
    pub(super) cluster: String,
    pub(super) eks: aws_sdk_eks::Client,
    /// Of the credentials' own account, which is the cluster's.
    own: Reader,
    /// By account ID.
    others: BTreeMap<String, Reader>,
    region: String,
    own_account: OnceCell<String>,
}

/// IAM in one account.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) iam: aws_sdk_iam::Client,
    pub(super) budget: Budget,
    /// For messages.
    pub(super) place: String,
}

impl Aws {
    /// Sets the clients up; makes no call. Credentials, region and endpoints come from the SDK's default chain.
    ///
    /// # Errors
    /// Where no region is set.
    pub async fn connect(settings: AwsSettings, cluster: &str) -> Result<Self, AwsError> {
        Self::observed(settings, cluster, Arc::new(Unseen)).await
    }

    /// The same, and tells an observer of every attempt at a call.
    ///
    /// # Errors
    /// Where no region is set.
    pub async fn observed(settings: AwsSettings, cluster: &str, observer: Arc<dyn Observer>) -> Result<Self, AwsError> {
        let config = sdk_config(&settings).await;
        let Some(region) = config.region().map(ToString::to_string) else {
            return Err(AwsError::no_region(cluster));
        };
        let attempts = Attempts(observer);
        let eks = aws_sdk_eks::config::Builder::from(&config).interceptor(attempts.clone()).build();
        let own = Reader {
            iam: iam(&config, &attempts),
            budget: Budget::new(&settings.rates),
            place: format!("region {region}"),
        };
        let mut others = BTreeMap::new();
        for account in &settings.accounts {
            let mut provider = AssumeRoleProvider::builder(&account.role_arn).session_name(SESSION).configure(&config);
            if let Some(id) = &account.external_id {
                provider = provider.external_id(id);
            }
            let theirs = config
                .to_builder()
                .credentials_provider(aws_sdk_iam::config::SharedCredentialsProvider::new(provider.build().await))
                // A cache of its own: the clients' shared one would ask for each client again.
                .identity_cache(aws_config::identity::IdentityCache::lazy().build())
                .build();
            let reader = Reader {
                iam: iam(&theirs, &attempts),
                budget: Budget::new(&settings.rates),
                place: format!("account {}", account.id),
            };
            others.insert(account.id.clone(), reader);
        }
        Ok(Self {
            eks: aws_sdk_eks::Client::from_conf(eks),
            settings,
            cluster: cluster.to_owned(),
            own,
            others,
            region,
            own_account: OnceCell::new(),
        })
    }

    /// Name of the cluster.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The region that calls go to.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The account of the cluster, and so of the credentials: EKS shows a cluster to its own account only. Read once.
    ///
    /// # Errors
    /// Where the cluster cannot be read.
    pub async fn own_account(&self) -> Result<&str, AwsError> {
        self.own_account
            .get_or_try_init(|| async {
                let cluster = self.describe_cluster().await?;
                self.account_of(&cluster)
            })
            .await
            .map(String::as_str)
    }

    /// Takes the account off a cluster that was read anyway.
    pub(super) async fn learn_account(&self, cluster: &serde_json::Value) -> Result<&str, AwsError> {
        self.own_account.get_or_try_init(|| async { self.account_of(cluster) }).await.map(String::as_str)
    }

    fn account_of(&self, cluster: &serde_json::Value) -> Result<String, AwsError> {
        let arn = cluster.get("arn").and_then(serde_json::Value::as_str).and_then(rolecall_iam::Arn::parse);
        let account = arn.map(|arn| arn.account.to_owned()).filter(|id| rolecall_iam::is_account_id(id));
        account.ok_or_else(|| AwsError::malformed("eks:DescribeCluster", &self.cluster, "the cluster's ARN is none"))
    }

    /// The client of an account; none where it is neither the own nor a configured one.
    pub(super) fn reader(&self, account: &str, own_account: &str) -> Option<&Reader> {
        // A configured role wins: it may see more than rolecall's own.
        self.others.get(account).or_else(|| (account == own_account).then_some(&self.own))
    }

    /// Makes a call of EKS.
    pub(super) async fn eks_call<T, E>(
        &self,
        call: &str,
        subject: &str,
        send: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, AwsError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        self.own.budget.take(call).await;
        send.await.map_err(|error| {
            let account = self.own_account.get().map(|id| format!(" of account {id}")).unwrap_or_default();
            AwsError::of(&error, call, subject).at(format!("region {}{account}", self.region))
        })
    }
}

impl Reader {
    /// Makes a call of IAM.
    pub(super) async fn call<T, E>(
        &self,
        call: &str,
        subject: &str,
        send: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, AwsError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        self.budget.take(call).await;
        send.await.map_err(|error| AwsError::of(&error, call, subject).at(self.place.clone()))
    }
}

fn iam(config: &SdkConfig, attempts: &Attempts) -> aws_sdk_iam::Client {
    let config = aws_sdk_iam::config::Builder::from(config).interceptor(attempts.clone()).build();
    aws_sdk_iam::Client::from_conf(config)
}

/// The SDK's defaults with rolecall's patience, and rustls with aws-lc-rs below.
pub(crate) async fn sdk_config(settings: &AwsSettings) -> SdkConfig {
    let attempt = Duration::from_secs(settings.timeout_seconds);
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(attempt.min(Duration::from_secs(5)))
        .operation_attempt_timeout(attempt)
        .build();
    let http = Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder()
            .proxy_config(proxy::ProxyConfig::from_env())
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc));
        if let Some(settings) = settings {
            connector = connector.connector_settings(settings.clone());
        }
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.build()
    });
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(Named(http))
        .retry_config(RetryConfig::standard().with_max_attempts(settings.attempts))
        .timeout_config(timeouts)
        .load()
        .await
}
