//! The webhook over live AWS: an emulator behind a fault proxy, reviews over TLS.
#![cfg(feature = "aws")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

#[path = "common/aws.rs"]
mod aws;
mod common;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use aws::{ACCOUNT, AUDIENCE, Ground};
use common::Server;
use rolecall_aws_ground::{Cluster, Fault};
use serde_json::{Value, json};

const CLUSTER: &str = r#"
apiVersion: v1
kind: Namespace
metadata:
  name: shop
  labels: {rolecall.dev/enforce: fallback}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: orders
  namespace: shop
  annotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::111122223333:role/orders"}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: carts, namespace: shop}
---
apiVersion: v1
kind: Namespace
metadata: {name: lax}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: carts, namespace: lax}
"#;

/// `shop/needy` declares what it needs, so that policies are read too.
const NEEDY: &str = r#"
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: needy
  namespace: shop
  annotations:
    eks.amazonaws.com/role-arn: "arn:aws:iam::111122223333:role/needy"
    rolecall.dev/requires: s3:GetObject arn:aws:s3:::carts/1.json
"#;

struct Webhook {
    ground: Ground,
    server: Server,
}

impl Webhook {
    /// A webhook over an account with the role of `shop/orders`, refreshed every so many seconds.
    async fn start(name: &str, interval: u64, before: impl AsyncFnOnce(&Ground)) -> Self {
        Self::remembering(name, interval, 0, before).await
    }

    /// The same, with what was read for a denial serving others for so many seconds.
    async fn remembering(name: &str, interval: u64, remember: u64, before: impl AsyncFnOnce(&Ground)) -> Self {
        let ground = Ground::start(name).await;
        let trust = ground.cluster.irsa_trust(&ground.account, "shop", "orders");
        ground.account.role("orders", &trust).create().await.unwrap();
        ground.account.oidc_provider(ground.cluster.issuer(), &[AUDIENCE]).await.unwrap();
        ground.cluster.addon("eks-pod-identity-agent").await.unwrap();
        before(&ground).await;
        let manifests = PathBuf::from(ground.write("cluster.yaml", &format!("{CLUSTER}{NEEDY}")));
        // The SDK's own attempts would make some of the outcomes a matter of chance.
        let aws = std::fs::read_to_string(ground.config("")).unwrap().replace("attempts: 3", "attempts: 1");
        let config = ground.write(
            "serve.yaml",
            &format!("{aws}refresh: {{intervalSeconds: {interval}, jitter: 0, rememberSeconds: {remember}}}\n"),
        );
        let arguments = ["--cluster", "shop", "--config", &config];
        let server =
            tokio::task::block_in_place(|| Server::start_from(&manifests, "aws", &arguments, &ground.environment()));
        Self { ground, server }
    }

    async fn ready(self) -> Self {
        let start = Instant::now();
        while self.get("/readyz").0 != 200 {
            assert!(start.elapsed() < Duration::from_secs(30), "never ready: {:?}", self.get("/readyz"));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self
    }

    fn get(&self, path: &str) -> (u16, String) {
        tokio::task::block_in_place(|| self.server.get(path))
    }

    fn metric(&self, line: &str) -> f64 {
        tokio::task::block_in_place(|| self.server.metric(line))
    }

    /// The answer to a pod of this service account that was injected as `identity` says.
    async fn review(&self, account: &str, environment: Value) -> Value {
        self.review_at("/validate?timeout=5s", account, environment).await
    }

    async fn review_at(&self, path: &str, account: &str, environment: Value) -> Value {
        self.review_in("shop", path, account, environment).await
    }

    async fn review_in(&self, namespace: &str, path: &str, account: &str, environment: Value) -> Value {
        let by_agent = environment.to_string().contains("169.254.170.23");
        let (volume, folder, audience, file) = if by_agent {
            ("eks-pod-identity-token", "pods.eks.amazonaws.com", "pods.eks.amazonaws.com", "eks-pod-identity-token")
        } else {
            ("aws-iam-token", "eks.amazonaws.com", AUDIENCE, "token")
        };
        let token = json!({"serviceAccountToken": {"audience": audience, "expirationSeconds": 86400, "path": file}});
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": namespace}, "spec": {
            "serviceAccountName": account,
            "containers": [{"name": "app", "image": "app", "env": environment, "volumeMounts": [
                {"name": volume, "mountPath": format!("/var/run/secrets/{folder}/serviceaccount")}]}],
            "volumes": [{"name": volume, "projected": {"sources": [token]}}]}});
        let review = common::review(("", "Pod"), "CREATE", &pod, None);
        let body = serde_json::to_vec(&review).unwrap();
        let (status, answer) = self.server.client().await.post(path, body).await.unwrap();
        assert_eq!(status, 200);
        serde_json::from_slice::<Value>(&answer).unwrap()["response"].clone()
    }
}

