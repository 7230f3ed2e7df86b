//! Task definitions of Amazon ECS: as `register-task-definition` takes them and `describe-task-definition` returns them, in
//! templates of CloudFormation, and in what `terraform show -json` prints.

mod cloudformation;
mod terraform;

use rolecall_core::ecs::TaskDefinition;
use rolecall_core::workload::Owner;
use serde_json::{Map, Value};

use super::{ObjectOrigin, Unreadable, placeholder, without_value};

pub(super) use cloudformation::is_template;

/// A task definition among the manifests.
#[derive(Debug)]
pub struct TaskDefinitionManifest {
    /// Where its document stands.
    pub origin: ObjectOrigin,
    /// Its place in the document; empty where it is the document.
    pub(super) path: String,
    /// In the form of `register-task-definition`.
    pub(super) value: Value,
    /// What the definition is registered from, where that is a template.
    pub owner: Option<Owner>,
}

impl TaskDefinitionManifest {
    /// Whether it says that it is of this family, also where it cannot be read otherwise; or does not say of which.
    pub fn is_of_family(&self, family: &str) -> bool {
        let text = |key: &str| self.value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let of_arn = || text("taskDefinitionArn")?.split_once(":task-definition/").map(|(_, name)| name);
        let named = text("family").or_else(of_arn);
        named.is_none_or(|named| named.split(':').next() == Some(family))
    }

    /// The typed view.
    ///
    /// # Errors
    /// Where a field has a wrong type: the reason names the field, and never its value.
    pub fn definition(&self) -> Result<TaskDefinition<'_>, Unreadable> {
        serde_path_to_error::deserialize(&self.value).map_err(|e| {
            let separator = if self.path.is_empty() { "" } else { "." };
            let reason = format!("{}{separator}{}: {}", self.path, e.path(), without_value(&e.inner().to_string()));
            Unreadable { origin: self.origin.clone(), reason }
        })
    }
}

/// What a document has: task definitions, or why one is none.
pub(super) type Found = Vec<Result<Definition, String>>;

/// A task definition in a document.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Definition {
    /// Its place; empty where it is the document.
    path: String,
    value: Value,
    owner: Option<Owner>,
}

impl Definition {
    fn new(path: String, value: Map<String, Value>) -> Self {
        Self { path, value: Value::Object(value), owner: None }
    }
}

/// The task definitions of a document; `None` where it is of another kind.
pub(super) fn of(value: &mut Value) -> Option<Found> {
    match value {
        Value::Array(items) => {
            let found: Found = items
                .iter_mut()
                .enumerate()
                .filter_map(|(at, item)| Some((at, of_object(item.as_object_mut()?)?)))
                .flat_map(|(at, found)| found.into_iter().map(move |one| below(&format!("[{at}]"), one)))
                .collect();
            (!found.is_empty()).then_some(found)
        }
        Value::Object(object) => of_object(object),
        _ => None,
    }
}

pub(super) fn at(origin: &ObjectOrigin, Definition { path, value, owner }: Definition) -> TaskDefinitionManifest {
    TaskDefinitionManifest { origin: origin.clone(), path, value, owner }
}

/// Puts a place before that of what was found in it.
fn below(place: &str, found: Result<Definition, String>) -> Result<Definition, String> {
    let joined = |path: &str| match path {
        "" => place.to_owned(),
        path if path.starts_with('[') => format!("{place}{path}"),
        path => format!("{place}.{path}"),
    };
    match found {
        Ok(definition) => Ok(Definition { path: joined(&definition.path), ..definition }),
        Err(reason) => Err(joined(&reason)),
    }
}

fn of_object(object: &mut Map<String, Value>) -> Option<Found> {
    // Whatever else it has: it is an object of Kubernetes.
    if object.contains_key("apiVersion") && object.contains_key("kind") {
        return None;
    }
    if is_definition(object) {
        return Some(vec![Ok(Definition::new(String::new(), std::mem::take(object)))]);
    }
    if let Some(definition) = object.get_mut("taskDefinition").and_then(Value::as_object_mut)
        && is_described(definition)
    {
        let mut definition = std::mem::take(definition);
        // `describe-task-definition --include TAGS` has them beside it.
        if let Some(tags) = object.remove("tags") {
            definition.entry("tags").or_insert(tags);
        }
        return Some(vec![Ok(Definition::new("taskDefinition".to_owned(), definition))]);
    }
    if let Some(items) = object.get_mut("taskDefinitions").and_then(Value::as_array_mut) {
        let one = |(at, item): (usize, &mut Value)| -> Found {
            let place = format!("taskDefinitions[{at}]");
            match item.as_object_mut() {
                None => vec![Err(format!("{place}: must be an object"))],
                Some(object) => match of_object(object) {
                    Some(found) => found.into_iter().map(|one| below(&place, one)).collect(),
                    None => vec![Ok(Definition::new(place, std::mem::take(object)))],
                },
            }
        };
        return Some(items.iter_mut().enumerate().flat_map(one).collect());
    }
    cloudformation::of(object).or_else(|| terraform::of(object))
}

