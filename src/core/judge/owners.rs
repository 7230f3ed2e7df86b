//! Where fixes are carried out: in what the objects come from, since a change of an object alone is reverted.

use super::{JudgedTaskDefinition, Judgement};
use crate::chain::{Subject, fix};
use crate::finding::{Finding, Note};
use crate::fix::{AccountName, Owners};
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
    let owners = Owners {
        account: account.map(|owner| (&name, owner)),
        workload,
        association: association.as_ref(),
        cluster: &cluster,
    };
    follow_owners(judgement, &owners);
}

fn of_association(association: &Association) -> Option<Owner> {
    match (&association.add_on, association.is_by_eksctl) {
        (Some(name), _) => Some(Owner::AddOn((&**name).into())),
        (None, true) => Some(Owner::Eksctl),
        (None, false) => None,
    }
}
