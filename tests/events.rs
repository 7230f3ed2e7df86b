//! Events in a real cluster: what GitOps users see, since Argo CD and Flux drop the warnings of an admission webhook.
//!
//! One cluster and two replicas for all tests; each test has a namespace of its own. Reviews are posted to a replica where
//! the API server would not send such: it calls one of the two.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
#![cfg(feature = "kube")]
mod common;

use std::sync::OnceLock;

use common::Server;
use common::cluster::{
    Cluster, OWN_ROLE, PATIENCE, ROLE, deployment, eventually, free_port, manifest, post, snapshot, texts,
};
use common::review;
use serde_json::{Value, json};

struct Ground {
    cluster: Cluster,
    first: Server,
    second: Server,
}

/// Repeats are written after a second, so that the tests need not wait a minute.
const QUICK: &str = "events: {repeatSeconds: 1, callsPerSecond: 20}\n";

fn replica(cluster: &Cluster, name: &str, kubeconfig: &str, port: u16, config: &str) -> Server {
    let file = cluster.folder().join(format!("{name}.yaml"));
    std::fs::write(&file, config).unwrap();
    let arguments = ["--config", file.to_str().unwrap()];
    let source = snapshot().display().to_string();
    Server::in_cluster(kubeconfig, &source, port, &arguments, &[("POD_NAME", name.to_owned())]).ready()
}

fn ground() -> &'static Ground {
    static GROUND: OnceLock<Ground> = OnceLock::new();
    GROUND.get_or_init(|| {
        let cluster = Cluster::start();
        let port = free_port();
        cluster.register(port);
        let kubeconfig = cluster.as_service_account("rolecall", "rolecall");
        let config = format!("{OWN_ROLE}{QUICK}");
        let first = replica(&cluster, "replica-a", &kubeconfig, port, &config);
        let second = replica(&cluster, "replica-b", &kubeconfig, free_port(), &config);
        cluster.namespace("is-rolecall-there", &json!({}), Some(ROLE));
        eventually("the first warning", PATIENCE, || {
            let object = deployment("is-rolecall-there", "x", 0).to_string();
            let output = cluster.try_kubectl(&["create", "--dry-run=server", "-f", "-"], &object);
            let (_, warned) = texts(&output);
            if warned.contains("irsa-trust-subject") { Ok(()) } else { Err(warned) }
        });
        Ground { cluster, first, second }
    })
}

impl Ground {
    /// rolecall's Events in a namespace about objects of a kind.
    fn events(&self, namespace: &str, kind: &str) -> Vec<Value> {
        let all = self.cluster.get(&["events", "-n", namespace]);
        let of_kind =
            |event: &&Value| event["involvedObject"]["kind"] == kind && event["source"]["component"] == "rolecall";
        all["items"].as_array().unwrap().iter().filter(of_kind).cloned().collect()
    }

    /// The only Event about the only object of a kind, once it counts this much.
    fn event(&self, namespace: &str, kind: &str, count: u64) -> Value {
        eventually("the Event", PATIENCE, || {
            let events = self.events(namespace, kind);
            match events.as_slice() {
                [event] if event["count"].as_u64().unwrap() >= count => Ok(event.clone()),
                _ => Err(format!("{events:#?}")),
            }
        })
    }
}

/// How many Events had this outcome.
fn outcomes(server: &Server, outcome: &str) -> u64 {
    let prefix = format!("rolecall_events_total{{outcome=\"{outcome}\"}} ");
    let (_, text) = server.get("/metrics");
    text.lines().find_map(|line| line.strip_prefix(&prefix)).map_or(0, |count| count.parse().unwrap())
}

/// The object as the API server has it, as it would come in a review of its creation.
fn stored(cluster: &Cluster, namespace: &str, name: &str) -> Value {
    cluster.get(&["deployment", name, "-n", namespace])
}

