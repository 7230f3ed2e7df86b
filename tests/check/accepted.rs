//! What is known already does not fail a run: baselines, comments, and the choice of rules. Defaults come from a file and from the
//! environment.

use serde_json::json;

use super::*;

const GONE: &str = "arn:aws:iam::111122223333:role/gone";

fn account(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: {name}\n  namespace: carts\n  annotations:\n    \
         eks.amazonaws.com/role-arn: {GONE}\n"
    )
}

fn folder(name: &str, text: &str) -> TempDir {
    let folder = TempDir::new(name);
    write(&folder, "k8s/a.yaml", text);
    write(&folder, "snapshot.json", &common::text("cases/base.json"));
    folder
}

fn check(folder: &TempDir, more: &[&str]) -> Ran {
    run(folder, &[&["check", "k8s", "--source", "snapshot.json"], more].concat())
}

#[test]
fn a_baseline_lets_only_what_is_new_fail() {
    let folder = folder("check-baseline", &account("carts"));
    let written = check(&folder, &["--write-baseline", "known.json"]);
    assert_eq!(written.code, 0, "{}", written.said);
    assert!(written.said.contains("known.json: 1 finding written"), "{}", written.said);
    // Lines move, and the finding is known all the same.
    write(&folder, "k8s/a.yaml", &format!("# a comment\n---\n{}", account("carts")));
    let ran = check(&folder, &["--baseline", "known.json"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(ran.out.contains("in the baseline") && ran.out.contains("admission still warns"), "{}", ran.out);
    let report = check(&folder, &["--baseline", "known.json", "--format", "json"]).json();
    assert_eq!(report["findings"][0]["accepted"], json!({"by": "baseline"}));
    assert_eq!((&report["summary"]["certain"], &report["summary"]["accepted"]), (&json!(1), &json!(1)));
    let log = check(&folder, &["--baseline", "known.json", "--format", "sarif"]).json();
    assert_eq!(log["runs"][0]["results"][0]["suppressions"][0]["kind"], "external");
    assert!(check(&folder, &["--baseline", "known.json", "--format", "junit"]).out.contains(r#"failures="0""#));
    // A new one fails.
    write(&folder, "k8s/b.yaml", &account("orders"));
    assert_eq!(check(&folder, &["--baseline", "known.json"]).code, 1);
    // What is repaired is said.
    std::fs::remove_file(folder.0.join("k8s/a.yaml")).unwrap();
    let ran = check(&folder, &["--baseline", "known.json"]);
    assert!(ran.out.contains("1 finding of the baseline does not occur any more"), "{}", ran.out);
    for (text, reason) in [("{}", "is no baseline"), ("{\"schemaVersion\": 9, \"findings\": []}", "schema version 9")] {
        write(&folder, "known.json", text);
        let ran = check(&folder, &["--baseline", "known.json"]);
        assert!(ran.code == 2 && ran.said.contains("known.json") && ran.said.contains(reason), "{}", ran.said);
    }
    assert_eq!(check(&folder, &["--baseline", "none.json"]).code, 2);
}

#[test]
fn a_comment_accepts_a_finding_at_its_place() {
    let text = account("carts");
    let line = format!("    eks.amazonaws.com/role-arn: {GONE}\n");
    let cases = [
        (text.replace(&line, &format!("{} # rolecall: ignore role-missing created by hand\n", line.trim_end())), true),
        (
            text.replace(&line, &format!("    # rolecall: ignore role-missing,static-keys created by hand\n{line}")),
            true,
        ),
        (format!("# rolecall: ignore role-missing -- created by hand\n{text}"), true),
        (format!("---\n# rolecall: ignore role-missing created by hand\n---\n{text}"), false),
        (text.replace("  name:", "  # rolecall: ignore role-missing created by hand\n  name:"), false),
        (text.replace(&line, &format!("    # rolecall: ignore static-keys\n{line}")), false),
        // In a text it is no comment.
        (text.replace(&line, &format!("    a: '# rolecall: ignore role-missing x'\n{line}")), false),
    ];
    for (text, is_accepted) in cases {
        let folder = folder("check-comment", &text);
        let ran = check(&folder, &["--format", "json"]);
        let finding = &ran.json()["findings"][0];
        assert_eq!(
            (ran.code, finding["accepted"].is_object()),
            (i32::from(!is_accepted), is_accepted),
            "{text}\n{finding}"
        );
        if is_accepted {
            assert_eq!(finding["accepted"], json!({"by": "comment", "reason": "created by hand"}), "{text}");
            assert!(check(&folder, &[]).out.contains("admission still"), "{text}");
            let log = check(&folder, &["--format", "sarif"]).json();
            assert_eq!(log["runs"][0]["results"][0]["suppressions"][0]["kind"], "inSource");
            // It is no exemption: a baseline does not take it over.
            let written = check(&folder, &["--write-baseline", "known.json"]);
            assert!(written.said.contains("0 findings written"), "{}", written.said);
        }
    }
    let folder = folder("check-comment", &text.replace(&line, &format!("    # rolecall: ignore role-mising\n{line}")));
    let ran = check(&folder, &[]);
    assert!(
        ran.code == 1 && ran.out.contains("there is no rule `role-mising`; did you mean `role-missing`?"),
        "{}",
        ran.out
    );
}

#[test]
fn rules_and_certainty_are_chosen() {
    let keys = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: carts}\nspec: {serviceAccountName: carts, \
                containers: [{name: c, image: i, env: [{name: AWS_PROFILE, value: dev}]}]}\n";
    let folder = folder(
        "check-rules",
        &format!(
            "{}{keys}",
            account("carts").replace(GONE, "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo")
        ),
    );
    let rules = |more: &[&str]| -> (i32, Vec<String>) {
        let ran = check(&folder, &[more, &["--level", "strict", "--format", "json"]].concat());
        let report = ran.json();
        let rule = |finding: &Value| finding["rule"].as_str().unwrap().to_owned();
        (ran.code, report["findings"].as_array().unwrap().iter().map(rule).collect())
    };
    assert_eq!(rules(&[]), (1, vec!["static-keys-possible".to_owned()]));
    assert_eq!(rules(&["--fail-on", "certain"]).0, 0);
    assert_eq!(rules(&["--fail-on", "likely"]).0, 1);
    assert_eq!(rules(&["--ignore", "static-keys-possible"]), (0, Vec::new()));
    assert_eq!(rules(&["--select", "role-missing,static-keys-possible"]).1.len(), 1);
    assert_eq!(rules(&["--select", "role-missing"]), (0, Vec::new()));
    let ran = check(&folder, &["--ignore", "static-keys-possible", "--level", "strict"]);
    assert!(ran.out.contains("1 finding of rules that --select and --ignore leave out is not shown"), "{}", ran.out);
    for option in ["--select", "--ignore"] {
        let ran = check(&folder, &[option, "static-keyz"]);
        assert_eq!(ran.code, 2);
        assert_eq!(ran.said, format!("error: {option}: there is no rule `static-keyz`; did you mean `static-keys`?\n"));
    }
}

#[test]
fn a_flag_goes_before_the_environment_and_that_before_the_file() {
    let folder = folder("check-defaults", &account("carts"));
    write(
        &folder,
        ".rolecall.yaml",
        "check:\n  source: snapshot.json\n  format: json\n  level: off\n  allowEmpty: true\n",
    );
    let findings = |ran: &Ran| ran.json()["findings"].as_array().unwrap().len();
    let ran = run(&folder, &["check", "k8s"]);
    assert_eq!((ran.code, findings(&ran)), (0, 0), "{}", ran.said);
    let ran = run_with(&folder.0, &["check", "k8s"], &[("ROLECALL_LEVEL", "chain")], "");
    assert_eq!((ran.code, findings(&ran)), (1, 1));
    let ran = run_with(&folder.0, &["check", "k8s", "--level", "off"], &[("ROLECALL_LEVEL", "chain")], "");
    assert_eq!((ran.code, findings(&ran)), (0, 0));
    // It is found from a folder below, and its paths are relative to it.
    let ran = run_with(&folder.0.join("k8s"), &["check", ".", "--level", "chain"], &[], "");
    assert_eq!((ran.code, findings(&ran)), (1, 1), "{}", ran.said);
    assert!(ran.json()["summary"]["snapshotTime"].is_string(), "{}", ran.out);
    assert_eq!(run(&folder, &["check", "-"]).code, 0);
    let ran = run_with(&folder.0, &["check", "-"], &[("ROLECALL_ALLOW_EMPTY", "false")], "");
    assert_eq!(ran.code, 2);
    let environment = [
        ("ROLECALL_SELECT", "static-keys"),
        ("ROLECALL_LEVEL", "chain"),
        ("ROLECALL_EXCLUDE", "x\ny"),
        ("ROLECALL_FORMAT", "sarif"),
    ];
    let ran = run_with(&folder.0, &["check", "k8s"], &environment, "");
    assert_eq!((ran.code, ran.json()["version"].as_str()), (0, Some("2.1.0")));
    for (text, reason) in [
        ("check: {level: high}\n", "check.level: `high` must be one of off, chain, fallback, strict"),
        ("check: {output: [json]}\n", "check.output: must be FORMAT=FILE"),
        ("scan: {failOn: never}\n", "scan.failOn: `never` must be one of certain, likely"),
        ("check: {levels: chain}\n", "levels"),
    ] {
        write(&folder, ".rolecall.yaml", text);
        for arguments in [&["check", "k8s"][..], &["config", "check", "--config", ".rolecall.yaml"]] {
            let ran = run(&folder, arguments);
            assert!(ran.code == 2 && ran.said.contains(reason) && ran.said.contains(".rolecall.yaml"), "{}", ran.said);
        }
    }
}

#[test]
fn a_service_account_that_is_not_in_the_input_is_a_note_until_all_are_known() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: carts}\nspec: {serviceAccountName: carts, \
               containers: [{name: c, image: i}]}\n";
    let folder = folder("check-elsewhere", pod);
    let found = |more: &[&str]| -> (i32, Vec<String>) {
        let ran = check(&folder, &[more, &["--format", "json"]].concat());
        let one = |finding: &Value| {
            format!("{} {}", finding["rule"].as_str().unwrap(), finding["certainty"].as_str().unwrap())
        };
        (ran.code, ran.json()["findings"].as_array().unwrap().iter().map(one).collect())
    };
    assert_eq!(found(&[]), (0, vec!["service-account-missing undecided".to_owned()]));
    assert!(check(&folder, &[]).out.contains("may exist elsewhere; give --manifests PATH or --context CTX"));
    write(&folder, "cluster/other.yaml", &account("orders"));
    assert_eq!(found(&["--manifests", "cluster"]), (1, vec!["service-account-missing likely".to_owned()]));
    // What is elsewhere counts, and is not checked itself.
    write(&folder, "cluster/carts.yaml", &account("carts"));
    assert_eq!(found(&["--manifests", "cluster"]), (1, vec!["role-missing certain".to_owned()]));
    // The input goes before it.
    write(
        &folder,
        "k8s/account.yaml",
        &account("carts").replace(GONE, "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"),
    );
    assert_eq!(found(&["--manifests", "cluster"]), (0, Vec::new()));
    assert_eq!(check(&folder, &["--manifests", "none"]).code, 2);
    assert_eq!(check(&folder, &["--manifests", "cluster", "--context", "x"]).code, 2);
}
