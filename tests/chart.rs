//! The chart without a cluster: what it renders by its values, which values it refuses, and `deploy/manifests`, which come from it.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod common;

use std::collections::{BTreeMap, BTreeSet};

use clap::Parser;
use common::helm::{Helm, OLDEST_KUBERNETES, arguments_of, find, objects, template_of};
use common::{TempDir, root};
use rolecall::cli::Cli;
use serde_json::{Value, json};

const MINIMUM: &str = "clusterName: shop\n";

/// Everything on.
const ALL: &str = "\
clusterName: shop
region: eu-west-1
serviceAccount: {roleArn: 'arn:aws:iam::111122223333:role/rolecall'}
backstop: {enabled: true}
networkPolicy: {enabled: true, controlPlaneCidrs: [10.0.0.0/24, 10.0.1.0/24]}
monitoring: {serviceMonitor: {enabled: true}, prometheusRule: {enabled: true}, dashboard: {enabled: true}}
scan: {enabled: true}
snapshot: {enabled: true, output: s3://snapshots/shop.json, policies: true}
";

/// Values that people have, by name.
const MATRIX: &[(&str, &str)] = &[
    ("minimum", MINIMUM),
    ("all", ALL),
    ("shared snapshot", "source: s3://snapshots/shop.json\nreplicaCount: 3\nmode: warn\n"),
    ("host network", "clusterName: shop\nhostNetwork: true\nports: {webhook: 10250, metrics: 10251}\n"),
    ("cert-manager", "clusterName: shop\ncertificates: {from: cert-manager}\n"),
    (
        "an issuer that exists",
        "clusterName: shop\ncertificates: {from: cert-manager, issuerRef: {kind: ClusterIssuer, name: ca}}\n",
    ),
    (
        "a Secret",
        "clusterName: shop\ncertificates:\n  from: secret\n  secretName: tls\n  caBundle: |\n    \
         -----BEGIN CERTIFICATE-----\n    MA==\n    -----END CERTIFICATE-----\n",
    ),
    (
        "names",
        "clusterName: shop\nfullnameOverride: identity-webhook\nserviceAccount: {name: reader}\n\
         commonLabels: {team: platform}\npodLabels: {mesh: 'off'}\npodAnnotations: {note: x}\nscan: {enabled: true}\n",
    ),
    (
        "a service account that exists",
        "clusterName: shop\nserviceAccount: {create: false, name: given}\nrbac: {events: false, wouldDeny: false}\n",
    ),
    (
        "scheduling",
        "clusterName: shop\npriorityClassName: ''\nnodeSelector: {kubernetes.io/os: linux, pool: system}\n\
         tolerations: [{key: system, operator: Exists}]\nimagePullSecrets: [{name: registry}]\n\
         image: {repository: registry.example.com/rolecall, digest: \
         'sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'}\n",
    ),
    (
        "configuration",
        "clusterName: shop\nconfig:\n  enforce: chain\n  warn: strict\n  audit: strict\n  enforceOn: [workloads]\n  \
         levels: [{namespaces: ['team-*'], enforce: fallback}]\nbackstop: {enabled: true}\n\
         webhook: {timeoutSeconds: 10, failurePolicy: Fail, onOutageDeny: false, excludedNamespaces: [kube-system, karpenter], \
         namespaceMatchExpressions: [{key: team, operator: Exists}]}\n",
    ),
    ("other reports", "clusterName: shop\nscan: {enabled: true, reports: wgpolicyk8s, customResources: false}\n"),
];

#[test]
fn both_helms_render_the_same_and_find_nothing_to_complain_about() {
    let [helm3, helm4] = Helm::both();
    for (name, values) in MATRIX {
        let (of3, of4) = (helm3.template(values, &[]), helm4.template(values, &[]));
        // The two print objects in different orders.
        let by_name = |text: &str| objects(text).into_iter().map(|object| (identify(&object), object)).collect();
        let (of3, of4): (BTreeMap<String, Value>, BTreeMap<String, Value>) = (by_name(&of3), by_name(&of4));
        assert_eq!(of3, of4, "{name}");
        let folder = TempDir::new("lint");
        let file = folder.file("values.yaml", values).display().to_string();
        for helm in [&helm3, &helm4] {
            helm.say(
                "/dev/null",
                &["lint", "deploy/chart", "--strict", "--kube-version", OLDEST_KUBERNETES, "-f", &file],
            );
        }
    }
    let old = helm4.try_template(MINIMUM, &["--kube-version", "1.29.9"]);
    assert!(!old.status.success() && String::from_utf8_lossy(&old.stderr).contains("kubeVersion: >=1.30.0-0"));
    helm4.template(MINIMUM, &["--kube-version", "v1.33.4-eks-1234567"]);
}

/// What holds whatever the values are.
#[test]
fn every_rendering_is_sound() {
    let helm = Helm::new(4);
    for (name, values) in MATRIX {
        let objects = objects(&helm.template(values, &[]));
        let ids: BTreeSet<String> = objects.iter().map(identify).collect();
        assert_eq!(ids.len(), objects.len(), "{name}: two objects of one name");
        for object in &objects {
            let labels = &object["metadata"]["labels"];
            for label in ["app.kubernetes.io/name", "app.kubernetes.io/instance"] {
                assert!(labels[label].is_string(), "{name}: {} has no label {label}", identify(object));
            }
            if let Some(template) = template_of(object) {
                check_pods(name, object, template, &objects);
            }
            for subject in object["subjects"].as_array().into_iter().flatten() {
                let account = subject["name"].as_str().unwrap();
                assert_eq!(subject["namespace"], "rolecall", "{name}");
                assert!(account == "given" || ids.contains(&format!("ServiceAccount/{account}")), "{name}: {account}");
            }
            if let Some(role) = object["roleRef"]["name"].as_str() {
                let kind = object["roleRef"]["kind"].as_str().unwrap();
                assert!(ids.contains(&format!("{kind}/{role}")), "{name}: {role}");
            }
        }
        check_registration(name, &objects);
    }
}

fn identify(object: &Value) -> String {
    format!("{}/{}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap())
}

/// Restricted Pod Security, a service account that exists, arguments and a configuration that rolecall takes.
fn check_pods(name: &str, object: &Value, template: &Value, objects: &[Value]) {
    let spec = &template["spec"];
    let container = &spec["containers"][0];
    assert_eq!(spec["securityContext"]["runAsNonRoot"], true, "{name}");
    assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{name}");
    assert_eq!(
        container["securityContext"],
        json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}}),
        "{name}"
    );
    assert_eq!(spec["nodeSelector"]["kubernetes.io/os"], "linux", "{name}");
    assert!(container["resources"]["requests"]["memory"].is_string(), "{name}");
    assert!(container["resources"]["limits"]["cpu"].is_null(), "{name}: a limit of processor time throttles answers");
    let command: Vec<String> = [vec!["rolecall".to_owned()], arguments_of(object)].concat();
    Cli::try_parse_from(&command).unwrap_or_else(|e| panic!("{name}: {command:?}: {e}"));

    let config = &find(objects, "ConfigMap", spec["volumes"][0]["configMap"]["name"].as_str().unwrap())["data"];
    let folder = TempDir::new("chart");
    let file = folder.file("rolecall.yaml", config["rolecall.yaml"].as_str().unwrap()).display().to_string();
    let checked = common::rolecall(&["config", "check", "--config", &file]);
    assert!(checked.status.success(), "{name}: {}", String::from_utf8_lossy(&checked.stderr));

    if object["kind"] == "Deployment" {
        let selector = object["spec"]["selector"]["matchLabels"].as_object().unwrap();
        for (label, value) in selector {
            assert_eq!(&template["metadata"]["labels"][label], value, "{name}");
        }
        assert_eq!(spec["topologySpreadConstraints"].as_array().unwrap().len(), 2, "{name}");
        for service in objects.iter().filter(|object| object["kind"] == "Service") {
            assert_eq!(service["spec"]["selector"].as_object(), Some(selector), "{name}");
        }
    }
}

