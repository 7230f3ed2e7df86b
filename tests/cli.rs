//! The command line as a person or a pipeline meets it: exit codes, formats, errors that name their place.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod common;

use common::{TempDir, rolecall, rolecall_with_input};
use serde_json::{Value, json};

fn stdout(output: &std::process::Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

const SNAPSHOT: &str = "tests/fixtures/snapshot.json";

#[test]
fn the_readmes_sample() {
    let output = rolecall(&["check", "examples/shop", "--source", "examples/shop/snapshot.json", "--cluster", "shop"]);
    assert_eq!(output.status.code(), Some(1));
    common::assert_golden("check-shop.txt", &stdout(&output));
    let twice = rolecall(&["check", "examples/shop", "--source", "examples/shop/snapshot.json"]);
    assert_eq!(stdout(&output), stdout(&twice), "two runs print the same");
}

#[test]
fn trying_it_out() {
    let output = rolecall(&["try"]);
    assert!(output.status.success(), "{}", stderr(&output));
    // The port is a free one.
    let port = |text: &str| text.split("127.0.0.1:").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let text = stdout(&output);
    common::assert_golden("try.txt", &text.replace(&port(&text), "PORT"));
}

#[test]
fn exit_codes_follow_the_level() {
    let cluster = "tests/fixtures/cluster.yaml";
    let code = |arguments: &[&str]| {
        let mut all = vec!["check", "--source", SNAPSHOT];
        all.extend(arguments);
        rolecall(&all).status.code()
    };
    assert_eq!(code(&[cluster]), Some(1));
    assert_eq!(code(&[cluster, "--level", "off"]), Some(0));
    let needy = "tests/fixtures/reviews/pod-nosa-create.json";
    assert_eq!(code(&[needy, "--level", "chain"]), Some(0), "node-role-fallback counts from `fallback` on");
    assert_eq!(code(&[needy]), Some(1));
}

#[test]
fn the_json_report_has_the_contracts_shape() {
    let output = rolecall(&["check", "tests/fixtures", "--source", SNAPSHOT, "--format", "json", "--level", "strict"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for finding in report["findings"].as_array().unwrap() {
        for (field, kind) in [("rule", "s"), ("level", "s"), ("certainty", "s"), ("message", "s"), ("fix", "s")] {
            assert!(finding[field].is_string(), "{field} ({kind}) in {finding}");
        }
        for field in ["expected", "found", "container"] {
            assert!(finding[field].is_string() || finding[field].is_null(), "{field} in {finding}");
        }
        for field in ["kind", "namespace", "name"] {
            assert!(finding["resource"][field].is_string(), "{finding}");
        }
        assert!(rolecall_core::rules::find(finding["rule"].as_str().unwrap()).is_some());
    }
    for workload in report["workloads"].as_array().unwrap() {
        assert!(
            ["irsa", "pod-identity", "static-keys", "node", "none"].contains(&workload["identity"].as_str().unwrap())
        );
        assert!(["holds", "broken", "unknown"].contains(&workload["chain"].as_str().unwrap()));
        assert!(workload["role"].is_null() || workload["role"].as_str().unwrap().starts_with("arn:"));
    }
    assert_eq!(report["workloads"].as_array().unwrap().len(), report["summary"]["containers"]);
    // Every container, whatever the level.
    let off = rolecall(&["check", "tests/fixtures", "--source", SNAPSHOT, "--format", "json", "--level", "off"]);
    let off: Value = serde_json::from_slice(&off.stdout).unwrap();
    assert_eq!((off["findings"].as_array().unwrap().len(), &off["workloads"]), (0, &report["workloads"]));
}

#[test]
fn manifests_come_in_many_forms() {
    let directory = TempDir::new("forms");
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: NAME}\nspec: {containers: [{name: c, image: i}]}\n";
    directory.file(
        "a.yaml",
        &format!("---\n{}---\n# nothing\n---\n{}", pod.replace("NAME", "a1"), pod.replace("NAME", "a2")),
    );
    let json: Value = serde_saphyr::from_str(&pod.replace("NAME", "b1")).unwrap();
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [json, {"apiVersion": "v1", "kind": "ConfigMap"}]});
    directory.file("b.json", &format!("{list}\n{json}"));
    std::fs::create_dir(directory.0.join("sub")).unwrap();
    directory.file("sub/c.yml", &pod.replace("NAME", "c1"));
    directory.file("values.yaml", "replicas: 3\n");
    directory.file("notes.txt", "not: [a manifest");
    directory.file(".hidden.yaml", "not: [a manifest");
    let input = pod.replace("NAME", "stdin");
    let output = rolecall_with_input(&["check", directory.0.to_str().unwrap(), "-", "--format", "json"], &input);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<&str> =
        report["workloads"].as_array().unwrap().iter().map(|w| w["resource"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a1", "a2", "b1", "b1", "c1", "stdin"]);
    assert!(report["summary"]["notes"][0].as_str().unwrap().contains("--source"));
}

/// A cluster's service accounts in one YAML file, as `kubectl get serviceaccounts -A -o yaml` writes them; and a folder that
/// links to itself.
#[test]
fn large_files_and_circles_are_read() {
    let directory = TempDir::new("large");
    let account = |i: usize| {
        format!("- apiVersion: v1\n  kind: ServiceAccount\n  metadata: {{name: sa{i}, namespace: n{}}}\n", i % 50)
    };
    let items: String = (0..20_000).map(account).collect();
    directory.file("accounts.yaml", &format!("apiVersion: v1\nkind: List\nitems:\n{items}"));
    for link in ["a", "b"] {
        std::os::unix::fs::symlink(".", directory.0.join(link)).unwrap();
    }
    let output = rolecall(&["check", directory.0.to_str().unwrap(), "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["summary"]["resources"], 20_000);
}

#[test]
fn what_cannot_be_read_names_file_place_and_field() {
    let directory = TempDir::new("bad");
    let good =
        directory.file("good.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n").display().to_string();
    let manifest = |text: &str| directory.file("bad.yaml", text).display().to_string();
    let pod = |spec: &str| format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {spec}\n");
    for (text, complaints) in [
        ("a: [1".to_owned(), vec!["bad.yaml", "line 1"]),
        ("{\"a\": 1".to_owned(), vec!["bad.yaml", "EOF", "line 1"]),
        (pod("7"), vec!["bad.yaml", "document 1", "spec"]),
        (format!("a: 1\n---\n{}", pod("{containers: 7}")), vec!["bad.yaml", "document 2", "spec", "containers"]),
        (pod("{containers: [{name: [], env: []}]}"), vec!["bad.yaml", "containers", "name"]),
        ("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec: {replicas: 2}\n".to_owned(), vec!["bad.yaml", "no pod specification"]),
        ("apiVersion: v1\nkind: ServiceAccount\nmetadata: {}\n".to_owned(), vec!["bad.yaml", "metadata.name"]),
        ("apiVersion: v1\nkind: List\nitems: 7\n".to_owned(), vec!["bad.yaml", "items"]),
        ("kind: AdmissionReview\nrequest: {}\n".to_owned(), vec!["bad.yaml", "request.object"]),
        ("[".repeat(100_000), vec!["bad.yaml"]),
        (format!("{{\"a\":{}", "[".repeat(100_000)), vec!["bad.yaml"]),
        ("a: &a [1,1]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e]\ng: &g [*f,*f,*f,*f,*f,*f,*f,*f]\nh: [*g,*g,*g,*g,*g,*g,*g,*g]\n".to_owned(), vec!["bad.yaml"]),
    ] {
        let output = rolecall(&["check", &manifest(&text)]);
        let error = stderr(&output);
        let start: String = text.chars().take(80).collect();
        assert_eq!(output.status.code(), Some(2), "{start}: {error}");
        assert!(output.stdout.is_empty() && error.len() < 4_000, "{start}: {error}");
        for complaint in complaints {
            assert!(error.contains(complaint), "{start}: {complaint} in {error}");
        }
    }
    for (text, complaint) in [
        ("{\"accounts\": {\"111122223333\": {\"roles\": {\"Arn\": 7}}}}", "accounts.111122223333.roles"),
        ("{\"cluster\": {\"name\": \"shop\"}, \"podIdentityAssociations\": \"a\"}", "podIdentityAssociations"),
        ("[]", "invalid"),
        ("", "EOF"),
    ] {
        let snapshot = directory.file("snapshot.json", text).display().to_string();
        let output = rolecall(&["check", &good, "--source", &snapshot]);
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{text}: {error}");
        assert!(error.contains("snapshot.json") && error.contains(complaint), "{text}: {error}");
    }
    // An entry of a list costs only itself: it is noted, with its place.
    for (text, note) in [
        (
            "{\"accounts\": {\"111122223333\": {\"roles\": [{\"Arn\": 7}]}}}",
            "not read: accounts.111122223333.roles[0].Arn: ",
        ),
        (
            "{\"podIdentityAssociations\": [{\"namespace\": \"a\"}]}",
            "not read: podIdentityAssociations[0]: missing field",
        ),
    ] {
        let snapshot = directory.file("snapshot.json", text).display().to_string();
        let output = rolecall(&["check", &good, "--source", &snapshot]);
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.code() != Some(2) && out.contains(note), "{text}: {out}{}", stderr(&output));
    }
    std::fs::write(directory.0.join("bytes.yaml"), b"a: \xff\xfe").unwrap();
    let output = rolecall(&["check", &directory.0.join("bytes.yaml").display().to_string()]);
    assert!(output.status.code() == Some(2) && stderr(&output).contains("not UTF-8"), "{}", stderr(&output));
    for arguments in [
        vec!["check"],
        vec!["check", "missing.yaml"],
        vec!["check", &good, "--level", "hard"],
        vec!["check", &good, "--source", "missing.json"],
        vec!["check", &good, "--source", SNAPSHOT, "--cluster", "other"],
        vec!["check", &good, "--source", "s3://bucket/snapshot.json"],
        vec!["nonsense"],
    ] {
        assert_eq!(rolecall(&arguments).status.code(), Some(2), "{arguments:?}");
    }
    let config = directory.file("config.yaml", "injector: {audience: 7}\nonErrors: deny\n").display().to_string();
    let output = rolecall(&["check", &good, "--config", &config]);
    assert!(output.status.code() == Some(2) && stderr(&output).contains("config.yaml"), "{}", stderr(&output));
}

#[test]
fn explain_knows_every_rule() {
    let list = stdout(&rolecall(&["explain"]));
    for rule in rolecall_core::rules::all() {
        assert!(list.contains(rule.name));
        let output = rolecall(&["explain", rule.name]);
        assert!(output.status.success());
        let text = stdout(&output);
        assert!(text.contains(rule.level.name()) && text.contains(rule.impact.explained()), "{text}");
    }
    // By family, with a line for each rule.
    for family in rolecall_core::rules::families() {
        assert!(list.contains(&format!("{}\n", family.title)), "{list}");
    }
    let line = list.lines().find(|line| line.trim_start().starts_with("irsa-trust-open ")).unwrap();
    let words: Vec<&str> = line.split_whitespace().take(5).collect();
    assert_eq!(words, ["irsa-trust-open", "strict", "likely", "security", "any"]);
    // Whatever the case; and a beginning lists all that begin so.
    assert!(stdout(&rolecall(&["explain", "IRSA-Trust-Subject"])).starts_with("irsa-trust-subject"));
    let begun = stdout(&rolecall(&["explain", "IRSA-TRUST"]));
    let listed = begun.lines().filter(|line| line.starts_with("  irsa-trust-")).count();
    assert!(listed > 5 && !begun.contains("  oidc-"), "{begun}");
    assert!(stdout(&rolecall(&["explain", "NODE-ROLE-O"])).starts_with("node-role-overprivileged\n\nFires when "));
    let output = rolecall(&["explain", "irsa-trust-subjekt"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("similar names: irsa-trust-subject"), "{}", stderr(&output));
}

#[test]
fn config_says_which_levels_a_namespace_has_and_why() {
    let directory = TempDir::new("config");
    let file = directory.file(
        "rolecall.yaml",
        "enforceOn: [pods]\nlevels:\n- {namespaces: [team-*], selector: {matchLabels: {env: prod}}, enforce: chain, \
         enforceOn: [workloads]}\n- {namespaces: ['*'], audit: fallback}\n- {namespaces: [late], enforce: off}\n",
    );
    let file = file.to_str().unwrap();
    let show = |arguments: &[&str]| {
        let output = rolecall(&[&["config", "show", "--config", file], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let labels = "env=prod,rolecall.dev/enforce=off,rolecall.dev/warn=strict,rolecall.dev/enforce-on=pods";
    assert_eq!(
        show(&["--namespace", "team-a", "--labels", labels]),
        "namespace team-a\n  \
         enforce     chain           levels[0]; the label does not lower it\n  \
         warn        strict          label rolecall.dev/warn\n  \
         audit       strict          default\n  \
         enforce-on  pods.workloads  levels[0] and label rolecall.dev/enforce-on; the label does not lower it\n\
         levels[0] matches team-* with env=prod\n"
    );
    let json: Value = serde_json::from_str(&show(&["-n", "team-a", "--format", "json"])).unwrap();
    assert_eq!((&json["rule"], &json["inForce"]["audit"]["source"]), (&"levels[1]".into(), &"levels[1]".into()));
    assert_eq!((&json["matches"], &json["namespace"]), (&"*".into(), &"team-a".into()));
    assert!(show(&[]).contains("levels[0]  team-* with env=prod: enforce chain, enforce-on workloads\n"));
    let json: Value = serde_json::from_str(&show(&["--format", "json"])).unwrap();
    let sets = json!({"enforce": "chain", "enforce-on": "workloads"});
    assert_eq!(json["levels"][0], json!({"matches": "team-* with env=prod", "sets": sets, "labelsMayLower": false}));
    let checked = rolecall(&["config", "check", "--config", file]);
    let text = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.success() && text.contains("levels[2] is never used"), "{text}");
    let wrong = directory.file("wrong.yaml", "levels: [{namespaces: [a]}]");
    let output = rolecall(&["config", "check", "--config", wrong.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("wrong.yaml: levels[0]: it sets none of"), "{}", stderr(&output));
    let output = rolecall(&["config", "show", "-n", "a", "--labels", "env"]);
    assert!(stderr(&output).contains("`env` is not KEY=VALUE"), "{}", stderr(&output));
    let output = rolecall(&["config", "show", "-n", "a", "--labels", "rolecall.dev/enforce-on=pod"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("enforce-on=pod is none of pods, workloads, pods.workloads"),
        "{}",
        stderr(&output)
    );
    // The API server sets the label with the namespace's name, whatever labels are given.
    let named = directory.file(
        "named.yaml",
        "levels: [{selector: {matchLabels: {kubernetes.io/metadata.name: shop}}, enforce: chain, labelsMayLower: true}]",
    );
    let named = named.to_str().unwrap();
    for (namespace, level) in [("shop", "chain"), ("other", "off")] {
        let output = rolecall(&["config", "show", "--config", named, "-n", namespace, "--labels", "env=prod"]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(&format!("  enforce     {level} ")), "{text}");
    }
    let output = rolecall(&["config", "show", "--config", named]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("kubernetes.io/metadata.name=shop: enforce chain, labels may lower it\n"), "{text}");
}

#[test]
fn shells_get_completions_for_all_commands() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = rolecall(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        let script = String::from_utf8(output.stdout).unwrap();
        for word in ["who-can", "scan", "--source"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let directory = TempDir::new("completions");
    let script = String::from_utf8(rolecall(&["completions", "bash"]).stdout).unwrap();
    let script = directory.file("rolecall.bash", &script).display().to_string();
    let complete = format!(
        "source {script}; COMP_WORDS=(rolecall wh); COMP_CWORD=1; _rolecall rolecall wh rolecall; echo \"${{COMPREPLY[@]}}\""
    );
    let output = std::process::Command::new("bash").args(["-c", &complete]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "who-can");
}

#[test]
fn the_version_says_how_it_was_built() {
    let output = rolecall(&["version"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let value =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{text}")).trim();
    assert_eq!(value("rolecall "), env!("CARGO_PKG_VERSION"));
    assert_eq!(value("platform:"), format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH));
    let features = [("aws", cfg!(feature = "aws")), ("kube", cfg!(feature = "kube"))];
    for (name, is_built) in features {
        assert_eq!(value("features:").contains(name), is_built, "{text}");
    }
}
