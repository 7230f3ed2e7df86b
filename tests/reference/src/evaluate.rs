//! Documents put together. «Policy evaluation logic».

use serde_json::Value;

use crate::document::{self, Attached, Outcome};
use crate::principal::Named;
use crate::request::{Decision, Policies, Principal, Request};

/// What one document says by itself: *An explicit deny overrides an explicit allow*, and otherwise *all requests are
/// implicitly denied*.
///
/// With a principal the document is one of a resource, and each statement must have a `Principal` or `NotPrincipal` that
/// covers it (naming its account is enough here). With [`Principal::None`] it is one of the identity.
#[must_use]
pub fn evaluate_document(policy: &Value, request: &Request) -> Decision {
    let attached = match request.principal {
        Principal::None => Attached::ToIdentity,
        _ => Attached::ToResource { boundary: false },
    };
    let outcome = document::read(policy, attached, request);
    match (outcome.denies, outcome.allows.is_empty()) {
        (true, _) => Decision::ExplicitDeny,
        (false, false) => Decision::Allowed,
        (false, true) => Decision::ImplicitDeny,
    }
}

/// What all policies say together. «How AWS enforcement code logic evaluates requests to allow or deny access»,
/// «Cross-account policy evaluation logic», «Permissions boundaries for IAM entities», «Session policies».
#[must_use]
pub fn evaluate(policies: &Policies, request: &Request) -> Decision {
    // STS API Reference, «GetCallerIdentity»: *No permissions are required to perform this operation. If an administrator
    // attaches a policy to your identity that explicitly denies access to the sts:GetCallerIdentity action, you can still
    // perform this operation.*
    if request.action.to_lowercase() == "sts:getcalleridentity" {
        return Decision::Allowed;
    }
    // STS API Reference, «AssumeRole», «AssumeRoleWithWebIdentity»: *You cannot call the AWS STS GetFederationToken or
    // GetSessionToken API operations* with a role's credentials. IAM User Guide, «Permissions for GetSessionToken»: *No
    // permissions are required for a user to get a session token.*
    if let Principal::Aws(arn) = &request.principal {
        let who = arn.split(':').nth(5).unwrap_or("").split('/').next().unwrap_or("");
        match (request.action.to_lowercase().as_str(), who) {
            ("sts:getsessiontoken" | "sts:getfederationtoken", "role" | "assumed-role") => {
                return Decision::ImplicitDeny;
            }
            ("sts:getsessiontoken", "user") => return Decision::Allowed,
            _ => {}
        }
    }
    let of_identity = |policy: &Value| document::read(policy, Attached::ToIdentity, request);
    let identity: Vec<Outcome> = policies.identity.iter().map(of_identity).collect();
    let boundary: Option<Outcome> = policies.boundary.as_ref().map(of_identity);
    let session: Option<Vec<Outcome>> =
        policies.session.as_ref().map(|session| session.iter().map(of_identity).collect());
    let asked_for_someone = request.principal != Principal::None;
    let resource: Option<Outcome> =
        policies.trust.as_ref().filter(|_| asked_for_someone).map(|policy| {
            document::read(policy, Attached::ToResource { boundary: policies.boundary.is_some() }, request)
        });

    // *Deny evaluation … In all those policies, the enforcement code looks for a Deny statement that applies.*
    // Organizations User Guide, «SCP evaluation»: SCPs bear on the IAM users and roles of the organization's accounts.
    let levels: Vec<Vec<Outcome>> = match &request.principal {
        Principal::Service(_) | Principal::Federated(_) => Vec::new(),
        Principal::None | Principal::Aws(_) => {
            let levels = policies.service_control.iter().flatten();
            levels.map(|level| level.iter().map(of_identity).collect()).collect()
        }
    };
    // *For a permission to be denied …, any SCP from the root through each OU in the direct path to the account can deny.*
    if levels.iter().flatten().any(|outcome| outcome.denies) {
        return Decision::ExplicitDeny;
    }
    // *For a permission to be allowed …, there must be an explicit Allow statement at every level from the root through each
    // OU in the direct path to the account.*
    let within_organization = levels.iter().all(|level| level.iter().any(|outcome| !outcome.allows.is_empty()));

    let denied =
        identity.iter().chain(&boundary).chain(session.iter().flatten()).chain(&resource).any(|outcome| outcome.denies);
    if denied {
        return Decision::ExplicitDeny;
    }

    let by_identity = identity.iter().any(|outcome| !outcome.allows.is_empty());
    let within_boundary = boundary.is_none_or(|outcome| !outcome.allows.is_empty());
    let within_session = session.is_none_or(|outcomes| outcomes.iter().any(|outcome| !outcome.allows.is_empty()));
    // What the requester's own side grants: the intersection of the three.
    let own_side = by_identity && within_boundary && within_session;
    let has_resource_policy = resource.is_some();
    let ways = resource.map(|outcome| outcome.allows).unwrap_or_default();
    let by_resource = !ways.is_empty();

    let allowed = match &request.principal {
        Principal::None => own_side,
        // Neither has policies of its own in the matter: the trust policy alone decides.
        Principal::Service(_) | Principal::Federated(_) => by_resource,
        // *The request is allowed only if both evaluations return a decision of Allow.*
        Principal::Aws(_) if !policies.same_account => by_resource && own_side,
        Principal::Aws(arn) => {
            let is_role = arn.split(':').nth(5).is_some_and(|resource| resource.starts_with("role/"));
            let granted = ways.iter().any(|way| match way {
                // *Resource-based policies that grant permissions to an IAM role ARN are limited by an implicit deny in a
                // permissions boundary or session policy.* Not by one in the identity policies.
                Named::RoleOfSession => within_boundary && within_session,
                Named::Itself if is_role => within_boundary && within_session,
                // *Permissions granted directly to a session are not limited by an implicit deny in an identity-based
                // policy, a permissions boundary, or session policy*; the same for a user.
                Named::Itself => true,
                // «Principal», `*`: *For IAM users and role principals within your account, no other permissions are
                // required*; boundaries and session policies *do not limit permissions granted using the
                // aws:PrincipalArn condition key with a wildcard(\*) in the Principal element*. Choice: nor any `*`.
                Named::Everyone => true,
                // *This delegates authority to the account*: the identity policies must grant.
                Named::Account => false,
            });
            // *IAM role trust policies and KMS key policies are exceptions to this logic, because they must explicitly
            // allow access for principals.* For all else an allow on either side is enough.
            let service = request.action.to_lowercase();
            let must_be_named = service.starts_with("sts:") || service.starts_with("kms:");
            granted || (own_side && (by_resource || !must_be_named || !has_resource_policy))
        }
    };
    if allowed && within_organization { Decision::Allowed } else { Decision::ImplicitDeny }
}
