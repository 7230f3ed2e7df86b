//! What single conditions say, and what a document's reports show, in tables.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

use rolecall_iam::{
    AwsPrincipal, BaseOperator, Document, Effect, Found, MapContext, Principal, PrincipalEntry, Request, Truth, Values,
    Verdict,
};
use serde_json::{Value, json};

fn document(statements: &Value) -> Document {
    Document::parse(&json!({"Version": "2012-10-17", "Statement": statements}).to_string()).unwrap()
}

fn allow(conditions: &Value) -> Value {
    json!({"Effect": "Allow", "Action": "s:*", "Condition": conditions})
}

fn ask(document: &Document, context: &MapContext) -> Verdict {
    document.evaluate(&Request { action: "s:Act", resource: None, principal: None, context })
}

/// What one condition on the key `k` says.
fn holds(operator: &str, value: &Value, context: &MapContext) -> Truth {
    let document = document(&allow(&json!({operator: {"k": value}})));
    document.statements[0].conditions[0].holds(context)
}

#[test]
fn dates() {
    for (operator, wanted, found, expected) in [
        ("DateEquals", "2026", "2026-01-01T00:00:00Z", true),
        ("DateEquals", "2026-11", "2026-11-01", true),
        ("DateEquals", "2026-11-24", "2026-11-24T00:00:00Z", true),
        ("DateEquals", "2026-11-24T01:00:00+01:00", "2026-11-24T00:00:00Z", true),
        // Seconds since 1970, also of as many digits as a month has characters.
        ("DateEquals", "1763000", "1970-01-21T09:43:20Z", true),
        ("DateEquals", "0", "1970-01-01T00:00Z", true),
        ("DateEquals", "-999", "1969-12-31T23:43:21Z", false),
        ("DateEquals", "2026-11-24T17:26:52.5Z", "2026-11-24T17:26:52.500Z", true),
        ("DateEquals", "2026-11-24T17:26:52.5000000001Z", "2026-11-24T17:26:52.5Z", true),
        ("DateEquals", "2026-11-24T17:26-05:30", "2026-11-24T22:56Z", true),
        // Not of the profile: no zone, a blank, small letters, a time without its day, a leap second, fractions of a minute.
        ("DateEquals", "2026-11-24T17:26:52", "2026-11-24T17:26:52Z", false),
        ("DateEquals", "2026-11-24 17:26:52Z", "2026-11-24T17:26:52Z", false),
        ("DateEquals", "2026-11-24t17:26:52z", "2026-11-24T17:26:52Z", false),
        ("DateEquals", " 2026-11-24", "2026-11-24", false),
        ("DateEquals", "2026-11T00:00Z", "2026-11-01", false),
        ("DateEquals", "2026-11-24T17:26:60Z", "2026-11-24T17:26:59Z", false),
        ("DateEquals", "2026-11-24T17:26.5Z", "2026-11-24T17:26:30Z", false),
        ("DateEquals", "2026-11-24T17:26:52.Z", "2026-11-24T17:26:52Z", false),
        ("DateEquals", "2026-11-24T17Z", "2026-11-24T17:00Z", false),
        ("DateEquals", "2026-02-29", "2026-02-29", false),
        ("DateEquals", "2026-11-24T17:26:52+0100", "2026-11-24T16:26:52Z", false),
        ("DateLessThan", "2026-11-24T00:00:00Z", "2026-11-23T23:59:59Z", true),
        ("DateLessThan", "2026-11-24T00:00:00Z", "2026-11-24T00:00:00Z", false),
        ("DateLessThanEquals", "2026-11-24", "2026-11-24", true),
        ("DateGreaterThan", "2026-11-24", "2026-11-24", false),
        ("DateGreaterThan", "2026-11-24", "2026-11-25", true),
        ("DateGreaterThanEquals", "2026-11-24", "2026-11-23", false),
        ("DateNotEquals", "2026-11-24", "2026-11-23", true),
        ("DateEquals", "soon", "soon", false),
        ("DateEquals", "20 6", "20 6", false),
    ] {
        let context = MapContext::new().with("k", found);
        assert_eq!(holds(operator, &json!(wanted), &context), expected.into(), "{operator} {wanted}, found {found}");
    }
}

