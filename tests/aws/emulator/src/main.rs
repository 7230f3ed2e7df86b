//! A process that answers like IAM, STS, EKS and S3 on a loopback port, for rolecall's tests.
//!
//! `rolecall-aws-emulator [PORT]`: 0 or nothing takes a free port. Prints `listening 127.0.0.1:PORT` when it is ready,
//! and ends when its standard input closes, so that it cannot outlive the test that started it.

mod like_aws;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Extension;
use fakecloud_core::auth::{CredentialResolver, Principal, PrincipalType, ResolvedCredential};
use fakecloud_core::delivery::DeliveryBus;
use fakecloud_core::dispatch::{self, DispatchConfig};
use fakecloud_core::multi_account::MultiAccountState;
use fakecloud_core::registry::ServiceRegistry;
use fakecloud_iam::credential_resolver::IamCredentialResolver;
use fakecloud_iam::sts_service::StsService;
use fakecloud_s3::S3Service;
use parking_lot::RwLock;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

/// Where calls without credentials go.
const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-west-1";

/// A 12-digit access key is that account's root; sessions that STS gave out are what they are.
struct Keys(Arc<dyn CredentialResolver>);

impl CredentialResolver for Keys {
    fn resolve(&self, key: &str) -> Option<ResolvedCredential> {
        if key.len() != 12 || !key.bytes().all(|digit| digit.is_ascii_digit()) {
            return self.0.resolve(key);
        }
        Some(ResolvedCredential {
            secret_access_key: key.to_owned(),
            session_token: None,
            principal: Principal {
                arn: format!("arn:aws:iam::{key}:root"),
                user_id: key.to_owned(),
                account_id: key.to_owned(),
                principal_type: PrincipalType::Root,
                source_identity: None,
                tags: None,
            },
            session_policies: Vec::new(),
            mfa_present: false,
            token_issued_at: None,
            federated_provider: None,
        })
    }

    fn is_expired(&self, key: &str) -> bool {
        self.0.is_expired(key)
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> std::io::Result<()> {
    let port = match std::env::args().nth(1) {
        None => 0,
        Some(word) => word
            .parse()
            .map_err(|_| std::io::Error::other(format!("the only argument is a port number, not {word:?}")))?,
    };
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let address = listener.local_addr()?;
    let endpoint = format!("http://{address}");

    let iam = Arc::new(RwLock::new(MultiAccountState::new(ACCOUNT, REGION, &endpoint)));
    let eks = Arc::new(RwLock::new(MultiAccountState::new(ACCOUNT, REGION, &endpoint)));
    let s3 = Arc::new(RwLock::new(MultiAccountState::new(ACCOUNT, REGION, &endpoint)));
    let mut registry = ServiceRegistry::new();
    registry.register(Arc::new(like_aws::Iam::new(Arc::clone(&iam))));
    registry.register(Arc::new(StsService::new(Arc::clone(&iam))));
    registry.register(Arc::new(like_aws::Eks::new(eks)));
    registry.register(Arc::new(S3Service::new(s3, Arc::new(DeliveryBus::new()))));
    let mut config = DispatchConfig::new(REGION, ACCOUNT);
    config.credential_resolver = Some(Arc::new(Keys(IamCredentialResolver::shared(iam))));

    let app = axum::Router::new()
        .fallback(dispatch::dispatch)
        .layer(Extension(Arc::new(registry)))
        .layer(Extension(Arc::new(config)));
    println!("listening {address}");
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(stdin_closed())
        .await
}

/// Waits for the end of standard input: the process at the other end of the pipe has ended.
async fn stdin_closed() {
    let mut stdin = tokio::io::stdin();
    let mut buffer = [0; 64];
    while !matches!(stdin.read(&mut buffer).await, Ok(0) | Err(_)) {}
}
