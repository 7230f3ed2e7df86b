//! The CAs that replicas share, over several of their lives: the real keepers before a made-up API server that is slow, at
//! times away, and whose servers hear of a new `caBundle` late. Time is tokio's, run forward.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use rolecall::certs::{
    Authorities, CaKeeper, Certificates, Clock, Fault, LiveCertificate, Meeting, Observer, Rules, Signer, Trouble,
    What, names, read_bundle,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::task::AbortHandle;
use tokio::time::Instant;

const RULES: Rules = Rules { ca: 3_600, leaf: 600, settle: 60 };
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
    /// Nobody reaches it until then.
    away_until: i64,
    secret: Option<(u64, String, String)>,
    version: u64,
    bundles: Vec<(i64, String)>,
}

impl Server {
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
    async fn call<T>(&self, act: impl FnOnce(&mut Server) -> Result<T, Fault> + Send) -> Result<T, Fault> {
        let wait = |server: &mut Server| Duration::from_millis(server.chance.below(server.delay));
        let there = wait(&mut self.server.lock().unwrap());
        tokio::time::sleep(there).await;
        let (answer, back) = {
            let mut server = self.server.lock().unwrap();
            let is_away = (self.clock)() < server.away_until;
            let faults = server.faults;
            let dice = server.chance.below(100);
            let answer = if is_away || dice < faults / 2 {
                Err(Fault::Other("unreachable".to_owned()))
            } else if dice < faults {
                act(&mut server).and(Err(Fault::Other("the answer was lost".to_owned())))
            } else {
                act(&mut server)
            };
            (answer, wait(&mut server))
        };
        tokio::time::sleep(back).await;
        answer
    }
}

impl Meeting for Api {
    type Held = Option<u64>;
    type Registered = u64;

    async fn registered(&self) -> Result<Option<(u64, Certificates)>, Fault> {
        self.call(|server| {
            let trusted = read_bundle(server.bundle().as_bytes()).unwrap();
            Ok(Some((server.bundles.len() as u64, trusted)))
        })
        .await
    }

    async fn held(&self) -> Result<(Option<u64>, Authorities), Fault> {
        let found = self.call(|server| Ok(server.secret.clone())).await?;
        Ok(match found {
            None => (None, Authorities::default()),
            Some((version, certificates, keys)) => {
                (Some(version), Authorities::parse(certificates.as_bytes(), keys.as_bytes()).unwrap())
            }
        })
    }

    async fn hold(&self, held: Option<u64>, authorities: &Authorities) -> Result<(), Fault> {
        let (certificates, keys) = authorities.render();
        self.call(|server| {
            if server.secret.as_ref().map(|(version, ..)| *version) != held {
                return Err(Fault::Conflict);
            }
            server.version += 1;
            server.secret = Some((server.version, certificates, keys));
            Ok(())
        })
        .await
    }

    async fn publish(&self, registered: &u64, authorities: &Authorities) -> Result<bool, Fault> {
        let clock = Arc::clone(&self.clock);
        self.call(|server| {
            if authorities.are(&read_bundle(server.bundle().as_bytes()).unwrap()) {
                return Ok(false);
            }
            if server.bundles.len() as u64 != *registered {
                return Err(Fault::Conflict);
            }
            server.bundles.push((clock(), authorities.bundle()));
            Ok(true)
        })
        .await
    }

    fn place(&self) -> String {
        "the registration".to_owned()
    }
}

/// Counts what the metrics would.
#[derive(Debug, Default)]
struct Seen(Mutex<(usize, usize)>);

impl Observer for Seen {
    fn serving(&self, _: i64, _: Option<i64>) {}
    fn rotated(&self, what: What) {
        let mut counts = self.0.lock().unwrap();
        match what {
            What::Leaf => counts.0 += 1,
            What::Ca => counts.1 += 1,
        }
    }
    fn failed(&self, _: Trouble) {}
}

/// A replica: what it serves, once it serves.
struct Replica {
    live: Arc<Mutex<Option<Arc<LiveCertificate>>>>,
    task: AbortHandle,
}

impl Replica {
    fn start(api: &Api, seen: &Arc<Seen>) -> Self {
        let signer = Signer::new(RULES, names("rolecall", "rolecall", &[]));
        let observer: Arc<dyn Observer> = Arc::<Seen>::clone(seen);
        let mut keeper = CaKeeper::new(api.clone(), signer, EVERY, Arc::clone(&api.clock), observer);
        let live = Arc::new(Mutex::new(None));
        let serves = Arc::clone(&live);
        let task = tokio::spawn(async move {
            let certificate = LiveCertificate::new(keeper.first().await);
            *serves.lock().unwrap() = Some(Arc::clone(&certificate));
            keeper.keep(&certificate).await;
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
    /// Somebody deletes the Secret, or empties it.
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
    let lags = prop::collection::vec(0..RULES.settle, 1..4);
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
    for ca in read_bundle(bundle.as_bytes())? {
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

/// Runs for four lives of a CA, and looks every few seconds.
async fn run(case: Case) -> Result<(), TestCaseError> {
    let start = Instant::now();
    let clock: Clock = Arc::new(move || BEGIN + i64::try_from(start.elapsed().as_secs()).unwrap());
    let server = Server {
        chance: Chance(case.seed),
        faults: case.faults,
        delay: case.delay,
        away_until: 0,
        secret: None,
        version: 0,
        bundles: Vec::new(),
    };
    let api = Api { server: Arc::new(Mutex::new(server)), clock: Arc::clone(&clock) };
    let mut chance = Chance(!case.seed);
    let seen = Arc::new(Seen::default());
    let mut replicas: Vec<Replica> = (0..case.replicas).map(|_| Replica::start(&api, &seen)).collect();
    let end = BEGIN + 4 * RULES.ca;
    let (mut counts_from, mut absent_before) = (None, BEGIN);
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
            let counts_from = *counts_from.get_or_insert(now + RULES.settle);
            if now < counts_from {
                continue;
            }
            // An absence that leaves time enough in a CA's last third, and not two in a row.
            if now > absent_before + RULES.ca / 2 && chance.below(100 * 20) < case.absences {
                server.away_until = now + i64::try_from(chance.below(700)).unwrap();
                absent_before = server.away_until;
            }
            let is_reachable = now >= server.away_until + 120;
            if case.story == Story::Deletions && is_reachable && chance.below(400) == 0 {
                server.secret = None;
            }
            if case.story == Story::Restarts && chance.below(60) == 0 {
                let index = usize::try_from(chance.below(case.replicas as u64)).unwrap();
                replicas[index] = Replica::start(&api, &seen);
            }
            let size = read_bundle(server.bundle().as_bytes()).unwrap().len();
            let most = if case.story == Story::Deletions { 5 } else { 3 };
            prop_assert!((1..=most).contains(&size), "at {}: {size} CAs", now - BEGIN);
        }
        for (number, replica) in replicas.iter().enumerate() {
            let Some(live) = replica.live.lock().unwrap().clone() else { continue };
            let served = live.now();
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
    // Four lives, a new CA after two thirds of each.
    prop_assert!(cas.len() >= 5, "{} CAs were used", cas.len());
    prop_assert!(seen.0.lock().unwrap().0 > 20);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_leaf_is_trusted_everywhere_at_all_times(case in cases()) {
        FIT.with_borrow_mut(HashSet::clear);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run(case))?;
    }
}
