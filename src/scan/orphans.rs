//! Identities that no workload has: associations for what does not exist, and service accounts with a role that nothing uses.

use std::collections::HashSet;

use rolecall_core::Known;
use rolecall_core::chain::Subject;
use rolecall_core::identity::{Identity, Mechanism};
use rolecall_core::judge::{Absent, near_account, orphaned_association};
use rolecall_core::world::World;
use serde::Serialize;

use super::accounts::Accounts;
use super::owners::Owner;
use super::tally::Tally;

/// An identity that no workload has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Namespace of the service account.
    pub namespace: String,
    /// Its name.
    pub service_account: String,
    /// By association or by annotation.
    pub identity: Identity,
    /// The role, where it is known.
    pub role: Option<String>,
    /// Why no workload has it.
    pub reason: OrphanReason,
}

/// Why no workload has an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrphanReason {
    /// The namespace does not exist.
    NamespaceMissing,
    /// The service account does not exist.
    ServiceAccountMissing,
    /// No workload and no pod uses the service account.
    Unused,
}

/// What is known of a cluster's names.
pub(super) struct Names<'a> {
    pub(super) accounts: &'a Accounts,
    /// Every namespace, where they could be listed.
    pub(super) namespaces: Option<&'a HashSet<Box<str>>>,
    /// Whether a namespace was read at all.
    pub(super) in_scope: &'a dyn Fn(&str) -> bool,
    /// Whether all workloads and pods were read, so that what is not seen to be used is not.
    pub(super) all_users: bool,
}

/// Finds them; associations for what does not exist are findings besides.
pub(super) fn find(world: &World, names: &Names<'_>, tally: &mut Tally) -> Vec<Orphan> {
    let mut orphans = Vec::new();
    for (namespace, accounts) in world.snapshot.associations.iter().flatten() {
        if !(names.in_scope)(namespace) {
            continue;
        }
        for (name, association) in accounts {
            let subject = Subject { namespace, service_account: name };
            let no_namespace = names.namespaces.is_some_and(|all| !all.contains(namespace));
            let absent = match world.service_account(namespace, name) {
                Known::Present(_) => continue,
                _ if no_namespace => Absent::Namespace,
                Known::Absent => Absent::ServiceAccount,
                Known::Unknown => continue,
            };
            let near = near_account(subject, names.accounts.names());
            let finding = orphaned_association(world, subject, association, absent, near);
            tally.add_finding(Owner::new(namespace, "ServiceAccount", name), finding);
            orphans.push(Orphan {
                namespace: namespace.to_string(),
                service_account: name.to_string(),
                identity: Identity::PodIdentity,
                role: association.role_arn.as_ref().map(|arn| arn.to_string()),
                reason: match absent {
                    Absent::Namespace => OrphanReason::NamespaceMissing,
                    Absent::ServiceAccount => OrphanReason::ServiceAccountMissing,
                },
            });
        }
    }
    if names.all_users {
        for (namespace, name) in names.accounts.names() {
            if tally.is_used(namespace, name) {
                continue;
            }
            let plan = world.plan(Subject { namespace, service_account: name });
            let Some(identity) = plan.mechanism.map(Mechanism::identity) else { continue };
            orphans.push(Orphan {
                namespace: namespace.to_owned(),
                service_account: name.to_owned(),
                identity,
                role: plan.role_arn.as_ref().map(|arn| arn.to_string()),
                reason: OrphanReason::Unused,
            });
        }
    }
    orphans.sort_by(|a, b| (&a.namespace, &a.service_account).cmp(&(&b.namespace, &b.service_account)));
    orphans
}
