//! The environment variables that decide about credentials.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::workload::{Container, EnvVar, expanded_value};

/// The value of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// It stands in the manifest, by itself or by references to earlier variables.
    Literal(&'a str),
    /// It comes from a Secret, a ConfigMap or a field, or refers to a variable that does or that the manifest does not define.
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
    pub ec2_metadata_endpoint: Option<Value<'a>>,
    pub java_tool_options: Option<Value<'a>>,
    pub jdk_java_options: Option<Value<'a>>,
    pub java_options: Option<Value<'a>>,
}

/// The texts of a container's variables in which references to others are replaced; mostly none.
#[derive(Debug, Default)]
pub struct ExpandedTexts(Vec<(usize, String)>);

impl ExpandedTexts {
    /// Those that decide about credentials, of each the one that counts.
    pub fn of(container: &Container<'_>) -> Self {
        let refers = |variable: &EnvVar<'_>| variable.value.as_ref().is_some_and(|value| value.as_str().contains('$'));
        let mut texts = Vec::new();
        if !container.env.iter().any(refers) {
            return Self(texts);
        }
        let mut seen = CredentialEnv::default();
        for (index, variable) in container.env.iter().enumerate().rev() {
            let Some(slot @ None) = seen.slot(variable.name.as_str()) else {
                continue;
            };
            *slot = Some(Value::Elsewhere);
            if refers(variable)
                && let Some(text) = expanded_value(&container.env, index)
            {
                texts.push((index, text.into_owned()));
            }
        }
        Self(texts)
    }

    fn get(&self, index: usize) -> Option<&str> {
        self.0.iter().find(|(at, _)| *at == index).map(|(_, text)| text.as_str())
    }
}

