//! Documents as AWS accepts them, and an error with a JSON pointer where it would not.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

use proptest::prelude::*;
use rolecall_iam::{Document, MAX_DOCUMENT_BYTES, MapContext, Request};
use serde_json::{Value, json};

#[test]
fn one_object_may_stand_for_a_list_and_other_types_for_texts() {
    for document in [
        json!({"Statement": {"Effect": "Allow", "Action": "*"}}),
        json!({"Version": "2012-10-17", "Id": "x", "Statement": []}),
        json!({"Version": "2008-10-17", "Statement": [{"Sid": "", "Effect": "Deny", "NotAction": ["a:b"], "NotResource": "*"}]}),
        json!({"Statement": [{"Effect": "Allow", "Action": "*", "Principal": {"AWS": ["*", "111122223333", "AROAEXAMPLE"]}}]}),
        json!({"Statement": [{"Effect": "Allow", "Action": "*", "Principal": "*", "Condition": {
            "Bool": {"aws:SecureTransport": true}, "numericlessthan": {"s3:max-keys": 10}, "Null": {"k": [false, "true"]}}}]}),
    ] {
        Document::parse(&document.to_string()).unwrap_or_else(|e| panic!("{document}: {e}"));
    }
}

#[test]
fn what_aws_would_refuse_is_an_error_with_a_pointer() {
    let statement = |members: &str| format!(r#"{{"Statement":[{{"Effect":"Allow","Action":"*",{members}}}]}}"#);
    for (text, pointer, message) in [
        ("".to_owned(), "", "not JSON"),
        ("[]".to_owned(), "", "must be an object, not a list"),
        ("null".to_owned(), "", "must be an object, not null"),
        ("true".to_owned(), "", "must be an object, not a boolean"),
        ("1.5".to_owned(), "", "must be an object, not a number"),
        ("\"x\"".to_owned(), "", "must be an object, not a string"),
        ("{}".to_owned(), "", "no `Statement`"),
        (r#"{"Version":"2012-10-18","Statement":[]}"#.to_owned(), "/Version", "must be"),
        (r#"{"statement":[]}"#.to_owned(), "/statement", "it is written `Statement`"),
        (r#"{"Statement":[],"Statement":[]}"#.to_owned(), "/Statement", "twice"),
        (r#"{"Statement":[7]}"#.to_owned(), "/Statement/0", "must be an object"),
        (r#"{"Statement":[{"Action":"*"}]}"#.to_owned(), "/Statement/0", "no `Effect`"),
        (r#"{"Statement":{"Effect":"allow","Action":"*"}}"#.to_owned(), "/Statement/Effect", "\"Allow\" or \"Deny\""),
        (r#"{"Statement":[{"Effect":"Allow"}]}"#.to_owned(), "/Statement/0", "neither `Action`"),
        (statement(r#""NotAction":"a:b""#), "/Statement/0", "both `Action` and `NotAction`"),
        (statement(r#""Resource":[["*"]]"#), "/Statement/0/Resource/0", "must be a string"),
        (statement(r#""Principal":"arn:aws:iam::1:root""#), "/Statement/0/Principal", "must be \"*\""),
        (statement(r#""Principal":{"Federation":"x"}"#), "/Statement/0/Principal/Federation", "not an element"),
        (statement(r#""Condition":{"StringEquals":"x"}"#), "/Statement/0/Condition/StringEquals", "must be an object"),
        (
            statement(r#""Condition":{"StringEquals":{"a/b":{}}}"#),
            "/Statement/0/Condition/StringEquals/a~1b",
            "must be a string, not an object",
        ),
        (statement(r#""Condition":{"Bool":{"k":"true"},"Bool":{"k":"true"}}"#), "/Statement/0/Condition/Bool", "twice"),
        (" ".repeat(0) + &"[".repeat(10_000), "", "recursion"),
        (format!("{{\"Id\":\"{}\"}}", "x".repeat(MAX_DOCUMENT_BYTES)), "", "longer than"),
        ("%7B%FF".to_owned(), "", "URL-encoded"),
    ] {
        let error = Document::parse(&text).expect_err(&text);
        let start: String = text.chars().take(100).collect();
        assert_eq!(error.pointer, pointer, "{start}: {error}");
        assert!(error.to_string().contains(message), "{start}: {error}");
    }
}

#[test]
fn the_longest_document_is_read() {
    let start = r#"{"Statement":[],"Id":""#;
    let text = format!("{start}{}\"}}", "x".repeat(MAX_DOCUMENT_BYTES - start.len() - 2));
    assert_eq!(text.len(), MAX_DOCUMENT_BYTES);
    assert_eq!(Document::parse(&text).map(|document| document.statements.len()), Ok(0));
}

fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "Statement",
        "Effect",
        "Allow",
        "Deny",
        "Action",
        "NotAction",
        "Principal",
        "AWS",
        "Condition",
        "StringLike",
        "Null",
        "IpAddress",
        "DateLessThan",
        "${a:b",
        "${*}",
        "*",
        "?",
        "arn:aws:iam::1:role/x",
        "2012-10-17",
        "Version",
        "é\u{0}",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    /// Whatever comes, there is a document that can be asked, or an error that points into it.
    #[test]
    fn nothing_panics(value in any_json(), wrapped in any::<bool>()) {
        let value = if wrapped { json!({"Statement": [{"Effect": "Allow", "Action": "*", "Condition": value}]}) } else { value };
        match Document::parse(&value.to_string()) {
            Ok(document) => {
                let context = MapContext::new().unknown_by_default();
                let request = Request { action: "sts:AssumeRole", resource: Some("arn:x"), principal: None, context: &context };
                document.evaluate(&request);
                prop_assert_eq!(document.explain(&request).len(), document.statements.len());
            }
            Err(error) => prop_assert!(error.pointer.is_empty() || value.pointer(&error.pointer).is_some(), "{}", error),
        }
    }
}
