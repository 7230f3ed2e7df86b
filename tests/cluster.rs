//! rolecall in a real cluster, registered by its own manifests: what people see at `kubectl apply`, in events and in the
//! audit log; races; rights.
//!
//! One cluster and one rolecall for all tests; each has namespaces of its own.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
#![cfg(feature = "kube")]
mod common;

use std::sync::{Mutex, OnceLock};

use common::Server;
use common::cluster::{
    Cluster, OWN_ROLE, PATIENCE, ROLE, deployment, eventually, free_port, manifest, pod, snapshot, texts,
};
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
        let config = cluster.folder().join("rolecall.yaml");
        std::fs::write(&config, OWN_ROLE).unwrap();
        let arguments = ["--config", config.to_str().unwrap()];
        let rolecall = Server::in_cluster(&kubeconfig, &source, port, &arguments, &[]).ready();
        eventually("the caBundle", PATIENCE, || {
            let registered = cluster.get(&["validatingwebhookconfiguration", "rolecall"]);
            let webhooks = registered["webhooks"].as_array().unwrap();
            let filled = webhooks.iter().all(|webhook| webhook["clientConfig"]["caBundle"].is_string());
            if filled { Ok(()) } else { Err(registered.to_string()) }
        });
        cluster.namespace("is-rolecall-there", &enforcing("chain"), Some(ROLE));
        cluster.until_denied("is-rolecall-there");
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

/// The webhook and the backstop guard levels alike: each is tried by itself.
fn levels() -> std::sync::MutexGuard<'static, ()> {
    static LEVELS: Mutex<()> = Mutex::new(());
    LEVELS.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
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
        "admission webhook \"validate.rolecall.dev\" denied the request: service account broken/app cannot assume role eks-workshop-carts-dynamo: the role's trust policy does not allow it [irsa-trust-subject]",
        "system:serviceaccount:broken:app",
        "change: ",
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
fn scaling_is_not_reviewed() {
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

/// A user who may create objects explores nothing with `kubectl create --dry-run=server`: neither by what a warning says, nor by
/// a denial.
#[test]
fn a_dry_run_tells_nothing_of_roles_of_others() {
    let Ground { cluster, rolecall } = ground();
    let roles =
        ["shop-managed-ondemand", "shop-managed-absent"].map(|name| format!("arn:aws:iam::111122223333:role/{name}"));
    let told = |namespace: &str, create: &dyn Fn(&str) -> Value| {
        roles.each_ref().map(|role| {
            let account = format!("of-{}", role.rsplit('-').next().unwrap());
            cluster.service_account(namespace, &account, Some(role));
            let output = cluster.try_kubectl(&["create", "--dry-run=server", "-f", "-"], &create(&account).to_string());
            let (_, error) = texts(&output);
            let line = rolecall.audit_line(|line| {
                line["namespace"] == namespace
                    && line["service_account"] == account.as_str()
                    && line["kind"] != "ServiceAccount"
            });
            let uid = line["uid"].as_str().unwrap();
            assert!(error.contains("role-not-assumable") && error.contains(uid), "{error}\n{line}");
            let name = role.rsplit('/').next().unwrap();
            let alike = error.replace(uid, "UID").replace(name, "ROLE").replace(&account, "ACCOUNT");
            (output.status.success(), alike, line["rules"].as_str().unwrap().to_owned())
        })
    };
    let pod_of = |namespace: &'static str| {
        move |account: &str| {
            let mut pod = pod(namespace, "explorer");
            pod["spec"]["serviceAccountName"] = account.into();
            pod
        }
    };
    for (namespace, labels, admitted) in
        [("explored", json!({}), true), ("explored-enforcing", enforcing("chain"), false)]
    {
        cluster.namespace(namespace, &labels, None);
        let [existing, missing] = told(namespace, &pod_of(namespace));
        assert_eq!((existing.0, &existing.1), (missing.0, &missing.1), "{namespace}");
        assert_eq!(existing.0, admitted, "{existing:?}");
        // rolecall's own log has what is true.
        assert!(existing.2.contains("irsa-trust-") && missing.2.contains("role-missing"), "{existing:?} {missing:?}");
    }
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
    assert!(
        message.contains("irsa-trust-subject") && message.contains("change: ") && message.len() <= 1_024,
        "{message}"
    );
    assert!(rolecall.metric("rolecall_events_total{outcome=\"written\"}") >= 1.0);
}