#[test]
fn numbers() {
    for (operator, wanted, found, expected) in [
        ("NumericEquals", "10", "10.0", true),
        ("NumericEquals", "-1.50", "-1.5", true),
        ("NumericEquals", "+2", "2", true),
        // Neither an integer nor a decimal value: an exponent, blanks, a point at an end, words.
        ("NumericEquals", "1000", "1e3", false),
        ("NumericEquals", "1e3", "1000", false),
        ("NumericEquals", "10", " 10", false),
        ("NumericEquals", "1", "1.", false),
        ("NumericEquals", "0.5", ".5", false),
        ("NumericLessThan", "inf", "1", false),
        ("NumericNotEquals", "1000", "1e3", true),
        ("NumericLessThan", "5", "5", false),
        ("NumericLessThan", "5", "4.9", true),
        ("NumericLessThanEquals", "5", "5", true),
        ("NumericGreaterThan", "5", "5", false),
        ("NumericGreaterThanEquals", "5", "5", true),
        ("NumericGreaterThan", "-0.5", "0", true),
    ] {
        let context = MapContext::new().with("k", found);
        assert_eq!(holds(operator, &json!(wanted), &context), expected.into(), "{operator} {wanted}, found {found}");
    }
}

/// Of an order, what lies just before and just after each value is tried too.
#[test]
fn orders_of_an_unknown_key() {
    let open = MapContext::new().with_unknown("k");
    for bound in ["0", "1", "2.5", "-3", "100000000000000000000000"] {
        let both = |first: &str, second: &str| document(&allow(&json!({first: {"k": bound}, second: {"k": bound}})));
        assert_eq!(ask(&both("NumericLessThan", "NumericNotEquals"), &open), Verdict::Unknown, "{bound}");
        assert_eq!(ask(&both("NumericGreaterThan", "NumericNotEquals"), &open), Verdict::Unknown, "{bound}");
        assert_eq!(ask(&both("NumericLessThan", "NumericEquals"), &open), Verdict::ImplicitlyDenied, "{bound}");
        assert_eq!(ask(&both("NumericLessThan", "NumericGreaterThan"), &open), Verdict::ImplicitlyDenied, "{bound}");
    }
}

#[test]
fn binary_values() {
    for (wanted, found, expected) in [
        ("QmluYXJ5VmFsdWVJbkJhc2U2NA==", "QmluYXJ5VmFsdWVJbkJhc2U2NA==", true),
        ("+/Aa", "+/Aa", true),
        ("", "", true),
        ("qq==", "QQ==", false),
        ("Qm=", "Qm=", false),
        ("Q===", "Q===", false),
        ("Qm!=", "Qm!=", false),
    ] {
        let context = MapContext::new().with("k", found);
        assert_eq!(holds("BinaryEquals", &json!(wanted), &context), expected.into(), "{wanted}, found {found}");
    }
}

#[test]
fn networks() {
    for (wanted, found, expected) in [
        ("10.0.0.0/8", "10.255.0.1", true),
        ("10.0.0.0/8", "11.0.0.1", false),
        ("0.0.0.0/0", "203.0.113.9", true),
        ("203.0.113.9", "203.0.113.9", true),
        ("203.0.113.8", "203.0.113.9", false),
        ("203.0.113.9/32", "203.0.113.8", false),
        ("203.0.113.9/33", "203.0.113.9", false),
        ("2001:db8::/32", "2001:db8:1::1", true),
        ("2001:db8::/32", "2001:db9::1", false),
        ("2001:db8::1/128", "2001:db8::1", true),
        ("::/0", "2001:db8::1", true),
        ("::/129", "::1", false),
        ("::/0", "10.0.0.1", false),
        ("10.0.0.0/8", "ten", false),
    ] {
        let context = MapContext::new().with("k", found);
        assert_eq!(holds("IpAddress", &json!(wanted), &context), expected.into(), "{wanted}, found {found}");
    }
}

