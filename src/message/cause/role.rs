//! Roles, and whether they can be assumed.

use rolecall_core::finding::{
    CannotAssume, CannotTell, OrganizationCause, RoleCause, RoleRef, TargetCause, TrustDoubt, UnreadableEntry,
};
use rolecall_core::fix::AccountName;

use super::{ecs, injection};
use crate::names::{POD_IDENTITY, account, part, role_place, service_account, undocumented, values};
use crate::permission::doubt;

/// Why a service account cannot assume a role.
pub(super) fn cannot_assume(why: &CannotAssume) -> String {
    match why {
        CannotAssume::AssociationOfOtherAccount => {
            "the association's role belongs to another account than the cluster".to_owned()
        }
        CannotAssume::Partition => "its ARN names another partition than the cluster's".to_owned(),
        CannotAssume::NoSuchRole { account } => format!("account {account} has no such role"),
        CannotAssume::OtherPath => "the role exists under another path".to_owned(),
        CannotAssume::NoProvider { account } => {
            format!("account {account} has no OIDC provider for the cluster's issuer")
        }
        CannotAssume::ProviderAudience => "the OIDC provider does not accept the token's audience".to_owned(),
        CannotAssume::TrustDenies => "a Deny in the role's trust policy applies".to_owned(),
        CannotAssume::TrustAllowsOtherAction => {
            "the role's trust policy allows the cluster's OIDC provider another action".to_owned()
        }
        CannotAssume::TrustSubject => "the role's trust policy does not allow it".to_owned(),
        CannotAssume::TrustAudience => "the role's trust policy does not allow the token's audience".to_owned(),
        CannotAssume::TrustWildcard { operator } => {
            format!("{operator} in the role's trust policy takes the wildcard literally")
        }
        CannotAssume::TrustProvider => "the role's trust policy does not name this cluster's OIDC provider".to_owned(),
        CannotAssume::TrustIssuer => "its trust policy trusts another issuer than this cluster's".to_owned(),
        CannotAssume::TrustKeyUnknown => {
            "the role's trust policy has a condition on a key that no token carries".to_owned()
        }
        CannotAssume::TrustKeyNotCarried => {
            "the role's trust policy has a condition on a key that the token does not carry".to_owned()
        }
        CannotAssume::TrustKeyMismatch { key } => {
            format!("the role's trust policy has a condition on {key} that does not match")
        }
        CannotAssume::TrustService => format!("the role's trust policy does not trust {POD_IDENTITY}"),
        CannotAssume::TrustServiceAction { action } => {
            format!("the role's trust policy does not allow {POD_IDENTITY} to call {action}")
        }
        CannotAssume::TrustKeyNotMetByEks { key } => {
            format!("the role's trust policy has a condition on {key} that EKS does not meet")
        }
        CannotAssume::TrustTags { key } => {
            format!("the condition on {key} in the role's trust policy does not match")
        }
        CannotAssume::Preset(why) => injection::preset(why),
        CannotAssume::NotInjected(why) => injection::not_injected(*why).to_owned(),
        CannotAssume::Ecs(why) => ecs::refusal(why),
    }
}

/// Whether a service account can assume a role is not known.
pub(super) fn cannot_tell(account: &AccountName, role: &RoleRef, why: &CannotTell) -> String {
    let named = match (role, why) {
        (RoleRef::OfAssociation, CannotTell::Unreadable(_)) => "the role of its Pod Identity association".to_owned(),
        _ => crate::names::role(role),
    };
    let why = match why {
        CannotTell::NotCollected(missing) => format!("the snapshot does not contain {}", part(missing)),
        CannotTell::Unreadable(entry) => match entry {
            UnreadableEntry::TrustPolicy => "the role's trust policy cannot be read".to_owned(),
            UnreadableEntry::Role { account } => format!("a role's entry of account {account} cannot be read"),
            UnreadableEntry::Provider { account } => {
                format!("an OIDC provider's entry of account {account} cannot be read")
            }
            UnreadableEntry::Association => "the association's entry cannot be read".to_owned(),
        },
        CannotTell::Trust(doubt) => trust_doubt(doubt),
        CannotTell::Everyone => "AWS does not document what `Principal: \"*\"` does for a web identity".to_owned(),
        CannotTell::TokenAudience => "the audience of its token is not known".to_owned(),
    };
    format!("cannot tell whether {} can assume {named}: {why}", service_account(account))
}

