//! What the tests against the AWS emulator share: one account, one cluster, a fault proxy, and the program before it.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(unreachable_pub, missing_docs, reason = "it is a module of a test")]

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use rolecall_aws_ground::{Account, Cluster, Emulator, FaultProxy};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

pub const ACCOUNT: &str = "111122223333";
pub const OTHER: &str = "444455556666";
pub const AUDIENCE: &str = "sts.amazonaws.com";

/// Budgets that no test waits for, and little patience.
const CONFIG: &str = "aws: {rates: {iam: {perSecond: 10000, burst: 10000}, eks: {perSecond: 10000, burst: 10000}}, \
                      attempts: 3, timeoutSeconds: 2, COLLECT}\nmessages: {iamDetail: full}\n";

pub struct Ground {
    pub emulator: Emulator,
    pub proxy: FaultProxy,
    pub account: Account,
    pub cluster: Cluster,
    pub folder: PathBuf,
}

impl Ground {
    /// An emulator with a cluster `shop`, and nothing else.
    pub async fn start(name: &str) -> Self {
        let emulator = Emulator::start().await.unwrap();
        let proxy = FaultProxy::start(&emulator).await.unwrap();
        let account = emulator.account(ACCOUNT);
        let cluster = account.cluster("shop").await.unwrap();
        let folder = std::env::temp_dir().join(format!("rolecall-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        proxy.forget();
        Self { emulator, proxy, account, cluster, folder }
    }

    /// With one of each part: an association, a node group, an access entry, an add-on, a Fargate profile, a provider, and
    /// a role for a service account.
    pub async fn furnished(name: &str) -> Self {
        let ground = Self::start(name).await;
        let Self { account, cluster, .. } = &ground;
        let pods = Cluster::pod_identity_trust();
        let carts = account.role("carts", &pods).tag("team", "shop").create().await.unwrap();
        let node = account.role("node", &pods).create().await.unwrap();
        let auto = account.role("auto", &pods).create().await.unwrap();
        let irsa = cluster.irsa_trust(account, "shop", "orders");
        let inline = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]});
        let managed = account.policy("orders", &inline).await.unwrap();
        account
            .role("orders", &irsa)
            .path("/team/")
            .inline("own", &inline)
            .managed(&managed)
            .boundary(&managed)
            .create()
            .await
            .unwrap();
        cluster.association("carts", "carts", &carts).create().await.unwrap();
        cluster.node_group("blue", &node).await.unwrap();
        cluster.access_entry(&auto, "EC2").await.unwrap();
        cluster.access_entry(&carts, "STANDARD").await.unwrap();
        cluster.addon("eks-pod-identity-agent").await.unwrap();
        cluster.fargate_profile("batch", &node, "batch", &json!({"run": "fargate"})).await.unwrap();
        account.oidc_provider(cluster.issuer(), &[AUDIENCE]).await.unwrap();
        account.oidc_provider("https://oidc.example.com/other", &["other"]).await.unwrap();
        ground.write("manifests.yaml", MANIFESTS);
        ground.proxy.forget();
        ground
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.folder.join(name), text).unwrap();
        self.path(name)
    }

    /// A configuration without budgets to wait for; `more` goes into its section `aws`.
    pub fn config(&self, more: &str) -> String {
        let more = if more.is_empty() { "collect: named" } else { more };
        self.write("config.yaml", &CONFIG.replace("COLLECT", more))
    }

    /// What leads the SDK to the proxy.
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ACCESS_KEY_ID", ACCOUNT.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "secret-of-the-test".to_owned()),
            ("AWS_REGION", Emulator::REGION.to_owned()),
            ("AWS_ENDPOINT_URL", self.proxy.url()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rolecall"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .envs(self.environment())
            .env("HOME", &self.folder)
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub async fn rolecall(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().await.unwrap()
    }

    pub fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// `rolecall snapshot` of the cluster; must succeed.
    pub async fn snapshot(&self, more: &[&str]) -> (Value, String) {
        let config = self.config("");
        let output = self.path("snapshot.json");
        let arguments = ["snapshot", "--cluster", "shop", "-o", &output, "--config", &config];
        let run = self.rolecall(&[arguments.as_slice(), more].concat()).await;
        assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
        (read(Path::new(&output)), stderr(&run))
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A service account whose role is there, one whose role is missing, and one whose role is in an account that nobody reads.
pub const MANIFESTS: &str = r#"
apiVersion: v1
kind: ServiceAccount
metadata:
  name: orders
  namespace: shop
  annotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::111122223333:role/team/orders"}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: gone
  namespace: shop
  annotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::111122223333:role/gone"}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: far
  namespace: shop
  annotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::444455556666:role/far"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: orders, namespace: shop}
spec:
  selector: {matchLabels: {app: orders}}
  template:
    metadata: {labels: {app: orders}}
    spec:
      serviceAccountName: orders
      containers: [{name: app, image: orders}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: gone, namespace: shop}
spec:
  selector: {matchLabels: {app: gone}}
  template:
    metadata: {labels: {app: gone}}
    spec:
      serviceAccountName: gone
      containers: [{name: app, image: gone}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: carts, namespace: carts}
spec:
  selector: {matchLabels: {app: carts}}
  template:
    metadata: {labels: {app: carts}}
    spec:
      serviceAccountName: carts
      containers: [{name: app, image: carts}]
"#;