/// Every entry leads to the Service, and none reviews rolecall's own namespace or kube-system.
fn check_registration(name: &str, objects: &[Value]) {
    let registration = objects.iter().find(|object| object["kind"] == "ValidatingWebhookConfiguration").unwrap();
    let service = find(objects, "Service", registration["metadata"]["name"].as_str().unwrap());
    for webhook in registration["webhooks"].as_array().unwrap() {
        let to = &webhook["clientConfig"]["service"];
        assert_eq!((&to["name"], &to["namespace"]), (&service["metadata"]["name"], &json!("rolecall")), "{name}");
        if webhook["name"] != "levels.rolecall.dev" {
            let excluded = webhook["namespaceSelector"]["matchExpressions"][0]["values"].as_array().unwrap();
            assert!(excluded.contains(&json!("kube-system")) && excluded.contains(&json!("rolecall")), "{name}");
        }
    }
}

#[test]
fn values_reach_what_they_are_for() {
    let helm = Helm::new(4);
    let rendered: BTreeMap<&str, Vec<Value>> =
        MATRIX.iter().map(|(name, values)| (*name, objects(&helm.template(values, &[])))).collect();

    let host = find(&rendered["host network"], "Deployment", "rolecall");
    let spec = &host["spec"]["template"]["spec"];
    assert_eq!((&spec["hostNetwork"], &spec["dnsPolicy"]), (&json!(true), &json!("ClusterFirstWithHostNet")));
    assert!(arguments_of(host).contains(&"--listen=0.0.0.0:10250".to_owned()));
    assert_eq!(host["spec"]["strategy"]["rollingUpdate"], json!({"maxUnavailable": 1, "maxSurge": 0}));

    let managed = &rendered["cert-manager"];
    let registration = find(managed, "ValidatingWebhookConfiguration", "rolecall");
    assert_eq!(registration["metadata"]["annotations"]["cert-manager.io/inject-ca-from"], "rolecall/rolecall-tls");
    let certificate = find(managed, "Certificate", "rolecall-tls");
    assert_eq!(certificate["spec"]["dnsNames"][0], "rolecall.rolecall.svc");
    assert_eq!(
        certificate["spec"]["issuerRef"]["name"],
        find(managed, "Issuer", "rolecall-selfsigned")["metadata"]["name"]
    );
    let mounted = &find(managed, "Deployment", "rolecall")["spec"]["template"]["spec"]["volumes"][1];
    assert_eq!(mounted["secret"]["secretName"], certificate["spec"]["secretName"]);
    let patches =
        |objects: &[Value]| find(objects, "ClusterRole", "rolecall").to_string().contains("validatingwebhook");
    assert!(!patches(managed) && patches(&rendered["minimum"]), "only with built-in certificates");

    let given = find(&rendered["a Secret"], "ValidatingWebhookConfiguration", "rolecall");
    for webhook in given["webhooks"].as_array().unwrap() {
        assert!(webhook["clientConfig"]["caBundle"].as_str().unwrap().starts_with("LS0tLS1CRUdJTi"));
    }

    let named = &rendered["names"];
    let config = find(named, "ConfigMap", "identity-webhook")["data"]["rolecall.yaml"].as_str().unwrap();
    let config: Value = serde_saphyr::from_str(config).unwrap();
    assert_eq!(config["cluster"], json!({"service": "identity-webhook", "webhookConfiguration": "identity-webhook"}));
    assert_eq!(
        find(named, "Deployment", "identity-webhook")["spec"]["template"]["spec"]["serviceAccountName"],
        "reader"
    );

    let strict = &rendered["configuration"];
    let levels = find(strict, "ValidatingAdmissionPolicy", "rolecall-levels");
    assert!(
        levels.to_string().contains("{'rolecall.dev/enforce': 1, 'rolecall.dev/warn': 3, 'rolecall.dev/audit': 3}")
    );
    assert!(levels.to_string().contains("['rolecall.dev/enforce-on'] : 'workloads'"));
    let registration = find(strict, "ValidatingWebhookConfiguration", "rolecall");
    assert_eq!(registration["webhooks"].as_array().unwrap().len(), 2, "no entry for namespaces that refuse");
    assert_eq!(registration["webhooks"][0]["failurePolicy"], "Fail");
    assert_eq!(registration["webhooks"][0]["timeoutSeconds"], 10);
    let account = find(&rendered["all"], "ServiceAccount", "rolecall");
    assert_eq!(
        account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"],
        "arn:aws:iam::111122223333:role/rolecall"
    );

    // Another configuration is another pod.
    let hash = |name: &str| {
        let deployment = find(&rendered[name], "Deployment", "rolecall");
        deployment["spec"]["template"]["metadata"]["annotations"]["checksum/config"].clone()
    };
    assert_eq!(hash("minimum"), hash("all"));
    assert_ne!(hash("minimum"), hash("configuration"));
}

