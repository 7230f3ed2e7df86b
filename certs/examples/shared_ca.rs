//! Two replicas share CAs through a store in memory. Lifetimes are seconds, so CAs and leaves rotate while a client, which
//! trusts only what is published, connects to both all the time. Ends after half a minute, or at the first failed connection.

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rolecall_certs::{
    CaManager, CaStore, CertificateAuthorities, CertificateKind, Certificates, Failure, Lifetimes, LiveCertificate,
    Observer, Signer, StoreError, install_crypto_provider, read_bundle, service_names,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// The stored list and the published bundle, each with a version that a write must name.
#[derive(Default)]
struct Memory {
    stored: (u64, CertificateAuthorities),
    published: (u64, String),
}

#[derive(Clone, Default)]
struct MemoryStore(Arc<Mutex<Memory>>);

impl MemoryStore {
    fn with<T>(&self, act: impl FnOnce(&mut Memory) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl CaStore for MemoryStore {
    type Stored = u64;
    type Published = u64;

    async fn read_published(&self) -> Result<Option<(u64, Certificates)>, StoreError> {
        let (version, bundle) = self.with(|memory| memory.published.clone());
        let trusted = read_bundle(bundle.as_bytes()).map_err(|error| StoreError::Other(error.with_causes()))?;
        Ok(Some((version, trusted)))
    }

    async fn read_stored(&self) -> Result<(u64, CertificateAuthorities), StoreError> {
        Ok(self.with(|memory| memory.stored.clone()))
    }

    async fn write_stored(&self, stored: u64, authorities: &CertificateAuthorities) -> Result<(), StoreError> {
        self.with(|memory| {
            if memory.stored.0 != stored {
                return Err(StoreError::Conflict);
            }
            memory.stored = (stored + 1, authorities.clone());
            Ok(())
        })
    }

    async fn publish(&self, published: &u64, authorities: &CertificateAuthorities) -> Result<bool, StoreError> {
        self.with(|memory| {
            if memory.published.0 != *published {
                return Err(StoreError::Conflict);
            }
            let bundle = authorities.bundle();
            if memory.published.1 == bundle {
                return Ok(false);
            }
            memory.published = (published + 1, bundle);
            Ok(true)
        })
    }

    fn published_place(&self) -> String {
        "the store in memory".to_owned()
    }
}

struct Print(&'static str);

impl Observer for Print {
    fn serving(&self, leaf_expires: i64, _: Option<i64>) {
        println!("{}: serves a leaf until {leaf_expires}", self.0);
    }
    fn rotated(&self, kind: CertificateKind) {
        println!("{}: replaced its {}", self.0, kind.name());
    }
    fn failed(&self, failure: Failure) {
        println!("{}: failed: {}", self.0, failure.name());
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Starts a replica. Returns where it listens.
async fn start(name: &'static str, store: MemoryStore) -> Result<SocketAddr, AnyError> {
    let lifetimes = Lifetimes { ca_seconds: 30, leaf_seconds: 6, settle_seconds: 2 };
    let signer = Signer::new(lifetimes, service_names("example", "example", &[]));
    let mut manager = CaManager::new(store, signer, Duration::from_secs(1), Arc::new(now), Arc::new(Print(name)));
    let live = LiveCertificate::new(manager.first_certificate().await);
    let acceptor = TlsAcceptor::from(live.server_config());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { manager.run(&live).await });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Err(error) = acceptor.accept(stream).await {
                println!("{name}: a handshake failed: {error}");
            }
        }
    });
    Ok(address)
}

/// Connects as a client that trusts only what is published now.
async fn connect(address: SocketAddr, store: &MemoryStore) -> Result<(), AnyError> {
    let mut roots = rustls::RootCertStore::empty();
    for ca in read_bundle(store.with(|memory| memory.published.1.clone()).as_bytes())? {
        roots.add(ca)?;
    }
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(address.ip().into(), stream).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    install_crypto_provider();
    let store = MemoryStore::default();
    let replicas = [start("first", store.clone()).await?, start("second", store.clone()).await?];
    let end = now() + 30;
    let mut connections = 0_u32;
    while now() < end {
        for address in replicas {
            connect(address, &store).await?;
            connections += 1;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("{connections} connections, none failed");
    Ok(())
}
