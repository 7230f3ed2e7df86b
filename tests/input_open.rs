//! What manifests leave open: namespaces that they do not name, placeholders, and folders that must be rendered first.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod common;

use common::TempDir;
use serde_json::Value;

const ROLE: &str = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";

/// A service account and its Deployment, as Helm renders them: without a namespace where `namespace` is empty.
fn manifests(namespace: &str, role: &str) -> String {
    let namespace = if namespace.is_empty() { String::new() } else { format!(", namespace: '{namespace}'") };
    format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: carts{namespace}, annotations: {{eks.amazonaws.com/role-arn: \
         '{role}'}}}}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: carts{namespace}}}\nspec:\n  template:\n    \
         spec: {{serviceAccountName: carts, containers: [{{name: carts, image: i}}]}}\n"
    )
}

fn run(arguments: &[&str]) -> (i32, Value, String) {
    let output = common::rolecall(arguments);
    let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().unwrap(), report, String::from_utf8(output.stderr).unwrap())
}

fn check(directory: &TempDir, text: &str, more: &[&str]) -> (i32, Value, String) {
    let file = directory.file("input.yaml", text);
    let snapshot = directory.file("snapshot.json", &common::text("cases/base.json"));
    let arguments = [
        "check",
        file.to_str().unwrap(),
        "--source",
        snapshot.to_str().unwrap(),
        "--level",
        "strict",
        "--format",
        "json",
    ];
    run(&[&arguments, more].concat())
}

fn chain(report: &Value) -> &str {
    report["workloads"][0]["chain"].as_str().unwrap()
}

fn certain(report: &Value) -> usize {
    report["findings"].as_array().unwrap().iter().filter(|finding| finding["certainty"] == "certain").count()
}

#[test]
fn a_namespace_may_be_given_for_what_names_none() {
    let directory = TempDir::new("input-namespace");
    let (code, report, _) = check(&directory, &manifests("", ROLE), &["-n", "carts"]);
    assert_eq!((code, chain(&report)), (0, "holds"), "{report}");
    assert_eq!(report["workloads"][0]["resource"]["namespace"], "carts");
    assert!(!report["summary"]["notes"].to_string().contains("namespace"), "{report}");
    // Another one of its own stays.
    let (_, report, _) = check(&directory, &manifests("other", ROLE), &["--namespace", "carts"]);
    assert_eq!(report["workloads"][0]["resource"]["namespace"], "other");
    assert!(certain(&report) > 0 && report["findings"].to_string().contains("irsa-trust-subject"), "{report}");
}

#[test]
fn what_rests_on_an_assumed_namespace_is_not_certain() {
    let directory = TempDir::new("input-assumed");
    let (code, report, _) = check(&directory, &manifests("", ROLE), &[]);
    assert_eq!((code, chain(&report), certain(&report)), (0, "unknown", 0), "{report}");
    assert!(report["summary"]["notes"].to_string().contains("2 objects name no namespace"), "{report}");
    let findings = report["findings"].as_array().unwrap();
    assert!(findings.iter().any(|f| f["rule"] == "irsa-trust-subject" && f["certainty"] == "undecided"), "{report}");
    for finding in findings {
        let fix = finding["fix"].as_str().unwrap();
        assert!(fix.contains("-n NS") && !fix.contains("serviceaccount:default"), "{report}");
    }
    // The same in a namespace that the manifest itself names is certain.
    let (code, report, _) = check(&directory, &manifests("default", ROLE), &[]);
    assert!(code == 1 && chain(&report) == "broken" && certain(&report) > 0, "{report}");
    // What is wrong in every namespace stays certain.
    let (code, report, _) = check(&directory, &manifests("", "carts"), &[]);
    assert!(code == 1 && chain(&report) == "broken" && certain(&report) > 0, "{report}");
    assert!(report["findings"].to_string().contains("-n NAMESPACE"), "{report}");
    assert!(!report["findings"].to_string().contains("-n default"), "{report}");
}

