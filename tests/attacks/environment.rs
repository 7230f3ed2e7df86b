//! Variables by which a pod hides a chain that is certainly broken: docs/environment.md has what each does.

use serde_json::{Value, json};

use crate::answers::{GONE, Ground, created, decision, pod};

fn ask(variables: &[(&str, &str)]) -> Value {
    let variables: Vec<Value> = variables.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    Ground::new(&json!({"rolecall.dev/enforce": "chain"}), &json!({}), "warn: strict")
        .ask(&created(&pod(&variables.into(), &json!({}))))
}

/// None of these keeps STS from being asked for the role that does not exist.
#[test]
fn variables_that_change_nothing_hide_nothing() {
    let role = ("AWS_ROLE_ARN", GONE);
    for name in [
        "AWS_SESSION_TOKEN",
        "AWS_CREDENTIAL_EXPIRATION",
        "AWS_ROLE_SESSION_NAME",
        "AWS_STS_REGIONAL_ENDPOINTS",
        "AWS_USE_FIPS_ENDPOINT",
        "AWS_USE_DUALSTACK_ENDPOINT",
        "AWS_CA_BUNDLE",
        "AWS_SDK_LOAD_CONFIG",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ACCESS_KEY_ID",
        "AWS_REGION",
        "https_proxy",
        "HTTPS_PROXY",
        "no_proxy",
        "aws_role_arn",
        "aws_endpoint_url_sts",
    ] {
        for value in ["", "true", "http://localhost:9911/"] {
            let response = ask(&[role, (name, value)]);
            assert_eq!(decision(&response), "deny", "{name}={value}: {response}");
        }
    }
}

#[test]
fn an_endpoint_that_is_not_used_hides_nothing() {
    let (aws, other) = ("https://sts.us-west-2.amazonaws.com", "https://sts.attacker.example");
    let role = ("AWS_ROLE_ARN", GONE);
    for variables in [
        vec![("AWS_ENDPOINT_URL", other), ("AWS_ENDPOINT_URL_STS", aws)],
        vec![("AWS_ENDPOINT_URL_STS", other), ("AWS_ENDPOINT_URL_STS", aws)],
        vec![("AWS_ENDPOINT_URL_STS", other), ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")],
        vec![("AWS_ENDPOINT_URL", other), ("T", "tr"), ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "$(T)ue")],
        vec![("HOST", "sts.us-west-2.amazonaws.com"), ("AWS_ENDPOINT_URL_STS", "https://$(HOST)")],
        vec![("AWS_ENDPOINT_URL_STS", aws), ("AWS_ENDPOINT_URL_S3", other)],
    ] {
        let response = ask(&[&variables[..], &[role]].concat());
        assert_eq!(decision(&response), "deny", "{variables:?}: {response}");
    }
}

/// Another STS may take the role: it is not denied, and it is said.
#[test]
fn an_endpoint_that_may_work_has_a_finding() {
    let role = ("AWS_ROLE_ARN", GONE);
    for variable in [
        ("AWS_ENDPOINT_URL_STS", "https://sts.minio.svc"),
        ("AWS_ENDPOINT_URL", "https://sts.minio.svc"),
        ("AWS_ENDPOINT_URL_STS", "https://$(STS_HOST)"),
    ] {
        let response = ask(&[variable, role]);
        assert_eq!(decision(&response), "warn", "{variable:?}: {response}");
        assert_eq!(response["auditAnnotations"]["rules"], "identity-undecided", "{variable:?}");
    }
}

#[test]
fn a_role_in_pieces_is_put_together() {
    for (variables, expected) in [
        (vec![("ACCOUNT", "111122223333"), ("AWS_ROLE_ARN", "arn:aws:iam::$(ACCOUNT):role/absent")], "deny"),
        (vec![("A", "arn:aws:iam::111122223333"), ("B", ":role/absent"), ("AWS_ROLE_ARN", "$(A)$(B)")], "deny"),
        (vec![("A", "$(B)"), ("B", GONE), ("AWS_ROLE_ARN", "$(B)")], "deny"),
        // `$(B)` stands before B: a Service may define it, and rolecall cannot tell.
        (vec![("A", "$(B)"), ("B", GONE), ("AWS_ROLE_ARN", "$(A)")], "warn"),
        (vec![("AWS_ROLE_ARN", "arn:aws:iam::$(ACCOUNT):role/absent")], "warn"),
        (vec![("ACCOUNT", "111122223333"), ("AWS_ROLE_ARN", "arn:aws:iam::$$(ACCOUNT):role/absent")], "deny"),
    ] {
        let response = ask(&variables);
        assert_eq!(decision(&response), expected, "{variables:?}: {response}");
        if expected == "warn" {
            assert_eq!(response["auditAnnotations"]["rules"], "identity-undecided", "{response}");
        }
    }
}

/// References that double at each step, and one name thousands of times: neither costs more than the pod is long.
#[test]
fn references_cost_little() {
    let mut variables: Vec<Value> = vec![json!({"name": "V0", "value": "x".repeat(1000)})];
    variables.extend(
        (1..2_000).map(|step| json!({"name": format!("V{step}"), "value": format!("$(V{0})$(V{0})$(V{0})", step - 1)})),
    );
    variables.extend((0..20_000).map(|_| json!({"name": "AWS_ROLE_ARN", "value": "$(V1999)"})));
    let review = created(&pod(&variables.into(), &json!({})));
    let started = std::time::Instant::now();
    let response = Ground::enforcing(&json!({}), "").ask(&review);
    assert_ne!(decision(&response), "deny", "{response}");
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}