fn is_definition(object: &Map<String, Value>) -> bool {
    let has = |key: &str| object.contains_key(key);
    // Other tools have values of these names too.
    object.get("containerDefinitions").is_some_and(Value::is_array) || (has("taskDefinitionArn") && has("family"))
}

/// Whether what is below `taskDefinition` is one.
fn is_described(definition: &Map<String, Value>) -> bool {
    let has = |key: &&str| definition.contains_key(*key);
    let keys = ["family", "taskDefinitionArn", "taskRoleArn", "executionRoleArn"];
    keys.iter().any(has) || definition.get("containerDefinitions").is_some_and(Value::is_array)
}

/// A placeholder in a task definition; `<NAME>` too, which CodePipeline and AWS's examples have, and which no name or ARN of AWS
/// contains.
pub fn task_definition_placeholder(text: &str) -> Option<&str> {
    placeholder(text).or_else(|| {
        let from = text.get(text.find('<')?..)?;
        let end = from.find('>')?;
        let is_name = from.get(1..end)?.chars().all(|c| c.is_ascii_alphanumeric() || "_-.: ".contains(c));
        from.get(..=end).filter(|_| is_name && end > 1)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(mut value: Value) -> Vec<(String, Value)> {
        let found = of(&mut value).unwrap_or_default().into_iter().map(Result::unwrap);
        found.map(|found| (found.path, found.value)).collect()
    }

    #[test]
    fn finds_every_form() {
        let bare = json!({"family": "a", "containerDefinitions": []});
        let described = json!({"taskDefinition": {"family": "a"}, "tags": [{"key": "k", "value": "v"}]});
        assert_eq!(found(bare.clone()), [(String::new(), bare.clone())]);
        let with_tags = json!({"family": "a", "tags": [{"key": "k", "value": "v"}]});
        assert_eq!(found(described.clone()), [("taskDefinition".to_owned(), with_tags)]);
        let places: Vec<String> =
            found(json!([bare, described, {"other": 1}, 7])).into_iter().map(|(place, _)| place).collect();
        assert_eq!(places, ["[0]", "[1].taskDefinition"]);
        let list = found(json!({"taskDefinitions": [bare, {"taskDefinition": bare}]}));
        let places: Vec<&str> = list.iter().map(|(place, _)| place.as_str()).collect();
        assert_eq!(places, ["taskDefinitions[0]", "taskDefinitions[1].taskDefinition"]);
        let wrong = of(&mut json!({"taskDefinitions": ["carts:1"]})).unwrap();
        assert_eq!(wrong, [Err("taskDefinitions[0]: must be an object".to_owned())]);
    }

    #[test]
    fn other_documents_are_none() {
        for other in [
            json!({"apiVersion": "v1", "kind": "Pod", "containerDefinitions": []}),
            json!({"taskDefinition": "carts:1", "cluster": "shop"}),
            json!({"taskDefinitionArns": ["arn"]}),
            json!([]),
            json!([1, "a", {"kind": "Pod"}]),
            json!({"Resources": {"A": {"Type": "AWS::S3::Bucket"}}}),
            json!({"values": {"root_module": {}}}),
            json!(null),
            json!("text"),
        ] {
            assert!(of(&mut other.clone()).is_none(), "{other}");
        }
    }

    #[test]
    fn placeholders_of_templates() {
        for (text, expected) in [
            ("<TASK_ROLE_ARN>", Some("<TASK_ROLE_ARN>")),
            ("arn:aws:iam::<ACCOUNT>:role/x", Some("<ACCOUNT>")),
            ("${TASK_ROLE}", Some("${TASK_ROLE}")),
            ("{{ task_role }}", Some("{{ task_role }}")),
            ("arn:aws:iam::111122223333:role/x", None),
            ("a<b", None),
            ("<>", None),
        ] {
            assert_eq!(task_definition_placeholder(text), expected, "{text}");
        }
    }
}
