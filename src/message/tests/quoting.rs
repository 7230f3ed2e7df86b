//! Fixes are safe to paste, in every format: whatever a manifest or a snapshot holds, it stays one word of the command, one
//! string of the Terraform or of the JSON that it came into.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
#[path = "../../core/tests/common/mod.rs"]
mod common;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use common::Case;
use proptest::prelude::*;
use rolecall_core::fix::Fix;
use rolecall_message::fix::{Format, rendered};
use serde_json::Value;

/// What an attacker puts behind a name. Unquoted, it ends a word, a quote and a command.
const HOSTILE: &str = "x'; touch pwned #\"$(id)`id`${a}%{b}\n&& id";
/// How a shell reads its beginning, where it is quoted.
const QUOTED: &str = "x'; touch pwned";
const MARK: &str = "touch pwned";

static CASES: LazyLock<Vec<Case>> = LazyLock::new(common::cases);

/// The texts of a document that are names, ARNs or other short values.
fn leaves(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if !text.is_empty() && text.len() < 200 && !text.starts_with('{') => {
            found.insert(text.clone());
        }
        Value::Array(list) => list.iter().for_each(|value| leaves(value, found)),
        Value::Object(fields) => fields.values().for_each(|value| leaves(value, found)),
        _ => {}
    }
}

/// Puts the hostile text behind a value wherever it stands alone.
fn poison(value: &mut Value, name: &str) {
    match value {
        Value::String(text) if text == name => text.push_str(HOSTILE),
        Value::Array(list) => list.iter_mut().for_each(|value| poison(value, name)),
        Value::Object(fields) => fields.values_mut().for_each(|value| poison(value, name)),
        _ => {}
    }
}

/// What is wrong with a command or a configuration that holds a hostile value.
fn fault(fix: &Fix, mark: &str, whole: &str) -> Option<String> {
    for format in Format::ALL {
        let Some(text) = rendered(fix, format).filter(|text| text.contains(mark)) else { continue };
        let strings = match format {
            Format::Cli | Format::Eksctl => words(&text),
            Format::Terraform => hcl::parse(&text).ok().map(|body| {
                let mut strings = Vec::new();
                body.attributes().for_each(|attribute| literals(&attribute.expr, &mut strings));
                body.blocks().for_each(|block| of_block(block, &mut strings));
                strings
            }),
            Format::CloudFormation => serde_json::from_str(&text).ok().map(|json: Value| {
                let mut strings = BTreeSet::new();
                all_strings(&json, &mut strings);
                strings.into_iter().collect()
            }),
        };
        let is_whole = strings.as_ref().is_some_and(|strings| {
            let mut marked = strings.iter().filter(|string| string.contains(mark)).peekable();
            // Terraform names the role in a comment as well.
            (marked.peek().is_some() || text.starts_with('#')) && marked.all(|string| string.contains(whole))
        });
        let is_commented = text
            .lines()
            .filter(|line| line.contains(mark))
            .all(|line| format == Format::Terraform || !line.trim_start().starts_with('#'));
        if !is_whole || !is_commented {
            return Some(format!("{}: {text}\n{strings:#?}", format.name()));
        }
    }
    None
}

/// The words of the commands, each of which must be whole.
fn words(commands: &str) -> Option<Vec<String>> {
    shlex::split(commands)
}

fn of_block(block: &hcl::Block, strings: &mut Vec<String>) {
    block.body.attributes().for_each(|attribute| literals(&attribute.expr, strings));
    block.body.blocks().for_each(|block| of_block(block, strings));
}

fn literals(expression: &hcl::Expression, strings: &mut Vec<String>) {
    match expression {
        hcl::Expression::String(text) => strings.push(text.clone()),
        hcl::Expression::TemplateExpr(template) => match &**template {
            // `$${` is an escape in a quoted template.
            hcl::TemplateExpr::QuotedString(text) => strings.push(text.replace("$${", "${").replace("%%{", "%{")),
            hcl::TemplateExpr::Heredoc(_) => panic!("no heredoc is written"),
        },
        hcl::Expression::Array(list) => list.iter().for_each(|one| literals(one, strings)),
        hcl::Expression::Object(map) => map.iter().for_each(|(key, value)| {
            if let hcl::ObjectKey::Expression(key) = key {
                literals(key, strings);
            }
            literals(value, strings);
        }),
        _ => {}
    }
}

fn all_strings(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(found.insert(text.clone())),
        Value::Array(list) => list.iter().for_each(|value| all_strings(value, found)),
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            found.insert(key.clone());
            all_strings(value, found);
        }),
        _ => {}
    }
}