#[test]
fn a_dry_run_leaves_no_event() {
    let Ground { cluster, rolecall } = ground();
    cluster.namespace("dry", &enforcing("chain"), Some(ROLE));
    let labels = json!({"app": "dry"});
    let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "none"}]}});
    cluster.apply(
        &json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "real", "namespace": "dry"},
            "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}})
        .to_string(),
    );
    let uid = cluster.get(&["replicaset", "real", "-n", "dry"])["metadata"]["uid"].clone();
    let owned_by = |name: &str, uid: &Value| {
        let mut owned = pod("dry", "dry");
        owned["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "uid": uid, "controller": true}]);
        owned
    };
    let owned = owned_by("real", &uid);
    // Owners that do not exist, and one of another uid: a review that names them writes no Event.
    for (name, uid) in [("none", &uid), ("real", &json!("6f1f6f0e-0000-4000-8000-000000000009"))] {
        let output = cluster.try_kubectl(&["create", "-f", "-"], &owned_by(name, uid).to_string());
        assert!(!output.status.success());
    }
    let output = cluster.try_kubectl(&["create", "--dry-run=server", "-f", "-"], &owned.to_string());
    assert!(!output.status.success());
    rolecall.audit_line(|line| line["namespace"] == "dry" && line["decision"] == "deny" && line["dry_run"] == true);
    // The same for good leaves one: so the silence before was no accident.
    let output = cluster.try_kubectl(&["create", "-f", "-"], &owned.to_string());
    assert!(!output.status.success());
    let told = eventually("the event", PATIENCE, || {
        let all = cluster.get(&["events", "-n", "dry"]);
        let is_denial = |event: &&Value| event["reason"] == "IdentityDenied";
        let items: Vec<Value> = all["items"].as_array().unwrap().iter().filter(is_denial).cloned().collect();
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
    assert_eq!(warned, "", "a label changes no identity");
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
    let _alone = levels();
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
    assert!(label("team=shop").0, "other labels are not guarded");
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
    // The subresources keep changed labels too. (kubectl has no verb for `finalize`.)
    let guarded = || cluster.get(&["namespace", "guarded"]);
    let replace = |sub_resource: &str, object: &Value| {
        let path = format!("/api/v1/namespaces/guarded/{sub_resource}");
        let path = path.trim_end_matches('/');
        let arguments = ["replace", "--raw", path, "-f", "-"];
        let output = cluster.try_kubectl_as(&alice, &arguments, &object.to_string());
        (output.status.success(), texts(&output).1)
    };
    cluster.kubectl(&[
        "create",
        "clusterrole",
        "namespace-subresources",
        "--verb=patch,update",
        "--resource=namespaces/status,namespaces/finalize",
    ]);
    cluster.kubectl(&[
        "create",
        "clusterrolebinding",
        "alice-sub",
        "--clusterrole=namespace-subresources",
        "--user=alice",
    ]);
    for sub_resource in ["status", "finalize"] {
        let mut lowered = guarded();
        lowered["metadata"]["labels"]["rolecall.dev/enforce"] = json!("off");
        eventually("alice may write the subresource, and lower nothing", PATIENCE, || {
            let (allowed, error) = replace(sub_resource, &lowered);
            let refused = error.contains("levels.rolecall.dev") && error.contains("from strict to off");
            if !allowed && refused { Ok(()) } else { Err(format!("{sub_resource}: {allowed} {error}")) }
        });
        let mut other = guarded();
        other["metadata"]["labels"]["team"] = json!(sub_resource);
        let (allowed, error) = replace(sub_resource, &other);
        assert!(allowed, "{sub_resource}: other labels are not guarded: {error}");
    }
    assert_eq!(guarded()["metadata"]["labels"]["rolecall.dev/enforce"], "strict");
    // An exemption of the namespace is guarded like its level.
    let annotate = |value: &str| {
        let arguments = ["annotate", "namespace", "guarded", value, "--overwrite"];
        let output = cluster.try_kubectl_as(&alice, &arguments, "");
        (output.status.success(), texts(&output).1)
    };
    for exemption in ["rolecall.dev/ignore=static-keys", "rolecall.dev/allow-node-role=true"] {
        let (allowed, error) = annotate(exemption);
        assert!(!allowed && error.contains("may not lower"), "{exemption}: {error}");
    }
    assert!(annotate("rolecall.dev/ignore-reason=none").0 && annotate("rolecall.dev/requires=dynamodb:Query").0);
    assert!(!annotate("rolecall.dev/requires-").0, "what was asked before is not lowered");
    assert!(annotate("rolecall.dev/identity=required").0, "what asks for more needs no right");
    for lower in ["rolecall.dev/identity-", "rolecall.dev/identity=optional"] {
        let (allowed, error) = annotate(lower);
        assert!(!allowed && error.contains("may not lower"), "{lower}: {error}");
    }
    cluster.kubectl(&[
        "annotate",
        "namespace",
        "guarded",
        "rolecall.dev/ignore=static-keys",
        "rolecall.dev/ignore-until=2027-01-31",
    ]);
    assert!(!annotate("rolecall.dev/ignore-until=2027-02-01").0 && !annotate("rolecall.dev/ignore-until-").0);
    assert!(annotate("rolecall.dev/ignore-until=2027-01-30").0, "an exemption may end earlier");
    assert!(annotate("rolecall.dev/ignore-").0, "an exemption may go");
    // Annotations in thousands make no condition of the registration too costly, which would skip the webhook.
    let mut crowded = guarded();
    let letters: Vec<char> = ('a'..='z').chain('A'..='Z').chain('0'..='9').collect();
    let digit = |number: usize, place: usize| letters[number / 62_usize.pow(u32::try_from(place).unwrap()) % 62];
    for number in 0..80_000 {
        let key: String = (0..3).map(|place| digit(number, place)).collect();
        crowded["metadata"]["annotations"][key] = json!("");
    }
    cluster.try_kubectl(&["replace", "--raw", "/api/v1/namespaces/guarded", "-f", "-"], &crowded.to_string());
    let mut lowered = guarded();
    assert!(lowered["metadata"]["annotations"].as_object().unwrap().len() > 80_000);
    lowered["metadata"]["annotations"].as_object_mut().unwrap().remove("rolecall.dev/identity");
    let (allowed, error) = replace("", &lowered);
    assert!(!allowed && error.contains("may not lower"), "{error}");
    let mut plain = guarded();
    plain["metadata"]["annotations"].as_object_mut().unwrap().retain(|key, _| key.starts_with("rolecall.dev/"));
    cluster.try_kubectl(&["replace", "--raw", "/api/v1/namespaces/guarded", "-f", "-"], &plain.to_string());
    // Deleting a namespace goes through both subresources and lowers nothing.
    cluster.namespace("deleted", &enforcing("strict"), None);
    cluster.kubectl(&["delete", "namespace", "deleted", "--timeout=60s"]);
    cluster.kubectl(&["create", "clusterrolebinding", "alice-lowers", "--clusterrole=rolecall-levels", "--user=alice"]);
    eventually("the right counts", PATIENCE, || {
        let (allowed, error) = label("rolecall.dev/enforce=off");
        if allowed { Ok(()) } else { Err(error) }
    });
}

/// The annotation of mirror pods and a controller's owner reference can be written by every user.
#[test]
fn what_anybody_can_write_skips_no_check() {
    let Ground { cluster, .. } = ground();
    cluster.namespace("skipping", &enforcing("chain"), Some(ROLE));
    let mirror = json!({"kubernetes.io/config.mirror": "x"});
    let mut web = deployment("skipping", "web", 0);
    web["metadata"]["annotations"] = mirror;
    assert!(cluster.apply(&web.to_string()).contains("irsa-trust-subject"), "a Deployment is no mirror pod");
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": "skipping", "name": "own",
        "annotations": {"kubernetes.io/config.mirror": "x", "eks.amazonaws.com/role-arn": ROLE}}});
    assert!(cluster.apply(&account.to_string()).contains("irsa-trust-subject"), "nor is a service account");
    let owner = &cluster.get(&["deployment", "-n", "skipping", "web"])["metadata"]["uid"];
    let owners =
        json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": owner, "controller": true}]);
    let mut replicas = deployment("skipping", "forged", 0);
    replicas["kind"] = json!("ReplicaSet");
    replicas["metadata"]["ownerReferences"] = owners.clone();
    assert!(cluster.apply(&replicas.to_string()).contains("irsa-trust-subject"), "not the Deployment's own ReplicaSet");
    let mut spec = pod("skipping", "x")["spec"].clone();
    spec["restartPolicy"] = json!("Never");
    let job = json!({"apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"namespace": "skipping", "name": "forged", "ownerReferences": owners},
        "spec": {"suspend": true, "template": {"spec": spec}}});
    assert!(cluster.apply(&job.to_string()).contains("irsa-trust-subject"), "not the CronJob's own Job");
    // What the Deployment's controller makes repeats its Deployment, and is not asked about.
    eventually("the ReplicaSet of the Deployment", PATIENCE, || {
        let sets = cluster.get(&["replicasets", "-n", "skipping", "-l", "app=web"]);
        if sets["items"].as_array().unwrap().is_empty() { Err(sets.to_string()) } else { Ok(()) }
    });
    let asked = cluster.audit().into_iter().filter(|event| {
        event["objectRef"]["namespace"] == "skipping"
            && event["objectRef"]["resource"] == "replicasets"
            && event["user"]["username"].as_str().unwrap_or_default().ends_with("deployment-controller")
            && !event["annotations"]["validate.rolecall.dev/decision"].is_null()
    });
    assert_eq!(asked.count(), 0);
}

