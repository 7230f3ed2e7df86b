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
            3,
            vec!["depends: ", "it has no identity"],
        ),
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
