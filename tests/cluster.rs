//! rolecall in a real cluster, registered by its own manifests: what people see at `kubectl apply`, in events and in the
//! audit log; races; rights.
//!
//! One cluster and one rolecall for all tests; each has namespaces of its own.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
#![cfg(feature = "kube")]
mod common;

use std::sync::{Mutex, OnceLock};

use common::Server;
use common::cluster::{Cluster, PATIENCE, ROLE, deployment, eventually, free_port, manifest, pod, snapshot, texts};
use serde_json::{Value, json};

struct Ground {
    cluster: Cluster,
    rolecall: Server,
}

/// The cluster and rolecall, started by the first test. They end with the process, which holds a pipe to each.
fn ground() -> &'static Ground {
    static GROUND: OnceLock<Ground> = OnceLock::new();
    GROUND.get_or_init(|| {
        let cluster = Cluster::start();
        let port = free_port();
        cluster.register(port);
        let kubeconfig = cluster.as_service_account("rolecall", "rolecall");
        let source = snapshot().display().to_string();
        let rolecall = Server::in_cluster(&kubeconfig, &source, port, &[], &[]);
        eventually("ready", PATIENCE, || match rolecall.get("/readyz") {
            (200, _) => Ok(()),
            (status, text) => Err(format!("{status} {text}")),
        });
        eventually("the caBundle", PATIENCE, || {
            let registered = cluster.get(&["validatingwebhookconfiguration", "rolecall"]);
            let webhooks = registered["webhooks"].as_array().unwrap();
            let filled = webhooks.iter().all(|webhook| webhook["clientConfig"]["caBundle"].is_string());
            if filled { Ok(()) } else { Err(registered.to_string()) }
        });
        // The API server takes a moment to use a registration: until a namespace that lowers nothing is asked about.
        cluster.namespace("is-rolecall-there", &enforcing("chain"), Some(ROLE));
        eventually("the first denial", PATIENCE, || {
            let output = cluster
                .try_kubectl(&["create", "--dry-run=server", "-f", "-"], &pod("is-rolecall-there", "a").to_string());
            if output.status.success() { Err("admitted".to_owned()) } else { Ok(()) }
        });
        Ground { cluster, rolecall }
    })
}

fn enforcing(level: &str) -> Value {
    json!({"rolecall.dev/enforce": level})
}

/// Tests that change what the injector does come one after another.
fn injector() -> std::sync::MutexGuard<'static, ()> {
    static INJECTOR: Mutex<()> = Mutex::new(());
    INJECTOR.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[test]
fn a_broken_pod_is_denied_and_a_good_one_is_not() {
    let Ground { cluster, .. } = ground();
    let _same = injector();
    cluster.namespace("carts", &enforcing("chain"), None);
    cluster.service_account("carts", "carts", Some(ROLE));
    cluster.namespace("broken", &enforcing("chain"), Some(ROLE));
    let mut good = pod("carts", "good");
    good["spec"]["serviceAccountName"] = json!("carts");
    eventually("the injector knows of the service account", PATIENCE, || {
        let output = cluster.try_kubectl(&["create", "--dry-run=server", "-o", "json", "-f", "-"], &good.to_string());
        let (out, error) = texts(&output);
        if out.contains("AWS_ROLE_ARN") { Ok(()) } else { Err(error) }
    });
    assert_eq!(cluster.apply(&good.to_string()), "");
    let output = cluster.try_kubectl(&["create", "-f", "-"], &pod("broken", "bad").to_string());
    let (_, error) = texts(&output);
    assert!(!output.status.success());
    for part in [
        "admission webhook \"validate.rolecall.dev\" denied the request: broken/app cannot become eks-workshop-carts-dynamo: its trust policy does not allow this subject [irsa-trust-subject]",
        "system:serviceaccount:broken:app",
        "fix: ",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn every_workload_is_warned_about_at_apply() {
    let Ground { cluster, .. } = ground();
    cluster.namespace("workloads", &enforcing("chain"), Some(ROLE));
    let spec = &pod("workloads", "x")["spec"];
    let template = json!({"metadata": {"labels": {"app": "x"}}, "spec": spec});
    let selector = json!({"matchLabels": {"app": "x"}});
    let mut once = template.clone();
    once["spec"]["restartPolicy"] = json!("Never");
    let controllers = json!({"replicas": 0, "selector": selector, "template": template});
    for (version, kind, spec) in [
        ("apps/v1", "Deployment", controllers.clone()),
        ("apps/v1", "ReplicaSet", controllers),
        (
            "apps/v1",
            "StatefulSet",
            json!({"replicas": 0, "selector": selector, "template": template, "serviceName": "x"}),
        ),
        ("apps/v1", "DaemonSet", json!({"selector": selector, "template": template})),
        ("v1", "ReplicationController", json!({"replicas": 0, "selector": {"app": "x"}, "template": template})),
        ("batch/v1", "Job", json!({"suspend": true, "template": once})),
        ("batch/v1", "CronJob", json!({"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": once}}})),
    ] {
        let name = kind.to_lowercase();
        let object = json!({"apiVersion": version, "kind": kind, "metadata": {"namespace": "workloads", "name": name},
                            "spec": spec});
        let warned = cluster.apply(&object.to_string());
        assert!(warned.contains("Warning: ") && warned.contains("irsa-trust-subject"), "{kind}: {warned:?}");
    }
    let mut template_alone = json!({"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"namespace": "workloads",
                                    "name": "podtemplate"}, "template": template});
    template_alone["template"]["spec"] = spec.clone();
    assert!(cluster.apply(&template_alone.to_string()).contains("irsa-trust-subject"));
}