#[test]
fn a_gated_pod_is_checked_again_when_its_nodes_change() {
    let Ground { cluster, rolecall } = ground();
    cluster.namespace("carts", &enforcing("chain"), None);
    cluster.service_account("carts", "carts-pi", None);
    let recorded = common::json_file("fixtures/reviews/pod-podid-create.json");
    let mut gated = pod("carts", "gated");
    let spec = &recorded["request"]["object"]["spec"];
    gated["spec"] = json!({"serviceAccountName": "carts-pi", "schedulingGates": [{"name": "example.com/wait"}],
        "containers": spec["containers"], "volumes": spec["volumes"]});
    assert_eq!(cluster.apply(&gated.to_string()), "");
    let before = rolecall.metric("rolecall_reviews_total{kind=\"Pod\",decision=\"allow\"}");
    cluster.kubectl(&["label", "pod", "-n", "carts", "gated", "team=shop"]);
    assert_eq!(
        rolecall.metric("rolecall_reviews_total{kind=\"Pod\",decision=\"allow\"}"),
        before,
        "a label is not asked about"
    );
    let patch = |nodes: &str| {
        let patch = json!({"spec": {"nodeSelector": {"kubernetes.io/os": nodes}}}).to_string();
        texts(&cluster.try_kubectl(&["patch", "pod", "-n", "carts", "gated", "--type=merge", "-p", &patch], "")).1
    };
    let error = patch("windows");
    assert!(error.contains("denied the request") && error.contains("[pod-identity-unsupported]"), "{error}");
    assert_eq!(patch("linux"), "");
}

