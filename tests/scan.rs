//! `rolecall scan` over a real API server: pods come from real controllers, and are injected by a stand-in of AWS's injector.

#![cfg(feature = "kube")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

#[cfg(feature = "aws")]
#[path = "common/aws.rs"]
mod aws;
mod common;

use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::Duration;

use common::cluster::{Cluster, PATIENCE, eventually, texts};
use common::root;
use serde_json::{Value, json};

/// One for the tests that keep to namespaces of their own; it ends with this process.
fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(Cluster::start)
}

fn wait_for_pods(cluster: &Cluster, namespace: &str, count: usize) {
    eventually(&format!("{count} pods in {namespace}"), PATIENCE, || {
        let pods = cluster.kubectl(&["get", "pods", "-n", namespace, "-o", "name"]).0;
        if pods.lines().count() == count { Ok(()) } else { Err(pods) }
    });
}

fn rolecall(kubeconfig: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rolecall"))
        .arg("scan")
        .args(arguments)
        .env("KUBECONFIG", kubeconfig)
        .current_dir(root())
        .output()
        .unwrap()
}

/// Scans; standard output and the exit code.
fn scan(cluster: &Cluster, arguments: &[&str]) -> (String, i32) {
    let output = rolecall(cluster.kubeconfig(), arguments);
    let (text, error) = texts(&output);
    assert!(error.is_empty(), "rolecall scan {}: {error}", arguments.join(" "));
    (text, output.status.code().unwrap())
}

fn scan_json(cluster: &Cluster, arguments: &[&str]) -> Value {
    let (text, _) = scan(cluster, &[arguments, &["--format", "json"]].concat());
    serde_json::from_str(&text).unwrap()
}

/// Writes a file, and returns its path.
fn file(cluster: &Cluster, name: &str, text: &str) -> String {
    let path = cluster.folder().join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// A user with these rules in a namespace; returns the kubeconfig.
fn user(cluster: &Cluster, name: &str, namespace: &str, rules: &Value) -> String {
    let group = "rbac.authorization.k8s.io";
    let metadata = json!({"name": name, "namespace": namespace});
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": metadata, "rules": rules},
        {"apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": metadata,
         "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
         "subjects": [{"apiGroup": group, "kind": "User", "name": name}]},
    ]});
    cluster.apply(&list.to_string());
    cluster.user(name, &[])
}

const SHOP: &str = "examples/shop/snapshot.json";
const CARTS_ROLE: &str = "arn:aws:iam::111122223333:role/carts-dynamo";

fn pod_template(account: &str, app: &str) -> Value {
    let spec = json!({"serviceAccountName": account, "containers": [{"name": "app", "image": "app"}]});
    json!({"metadata": {"labels": {"app": app}}, "spec": spec})
}

fn workload(kind: &str, name: &str, account: &str, replicas: usize) -> Value {
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name},
           "spec": {"replicas": replicas, "serviceName": name, "selector": {"matchLabels": {"app": name}},
                    "template": pod_template(account, name)}})
}

fn account(name: &str, role: Option<&str>) -> Value {
    let annotations = role.map(|role| json!({"eks.amazonaws.com/role-arn": role}));
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "annotations": annotations}})
}

fn apply_in(cluster: &Cluster, namespace: &str, items: &[Value]) {
    cluster.kubectl(&["create", "namespace", namespace]);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    cluster.kubectl_in(&["apply", "-n", namespace, "--validate=false", "-f", "-"], &list);
}

/// `KIND/NAME RULE COUNT` of each finding.
fn said(report: &Value) -> Vec<String> {
    let one = |finding: &Value| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let resource = &finding["resource"];
        let count = finding["count"].as_u64().map_or("-".to_owned(), |count| count.to_string());
        format!("{}/{} {} {count}", text(&resource["kind"]), text(&resource["name"]), text(&finding["rule"]))
    };
    report["findings"].as_array().unwrap().iter().map(one).collect()
}

