//! `AWS::ECS::TaskDefinition` in templates of CloudFormation (CloudFormation Template Reference). A value that only a deployment
//! knows becomes a placeholder, `<NAME>`.

use rolecall_core::workload::Owner;
use serde_json::{Map, Value};

use super::{Definition, Found};

const TYPE: &str = "AWS::ECS::TaskDefinition";

/// Maps whose keys are a person's own.
const OWN_KEYS: [&str; 2] = ["DockerLabels", "Options"];

/// Whether a document is a template with a task definition.
pub(in super::super) fn is_template(value: &Value) -> bool {
    value.as_object().is_some_and(|object| resources(object).next().is_some())
}

fn resources(template: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    let resources = template.get("Resources").and_then(Value::as_object).into_iter().flatten();
    resources.filter(|(_, resource)| resource.get("Type").and_then(Value::as_str) == Some(TYPE))
}

pub(super) fn of(template: &Map<String, Value>) -> Option<Found> {
    let found: Found = resources(template).map(|(name, resource)| definition(name, resource)).collect();
    (!found.is_empty()).then_some(found)
}

fn definition(name: &str, resource: &Value) -> Result<Definition, String> {
    let place = format!("Resources.{name}.Properties");
    let owner = Some(Owner::CloudFormation(format!("Resources.{name}").into()));
    let of = |path, value| Definition { owner, ..Definition::new(path, value) };
    match resource.get("Properties") {
        None | Some(Value::Null) => Ok(of(place, Map::new())),
        Some(Value::Object(properties)) => {
            let mut definition = object(properties);
            // CloudFormation makes a family of the names of stack and resource.
            definition.entry("family").or_insert_with(|| name.into());
            if definition.get("family").and_then(Value::as_str).is_some_and(|family| family.contains('<')) {
                definition.insert("family".to_owned(), name.into());
            }
            Ok(of(place, definition))
        }
        Some(_) => Err(format!("{place}: must be an object")),
    }
}

/// The names of properties as the API has them.
fn object(properties: &Map<String, Value>) -> Map<String, Value> {
    let entries = properties.iter().filter_map(|(key, value)| {
        let value = match value {
            Value::Object(own) if OWN_KEYS.contains(&key.as_str()) && function(own).is_none() => {
                let texts = own.iter().map(|(key, value)| (key.clone(), self::value(value)));
                Value::Object(texts.filter(|(_, value)| !value.is_object()).collect())
            }
            Value::Object(map) if function(map).is_some() && is_structure(key) => return None,
            // What is not known must not read as absent.
            Value::Object(map) if key == "RequiresCompatibilities" && function(map).is_some() => {
                Value::Array(function(map).flatten().into_iter().map(Value::String).collect())
            }
            other => self::value(other),
        };
        Some((lower_first(key), value))
    });
    entries.collect()
}

/// Whether the property is a list of objects or an object: what a function puts there is not known.
fn is_structure(key: &str) -> bool {
    matches!(
        key,
        "ContainerDefinitions"
            | "Environment"
            | "EnvironmentFiles"
            | "Secrets"
            | "SecretOptions"
            | "Tags"
            | "DockerLabels"
            | "LogConfiguration"
            | "RepositoryCredentials"
            | "Command"
            | "EntryPoint"
    )
}

/// Numbers and booleans become texts, as CloudFormation takes them: no other kind of value is read. An element of a list that a
/// function decides on is left out, unless it may be a text.
fn value(value: &Value) -> Value {
    match value {
        Value::Object(map) => match function(map) {
            Some(text) => text.map_or(Value::Null, Value::String),
            None => Value::Object(object(map)),
        },
        Value::Array(items) => {
            let has_objects = items.iter().any(|item| item.as_object().is_some_and(|map| function(map).is_none()));
            let decided = |item: &&Value| !has_objects || item.as_object().is_none_or(|map| function(map).is_none());
            Value::Array(items.iter().filter(decided).map(self::value).collect())
        }
        Value::Number(number) => number.to_string().into(),
        Value::Bool(flag) => flag.to_string().into(),
        Value::Null | Value::String(_) => value.clone(),
    }
}

