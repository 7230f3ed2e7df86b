//! Lowering what is asked of a namespace, and looking like what is passed over. The same against a real API server:
//! `tests/cluster.rs`.

use rolecall::review::NextStep;
use rolecall_core::decision::Mode;
use serde_json::{Value, json};

use crate::answers::{Ground, broken_pod, created, decision};
use crate::common;

fn namespace(labels: &Value, annotations: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace",
           "metadata": {"name": "carts", "labels": labels, "annotations": annotations}})
}

/// What needs the right to lower, of an update by a subresource.
fn lowered(sub_resource: &str, before: &Value, after: &Value) -> Vec<String> {
    let mut review = common::review(("", "Namespace"), "UPDATE", after, Some(before));
    review["request"]["subResource"] = sub_resource.into();
    match Ground::new(&json!({}), &json!({}), "").consider(&review, Mode::Enforce, true) {
        NextStep::AskAboutNamespace(change) => change.lowering.map(|lowering| lowering.what).unwrap_or_default(),
        NextStep::Reply(_) => Vec::new(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn subresources_of_a_namespace_lower_no_level() {
    let labels = json!({"rolecall.dev/enforce": "strict"});
    for sub_resource in ["", "status", "finalize"] {
        let lower = |labels: Value| {
            lowered(
                sub_resource,
                &namespace(&json!({"rolecall.dev/enforce": "strict"}), &json!({})),
                &namespace(&labels, &json!({})),
            )
        };
        assert_eq!(lower(json!({"rolecall.dev/enforce": "off"})), ["rolecall.dev/enforce from strict to off"]);
        assert_eq!(lower(json!({})).len(), 1, "{sub_resource}");
        assert_eq!(lower(json!({"rolecall.dev/enforce": "strict", "rolecall.dev/opt-out": ""})).len(), 1);
        // As the namespace controller does it, when the namespace is deleted.
        assert!(lower(labels.clone()).is_empty(), "{sub_resource}");
    }
}

#[test]
fn raising_a_level_says_how_to_see_what_it_denies() {
    let warnings = |before: &Value, after: &Value| -> String {
        let review = common::review(
            ("", "Namespace"),
            "UPDATE",
            &namespace(after, &json!({})),
            Some(&namespace(before, &json!({}))),
        );
        // Without a cluster to be asked for what runs.
        match Ground::new(&json!({}), &json!({}), "").consider(&review, Mode::Enforce, false) {
            NextStep::Reply(reply) => {
                serde_json::from_slice::<Value>(&reply.body).unwrap()["response"]["warnings"].to_string()
            }
            other => panic!("{other:?}"),
        }
    };
    let raised = warnings(&json!({}), &json!({"rolecall.dev/enforce": "chain"}));
    assert!(raised.contains("rolecall scan -n carts --would-deny --level chain"), "{raised}");
    let same = warnings(&json!({"rolecall.dev/enforce": "chain"}), &json!({"rolecall.dev/enforce": "chain", "a": "b"}));
    assert_eq!(same, "null");
    let misspelled = warnings(&json!({}), &json!({"rolecall.dev/enforced": "chain"}));
    assert!(misspelled.contains("should be rolecall.dev/enforce"), "{misspelled}");
}

#[test]
fn an_exemption_of_a_namespace_is_guarded_like_its_level() {
    let change = |before: Value, after: Value| {
        lowered("", &namespace(&json!({}), &before), &namespace(&json!({}), &after)).join("; ")
    };
    let ignore = |rules: &str| json!({"rolecall.dev/ignore": rules});
    let until = |date: &str| json!({"rolecall.dev/ignore": "static-keys", "rolecall.dev/ignore-until": date});
    for (before, after, what) in [
        (json!({}), ignore("static-keys"), "static-keys"),
        (ignore("static-keys"), ignore("static-keys irsa-trust-subject"), "irsa-trust-subject"),
        (ignore("static-keys"), ignore("irsa-trust-subject"), "irsa-trust-subject"),
        (json!({}), json!({"rolecall.dev/allow-node-role": "true"}), "allow-node-role"),
        (
            json!({"rolecall.dev/allow-node-role": "false"}),
            json!({"rolecall.dev/allow-node-role": " true "}),
            "allow-node-role",
        ),
        (until("2026-12-01"), until("2026-12-02"), "from 2026-12-01 to 2026-12-02"),
        (until("2026-12-01"), until("2026-12-01T23:59:59-12:00"), "ignore-until"),
        (until("2026-12-01"), ignore("static-keys"), "to no end"),
        (until("soon"), until("2026-12-02"), "from soon"),
        (json!({"rolecall.dev/requires": "dynamodb:Query"}), json!({}), "rolecall.dev/requires"),
        (
            json!({"rolecall.dev/requires": "dynamodb:Query"}),
            json!({"rolecall.dev/requires": " "}),
            "rolecall.dev/requires",
        ),
    ] {
        let found = change(before.clone(), after.clone());
        assert!(found.contains(what), "{before} {after}: {found:?}");
    }
    for (before, after) in [
        (ignore("static-keys"), json!({})),
        (ignore("static-keys, irsa-trust-subject"), ignore("irsa-trust-subject")),
        (ignore("a,b"), ignore("b\na")),
        (json!({"rolecall.dev/allow-node-role": "true"}), json!({})),
        (json!({}), json!({"rolecall.dev/allow-node-role": "yes"})),
        (until("2026-12-02"), until("2026-12-01")),
        (ignore("static-keys"), until("2026-12-01")),
        (until("2026-12-01"), until("never")),
        (json!({}), json!({"rolecall.dev/ignore-until": "2026-12-01", "rolecall.dev/ignore-reason": "x"})),
        (json!({}), json!({"rolecall.dev/requires": "dynamodb:Query"})),
        (json!({"rolecall.dev/requires": "dynamodb:Query"}), json!({"rolecall.dev/requires": "s3:GetObject"})),
    ] {
        assert_eq!(change(before.clone(), after.clone()), "", "{before} {after}");
    }
    let created = common::review(("", "Namespace"), "CREATE", &namespace(&json!({}), &ignore("static-keys")), None);
    let considered = Ground::new(&json!({}), &json!({}), "").consider(&created, Mode::Enforce, true);
    assert!(
        matches!(&considered, NextStep::AskAboutNamespace(change) if change.lowering.is_some()),
        "a new namespace may not exempt itself either: {considered:?}"
    );
}

/// The annotation of mirror pods skips the check for nobody but nodes.
#[test]
fn only_a_node_creates_mirror_pods() {
    let ground = Ground::enforcing(&json!({}), "enforceWorkloads: true");
    let mirror = json!({"kubernetes.io/config.mirror": "0c68cc60"});
    let ask = |object: &Value, user: Value| {
        let mut review = created(object);
        review["request"]["userInfo"] = user;
        decision(&ground.ask(&review)).to_owned()
    };
    let node = json!({"username": "system:node:ip-10-0-1-7", "groups": ["system:nodes", "system:authenticated"]});
    let pod = broken_pod(&mirror);
    assert_eq!(ask(&pod, node.clone()), "allow");
    for user in [
        json!({"username": "alice", "groups": ["system:authenticated"]}),
        json!({"username": "alice", "groups": ["system:nodes"]}),
        json!({"username": "system:node:ip-10-0-1-7"}),
        json!({"username": "system:node:ip-10-0-1-7", "groups": null}),
        json!({}),
        Value::Null,
    ] {
        assert_eq!(ask(&pod, user.clone()), "deny", "{user}");
    }
    let template = json!({"metadata": {"annotations": mirror}, "spec": pod["spec"]});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "attack", "namespace": "carts", "annotations": mirror}, "spec": {"template": template}});
    assert_eq!(ask(&deployment, node), "deny", "a Deployment is no mirror pod, also where a node creates it");
}

