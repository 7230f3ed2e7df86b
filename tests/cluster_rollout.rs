//! Turning on enforcement in a real cluster: what a drain meets, levels by pattern, the pause, and namespaces that refuse what
//! rolecall cannot check. `docs/rollout.md` shows what people see; its output is held by `golden/rollout.txt`.
//!
//! One cluster; the tests come one after another, for one of them stops rolecall.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
#![cfg(feature = "kube")]
mod common;

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use common::Server;
use common::cluster::{Cluster, PATIENCE, deployment, eventually, free_port, pod, snapshot, texts};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// A role that the account does not have.
const ABSENT: &str = "arn:aws:iam::111122223333:role/carts-absent";

const CONFIG: &str = "\
certificates: {checkSeconds: 1}
messages: {iamDetail: full}
wouldDeny: {intervalSeconds: 10}
levels:
  - {namespaces: ['team-*'], enforce: chain}
";

struct Ground {
    cluster: Cluster,
    port: u16,
    kubeconfig: String,
    config: String,
    rolecall: Option<Server>,
}

impl Ground {
    fn start() -> Self {
        let cluster = Cluster::start();
        let port = free_port();
        cluster.register(port);
        let kubeconfig = cluster.as_service_account("rolecall", "rolecall");
        let config = cluster.folder().join("rolecall.yaml");
        std::fs::write(&config, CONFIG).unwrap();
        let config = config.display().to_string();
        let mut ground = Self { cluster, port, kubeconfig, config, rolecall: None };
        ground.serve();
        ground.cluster.namespace("probe", &json!({"rolecall.dev/enforce": "chain"}), Some(ABSENT));
        ground.cluster.until_denied("probe");
        ground
    }

    fn serve(&mut self) {
        let source = snapshot().display().to_string();
        let arguments = ["--config", &self.config];
        self.rolecall = Some(Server::in_cluster(&self.kubeconfig, &source, self.port, &arguments, &[]).ready());
    }

    fn rolecall(&self) -> &Server {
        self.rolecall.as_ref().unwrap()
    }

    fn pods(&self, namespace: &str) -> Vec<String> {
        let pods = self.cluster.get(&["pods", "-n", namespace]);
        let pods = pods["items"].as_array().unwrap().iter();
        let living = pods.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        living.map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    }

    /// A Deployment of two pods whose role does not exist, in a namespace that enforces nothing yet.
    fn two_running(&self, namespace: &str) -> Vec<String> {
        self.cluster.namespace(namespace, &json!({}), Some(ABSENT));
        let warned = self.cluster.apply(&deployment(namespace, "web", 2).to_string());
        assert!(warned.contains("[role-missing]"), "{warned}");
        eventually("two pods", PATIENCE, || {
            let pods = self.pods(namespace);
            if pods.len() == 2 { Ok(pods) } else { Err(format!("{pods:?}")) }
        })
    }
}

/// The ground, for one test at a time, with rolecall running.
fn ground() -> MutexGuard<'static, Ground> {
    static GROUND: OnceLock<Mutex<Ground>> = OnceLock::new();
    let ground = GROUND.get_or_init(|| Mutex::new(Ground::start()));
    let mut ground = ground.lock().unwrap_or_else(PoisonError::into_inner);
    if ground.rolecall.is_none() {
        ground.serve();
        ground.cluster.until_denied("probe");
    }
    ground
}

/// A command line as the page shows it, with what `kubectl` prints.
fn shown(cluster: &Cluster, command: &str, arguments: &[&str], input: &str) -> String {
    let (out, error) = texts(&cluster.try_kubectl(arguments, input));
    format!("$ {command}\n{}{out}\n", error.replace("\"STDIN\"", "\"orders.yaml\""))
}