#[test]
fn a_warning_becomes_one_event_on_the_workload_and_one_on_its_service_account() {
    let ground = ground();
    let Ground { cluster, .. } = ground;
    cluster.namespace("warned", &json!({}), Some(ROLE));
    let named = deployment("warned", "web", 0);
    let warned = cluster.apply(&named.to_string());
    assert!(warned.contains("irsa-trust-subject"), "{warned}");
    let event = ground.event("warned", "Deployment", 1);
    for (field, value) in [
        ("type", "Warning"),
        ("reason", "IdentityWarning"),
        ("action", "Admission"),
        ("reportingComponent", "rolecall"),
    ] {
        assert_eq!(event[field], value, "{event:#}");
    }
    assert!(event["reportingInstance"].as_str().unwrap().starts_with("replica-"));
    assert_eq!(event["involvedObject"]["uid"], stored(cluster, "warned", "web")["metadata"]["uid"]);
    let message = event["message"].as_str().unwrap();
    let first = message.lines().next().unwrap();
    assert_eq!(
        first,
        "service account warned/app cannot assume role eks-workshop-carts-dynamo: the role's trust policy does not allow it [irsa-trust-subject]"
    );
    assert!(
        message.contains("\n  change: ") && message.ends_with("more: rolecall explain irsa-trust-subject"),
        "{message}"
    );
    assert!(message.len() <= rolecall::review::MAX_NOTE_BYTES);
    // The service account's own review, and the Deployment's, count on one Event.
    let of_account = ground.event("warned", "ServiceAccount", 2);
    assert_eq!(of_account["involvedObject"]["name"], "app");
    assert_eq!(of_account["message"].as_str().unwrap().lines().next().unwrap(), first);
    // What a person sees.
    let (list, _) = cluster.kubectl(&["get", "events", "-n", "warned", "--field-selector", "reason=IdentityWarning"]);
    assert!(list.contains("deployment/web") && list.contains("serviceaccount/app"), "{list}");
    let (described, _) = cluster.kubectl(&["describe", "deployment", "web", "-n", "warned"]);
    assert!(described.contains("IdentityWarning") && described.contains(first), "{described}");

    // The same again counts, and a new generation is another Event.
    let again = review(("apps", "Deployment"), "CREATE", &stored(cluster, "warned", "web"), None);
    post(&ground.first, cluster, std::slice::from_ref(&again));
    let counted = ground.event("warned", "Deployment", 2);
    assert_eq!(counted["metadata"]["name"], event["metadata"]["name"]);
    assert_eq!(counted["firstTimestamp"], event["firstTimestamp"]);
    cluster.apply(&named.to_string().replace("example.com/app:1", "example.com/app:2"));
    eventually("the Event of the next generation", PATIENCE, || {
        let events = ground.events("warned", "Deployment");
        if events.len() == 2 { Ok(()) } else { Err(format!("{events:#?}")) }
    });
}

/// docs/metrics.md and docs/denied.md show what the API server and kubectl print.
#[test]
fn the_documents_show_what_people_see() {
    let ground = ground();
    let Ground { cluster, .. } = ground;
    let page = |name: &str| std::fs::read_to_string(common::root().join("docs").join(name)).unwrap();
    let shown = [page("metrics.md"), page("denied.md")].concat();
    cluster.namespace("carts", &json!({}), Some(ROLE));
    cluster.apply(&deployment("carts", "web", 0).to_string());
    ground.event("carts", "Deployment", 1);
    ground.event("carts", "ServiceAccount", 1);
    let arguments = ["get", "events", "-n", "carts", "--field-selector", "reason=IdentityWarning"];
    let (list, _) = cluster.kubectl(&arguments);
    for line in list.lines().filter(|line| line.contains("/web") || line.contains("/app")) {
        let (_, from_type) = line.split_once("Warning").unwrap();
        assert!(shown.contains(&format!("Warning{from_type}")), "{line}");
    }
    assert!(list.contains("deployment/web") && list.contains("serviceaccount/app"), "{list}");

    cluster.kubectl(&["label", "namespace", "carts", "rolecall.dev/enforce=chain"]);
    let denied = eventually("a denial", PATIENCE, || {
        let output = cluster.try_kubectl(&["apply", "-f", "-"], &common::cluster::pod("carts", "bare").to_string());
        let (_, error) = texts(&output);
        cluster.try_kubectl(&["delete", "pod", "bare", "-n", "carts", "--ignore-not-found", "--wait=false"], "");
        if error.contains("denied the request") { Ok(error) } else { Err(error) }
    });
    let first = denied.lines().find(|line| line.contains("denied the request")).unwrap();
    assert!(shown.contains(&format!("\n{first}\n")), "{denied}");
    cluster.kubectl(&["scale", "deployment/web", "-n", "carts", "--replicas=1"]);
    let failed = eventually("the ReplicaSet's Event", PATIENCE, || {
        let all = cluster.get(&["events", "-n", "carts", "--field-selector", "reason=FailedCreate"]);
        all["items"][0]["message"].as_str().map(str::to_owned).ok_or_else(|| all.to_string())
    });
    assert!(shown.contains(&format!("\n{}\n", failed.lines().next().unwrap())), "{failed}");
    assert!(failed.contains("\n  change: "), "{failed}");
    eventually("the Deployment's Event", PATIENCE, || {
        let events = ground.events("carts", "Deployment");
        let is_denial = |event: &&Value| event["reason"] == "IdentityDenied";
        if events.iter().any(|event| is_denial(&event)) { Ok(()) } else { Err(format!("{events:#?}")) }
    });
}

#[test]
fn two_replicas_write_one_event() {
    let ground = ground();
    let Ground { cluster, first, second } = ground;
    cluster.namespace("replicated", &json!({}), Some(ROLE));
    cluster.apply(&deployment("replicated", "web", 0).to_string());
    let event = ground.event("replicated", "Deployment", 1);
    let again = review(("apps", "Deployment"), "CREATE", &stored(cluster, "replicated", "web"), None);
    for (server, count) in [(second, 2), (first, 3), (second, 4), (first, 5)] {
        post(server, cluster, std::slice::from_ref(&again));
        let counted = ground.event("replicated", "Deployment", count);
        assert_eq!(counted["count"], count, "{counted:#}");
        assert_eq!(counted["metadata"]["uid"], event["metadata"]["uid"]);
    }
    assert!(outcomes(second, "counted") >= 2);
}

