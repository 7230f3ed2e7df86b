//! Actions on which policies have no say.

use crate::arn::Arn;
use crate::evaluate::{Request, Verdict};
use crate::principal::Principal;
use crate::together::Ruling;

/// Why no policy decides about an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exempt {
    /// AWS requires no permission, and an explicit Deny does not count: `sts:GetCallerIdentity` (STS API Reference,
    /// "GetCallerIdentity").
    NeedsNoPermission,
    /// AWS refuses it to every session of a role: `sts:GetSessionToken` and `sts:GetFederationToken` (STS API Reference,
    /// "AssumeRole" and "AssumeRoleWithWebIdentity").
    NotForRoles,
}

/// Whether policies have no say in a request. (`sts:GetSessionToken` needs no permission of a user either: "Permissions
/// for GetSessionToken" of the IAM User Guide. Of a request without a principal it is not known who asks.)
pub(crate) fn exempt(request: &Request<'_>) -> Option<Exempt> {
    let is = |action: &str| request.action.eq_ignore_ascii_case(action);
    if is("sts:GetCallerIdentity") {
        return Some(Exempt::NeedsNoPermission);
    }
    let session_token = is("sts:GetSessionToken");
    if !session_token && !is("sts:GetFederationToken") {
        return None;
    }
    let Some(Principal::Aws(arn)) = request.principal else {
        return None;
    };
    let resource = Arn::parse(arn)?.resource;
    if resource.starts_with("role/") || resource.starts_with("assumed-role/") {
        return Some(Exempt::NotForRoles);
    }
    (session_token && resource.starts_with("user/")).then_some(Exempt::NeedsNoPermission)
}

impl Ruling<'_> {
    /// The ruling on a request in which policies have no say.
    pub(crate) fn without_policies(exempt: Exempt) -> Self {
        Self {
            verdict: match exempt {
                Exempt::NeedsNoPermission => Verdict::Allowed,
                Exempt::NotForRoles => Verdict::ImplicitlyDenied,
            },
            missing_in: None,
            deciding: Vec::new(),
            unknown_keys: Vec::new(),
            is_guess: false,
            exempt: Some(exempt),
            not_considered: Vec::new(),
        }
    }
}
