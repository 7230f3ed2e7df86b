//! Never a denial for a chain that held when its links were read for it; and no certain break is let through for longer
//! than one refresh while AWS answers. A scripted AWS on a virtual clock, reviews through the router.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod common;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use proptest::prelude::*;
use rolecall::config::Config;
use rolecall::live::{
    Asked, Collection, Collector, Keeper, Knowledge, LinkReader, ReadRole, Refreshing, Rereads, refresh_forever,
};
use rolecall::server::{Metrics, State, router};
use rolecall_core::cluster::{Cluster, Namespace, ServiceAccount};
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
    json!({"Arn": ROLE, "Tags": [], "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": format!("arn:aws:iam::111122223333:oidc-provider/{ISSUER}")},
        "Condition": {"StringEquals": {
            format!("{ISSUER}:sub"): subject, format!("{ISSUER}:aud"): "sts.amazonaws.com"}}}}})
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
            let document = json!({
                "collectedAt": "2026-11-24T17:26:52Z",
                "cluster": {"name": "shop", "arn": "arn:aws:eks:us-west-2:111122223333:cluster/shop",
                    "identity": {"oidc": {"issuer": format!("https://{ISSUER}")}}},
                "podIdentityAssociations": [], "nodeRoles": [],
                "accounts": {"111122223333": {"rolesRead": "named", "roles": [role], "oidcProviders": [provider()]}}});
            let snapshot = Snapshot::parse(&document.to_string()).unwrap();
            Some(Collection { snapshot: Some(snapshot), is_usable: true, ..Collection::default() })
        }
        .boxed()
    }
}

fn review() -> String {
    let path = "/var/run/secrets/eks.amazonaws.com/serviceaccount";
    let mount = json!({"name": "aws-iam-token", "mountPath": path, "readOnly": true});
    let environment = json!([{"name": "AWS_ROLE_ARN", "value": ROLE}, {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": format!("{path}/token")}]);
    let token =
        json!({"serviceAccountToken": {"audience": "sts.amazonaws.com", "expirationSeconds": 86400, "path": "token"}});
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "1", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE",
        "resource": {"group": "", "version": "v1", "resource": "pods"}, "namespace": "carts", "name": "carts",
        "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "carts", "namespace": "carts"}, "spec": {
            "serviceAccountName": "carts",
            "containers": [{"name": "carts", "image": "carts", "env": environment, "volumeMounts": [mount]}],
            "volumes": [{"name": "aws-iam-token", "projected": {"sources": [token]}}]}}}})
    .to_string()
}

fn world() -> World {
    let mut cluster = Cluster { complete: true, ..Cluster::default() };
    let account = ServiceAccount { role_arn: Some(ROLE.into()), ..ServiceAccount::default() };
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
    let keeper = Arc::new(Keeper::new(Knowledge::before_reading(world())));
    let metrics = Arc::new(Metrics::new());
    let config = Config::default();
    let state = State::live(
        Arc::clone(&keeper),
        Some(Rereads::new(Arc::new(scripted.clone()), REMEMBER, Duration::from_secs(8))),
        None,
        Arc::clone(&metrics),
        config.settings(Mode::Enforce),
        config.limits,
    );
    let refreshing = tokio::spawn(refresh_forever(keeper, Arc::new(scripted.clone()), REFRESH, || 0.5, metrics));
    let app = router(state);
    let mut reviews = Vec::new();
    for at in scripted.script.reviews.clone() {
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
    refreshing.abort();
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
