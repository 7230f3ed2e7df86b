//! Actions on which policies have no say.

use crate::arn::Arn;
use crate::evaluate::{Request, Verdict};
use crate::policy_set::Ruling;
use crate::principal::Principal;

/// Why no policy decides about an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exempt {
    /// AWS requires no permission, and an explicit Deny does not count: `sts:GetCallerIdentity` (STS API Reference,
    /// "GetCallerIdentity").
    NeedsNoPermission,
    /// The SDKs send it unsigned: no IAM principal asks, and no identity policy is evaluated (`smithy.api#noAuth`
    /// in AWS's service models; Cognito Developer Guide, "Amazon Cognito user pools API operations": "Unauthenticated").
    Unsigned,
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
    let Some(Principal::Aws(arn)) = request.principal else {
        return None;
    };
    if is_unsigned(request.action) {
        return Some(Exempt::Unsigned);
    }
    let session_token = is("sts:GetSessionToken");
    if !session_token && !is("sts:GetFederationToken") {
        return None;
    }
    let resource = Arn::parse(arn)?.resource;
    if resource.starts_with("role/") || resource.starts_with("assumed-role/") {
        return Some(Exempt::NotForRoles);
    }
    (session_token && resource.starts_with("user/")).then_some(Exempt::NeedsNoPermission)
}

/// Whether the SDKs send an action unsigned: those with `smithy.api#noAuth` in the service models that IAM has actions for.
pub fn is_unsigned(action: &str) -> bool {
    let Some((service, name)) = action.split_once(':') else {
        return false;
    };
    let list = UNSIGNED.iter().find(|(prefix, _)| prefix.eq_ignore_ascii_case(service));
    list.is_some_and(|(_, names)| names.iter().any(|known| known.eq_ignore_ascii_case(name)))
}

/// By service. Other operations of these services are signed.
const UNSIGNED: [(&str, &[&str]); 3] = [
    ("cognito-identity", &["GetCredentialsForIdentity", "GetId", "GetOpenIdToken", "UnlinkIdentity"]),
    (
        "cognito-idp",
        &[
            "AssociateSoftwareToken",
            "ChangePassword",
            "CompleteWebAuthnRegistration",
            "ConfirmDevice",
            "ConfirmForgotPassword",
            "ConfirmSignUp",
            "DeleteUser",
            "DeleteUserAttributes",
            "DeleteWebAuthnCredential",
            "ForgetDevice",
            "ForgotPassword",
            "GetDevice",
            "GetTokensFromRefreshToken",
            "GetUser",
            "GetUserAttributeVerificationCode",
            "GetUserAuthFactors",
            "GlobalSignOut",
            "InitiateAuth",
            "ListDevices",
            "ListUserSessions",
            "ListWebAuthnCredentials",
            "ResendConfirmationCode",
            "RespondToAuthChallenge",
            "RevokeToken",
            "RevokeUserSession",
            "SetUserMFAPreference",
            "SetUserSettings",
            "SignUp",
            "StartWebAuthnRegistration",
            "UpdateAuthEventFeedback",
            "UpdateDeviceStatus",
            "UpdateUserAttributes",
            "VerifySoftwareToken",
            "VerifyUserAttribute",
        ],
    ),
    ("sts", &["AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"]),
];

impl Ruling<'_> {
    /// The ruling on a request in which policies have no say.
    pub(crate) fn without_policies(exempt: Exempt) -> Self {
        Self {
            verdict: match exempt {
                Exempt::NeedsNoPermission | Exempt::Unsigned => Verdict::Allowed,
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
