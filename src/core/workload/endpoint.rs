//! Endpoints that a container's SDK is configured with: AWS's own, or those of a store that speaks the same API, such as
//! MinIO or Ceph (AWS SDKs and Tools Reference Guide, "Service-specific endpoints").

use std::borrow::Cow;

use super::expand::literal as expanded_value;
use super::object::{Container, EnvVar};
use super::text::Text;

/// Domains of AWS's service endpoints in all partitions (AWS General Reference, "AWS service endpoints").
pub(super) const AWS_DOMAINS: [&str; 9] = [
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint<'a> {
    /// Not one of AWS's: another store, or a private name for AWS.
    Other(Cow<'a, str>),
    /// It comes from an object or a variable that is not read.
    Unknown,
}

/// The endpoint that takes the place of AWS's for a service, such as `_STS`: of its own variable, else of `AWS_ENDPOINT_URL`.
/// `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true` turns all of them off.
pub fn configured_endpoint<'a>(container: &'a Container<'_>, service: &str) -> Option<Endpoint<'a>> {
    if !container.env.iter().any(|variable| variable.name.as_str().starts_with("AWS_ENDPOINT_URL"))
        || ignores_configured_endpoints(container)
    {
        return None;
    }
    // Of a name that stands twice the last counts; an empty one counts as not set.
    let last = |service: &str| {
        let is_it = |variable: &EnvVar<'_>| variable.name.as_str().strip_prefix("AWS_ENDPOINT_URL") == Some(service);
        let index = container.env.iter().rposition(is_it)?;
        let text = expanded_value(&container.env, index);
        (text.as_deref() != Some("")).then_some(text)
    };
    let text = last(service).or_else(|| last(""))?;
    of_text(text)
}

/// The endpoint of another store that the container is given, by a variable such as `AWS_ENDPOINT_URL_S3` or
/// `MLFLOW_S3_ENDPOINT_URL`, or by an argument such as `--endpoint http://minio:9000`.
pub fn other_store<'a>(container: &'a Container<'_>) -> Option<Endpoint<'a>> {
    let ignored = ignores_configured_endpoints(container);
    let variables = container.env.iter().enumerate().filter(|(_, variable)| {
        let name = variable.name.as_str();
        name != IGNORE_ENDPOINTS && names_endpoint(name) && !(ignored && name.starts_with("AWS_ENDPOINT_URL"))
    });
    variables
        .take(MAX_ENDPOINTS)
        .filter_map(|(index, variable)| of_variable(variable.name.as_str(), expanded_value(&container.env, index)))
        .next()
        .or_else(|| in_arguments(container.command.iter().chain(&container.args).map(Text::as_str)))
}

/// Services whose calls go to another endpoint than AWS's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Elsewhere {
    /// Every service: `AWS_ENDPOINT_URL`, or a stand-in for AWS.
    pub all: bool,
    /// Words in the names of the variables: `S3`, `DYNAMODB`, ….
    services: Vec<&'static str>,
    /// The same, where the endpoint comes from an object that is not read: it may be AWS's.
    unknown: Vec<&'static str>,
}

impl Elsewhere {
    /// Of a container's variables and arguments.
    pub(super) fn of(container: &Container<'_>) -> Self {
        let mut elsewhere = Self::default();
        let ignored = ignores_configured_endpoints(container);
        let variables = container.env.iter().enumerate().filter(|(_, variable)| {
            let name = variable.name.as_str();
            name != IGNORE_ENDPOINTS && names_endpoint(name) && !(ignored && name.starts_with("AWS_ENDPOINT_URL"))
        });
        for (index, variable) in variables.take(MAX_ENDPOINTS) {
            let name = variable.name.as_str();
            match of_variable(name, expanded_value(&container.env, index)) {
                Some(Endpoint::Other(address)) => elsewhere.add(name, &address),
                Some(Endpoint::Unknown) => elsewhere.unknown.extend(served(name)),
                None => {}
            }
        }
        let arguments = container.command.iter().chain(&container.args).map(Text::as_str);
        if let Some(Endpoint::Other(address)) = in_arguments(arguments) {
            elsewhere.add("S3_ENDPOINT", &address);
        }
        let values = container.env.iter().filter_map(|variable| variable.value.as_ref()).map(Text::as_str);
        let values = values.filter(|value| value.contains("ndpoint"));
        for address in values.take(MAX_ENDPOINTS).filter_map(in_value) {
            elsewhere.add("S3_ENDPOINT", &address);
        }
        elsewhere
    }

    /// Adds services that are called with keys of the container's own.
    pub(super) fn add_keys(&mut self, keys: &super::needs::OwnKeys) {
        self.services.extend(&keys.services);
    }