#[test]
fn the_backstop_stands_without_rolecall() {
    let Ground { cluster, .. } = ground();
    let _alone = levels();
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
    exempted["metadata"]["annotations"] =
        json!({"rolecall.dev/ignore": "role-arn-malformed", "kubernetes.io/config.mirror": "x"});
    exempted["spec"].as_object_mut().unwrap().remove("serviceAccountName");
    exempted["spec"]["nodeName"] = json!("node-1");
    let (_, error) = create(&exempted);
    assert!(error.contains("[role-arn-malformed]"), "a pod exempts itself from warnings only: {error}");
    let exempt = |list: &str| {
        cluster.kubectl(&["annotate", "namespace", "backstop", &format!("rolecall.dev/ignore={list}"), "--overwrite"]);
    };
    exempt("not-role-arn-malformed,role-arn-malformed-not");
    assert!(create(&malformed).1.contains("[role-arn-malformed]"), "names are whole");
    exempt("static-keys,\n role-arn-malformed\t");
    eventually("the namespace is exempted", PATIENCE, || {
        let (_, error) = create(&malformed);
        if error.is_empty() { Ok(()) } else { Err(error) }
    });
    exempt("static-keys");
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
    let edit = |arguments: &[&str]| texts(&cluster.try_kubectl_as(&bob, arguments, "")).1;
    let patch = r#"{"metadata":{"labels":{"rolecall.dev/enforce":"off"}}}"#;
    cluster.kubectl(&[
        "create",
        "clusterrole",
        "status-patcher",
        "--verb=get,patch,update",
        "--resource=namespaces/status,namespaces/finalize",
    ]);
    cluster.kubectl(&["create", "clusterrolebinding", "bob-sub", "--clusterrole=status-patcher", "--user=bob"]);
    eventually("the policy on status is in force", PATIENCE, || {
        let error = edit(&["patch", "namespace", "backstop", "--subresource=status", "--type=merge", "-p", patch]);
        if error.contains("'rolecall-levels'") { Ok(()) } else { Err(error) }
    });
    let mut lowered = cluster.get(&["namespace", "backstop"]);
    lowered["metadata"]["labels"]["rolecall.dev/enforce"] = json!("off");
    let path = "/api/v1/namespaces/backstop/finalize";
    let finalized = cluster.try_kubectl_as(&bob, &["replace", "--raw", path, "-f", "-"], &lowered.to_string());
    assert!(texts(&finalized).1.contains("'rolecall-levels'"), "{}", texts(&finalized).1);
    let annotate = |value: &str| edit(&["annotate", "namespace", "backstop", value, "--overwrite"]);
    for value in ["rolecall.dev/ignore=static-keys,irsa-trust-subject", "rolecall.dev/allow-node-role=true"] {
        let error = annotate(value);
        assert!(error.contains("'rolecall-levels'"), "{value}: {error}");
    }
    for value in ["rolecall.dev/ignore-until=2027-01-31", "rolecall.dev/requires=dynamodb:Query", "team=shop"] {
        assert_eq!(annotate(value), "", "{value}");
    }
    for value in ["rolecall.dev/ignore-until=2027-02-01", "rolecall.dev/ignore-until-", "rolecall.dev/requires-"] {
        let error = annotate(value);
        assert!(error.contains("'rolecall-levels'"), "{value}: {error}");
    }
    for value in ["rolecall.dev/ignore-until=2027-01-30", "rolecall.dev/ignore-"] {
        assert_eq!(annotate(value), "", "{value}");
    }
    cluster.namespace(
        "deleted-behind",
        &json!({"rolecall.dev/enforce": "chain", "rolecall.dev/opt-out": "true"}),
        None,
    );
    cluster.kubectl(&["delete", "namespace", "deleted-behind", "--timeout=60s"]);
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
    // The API server goes on for a moment with what is deleted.
    let carol = cluster.user("carol", &[]);
    cluster.kubectl(&[
        "create",
        "clusterrolebinding",
        "carol-edits",
        "--clusterrole=namespace-patcher",
        "--user=carol",
    ]);
    cluster.kubectl(&["label", "namespace", "backstop", "rolecall.dev/enforce=chain", "--overwrite"]);
    eventually("the policies are gone", PATIENCE, || {
        let arguments = ["label", "namespace", "backstop", "rolecall.dev/enforce=off", "--overwrite"];
        let error = texts(&cluster.try_kubectl_as(&carol, &arguments, "")).1;
        if error.contains("admission webhook \"levels.rolecall.dev\"") { Ok(()) } else { Err(error) }
    });
}