#[test]
fn a_drain_ends_with_two_of_two_where_workloads_are_enforced() {
    let ground = ground();
    let cluster = &ground.cluster;
    // Before: pods of all creators are denied.
    let running = ground.two_running("on-pods");
    cluster.kubectl(&["label", "namespace", "on-pods", "rolecall.dev/enforce=chain"]);
    ground.cluster.until_denied("on-pods");
    cluster.kubectl(&["delete", "pod", "-n", "on-pods", &running[0]]);
    eventually("the ReplicaSet cannot create a pod", PATIENCE, || {
        let events = cluster.get(&["events", "-n", "on-pods"]);
        let mut events = events["items"].as_array().unwrap().iter();
        let failed = events.find(|event| event["reason"] == "FailedCreate");
        failed.map(|_| ()).ok_or_else(|| "no event".to_owned())
    });
    assert_eq!(ground.pods("on-pods"), [running[1].clone()], "1 of 2");
    // After: what runs goes on.
    let running = ground.two_running("carts");
    let mut page = String::new();
    page += &shown(
        cluster,
        "kubectl label namespace carts rolecall.dev/enforce-on=workloads rolecall.dev/enforce=chain",
        &["label", "namespace", "carts", "rolecall.dev/enforce-on=workloads", "rolecall.dev/enforce=chain"],
        "",
    );
    ground.cluster.until_denied("carts");
    let before = ground.rolecall().metric("rolecall_not_enforced_total{reason=\"controlled\"}");
    cluster.kubectl(&["delete", "pod", "-n", "carts", &running[0]]);
    eventually("2 of 2 pods", PATIENCE, || {
        let pods = ground.pods("carts");
        let is_new = pods.len() == 2 && !pods.contains(&running[0]);
        if is_new { Ok(()) } else { Err(format!("{pods:?}")) }
    });
    assert!(ground.rolecall().metric("rolecall_not_enforced_total{reason=\"controlled\"}") > before);
    let line =
        ground.rolecall().audit_line(|line| line["namespace"] == "carts" && line["not_enforced"] == "controlled");
    assert_eq!((&line["decision"], &line["kind"]), (&json!("warn"), &json!("Pod")));
    let audited = cluster.audited("carts", "pods");
    assert!(audited.iter().any(|line| line["validate.rolecall.dev/not-enforced"] == "controlled"), "{audited:?}");
    // A restart meets no denial either: an update that makes nothing worse.
    cluster.kubectl(&["rollout", "restart", "-n", "carts", "deployment/web"]);
    eventually("the restart has new pods", PATIENCE, || {
        let pods = ground.pods("carts");
        if pods.iter().any(|pod| !running.contains(pod)) { Ok(()) } else { Err(format!("{pods:?}")) }
    });
    // The author of a workload or a pod reads the denial, also where the pod names the ReplicaSet as its controller.
    page += &shown(
        cluster,
        "kubectl apply -f orders.yaml",
        &["apply", "-f", "-"],
        &deployment("carts", "orders", 1).to_string(),
    );
    let set = &cluster.get(&["replicasets", "-n", "carts"])["items"][0]["metadata"];
    let mut forged = pod("carts", "forged");
    forged["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "controller": true,
        "name": set["name"], "uid": set["uid"]}]);
    let error = texts(&cluster.try_kubectl(&["create", "-f", "-"], &forged.to_string())).1;
    assert!(error.contains("denied the request") && error.contains("[role-missing]"), "{error}");
    // Pods, too.
    page += &shown(
        cluster,
        "kubectl label namespace carts rolecall.dev/enforce-on=pods.workloads --overwrite",
        &["label", "namespace", "carts", "rolecall.dev/enforce-on=pods.workloads", "--overwrite"],
        "",
    );
    common::assert_golden("rollout.txt", &page);
    hold_page("docs/rollout.md", &page);
}

