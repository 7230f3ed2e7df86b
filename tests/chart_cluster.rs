//! The chart in a real cluster, by Helm: installed, upgraded, rolled back and uninstalled, with rolecall run as its Deployment says and
//! with every replica dead. There are no nodes, so this test starts the program with the arguments of the pods.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
#![cfg(feature = "kube")]
mod common;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use common::cluster::{Cluster, PATIENCE, ROLE, eventually, free_port, manifest, pod, snapshot, texts};
use common::helm::{Helm, arguments_of, chart_for_loopback};
use common::{Server, TempDir};
use serde_json::{Value, json};

struct Release {
    cluster: Cluster,
    chart: PathBuf,
    port: u16,
}

impl Release {
    fn new(cluster: Cluster) -> Self {
        let port = free_port();
        let chart = chart_for_loopback(cluster.folder(), port);
        // The chart's pods are to pass the restricted level.
        cluster.apply(&manifest("namespace.yaml"));
        cluster.kubectl(&["wait", "--for=create", "serviceaccount/default", "-n", "rolecall", "--timeout=30s"]);
        Self { cluster, chart, port }
    }

    fn values(&self, more: &str) -> String {
        format!("source: {}\nports: {{webhook: {}, metrics: 9090}}\n{more}", snapshot().display(), self.port)
    }

    /// `helm install` or `helm upgrade` with values.
    fn put(&self, helm: &Helm, command: &str, values: &str) {
        let folder = TempDir::new("values");
        let file = folder.file("values.yaml", &self.values(values));
        let (chart, file) = (self.chart.display().to_string(), file.display().to_string());
        helm.say(self.cluster.kubeconfig(), &[command, "rolecall", &chart, "-n", "rolecall", "-f", &file]);
    }

    fn helm(&self, helm: &Helm, arguments: &[&str]) {
        helm.say(self.cluster.kubeconfig(), &[arguments, &["-n", "rolecall"]].concat());
    }

    /// A replica: the program, with what the Deployment and the ConfigMap in the cluster say.
    fn replica(&self, folder: &Path) -> Server {
        let deployment = self.cluster.get(&["deployment", "rolecall", "-n", "rolecall"]);
        let config = self.cluster.get(&["configmap", "rolecall", "-n", "rolecall"]);
        std::fs::write(folder.join("rolecall.yaml"), config["data"]["rolecall.yaml"].as_str().unwrap()).unwrap();
        let account = deployment["spec"]["template"]["spec"]["serviceAccountName"].as_str().unwrap();
        let kubeconfig = self.cluster.as_service_account("rolecall", account);
        let arguments: Vec<String> = arguments_of(&deployment)
            .iter()
            // The first is the subcommand, and the port is given by the caller: on this machine alone.
            .filter(|argument| *argument != "serve" && !argument.starts_with("--listen="))
            .map(|argument| argument.replace("/etc/rolecall/", &format!("{}/", folder.display())))
            .collect();
        let source = arguments.iter().find_map(|argument| argument.strip_prefix("--source=")).unwrap().to_owned();
        let others: Vec<&str> =
            arguments.iter().filter(|argument| !argument.starts_with("--source=")).map(String::as_str).collect();
        let environment = [("POD_NAME", "rolecall-0".to_owned()), ("POD_NAMESPACE", "rolecall".to_owned())];
        Server::in_cluster(&kubeconfig, &source, self.port, &others, &environment).ready()
    }

    fn bundles(&self) -> Vec<Value> {
        let registration = self.cluster.get(&["validatingwebhookconfiguration", "rolecall"]);
        let webhooks = registration["webhooks"].as_array().unwrap();
        webhooks.iter().map(|webhook| webhook["clientConfig"]["caBundle"].clone()).collect()
    }

    fn until_trusted(&self) -> Vec<Value> {
        eventually("the caBundle", PATIENCE, || {
            let bundles = self.bundles();
            if bundles.len() == 3 && bundles.iter().all(Value::is_string) { Ok(bundles) } else { Err(String::new()) }
        })
    }

    fn try_pod(&self, namespace: &str) -> Output {
        let probe = pod(namespace, "probe").to_string();
        self.cluster.try_kubectl(&["create", "--dry-run=server", "-f", "-"], &probe)
    }

    /// The deletions and creations by the administrator since a line of the audit log: verb, resource, name.
    fn changes_since(&self, line: usize) -> Vec<(String, String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let by_admin = |event: &&Value| event["user"]["username"] == "admin" && event["verb"] != "patch";
        let audit = self.cluster.audit();
        let of = |event: &Value| {
            let object = &event["objectRef"];
            (text(&event["verb"]), text(&object["resource"]), text(&object["name"]))
        };
        audit.iter().skip(line).filter(by_admin).map(of).collect()
    }