#[test]
fn placeholders_make_what_rests_on_them_unknown() {
    let directory = TempDir::new("input-placeholders");
    for role in [
        "arn:aws:iam::${AWS_ACCOUNT_ID}:role/eks-workshop-carts-dynamo",
        "arn:aws:iam::111122223333:role/${ENV}-carts",
        "arn:aws:iam::$AWS_ACCOUNT_ID:role/carts",
        "{{ .Values.roleArn }}",
        "${var.role_arn}",
    ] {
        let (code, report, _) = check(&directory, &manifests("carts", role), &[]);
        assert_eq!((code, chain(&report), certain(&report)), (0, "unknown", 0), "{role}: {report}");
        let name: String = role.find(['$', '{']).and_then(|at| role.get(at..at + 4)).unwrap().to_owned();
        assert!(report["summary"]["notes"].to_string().contains(&name), "{role}: {report}");
        assert!(report["findings"].to_string().contains("not known"), "{role}: {report}");
    }
    // A person must replace this one: it is applied as it stands.
    let (code, report, _) = check(&directory, &manifests("carts", "arn:aws:iam::<ACCOUNT_ID>:role/carts"), &[]);
    assert!(code == 1 && chain(&report) == "broken", "{report}");
    // A namespace and a name.
    for text in [
        manifests("${NAMESPACE}", ROLE),
        manifests("carts", ROLE).replace("serviceAccountName: carts", "serviceAccountName: '${NAME}'"),
        manifests("{{ .Release.Namespace }}", ROLE),
    ] {
        let (code, report, _) = check(&directory, &text, &[]);
        assert_eq!((code, chain(&report), certain(&report)), (0, "unknown", 0), "{text}: {report}");
    }
    // A variable that decides; one that does not.
    for (variable, state) in [("AWS_ROLE_ARN", "unknown"), ("AWS_ACCESS_KEY_ID", "unknown"), ("GREETING", "holds")] {
        let env = format!("image: i, env: [{{name: {variable}, value: '${{X}}'}}]");
        let text = manifests("carts", ROLE).replace("image: i", &env);
        let (_, report, _) = check(&directory, &text, &[]);
        assert_eq!((chain(&report), certain(&report)), (state, 0), "{variable}: {report}");
    }
}

#[test]
fn on_admitted_objects_a_placeholder_is_what_it_is() {
    let directory = TempDir::new("input-admitted");
    let review = common::text("fixtures/reviews/pod-badarn-create.json");
    let review = review.replace("arn:aws:iam::", "${X}:aws:iam::");
    let file = directory.file("review.json", &review);
    let (code, report, _) = run(&["check", file.to_str().unwrap(), "--format", "json"]);
    assert!(code == 1 && certain(&report) > 0, "{report}");
}

#[test]
fn substitutions_fill_placeholders_as_flux_does() {
    let directory = TempDir::new("input-substitute");
    let role = "arn:aws:iam::${AWS_ACCOUNT_ID}:role/${PREFIX:=eks-workshop}-carts-${TABLE:-dynamo}";
    let text = manifests("${NAMESPACE}", role);
    let given = ["--substitute", "AWS_ACCOUNT_ID=111122223333", "--substitute", "NAMESPACE=carts"];
    let (code, report, _) = check(&directory, &text, &given);
    assert_eq!((code, chain(&report)), (0, "holds"), "{report}");
    // A value that was not given stays a placeholder.
    let (code, report, _) = check(&directory, &text, &given[2..]);
    assert_eq!((code, chain(&report)), (0, "unknown"), "{report}");
    assert!(report["findings"].to_string().contains("--substitute AWS_ACCOUNT_ID=VALUE"), "{report}");
    // From files; what is given on the command line wins.
    for (name, file) in [
        ("lines.env", "# c\nexport AWS_ACCOUNT_ID='111122223333'\nNAMESPACE=carts\n"),
        ("mapping.yaml", "AWS_ACCOUNT_ID: \"111122223333\"\nNAMESPACE: carts\n"),
        ("map.yaml", "apiVersion: v1\nkind: ConfigMap\ndata: {AWS_ACCOUNT_ID: \"111122223333\", NAMESPACE: carts}\n"),
        (
            "secret.yaml",
            "apiVersion: v1\nkind: Secret\ndata: {NAMESPACE: Y2FydHM=}\nstringData: {AWS_ACCOUNT_ID: '111122223333'}\n",
        ),
    ] {
        let path = directory.file(name, file);
        let (code, report, stderr) = check(&directory, &text, &["--substitute-file", path.to_str().unwrap()]);
        assert_eq!((code, chain(&report)), (0, "holds"), "{name}: {report} {stderr}");
        let more = ["--substitute-file", path.to_str().unwrap(), "--substitute", "NAMESPACE=other"];
        let (_, report, _) = check(&directory, &text, &more);
        assert_eq!(report["workloads"][0]["resource"]["namespace"], "other", "{name}");
    }
    // Escapes, other forms, and what opts out.
    let name = |account: &str, more: &[&str]| {
        let text = manifests("carts", ROLE).replace("name: carts, namespace", &format!("name: '{account}', namespace"));
        let (_, report, _) = check(&directory, &text, more);
        report["workloads"][0]["resource"]["name"].as_str().unwrap().to_owned()
    };
    for (expression, filled) in [
        ("${X}", "Value"),
        ("a-${X}-${X}-b", "a-Value-Value-b"),
        ("$${X}", "${X}"),
        ("$X", "$X"),
        ("$(X)", "$(X)"),
        ("${X:=d}", "Value"),
        ("${Y:=d}", "d"),
        ("${Y:-d}", "d"),
        ("${Y=d}", "d"),
        ("${Y:=${X}}", "Value"),
        ("${EMPTY:=d}", "d"),
        ("${EMPTY}x", "x"),
        ("${X,,}", "value"),
        ("${X^^}", "VALUE"),
        ("${X,}", "value"),
        ("${Y}", "${Y}"),
        ("${X:1:2}", "${X:1:2}"),
        ("${X", "${X"),
        ("${var.x}", "${var.x}"),
    ] {
        assert_eq!(name(expression, &["--substitute", "X=Value", "--substitute", "EMPTY="]), filled, "{expression}");
        assert_eq!(name(expression, &[]), expression);
    }
    let disabled = manifests("carts", ROLE).replace(
        "metadata: {name: carts, namespace",
        "metadata: {labels: {kustomize.toolkit.fluxcd.io/substitute: disabled}, name: '${X}', namespace",
    );
    let (_, report, _) = check(&directory, &disabled, &["--substitute", "X=Value"]);
    assert_eq!(report["workloads"][0]["resource"]["name"], "${X}");
    let (code, _, stderr) = check(&directory, &text, &["--substitute", "no pair"]);
    assert!(code == 2 && stderr.contains("KEY=VALUE"), "{stderr}");
}