impl<'a> CredentialEnv<'a> {
    /// Reads a container's `env`; `envFrom` is not looked into.
    pub fn of(container: &'a Container<'_>, expanded: &'a ExpandedTexts) -> Self {
        let mut env = Self::default();
        for (index, variable) in container.env.iter().enumerate().rev() {
            if let Some(slot @ None) = env.slot(variable.name.as_str()) {
                *slot = Some(value(variable, expanded.get(index)));
            }
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
            "AWS_EC2_METADATA_SERVICE_ENDPOINT" => &mut self.ec2_metadata_endpoint,
            "JAVA_TOOL_OPTIONS" => &mut self.java_tool_options,
            "JDK_JAVA_OPTIONS" => &mut self.jdk_java_options,
            "_JAVA_OPTIONS" => &mut self.java_options,
            _ => return None,
        })
    }

    /// Whether SDKs leave instance metadata alone (AWS SDKs and Tools Reference Guide, "IMDS credential provider").
    pub fn disables_metadata(&self) -> bool {
        let said = self.ec2_metadata_disabled.and_then(Value::literal).unwrap_or_default();
        said.eq_ignore_ascii_case("true")
    }

    /// Whether SDKs ask another server than the node's for instance metadata: such as the helper of IAM Roles Anywhere (IAM
    /// Roles Anywhere User Guide, "Get temporary security credentials": `serve`).
    pub fn replaces_metadata(&self) -> bool {
        let Some(endpoint) = self.ec2_metadata_endpoint.filter(|endpoint| endpoint.is_set()) else {
            return false;
        };
        let host = endpoint.literal().map(|uri| uri.split_once("://").map_or(uri, |(_, rest)| rest));
        let of_node = ["169.254.169.254", "[fd00:ec2::254]", "instance-data"];
        !host.is_some_and(|host| of_node.contains(&host.trim_end_matches('/').trim_end_matches(":80")))
    }

    /// The first system property by which the AWS SDK for Java is given credentials, and the variable that sets it (AWS SDK for
    /// Java 2.x, `SdkSystemSetting` and `ProfileFileSystemSetting`). Properties come before variables.
    pub fn java_property(&self) -> Option<(&'static str, &'static str)> {
        let variables = [
            (self.java_tool_options, "JAVA_TOOL_OPTIONS"),
            (self.jdk_java_options, "JDK_JAVA_OPTIONS"),
            (self.java_options, "_JAVA_OPTIONS"),
        ];
        variables.into_iter().find_map(|(value, variable)| {
            let options = value.and_then(Value::literal)?;
            let mut words = options.split(|c: char| c.is_whitespace() || c == '"' || c == '\'');
            words.find_map(|word| {
                let name = word.strip_prefix("-D")?.split('=').next()?;
                let property = JAVA_PROPERTIES.into_iter().find(|property| *property == name)?;
                Some((property, variable))
            })
        })
    }

    /// Whether the credentials URI is that of the Pod Identity agent (Amazon EKS User Guide, "How EKS Pod Identity works").
    pub fn uses_agent(&self) -> bool {
        let uri = self.full_uri.and_then(Value::literal).unwrap_or_default();
        let Some((authority, "v1/credentials")) = uri.strip_prefix("http://").and_then(|rest| rest.split_once('/'))
        else {
            return false;
        };
        let (host, port) = host_and_port(authority);
        let is_agent = host == "169.254.170.23" || (host == "fd00:ec2::23" && authority.starts_with('['));
        is_agent && port.is_none_or(|port| port == "80")
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

/// The properties of the AWS SDK for Java that decide about credentials.
const JAVA_PROPERTIES: [&str; 10] = [
    "aws.accessKeyId",
    "aws.secretAccessKey",
    "aws.secretKey",
    "aws.sessionToken",
    "aws.roleArn",
    "aws.webIdentityTokenFile",
    "aws.profile",
    "aws.sharedCredentialsFile",
    "aws.configFile",
    "aws.containerCredentialsPath",
];

/// The value of a variable, given its text where its references could be replaced.
fn value<'a>(variable: &'a EnvVar<'_>, expanded: Option<&'a str>) -> Value<'a> {
    match (&variable.value_from, &variable.value, expanded) {
        (Some(source), ..) => {
            if source.is_optional() {
                Value::Optional
            } else {
                Value::Elsewhere
            }
        }
        (None, _, Some(text)) => Value::Literal(text),
        (None, Some(text), None) if text.as_str().contains('$') => Value::Elsewhere,
        (None, text, None) => Value::Literal(text.as_ref().map_or("", |text| text.as_str())),
    }
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
    fn another_server_for_metadata() {
        let replaced = |endpoint: Option<Value<'static>>| {
            CredentialEnv { ec2_metadata_endpoint: endpoint, ..Default::default() }.replaces_metadata()
        };
        assert!(replaced(Some(Value::Literal("http://localhost:9911"))) && replaced(Some(Value::Elsewhere)));
        for of_node in ["", "http://169.254.169.254", "http://169.254.169.254/", "http://[fd00:ec2::254]:80/"] {
            assert!(!replaced(Some(Value::Literal(of_node))), "{of_node}");
        }
        assert!(!replaced(None));
    }

    #[test]
    fn properties_of_java() {
        let found = |options: &'static str| {
            let env = CredentialEnv { java_tool_options: Some(Value::Literal(options)), ..Default::default() };
            env.java_property().map(|(property, _)| property)
        };
        assert_eq!(found("-Xmx1g -Daws.accessKeyId=AKIA -Daws.secretAccessKey=x"), Some("aws.accessKeyId"));
        assert_eq!(found("'-Daws.roleArn=arn:aws:iam::111122223333:role/x'"), Some("aws.roleArn"));
        for options in ["", "-Xmx1g", "-Daws.region=us-west-2", "-Dapp.aws.profile=x", "aws.profile"] {
            assert_eq!(found(options), None, "{options}");
        }
    }

    #[test]
    fn references_count_of_a_variable_only_in_its_last_entry() {
        let text = r#"{"env":[{"name":"ACCOUNT","value":"111122223333"},{"name":"AWS_ROLE_ARN","value":"$(OTHER)"},
            {"name":"AWS_ROLE_ARN","value":"arn:aws:iam::$(ACCOUNT):role/carts"},{"name":"HOME","value":"$(AWS_ROLE_ARN)/$(X)"},
            {"name":"AWS_PROFILE","value":"a$$b"},{"name":"AWS_REGION","value":"plain"}]}"#;
        let container: Container<'_> = serde_json::from_str(text).unwrap();
        let expanded = ExpandedTexts::of(&container);
        let env = CredentialEnv::of(&container, &expanded);
        assert_eq!(env.role_arn, Some(Value::Literal("arn:aws:iam::111122223333:role/carts")));
        assert_eq!((env.home, env.profile), (Some(Value::Elsewhere), Some(Value::Literal("a$b"))));
        assert_eq!(env.region, Some(Value::Literal("plain")));
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
