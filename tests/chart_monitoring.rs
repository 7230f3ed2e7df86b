//! The chart's alerts and dashboard: unit tests of the rules by promtool, and every metric that they name is one that rolecall has.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod common;

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use common::helm::{Helm, find, objects};
use common::{Server, TempDir, root, test_file};
use serde_json::{Value, json};

fn promtool(arguments: &[&str]) -> String {
    let path = Command::new(test_file("tools/promtool.sh")).stderr(Stdio::inherit()).output().unwrap();
    assert!(path.status.success(), "tests/tools/promtool.sh failed");
    let path = String::from_utf8(path.stdout).unwrap();
    let output = Command::new(path.trim()).args(arguments).current_dir(root()).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
    said
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap()
}

fn rules() -> Vec<Value> {
    let file: Value = serde_saphyr::from_str(&read("deploy/chart/files/alerts.yaml")).unwrap();
    file["groups"][0]["rules"].as_array().unwrap().clone()
}

fn names() -> BTreeSet<String> {
    rules().iter().map(|rule| rule["alert"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn alerts_fire_when_they_should() {
    promtool(&["test", "rules", "tests/chart/alerts.test.yaml"]);
    // None is without a case in which it fires and one in which it does not.
    let file: Value = serde_saphyr::from_str(&read("tests/chart/alerts.test.yaml")).unwrap();
    let (mut fires, mut rests) = (BTreeSet::new(), BTreeSet::new());
    for test in file["tests"].as_array().unwrap() {
        for case in test["alert_rule_test"].as_array().unwrap() {
            let set = if case["exp_alerts"].as_array().unwrap().is_empty() { &mut rests } else { &mut fires };
            set.insert(case["alertname"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(fires, names());
    let unseen: Vec<String> = names().difference(&rests).cloned().collect();
    // It shares its cases with RolecallDenialsWithheld, whose errors it must not count.
    assert_eq!(unseen, ["RolecallReviewErrors"]);
}

/// What the chart renders is what promtool tested, with links to sections that exist.
#[test]
fn each_alert_links_to_its_runbook() {
    let values = "clusterName: shop\nmonitoring: {prometheusRule: {enabled: true, labels: {release: stack}, \
                  runbookUrl: 'https://docs.example.com/alerts.md'}, serviceMonitor: {enabled: true}, dashboard: {enabled: true}}\n";
    let rendered = objects(&Helm::new(4).template(values, &[]));
    let rule = find(&rendered, "PrometheusRule", "rolecall");
    assert_eq!(rule["metadata"]["labels"]["release"], "stack");
    let mut of_chart = rule["spec"]["groups"][0]["rules"].as_array().unwrap().clone();
    let runbook = read("docs/alerts.md");
    for alert in &mut of_chart {
        let name = alert["alert"].as_str().unwrap().to_owned();
        let url = alert["annotations"].as_object_mut().unwrap().remove("runbook_url").unwrap();
        assert_eq!(url, json!(format!("https://docs.example.com/alerts.md#{}", name.to_lowercase())));
        assert!(runbook.contains(&format!("\n## {name}\n")), "docs/alerts.md has no section {name}");
    }
    assert_eq!(of_chart, rules());
    let sections = runbook.lines().filter_map(|line| line.strip_prefix("## ")).map(str::to_owned);
    assert_eq!(sections.collect::<BTreeSet<String>>(), names());
    let dashboard = find(&rendered, "ConfigMap", "rolecall-dashboard")["data"]["rolecall.json"].as_str().unwrap();
    assert_eq!(dashboard.trim(), read("deploy/chart/files/dashboard.json").trim());
}

/// The metrics of an expression: names before a selector or a range.
fn metrics_of(expression: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = expression.split(|c| !is_name(c)).map(str::to_owned);
    words.filter(|word| ["rolecall_", "process_", "apiserver_"].iter().any(|prefix| word.starts_with(prefix))).collect()
}

fn panels() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&read("deploy/chart/files/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| {
        let title = panel["title"].as_str().unwrap().to_owned();
        panel["targets"]
            .as_array()
            .into_iter()
            .flatten()
            .map(move |target| (title.clone(), target["expr"].as_str().unwrap().to_owned()))
    });
    targets.collect()
}

#[test]
fn the_dashboard_asks_what_prometheus_understands() {
    let panels = panels();
    assert!(panels.len() > 20, "{panels:?}");
    let rules: Vec<Value> = panels
        .iter()
        .enumerate()
        .map(|(number, (_, expression))| {
            // Grafana fills these in.
            let filled = expression.replace("$__rate_interval", "5m").replace("$namespace", ".*");
            json!({"record": format!("panel:{number}"), "expr": filled})
        })
        .collect();
    let folder = TempDir::new("dashboard");
    let file = folder.file("rules.json", &json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string());
    promtool(&["check", "rules", file.to_str().unwrap()]);
}

/// These exist once they have a value; tests/cluster_rights.rs holds that they do.
const LATER: [&str; 3] = ["rolecall_aws_calls", "rolecall_events", "rolecall_would_deny"];

/// A program that runs has every metric that an alert or a panel of rolecall's own names.
#[test]
fn every_metric_exists() {
    let server = Server::start(&test_file("fixtures/cluster.yaml"), &test_file("fixtures/snapshot.json"), &[]);
    let (status, exposed) = server.get("/metrics");
    assert_eq!(status, 200);
    assert!(exposed.ends_with("# EOF\n"));
    assert!(exposed.contains(&format!("rolecall_build_info{{version=\"{}\",commit=", env!("CARGO_PKG_VERSION"))));
    let families: BTreeSet<&str> = exposed
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    let documented = read("docs/metrics.md");
    let expressions = panels().into_iter().map(|(_, expression)| expression);
    let expressions: Vec<String> =
        expressions.chain(rules().iter().map(|rule| rule["expr"].as_str().unwrap().to_owned())).collect();
    let named: BTreeSet<String> = expressions.iter().flat_map(|expression| metrics_of(expression)).collect();
    assert!(named.len() > 20, "{named:?}");
    for metric in named {
        if metric.starts_with("apiserver_") {
            continue;
        }
        let ends = ["_total", "_bucket", "_count", "_sum", "_info"];
        let family = ends.iter().find_map(|end| metric.strip_suffix(end)).unwrap_or(&metric);
        assert!(
            families.contains(family) || LATER.contains(&family),
            "{metric}: rolecall has no such metric: {families:?}"
        );
        let documented_as = metric.trim_end_matches("_bucket").trim_end_matches("_count");
        assert!(documented.contains(documented_as), "docs/metrics.md does not have {metric}");
    }
    assert!(server.metric("process_resident_memory_bytes ") > 1e6);
    assert!(server.metric("process_open_fds ") >= 3.0);
    assert!(server.metric("process_start_time_seconds ") > 1.7e9);
}