/// Kubernetes lets a pod that scheduling gates hold be narrowed to other nodes, such as to Windows, where there is no agent.
#[test]
fn a_gated_pod_is_checked_again_when_its_nodes_change() {
    let ground = Ground::enforcing(&json!({}), "");
    let mut admitted = common::json_file("fixtures/reviews/pod-podid-create.json");
    assert_eq!(decision(&ground.ask(&admitted)), "allow");
    let mut pod = admitted["request"]["object"].take();
    pod["spec"]["schedulingGates"] = json!([{"name": "example.com/wait"}]);
    let update = |change: &dyn Fn(&mut Value)| {
        let mut changed = pod.clone();
        change(&mut changed);
        ground.ask(&common::review(("", "Pod"), "UPDATE", &changed, Some(&pod)))
    };
    let windows = update(&|pod| pod["spec"]["nodeSelector"] = json!({"kubernetes.io/os": "windows"}));
    assert_eq!(decision(&windows), "deny", "{windows}");
    assert!(windows["status"]["message"].as_str().unwrap().contains("[pod-identity-unsupported]"), "{windows}");
    let term = json!({"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["windows"]}]});
    let affinity =
        json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}});
    assert_eq!(decision(&update(&|pod| pod["spec"]["affinity"] = affinity.clone())), "deny");
    assert_eq!(decision(&update(&|pod| pod["spec"]["nodeSelector"] = json!({"kubernetes.io/os": "linux"}))), "allow");
    // What changes no nodes is no check: such an update must not be refused, whatever the pod looks like.
    pod["spec"]["nodeSelector"] = json!({"kubernetes.io/os": "windows"});
    let finalizers = |changed: &mut Value| changed["metadata"]["finalizers"] = json!([]);
    let mut changed = pod.clone();
    finalizers(&mut changed);
    assert_eq!(decision(&ground.ask(&common::review(("", "Pod"), "UPDATE", &changed, Some(&pod)))), "");
}