    /// What of the release exists, by its labels.
    fn left(&self) -> String {
        let kinds = "deployments,replicasets,services,serviceaccounts,configmaps,poddisruptionbudgets,roles,rolebindings,clusterroles,\
                     clusterrolebindings,validatingwebhookconfigurations,validatingadmissionpolicies,\
                     validatingadmissionpolicybindings,networkpolicies,cronjobs";
        let label = "app.kubernetes.io/instance=rolecall";
        self.cluster.kubectl(&["get", kinds, "-A", "-l", label, "-o", "name", "--ignore-not-found"]).0
    }
}

fn denied(output: &Output) -> bool {
    texts(output).1.contains("denied the request")
}

/// One story for each Helm, since each step begins where the one before ends.
fn lives(release: &Release, helm: &Helm) {
    let cluster = &release.cluster;
    release.put(helm, "install", "");
    eventually("pods that pass the restricted level", PATIENCE, || {
        let pods = cluster.get(&["pods", "-n", "rolecall", "-l", "app.kubernetes.io/name=rolecall"]);
        if pods["items"].as_array().unwrap().len() == 2 { Ok(()) } else { Err(pods.to_string()) }
    });
    let folder = TempDir::new("replica");
    let replica = release.replica(&folder.0);
    let trusted = release.until_trusted();
    cluster.until_denied("broken");
    cluster.until_denied("closed");

    // An upgrade and a rollback leave the caBundle alone, which is rolecall's.
    release.put(helm, "upgrade", "config: {enforce: 'off', warn: chain, audit: strict}\nbackstop: {enabled: true}\n");
    assert_eq!(release.bundles(), trusted);
    assert!(denied(&release.try_pod("broken")));
    cluster.kubectl(&["get", "validatingadmissionpolicy", "rolecall-static"]);
    eventually("another configuration is another pod", PATIENCE, || {
        let sets = cluster.get(&["replicasets", "-n", "rolecall", "-l", "app.kubernetes.io/name=rolecall"]);
        if sets["items"].as_array().unwrap().len() == 2 { Ok(()) } else { Err(sets.to_string()) }
    });
    release.helm(helm, &["rollback", "rolecall", "1"]);
    assert_eq!(release.bundles(), trusted);
    assert!(denied(&release.try_pod("broken")));
    let gone = cluster.try_kubectl(&["get", "validatingadmissionpolicy", "rolecall-static"], "");
    assert!(!gone.status.success(), "what the upgrade brought goes");

    // Every replica is dead: namespaces go by their policy, and Helm is not held up.
    drop(replica);
    let closed = release.try_pod("closed");
    assert!(texts(&closed).1.contains("failed calling webhook \"fail-closed.rolecall.dev\""), "{:?}", texts(&closed));
    assert!(release.try_pod("broken").status.success(), "Ignore");
    release.put(helm, "upgrade", "mode: warn\n");
    release.helm(helm, &["rollback", "rolecall"]);
    let before = cluster.audit().len();
    release.helm(helm, &["uninstall", "rolecall", "--wait", "--timeout=60s"]);
    let changes = release.changes_since(before);
    let registration = "validatingwebhookconfigurations";
    assert_eq!(changes[0], ("delete".to_owned(), registration.to_owned(), "rolecall".to_owned()), "{changes:?}");
    let others = changes.iter().position(|(verb, resource, _)| verb == "delete" && resource != registration).unwrap();
    let refilled =
        changes.iter().skip(1).take(others).filter(|(verb, resource, _)| verb == "create" && resource == registration);
    // The hook for Helm 3 puts an empty one in its place.
    assert_eq!(refilled.count(), usize::from(helm.major == 3), "{changes:?}");
    assert!(release.try_pod("closed").status.success(), "what refused pods is gone");
    assert_eq!(release.left(), "");

    // docs/install.md says what stays: what rolecall itself wrote.
    let secrets = cluster.kubectl(&["get", "secrets", "-n", "rolecall", "-o", "name"]).0;
    assert_eq!(secrets.trim(), "secret/rolecall-ca");
}

#[test]
fn each_helm_installs_upgrades_rolls_back_and_uninstalls() {
    let release = std::thread::scope(|scope| {
        // Both are built for minutes where they are not there.
        let helm = scope.spawn(|| Helm::new(4).major);
        let release = Release::new(Cluster::start());
        assert_eq!(helm.join().unwrap(), 4);
        release
    });
    release.cluster.namespace("broken", &json!({"rolecall.dev/enforce": "chain"}), Some(ROLE));
    let labels = json!({"rolecall.dev/enforce": "chain", "rolecall.dev/on-outage": "deny"});
    release.cluster.namespace("closed", &labels, Some(ROLE));
    for helm in Helm::both() {
        lives(&release, &helm);
    }
}

