//! What is asked, of which policies, and what may be answered. Everything here is JSON in and JSON out.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Decision {
    /// An Allow applies, nothing limits it, and no Deny applies.
    Allowed,
    /// A Deny applies.
    ExplicitDeny,
    /// Nothing denies, and nothing allows either.
    ImplicitDeny,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allowed => "allowed",
            Self::ExplicitDeny => "explicit deny",
            Self::ImplicitDeny => "implicit deny",
        })
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Principal {
    /// A user, a role, or (what really makes requests) a role session, by ARN.
    Aws(String),
    /// The bearer of a token of this OIDC or SAML provider, by the provider's ARN.
    Federated(String),
    /// An AWS service, by name: `pods.eks.amazonaws.com`.
    Service(String),
    /// Nobody in particular: only the identity's own policies are asked.
    None,
}

/// The value or values of a context key.
///
/// What makes a key multivalued is the key, not how many values it happens to hold: a list of one is a list
/// («Single-valued vs. multivalued context keys»). A list of none counts as no value at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ContextValue {
    /// A single-valued key.
    Single(String),
    /// A multivalued key.
    Multi(Vec<String>),
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// `service:Action`.
    pub action: String,
    /// The ARN asked for; none for actions without resources, and for trust policies alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Who asks.
    pub principal: Principal,
    /// The account of an [`Principal::Aws`].
    pub principal_account: String,
    /// The request context. Key names are compared without regard to case.
    #[serde(default)]
    pub context: BTreeMap<String, ContextValue>,
}

impl Request {
    /// The value of a context key. «IAM JSON policy elements: Condition»: *Condition key names are not
    /// case-sensitive.* An empty list is no value.
    pub(crate) fn context_value(&self, key: &str) -> Option<&ContextValue> {
        self.context
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(key))
            .map(|(_, value)| value)
            .filter(|value| !matches!(value, ContextValue::Multi(values) if values.is_empty()))
    }
}

/// All policies that bear on a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policies {
    /// The resource's own policy: a role's trust policy, a bucket policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<Value>,
    /// The requester's identity policies.
    #[serde(default)]
    pub identity: Vec<Value>,
    /// The requester's permissions boundary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<Value>,
    /// The session policies passed when the session was made. `None`: none was passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Vec<Value>>,
    /// Service control policies of the requester's account, by what they are attached to, from the root to the account.
    /// `None`: the account is in no organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_control: Option<Vec<Vec<Value>>>,
    /// Whether the requester and the resource belong to one account.
    pub same_account: bool,
}

/// What sort of case the generator made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A trust policy of an EKS workload's role: web identity, Pod Identity, or the hop to a target role.
    Trust,
    /// Identity policies, boundaries, session policies, resource policies.
    Identity,
}

/// A request and its policies, as stored in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Case {
    /// Seed and number, so that the generator can make it again.
    pub id: String,
    /// What sort of case it is.
    pub kind: Kind,
    /// The request.
    pub request: Request,
    /// The policies.
    pub policies: Policies,
}
