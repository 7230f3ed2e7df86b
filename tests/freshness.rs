//! Two laws. No denial for a chain that held when its links were read for it, or by the shared snapshot that was there when the
//! review came. And no certain break is let through for longer than one refresh while the source answers. A scripted AWS and a
//! scripted bucket on a virtual clock, reviews through the router; and a file under the program itself.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use proptest::prelude::*;
use rolecall::config::Config;
use rolecall::live::{
    Asked, ClusterReader, Collection, Collector, LinkReader, Lookups, ReadRole, Rechecks, Refreshing, Rereads,
    WorldState, WorldStore, refresh_forever,
};
use rolecall::review::{Access, AccessReviewer, User};
use rolecall::server::{ClusterAccess, Confirmation, Metrics, State, router};
use rolecall_core::cluster::{Cluster, Namespace, Presence, ServiceAccount};
use rolecall_core::decision::{Level, Mode};
use rolecall_core::snapshot::Snapshot;
use rolecall_core::world::World;
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::ServiceExt;

const ROLE: &str = "arn:aws:iam::111122223333:role/carts";
const ISSUER: &str = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE";
const REMEMBER: Duration = Duration::from_secs(3);
const REFRESH: Refreshing = Refreshing { interval: Duration::from_secs(60), jitter: 0.0 };
/// How often a shared snapshot is looked at.
const POLL: Refreshing = Refreshing { interval: Duration::from_secs(30), jitter: 0.0 };

fn seconds(tenths: u64) -> Duration {
    Duration::from_millis(tenths * 100)
}

/// How AWS behaves for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Slow(u64),
    Throttling,
    Hanging,
}

/// What happens when, in tenths of a second.
#[derive(Debug, Clone)]
struct Script {
    /// The trust policy is right at first; at each of these times it changes to wrong or back.
    changes: Vec<u64>,
    /// From, for how long, how.
    moods: Vec<(u64, u64, Mood)>,
    reviews: Vec<u64>,
}

/// AWS as the script has it.
#[derive(Debug, Clone)]
struct Scripted {
    script: Arc<Script>,
    start: Instant,
}

impl Script {
    fn is_right(&self, at: Duration) -> bool {
        self.changes.iter().filter(|change| seconds(**change) <= at).count() % 2 == 0
    }

    fn mood(&self, at: Duration) -> Option<Mood> {
        let in_mood = |(from, long, _): &&(u64, u64, Mood)| seconds(*from) <= at && at < seconds(from + long);
        self.moods.iter().find(in_mood).map(|(_, _, mood)| *mood)
    }

    /// Whether anything but quick answers happens between these times.
    fn is_calm(&self, from: Duration, to: Duration) -> bool {
        self.moods.iter().all(|(start, long, _)| seconds(start + long) <= from || to < seconds(*start))
    }

    fn changes_within(&self, from: Duration, to: Duration) -> bool {
        self.changes.iter().any(|change| from < seconds(*change) && seconds(*change) <= to)
    }
}

impl Scripted {
    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Half of the way there, the answer as of then, and the way back.
    async fn answer<T>(&self, say: impl FnOnce(bool) -> T) -> Result<T, String> {
        let there = match self.script.mood(self.elapsed()) {
            None => Duration::from_millis(40),
            Some(Mood::Slow(tenths)) => seconds(tenths),
            Some(Mood::Throttling) => {
                tokio::time::sleep(Duration::from_millis(200)).await;
                return Err("iam:GetRole: Throttling".to_owned());
            }
            Some(Mood::Hanging) => {
                tokio::time::sleep(Duration::from_secs(30)).await;
                return Err("iam:GetRole: timed out".to_owned());
            }
        };
        tokio::time::sleep(there).await;
        let said = say(self.script.is_right(self.elapsed()));
        tokio::time::sleep(there / 2).await;
        Ok(said)
    }
}

