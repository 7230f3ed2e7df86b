//! Where the crates answer otherwise than AWS, and rolecall's tests would notice.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use async_trait::async_trait;
use axum::http::{Method, StatusCode};
use fakecloud_core::service::{AwsRequest, AwsResponse, AwsService, AwsServiceError, ResponseBody};
use fakecloud_eks::{EksService, SharedEksState};
use fakecloud_iam::iam_service::IamService;
use fakecloud_iam::{IamPolicy, IamState, SharedIamState, managed_policies};
use parking_lot::Mutex;
use serde_json::{Value, json};

/// IAM, with three corrections:
/// - UpdateAssumeRolePolicy takes `sts:TagSession` and `sts:SetSourceIdentity`, as CreateRole does;
/// - GetAccountAuthorizationDetails has each role's PermissionsBoundary;
/// - and, on its last page, the AWS managed policies in use, where the filter wants them.
pub struct Iam {
    inner: IamService,
    state: SharedIamState,
}

impl Iam {
    pub fn new(state: SharedIamState) -> Self {
        Self { inner: IamService::new(state.clone()), state }
    }

    /// Puts the document on the role, if it is one that only names actions the crate does not know in a trust policy.
    fn set_trust(&self, account: &str, role: &str, document: &str, refusal: &AwsServiceError) -> bool {
        let session_actions = ["sts:TagSession", "sts:SetSourceIdentity"];
        let only_the_actions = refusal.message().starts_with("Trust Policy statement actions can only be")
            && session_actions.iter().any(|action| document.contains(action));
        let mut accounts = self.state.write();
        match accounts.get_mut(account).and_then(|state| state.roles.get_mut(role)) {
            Some(role) if only_the_actions => {
                document.clone_into(&mut role.assume_role_policy_document);
                true
            }
            _ => false,
        }
    }

    fn complete(&self, account: &str, xml: &str, managed: bool) -> String {
        let accounts = self.state.read();
        let Some(state) = accounts.get(account) else { return xml.to_owned() };
        let mut out = String::with_capacity(xml.len());
        let (roles, rest) = xml.split_once("<GroupDetailList>").unwrap_or((xml, ""));
        // Each role's own name comes first in its member, and its tags close it.
        for part in roles.split_inclusive("</Tags>") {
            out.push_str(part);
            let name = part.split_once("<RoleName>").and_then(|(_, rest)| rest.split_once("</RoleName>"));
            let role = name.and_then(|(name, _)| state.roles.get(name));
            if let (true, Some(arn)) =
                (part.ends_with("</Tags>"), role.and_then(|role| role.permissions_boundary.as_ref()))
            {
                let _ = write!(
                    out,
                    "<PermissionsBoundary><PermissionsBoundaryType>PermissionsBoundaryPolicy</PermissionsBoundaryType>\
                     <PermissionsBoundaryArn>{arn}</PermissionsBoundaryArn></PermissionsBoundary>"
                );
            }
        }
        if !rest.is_empty() {
            out.push_str("<GroupDetailList>");
        }
        if managed && xml.contains("<IsTruncated>false</IsTruncated>") {
            let policies = in_use(state);
            out.push_str(&rest.replacen("</Policies>", &format!("{policies}</Policies>"), 1));
        } else {
            out.push_str(rest);
        }
        out
    }
}

/// The AWS managed policies attached to anything in the account, as members of `Policies`.
fn in_use(state: &IamState) -> String {
    let attached = state.role_policies.values().chain(state.user_policies.values()).flatten();
    let attached = attached.chain(state.groups.values().flat_map(|group| &group.attached_policies));
    let boundaries = state.roles.values().filter_map(|role| role.permissions_boundary.as_ref());
    let arns: BTreeSet<&String> = attached.chain(boundaries).collect();
    let mut out = String::new();
    for policy in arns.into_iter().filter_map(|arn| managed_policies::lookup(arn)) {
        let IamPolicy { policy_name, policy_id, arn, path, default_version_id, versions, .. } = policy.to_iam_policy(1);
        let _ = write!(
            out,
            "<member><PolicyName>{policy_name}</PolicyName><PolicyId>{policy_id}</PolicyId><Arn>{arn}</Arn>\
             <Path>{path}</Path><DefaultVersionId>{default_version_id}</DefaultVersionId>\
             <AttachmentCount>1</AttachmentCount><IsAttachable>true</IsAttachable><PolicyVersionList>"
        );
        for version in versions {
            let _ = write!(
                out,
                "<member><VersionId>{}</VersionId><IsDefaultVersion>{}</IsDefaultVersion><Document>{}</Document></member>",
                version.version_id,
                version.is_default,
                encoded(&version.document)
            );
        }
        out.push_str("</PolicyVersionList></member>");
    }
    out
}

/// RFC 3986, as IAM sends documents.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[async_trait]
impl AwsService for Iam {
    fn service_name(&self) -> &str {
        self.inner.service_name()
    }

    fn supported_actions(&self) -> &[&str] {
        self.inner.supported_actions()
    }