fn trust_doubt(doubt: &TrustDoubt) -> String {
    match doubt {
        TrustDoubt::Undocumented(entry) => format!("AWS does not document what {} does here", undocumented(entry)),
        TrustDoubt::Keys(keys) => format!("it depends on {}", values(keys)),
        TrustDoubt::Request => "it depends on values that only the request has".to_owned(),
    }
}

pub(super) fn role(cause: &RoleCause) -> String {
    match cause {
        RoleCause::Malformed { account, place, fault } => {
            let place = role_place(*place);
            format!("{} cannot assume a role: {place} is not a role ARN: {fault}", service_account(account))
        }
        RoleCause::NotAssumable { account, role, is_certain } => {
            let undecided = if *is_certain { "" } else { ", or rolecall cannot tell" };
            let role = crate::names::role(role);
            format!("{} cannot assume {role}, or it does not exist{undecided}", service_account(account))
        }
        RoleCause::CaseDiffers { account, role } => {
            format!(
                "{} may fail to assume role {role}: its ARN differs from the role's in case",
                service_account(account)
            )
        }
        RoleCause::Unfinished { account, role } => format!(
            "rolecall did not check whether {} can assume role {role}: the roles of this object take more work than \
             rolecall does for one object",
            service_account(account)
        ),
        RoleCause::UnknownOfAssociation { account, association } => format!(
            "cannot tell which role the pods of {} get: the snapshot does not contain the roleArn of Pod Identity \
             association {association}",
            service_account(account)
        ),
        RoleCause::PodIdentityUndecided { account, role, action, doubt } => format!(
            "cannot tell whether {POD_IDENTITY} is allowed {action} on role {role} for {}: {}",
            service_account(account),
            trust_doubt(doubt)
        ),
        RoleCause::Open { role } => format!("any service account of the cluster can assume role {role}"),
        RoleCause::NamesEveryone { role } => {
            format!("the trust policy of role {role} names every principal (`*`)")
        }
        RoleCause::TrustsMore { account: name, role } => {
            format!("role {role} trusts more service accounts than {}", account(name))
        }
        RoleCause::ForeignToken { account: name, role } => {
            format!("whether {} can assume {role} depends on a token that rolecall cannot see", account(name))
        }
    }
}

/// What policies of AWS Organizations do to a call.
pub(super) fn organization(role: &str, why: &OrganizationCause) -> String {
    let verb = |is_certain: bool| if is_certain { "cannot" } else { "is unlikely to be able to" };
    match why {
        OrganizationCause::PolicyDenies { owner, action, is_certain } => format!(
            "{} assume role {role}: a resource control policy of account {owner} denies {action}",
            verb(*is_certain)
        ),
        OrganizationCause::PoliciesDeny { owner, action, is_certain } => format!(
            "{} assume role {role}: the resource control policies of account {owner} deny {action}",
            verb(*is_certain)
        ),
        OrganizationCause::DependsOn { action, keys } => format!(
            "may not be able to assume role {role}: whether a resource control policy denies {action} depends on {}",
            values(keys)
        ),
        OrganizationCause::Unreadable { policy, owner } => format!(
            "may not be able to assume role {role}: resource control policy {policy} of account {owner} cannot be read"
        ),
    }
}

/// The second of two roles, of which one assumes the other; `target` says what it is.
pub(super) fn target(account: &AccountName, first: &str, target: &str, why: &TargetCause) -> String {
    let account = service_account(account);
    match why {
        TargetCause::TrustUndecided(doubt) => {
            format!("cannot tell whether role {first} can assume {target} for {account}: {}", trust_doubt(doubt))
        }
        TargetCause::PoliciesUndecided { action, doubt: open } => format!(
            "cannot tell whether role {first} is allowed {action} on {target} for {account}: it depends on {}",
            doubt(open)
        ),
        TargetCause::Trust { action } => {
            format!("{account} cannot assume {target}: its trust policy does not allow role {first} to call {action}")
        }
        TargetCause::Policies { action } => {
            format!("{account} cannot assume {target}: the policies of role {first} do not allow {action}")
        }
    }
}
