//! The links that a judgement rests on, to read them anew.

use std::collections::BTreeSet;

use rolecall_iam::RoleArn;

use super::Subject;
use crate::judge::Judgement;
use crate::world::World;

/// What to read anew before a denial: nothing else that AWS holds could turn it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    /// Namespace and name of the service account, whose association may have come or gone.
    pub subject: (String, String),
    /// ARNs of roles, and of those that an association leads on to.
    pub roles: BTreeSet<String>,
    /// Their policies too: the denial rests on a permission.
    pub policies: bool,
}

impl Links {
    /// The links behind a judgement; `also` is a role that the judged object itself names.
    pub fn of(world: &World, subject: Subject<'_>, judgement: &Judgement<'_>, also: Option<&str>) -> Self {
        let plan = world.plan(subject);
        // The annotation's role counts once an association is gone.
        let known = world.service_account(subject.namespace, subject.service_account);
        let annotated = known.account().and_then(|account| account.role_arn.as_deref());
        let association = world.association(subject);
        let named = judgement.containers.iter().filter_map(|container| container.role.as_deref());
        let named = named.chain(also).chain(annotated).chain(plan.role_arn.as_deref());
        let associated = association.into_iter().flat_map(|a| [a.role_arn.as_deref(), a.target_role_arn.as_deref()]);
        let roles = named.chain(associated.flatten()).filter(|arn| RoleArn::parse(arn).is_ok()).map(str::to_owned);
        Self {
            subject: (subject.namespace.to_owned(), subject.service_account.to_owned()),
            roles: roles.collect(),
            policies: judgement.findings.iter().any(|finding| finding.problem.rule.reads_policies()),
        }
    }

    /// Whether these links are among those that were read.
    pub fn are_among(&self, read: &Self) -> bool {
        self.subject == read.subject && self.roles.is_subset(&read.roles) && (read.policies || !self.policies)
    }

    /// Both.
    #[must_use]
    pub fn and(mut self, others: &Self) -> Self {
        self.roles.extend(others.roles.iter().cloned());
        self.policies |= others.policies;
        self
    }

    /// The accounts whose OIDC provider counts: those of the roles.
    pub fn accounts(&self) -> BTreeSet<&str> {
        self.roles.iter().filter_map(|arn| Some(RoleArn::parse(arn).ok()?.account)).collect()
    }
}
