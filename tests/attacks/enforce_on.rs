//! Where workloads alone are enforced, levels come from the configuration, or rolecall is paused: what still denies, and what
//! no user without the right can lower. The same against a real API server: `tests/cluster_rollout.rs`.

use jiff::Timestamp;
use rolecall::review::NextStep;
use rolecall_core::decision::Mode;
use serde_json::{Value, json};

use crate::answers::{Ground, NOW, broken_pod, created, decision, warnings};
use crate::common;

const CONTROLLER: &str = "system:serviceaccount:kube-system:replicaset-controller";

fn by(user: &str, mut review: Value) -> Value {
    review["request"]["userInfo"] = json!({"username": user});
    review
}

fn deployment() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "carts"},
        "spec": {"template": {"spec": broken_pod(&json!({}))["spec"]}}})
}

#[test]
fn an_owner_that_a_pod_names_is_no_exemption() {
    let ground = Ground::enforcing(&json!({}), "enforceOn: [workloads]");
    let mut pod = broken_pod(&json!({}));
    pod["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1",
        "uid": "6f1f6f0e-0000-4000-8000-000000000002", "controller": true}]);
    for user in ["alice", "", "system:serviceaccount:carts:replicaset-controller"] {
        assert_eq!(decision(&ground.ask(&by(user, created(&pod)))), "deny", "{user}");
    }
    let response = ground.ask(&by(CONTROLLER, created(&pod)));
    assert_eq!((decision(&response), &response["auditAnnotations"]["not-enforced"]), ("warn", &json!("controlled")));
    assert!(warnings(&response).contains("enforces level chain on workloads only"), "{response}");
    let both = Ground::enforcing(&json!({}), "enforceOn: [workloads, pods]");
    assert_eq!(decision(&both.ask(&by(CONTROLLER, created(&pod)))), "deny");
    let others = Ground::enforcing(&json!({}), "enforceOn: [workloads]\ncluster: {controllers: [kruise]}");
    assert_eq!(decision(&others.ask(&by("kruise", created(&pod)))), "warn");
}

#[test]
fn templates_are_denied_and_what_controllers_make_of_them_is_not() {
    let ground = Ground::enforcing(&json!({}), "enforceOn: [workloads]");
    let template = deployment();
    let response = ground.ask(&by("alice", created(&template)));
    assert_eq!(decision(&response), "deny", "{response}");
    let mut set = template.clone();
    set["kind"] = json!("ReplicaSet");
    assert_eq!(decision(&ground.ask(&by("alice", created(&set)))), "deny");
    let deployer = "system:serviceaccount:kube-system:deployment-controller";
    assert_eq!(decision(&ground.ask(&by(deployer, created(&set)))), "warn");
    let mut scaled = template.clone();
    scaled["spec"]["replicas"] = json!(5);
    let update = common::review(("apps", "Deployment"), "UPDATE", &scaled, Some(&template));
    let response = ground.ask(&by("alice", update));
    assert_eq!(decision(&response), "warn", "it makes nothing worse: {response}");
    assert!(!warnings(&response).contains("pods of this Deployment would be denied"), "{response}");
}

fn namespace(labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "carts", "labels": labels}})
}

/// What an update of a namespace lowers; else what it is warned about.
fn change(config: &str, before: Option<&Value>, after: &Value) -> Result<String, String> {
    let operation = if before.is_some() { "UPDATE" } else { "CREATE" };
    let before = before.map(namespace);
    let review = common::review(("", "Namespace"), operation, &namespace(after), before.as_ref());
    let ground = Ground::new(&json!({}), &json!({}), config);
    let considered = match ground.consider(&review, Mode::Enforce, true) {
        NextStep::AskAboutNamespace(change) => match change.lowering {
            Some(lowering) => return Err(lowering.what.join("; ")),
            // Without a cluster to be asked.
            None => ground.consider(&review, Mode::Enforce, false),
        },
        considered => considered,
    };
    match considered {
        NextStep::Reply(reply) => Ok(warnings(&serde_json::from_slice::<Value>(&reply.body).unwrap()["response"])),
        other => panic!("{other:?}"),
    }
}