#[test]
fn neither_a_dry_run_nor_an_invented_object_leaves_an_event() {
    let ground = ground();
    let Ground { cluster, first, .. } = ground;
    cluster.namespace("nothing", &json!({}), None);
    cluster.service_account("nothing", "other", Some(ROLE));
    ground.event("nothing", "ServiceAccount", 1);
    let of = |name: &str| {
        let mut object = deployment("nothing", name, 0);
        object["spec"]["template"]["spec"]["serviceAccountName"] = json!("other");
        object
    };
    let output = cluster.try_kubectl(&["create", "--dry-run=server", "-f", "-"], &of("dry").to_string());
    assert!(texts(&output).1.contains("irsa-trust-subject"));
    cluster.apply(&of("real").to_string());
    ground.event("nothing", "Deployment", 1);
    let before = outcomes(first, "unverified");
    let forge = |name: &str, metadata: &[(&str, Value)]| {
        let mut object = of(name);
        object["metadata"]["uid"] = json!("6f1f6f0e-0000-4000-8000-000000000009");
        metadata.iter().for_each(|(key, value)| object["metadata"][*key] = value.clone());
        review(("apps", "Deployment"), "CREATE", &object, None)
    };
    let real = stored(cluster, "nothing", "real");
    let uid = real["metadata"]["uid"].clone();
    let generation = real["metadata"]["generation"].as_i64().unwrap();
    let mut dry = forge("real", &[("uid", uid.clone())]);
    dry["request"]["dryRun"] = json!(true);
    let forged = [
        forge("none", &[]),
        forge("real", &[]),
        // An update that another webhook refused.
        forge("real", &[("uid", uid), ("generation", json!(generation + 1))]),
        forge("../../secrets", &[]),
        dry,
    ];
    post(first, cluster, &forged);
    eventually("they are given up", PATIENCE, || match outcomes(first, "unverified") - before {
        4 => Ok(()),
        found => Err(found.to_string()),
    });
    let events = ground.events("nothing", "Deployment");
    assert_eq!((events.len(), &events[0]["count"]), (1, &json!(1)), "{events:#?}");
    assert_eq!(ground.events("nothing", "ServiceAccount").len(), 1);
}

#[test]
fn a_flood_of_objects_is_bounded() {
    let ground = ground();
    let Ground { cluster, .. } = ground;
    cluster.namespace("flooded", &json!({}), Some(ROLE));
    let kubeconfig = cluster.as_service_account("rolecall", "rolecall");
    let config = format!("{OWN_ROLE}events: {{callsPerSecond: 1}}\n");
    let server = replica(cluster, "flooded", &kubeconfig, free_port(), &config);
    let forged = |name: usize| {
        let mut object = deployment("flooded", &format!("web-{name}"), 0);
        object["metadata"]["uid"] = json!(format!("6f1f6f0e-0000-4000-8000-{name:012}"));
        review(("apps", "Deployment"), "CREATE", &object, None)
    };
    post(&server, cluster, &(0..1_000).map(forged).collect::<Vec<_>>());
    // At most 128 objects of a namespace wait; a few may have been given up meanwhile.
    eventually("what there is no room for is counted", PATIENCE, || match outcomes(&server, "limited") {
        limited @ 800..1_000 => Ok(limited),
        limited => Err(limited.to_string()),
    });
    assert!(ground.events("flooded", "Deployment").is_empty());
}

#[test]
fn a_missing_right_is_said_once() {
    let ground = ground();
    let Ground { cluster, .. } = ground;
    cluster.namespace("no-rights", &json!({}), Some(ROLE));
    // A service account that may do all that rolecall needs, and nothing for Events.
    let rules = manifest("rbac.yaml")
        .replace("name: rolecall\n", "name: rolecall-bare\n")
        .replace("name: rolecall-agent\n", "name: rolecall-bare-agent\n")
        .replace("resources: [events]", "resources: [nothing]")
        .replace("verbs: [create, patch]", "verbs: [get]");
    cluster.apply(&rules);
    let kubeconfig = cluster.as_service_account("rolecall", "rolecall-bare");
    let server = replica(cluster, "bare", &kubeconfig, free_port(), &format!("{OWN_ROLE}{QUICK}"));
    for name in ["one", "two"] {
        cluster.apply(&deployment("no-rights", name, 0).to_string());
    }
    let again =
        ["one", "two"].map(|name| review(("apps", "Deployment"), "CREATE", &stored(cluster, "no-rights", name), None));
    post(&server, cluster, &again);
    let said = server.log_line(|line| line["right"] == "create events");
    assert!(said["error"].as_str().unwrap().contains("deploy/manifests/rbac.yaml"), "{said}");
    // Of both Deployments, and of their service account.
    eventually("all are given up", PATIENCE, || match outcomes(&server, "forbidden") {
        3.. => Ok(()),
        count => Err(count.to_string()),
    });
    let said = server.log.lock().unwrap().iter().filter(|line| line["right"] == "create events").count();
    assert_eq!(said, 1);
    assert_eq!(server.get("/readyz").0, 200, "it goes on");
}
