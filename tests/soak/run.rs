//! The run: load, faults, changes and attacks beside each other, and the judgement of every answer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rolecall_aws_ground::Fault;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::attacks::Attacks;
use crate::common::mounted;
use crate::connections::Connections;
use crate::history::{History, Source};
use crate::probes::Probes;
use crate::process::Sample;
use crate::report;
use crate::world::{CHANGING, Expected, REFRESH, REMEMBER, Review, Verdict, World};

const REVIEWS_PER_SECOND: u32 = 300;
const CONNECTIONS: usize = 4;
/// `timeoutSeconds` of deploy/manifests/webhook.yaml: a later answer counts as none.
const TIMEOUT: Duration = Duration::from_secs(5);
const PATH: &str = "/validate?timeout=5s";
/// After an outage, until reads that began in it have ended: two attempts of 2 s, and 1 s in which an error is remembered.
const SETTLE: Duration = Duration::from_secs(6);
/// Until a refresh has seen a change: it may have begun just before the change, or in an outage, and the next comes 10 s
/// after its end.
const SEEN: Duration = Duration::from_secs(18);
/// Until a new handshake gets a new certificate: `filesSeconds` is 1.
const CERTIFICATE: Duration = Duration::from_secs(3);
/// Until the watch has a change after the API server is back: a watch pauses up to 30 s before it tries again.
const WATCH: Duration = Duration::from_secs(35);
/// Attacks under way at one time.
const MAX_ATTACKS: usize = 40;

/// What happened while a review was answered, or in the 6 s before, for the latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Calm,
    AwsFault,
    ApiServerRestart,
}

impl Phase {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Calm => "all sources answer",
            Self::AwsFault => "AWS fault",
            Self::ApiServerRestart => "API server restart",
        }
    }
}

/// What the parts of a run share.
pub(crate) struct Run {
    pub(crate) world: World,
    connections: Arc<Connections>,
    start: Instant,
    history: Mutex<History>,
    failures: Mutex<BTreeMap<String, (usize, Vec<String>)>>,
    /// By whether the review was allowed without a warning, which needs no read, and by phase.
    pub(crate) latencies: Mutex<BTreeMap<(bool, Phase), Vec<Duration>>>,
    /// How far behind its schedule the load was.
    pub(crate) lag: Mutex<Duration>,
    pub(crate) samples: Mutex<Vec<Sample>>,
    /// Log lines that are no audit lines, by level and message.
    pub(crate) log: Mutex<BTreeMap<String, usize>>,
    pub(crate) counts: Counts,
}

/// What was done and seen.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) reviews: AtomicU64,
    pub(crate) denied: AtomicU64,
    /// Allowed with a warning because what the denial depends on could not be read.
    pub(crate) downgraded: AtomicU64,
    pub(crate) audit_lines: AtomicU64,
    pub(crate) rotations: AtomicUsize,
    pub(crate) handshakes: AtomicUsize,
    pub(crate) compared: AtomicUsize,
    pub(crate) skipped_attacks: AtomicUsize,
    pub(crate) attacks: Mutex<BTreeMap<&'static str, usize>>,
    /// How many answers each check was about.
    pub(crate) checked: Mutex<BTreeMap<&'static str, usize>>,
    /// The longest time from a change of a service account after a restart of the API server until a review saw it.
    pub(crate) watch: Mutex<Duration>,
}