    /// Adds the endpoint that a variable names.
    pub(super) fn add(&mut self, name: &str, address: &str) {
        self.all |= name == "AWS_ENDPOINT_URL" || is_stand_in(address);
        self.services.extend(served(name));
    }

    /// Whether one is a store that speaks S3's language.
    pub(super) fn has_store(&self) -> bool {
        self.all || self.services.contains(&"S3")
    }

    /// The same, also where that is not known. A variable of AWS's own name is for all of its services.
    pub(super) fn may_take(&self, variable: &str) -> bool {
        let mut named = super::needs::services_in(variable).peekable();
        match named.peek() {
            Some(_) if !variable.starts_with("AWS_") => {
                named.all(|service| self.services.contains(&service) || self.unknown.contains(&service))
            }
            _ => !variable.starts_with("AWS_") && !self.unknown.is_empty(),
        }
    }

    /// Whether a variable is about a service whose calls go elsewhere. One that names none, such as `AWS_REGION`, is for these services
    /// where there are any.
    pub(super) fn takes(&self, variable: &str) -> bool {
        let mut named = super::needs::services_in(variable).peekable();
        if self.all {
            return true;
        }
        match named.peek() {
            Some(_) => named.all(|service| self.services.contains(&service)),
            None => !self.services.is_empty(),
        }
    }
}

/// The services whose endpoint a variable names. What names no other one is of a store: `MINIO_HOST`, `AWS_ENDPOINT`.
fn served(name: &str) -> Vec<&'static str> {
    let others: Vec<&'static str> = super::needs::services_in(name).filter(|service| *service != "S3").collect();
    if others.is_empty() { vec!["S3"] } else { others }
}

/// Whether an address is that of a program that stands in for all of AWS: LocalStack, its port (LocalStack, "Configuration"), or Moto.
fn is_stand_in(address: &str) -> bool {
    let host = address.split_once("://").map_or(address, |(_, rest)| rest);
    let host = host.split(['/', '?', '#']).next().unwrap_or_default();
    host.contains("localstack") || host.ends_with(":4566") || host.starts_with("moto")
}

/// Whether a text is the URL of a server that is not one of AWS's: nothing is signed there for AWS.
pub(super) fn is_url_elsewhere(text: &str) -> bool {
    let text = text.trim();
    (text.starts_with("http://") || text.starts_with("https://")) && !text.contains("$(") && !is_aws(text)
}

/// Most variables whose references are followed in search of another store.
const MAX_ENDPOINTS: usize = 8;

fn ignores_configured_endpoints(container: &Container<'_>) -> bool {
    let index = container.env.iter().rposition(|variable| variable.name.as_str() == IGNORE_ENDPOINTS);
    let text = index.and_then(|index| expanded_value(&container.env, index));
    text.is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

fn of_text(text: Option<Cow<'_, str>>) -> Option<Endpoint<'_>> {
    match text {
        None => Some(Endpoint::Unknown),
        Some(text) => (is_server(&text) && !is_aws(&text)).then_some(Endpoint::Other(text)),
    }
}

/// The same, where the variable may name a host of the cluster in one word: `S3_HOST=minio`.
fn of_variable<'a>(name: &str, text: Option<Cow<'a, str>>) -> Option<Endpoint<'a>> {
    match text {
        Some(text) if names_host(name) && is_host_of_cluster(&text) => Some(Endpoint::Other(text)),
        text => of_text(text),
    }
}

/// Whether a variable of a ConfigMap names the endpoint of another store.
pub(super) fn names_other_store(name: &str, value: &str) -> bool {
    names_endpoint(name) && matches!(of_variable(name, Some(Cow::Borrowed(value))), Some(Endpoint::Other(_)))
}

fn names_host(name: &str) -> bool {
    words(name).any(|word| {
        ["HOST", "HOSTNAME", "ADDRESS", "SERVER"].iter().any(|known| word.eq_ignore_ascii_case(known))
            || ends_with_folded(word, "ENDPOINT")
    })
}

/// The name of a Service, and no switch, number or region.
fn is_host_of_cluster(text: &str) -> bool {
    let is_label = text.len() <= 63 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_switch = ["true", "false", "s3", "aws", "none", "yes", "no", "default"].contains(&text);
    is_label && !is_switch && text.bytes().any(|byte| byte.is_ascii_lowercase()) && !super::needs::is_region(text)
}

fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(['_', '.', '-'])
}

