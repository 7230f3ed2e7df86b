//! How rulings read.

use rolecall_core::fix::PolicyRef;
use rolecall_core::judge::UnreadControlPolicies;
use rolecall_core::permission::{Denial, RulingDoubt, StatementLimits, UnlistedKey};
use rolecall_iam::{Exempt, NotConsidered, PolicyKind};

pub use crate::names::policy_statement as statement;
use crate::names::{list, unread};

/// What was not considered.
pub fn not_considered(item: NotConsidered<'_>) -> String {
    match item {
        NotConsidered::ServiceControlPolicies => "service control policies (SCPs)".to_owned(),
        NotConsidered::ResourceControlPolicies => "resource control policies (RCPs)".to_owned(),
        NotConsidered::EndpointPolicies => "VPC endpoint policies".to_owned(),
        NotConsidered::ResourcePolicy => "the resource's own policy".to_owned(),
        NotConsidered::Unread(kind, name) => unread(kind, name),
    }
}

/// Which policies of AWS Organizations were not read.
pub fn unread_control_policies(unread: UnreadControlPolicies) -> &'static str {
    match unread {
        UnreadControlPolicies::Service => "SCP not read",
        UnreadControlPolicies::Resource => "RCP not read",
        UnreadControlPolicies::Both => "SCP and RCP not read",
    }
}

/// Why no policy decides.
pub fn exemption(exempt: Exempt) -> &'static str {
    match exempt {
        Exempt::NeedsNoPermission => "AWS requires no permission for it, and no policy can deny it",
        Exempt::Unsigned => "the AWS SDKs send it unsigned, so that no policy of the role decides on it",
        Exempt::NotForRoles => "AWS refuses it to every session of a role; only an IAM user can call it",
    }
}

/// Why a ruling denies.
pub fn denial(denial: &Denial) -> String {
    match denial {
        Denial::Exempt(exempt) => exemption(*exempt).to_owned(),
        Denial::By(denying) => format!("{} denies it", statement(denying)),
        Denial::NotAllowedBy(PolicyKind::Boundary) => "the permissions boundary does not allow it".to_owned(),
        Denial::NotAllowedBy(PolicyKind::Session) => "the association's session policy does not allow it".to_owned(),
        Denial::NotAllowedBy(PolicyKind::ServiceControl) => {
            "the service control policies of the role's account do not allow it".to_owned()
        }
        Denial::NotAllowedBy(PolicyKind::Resource) => "the resource's policy does not allow it".to_owned(),
        Denial::OnlyFor(near, only) => format!("{} names the action, but for {}", statement(near), limits(only)),
        Denial::NotAllowedBy(PolicyKind::Identity) | Denial::Nowhere => "no policy of the role allows it".to_owned(),
    }
}

/// What an open ruling depends on.
pub fn doubt(doubt: &RulingDoubt) -> String {
    match doubt {
        RulingDoubt::Keys(keys) => list(keys),
        RulingDoubt::Unread(policies) => {
            let texts = policies.iter().map(|PolicyRef { kind, name }| unread(*kind, name));
            texts.collect::<Vec<_>>().join(", ")
        }
        RulingDoubt::Resource => "which resource it is, or that resource's own policy".to_owned(),
        RulingDoubt::ResourceOrAttachment => {
            "which resource it is, that resource's own policy, or the level at which each service control policy is attached"
                .to_owned()
        }
    }
}

/// A condition key that AWS does not list.
pub fn unlisted_key(UnlistedKey { key, action }: &UnlistedKey) -> String {
    format!("AWS lists no condition key {key} for {action}")
}

/// What a statement asks for besides the action.
fn limits(StatementLimits { resources, is_negated, keys }: &StatementLimits) -> String {
    let mut parts = Vec::new();
    if resources.count > 0 {
        let shown = resources.shown.iter().map(|resource| &**resource).collect::<Vec<_>>().join(", ");
        let more = if resources.count > 3 { ", …" } else { "" };
        parts.push(format!("{}{shown}{more}", if *is_negated { "all but " } else { "" }));
    }
    if !keys.is_empty() {
        parts.push(format!("under conditions on {}", list(keys)));
    }
    parts.join(" ")
}
