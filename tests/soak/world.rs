//! The AWS account, the cluster and the program of a run, and the reviews that it sends.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use rolecall_aws_ground::Cluster as AwsCluster;
use serde_json::{Value, json};

use crate::aws::{ACCOUNT, AUDIENCE, Ground};
use crate::common;
use crate::common::cluster::{Cluster, PATIENCE, eventually, manifest};
use crate::common::{Server, TempDir, mounted};

/// From one collection of AWS to the next.
pub(crate) const REFRESH: Duration = Duration::from_secs(10);
/// How long a link that was read for a denial serves other reviews.
pub(crate) const REMEMBER: Duration = Duration::from_secs(3);
/// Workloads whose chain breaks and is repaired. The first half is broken at the start.
pub(crate) const CHANGING: usize = 8;
const ISSUER: &str = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE";
/// Reviews whose verdict is not that of `check`, or changes by itself.
const NOT_COMPARED: [(&str, &str); 2] = [
    ("injection/missing-pod-identity", "the finding is only likely until the association is 60 s old"),
    ("serviceaccount-carts-update", "check does not compare an object with what it was before"),
];
/// Where each review has its own uid.
const UID: &str = "00000000-0000-4000-8000-000000000000";

/// What rolecall is to say of a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expected {
    /// What `check` says does not change during the run.
    Always(Verdict),
    /// The chain of this workload breaks and is repaired.
    Changing(usize),
}

/// Whether a review is denied, and which rules its findings have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) is_denied: bool,
    pub(crate) rules: BTreeSet<String>,
}

/// A review to be sent again and again, each time with another uid.
#[derive(Debug)]
pub(crate) struct Review {
    pub(crate) name: String,
    body: Vec<u8>,
    uid_at: usize,
    pub(crate) expected: Expected,
    /// Why `check` and the webhook differ on it. It must be answered; no verdict is expected.
    pub(crate) not_compared: Option<&'static str>,
    /// Kind and name of the object.
    object: (String, String),
    /// The review, for `check`.
    file: PathBuf,
}

impl Review {
    fn new(name: &str, mut review: Value, expected: Expected, folder: &TempDir) -> Self {
        review["request"]["uid"] = UID.into();
        let file = folder.file(&format!("{}.json", name.replace('/', "-")), &review.to_string());
        let text = |pointer: &str| review.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let object = (text("/request/kind/kind"), text("/request/object/metadata/name"));
        let not_compared = NOT_COMPARED.iter().find(|(other, _)| *other == name).map(|(_, why)| *why);
        let body = crate::wire::go(&review);
        let uid_at = body.windows(UID.len()).position(|window| window == UID.as_bytes()).unwrap();
        Self { name: name.to_owned(), body, uid_at, expected, not_compared, object, file }
    }

    /// The body with this number in its uid, and the uid.
    pub(crate) fn numbered(&self, number: u64) -> (Bytes, String) {
        let uid = format!("00000000-0000-4000-8000-{number:012}");
        let mut body = self.body.clone();
        body[self.uid_at..self.uid_at + uid.len()].copy_from_slice(uid.as_bytes());
        (body.into(), uid)
    }
}

pub(crate) struct World {
    pub(crate) aws: Ground,
    pub(crate) cluster: Cluster,
    pub(crate) server: Server,
    program: PathBuf,
    /// The certificates, and the reviews as files.
    pub(crate) folder: TempDir,
    pub(crate) reviews: Vec<Review>,
    /// A Deployment whose service account the test changes: `set_moved`.
    pub(crate) moved: Review,
}

