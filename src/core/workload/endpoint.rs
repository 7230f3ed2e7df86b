//! Endpoints that a container's SDK is configured with: AWS's own, or those of a store that speaks the same API, such as
//! MinIO or Ceph (AWS SDKs and Tools Reference Guide, "Service-specific endpoints").

use super::object::{Container, EnvVar};
use super::text::Text;

/// Domains of AWS's service endpoints in all partitions (AWS General Reference, "AWS service endpoints").
const AWS_DOMAINS: [&str; 9] = [
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "api.aws",
    "api.amazonwebservices.com.cn",
    "api.amazonwebservices.eu",
    "c2s.ic.gov",
    "sc2s.sgov.gov",
    "csp.hci.ic.gov",
];

/// Turns all `AWS_ENDPOINT_URL` variables off.
const IGNORE_ENDPOINTS: &str = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";

/// What a variable or an argument says about an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint<'a> {
    /// Not one of AWS's: another store, or a private name for AWS.
    Other(&'a str),
    /// It comes from an object that is not read.
    Unknown,
}

/// The endpoint that takes the place of an AWS service, where `is_service` accepts the variable's part behind
/// `AWS_ENDPOINT_URL`: empty, or `_S3` and the like. `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true` turns all of them off.
pub fn configured_endpoint<'a>(
    container: &'a Container<'_>,
    is_service: impl Fn(&str) -> bool,
) -> Option<Endpoint<'a>> {
    if ignores_configured_endpoints(container) {
        return None;
    }
    let variables = container.env.iter();
    let named =
        variables.filter(|variable| variable.name.as_str().strip_prefix("AWS_ENDPOINT_URL").is_some_and(&is_service));
    named.filter_map(of_variable).last()
}

/// The endpoint of another store that the container is given, by a variable such as `AWS_ENDPOINT_URL_S3` or
/// `MLFLOW_S3_ENDPOINT_URL`, or by an argument such as `--endpoint http://minio:9000`.
pub fn other_store<'a>(container: &'a Container<'_>) -> Option<Endpoint<'a>> {
    let ignored = ignores_configured_endpoints(container);
    let variables = container.env.iter().filter(|variable| {
        let name = variable.name.as_str();
        name != IGNORE_ENDPOINTS && names_endpoint(name) && !(ignored && name.starts_with("AWS_ENDPOINT_URL"))
    });
    variables
        .filter_map(of_variable)
        .next()
        .or_else(|| in_arguments(container.command.iter().chain(&container.args).map(Text::as_str)))
}

fn ignores_configured_endpoints(container: &Container<'_>) -> bool {
    let mut variables = container.env.iter().rev();
    let found = variables.find(|variable| variable.name.as_str() == IGNORE_ENDPOINTS);
    found.and_then(|variable| variable.value.as_ref()).is_some_and(|value| value.as_str().eq_ignore_ascii_case("true"))
}

fn of_variable<'a>(variable: &'a EnvVar<'_>) -> Option<Endpoint<'a>> {
    let value = variable.value.as_ref().map_or("", Text::as_str);
    if variable.value_from.is_some() || value.contains("$(") {
        Some(Endpoint::Unknown)
    } else {
        (!value.is_empty() && !is_aws(value)).then_some(Endpoint::Other(value))
    }
}

/// `AWS_ENDPOINT_URL`, `S3_ENDPOINT`, `MLFLOW_S3_ENDPOINT_URL`, `MINIO_ADDRESS`.
fn names_endpoint(name: &str) -> bool {
    let has = |words: &[&str]| name.split('_').any(|word| words.contains(&word));
    (has(&["ENDPOINT", "ENDPOINTS"])
        && (name.starts_with("AWS_") || has(&["S3", "MINIO"]) || super::needs::names_service(name)))
        || (name.starts_with("MINIO_") && has(&["ADDRESS", "HOST", "URL", "SERVER"]))
}