/// The answer to a raised level names what it denies, as Pod Security Admission does; a dashboard shows the same.
#[test]
fn raising_a_level_shows_what_it_would_deny() {
    let ground = ground();
    let cluster = &ground.cluster;
    ground.two_running("shop");
    cluster.namespace("ready", &json!({}), None);
    cluster.apply(&deployment("ready", "fine", 1).to_string());
    let mut bare = pod("shop", "bare");
    bare["spec"]["serviceAccountName"] = json!("default");
    cluster.kubectl_in(&["create", "-f", "-"], &bare.to_string());
    let job = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"namespace": "shop", "name": "nightly"},
        "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {"spec": {"serviceAccountName": "app",
        "restartPolicy": "Never", "containers": [{"name": "app", "image": "example.com/app:1"}]}}}}}});
    cluster.kubectl_in(&["create", "-f", "-"], &job.to_string());
    let raise = |namespace: &str, more: &[&str]| {
        let arguments = [&["label", "namespace", namespace, "rolecall.dev/enforce=chain"], more].concat();
        cluster.kubectl(&arguments).1
    };
    let expected = "\
Warning: rolecall: pods of namespace shop that are created from now on are denied at level chain
Warning: rolecall: new pods of 2 workloads with 2 running pods would be denied; details: rolecall scan -n shop --would-deny --level chain
Warning: rolecall: cronjob/nightly: role-missing
Warning: rolecall: deployment/web (and 2 pods): role-missing
";
    eventually("the answer names them", PATIENCE, || {
        let warned = raise("shop", &["--dry-run=server"]);
        if warned == expected { Ok(()) } else { Err(warned) }
    });
    let page = shown(
        cluster,
        "kubectl label namespace shop rolecall.dev/enforce=chain --dry-run=server",
        &["label", "namespace", "shop", "rolecall.dev/enforce=chain", "--dry-run=server"],
        "",
    );
    hold_page("docs/operate.md", &page);
    let warned = raise("ready", &[]);
    assert!(warned.contains("none of 1 template and 1 running pod that were checked would be denied"), "{warned}");
    eventually("the metric counts them", PATIENCE, || {
        let (_, metrics) = ground.rolecall().get("/metrics");
        let has = |series: &str| metrics.lines().any(|line| line == series);
        let counted = has("rolecall_would_deny{namespace=\"shop\",rule=\"role-missing\"} 2")
            && has("rolecall_would_deny{namespace=\"ready\",rule=\"\"} 0");
        if counted { Ok(()) } else { Err(metrics) }
    });
    assert!(ground.rolecall().metric("rolecall_would_deny_timestamp_seconds") > 0.0);
    // Without the right to list, the answer names the command.
    cluster.kubectl(&["delete", "clusterrolebinding", "rolecall-would-deny"]);
    eventually("the right is gone", PATIENCE, || {
        let warned = raise("shop", &["--dry-run=server"]);
        let command =
            "to see which running workloads that concerns: rolecall scan -n shop --would-deny --level chain\n";
        if warned.ends_with(command) && warned.lines().count() == 1 { Ok(()) } else { Err(warned) }
    });
    let why = ground.rolecall().log_line(|line| line["message"] == "the preview of a raised level could not be made");
    assert!(why["why"].as_str().unwrap().starts_with("grant ClusterRole rolecall-would-deny"), "{why}");
    cluster.apply(&common::cluster::manifest("rbac.yaml"));
}

/// Each command with its output is a block of the page. `ROLECALL_BLESS=1` writes it again.
fn hold_page(page: &str, output: &str) {
    let path = common::root().join(page);
    let mut document = std::fs::read_to_string(&path).unwrap();
    for block in output.split("\n$ ").map(|block| block.trim_start_matches("$ ").trim_end()) {
        let command = block.lines().next().unwrap();
        let start =
            document.find(&format!("```\n$ {command}\n")).unwrap_or_else(|| panic!("{page}: no `{command}`")) + 4;
        let end_of = |document: &str| start + document.get(start..).unwrap().find("\n```").unwrap();
        let end = end_of(&document);
        let block = format!("$ {block}");
        if std::env::var_os("ROLECALL_BLESS").is_some() {
            document.replace_range(start..end, &block);
        }
        assert_eq!(document.get(start..end_of(&document)).unwrap(), block, "{page}");
    }
    if std::env::var_os("ROLECALL_BLESS").is_some() {
        std::fs::write(&path, document).unwrap();
    }
}

#[test]
fn what_is_enforced_on_is_guarded() {
    let ground = ground();
    let cluster = &ground.cluster;
    let labels = json!({"rolecall.dev/enforce": "chain", "rolecall.dev/enforce-on": "pods.workloads", "rolecall.dev/on-outage": "deny"});
    cluster.namespace("kept", &labels, None);
    cluster.kubectl(&["create", "clusterrole", "editor", "--verb=get,patch,update", "--resource=namespaces"]);
    cluster.kubectl(&["create", "clusterrolebinding", "dave-edits", "--clusterrole=editor", "--user=dave"]);
    let dave = cluster.user("dave", &[]);
    let label = |label: &str| {
        let output = cluster.try_kubectl_as(&dave, &["label", "namespace", "kept", label, "--overwrite"], "");
        (output.status.success(), texts(&output).1)
    };
    let lowers = |what: &dyn Fn(&str) -> bool| {
        for lower in ["rolecall.dev/enforce-on=workloads", "rolecall.dev/enforce-on-", "rolecall.dev/on-outage-"] {
            let (allowed, error) = label(lower);
            assert!(!allowed && what(&error), "{lower}: {error}");
        }
    };
    lowers(&|error| error.contains("may not lower") && error.contains("levels.rolecall.dev"));
    let (allowed, warned) = label("rolecall.dev/enforce-on=workloads_pods");
    assert!(allowed && warned.is_empty(), "the same in other words: {warned}");
    // The API server's own policy agrees. Its messages name no webhook.
    let policy = common::cluster::manifest("backstop.yaml");
    cluster.apply(&policy);
    eventually("the policy is in force", PATIENCE, || {
        let (_, error) = label("rolecall.dev/enforce-on=workloads");
        if error.contains("'rolecall-levels'") { Ok(()) } else { Err(error) }
    });
    lowers(&|error| error.contains("'rolecall-levels'"));
    assert!(label("rolecall.dev/enforce-on=pods-workloads").0);
    cluster.kubectl_in(&["delete", "-f", "-"], &policy);
}

