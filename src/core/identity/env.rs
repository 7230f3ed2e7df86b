//! The environment variables that decide about credentials.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::workload::{Container, EnvVar};

/// The value of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// It stands in the manifest.
    Literal(&'a str),
    /// It comes from a Secret, a ConfigMap, a field, or another variable.
    Elsewhere,
    /// It comes from a Secret or ConfigMap that may be absent: the variable is then not set.
    Optional,
}

impl<'a> Value<'a> {
    /// Whether an SDK may see it as set: an empty text counts as not set.
    pub fn is_set(self) -> bool {
        self != Self::Literal("")
    }

    /// Whether an SDK will see it as set.
    pub fn is_certainly_set(self) -> bool {
        self.is_set() && self != Self::Optional
    }

    /// The text, where it is known.
    pub fn literal(self) -> Option<&'a str> {
        match self {
            Self::Literal(text) => Some(text),
            Self::Elsewhere | Self::Optional => None,
        }
    }
}

/// The variables that matter, as a container will have them; of a variable that stands twice, the last counts.
#[derive(Debug, Clone, Copy, Default)]
#[expect(missing_docs, reason = "each is the variable of that name")]
pub struct CredentialEnv<'a> {
    pub access_key_id: Option<Value<'a>>,
    pub secret_access_key: Option<Value<'a>>,
    pub role_arn: Option<Value<'a>>,
    pub token_file: Option<Value<'a>>,
    pub full_uri: Option<Value<'a>>,
    pub relative_uri: Option<Value<'a>>,
    pub authorization_token_file: Option<Value<'a>>,
    pub profile: Option<Value<'a>>,
    pub shared_credentials_file: Option<Value<'a>>,
    pub config_file: Option<Value<'a>>,
    pub region: Option<Value<'a>>,
    pub default_region: Option<Value<'a>>,
    pub sts_regional_endpoints: Option<Value<'a>>,
    pub http_proxy: Option<Value<'a>>,
    pub https_proxy: Option<Value<'a>>,
    pub no_proxy: Option<Value<'a>>,
    pub authorization_token: Option<Value<'a>>,
    pub ec2_metadata_disabled: Option<Value<'a>>,
    pub home: Option<Value<'a>>,
}

impl<'a> CredentialEnv<'a> {
    /// Reads a container's `env`; `envFrom` is not looked into.
    pub fn of(container: &'a Container<'_>) -> Self {
        let mut env = Self::default();
        for (index, variable) in container.env.iter().enumerate() {
            let Some(slot) = env.slot(variable.name.as_str()) else {
                continue;
            };
            *slot = Some(value(container.env.get(..index).unwrap_or_default(), variable));
        }
        env
    }

