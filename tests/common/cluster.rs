//! What the tests against a real API server share: the cluster of `tests/cluster`, and rolecall registered in it.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(unreachable_pub, missing_docs, reason = "it is a module of a test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Server, TempDir, root, test_file};

/// The role that trusts carts/carts and no other service account.
pub const ROLE: &str = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";

/// A configuration by which that role is every namespace's own, so that messages about it are complete.
pub const OWN_ROLE: &str = "messages: {ownRoles: [{namespace: '*', role: eks-workshop-carts-dynamo}]}\n";

/// A control plane on loopback, ended with the test.
pub struct Cluster {
    child: Child,
    /// Held open: the cluster ends when it closes, however this process ends.
    _parent: ChildStdin,
    facts: Value,
    _directory: TempDir,
}

/// Waits until this gives something; panics with what it last looked like.
pub fn eventually<T>(what: &str, patience: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(state) if start.elapsed() > patience => panic!("{what}: not within {patience:?}: {state}"),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

pub const PATIENCE: Duration = Duration::from_secs(30);

impl Server {
    /// Waits until it is ready to answer.
    pub fn ready(self) -> Self {
        eventually("ready", PATIENCE, || match self.get("/readyz") {
            (200, _) => Ok(()),
            (status, text) => Err(format!("{status} {text}")),
        });
        self
    }
}

impl Cluster {
    /// Tries to create a pod of a namespace, without a trace: what `kubectl` says on standard error, warnings included.
    pub fn try_pod(&self, namespace: &str) -> String {
        let pod = pod(namespace, "probe").to_string();
        texts(&self.try_kubectl(&["create", "--dry-run=server", "-f", "-"], &pod)).1
    }

    /// Waits until a pod of a namespace is denied: the API server takes a moment to use a registration.
    pub fn until_denied(&self, namespace: &str) {
        eventually("rolecall denies", PATIENCE, || {
            let error = self.try_pod(namespace);
            if error.contains("denied the request") { Ok(()) } else { Err(error) }
        });
    }

    /// Builds the program where that was not done before, and starts a cluster.
    pub fn start() -> Self {
        let built = Command::new(test_file("cluster/build.sh")).stderr(Stdio::inherit()).output().unwrap();
        assert!(built.status.success(), "tests/cluster/build.sh failed");
        let program = String::from_utf8(built.stdout).unwrap();
        let directory = TempDir::new("cluster");
        let mut child = Command::new(program.trim())
            .args(["up", "--with-parent", "--dir"])
            .arg(directory.0.join("cluster"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let facts = serde_json::from_str(&line).expect("the cluster did not start; see above");
        Self { _parent: child.stdin.take().unwrap(), child, facts, _directory: directory }
    }

    pub fn fact(&self, name: &str) -> &str {
        self.facts[name].as_str().unwrap()
    }

    /// A folder of the test's own.
    pub fn folder(&self) -> &Path {
        &self._directory.0
    }

    pub fn kubeconfig(&self) -> &str {
        self.fact("kubeconfig")
    }

    /// `kubectl` as an administrator.
    pub fn try_kubectl(&self, arguments: &[&str], input: &str) -> Output {
        self.try_kubectl_as(self.kubeconfig(), arguments, input)
    }

    /// `kubectl` with a kubeconfig.
    pub fn try_kubectl_as(&self, kubeconfig: &str, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(self.fact("program"))
            .arg("kubectl")
            .args(arguments)
            .env("KUBECONFIG", kubeconfig)
            .env("HOME", &self._directory.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// `kubectl`, which must succeed: what it printed, and its warnings.
    pub fn kubectl(&self, arguments: &[&str]) -> (String, String) {
        self.kubectl_in(arguments, "")
    }

    /// The same with standard input.
    pub fn kubectl_in(&self, arguments: &[&str], input: &str) -> (String, String) {
        let output = self.try_kubectl(arguments, input);
        let (out, error) = texts(&output);
        assert!(output.status.success(), "kubectl {arguments:?}: {error}\n{input}");
        (out, error)
    }

    /// `kubectl apply` of a manifest; gives what it warned.
    pub fn apply(&self, manifest: &str) -> String {
        self.kubectl_in(&["apply", "-f", "-"], manifest).1
    }

    /// `kubectl get -o json`.
    pub fn get(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<&str> = ["get", "-o", "json"].iter().chain(arguments).copied().collect();
        serde_json::from_str(&self.kubectl(&arguments).0).unwrap()
    }

    /// A namespace with a service account `app`, annotated with a role where one is given.
    pub fn namespace(&self, name: &str, labels: &Value, role: Option<&str>) {
        self.apply(
            &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}).to_string(),
        );
        self.kubectl(&["wait", "--for=create", "serviceaccount/default", "-n", name, "--timeout=30s"]);
        self.service_account(name, "app", role);
    }

    pub fn service_account(&self, namespace: &str, name: &str, role: Option<&str>) {
        let annotations = role.map(|role| json!({"eks.amazonaws.com/role-arn": role}));
        self.apply(
            &json!({"apiVersion": "v1", "kind": "ServiceAccount",
                    "metadata": {"namespace": namespace, "name": name, "annotations": annotations}})
            .to_string(),
        );
    }

    /// Asks the control address.
    pub fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let address = self.fact("control").trim_start_matches("http://").to_owned();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, answer) = http(&address, method, path, &body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        serde_json::from_str(&answer).unwrap_or(Value::Null)
    }

    /// What the injector does from now on.
    pub fn injector(&self, mode: &str, milliseconds: u64) {
        self.control("PUT", "/injector", &json!({"mode": mode, "milliseconds": milliseconds}));
    }

    /// `stop`, `kill`, `start` or `restart` of `etcd`, `apiserver` or `controller-manager`.
    pub fn part(&self, name: &str, what: &str) {
        self.control("POST", &format!("/parts/{name}/{what}"), &Value::Null);
    }

    /// The kubeconfig of a user who may do what RBAC says.
    pub fn user(&self, name: &str, groups: &[&str]) -> String {
        let answer = self.control("POST", "/kubeconfigs", &json!({"user": name, "groups": groups}));
        answer["kubeconfig"].as_str().unwrap().to_owned()
    }

    /// The kubeconfig of a service account, with a token of its own.
    pub fn as_service_account(&self, namespace: &str, name: &str) -> String {
        let (token, _) = self.kubectl(&["create", "token", "-n", namespace, name, "--duration=1h"]);
        let user = format!("{namespace}-{name}");
        let answer = self.control("POST", "/kubeconfigs", &json!({"user": user, "token": token.trim()}));
        answer["kubeconfig"].as_str().unwrap().to_owned()
    }

    /// Every line of the audit log.
    pub fn audit(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.fact("auditLog")).unwrap();
        // The last line may be half written.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The annotations that rolecall left in the audit log for the creation of objects in a namespace, by their keys.
    pub fn audited(&self, namespace: &str, resource: &str) -> Vec<Value> {
        let of =
            |event: &&Value| event["objectRef"]["namespace"] == namespace && event["objectRef"]["resource"] == resource;
        self.audit().iter().filter(of).map(|event| event["annotations"].clone()).collect()
    }

    /// Applies the files of `deploy/manifests` that a cluster without nodes can use, with the Service led to a port of this
    /// machine, as rolecall's pods would be.
    pub fn register(&self, port: u16) {
        for file in ["namespace.yaml", "rbac.yaml", "pause.yaml"] {
            self.apply(&manifest(file));
        }
        self.apply(&external_service("rolecall", port));
        self.apply(&manifest("webhook.yaml").replace("port: 443", &format!("port: {port}")));
    }
}

/// A file of `deploy/manifests`.
pub fn manifest(file: &str) -> String {
    let path = root().join("deploy/manifests").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A Service that leads to this machine.
pub fn external_service(name: &str, port: u16) -> String {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "rolecall"},
           "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]}})
    .to_string()
}

/// Posts reviews to a replica on a connection of their own, as every client of the port can.
pub fn post(server: &Server, cluster: &Cluster, reviews: &[Value]) {
    let bundle = cluster.get(&["validatingwebhookconfiguration", "rolecall"]);
    let encoded = bundle["webhooks"][0]["clientConfig"]["caBundle"].as_str().unwrap().to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    rolecall_certs::install_crypto_provider();
    runtime.block_on(async {
        let ca = String::from_utf8(decoded(&encoded)).unwrap();
        let mut client = rolecall::run::Client::connect(server.reviews, &ca).await.unwrap();
        for review in reviews {
            let (status, body) = client.post("/validate", review.to_string().into_bytes()).await.unwrap();
            assert_eq!(status, 200, "{body:?}");
        }
    });
}

/// Base64, as `caBundle` has it.
fn decoded(text: &str) -> Vec<u8> {
    let value =
        |c: u8| b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".iter().position(|d| *d == c);
    let digits: Vec<usize> = text.bytes().filter_map(value).collect();
    let group = |group: &[usize]| {
        let bits = group.iter().enumerate().fold(0, |bits, (at, digit)| bits | digit << (18 - 6 * at));
        (0..group.len() - 1).map(|at| (bits >> (16 - 8 * at) & 0xff) as u8).collect::<Vec<u8>>()
    };
    digits.chunks(4).flat_map(group).collect()
}

/// A pod with the service account `app`.
pub fn pod(namespace: &str, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": namespace, "name": name},
           "spec": {"serviceAccountName": "app", "containers": [{"name": "app", "image": "example.com/app:1"}]}})
}

/// A Deployment whose pods have the service account `app`.
pub fn deployment(namespace: &str, name: &str, replicas: u32) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": namespace, "name": name},
           "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
                    "template": {"metadata": {"labels": {"app": name}}, "spec": pod(namespace, name)["spec"]}}})
}

pub fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

fn http(address: &str, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(90))).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap_or("0").parse().unwrap_or(0);
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

/// A free port of this machine, for what has to be registered before it runs.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The path of the sample's snapshot.
pub fn snapshot() -> PathBuf {
    test_file("fixtures/snapshot.json")
}
