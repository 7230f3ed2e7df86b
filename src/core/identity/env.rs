//! The environment variables that decide about credentials.

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
    /// cannot be seen. Returns the exceptions.
    pub fn proxied(&self) -> Option<&'a str> {
        let set = |proxy: Option<Value<'_>>| proxy.is_some_and(Value::is_set);
        if !set(self.http_proxy) && !set(self.https_proxy) {
            return None;
        }
        let exceptions = match self.no_proxy {
            None => "",
            Some(value) => value.literal()?,
        };
        let covers = |exception: &str| {
            let exception = exception.trim();
            matches!(exception, "*" | "169.254.170.23") || covers_agent(exception)
        };
        (!exceptions.split([',', ' ']).any(covers)).then_some(exceptions)
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

/// A network in CIDR notation that holds 169.254.170.23.
fn covers_agent(network: &str) -> bool {
    let Some((address, prefix)) = network.split_once('/') else {
        return false;
    };
    let (Ok(address), Ok(prefix)) = (address.parse::<std::net::Ipv4Addr>(), prefix.parse::<u32>()) else {
        return false;
    };
    let agent = u32::from(std::net::Ipv4Addr::new(169, 254, 170, 23));
    prefix <= 32 && (u32::from(address) ^ agent).checked_shr(32 - prefix).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_and_their_exceptions() {
        let proxied = |no_proxy: Option<&'static str>| {
            let env = CredentialEnv {
                http_proxy: Some(Value::Literal("http://proxy:3128")),
                no_proxy: no_proxy.map(Value::Literal),
                ..Default::default()
            };
            env.proxied().is_some()
        };
        assert!(proxied(None));
        assert!(proxied(Some("10.0.0.0/8,.svc")));
        assert!(!proxied(Some(".svc, 169.254.170.23")));
        assert!(!proxied(Some("169.254.0.0/16")));
        assert!(!proxied(Some("*")));
    }
}