    fn slot(&mut self, name: &str) -> Option<&mut Option<Value<'a>>> {
        Some(match name {
            "AWS_ACCESS_KEY_ID" => &mut self.access_key_id,
            "AWS_SECRET_ACCESS_KEY" => &mut self.secret_access_key,
            "AWS_ROLE_ARN" => &mut self.role_arn,
            "AWS_WEB_IDENTITY_TOKEN_FILE" => &mut self.token_file,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI" => &mut self.full_uri,
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" => &mut self.relative_uri,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" => &mut self.authorization_token_file,
            "AWS_PROFILE" | "AWS_DEFAULT_PROFILE" => &mut self.profile,
            "AWS_SHARED_CREDENTIALS_FILE" => &mut self.shared_credentials_file,
            "AWS_CONFIG_FILE" => &mut self.config_file,
            "AWS_REGION" => &mut self.region,
            "AWS_DEFAULT_REGION" => &mut self.default_region,
            "AWS_STS_REGIONAL_ENDPOINTS" => &mut self.sts_regional_endpoints,
            "HTTP_PROXY" | "http_proxy" => &mut self.http_proxy,
            "HTTPS_PROXY" | "https_proxy" => &mut self.https_proxy,
            "NO_PROXY" | "no_proxy" => &mut self.no_proxy,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN" => &mut self.authorization_token,
            "AWS_EC2_METADATA_DISABLED" => &mut self.ec2_metadata_disabled,
            "HOME" => &mut self.home,
            _ => return None,
        })
    }

    /// Whether SDKs leave instance metadata alone (AWS SDKs and Tools Reference Guide, "IMDS credential provider").
    pub fn disables_metadata(&self) -> bool {
        let said = self.ec2_metadata_disabled.and_then(Value::literal).unwrap_or_default();
        said.eq_ignore_ascii_case("true")
    }

    /// Whether the credentials URI is that of the Pod Identity agent (Amazon EKS User Guide, "How EKS Pod Identity works").
    pub fn uses_agent(&self) -> bool {
        let uri = self.full_uri.and_then(Value::literal).unwrap_or_default();
        ["http://169.254.170.23/", "http://[fd00:ec2::23]/"].iter().any(|agent| uri.starts_with(agent))
    }

    /// Whether the agent's address is excepted from a proxy that is set; `None` where no proxy is set, or the exceptions
    /// cannot be seen. Returns the exceptions. The agent's URI is `http://`, so `HTTPS_PROXY` does not matter.
    pub fn proxied(&self) -> Option<&'a str> {
        if !self.http_proxy.is_some_and(Value::is_set) {
            return None;
        }
        let exceptions = match self.no_proxy {
            None => "",
            Some(value) => value.literal()?,
        };
        let (host, port) = host_and_port(self.full_uri.and_then(Value::literal)?.strip_prefix("http://")?);
        let mut each =
            exceptions.split(|c: char| c == ',' || c.is_whitespace()).filter(|exception| !exception.is_empty());
        (!each.any(|exception| covers_agent(exception, host, port.unwrap_or("80")))).then_some(exceptions)
    }
}

/// How many variables a value may lead through, as in `$(A)` with `A` being `$(B)`.
const MAX_REFERENCES: usize = 8;