fn irsa(role: &str) -> Value {
    json!([{"name": "AWS_ROLE_ARN", "value": format!("arn:aws:iam::{ACCOUNT}:role/{role}")},
        {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"}])
}

fn agent() -> Value {
    json!([{"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "http://169.254.170.23/v1/credentials"},
        {"name": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "value": "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"}])
}

fn warnings(response: &Value) -> String {
    response["warnings"].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_positive_verdict_is_a_refresh_old_and_reads_nothing() {
    // No second refresh comes in this test: what it learns it learns by reading again.
    let hook = Webhook::start("reread", 3_600, async |_| {}).await.ready().await;
    assert_eq!(hook.review("orders", irsa("orders")).await["allowed"], true);
    let wrong = hook.ground.cluster.irsa_trust(&hook.ground.account, "shop", "order");
    hook.ground.account.set_trust("orders", &wrong).await.unwrap();
    assert_eq!(hook.review("orders", irsa("orders")).await["allowed"], true, "a positive verdict is a refresh old");

    // A role of its own that is not there, and then is.
    let denied = hook.review("orders", irsa("late")).await;
    assert_eq!(denied["allowed"], true, "a role that nobody named was not read: unknown, {denied}");
    let right = hook.ground.cluster.irsa_trust(&hook.ground.account, "shop", "orders");
    hook.ground.account.set_trust("orders", &right).await.unwrap();
    assert_eq!(hook.review("orders", irsa("orders")).await["allowed"], true);
    assert_eq!(hook.metric("rolecall_rereads_total{outcome=\"confirmed\"}"), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_break_is_denied_and_its_repair_let_through_at_once() {
    let hook = Webhook::start("break", 3_600, async |ground: &Ground| {
        let wrong = ground.cluster.irsa_trust(&ground.account, "shop", "order");
        ground.account.set_trust("orders", &wrong).await.unwrap();
    })
    .await
    .ready()
    .await;
    let denied = hook.review("orders", irsa("orders")).await;
    assert_eq!(denied["allowed"], false, "{denied}");
    assert!(denied["status"]["message"].as_str().unwrap().contains("irsa-trust-subject"), "{denied}");
    assert_eq!(hook.metric("rolecall_rereads_total{outcome=\"confirmed\"}"), 1.0);

    let right = hook.ground.cluster.irsa_trust(&hook.ground.account, "shop", "orders");
    hook.ground.account.set_trust("orders", &right).await.unwrap();
    let allowed = hook.review("orders", irsa("orders")).await;
    assert_eq!((&allowed["allowed"], &allowed["warnings"]), (&json!(true), &Value::Null), "{allowed}");
    assert_eq!(hook.metric("rolecall_rereads_total{outcome=\"changed\"}"), 1.0);
    hook.ground.proxy.forget();
    assert_eq!(hook.review("orders", irsa("orders")).await["allowed"], true);
    assert!(hook.ground.proxy.calls().is_empty(), "what was learned serves the next: no call");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_association_that_came_about_is_found() {
    let hook = Webhook::start("association", 3_600, async |_| {}).await.ready().await;
    let region = json!([{"name": "AWS_REGION", "value": "us-east-1"}, {"name": "TABLE", "value": "arn:aws:dynamodb:us-east-1:111122223333:table/x"}]);
    let warned = hook.review("carts", region).await;
    assert!(warned["allowed"] == true && warnings(&warned).contains("node-role-fallback"), "{warned}");
    let role = hook.ground.account.role("carts", &Cluster::pod_identity_trust()).create().await.unwrap();
    hook.ground.cluster.association("shop", "carts", &role).create().await.unwrap();
    let allowed = hook.review("carts", agent()).await;
    assert_eq!(
        (&allowed["allowed"], &allowed["auditAnnotations"]["chain"]),
        (&json!(true), &json!("holds")),
        "{allowed}"
    );
    assert_eq!(hook.metric("rolecall_rereads_total{outcome=\"changed\"}"), 1.0, "it was read anew");
}

/// The pod shows that the injector may know of an association: only a reading that is newer than the pod proves that there is
/// none, not one that was made shortly before for another review.
#[tokio::test(flavor = "multi_thread")]
async fn an_association_that_a_reading_after_the_review_does_not_find_is_missing() {
    let hook = Webhook::remembering("missing", 3_600, 60, async |_| {}).await.ready().await;
    // Without an answer it is only likely: a warning.
    hook.ground.proxy.fault(Fault::unavailable("eks:ListPodIdentityAssociations"));
    let warned = hook.review("carts", agent()).await;
    assert_eq!(
        (&warned["allowed"], &warned["auditAnnotations"]["chain"]),
        (&json!(true), &json!("unknown")),
        "{warned}"
    );
    assert!(warnings(&warned).contains("association-missing") && warnings(&warned).contains("not enforcing"));
    hook.ground.proxy.heal();
    // What could not be read is asked for again after a third of what is remembered.
    tokio::time::sleep(Duration::from_secs(21)).await;
    let denied = hook.review("carts", agent()).await;
    assert_eq!(
        (&denied["allowed"], &denied["auditAnnotations"]["chain"]),
        (&json!(false), &json!("broken")),
        "{denied}"
    );
    assert!(denied["status"]["message"].as_str().unwrap().contains("association-missing"), "{denied}");

    let role = hook.ground.account.role("carts", &Cluster::pod_identity_trust()).create().await.unwrap();
    hook.ground.cluster.association("shop", "carts", &role).create().await.unwrap();
    let allowed = hook.review("carts", agent()).await;
    assert_eq!(
        (&allowed["allowed"], &allowed["warnings"], &allowed["auditAnnotations"]["chain"]),
        (&json!(true), &Value::Null, &json!("holds")),
        "{allowed}"
    );
}

/// Where a denial would not follow, nothing is read and the finding stays likely.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_association_that_nothing_enforces_costs_no_reading() {
    let hook = Webhook::start("unenforced", 3_600, async |_| {}).await.ready().await;
    hook.ground.proxy.forget();
    let path = "/validate?timeout=5s";
    let warned = hook.review_in("lax", path, "carts", agent()).await;
    assert_eq!(
        (&warned["allowed"], &warned["auditAnnotations"]["chain"]),
        (&json!(true), &json!("unknown")),
        "{warned}"
    );
    assert!(warnings(&warned).contains("association-missing"), "{warned}");
    assert!(hook.ground.proxy.calls().is_empty());
}

/// The issuer that a denial rests on is read again too: a cluster that was created again has another.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_denial_rests_on_in_the_cluster_is_read_anew() {
    let hook = Webhook::start("parts", 3_600, async |ground: &Ground| {
        let wrong = ground.cluster.irsa_trust(&ground.account, "shop", "order");
        ground.account.set_trust("orders", &wrong).await.unwrap();
    })
    .await
    .ready()
    .await;
    hook.ground.proxy.forget();
    assert_eq!(hook.review("orders", irsa("orders")).await["allowed"], false);
    assert_eq!(hook.ground.proxy.count("eks:DescribeCluster"), 1);
    hook.ground.proxy.fault(Fault::unavailable("eks:DescribeCluster"));
    let warned = hook.review("orders", irsa("orders")).await;
    assert!(warned["allowed"] == true && warnings(&warned).contains("eks:DescribeCluster"), "{warned}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_anew_is_let_through_with_the_reason() {
    let hook = Webhook::start("unreadable", 3_600, async |ground: &Ground| {
        let wrong = ground.cluster.irsa_trust(&ground.account, "shop", "order");
        ground.account.set_trust("orders", &wrong).await.unwrap();
    })
    .await
    .ready()
    .await;
    for (fault, said, outcome) in [
        (Fault::throttle("iam:GetRole"), "Throttl", "unreadable"),
        (Fault::access_denied("iam:GetRole"), "iam:GetRole", "unreadable"),
        (Fault::unavailable("eks:ListPodIdentityAssociations"), "eks:ListPodIdentityAssociations", "unreadable"),
        (Fault::delay("iam:GetRole", Duration::from_secs(20)), "did not answer in time", "late"),
        (Fault::malformed("iam:GetOpenIDConnectProvider"), "iam:GetOpenIDConnectProvider", "unreadable"),
    ] {
        let name = format!("rolecall_rereads_total{{outcome=\"{outcome}\"}}");
        let before = hook.metric(&name);
        hook.ground.proxy.fault(fault);
        let start = Instant::now();
        let response = hook.review_at("/validate?timeout=2s", "orders", irsa("orders")).await;
        assert!(start.elapsed() < Duration::from_secs(2), "{said}: within the deadline");
        assert_eq!(response["allowed"], true, "{said}: {response}");
        let warned = warnings(&response);
        assert!(warned.contains("rolecall: not enforcing") && warned.contains(said), "{said}: {warned}");
        assert!(warned.contains("irsa-trust-subject"), "the finding is still told: {warned}");
        assert_eq!(hook.metric(&name), before + 1.0, "{said}");
        hook.ground.proxy.heal();
        if outcome == "late" {
            // Until the SDK gives the reading up that hangs, others of the same link join it.
            tokio::time::sleep(Duration::from_millis(2_200)).await;
        }
    }
    assert_eq!(hook.metric("rolecall_review_errors_total{error=\"unconfirmed\"}"), 5.0);
    assert_eq!(hook.review("orders", irsa("orders")).await["allowed"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_snapshot_it_is_not_ready_and_only_warns() {
    let hook = Webhook::start("first", 3_600, async |ground: &Ground| {
        ground.proxy.fault(Fault::unavailable("eks:DescribeCluster"));
    })
    .await;
    assert_eq!(hook.get("/readyz").0, 503);
    let warned = hook.review("orders", irsa("orders\u{20}")).await;
    assert!(warned["allowed"] == true && warnings(&warned).contains("read nothing of AWS yet"), "{warned}");
    let start = Instant::now();
    while !hook.get("/metrics").1.contains("rolecall_refreshes_total{outcome=\"failed\"}") {
        assert!(start.elapsed() < Duration::from_secs(30), "{}", hook.get("/metrics").1);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    hook.ground.proxy.heal();
    let hook = hook.ready().await;
    assert_eq!(hook.review("orders", irsa("orders")).await["allowed"], true);
    assert!(hook.metric("rolecall_aws_calls_total{call=\"eks:DescribeCluster\",outcome=\"failed\"}") >= 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_fails_keeps_its_value_and_its_age() {
    let hook = Webhook::start("partial", 1, async |_| {}).await.ready().await;
    hook.ground.proxy.fault(Fault::throttle("iam:GetRole"));
    let start = Instant::now();
    let age = "rolecall_snapshot_part_read_timestamp_seconds{part=\"roles\"}";
    while hook.metric(age) + 3.0 > hook.metric("rolecall_snapshot_part_read_timestamp_seconds{part=\"cluster\"}") {
        assert!(start.elapsed() < Duration::from_secs(30), "{}", hook.get("/metrics").1);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(hook.review("orders", irsa("orders")).await["allowed"], true, "what was read last still counts");
    assert!(hook.metric("rolecall_refreshes_total{outcome=\"partial\"}") >= 1.0);
    assert!(hook.metric("rolecall_aws_calls_total{call=\"iam:GetRole\",outcome=\"throttled\"}") >= 1.0);
}

/// Many roles are not read one by one at each refresh, and what changes is seen all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_lists_and_reads_what_has_changed() {
    let hook = Webhook::start("listing", 1, async |ground: &Ground| {
        for n in 0..40 {
            let role = ground.account.role(&format!("r{n}"), &Cluster::pod_identity_trust()).create().await.unwrap();
            ground.cluster.association("many", &format!("a{n}"), &role).create().await.unwrap();
        }
    })
    .await
    .ready()
    .await;
    let refreshed = async |times: usize| {
        hook.ground.proxy.forget();
        let start = Instant::now();
        while hook.ground.proxy.count("iam:ListRoles") < times {
            assert!(start.elapsed() < Duration::from_secs(40), "{:?}", hook.ground.proxy.calls());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        hook.ground.proxy.calls()
    };
    let calls = refreshed(4).await;
    let read = calls.iter().filter(|call| call.action == "iam:GetRole").count();
    assert!(read <= 5 * 6 && read > 0, "{read} of 41 roles in 4 refreshes");
    // The rights that it takes, and no more of IAM's.
    let granted = [
        include_str!("../deploy/iam/refresh.json"),
        include_str!("../deploy/iam/named.json"),
        include_str!("../deploy/iam/policies.json"),
    ]
    .concat();
    for call in calls.iter().filter(|call| call.action.starts_with("iam:")) {
        assert!(granted.contains(&call.action), "{}", call.action);
    }
    // A refresh sees what changed.
    let wrong = hook.ground.cluster.irsa_trust(&hook.ground.account, "shop", "order");
    hook.ground.account.set_trust("orders", &wrong).await.unwrap();
    refreshed(3).await;
    assert_eq!(hook.review("orders", irsa("orders")).await["allowed"], false);
    hook.ground.account.delete_role("orders").await.unwrap();
    refreshed(3).await;
    let denied = hook.review("orders", irsa("orders")).await;
    assert!(denied["status"]["message"].as_str().unwrap().contains("role-missing"), "{denied}");
    // Not allowed to list: each role is read.
    hook.ground.proxy.fault(Fault::access_denied("iam:ListRoles"));
    hook.ground.proxy.forget();
    let start = Instant::now();
    while hook.ground.proxy.count("iam:GetRole") < 80 {
        assert!(start.elapsed() < Duration::from_secs(40));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The trust is fixed and the boundary widened since the snapshot: reading the role again shows the one, and only then does
/// the denial rest on the other, which is read again too.
#[tokio::test(flavor = "multi_thread")]
async fn a_denial_that_moves_on_to_other_links_reads_those_too() {
    let policy = |action: &str| json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]});
    let hook = Webhook::start("rounds", 3_600, async |ground: &Ground| {
        let boundary = ground.account.policy("boundary", &policy("dynamodb:*")).await.unwrap();
        let wrong = ground.cluster.irsa_trust(&ground.account, "shop", "need");
        let role = ground.account.role("needy", &wrong).inline("reads", &policy("s3:*")).boundary(&boundary);
        role.create().await.unwrap();
    })
    .await
    .ready()
    .await;
    let denied = hook.review("needy", irsa("needy")).await;
    assert!(denied["status"]["message"].as_str().unwrap().contains("irsa-trust-subject"), "{denied}");
    let right = hook.ground.cluster.irsa_trust(&hook.ground.account, "shop", "needy");
    hook.ground.account.set_trust("needy", &right).await.unwrap();
    let denied = hook.review("needy", irsa("needy")).await;
    assert!(denied["status"]["message"].as_str().unwrap().contains("permission-denied"), "{denied}");

    let hook = Webhook::start("rounds-2", 3_600, async |ground: &Ground| {
        let boundary = ground.account.policy("boundary", &policy("dynamodb:*")).await.unwrap();
        let wrong = ground.cluster.irsa_trust(&ground.account, "shop", "need");
        let role = ground.account.role("needy", &wrong).inline("reads", &policy("s3:*")).boundary(&boundary);
        role.create().await.unwrap();
    })
    .await
    .ready()
    .await;
    let right = hook.ground.cluster.irsa_trust(&hook.ground.account, "shop", "needy");
    hook.ground.account.set_trust("needy", &right).await.unwrap();
    let arn = format!("arn:aws:iam::{ACCOUNT}:policy/boundary");
    let wider = policy("*").to_string();
    let parameters = [("PolicyArn", arn.as_str()), ("PolicyDocument", wider.as_str()), ("SetAsDefault", "true")];
    hook.ground.account.iam("CreatePolicyVersion", &parameters).await.unwrap();
    hook.ground.proxy.forget();
    let allowed = hook.review("needy", irsa("needy")).await;
    assert_eq!((&allowed["allowed"], &allowed["warnings"]), (&json!(true), &Value::Null), "{allowed}");
    assert!(hook.ground.proxy.count("iam:GetPolicyVersion") > 0);
}