fn role(right: bool) -> Value {
    let subject = if right { "system:serviceaccount:carts:carts" } else { "system:serviceaccount:carts:cart" };
    let by_agent = json!({"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Principal": {"Service": "pods.eks.amazonaws.com"}});
    let by_token = json!({
        "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": format!("arn:aws:iam::111122223333:oidc-provider/{ISSUER}")},
        "Condition": {"StringEquals": {
            format!("{ISSUER}:sub"): subject, format!("{ISSUER}:aud"): "sts.amazonaws.com"}}});
    json!({"Arn": ROLE, "Tags": [],
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [by_token, by_agent]}})
}

fn provider() -> Value {
    json!({"Arn": format!("arn:aws:iam::111122223333:oidc-provider/{ISSUER}"), "Url": ISSUER, "ClientIDList": ["sts.amazonaws.com"]})
}

impl LinkReader for Scripted {
    fn role(&self, arn: String, _: bool) -> BoxFuture<'static, Result<ReadRole, String>> {
        assert_eq!(arn, ROLE);
        let this = self.clone();
        async move { this.answer(|right| ReadRole { role: Some(role(right)), policies: Vec::new() }).await }.boxed()
    }

    fn associations(&self, _: String, _: String) -> BoxFuture<'static, Result<Vec<Value>, String>> {
        let this = self.clone();
        async move { this.answer(|_| Vec::new()).await }.boxed()
    }

    fn provider(&self, _: String, url: String) -> BoxFuture<'static, Result<Option<Value>, String>> {
        assert_eq!(url, format!("https://{ISSUER}"));
        let this = self.clone();
        async move { this.answer(|_| Some(provider())).await }.boxed()
    }
}

impl Collector for Scripted {
    fn collect(&self, asked: Asked) -> BoxFuture<'_, Option<Collection>> {
        assert!(asked.roles.contains(ROLE));
        async move {
            let Ok(role) = self.answer(role).await else {
                let failures = vec![("accounts".to_owned(), "Throttling".to_owned())];
                return Some(Collection { failures, ..Collection::default() });
            };
            let snapshot = Snapshot::parse(&document(&role, &json!([])).to_string()).unwrap();
            Some(Collection { snapshot: Some(snapshot), is_usable: true, ..Collection::default() })
        }
        .boxed()
    }
}

fn document(role: &Value, associations: &Value) -> Value {
    json!({
        "collectedAt": "2026-11-24T17:26:52Z",
        "cluster": {"name": "shop", "arn": "arn:aws:eks:us-west-2:111122223333:cluster/shop",
            "identity": {"oidc": {"issuer": format!("https://{ISSUER}")}}},
        "podIdentityAssociations": associations, "nodeRoles": [],
        "accounts": {"111122223333": {"rolesRead": "named", "roles": [role], "oidcProviders": [provider()]}}})
}

fn review() -> String {
    let path = "/var/run/secrets/eks.amazonaws.com/serviceaccount";
    let environment = json!([{"name": "AWS_ROLE_ARN", "value": ROLE}, {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": format!("{path}/token")}]);
    injected(path, "aws-iam-token", "token", "sts.amazonaws.com", &environment)
}

/// A pod with all that the injector adds for an association.
fn agent_review() -> String {
    let path = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount";
    let environment = json!([
        {"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "http://169.254.170.23/v1/credentials"},
        {"name": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "value": format!("{path}/eks-pod-identity-token")}]);
    injected(path, "eks-pod-identity-token", "eks-pod-identity-token", "pods.eks.amazonaws.com", &environment)
}

/// A pod to which the injector added nothing.
fn bare_review() -> String {
    let mut review: Value = serde_json::from_str(&review()).unwrap();
    let spec = &mut review["request"]["object"]["spec"];
    spec["containers"] = json!([{"name": "carts", "image": "carts"}]);
    spec["volumes"] = json!([]);
    review.to_string()
}

fn injected(path: &str, volume: &str, file: &str, audience: &str, environment: &Value) -> String {
    let mount = json!({"name": volume, "mountPath": path, "readOnly": true});
    let token = json!({"serviceAccountToken": {"audience": audience, "expirationSeconds": 86400, "path": file}});
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "1", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE",
        "resource": {"group": "", "version": "v1", "resource": "pods"}, "namespace": "carts", "name": "carts",
        "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "carts", "namespace": "carts"}, "spec": {
            "serviceAccountName": "carts",
            "containers": [{"name": "carts", "image": "carts", "env": environment, "volumeMounts": [mount]}],
            "volumes": [{"name": volume, "projected": {"sources": [token]}}]}}}})
    .to_string()
}

