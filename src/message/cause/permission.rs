//! What identities may not do.

use rolecall_core::finding::PermissionCause;

use crate::names::{list, service_account};

pub(super) fn sentence(cause: &PermissionCause) -> String {
    match cause {
        PermissionCause::TooManyNeeds { account, checked } => format!(
            "{} declares more than {checked} needs: rolecall checked the first {checked}",
            service_account(account)
        ),
        PermissionCause::TooManyRoles { account } => format!(
            "rolecall did not check the declared needs of {}: its containers have too many roles",
            service_account(account)
        ),
        PermissionCause::NotAnAction { account, action } => {
            format!("{} declares that it needs {action}, which is not an AWS action", service_account(account))
        }
        PermissionCause::PoliciesTooLarge { account, roles } => format!(
            "rolecall did not check all declared needs of {}: the policies of {} are too large",
            service_account(account),
            list(roles)
        ),
        PermissionCause::Denied { account, role, action, resource, is_certain } => {
            let verb = if *is_certain { "will deny" } else { "may deny" };
            let on = resource.as_ref().map(|resource| format!(" on {resource}")).unwrap_or_default();
            format!(
                "AWS {verb} {action}{on} to {} as role {role}, which its declared needs include",
                service_account(account)
            )
        }
        PermissionCause::NodeRoleAllows { account, role } => format!(
            "the node role {role} allows what {} needs: it works, and so it does for every pod on that node",
            service_account(account)
        ),
        PermissionCause::MayNotAllow { account, role } => {
            format!("role {role} may not allow what {} declares that it needs", service_account(account))
        }
        PermissionCause::NeedsOwnRole { account } => {
            format!("{} needs a role of its own: the node role is for the node alone", service_account(account))
        }
    }
}
