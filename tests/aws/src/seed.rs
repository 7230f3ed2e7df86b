//! Fills an emulator: accounts with roles, policies and OIDC providers, clusters with what belongs to them.
//!
//! The calls are those of the services' own interfaces (IAM: the AWS query protocol; EKS: its REST paths), so that what is
//! seeded has passed the emulator's own checks.

use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use hyper::Response;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::emulator::Emulator;
use crate::http;

/// An account of the emulator. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Account {
    address: String,
    id: String,
    region: String,
}

impl Account {
    pub(crate) fn new(address: &str, id: &str) -> Self {
        Self { address: address.to_owned(), id: id.to_owned(), region: Emulator::REGION.to_owned() }
    }

    /// The same account in another region; a region of China or GovCloud gives ARNs of that partition.
    #[must_use]
    pub fn in_region(mut self, region: &str) -> Self {
        region.clone_into(&mut self.region);
        self
    }

    /// The 12 digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Calls IAM with an action and its parameters, as the API reference names them, and gives the XML.
    ///
    /// # Errors
    /// When the answer is not a success: with its text.
    pub async fn iam(&self, action: &str, parameters: &[(&str, &str)]) -> Result<String> {
        self.query("iam", "2010-05-08", action, parameters).await
    }

    /// Calls STS.
    ///
    /// # Errors
    /// When the answer is not a success: with its text.
    pub async fn sts(&self, action: &str, parameters: &[(&str, &str)]) -> Result<String> {
        self.query("sts", "2011-06-15", action, parameters).await
    }

    async fn query(&self, service: &str, version: &str, action: &str, parameters: &[(&str, &str)]) -> Result<String> {
        let mut form = format!("Action={action}&Version={version}");
        for (name, value) in parameters {
            write!(form, "&{name}={}", encoded(value))?;
        }
        self.send(service, ("POST", "/"), ("application/x-www-form-urlencoded", form))
            .await
            .with_context(|| format!("{service}:{action} in account {}", self.id))
    }

