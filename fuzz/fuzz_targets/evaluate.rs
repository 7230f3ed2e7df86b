//! Our evaluator against the reference, on generated cases whose texts the fuzzer rewrites.
#![no_main]

#[path = "../../tests/reference/tests/adapter/mod.rs"]
mod adapter;

use adapter::{documents, ours, ours_together};
use arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use rolecall_iam::Document;
use rolecall_reference::{Case, ContextValue, Kind, evaluate, evaluate_document, generate};
use serde_json::Value;

/// Texts that mean something to one operator or another.
const WORDS: &[&str] = &[
    "",
    "*",
    "?",
    "${*}",
    "${?}",
    "${$}",
    "${",
    "${aws:username}",
    "${aws:none, 'x'}",
    "true",
    "False",
    "0",
    "-1",
    "1e3",
    "2.50",
    "2026",
    "2026-11",
    "2026-11-24",
    "2026-11-24T17:26:52Z",
    "2026-11-24T17:26:52.5+01:00",
    "1763000000",
    "10.0.0.0/8",
    "10.1.2.3",
    "2001:db8::/32",
    "2001:db8::1",
    "::ffff:10.1.2.3",
    "arn:aws:iam::111122223333:role/x",
    "arn:aws:s3:::b/*",
    "arn:*",
    "É",
    "ß",
    "K",
    "aws:username",
    "aws:SourceIp",
    "aws:CurrentTime",
    "aws:TagKeys",
    "StringLike",
    "StringEqualsIgnoreCase",
    "ArnLike",
    "Bool",
    "NumericLessThan",
    "DateLessThan",
    "IpAddress",
    "BinaryEquals",
    "ForAllValues:StringLike",
    "ForAnyValue:StringNotEquals",
];

fuzz_target!(|bytes: &[u8]| {
    if let Ok(case) = make(&mut Unstructured::new(bytes)) {
        let mut all_read = true;
        for (document, request) in documents(&case) {
            // What we refuse to read is not compared: the reference reads everything.
            if Document::parse(&document.to_string()).is_ok() {
                let theirs = evaluate_document(document, &request);
                assert_eq!(ours(document, &request), Ok(theirs), "ours and the reference's\n{document}\n{request:?}");
            } else {
                all_read = false;
            }
        }
        if all_read {
            let theirs = evaluate(&case.policies, &case.request);
            assert_eq!(ours_together(&case), Ok(theirs), "together, ours and the reference's\n{case:?}");
        }
    }
});

fn make(chance: &mut Unstructured<'_>) -> Result<Case> {
    let kind = if chance.arbitrary()? { Kind::Trust } else { Kind::Identity };
    let mut case = generate::case(chance.arbitrary()?, chance.arbitrary()?, Some(kind));
    while !chance.is_empty() {
        match u8::arbitrary(chance)? % 4 {
            0 => {
                let policies = &mut case.policies;
                let every = policies.trust.iter_mut().chain(&mut policies.identity).chain(&mut policies.boundary);
                let mut every: Vec<&mut Value> = every.chain(policies.session.iter_mut().flatten()).collect();
                if every.is_empty() {
                    continue;
                }
                let at = chance.choose_index(every.len())?;
                rewrite(every[at], chance)?;
            }
            1 => {
                let key = word(chance)?;
                case.request.context.insert(key, ContextValue::Single(word(chance)?));
            }
            2 => {
                let key = word(chance)?;
                let values = vec![word(chance)?, word(chance)?];
                case.request.context.insert(key, ContextValue::Multi(values));
            }
            _ => {
                if let Some(value) = pick(case.request.context.values_mut().collect(), chance)? {
                    *value = ContextValue::Single(word(chance)?);
                }
            }
        }
    }
    // Key names that differ by case only are one key twice: no request has that.
    let mut seen = std::collections::BTreeSet::new();
    case.request.context.retain(|key, _| seen.insert(key.to_ascii_lowercase()));
    Ok(case)
}

fn word(chance: &mut Unstructured<'_>) -> Result<String> {
    if chance.ratio(3u8, 4u8)? { Ok((*chance.choose(WORDS)?).to_owned()) } else { String::arbitrary(chance) }
}

fn pick<'a, T>(mut choices: Vec<&'a mut T>, chance: &mut Unstructured<'_>) -> Result<Option<&'a mut T>> {
    if choices.is_empty() {
        return Ok(None);
    }
    let at = chance.choose_index(choices.len())?;
    Ok(Some(choices.swap_remove(at)))
}

/// Walks to some value of a document and puts another text there, or another name for a member.
fn rewrite(node: &mut Value, chance: &mut Unstructured<'_>) -> Result<()> {
    match node {
        Value::Array(items) => match pick(items.iter_mut().collect(), chance)? {
            Some(item) => rewrite(item, chance)?,
            None => items.push(Value::String(word(chance)?)),
        },
        Value::Object(members) if !members.is_empty() => {
            let at = chance.choose_index(members.len())?;
            let key = members.keys().nth(at).cloned().unwrap_or_default();
            if chance.ratio(1u8, 8u8)? {
                let value = members.remove(&key).unwrap_or_default();
                members.insert(word(chance)?, value);
            } else if let Some(value) = members.get_mut(&key) {
                rewrite(value, chance)?;
            }
        }
        other => *other = Value::String(word(chance)?),
    }
    Ok(())
}
