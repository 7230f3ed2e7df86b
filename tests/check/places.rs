//! Every finding has the place of the field that causes it, and the text shows its line without any secret.

use serde_json::json;

use super::*;

const ROLE: &str = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";

/// A check of one file at the strictest level: each finding as `RULE CONTAINER LINE:COLUMN`.
fn places(folder: &TempDir, name: &str, text: &str) -> Vec<String> {
    write(folder, name, text);
    write(folder, "snapshot.json", &common::text("cases/base.json"));
    let ran = run(folder, &["check", name, "--source", "snapshot.json", "--level", "strict", "--format", "json"]);
    let report = ran.json();
    let one = |finding: &Value| {
        let location = &finding["location"];
        assert_eq!(location["file"], name, "{finding}");
        let container = finding["container"].as_str().map(|name| format!(" {name}")).unwrap_or_default();
        format!("{}{container} {}:{}", finding["rule"].as_str().unwrap(), location["line"], location["column"])
    };
    report["findings"].as_array().unwrap().iter().map(one).collect()
}

fn account(role: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: carts\n  namespace: carts\n  annotations:\n    \
         team: a\n    eks.amazonaws.com/role-arn: {role}\n"
    )
}

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: carts
  namespace: carts
spec:
  template:
    metadata:
      annotations:
        eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo
    spec:
      serviceAccountName: carts
      containers:
        - image: i
          name: app
        - name: keys
          image: i
          env:
            - name: LOG
              value: debug
            - name: AWS_ACCESS_KEY_ID
              value: AKIAHUNTER2
            - name: AWS_SECRET_ACCESS_KEY
              value: hunter2
        - name: own
          env: [{name: AWS_ROLE_ARN, value: 'arn:aws:iam::111122223333:role/gone'}, {name: PASSWORD, value: hunter2}]
";

#[test]
fn a_finding_is_at_the_field_that_causes_it() {
    let folder = TempDir::new("check-places");
    let gone = account("arn:aws:iam::111122223333:role/gone");
    assert_eq!(places(&folder, "a.yaml", &gone), ["role-missing 8:5"]);
    // A pod has the role by the name of its service account; annotations, variables and containers are at their own lines.
    let both = format!("# of the shop\n{}---\n{DEPLOYMENT}", account(ROLE));
    assert_eq!(places(&folder, "b.yaml", &both), ["injection-preset own 36:18", "static-keys keys 31:15"]);
    let bare = format!("{}---\n{DEPLOYMENT}", account(ROLE).split("  annotations").next().unwrap());
    let found = places(&folder, "bare.yaml", &bare);
    assert!(found.contains(&"annotation-misplaced 16:9".to_owned()), "{found:?}");
    let gone = format!("{gone}---\n{DEPLOYMENT}");
    let found = places(&folder, "gone.yaml", &gone);
    assert!(found.contains(&"role-missing 21:7".to_owned()), "{found:?}");
    let missing = DEPLOYMENT.replace("Name: carts\n", "Name: none\n");
    let found = places(&folder, "c.yaml", &missing);
    assert!(found.contains(&"service-account-missing 12:7".to_owned()), "{found:?}");
}

#[test]
fn places_of_lists_reviews_json_and_standard_input() {
    let folder = TempDir::new("check-places-forms");
    let gone = "arn:aws:iam::111122223333:role/gone";
    let item = account(gone).replace('\n', "\n  ");
    let list = format!("apiVersion: v1\nkind: List\nitems:\n- {item}\n- {item}");
    // The same object twice has its finding twice.
    assert_eq!(places(&folder, "list.yaml", &list), ["role-missing 11:7", "role-missing 20:7"]);
    let object = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "carts", "namespace": "carts",
        "annotations": {"eks.amazonaws.com/role-arn": gone}}});
    let compact = object.to_string();
    let column = compact.find("\"eks.amazonaws.com").unwrap() + 1;
    let stream = format!("{compact} {compact}\n{}", serde_json::to_string_pretty(&object).unwrap());
    let second = compact.len() + 1 + column;
    let pretty = serde_json::to_string_pretty(&object).unwrap();
    let line = 2 + pretty.lines().position(|line| line.contains("role-arn")).unwrap();
    assert_eq!(
        places(&folder, "stream.json", &stream),
        [format!("role-missing 1:{column}"), format!("role-missing 1:{second}"), format!("role-missing {line}:7")]
    );
    let review = json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
        "request": {"namespace": "carts", "object": object}});
    let review = serde_json::to_string_pretty(&review).unwrap();
    let line = 1 + review.lines().position(|line| line.contains("role-arn")).unwrap();
    assert_eq!(places(&folder, "review.json", &review), [format!("role-missing {line}:11")]);
    let ran =
        run_with(&folder.0, &["check", "-", "--source", "snapshot.json", "--format", "github"], &[], &account(gone));
    assert!(ran.out.contains("::error file=-,line=8,col=5,"), "{}", ran.out);
}

