//! The links that a judgement rests on, to read them again.

use std::collections::BTreeSet;

use rolecall_iam::RoleArn;

use super::Judgement;
use crate::chain::{State, Subject};
use crate::rules::Trait;
use crate::world::World;

/// Most roles of its containers that are read again before an object is denied.
const MAX_OF_CONTAINERS: usize = 32;

/// What to read again before a denial: nothing else that AWS holds could turn it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    /// Namespace and name of the service account, whose association may have come or gone.
    pub subject: (String, String),
    /// ARNs of roles, and of those that an association leads on to.
    pub roles: BTreeSet<String>,
    /// Their policies too: the denial rests on a permission.
    pub policies: bool,
    /// The association is read after the review came, not taken from a reading shortly before: the pod shows that there may
    /// be a new one.
    pub new_association: bool,
    /// The cluster's issuer too: the denial rests on what the role's account and trust policy have for it.
    pub issuer: bool,
    /// The installed add-ons too.
    pub addons: bool,
    /// The Fargate profiles too.
    pub fargate_profiles: bool,
}

impl Links {
    /// The links behind a judgement, of containers' roles those of [`Judgement::named_roles`]; `also` is a role that the judged object itself names.
    pub fn of(world: &World, subject: Subject<'_>, judgement: &Judgement<'_>, also: Option<&str>) -> Self {
        Self::with_roles(world, subject, judgement, judgement.named_roles().chain(also).collect())
    }

    /// The links that a denial rests on. Of the roles that containers bring the broken ones come first, and beyond
    /// 32 they are left out: one that is still broken is enough to deny, and to read all of thousands takes
    /// longer than the API server waits.
    pub fn of_denial(world: &World, subject: Subject<'_>, judgement: &Judgement<'_>, also: Option<&str>) -> Self {
        let of = |is_broken: bool| {
            let containers = judgement.containers.iter();
            let containers = containers.filter(move |container| (container.chain == State::Broken) == is_broken);
            containers.filter_map(|container| container.role.as_deref())
        };
        let mut named: Vec<&str> = Vec::new();
        for arn in of(true).chain(of(false)) {
            if named.len() == MAX_OF_CONTAINERS {
                break;
            }
            if !named.contains(&arn) {
                named.push(arn);
            }
        }
        named.extend(also);
        Self::with_roles(world, subject, judgement, named)
    }

    fn with_roles(world: &World, subject: Subject<'_>, judgement: &Judgement<'_>, named: Vec<&str>) -> Self {
        let plan = world.plan(subject);
        // The annotation's role counts once an association is gone.
        let known = world.service_account(subject.namespace, subject.service_account);
        let annotated = known.present().and_then(|account| account.role_arn.as_deref());
        let association = world.association(subject);
        let unconnected = plan.unconnected.iter().map(|role| &*role.role_arn);
        let named = named.into_iter().chain(annotated).chain(plan.role_arn.as_deref()).chain(unconnected);
        let associated = association.into_iter().flat_map(|a| [a.role_arn.as_deref(), a.target_role_arn.as_deref()]);
        let roles = named.chain(associated.flatten()).filter(|arn| RoleArn::parse(arn).is_ok());
        // A name in another case may be the role's, or none: its own spelling is read too.
        let own = |arn: &str| {
            let named = RoleArn::parse(arn).ok()?;
            let role = world.snapshot.role_by_name(named.account, named.name).present()?;
            Some(role.arn.to_string())
        };
        let roles: BTreeSet<String> = roles.flat_map(|arn| [Some(arn.to_owned()), own(arn)]).flatten().collect();
        let denying = || judgement.findings.iter().chain(judgement.self_exempted());
        let rests_on = |data: Trait| denying().any(|finding| finding.problem.rule.has(data));
        Self {
            subject: (subject.namespace.to_owned(), subject.service_account.to_owned()),
            roles,
            policies: rests_on(Trait::ReadsPolicies),
            new_association: rests_on(Trait::ReadsNewAssociation),
            issuer: rests_on(Trait::ReadsIssuer),
            addons: rests_on(Trait::ReadsAddons),
            fargate_profiles: rests_on(Trait::ReadsFargateProfiles),
        }
    }

    /// The same whatever is wrong with the roles: the time that reading takes must not tell it.
    #[must_use]
    pub fn alike(self) -> Self {
        Self { issuer: true, ..self }
    }

    /// Whether these links are among those that were read.
    pub fn are_among(&self, read: &Self) -> bool {
        self.subject == read.subject
            && self.roles.is_subset(&read.roles)
            && (read.policies || !self.policies)
            && (read.new_association || !self.new_association)
            && (read.issuer || !self.issuer)
            && (read.addons || !self.addons)
            && (read.fargate_profiles || !self.fargate_profiles)
    }

    /// Both.
    #[must_use]
    pub fn and(mut self, others: &Self) -> Self {
        self.roles.extend(others.roles.iter().cloned());
        self.policies |= others.policies;
        self.new_association |= others.new_association;
        self.issuer |= others.issuer;
        self.addons |= others.addons;
        self.fargate_profiles |= others.fargate_profiles;
        self
    }

    /// The accounts whose OIDC provider counts: those of the roles.
    pub fn accounts(&self) -> BTreeSet<&str> {
        self.roles.iter().filter_map(|arn| Some(RoleArn::parse(arn).ok()?.account)).collect()
    }
}