#[test]
fn judges_the_sample_as_it_runs() {
    let cluster = shared();
    for manifests in ["cluster.yaml", "deployments.yaml"] {
        cluster.apply(&std::fs::read_to_string(root().join("examples/shop").join(manifests)).unwrap());
    }
    cluster.kubectl(&["scale", "-n", "carts", "deployment/carts", "--replicas=4"]);
    wait_for_pods(cluster, "carts", 5);

    let (text, exit) = scan(cluster, &["--source", SHOP, "-n", "carts"]);
    assert_eq!(exit, 1);
    common::assert_golden("scan-shop.txt", &text);

    let report = scan_json(cluster, &["--source", SHOP, "--namespace", "carts", "--cluster", "shop"]);
    let broken = &report["findings"][0];
    assert_eq!(broken["rule"], "irsa-trust-subject");
    assert_eq!(broken["resource"], json!({"namespace": "carts", "kind": "Deployment", "name": "carts-dev"}));
    assert_eq!(broken.get("count"), None, "one pod");
    let carts = report["workloads"].as_array().unwrap().iter().find(|w| w["resource"]["name"] == "carts").unwrap();
    assert_eq!(
        *carts,
        json!({"resource": {"namespace": "carts", "kind": "Deployment", "name": "carts"}, "container": "carts",
               "count": 4, "serviceAccount": "carts", "identity": "irsa", "role": CARTS_ROLE, "chain": "holds"})
    );
    assert!(report["scannedAt"].is_string() && report["cluster"]["name"] == "shop", "{}", report["cluster"]);
    assert_eq!((&report["summary"]["pods"], &report["summary"]["cluster"]), (&json!(5), &json!("shop")));
    assert_eq!(report["health"]["injector"]["state"], "present");

    // Another cluster's snapshot, a namespace that is not there, and a level that asks for nothing.
    let output = rolecall(cluster.kubeconfig(), &["--source", SHOP, "--cluster", "other"]);
    assert_eq!(output.status.code(), Some(2));
    let output = rolecall(cluster.kubeconfig(), &["-n", "cartz"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("namespace cartz does not exist"));
    assert_eq!(scan(cluster, &["--source", SHOP, "-n", "carts", "--level", "off"]).1, 0);
}

#[test]
fn folds_pods_into_their_owners() {
    let cluster = shared();
    let job = json!({"template": {"metadata": {}, "spec": {"serviceAccountName": "plain", "restartPolicy": "Never",
        "containers": [{"name": "app", "image": "app", "env": [{"name": "AWS_REGION", "value": "us-west-2"}]}]}}});
    let mut deployment = workload("Deployment", "web", "plain", 3);
    deployment["spec"]["template"]["spec"]["containers"][0]["env"] = json!([{"name": "AWS_REGION", "value": "x"}]);
    let mut set = workload("StatefulSet", "db", "plain", 2);
    set["spec"]["podManagementPolicy"] = "Parallel".into();
    let pod = |name: &str, annotations: Value| {
        let mut pod = pod_template("plain", name);
        pod["apiVersion"] = "v1".into();
        pod["kind"] = "Pod".into();
        pod["metadata"] = json!({"name": name, "annotations": annotations});
        pod
    };
    apply_in(
        cluster,
        "owners",
        &[
            account("plain", None),
            deployment,
            set,
            workload("ReplicaSet", "alone", "plain", 1),
            workload("ReplicaSet", "old", "plain", 0),
            json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"},
                   "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": job}}}),
            pod("bare", json!({})),
            pod("finished", json!({})),
        ],
    );
    cluster.kubectl(&["create", "job", "-n", "owners", "--from=cronjob/nightly", "nightly-by-hand"]);
    wait_for_pods(cluster, "owners", 9);
    let finished = r#"{"status": {"phase": "Succeeded"}}"#;
    cluster.kubectl(&["patch", "pod", "-n", "owners", "finished", "--subresource=status", "-p", finished]);

    let report = scan_json(cluster, &["-n", "owners"]);
    let counts: Vec<String> = report["workloads"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| format!("{} {} {}", w["resource"]["kind"], w["resource"]["name"], w["count"]).replace('"', ""))
        .collect();
    assert_eq!(
        counts,
        ["CronJob nightly null", "Deployment web 3", "Pod bare null", "ReplicaSet alone null", "StatefulSet db 2"]
    );
    // Without associations nothing is sure of a template, but a pod that runs has no identity.
    assert_eq!(said(&report), ["CronJob/nightly node-role-fallback -", "Deployment/web node-role-fallback 3"]);
    let notes = report["summary"]["notes"].to_string();
    assert!(notes.contains("no --source"), "{notes}");
}