fn world(annotated: bool) -> World {
    world_with(annotated, Presence::Unknown)
}

fn world_with(annotated: bool, injector: Presence) -> World {
    let mut cluster = Cluster { complete: true, injector, ..Cluster::default() };
    let account = ServiceAccount { role_arn: annotated.then(|| ROLE.into()), ..ServiceAccount::default() };
    cluster.add_service_account("carts", "carts", account);
    cluster.add_namespace("carts", Namespace { enforce: Some(Level::Chain), ..Namespace::default() });
    World::new(Arc::new(Snapshot::default()), cluster, Config::default().conventions())
}

/// What a review was answered, and when it was asked and answered.
#[derive(Debug)]
struct Answered {
    asked: Duration,
    answered: Duration,
    allowed: bool,
    warnings: Vec<String>,
}

async fn play(script: Script) -> Vec<Answered> {
    let start = Instant::now();
    let scripted = Scripted { script: Arc::new(script), start };
    let store = Arc::new(WorldStore::new(WorldState::before_reading(world(true))));
    let metrics = Arc::new(Metrics::new());
    let config = Config::default();
    let state = State::live(
        Arc::clone(&store),
        Some(Rereads::new(Arc::new(scripted.clone()), REMEMBER, Duration::from_secs(8))),
        None,
        Arc::clone(&metrics),
        config.settings(Mode::Enforce),
        config.limits,
    );
    let refreshing = tokio::spawn(refresh_forever(store, Arc::new(scripted.clone()), REFRESH, || 0.5, metrics));
    let answers = answers(&state, start, &scripted.script.reviews, review).await;
    refreshing.abort();
    answers
}

/// The answers to reviews that come at these times.
async fn answers(state: &Arc<State>, start: Instant, times: &[u64], review: fn() -> String) -> Vec<Answered> {
    let app = router(Arc::clone(state));
    let mut reviews = Vec::new();
    for at in times.iter().copied() {
        let app = app.clone();
        reviews.push(tokio::spawn(async move {
            tokio::time::sleep_until(start + seconds(at)).await;
            let asked = start.elapsed();
            let request = Request::post("/validate?timeout=5s").body(Body::from(review())).unwrap();
            let response = app.oneshot(request).await.unwrap();
            let body: Value =
                serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
            let response = &body["response"];
            let warnings = response["warnings"].as_array().into_iter().flatten();
            Answered {
                asked,
                answered: start.elapsed(),
                allowed: response["allowed"].as_bool().unwrap(),
                warnings: warnings.map(|warning| warning.as_str().unwrap().to_owned()).collect(),
            }
        }));
    }
    let mut answers = Vec::new();
    for review in reviews {
        answers.push(review.await.unwrap());
    }
    answers
}

fn run(script: Script) -> Vec<Answered> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(play(script))
}

fn judge(script: &Script, answers: &[Answered]) -> Result<(), TestCaseError> {
    for answer in answers {
        let Answered { asked, answered, allowed, .. } = answer;
        // The earliest moment that what a denial rests on can stem from.
        let since = asked.saturating_sub(REMEMBER);
        let held = script.is_right(since) && !script.changes_within(since, *answered);
        prop_assert!(!held || *allowed, "denied though it held: {answer:?}\n{script:?}");
        prop_assert!(*answered - *asked <= Duration::from_millis(4_100), "late: {answer:?}");
        // Broken for longer than a refresh takes to come round, and AWS answered all that time.
        let before = asked.saturating_sub(REFRESH.interval + Duration::from_secs(2));
        let stood = *asked > REFRESH.interval + Duration::from_secs(2)
            && !script.is_right(before)
            && !script.changes_within(before, *answered)
            && script.is_calm(before.saturating_sub(REFRESH.interval + Duration::from_secs(32)), *answered);
        prop_assert!(!stood || !allowed, "let through though broken: {answer:?}\n{script:?}");
    }
    Ok(())
}