/// A function of a template, as the text that it stands for: with placeholders for what it does not contain. The inner `None`:
/// it removes the property.
#[expect(clippy::option_option, reason = "no function, and a function without a value, are two things")]
fn function(map: &Map<String, Value>) -> Option<Option<String>> {
    let mut entries = map.iter();
    let (name, argument) = entries.next().filter(|_| map.len() == 1)?;
    if name == "Ref" {
        let name = argument.as_str().unwrap_or("Ref");
        return Some((name != "AWS::NoValue").then(|| placeholder(name)));
    }
    name.strip_prefix("Fn::").map(|short| Some(text_of(short, argument)))
}

fn text_of(function: &str, argument: &Value) -> String {
    match (function, argument) {
        ("Sub", Value::String(text)) => substituted(text),
        ("Sub", Value::Array(items)) => {
            items.first().and_then(Value::as_str).map_or_else(|| placeholder("Fn::Sub"), substituted)
        }
        ("GetAtt", Value::String(name)) => placeholder(name),
        ("GetAtt", Value::Array(parts)) => {
            let parts: Vec<&str> = parts.iter().filter_map(Value::as_str).collect();
            placeholder(&parts.join("."))
        }
        ("Join", Value::Array(items)) => joined(items).unwrap_or_else(|| placeholder("Fn::Join")),
        _ => placeholder(&format!("Fn::{function}")),
    }
}

/// No `${…}`: `--substitute` fills nothing that only a deployment knows.
fn placeholder(name: &str) -> String {
    format!("<{name}>")
}

/// `${NAME}` in a text, where NAME is of the template.
fn substituted(text: &str) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else { break };
        filled.push_str(before);
        filled.push_str(&placeholder(name));
        rest = behind;
    }
    filled + rest
}

/// `[DELIMITER, [PART, …]]`; a part may be a reference.
fn joined(items: &[Value]) -> Option<String> {
    let [delimiter, Value::Array(parts)] = items else {
        return None;
    };
    let part = |part: &Value| match part {
        Value::String(text) => Some(text.clone()),
        Value::Object(map)
            if map.contains_key("Ref") || map.contains_key("Fn::GetAtt") || map.contains_key("Fn::Sub") =>
        {
            function(map)?
        }
        _ => None,
    };
    let parts: Option<Vec<String>> = parts.iter().map(part).collect();
    Some(parts?.join(delimiter.as_str()?))
}

fn lower_first(key: &str) -> String {
    let mut characters = key.chars();
    let first = characters.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(characters).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn functions_become_placeholders() {
        let template = json!({"Resources": {"Carts": {"Type": TYPE, "Properties": {
            "Family": {"Ref": "Family"},
            "TaskRoleArn": {"Fn::GetAtt": ["TaskRole", "Arn"]},
            "ExecutionRoleArn": {"Fn::Join": ["", ["arn:aws:iam::", {"Ref": "AWS::AccountId"}, ":role/x"]]},
            "NetworkMode": {"Ref": "AWS::NoValue"},
            "RequiresCompatibilities": [{"Ref": "Type"}],
            "Tags": {"Fn::If": ["a", [], []]},
            "ContainerDefinitions": [
                {"Fn::If": ["sidecar", {"Name": "sidecar"}, {"Ref": "AWS::NoValue"}]},
                {"Name": "carts", "Image": {"Fn::Sub": "${Repo}:1"}, "DockerLabels": {"My.Key": "v"},
                 "Environment": [{"Name": "PORT", "Value": 8080}, {"Fn::If": ["a", {}, {}]}]},
            ],
        }}, "Other": {"Type": "AWS::S3::Bucket"}}});
        let found = of(template.as_object().unwrap()).unwrap();
        let expected = json!({
            "family": "Carts",
            "taskRoleArn": "<TaskRole.Arn>",
            "executionRoleArn": "arn:aws:iam::<AWS::AccountId>:role/x",
            "networkMode": null,
            "requiresCompatibilities": ["<Type>"],
            "containerDefinitions": [{"name": "carts", "image": "<Repo>:1", "dockerLabels": {"My.Key": "v"},
                "environment": [{"name": "PORT", "value": "8080"}]}],
        });
        let owner = Some(Owner::CloudFormation("Resources.Carts".into()));
        assert_eq!(found, [Ok(Definition { path: "Resources.Carts.Properties".to_owned(), value: expected, owner })]);
        assert!(is_template(&template) && !is_template(&json!({"Resources": {}})));
    }
}