/// `--endpoint URL`, `--s3-endpoint=URL`, also inside of a shell's one argument.
fn in_arguments<'a>(arguments: impl Iterator<Item = &'a str>) -> Option<Endpoint<'a>> {
    let words = arguments.flat_map(|argument| argument.split([' ', '\t', '\n', '"', '\'']));
    let mut words = words.filter(|word| !word.is_empty()).peekable();
    while let Some(word) = words.next() {
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) => (flag, Some(value)),
            None => (word, words.peek().copied()),
        };
        let is_flag = flag.starts_with('-') && flag.to_ascii_lowercase().contains("endpoint");
        if let Some(value) = value.filter(|value| is_flag && value.contains("://") && !is_aws(value)) {
            return Some(Endpoint::Other(value));
        }
    }
    None
}

/// Whether an address is one of AWS's: by the end of its host's name.
fn is_aws(address: &str) -> bool {
    let host = address.split_once("://").map_or(address, |(_, rest)| rest);
    let host = host.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = host.split(':').next().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    AWS_DOMAINS.iter().any(|domain| host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_hosts_of_aws_by_their_end() {
        for address in [
            "https://s3.us-west-2.amazonaws.com",
            "https://sts.cn-north-1.amazonaws.com.cn/",
            "bucket.s3.us-east-1.amazonaws.com:443",
            "https://vpce-1-2.sts.us-east-1.vpce.amazonaws.com",
            "https://dynamodb.us-east-1.api.aws/path",
            "https://STS.AMAZONAWS.COM.",
        ] {
            assert!(is_aws(address), "{address}");
        }
        for address in [
            "http://minio:9000",
            "http://minio/.amazonaws.com",
            "http://sts.amazonaws.com.evil.example",
            "http://sts.amazonaws.com@minio:9000",
            "http://minio?host=s3.amazonaws.com",
            "http://amazonaws.com.minio",
            "http://notamazonaws.com",
        ] {
            assert!(!is_aws(address), "{address}");
        }
    }

    #[test]
    fn finds_the_endpoint_of_another_store() {
        let container = |json: serde_json::Value| -> Option<String> {
            let text = json.to_string();
            let container: Container<'_> = serde_json::from_str(&text).unwrap();
            other_store(&container).map(|endpoint| match endpoint {
                Endpoint::Other(address) => address.to_owned(),
                Endpoint::Unknown => "?".to_owned(),
            })
        };
        let variable =
            |name: &str, value: &str| container(serde_json::json!({"env": [{"name": name, "value": value}]}));
        for name in
            ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "MLFLOW_S3_ENDPOINT_URL", "S3_ENDPOINT", "MINIO_ADDRESS"]
        {
            assert_eq!(variable(name, "http://minio:9000").as_deref(), Some("http://minio:9000"), "{name}");
            assert_eq!(variable(name, "https://s3.us-west-2.amazonaws.com"), None, "{name}");
        }
        assert_eq!(variable("HTTP_ENDPOINT", "http://shop:80"), None);
        assert_eq!(variable("AWS_REGION", "us-west-2"), None);
        let argued = |arguments: &[&str]| container(serde_json::json!({"args": arguments}));
        assert_eq!(argued(&["--endpoint", "http://minio:9000"]).as_deref(), Some("http://minio:9000"));
        assert_eq!(argued(&["--s3.endpoint=http://minio:9000"]).as_deref(), Some("http://minio:9000"));
        assert_eq!(argued(&["aws --endpoint-url http://minio:9000 s3 ls"]).as_deref(), Some("http://minio:9000"));
        assert_eq!(argued(&["--endpoint", "https://s3.us-west-2.amazonaws.com"]), None);
        assert_eq!(argued(&["--server", "http://minio:9000"]), None);
        let elsewhere = serde_json::json!({"env": [{"name": "S3_ENDPOINT", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]});
        assert_eq!(container(elsewhere).as_deref(), Some("?"));
    }
}