/// A bucket whose snapshot is replaced as the script says. It answers conditional requests.
#[derive(Debug)]
struct Bucket {
    scripted: Scripted,
    /// Without a role of its own, carts has this association from then on.
    association: Option<u64>,
    /// The version that the reader has; 0: none.
    etag: AtomicU64,
    is_busy: AtomicBool,
    requests: Arc<Mutex<Vec<Instant>>>,
}

impl Bucket {
    fn version(&self, at: Duration) -> u64 {
        let changes = self.scripted.script.changes.iter().chain(&self.association);
        1 + changes.filter(|change| seconds(**change) <= at).count() as u64
    }
}

impl Collector for Bucket {
    fn collect(&self, _: Asked) -> BoxFuture<'_, Option<Collection>> {
        async move {
            assert!(!self.is_busy.swap(true, Ordering::SeqCst), "two requests at a time");
            self.requests.lock().unwrap().push(Instant::now());
            let associated = |at: Duration| self.association.is_some_and(|from| seconds(from) <= at);
            let answer = self.scripted.answer(|right| (right, self.scripted.elapsed())).await;
            self.is_busy.store(false, Ordering::SeqCst);
            let Ok((right, at)) = answer else {
                let failures = vec![("snapshot".to_owned(), "SlowDown".to_owned())];
                return Some(Collection { failures, ..Collection::default() });
            };
            let version = self.version(at);
            if self.etag.swap(version, Ordering::SeqCst) == version {
                return None;
            }
            let association = json!({"namespace": "carts", "serviceAccount": "carts", "roleArn": ROLE});
            let associations = if associated(at) { json!([association]) } else { json!([]) };
            let snapshot = Snapshot::parse(&document(&role(right), &associations).to_string()).unwrap();
            Some(Collection { snapshot: Some(snapshot), is_usable: true, ..Collection::default() })
        }
        .boxed()
    }
}

async fn play_shared(
    script: Script,
    association: Option<u64>,
    review: fn() -> String,
    injector: Presence,
) -> (Vec<Answered>, Vec<Duration>) {
    let start = Instant::now();
    let scripted = Scripted { script: Arc::new(script), start };
    let requests = Arc::default();
    let bucket = Bucket {
        scripted: scripted.clone(),
        association,
        etag: AtomicU64::new(0),
        is_busy: AtomicBool::new(false),
        requests: Arc::clone(&requests),
    };
    let store = Arc::new(WorldStore::new(WorldState::before_reading(world_with(association.is_none(), injector))));
    let metrics = Arc::new(Metrics::new());
    let seen = Arc::clone(&metrics);
    let rechecks = Arc::new(Rechecks::new(Arc::clone(&store), Arc::new(bucket), seen));
    let config = Config::default();
    let confirmation = Confirmation::Snapshot(Arc::clone(&rechecks));
    let state = State::confirming(store, confirmation, None, metrics, config.settings(Mode::Enforce), config.limits);
    let polling = tokio::spawn(async move { rechecks.refresh_forever(POLL, || 0.5).await });
    let answers = answers(&state, start, &scripted.script.reviews, review).await;
    polling.abort();
    let requests = requests.lock().unwrap().iter().map(|at: &Instant| *at - start).collect();
    (answers, requests)
}

fn run_shared(script: Script, association: Option<u64>, review: fn() -> String) -> (Vec<Answered>, Vec<Duration>) {
    run_beside(script, association, review, Presence::Unknown)
}

