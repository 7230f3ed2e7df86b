//! The roll call: every container with its identity, as JSON, table, comma-separated values and page.

use serde_json::{Value, json};

use super::common::TempDir;
use super::{run, write};

const INPUT: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: carts, labels: {team: checkout}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: carts, namespace: carts, annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::111122223333:role/carts'}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: admin, namespace: carts, annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::111122223333:role/ops/admin'}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: carts, namespace: carts}
spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {serviceAccountName: carts, containers: [{name: app, image: app}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: admin, namespace: carts, labels: {team: ops}}
spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {serviceAccountName: admin, containers: [{name: app, image: app}]}}}
---
apiVersion: v1
kind: Pod
metadata: {name: plain, namespace: orders}
spec: {containers: [{name: app, image: app}]}
";

fn snapshot() -> Value {
    let issuer = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE";
    let provider = format!("arn:aws:iam::111122223333:oidc-provider/{issuer}");
    let role = |name: &str, path: &str, subject: &str, statement: Value, last_used: Value| {
        json!({"RoleName": name, "Arn": format!("arn:aws:iam::111122223333:role{path}{name}"), "AttachedManagedPolicies": [],
            "RoleLastUsed": last_used,
            "RolePolicyList": [{"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}}],
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
                "Action": "sts:AssumeRoleWithWebIdentity", "Principal": {"Federated": provider},
                "Condition": {"StringLike": {format!("{issuer}:sub"): format!("system:serviceaccount:{subject}")}}}]}})
    };
    let query = json!({"Effect": "Allow", "Action": "dynamodb:Query", "Resource": "*"});
    let all = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
    json!({
        "schemaVersion": 1, "collectedAt": "2026-11-24T17:26:52Z",
        "cluster": {"name": "shop", "arn": "arn:aws:eks:us-west-2:111122223333:cluster/shop",
            "identity": {"oidc": {"issuer": format!("https://{issuer}")}}},
        "podIdentityAssociations": [], "addons": [], "nodeRoles": [],
        "accounts": {"111122223333": {
            "roles": [
                role("carts", "/", "carts:carts", query, json!({"LastUsedDate": "2026-11-20T10:00:00Z", "Region": "us-west-2"})),
                role("admin", "/ops/", "*:admin", all, json!({})),
            ],
            "policies": [], "oidcProviders": [{"Arn": provider, "Url": issuer, "ClientIDList": ["sts.amazonaws.com"]}]}}})
}

fn folder(name: &str) -> TempDir {
    let folder = TempDir::new(name);
    write(&folder, "in.yaml", INPUT);
    write(&folder, "snapshot.json", &snapshot().to_string());
    folder
}

const CHECK: [&str; 4] = ["check", "in.yaml", "--source", "snapshot.json"];

fn check(folder: &TempDir, more: &[&str]) -> super::Ran {
    run(folder, &[&CHECK[..], more].concat())
}

#[test]
fn the_report_tells_what_roles_may_do_and_who_can_assume_them() {
    let folder = folder("roll-call-json");
    let report = check(&folder, &["--format", "json", "--team-label", "team"]).json();
    let (admin, carts) = ("arn:aws:iam::111122223333:role/ops/admin", "arn:aws:iam::111122223333:role/carts");
    let expected = json!([
        {"arn": carts, "account": "111122223333", "containers": 1, "power": "scoped", "trustWidth": "service-account",
         "lastUsed": "2026-11-20T10:00:00Z"},
        {"arn": admin, "account": "111122223333", "containers": 1, "power": "administrator", "trustWidth": "cluster", "lastUsed": null},
    ]);
    assert_eq!(report["roles"], expected);
    assert_eq!(report["cluster"]["account"], "111122223333");
    assert_eq!(report["snapshotTime"], "2026-11-24T17:26:52Z");
    let team = |name: &str| {
        let workloads = report["workloads"].as_array().unwrap();
        let found = workloads.iter().find(|workload| workload["resource"]["name"] == name).unwrap();
        (found["team"].clone(), found["serviceAccount"].clone())
    };
    assert_eq!(team("carts"), (json!("checkout"), json!("carts")), "of its namespace");
    assert_eq!(team("admin"), (json!("ops"), json!("admin")), "its own");
    assert_eq!(team("plain"), (Value::Null, json!("default")));
}

#[test]
fn rows_can_be_chosen_grouped_and_sorted() {
    let folder = folder("roll-call-table");
    let table = |more: &[&str]| check(&folder, &[&["--format", "table"], more].concat()).out;
    let names = |text: &str| -> Vec<String> {
        let rows =
            text.lines().skip(1).take_while(|line| !line.contains(" containers: ") && !line.contains(" container: "));
        let cells = rows.filter_map(|line| line.split_whitespace().nth(1).map(str::to_owned));
        cells.collect()
    };
    let all = table(&[]);
    assert!(all.starts_with("NAMESPACE  WORKLOAD "), "{all}");
    assert_eq!(names(&all), ["Deployment/admin", "Deployment/carts", "Pod/plain"], "{all}");
    assert!(all.contains("3 containers: 2 by irsa, 0 by pod-identity, 1 on the node role"), "{all}");
    assert!(!all.lines().next().unwrap().contains("TEAM"), "no row has one: {all}");
    assert_eq!(names(&table(&["--identity", "node"])), ["Pod/plain"]);
    assert_eq!(names(&table(&["--role", "carts"])), ["Deployment/carts"]);
    assert_eq!(names(&table(&["--role", "arn:aws:iam::111122223333:role/ops/admin"])), ["Deployment/admin"]);
    assert_eq!(names(&table(&["--sort", "last-used", "--identity", "irsa"])), ["Deployment/admin", "Deployment/carts"]);
    let grouped = table(&["--group-by", "team", "--team-label", "team"]);
    let heads: Vec<&str> = grouped.lines().filter(|line| !line.is_empty() && !line.contains(' ')).collect();
    assert_eq!(heads, ["none", "checkout", "ops"], "{grouped}");
    let wrong = check(&folder, &["--format", "table", "--identity", "admin"]);
    assert!(wrong.code == 2 && wrong.said.contains("pod-identity"), "{}", wrong.said);
}

#[test]
fn values_for_spreadsheets_have_a_row_for_each_container() {
    let folder = folder("roll-call-csv");
    let csv = check(&folder, &["--format", "csv"]).out;
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 4, "{csv}");
    let column = |name: &str| rows[0].iter().position(|head| *head == name).unwrap_or_else(|| panic!("{name}: {csv}"));
    let admin = &rows[1];
    for (name, value) in [
        ("name", "admin"),
        ("identity", "irsa"),
        ("chain", "holds"),
        ("power", "administrator"),
        ("trustWidth", "cluster"),
        ("lastUsed", "never"),
        ("serviceAccount", "admin"),
    ] {
        assert_eq!(admin[column(name)], value, "{name}: {csv}");
    }
}

/// tests/browser opens the page; here its data are what the JSON report has.
#[test]
fn the_page_holds_the_report() {
    let folder = folder("roll-call-page");
    let ran = check(&folder, &["--format", "html"]);
    let page = &ran.out;
    let (_, data) = page.split_once(r#"<script type="application/json" id="data">"#).unwrap();
    let (data, _) = data.split_once("</script>").unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!(data, check(&folder, &["--format", "json"]).json());
    for outside in ["src=", "http-equiv=\"refresh\"", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
}