impl Counts {
    fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// What rolecall said of a review.
#[derive(Debug)]
struct Answer {
    verdict: Verdict,
    has_warning: bool,
    response: Value,
}

pub(crate) async fn run(whole: Duration) -> Vec<String> {
    let mut world = World::start().await;
    // Before the connections: one that asks nothing for 10 s is cut.
    let verdicts = tokio::task::block_in_place(|| world.check(&compared(&world)));
    let connections = open(&world).await;
    let at_rest = Sample::take(world.server.pid(), Duration::ZERO).unwrap();
    let disagreements = baseline(&mut world, verdicts, &connections).await;
    let initial: Vec<bool> = (0..CHANGING).map(|index| index >= CHANGING / 2).collect();
    let run = Arc::new(Run {
        world,
        connections,
        start: Instant::now(),
        history: Mutex::new(History::new(&initial)),
        failures: Mutex::default(),
        latencies: Mutex::default(),
        lag: Mutex::default(),
        samples: Mutex::default(),
        log: Mutex::default(),
        counts: Counts::default(),
    });
    let mut probes = Probes::start(run.world.server.metrics);
    let mut tasks = JoinSet::new();
    tasks.spawn(Arc::clone(&run).load(whole));
    tasks.spawn(Arc::clone(&run).change_chains(whole));
    tasks.spawn(Arc::clone(&run).cycles(whole));
    tasks.spawn(Arc::clone(&run).replace_connections(whole));
    tasks.spawn(Arc::clone(&run).attack(whole));
    tasks.spawn(Arc::clone(&run).sample(whole));
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    let (livez, unanswered) = tokio::task::block_in_place(|| probes.end());
    for why in unanswered {
        run.fail("a probe was not answered", why);
    }
    // Until the server has cut all that attacks left, and has written the last lines of its log.
    sleep(SETTLE).await;
    run.read_log();
    let afterwards = Sample::take(run.world.server.pid(), run.now()).unwrap();
    let mut run = Arc::into_inner(run).unwrap();
    tokio::task::block_in_place(|| {
        let metrics = run.world.server.get("/metrics").1;
        run.world.server.terminate();
        let status = run.world.server.wait();
        if !status.success() {
            run.fail("the process ended badly", status.to_string());
        }
        for disagreement in disagreements {
            run.fail("the verdict before the run is not that of check", disagreement);
        }
        report::conclude(&run, whole, &metrics, (&at_rest, &afterwards), &livez)
    })
}

async fn open(world: &World) -> Arc<Connections> {
    let trusted = std::fs::read_to_string(world.folder.0.join("0/ca.crt")).unwrap();
    Connections::open(world.server.reviews, trusted, CONNECTIONS).await
}

fn is_compared(review: &Review) -> bool {
    matches!(review.expected, Expected::Always(_)) && review.not_compared.is_none()
}

/// The reviews whose verdict stays the same.
fn compared(world: &World) -> Vec<&Review> {
    world.reviews.iter().filter(|review| is_compared(review)).collect()
}

/// Asks the webhook about every review whose verdict stays the same. Returns where it disagrees with `check`.
async fn baseline(world: &mut World, verdicts: Vec<Verdict>, connections: &Connections) -> Vec<String> {
    let mut disagreements = Vec::new();
    for (review, verdict) in compared(world).into_iter().zip(&verdicts) {
        let (body, _) = review.numbered(0);
        let (status, body) = connections.post(PATH, body).await.unwrap();
        assert_eq!(status, 200, "{}", review.name);
        let answer = Answer::read(&body).unwrap();
        if answer.verdict != *verdict {
            disagreements.push(format!("{}: check {verdict:?}, webhook {:?}", review.name, answer.verdict));
        }
    }
    for (review, verdict) in world.reviews.iter_mut().filter(|review| is_compared(review)).zip(verdicts) {
        review.expected = Expected::Always(verdict);
    }
    disagreements
}

impl Answer {
    fn read(body: &[u8]) -> Result<Self, String> {
        let answer: Value = serde_json::from_slice(body).map_err(|e| e.to_string())?;
        let response = answer["response"].clone();
        let allowed = response["allowed"].as_bool().ok_or_else(|| format!("no AdmissionResponse: {answer}"))?;
        let rules = response["auditAnnotations"]["rules"].as_str().unwrap_or_default();
        let rules = rules.split(',').filter(|rule| !rule.is_empty()).map(str::to_owned).collect();
        let has_warning = response["warnings"].as_array().is_some_and(|warnings| !warnings.is_empty());
        Ok(Self { verdict: Verdict { is_denied: !allowed, rules }, has_warning, response })
    }
}

impl Run {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    pub(crate) fn fail(&self, what: &str, example: impl std::fmt::Display) {
        let mut failures = self.failures.lock().unwrap();
        let (count, examples) = failures.entry(what.to_owned()).or_default();
        *count += 1;
        if examples.len() < 3 {
            examples.push(format!("at {:.1} s: {example}", self.now().as_secs_f64()));
        }
    }

