//! The CAs that replicas share, over several of their lives: the real managers with a simulated API server that is slow, at
//! times away, and whose servers hear of a new `caBundle` late. Time is tokio's, run forward.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use rolecall_certs::{
    CaManager, CaStore, CertificateAuthorities, CertificateKind, Certificates, Clock, Failure, Lifetimes,
    LiveCertificate, Observer, Signer, StoreError, read_bundle, service_names,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::task::AbortHandle;
use tokio::time::Instant;

const LIFETIMES: Lifetimes = Lifetimes { ca_seconds: 3_600, leaf_seconds: 600, settle_seconds: 60 };
const EVERY: Duration = Duration::from_secs(30);
/// When it begins, in seconds since 1970.
const BEGIN: i64 = 1_800_000_000;

/// A sequence of numbers by chance, the same for the same seed.
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit.max(1)
    }
}

/// What the API server holds: the Secret, and every `caBundle` that there was with its time.
#[derive(Debug)]
struct Server {
    chance: Chance,
    /// Percent of the calls that fail.
    faults: u64,
    /// A call takes up to so many milliseconds to arrive, and again to be answered.
    delay: u64,
    /// The API server is away until then.
    away_until: i64,
    secret: Option<(u64, String, String)>,
    version: u64,
    bundles: Vec<(i64, String)>,
}

impl Server {
    fn new(seed: u64) -> Self {
        Self { chance: Chance(seed), faults: 0, delay: 0, away_until: 0, secret: None, version: 0, bundles: Vec::new() }
    }

    fn bundle(&self) -> String {
        self.bundles.last().map(|(_, text)| text.clone()).unwrap_or_default()
    }

    /// What one that hears of everything so much later goes by.
    fn heard(&self, now: i64, lag: i64) -> Option<&str> {
        self.bundles.iter().rev().find(|(time, _)| time + lag <= now).map(|(_, text)| text.as_str())
    }
}

#[derive(Clone)]
struct Api {
    server: Arc<Mutex<Server>>,
    clock: Clock,
}

impl Api {
    /// A call: it arrives late, and is answered late. An answer may be lost though the call was heard.
    async fn call<T>(&self, act: impl FnOnce(&mut Server) -> Result<T, StoreError> + Send) -> Result<T, StoreError> {
        let wait = |server: &mut Server| Duration::from_millis(server.chance.below(server.delay));
        let there = wait(&mut self.server.lock().unwrap());
        tokio::time::sleep(there).await;
        let (answer, back) = {
            let mut server = self.server.lock().unwrap();
            let is_away = (self.clock)() < server.away_until;
            let faults = server.faults;
            let dice = server.chance.below(100);
            let answer = if is_away || dice < faults / 2 {
                Err(StoreError::Other("unreachable".to_owned()))
            } else if dice < faults {
                act(&mut server).and(Err(StoreError::Other("the answer was lost".to_owned())))
            } else {
                act(&mut server)
            };
            (answer, wait(&mut server))
        };
        tokio::time::sleep(back).await;
        answer
    }
}

impl CaStore for Api {
    type Stored = Option<u64>;
    type Published = u64;

    async fn read_published(&self) -> Result<Option<(u64, Certificates)>, StoreError> {
        self.call(|server| {
            let trusted = read_bundle(server.bundle().as_bytes()).unwrap();
            Ok(Some((server.bundles.len() as u64, trusted)))
        })
        .await
    }

    async fn read_stored(&self) -> Result<(Option<u64>, CertificateAuthorities), StoreError> {
        let found = self.call(|server| Ok(server.secret.clone())).await?;
        Ok(match found {
            None => (None, CertificateAuthorities::default()),
            Some((version, certificates, keys)) => {
                (Some(version), CertificateAuthorities::parse(certificates.as_bytes(), keys.as_bytes()).unwrap())
            }
        })
    }

    async fn write_stored(&self, stored: Option<u64>, authorities: &CertificateAuthorities) -> Result<(), StoreError> {
        let (certificates, keys) = authorities.to_pem();
        self.call(|server| {
            if server.secret.as_ref().map(|(version, ..)| *version) != stored {
                return Err(StoreError::Conflict);
            }
            server.version += 1;
            server.secret = Some((server.version, certificates, keys));
            Ok(())
        })
        .await
    }

    async fn publish(&self, published: &u64, authorities: &CertificateAuthorities) -> Result<bool, StoreError> {
        let clock = Arc::clone(&self.clock);
        self.call(|server| {
            if authorities.matches(&read_bundle(server.bundle().as_bytes()).unwrap()) {
                return Ok(false);
            }
            if server.bundles.len() as u64 != *published {
                return Err(StoreError::Conflict);
            }
            server.bundles.push((clock(), authorities.bundle()));
            Ok(true)
        })
        .await
    }