fn run_beside(
    script: Script,
    association: Option<u64>,
    review: fn() -> String,
    injector: Presence,
) -> (Vec<Answered>, Vec<Duration>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(play_shared(script, association, review, injector))
}

fn judge_shared(script: &Script, answers: &[Answered], requests: &[Duration]) -> Result<(), TestCaseError> {
    for answer in answers {
        let Answered { asked, answered, allowed, .. } = answer;
        // Nothing older than the review counts.
        let held = script.is_right(*asked) && !script.changes_within(*asked, *answered);
        prop_assert!(!held || *allowed, "denied though the bucket had the repair: {answer:?}\n{script:?}");
        prop_assert!(*answered - *asked <= Duration::from_millis(4_100), "late: {answer:?}");
        let before = asked.saturating_sub(POLL.interval + Duration::from_secs(2));
        let stood = *asked > POLL.interval + Duration::from_secs(2)
            && !script.is_right(before)
            && !script.changes_within(before, *answered)
            && script.is_calm(before.saturating_sub(POLL.interval + Duration::from_secs(32)), *answered);
        prop_assert!(!stood || !allowed, "let through though broken: {answer:?}\n{script:?}");
    }
    for pair in requests.windows(2) {
        prop_assert!(pair[1] - pair[0] >= Duration::from_millis(200), "requests too close: {pair:?}");
    }
    Ok(())
}

fn scripts() -> impl Strategy<Value = Script> {
    let mood = prop_oneof![(1u64..60).prop_map(Mood::Slow), Just(Mood::Throttling), Just(Mood::Hanging)];
    (
        prop::collection::vec(0u64..3_000, 0..6),
        prop::collection::vec((0u64..3_000, 1u64..400, mood), 0..4),
        prop::collection::vec(0u64..3_000, 1..24),
    )
        .prop_map(|(mut changes, moods, mut reviews)| {
            changes.sort_unstable();
            reviews.sort_unstable();
            // Some come in a burst, as a rollout's do.
            reviews.extend(reviews.clone().into_iter().step_by(5));
            Script { changes, moods, reviews }
        })
}

/// `PROPTEST_CASES=20000 cargo test --release --test freshness` is the long run.
fn cases(default: u32) -> ProptestConfig {
    let from_environment = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(from_environment.unwrap_or(default)) }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn no_denial_for_what_held_and_no_break_for_long(script in scripts()) {
        let answers = run(script.clone());
        judge(&script, &answers)?;
    }

    #[test]
    fn the_laws_hold_for_a_shared_snapshot(script in scripts()) {
        let (answers, requests) = run_shared(script.clone(), None, review);
        judge_shared(&script, &answers, &requests)?;
    }

    /// The injector knows of the association before the bucket does: a snapshot that is older than the pod proves nothing.
    #[test]
    fn a_new_association_is_not_missing(script in scripts(), association in 0u64..3_000) {
        let moods = script.moods.clone();
        let script = Script { changes: vec![], moods, ..script };
        let (answers, _) = run_shared(script, Some(association), agent_review);
        for answer in answers {
            prop_assert!(answer.allowed, "{answer:?}");
        }
    }
}

#[test]
fn a_repair_in_the_bucket_is_let_through_at_once() {
    // Wrong from the start; repaired at 61 s, just after a look at it; wrong again at 63 s, which the look at 90 s finds.
    let script = Script { changes: vec![0, 610, 630], moods: vec![], reviews: vec![400, 611, 640, 925] };
    let (answers, requests) = run_shared(script, None, review);
    let allowed: Vec<bool> = answers.iter().map(|answer| answer.allowed).collect();
    assert_eq!(allowed, [false, true, true, false], "{answers:?}");
    assert!(answers[1].warnings.is_empty(), "{answers:?}");
    assert_eq!(requests.len(), 4 + 3, "four looks, and one request for each denial: {requests:?}");
}