#[test]
fn arns() {
    for (wanted, found, expected) in [
        ("arn:aws:iam::111122223333:role/*", "arn:aws:iam::111122223333:role/a/b", true),
        ("arn:*:iam::*:role/x", "arn:aws-cn:iam::111122223333:role/x", true),
        ("arn:aws:*", "arn:aws:iam::111122223333:role/x", false),
        ("arn:aws:iam::111122223333:role/x", "arn:aws:iam::111122223333", false),
        ("*", "arn:aws:iam::111122223333:role/x", false),
        ("arn:aws:iam::111122223333:role/${aws:username}", "arn:aws:iam::111122223333:role/alice", true),
    ] {
        let context = MapContext::new().with("k", found).with("aws:username", "alice");
        for operator in ["ArnEquals", "ArnLike"] {
            assert_eq!(holds(operator, &json!(wanted), &context), expected.into(), "{wanted}, found {found}");
        }
        let expected: Truth = expected.into();
        assert_eq!(holds("ArnNotLike", &json!(wanted), &context), expected.negate(), "{wanted}, found {found}");
    }
}

#[test]
fn case_of_letters_beyond_ascii() {
    for (wanted, found, expected) in [
        ("stra\u{df}e", "STRA\u{df}E", true),
        ("\u{e9}t\u{e9}", "\u{c9}T\u{c9}", true),
        // The sign of the kelvin becomes a plain k.
        ("k", "\u{212a}", true),
        ("\u{212a}", "K", true),
        ("a", "b", false),
    ] {
        let context = MapContext::new().with("k", found);
        assert_eq!(holds("StringEqualsIgnoreCase", &json!(wanted), &context), expected.into(), "{wanted}, {found}");
        assert_eq!(holds("StringEquals", &json!(wanted), &context), Truth::False, "{wanted}, {found}");
    }
}

#[test]
fn a_key_that_is_there_with_a_value_that_is_not_known() {
    let present = MapContext::new().with_present("k");
    let unknown = MapContext::new().with_unknown("k");
    for (operator, value, when_present, when_unknown) in [
        ("StringLike", "*", Truth::True, Truth::Unknown),
        ("StringNotLike", "*", Truth::False, Truth::Unknown),
        ("StringLikeIfExists", "*", Truth::True, Truth::True),
        ("StringLike", "a*", Truth::Unknown, Truth::Unknown),
        ("StringLike", "*a", Truth::Unknown, Truth::Unknown),
        ("StringLikeIfExists", "*a", Truth::Unknown, Truth::Unknown),
        ("StringEqualsIfExists", "a", Truth::Unknown, Truth::Unknown),
        ("StringNotEquals", "a", Truth::Unknown, Truth::Unknown),
        ("Null", "true", Truth::False, Truth::Unknown),
        ("Null", "false", Truth::True, Truth::Unknown),
        ("StringMatches", "*", Truth::False, Truth::False),
    ] {
        assert_eq!(holds(operator, &json!(value), &present), when_present, "{operator} {value}, present");
        assert_eq!(holds(operator, &json!(value), &unknown), when_unknown, "{operator} {value}, unknown");
    }
}

#[test]
fn empty_texts_and_empty_lists() {
    let empty = MapContext::new().with("k", "");
    let none = MapContext::new().with_many("k", Vec::<Box<str>>::new());
    let empties = MapContext::new().with_many("k", ["", ""]);
    let two = MapContext::new().with_many("k", ["a", "b"]);
    for (operator, value, of_empty, of_none, of_two) in [
        ("StringEquals", json!(""), true, false, false),
        ("StringNotEquals", json!("a"), true, false, false),
        ("ForAnyValue:StringEquals", json!(["", "a"]), false, false, true),
        ("ForAnyValue:StringNotEquals", json!("a"), false, false, true),
        ("ForAllValues:StringEquals", json!("a"), true, true, false),
        ("ForAllValues:StringEquals", json!(["a", "b"]), true, true, true),
        ("Null", json!("true"), true, true, false),
        ("Null", json!("false"), false, false, true),
    ] {
        for (context, expected) in [(&empty, of_empty), (&none, of_none), (&empties, of_none), (&two, of_two)] {
            assert_eq!(holds(operator, &value, context), expected.into(), "{operator} {value} {context:?}");
        }
    }
}

