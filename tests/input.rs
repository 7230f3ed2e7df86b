//! Manifests are read as kubectl reads them: the answers of Kubernetes' own decoder over tricky texts, which are committed
//! (`tests/input/decoder` writes them: `go run . answers ../snippets.txt > ../answers.jsonl`).

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod common;

use serde_json::{Value, json};

use rolecall::sources::decode;

/// What kubectl takes and rolecall refuses, each with a word of the reason.
const REFUSED: [(&str, &str); 17] = [
    ("value octal 0O7", "YAML 1.1 and 1.2"),
    ("value octal 0_7", "YAML 1.1 and 1.2"),
    ("value binary upper", "YAML 1.1 and 1.2"),
    // The reader of YAML that Kubernetes uses takes `\'`; no version of YAML has it, and the parser used here neither.
    ("value escape quote", "escape"),
    // It also takes a plain `a:` before a comma in a flow collection.
    ("flow colon comma", "unexpected ':'"),
    // kubectl takes either of the two, at random.
    ("key number and text of the same name", "either of them"),
    ("merge last", "merge key"),
    ("merge twice", "merge key"),
    ("documents dots without separator", "ends here"),
    ("documents dots and bad text", "ends here"),
    // Go puts U+FFFD for it.
    ("json half surrogate", "Unicode"),
    // All but what only ends a comment, or stays as it is within quotes.
    ("break nel ", "U+0085"),
    ("break ls ", "U+2028"),
    ("break ps ", "U+2029"),
    ("break cr ", "carriage return"),
    ("break cr cr lf", "carriage return"),
    ("break cr all over", "carriage return"),
];

/// What kubectl refuses and rolecall reads: it is never applied, so no verdict can be wrong.
const READ: [&str; 3] = ["value escape slash", "json then text", "flow question"];

fn snippets() -> Vec<(String, String)> {
    let text = format!("\n{}", common::text("input/snippets.txt"));
    let parts = text.split("\n#### ").skip(1).map(|part| {
        let (name, body) = part.split_once('\n').unwrap();
        match name.strip_suffix(" (quoted)") {
            // JSON has no \U.
            Some(name) => {
                let literal = body.trim().replace("\\U0001f600", "\u{1f600}");
                (name.to_owned(), serde_json::from_str(&literal).unwrap_or_else(|e| panic!("{name}: {e}")))
            }
            None if body.ends_with('\n') => (name.to_owned(), body.to_owned()),
            None => (name.to_owned(), format!("{body}\n")),
        }
    });
    parts.collect()
}

/// Equal, where a number is its value and not how it is written.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| same(value, other)))
        }
        _ => one == other,
    }
}

