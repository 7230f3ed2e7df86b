//! `rolecall replay`: audit logs as the API server writes them, and as they are found: cut, mixed, without objects.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod common;

use std::io::Write;
use std::process::Output;

use common::{TempDir, json_file, rolecall, rolecall_with_input};
use serde_json::{Value, json};

const SNAPSHOT: &str = "tests/fixtures/snapshot.json";
const REPLICASETS: &str = "system:serviceaccount:kube-system:replicaset-controller";

fn replayed(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// The event of a request that was answered.
fn event(verb: &str, resource: &str, object: &Value) -> Value {
    json!({"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "RequestResponse", "stage": "ResponseComplete",
        "verb": verb, "requestURI": "/api/v1/x", "user": {"username": REPLICASETS, "groups": ["system:authenticated"]},
        "objectRef": {"resource": resource, "namespace": object["metadata"]["namespace"], "name": object["metadata"]["name"],
            "apiVersion": "v1"},
        "responseStatus": {"code": 201}, "requestObject": object, "responseObject": object,
        "requestReceivedTimestamp": "2026-11-24T17:26:52.000000Z"})
}

/// A recorded pod, with an owner.
fn pod(review: &str) -> Value {
    let mut pod = json_file(&format!("fixtures/reviews/{review}"))["request"]["object"].clone();
    pod["metadata"]["labels"]["pod-template-hash"] = json!("7d9f");
    pod["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "carts-7d9f", "uid": "u", "controller": true}]);
    pod
}

fn account(name: &str, role: Option<&str>) -> Value {
    let annotations = role.map_or(json!({}), |role| json!({"eks.amazonaws.com/role-arn": role}));
    json!({"kind": "ServiceAccount", "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "carts", "annotations": annotations}})
}

fn log(events: &[Value]) -> String {
    events.iter().map(|event| format!("{event}\n")).collect()
}

fn replay(file: &str, arguments: &[&str]) -> Output {
    replay_at("chain", file, arguments)
}

fn replay_at(level: &str, file: &str, arguments: &[&str]) -> Output {
    let mut all = vec!["replay", file, "--format", "json", "--level", level];
    if !arguments.contains(&"--source") {
        all.extend(["--source", SNAPSHOT]);
    }
    all.extend(arguments);
    rolecall(&all)
}

/// The report as text, which exits with this code.
fn text(file: &str, code: i32, arguments: &[&str]) -> String {
    let mut all = vec!["replay", file, "--source", SNAPSHOT, "--level", "chain"];
    all.extend(arguments);
    let output = rolecall(&all);
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The event of a pod as it was sent, which a webhook entry of rolecall denied by these rules.
fn denied_by(entry: &str, rules: &str, pod: &Value) -> Value {
    let mut denied = event("create", "pods", pod);
    denied["responseObject"] = json!({"kind": "Status", "apiVersion": "v1", "code": 403});
    denied["responseStatus"] = json!({"code": 403});
    let mut annotations = json!({});
    annotations[format!("{entry}/decision")] = json!("deny");
    annotations[format!("{entry}/rules")] = json!(rules);
    denied["annotations"] = annotations;
    denied
}

const ENTRIES: [&str; 2] = ["validate.rolecall.dev", "fail-closed.rolecall.dev"];

/// A pod as it is sent: without what the injector adds.
fn sent(service_account: &str) -> Value {
    json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a", "namespace": "carts"},
        "spec": {"serviceAccountName": service_account, "containers": [{"name": "a", "image": "x"}]}})
}

fn namespace() -> Value {
    json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "carts"}})
}

/// An event whose objects the audit policy does not record.
fn at_metadata_level(event: &Value) -> Value {
    let mut event = event.clone();
    event["level"] = json!("Metadata");
    event.as_object_mut().unwrap().remove("requestObject");
    event.as_object_mut().unwrap().remove("responseObject");
    event
}

fn groups(result: &Value) -> [u64; 3] {
    ["stillDenied", "noLongerDenied", "undecided"].map(|group| {
        let creations = result[group].as_array().unwrap().iter().map(|owner| owner["creations"].as_u64().unwrap());
        let sum: u64 = creations.sum();
        assert_eq!(result["summary"][group], sum, "{group}: {result}");
        sum
    })
}