    pub(crate) fn failures(&self) -> Vec<String> {
        let failures = self.failures.lock().unwrap();
        failures
            .iter()
            .map(|(what, (count, examples))| format!("{what}: {count}\n  {}", examples.join("\n  ")))
            .collect()
    }

    pub(crate) fn history_counts(&self) -> (usize, usize, usize) {
        self.history.lock().unwrap().counts()
    }

    /// Sends reviews at a constant rate, whether earlier ones are answered or not.
    async fn load(self: Arc<Self>, whole: Duration) {
        let mut under_way = JoinSet::new();
        let interval = Duration::from_secs(1) / REVIEWS_PER_SECOND;
        let mut chance = 0x9e37_79b9_7f4a_7c15_u64;
        for number in 1.. {
            let due = interval * number;
            if due > whole {
                break;
            }
            if let Some(wait) = due.checked_sub(self.now()) {
                sleep(wait).await;
            } else {
                let mut lag = self.lag.lock().unwrap();
                *lag = self.now().saturating_sub(due).max(*lag);
            }
            // Xorshift.
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            // A third of the reviews are of workloads whose chain changes.
            let changing = chance.is_multiple_of(3);
            let among = if changing { 0..CHANGING } else { CHANGING..self.world.reviews.len() };
            let index = among.start + (chance >> 8) as usize % among.len();
            under_way.spawn(Arc::clone(&self).ask(index, u64::from(number)));
            while under_way.try_join_next().is_some() {}
        }
        under_way.join_all().await;
    }

    /// Sends one review, and judges the answer.
    async fn ask(self: Arc<Self>, index: usize, number: u64) {
        let review = &self.world.reviews[index];
        let (body, uid) = review.numbered(number);
        let asked = self.now();
        let answer = tokio::time::timeout(TIMEOUT, self.connections.post(PATH, body)).await;
        let answered = self.now();
        Counts::add(&self.counts.reviews);
        let answer = match answer {
            Err(_) => return self.fail("a call got no answer in 5 s", review.name.clone()),
            Ok(Err(error)) => return self.fail("a call failed", format!("{}: {error:#}", review.name)),
            Ok(Ok((200, body))) => Answer::read(&body),
            Ok(Ok((status, _))) => Err(format!("HTTP {status}")),
        };
        let answer = match answer {
            Ok(answer) if answer.response["uid"] == uid => answer,
            Ok(answer) => return self.fail("an answer has another uid", answer.response.to_string()),
            Err(error) => return self.fail("an answer is no AdmissionReview", format!("{}: {error}", review.name)),
        };
        let phase = {
            let history = self.history.lock().unwrap();
            let since = asked.saturating_sub(SETTLE);
            if !history.is_calm(Source::ApiServer, since, answered) {
                Phase::ApiServerRestart
            } else if !history.is_calm(Source::Aws, since, answered) {
                Phase::AwsFault
            } else {
                Phase::Calm
            }
        };
        let is_from_memory = !answer.verdict.is_denied && !answer.has_warning;
        self.latencies.lock().unwrap().entry((is_from_memory, phase)).or_default().push(answered - asked);
        if let Err((what, why)) = self.judge(review, &answer, asked, answered) {
            let (asked, answered) = (asked.as_secs_f64(), answered.as_secs_f64());
            self.fail(what, format!("{} from {asked:.2} to {answered:.2} s: {why}: {}", review.name, answer.response));
        }
    }

