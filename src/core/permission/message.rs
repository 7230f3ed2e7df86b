//! How a ruling reads.

use rolecall_iam::{Deciding, Effect, Exempt, NotConsidered, PolicyKind, Ruling, Truth, Verdict};

use super::policies::Resources;
use crate::fix::{AssociationChange, AssociationName, Change, PermissionChange, PolicyName, RoleName};

/// The name of a policy as a person says it: the last part of a managed policy's ARN.
fn short(name: &str) -> &str {
    if name.starts_with("arn:") { name.rsplit('/').next().unwrap_or(name) } else { name }
}

/// `inline policy reads`, `managed policy AmazonS3ReadOnlyAccess`, `permissions boundary developers`.
pub fn place(kind: PolicyKind, policy: &str) -> String {
    match kind {
        PolicyKind::Identity if policy.starts_with("arn:") => format!("managed policy {}", short(policy)),
        PolicyKind::Identity => format!("inline policy {policy}"),
        PolicyKind::Boundary => format!("permissions boundary {}", short(policy)),
        PolicyKind::Session => format!("the session policy of association {policy}"),
        PolicyKind::ServiceControl => format!("service control policy {policy}"),
        PolicyKind::Resource => policy.to_owned(),
    }
}

/// `statement 2 (Sid NoWrites) of managed policy Guard`; statements are counted from 1, as people do.
pub fn describe_statement(deciding: &Deciding<'_>) -> String {
    let number = deciding.index + 1;
    let of = place(deciding.kind, deciding.policy);
    match &deciding.statement.sid {
        Some(sid) => format!("statement {number} (Sid {sid}) of {of}"),
        None => format!("statement {number} of {of}"),
    }
}

/// What was not considered, in words.
pub fn not_considered(item: NotConsidered<'_>) -> String {
    match item {
        NotConsidered::ServiceControlPolicies => "service control policies (SCPs)".to_owned(),
        NotConsidered::ResourceControlPolicies => "resource control policies (RCPs)".to_owned(),
        NotConsidered::EndpointPolicies => "VPC endpoint policies".to_owned(),
        NotConsidered::ResourcePolicy => "the resource's own policy".to_owned(),
        NotConsidered::Unread(PolicyKind::Identity, name) => format!("{}, which was not read", short(name)),
        NotConsidered::Unread(kind, name) => format!("{}, which was not read", place(kind, name)),
    }
}