impl World {
    /// Starts everything, and waits until rolecall is ready.
    pub(crate) async fn start() -> Self {
        let program = std::env::var_os("SOAK_PROGRAM").map_or(env!("CARGO_BIN_EXE_rolecall").into(), PathBuf::from);
        let aws = Ground::start("soak").await;
        fill(&aws).await;
        let folder = TempDir::new("soak");
        let (cluster, server) = tokio::task::block_in_place(|| {
            let cluster = Cluster::start();
            for file in ["namespace.yaml", "rbac.yaml"] {
                cluster.apply(&manifest(file));
            }
            cluster.apply(&objects());
            let server = serve(&program, &aws, &cluster, &folder);
            (cluster, server)
        });
        let mut reviews: Vec<Review> = (0..CHANGING)
            .map(|index| {
                let review = team_review(index);
                Review::new(&format!("team-{index}"), review, Expected::Changing(index), &folder)
            })
            .collect();
        for (name, review) in recorded() {
            reviews.push(Review::new(&name, review, Expected::Always(Verdict::default()), &folder));
        }
        let template = json!({"metadata": {"labels": {"app": "moved"}}, "spec": {
            "serviceAccountName": "moved", "containers": [{"name": "app", "image": "app"}]}});
        let moved = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "moved", "namespace": "shop"}, "spec": {"template": template}});
        let moved = common::review(("apps", "Deployment"), "CREATE", &moved, None);
        let moved = Review::new("moved", moved, Expected::Always(Verdict::default()), &folder);
        Self { aws, cluster, server, program, folder, reviews, moved }
    }

    /// The verdicts of `rolecall check` on what AWS and the cluster hold now, read past the proxy.
    pub(crate) fn check(&self, reviews: &[&Review]) -> Vec<Verdict> {
        let objects = self.cluster.kubectl(&[
            "get",
            "namespaces,serviceaccounts,daemonsets.apps",
            "--all-namespaces",
            "-o",
            "json",
        ]);
        let objects = self.folder.file("objects.json", &objects.0);
        let snapshot = self.folder.0.join("snapshot.json");
        let config = self.aws.path("config.yaml");
        let output = Command::new(&self.program)
            .args(["snapshot", "--cluster", "shop", "--config", &config, "--manifests"])
            .arg(&objects)
            .arg("-o")
            .arg(&snapshot)
            .envs(self.aws.environment())
            .env("AWS_ENDPOINT_URL", self.aws.emulator.url())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let check = |review: &&Review, level: &str| -> (bool, BTreeSet<String>) {
            let output = Command::new(&self.program)
                .arg("check")
                .args([&review.file, &objects])
                .arg("--source")
                .arg(&snapshot)
                .args(["--cluster", "shop", "--level", level, "--format", "json"])
                .output()
                .unwrap();
            let report: Value = serde_json::from_slice(&output.stdout)
                .unwrap_or_else(|e| panic!("{}: {e}: {}", review.name, String::from_utf8_lossy(&output.stderr)));
            // Without those of the objects of the cluster.
            let concerns = |finding: &&Value| {
                let (kind, name) = &review.object;
                finding["resource"]["kind"] == *kind && (kind == "Pod" || finding["resource"]["name"] == *name)
            };
            let findings: Vec<&Value> = report["findings"].as_array().unwrap().iter().filter(concerns).collect();
            let rules = findings.iter().map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect();
            // Only pods are denied: `enforceWorkloads` is off.
            let is_certain = findings.iter().any(|finding| finding["certainty"] == "certain");
            (is_certain && review.object.0 == "Pod", rules)
        };
        let verdict =
            |review: &&Review| Verdict { is_denied: check(review, "chain").0, rules: check(review, "strict").1 };
        reviews.iter().map(verdict).collect()
    }

    /// Breaks or repairs the chain of a workload.
    pub(crate) async fn set_chain(&self, index: usize, holds: bool) {
        set_chain(&self.aws, index, holds).await;
    }

    /// Gives the service account of `moved` a role whose ARN can be read, or cannot.
    pub(crate) fn set_moved(&self, is_valid: bool) {
        let role = if is_valid { role_arn("moved") } else { "moved".to_owned() };
        self.cluster.kubectl(&[
            "annotate",
            "--overwrite",
            "serviceaccount/moved",
            "-n",
            "shop",
            &format!("eks.amazonaws.com/role-arn={role}"),
        ]);
    }
}

fn role_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

fn team(index: usize) -> String {
    format!("team-{index}")
}

/// The last of four has a Pod Identity association, the others web identity.
fn has_association(index: usize) -> bool {
    index % 4 == 3
}