/// Two spellings of a key are one key, the last value counts, and the order of putting does not.
#[test]
fn a_context_is_a_table() {
    let keys = ["b", "a", "ab", "ba", "c", "abc", "B", "AB"];
    let context = keys.iter().fold(MapContext::new(), |context, key| context.with(key, key));
    for (key, found) in [("a", "a"), ("b", "B"), ("ab", "AB"), ("ba", "ba"), ("c", "c"), ("abc", "abc")] {
        let document = document(&allow(&json!({"StringEquals": {key.to_uppercase(): found}})));
        assert_eq!(ask(&document, &context), Verdict::Allowed, "{key}");
    }
    let document = document(&allow(&json!({"Null": {"abcd": "true"}})));
    assert_eq!(ask(&document, &context), Verdict::Allowed);
    assert_eq!(ask(&document, &context.clone().unknown_by_default()), Verdict::Unknown);
    assert_eq!(ask(&document, &context.unknown_by_default().with_absent("ABCD")), Verdict::Allowed);
}

/// What rests on an unknown variable stays unknown, however the key itself is compared.
#[test]
fn unknown_variables_settle_nothing() {
    let both = |second: Value| document(&allow(&json!({"StringEquals": {"k": "a"}, "StringLike": {"k": second}})));
    let open = MapContext::new().with_unknown("k").with_unknown("v");
    assert_eq!(ask(&both(json!("${v}")), &open), Verdict::Unknown);
    assert_eq!(ask(&both(json!("${v}")), &open.clone().with("k", "b")), Verdict::ImplicitlyDenied);
    assert_eq!(ask(&both(json!("${v}")), &open.clone().with("k", "a")), Verdict::Unknown);
    assert_eq!(ask(&both(json!("b*")), &open), Verdict::ImplicitlyDenied);
    let arns = document(&json!([
        allow(&json!({"ArnEquals": {"k": "arn:aws:iam::1:role/${v}"}})),
        allow(&json!({"ArnNotEquals": {"k": "arn:aws:iam::1:role/${v}"}})),
    ]));
    assert_ne!(ask(&arns, &open), Verdict::ImplicitlyDenied);
    let role = allow(&json!({
        "ArnEquals": {"k": "arn:aws:iam::1:role/${v}"},
        "StringEquals": {"k": "arn:aws:iam::1:role/x"},
    }));
    assert_eq!(ask(&document(&role), &open), Verdict::Unknown);
    let resource = document(&json!({"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::b/${v}"}));
    let request = Request { action: "s3:Get", resource: Some("arn:aws:s3:::b/x"), principal: None, context: &open };
    assert_eq!(resource.evaluate(&request), Verdict::Unknown);
}

/// A Deny that hangs on an unknown key beside nothing that allows: denied either way.
#[test]
fn denied_either_way() {
    let deny = json!({"Effect": "Deny", "Action": "*", "Condition": {"StringEquals": {"k": "a"}}});
    let open = MapContext::new().with_unknown("k");
    assert_eq!(ask(&document(&json!([deny])), &open), Verdict::ImplicitlyDenied);
    assert_eq!(ask(&document(&json!([deny, allow(&json!({}))])), &open), Verdict::Unknown);
    let only_a = allow(&json!({"StringEquals": {"k": "a"}}));
    assert_eq!(ask(&document(&json!([deny, only_a])), &open), Verdict::ImplicitlyDenied);
    let other = json!({"Effect": "Deny", "Action": "other:*", "Condition": {"StringNotEquals": {"k": "z"}}});
    assert_eq!(ask(&document(&json!([other, only_a])), &open), Verdict::Unknown);
}

/// So many states as can be tried are tried; one more, and it stays unknown.
#[test]
fn too_many_states_stay_unknown() {
    let halves = |keys: usize| {
        let mut statements = Vec::new();
        for (operator, effect) in [("StringEquals", "a"), ("StringNotEquals", "a")] {
            statements.push(allow(&json!({operator: {"k0": effect}})));
        }
        let more: serde_json::Map<String, Value> = (1..keys).map(|key| (format!("k{key}"), json!("a"))).collect();
        statements.push(allow(&json!({"StringEquals": more})));
        document(&json!(statements))
    };
    let open = MapContext::new().unknown_by_default();
    // A key is absent, the value, or another: three states. 3^7 is tried, 3^8 is not.
    assert_eq!(ask(&halves(7), &open), Verdict::Allowed);
    assert_eq!(ask(&halves(8), &open), Verdict::Unknown);
    // Of a key that is there, two: 2^12 is just what is tried.
    let present =
        |keys: usize| (0..keys).fold(MapContext::new(), |context, key| context.with_present(&format!("k{key}")));
    assert_eq!(ask(&halves(12), &present(12)), Verdict::Allowed);
    assert_eq!(ask(&halves(13), &present(13)), Verdict::Unknown);
    let atoms = |count: usize| {
        let values: Vec<String> = (0..count).map(|value| format!("v{value}")).collect();
        document(&json!([
            allow(&json!({"StringEquals": {"k": values}})),
            allow(&json!({"StringNotEquals": {"k": values}})),
        ]))
    };
    assert_eq!(ask(&atoms(10), &open), Verdict::Allowed);
    assert_eq!(ask(&atoms(11), &open), Verdict::Unknown);
}