    /// Calls EKS: a method, a path from the API reference and a JSON body (`Value::Null` for none).
    ///
    /// # Errors
    /// When the answer is not a success: with its text.
    pub async fn eks(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let text = self
            .send("eks", (method, path), ("application/json", body))
            .await
            .with_context(|| format!("eks: {method} {path} in account {}", self.id))?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("eks: {method} {path} answers no JSON: {text}"))
    }

    /// Makes a bucket for object store tests. Buckets of all accounts share one space of names, as in AWS.
    ///
    /// # Errors
    /// When the name is taken.
    pub async fn bucket(&self, name: &str) -> Result<()> {
        let region = &self.region;
        let body = format!(
            "<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        );
        self.send("s3", ("PUT", &format!("/{name}")), ("application/xml", body)).await.map(|_| ())
    }

    /// Sends any request, with further headers, as this account's root, and gives the answer whatever its status.
    ///
    /// # Errors
    /// When the connection breaks before the answer is whole.
    pub async fn request(
        &self,
        service: &str,
        (method, path): (&str, &str),
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Result<Response<Bytes>> {
        let scope = (self.id.as_str(), self.region.as_str(), service);
        let mut request = http::signed(&self.address, scope, (method, path), body.to_owned())?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse()?);
        }
        http::send(&self.address, request).await
    }

    async fn send(&self, service: &str, line: (&str, &str), (kind, body): (&str, String)) -> Result<String> {
        let answer = self.request(service, line, &[("content-type", kind)], &body).await?;
        let status = answer.status();
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        ensure!(status.is_success(), "{status}: {text}");
        Ok(text)
    }

    /// A role, made by [`Role::create`].
    pub fn role<'a>(&'a self, name: &'a str, trust: &Value) -> Role<'a> {
        Role {
            account: self,
            name,
            trust: trust.to_string(),
            path: "/",
            boundary: None,
            policies: Vec::new(),
            tags: Vec::new(),
        }
    }

    /// Makes a customer managed policy and gives its ARN.
    ///
    /// # Errors
    /// When IAM refuses it.
    pub async fn policy(&self, name: &str, document: &Value) -> Result<String> {
        let answer =
            self.iam("CreatePolicy", &[("PolicyName", name), ("PolicyDocument", &document.to_string())]).await?;
        element(&answer, "Arn")
    }

    /// Registers an OIDC provider for an issuer (with `https://`) and gives its ARN.
    ///
    /// # Errors
    /// When IAM refuses it.
    pub async fn oidc_provider(&self, issuer: &str, client_ids: &[&str]) -> Result<String> {
        let names: Vec<String> = (1..=client_ids.len()).map(|n| format!("ClientIDList.member.{n}")).collect();
        let mut parameters = vec![("Url", issuer)];
        parameters.extend(names.iter().map(String::as_str).zip(client_ids.iter().copied()));
        element(&self.iam("CreateOpenIDConnectProvider", &parameters).await?, "OpenIDConnectProviderArn")
    }

    /// Puts another trust policy on a role.
    ///
    /// # Errors
    /// When IAM refuses it.
    pub async fn set_trust(&self, role: &str, trust: &Value) -> Result<()> {
        let document = trust.to_string();
        self.iam("UpdateAssumeRolePolicy", &[("RoleName", role), ("PolicyDocument", &document)]).await.map(|_| ())
    }

    /// Takes a role away, with its inline policies and attachments.
    ///
    /// # Errors
    /// When there is no such role.
    pub async fn delete_role(&self, name: &str) -> Result<()> {
        let role = ("RoleName", name);
        for policy in elements(&self.iam("ListRolePolicies", &[role]).await?, "member") {
            self.iam("DeleteRolePolicy", &[role, ("PolicyName", &policy)]).await?;
        }
        for policy in elements(&self.iam("ListAttachedRolePolicies", &[role]).await?, "PolicyArn") {
            self.iam("DetachRolePolicy", &[role, ("PolicyArn", &policy)]).await?;
        }
        self.iam("DeleteRole", &[role]).await.map(|_| ())
    }

    /// Makes a cluster.
    ///
    /// # Errors
    /// When EKS refuses it.
    pub async fn cluster(&self, name: &str) -> Result<Cluster> {
        let body = json!({
            "name": name,
            "roleArn": format!("arn:{}:iam::{}:role/eks-cluster", self.partition(), self.id),
            "resourcesVpcConfig": { "subnetIds": ["subnet-0000000000000000a", "subnet-0000000000000000b"] },
            "accessConfig": { "authenticationMode": "API" },
        });
        self.eks("POST", "/clusters", &body).await?;
        let described = self.eks("GET", &format!("/clusters/{name}"), &Value::Null).await?;
        let text = |pointer: &str| -> Result<String> {
            let value = described.pointer(pointer).and_then(Value::as_str);
            Ok(value.with_context(|| format!("DescribeCluster answers without {pointer}: {described}"))?.to_owned())
        };
        Ok(Cluster {
            account: self.clone(),
            name: name.to_owned(),
            arn: text("/cluster/arn")?,
            issuer: text("/cluster/identity/oidc/issuer")?,
        })
    }

    fn partition(&self) -> &'static str {
        match self.region.split('-').next() {
            Some("cn") => "aws-cn",
            _ if self.region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
    }
}

/// A role to be made.
#[derive(Debug)]
#[must_use = "a role exists after `create`"]
pub struct Role<'a> {
    account: &'a Account,
    name: &'a str,
    trust: String,
    path: &'a str,
    boundary: Option<&'a str>,
    policies: Vec<Attached<'a>>,
    tags: Vec<(&'a str, &'a str)>,
}