/// The registration goes where nothing else of an uninstall can: a hook that fails, or that an option of Helm leaves out.
#[test]
fn nothing_of_an_uninstall_needs_a_pod() {
    let [helm3, helm4] = Helm::both();
    let release = Release::new(Cluster::start());
    let labels = json!({"rolecall.dev/enforce": "chain", "rolecall.dev/on-outage": "deny"});
    release.cluster.namespace("closed", &labels, Some(ROLE));
    for helm in [&helm3, &helm4] {
        release.put(helm, "install", "");
        eventually("it refuses", PATIENCE, || {
            let output = release.try_pod("closed");
            if output.status.success() { Err("admitted".to_owned()) } else { Ok(()) }
        });
        release.helm(helm, &["uninstall", "rolecall", "--no-hooks", "--wait", "--timeout=60s"]);
        eventually("it refuses no longer", Duration::from_secs(5), || {
            let output = release.try_pod("closed");
            if output.status.success() { Ok(()) } else { Err(texts(&output).1) }
        });
        assert_eq!(release.left(), "");
    }
}

/// The commands of docs/install.md, in their order: from the installation to the first warning, to enforcement, and to the end.
#[test]
fn the_page_says_what_works() {
    let release = Release::new(Cluster::start());
    let page = std::fs::read_to_string(common::root().join("docs/install.md")).unwrap();
    let blocks = tested_blocks(&page);
    let [install, first_warning, enforce, upgrade, uninstall, plain] = blocks.as_slice() else {
        panic!("other blocks are marked as tested: {blocks:#?}")
    };
    let shell = Shell::new(&release);

    shell.run(install);
    let folder = TempDir::new("replica");
    let replica = release.replica(&folder.0);
    release.until_trusted();
    eventually("the first warning", PATIENCE, || {
        // The API server takes a moment to use a registration, so the block runs again.
        let create = "kubectl create serviceaccount first -n default";
        let said = shell.run(&first_warning.replace(create, &format!("{create} || true")));
        let expected =
            "Warning: rolecall: service account default/first cannot assume role does-not-exist, or it does not exist";
        if said.contains(expected) { Ok(()) } else { Err(said) }
    });
    release.cluster.namespace("shop", &json!({}), Some(ROLE));
    assert!(shell.run(enforce).contains("namespace/shop labeled"));
    release.cluster.kubectl(&["get", "validatingadmissionpolicy", "rolecall-static"]);
    release.cluster.until_denied("shop");
    shell.run(upgrade);
    drop(replica);
    shell.run(uninstall);
    assert_eq!(release.left(), "");
    assert!(release.try_pod("shop").status.success());

    shell.run(plain);
    release.cluster.kubectl(&["get", "deployment", "rolecall", "-n", "rolecall"]);
}

/// The shell blocks of a page whose paragraph before is marked as tested.
fn tested_blocks(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once("```sh\n") {
        let (block, after) = after.split_once("```").unwrap();
        let paragraph = before.trim_end().rsplit("\n\n").next().unwrap();
        if paragraph.contains("(**tested**)") {
            blocks.push(block.to_owned());
        }
        rest = after;
    }
    blocks
}

/// A shell in which `kubectl` and `helm` lead to the cluster, and the chart is the one for loopback.
struct Shell {
    folder: TempDir,
    kubeconfig: String,
    values: String,
    chart: String,
}

impl Shell {
    fn new(release: &Release) -> Self {
        let folder = TempDir::new("shell");
        let script = |name: &str, text: &str| {
            use std::os::unix::fs::PermissionsExt;
            let path = folder.file(name, text);
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        let values = folder.file("values.yaml", &release.values(""));
        script("kubectl", &format!("#!/bin/sh\nexec {} kubectl \"$@\"\n", release.cluster.fact("program")));
        script("helm", &format!("#!/bin/sh\nexec {} \"$@\"\n", Helm::new(4).program().display()));
        let (kubeconfig, chart) = (release.cluster.kubeconfig().to_owned(), release.chart.display().to_string());
        Self { kubeconfig, values: values.display().to_string(), chart, folder }
    }

    /// Runs a block; all that it prints.
    fn run(&self, block: &str) -> String {
        // The page's cluster is on EKS; this one has a snapshot and a port of this machine.
        let block = block
            .replace("deploy/chart", &format!("{} --values {}", self.chart, self.values))
            // The namespace stays for the next block.
            .replace("kubectl delete namespace rolecall\n", "");
        let path = format!("{}:{}", self.folder.0.display(), std::env::var("PATH").unwrap());
        let output = std::process::Command::new("bash")
            .args(["-euc", &format!("exec 2>&1\n{block}")])
            .env("PATH", path)
            .env("HOME", &self.folder.0)
            .env("KUBECONFIG", &self.kubeconfig)
            .current_dir(common::root())
            .output()
            .unwrap();
        let said = texts(&output).0;
        assert!(output.status.success(), "{block}\n{said}");
        said
    }
}