/// Texts compared without regard to case are tried in every spelling, up to six letters.
#[test]
fn spellings_of_an_unknown_text() {
    let open = MapContext::new().with_unknown("k");
    let both = |folded: &str, exact: &str| {
        document(&allow(&json!({"StringEqualsIgnoreCase": {"k": folded}, "StringEquals": {"k": exact}})))
    };
    assert_eq!(ask(&both("Ab1", "aB1"), &open), Verdict::Unknown);
    assert_eq!(ask(&both("Ab1", "aC1"), &open), Verdict::ImplicitlyDenied);
    assert_eq!(ask(&both("abcdef", "ABCDEF"), &open), Verdict::Unknown);
    // Another spelling than the one that is ruled out, or that a pattern asks for.
    let but = |folded: &str, operator: &str, other: &str| {
        document(&allow(&json!({"StringEqualsIgnoreCase": {"k": folded}, operator: {"k": other}})))
    };
    assert_eq!(ask(&but("a", "StringNotEquals", "a"), &open), Verdict::Unknown);
    assert_eq!(ask(&but("\u{e9}", "StringNotEquals", "\u{e9}"), &open), Verdict::Unknown);
    assert_eq!(ask(&but("a", "StringLike", "?b*"), &open), Verdict::ImplicitlyDenied);
    assert_eq!(ask(&but("a", "StringLike", "A*"), &open), Verdict::Unknown);
    let apart = allow(&json!({"StringEquals": {"k": "abcdefgh"}, "StringLike": {"k": "b*"}}));
    assert_eq!(ask(&document(&apart), &open), Verdict::ImplicitlyDenied);
    let covered = |text: &str| {
        document(&json!([
            allow(&json!({"StringEqualsIgnoreCase": {"k": text}})),
            allow(&json!({"StringNotEqualsIgnoreCase": {"k": text}})),
        ]))
    };
    assert_eq!(ask(&covered("abcdef"), &open), Verdict::Allowed);
    assert_eq!(ask(&covered("abcdefgh"), &open), Verdict::Allowed);
    assert_eq!(ask(&covered("\u{e9}"), &open), Verdict::Allowed);
}

