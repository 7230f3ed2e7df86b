//! Nothing is called fine that was not checked, and what is left out is said.

use serde_json::json;

use super::*;

const POD: &str =
    "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop}\nspec: {containers: [{name: c, image: i}]}\n";
const ROLLOUT: &str = "apiVersion: example.com/v1alpha1\nkind: Rollout\nmetadata: {name: a, namespace: shop}\n\
                       spec: {template: {spec: {containers: [{name: c, image: i}]}}}\n";
const OLD: &str = "apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: a, namespace: shop}\n\
                   spec: {template: {spec: {containers: [{name: c, image: i}]}}}\n";
const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: shop}\n";

#[test]
fn nothing_to_check_is_an_error_that_says_why() {
    let folder = TempDir::new("check-empty");
    std::fs::create_dir(folder.0.join("none")).unwrap();
    write(&folder, "empty.yaml", "# nothing\n---\n");
    write(&folder, "namespace.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n");
    write(&folder, "values.yaml", "replicas: 3\n");
    write(&folder, "old.yaml", &format!("{OLD}---\n{ROLLOUT}---\n{SERVICE}---\n{SERVICE}"));
    let cases = [
        ("-", "", "standard input has no object; the command before the pipe may have failed"),
        ("-", "Error: chart not found\n", "1 document that is no Kubernetes object"),
        ("none", "", "none has no .yaml, .yml or .json file"),
        ("empty.yaml", "", "no object in empty.yaml"),
        ("values.yaml", "", "1 document that is no Kubernetes object"),
        ("old.yaml", "", "1 Deployment (extensions/v1beta1, which Kubernetes no longer serves: use apps/v1)"),
        ("old.yaml", "", "1 Rollout (example.com/v1alpha1), 1 Deployment ("),
    ];
    for (path, input, reason) in cases {
        let strict = run_with(&folder.0, &["check", path], &[], input);
        assert_eq!((strict.code, strict.out.as_str()), (2, ""), "{path}: {}", strict.said);
        assert!(strict.said.starts_with("error: nothing to check: "), "{}", strict.said);
        assert!(strict.said.contains(reason), "{path}: {}", strict.said);
        let lenient = run_with(&folder.0, &["check", path, "--allow-empty"], &[], input);
        assert_eq!(lenient.code, 0, "{path}: {}", lenient.said);
        assert!(lenient.said.starts_with("warning: nothing to check: "), "{}", lenient.said);
        assert!(lenient.out.contains("0 resources"), "{}", lenient.out);
    }
    // A namespace is read for its labels and annotations.
    assert_eq!(run(&folder, &["check", "namespace.yaml"]).code, 0);
    // Other formats have their document all the same.
    for format in ["json", "sarif", "gitlab", "junit", "github", "markdown"] {
        let ran = run(&folder, &["check", "old.yaml", "--format", format]);
        assert_eq!(ran.code, 2, "{format}");
        assert_eq!(ran.out.is_empty(), format == "github", "{format}");
    }
}

#[test]
fn what_is_skipped_is_counted_by_kind() {
    let folder = TempDir::new("check-skipped");
    write(&folder, "a.yaml", &[POD, OLD, ROLLOUT, SERVICE, SERVICE, "a: b\n"].join("---\n"));
    let report = run(&folder, &["check", "a.yaml", "--format", "json"]).json();
    assert_eq!(
        report["skipped"],
        json!([
            {"apiVersion": null, "kind": null, "count": 1},
            {"apiVersion": "example.com/v1alpha1", "kind": "Rollout", "count": 1, "withPods": 1},
            {"apiVersion": "extensions/v1beta1", "kind": "Deployment", "count": 1, "withPods": 1},
            {"apiVersion": "v1", "kind": "Service", "count": 2},
        ])
    );
    assert_eq!((&report["summary"]["resources"], &report["summary"]["skipped"]), (&json!(1), &json!(5)));
    let text = run(&folder, &["check", "a.yaml"]);
    assert_eq!(text.code, 0, "{}", text.said);
    assert!(
        text.out.contains("note: not checked, although it may run pods: 1 Rollout (example.com/v1alpha1), 1 Depl"),
        "{}",
        text.out
    );
    assert!(text.out.trim_end().ends_with("; 5 skipped"), "{}", text.out);
}