#[derive(Debug)]
enum Attached<'a> {
    Inline(&'a str, String),
    Managed(&'a str),
}

impl<'a> Role<'a> {
    /// Under a path: `/team/`.
    pub fn path(mut self, path: &'a str) -> Self {
        self.path = path;
        self
    }

    /// With an inline policy.
    pub fn inline(mut self, name: &'a str, document: &Value) -> Self {
        self.policies.push(Attached::Inline(name, document.to_string()));
        self
    }

    /// With a managed policy attached: one that exists, or AWS's own.
    pub fn managed(mut self, arn: &'a str) -> Self {
        self.policies.push(Attached::Managed(arn));
        self
    }

    /// With a permissions boundary: the ARN of a managed policy.
    pub fn boundary(mut self, arn: &'a str) -> Self {
        self.boundary = Some(arn);
        self
    }

    /// With a tag.
    pub fn tag(mut self, key: &'a str, value: &'a str) -> Self {
        self.tags.push((key, value));
        self
    }

    /// Makes the role and gives its ARN.
    ///
    /// # Errors
    /// When IAM refuses it or one of its policies.
    pub async fn create(self) -> Result<String> {
        let mut parameters =
            vec![("RoleName", self.name), ("AssumeRolePolicyDocument", self.trust.as_str()), ("Path", self.path)];
        parameters.extend(self.boundary.map(|arn| ("PermissionsBoundary", arn)));
        let names: Vec<_> =
            (1..=self.tags.len()).map(|n| (format!("Tags.member.{n}.Key"), format!("Tags.member.{n}.Value"))).collect();
        for ((key_name, value_name), (key, value)) in names.iter().zip(&self.tags) {
            parameters.extend([(key_name.as_str(), *key), (value_name.as_str(), *value)]);
        }
        let arn = element(&self.account.iam("CreateRole", &parameters).await?, "Arn")?;
        let role = ("RoleName", self.name);
        for policy in &self.policies {
            match policy {
                Attached::Inline(name, document) => {
                    let parameters = [role, ("PolicyName", name), ("PolicyDocument", document.as_str())];
                    self.account.iam("PutRolePolicy", &parameters).await?;
                }
                Attached::Managed(arn) => {
                    self.account.iam("AttachRolePolicy", &[role, ("PolicyArn", arn)]).await?;
                }
            }
        }
        Ok(arn)
    }
}

/// A cluster of the emulator. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Cluster {
    account: Account,
    name: String,
    arn: String,
    issuer: String,
}