#[test]
fn a_bucket_that_does_not_answer_withholds_the_denial() {
    let moods = vec![(395, 40, Mood::Hanging), (800, 40, Mood::Throttling)];
    let script = Script { changes: vec![0], moods, reviews: vec![400, 810, 1_000] };
    let (answers, _) = run_shared(script, None, review);
    let warned = |at: usize, text: &str| answers[at].warnings.iter().any(|warning| warning.contains(text));
    assert!(answers[0].allowed && warned(0, "no answer in time") && warned(0, "irsa-trust-subject"), "{answers:?}");
    assert!(answers[1].allowed && warned(1, "SlowDown"), "{answers:?}");
    assert!(!answers[2].allowed, "{answers:?}");
}

#[test]
fn a_flood_of_denials_shares_few_requests() {
    // 400 reviews within 2 s.
    let script = Script { changes: vec![0], moods: vec![], reviews: (0..400).map(|n| 400 + n / 20).collect() };
    let (answers, requests) = run_shared(script, None, review);
    assert!(answers.iter().all(|answer| !answer.allowed), "{answers:?}");
    let during = requests.iter().filter(|at| **at >= seconds(400)).count();
    assert!((2..=12).contains(&during), "{during} requests for 400 denials");
}

#[test]
fn an_association_in_the_bucket_is_found() {
    let script = Script { changes: vec![], moods: vec![], reviews: vec![350, 500, 650] };
    let (answers, _) = run_shared(script, Some(400), agent_review);
    let warned = |at: usize| answers[at].warnings.iter().any(|warning| warning.contains("association-missing"));
    // A likely finding does not deny at `chain`, so nothing is asked before the next look at 60 s.
    assert_eq!([warned(0), warned(1), warned(2)], [true, true, false], "{answers:?}");
}

/// The snapshot has an association and the pod has nothing of it. A registered injector may know that it was deleted; without
/// one, it is the injector that failed.
#[test]
fn an_association_that_the_injector_does_not_know_may_be_deleted() {
    for (injector, denied) in [(Presence::Present(()), false), (Presence::Absent, true), (Presence::Unknown, true)] {
        let script = Script { changes: vec![], moods: vec![], reviews: vec![100] };
        let (answers, _) = run_beside(script, Some(0), bare_review, injector);
        assert_eq!(!answers[0].allowed, denied, "{injector:?}: {answers:?}");
        assert!(denied || answers[0].warnings.iter().any(|w| w.contains("injection-missing")), "{answers:?}");
    }
}

/// An API server whose answers are newer than the watch.
#[derive(Debug)]
struct Newer {
    namespace: Option<Namespace>,
    asked: AtomicU64,
}

impl ClusterReader for Newer {
    fn service_account(&self, _: String, _: String) -> BoxFuture<'static, Result<Option<ServiceAccount>, String>> {
        let account = ServiceAccount { role_arn: Some(ROLE.into()), ..ServiceAccount::default() };
        async { Ok(Some(account)) }.boxed()
    }

    fn namespace(&self, _: String) -> BoxFuture<'static, Result<Option<Namespace>, String>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let namespace = self.namespace.clone();
        async { Ok(namespace) }.boxed()
    }
}

impl AccessReviewer for Newer {
    fn may_lower(&self, _: User, _: String) -> BoxFuture<'static, Access> {
        async { Access::Granted }.boxed()
    }
}

