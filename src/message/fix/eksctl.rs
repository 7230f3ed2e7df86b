//! Fixes as eksctl commands: associations and OIDC providers. eksctl does not edit trust policies.

use rolecall_core::fix::{AccountName, AssociationChange, AssociationName, Change};

use crate::shell::Command;

/// The command of a change.
pub(super) fn of(change: &Change) -> Option<String> {
    match change {
        Change::CreateProvider { cluster: Some(cluster), .. } => {
            Command::new("eksctl utils associate-iam-oidc-provider").option("--cluster", cluster).words("--approve")
        }
        Change::CreateAssociation { cluster, account, role } => {
            let command = association("eksctl create podidentityassociation", cluster, account);
            command.option("--role-arn", role.as_deref().unwrap_or("ROLE_ARN"))
        }
        Change::UseAnotherRole { cluster, account, .. } => {
            association("eksctl create podidentityassociation", cluster, account).option("--role-arn", "ROLE_ARN")
        }
        Change::UpdateAssociation(AssociationName { cluster, account, .. }, change) => {
            let command = association("eksctl update podidentityassociation", cluster, account);
            match change {
                AssociationChange::Role(role) => command.option("--role-arn", role),
                AssociationChange::Target(target) => command.option("--target-role-arn", target),
                AssociationChange::RoleAndTarget(role, target) => {
                    command.option("--role-arn", role).option("--target-role-arn", target)
                }
                AssociationChange::SessionTags | AssociationChange::Policy { .. } => return None,
            }
        }
        Change::DeleteAssociation(AssociationName { cluster, account, .. }) => {
            association("eksctl delete podidentityassociation", cluster, account)
        }
        _ => return None,
    }
    .finish()
}

fn association(words: &'static str, cluster: &str, AccountName { namespace, name }: &AccountName) -> Command {
    let name = if &**name == "default" { "SERVICE_ACCOUNT" } else { name };
    Command::new(words)
        .option("--cluster", cluster)
        .option("--namespace", namespace)
        .option("--service-account-name", name)
}
