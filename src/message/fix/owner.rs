//! Commands that change an object through what owns it.

use rolecall_core::fix::{AccountName, Annotated, AssociationChange, Change};
use rolecall_core::workload::Owner;

use super::eksctl;
use crate::shell::Command;

/// The command; none where the change is one of a file or of a chart's values, or where the owner offers none.
pub(super) fn of(owner: &Owner, cluster: &str, change: &Change) -> Option<Command> {
    match owner {
        Owner::AddOn(name) => add_on(cluster, name, change),
        Owner::Eksctl => eksctl::command(cluster, change),
        Owner::File { .. }
        | Owner::Helm(_)
        | Owner::ArgoCd(_)
        | Owner::Kustomization(_)
        | Owner::HelmRelease(_)
        | Owner::CloudFormation(_)
        | Owner::Terraform(_) => None,
    }
}

/// Amazon EKS User Guide, "Update an Amazon EKS add-on" and "Use Pod Identities to assign an IAM role to an Amazon EKS add-on".
fn add_on(cluster: &str, name: &str, change: &Change) -> Option<Command> {
    let command = Command::new("aws eks update-addon").option("--cluster-name", cluster).option("--addon-name", name);
    let command = match change {
        Change::Annotate { object: Annotated::Account(_), set, .. } => {
            let (_, role) = set.iter().find(|(key, _)| key.ends_with("/role-arn"))?;
            command.option("--service-account-role-arn", role)
        }
        Change::CreateAssociation { account, role, .. } => {
            associated(command, account, role.as_deref().unwrap_or("ROLE_ARN"))
        }
        Change::UpdateAssociation(association, AssociationChange::Role(role)) => {
            associated(command, &association.account, role)
        }
        _ => return None,
    };
    Some(command.words("--resolve-conflicts PRESERVE"))
}

/// As JSON: a comma in a value would end it in the short form.
fn associated(command: Command, account: &AccountName, role: &str) -> Command {
    let associations = serde_json::json!([{"serviceAccount": &*account.name, "roleArn": role}]);
    command.option("--pod-identity-associations", associations.to_string())
}
