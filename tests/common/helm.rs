//! Helm, in the two versions that people use, and the chart.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(unreachable_pub, missing_docs, reason = "it is a module of a test")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use super::{TempDir, root, test_file};

/// The minimum of the chart.
pub const OLDEST_KUBERNETES: &str = "1.30.0";

pub struct Helm {
    pub major: u8,
    program: PathBuf,
    home: TempDir,
}

impl Helm {
    /// Builds it where that was not done before.
    pub fn new(major: u8) -> Self {
        static FOLDER: OnceLock<PathBuf> = OnceLock::new();
        let folder = FOLDER.get_or_init(|| {
            let built = Command::new(test_file("tools/helm.sh")).stderr(Stdio::inherit()).output().unwrap();
            assert!(built.status.success(), "tests/tools/helm.sh failed");
            PathBuf::from(String::from_utf8(built.stdout).unwrap().trim())
        });
        Self { major, program: folder.join(format!("helm{major}")), home: TempDir::new("helm") }
    }

    pub fn program(&self) -> &Path {
        &self.program
    }

    pub fn both() -> [Self; 2] {
        [Self::new(3), Self::new(4)]
    }

    pub fn run(&self, kubeconfig: &str, arguments: &[&str]) -> Output {
        let mut helm = Command::new(&self.program);
        for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "HOME"] {
            helm.env(variable, &self.home.0);
        }
        helm.args(arguments).env("KUBECONFIG", kubeconfig).current_dir(root()).stdin(Stdio::null()).output().unwrap()
    }

    /// What it prints; it must succeed.
    pub fn say(&self, kubeconfig: &str, arguments: &[&str]) -> String {
        let output = self.run(kubeconfig, arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "helm {} {arguments:?}: {error}", self.major);
        String::from_utf8(output.stdout).unwrap()
    }

    /// `helm template` without a cluster, as release `rolecall` in namespace `rolecall`.
    pub fn try_template(&self, values: &str, more: &[&str]) -> Output {
        let values = self.home.file("values.yaml", values).display().to_string();
        let arguments = ["template", "rolecall", "deploy/chart", "-n", "rolecall", "--kube-version", OLDEST_KUBERNETES];
        self.run("/dev/null", &[&arguments, ["-f", values.as_str()].as_slice(), more].concat())
    }

    pub fn template(&self, values: &str, more: &[&str]) -> String {
        let output = self.try_template(values, more);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "helm {} {more:?}: {error}\n{values}", self.major);
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The objects of a YAML text with several documents.
pub fn objects(text: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    documents.into_iter().filter(|object| !object.is_null()).collect()
}

/// The one object of a kind and a name.
pub fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let fits = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
    objects.iter().find(fits).unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// The pod template of a workload.
pub fn template_of(object: &Value) -> Option<&Value> {
    match object["kind"].as_str()? {
        "Deployment" => Some(&object["spec"]["template"]),
        "CronJob" => Some(&object["spec"]["jobTemplate"]["spec"]["template"]),
        _ => None,
    }
}

/// The arguments of the only container of a workload.
pub fn arguments_of(object: &Value) -> Vec<String> {
    let container = &template_of(object).unwrap()["spec"]["containers"][0];
    container["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap().to_owned()).collect()
}

/// A copy of the chart, for a cluster without nodes: its Service leads to a port of this machine, and the registration to the same
/// port. Everything else is the chart's.
pub fn chart_for_loopback(folder: &Path, port: u16) -> PathBuf {
    let chart = folder.join("chart");
    copy(&root().join("deploy/chart"), &chart);
    let replace = |file: &str, from: &str, to: &str| {
        let path = chart.join("templates").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        std::fs::write(&path, text.replace(from, to)).unwrap();
    };
    replace("service.yaml", "spec:\n", "spec:\n  type: ExternalName\n  externalName: localhost\n");
    replace("service.yaml", "port: 443", &format!("port: {port}"));
    replace("_webhook.tpl", "port: 443", &format!("port: {port}"));
    chart
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}