/// The names of the pods that a check sees.
fn pods(folder: &TempDir, arguments: &[&str]) -> Vec<String> {
    let arguments = [&["check"], arguments, &["--format", "json", "--allow-empty"]].concat();
    let report = run(folder, &arguments).json();
    let name = |workload: &Value| workload["resource"]["name"].as_str().unwrap().to_owned();
    report["workloads"].as_array().unwrap().iter().map(name).collect()
}

#[test]
fn folders_are_read_without_what_is_ignored_or_excluded() {
    let folder = TempDir::new("check-ignored");
    for path in ["a.yaml", "draft-b.yaml", "k8s/c.yaml", "k8s/test/d.yaml", "rendered/e.yaml", "k8s/.gitkeep.yaml"] {
        write(&folder, path, &POD.replace("name: a", &format!("name: {}", path.replace(['/', '.'], "-"))));
    }
    write(&folder, ".gitignore", "draft-*\n/rendered/*\n");
    write(&folder, "k8s/.gitignore", "/test/\n");
    assert_eq!(pods(&folder, &["."]), ["a-yaml", "k8s-c-yaml"]);
    // A path that is named is read.
    assert_eq!(
        pods(&folder, &["draft-b.yaml", "rendered", "k8s/test"]),
        ["draft-b-yaml", "k8s-test-d-yaml", "rendered-e-yaml"]
    );
    assert_eq!(pods(&folder, &[".", "--exclude", "k8s"]), ["a-yaml"]);
    assert_eq!(pods(&folder, &[".", "--exclude", "k8s/*.yaml", "--exclude", "./a.yaml"]), Vec::<String>::new());
    assert_eq!(pods(&folder, &["a.yaml", "k8s/c.yaml", "--exclude", "c.yaml"]), ["a-yaml"]);
    let none = run(&folder, &["check", "k8s", "--exclude", "*.yaml"]);
    assert!(none.code == 2 && none.said.contains("leave out all manifests of k8s (2)"), "{}", none.said);
    let wrong = run(&folder, &["check", ".", "--exclude", "a[".trim()]);
    assert!(wrong.code == 2 && wrong.said.starts_with("error: --exclude `a[`: "), "{}", wrong.said);
}

const BROKEN: &str = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: a\n  namespace: shop\n  annotations: \
                      {eks.amazonaws.com/role-arn: not an ARN}\n";

#[test]
fn what_cannot_be_read_goes_before_findings_and_both_are_printed() {
    let folder = TempDir::new("check-strict");
    write(&folder, "a.yaml", BROKEN);
    write(&folder, "b.yaml", "a: [\n");
    write(&folder, "c.yaml", "b: [\n");
    std::os::unix::fs::symlink("gone.yaml", folder.0.join("d.yaml")).unwrap();
    let ran = run(&folder, &["check", "."]);
    assert_eq!(ran.code, 2);
    assert_eq!(ran.said.matches("error: ").count(), 3, "{}", ran.said);
    assert!(ran.said.contains("d.yaml (document 1, line 1): cannot be read: "), "{}", ran.said);
    assert!(ran.out.contains("[role-arn-malformed]"), "{}", ran.out);
    let strict = run(&folder, &["check", ".", "--strict-input"]);
    assert_eq!((strict.code, strict.out.as_str(), strict.said.lines().count()), (2, "", 1), "{}", strict.said);
    assert!(strict.said.starts_with("error: ./b.yaml"), "{}", strict.said);
    std::fs::create_dir(folder.0.join("chart")).unwrap();
    write(&folder, "chart/Chart.yaml", "name: x\n");
    let strict = run(&folder, &["check", "a.yaml", "chart", "--strict-input"]);
    assert!(strict.code == 2 && strict.said.contains("render it first"), "{}", strict.said);
}