#[test]
fn scaling_is_nobodys_business() {
    let Ground { cluster, .. } = ground();
    cluster.namespace("scaled", &json!({}), Some(ROLE));
    let named = deployment("scaled", "web", 0).to_string();
    assert!(cluster.apply(&named).contains("irsa-trust-subject"));
    assert_eq!(cluster.apply(&named.replace("\"replicas\":0", "\"replicas\":1")), "");
    let (_, warned) = cluster.kubectl(&["scale", "-n", "scaled", "deployment/web", "--replicas=0"]);
    assert_eq!(warned, "");
    let warned = cluster.apply(&named.replace("example.com/app:1", "example.com/app:2"));
    assert!(warned.contains("irsa-trust-subject"), "another template is another question: {warned}");
}

#[test]
fn a_denial_is_told_to_the_owner() {
    let Ground { cluster, rolecall } = ground();
    cluster.namespace("owned", &enforcing("chain"), Some(ROLE));
    cluster.apply(&deployment("owned", "web", 1).to_string());
    let events = |kind: &str| -> Vec<Value> {
        let all = cluster.get(&["events", "-n", "owned"]);
        let of_kind = |event: &&Value| event["involvedObject"]["kind"] == kind && event["type"] == "Warning";
        all["items"].as_array().unwrap().iter().filter(of_kind).cloned().collect()
    };
    // What Kubernetes itself says.
    let failed = eventually("the ReplicaSet's event", PATIENCE, || {
        events("ReplicaSet")
            .into_iter()
            .find(|event| event["reason"] == "FailedCreate")
            .ok_or_else(|| "none".to_owned())
    });
    assert!(failed["message"].as_str().unwrap().contains("validate.rolecall.dev"), "{failed}");
    let sets = cluster.get(&["replicasets", "-n", "owned"]);
    let condition = &sets["items"][0]["status"]["conditions"][0];
    assert_eq!((&condition["type"], &condition["reason"]), (&json!("ReplicaFailure"), &json!("FailedCreate")));
    // What rolecall says, where a person looks.
    let told = eventually("the Deployment's event", PATIENCE, || {
        events("Deployment")
            .into_iter()
            .find(|event| event["reason"] == "IdentityDenied")
            .ok_or_else(|| "none".to_owned())
    });
    let message = told["message"].as_str().unwrap();
    assert!(message.contains("irsa-trust-subject") && message.contains("fix: ") && message.len() <= 1_024, "{message}");
    assert!(rolecall.metric("rolecall_events_total{outcome=\"written\"}") >= 1.0);
}

#[test]
fn a_dry_run_leaves_no_event() {
    let Ground { cluster, rolecall } = ground();
    cluster.namespace("dry", &enforcing("chain"), Some(ROLE));
    let mut owned = pod("dry", "dry");
    owned["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "none",
        "uid": "6f1f6f0e-0000-4000-8000-000000000009", "controller": true}]);
    let output = cluster.try_kubectl(&["create", "--dry-run=server", "-f", "-"], &owned.to_string());
    assert!(!output.status.success());
    rolecall.audit_line(|line| line["namespace"] == "dry" && line["decision"] == "deny" && line["dry_run"] == true);
    // The same for good leaves one: so the silence before was no accident.
    let output = cluster.try_kubectl(&["create", "-f", "-"], &owned.to_string());
    assert!(!output.status.success());
    let told = eventually("the event", PATIENCE, || {
        let all = cluster.get(&["events", "-n", "dry"]);
        let items = all["items"].as_array().unwrap().clone();
        if items.is_empty() { Err("none".to_owned()) } else { Ok(items) }
    });
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["count"].as_u64().unwrap_or(1), 1, "{told:?}");
}