#[test]
fn values_that_cannot_work_are_refused() {
    for helm in Helm::both() {
        for (values, place) in [
            ("", "clusterName"),
            ("clusterName: shop\nreplicas: 3\n", "replicas"),
            ("clusterName: shop\nsource: http://example.com/shop.json\n", "source"),
            ("clusterName: shop\nconfig: {enforce: 'on'}\n", "enforce"),
            ("clusterName: shop\nconfig: {enforce: off}\n", "enforce"),
            ("clusterName: shop\nconfig: {enforceOn: [pod]}\n", "enforceOn"),
            ("clusterName: shop\nmode: deny\n", "mode"),
            ("clusterName: shop\nserviceAccount: {roleArn: rolecall}\n", "roleArn"),
            ("clusterName: shop\nserviceAccount: {create: false}\n", "serviceAccount.name"),
            ("clusterName: shop\nimage: {digest: 0123}\n", "digest"),
            ("clusterName: shop\nports: {webhook: 443}\n", "webhook"),
            ("clusterName: shop\ncertificates: {from: secret}\n", "secretName"),
            ("clusterName: shop\ncertificates: {from: vault}\n", "from"),
            ("clusterName: shop\nwebhook: {timeoutSeconds: 31}\n", "timeoutSeconds"),
            ("clusterName: shop\nwebhook: {failurePolicy: ignore}\n", "failurePolicy"),
            ("clusterName: shop\nwebhook: {excludedNamespaces: [karpenter]}\n", "excludedNamespaces"),
            ("clusterName: shop\nnetworkPolicy: {enabled: true}\n", "controlPlaneCidrs"),
            ("clusterName: shop\nscan: {enabled: true, reports: sarif}\n", "reports"),
            ("clusterName: shop\nsnapshot: {enabled: true, output: /tmp/shop.json}\n", "output"),
            ("source: s3://b/k\nsnapshot: {enabled: true, output: s3://b/k}\n", "clusterName"),
        ] {
            let output = helm.try_template(values, &[]);
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success() && error.contains(place), "helm {}: {values}: {error}", helm.major);
        }
    }
}