#[test]
fn who_would_be_denied_and_how_often() {
    let folder = TempDir::new("replay");
    let bad = event("create", "pods", &pod("pod-badarn-create.json"));
    let good = event("create", "pods", &pod("pod-irsa-create.json"));
    let mut later = bad.clone();
    later["requestReceivedTimestamp"] = json!("2026-11-25T08:00:00.000000Z");
    let mut dry = bad.clone();
    dry["requestURI"] = json!("/api/v1/namespaces/carts/pods?dryRun=All");
    let mut started = bad.clone();
    started["stage"] = json!("RequestReceived");
    let text = log(&[bad, good.clone(), dry, started, later]);
    let plain = folder.file("audit.log", &text);
    let output = replay(plain.to_str().unwrap(), &[]);
    assert_eq!(output.status.code(), Some(1));
    let result = replayed(&output);
    let [denied] = result["denied"].as_array().unwrap().as_slice() else { panic!("{result}") };
    assert_eq!(
        (&denied["kind"], &denied["name"], &denied["creations"]),
        (&json!("Deployment"), &json!("carts"), &json!(2))
    );
    assert_eq!(denied["rules"], json!({"role-arn-malformed": 2}));
    assert_eq!(
        (&denied["first"], &denied["last"]),
        (&json!("2026-11-24T17:26:52.000000Z"), &json!("2026-11-25T08:00:00.000000Z"))
    );
    assert_eq!((&result["summary"]["checked"], &result["summary"]["denied"]), (&json!(3), &json!(2)));
    assert_eq!(result["byNamespace"], json!({"carts": 2}));
    // The same as gzip, of two members, and from standard input, behind the time stamps of CloudWatch Logs.
    let packed = folder.file("audit.log.gz", "");
    let mut bytes = Vec::new();
    for part in text.as_bytes().chunks(text.len() / 2 + 1) {
        let mut encoder = flate2::write::GzEncoder::new(&mut bytes, flate2::Compression::fast());
        encoder.write_all(part).unwrap();
        encoder.finish().unwrap();
    }
    std::fs::write(&packed, bytes).unwrap();
    assert_eq!(replayed(&replay(packed.to_str().unwrap(), &[])), result);
    let stamped: String = text.lines().map(|line| format!("2026-11-24T17:26:52.000Z {line}\n")).collect();
    let arguments = ["replay", "-", "--source", SNAPSHOT, "--format", "json", "--level", "chain"];
    assert_eq!(replayed(&rolecall_with_input(&arguments, &stamped)), result);
    // Nothing is denied at a level that asks nothing, and nothing of pods that are right.
    let off = replay_at("off", plain.to_str().unwrap(), &[]);
    assert_eq!(off.status.code(), Some(0), "{}", errors(&off));
    assert_eq!((&replayed(&off)["summary"]["checked"], &replayed(&off)["denied"]), (&json!(3), &json!([])));
    let right = folder.file("right.log", &log(&[good]));
    let right = replay(right.to_str().unwrap(), &[]);
    assert_eq!(right.status.code(), Some(0));
    assert_eq!(replayed(&right)["summary"]["denied"], 0);
}

#[test]
fn a_pod_is_checked_by_what_the_log_said_before_it() {
    let folder = TempDir::new("replay-accounts");
    let mut sent = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a", "namespace": "carts"},
        "spec": {"serviceAccountName": "late", "containers": [{"name": "a", "image": "x"}]}});
    sent["metadata"]["annotations"] = json!({"rolecall.dev/identity": "required"});
    let mut created = event("create", "pods", &sent);
    created.as_object_mut().unwrap().remove("responseObject");
    let of = |verb: &str, role: Option<&str>| event(verb, "serviceaccounts", &account("late", role));
    let absent = "arn:aws:iam::111122223333:role/absent";
    let events = [
        created.clone(),
        of("create", None),
        created.clone(),
        of("update", Some(absent)),
        created.clone(),
        of("delete", None),
        created,
    ];
    let file = folder.file("audit.log", &log(&events));
    let result = replayed(&replay(file.to_str().unwrap(), &[]));
    // Unknown; without a role; with one that does not exist; unknown again.
    assert_eq!(result["denied"][0]["rules"], json!({"node-role-fallback": 1, "role-missing": 1}), "{result}");
    assert_eq!(result["denied"][0]["kind"], "Pod");
    assert_eq!((&result["summary"]["unknownAccounts"], &result["summary"]["predicted"]), (&json!(2), &json!(4)));
    // Manifests win over the log.
    let manifest = folder.file("accounts.yaml", &account("late", Some(absent)).to_string());
    let result = replayed(&replay(file.to_str().unwrap(), &["--manifests", manifest.to_str().unwrap()]));
    assert_eq!(result["denied"][0]["rules"], json!({"role-missing": 4}), "{result}");
}