    async fn handle(&self, request: AwsRequest) -> Result<AwsResponse, AwsServiceError> {
        let account = request.account_id.clone();
        match request.action.as_str() {
            "UpdateAssumeRolePolicy" => {
                let parameter = |name: &str| request.query_params.get(name).cloned().unwrap_or_default();
                let (role, document) = (parameter("RoleName"), parameter("PolicyDocument"));
                match self.inner.handle(request).await {
                    Err(refusal) if self.set_trust(&account, &role, &document, &refusal) => Ok(AwsResponse::xml(
                        StatusCode::OK,
                        "<UpdateAssumeRolePolicyResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">\
                         <ResponseMetadata><RequestId>00000000-0000-0000-0000-000000000000</RequestId></ResponseMetadata>\
                         </UpdateAssumeRolePolicyResponse>",
                    )),
                    other => other,
                }
            }
            "GetAccountAuthorizationDetails" => {
                let filters: Vec<&String> = request
                    .query_params
                    .iter()
                    .filter(|(name, _)| name.starts_with("Filter."))
                    .map(|(_, value)| value)
                    .collect();
                let managed = filters.is_empty() || filters.iter().any(|filter| *filter == "AWSManagedPolicy");
                let mut answer = self.inner.handle(request).await?;
                if let ResponseBody::Bytes(body) = &answer.body {
                    answer.body = self.complete(&account, &String::from_utf8_lossy(body), managed).into();
                }
                Ok(answer)
            }
            _ => self.inner.handle(request).await,
        }
    }
}

/// EKS, with two corrections to Pod Identity associations:
/// - `externalId` is `region/account/cluster/namespace/serviceaccount`, and there only with a target role;
/// - `policy` is kept, and refused while session tags are on.
pub struct Eks {
    inner: EksService,
    state: SharedEksState,
    /// Session policies by association ID.
    policies: Mutex<HashMap<String, String>>,
}

impl Eks {
    pub fn new(state: SharedEksState) -> Self {
        Self { inner: EksService::new(state.clone()), state, policies: Mutex::default() }
    }

    /// Gives the stored association AWS's external ID.
    fn set_external_id(&self, region: &str, account: &str, association: &Value) {
        let text = |name: &str| association.get(name).and_then(Value::as_str).unwrap_or_default();
        let (cluster, id) = (text("clusterName"), text("associationId"));
        let mut accounts = self.state.write();
        let stored = accounts
            .get_mut(account)
            .and_then(|state| state.pod_identity_associations.get_mut(cluster))
            .and_then(|associations| associations.get_mut(id));
        if let Some(stored) = stored {
            let (namespace, service_account) = (&stored.namespace, &stored.service_account);
            let whole = format!("{region}/{account}/{cluster}/{namespace}/{service_account}");
            stored.external_id = stored.target_role_arn.as_ref().map(|_| whole);
        }
    }
}

#[async_trait]
impl AwsService for Eks {
    fn service_name(&self) -> &str {
        self.inner.service_name()
    }

    fn supported_actions(&self) -> &[&str] {
        self.inner.supported_actions()
    }

    async fn handle(&self, request: AwsRequest) -> Result<AwsResponse, AwsServiceError> {
        if request.path_segments.get(2).is_none_or(|part| part != "pod-identity-associations") {
            return self.inner.handle(request).await;
        }
        let (region, account) = (request.region.clone(), request.account_id.clone());
        let wanted: Value = match request.method {
            Method::POST => serde_json::from_slice(&request.body).unwrap_or_default(),
            _ => Value::Null,
        };
        let policy = wanted.get("policy").and_then(Value::as_str);
        let creates = request.path_segments.len() == 3;
        if policy.is_some_and(|policy| !policy.is_empty())
            && (creates || wanted.get("disableSessionTags").is_some())
            && wanted.get("disableSessionTags") != Some(&json!(true))
        {
            return Err(AwsServiceError::aws_error(
                StatusCode::BAD_REQUEST,
                "InvalidParameterException",
                "A policy needs disableSessionTags to be true",
            ));
        }
        let mut answer = self.inner.handle(request).await?;
        let ResponseBody::Bytes(body) = &answer.body else { return Ok(answer) };
        let Ok(mut value) = serde_json::from_slice::<Value>(body) else { return Ok(answer) };
        let Some(association) = value.get_mut("association") else { return Ok(answer) };
        let id = association.get("associationId").and_then(Value::as_str).unwrap_or_default().to_owned();
        if !wanted.is_null() {
            self.set_external_id(&region, &account, association);
            if let Some(policy) = policy {
                self.policies.lock().insert(id.clone(), policy.to_owned());
            }
        }
        if let Some(fields) = association.as_object_mut() {
            let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
            let whole = ["clusterName", "namespace", "serviceAccount"].map(text).join("/");
            if fields.contains_key("targetRoleArn") {
                fields.insert("externalId".to_owned(), json!(format!("{region}/{account}/{whole}")));
            } else {
                fields.remove("externalId");
            }
            if let Some(policy) = self.policies.lock().get(&id).filter(|policy| !policy.is_empty()) {
                fields.insert("policy".to_owned(), json!(policy));
            }
        }
        answer.body = value.to_string().into();
        Ok(answer)
    }
}