/// Which templates each file of `deploy/manifests` has, and with which values.
const MANIFESTS: &[(&str, &str, &[&str])] = &[
    ("rbac.yaml", "", &["serviceaccount", "rbac"]),
    ("config.yaml", "", &["configmap"]),
    ("pause.yaml", "", &["pause"]),
    ("deployment.yaml", "", &["service", "deployment", "poddisruptionbudget"]),
    ("webhook.yaml", "", &["webhook"]),
    ("backstop.yaml", "backstop: {enabled: true}\n", &["backstop"]),
    (
        "networkpolicy.yaml",
        "networkPolicy: {enabled: true, controlPlaneCidrs: [10.0.0.0/24, 10.0.1.0/24]}\n",
        &["networkpolicy"],
    ),
    ("scan-cronjob.yaml", "scan: {enabled: true}\n", &["scan"]),
    ("snapshot-cronjob.yaml", "snapshot: {enabled: true, output: s3://BUCKET/KEY}\n", &["snapshot"]),
];

/// What kubectl applies is what Helm installs, but for the labels that say so; `ROLECALL_BLESS=1` writes the files again.
#[test]
fn the_manifests_come_from_the_chart() {
    let helm = Helm::new(4);
    for (file, values, templates) in MANIFESTS {
        let values = format!("clusterName: CLUSTER_NAME\nimage: {{tag: latest}}\n{values}");
        let mut found = String::from("# Written from deploy/chart: `make manifests`. Change the chart instead.\n");
        for (index, template) in templates.iter().enumerate() {
            let text = helm.template(&values, &["--show-only", &format!("templates/{template}.yaml")]);
            let ours = |line: &&str| {
                let label = line.trim_start();
                !["# Source: ", "helm.sh/chart: ", "app.kubernetes.io/managed-by: ", "app.kubernetes.io/version: "]
                    .iter()
                    .any(|part| label.starts_with(part))
            };
            let lines: Vec<&str> = text.lines().map(str::trim_end).filter(ours).collect();
            // Helm 4 leaves empty lines at the end of each object.
            let mut text = lines.join("\n");
            while text.contains("\n\n---") {
                text = text.replace("\n\n---", "\n---");
            }
            let text = text.trim_start_matches("---\n").trim();
            found.push_str(if index > 0 { "---\n" } else { "" });
            found.push_str(text);
            found.push('\n');
        }
        let path = root().join("deploy/manifests").join(file);
        if std::env::var_os("ROLECALL_BLESS").is_some() {
            std::fs::write(&path, &found).unwrap();
        }
        let current = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(current == found, "deploy/manifests/{file} differs from the chart: `make manifests` writes it again");
    }
    let listed = std::fs::read_to_string(root().join("deploy/manifests/kustomization.yaml")).unwrap();
    let listed: Value = serde_saphyr::from_str(&listed).unwrap();
    for file in listed["resources"].as_array().unwrap() {
        assert!(root().join("deploy/manifests").join(file.as_str().unwrap()).exists(), "{file}");
    }
}

/// The chart, its program and the release have one version.
#[test]
fn the_chart_has_the_programs_version() {
    let chart = std::fs::read_to_string(root().join("deploy/chart/Chart.yaml")).unwrap();
    let chart: Value = serde_saphyr::from_str(&chart).unwrap();
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

/// Each value of the chart is in the schema, and each of the schema has a default: so that `values.yaml` documents all.
#[test]
fn the_schema_and_the_values_name_the_same() {
    fn compare(place: &str, schema: &Value, values: &Value) {
        let Some(known) = schema["properties"].as_object() else { return };
        if schema["additionalProperties"] != false {
            return;
        }
        let known: BTreeSet<&String> = known.keys().filter(|name| *name != "global").collect();
        let given: BTreeSet<&String> = values.as_object().unwrap().keys().collect();
        assert_eq!(known, given, "{place}");
        for name in known {
            compare(&format!("{place}.{name}"), &schema["properties"][name], &values[name]);
        }
    }
    let read = |file: &str| std::fs::read_to_string(root().join("deploy/chart").join(file)).unwrap();
    let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    compare("", &schema, &serde_saphyr::from_str(&read("values.yaml")).unwrap());
}