#[test]
fn decisions_stand_in_the_audit_log() {
    let Ground { cluster, .. } = ground();
    cluster.namespace("audited", &enforcing("chain"), Some(ROLE));
    let denied = cluster.try_kubectl(&["create", "-f", "-"], &pod("audited", "denied").to_string());
    assert!(!denied.status.success());
    cluster.apply(&deployment("audited", "warned", 0).to_string());
    let annotations = |resource: &str| {
        eventually("the audit line", PATIENCE, || {
            let mut lines = cluster.audited("audited", resource).into_iter();
            lines.find(|line| !line["validate.rolecall.dev/decision"].is_null()).ok_or_else(|| "none".to_owned())
        })
    };
    let of_pod = annotations("pods");
    let expected = [
        ("decision", "deny"),
        ("rules", "irsa-trust-subject"),
        ("identity", "irsa"),
        ("role", ROLE),
        ("chain", "broken"),
    ];
    for (key, value) in expected {
        assert_eq!(of_pod[format!("validate.rolecall.dev/{key}")], value, "{key}: {of_pod}");
    }
    assert!(of_pod["validate.rolecall.dev/snapshot-time"].is_string(), "{of_pod}");
    assert_eq!(annotations("deployments")["validate.rolecall.dev/decision"], "warn");
}

#[test]
fn pods_predate_an_identity_that_comes_later() {
    let Ground { cluster, .. } = ground();
    cluster.namespace("later", &json!({"rolecall.dev/warn": "strict"}), None);
    let annotation = format!("eks.amazonaws.com/role-arn={ROLE}");
    let (_, warned) = cluster.kubectl(&["annotate", "serviceaccount", "-n", "later", "app", &annotation]);
    assert!(warned.contains("pods-predate-identity"), "{warned}");
    let (_, warned) = cluster.kubectl(&["label", "serviceaccount", "-n", "later", "app", "team=shop"]);
    assert_eq!(warned, "", "a label changes nobody's identity");
}

#[test]
fn a_pod_right_after_its_service_account_is_judged_by_it() {
    let Ground { cluster, rolecall } = ground();
    // In one apply, again and again: the pod overtakes the event of its service account, or of its namespace.
    for round in 0..12 {
        let namespace = format!("race-{round}");
        cluster.apply(
            &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": enforcing("chain")}})
                .to_string(),
        );
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": namespace,
            "name": "app", "annotations": {"eks.amazonaws.com/role-arn": ROLE}}});
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [account, pod(&namespace, "first")]});
        let (_, error) = texts(&cluster.try_kubectl(&["apply", "-f", "-"], &list.to_string()));
        assert!(
            error.contains("irsa-trust-subject") || error.contains("injection-missing"),
            "round {round}: {error:?}"
        );
        assert!(error.contains("denied the request"), "round {round}: {error:?}");
    }
    assert_eq!(rolecall.metric("rolecall_lookups_total{outcome=\"failed\"}"), 0.0);
}

#[test]
fn a_raced_injector_and_a_missing_one_are_told_apart() {
    let Ground { cluster, .. } = ground();
    let _alone = injector();
    cluster.namespace("raced", &enforcing("chain"), None);
    // It will not see the annotation while the test runs.
    cluster.injector("lagging", 600_000);
    let annotation = format!("eks.amazonaws.com/role-arn={ROLE}");
    cluster.kubectl(&["annotate", "serviceaccount", "-n", "raced", "app", &annotation]);
    let denied = |name: &str| {
        let output = cluster.try_kubectl(&["create", "--dry-run=server", "-f", "-"], &pod("raced", name).to_string());
        texts(&output).1
    };
    let error = eventually("a pod without injection", PATIENCE, || {
        let error = denied("raced");
        if error.contains("injection-missing") { Ok(error) } else { Err(error) }
    });
    assert!(error.contains("is registered but did not act"), "{error}");
    let injector = cluster.get(&["mutatingwebhookconfiguration", "pod-identity-webhook"]);
    cluster.kubectl(&["delete", "mutatingwebhookconfiguration", "pod-identity-webhook"]);
    let error = eventually("the injector is seen to be gone", PATIENCE, || {
        let error = denied("gone");
        if error.contains("not registered") { Ok(error) } else { Err(error) }
    });
    assert!(error.contains("injection-missing"), "{error}");
    cluster.injector("on", 0);
    let mut again = injector;
    for field in ["resourceVersion", "uid", "creationTimestamp", "managedFields", "generation"] {
        again["metadata"].as_object_mut().unwrap().remove(field);
    }
    cluster.apply(&again.to_string());
    eventually("the injector is back", PATIENCE, || {
        let error = denied("back");
        if error.contains("irsa-trust-subject") { Ok(()) } else { Err(error) }
    });
}

