//! Exemptions that those who are checked give themselves.

use rolecall_core::decision::Mode;
use serde_json::{Value, json};

use crate::answers::{Ground, broken_pod, created, decision, warnings};

fn ignore(until: Option<&str>) -> Value {
    let mut annotations = json!({"rolecall.dev/ignore": "role-missing"});
    if let Some(until) = until {
        annotations["rolecall.dev/ignore-until"] = until.into();
    }
    annotations
}

#[test]
fn a_pod_exempts_itself_from_warnings_only() {
    let review = created(&broken_pod(&ignore(None)));
    let enforcing = Ground::enforcing(&json!({}), "").ask(&review);
    assert_eq!(decision(&enforcing), "deny", "{enforcing}");
    let message = enforcing["status"]["message"].as_str().unwrap();
    assert!(message.contains("[role-missing]") && message.contains("from warnings only"), "{message}");
    assert_eq!(enforcing["auditAnnotations"]["rules"], "role-missing");
    // Where nothing enforces, its warning is gone, and the exemption written down.
    let warned = Ground::new(&json!({}), &json!({}), "").ask(&review);
    assert_eq!((decision(&warned), &*warnings(&warned)), ("allow", ""), "{warned}");
    assert_eq!(warned["auditAnnotations"]["exempted"], "role-missing");
    // What would be denied is a warning in `--mode warn`.
    let trial = Ground::enforcing(&json!({}), "").ask_in(&review, Mode::Warn);
    assert!(decision(&trial) == "warn" && warnings(&trial).contains("[role-missing]"), "{trial}");
    let allowed = Ground::enforcing(&json!({}), "selfExemptions: allow").ask(&review);
    assert_eq!(decision(&allowed), "allow", "{allowed}");
    assert_eq!(allowed["auditAnnotations"]["exempted"], "role-missing");
    let forbidden = Ground::enforcing(&json!({}), "selfExemptions: allow\nforbidExemptionsIn: [carts]").ask(&review);
    assert_eq!(decision(&forbidden), "deny");
}

#[test]
fn templates_and_service_accounts_exempt_themselves_no_better() {
    let config = "enforceWorkloads: true";
    let pod = broken_pod(&json!({}));
    let deployment = |own: Value, template: Value| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "attack", "namespace": "carts", "annotations": own},
            "spec": {"template": {"metadata": {"annotations": template}, "spec": pod["spec"]}}})
    };
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "attack", "namespace": "carts",
        "annotations": {"rolecall.dev/ignore": "role-missing", "eks.amazonaws.com/role-arn": crate::answers::GONE}}});
    for object in [deployment(ignore(None), json!({})), deployment(json!({}), ignore(None)), account] {
        let review = created(&object);
        assert_eq!(decision(&Ground::enforcing(&json!({}), config).ask(&review)), "deny", "{object}");
        assert_eq!(decision(&Ground::enforcing(&ignore(None), config).ask(&review)), "allow", "{object}");
        let allow = format!("{config}\nselfExemptions: allow");
        assert_eq!(decision(&Ground::enforcing(&json!({}), &allow).ask(&review)), "allow", "{object}");
    }
}

#[test]
fn the_node_role_is_allowed_by_the_namespace() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "attack", "namespace": "carts",
            "annotations": {"rolecall.dev/allow-node-role": "true", "rolecall.dev/requires": "dynamodb:Query"}},
        "spec": {"serviceAccountName": "default", "containers": [{"name": "app", "image": "example.com/app:1"}]}});
    let review = created(&pod);
    let labels = json!({"rolecall.dev/enforce": "fallback"});
    let own = Ground::new(&labels, &json!({}), "").ask(&review);
    assert_eq!((decision(&own), &own["auditAnnotations"]["rules"]), ("deny", &json!("node-role-fallback")), "{own}");
    let granted = Ground::new(&labels, &json!({"rolecall.dev/allow-node-role": "true"}), "").ask(&review);
    assert_eq!((decision(&granted), &granted["auditAnnotations"]["exempted"]), ("allow", &json!("node-role-fallback")));
}