proptest! {
    #![proptest_config(common::many(1_500))]

    #[test]
    fn hostile_values_stay_one_word(case in any::<prop::sample::Index>(), leaf in any::<prop::sample::Index>()) {
        let mut case = case.get(&CASES).clone();
        let values = values_of(&case);
        let name = leaf.get(&values);
        case.inputs.iter_mut().for_each(|input| poison(&mut input.value, name));
        poison(&mut case.snapshot, name);
        let world = case.world(&case.snapshot);
        let mut result = Ok(());
        case.judge(&world, |_, _, judgement, _| {
            let problems = judgement.findings.iter().chain(&judgement.exempted).map(|finding| &finding.problem);
            for problem in problems {
                if let Some(fault) = fault(&problem.fix, MARK, QUOTED) {
                    result = Err(format!("{} with {name}: [{}] {fault}", case.name, problem.rule.name));
                }
            }
        });
        prop_assert!(result.is_ok(), "{}", result.unwrap_err());
    }
}

/// Puts a text in the place of a value wherever it stands alone.
fn replace(value: &mut Value, name: &str, by: &str) {
    match value {
        Value::String(text) if text == name => by.clone_into(text),
        Value::Array(list) => list.iter_mut().for_each(|value| replace(value, name, by)),
        Value::Object(fields) => fields.values_mut().for_each(|value| replace(value, name, by)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(common::many(1_500))]

    /// `--all` as a name would have a command act on every object; the AWS CLI loads what `file://` names.
    #[test]
    fn no_value_is_an_option_or_a_file(
        case in any::<prop::sample::Index>(),
        leaf in any::<prop::sample::Index>(),
        by in prop::sample::select(vec!["--all", "-A", "file:///etc/passwd", "https://example.com/x"]),
    ) {
        let mut case = case.get(&CASES).clone();
        let values = values_of(&case);
        let name = leaf.get(&values);
        case.inputs.iter_mut().for_each(|input| replace(&mut input.value, name, by));
        replace(&mut case.snapshot, name, by);
        let world = case.world(&case.snapshot);
        let mut fault = None;
        case.judge(&world, |_, _, judgement, _| {
            for finding in judgement.findings.iter().chain(&judgement.exempted) {
                for format in [Format::Cli, Format::Eksctl] {
                    for command in rendered(&finding.problem.fix, format).unwrap_or_default().lines() {
                        // Only the AWS CLI loads what a value names, and not for an issuer.
                        let is_loaded = command.starts_with("aws ") && !command.contains("--url ");
                        let words = words(command).unwrap_or_default();
                        if (by.starts_with('-') || is_loaded) && words.iter().any(|word| word == by) {
                            fault = Some(format!("{}: {command}", finding.rule()));
                        }
                    }
                }
            }
        });
        prop_assert!(fault.is_none(), "{}: {name} as {by}: {fault:?}", case.name);
    }
}

/// The values of a case that can be replaced.
fn values_of(case: &Case) -> Vec<String> {
    let mut values = BTreeSet::new();
    for input in &case.inputs {
        leaves(&input.value, &mut values);
    }
    for place in ["/cluster", "/podIdentityAssociations", "/accounts", "/nodeRoles"] {
        case.snapshot.pointer(place).into_iter().for_each(|value| leaves(value, &mut values));
    }
    values.into_iter().filter(|text| !KINDS.contains(&text.as_str())).collect()
}

/// Values that name types: with them changed nothing is checked.
const KINDS: [&str; 8] = ["Allow", "Deny", "v1", "apps/v1", "2012-10-17", "Pod", "Deployment", "ServiceAccount"];

/// Role paths may have any character from `!` to `~` (IAM API Reference, `CreateRole`), a quote among them.
#[test]
fn paths_of_roles_stay_one_word() {
    let mut looked_at = [0; 4];
    for case in CASES.iter() {
        let mut case = case.clone();
        let with_path = |value: &Value| -> Value {
            serde_json::from_str(&value.to_string().replace(":role/", ":role/x';touch_pwned;'/")).unwrap()
        };
        case.inputs.iter_mut().for_each(|input| input.value = with_path(&input.value));
        case.snapshot = with_path(&case.snapshot);
        let world = case.world(&case.snapshot);
        case.judge(&world, |_, _, judgement, _| {
            let problems = judgement.findings.iter().chain(&judgement.exempted).map(|finding| &finding.problem);
            for problem in problems {
                for (format, looked_at) in Format::ALL.into_iter().zip(&mut looked_at) {
                    *looked_at +=
                        usize::from(rendered(&problem.fix, format).is_some_and(|text| text.contains("touch_pwned")));
                }
                if let Some(fault) = fault(&problem.fix, "touch_pwned", "x';touch_pwned;'") {
                    panic!("{}: {fault}", case.name);
                }
            }
        });
    }
    assert!(looked_at.iter().all(|looked_at| *looked_at > 1), "fixes with a role's path by format: {looked_at:?}");
}