    /// Compares an answer with what was true when it was given.
    fn judge(
        &self,
        review: &Review,
        answer: &Answer,
        asked: Duration,
        answered: Duration,
    ) -> Result<(), (&'static str, String)> {
        let history = self.history.lock().unwrap();
        let calm_since = |before: Duration| {
            let from = asked.saturating_sub(before);
            history.is_calm(Source::Aws, from, answered) && history.is_calm(Source::ApiServer, from, answered)
        };
        let Verdict { is_denied, rules } = &answer.verdict;
        if *is_denied {
            Counts::add(&self.counts.denied);
        }
        match &review.expected {
            Expected::Always(_) if review.not_compared.is_some() => {}
            Expected::Always(expected) => {
                if *is_denied && !expected.is_denied {
                    return Err(("a review was denied that holds", format!("expected {expected:?}")));
                }
                if !is_denied && expected.is_denied {
                    if !answer.has_warning {
                        return Err(("a broken review was allowed without a warning", format!("{expected:?}")));
                    }
                    if calm_since(SETTLE) {
                        return Err(("a broken review was not denied while all sources answered", String::new()));
                    }
                    Counts::add(&self.counts.downgraded);
                }
                if *rules != expected.rules && calm_since(SEEN) {
                    return Err(("the rules are not those of check", format!("expected {:?}", expected.rules)));
                }
            }
            Expected::Changing(index) => {
                let held_since = |before: Duration| history.held(*index, asked.saturating_sub(before), answered);
                let is_clean = !is_denied && rules.is_empty();
                if !is_denied && answer.has_warning {
                    Counts::add(&self.counts.downgraded);
                }
                let calm = calm_since(SETTLE);
                // A refresh needs AWS only, and a break that it has seen is at least a warning.
                let refreshed = history.is_calm(Source::Aws, asked.saturating_sub(SEEN), answered);
                let checks = [
                    (
                        "a review was denied although its chain held when it was read",
                        held_since(REMEMBER + Duration::from_millis(500)) == Some(true),
                        *is_denied,
                    ),
                    ("a repaired chain was not seen in time", calm && held_since(SETTLE) == Some(true), !is_clean),
                    (
                        "a broken chain was let through for longer than one refresh",
                        refreshed && held_since(SEEN) == Some(false),
                        is_clean,
                    ),
                    (
                        "a broken review was only warned of while all sources answered",
                        calm && held_since(SETTLE) == Some(false),
                        !is_denied && !is_clean,
                    ),
                ];
                for (what, applies, fails) in checks {
                    if applies {
                        *self.counts.checked.lock().unwrap().entry(what).or_default() += 1;
                    }
                    if applies && fails {
                        return Err((what, String::new()));
                    }
                }
            }
        }
        Ok(())
    }

    /// Breaks one chain and repairs another every 10 s, so that each snapshot differs from the one before.
    async fn change_chains(self: Arc<Self>, whole: Duration) {
        for step in 0.. {
            let due = REFRESH * (step + 1);
            if due >= whole {
                break;
            }
            sleep(due.saturating_sub(self.now())).await;
            let pair = step as usize % (CHANGING / 2);
            let was_broken_first = (step as usize / (CHANGING / 2)).is_multiple_of(2);
            for (index, holds) in [(pair, was_broken_first), (pair + CHANGING / 2, !was_broken_first)] {
                self.history.lock().unwrap().begin_change(index, holds, self.now());
                self.world.set_chain(index, holds).await;
                self.history.lock().unwrap().end_change(index, self.now());
            }
        }
    }

    /// Each quarter has the same number of equal cycles: AWS faults, a restart of the API server, new certificates, and a
    /// comparison with `check`.
    async fn cycles(self: Arc<Self>, whole: Duration) {
        let quarter = whole / 4;
        let in_quarter = u32::try_from(quarter.as_secs() / 50).unwrap().max(1);
        let cycle = quarter / in_quarter;
        for number in 0..4 * in_quarter {
            let at =
                async |percent: u32| sleep((cycle * number + cycle * percent / 100).saturating_sub(self.now())).await;
            at(3).await;
            self.history.lock().unwrap().begin_outage(Source::Aws, self.now());
            self.world.aws.proxy.fault(aws_fault(number));
            // Every other outage is longer than the time between two refreshes.
            at(if number.is_multiple_of(2) { 43 } else { 23 }).await;
            self.world.aws.proxy.heal();
            self.history.lock().unwrap().end_outage(Source::Aws, self.now());
            at(45).await;
            self.restart_api_server(number).await;
            at(75).await;
            self.rotate_certificate(number).await;
            at(95).await;
            self.compare().await;
        }
        sleep(whole.saturating_sub(self.now())).await;
    }

