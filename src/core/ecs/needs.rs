//! What a task definition says to rolecall: in tags, and in the labels of its containers.

use std::borrow::Cow;
use std::collections::HashSet;

use super::TaskDefinition;
use crate::cluster::OwnAnnotations;
use crate::workload::{Metadata, Pairs, Text};

/// The key of declared needs.
const REQUIRES: &str = "rolecall.dev/requires";

/// The tags and labels for rolecall.
pub fn own_annotations(definition: &TaskDefinition<'_>) -> OwnAnnotations {
    OwnAnnotations::of(&own_metadata(definition))
}

/// The same as annotations of pods are read. Needs of all containers count together; of another setting the tag counts before
/// the labels.
pub fn own_metadata<'a>(definition: &'a TaskDefinition<'_>) -> Metadata<'a> {
    let tags = definition.tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_str()));
    let labels = definition.container_definitions.iter().flat_map(|container| container.docker_labels.iter());
    let mut pairs: Vec<(&str, Cow<'_, str>)> = Vec::new();
    let mut seen = HashSet::new();
    let mut needs = String::new();
    for (key, value) in tags.chain(labels).filter(|(key, _)| key.starts_with("rolecall.dev/")) {
        if key == REQUIRES {
            add_needs(value, &mut needs);
        } else if seen.insert(key) {
            pairs.push((key, value.into()));
        }
    }
    if !needs.is_empty() {
        pairs.push((REQUIRES, needs.into()));
    }
    let pairs = pairs.into_iter().map(|(key, value)| (Text::from(key), Text(value))).collect();
    Metadata { annotations: Pairs(pairs), ..Metadata::default() }
}

/// Adds needs, one a line. A tag has no line breaks, so that a blank, a comma or a semicolon ends a need too; an ARN belongs
/// to the action before it (Amazon ECS API Reference, `Tag`).
fn add_needs(text: &str, needs: &mut String) {
    for line in text.lines() {
        let line = line.split(" #").next().unwrap_or(line);
        if line.trim_start().starts_with('#') {
            continue;
        }
        for word in line.split(|c: char| c.is_whitespace() || c == ',' || c == ';').filter(|word| !word.is_empty()) {
            let is_resource = word.starts_with("arn:") || word == "*";
            if !needs.is_empty() {
                needs.push(if is_resource { ' ' } else { '\n' });
            }
            needs.push_str(word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_of_a_tag_and_of_labels_count_together() {
        let text = r#"{"tags":[{"key":"rolecall.dev/requires","value":"dynamodb:Query arn:aws:dynamodb:us-west-2:1:table/a s3:ListAllMyBuckets"},
                {"key":"rolecall.dev/identity","value":"required"}],
            "containerDefinitions":[{"dockerLabels":{"rolecall.dev/requires":"sqs:SendMessage\n# no: need\ns3:GetObject *","other":"x"}},
                {"dockerLabels":{"rolecall.dev/identity":"no"}}]}"#;
        let definition: TaskDefinition<'_> = serde_json::from_str(text).unwrap();
        let own = own_annotations(&definition);
        let needs =
            "dynamodb:Query arn:aws:dynamodb:us-west-2:1:table/a\ns3:ListAllMyBuckets\nsqs:SendMessage\ns3:GetObject *";
        assert_eq!(&*own.requires, needs);
        assert!(own.identity_required);
        assert!(own_annotations(&TaskDefinition::default()).is_empty());
    }
}