impl Cluster {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Its OIDC issuer, with `https://`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The account it is in.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// A trust policy for IRSA, as eksctl writes it: this cluster's provider in `account`, one service account.
    #[must_use]
    pub fn irsa_trust(&self, account: &Account, namespace: &str, service_account: &str) -> Value {
        let host = self.issuer.trim_start_matches("https://");
        json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": { "Federated": format!("arn:{}:iam::{}:oidc-provider/{host}", account.partition(), account.id) },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": { "StringEquals": {
                format!("{host}:sub"): format!("system:serviceaccount:{namespace}:{service_account}"),
                format!("{host}:aud"): "sts.amazonaws.com",
            } },
        }] })
    }

    /// The trust policy that EKS documents for Pod Identity.
    #[must_use]
    pub fn pod_identity_trust() -> Value {
        json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": "pods.eks.amazonaws.com" },
            "Action": ["sts:AssumeRole", "sts:TagSession"],
        }] })
    }

    /// A Pod Identity association, made by [`Association::create`].
    pub fn association<'a>(&'a self, namespace: &str, service_account: &str, role: &str) -> Association<'a> {
        let body = json!({ "namespace": namespace, "serviceAccount": service_account, "roleArn": role });
        Association { cluster: self, body: body.as_object().cloned().unwrap_or_default() }
    }

    /// Changes an association: fields of UpdatePodIdentityAssociation.
    ///
    /// # Errors
    /// When EKS refuses it.
    pub async fn update_association(&self, id: &str, fields: &Value) -> Result<()> {
        self.post(&format!("/pod-identity-associations/{id}"), fields).await.map(|_| ())
    }

    /// Takes an association away.
    ///
    /// # Errors
    /// When there is none.
    pub async fn delete_association(&self, id: &str) -> Result<()> {
        let path = format!("/clusters/{}/pod-identity-associations/{id}", self.name);
        self.account.eks("DELETE", &path, &Value::Null).await.map(|_| ())
    }

    /// Adds a managed node group whose nodes have this role.
    ///
    /// # Errors
    /// When EKS refuses it.
    pub async fn node_group(&self, name: &str, role: &str) -> Result<()> {
        let body = json!({ "nodegroupName": name, "nodeRole": role, "subnets": ["subnet-0000000000000000a"] });
        self.post("/node-groups", &body).await.map(|_| ())
    }

    /// Adds an access entry: type `STANDARD`, `EC2_LINUX`, `EC2_WINDOWS`, `EC2`, `FARGATE_LINUX`, `HYBRID_LINUX`.
    ///
    /// # Errors
    /// When EKS refuses it.
    pub async fn access_entry(&self, principal: &str, kind: &str) -> Result<()> {
        self.post("/access-entries", &json!({ "principalArn": principal, "type": kind })).await.map(|_| ())
    }

    /// Installs an add-on: `eks-pod-identity-agent`.
    ///
    /// # Errors
    /// When EKS refuses it.
    pub async fn addon(&self, name: &str) -> Result<()> {
        self.post("/addons", &json!({ "addonName": name })).await.map(|_| ())
    }

    /// Adds a Fargate profile with a selector for one namespace.
    ///
    /// # Errors
    /// When EKS refuses it.
    pub async fn fargate_profile(&self, name: &str, role: &str, namespace: &str, labels: &Value) -> Result<()> {
        let body = json!({
            "fargateProfileName": name,
            "podExecutionRoleArn": role,
            "subnets": ["subnet-0000000000000000a"],
            "selectors": [{ "namespace": namespace, "labels": labels }],
        });
        self.post("/fargate-profiles", &body).await.map(|_| ())
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.account.eks("POST", &format!("/clusters/{}{path}", self.name), body).await
    }
}

/// An association to be made.
#[derive(Debug)]
#[must_use = "an association exists after `create`"]
pub struct Association<'a> {
    cluster: &'a Cluster,
    body: Map<String, Value>,
}

impl Association<'_> {
    /// With a second hop, to a role of any account.
    pub fn target(self, role: &str) -> Self {
        self.field("targetRoleArn", json!(role))
    }

    /// Without session tags.
    pub fn without_session_tags(self) -> Self {
        self.field("disableSessionTags", json!(true))
    }

    /// With a session policy; EKS wants session tags to be off for it.
    pub fn policy(self, document: &Value) -> Self {
        self.field("policy", json!(document.to_string()))
    }

    /// With any field of CreatePodIdentityAssociation.
    pub fn field(mut self, name: &str, value: Value) -> Self {
        self.body.insert(name.to_owned(), value);
        self
    }

    /// Makes it and gives its ID.
    ///
    /// # Errors
    /// When EKS refuses it.
    pub async fn create(self) -> Result<String> {
        let made = self.cluster.post("/pod-identity-associations", &Value::Object(self.body)).await?;
        let id = made.pointer("/association/associationId").and_then(Value::as_str);
        Ok(id.with_context(|| format!("CreatePodIdentityAssociation answers without an ID: {made}"))?.to_owned())
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// The text of the first element of this name.
fn element(xml: &str, name: &str) -> Result<String> {
    elements(xml, name).into_iter().next().with_context(|| format!("no <{name}> in {xml}"))
}

/// The texts of all elements of this name. Enough for answers to calls that this file makes.
fn elements(xml: &str, name: &str) -> Vec<String> {
    let open = format!("<{name}>");
    let close = format!("</{name}>");
    let mut rest = xml;
    let mut found = Vec::new();
    while let Some((_, after)) = rest.split_once(&open) {
        let Some((text, after)) = after.split_once(&close) else { break };
        found.push(text.to_owned());
        rest = after;
    }
    found
}