#[test]
fn tells_pods_that_predate_their_identity() {
    let cluster = shared();
    let items = [
        account("managed", None),
        workload("Deployment", "early", "managed", 3),
        workload("Deployment", "carts", "carts", 2),
    ];
    apply_in(cluster, "late", &items);
    cluster.kubectl(&["create", "serviceaccount", "-n", "late", "carts"]);
    wait_for_pods(cluster, "late", 5);
    std::thread::sleep(Duration::from_millis(1_100));
    // Server-side apply tells when; an annotation that was put on by hand does not.
    let managed = account("managed", Some(CARTS_ROLE)).to_string();
    cluster.kubectl_in(&["apply", "-n", "late", "--server-side", "--force-conflicts", "-f", "-"], &managed);
    let annotation = format!("eks.amazonaws.com/role-arn={CARTS_ROLE}");
    cluster.kubectl(&["annotate", "serviceaccount", "-n", "late", "carts", &annotation]);

    let mut snapshot: Value = serde_json::from_str(&std::fs::read_to_string(root().join(SHOP)).unwrap()).unwrap();
    let mut trust = snapshot["accounts"]["111122223333"]["roles"][0]["AssumeRolePolicyDocument"].to_string();
    trust = trust.replace("system:serviceaccount:carts:carts\"", "system:serviceaccount:late:managed\"");
    trust = trust.replace("system:serviceaccount:carts:carts-uninjected\"", "system:serviceaccount:late:carts\"");
    snapshot["accounts"]["111122223333"]["roles"][0]["AssumeRolePolicyDocument"] =
        serde_json::from_str(&trust).unwrap();
    let path = file(cluster, "late.json", &snapshot.to_string());
    let source = path.as_str();

    let scan = || scan_json(cluster, &["--source", source, "-n", "late"]);
    let report = scan();
    assert_eq!(said(&report), ["Deployment/carts injection-missing 2", "Deployment/early pods-predate-identity 3"]);
    let fixes: Vec<&str> =
        report["findings"].as_array().unwrap().iter().map(|f| f["fixes"]["cli"].as_str().unwrap()).collect();
    assert!(
        fixes[0].starts_with("kubectl rollout restart -n late deployment/carts\nkubectl get mutating"),
        "{fixes:?}"
    );
    assert_eq!(fixes[1], "kubectl rollout restart -n late deployment/early");
    // The template will be right, and the pods are not.
    let early: Vec<&Value> =
        report["workloads"].as_array().unwrap().iter().filter(|w| w["resource"]["name"] == "early").collect();
    let states: Vec<(&str, u64)> =
        early.iter().map(|w| (w["identity"].as_str().unwrap(), w["count"].as_u64().unwrap())).collect();
    assert_eq!(states, [("irsa", 0), ("node", 3)]);

    // What the fix says fixes it.
    for fix in ["deployment/carts", "deployment/early"] {
        cluster.kubectl(&["rollout", "restart", "-n", "late", fix]);
    }
    let ready = r#"{"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}"#;
    eventually("the new pods", PATIENCE, || {
        for pod in cluster.kubectl(&["get", "pods", "-n", "late", "-o", "name"]).0.lines() {
            // It may be gone by now.
            let pod = pod.trim_start_matches("pod/");
            cluster.try_kubectl(&["patch", "pod", "-n", "late", pod, "--subresource=status", "-p", ready], "");
        }
        let said = said(&scan());
        if said.is_empty() { Ok(()) } else { Err(said.join("; ")) }
    });
}

