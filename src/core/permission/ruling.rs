//! Why policies decide as they do, as data, and what fixes it.

use rolecall_iam::{Deciding, Effect, Exempt, NotConsidered, PolicyKind, Ruling, Truth, Verdict};

use super::policies::Resources;
use crate::fix::{
    Advice, AssociationChange, AssociationName, Change, FirstValues, List, PermissionChange, PolicyName, PolicyRef,
    PolicyStatement, RoleName, Text,
};
use crate::text::within_a_text;

/// Why a ruling denies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// No policy has a say in the action.
    Exempt(Exempt),
    /// A statement denies.
    By(PolicyStatement),
    /// Policies of this type do not allow it.
    NotAllowedBy(PolicyKind),
    /// A statement names the action, but does not apply.
    OnlyFor(PolicyStatement, StatementLimits),
    /// No policy of the role allows it.
    Nowhere,
}

/// What a statement asks for besides the action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementLimits {
    /// Its resources; none where it names none.
    pub resources: FirstValues,
    /// Those are the resources that it leaves out.
    pub is_negated: bool,
    /// The keys of its conditions.
    pub keys: List,
}

/// What an open ruling depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RulingDoubt {
    /// The values of condition keys.
    Keys(List),
    /// Policies that were not read.
    Unread(Box<[PolicyRef]>),
    /// Which resource it is, or that resource's own policy.
    Resource,
    /// The same, or where each service control policy is attached.
    ResourceOrAttachment,
}

/// A condition key that AWS does not list for an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnlistedKey {
    /// The key.
    pub key: Text,
    /// The action.
    pub action: Text,
}

/// Why a ruling denies: the statement that does, or the policies that do not allow.
pub fn denial(ruling: &Ruling<'_>) -> Denial {
    if let Some(exempt) = ruling.exempt {
        return Denial::Exempt(exempt);
    }
    let denying = ruling.deciding.iter().find(|deciding| deciding.statement.effect == Effect::Deny);
    match (ruling.verdict, denying) {
        (Verdict::ExplicitlyDenied, Some(denying)) => Denial::By(denying.into()),
        _ => match (ruling.missing_in, ruling.deciding.first()) {
            (Some(kind), _) if kind != PolicyKind::Identity => Denial::NotAllowedBy(kind),
            (_, Some(near))
                if !near.statement.conditions.is_empty() || !near.statement.resources.written.is_empty() =>
            {
                Denial::OnlyFor(near.into(), limits(near))
            }
            _ => Denial::Nowhere,
        },
    }
}

/// What an open ruling depends on; `None` where the verdict is not open.
pub fn doubt(ruling: &Ruling<'_>) -> Option<RulingDoubt> {
    (ruling.verdict == Verdict::Unknown).then(|| doubt_of(ruling))
}

/// The same of a ruling that is known to be open.
pub(crate) fn doubt_of(ruling: &Ruling<'_>) -> RulingDoubt {
    if !ruling.unknown_keys.is_empty() {
        return RulingDoubt::Keys(ruling.unknown_keys.iter().collect());
    }
    let unread = unread(ruling);
    if !unread.is_empty() {
        return RulingDoubt::Unread(unread);
    }
    let is_decided = ruling.deciding.iter().all(|deciding| deciding.applies != Truth::Unknown);
    if is_decided && !ruling.not_considered.contains(&NotConsidered::ServiceControlPolicies) {
        RulingDoubt::ResourceOrAttachment
    } else {
        RulingDoubt::Resource
    }
}

/// The policies that were not read, as many as a text has room for.
pub(crate) fn unread(ruling: &Ruling<'_>) -> Box<[PolicyRef]> {
    let unread = ruling.not_considered.iter().filter_map(|item| match item {
        NotConsidered::Unread(kind, name) => Some(PolicyRef { kind: *kind, name: (*name).into() }),
        _ => None,
    });
    within_a_text(unread, |policy| policy.name.len()).into()
}

/// A condition of the statements that came close, on a key of a service that AWS does not list for the action: no request
/// carries it (Service Authorization Reference, "Condition keys"). The reference is not always complete: a hint, no verdict.
pub fn unlisted_key(action: &str, ruling: &Ruling<'_>) -> Option<UnlistedKey> {
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
    Some(UnlistedKey { key: key.into(), action: known.full_name().into() })
}

fn limits(near: &Deciding<'_>) -> StatementLimits {
    let Deciding { statement, .. } = near;
    StatementLimits {
        resources: statement.resources.written.iter().collect(),
        is_negated: statement.resources.negated,
        keys: statement.conditions.iter().map(|condition| &condition.key).collect(),
    }
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
        let statement = PolicyStatement::from(denying);
        return match policy_of(role, association, denying) {
            Some(policy) => PermissionChange::NarrowDeny { statement, policy }.into(),
            None => Advice::NarrowOrRemoveNeed(statement).into(),
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
