//! What fuzzing against the reference found.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

use rolecall_iam::{Document, MapContext, Request, Verdict};

fn verdict(condition: &str, context: &MapContext) -> Verdict {
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{condition}}}]}}"#
    );
    let document = Document::parse(&text).unwrap();
    document.evaluate(&Request { action: "s3:GetObject", resource: Some("arn:aws:s3:::b/k"), principal: None, context })
}

/// IAM User Guide, "IAM JSON policy elements: Condition operators": Boolean operators take policy variables.
#[test]
fn variables_are_replaced_under_boolean_operators() {
    let condition = r#"{"BoolIfExists":{"aws:PrincipalTag/team":["b*","${aws:PrincipalTag/team}"]}}"#;
    let team = |value: &str| MapContext::new().with("aws:PrincipalTag/team", value);
    assert_eq!(verdict(condition, &team("False")), Verdict::Allowed);
    assert_eq!(verdict(condition, &team("blue")), Verdict::ImplicitlyDenied, "neither is a truth value");
    let condition = r#"{"Bool":{"aws:SecureTransport":"${aws:PrincipalTag/secure}"}}"#;
    let secure = MapContext::new().with("aws:SecureTransport", "true");
    assert_eq!(verdict(condition, &secure.clone().with("aws:PrincipalTag/secure", "TRUE")), Verdict::Allowed);
    assert_eq!(verdict(condition, &secure.clone().with("aws:PrincipalTag/secure", "false")), Verdict::ImplicitlyDenied);
    assert_eq!(verdict(condition, &secure.clone().with_unknown("aws:PrincipalTag/secure")), Verdict::Unknown);
    assert_eq!(verdict(condition, &secure), Verdict::ImplicitlyDenied, "the variable has no value");
}
