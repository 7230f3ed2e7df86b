//! Where fixes are carried out: in what the objects come from, since a change of an object alone is reverted.

use super::{JudgedTaskDefinition, Judgement};
use crate::chain::{Subject, fix};
use crate::finding::{Finding, Note};
use crate::fix::{AccountName, AddOnAssociation, Owners};
use crate::snapshot::Association;
use crate::workload::Owner;
use crate::world::World;

/// Has all fixes of a judgement follow these owners. What an owner was found for before stays its own.
pub fn follow_owners(judgement: &mut Judgement<'_>, owners: &Owners<'_>) {
    for finding in judgement.findings.iter_mut().chain(&mut judgement.exempted) {
        follow_of_finding(finding, owners);
    }
}

/// The same of a task definition.
pub fn follow_owner_of_task_definition(judged: &mut JudgedTaskDefinition<'_>, owner: &Owner) {
    let owners = Owners { workload: Some(owner), ..Owners::default() };
    for finding in judged.findings.iter_mut().chain(&mut judged.exempted) {
        follow_of_finding(finding, &owners);
    }
}

fn follow_of_finding(finding: &mut Finding, owners: &Owners<'_>) {
    finding.problem.fix.follow(owners);
    for note in &mut finding.notes {
        if let Note::Also(also) = note {
            also.problem.fix.follow(owners);
        }
    }
}

/// The same as labels, annotations and the association tell.
pub(super) fn follow(
    judgement: &mut Judgement<'_>,
    world: &World,
    subject: Subject<'_>,
    account: Option<&Owner>,
    workload: Option<&Owner>,
) {
    let association = world.association(subject).and_then(of_association);
    if account.is_none() && workload.is_none() && association.is_none() {
        return;
    }
    let name = AccountName::from(subject);
    let cluster = fix::cluster_name(&world.snapshot);
    let add_on = [association.as_ref(), account].into_iter().flatten().find_map(|owner| match owner {
        Owner::AddOn(name) => Some(&**name),
        _ => None,
    });
    let others = add_on.and_then(|add_on| others(world, subject, add_on));
    let owners = Owners {
        account: account.map(|owner| (&name, owner)),
        workload,
        association: association.as_ref(),
        others: others.as_deref(),
        cluster: &cluster,
    };
    follow_owners(judgement, &owners);
}

/// The associations of an add-on beside that of the service account; `None` where one may be missing, or has what an add-on
/// cannot set.
fn others(world: &World, subject: Subject<'_>, add_on: &str) -> Option<Vec<AddOnAssociation>> {
    let snapshot = &world.snapshot;
    if snapshot.withheld.is_some() || !snapshot.unreadable_associations.is_empty() {
        return None;
    }
    let of_namespace = snapshot.associations.as_ref()?.get(subject.namespace).into_iter().flatten();
    let others = of_namespace.filter(|(account, association)| {
        ***account != *subject.service_account
            && (association.fault.is_some() || association.add_on.as_deref() == Some(add_on))
    });
    let mut others: Vec<AddOnAssociation> = others
        .map(|(account, Association { role_arn, target_role_arn, .. })| {
            let role = role_arn.as_ref().filter(|_| target_role_arn.is_none())?;
            Some(AddOnAssociation { account: account.into(), role: role.into() })
        })
        .collect::<Option<_>>()?;
    others.sort_by(|a, b| a.account.cmp(&b.account));
    Some(others)
}

fn of_association(association: &Association) -> Option<Owner> {
    match (&association.add_on, association.is_by_eksctl) {
        (Some(name), _) => Some(Owner::AddOn((&**name).into())),
        (None, true) => Some(Owner::Eksctl),
        (None, false) => None,
    }
}