/// The account of the cases' base snapshot, and the roles of the workloads whose chain changes.
async fn fill(aws: &Ground) {
    let (account, cluster) = (&aws.account, &aws.cluster);
    let host = cluster.issuer().trim_start_matches("https://");
    let base: Value = serde_json::from_str(&common::text("cases/base.json").replace(ISSUER, host)).unwrap();
    for role in base["accounts"][ACCOUNT]["roles"].as_array().unwrap() {
        // One trust policy is percent-encoded, as IAM sends it.
        let ec2 = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
        let trust = Some(&role["AssumeRolePolicyDocument"]).filter(|trust| trust.is_object()).unwrap_or(&ec2);
        account.role(role["RoleName"].as_str().unwrap(), trust).create().await.unwrap();
    }
    for association in base["podIdentityAssociations"].as_array().unwrap() {
        let text = |field: &str| association[field].as_str().unwrap();
        cluster.association(text("namespace"), text("serviceAccount"), text("roleArn")).create().await.unwrap();
    }
    cluster.node_group("blue", base["nodeRoles"][0].as_str().unwrap()).await.unwrap();
    cluster.addon("eks-pod-identity-agent").await.unwrap();
    account.oidc_provider(cluster.issuer(), &[AUDIENCE]).await.unwrap();
    let trust = cluster.irsa_trust(account, "shop", "moved");
    account.role("moved", &trust).create().await.unwrap();
    for index in 0..CHANGING {
        let trust = right_trust(aws, index);
        account.role(&team(index), &trust).create().await.unwrap();
        if has_association(index) {
            cluster.association("shop", &team(index), &role_arn(&team(index))).create().await.unwrap();
        }
        if index < CHANGING / 2 {
            set_chain(aws, index, false).await;
        }
    }
    aws.proxy.forget();
}

fn right_trust(aws: &Ground, index: usize) -> Value {
    if has_association(index) {
        AwsCluster::pod_identity_trust()
    } else {
        aws.cluster.irsa_trust(&aws.account, "shop", &team(index))
    }
}

async fn set_chain(aws: &Ground, index: usize, holds: bool) {
    let name = team(index);
    match (index % 4, holds) {
        (2, false) => aws.account.delete_role(&name).await.unwrap(),
        (2, true) => drop(aws.account.role(&name, &right_trust(aws, index)).create().await.unwrap()),
        (_, true) => aws.account.set_trust(&name, &right_trust(aws, index)).await.unwrap(),
        (3, false) => {
            let without_tags = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
                "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
            aws.account.set_trust(&name, &without_tags).await.unwrap();
        }
        (_, false) => {
            let other = aws.cluster.irsa_trust(&aws.account, "shop", "other");
            aws.account.set_trust(&name, &other).await.unwrap();
        }
    }
}

/// Namespaces that enforce, service accounts, and the agent of Pod Identity.
fn objects() -> String {
    let enforced = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": {"rolecall.dev/enforce": "chain"}}})
    };
    let labels = json!({"app": "eks-pod-identity-agent"});
    let mut items = vec![
        enforced("carts"),
        enforced("shop"),
        json!({"apiVersion": "apps/v1", "kind": "DaemonSet",
            "metadata": {"name": "eks-pod-identity-agent", "namespace": "kube-system"},
            "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
                "spec": {"containers": [{"name": "agent", "image": "agent"}]}}}}),
    ];
    let account = |name: String, role: Option<String>| {
        let annotations = role.map(|role| json!({"eks.amazonaws.com/role-arn": role}));
        json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": name, "namespace": "shop", "annotations": annotations}})
    };
    items.extend((0..CHANGING).map(|index| {
        let role = (!has_association(index)).then(|| role_arn(&team(index)));
        account(team(index), role)
    }));
    items.push(account("moved".to_owned(), Some(role_arn("moved"))));
    let recorded = common::text("fixtures/cluster.yaml");
    let recorded = recorded.split_once("---\n").unwrap().1;
    let own: Vec<String> = items.iter().map(Value::to_string).collect();
    format!("{}\n---\n{recorded}", own.join("\n---\n"))
}