#[test]
fn taking_away_what_is_denied_is_guarded() {
    let on = |on: &str| json!({"rolecall.dev/enforce": "chain", "rolecall.dev/enforce-on": on});
    let lowered = |before: &Value, after: &Value| change("", Some(before), after);
    let both = on("pods.workloads");
    assert_eq!(
        lowered(&both, &on("workloads")).unwrap_err(),
        "rolecall.dev/enforce-on from pods.workloads to workloads"
    );
    assert!(lowered(&both, &json!({"rolecall.dev/enforce": "chain"})).is_err(), "the default is pods");
    assert!(lowered(&json!({"rolecall.dev/enforce": "chain"}), &on("workloads")).is_err());
    assert_eq!(lowered(&both, &on("workloads_pods")).unwrap(), "");
    let raised = lowered(&on("workloads"), &both).unwrap();
    assert!(raised.contains("pods and workloads of namespace carts") && raised.contains("--would-deny"), "{raised}");
    let raised = lowered(&json!({}), &on("workloads")).unwrap();
    assert!(raised.contains(" workloads of namespace carts that are created or changed"), "{raised}");
    let wrong = lowered(&json!({}), &json!({"rolecall.dev/enforce-on": "pod"})).unwrap();
    assert!(wrong.contains("names neither pods nor workloads"), "{wrong}");
    let closed = json!({"rolecall.dev/on-outage": "deny"});
    assert_eq!(lowered(&closed, &json!({})).unwrap_err(), "rolecall.dev/on-outage from deny to no value");
    assert_eq!(lowered(&json!({}), &closed).unwrap(), "");
    // Where nothing was enforced nothing is lowered.
    assert!(change("", None, &on("workloads")).is_ok());
    assert!(change("enforce: chain", None, &on("workloads")).is_err());
}

#[test]
fn a_label_does_not_go_below_the_configuration() {
    let config = "levels: [{namespaces: ['car*'], selector: {matchLabels: {env: prod}}, enforce: chain}]";
    let prod = json!({"env": "prod"});
    let warned = change(config, Some(&prod), &json!({"env": "prod", "rolecall.dev/enforce": "off"})).unwrap();
    assert!(warned.contains("chain stays in force (levels[0])"), "{warned}");
    // Leaving the rule lowers the level, by whatever label.
    let lowered = "rolecall.dev/enforce from chain to off";
    assert_eq!(change(config, Some(&prod), &json!({"env": "test"})).unwrap_err(), lowered);
    let may = config.replace("enforce:", "labelsMayLower: true, enforce:");
    assert_eq!(change(&may, Some(&prod), &json!({"env": "prod", "rolecall.dev/enforce": "off"})).unwrap_err(), lowered);
    assert!(change(&may, None, &json!({"env": "prod", "rolecall.dev/enforce": "off"})).is_err(), "a new one too");
    let ground = |labels: Value| Ground::new(&labels, &json!({}), config);
    let pod = created(&broken_pod(&json!({})));
    assert_eq!(decision(&ground(json!({"env": "prod", "rolecall.dev/enforce": "off"})).ask(&pod)), "deny");
    assert_eq!(decision(&ground(json!({"env": "test"})).ask(&pod)), "warn");
}

#[test]
fn a_pause_lifts_denials_and_no_guard() {
    let ground = Ground::enforcing(&json!({}), "onError: deny");
    let paused = |review: &Value, until: Option<&str>, mode: Mode| {
        let settings = ground.settings(mode);
        settings.pause.set(until.map(|until| until.parse::<Timestamp>().unwrap()));
        match ground.consider_with(review, &settings, true) {
            NextStep::Reply(reply) => Some(serde_json::from_slice::<Value>(&reply.body).unwrap()["response"].clone()),
            _ => None,
        }
    };
    let pod = created(&broken_pod(&json!({})));
    let later = "2026-11-26T13:00:00Z";
    let response = paused(&pod, Some(later), Mode::Enforce).unwrap();
    assert_eq!((decision(&response), &response["auditAnnotations"]["not-enforced"]), ("warn", &json!("paused")));
    let said = warnings(&response);
    assert!(said.starts_with(&format!("rolecall: paused until {later}: this would have been denied")), "{said}");
    for until in [None, Some(NOW)] {
        assert_eq!(decision(&paused(&pod, until, Mode::Enforce).unwrap()), "deny", "{until:?}");
    }
    let only_warns = paused(&pod, Some(later), Mode::Warn).unwrap();
    assert!(!warnings(&only_warns).contains("paused"), "it would not have been denied: {only_warns}");
    let healthy = common::json_file("fixtures/reviews/pod-irsa-create.json");
    assert_eq!(decision(&paused(&healthy, Some(later), Mode::Enforce).unwrap()), "allow");
    let mut unreadable = pod;
    unreadable["request"]["object"]["spec"] = json!(7);
    assert_eq!(decision(&paused(&unreadable, None, Mode::Enforce).unwrap()), "deny");
    assert_eq!(decision(&paused(&unreadable, Some(later), Mode::Enforce).unwrap()), "warn");
    let before = namespace(&json!({"rolecall.dev/enforce": "chain"}));
    let lowers = common::review(("", "Namespace"), "UPDATE", &namespace(&json!({})), Some(&before));
    assert_eq!(paused(&lowers, Some(later), Mode::Enforce), None, "the guard asks all the same");
}