#[test]
fn reports_show_every_element() {
    let document = document(&json!([
        {"Sid": "first", "Effect": "Deny", "Action": "s:Other", "Principal": {"AWS": "111122223333"}},
        {"Effect": "Allow", "Action": "s:Act", "Principal": {"Service": "x"}, "Resource": "arn:a", "Condition": {
            "StringEquals": {"one": "a", "gone": "a"},
            "ForAnyValue:StringLike": {"many": ["c*"]},
            "Bool": {"open": "true"},
        }},
    ]));
    let context =
        MapContext::new().with("one", "a").with_absent("gone").with_many("many", ["a", "b"]).with_unknown("open");
    let principal = Some(Principal::Service("x"));
    let request = Request { action: "s:Act", resource: Some("arn:b"), principal, context: &context };
    let reports = document.explain(&request);
    assert_eq!(reports.iter().map(|report| report.index).collect::<Vec<_>>(), [0, 1]);
    assert_eq!((reports[0].principal, reports[0].action), (Truth::False, Truth::False));
    assert_eq!(reports[0].statement.sid.as_deref(), Some("first"));
    let second = &reports[1];
    assert_eq!((second.principal, second.action, second.resource), (Truth::True, Truth::True, Truth::False));
    assert_eq!(second.applies(), Truth::False);
    let failed: Vec<_> = second.failed().map(|failed| (&*failed.condition.key, failed.found)).collect();
    let many: Vec<Box<str>> = vec!["a".into(), "b".into()];
    assert_eq!(failed, [("many", Found::Values(Values::Many(&many))), ("gone", Found::Absent)]);
    let undecided: Vec<_> = second.undecided().map(|report| (report.operator().base, report.found)).collect();
    assert_eq!(undecided, [(BaseOperator::Bool, Found::Unknown)]);
    assert_eq!(Values::Many(&many).iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(Values::One("a").iter().collect::<Vec<_>>(), ["a"]);
    assert_eq!(document.with_effect(Effect::Deny).count(), 1);
    assert_eq!(document.with_effect(Effect::Allow).next(), Some(&document.statements[1]));
    let account = PrincipalEntry::Aws(AwsPrincipal::Account("111122223333".into()));
    assert_eq!(document.statements[0].principals.entries(), [account]);
}

#[test]
fn places_for_commands_that_edit() {
    assert_eq!(document(&json!([allow(&json!({})), allow(&json!({}))])).jq_path(1), ".Statement[1]");
    assert_eq!(document(&allow(&json!({}))).jq_path(0), ".Statement");
}

/// Conditions that compare sets are one and the same only where operator and values are.
#[test]
fn sets_of_an_unknown_key() {
    let open = MapContext::new().with_unknown("k");
    for (allowing, denying, expected) in [
        (
            json!({"ForAnyValue:StringEquals": {"k": "a"}}),
            json!({"ForAnyValue:StringEquals": {"k": "b"}}),
            Verdict::Unknown,
        ),
        (
            json!({"ForAnyValue:StringEquals": {"k": "a"}}),
            json!({"ForAllValues:StringEquals": {"k": "a"}}),
            Verdict::Unknown,
        ),
        (
            json!({"ForAnyValue:StringEquals": {"k": "a"}}),
            json!({"foranyvalue:stringequals": {"k": "a"}}),
            Verdict::ImplicitlyDenied,
        ),
    ] {
        let deny = json!({"Effect": "Deny", "Action": "*", "Condition": denying});
        assert_eq!(ask(&document(&json!([allow(&allowing), deny])), &open), expected, "{allowing} {denying}");
    }
}

/// Variables count after the fifth colon of a resource only, and stand beside wildcards.
#[test]
fn variables_in_resources_and_texts() {
    let context = MapContext::new().with("v", "x").with("name", "ALICE");
    for (resource, asked, expected) in [
        ("arn:aws:s3:::b/${v}", "arn:aws:s3:::b/x", true),
        ("arn:aws:s3:::b?/*${v}", "arn:aws:s3:::b1/yx", true),
        ("arn:aws:s3:::b?/*${v}", "arn:aws:s3:::b/yx", false),
        ("arn:aws:s3:${v}::b/${v}", "arn:aws:s3:x::b/x", false),
        ("arn:aws:s3:${v}::b/${v}", "arn:aws:s3:${v}::b/x", true),
        ("arn:aws:s3:${v}::b/*", "arn:aws:s3:x::b/x", false),
        ("arn:aws:s3:${v}::b/*", "arn:aws:s3:${v}::b/x", true),
        ("arn:aws:s3", "arn:aws:s3:::b/x", true),
        ("arn:aws:s3", "arn:aws:s3:x:y", false),
        ("arn:aws:s3:${v}", "arn:aws:s3:x::b/x", false),
        ("arn:aws:s3:${v}", "arn:aws:s3:${v}::b/x", true),
    ] {
        let document = document(&json!({"Effect": "Allow", "Action": "*", "Resource": resource}));
        let request = Request { action: "s3:Get", resource: Some(asked), principal: None, context: &context };
        let expected = if expected { Verdict::Allowed } else { Verdict::ImplicitlyDenied };
        assert_eq!(document.evaluate(&request), expected, "{resource}, asked for {asked}");
    }
    let context = context.with("k", "a-Alice");
    for (operator, value, expected) in [
        ("StringEqualsIgnoreCase", "A-${name}", Truth::True),
        ("StringEquals", "a-${name}", Truth::False),
        ("StringLike", "?-${k}", Truth::False),
        ("StringLike", "?${none, '-A'}*", Truth::True),
        ("StringEquals", "?${none, '-A'}*", Truth::False),
    ] {
        assert_eq!(holds(operator, &json!(value), &context), expected, "{operator} {value}");
    }
}