#[test]
fn a_namespace_that_is_created_again_has_its_patterns_level() {
    let ground = ground();
    let cluster = &ground.cluster;
    for _ in 0..2 {
        cluster.namespace("team-a", &json!({}), Some(ABSENT));
        ground.cluster.until_denied("team-a");
        let (_, warned) = cluster.kubectl(&["label", "namespace", "team-a", "rolecall.dev/enforce=off"]);
        assert!(
            warned.contains("does not lower what the configuration sets: chain stays in force (levels[0])"),
            "{warned}"
        );
        ground.cluster.until_denied("team-a");
        cluster.kubectl(&["delete", "namespace", "team-a", "--timeout=60s"]);
    }
}

#[test]
fn a_pause_turns_denials_into_warnings_and_ends_by_itself() {
    let ground = ground();
    let cluster = &ground.cluster;
    cluster.kubectl(&["create", "rolebinding", "erin", "-n", "rolecall", "--role=rolecall-pause", "--user=erin"]);
    let (erin, frank) = (cluster.user("erin", &[]), cluster.user("frank", &[]));
    let annotate = |user: &str, value: &str| {
        let value = format!("rolecall.dev/pause-until{value}");
        let arguments = ["annotate", "configmap", "rolecall-pause", "-n", "rolecall", "--overwrite", &value];
        cluster.try_kubectl_as(user, &arguments, "")
    };
    let within = |seconds: i64| format!("={}", Timestamp::now() + SignedDuration::from_secs(seconds));
    assert!(!annotate(&frank, &within(3_600)).status.success(), "it needs the Role");
    eventually("erin may", PATIENCE, || {
        let output = annotate(&erin, &within(3_600));
        if output.status.success() { Ok(()) } else { Err(texts(&output).1) }
    });
    let warned = eventually("the pod is admitted with warnings", PATIENCE, || {
        let said = ground.cluster.try_pod("probe");
        if said.contains("denied the request") { Err(said) } else { Ok(said) }
    });
    assert!(warned.contains("rolecall: paused until 2") && warned.contains("would have been denied"), "{warned}");
    assert!(warned.contains("[role-missing]"), "{warned}");
    let now = Timestamp::now().as_second();
    #[allow(clippy::cast_possible_truncation, reason = "seconds since 1970")]
    let until = ground.rolecall().metric("rolecall_paused_until_timestamp_seconds") as i64;
    assert!((now + 3_000..now + 3_700).contains(&until), "{until}");
    ground.rolecall().audit_line(|line| line["not_enforced"] == "paused");
    let told = ground.rolecall().log_line(|line| line["target"] == "rolecall::pause");
    assert_eq!(told["manager"], "kubectl-annotate", "{told}");
    // What cannot be read pauses nothing.
    annotate(&erin, "=soon");
    ground.cluster.until_denied("probe");
    ground.rolecall().log_line(|line| line["asked"] == "soon");
    // One that is too long is cut, and says so.
    annotate(&erin, "=2099-01-01T00:00:00Z");
    let cut = ground.rolecall().log_line(|line| line["asked"] == "2099-01-01T00:00:00Z");
    let until: Timestamp = cut["until"].as_str().unwrap().parse().unwrap();
    assert!(until.duration_since(Timestamp::now()) <= SignedDuration::from_hours(4), "{cut}");
    // It ends by itself.
    annotate(&erin, &within(5));
    ground.rolecall().log_line(|line| line["message"] == "the pause has ended: denials are enforced again");
    ground.cluster.until_denied("probe");
    assert_eq!(ground.rolecall().metric("rolecall_paused_until_timestamp_seconds"), 0.0);
    annotate(&erin, "-");
}

