//! What was called: read off a request as the services' own protocols put it there.

use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::header::{AUTHORIZATION, USER_AGENT};
use hyper::http::request::Parts;
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// One call, as the proxy saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// As IAM names it: `iam`, `sts`, `eks`, `s3`.
    pub service: String,
    /// As IAM policies name it, with the service: `iam:GetRole`. For S3 the operation of the API reference (`s3:ListObjectsV2`),
    /// which is not always the action's name.
    pub action: String,
    /// The caller's account: 12 digits, also for a session that STS gave out through this proxy.
    pub account: String,
    /// The access key that signed.
    pub access_key: String,
    /// The region in the signature.
    pub region: String,
    /// Parameters of the form, the query string, the path (`name`, `nodegroupName`, …: as the API reference names them) and the
    /// top level of a JSON body.
    pub parameters: BTreeMap<String, String>,
    /// The status that the caller got; 0 while it runs and when the connection was cut.
    pub status: u16,
    /// Whether a fault spoiled it.
    pub spoiled: bool,
    /// How the client names itself.
    pub user_agent: String,
}

impl Call {
    /// A parameter's value.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// The resource as an IAM policy names it, where the parameters of IAM, STS and EKS calls tell; else `*`.
    ///
    /// Source: Service Authorization Reference, "Resource types defined by" of IAM, STS and EKS.
    #[must_use]
    pub fn resource(&self) -> String {
        let iam = |kind: &str, name: &str| format!("arn:aws:iam::{}:{kind}/{name}", self.account);
        let eks = |rest: String| format!("arn:aws:eks:{}:{}:{rest}", self.region, self.account);
        let given = ["RoleArn", "PolicyArn", "OpenIDConnectProviderArn"].iter().find_map(|name| self.parameter(name));
        match (self.service.as_str(), given, self.parameter("RoleName"), self.parameter("name")) {
            ("iam", _, Some(role), _) => iam("role", role),
            ("iam" | "sts", Some(arn), ..) => arn.to_owned(),
            ("eks", _, _, Some(cluster)) => eks(format!("cluster/{cluster}")),
            _ => "*".to_owned(),
        }
    }

    pub(crate) fn read(parts: &Parts, body: &Bytes) -> Self {
        let signature = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let scope = signature.split_once("Credential=").map_or("", |(_, rest)| rest);
        let scope = scope.split([',', ' ']).next().unwrap_or_default();
        // KEY/DATE/REGION/SERVICE/aws4_request, "Elements of an AWS API request signature" of the IAM user guide.
        let mut scope = scope.split('/');
        let key = scope.next().unwrap_or_default().to_owned();
        let region = scope.nth(1).unwrap_or_default().to_owned();
        let service = scope.next().unwrap_or_default().to_owned();

        let mut parameters = BTreeMap::new();
        pairs(parts.uri.query().unwrap_or_default(), &mut parameters);
        let operation = match service.as_str() {
            "eks" => {
                members(body, &mut parameters);
                eks(parts.method.as_str(), parts.uri.path(), &mut parameters)
            }
            "s3" => s3(parts, &mut parameters),
            _ => {
                pairs(std::str::from_utf8(body).unwrap_or_default(), &mut parameters);
                parameters.remove("Version");
                parameters.remove("Action").unwrap_or_default()
            }
        };
        Self {
            action: format!("{service}:{operation}"),
            account: key.clone(),
            access_key: key,
            service,
            region,
            parameters,
            status: 0,
            spoiled: false,
            user_agent: parts
                .headers
                .get(USER_AGENT)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned(),
        }
    }
}

/// `a=b&c=d`, as forms and query strings encode it.
fn pairs(text: &str, into: &mut BTreeMap<String, String>) {
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        into.insert(decoded(name), decoded(value));
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

fn members(body: &Bytes, into: &mut BTreeMap<String, String>) {
    if let Ok(Value::Object(object)) = serde_json::from_slice(body) {
        for (name, value) in object {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            into.insert(name, text);
        }
    }
}

/// The operation behind an EKS path, and the parameters in it. Source: EKS API reference, "Request Syntax" of each action.
fn eks(method: &str, path: &str, parameters: &mut BTreeMap<String, String>) -> String {
    let segments: Vec<String> = path
        .trim_matches('/')
        .split('/')
        .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
        .collect();
    let mut segments = segments.iter().map(String::as_str);
    let (root, cluster, collection, item) = (segments.next(), segments.next(), segments.next(), segments.next());
    let more = segments.next();
    if let (Some("clusters"), Some(name)) = (root, cluster) {
        parameters.insert("name".to_owned(), name.to_owned());
    }
    // One and many, and what the API reference calls the item.
    let (one, many, id) = match (root, collection) {
        (Some("clusters"), None) => ("Cluster", "Clusters", "name"),
        (_, Some("addons")) => ("Addon", "Addons", "addonName"),
        (_, Some("pod-identity-associations")) => {
            ("PodIdentityAssociation", "PodIdentityAssociations", "associationId")
        }
        (_, Some("node-groups")) => ("Nodegroup", "Nodegroups", "nodegroupName"),
        (_, Some("access-entries")) => ("AccessEntry", "AccessEntries", "principalArn"),
        (_, Some("fargate-profiles")) => ("FargateProfile", "FargateProfiles", "fargateProfileName"),
        _ => return format!("{method} {path}"),
    };
    if more.is_some() {
        return format!("{method} {path}");
    }
    let named = if collection.is_some() { item } else { cluster };
    if let Some(name) = named {
        parameters.insert(id.to_owned(), name.to_owned());
    }
    match (method, named) {
        ("GET", Some(_)) => format!("Describe{one}"),
        ("GET", None) => format!("List{many}"),
        ("POST", None) => format!("Create{one}"),
        ("POST", Some(_)) => format!("Update{one}"),
        ("DELETE", Some(_)) => format!("Delete{one}"),
        _ => format!("{method} {path}"),
    }
}

/// The operation of a path-style S3 request. Source: S3 API reference, "Request Syntax" of each action.
fn s3(parts: &Parts, parameters: &mut BTreeMap<String, String>) -> String {
    let path = parts.uri.path().trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    parameters.insert("Bucket".to_owned(), bucket.to_owned());
    if !key.is_empty() {
        parameters.insert("Key".to_owned(), percent_decode_str(key).decode_utf8_lossy().into_owned());
    }
    for name in ["if-match", "if-none-match", "if-modified-since", "range"] {
        if let Some(value) = parts.headers.get(name).and_then(|value| value.to_str().ok()) {
            parameters.insert(name.to_owned(), value.to_owned());
        }
    }
    let upload = parameters.contains_key("uploadId");
    let operation = match (parts.method.as_str(), key.is_empty()) {
        ("GET", true) => "ListObjectsV2",
        ("GET", false) => "GetObject",
        ("HEAD", true) => "HeadBucket",
        ("HEAD", false) => "HeadObject",
        ("PUT", true) => "CreateBucket",
        ("PUT", false) if upload => "UploadPart",
        ("PUT", false) => "PutObject",
        ("POST", false) if upload => "CompleteMultipartUpload",
        ("POST", false) if parameters.contains_key("uploads") => "CreateMultipartUpload",
        ("POST", true) if parameters.contains_key("delete") => "DeleteObjects",
        ("DELETE", true) => "DeleteBucket",
        ("DELETE", false) if upload => "AbortMultipartUpload",
        ("DELETE", false) => "DeleteObject",
        _ => return format!("{} {path}", parts.method),
    };
    operation.to_owned()
}
