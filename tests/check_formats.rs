//! `rolecall check` in the formats of CI systems: each says the same findings, at their places.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod common;

use common::TempDir;
use serde_json::Value;

const BROKEN: &str = "\
apiVersion: v1
kind: ServiceAccount
metadata:
  name: carts
  namespace: carts
  annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::111122223333:role/gone'}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: 'ca<rts>&\"', namespace: carts}
spec:
  selector: {matchLabels: {app: carts}}
  template:
    metadata: {labels: {app: carts}}
    spec: {serviceAccountName: carts, containers: [{name: app, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: [unreadable], namespace: carts}
spec: {containers: []}
";

fn check(directory: &TempDir, format: &str) -> String {
    let file = directory.file("in put.yaml", BROKEN);
    let snapshot = directory.file("snapshot.json", &common::text("cases/base.json"));
    let output = common::rolecall(&[
        "check",
        file.to_str().unwrap(),
        "--source",
        snapshot.to_str().unwrap(),
        "--format",
        format,
    ]);
    // What cannot be read goes before findings.
    assert_eq!(output.status.code(), Some(2), "{format}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn sarif_has_rules_results_places_and_fingerprints() {
    let directory = TempDir::new("sarif");
    let log: Value = serde_json::from_str(&check(&directory, "sarif")).unwrap();
    assert_eq!((&log["version"], log["runs"].as_array().unwrap().len()), (&"2.1.0".into(), 1));
    let run = &log["runs"][0];
    let rules: Vec<&str> =
        run["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(rules, ["role-missing"]);
    assert!(run["tool"]["driver"]["rules"][0]["help"]["markdown"].as_str().unwrap().contains("## How to fix it"));
    let results = run["results"].as_array().unwrap();
    let mut lines: Vec<u64> = results
        .iter()
        .map(|result| {
            assert_eq!((&result["ruleId"], &result["level"]), (&"role-missing".into(), &"error".into()));
            assert_eq!(result["partialFingerprints"]["rolecall/v1"].as_str().unwrap().len(), 16);
            let place = &result["locations"][0]["physicalLocation"];
            assert!(place["artifactLocation"]["uri"].as_str().unwrap().ends_with("in%20put.yaml"), "{place}");
            place["region"]["startLine"].as_u64().unwrap()
        })
        .collect();
    lines.sort_unstable();
    assert_eq!(lines, [6, 15]);
    let invocation = &run["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    assert_eq!(invocation["toolExecutionNotifications"].as_array().unwrap().len(), 1);
}

#[test]
fn junit_is_well_formed_and_counts() {
    let directory = TempDir::new("junit");
    let text = check(&directory, "junit");
    assert!(text.contains(r#"tests="3" failures="2" errors="1""#), "{text}");
    assert!(text.contains("ca&lt;rts&gt;&amp;&quot;") && !text.contains("ca<rts>"), "{text}");
    assert_eq!(text.matches("<testcase ").count(), text.matches("</testcase>").count());
    assert_eq!(text.matches("<failure ").count(), 2, "{text}");
}

#[test]
fn annotations_are_one_command_to_a_line() {
    let directory = TempDir::new("annotations");
    let text = check(&directory, "github");
    let commands: Vec<&str> = text.lines().collect();
    assert_eq!(commands.len(), 3, "{text}");
    assert!(commands.iter().all(|command| command.starts_with("::error ")), "{text}");
    assert!(commands.iter().filter(|command| command.contains("title=role-missing%3A ")).count() == 2, "{text}");
    assert!(text.contains("%0Afix: ") && text.contains(",line=15,col=12,"), "{text}");
}

#[test]
fn code_quality_and_markdown_name_every_finding() {
    let directory = TempDir::new("quality");
    let list: Value = serde_json::from_str(&check(&directory, "gitlab")).unwrap();
    let severities: Vec<&str> =
        list.as_array().unwrap().iter().map(|entry| entry["severity"].as_str().unwrap()).collect();
    assert_eq!(severities, ["blocker", "critical", "critical"]);
    let prints: std::collections::BTreeSet<&str> =
        list.as_array().unwrap().iter().map(|entry| entry["fingerprint"].as_str().unwrap()).collect();
    assert_eq!(prints.len(), 3);
    let text = check(&directory, "markdown");
    assert!(text.starts_with("### rolecall: 2 certain, 0 likely, 0 undecided\n"), "{text}");
    assert_eq!(text.matches("| error | role-missing |").count(), 2, "{text}");
    assert!(text.contains(r"ca\<rts\>\&") && text.contains("Cannot be read: "), "{text}");
}

/// The same mistake in two files, and one that its namespace exempts: each has its own fingerprint and its place.
#[test]
fn every_result_has_a_place_and_its_own_fingerprint() {
    let directory = TempDir::new("places");
    let broken = BROKEN.split("---").next().unwrap();
    directory.file("one.yaml", broken);
    directory.file("two.yaml", broken);
    let exempted = broken.replace("namespace: carts", "namespace: moved");
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: moved\n  annotations: \
                     {rolecall.dev/ignore: role-missing, rolecall.dev/ignore-reason: it moves}\n---\n";
    directory.file("three.yaml", &format!("{namespace}{exempted}"));
    let snapshot = directory.file("snapshot.json", &common::text("cases/base.json"));
    let run = |format: &str| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_rolecall"))
            .current_dir(&directory.0)
            .args(["check", "./one.yaml", "./two.yaml", "./three.yaml", "--format", format, "--source"])
            .arg(&snapshot)
            .output()
            .unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
    };
    let list = run("gitlab");
    let entries = list.as_array().unwrap();
    let paths: Vec<&str> = entries.iter().map(|entry| entry["location"]["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["one.yaml", "two.yaml"]);
    assert_ne!(entries[0]["fingerprint"], entries[1]["fingerprint"]);
    let log = run("sarif");
    let results = log["runs"][0]["results"].as_array().unwrap();
    let uri = |result: &Value| result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].clone();
    let suppressed: Vec<Value> = results.iter().filter(|result| result["suppressions"].is_array()).map(uri).collect();
    assert_eq!((results.len(), suppressed), (3, vec!["three.yaml".into()]));
}

/// Access keys count at `strict` only, and any service account can assume the role.
const INSECURE: &str = "\
apiVersion: v1
kind: ServiceAccount
metadata:
  name: carts
  namespace: carts
  annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::111122223333:role/open'}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: keys, namespace: carts}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: keys, namespace: carts}
spec:
  selector: {matchLabels: {app: keys}}
  template:
    metadata: {labels: {app: keys}}
    spec:
      serviceAccountName: keys
      containers:
      - name: app
        image: i
        env: [{name: AWS_ACCESS_KEY_ID, value: a}, {name: AWS_SECRET_ACCESS_KEY, value: b}]
";

/// What a check of it prints, and its exit code.
fn check_insecure(directory: &TempDir, arguments: &[&str]) -> (String, Option<i32>) {
    let mut snapshot: Value = serde_json::from_str(&common::text("cases/base.json")).unwrap();
    let account = &mut snapshot["accounts"]["111122223333"];
    let mut open = account["roles"][0].clone();
    open["RoleName"] = "open".into();
    open["Arn"] = "arn:aws:iam::111122223333:role/open".into();
    let condition =
        open["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]["StringEquals"].as_object_mut().unwrap();
    condition.retain(|key, _| key.ends_with(":aud"));
    account["roles"].as_array_mut().unwrap().push(open);
    let file = directory.file("insecure.yaml", INSECURE);
    let snapshot = directory.file("insecure.json", &snapshot.to_string());
    let mut all = vec!["check", file.to_str().unwrap(), "--source", snapshot.to_str().unwrap()];
    all.extend(arguments);
    let output = common::rolecall(&all);
    (String::from_utf8(output.stdout).unwrap(), output.status.code())
}

#[test]
fn findings_on_security_are_shown_at_every_level_and_count_at_their_own() {
    let directory = TempDir::new("impact");
    let report = |level: &str| -> (Value, Option<i32>) {
        let (text, code) = check_insecure(&directory, &["--level", level, "--format", "json"]);
        (serde_json::from_str(&text).unwrap(), code)
    };
    let said = |report: &Value| -> Vec<(String, bool)> {
        let findings = report["findings"].as_array().unwrap();
        let on_security = findings.iter().filter(|finding| finding["impact"] == "security");
        let one = |finding: &Value| {
            (finding["rule"].as_str().unwrap().to_owned(), finding["belowLevel"].as_bool().unwrap_or(false))
        };
        on_security.map(one).collect()
    };
    for level in ["chain", "fallback"] {
        let (report, code) = report(level);
        assert_eq!(code, Some(0), "{level}");
        let shown = [("static-keys".to_owned(), true), ("irsa-trust-open".to_owned(), true)];
        assert_eq!(said(&report), shown, "{level}");
        let summary = &report["summary"];
        assert_eq!(
            (&summary["certain"], &summary["likely"], &summary["belowLevel"]),
            (&0.into(), &0.into(), &2.into())
        );
    }
    let (strict, code) = report("strict");
    assert_eq!(code, Some(1));
    assert!(
        said(&strict).iter().all(|(_, is_below)| !is_below) && strict["summary"]["belowLevel"].is_null(),
        "{strict}"
    );
    let (off, code) = report("off");
    assert_eq!((code, off["findings"].as_array().unwrap().len()), (Some(0), 0));
    // The text says it, and from which level they count.
    let (text, _) = check_insecure(&directory, &[]);
    assert!(text.contains("(container app, counts from level strict) [static-keys]"), "{text}");
    assert!(
        text.ends_with(
            "0 certain, 0 likely, 0 undecided at level fallback; 2 security findings shown from higher levels\n"
        ),
        "{text}"
    );
}

#[test]
fn below_their_level_findings_are_notes_in_every_format() {
    let directory = TempDir::new("impact-formats");
    let formatted = |format: &str, level: &str| check_insecure(&directory, &["--level", level, "--format", format]).0;
    for (level, first) in [("fallback", "note"), ("strict", "error")] {
        let log: Value = serde_json::from_str(&formatted("sarif", level)).unwrap();
        let result = &log["runs"][0]["results"][0];
        assert_eq!((&result["ruleId"], &result["level"]), (&"static-keys".into(), &first.into()));
        let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
        let keys = rules.iter().find(|rule| rule["id"] == "static-keys").unwrap();
        assert_eq!(keys["properties"]["tags"][0], "security");
        assert!(keys["properties"]["security-severity"].as_str().unwrap().parse::<f64>().unwrap() >= 7.0, "{keys}");
        assert!(keys["helpUri"].is_null());
    }
    assert!(formatted("github", "fallback").lines().all(|line| line.starts_with("::notice ")));
    assert!(formatted("github", "strict").contains("::error "));
    let gitlab: Value = serde_json::from_str(&formatted("gitlab", "fallback")).unwrap();
    assert!(gitlab.as_array().unwrap().iter().all(|entry| entry["severity"] == "info"), "{gitlab}");
    assert!(formatted("junit", "fallback").contains(r#"failures="0""#));
    assert!(formatted("junit", "strict").contains("<failure "));
    let table = formatted("markdown", "fallback");
    assert!(
        table.contains("| note | static-keys |") && table.contains("2 security findings shown from higher levels"),
        "{table}"
    );
}

#[test]
fn a_rule_that_is_not_on_security_has_no_security_score() {
    let directory = TempDir::new("impact-sarif");
    let log: Value = serde_json::from_str(&check(&directory, "sarif")).unwrap();
    let properties = &log["runs"][0]["tool"]["driver"]["rules"][0]["properties"];
    assert_eq!(properties["tags"][0], "availability");
    assert!(properties["security-severity"].is_null(), "{properties}");
}

#[test]
fn findings_name_the_published_page_of_their_rule() {
    let directory = TempDir::new("docs-url");
    let config = directory.file("config.yaml", "messages: {docsUrl: 'https://docs.example.com/{rule}.html'}\n");
    let config = config.to_str().unwrap();
    let page = "https://docs.example.com/static-keys.html";
    let (text, _) = check_insecure(&directory, &["--config", config, "--format", "json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["findings"][0]["docs"], page);
    let (text, _) = check_insecure(&directory, &["--config", config]);
    assert!(text.contains(&format!("    more: {page}\n")), "{text}");
    let (text, _) = check_insecure(&directory, &["--config", config, "--format", "sarif"]);
    let log: Value = serde_json::from_str(&text).unwrap();
    assert!(log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap().iter().any(|rule| rule["helpUri"] == page));
    let (text, _) = check_insecure(&directory, &["--config", config, "--format", "github"]);
    assert!(text.contains(&format!("rolecall explain static-keys, {page}")), "{text}");
    let (text, _) = check_insecure(&directory, &["--format", "json"]);
    assert!(!text.contains("\"docs\""), "{text}");
}