/// Why no policy decides, where that is so.
pub fn exemption(ruling: &Ruling<'_>) -> Option<&'static str> {
    Some(match ruling.exempt? {
        Exempt::NeedsNoPermission => "AWS requires no permission for it, and no policy can deny it",
        Exempt::Unsigned => "the AWS SDKs send it unsigned, so that no policy of the role decides on it",
        Exempt::NotForRoles => "AWS refuses it to every session of a role; only an IAM user can call it",
    })
}

/// Why a ruling denies: the statement that does, or the policies that do not allow.
pub fn denial(ruling: &Ruling<'_>) -> String {
    if let Some(reason) = exemption(ruling) {
        return reason.to_owned();
    }
    let denying = ruling.deciding.iter().find(|deciding| deciding.statement.effect == Effect::Deny);
    match (ruling.verdict, denying) {
        (Verdict::ExplicitlyDenied, Some(denying)) => format!("{} denies it", describe_statement(denying)),
        _ => match ruling.missing_in {
            Some(PolicyKind::Boundary) => "the permissions boundary does not allow it".to_owned(),
            Some(PolicyKind::Session) => "the association's session policy does not allow it".to_owned(),
            Some(PolicyKind::ServiceControl) => {
                "the service control policies of the role's account do not allow it".to_owned()
            }
            Some(PolicyKind::Resource) => "the resource's policy does not allow it".to_owned(),
            Some(PolicyKind::Identity) | None => match ruling.deciding.first() {
                Some(near) if !near.statement.conditions.is_empty() || !near.statement.resources.written.is_empty() => {
                    format!("{} names the action, but for {}", describe_statement(near), limits(near))
                }
                _ => "no policy of the role allows it".to_owned(),
            },
        },
    }
}

/// What an open ruling depends on; `None` where the verdict is not open.
pub fn doubt(ruling: &Ruling<'_>) -> Option<String> {
    if ruling.verdict != Verdict::Unknown {
        return None;
    }
    if !ruling.unknown_keys.is_empty() {
        return Some(ruling.unknown_keys.join(", "));
    }
    let unread = ruling.not_considered.iter().filter(|item| matches!(item, NotConsidered::Unread(..)));
    let unread: Vec<String> = unread.map(|item| not_considered(*item)).collect();
    Some(match unread.as_slice() {
        [] if ruling.deciding.iter().all(|deciding| deciding.applies != Truth::Unknown)
            && !ruling.not_considered.contains(&NotConsidered::ServiceControlPolicies) =>
        {
            "which resource it is, that resource's own policy, or the level at which each service control policy is attached"
                .to_owned()
        }
        [] => "which resource it is, or that resource's own policy".to_owned(),
        _ => unread.join(", "),
    })
}

/// A condition of the statements that came close, on a key of a service that AWS does not list for the action: no request
/// carries it (Service Authorization Reference, "Condition keys"). The reference is not always complete: a hint, no verdict.
pub fn unlisted_key(action: &str, ruling: &Ruling<'_>) -> Option<String> {
    let known = rolecall_actions::find(action)?;
    let conditions = ruling.deciding.iter().flat_map(|deciding| &deciding.statement.conditions);
    let of_a_service = |key: &str| {
        key.split_once(':').is_some_and(|(service, _)| {
            !service.eq_ignore_ascii_case("aws") && rolecall_actions::service(service).is_some()
        })
    };
    let is_listed = |key: &str| {
        // `s3:ExistingObjectTag/<key>` stands for every tag.
        let stem = |key: &str| key.split('/').next().unwrap_or(key).to_ascii_lowercase();
        known.condition_keys().any(|listed| stem(listed) == stem(key))
    };
    let key = conditions.map(|condition| &*condition.key).find(|key| of_a_service(key) && !is_listed(key))?;
    Some(format!("AWS lists no condition key {key} for {}", known.full_name()))
}

/// What a statement asks for besides the action.
fn limits(near: &Deciding<'_>) -> String {
    let resources = &near.statement.resources;
    let mut parts = Vec::new();
    if !resources.written.is_empty() {
        let shown: Vec<&str> = resources.written.iter().take(3).map(|written| &**written).collect();
        let more = if resources.written.len() > 3 { ", …" } else { "" };
        parts.push(format!("{}{}{more}", if resources.negated { "all but " } else { "" }, shown.join(", ")));
    }
    let conditions: Vec<&str> = near.statement.conditions.iter().map(|condition| &*condition.key).collect();
    if !conditions.is_empty() {
        parts.push(format!("under conditions on {}", conditions.join(", ")));
    }
    parts.join(" ")
}

/// What fixes a denied permission of a role. `association`: that of the session, where it is one of Pod Identity.
pub(crate) fn fix_for(
    role_arn: &str,
    association: Option<AssociationName>,
    action: &str,
    resources: Resources<'_>,
    ruling: &Ruling<'_>,
) -> Change {
    let role = RoleName::of(role_arn);
    let denying = ruling.deciding.iter().find(|deciding| deciding.statement.effect == Effect::Deny);
    if let (Verdict::ExplicitlyDenied, Some(denying)) = (ruling.verdict, denying) {
        let place = describe_statement(denying);
        return match policy_of(role, association, denying) {
            Some(policy) => PermissionChange::NarrowDeny { place: place.into(), policy }.into(),
            None => Change::manual(format!("narrow {place}, or remove the declared need")),
        };
    }
    if ruling.exempt.is_some() {
        return PermissionChange::RemoveNeed.into();
    }
    match (ruling.missing_in, association) {
        (Some(PolicyKind::Session), Some(association)) => {
            Change::UpdateAssociation(association, AssociationChange::Policy { action: action.into() })
        }
        (Some(PolicyKind::ServiceControl), _) => {
            PermissionChange::AllowInServiceControl { account: role.account, action: action.into() }.into()
        }
        (Some(PolicyKind::Boundary), _) => PermissionChange::AllowInBoundary { role, action: action.into() }.into(),
        _ => {
            let resource = match resources {
                Resources::One(resource) => resource,
                Resources::None => "*",
                Resources::Some => "RESOURCE_ARN",
            };
            PermissionChange::Allow {
                role,
                policy: policy_name(action, resource).into(),
                actions: vec![action.into()],
                resource: resource.into(),
            }
            .into()
        }
    }
}

/// The name of an inline policy: another for each resource, since `PutRolePolicy` replaces one of the same name.
pub(crate) fn policy_name(action: &str, resource: &str) -> String {
    let name = format!("{}-{:06x}", action.replace([':', '*', '?'], "-"), fingerprint(resource) & 0xff_ffff);
    format!("rolecall-{}", name.trim_matches('-'))
}

/// FNV-1a: the same for the same text in every run.
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The policy that a statement is in.
fn policy_of(role: RoleName, association: Option<AssociationName>, deciding: &Deciding<'_>) -> Option<PolicyName> {
    let policy = deciding.policy.into();
    Some(match deciding.kind {
        PolicyKind::Resource => PolicyName::Trust(role),
        PolicyKind::Session => PolicyName::Session(association?),
        PolicyKind::ServiceControl => PolicyName::ServiceControl(policy),
        _ if deciding.policy.starts_with("arn:") => PolicyName::Managed(policy),
        _ => PolicyName::Inline(role, policy),
    })
}