#[test]
fn a_folder_that_must_be_rendered_is_not_read() {
    let directory = TempDir::new("input-render");
    for (name, marker) in
        [("k1", "kustomization.yaml"), ("k2", "kustomization.yml"), ("k3", "Kustomization"), ("h", "Chart.yaml")]
    {
        let folder = directory.0.join(name);
        std::fs::create_dir_all(folder.join("templates")).unwrap();
        std::fs::write(folder.join(marker), "resources: [a.yaml]\n").unwrap();
        std::fs::write(folder.join("a.yaml"), manifests("carts", "not an arn")).unwrap();
        std::fs::write(folder.join("templates/b.yaml"), "{{ if }}\n").unwrap();
        let path = folder.to_str().unwrap();
        let (code, report, stderr) = run(&["check", path, "--format", "json"]);
        assert!(code == 2 && report["workloads"].as_array().unwrap().is_empty(), "{marker}: {report}");
        let command = if marker == "Chart.yaml" { "helm template" } else { "kustomize build" };
        assert!(stderr.contains("render it first") && stderr.contains(command) && stderr.contains(path), "{stderr}");
        // A file that is named is read.
        let file = folder.join("a.yaml");
        let (code, report, _) = run(&["check", file.to_str().unwrap(), "--format", "json"]);
        assert!(code == 1 && !report["workloads"].as_array().unwrap().is_empty(), "{marker}: {report}");
    }
    // Beside other manifests such folders are passed over, with a note.
    directory.file("good.yaml", &manifests("carts", ROLE));
    let (code, report, stderr) = run(&["check", directory.0.to_str().unwrap(), "--format", "json"]);
    assert_eq!((code, report["workloads"].as_array().unwrap().len()), (0, 1), "{report}");
    assert_eq!(stderr.matches("render it first").count(), 4, "{stderr}");
    assert_eq!(report["summary"]["notes"].to_string().matches("render it first").count(), 4, "{report}");
}

#[test]
fn can_i_reads_manifests_alike() {
    let directory = TempDir::new("input-can-i");
    let snapshot = directory.file("snapshot.json", &common::text("cases/base.json"));
    let ask = |text: &str, more: &[&str]| {
        let file = directory.file("input.yaml", text);
        let arguments =
            ["can-i", "carts/carts", "dynamodb:Query", "--source", snapshot.to_str().unwrap(), "--manifests"];
        run(&[&arguments[..], &[file.to_str().unwrap(), "--format", "json"], more].concat())
    };
    let (_, answer, stderr) = ask(&manifests("", ROLE), &["-n", "carts"]);
    assert_eq!((answer["role"].as_str(), answer["chain"].as_str()), (Some(ROLE), Some("holds")), "{answer} {stderr}");
    // Whether the one without a namespace is meant is not known.
    let (_, answer, _) = ask(&manifests("", "arn:aws:iam::111122223333:role/other"), &[]);
    assert_ne!(answer["answer"], "no", "{answer}");
    let (code, _, stderr) = ask(&manifests("carts", "arn:aws:iam::${ID}:role/eks-workshop-carts-dynamo"), &[]);
    assert!(code == 2 && stderr.contains("${ID}"), "{stderr}");
    let role = "arn:aws:iam::${ID}:role/eks-workshop-carts-dynamo";
    let (_, answer, _) = ask(&manifests("carts", role), &["--substitute", "ID=111122223333"]);
    assert_eq!(answer["role"], ROLE, "{answer}");
    let (code, _, stderr) = ask(&format!("{}---\na: [\n---\nb: ]\n", manifests("carts", ROLE)), &[]);
    assert!(code == 2 && stderr.matches("error: ").count() == 2, "{stderr}");
}
