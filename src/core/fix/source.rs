//! Changes that are made where an object comes from.

use super::{AccountName, Annotated, Change, Fix, Text};
use crate::workload::Owner;

/// Who owns the objects that a fix may change.
#[derive(Debug, Clone, Copy, Default)]
pub struct Owners<'a> {
    /// Of the service account of this name.
    pub account: Option<(&'a AccountName, &'a Owner)>,
    /// Of the workload.
    pub workload: Option<&'a Owner>,
    /// Of the association.
    pub association: Option<&'a Owner>,
    /// The other associations of the add-on that owns the account or the association: `None` where not all are known.
    pub others: Option<&'a [AddOnAssociation]>,
    /// The cluster's name, or what to put there.
    pub cluster: &'a str,
}

/// An association of an add-on. It has no namespace, since all are in the add-on's, and no target role (EKS API Reference,
/// `AddonPodIdentityAssociations`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddOnAssociation {
    /// The name of its service account.
    pub account: Text,
    /// The ARN of its role.
    pub role: Text,
}

impl Owners<'_> {
    fn of(&self, change: &Change) -> Option<&Owner> {
        let of_account =
            |account: &AccountName| self.account.filter(|(name, _)| *name == account).map(|(_, owner)| owner);
        match change {
            Change::Annotate { object: Annotated::Account(account), .. } => of_account(account),
            Change::Template(_) | Change::TaskDefinition(_) => self.workload,
            Change::UpdateAssociation(..) | Change::DeleteAssociation(_) => self.association,
            // An association of an add-on is created with it.
            Change::CreateAssociation { account, .. } => {
                of_account(account).filter(|owner| matches!(owner, Owner::AddOn(_)))
            }
            _ => None,
        }
    }
}

impl Fix {
    /// Has each change made where its object comes from.
    pub fn follow(&mut self, owners: &Owners<'_>) {
        self.steps.iter_mut().chain(self.alternative.as_deref_mut()).for_each(|change| change.follow(owners));
    }
}

impl Change {
    fn follow(&mut self, owners: &Owners<'_>) {
        if let Self::UseAnotherRole { instead, .. } = self {
            return instead.follow(owners);
        }
        let Some(owner) = owners.of(self) else { return };
        let change = std::mem::replace(self, Self::CheckAgent);
        let cluster = Text::from(owners.cluster);
        let others = owners.others.filter(|_| matches!(owner, Owner::AddOn(_))).map(Into::into);
        *self = Self::Through { owner: owner.clone(), cluster, others, change: Box::new(change) };
    }

    /// The change itself, whatever it is made through.
    pub fn inner(&self) -> &Self {
        match self {
            Self::Through { change, .. } => change,
            _ => self,
        }
    }
}