fn ends_with_folded(word: &str, end: &str) -> bool {
    word.len().checked_sub(end.len()).and_then(|at| word.get(at..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

/// Stores that speak S3's language, and what variables call them and their contents.
const STORES: [&str; 6] = ["S3", "MINIO", "CEPH", "BUCKET", "STORAGE", "OBJECTSTORE"];

/// `AWS_ENDPOINT_URL`, `S3_ENDPOINT`, `MLFLOW_S3_ENDPOINT_URL`, `REGISTRY_STORAGE_S3_REGIONENDPOINT`, `MINIO_ADDRESS`.
fn names_endpoint(name: &str) -> bool {
    let has = |known: &[&str]| words(name).any(|word| known.iter().any(|known| word.eq_ignore_ascii_case(known)));
    let starts_with = |start: &str| name.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start));
    let is_endpoint = words(name).any(|word| ends_with_folded(word, "ENDPOINT") || ends_with_folded(word, "ENDPOINTS"));
    let is_store = has(&STORES) || starts_with("S3");
    (is_endpoint && (is_store || starts_with("AWS_") || super::needs::names_service(name)))
        || matches!(name, "ENDPOINT_URL" | "AWS_HOST")
        || (is_store && has(&["ADDRESS", "HOST", "HOSTNAME", "URL", "SERVER"]))
}

/// Whether a text is the address of a server: `http://HOST`, `HOST:PORT` or `HOST.DOMAIN`, and no `s3://BUCKET`.
fn is_server(text: &str) -> bool {
    match text.split_once("://") {
        Some((scheme, _)) => matches!(scheme, "http" | "https"),
        None => text.contains([':', '.']) && !text.starts_with('-') && !text.contains(' '),
    }
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
        let flag = flag.to_ascii_lowercase();
        // A property stands without dashes, as in `--conf spark.hadoop.fs.s3a.endpoint=http://minio:9000`.
        let is_property = ["s3", "aws", "minio"].iter().any(|part| flag.contains(part));
        let is_of_telemetry = ["otlp", "otel", "tracing", "zipkin", "jaeger"].iter().any(|part| flag.contains(part));
        let is_flag = !is_of_telemetry
            && (flag.starts_with('-') || is_property)
            && (flag.contains("endpoint") || flag.contains("s3-url"));
        if let Some(value) = value.filter(|value| is_flag && is_server(value) && !is_aws(value)) {
            return Some(Endpoint::Other(Cow::Borrowed(value)));
        }
        if let Some(address) = in_query(word) {
            return Some(Endpoint::Other(address));
        }
        // restic's form of a repository.
        if let Some(address) = word.strip_prefix("s3:").filter(|rest| rest.starts_with("http") && !is_aws(rest)) {
            return Some(Endpoint::Other(Cow::Borrowed(address)));
        }
    }
    None
}

/// The endpoint of another store in the value of a variable: `-Dfs.s3a.endpoint=http://minio:9000`, `s3.endpoint: http://minio:9000`, or in
/// the query of a URL.
fn in_value(value: &str) -> Option<Cow<'_, str>> {
    let words = value.split([' ', '\t', '\n', '"', '\'', ',']);
    let mut words = words.filter(|word| !matches!(*word, "" | ":" | "=")).peekable();
    while let Some(word) = words.next() {
        if let Some(address) = in_query(word) {
            return Some(address);
        }
        let (setting, value) = match word.split_once('=') {
            Some((setting, value)) => (setting, Some(value)),
            None => (word, words.peek().copied()),
        };
        let setting = setting.to_ascii_lowercase();
        let is_of_store = ["s3", "aws", "minio", "endpoint_url"].iter().any(|part| setting.contains(part));
        let value = value.filter(|value| setting.contains("endpoint") && is_of_store && is_server(value));
        if let Some(value) = value.filter(|value| !is_aws(value) && !value.contains('?')) {
            return Some(Cow::Borrowed(value));
        }
    }
    None
}

