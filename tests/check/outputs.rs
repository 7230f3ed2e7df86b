//! The formats: each is valid by its schema, and several are written in one run.

use super::*;

const INPUT: &str = "\
apiVersion: v1
kind: ServiceAccount
metadata:
  name: carts
  namespace: carts
  annotations:
    eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/gone
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: moved
  namespace: moved
  annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::111122223333:role/gone', rolecall.dev/ignore: role-missing}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: 'carts', namespace: carts}
spec:
  template:
    spec:
      serviceAccountName: carts
      containers:
      - name: app
        image: i
        env: [{name: AWS_ACCESS_KEY_ID, value: '=a'}, {name: AWS_SECRET_ACCESS_KEY, value: b}]
---
apiVersion: example.com/v1alpha1
kind: Rollout
metadata: {name: r}
spec: {template: {spec: {containers: [{name: c}]}}}
---
a: [
";

fn folder(name: &str) -> TempDir {
    let folder = TempDir::new(name);
    write(&folder, "in put.yaml", INPUT);
    write(&folder, "snapshot.json", &common::text("cases/base.json"));
    folder
}

const CHECK: [&str; 4] = ["check", "in put.yaml", "--source", "snapshot.json"];

fn check(folder: &TempDir, more: &[&str]) -> Ran {
    run(folder, &[&CHECK[..], more].concat())
}

/// Holds a document to a schema.
fn assert_valid(schema: &Value, document: &Value) {
    let validator = jsonschema::options().should_validate_formats(true).build(schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{}\n{document:#}", errors.join("\n"));
}

fn schema(of: &str) -> Value {
    let folder = TempDir::new("check-schema");
    let ran = run(&folder, &["schema", of]);
    assert_eq!(ran.code, 0, "{}", ran.said);
    ran.json()
}

#[test]
fn sarif_is_valid_by_the_official_schema() {
    // From the npm package @microsoft/jest-sarif 1.0.0-beta.0 (MIT). One of its patterns is no regular expression.
    let mut official: Value = serde_json::from_str(include_str!("sarif-2.1.0-rtm.5.json")).unwrap();
    for definition in ["run", "toolComponent"] {
        let language = &mut official["definitions"][definition]["properties"]["language"];
        language.as_object_mut().unwrap().remove("pattern").unwrap();
    }
    let folder = folder("check-sarif");
    for more in [&["--level", "strict"][..], &["--level", "off"], &["--select", "action-unknown"]] {
        let log = check(&folder, &[more, &["--format", "sarif"]].concat()).json();
        assert_valid(&official, &log);
        assert!(log["runs"][0]["results"].is_array(), "{log}");
    }
    let log = check(&folder, &["--level", "strict", "--format", "sarif"]).json();
    let run = &log["runs"][0];
    let results = run["results"].as_array().unwrap();
    let prints: Vec<&Value> = results.iter().map(|result| &result["partialFingerprints"]["rolecall/v1"]).collect();
    assert!(prints.iter().all(|print| print.as_str().is_some_and(|print| print.len() == 16)), "{prints:?}");
    assert_eq!(results.iter().filter(|result| result["suppressions"][0]["kind"] == "external").count(), 1);
    for rule in run["tool"]["driver"]["rules"].as_array().unwrap() {
        assert!(rule["help"]["text"].is_string() && rule["properties"]["tags"].is_array(), "{rule}");
    }
    // A fingerprint stays when lines move.
    write(&folder, "in put.yaml", &format!("# moved\n\n{INPUT}"));
    let moved = check(&folder, &["--level", "strict", "--format", "sarif"]).json();
    let results = moved["runs"][0]["results"].as_array().unwrap();
    let after: Vec<&Value> = results.iter().map(|result| &result["partialFingerprints"]["rolecall/v1"]).collect();
    assert_eq!(prints, after);
}

#[test]
fn reports_snapshots_and_configurations_are_valid_by_their_schemas() {
    let folder = folder("check-schemas");
    let report = schema("report");
    for more in [&[][..], &["--level", "strict"], &["--fail-on", "certain", "--ignore", "static-keys"]] {
        assert_valid(&report, &check(&folder, &[more, &["--format", "json"]].concat()).json());
    }
    let shop = common::root().join("examples/shop");
    let shop_snapshot = shop.join("snapshot.json");
    let shop = [shop.to_str().unwrap(), shop_snapshot.to_str().unwrap()];
    let of_shop =
        run(&folder, &["check", shop[0], "--source", shop[1], "--format", "json", "--level", "strict"]).json();
    assert_valid(&report, &of_shop);
    assert_eq!(of_shop["schemaVersion"], 1);
    let podless = common::test_file("cases/podless/secret-store-account-missing/input.yaml");
    assert_valid(&report, &run(&folder, &["check", podless.to_str().unwrap(), "--format", "json"]).json());
    let mut unknown = of_shop;
    unknown["findings"][0]["surprise"] = 1.into();
    assert!(!jsonschema::is_valid(&report, &unknown));

    let snapshot = schema("snapshot");
    for file in [shop_snapshot, common::test_file("cases/base.json")] {
        let text = std::fs::read_to_string(file).unwrap();
        assert_valid(&snapshot, &serde_json::from_str(&text).unwrap());
    }
    assert!(!jsonschema::is_valid(&snapshot, &serde_json::json!({"accounts": {"1": {}}})));

    let configuration = schema("configuration");
    assert_eq!(configuration, schema("config"));
    for file in ["deploy/manifests/config.yaml", "examples/cluster/rolecall.yaml"] {
        let text = std::fs::read_to_string(common::root().join(file)).unwrap();
        let document: Value = serde_saphyr::from_str(&text).unwrap();
        let document = match document["data"].as_object() {
            None => document,
            Some(data) => serde_saphyr::from_str(data.values().next().unwrap().as_str().unwrap()).unwrap(),
        };
        assert_valid(&configuration, &document);
    }
}

/// The schema of the configuration and its reader take the same fields.
#[test]
fn the_schema_of_the_configuration_has_the_fields_of_its_reader() {
    fn fields(schema: &Value, at: &str, all: &mut Vec<(String, Value)>) {
        for (name, of) in schema["properties"].as_object().into_iter().flatten() {
            let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
            if of["properties"].is_object() {
                fields(of, &path, all);
            } else {
                all.push((path, of.clone()));
            }
        }
    }
    let folder = TempDir::new("check-config-schema");
    let mut all = Vec::new();
    fields(&schema("configuration"), "", &mut all);
    assert!(all.len() > 70, "{}", all.len());
    for (path, _) in all {
        // A value of a wrong type is refused for its type where the field exists, and for its name where it does not.
        let mut parts: Vec<&str> = path.split('.').collect();
        let last = parts.pop().unwrap();
        let opened: String = parts.iter().map(|part| format!("{part}: {{")).collect();
        write(&folder, "c.yaml", &format!("{opened}{last}: {{zz: [{{}}]}}{}\n", "}".repeat(parts.len())));
        let ran = run(&folder, &["config", "check", "--config", "c.yaml"]);
        assert_eq!(ran.code, 2, "{path}");
        assert!(!ran.said.contains(&format!("unknown field `{last}`")), "{path}: {}", ran.said);
    }
}

#[test]
fn several_formats_are_written_in_one_run() {
    let folder = folder("check-outputs");
    let ran = check(
        &folder,
        &["--output", "sarif=a.sarif", "--output", "text=a.txt", "--output", "csv=a.csv", "--color", "always"],
    );
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.said);
    let read = |name: &str| std::fs::read_to_string(folder.0.join(name)).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&read("a.sarif")).unwrap()["version"], "2.1.0");
    assert!(read("a.txt").contains("[role-missing]") && !read("a.txt").contains('\u{1b}'));
    let csv = read("a.csv");
    let rows: Vec<&str> = csv.lines().collect();
    assert!(rows[0].starts_with("namespace,kind,name,container,") && rows.len() > 1, "{csv}");
    assert!(rows.iter().skip(1).any(|row| row.starts_with("carts,") && row.contains("static-keys")), "{csv}");
    // Standard output has what is named for it, and nothing else.
    let ran = check(&folder, &["--output", "json=-", "--output", "table=a.table"]);
    assert!(ran.json()["findings"].is_array());
    let table = read("a.table");
    assert!(table.starts_with("NAMESPACE ") && table.contains("[static-keys]"), "{table}");
    let ran = check(&folder, &["--format", "table", "--output", "json=a.json"]);
    assert_eq!(ran.out, table);
    let left: Vec<_> = std::fs::read_dir(&folder.0).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_str().unwrap().ends_with(".tmp")), "{left:?}");
    for wrong in [
        &["--output", "json"][..],
        &["--output", "yaml=a"],
        &["--output", "json="],
        &["--output", "json=-", "--output", "csv=-"],
        &["--format", "text", "--output", "json=-"],
        &["--output", "json=a", "--output", "csv=a"],
        &["--output", "json=none/a.json"],
    ] {
        let ran = check(&folder, wrong);
        assert!(
            ran.code == 2 && ran.said.contains("error: ") && !ran.out.contains("findings"),
            "{wrong:?}: {}",
            ran.said
        );
    }
}
