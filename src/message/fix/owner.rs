//! Commands that change an object through what owns it.

use rolecall_core::fix::{AccountName, AddOnAssociation, Annotated, AssociationChange, AssociationName, Change};
use rolecall_core::workload::Owner;

use super::association::ANY_ROLE;
use super::eksctl;
use crate::shell::Command;

/// The command; none where the change is one of a file or of a chart's values, or where the owner offers none.
pub(super) fn of(
    owner: &Owner,
    cluster: &str,
    others: Option<&[AddOnAssociation]>,
    change: &Change,
) -> Option<Command> {
    match owner {
        Owner::AddOn(name) => add_on(cluster, name, others, change),
        Owner::Eksctl => eksctl::of_change(change),
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
/// The associations in a call replace all of the add-on's (EKS API Reference, `UpdateAddon`), so that there is no command where
/// not all are known.
fn add_on(cluster: &str, name: &str, others: Option<&[AddOnAssociation]>, change: &Change) -> Option<Command> {
    let command = Command::new("aws eks update-addon").option("--cluster-name", cluster).option("--addon-name", name);
    let command = match change {
        Change::Annotate { object: Annotated::Account(_), set, .. } => {
            let (_, role) = set.iter().find(|(key, _)| key.ends_with("/role-arn"))?;
            command.option("--service-account-role-arn", role)
        }
        Change::CreateAssociation { account, role, .. } => {
            associated(command, Some((account, role.as_deref().unwrap_or(ANY_ROLE))), others?)
        }
        Change::UpdateAssociation(AssociationName { account, has, .. }, AssociationChange::Role(role))
            if has.as_ref().is_none_or(|has| has.target.is_none()) =>
        {
            associated(command, Some((account, role)), others?)
        }
        Change::DeleteAssociation(_) => associated(command, None, others?),
        _ => return None,
    };
    Some(command.words("--resolve-conflicts PRESERVE"))
}

/// As JSON: a comma in a value would end it in the short form.
fn associated(command: Command, changed: Option<(&AccountName, &str)>, others: &[AddOnAssociation]) -> Command {
    let changed = changed.map(|(account, role)| (&*account.name, role));
    let others = others.iter().map(|AddOnAssociation { account, role }| (&**account, &**role));
    let all: Vec<serde_json::Value> = changed
        .into_iter()
        .chain(others)
        .map(|(account, role)| serde_json::json!({"serviceAccount": account, "roleArn": role}))
        .collect();
    command.option("--pod-identity-associations", serde_json::Value::from(all).to_string())
}
