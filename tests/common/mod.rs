//! What the test files share.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(unreachable_pub, missing_docs, reason = "it is a module of a test")]

#[cfg(feature = "kube")]
pub mod cluster;
pub mod helm;
pub mod mounted;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// The root of the repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A file below `tests/`.
pub fn test_file(path: &str) -> PathBuf {
    root().join("tests").join(path)
}

/// The text of a file below `tests/`.
pub fn text(path: &str) -> String {
    std::fs::read_to_string(test_file(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The JSON of a file below `tests/`.
pub fn json_file(path: &str) -> Value {
    serde_json::from_str(&text(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Runs the binary.
pub fn rolecall(arguments: &[&str]) -> Output {
    rolecall_with_input(arguments, "")
}

/// Runs the binary with standard input.
pub fn rolecall_with_input(arguments: &[&str], input: &str) -> Output {
    rolecall_in(&root(), arguments, &[], input)
}

/// Runs the binary in a folder, with variables of the environment and standard input.
pub fn rolecall_in(folder: &Path, arguments: &[&str], environment: &[(&str, &str)], input: &str) -> Output {
    use std::io::Write;
    let mut child = Command::new(env!("CARGO_BIN_EXE_rolecall"))
        .args(arguments)
        .current_dir(folder)
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The program may refuse its arguments before it reads.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Compares with a golden file below `tests/golden/`; writes it where `ROLECALL_BLESS` is set.
pub fn assert_golden(name: &str, found: &str) {
    let path = test_file("golden").join(name);
    if std::env::var_os("ROLECALL_BLESS").is_some() {
        std::fs::write(&path, found).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if expected != found {
        let first = expected.lines().zip(found.lines()).position(|(e, f)| e != f).unwrap_or(0);
        let show = |text: &str| text.lines().skip(first.saturating_sub(1)).take(6).collect::<Vec<_>>().join("\n");
        panic!(
            "{name} differs from line {} on (ROLECALL_BLESS=1 writes it again)\nexpected:\n{}\nfound:\n{}",
            first + 1,
            show(&expected),
            show(found)
        );
    }
}

/// An AdmissionReview around an object.
pub fn review(kind: (&str, &str), operation: &str, object: &Value, old: Option<&Value>) -> Value {
    let (group, kind) = kind;
    let metadata = |field: &str| object.pointer(&format!("/metadata/{field}")).cloned().unwrap_or(Value::Null);
    json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "6f1f6f0e-0000-4000-8000-000000000001",
            "kind": {"group": group, "version": "v1", "kind": kind},
            "resource": {"group": group, "version": "v1", "resource": format!("{}s", kind.to_lowercase())},
            "name": metadata("name"),
            "namespace": metadata("namespace"),
            "operation": operation,
            "userInfo": {"username": "tester"},
            "object": object,
            "oldObject": old,
            "dryRun": false,
            "options": {},
        },
    })
}

/// `rolecall serve`, on free ports of loopback, ended with the test.
pub struct Server {
    child: Child,
    /// Ends it when this process ends without dropping it, as it does what is static.
    watchdog: Child,
    pub reviews: SocketAddr,
    pub metrics: SocketAddr,
    pub ca_pem: String,
    pub log: Arc<Mutex<Vec<Value>>>,
    _directory: TempDir,
}

impl Server {
    /// Starts with the recorded cluster and a snapshot, and further arguments.
    pub fn start(manifests: &Path, snapshot: &Path, arguments: &[&str]) -> Self {
        Self::start_from(manifests, &snapshot.display().to_string(), arguments, &[])
    }

    /// Starts with any source, in an environment with these variables besides.
    pub fn start_from(manifests: &Path, source: &str, arguments: &[&str], environment: &[(&str, String)]) -> Self {
        let directory = TempDir::new("serve");
        let given =
            arguments.iter().position(|argument| *argument == "--tls-dir").map(|at| PathBuf::from(arguments[at + 1]));
        let tls_directory = given.clone().unwrap_or_else(|| directory.0.clone());
        let mut serve = Command::new(env!("CARGO_BIN_EXE_rolecall"));
        serve
            .args(["serve", "--no-kube", "--self-signed", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"])
            .args(given.is_none().then_some("--tls-dir"))
            .args(given.is_none().then_some(&tls_directory))
            .arg("--manifests")
            .arg(manifests)
            .arg("--source")
            .arg(source)
            .args(arguments);
        let ca = tls_directory.join("ca.crt");
        Self::run(serve, environment, directory, Some(&ca))
    }

    /// Starts with just these arguments besides the ports; clients are to trust the file `ca`.
    pub fn with_certificate(arguments: &[&str], ca: &Path) -> Self {
        let mut serve = Command::new(env!("CARGO_BIN_EXE_rolecall"));
        serve.args(["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]).args(arguments);
        Self::run(serve, &[], TempDir::new("serve"), Some(ca))
    }

    /// Starts another build of the program with just these arguments besides the ports.
    pub fn of_program(program: &Path, arguments: &[&str], environment: &[(&str, String)]) -> Self {
        let mut serve = Command::new(program);
        serve.args(["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]).args(arguments);
        Self::run(serve, environment, TempDir::new("serve"), None)
    }

    /// Starts in the cluster of a kubeconfig, with the certificates that it makes there.
    pub fn in_cluster(
        kubeconfig: &str,
        source: &str,
        port: u16,
        arguments: &[&str],
        environment: &[(&str, String)],
    ) -> Self {
        let mut serve = Command::new(env!("CARGO_BIN_EXE_rolecall"));
        serve
            .args(["serve", "--metrics-listen", "127.0.0.1:0", "--listen", &format!("127.0.0.1:{port}")])
            .args(["--source", source])
            .args(arguments)
            .env("KUBECONFIG", kubeconfig);
        Self::run(serve, environment, TempDir::new("serve"), None)
    }

    fn run(mut serve: Command, environment: &[(&str, String)], directory: TempDir, ca: Option<&Path>) -> Self {
        let mut child = serve
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .env("RUST_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let watchdog = Command::new("sh")
            .args(["-c", &format!("cat >/dev/null; kill -KILL {}", child.id())])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut early = Vec::new();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let serving = loop {
            let line = lines.next().expect("the server ended before it served").unwrap();
            match serde_json::from_str::<Value>(&line) {
                Ok(event) if event["message"] == "serving" => break event,
                Ok(event) => early.push(event),
                Err(_) => panic!("the server says: {line}"),
            }
        };
        let log = Arc::new(Mutex::new(early));
        let written = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or_else(|e| panic!("not a JSON line: {line}: {e}"));
                written.lock().unwrap().push(event);
            }
        });
        let address = |field: &str| serving[field].as_str().unwrap().parse().unwrap();
        let ca_pem = ca.map(|ca| std::fs::read_to_string(ca).unwrap()).unwrap_or_default();
        Self {
            child,
            watchdog,
            reviews: address("reviews"),
            metrics: address("metrics"),
            ca_pem,
            log,
            _directory: directory,
        }
    }

    /// With the recorded cluster and its snapshot.
    pub fn recorded(arguments: &[&str]) -> Self {
        Self::start(&test_file("fixtures/cluster.yaml"), &test_file("fixtures/snapshot.json"), arguments)
    }

    /// Its process ID.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }

    /// A client as the API server is one.
    pub async fn client(&self) -> rolecall::run::Client {
        rolecall_certs::install_crypto_provider();
        rolecall::run::Client::connect(self.reviews, &self.ca_pem).await.unwrap()
    }

    /// A GET on the metrics port: status line and body.
    pub fn get(&self, path: &str) -> (u16, String) {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(self.metrics).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    /// The value of a metric's line.
    pub fn metric(&self, line: &str) -> f64 {
        let (_, text) = self.get("/metrics");
        let found = text.lines().find_map(|l| l.strip_prefix(line));
        found.unwrap_or_else(|| panic!("no metric {line} in\n{text}")).trim().parse().unwrap()
    }

    /// Waits until an audit line fits.
    pub fn audit_line(&self, fits: impl Fn(&Value) -> bool) -> Value {
        self.log_line(|event| event["target"] == "rolecall::audit" && fits(event))
    }

    /// Waits until a log line fits.
    pub fn log_line(&self, fits: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..200 {
            let log = self.log.lock().unwrap();
            if let Some(line) = log.iter().find(|event| fits(event)) {
                return line.clone();
            }
            drop(log);
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
        panic!("no such line in {:#?}", self.log.lock().unwrap());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder of the test's own.
pub struct TempDir(pub PathBuf);

impl TempDir {
    pub fn new(name: &str) -> Self {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let unique = format!("rolecall-{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(unique);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a file, and returns its path.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Every case, sorted.
pub fn case_folders() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for family in std::fs::read_dir(test_file("cases")).unwrap() {
        let family = family.unwrap().path();
        if family.is_dir() {
            folders.extend(std::fs::read_dir(family).unwrap().map(|case| case.unwrap().path()));
        }
    }
    folders.sort();
    folders
}

/// The files of a case that `rolecall check` is to read.
pub fn case_paths(folder: &Path) -> Vec<String> {
    // The last three have task definitions of Amazon ECS.
    let names = ["input.yaml", "review.json", "cluster.yaml", "task-definition.json", "template.yaml", "plan.json"];
    let files = names.map(|file| folder.join(file));
    files.into_iter().filter(|file| file.exists()).map(|file| file.display().to_string()).collect()
}

/// The snapshot of a case: its patch over the base.
pub fn case_snapshot(folder: &Path) -> Value {
    let mut snapshot = json_file("cases/base.json");
    if let Ok(patch) = std::fs::read_to_string(folder.join("snapshot.json")) {
        merge(&mut snapshot, &serde_json::from_str(&patch).unwrap_or_else(|e| panic!("{}: {e}", folder.display())));
    }
    snapshot
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(key);
        } else {
            merge(target.as_object_mut().unwrap().entry(key).or_insert(Value::Null), value);
        }
    }
}
