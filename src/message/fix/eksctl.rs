//! Fixes as eksctl commands: associations and OIDC providers. eksctl does not edit trust policies.

use rolecall_core::fix::{AccountName, Associated, AssociationChange, AssociationName, Change};
use rolecall_core::workload::Owner;

use super::association::ANY_ROLE;
use super::cli::DEFAULT_AUDIENCE;
use crate::shell::Command;

/// The command of a change.
pub(super) fn of(change: &Change) -> Option<String> {
    match change {
        Change::UseAnotherRole { instead, .. } => of(instead),
        Change::Through { owner: Owner::File { .. }, change, .. } => of(change),
        Change::Through { owner: Owner::Eksctl, change, .. } => of_change(change)?.finish(),
        other => of_change(other)?.finish(),
    }
}

/// The command of a change that is made nowhere else. `create iamserviceaccount` leaves out a service account that it created
/// before (eksctl, "IAM Roles for Service Accounts"), so that there is none for annotations.
pub(super) fn of_change(change: &Change) -> Option<Command> {
    let command = match change {
        Change::CreateProvider { cluster: Some(cluster), audience, .. } if &**audience == DEFAULT_AUDIENCE => {
            Command::new("eksctl utils associate-iam-oidc-provider").option("--cluster", cluster).words("--approve")
        }
        Change::CreateAssociation { cluster, account, role } => {
            association("eksctl create podidentityassociation", cluster, account)
                .option("--role-arn", role.as_deref().unwrap_or(ANY_ROLE))
        }
        Change::UpdateAssociation(AssociationName { cluster, account, has, .. }, change) => {
            let command = association("eksctl update podidentityassociation", cluster, account);
            match change {
                AssociationChange::Role(role) => command.option("--role-arn", role),
                // eksctl asks for the role with every change.
                AssociationChange::Target(target) => {
                    let Associated { role, .. } = has.as_ref()?;
                    command.option("--role-arn", role).option("--target-role-arn", target)
                }
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
    };
    Some(command)
}

fn association(words: &'static str, cluster: &str, AccountName { namespace, name }: &AccountName) -> Command {
    Command::new(words)
        .option("--cluster", cluster)
        .option("--namespace", namespace)
        .option("--service-account-name", name)
}
