//! The `Principal` and `NotPrincipal` elements.

use serde_json::Value;

use crate::document::strings;
use crate::request::{Principal, Request};

/// How a `Principal` element names the requester. The kinds matter when policies are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// By its own ARN or name.
    Itself,
    /// A session, by the ARN of its role.
    RoleOfSession,
    /// By its account.
    Account,
    /// By `*`.
    Everyone,
}

/// All the ways in which a `Principal` element names the requester. «AWS JSON policy elements: Principal».
///
/// Choice: `*` and `{"AWS": "*"}` name everyone, services and web identities too; the document has them equivalent *for
/// anonymous users*. Unique IDs (`AROA…`) name nobody: they are what is left of a deleted role.
pub(crate) fn named(element: &Value, request: &Request) -> Vec<Named> {
    if matches!(request.principal, Principal::None) {
        return Vec::new();
    }
    if element.as_str() == Some("*") {
        return vec![Named::Everyone];
    }
    let Some(kinds) = element.as_object() else {
        return Vec::new();
    };
    let entries = |kind: &str| kinds.get(kind).map(strings).unwrap_or_default();
    let mut ways = Vec::new();
    if entries("AWS").iter().any(|entry| entry == "*") {
        ways.push(Named::Everyone);
    }
    match &request.principal {
        Principal::Aws(arn) => {
            for entry in entries("AWS") {
                if entry == *arn {
                    ways.push(Named::Itself);
                } else if account_of(&entry).is_some_and(|account| account == request.principal_account) {
                    ways.push(Named::Account);
                } else if is_role_of_session(&entry, arn) {
                    ways.push(Named::RoleOfSession);
                }
            }
        }
        // *You cannot use a wildcard to match part of a principal name or ARN*; *the service principal in an IAM policy
        // can't be "Service": "\*"*: only the very name will do.
        Principal::Federated(provider) => {
            if entries("Federated").contains(provider) {
                ways.push(Named::Itself);
            }
        }
        Principal::Service(service) => {
            if entries("Service").contains(service) {
                ways.push(Named::Itself);
            }
        }
        Principal::None => {}
    }
    ways
}

/// Whether a `NotPrincipal` element exempts the requester. «AWS JSON policy elements: NotPrincipal».
///
/// Only being named oneself counts. The document's examples list a user beside its account, and a session beside its
/// role and account, and say that *all principals except* that user and that session are denied: so neither the role nor
/// the account exempts its members.
pub(crate) fn exempt(element: &Value, request: &Request) -> bool {
    named(element, request).iter().any(|way| matches!(way, Named::Itself | Named::Everyone))
}

/// *You can use the account ARN (arn:aws:iam::account-ID:root), or a shortened form*, the bare ID. *The account ARN and
/// the shortened account ID behave the same way.*
pub(crate) fn account_of(entry: &str) -> Option<String> {
    let is_account = |text: &str| text.len() == 12 && text.chars().all(|c| c.is_ascii_digit());
    if is_account(entry) {
        return Some(entry.to_owned());
    }
    match entry.split(':').collect::<Vec<_>>().as_slice() {
        ["arn", _, "iam", "", account, "root"] if is_account(account) => Some((*account).to_owned()),
        _ => None,
    }
}

/// `arn:aws:iam::ACCOUNT:role/PATH/NAME` is the role of `arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION`. A session's
/// ARN has no path.
pub(crate) fn is_role_of_session(role: &str, session: &str) -> bool {
    let role: Vec<&str> = role.splitn(6, ':').collect();
    let session: Vec<&str> = session.splitn(6, ':').collect();
    match (role.as_slice(), session.as_slice()) {
        (["arn", partition, "iam", "", account, role], ["arn", its_partition, "sts", "", its_account, session]) => {
            let role = role.strip_prefix("role/").and_then(|path| path.split('/').next_back());
            let session = session.strip_prefix("assumed-role/").and_then(|path| path.split('/').next());
            partition == its_partition && account == its_account && role.is_some() && role == session
        }
        _ => false,
    }
}