    fn published_place(&self) -> String {
        "the registration".to_owned()
    }
}

/// Counts what the metrics would.
#[derive(Debug, Default)]
struct Seen(Mutex<(usize, usize)>);

impl Observer for Seen {
    fn serving(&self, _: i64, _: Option<i64>) {}
    fn rotated(&self, what: CertificateKind) {
        let mut counts = self.0.lock().unwrap();
        match what {
            CertificateKind::Leaf => counts.0 += 1,
            CertificateKind::Ca => counts.1 += 1,
        }
    }
    fn failed(&self, _: Failure) {}
}

/// A clock that goes wrong.
fn skewed(clock: &Clock, ahead: i64) -> Clock {
    let clock = Arc::clone(clock);
    Arc::new(move || clock() + ahead)
}

/// A replica: what it serves, once it serves.
struct Replica {
    live: Arc<Mutex<Option<Arc<LiveCertificate>>>>,
    task: AbortHandle,
}

impl Replica {
    fn start(api: &Api, ahead: i64, seen: &Arc<Seen>) -> Self {
        let signer = Signer::new(LIFETIMES, service_names("rolecall", "rolecall", &[]));
        let observer: Arc<dyn Observer> = Arc::<Seen>::clone(seen);
        let mut manager = CaManager::new(api.clone(), signer, EVERY, skewed(&api.clock, ahead), observer);
        let live = Arc::new(Mutex::new(None));
        let serves = Arc::clone(&live);
        let task = tokio::spawn(async move {
            let certificate = LiveCertificate::new(manager.first_certificate().await);
            *serves.lock().unwrap() = Some(Arc::clone(&certificate));
            manager.run(&certificate).await;
        });
        Self { live, task: task.abort_handle() }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What happens to the replicas and the Secret besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Story {
    /// Nothing.
    Calm,
    /// Replicas end, and others start.
    Restarts,
    /// The Secret is deleted or emptied.
    Deletions,
}

#[derive(Debug, Clone)]
struct Case {
    seed: u64,
    replicas: usize,
    faults: u64,
    delay: u64,
    /// How late each API server hears of a `caBundle`.
    lags: Vec<i64>,
    /// Percent of an hour's minutes in which an absence of the API server begins.
    absences: u64,
    story: Story,
}

fn cases() -> impl Strategy<Value = Case> {
    let story = prop_oneof![Just(Story::Calm), Just(Story::Restarts), Just(Story::Deletions)];
    let lags = prop::collection::vec(0..LIFETIMES.settle_seconds, 1..4);
    (any::<u64>(), 1..5_usize, 0..30_u64, 1..4_000_u64, lags, 0..5_u64, story).prop_map(
        |(seed, replicas, faults, delay, lags, absences, story)| Case {
            seed,
            replicas,
            faults,
            delay,
            lags,
            absences,
            story,
        },
    )
}

thread_local! {
    /// Pairs of leaf and bundle that fit: signatures are checked once.
    static FIT: RefCell<HashSet<(CertificateDer<'static>, String)>> = RefCell::default();
}

/// As the API server verifies, at this time.
fn verify(leaf: &CertificateDer<'static>, bundle: &str, now: i64) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    for ca in read_bundle(bundle.as_bytes()).map_err(|e| e.with_causes())? {
        roots.add(ca).map_err(|e| e.to_string())?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let verifier = verifier.map_err(|e| e.to_string())?;
    for name in ["rolecall.rolecall.svc", "127.0.0.1"] {
        let now = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now).unwrap()));
        let name = ServerName::try_from(name).unwrap();
        verifier.verify_server_cert(leaf, &[], &name, &[], now).map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// Runs for three lives of a CA, and looks every few seconds.
async fn run(case: Case) -> Result<(), TestCaseError> {
    let start = Instant::now();
    let clock: Clock = Arc::new(move || BEGIN + i64::try_from(start.elapsed().as_secs()).unwrap());
    let server = Server { faults: case.faults, delay: case.delay, ..Server::new(case.seed) };
    let api = Api { server: Arc::new(Mutex::new(server)), clock: Arc::clone(&clock) };
    let mut chance = Chance(!case.seed);
    let seen = Arc::new(Seen::default());
    let skew = |chance: &mut Chance| i64::try_from(chance.below(41)).unwrap() - 20;
    let mut replicas: Vec<Replica> =
        (0..case.replicas).map(|_| Replica::start(&api, skew(&mut chance), &seen)).collect();
    let end = BEGIN + 3 * LIFETIMES.ca_seconds;
    let (mut counts_from, mut absent_before, mut deleted_at) = (None, BEGIN, BEGIN);
    let mut cas = HashSet::new();
    while clock() < end {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let now = clock();
        {
            let mut server = api.server.lock().unwrap();
            if server.bundles.is_empty() {
                continue;
            }
            // The very first CA is used as soon as it is there.
            let counts_from = *counts_from.get_or_insert(now + LIFETIMES.settle_seconds);
            if now < counts_from {
                continue;
            }
            // An absence that leaves time enough in a CA's last third, and not two in a row.
            if now > absent_before + LIFETIMES.ca_seconds / 2 && chance.below(100 * 20) < case.absences {
                server.away_until = now + i64::try_from(chance.below(700)).unwrap();
                absent_before = server.away_until;
            }
            let is_reachable = now >= server.away_until + 120;
            let may_delete =
                case.story == Story::Deletions && is_reachable && now > deleted_at + 5 * LIFETIMES.settle_seconds;
            if may_delete && chance.below(300) == 0 {
                server.secret = None;
                deleted_at = now;
            }
            if case.story == Story::Restarts && chance.below(60) == 0 {
                let index = usize::try_from(chance.below(case.replicas as u64)).unwrap();
                replicas[index] = Replica::start(&api, skew(&mut chance), &seen);
            }
            let size = read_bundle(server.bundle().as_bytes()).unwrap().len();
            let most = if case.story == Story::Deletions { 6 } else { 3 };
            prop_assert!((1..=most).contains(&size), "at {}: {size} CAs", now - BEGIN);
        }
        for (number, replica) in replicas.iter().enumerate() {
            let Some(live) = replica.live.lock().unwrap().clone() else { continue };
            let served = live.current();
            prop_assert!(served.leaf_expires > now, "at {}: the leaf of {number} has expired", now - BEGIN);
            prop_assert!(served.ca_expires > Some(now), "at {}: the CA of {number} has expired", now - BEGIN);
            cas.insert(served.ca.clone());
            let leaf = &served.chain()[0];
            let server = api.server.lock().unwrap();
            for lag in &case.lags {
                let bundle = server.heard(now, *lag).unwrap();
                let pair = (leaf.clone(), bundle.to_owned());
                if FIT.with_borrow(|fit| fit.contains(&pair)) {
                    continue;
                }
                let verified = verify(leaf, bundle, now);
                prop_assert!(verified.is_ok(), "at {}, {number}, lag {lag}: {verified:?}", now - BEGIN);
                FIT.with_borrow_mut(|fit| fit.insert(pair));
            }
        }
    }
    // Three lives, a new CA after two thirds of each.
    prop_assert!(cas.len() >= 4, "{} CAs were used", cas.len());
    prop_assert!(seen.0.lock().unwrap().0 > 20);
    Ok(())
}

/// A replica in whose round that of another falls, before one of its calls.
struct Between {
    api: Api,
    other: tokio::sync::Mutex<Option<CaManager<Api>>>,
    calls: AtomicUsize,
    before: usize,
}

impl Between {
    async fn wait(&self) {
        if self.calls.fetch_add(1, Ordering::Relaxed) == self.before
            && let Some(mut other) = self.other.lock().await.take()
        {
            other.first_certificate().await;
        }
    }
}

impl CaStore for Between {
    type Stored = Option<u64>;
    type Published = u64;

    async fn read_published(&self) -> Result<Option<(u64, Certificates)>, StoreError> {
        self.wait().await;
        self.api.read_published().await
    }

    async fn read_stored(&self) -> Result<(Option<u64>, CertificateAuthorities), StoreError> {
        self.wait().await;
        self.api.read_stored().await
    }

    async fn write_stored(&self, stored: Option<u64>, authorities: &CertificateAuthorities) -> Result<(), StoreError> {
        self.wait().await;
        self.api.write_stored(stored, authorities).await
    }

    async fn publish(&self, published: &u64, authorities: &CertificateAuthorities) -> Result<bool, StoreError> {
        self.wait().await;
        self.api.publish(published, authorities).await
    }

    fn published_place(&self) -> String {
        self.api.published_place()
    }
}

/// Wherever another replica's round falls, what it published stays so, and there is one new CA and not two.
#[tokio::test(start_paused = true)]
async fn no_replica_takes_away_what_another_published() {
    for is_first in [true, false] {
        // Of its calls, the write of the Secret is missing where nothing is due.
        for before in 0..if is_first { 4 } else { 3 } {
            let start = Instant::now();
            let clock: Clock = Arc::new(move || BEGIN + i64::try_from(start.elapsed().as_secs()).unwrap());
            let api = Api { server: Arc::new(Mutex::new(Server::new(0))), clock: Arc::clone(&clock) };
            let observer = || -> Arc<dyn Observer> { Arc::new(Seen::default()) };
            let signer = || Signer::new(LIFETIMES, service_names("rolecall", "rolecall", &[]));
            let replica = |ahead| CaManager::new(api.clone(), signer(), EVERY, skewed(&clock, ahead), observer());
            if !is_first {
                replica(0).first_certificate().await;
                // For the one a new CA is due, for the other it is not yet.
                tokio::time::sleep(Duration::from_secs(LIFETIMES.ca_seconds.unsigned_abs() * 2 / 3 - 10)).await;
            }
            let other = tokio::sync::Mutex::new(Some(replica(30)));
            let between = Between { api: api.clone(), other, calls: AtomicUsize::new(0), before };
            CaManager::new(between, signer(), EVERY, Arc::clone(&clock), observer()).first_certificate().await;
            let (_, held) = api.read_stored().await.unwrap();
            let (_, published) = api.read_published().await.unwrap().unwrap();
            assert!(held.matches(&published), "before call {before}: what is published is not what is held");
            assert_eq!(held.iter().count(), if is_first { 1 } else { 2 }, "before call {before}");
        }
    }
}

/// A CA as people make them, with these parts of a name; certificate and key in PEM.
fn own_ca(parts: &[(rcgen::DnType, rcgen::DnValue)], is_ca: bool) -> (String, String) {
    let mut ca = rcgen::CertificateParams::default();
    ca.distinguished_name = rcgen::DistinguishedName::new();
    for (kind, value) in parts {
        ca.distinguished_name.push(kind.clone(), value.clone());
    }
    if is_ca {
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    }
    let key = rcgen::KeyPair::generate().unwrap();
    (ca.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn says_what_is_wrong_with_a_secret() {
    let part = |name: &str| [(rcgen::DnType::CommonName, rcgen::DnValue::Utf8String(name.to_owned()))];
    let (certificate, key) = own_ca(&part("one"), true);
    let (leaf, leaf_key) = own_ca(&part("leaf"), false);
    let (cut, _) = certificate.split_at(certificate.len() / 2);
    for (certificates, keys, complaint) in [
        ("nonsense", "", "ca.crt: holds no certificate"),
        (cut, "", "ca.crt: "),
        (leaf.as_str(), leaf_key.as_str(), "ca.crt: CN=leaf is not the certificate of a CA"),
        (&certificate, &leaf_key, "ca.key: key 1 belongs to no certificate"),
        ("", &key, "ca.key: key 1 belongs to no certificate"),
        (&certificate, "-----BEGIN PRIVATE KEY-----\n????\n-----END PRIVATE KEY-----\n", "ca.key: "),
    ] {
        let error = CertificateAuthorities::parse(certificates.as_bytes(), keys.as_bytes()).unwrap_err().with_causes();
        assert!(error.contains(complaint), "{error}");
    }
    let read = CertificateAuthorities::parse(certificate.as_bytes(), key.as_bytes()).unwrap();
    assert_eq!(read.to_pem().0, certificate.replace("\r\n", "\n"));
    assert!(CertificateAuthorities::parse(b" \n", b"").unwrap().is_empty());
}

proptest! {
    /// Leaves repeat the name of their CA to the byte, whatever it is.
    #[test]
    fn a_ca_of_the_operators_own_signs_leaves(organization in "[ '()+,./:=A-Za-z0-9-]{1,20}", name in "\\PC{1,30}", other in any::<bool>()) {
        use rcgen::{DnType, DnValue};
        let organization = DnValue::PrintableString(organization.try_into().unwrap());
        let mut parts = vec![(DnType::OrganizationName, organization), (DnType::CommonName, DnValue::Utf8String(name))];
        if other {
            parts.reverse();
        }
        let (certificate, key) = own_ca(&parts, true);
        let known = CertificateAuthorities::parse(certificate.as_bytes(), key.as_bytes()).unwrap();
        let mut signer = Signer::new(LIFETIMES, service_names("rolecall", "rolecall", &[]));
        signer.set_authorities(known);
        let leaf = signer.renew(BEGIN).unwrap().unwrap();
        prop_assert_eq!(verify(&leaf.chain()[0], &certificate, BEGIN), Ok(()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 30, ..ProptestConfig::default() })]

    #[test]
    fn every_leaf_is_trusted_everywhere_at_all_times(case in cases()) {
        FIT.with_borrow_mut(HashSet::clear);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run(case))?;
    }
}