/// The value of a variable. `$(NAME)` alone stands for an earlier variable (Kubernetes, "Define Dependent Environment
/// Variables"); in a longer text, or where no earlier entry has that name, it is not known.
fn value<'a>(earlier: &'a [EnvVar<'_>], variable: &'a EnvVar<'_>) -> Value<'a> {
    let (mut earlier, mut variable) = (earlier, variable);
    for _ in 0..MAX_REFERENCES {
        if let Some(source) = variable.value_from {
            return if source.is_optional() { Value::Optional } else { Value::Elsewhere };
        }
        let text = variable.value.as_ref().map_or("", |value| value.as_str());
        if !text.contains("$(") {
            return Value::Literal(text);
        }
        let name = text.strip_prefix("$(").and_then(|rest| rest.strip_suffix(')'));
        let at = name.and_then(|name| earlier.iter().rposition(|variable| variable.name.as_str() == name));
        let Some((at, found)) = at.and_then(|at| Some((at, earlier.get(at)?))) else {
            return Value::Elsewhere;
        };
        (earlier, variable) = (earlier.get(..at).unwrap_or_default(), found);
    }
    Value::Elsewhere
}

/// The host of a URI without its scheme, or of an exception, without the brackets of IPv6; and the port.
fn host_and_port(text: &str) -> (&str, Option<&str>) {
    let authority = text.split('/').next().unwrap_or(text);
    if let Some((host, rest)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    match authority.split_once(':') {
        // More than one colon: an IPv6 address without brackets.
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// Whether any widespread client would except the agent's address for this entry of `NO_PROXY`: an address or network (Go's
/// `httpproxy`, Python's `requests`, curl), the end of the host's name at a dot (Go, Python's `urllib`), a pattern with `*`
/// (AWS SDK for Java).
fn covers_agent(exception: &str, host: &str, port: &str) -> bool {
    if let Ok(network) = exception.trim_matches(['[', ']']).parse::<IpNet>() {
        return host.parse().is_ok_and(|address: IpAddr| network.contains(&address));
    }
    // A network may also have its address in brackets.
    if let Some((address, prefix)) = exception.strip_prefix('[').and_then(|rest| rest.split_once("]/")) {
        let network = format!("{address}/{prefix}").parse::<IpNet>();
        return network.is_ok_and(|network| host.parse().is_ok_and(|address: IpAddr| network.contains(&address)));
    }
    if exception.contains('/') {
        return false;
    }
    let (name, of_port) = host_and_port(exception);
    if of_port.is_some_and(|of_port| of_port != port) {
        return false;
    }
    if let (Ok(excepted), Ok(address)) = (name.parse::<IpAddr>(), host.parse::<IpAddr>()) {
        return excepted == address;
    }
    let name = name.trim_start_matches('.').to_ascii_lowercase();
    if name.contains('*') {
        return rolecall_iam::wildcard_match(&name, host);
    }
    !name.is_empty() && host.strip_suffix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IPV4: &str = "http://169.254.170.23/v1/credentials";
    const IPV6: &str = "http://[fd00:ec2::23]/v1/credentials";

    fn proxied(uri: &'static str, no_proxy: Option<&'static str>) -> bool {
        let env = CredentialEnv {
            http_proxy: Some(Value::Literal("http://proxy:3128")),
            full_uri: Some(Value::Literal(uri)),
            no_proxy: no_proxy.map(Value::Literal),
            ..Default::default()
        };
        env.proxied().is_some()
    }

    #[test]
    fn exceptions_from_a_proxy() {
        for exception in [
            "169.254.170.23",
            "169.254.170.23:80",
            ".169.254.170.23",
            "169.254.0.0/16",
            "169.254.170.23/32",
            "0.0.0.0/0",
            "169.254.170.23/16",
            "*",
            "169.254.*",
            "170.23",
            ".svc, 169.254.170.23",
            ".svc  169.254.170.23",
            "a,\t169.254.170.23\n",
        ] {
            assert!(!proxied(IPV4, Some(exception)), "{exception}");
        }
        for exception in [
            "fd00:ec2::23",
            "[fd00:ec2::23]",
            "[fd00:ec2::23]:80",
            "FD00:EC2:0::23",
            "fd00:ec2::/32",
            "[fd00:ec2::]/32",
            "[fd00:ec2::/32]",
            "fd00::/8",
            "::/0",
            "*",
            "localhost, [fd00:ec2::23]",
        ] {
            assert!(!proxied(IPV6, Some(exception)), "{exception}");
        }
    }

    #[test]
    fn what_excepts_another_address() {
        assert!(proxied(IPV4, None) && proxied(IPV6, None) && proxied(IPV4, Some("")));
        for exception in [
            "10.0.0.0/8,.svc",
            "169.254.169.254",
            "169.254.170.0/30",
            "169.254.170.23:8080",
            "fd00:ec2::23",
            "fd00:ec2::/32",
            "54.170.23",
            "23.example",
            "169.254.170.2",
            "::/0",
            "/",
            ",,",
            "169.254.170.23/33",
        ] {
            assert!(proxied(IPV4, Some(exception)), "{exception}");
        }
        for exception in
            ["169.254.170.23", "169.254.0.0/16", "0.0.0.0/0", "fd00:ec2::24", "fd00:ec3::/32", "[fd00:ec2::23]:443"]
        {
            assert!(proxied(IPV6, Some(exception)), "{exception}");
        }
    }

    #[test]
    fn only_a_proxy_for_http_matters() {
        let env = CredentialEnv {
            https_proxy: Some(Value::Literal("http://proxy:3128")),
            full_uri: Some(Value::Literal(IPV4)),
            ..Default::default()
        };
        assert_eq!(env.proxied(), None);
    }
}
