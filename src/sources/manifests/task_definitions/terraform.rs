//! `aws_ecs_task_definition` in what `terraform show -json` prints of a state or of a plan (Terraform, "JSON Output Format").

use std::collections::HashMap;

use rolecall_core::workload::Owner;
use serde_json::{Map, Value, json};

use super::{Definition, Found};

const TYPE: &str = "aws_ecs_task_definition";

pub(super) fn of(output: &Map<String, Value>) -> Option<Found> {
    let module = |name: &str| output.get(name)?.get("root_module");
    let root = module("planned_values").or_else(|| module("values"))?;
    let unknown = unknown_after_apply(output);
    let mut found = Found::new();
    let mut modules = vec![root];
    while let Some(module) = modules.pop() {
        let list = |name: &str| module.get(name).and_then(Value::as_array).into_iter().flatten();
        modules.extend(list("child_modules"));
        for resource in list("resources") {
            let text = |name: &str| resource.get(name).and_then(Value::as_str).unwrap_or_default();
            if text("type") == TYPE && text("mode") != "data" {
                let address = text("address");
                found.push(definition(address, resource.get("values"), unknown.get(address).copied()));
            }
        }
    }
    (!found.is_empty()).then_some(found)
}

/// What a plan does not know before it is applied, by the address of the resource.
fn unknown_after_apply(output: &Map<String, Value>) -> HashMap<&str, &Value> {
    let changes = output.get("resource_changes").and_then(Value::as_array).into_iter().flatten();
    let unknown =
        changes.filter_map(|change| Some((change.get("address")?.as_str()?, change.pointer("/change/after_unknown")?)));
    unknown.collect()
}

fn definition(address: &str, values: Option<&Value>, unknown: Option<&Value>) -> Result<Definition, String> {
    let Some(Value::Object(values)) = values else {
        return Err(format!("{address}.values: must be an object"));
    };
    let mut definition = Map::new();
    let names = [
        ("arn", "taskDefinitionArn"),
        ("family", "family"),
        ("revision", "revision"),
        ("task_role_arn", "taskRoleArn"),
        ("execution_role_arn", "executionRoleArn"),
        ("network_mode", "networkMode"),
        ("requires_compatibilities", "requiresCompatibilities"),
    ];
    for (name, field) in names {
        let is_unknown = unknown.and_then(|unknown| unknown.get(name)) == Some(&Value::Bool(true));
        let value = values.get(name).filter(|value| !value.is_null());
        let value = match (value, name) {
            (Some(value), _) => value.clone(),
            // What is known of a resource that is replaced is of the one before.
            (None, "arn" | "revision") => continue,
            (None, "requires_compatibilities") if is_unknown => json!(["<known after apply>"]),
            (None, _) if is_unknown => "<known after apply>".into(),
            (None, _) => continue,
        };
        definition.insert(field.to_owned(), value);
    }
    let tags = values.get("tags").and_then(Value::as_object).into_iter().flatten();
    let tags: Vec<Value> = tags.map(|(key, value)| json!({"key": key, "value": value})).collect();
    definition.insert("tags".to_owned(), tags.into());
    if let Some(text) = values.get("container_definitions").filter(|value| !value.is_null()) {
        let text = text.as_str().ok_or_else(|| format!("{address}.container_definitions: must be a text"))?;
        let containers = serde_json::from_str::<Value>(text).map_err(|e| {
            format!("{address}.container_definitions: is not JSON at line {}, column {}", e.line(), e.column())
        })?;
        definition.insert("containerDefinitions".to_owned(), containers);
    }
    let owner = Some(Owner::Terraform(address.into()));
    Ok(Definition { owner, ..Definition::new(address.to_owned(), definition) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(output: &Value) -> Found {
        of(output.as_object().unwrap()).unwrap()
    }

    #[test]
    fn what_is_known_after_apply_is_a_placeholder() {
        let resource = json!({"address": "module.a.aws_ecs_task_definition.carts", "mode": "managed", "type": TYPE,
            "values": {"family": "carts", "execution_role_arn": null, "container_definitions": "[{\"name\":\"carts\"}]",
                "tags": {"k": "v"}}});
        let plan = json!({
            "planned_values": {"root_module": {"child_modules": [{"resources": [resource]}]}},
            "resource_changes": [{"address": "module.a.aws_ecs_task_definition.carts",
                "change": {"after_unknown": {"task_role_arn": true, "arn": true}}}],
        });
        let expected = json!({"family": "carts", "taskRoleArn": "<known after apply>",
            "tags": [{"key": "k", "value": "v"}], "containerDefinitions": [{"name": "carts"}]});
        let address = "module.a.aws_ecs_task_definition.carts";
        let owner = Some(Owner::Terraform(address.into()));
        assert_eq!(found(&plan), [Ok(Definition { path: address.to_owned(), value: expected, owner })]);
    }

    #[test]
    fn a_fault_names_the_resource() {
        let state = |values: Value| json!({"values": {"root_module": {"resources": [{"address": "aws_ecs_task_definition.a", "type": TYPE, "values": values}]}}});
        for (values, reason) in [
            (
                json!({"container_definitions": "[{"}),
                "aws_ecs_task_definition.a.container_definitions: is not JSON at line 1, column 2",
            ),
            (json!({"container_definitions": []}), "aws_ecs_task_definition.a.container_definitions: must be a text"),
            (json!(7), "aws_ecs_task_definition.a.values: must be an object"),
        ] {
            assert_eq!(found(&state(values)), [Err(reason.to_owned())]);
        }
    }
}