#[test]
fn without_replicas_only_namespaces_that_want_it_refuse() {
    let mut ground = ground();
    ground.cluster.namespace("closed", &json!({"rolecall.dev/on-outage": "deny"}), None);
    ground.cluster.namespace("open", &json!({}), None);
    let create = |ground: &Ground, namespace: &str, name: &str| {
        texts(&ground.cluster.try_kubectl(&["create", "-f", "-"], &pod(namespace, name).to_string())).1
    };
    // While rolecall runs, the entry answers as the other one: each object is reviewed by one of them.
    eventually("both are admitted", PATIENCE, || {
        let said = [create(&ground, "closed", "first"), create(&ground, "open", "first")].concat();
        if said.is_empty() || said.contains("already exists") { Ok(()) } else { Err(said) }
    });
    let reviewed = |ground: &Ground, namespace: &str| -> Vec<Value> { ground.cluster.audited(namespace, "pods") };
    let by = |lines: &[Value], entry: &str| lines.iter().any(|line| !line[format!("{entry}/decision")].is_null());
    let (closed, open) = (reviewed(&ground, "closed"), reviewed(&ground, "open"));
    assert!(by(&closed, "fail-closed.rolecall.dev") && !by(&closed, "validate.rolecall.dev"), "{closed:?}");
    assert!(by(&open, "validate.rolecall.dev") && !by(&open, "fail-closed.rolecall.dev"), "{open:?}");
    // rolecall's own namespace is left out whatever its labels, and the label is warned about.
    let (_, warned) = ground.cluster.kubectl(&["label", "namespace", "rolecall", "rolecall.dev/on-outage=deny"]);
    assert!(warned.contains("bring the cluster or rolecall back"), "{warned}");
    ground.rolecall = None;
    let refused = create(&ground, "closed", "second");
    assert!(refused.contains("failed calling webhook \"fail-closed.rolecall.dev\""), "{refused}");
    assert_eq!(create(&ground, "open", "second"), "");
    let mut own = pod("rolecall", "replica");
    own["spec"]["serviceAccountName"] = json!("rolecall");
    let secure = json!({"allowPrivilegeEscalation": false, "runAsNonRoot": true, "runAsUser": 65532,
        "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}});
    own["spec"]["containers"][0]["securityContext"] = secure;
    ground.cluster.kubectl_in(&["create", "-f", "-"], &own.to_string());
    // The way out: one command. And back.
    let policy =
        |policy: &str| format!(r#"{{"webhooks":[{{"name":"fail-closed.rolecall.dev","failurePolicy":"{policy}"}}]}}"#);
    let patch = |ground: &Ground, to: &str| {
        let arguments = ["patch", "validatingwebhookconfiguration", "rolecall", "--type=strategic", "-p", &policy(to)];
        ground.cluster.kubectl(&arguments);
    };
    patch(&ground, "Ignore");
    eventually("the emergency command opens it", PATIENCE, || {
        let said = create(&ground, "closed", "emergency");
        if said.is_empty() || said.contains("already exists") { Ok(()) } else { Err(said) }
    });
    patch(&ground, "Fail");
    eventually("it refuses again", PATIENCE, || {
        let output =
            ground.cluster.try_kubectl(&["create", "--dry-run=server", "-f", "-"], &pod("closed", "again").to_string());
        let said = texts(&output).1;
        if said.contains("failed calling webhook") { Ok(()) } else { Err(said) }
    });
    // Once a replica is back the cluster heals by itself.
    ground.serve();
    eventually("it admits again", PATIENCE, || {
        let said = create(&ground, "closed", "third");
        if said.is_empty() || said.contains("already exists") { Ok(()) } else { Err(said) }
    });
    let registered = ground.cluster.get(&["validatingwebhookconfiguration", "rolecall"]);
    let bundles = registered["webhooks"].as_array().unwrap().iter().map(|hook| &hook["clientConfig"]["caBundle"]);
    assert!(bundles.clone().all(Value::is_string) && bundles.count() == 3, "{registered}");
    ground.cluster.kubectl(&["label", "namespace", "rolecall", "rolecall.dev/on-outage-"]);
}
