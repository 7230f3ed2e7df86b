//! Pods that custom resources describe are checked as those of a Deployment.

use serde_json::json;

use super::*;

const GONE: &str = "arn:aws:iam::111122223333:role/gone";

fn account(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}, namespace: carts, annotations: \
         {{eks.amazonaws.com/role-arn: '{GONE}'}}}}\n---\n"
    )
}

/// Each container, and each finding of another kind than a service account.
fn check(name: &str, text: &str, more: &[&str]) -> (Vec<String>, Vec<String>, Value) {
    let folder = TempDir::new(name);
    write(&folder, "a.yaml", &format!("{}{text}", account("jobs")));
    write(&folder, "snapshot.json", &common::text("cases/base.json"));
    write(
        &folder,
        "c.yaml",
        "podTemplates:\n- {group: example.com, kind: Runner, template: 'spec.runners[].pod'}\n- {group: example.com, kind: \
         Batch, serviceAccount: spec.account}\n",
    );
    let arguments = ["check", "a.yaml", "--source", "snapshot.json", "--format", "json"];
    let ran = run(&folder, &[&arguments[..], more].concat());
    let report = ran.json();
    let list = |name: &str| report[name].as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let workloads = list("workloads");
    let containers = workloads.iter().map(|one| {
        format!(
            "{} {} {} {}",
            text(&one["resource"]["kind"]),
            text(&one["container"]),
            text(&one["identity"]),
            text(&one["chain"])
        )
    });
    let findings = list("findings");
    let findings = findings
        .iter()
        .filter(|one| one["resource"]["kind"] != "ServiceAccount")
        .map(|one| format!("{} {}:{}", text(&one["rule"]), one["location"]["line"], one["location"]["column"]));
    (containers.collect(), findings.collect(), report)
}

#[test]
fn a_rollout_is_checked_as_a_deployment_is() {
    let rollout = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: carts, namespace: carts}\nspec:\n  \
                   template:\n    spec:\n      serviceAccountName: jobs\n      containers:\n      - name: app\n        image: i\n";
    let (containers, findings, report) = check("pods-rollout", rollout, &[]);
    assert_eq!(containers, ["Rollout app irsa broken"]);
    assert_eq!(findings, ["role-missing 11:7"]);
    assert!(report["skipped"].is_null() && report["summary"]["resources"] == 2, "{report}");
    // Without a template there is nothing to check.
    let (containers, _, report) = check("pods-rollout", &rollout.replace("template", "workloadRef"), &[]);
    assert_eq!((containers.len(), &report["skipped"][0]["kind"]), (0, &json!("Rollout")));
}

#[test]
fn every_description_of_pods_is_found() {
    let pod = "{spec: {serviceAccountName: jobs, containers: [{name: c, image: i}]}}";
    for (api_version, kind, spec, expected) in [
        (
            "ray.io/v1",
            "RayCluster",
            format!("{{headGroupSpec: {{template: {pod}}}, workerGroupSpecs: [{{template: {pod}}}]}}"),
            2,
        ),
        (
            "kubeflow.org/v1",
            "PyTorchJob",
            format!("{{pytorchReplicaSpecs: {{Master: {{template: {pod}}}, Worker: {{template: {pod}}}}}}}"),
            2,
        ),
        (
            "sparkoperator.k8s.io/v1beta2",
            "SparkApplication",
            "{driver: {serviceAccount: jobs}, executor: {}}".to_owned(),
            1,
        ),
        ("serving.knative.dev/v1", "Service", format!("{{template: {pod}}}"), 1),
        ("keda.sh/v1alpha1", "ScaledJob", format!("{{jobTargetRef: {{template: {pod}}}}}"), 1),
        (
            "serving.kserve.io/v1beta1",
            "InferenceService",
            "{predictor: {serviceAccountName: jobs, model: {}}}".to_owned(),
            1,
        ),
        ("monitoring.coreos.com/v1", "Prometheus", "{serviceAccountName: jobs}".to_owned(), 1),
        (
            "jobset.x-k8s.io/v1alpha2",
            "JobSet",
            format!("{{replicatedJobs: [{{template: {{spec: {{template: {pod}}}}}}}]}}"),
            1,
        ),
        ("argoproj.io/v1alpha1", "CronWorkflow", "{workflowSpec: {serviceAccountName: jobs}}".to_owned(), 1),
        (
            "starrocks.com/v1",
            "StarRocksCluster",
            "{starRocksFeSpec: {serviceAccount: jobs}, starRocksBeSpec: {serviceAccount: jobs}}".to_owned(),
            2,
        ),
    ] {
        let text =
            format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: x, namespace: carts}}\nspec: {spec}\n");
        let (containers, findings, report) = check("pods-kinds", &text, &[]);
        assert_eq!(containers.len(), expected, "{kind}: {report}");
        assert!(containers.iter().all(|one| one.starts_with(kind) && one.ends_with("irsa broken")), "{containers:?}");
        assert!(
            !findings.is_empty() && findings.iter().all(|one| one.starts_with("role-missing 8:")),
            "{kind}: {findings:?}"
        );
        assert_eq!(report["summary"]["resources"], 2, "{kind}");
    }
}

#[test]
fn the_configuration_adds_kinds() {
    let text = "apiVersion: example.com/v1\nkind: Runner\nmetadata: {name: r, namespace: carts}\nspec:\n  runners:\n  - pod: \
                {spec: {serviceAccountName: jobs, containers: [{name: c}]}}\n---\napiVersion: example.com/v1\nkind: \
                Batch\nmetadata: {name: b, namespace: carts}\nspec:\n  account: jobs\n";
    let (containers, findings, _) = check("pods-configured", text, &["--config", "c.yaml"]);
    assert_eq!(containers, ["Batch batch irsa broken", "Runner c irsa broken"]);
    assert_eq!(findings, ["role-missing 16:3", "role-missing 10:18"]);
    let (containers, _, report) = check("pods-configured", text, &[]);
    assert_eq!((containers.len(), &report["summary"]["skipped"]), (0, &json!(2)));
    let folder = TempDir::new("pods-config");
    for wrong in [
        "{group: a, kind: B}",
        "{group: a, kind: B, spec: x, template: y}",
        "{kind: B, spec: x}",
        "{group: a, kind: B, spec: a..b}",
    ] {
        write(&folder, "c.yaml", &format!("podTemplates: [{wrong}]\n"));
        let ran = run(&folder, &["config", "check", "--config", "c.yaml"]);
        assert!(ran.code == 2 && ran.said.contains("podTemplates"), "{wrong}: {}", ran.said);
    }
}

/// The page lists every kind.
#[test]
fn the_kinds_are_documented() {
    let page = std::fs::read_to_string(common::root().join("docs/check.md")).unwrap();
    for source in rolecall_core::custom::pod_sources() {
        for (place, _) in source.places {
            let row = page.lines().find(|line| line.contains(&format!("| {} (`{}`)", source.kind, source.group)));
            assert!(row.is_some_and(|row| row.contains(&format!("`{place}`"))), "{} {place}", source.kind);
        }
    }
}