    /// Restarts the API server, and then changes a service account, which the watch must report.
    async fn restart_api_server(self: &Arc<Self>, number: u32) {
        self.history.lock().unwrap().begin_outage(Source::ApiServer, self.now());
        let is_valid = !number.is_multiple_of(2);
        let run = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            if is_valid {
                run.world.cluster.part("apiserver", "restart");
            } else {
                run.world.cluster.part("apiserver", "kill");
                run.world.cluster.part("apiserver", "start");
            }
            run.history.lock().unwrap().end_outage(Source::ApiServer, run.now());
            run.world.set_moved(is_valid);
        })
        .await
        .unwrap();
        let since = self.now();
        loop {
            let (body, _) = self.world.moved.numbered(u64::from(number));
            match self.connections.post(PATH, body).await {
                Ok((_, body)) => {
                    let rules = Answer::read(&body).map(|answer| answer.verdict.rules).unwrap_or_default();
                    if rules.contains("role-arn-malformed") != is_valid {
                        break;
                    }
                }
                Err(error) => self.fail("a call failed", format!("moved: {error:#}")),
            }
            if self.now() - since > WATCH {
                self.fail("the watch did not report a change", format!("within {WATCH:?} of a restart"));
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
        let mut longest = self.counts.watch.lock().unwrap();
        *longest = (self.now() - since).max(*longest);
    }

    /// Puts another certificate into the mounted files; each third time one before that does not fit its key.
    async fn rotate_certificate(&self, number: u32) {
        let folder = &self.world.folder.0;
        let generation = (number + 1).to_string();
        let leaf = mounted::pair(folder, &generation);
        let ca = std::fs::read_to_string(folder.join(&generation).join("ca.crt")).unwrap();
        let before = std::fs::read_to_string(folder.join(number.to_string()).join("ca.crt")).unwrap();
        self.connections.trust(format!("{before}{ca}"));
        if number.is_multiple_of(3) {
            let broken = folder.join("broken");
            let _ = std::fs::create_dir(&broken);
            std::fs::copy(folder.join(&generation).join("tls.crt"), broken.join("tls.crt")).unwrap();
            std::fs::copy(folder.join(number.to_string()).join("tls.key"), broken.join("tls.key")).unwrap();
            mounted::swap(folder, "broken");
            sleep(Duration::from_millis(1_500)).await;
        }
        mounted::swap(folder, &generation);
        self.counts.rotations.fetch_add(1, Ordering::Relaxed);
        sleep(CERTIFICATE).await;
        match self.connections.connect().await {
            Ok((_, shown)) if shown == leaf => {}
            Ok(_) => self.fail("a new certificate was not served", format!("within {CERTIFICATE:?}")),
            Err(error) => self.fail("a handshake failed", format!("{error:#}")),
        }
    }

    /// Opens a new connection in place of the oldest every 5 s: handshakes at any time of a rotation.
    async fn replace_connections(self: Arc<Self>, whole: Duration) {
        while self.now() + Duration::from_secs(5) < whole {
            sleep(Duration::from_secs(5)).await;
            self.counts.handshakes.fetch_add(1, Ordering::Relaxed);
            if let Err(error) = self.connections.replace_oldest().await {
                self.fail("a handshake failed", format!("{error:#}"));
            }
        }
    }

    /// Compares the webhook with `check` on what AWS and the cluster hold now, for all workloads whose chain changes, and for
    /// a few other reviews.
    async fn compare(self: &Arc<Self>) {
        let asked = self.now();
        let reviews = &self.world.reviews;
        let others = (0..4).map(|i| CHANGING + (asked.as_millis() as usize * 7 + i * 31) % (reviews.len() - CHANGING));
        let chosen: Vec<usize> =
            (0..CHANGING).chain(others).filter(|index| reviews[*index].not_compared.is_none()).collect();
        let mut answers = Vec::new();
        for index in &chosen {
            let (body, _) = reviews[*index].numbered(1);
            match self.connections.post(PATH, body).await {
                Ok((_, body)) => answers.push(Answer::read(&body)),
                Err(error) => answers.push(Err(format!("{error:#}"))),
            }
        }
        let run = Arc::clone(self);
        let of = chosen.clone();
        let verdicts = tokio::task::spawn_blocking(move || {
            let reviews: Vec<&Review> = of.iter().map(|index| &run.world.reviews[*index]).collect();
            run.world.check(&reviews)
        });
        let verdicts = verdicts.await.unwrap();
        let now = self.now();
        let from = asked.saturating_sub(SEEN);
        let is_calm = {
            let history = self.history.lock().unwrap();
            history.is_calm(Source::Aws, from, asked)
                && history.is_calm(Source::ApiServer, asked.saturating_sub(SETTLE), now)
        };
        if !is_calm {
            return;
        }
        for ((index, answer), verdict) in chosen.into_iter().zip(answers).zip(verdicts) {
            let review = &reviews[index];
            let is_settled = match review.expected {
                Expected::Always(_) => true,
                Expected::Changing(index) => self.history.lock().unwrap().held(index, from, now).is_some(),
            };
            if !is_settled {
                continue;
            }
            self.counts.compared.fetch_add(1, Ordering::Relaxed);
            match answer {
                Ok(answer) if answer.verdict == verdict => {}
                Ok(answer) => self.fail(
                    "the verdict is not that of check",
                    format!("{}: check {verdict:?}, webhook {}", review.name, answer.response),
                ),
                Err(error) => self.fail("a call failed", format!("{}: {error}", review.name)),
            }
        }
    }

    /// Two attacks a second, one of each kind in turn.
    async fn attack(self: Arc<Self>, whole: Duration) {
        let attacks = Arc::new(Attacks::new(self.world.server.metrics));
        let mut under_way = JoinSet::new();
        for number in 0.. {
            sleep(Duration::from_millis(500)).await;
            // The slowest attack takes 20 s.
            if self.now() + Duration::from_secs(2) > whole {
                break;
            }
            while under_way.try_join_next().is_some() {}
            if under_way.len() >= MAX_ATTACKS {
                self.counts.skipped_attacks.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let (run, attacks) = (Arc::clone(&self), Arc::clone(&attacks));
            under_way.spawn(async move {
                let (name, result) = attacks.run(number, &run.connections).await;
                *run.counts.attacks.lock().unwrap().entry(name).or_default() += 1;
                if let Err(why) = result {
                    run.fail(&format!("attack: {name}"), why);
                }
            });
        }
        under_way.join_all().await;
    }

    /// Once a second: the resources of the process, its log, and its metrics as Prometheus would read them.
    async fn sample(self: Arc<Self>, whole: Duration) {
        let pid = self.world.server.pid();
        while self.now() < whole {
            match Sample::take(pid, self.now()) {
                Ok(sample) => self.samples.lock().unwrap().push(sample),
                Err(error) => return self.fail("the process is gone", error.to_string()),
            }
            self.read_log();
            self.world.aws.proxy.forget();
            let run = Arc::clone(&self);
            let metrics = tokio::task::spawn_blocking(move || run.world.server.get("/metrics").0);
            let status = metrics.await.unwrap_or_default();
            if status != 200 {
                self.fail("the metrics were not answered", format!("HTTP {status}"));
            }
            sleep(Duration::from_secs(1)).await;
        }
    }

    fn read_log(&self) {
        let lines = std::mem::take(&mut *self.world.server.log.lock().unwrap());
        let mut log = self.log.lock().unwrap();
        for line in lines {
            if line["target"] == "rolecall::audit" {
                Counts::add(&self.counts.audit_lines);
            } else {
                let text = |field: &str| line[field].as_str().unwrap_or_default();
                *log.entry(format!("{} {}", text("level"), text("message"))).or_default() += 1;
            }
        }
    }
}

/// A fault of AWS for each cycle in turn.
fn aws_fault(number: u32) -> Fault {
    match number % 9 {
        0 => Fault::throttle("*"),
        1 => Fault::delay("iam:GetRole", Duration::from_secs(20)),
        2 => Fault::unavailable("*"),
        3 => Fault::cut_within("*"),
        4 => Fault::delay("*", Duration::from_millis(700)),
        5 => Fault::malformed("iam:*"),
        6 => Fault::access_denied("iam:GetRole"),
        7 => Fault::truncate("eks:*"),
        _ => Fault::expired_token("*"),
    }
}