/// The endpoint in the query of a URL: `s3://bucket?endpoint=minio:9000`, `aws://?endpoint_url=http%3A%2F%2Fminio%3A9000`.
fn in_query(word: &str) -> Option<Cow<'_, str>> {
    let (_, query) = word.split_once("://")?.1.split_once('?')?;
    query.split('&').find_map(|part| {
        let (name, value) = part.split_once('=')?;
        let value = if value.contains('%') {
            Cow::Owned(value.replace("%3A", ":").replace("%3a", ":").replace("%2F", "/").replace("%2f", "/"))
        } else {
            Cow::Borrowed(value)
        };
        let is_other = name.to_ascii_lowercase().contains("endpoint") && is_server(&value) && !is_aws(&value);
        is_other.then_some(value)
    })
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
                Endpoint::Other(address) => address.into_owned(),
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
        for name in
            ["REGISTRY_STORAGE_S3_REGIONENDPOINT", "S3_URL", "S3_HOST", "S3ENDPOINT", "CEPH_ENDPOINT", "ENDPOINT_URL"]
        {
            assert_eq!(variable(name, "minio:9000").as_deref(), Some("minio:9000"), "{name}");
        }
        assert_eq!(variable("S3_URL", "s3://bucket/key"), None);
        assert_eq!(variable("S3_HOST", "s3.us-west-2.amazonaws.com"), None);
        let argued = |arguments: &[&str]| container(serde_json::json!({"args": arguments}));
        assert_eq!(argued(&["--endpoint", "http://minio:9000"]).as_deref(), Some("http://minio:9000"));
        assert_eq!(argued(&["--s3.endpoint=http://minio:9000"]).as_deref(), Some("http://minio:9000"));
        assert_eq!(argued(&["aws --endpoint-url http://minio:9000 s3 ls"]).as_deref(), Some("http://minio:9000"));
        assert_eq!(argued(&["--endpoint", "https://s3.us-west-2.amazonaws.com"]), None);
        assert_eq!(argued(&["--server", "http://minio:9000"]), None);
        assert_eq!(argued(&["--s3.endpoint=minio:9000"]).as_deref(), Some("minio:9000"));
        assert_eq!(argued(&["--endpoint", "--verbose"]), None);
        assert_eq!(argued(&["--otlp-endpoint=http://collector:4317"]), None);
        assert_eq!(argued(&["s3://x?endpoint=http%3A%2F%2Fminio%3A9000"]).as_deref(), Some("http://minio:9000"));
        let value = |text: &str| in_value(text).map(Cow::into_owned);
        assert_eq!(value("a=b -Dfs.s3a.endpoint=http://minio:9000").as_deref(), Some("http://minio:9000"));
        assert_eq!(value("x: y\ns3.endpoint: minio:9000").as_deref(), Some("minio:9000"));
        assert_eq!(value("-Dotel.exporter.otlp.endpoint=http://collector:4317"), None);
        assert_eq!(value(r#"{"endpoint_url": "https://s3.us-west-2.amazonaws.com"}"#), None);
        assert_eq!(argued(&["-r", "s3:http://minio:9000/x"]).as_deref(), Some("http://minio:9000/x"));
        assert_eq!(argued(&["-r", "s3:https://s3.amazonaws.com/x"]), None);
        let elsewhere = serde_json::json!({"env": [{"name": "S3_ENDPOINT", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]});
        assert_eq!(container(elsewhere).as_deref(), Some("?"));
    }

    #[test]
    fn the_endpoint_of_sts_is_the_one_that_counts() {
        let sts = |env: &[(&str, &str)]| -> Option<String> {
            let env: Vec<serde_json::Value> =
                env.iter().map(|(name, value)| serde_json::json!({"name": name, "value": value})).collect();
            let text = serde_json::json!({"env": env}).to_string();
            let container: Container<'_> = serde_json::from_str(&text).unwrap();
            configured_endpoint(&container, "_STS").map(|endpoint| match endpoint {
                Endpoint::Other(address) => address.into_owned(),
                Endpoint::Unknown => "?".to_owned(),
            })
        };
        let (own, all) = ("AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL");
        let (aws, minio) = ("https://sts.us-west-2.amazonaws.com", "http://minio:9000");
        for (env, expected) in [
            (vec![(own, minio)], Some(minio)),
            (vec![(all, minio)], Some(minio)),
            (vec![(all, minio), (own, aws)], None),
            (vec![(own, aws), (all, minio)], None),
            (vec![(all, minio), (own, "")], Some(minio)),
            (vec![(own, minio), (own, aws)], None),
            (vec![(own, aws), (own, minio)], Some(minio)),
            (vec![("HOST", "sts.us-west-2.amazonaws.com"), (own, "https://$(HOST)")], None),
            (vec![(own, "https://$(HOST)")], Some("?")),
            (vec![(own, minio), (IGNORE_ENDPOINTS, "true")], None),
            (vec![("ON", "true"), (own, minio), (IGNORE_ENDPOINTS, "$(ON)")], None),
            (vec![(own, minio), (IGNORE_ENDPOINTS, "true"), (IGNORE_ENDPOINTS, "false")], Some(minio)),
            (vec![("AWS_ENDPOINT_URL_S3", minio)], None),
        ] {
            assert_eq!(sts(&env).as_deref(), expected, "{env:?}");
        }
    }
}