#[test]
fn says_which_right_is_missing() {
    let cluster = shared();
    let mut deployment = workload("Deployment", "web", "plain", 1);
    deployment["spec"]["template"]["spec"]["containers"][0]["env"] = json!([{"name": "AWS_REGION", "value": "x"}]);
    apply_in(cluster, "team", &[account("plain", None), deployment]);
    wait_for_pods(cluster, "team", 1);

    let rules = json!([
        {"apiGroups": [""], "resources": ["serviceaccounts", "pods"], "verbs": ["list"]},
        {"apiGroups": ["apps"], "resources": ["deployments", "replicasets"], "verbs": ["list"]},
    ]);
    let someone = user(cluster, "someone", "team", &rules);
    // All namespaces: nothing may be read.
    let output = rolecall(&someone, &[]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    for said in ["neither workloads nor pods may be read", "grant the verb `list` on `deployments.apps`", "--namespace"]
    {
        assert!(error.contains(said), "{said}: {error}");
    }
    // Its own: what may be read is checked, and what may not is reported.
    let output = rolecall(&someone, &["-n", "team", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said(&report), ["Deployment/web node-role-fallback -"]);
    let notes = report["summary"]["notes"].to_string();
    for said in [
        "namespace team itself",
        "grant the verb `list` on `cronjobs.batch`",
        "statefulsets in namespace team",
        "grant the verb `get` on `mutatingwebhookconfigurations.admissionregistration.k8s.io`",
    ] {
        assert!(notes.contains(said), "{said}: {notes}");
    }
    assert!(!notes.contains("`list` on `deployments"), "{notes}");
    assert_eq!(report["health"]["agent"]["state"], "unknown");
}

#[test]
fn goes_to_the_context_that_is_named() {
    let cluster = shared();
    let kubeconfig = std::fs::read_to_string(cluster.kubeconfig()).unwrap();
    let current = kubeconfig.lines().find_map(|line| line.strip_prefix("current-context: ")).unwrap().trim_matches('"');
    let astray = kubeconfig.replace(&format!("current-context: {current}"), "current-context: nowhere");
    let path = file(cluster, "astray.kubeconfig", &astray);
    assert_eq!(rolecall(&path, &["-n", "kube-system"]).status.code(), Some(2));
    let output = rolecall(&path, &["-n", "kube-system", "--context", current]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let output = rolecall(&path, &["--context", "elsewhere"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(error.contains("elsewhere") && error.contains(current), "{error}");
    // Nobody listens.
    let server = kubeconfig.lines().find_map(|line| line.trim().strip_prefix("server: ")).unwrap();
    let path = file(cluster, "dead.kubeconfig", &kubeconfig.replace(server, "https://127.0.0.1:9"));
    let output = rolecall(&path, &[]);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_page_after_page() {
    use futures_util::StreamExt;
    const ACCOUNTS: usize = 1_200;
    let cluster = shared();
    cluster.kubectl(&["create", "namespace", "many"]);
    rolecall_certs::install_crypto_provider();
    let kubeconfig = kube::config::Kubeconfig::read_from(cluster.kubeconfig()).unwrap();
    let client = kube::Client::try_from(kubeconfig).unwrap();
    let accounts: kube::Api<k8s_openapi::api::core::v1::ServiceAccount> = kube::Api::namespaced(client, "many");
    let create = |number: usize| {
        let account = account(&format!("account-{number:04}"), Some("arn:aws:iam::111122223333:role/nobody"));
        let (accounts, account) = (accounts.clone(), serde_json::from_value(account).unwrap());
        async move { accounts.create(&kube::api::PostParams::default(), &account).await.unwrap() }
    };
    futures_util::stream::iter(0..ACCOUNTS).map(create).buffer_unordered(50).collect::<Vec<_>>().await;

    let report = scan_json(cluster, &["--source", SHOP, "-n", "many"]);
    let missing = said(&report);
    assert_eq!(missing.len(), ACCOUNTS);
    assert_eq!(missing[0], "ServiceAccount/account-0000 role-missing -");
    assert_eq!(missing[ACCOUNTS - 1], "ServiceAccount/account-1199 role-missing -");
    assert_eq!(report["orphans"].as_array().unwrap().len(), ACCOUNTS);
}

fn health(cluster: &Cluster) -> Value {
    scan_json(cluster, &["--source", SHOP])["health"].clone()
}

/// What concerns the cluster as a whole, in one that is this test's own.
#[test]
fn tells_orphans_and_how_agent_and_injector_are() {
    let cluster = Cluster::start();
    let mut snapshot: Value = serde_json::from_str(&std::fs::read_to_string(root().join(SHOP)).unwrap()).unwrap();
    let association = |namespace: &str, account: &str| {
        json!({"clusterName": "shop", "namespace": namespace, "serviceAccount": account, "associationId": "a-1",
               "roleArn": "arn:aws:iam::111122223333:role/carts-pod-identity", "createdAt": "2026-01-10T09:00:00Z"})
    };
    snapshot["podIdentityAssociations"] =
        json!([association("shop", "cartz"), association("shpo", "carts"), association("shop", "idle")]);
    let node = snapshot["accounts"]["111122223333"]["roles"].as_array_mut().unwrap().last_mut().unwrap();
    assert_eq!(node["RoleName"], "shop-managed-ondemand");
    node["RolePolicyList"] = json!([]);
    node["AttachedManagedPolicies"] = json!([]);
    snapshot["accounts"]["111122223333"]["policies"] = json!([]);
    let source = file(&cluster, "orphans.json", &snapshot.to_string());
    apply_in(
        &cluster,
        "shop",
        &[
            account("carts", None),
            account("idle", None),
            account("left", Some(CARTS_ROLE)),
            workload("Deployment", "web", "carts", 1),
        ],
    );
    wait_for_pods(&cluster, "shop", 1);

    let report = scan_json(&cluster, &["--source", &source]);
    let orphans: Vec<String> = report["orphans"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| format!("{}/{} {} {}", o["resource"]["namespace"], o["resource"]["name"], o["identity"], o["reason"]))
        .map(|orphan| orphan.replace('"', ""))
        .collect();
    assert_eq!(
        orphans,
        [
            "shop/cartz pod-identity service-account-missing",
            "shop/idle pod-identity unused",
            "shop/left irsa unused",
            "shpo/carts pod-identity namespace-missing",
        ]
    );
    assert_eq!(
        said(&report),
        [
            "DaemonSet/eks-pod-identity-agent node-role-agent -",
            "DaemonSet/eks-pod-identity-agent pod-identity-agent-missing -",
            "ServiceAccount/cartz association-orphaned -",
            "ServiceAccount/left irsa-trust-subject -",
            "ServiceAccount/carts association-orphaned -",
        ]
    );
    let hints: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|f| f["rule"] == "association-orphaned")
        .map(|f| f["hint"].as_str().unwrap())
        .collect();
    assert_eq!(hints, ["shop/carts exists and may be meant", "shop/carts exists and may be meant"]);
    let text = scan(&cluster, &["--source", &source]).0;
    for line in [
        "Identities that no workload and no pod uses\n  ServiceAccount shop/idle: arn:aws:iam::111122223333:role/carts-pod-identity, by association\n",
        "  agent     no DaemonSet kube-system/eks-pod-identity-agent\n",
        "pod-identity-webhook: iam-for-pods.amazonaws.com, failurePolicy Ignore, all namespaces, pods with !eks.",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    // Of the namespaces that are named, and of these only.
    let report = scan_json(&cluster, &["--source", &source, "-n", "kube-system", "-n", "default"]);
    assert_eq!(report["orphans"], json!([]));

    // The agent is there, on two of three nodes; then on none.
    let agent = workload("DaemonSet", "eks-pod-identity-agent", "default", 1);
    let agent = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": agent["metadata"],
        "spec": {"selector": agent["spec"]["selector"], "template": agent["spec"]["template"]}});
    cluster.kubectl_in(&["apply", "-n", "kube-system", "-f", "-"], &agent.to_string());
    assert_eq!(health(&cluster)["agent"]["state"], "no-nodes");
    let set_ready = |ready: u8| {
        let status = json!({"status": {"desiredNumberScheduled": 3, "currentNumberScheduled": 3, "numberMisscheduled": 0,
            "numberReady": ready}});
        let patch = [
            "patch",
            "daemonset",
            "-n",
            "kube-system",
            "eks-pod-identity-agent",
            "--subresource=status",
            "--type=merge",
            "-p",
        ];
        cluster.kubectl(&[&patch[..], &[&status.to_string()]].concat());
    };
    set_ready(2);
    let text = scan(&cluster, &["--source", &source]).0;
    assert!(text.contains("ready on 2 of 3 nodes; on the others"), "{text}");
    assert!(!text.contains("pod-identity-agent-missing"), "{text}");
    set_ready(0);
    let text = scan(&cluster, &["--source", &source]).0;
    assert!(text.contains("none of the Pod Identity agent's pods is ready"), "{text}");

    // Nobody injects any more.
    cluster.kubectl(&["delete", "mutatingwebhookconfiguration", "pod-identity-webhook"]);
    let report = scan_json(&cluster, &["--source", &source]);
    assert_eq!(report["health"]["injector"]["state"], "missing");
    let first = &report["findings"][0];
    assert_eq!(
        (&first["rule"], &first["resource"]["kind"]),
        (&json!("injector-missing"), &json!("MutatingWebhookConfiguration"))
    );
    assert_eq!(
        first["message"],
        "new pods of 2 service accounts with an AWS identity will get no credentials: the injector is not registered"
    );
}

/// Before a level is raised: what new pods would be denied, and what running pods alone have does not count.
#[test]
fn tells_what_a_raised_level_would_deny() {
    let cluster = shared();
    let right = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";
    let gone = "arn:aws:iam::111122223333:role/gone";
    apply_in(
        cluster,
        "raise",
        &[
            account("broken", Some(gone)),
            account("plain", None),
            workload("Deployment", "broken", "broken", 2),
            workload("Deployment", "plain", "plain", 1),
        ],
    );
    wait_for_pods(cluster, "raise", 3);
    let snapshot = root().join("tests/cases/base.json").display().to_string();
    let ask = |namespace: &str, level: &str| {
        let arguments = ["-n", namespace, "--source", &snapshot, "--would-deny", "--level", level];
        let (text, exit) = scan(cluster, &arguments);
        (text, exit, scan_json(cluster, &arguments)["wouldDeny"].clone())
    };
    let (text, exit, denials) = ask("raise", "chain");
    assert_eq!(exit, 1, "{text}");
    assert_eq!(
        denials,
        json!([{"namespace": "raise", "pods": 2, "rules": ["role-missing"],
                "owners": [{"kind": "Deployment", "name": "broken", "pods": 2, "rules": ["role-missing"]}]}])
    );
    assert!(text.contains("Deployment broken (2 pods): role-missing"), "{text}");
    // Nothing is denied for want of an identity below `strict`.
    let (_, exit, denials) = ask("raise", "strict");
    assert_eq!((exit, denials[0]["pods"].clone()), (1, json!(3)));
    // A pod that was created before its role annotation is right once it is created again.
    apply_in(cluster, "predates", &[account("late", None), workload("Deployment", "late", "late", 1)]);
    wait_for_pods(cluster, "predates", 1);
    let trusting = format!("eks.amazonaws.com/role-arn={right}");
    cluster.kubectl(&["annotate", "serviceaccount", "-n", "predates", "late", &trusting]);
    let mut snapshot_of = common::json_file("cases/base.json");
    let text =
        snapshot_of.to_string().replace("system:serviceaccount:carts:carts\"", "system:serviceaccount:predates:late\"");
    snapshot_of = serde_json::from_str(&text).unwrap();
    let path = file(cluster, "predates.json", &snapshot_of.to_string());
    let (text, exit) = scan(cluster, &["-n", "predates", "--source", &path, "--would-deny", "--level", "chain"]);
    assert_eq!((text.as_str(), exit), ("No running workload would be denied at level chain.\n", 0));
}

fn reports(cluster: &Cluster, arguments: &[&str]) -> String {
    let (text, exit) = scan(cluster, &[&["--reports", "openreports"], arguments].concat());
    assert_eq!(exit, 0, "{text}");
    text.lines().last().unwrap().split("reports: ").last().unwrap().to_owned()
}

#[test]
fn writes_reports_and_leaves_them_where_nothing_changed() {
    let cluster = Cluster::start();
    for manifests in ["cluster.yaml", "deployments.yaml"] {
        cluster.apply(&std::fs::read_to_string(root().join("examples/shop").join(manifests)).unwrap());
    }
    wait_for_pods(&cluster, "carts", 2);
    let output = rolecall(cluster.kubeconfig(), &["--source", SHOP, "--reports", "openreports"]);
    let error = texts(&output).1;
    assert_eq!(output.status.code(), Some(2));
    assert!(error.contains("no reports of openreports.io/v1alpha1: install the CustomResourceDefinitions"), "{error}");

    for kinds in ["openreports.yaml", "wgpolicyk8s.yaml"] {
        cluster.apply(&common::text(&format!("fixtures/scan/{kinds}")));
    }
    cluster.kubectl(&["wait", "--for=condition=established", "customresourcedefinitions", "--all"]);
    // DaemonSet kube-system/eks-pod-identity-agent is missing, so there are two.
    assert_eq!(reports(&cluster, &["--source", SHOP]), "2 written, 0 unchanged, 0 deleted");
    let get = || cluster.get(&["reports.openreports.io", "-n", "carts", "rolecall"]);
    let written = get();
    assert_eq!(written["summary"], json!({"pass": 1, "fail": 5, "warn": 0, "error": 0, "skip": 0}));
    assert_eq!(written["metadata"]["labels"], json!({"app.kubernetes.io/managed-by": "rolecall"}));
    let result = &written["results"][0];
    let said = ["policy", "rule", "result", "severity", "source"].map(|field| result[field].as_str().unwrap());
    assert_eq!(said, ["rolecall", "irsa-trust-subject", "fail", "high", "rolecall"]);
    let reference = json!({"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "carts", "name": "carts-dev"});
    assert_eq!(result["resources"], json!([reference]));
    assert!(
        result["properties"]["fix"]
            .as_str()
            .unwrap()
            .starts_with("grants access: allow subject system:serviceaccount:carts:")
    );

    // Again: nothing is written, and what was found keeps its time.
    assert_eq!(reports(&cluster, &["--source", SHOP]), "0 written, 2 unchanged, 0 deleted");
    assert_eq!(get()["metadata"]["resourceVersion"], written["metadata"]["resourceVersion"]);
    std::thread::sleep(Duration::from_millis(1_100));
    cluster.kubectl(&["delete", "serviceaccount", "-n", "carts", "carts-ecs"]);
    assert_eq!(reports(&cluster, &["--source", SHOP]), "1 written, 1 unchanged, 0 deleted");
    let rewritten = get();
    assert_eq!(rewritten["results"][0], written["results"][0]);
    assert_eq!(rewritten["summary"]["fail"], 4);
    let managers =
        cluster.kubectl(&["get", "reports.openreports.io", "-n", "carts", "-o", "yaml", "--show-managed-fields"]).0;
    assert!(managers.contains("manager: rolecall-scan") && managers.contains("operation: Apply"), "{managers}");

    // Bounded: the results are, their sums are not.
    let config = file(&cluster, "config.yaml", "reports: {maxResults: 2}\n");
    assert_eq!(
        reports(&cluster, &["--source", SHOP, "--config", &config, "-n", "carts"]),
        "1 written, 0 unchanged, 0 deleted"
    );
    let capped = get();
    assert_eq!((capped["results"].as_array().unwrap().len(), &capped["summary"]["fail"]), (2, &json!(4)));
    assert_eq!(capped["results"][1]["properties"]["capped"], "2 of 4 results are here; rolecall scan prints all");

    // What concerns no namespace that is there has a report of the cluster's.
    cluster.kubectl(&["delete", "mutatingwebhookconfiguration", "pod-identity-webhook"]);
    assert_eq!(reports(&cluster, &["--source", SHOP]), "2 written, 1 unchanged, 0 deleted");
    let whole = cluster.get(&["clusterreports", "rolecall"]);
    assert_eq!(whole["results"][0]["rule"], "injector-missing");

    // Where nothing is left to say, a report goes; another's stays.
    let other = json!({"apiVersion": "openreports.io/v1alpha1", "kind": "Report", "metadata": {"name": "theirs",
        "namespace": "carts", "labels": {"app.kubernetes.io/managed-by": "rolecall"}}, "results": []});
    cluster.apply(&other.to_string());
    assert_eq!(reports(&cluster, &["--source", SHOP, "--level", "off"]), "0 written, 0 unchanged, 3 deleted");
    let left = cluster.kubectl(&["get", "reports.openreports.io,clusterreports", "-A", "-o", "name"]).0;
    assert_eq!(left.trim(), "report.openreports.io/theirs");

    // The other dialect.
    let (text, _) = scan(&cluster, &["--source", SHOP, "--reports", "wgpolicyk8s"]);
    assert!(text.contains("3 written"), "{text}");
    let report = cluster.get(&["policyreports", "-n", "carts", "rolecall"]);
    assert_eq!((&report["summary"]["fail"], &report["results"][0]["source"]), (&json!(4), &json!("rolecall")));

    says_which_right_reports_need(&cluster);
    makes_do_with_the_rights_of_the_manifest(&cluster);
    keeps_writing(&cluster);
}

/// `--every` writes again by itself, outlives an API server that goes away, and ends on SIGTERM.
fn keeps_writing(cluster: &Cluster) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rolecall"))
        .args(["scan", "--source", SHOP, "--reports", "openreports", "--every", "1s"])
        .env("KUBECONFIG", cluster.kubeconfig())
        .current_dir(root())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let is_there = |there: bool| {
        eventually("a report", PATIENCE, || {
            let found = cluster.try_kubectl(&["get", "reports.openreports.io", "-n", "carts", "rolecall"], "");
            if found.status.success() == there { Ok(()) } else { Err(texts(&found).1) }
        });
    };
    is_there(true);
    cluster.kubectl(&["delete", "reports.openreports.io", "-n", "carts", "rolecall"]);
    is_there(true);
    cluster.part("apiserver", "restart");
    cluster.kubectl(&["delete", "reports.openreports.io", "-n", "carts", "rolecall"]);
    is_there(true);
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// As the service account of `deploy/manifests/scan-cronjob.yaml`: all is read, written and deleted.
fn makes_do_with_the_rights_of_the_manifest(cluster: &Cluster) {
    for file in ["namespace.yaml", "scan-cronjob.yaml"] {
        cluster.apply(&common::cluster::manifest(file));
    }
    let its = cluster.as_service_account("rolecall", "rolecall-scan");
    for (level, said) in
        [("fallback", "3 written, 0 unchanged, 0 deleted"), ("off", "0 written, 0 unchanged, 3 deleted")]
    {
        let output = rolecall(&its, &["--source", SHOP, "--level", level, "--reports", "openreports"]);
        let (text, error) = texts(&output);
        assert_eq!((output.status.code(), error.as_str()), (Some(0), ""));
        assert!(!text.contains("note: not read") && text.contains(said), "{text}");
    }
}

fn says_which_right_reports_need(cluster: &Cluster) {
    let rules = json!([{"apiGroups": ["", "apps", "batch"], "resources": ["*"], "verbs": ["get", "list"]}]);
    let reader = user(cluster, "reader", "carts", &rules);
    let output = rolecall(&reader, &["--source", SHOP, "-n", "carts", "--reports", "openreports"]);
    let error = texts(&output).1;
    assert_eq!(output.status.code(), Some(2));
    assert!(error.contains("grant the verb `get` on `reports.openreports.io`"), "{error}");
}

/// Over live AWS, the roles that service accounts and workloads of the cluster name are read, and no others.
#[cfg(feature = "aws")]
#[tokio::test(flavor = "multi_thread")]
async fn reads_from_aws_the_roles_that_the_cluster_names() {
    let cluster = shared();
    let ground = aws::Ground::furnished("scan").await;
    cluster.kubectl(&["create", "namespace", "shop"]);
    cluster.apply(aws::MANIFESTS);
    wait_for_pods(cluster, "shop", 2);

    let config = ground.config("");
    let arguments = ["--source", "aws", "--cluster", "shop", "--config", &config, "-n", "shop", "--format", "json"];
    let mut scan = ground.command(&[&["scan"], arguments.as_slice()].concat());
    let output = scan.env("KUBECONFIG", cluster.kubeconfig()).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", aws::stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        said(&report),
        [
            "Deployment/gone role-missing -",
            "ServiceAccount/far role-account-unseen -",
            "ServiceAccount/gone role-missing -",
        ]
    );
    let orders = report["workloads"].as_array().unwrap().iter().find(|w| w["resource"]["name"] == "orders").unwrap();
    assert_eq!((&orders["identity"], &orders["chain"]), (&json!("irsa"), &json!("holds")));
    assert_eq!(report["summary"]["cluster"], "shop");
    assert_eq!(ground.proxy.count("iam:GetAccountAuthorizationDetails"), 0);
    assert_eq!(ground.proxy.count("iam:ListRoles"), 1, "for the roles that name a service account");

    let mut scan = ground.command(&["scan", "--source", "aws"]);
    let output = scan.env("KUBECONFIG", cluster.kubeconfig()).output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(aws::stderr(&output).contains("--source aws: needs --cluster NAME"), "{}", aws::stderr(&output));
}

/// A CustomResourceDefinition without a schema.
fn custom_kind(group: &str, kind: &str, plural: &str, scope: &str) -> Value {
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
           "metadata": {"name": format!("{plural}.{group}")},
           "spec": {"group": group, "scope": scope, "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
                    "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]}})
}

fn secret_store(kind: &str, name: &str, account: &Value) -> Value {
    json!({"apiVersion": "external-secrets.io/v1", "kind": kind, "metadata": {"name": name},
           "spec": {"provider": {"aws": {"service": "SecretsManager", "auth": {"jwt": {"serviceAccountRef": account}}}}}})
}

#[test]
fn checks_the_identities_that_custom_resources_name() {
    let cluster = Cluster::start();
    let group = "external-secrets.io";
    cluster.apply(&custom_kind(group, "SecretStore", "secretstores", "Namespaced").to_string());
    cluster.apply(&custom_kind(group, "ClusterSecretStore", "clustersecretstores", "Cluster").to_string());
    // Most of the kinds are not in the cluster, and of cert-manager only another kind is.
    cluster.apply(&custom_kind("cert-manager.io", "Certificate", "certificates", "Namespaced").to_string());
    let accounts = ["carts-dev", "anywhere", "unused"].map(|name| account(name, Some(CARTS_ROLE)));
    let accounts = accounts.into_iter().chain([account("plain", None), account("carts", Some(CARTS_ROLE))]);
    apply_in(&cluster, "carts", &accounts.collect::<Vec<_>>());
    let stores = [
        secret_store("SecretStore", "healthy", &json!({"name": "carts"})),
        secret_store("SecretStore", "subject", &json!({"name": "carts-dev"})),
        secret_store("SecretStore", "plain", &json!({"name": "plain"})),
        secret_store("SecretStore", "malformed", &json!({"name": 7})),
        secret_store("ClusterSecretStore", "anywhere", &json!({"name": "anywhere"})),
    ];
    for store in stores {
        // The API server serves a new kind a moment later.
        eventually("the kind is served", PATIENCE, || {
            let apply = ["apply", "-n", "carts", "--validate=false", "-f", "-"];
            let output = cluster.try_kubectl(&apply, &store.to_string());
            if output.status.success() { Ok(()) } else { Err(texts(&output).1) }
        });
    }
    let report = scan_json(&cluster, &["--source", SHOP, "--level", "strict"]);
    let of_stores: Vec<String> = said(&report).into_iter().filter(|line| line.contains("SecretStore/")).collect();
    assert_eq!(
        of_stores,
        [
            "ClusterSecretStore/anywhere identity-undecided -",
            "SecretStore/plain identity-reference-broken -",
            "SecretStore/subject irsa-trust-subject -",
        ]
    );
    let chains: Vec<String> = report["identities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("{} {}", one["resource"]["name"].as_str().unwrap(), one["chain"].as_str().unwrap()))
        .collect();
    assert_eq!(chains, ["anywhere unknown", "healthy holds", "plain broken", "subject broken"]);
    let notes = report["summary"]["notes"].to_string();
    assert!(
        notes.contains("SecretStore carts/malformed: spec.provider.aws.auth.jwt.serviceAccountRef.name"),
        "{notes}"
    );
    let orphans = report["orphans"].as_array().unwrap();
    let unused = orphans.iter().filter(|orphan| orphan["reason"] == "unused");
    let unused: Vec<&str> = unused.map(|orphan| orphan["resource"]["name"].as_str().unwrap()).collect();
    assert!(unused.contains(&"unused"), "{unused:?}");
    assert!(!["carts", "carts-dev", "anywhere"].iter().any(|name| unused.contains(name)), "{unused:?}");

    // Without the rights all else is read, and a note says what is missing.
    let rules = json!([{"apiGroups": ["", "apps", "batch"], "resources": ["*"], "verbs": ["list", "get"]}]);
    let limited = user(&cluster, "limited", "carts", &rules);
    let output = rolecall(&limited, &["--source", SHOP, "-n", "carts", "--format", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", texts(&output).1));
    let notes = report["summary"]["notes"].to_string();
    assert!(notes.contains("grant the verb `list` on secretstores.external-secrets.io"), "{notes}");
    assert!(report["identities"].is_null());
}

#[test]
fn writes_every_format_and_accepts_what_is_known() {
    let cluster = shared();
    let gone = "arn:aws:iam::111122223333:role/gone";
    apply_in(cluster, "formats", &[account("gone", Some(gone)), workload("Deployment", "gone", "gone", 1)]);
    wait_for_pods(cluster, "formats", 1);
    let base = ["-n", "formats", "--source", SHOP];
    for format in ["text", "json", "sarif", "junit", "github", "markdown", "table", "csv"] {
        let (text, code) = scan(cluster, &[&base[..], &["--format", format]].concat());
        assert!(code == 1 && text.contains("role-missing"), "{format}: {text}");
    }
    let report = scan_json(cluster, &base);
    let schema: Value =
        serde_json::from_str(&std::fs::read_to_string(root().join("schemas/report.json")).unwrap()).unwrap();
    let errors: Vec<String> =
        jsonschema::validator_for(&schema).unwrap().iter_errors(&report).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let none = rolecall(cluster.kubeconfig(), &[&base[..], &["--format", "gitlab"]].concat());
    assert_eq!(none.status.code(), Some(2));
    // Several at once, and a baseline.
    let known = file(cluster, "known.json", "");
    let table = file(cluster, "table.txt", "");
    let written = rolecall(
        cluster.kubeconfig(),
        &[&base[..], &["--write-baseline", &known, "--output", &format!("table={table}")]].concat(),
    );
    let (text, said) = texts(&written);
    assert_eq!((written.status.code(), text.as_str()), (Some(0), ""), "{said}");
    assert!(said.contains("findings written") && std::fs::read_to_string(&table).unwrap().starts_with("NAMESPACE "));
    let (text, code) = scan(cluster, &[&base[..], &["--baseline", &known]].concat());
    assert!(code == 0 && text.contains("in the baseline"), "{text}");
    assert_eq!(scan(cluster, &[&base[..], &["--ignore", "role-missing"]].concat()).1, 0);

    // `check` takes the service accounts of a cluster.
    let pods = |account: &str| {
        let spec = json!({"serviceAccountName": account, "containers": [{"name": "app", "image": "app"}]});
        let pod =
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "formats"}, "spec": spec});
        file(cluster, &format!("{account}.json"), &pod.to_string())
    };
    let (contexts, _) = cluster.kubectl(&["config", "get-contexts", "-o", "name"]);
    let context = contexts.lines().next().unwrap();
    for (account, rule) in [("gone", "role-missing"), ("none", "service-account-missing")] {
        let output = Command::new(env!("CARGO_BIN_EXE_rolecall"))
            .args(["check", &pods(account), "--source", SHOP, "--context", context, "--format", "json"])
            .env("KUBECONFIG", cluster.kubeconfig())
            .current_dir(root())
            .output()
            .unwrap();
        let (text, error) = texts(&output);
        assert_eq!(output.status.code(), Some(1), "{account}: {error}");
        let report: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(report["findings"][0]["rule"], rule, "{report}");
    }
}