#[test]
fn recorded_denials_come_in_three_groups() {
    let folder = TempDir::new("replay-groups");
    let [entry, closed] = ENTRIES;
    let badarn = pod("pod-badarn-create.json");
    let irsa = pod("pod-irsa-create.json");
    let mut unknown = sent("unknown");
    unknown["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "batch/v1", "kind": "Job", "name": "nightly", "uid": "u", "controller": true}]);
    let events = [
        denied_by(entry, "role-arn-malformed", &badarn),
        denied_by(closed, "irsa-trust-subject", &irsa),
        denied_by(entry, "irsa-trust-subject", &irsa),
        denied_by(closed, "role-missing", &unknown),
        // Another webhook denied it: it is no denial of rolecall.
        denied_by("other.example.com", "irsa-trust-subject", &irsa),
    ];
    let file = folder.file("audit.log", &log(&events));
    let cluster = ["--manifests", "tests/fixtures/cluster.yaml"];
    let output = replay(file.to_str().unwrap(), &cluster);
    let result = replayed(&output);
    assert_eq!(output.status.code(), Some(1), "{result}");
    assert_eq!((groups(&result), &result["summary"]["recordedDenials"]), ([1, 2, 1], &json!(4)), "{result}");
    assert_eq!(result["cluster"], json!({"source": "manifests", "complete": false}));
    assert_eq!(result["stillDenied"][0]["rules"], json!({"role-arn-malformed": 1}));
    assert_eq!(result["noLongerDenied"][0]["rules"], json!({"irsa-trust-subject": 2}));
    let [undecided] = result["undecided"].as_array().unwrap().as_slice() else { panic!("{result}") };
    assert_eq!((&undecided["kind"], &undecided["name"]), (&json!("Job"), &json!("nightly")));
    let reason = "service account carts/unknown is neither in the log nor given: give --context or --manifests";
    let mut reasons = json!({});
    reasons[reason] = json!(1);
    assert_eq!(undecided["reasons"], reasons);
    let text = text(file.to_str().unwrap(), 1, &cluster);
    let time = "2026-11-24T17:26:52.000000Z";
    let (found, groups) = text.split_once("Denied then, would still be denied\n").unwrap();
    assert!(found.starts_with("Would be denied at level chain\n  carts: 1 owner, 1 pod creation\n"), "{text}");
    assert_eq!(
        groups,
        format!(
            "  carts: 1 owner, 1 pod creation
    Deployment carts (1 pod creation, last {time}): role-arn-malformed
Denied then, would no longer be denied
  carts: 1 owner, 2 pod creations
    Deployment carts (2 pod creations, last {time}): irsa-trust-subject
Denied then, cannot be decided now
  carts: 1 owner, 1 pod creation
    Job nightly (1 pod creation, last {time}): role-missing
      reason: {reason}
note: 5 of 5 pods are recorded as sent, before injection: what the injector adds is predicted; level RequestResponse in \
             the audit policy records pods as stored
note: nothing is known of the service account of 1 pod, so little is certain about it: give --manifests or --context
5 lines, 5 pod creations checked: 1 would be denied at level chain; 4 were denied then: 1 would still be denied, 2 would \
             no longer be denied, 1 cannot be decided now
"
        )
    );
}

#[test]
fn both_webhooks_that_check_pods_are_known() {
    let registration = std::fs::read_to_string(common::root().join("deploy/manifests/webhook.yaml")).unwrap();
    let entries = registration.split("\n  - name: ").skip(1);
    let of_pods = entries.filter(|entry| entry.contains("resources: [pods]"));
    let names: Vec<&str> = of_pods.map(|entry| entry.split_whitespace().next().unwrap()).collect();
    assert_eq!(names, ENTRIES);
}

/// What is missing now, and the reason that says so. Without it the denial would be over.
#[test]
fn a_denial_is_over_only_where_that_is_certain() {
    let folder = TempDir::new("replay-undecided");
    let cluster = "tests/fixtures/cluster.yaml";
    let irsa = pod("pod-irsa-create.json");
    let entry = ENTRIES[0];
    let denied = denied_by(entry, "irsa-trust-subject", &irsa);
    let reason_of = |events: &[Value], level: &str, arguments: &[&str]| -> String {
        let file = folder.file("audit.log", &log(events));
        let result = replayed(&replay_at(level, file.to_str().unwrap(), arguments));
        assert_eq!(groups(&result), [0, 0, 1], "{result}");
        result["undecided"][0]["reasons"].as_object().unwrap().keys().next().unwrap().clone()
    };
    // It is over with all that is known.
    let file = folder.file("over.log", &log(std::slice::from_ref(&denied)));
    assert_eq!(groups(&replayed(&replay(file.to_str().unwrap(), &["--manifests", cluster]))), [0, 1, 0]);
    // The log says it as well as the manifests do.
    let role = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";
    let told = event("create", "serviceaccounts", &account("carts", Some(role)));
    let of_namespace = event("create", "namespaces", &namespace());
    let file = folder.file("told.log", &log(&[of_namespace.clone(), told.clone(), denied.clone()]));
    let result = replayed(&replay(file.to_str().unwrap(), &[]));
    assert_eq!((groups(&result), &result["cluster"]["source"]), ([0, 1, 0], &json!("log")), "{result}");
    assert_eq!(
        reason_of(&[of_namespace, denied.clone()], "chain", &[]),
        "service account carts/carts is neither in the log nor given: give --context or --manifests"
    );
    assert_eq!(
        reason_of(&[told, denied.clone()], "chain", &[]),
        "namespace carts is neither in the log nor given: give --context or --manifests"
    );
    let given = ["--manifests", cluster];
    // Parts of the snapshot that are missing.
    let mut snapshot = json_file("fixtures/snapshot.json");
    let associations = snapshot.as_object_mut().unwrap().remove("podIdentityAssociations").unwrap();
    let without = folder.file("associations.json", &snapshot.to_string());
    let with =
        |source: &std::path::Path| ["--manifests", cluster, "--source", source.to_str().unwrap()].map(str::to_owned);
    let arguments = with(&without);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert_eq!(
        reason_of(std::slice::from_ref(&denied), "chain", &arguments),
        "the snapshot does not have the Pod Identity associations"
    );
    snapshot["podIdentityAssociations"] = associations;
    for account in snapshot["accounts"].as_object_mut().unwrap().values_mut() {
        account.as_object_mut().unwrap().remove("oidcProviders");
    }
    let without = folder.file("providers.json", &snapshot.to_string());
    let arguments = with(&without);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let reason = reason_of(std::slice::from_ref(&denied), "chain", &arguments);
    assert!(reason.contains("OIDC"), "{reason}");
    // What the injector added is not in the record of a denied pod; what depends on other data that is not known.
    for (rules, part) in [
        ("injection-missing", "rule injection-missing depends on what the injector added"),
        ("pod-identity-unsupported", "depends on the Fargate profiles, which the snapshot does not have"),
        ("pod-identity-agent-missing", "depends on the Pod Identity agent, which is not known"),
    ] {
        let reason = reason_of(&[denied_by(entry, rules, &irsa)], "chain", &given);
        assert!(reason.contains(part), "{rules}: {reason}");
    }
    // The rule is broken as before, and only the level is another.
    let mut needy = sent("default");
    needy["metadata"]["annotations"] = json!({"rolecall.dev/requires": "s3:GetObject"});
    let needy = [denied_by(entry, "node-role-fallback", &needy)];
    assert_eq!(
        reason_of(&needy, "chain", &given),
        "rule node-role-fallback is still broken, and denies from level fallback on: replay with --level fallback"
    );
    let file = folder.file("needy.log", &log(&needy));
    assert_eq!(groups(&replayed(&replay_at("fallback", file.to_str().unwrap(), &given))), [1, 0, 0]);
    // Records without an object that can be read.
    let checked = event("create", "pods", &irsa);
    let reason = reason_of(&[at_metadata_level(&denied), checked.clone()], "chain", &given);
    assert!(reason.contains("the audit policy has level Metadata for pods: set level Request"), "{reason}");
    let mut broken = denied;
    broken["requestObject"] = json!({"kind": "Pod", "metadata": 7});
    let reason = reason_of(&[broken, checked.clone()], "chain", &given);
    assert_eq!(reason, "the object in the record cannot be read: the object has a field of a wrong type");
    let own = json!({"timestamp": "2026-11-24T17:26:52Z", "level": "INFO", "target": "rolecall::audit", "decision": "deny",
        "kind": "Pod", "operation": "CREATE", "namespace": "carts", "name": "", "rules": "role-missing", "dry_run": false});
    let reason = reason_of(&[own, checked], "chain", &given);
    assert!(reason.contains("give the API server's audit log"), "{reason}");
}

/// A change whose result the log does not have leaves nothing that was known before.
#[test]
fn a_change_that_cannot_be_read_makes_the_object_unknown() {
    let folder = TempDir::new("replay-changes");
    let absent = "arn:aws:iam::111122223333:role/absent";
    let told = event("create", "serviceaccounts", &account("late", Some(absent)));
    let created = {
        let mut created = event("create", "pods", &sent("late"));
        created.as_object_mut().unwrap().remove("responseObject");
        created
    };
    let update = event("update", "serviceaccounts", &account("late", Some(absent)));
    let changed = |edit: &dyn Fn(&mut Value)| {
        let mut event = update.clone();
        edit(&mut event);
        event
    };
    let only_patched = |event: &mut Value| {
        event["verb"] = json!("patch");
        event["requestObject"] = json!({"metadata": {"annotations": {"eks.amazonaws.com/role-arn": absent}}});
        event.as_object_mut().unwrap().remove("responseObject");
    };
    let all_deleted = |event: &mut Value| {
        event["verb"] = json!("deletecollection");
        event["objectRef"].as_object_mut().unwrap().remove("name");
        event["responseObject"] = json!({"kind": "ServiceAccountList", "items": []});
    };
    let failed = |code: u16| {
        changed(&|event| {
            event["responseStatus"]["code"] = json!(code);
            event["responseObject"] = json!({"kind": "Status", "code": code});
        })
    };
    let namespace_gone = {
        let mut gone = event("delete", "namespaces", &namespace());
        gone["objectRef"]["namespace"] = json!("carts");
        gone
    };
    let dry = |event: &mut Value| {
        event["verb"] = json!("delete");
        event["requestObject"] = json!({"kind": "DeleteOptions", "dryRun": ["All"]});
    };
    // The event, whether the service account is unknown afterwards, and whether the log lacks what it did.
    let cases = [
        ("update at level Metadata", at_metadata_level(&update), true, 1),
        (
            "update at level Request",
            changed(&|event| drop(event.as_object_mut().unwrap().remove("responseObject"))),
            false,
            0,
        ),
        ("patch at level Request", changed(&only_patched), true, 1),
        ("patch with its result", changed(&|event| event["verb"] = json!("patch")), false, 0),
        (
            "patch answered as a table",
            changed(&|event| {
                event["verb"] = json!("patch");
                event["responseObject"] = json!({"kind": "Table"});
            }),
            true,
            1,
        ),
        ("deletecollection", changed(&all_deleted), true, 0),
        (
            "deletecollection that failed",
            changed(&|event| {
                all_deleted(event);
                event["responseStatus"]["code"] = json!(409);
            }),
            true,
            1,
        ),
        ("deletion of the namespace", namespace_gone, true, 0),
        ("conflict", failed(409), false, 0),
        ("timeout", failed(504), true, 1),
        ("panic", changed(&|event| event["stage"] = json!("Panic")), true, 1),
        ("deletion as a dry run", changed(&dry), false, 0),
        (
            "unreadable object",
            changed(&|event| {
                event["responseObject"]["metadata"]["annotations"] = json!(7);
            }),
            true,
            0,
        ),
        (
            "another service account",
            at_metadata_level(&event("update", "serviceaccounts", &account("other", None))),
            false,
            1,
        ),
    ];
    for (name, change, is_unknown, unread) in cases {
        let file = folder.file("audit.log", &log(&[told.clone(), change, created.clone()]));
        let summary = &replayed(&replay(file.to_str().unwrap(), &[]))["summary"];
        let denied = u64::from(!is_unknown);
        assert_eq!(
            (&summary["denied"], &summary["unknownAccounts"], &summary["unreadChanges"]),
            (&json!(denied), &json!(u64::from(is_unknown)), &json!(unread)),
            "{name}: {summary}"
        );
    }
    // What is said in the text.
    let file = folder.file("audit.log", &log(&[told, at_metadata_level(&update), created]));
    let text = text(file.to_str().unwrap(), 0, &[]);
    assert!(
        text.contains("note: the log does not have the result of 1 change of service accounts or namespaces"),
        "{text}"
    );
    // Manifests stay: the log changes nothing of them.
    let manifest = folder.file("accounts.yaml", &account("late", Some(absent)).to_string());
    let result = replayed(&replay(file.to_str().unwrap(), &["--manifests", manifest.to_str().unwrap()]));
    assert_eq!(result["summary"]["denied"], 1, "{result}");
}

/// Namespaces too: an annotation that required an identity counts until the log says that it may have changed.
#[test]
fn a_namespace_that_changed_unseen_is_unknown() {
    let folder = TempDir::new("replay-namespace");
    let mut required = namespace();
    required["metadata"]["annotations"] = json!({"rolecall.dev/identity": "required"});
    let told = [event("create", "namespaces", &required), event("create", "serviceaccounts", &account("bare", None))];
    let created = event("create", "pods", &sent("bare"));
    // The API server stores changed annotations with an update of the status too.
    let mut status = event("patch", "namespaces", &namespace());
    status["objectRef"]["subresource"] = json!("status");
    let events = [&told[0], &told[1], &created, &status, &created].map(Value::clone);
    let file = folder.file("audit.log", &log(&events));
    let summary = &replayed(&replay(file.to_str().unwrap(), &[]))["summary"];
    assert_eq!((&summary["denied"], &summary["unknownNamespaces"]), (&json!(1), &json!(0)), "{summary}");
    let events = [&told[0], &told[1], &created, &at_metadata_level(&status), &created].map(Value::clone);
    let file = folder.file("audit.log", &log(&events));
    let summary = &replayed(&replay(file.to_str().unwrap(), &[]))["summary"];
    assert_eq!((&summary["denied"], &summary["unknownNamespaces"]), (&json!(1), &json!(1)), "{summary}");
}

#[test]
fn bad_lines_are_named_and_hide_nothing() {
    let folder = TempDir::new("replay-bad");
    let good = event("create", "pods", &pod("pod-irsa-create.json")).to_string();
    let cut = good.get(..good.len() / 2).unwrap();
    let wrong = r#"{"kind":"Event","stage":7}"#;
    let text = format!("{good}\nnot json\n\n{wrong}\n[]\n{{\"kind\":\"PodList\"}}\n{good}\n{cut}");
    let file = folder.file("audit.log", &text);
    let output = replay(file.to_str().unwrap(), &[]);
    assert_eq!(output.status.code(), Some(2));
    let result = replayed(&output);
    let lines: Vec<u64> =
        result["unreadable"].as_array().unwrap().iter().map(|line| line["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [2, 4, 5, 6, 8]);
    assert_eq!((&result["summary"]["checked"], &result["summary"]["unreadable"]), (&json!(2), &json!(5)));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("line 8: the JSON ends early: the line is cut"), "{errors}");
}

/// A fault in the middle of a file: what came before counts, what the log said of the cluster does not any more.
#[test]
fn a_fault_keeps_the_records_before_it() {
    let folder = TempDir::new("replay-fault");
    let told = event("create", "serviceaccounts", &account("late", Some("arn:aws:iam::111122223333:role/absent")));
    let mut created = event("create", "pods", &sent("late"));
    created.as_object_mut().unwrap().remove("responseObject");
    let whole = log(&[told, created.clone(), created.clone()]);
    let later = folder.file("later.log", &log(std::slice::from_ref(&created)));
    let later = later.to_str().unwrap();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(whole.as_bytes()).unwrap();
    encoder.write_all(created.to_string().as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    let wrong_checksum = {
        let mut packed = packed.clone();
        let at = packed.len() - 8;
        packed[at] ^= 0xff;
        packed
    };
    let cases = [
        ("cut gzip", packed[..packed.len() - 6].to_vec(), 4, "the file cannot be read from here on: "),
        ("wrong checksum", wrong_checksum, 4, "the file cannot be read from here on: "),
        ("long line", [whole.as_bytes(), &vec![b'x'; 33 << 20]].concat(), 4, "the line is longer than 32 MiB"),
        ("long line within", [whole.as_bytes(), &vec![b'x'; 33 << 20], b"\n{}\n"].concat(), 4, "longer than 32 MiB"),
    ];
    for (name, bytes, line, message) in cases {
        let file = folder.file("audit.log", "");
        std::fs::write(&file, bytes).unwrap();
        let output = replay(file.to_str().unwrap(), &[later]);
        let result = replayed(&output);
        assert_eq!(output.status.code(), Some(2), "{name}");
        let summary = &result["summary"];
        assert_eq!(
            (&summary["checked"], &summary["denied"], &summary["unknownAccounts"]),
            (&json!(3), &json!(2), &json!(1)),
            "{name}: {result}"
        );
        assert_eq!(
            (&result["unreadable"][0]["line"], &result["unreadable"][0]["file"]),
            (&json!(line), &json!(file)),
            "{name}: {result}"
        );
        let errors = errors(&output);
        assert!(errors.contains(&format!("error: {}, line {line}: ", file.display())), "{name}: {errors}");
        assert!(errors.contains(message), "{name}: {errors}");
    }
}

#[test]
fn a_log_that_cannot_be_opened_hides_no_other() {
    let folder = TempDir::new("replay-open");
    let good = folder.file("audit.log", &event("create", "pods", &pod("pod-badarn-create.json")).to_string());
    let (good, absent) = (good.to_str().unwrap(), "no/such.log");
    for logs in [[good, absent], [absent, good]] {
        let output = replay(logs[0], &[logs[1]]);
        let result = replayed(&output);
        assert_eq!(output.status.code(), Some(2), "{result}");
        assert_eq!(
            (&result["summary"]["denied"], &result["summary"]["unreadable"]),
            (&json!(1), &json!(1)),
            "{result}"
        );
        assert_eq!(result["unreadable"][0]["file"], absent);
        assert!(result["unreadable"][0].get("line").is_none(), "{result}");
        assert!(errors(&output).starts_with("error: no/such.log: it cannot be read: "), "{}", errors(&output));
        let text = text(logs[0], 2, &[logs[1]]);
        assert!(
            text.ends_with("1 line, 1 pod creation checked: 1 would be denied at level chain; 1 unreadable\n"),
            "{text}"
        );
    }
    let output = rolecall(&["replay", absent, "--source", SNAPSHOT]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]));
    assert_eq!(errors(&output).lines().count(), 1, "{}", errors(&output));
}

#[test]
fn standard_input_is_given_once() {
    for (arguments, users) in [
        (vec!["replay", "-", "--source", "-"], "AUDIT_LOG and --source"),
        (vec!["replay", "-", "-", "--source", SNAPSHOT], "AUDIT_LOG and AUDIT_LOG"),
        (vec!["replay", "-", "--source", SNAPSHOT, "--manifests", "-"], "AUDIT_LOG and --manifests"),
        (vec!["replay", "a.log", "--source", "-", "--manifests", "-"], "--manifests and --source"),
    ] {
        let output = rolecall_with_input(&arguments, "{}");
        assert_eq!(output.status.code(), Some(2));
        let expected = format!("error: `-` is standard input, which can be read only once: it is given for {users}\n");
        assert_eq!(errors(&output), expected);
    }
}

/// Nothing of the log can move the cursor, or reorder a line.
#[test]
fn values_of_the_log_are_escaped() {
    let folder = TempDir::new("replay-escapes");
    let evil = "a\u{1b}[2J\u{202e}b\n";
    let mut denied = denied_by(ENTRIES[0], evil, &pod("pod-badarn-create.json"));
    denied["objectRef"]["namespace"] = json!(evil);
    denied["requestObject"]["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "x", "kind": evil, "name": evil, "uid": "u", "controller": true}]);
    denied["requestReceivedTimestamp"] = json!(evil);
    let mut unnamed = at_metadata_level(&denied);
    unnamed["objectRef"]["name"] = json!(evil);
    let events = [denied, unnamed, event("create", "pods", &pod("pod-badarn-create.json")), json!({"kind": evil})];
    let file = folder.file("audit.log", &log(&events));
    let output = rolecall(&["replay", file.to_str().unwrap(), "--source", SNAPSHOT, "--level", "chain"]);
    let both = String::from_utf8(output.stdout.clone()).unwrap() + &errors(&output);
    assert_eq!(output.status.code(), Some(2), "{both}");
    assert!(errors(&output).contains("line 4: it is of kind a [2J\\u{202e}b , not Event"), "{both}");
    assert!(both.contains("a [2J\\u{202e}b "), "{both}");
    assert!(!both.contains(['\u{1b}', '\u{202e}']), "{both}");
}

/// A mirror pod has no identity. Only a node creates one: the annotation alone is anyone's.
#[test]
fn only_a_node_creates_mirror_pods() {
    let folder = TempDir::new("replay-mirror");
    let mut mirror = sent("bare");
    mirror["metadata"]["annotations"] =
        json!({"rolecall.dev/identity": "required", "kubernetes.io/config.mirror": "c0ffee"});
    let by = |user: &str, groups: Value| {
        let mut created = event("create", "pods", &mirror);
        created["user"] = json!({"username": user, "groups": groups});
        created
    };
    let node = "system:node:ip-10-0-0-1.ec2.internal";
    // A list of any length takes no memory.
    let mut many = vec!["x"; 1_000_000];
    many.push("system:nodes");
    let told = event("create", "serviceaccounts", &account("bare", None));
    for (user, groups, denied) in [
        (node, json!(["system:nodes", "system:authenticated"]), 0),
        (node, json!(many), 0),
        (node, json!(["system:authenticated"]), 1),
        (node, json!(null), 1),
        ("system:serviceaccount:a:a", json!(["system:nodes"]), 1),
    ] {
        let file = folder.file("audit.log", &log(&[told.clone(), by(user, groups)]));
        let summary = &replayed(&replay(file.to_str().unwrap(), &[]))["summary"];
        assert_eq!((&summary["checked"], &summary["denied"]), (&json!(1), &json!(denied)), "{user}: {summary}");
    }
}

/// The annotations of a record may hold anything: it takes the space of a denial that rolecall recorded.
#[test]
fn recorded_rules_are_cut() {
    let folder = TempDir::new("replay-rules");
    let long = "x".repeat(100_000);
    let many = "role-missing,".repeat(1_000_000);
    let different: Vec<String> = (0..100).map(|number| format!("r{number}")).collect();
    let cases =
        [(long, 1, "x".repeat(64)), (many, 1, "role-missing".to_owned()), (different.join(","), 20, "r19".to_owned())];
    for (rules, kept, name) in cases {
        let denied = denied_by(ENTRIES[0], &rules, &sent("unknown"));
        let file = folder.file("audit.log", &log(&[denied]));
        let result = replayed(&replay(file.to_str().unwrap(), &[]));
        let rules = result["undecided"][0]["rules"].as_object().unwrap();
        assert_eq!((rules.len(), rules.get(&name)), (kept, Some(&json!(1))), "{result}");
    }
}

#[test]
fn long_lists_say_what_is_left_out() {
    let folder = TempDir::new("replay-long");
    let bad = pod("pod-badarn-create.json");
    let of = |number: usize| {
        let mut pod = bad.clone();
        pod["metadata"]["ownerReferences"][0]["kind"] = json!("Job");
        pod["metadata"]["ownerReferences"][0]["name"] = json!(format!("job-{number:02}"));
        event("create", "pods", &pod)
    };
    let events: Vec<Value> = (0..25).chain(24..25).map(of).collect();
    let file = folder.file("audit.log", &(log(&events) + &"{\n".repeat(23)));
    let output = rolecall(&["replay", file.to_str().unwrap(), "--source", SNAPSHOT, "--level", "chain"]);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(
        text.contains("    and 5 more owners of namespace carts with 6 pod creations; --format json lists all\n"),
        "{text}"
    );
    let errors = errors(&output);
    assert!(errors.ends_with("error: 3 more lines cannot be read; --format json names the first 1,000\n"), "{errors}");
    let result = replayed(&replay(file.to_str().unwrap(), &[]));
    let lengths = ["denied", "unreadable"].map(|list| result[list].as_array().unwrap().len());
    assert_eq!(lengths, [25, 23]);
}

#[test]
fn the_cause_is_named_where_nothing_can_be_replayed() {
    let folder = TempDir::new("replay-causes");
    let created = event("create", "pods", &pod("pod-irsa-create.json"));
    let edited = |edit: &dyn Fn(&mut Value)| {
        let mut event = created.clone();
        edit(&mut event);
        event
    };
    let without_objects = |event: &mut Value| {
        event.as_object_mut().unwrap().remove("requestObject");
        event.as_object_mut().unwrap().remove("responseObject");
    };
    let own = json!({"timestamp": "2026-11-24T17:26:52Z", "level": "INFO", "target": "rolecall::audit", "decision": "allow",
        "kind": "Pod", "operation": "CREATE", "namespace": "carts", "name": "a", "rules": "", "dry_run": false});
    let cases = [
        (
            "metadata-level",
            at_metadata_level(&created),
            "level Metadata for pods: set level Request or RequestResponse",
        ),
        (
            "truncated",
            edited(&|event| {
                without_objects(event);
                event["annotations"] = json!({"audit.k8s.io/truncated": "true"});
            }),
            "raise --audit-log-truncate-max-event-size",
        ),
        (
            "refused-early",
            edited(&|event| {
                without_objects(event);
                event["responseStatus"]["code"] = json!(403);
            }),
            "refused the request before it read the object",
        ),
        ("removed", edited(&without_objects), "look for a log pipeline that removes it"),
        (
            "dry-run",
            edited(&|event| event["requestURI"] = json!("/api/v1/namespaces/carts/pods?fieldManager=x&dryRun=All")),
            "a dry run creates no pod",
        ),
        ("subresource", edited(&|event| event["objectRef"]["subresource"] = json!("binding")), "such as pods/binding"),
        ("other-stage", edited(&|event| event["stage"] = json!("RequestReceived")), "remove it from omitStages"),
        ("own-line", own, "give the API server's audit log"),
    ];
    for (name, event, cause) in &cases {
        let file = folder.file("audit.log", &log(std::slice::from_ref(event)));
        let output = replay(file.to_str().unwrap(), &[]);
        let error = errors(&output);
        assert_eq!(output.status.code(), Some(2), "{name}: {error}");
        assert!(
            error.starts_with("error: nothing to replay in 1 line: 1 request: ") && error.contains(cause),
            "{error}"
        );
        assert_eq!(replayed(&output)["summary"]["notReplayed"][name], 1, "{name}");
    }
    // Beside a record that can be checked, those are noted that another log would have.
    let mut events: Vec<Value> = cases.iter().map(|(_, event, _)| event.clone()).collect();
    events.push(created.clone());
    let file = folder.file("audit.log", &log(&events));
    let text = text(file.to_str().unwrap(), 0, &[]);
    assert_eq!(text.matches("note: 1 pod creation could not be checked: ").count(), 4, "{text}");
    assert!(text.ends_with("9 lines, 1 pod creation checked: 0 would be denied at level chain\n"), "{text}");
    let file = folder.file("other.log", &log(&[event("get", "pods", &pod("pod-irsa-create.json"))]));
    let error = errors(&replay(file.to_str().unwrap(), &[]));
    assert_eq!(error, "error: nothing to replay in 1 line: no record is about a pod that was to be created\n");
}

/// Server-side apply creates pods by a patch.
#[test]
fn a_patch_that_created_a_pod_is_checked() {
    let folder = TempDir::new("replay-apply");
    let mut applied = event("patch", "pods", &pod("pod-badarn-create.json"));
    let mut patched = applied.clone();
    patched["responseStatus"]["code"] = json!(200);
    applied["requestObject"] = json!({"metadata": {}});
    let file = folder.file("audit.log", &log(&[applied, patched]));
    let summary = &replayed(&replay(file.to_str().unwrap(), &[]))["summary"];
    assert_eq!((&summary["checked"], &summary["denied"]), (&json!(1), &json!(1)), "{summary}");
}

#[test]
fn records_without_objects_are_counted() {
    let folder = TempDir::new("replay-metadata");
    let bare = at_metadata_level(&event("create", "pods", &pod("pod-irsa-create.json")));
    let own = json!({"timestamp": "2026-11-24T17:26:52Z", "level": "INFO", "target": "rolecall::audit", "decision": "deny",
        "kind": "Pod", "operation": "CREATE", "namespace": "carts", "name": "a", "rules": "role-missing", "dry_run": false});
    let mut dry = own.clone();
    dry["dry_run"] = json!(true);
    let mut updated = own.clone();
    updated["operation"] = json!("UPDATE");
    let events = [bare, own.clone(), dry, updated, event("create", "pods", &pod("pod-irsa-create.json"))];
    let file = folder.file("mixed.log", &log(&events));
    let result = replayed(&replay(file.to_str().unwrap(), &[]));
    let summary = &result["summary"];
    assert_eq!(
        (&summary["withoutObject"], &summary["ownLines"], &summary["ownDenials"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(summary["notReplayed"], json!({"dry-run": 1, "metadata-level": 1, "own-line": 1}));
    // Denials alone are shown, though nothing can be checked.
    let file = folder.file("own.log", &log(&[own]));
    let output = rolecall(&["replay", file.to_str().unwrap(), "--source", SNAPSHOT]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with("Denied then, cannot be decided now\n  carts: 1 owner, 1 pod creation\n    Pod a ("),
        "{text}"
    );
    assert!(text.contains("; 1 was denied then: "), "{text}");
}