/// The level was lowered, and the watch has not brought it yet.
#[tokio::test(start_paused = true)]
async fn the_namespace_is_read_again_before_a_denial() {
    let enforcing = Namespace { enforce: Some(Level::Chain), ..Namespace::default() };
    for (namespace, denied) in [(Some(enforcing), true), (Some(Namespace::default()), false), (None, false)] {
        let reader = Arc::new(Newer { namespace, asked: AtomicU64::new(0) });
        let snapshot = Snapshot::parse(&document(&role(false), &json!([])).to_string()).unwrap();
        let store = Arc::new(WorldStore::new(WorldState::new(world(true).with_snapshot(Arc::new(snapshot)))));
        let lookups = Lookups::new(Arc::<Newer>::clone(&reader), Duration::from_millis(100), Duration::from_secs(2));
        let access = ClusterAccess { lookups, access: Arc::<Newer>::clone(&reader), notices: None, previewer: None };
        let config = Config::default();
        let settings = config.settings(Mode::Enforce);
        let metrics = Arc::new(Metrics::new());
        let state = State::confirming(store, Confirmation::Nothing, Some(access), metrics, settings, config.limits);
        let answers = answers(&state, Instant::now(), &[0], review).await;
        assert_eq!(!answers[0].allowed, denied, "{answers:?}");
        assert_eq!(reader.asked.load(Ordering::SeqCst), 1);
    }
}

/// A cluster without service accounts.
#[derive(Debug)]
struct WithoutAccounts;

impl ClusterReader for WithoutAccounts {
    fn service_account(&self, _: String, _: String) -> BoxFuture<'static, Result<Option<ServiceAccount>, String>> {
        async { Ok(None) }.boxed()
    }

    fn namespace(&self, _: String) -> BoxFuture<'static, Result<Option<Namespace>, String>> {
        async { Ok(Some(Namespace { enforce: Some(Level::Chain), ..Namespace::default() })) }.boxed()
    }
}

/// An AWS that must not be asked.
#[derive(Debug)]
struct Unasked;

impl LinkReader for Unasked {
    fn role(&self, _: String, _: bool) -> BoxFuture<'static, Result<ReadRole, String>> {
        panic!("AWS was asked for a role")
    }

    fn associations(&self, _: String, _: String) -> BoxFuture<'static, Result<Vec<Value>, String>> {
        panic!("AWS was asked for associations")
    }

    fn provider(&self, _: String, _: String) -> BoxFuture<'static, Result<Option<Value>, String>> {
        panic!("AWS was asked for a provider")
    }
}

/// Kubernetes creates no pod without its service account: a user who invents some must not use up the calls to AWS.
#[tokio::test(start_paused = true)]
async fn a_pod_of_a_service_account_that_does_not_exist_costs_no_call_to_aws() {
    let snapshot = Snapshot::parse(&document(&role(false), &json!([])).to_string()).unwrap();
    let store = Arc::new(WorldStore::new(WorldState::new(world(true).with_snapshot(Arc::new(snapshot)))));
    let lookups = Lookups::new(Arc::new(WithoutAccounts), Duration::from_millis(100), Duration::from_secs(2));
    let access = ClusterAccess {
        lookups,
        access: Arc::new(Newer { namespace: None, asked: AtomicU64::new(0) }),
        notices: None,
        previewer: None,
    };
    let config = Config::default();
    let settings = config.settings(Mode::Enforce);
    let rereads = Rereads::new(Arc::new(Unasked), Duration::ZERO, Duration::from_secs(2));
    let confirmation = Confirmation::Links(rereads);
    let state = State::confirming(store, confirmation, Some(access), Arc::new(Metrics::new()), settings, config.limits);
    let answers = answers(&state, Instant::now(), &[0], review).await;
    assert!(answers[0].allowed, "{answers:?}");
    assert!(answers[0].warnings.iter().any(|warning| warning.contains("does not exist")), "{answers:?}");
}