#[test]
fn every_text_is_read_as_kubectl_reads_it_or_refused() {
    let answers = common::text("input/answers.jsonl");
    let answers: Vec<Value> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let snippets = snippets();
    assert!(snippets.len() >= 300 && snippets.len() == answers.len(), "{} {}", snippets.len(), answers.len());
    let mut failures = Vec::new();
    let mut refused = std::collections::BTreeSet::new();
    for ((name, text), answer) in snippets.iter().zip(&answers) {
        assert_eq!(answer["name"], name.as_str());
        let read = decode(text.as_bytes());
        let kubectl = answer["documents"].as_array().unwrap();
        let fault = read.iter().find_map(|document| document.as_ref().err());
        // What stands before a fault; kubectl reads nothing behind it.
        let good: Vec<&Value> = read.iter().map_while(|document| document.as_ref().ok()).collect();
        let alike = good.iter().zip(kubectl).all(|(one, other)| same(one, other));
        if let Some((line, reason)) = fault {
            assert!(*line >= 1 && *line <= text.lines().count().max(1) + 1 && !reason.is_empty(), "{name}: {fault:?}");
        }
        let kubectl_refuses = !answer["error"].is_null();
        let listed = REFUSED.iter().find(|(of, _)| *of == name || (of.ends_with(' ') && name.starts_with(of)));
        match (fault, kubectl_refuses) {
            (None, false) if alike && good.len() == kubectl.len() => {}
            (Some((_, reason)), false)
                if alike && listed.is_some_and(|(_, why)| reason.contains(why) || reason.contains("ends here")) =>
            {
                refused.insert(listed.unwrap().0);
            }
            (Some(_), true) if alike => {}
            (None, true) if READ.contains(&name.as_str()) => {}
            _ => failures.push(format!("{name}: {read:?}\n  kubectl: {answer}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let never: Vec<_> = REFUSED.iter().filter(|(name, _)| !refused.contains(name)).collect();
    assert!(never.len() <= 2, "listed as refused, and read: {never:?}");
}

/// Where Go is at hand with its modules, the answers are those of the decoder today.
#[test]
fn the_committed_answers_are_those_of_kubernetes() {
    let folder = common::test_file("input/decoder");
    let run = std::process::Command::new("go")
        .args(["run", "-mod=mod", ".", "answers", "../snippets.txt"])
        .current_dir(folder)
        .env("GOFLAGS", "-buildvcs=false")
        .env("CGO_ENABLED", "0")
        .output();
    let Some(output) = run.ok().filter(|output| output.status.success()) else {
        eprintln!("skipped: no Go, or its modules cannot be fetched");
        return;
    };
    assert_eq!(String::from_utf8(output.stdout).unwrap(), common::text("input/answers.jsonl"));
}

/// serde_json stops at 128 levels; kubectl does not.
#[test]
fn deep_nesting_is_read_up_to_a_limit() {
    for (open, close) in [("[", "]"), ("{\"k\":", "}")] {
        let deep = |depth: usize| format!("{{\"a\": {}1{}}}\n", open.repeat(depth), close.repeat(depth));
        assert!(decode(deep(100).as_bytes())[0].is_ok());
        assert!(decode(deep(500).as_bytes())[0].is_ok());
        let (_, reason) = decode(deep(100_000).as_bytes())[0].clone().unwrap_err();
        assert!(reason.contains("levels deep"), "{reason}");
    }
}

fn check(arguments: &[&str]) -> (i32, Value, String) {
    let output = common::rolecall(&[&["check"], arguments, &["--format", "json"]].concat());
    let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().unwrap(), report, String::from_utf8(output.stderr).unwrap())
}

fn notes(report: &Value) -> String {
    report["summary"]["notes"].to_string()
}

fn pod(name: &str, account: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: carts}}\nspec:\n  serviceAccountName: {account}\n  \
         containers: [{{name: c, image: i}}]\n"
    )
}

#[test]
fn no_error_prints_what_a_manifest_holds() {
    let directory = common::TempDir::new("input-secret");
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n";
    let texts = [
        format!("{secret}stringData:\n  password: hunter2\n  password: hunter2-again\n"),
        format!("{secret}stringData:\n  hunter2: x\n  hunter2: y\n"),
        format!("{secret}stringData:\n  password: hunter2\n bad: [hunter2\n"),
        format!("{secret}stringData: {{password: *hunter2}}\n"),
        format!("{secret}stringData:\n  password: !!int hunter2\n"),
        format!("{secret}stringData:\n  <<: hunter2\n"),
        format!("{secret}stringData:\n  ? [hunter2]\n  : hunter2\n"),
        "{\"kind\": \"Secret\", \"stringData\": {\"password\": \"hunter2\", \"password\": \"hunter2\" \"x\"}}"
            .to_owned(),
        "{\"a\":1}{\"b\":2}{\"password\": hunter2}".to_owned(),
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, env: hunter2}]}\n".to_owned(),
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, env: [hunter2]}]}\n".to_owned(),
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p, annotations: hunter2}\nspec: {containers: []}\n".to_owned(),
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, args: [22222]}]}\n".to_owned(),
        "--- hunter2\na: 1\n".to_owned(),
    ];
    for (index, text) in texts.iter().enumerate() {
        let file = directory.file(&format!("{index}.yaml"), text);
        for format in ["text", "json"] {
            let output = common::rolecall(&["check", file.to_str().unwrap(), "--format", format]);
            let printed = [output.stdout, output.stderr].concat();
            let printed = String::from_utf8(printed).unwrap();
            assert!(!printed.contains("hunter2") && !printed.contains("22222"), "{text}\n{printed}");
            assert!(!printed.contains("<input>") && !printed.contains("DuplicateKeyPolicy"), "{printed}");
            assert!(index < 2 || output.status.code() == Some(2), "{text}\n{printed}");
        }
    }
    let config = directory.file("config.yaml", "warn: chain\nwarn: hunter2\n");
    let output = common::rolecall(&["check", config.to_str().unwrap(), "--config", config.to_str().unwrap()]);
    assert!(!String::from_utf8(output.stderr).unwrap().contains("hunter2"));
}

