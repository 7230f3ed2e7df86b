//! Principals (IAM User Guide, "AWS JSON policy elements: Principal" and "NotPrincipal").

use crate::arn::{Arn, is_account_id};
use crate::truth::Truth;

/// Who makes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Principal<'a> {
    /// A web identity, by the ARN of its OIDC or SAML provider.
    Federated(&'a str),
    /// An AWS service, by its service principal.
    Service(&'a str),
    /// An IAM user or role, or the session of a role (`arn:…:sts::ACCOUNT:assumed-role/NAME/SESSION`), by its ARN.
    Aws(&'a str),
}

/// A statement's `Principal` or `NotPrincipal`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principals {
    /// The element is absent: an identity policy.
    Absent,
    /// `Principal`
    Is(Vec<PrincipalEntry>),
    /// `NotPrincipal`
    IsNot(Vec<PrincipalEntry>),
}

/// One principal that a statement names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrincipalEntry {
    /// `"*"`, `{"AWS": "*"}`: everyone.
    Everyone,
    /// `{"AWS": …}`
    Aws(AwsPrincipal),
    /// `{"Federated": …}`
    Federated(Box<str>),
    /// `{"Service": …}`
    Service(Box<str>),
    /// `{"CanonicalUser": …}`: no principal that this crate knows.
    CanonicalUser(Box<str>),
}

/// A value of `{"AWS": …}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AwsPrincipal {
    /// A bare account ID or `arn:…:iam::ACCOUNT:root`: the whole account, subject to its identity policies.
    Account(Box<str>),
    /// A user, role or session.
    Arn(Box<str>),
    /// What AWS leaves behind when a named principal was deleted (`AROA…`, `AIDA…`): matches no principal by name.
    UniqueId(Box<str>),
}

impl PrincipalEntry {
    /// Entries as a policy writes them: `"*"`, or lists by kind.
    pub(crate) fn to_json(entries: &[Self]) -> serde_json::Value {
        if let [Self::Everyone] = entries {
            return "*".into();
        }
        let mut kinds = serde_json::Map::new();
        for entry in entries {
            let (kind, name) = match entry {
                Self::Everyone => ("AWS", "*"),
                Self::Aws(AwsPrincipal::Account(name) | AwsPrincipal::Arn(name) | AwsPrincipal::UniqueId(name)) => {
                    ("AWS", &**name)
                }
                Self::Federated(name) => ("Federated", &**name),
                Self::Service(name) => ("Service", &**name),
                Self::CanonicalUser(name) => ("CanonicalUser", &**name),
            };
            let names = kinds.entry(kind).or_insert_with(|| serde_json::json!([]));
            if let Some(names) = names.as_array_mut() {
                names.push(name.into());
            }
        }
        kinds.into()
    }

    pub(crate) fn aws(text: &str) -> Self {
        if text == "*" {
            return Self::Everyone;
        }
        if is_account_id(text) {
            return Self::Aws(AwsPrincipal::Account(text.into()));
        }
        Self::Aws(match Arn::parse(text) {
            Some(arn) if arn.service == "iam" && arn.resource == "root" => AwsPrincipal::Account(arn.account.into()),
            Some(_) => AwsPrincipal::Arn(text.into()),
            None => AwsPrincipal::UniqueId(text.into()),
        })
    }

    /// Whether the entry names this principal.
    pub fn names(&self, principal: Principal<'_>) -> bool {
        match (self, principal) {
            (Self::Everyone, _) => true,
            (Self::Federated(named), Principal::Federated(arn)) => **named == *arn,
            (Self::Service(named), Principal::Service(service)) => **named == *service,
            (Self::Aws(AwsPrincipal::Account(account)), Principal::Aws(arn)) => {
                Arn::parse(arn).is_some_and(|arn| *arn.account == **account)
            }
            (Self::Aws(AwsPrincipal::Arn(named)), Principal::Aws(arn)) => **named == *arn || is_session_of(arn, named),
            _ => false,
        }
    }

    /// Whether the entry spares this principal from a `NotPrincipal`: it must be named itself, neither its account nor a
    /// session's role will do (IAM User Guide, "NotPrincipal").
    fn spares(&self, principal: Principal<'_>) -> bool {
        match (self, principal) {
            (Self::Aws(AwsPrincipal::Arn(named)), Principal::Aws(arn)) => **named == *arn,
            (Self::Aws(_), Principal::Aws(_)) => false,
            _ => self.names(principal),
        }
    }
}

/// Whether a session is one of this role; its ARN does not say the role's path.
fn is_session_of(session: &str, role: &str) -> bool {
    let (Some(session), Some(role)) = (Arn::parse(session), Arn::parse(role)) else {
        return false;
    };
    let name = role.resource.strip_prefix("role/").and_then(|path| path.rsplit('/').next());
    let taken = session.resource.strip_prefix("assumed-role/").and_then(|rest| rest.split('/').next());
    session.service == "sts"
        && role.service == "iam"
        && (session.partition, session.account) == (role.partition, role.account)
        && name.is_some()
        && name == taken
}

impl Principals {
    /// Whether the statement applies to this principal. An identity policy has no such element and applies.
    pub fn apply_to(&self, principal: Option<Principal<'_>>) -> Truth {
        match (self, principal) {
            (Self::Absent, _) => Truth::True,
            (Self::Is(entries), Some(principal)) => entries.iter().any(|entry| entry.names(principal)).into(),
            (Self::IsNot(entries), Some(principal)) => (!entries.iter().any(|entry| entry.spares(principal))).into(),
            (Self::Is(_) | Self::IsNot(_), None) => Truth::False,
        }
    }

    /// The entries, of either element.
    pub fn entries(&self) -> &[PrincipalEntry] {
        match self {
            Self::Absent => &[],
            Self::Is(entries) | Self::IsNot(entries) => entries,
        }
    }
}