/// The program over a file: each change counts for the next review.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_read_again_before_a_denial() {
    let directory = common::TempDir::new("fresh-file");
    let manifests = directory.file(
        "cluster.yaml",
        &format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: carts, labels: {{rolecall.dev/enforce: chain}}}}\n---\n\
             apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: carts, namespace: carts, annotations: \
             {{eks.amazonaws.com/role-arn: \"{ROLE}\"}}}}\n"
        ),
    );
    let text = |right: bool| {
        let mut document = document(&role(right), &json!([]));
        document["collectedAt"] = jiff::Timestamp::now().to_string().into();
        document.to_string()
    };
    let snapshot = directory.file("snapshot.json", &text(false));
    let config = directory.file("config.yaml", "refresh: {intervalSeconds: 3600}\n");
    let arguments = ["--config", config.to_str().unwrap()];
    let server = tokio::task::block_in_place(|| common::Server::start(&manifests, &snapshot, &arguments));
    let mut client = server.client().await;
    let mut ask = async || -> Value {
        let (status, answer) = client.post("/validate?timeout=5s", review().into_bytes()).await.unwrap();
        assert_eq!(status, 200);
        serde_json::from_slice::<Value>(&answer).unwrap()["response"].clone()
    };
    assert_eq!(ask().await["allowed"], false);
    directory.file("snapshot.json", &text(true));
    let allowed = ask().await;
    assert_eq!((&allowed["allowed"], &allowed["warnings"]), (&json!(true), &Value::Null), "{allowed}");
    // A break is seen at the next look, which does not come here: a positive verdict is a look old.
    directory.file("snapshot.json", &text(false));
    assert_eq!(ask().await["allowed"], true);

    // What cannot be read says nothing: neither the text that is there, nor the one before it.
    let server = tokio::task::block_in_place(|| common::Server::start(&manifests, &snapshot, &arguments));
    let mut client = server.client().await;
    let mut ask = async || -> Value {
        let (_, answer) = client.post("/validate?timeout=5s", review().into_bytes()).await.unwrap();
        serde_json::from_slice::<Value>(&answer).unwrap()["response"].clone()
    };
    let other = text(true).replace("\"roles\":[", "\"roles\":7,\"others\":[");
    directory.file("snapshot.json", &other);
    std::fs::File::options()
        .write(true)
        .open(&snapshot)
        .and_then(|file| file.set_modified(std::time::SystemTime::now() - Duration::from_secs(60)))
        .unwrap();
    for _ in 0..2 {
        let warned = ask().await;
        assert_eq!(warned["allowed"], true, "{warned}");
        assert!(warned["warnings"].to_string().contains("not enforcing"), "{warned}");
    }
    let unreadable = "rolecall_rereads_total{outcome=\"unreadable\"}";
    assert_eq!(tokio::task::block_in_place(|| server.metric(unreadable)), 2.0);
    directory.file("snapshot.json", &text(false));
    assert_eq!(ask().await["allowed"], false);
    std::fs::remove_file(&snapshot).unwrap();
    assert_eq!(ask().await["allowed"], true, "a file that is gone confirms nothing");
}

#[test]
fn before_the_first_snapshot_it_warns_only_and_says_so() {
    let script = Script { changes: vec![0], moods: vec![(0, 300, Mood::Throttling)], reviews: vec![10] };
    let answers = run(script);
    assert!(
        answers[0].allowed && answers[0].warnings.iter().any(|w| w.contains("read nothing of AWS yet")),
        "{answers:?}"
    );
}

#[test]
fn a_break_is_read_anew_and_denied_and_a_repair_is_let_through() {
    // Right at the first collection; wrong at 10 s; seen by the refresh at 60 s; repaired at 90 s.
    let script = Script { changes: vec![100, 900], moods: vec![], reviews: vec![50, 300, 700, 905, 950] };
    let answers = run(script);
    let allowed: Vec<bool> = answers.iter().map(|answer| answer.allowed).collect();
    assert_eq!(allowed, [true, true, false, true, true], "{answers:?}");
}

#[test]
fn what_cannot_be_read_anew_is_let_through_with_the_reason() {
    let reviews = vec![650, 800, 1_000];
    let moods = vec![(640, 40, Mood::Hanging), (690, 200, Mood::Throttling)];
    let answers = run(Script { changes: vec![10], moods, reviews });
    assert!(
        answers[0].allowed && answers[0].warnings.iter().any(|w| w.contains("did not answer in time")),
        "{answers:?}"
    );
    assert!(answers[1].allowed && answers[1].warnings.iter().any(|w| w.contains("Throttling")), "{answers:?}");
    assert!(!answers[2].allowed, "{answers:?}");
}