/// `rolecall serve` on certificates in mounted files, following the cluster, reading AWS through the proxy.
fn serve(program: &std::path::Path, aws: &Ground, cluster: &Cluster, folder: &TempDir) -> Server {
    mounted::pair(&folder.0, "0");
    mounted::swap(&folder.0, "0");
    let text = std::fs::read_to_string(aws.config("")).unwrap().replace("attempts: 3", "attempts: 2");
    let config = format!(
        "{text}refresh: {{intervalSeconds: {}, jitter: 0, rememberSeconds: {}}}\n\
         certificates: {{filesSeconds: 1}}\nlimits: {{handshakeSeconds: 5}}\n",
        REFRESH.as_secs(),
        REMEMBER.as_secs()
    );
    let config = aws.write("serve.yaml", &config);
    let path = |name: &str| folder.0.join(name).display().to_string();
    let arguments = [
        "--source",
        "aws",
        "--cluster",
        "shop",
        "--config",
        &config,
        "--tls-cert",
        &path("tls.crt"),
        "--tls-key",
        &path("tls.key"),
    ];
    // Longer than the run.
    let (token, _) = cluster.kubectl(&["create", "token", "-n", "rolecall", "rolecall", "--duration=24h"]);
    let user = json!({"user": "rolecall", "token": token.trim()});
    let kubeconfig = cluster.control("POST", "/kubeconfigs", &user)["kubeconfig"].as_str().unwrap().to_owned();
    let mut environment = aws.environment().to_vec();
    environment.push(("KUBECONFIG", kubeconfig));
    environment.push(("POD_NAME", "soak".to_owned()));
    // As in deploy/manifests.
    environment.push(("MIMALLOC_PURGE_DELAY", "0".to_owned()));
    let server = Server::of_program(program, &arguments, &environment);
    eventually("ready", PATIENCE, || match server.get("/readyz") {
        (200, _) => Ok(()),
        (status, text) => Err(format!("{status} {text}")),
    });
    server
}

/// The recorded reviews and those of the cases.
fn recorded() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(common::test_file("fixtures/reviews")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        found.push((name, path));
    }
    for folder in common::case_folders() {
        let path = folder.join("review.json");
        if path.exists() {
            let name = folder.strip_prefix(common::test_file("cases")).unwrap().display().to_string();
            found.push((name, path));
        }
    }
    found.sort();
    let read = |path: PathBuf| serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    found.into_iter().map(|(name, path)| (name, read(path))).collect()
}

/// A pod of this service account as the injector leaves it.
pub(crate) fn pod_review(account: &str, role: Option<&str>) -> Value {
    let (volume, service, file, env) = match role {
        Some(role) => (
            "aws-iam-token",
            "eks.amazonaws.com",
            "token",
            json!([{"name": "AWS_ROLE_ARN", "value": role_arn(role)},
                {"name": "AWS_WEB_IDENTITY_TOKEN_FILE",
                 "value": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"}]),
        ),
        None => (
            "eks-pod-identity-token",
            "pods.eks.amazonaws.com",
            "eks-pod-identity-token",
            json!([{"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "http://169.254.170.23/v1/credentials"},
                {"name": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                 "value": "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"}]),
        ),
    };
    let audience = if role.is_some() { AUDIENCE } else { service };
    let token = json!({"serviceAccountToken": {"audience": audience, "expirationSeconds": 86400, "path": file}});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": account, "namespace": "shop"}, "spec": {
        "serviceAccountName": account,
        "containers": [{"name": "app", "image": "app", "env": env, "volumeMounts": [
            {"name": volume, "mountPath": format!("/var/run/secrets/{service}/serviceaccount"), "readOnly": true}]}],
        "volumes": [{"name": volume, "projected": {"sources": [token]}}]}});
    common::review(("", "Pod"), "CREATE", &pod, None)
}

fn team_review(index: usize) -> Value {
    let name = team(index);
    pod_review(&name, (!has_association(index)).then_some(&name))
}