#[test]
fn an_unreadable_document_hides_no_other() {
    let directory = common::TempDir::new("input-unreadable");
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: carts, namespace: carts, annotations: \
                   {eks.amazonaws.com/role-arn: 'not an arn'}}\n";
    let text = format!(
        "{account}---\n{}---\na: [\n---\n{}---\napiVersion: v1\nkind: Pod\nmetadata: {{name: d}}\nspec: {{containers: 7}}\n",
        pod("a", "carts"),
        pod("b", "carts")
    );
    let file = directory.file("all.yaml", &text);
    let (code, report, stderr) = check(&[file.to_str().unwrap()]);
    assert_eq!(code, 2, "{stderr}");
    let names: Vec<_> = report["workloads"].as_array().unwrap().iter().map(|w| &w["resource"]["name"]).collect();
    assert_eq!(names, ["a", "b"]);
    assert!(report["findings"].as_array().unwrap().iter().any(|f| f["rule"] == "role-arn-malformed"), "{report}");
    let places: Vec<_> =
        report["unreadable"].as_array().unwrap().iter().map(|u| (&u["document"], &u["line"])).collect();
    assert_eq!(places, [(&json!(3), &json!(12)), (&json!(5), &json!(21))], "{report}");
    assert_eq!(report["summary"]["unreadable"], 2);
    assert!(stderr.lines().count() == 2 && stderr.lines().all(|line| line.starts_with("error: ")), "{stderr}");
    assert!(stderr.contains("spec.containers: invalid type: integer"), "{stderr}");

    // The list of service accounts is no longer complete.
    let file = directory.file("missing.yaml", &format!("{}---\na: [\n", pod("a", "other")));
    let (_, report, _) = check(&[file.to_str().unwrap()]);
    assert!(!report["findings"].to_string().contains("service-account-missing"), "{report}");

    // An item of a list hides no other item.
    let list = "apiVersion: v1\nkind: List\nitems:\n- 5\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: p}\n  spec: 7\n- \
                apiVersion: v1\n  kind: Pod\n  metadata: {name: good}\n  spec: {containers: [{name: c}]}\n";
    let file = directory.file("list.yaml", list);
    let (code, report, _) = check(&[file.to_str().unwrap()]);
    assert_eq!((code, &report["workloads"][0]["resource"]["name"]), (2, &json!("good")), "{report}");
}

#[test]
fn a_duplicate_key_is_taken_as_kubectl_takes_it_with_a_note() {
    let directory = common::TempDir::new("input-duplicate");
    let text = pod("a", "first").replace("  containers", "  serviceAccountName: second\n  containers");
    let file = directory.file("a.yaml", &text);
    let (code, report, stderr) = check(&[file.to_str().unwrap(), "--level", "chain"]);
    assert!(report["findings"].to_string().contains("carts/second"), "{report}");
    assert!(
        code < 2 && notes(&report).contains("line 6): the key `serviceAccountName` is given twice"),
        "{report} {stderr}"
    );
}