#[test]
fn an_update_that_only_takes_an_exemption_away_is_not_denied() {
    let template = |annotations: Value| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "attack", "namespace": "carts"},
            "spec": {"template": {"metadata": {"annotations": annotations}, "spec": broken_pod(&json!({}))["spec"]}}})
    };
    let (old, new) = (template(ignore(None)), template(json!({})));
    let ground = Ground::enforcing(&json!({}), "enforceWorkloads: true");
    for (old, new) in [(&old, &new), (&new, &old), (&old, &old)] {
        let review = crate::common::review(("apps", "Deployment"), "UPDATE", new, Some(old));
        assert_ne!(decision(&ground.ask(&review)), "deny");
    }
}

/// It is 2026-11-26T12:00:00Z.
#[test]
fn an_exemption_ends_at_its_date() {
    let review = created(&broken_pod(&json!({})));
    let with = |until: &str| {
        let mut annotations = ignore(Some(until));
        annotations["rolecall.dev/ignore-reason"] = "the role moves".into();
        Ground::enforcing(&annotations, "").ask(&review)
    };
    let far = with("2026-12-31");
    assert_eq!((decision(&far), &*warnings(&far)), ("allow", ""), "{far}");
    for soon in ["2026-11-26", "2026-12-09", "2026-11-26T12:00:01Z"] {
        let response = with(soon);
        let said = warnings(&response);
        assert!(
            decision(&response) == "warn" && said.contains("[exemption-expiry]") && said.contains(soon),
            "{response}"
        );
        assert!(said.contains("namespace carts") && said.contains("the role moves"), "{said}");
        assert_eq!(response["auditAnnotations"]["exempted"], "role-missing");
    }
    for past in ["2026-11-25", "2026-11-26T12:00:00Z"] {
        let response = with(past);
        assert_eq!(decision(&response), "deny", "{past}: {response}");
    }
    let unreadable = with("in spring");
    assert_eq!(decision(&unreadable), "deny", "{unreadable}");
    let lenient = Ground::new(&json!({}), &ignore(Some("in spring")), "").ask(&review);
    let said = warnings(&lenient);
    assert!(said.contains("in spring") && !said.contains("[role-missing]"), "{lenient}");
    // Where it hides nothing there is nothing to say.
    let good = crate::common::json_file("fixtures/reviews/pod-irsa-create.json");
    let quiet = Ground::enforcing(&ignore(Some("2026-11-27")), "").ask(&good);
    assert_eq!((decision(&quiet), &*warnings(&quiet)), ("allow", ""));
}

#[test]
fn names_are_whole_and_split_as_ever() {
    let review = created(&broken_pod(&json!({})));
    let with =
        |list: &str| decision(&Ground::enforcing(&json!({"rolecall.dev/ignore": list}), "").ask(&review)).to_owned();
    for list in [
        "role-missing",
        "static-keys,role-missing",
        "static-keys role-missing",
        "a\nrole-missing\nb",
        ", role-missing ,",
    ] {
        assert_eq!(with(list), "allow", "{list:?}");
    }
    for list in ["not-role-missing", "role-missing-not", "role-missing;static-keys", "ROLE-MISSING", "*", ""] {
        assert_eq!(with(list), "deny", "{list:?}");
    }
}

/// A list as long as an annotation can be, over as many containers as fit: the time grows with the size and not its square.
#[test]
fn a_long_list_over_many_containers_is_cheap() {
    let names: Vec<String> = (0..20_000).map(|number| format!("rule-{number}")).collect();
    let mut pod = broken_pod(&json!({"rolecall.dev/ignore": names.join(",") + ",role-missing"}));
    let container = pod["spec"]["containers"][0].clone();
    let containers = (0..2_000).map(|number| {
        let mut container = container.clone();
        container["name"] = format!("c{number}").into();
        container["env"][0]["value"] = format!("arn:aws:iam::111122223333:role/absent-{}", number % 40).into();
        container
    });
    pod["spec"]["containers"] = containers.collect();
    let ground = Ground::enforcing(&json!({}), "");
    let started = std::time::Instant::now();
    assert_eq!(decision(&ground.ask(&created(&pod))), "deny");
    let update = crate::common::review(("", "Pod"), "UPDATE", &pod, Some(&pod));
    let mut update = update;
    update["request"]["subResource"] = "ephemeralcontainers".into();
    assert_ne!(decision(&ground.ask(&update)), "deny");
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}