#[test]
fn places_of_custom_resources_and_task_definitions() {
    let folder = TempDir::new("check-places-others");
    let store = "apiVersion: external-secrets.io/v1\nkind: SecretStore\nmetadata: {name: s, namespace: carts}\nspec:\n  \
                 provider:\n    aws:\n      service: SecretsManager\n      region: us-west-2\n      auth:\n        \
                 jwt:\n          serviceAccountRef:\n            name: none\n";
    let found = places(&folder, "store.yaml", store);
    assert!(
        !found.is_empty()
            && found.iter().all(|place| place.ends_with(" 10:9")
                || place.ends_with(" 9:7")
                || place.ends_with(" 6:5")
                || place.ends_with(" 11:11")),
        "{found:?}"
    );
    let task = "{\"family\": \"web\",\n \"taskRoleArn\": \"arn:aws:iam::111122223333:role/gone\",\n \"containerDefinitions\": \
                [\n  {\"name\": \"app\", \"image\": \"i\",\n   \"environment\": [\n    {\"name\": \"AWS_ACCESS_KEY_ID\", \"value\": \
                \"a\"},\n    {\"name\": \"AWS_SECRET_ACCESS_KEY\", \"value\": \"b\"}]}]}\n";
    let found = places(&folder, "task.json", task);
    assert!(found.contains(&"role-missing 2:2".to_owned()), "{found:?}");
    assert!(found.contains(&"static-keys app 6:6".to_owned()), "{found:?}");
    let template = "Resources:\n  Web:\n    Type: AWS::ECS::TaskDefinition\n    Properties:\n      TaskRoleArn: \
                    arn:aws:iam::111122223333:role/gone\n      ContainerDefinitions:\n        - Name: app\n          Image: i\n";
    let found = places(&folder, "template.yaml", template);
    assert!(found.contains(&"role-missing 5:7".to_owned()), "{found:?}");
}

#[test]
fn the_text_shows_the_line_and_no_secret() {
    let folder = TempDir::new("check-excerpts");
    write(&folder, "a.yaml", &format!("{}---\n{DEPLOYMENT}", account("arn:aws:iam::111122223333:role/gone")));
    write(&folder, "snapshot.json", &common::text("cases/base.json"));
    let check = |more: &[&str], environment: &[(&str, &str)]| {
        let arguments = [&["check", "a.yaml", "--source", "snapshot.json", "--level", "strict"], more].concat();
        run_with(&folder.0, &arguments, environment, "")
    };
    let ran = check(&[], &[]);
    assert_eq!(ran.code, 1);
    let shown = "     --> a.yaml:8:5\n      |\n    8 |     eks.amazonaws.com/role-arn: \
                 arn:aws:iam::111122223333:role/gone\n      |     ^^^";
    let plain = ran.out.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    assert!(plain.contains(shown), "{plain}");
    assert!(plain.contains("--> a.yaml:30:15"), "{plain}");
    for format in ["text", "json", "sarif", "gitlab", "github", "markdown", "junit"] {
        let ran = check(&["--format", format], &[]);
        assert!(!ran.out.to_lowercase().contains("hunter2"), "{format}: {}", ran.out);
    }
    // The values beside a field in braces do not show.
    let own = format!("{}---\n{DEPLOYMENT}", account(ROLE));
    write(&folder, "own.yaml", &own);
    let plain = run(&folder, &["check", "own.yaml", "--source", "snapshot.json"]).out;
    assert!(plain.contains("env: [{name: AWS_ROLE_ARN, value: …}, {name: …, value: …}]"), "{plain}");
    // One line for each finding.
    let quiet = check(&["-q"], &[]);
    assert!(quiet.out.starts_with("a.yaml:"), "{}", quiet.out);
    assert!(
        quiet.out.lines().all(|line| line.starts_with("a.yaml:") || line.contains(" resources, ")),
        "{}",
        quiet.out
    );
    assert_eq!(check(&[], &[("ROLECALL_QUIET", "1")]).out, quiet.out);
    // Colours only where they are asked for.
    assert!(!ran.out.contains('\u{1b}'));
    let coloured = check(&["--color", "always"], &[("NO_COLOR", "1")]).out;
    assert!(coloured.contains('\u{1b}'));
    assert!(!check(&[], &[("CLICOLOR_FORCE", "1"), ("ROLECALL_COLOR", "never")]).out.contains('\u{1b}'));
    // Sentences are folded to the width of the terminal; commands, paths and values are not.
    let narrow = check(&[], &[("COLUMNS", "70")]).out;
    let wide = |line: &&str| line.chars().count() > 70 && line.trim_start().starts_with(|c: char| c.is_lowercase());
    let sentences: Vec<&str> = narrow.lines().filter(wide).filter(|line| line.starts_with("  certain ")).collect();
    assert!(sentences.is_empty(), "{sentences:?}");
}

#[test]
fn a_long_line_is_cut_around_the_field() {
    let folder = TempDir::new("check-long");
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "carts"}, "spec": {
        "containers": [{"name": "app", "image": "i", "args": ["hunter2".repeat(200)],
            "env": [{"name": "AWS_ACCESS_KEY_ID", "value": "hunter2"}, {"name": "AWS_SECRET_ACCESS_KEY", "value": "hunter2"}]}]}});
    write(&folder, "a.json", &format!("{pod}{{\"kind\": \"Secret\", \"data\": \"hunter2\"}}\n"));
    let ran = run(&folder, &["check", "a.json", "--level", "strict"]);
    assert!(!ran.out.contains("hunter2"), "{}", ran.out);
    assert!(ran.out.contains("\"AWS_ACCESS_KEY_ID\""), "{}", ran.out);
    assert!(ran.out.lines().all(|line| line.chars().count() < 250), "{}", ran.out);
}

#[test]
fn a_workload_that_shows_its_need_is_shown_there() {
    let folder = TempDir::new("check-need");
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: carts}\nspec:\n  containers:\n  - name: side\n    \
               image: i\n  - name: app\n    image: i\n    env:\n    - name: ORDERS_DYNAMODB_TABLE\n      value: orders\n";
    assert_eq!(places(&folder, "a.yaml", pod), ["node-role-fallback 11:7"]);
}