#[test]
fn lowering_a_level_needs_the_right() {
    let Ground { cluster, .. } = ground();
    cluster.namespace("guarded", &enforcing("strict"), None);
    let alice = cluster.user("alice", &["dev"]);
    cluster.apply(&manifest("rbac.yaml"));
    cluster.kubectl(&[
        "create",
        "clusterrole",
        "namespace-editor",
        "--verb=get,list,patch,update,create",
        "--resource=namespaces",
    ]);
    cluster.kubectl(&["create", "clusterrolebinding", "alice-edits", "--clusterrole=namespace-editor", "--user=alice"]);
    let label = |value: &str| {
        let output = cluster.try_kubectl_as(&alice, &["label", "namespace", "guarded", value, "--overwrite"], "");
        (output.status.success(), texts(&output).1)
    };
    let (allowed, error) = label("rolecall.dev/enforce=off");
    assert!(!allowed && error.contains("levels.rolecall.dev"), "{error}");
    assert!(error.contains("rolecall.dev/enforce from strict to off") && error.contains("--user=alice"), "{error}");
    assert!(!label("rolecall.dev/enforce-").0, "taking the label away lowers it too");
    assert!(!label("rolecall.dev/opt-out=true").0);
    assert!(label("team=shop").0, "other labels are nobody's business");
    assert!(label("rolecall.dev/audit=strict").0, "what was asked before is not lowered");
    let (allowed, error) = label("rolecall.dev/warn=hard");
    assert!(allowed && error.contains("is none of off, chain, fallback, strict"), "{error}");
    let output = cluster.try_kubectl_as(
        &alice,
        &["create", "-f", "-"],
        &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "hidden", "labels": {"rolecall.dev/opt-out": "yes"}}})
            .to_string(),
    );
    assert!(!output.status.success(), "a new namespace may not hide either");
    cluster.kubectl(&["create", "clusterrolebinding", "alice-lowers", "--clusterrole=rolecall-levels", "--user=alice"]);
    eventually("the right counts", PATIENCE, || {
        let (allowed, error) = label("rolecall.dev/enforce=off");
        if allowed { Ok(()) } else { Err(error) }
    });
}

#[test]
fn the_backstop_stands_without_rolecall() {
    let Ground { cluster, .. } = ground();
    // Namespaces that the webhooks do not see are as if no replica ran: the policies are taken over with another selector.
    let policies = manifest("backstop.yaml").replace(
        "- {key: rolecall.dev/opt-out, operator: DoesNotExist}",
        "- {key: test, operator: In, values: [backstop]}",
    );
    cluster.apply(&policies);
    let labels = json!({"rolecall.dev/enforce": "chain", "test": "backstop", "rolecall.dev/opt-out": "true"});
    cluster.namespace("backstop", &labels, None);
    let mut malformed = pod("backstop", "malformed");
    malformed["spec"]["containers"][0]["env"] = json!([
        {"name": "AWS_ROLE_ARN", "value": "carts-role"}, {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/token"}]);
    let create =
        |object: &Value| texts(&cluster.try_kubectl(&["create", "--dry-run=server", "-f", "-"], &object.to_string()));
    eventually("the policy is in force", PATIENCE, || {
        let (_, error) = create(&malformed);
        if error.contains("role-arn-malformed") && error.contains("fix: ") { Ok(()) } else { Err(error) }
    });
    let mut exempted = malformed.clone();
    exempted["metadata"]["annotations"] = json!({"rolecall.dev/ignore": "role-arn-malformed"});
    assert_eq!(create(&exempted).1, "");
    let mut good = malformed.clone();
    good["spec"]["containers"][0]["env"][0]["value"] = json!("arn:aws-us-gov:iam::111122223333:role/team/a/app+x@y");
    assert_eq!(create(&good).1, "");
    let bob = cluster.user("bob", &[]);
    cluster.kubectl(&["create", "clusterrole", "namespace-patcher", "--verb=get,patch", "--resource=namespaces"]);
    cluster.kubectl(&["create", "clusterrolebinding", "bob-edits", "--clusterrole=namespace-patcher", "--user=bob"]);
    let lower = || {
        let output = cluster.try_kubectl_as(
            &bob,
            &["label", "namespace", "backstop", "rolecall.dev/enforce=off", "--overwrite"],
            "",
        );
        texts(&output).1
    };
    eventually("the policy on levels is in force", PATIENCE, || {
        let error = lower();
        if error.contains("ValidatingAdmissionPolicy 'rolecall-levels'") || error.contains("levels.rolecall.dev") {
            Ok(())
        } else {
            Err(error)
        }
    });
    cluster.kubectl(&["create", "clusterrolebinding", "bob-lowers", "--clusterrole=rolecall-levels", "--user=bob"]);
    eventually("the right counts", PATIENCE, || {
        let error = lower();
        if error.is_empty() { Ok(()) } else { Err(error) }
    });
    cluster.kubectl(&[
        "delete",
        "validatingadmissionpolicybinding",
        "rolecall-levels",
        "rolecall-static",
        "rolecall-static-keys",
    ]);
}
