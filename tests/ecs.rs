//! Task definitions of Amazon ECS through `check` and `can-i`: what `tests/cases/ecs` cannot show.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod common;

use std::path::PathBuf;

use common::{TempDir, rolecall, rolecall_with_input};
use serde_json::{Value, json};

const TABLE: &str = "arn:aws:dynamodb:us-west-2:111122223333:table/Items";

fn case(name: &str) -> PathBuf {
    common::test_file("cases").join("ecs").join(name)
}

fn snapshot(directory: &TempDir, name: &str) -> String {
    directory.file("snapshot.json", &common::case_snapshot(&case(name)).to_string()).display().to_string()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn can_i_answers_for_the_containers() {
    let directory = TempDir::new("ecs-can-i");
    for (name, arguments, code, said) in [
        (
            "healthy",
            ["ecs:carts", "dynamodb:Query", TABLE],
            0,
            vec!["yes: ecs:carts is allowed", "task-role", "chain holds"],
        ),
        ("healthy", ["ecs:carts:7", "dynamodb:Query", TABLE], 0, vec!["yes: "]),
        ("healthy", ["ecs:carts", "dynamodb:PutItem", TABLE], 1, vec!["no: ", "no policy of the role allows it"]),
        ("permission-boundary", ["ecs:carts", "dynamodb:Query", TABLE], 1, vec!["no: ", "permissions boundary"]),
        ("trust-ec2-only", ["ecs:carts", "dynamodb:Query", TABLE], 1, vec!["no: ", "[ecs-task-role-trust]"]),
        ("placeholders", ["ecs:a", "dynamodb:Query", TABLE], 3, vec!["depends: ", "${TASK_ROLE_ARN}"]),
        ("task-role-missing-ec2", ["ecs:carts", "dynamodb:Query", TABLE], 3, vec!["depends: ", "ecsInstanceRole"]),
        (
            "task-role-missing-declared",
            ["ecs:carts", "dynamodb:Query", TABLE],
            1,
            vec![
                "no: ",
                "no credentials at all: Fargate has no instance role",
                "[ecs-task-role-missing]",
                "to allow it",
            ],
        ),
        ("task-role-missing-external", ["ecs:carts", "dynamodb:Query", TABLE], 1, vec!["no: ", "external instances"]),
        (
            "network-none",
            ["ecs:carts", "dynamodb:Query", TABLE],
            3,
            vec!["depends: ", "have no network", "169.254.170.2"],
        ),
        // Whose the keys are is not known, whatever the role is allowed.
        (
            "static-keys-clear",
            ["ecs:carts", "dynamodb:Query", TABLE],
            3,
            vec!["depends: ", "static-keys, role unknown", "container carts: ", "SDKs use them before any role"],
        ),
        (
            "static-keys-one-container",
            ["ecs:carts", "dynamodb:PutItem", TABLE],
            3,
            vec!["depends: ", "task-role", "container sidecar: ", "[static-keys]"],
        ),
        ("other-credentials", ["ecs:carts", "dynamodb:Query", TABLE], 3, vec!["depends: ", "[identity-undecided]"]),
        (
            "task-role-missing-environment-file",
            ["ecs:carts", "dynamodb:Query", TABLE],
            3,
            vec!["depends: ", "may bring keys of its own"],
        ),
        ("role-by-name-absent-assumed", ["ecs:carts", "dynamodb:Query", TABLE], 3, vec!["note", "is assumed"]),
        ("healthy", ["ecs:orders", "dynamodb:Query", TABLE], 2, vec!["no task definition `orders`"]),
    ] {
        let source = snapshot(&directory, name);
        let file = case(name).join("task-definition.json").display().to_string();
        let mut all = vec!["can-i"];
        all.extend(arguments);
        all.extend(["--source", &source, "--manifests", &file]);
        let output = rolecall(&all);
        let answer = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{name} {arguments:?}: {answer}");
        for part in said {
            assert!(answer.contains(part), "{name} {arguments:?}: {part:?} is not in {answer}");
        }
    }
}

#[test]
fn can_i_needs_the_task_definition() {
    let directory = TempDir::new("ecs-can-i-alone");
    let output = rolecall(&["can-i", "ecs:carts", "s3:GetObject", "--source", &snapshot(&directory, "healthy")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("can-i needs the task definition"), "{}", text(&output.stderr));
}

/// Asks with these task definitions.
fn ask(directory: &TempDir, definitions: &Value, subject: &str) -> (Option<i32>, String, String) {
    let source = snapshot(directory, "healthy");
    let file = directory.file("definitions.json", &definitions.to_string()).display().to_string();
    let output = rolecall(&["can-i", subject, "dynamodb:Query", TABLE, "--source", &source, "--manifests", &file]);
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_malformed_definition_hides_no_other() {
    let directory = TempDir::new("ecs-can-i-malformed");
    let carts = json!({"family": "carts", "taskRoleArn": "arn:aws:iam::111122223333:role/carts-task",
        "requiresCompatibilities": ["FARGATE"], "containerDefinitions": [{"name": "carts", "image": "carts"}]});
    let malformed = |family: &str| json!({"family": family, "taskRoleArn": 7, "containerDefinitions": []});
    let (code, answer, said) =
        ask(&directory, &json!({"taskDefinitions": [malformed("orders"), carts, "text"]}), "ecs:carts");
    assert_eq!(code, Some(0), "{answer}{said}");
    for part in ["taskDefinitions[0].taskRoleArn: invalid type", "taskDefinitions[2]: must be an object"] {
        assert!(answer.contains("note") && answer.contains(part), "{part}: {answer}");
    }
    // Another revision of the family may be the newest.
    let (code, _, said) = ask(&directory, &json!({"taskDefinitions": [carts, malformed("carts")]}), "ecs:carts");
    assert_eq!(code, Some(2));
    assert!(said.contains("taskDefinitions[1].taskRoleArn"), "{said}");
    let (code, _, said) = ask(&directory, &json!({"taskDefinitions": [malformed("orders")]}), "ecs:carts");
    assert_eq!(code, Some(2));
    assert!(said.contains("taskDefinitions[0].taskRoleArn"), "{said}");
}

/// A list of what an identity that does not exist is allowed is complete.
#[test]
fn without_an_identity_the_list_is_empty_and_complete() {
    let directory = TempDir::new("ecs-can-i-list");
    let source = snapshot(&directory, "task-role-missing-declared");
    let file = case("task-role-missing-declared").join("task-definition.json").display().to_string();
    let output = rolecall(&["can-i", "ecs:carts", "--list", "--source", &source, "--manifests", &file]);
    let list = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{list}");
    assert!(list.contains("through none") && !list.contains("not in the snapshot"), "{list}");
}

/// What is registered from a template is changed there: a command would change the registered family only.
#[test]
fn fixes_of_a_template_are_made_in_the_template() {
    let directory = TempDir::new("ecs-template");
    let container = json!([{"Name": "carts", "Image": "carts"}]);
    let template = json!({"Resources": {"Carts": {"Type": "AWS::ECS::TaskDefinition", "Properties": {"Family": "carts",
        "RequiresCompatibilities": ["FARGATE"], "ContainerDefinitions": container,
        "Tags": [{"Key": "rolecall.dev/identity", "Value": "required"}]}}}});
    let plan = json!({"planned_values": {"root_module": {"resources": [{"address": "aws_ecs_task_definition.carts",
        "type": "aws_ecs_task_definition", "mode": "managed", "values": {"family": "carts",
            "requires_compatibilities": ["FARGATE"], "container_definitions": "[{\"name\":\"carts\",\"image\":\"carts\"}]",
            "tags": {"rolecall.dev/identity": "required"}}}]}}});
    let plain = json!({"family": "carts", "requiresCompatibilities": ["FARGATE"],
        "containerDefinitions": [{"name": "carts", "image": "carts"}],
        "tags": [{"key": "rolecall.dev/identity", "value": "required"}]});
    for (input, place, has_command, has_terraform) in [
        (&template, "in the CloudFormation template, at Resources.Carts", false, false),
        (&plan, "in the Terraform configuration of aws_ecs_task_definition.carts", false, true),
        (&plain, "in task definition carts", true, true),
    ] {
        let (_, report, said) = check(&directory, &input.to_string(), &[]);
        let finding = &report["findings"][0];
        assert_eq!(finding["rule"], "ecs-task-role-missing", "{said} {report:#}");
        let fixes = &finding["fixes"];
        assert!(fixes["sentence"].as_str().unwrap().contains(place), "{fixes:#}");
        assert_eq!(fixes["cli"].is_string(), has_command, "{fixes:#}");
        assert_eq!(fixes["terraform"].is_string(), has_terraform, "{fixes:#}");
        let (_, answer, _) = ask(&directory, input, "ecs:carts");
        assert!(answer.contains(place), "{answer}");
        assert_eq!(answer.contains("register-task-definition"), has_command, "{answer}");
    }
}

/// Settings of a task definition are in tags and labels, and no message calls them annotations.
#[test]
fn messages_speak_of_tags() {
    let directory = TempDir::new("ecs-tags");
    let tags: Vec<Value> = ["requiress", "enforce", "allow-node-role", "identity"]
        .iter()
        .map(|name| json!({"key": format!("rolecall.dev/{name}"), "value": "yes"}))
        .chain([json!({"key": "rolecall.dev/requires", "value": "dynamodb:Querry nonsense"})])
        .collect();
    let definition = json!({"family": "carts", "requiresCompatibilities": ["EC2"], "tags": tags,
        "containerDefinitions": [{"name": "carts", "image": "carts"}]});
    let (_, report, said) = check(&directory, &definition.to_string(), &["--level", "strict"]);
    let findings = report["findings"].to_string();
    assert!(findings.contains("tag or label rolecall.dev/requiress"), "{said} {findings}");
    assert!(findings.contains("rolecall reads no tag or label of this name"), "{findings}");
    assert!(findings.contains("rolecall reads it on namespaces only"), "{findings}");
    assert!(!findings.contains("annotation"), "{findings}");
}

/// Checks a text from standard input.
fn check(directory: &TempDir, input: &str, more: &[&str]) -> (Option<i32>, Value, String) {
    let source = snapshot(directory, "healthy");
    let mut arguments = vec!["check", "-", "--source", &source, "--format", "json"];
    arguments.extend(more);
    let output = rolecall_with_input(&arguments, input);
    let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code(), report, text(&output.stderr))
}

#[test]
fn what_cannot_be_read_is_named_and_hides_nothing() {
    let directory = TempDir::new("ecs-unreadable");
    let broken = json!({"taskDefinitions": [
        {"family": "a", "taskRoleArn": 7, "containerDefinitions": []},
        {"family": "b", "containerDefinitions": [{"name": "b", "environment": {"secret": "value"}}]},
        {"family": "c", "containerDefinitions": "secret"},
        "carts:1",
        {"family": "gone", "taskRoleArn": "arn:aws:iam::111122223333:role/gone", "containerDefinitions": [{"name": "c"}]},
    ]});
    let (code, report, said) = check(&directory, &broken.to_string(), &[]);
    assert_eq!(code, Some(2), "{said}");
    for reason in [
        "taskDefinitions[0].taskRoleArn: invalid type: integer, expected a string",
        "taskDefinitions[1].containerDefinitions[0].environment: invalid type: map, expected a sequence",
        "taskDefinitions[2].containerDefinitions: invalid type: string, expected a sequence",
        "taskDefinitions[3]: must be an object",
    ] {
        assert!(said.contains(reason), "{reason} is not in {said}");
    }
    assert!(!said.contains("secret"), "{said}");
    assert_eq!(report["findings"][0]["rule"], "role-missing", "{report:#}");
    assert_eq!(report["findings"][0]["resource"], json!({"namespace": "", "kind": "TaskDefinition", "name": "gone"}));
}

#[test]
fn odd_documents_do_no_harm() {
    let directory = TempDir::new("ecs-odd");
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    for odd in [
        r#"{"containerDefinitions":null}"#,
        r#"{"containerDefinitions":[null]}"#,
        r#"{"containerDefinitions":[{"environment":[{"name":null,"value":null}]}],"tags":[{}]}"#,
        r#"{"taskDefinition":{}}"#,
        r#"{"taskDefinitions":[]}"#,
        r#"{"taskDefinitions":[{"taskDefinition":{"taskDefinition":{}}}]}"#,
        r#"{"Resources":{"A":{"Type":"AWS::ECS::TaskDefinition"}}}"#,
        r#"{"Resources":{"A":{"Type":"AWS::ECS::TaskDefinition","Properties":{"ContainerDefinitions":{"Fn::If":[]}}}}}"#,
        r#"{"values":{"root_module":{"child_modules":[7],"resources":[7]}}}"#,
        r#"{"family":"","taskRoleArn":"","executionRoleArn":"","containerDefinitions":[],"revision":0}"#,
        &format!(r#"{{"containerDefinitions":{deep}}}"#),
    ] {
        let (code, _, said) = check(&directory, odd, &["--level", "strict"]);
        assert!(matches!(code, Some(0..=2)), "{odd}: {code:?} {said}");
        assert!(!said.contains("panic"), "{odd}: {said}");
    }
}

#[test]
fn placeholders_are_filled() {
    let directory = TempDir::new("ecs-substitute");
    let definition = json!({"family": "carts", "taskRoleArn": "arn:aws:iam::${ACCOUNT}:role/carts-task",
        "requiresCompatibilities": ["FARGATE"], "containerDefinitions": [{"name": "carts", "image": "carts"}]});
    let state = |more: &[&str]| {
        let (_, report, said) = check(&directory, &definition.to_string(), more);
        assert_eq!(report["workloads"][0]["identity"], "task-role", "{said} {report:#}");
        (report["workloads"][0]["chain"].clone(), report["summary"]["notes"].to_string())
    };
    let (chain, notes) = state(&[]);
    assert_eq!(chain, "unknown");
    assert!(notes.contains("taskRoleArn holds the placeholder ${ACCOUNT}"), "{notes}");
    assert_eq!(state(&["--substitute", "ACCOUNT=111122223333"]).0, "holds");
}

/// A large task definition stays within the limits of work.
#[test]
fn a_task_definition_with_thousands_of_containers_is_checked() {
    let directory = TempDir::new("ecs-large");
    let variables: Vec<Value> = (0..20).map(|at| json!({"name": format!("V{at}"), "value": "s3://carts"})).collect();
    let containers: Vec<Value> =
        (0..2_000).map(|at| json!({"name": format!("c{at}"), "environment": variables})).collect();
    let definition = json!({"family": "large", "containerDefinitions": containers}).to_string();
    let (code, report, said) = check(&directory, &definition, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(report["workloads"].as_array().unwrap().len(), 2_000);
    assert_eq!(report["findings"].as_array().unwrap().len(), 1, "{:#}", report["findings"]);
}
