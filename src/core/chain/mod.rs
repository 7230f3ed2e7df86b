//! The links between a service account and usable credentials: one file a link. Each holds, is broken, or is unknown.

mod association;
mod assumed_context;
pub(crate) mod cost;
mod ecs;
mod ecs_context;
mod ecs_trust;
pub(crate) mod fix;
mod generated;
mod irsa_context;
mod irsa_diagnosis;
mod irsa_repair;
mod irsa_trust;
mod keys;
pub(crate) mod missing;
mod organization;
mod pod_identity_context;
mod pod_identity_repair;
mod pod_identity_trust;
mod provider;
mod readings;
mod role;
mod target;
mod trust;
mod trust_width;
mod typos;
pub(crate) mod unconnected;
mod unreadable;

use crate::cluster::Presence;
use crate::effort::Effort;
use crate::finding::{
    AboutRole, CannotAssume, Cause, Certainty, Evidence, Label, Problem, RolePart, RoleRef, TrustValue,
};
use crate::known::Known;
use crate::rules::{self, Trait};
use crate::snapshot::{Association, Issuer, Role, Snapshot};

pub use assumed_context::RoleRequest;
pub use ecs::{TaskRole, task_definition};
pub use role::RoleSource;

pub use crate::finding::MissingStep;
pub use trust_width::{TrustWidth, trust_width};
pub use unconnected::{Unconnected, unconnected};

pub use crate::subject::Subject;

/// What is known of a link, or of a whole chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It works.
    Holds,
    /// It cannot work.
    Broken,
    /// It depends on data that was not collected, or that cannot be seen.
    Unknown,
}

impl State {
    /// The name in JSON, annotations and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Broken => "broken",
            Self::Unknown => "unknown",
        }
    }

    /// The state of a chain of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Broken, _) | (_, Self::Broken) => Self::Broken,
            (Self::Holds, Self::Holds) => Self::Holds,
            _ => Self::Unknown,
        }
    }
}

/// A chain, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Whether every link holds.
    pub state: State,
    /// What is wrong or not known, the surest first: it leads, the others follow as notes. Never empty where the chain does not
    /// hold.
    pub problems: Vec<Problem>,
    /// A chain that holds for too many.
    pub open: Option<Problem>,
}

impl Chain {
    fn new() -> Self {
        Self { state: State::Holds, problems: Vec::new(), open: None }
    }

    /// A chain that was not walked, and why.
    pub(crate) fn undecided(problem: Problem) -> Self {
        Self { state: State::Unknown, problems: vec![problem], ..Self::new() }
    }

    /// Says of the links that refuse the audience that an empty annotation is the cause: the injector takes it as it is,
    /// and the token is then for the API server (amazon-eks-pod-identity-webhook, `pkg/cache/cache.go`).
    pub(crate) fn blame_empty_audience(&mut self, subject: Subject<'_>, key: &str) {
        for problem in &mut self.problems {
            if problem.rule.has(Trait::AboutAudience) {
                let value = TrustValue::EmptyAudience { account: subject.into(), key: key.into() };
                problem.found = Some(Evidence { label: Label::ServiceAccount, value: value.into() });
                problem.fix = fix::remove_annotation(subject, key).into();
            }
        }
    }

    /// Adds a link. Without a problem it holds; a certain problem breaks it, any other leaves it unknown. So nothing is
    /// unknown that no problem explains.
    fn add(&mut self, problem: Option<Problem>) {
        let state = match &problem {
            None => State::Holds,
            Some(problem) if problem.certainty == Certainty::Certain => State::Broken,
            Some(_) => State::Unknown,
        };
        self.problems.extend(problem);
        self.state = self.state.and(state);
    }

    /// Adds a link whose data may not have been read: then it is left out.
    fn add_read(&mut self, link: Known<Problem>) {
        if !link.is_unknown() {
            self.add(link.present());
        }
    }

    /// The surest problems come first; among equals, those of the first link. Each says which role it tells of, and none
    /// has a role changed that no workload should have.
    fn done(mut self, snapshot: &Snapshot, subject: Subject<'_>, arn: &str) -> Self {
        self.problems.sort_by_key(|problem| std::cmp::Reverse(problem.certainty));
        let about = |part| AboutRole { arn: arn.into(), part, is_withheld: false };
        for problem in &mut self.problems {
            problem.about.get_or_insert_with(|| about(RolePart::Assuming));
        }
        if let Some(open) = &mut self.open {
            open.about = Some(about(RolePart::Beyond));
        }
        let home = snapshot.cluster.as_ref().and_then(|cluster| cluster.location()).map(|place| place.account);
        if let Some(home) = home {
            let problems = self.problems.iter_mut().chain(&mut self.open);
            problems.for_each(|problem| problem.fix.mark_other_accounts(home));
        }
        if snapshot.is_protected(arn) {
            for problem in
                self.problems.iter_mut().chain(&mut self.open).filter(|problem| problem.rule.has(Trait::ChangesRole))
            {
                problem.fix = fix::use_another_role(snapshot, subject, arn);
            }
        }
        self
    }
}

/// The audience of a web identity token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience<'a> {
    /// This one.
    Is(&'a str),
    /// The token in the file cannot be seen.
    Unknown,
}

/// The chain of IAM roles for service accounts: role → provider → audience → trust.
pub fn irsa(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    role_arn: &str,
    audience: Audience<'_>,
    source: RoleSource<'_>,
    effort: &Effort,
) -> Chain {
    cost::within(cost::of_role(snapshot, subject, role_arn, source), subject, role_arn, effort, || {
        let would_work = |role: &Role| trusts_web_identity(snapshot, subject, role, audience);
        let chain = irsa_links(snapshot, subject, role_arn, audience, source, &would_work, effort);
        searched(chain, snapshot, role_arn, source, &would_work)
    })
}

/// Whether the trust policy of a role lets a web identity in. What it takes is not charged: it must not tell that there are such
/// roles.
fn trusts_web_identity(snapshot: &Snapshot, subject: Subject<'_>, role: &Role, audience: Audience<'_>) -> bool {
    let (Ok(parsed), Some(issuer)) = (rolecall_iam::RoleArn::parse(&role.arn), issuer(snapshot)) else {
        return false;
    };
    let judged = irsa_trust::link(subject, role, parsed, issuer, audience, &Effort::for_short_check());
    judged.problems.is_empty()
}

/// With as much searching behind any problem as behind a role that is missing.
fn searched(
    chain: Chain,
    snapshot: &Snapshot,
    role_arn: &str,
    source: RoleSource<'_>,
    would_work: role::WouldWork<'_>,
) -> Chain {
    let has_searched = chain.problems.iter().any(|problem| problem.rule == &rules::ROLE_MISSING);
    if !chain.problems.is_empty() && !has_searched {
        role::search_in_vain(snapshot, role_arn, source, would_work);
    }
    chain
}

fn irsa_links(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    role_arn: &str,
    audience: Audience<'_>,
    source: RoleSource<'_>,
    would_work: role::WouldWork<'_>,
    effort: &Effort,
) -> Chain {
    let mut chain = Chain::new();
    let (role, parsed) = match role::link(snapshot, subject, role_arn, source, would_work) {
        Ok(located) => {
            chain.add(located.problem);
            (Some(located.role), Some(located.parsed))
        }
        Err(unlocated) => {
            chain.add(Some(*unlocated.problem));
            (None, unlocated.parsed)
        }
    };
    // Nothing is said of a role that is withheld, nor of its account.
    let Some(parsed) = parsed.filter(|_| !snapshot.withholds(role_arn)) else {
        return chain.done(snapshot, subject, role_arn);
    };
    let Some(issuer) = issuer(snapshot) else {
        chain.add(Some(missing::issuer(snapshot, subject, parsed.name)));
        return chain.done(snapshot, subject, role_arn);
    };
    match provider::link(snapshot, subject, parsed, issuer, audience) {
        Ok(provider) => chain.add(provider::audience(subject, parsed, provider, audience)),
        Err(problem) => chain.add(Some(*problem)),
    }
    if let Some(role) = role {
        // The role's own spelling from here on.
        let parsed = rolecall_iam::RoleArn::parse(&role.arn).unwrap_or(parsed);
        let judged = irsa_trust::link(subject, role, parsed, issuer, audience, effort);
        let mut problems = judged.problems.into_iter().map(|mut problem| {
            if let Some((why, own)) = &judged.own_role {
                let instead = source.fix(snapshot, subject, fix::ROLE_ARN);
                problem.fix = fix::own_role_first(problem.fix, subject, parsed, why.clone(), own, instead);
            }
            if let Some(stem) = generated::stem(subject.service_account) {
                problem.fix = fix::or_pattern(problem.fix, subject, issuer, stem);
            }
            problem
        });
        chain.add(problems.next());
        chain.problems.extend(problems);
        chain.open = judged.open;
        chain.add_read(organization::of_web_identity(snapshot, subject, role, parsed, issuer, audience, effort));
    }
    chain.done(snapshot, subject, role_arn)
}

/// The first link alone, for a web identity whose issuer and subject are not known.
pub fn role_only(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    role_arn: &str,
    source: RoleSource<'_>,
    effort: &Effort,
) -> Chain {
    cost::within(cost::of_search(snapshot, role_arn, source), subject, role_arn, effort, || {
        let mut chain = Chain::new();
        // Which token it presents is not known, so that no other role is sure to work.
        let would_work = |_: &Role| false;
        let problem = match role::link(snapshot, subject, role_arn, source, &would_work) {
            Ok(located) => located.problem,
            Err(unlocated) => Some(*unlocated.problem),
        };
        chain.add(problem.map(|problem| problem.about(role_arn, RolePart::Existing)));
        searched(chain.done(snapshot, subject, role_arn), snapshot, role_arn, source, &would_work)
    })
}

/// The hop from the role that a controller has to the next one that a custom resource names.
pub fn next_role(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    first_arn: &str,
    request: RoleRequest<'_>,
    source: RoleSource<'_>,
    effort: &Effort,
) -> Chain {
    cost::within(cost::of_next_role(snapshot, subject, request.arn, source), subject, request.arn, effort, || {
        let mut chain = Chain::new();
        chain.add(target::of_controller(snapshot, subject, first_arn, request, source, effort));
        chain.add_read(organization::of_controller(snapshot, subject, first_arn, request, effort));
        chain.done(snapshot, subject, request.arn)
    })
}

/// The chain of a Pod Identity association: association → role → trust → target → agent.
///
/// `agent`: whether the agent's DaemonSet is in the cluster.
pub fn pod_identity(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    association: &Association,
    agent: Presence,
    effort: &Effort,
) -> Chain {
    let Some(role_arn) = association.role_arn.as_deref() else {
        let mut chain = Chain::new();
        let unreadable = unreadable::association(subject, association);
        let problem = unreadable.unwrap_or_else(|| missing::association_role(snapshot, subject, association));
        chain.add(Some(problem));
        return chain;
    };
    let cost = cost::of_association(snapshot, subject, association, role_arn);
    cost::within(cost, subject, role_arn, effort, || {
        pod_identity_links(snapshot, subject, association, role_arn, agent, effort)
    })
}

fn pod_identity_links(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    association: &Association,
    role_arn: &str,
    agent: Presence,
    effort: &Effort,
) -> Chain {
    let mut chain = Chain::new();
    chain.add(association::account(snapshot, subject, association, role_arn));
    let would_work = |role: &Role| {
        rolecall_iam::RoleArn::parse(&role.arn).is_ok_and(|parsed| {
            let effort = Effort::for_short_check();
            pod_identity_trust::link(snapshot, subject, association, role, parsed, &effort).is_none()
        })
    };
    match role::link(snapshot, subject, role_arn, RoleSource::Association(association), &would_work) {
        Ok(located) => {
            chain.add(located.problem);
            let trust = pod_identity_trust::link(snapshot, subject, association, located.role, located.parsed, effort);
            chain.add(trust);
            let (role, parsed) = (located.role, located.parsed);
            chain.add_read(organization::of_association(snapshot, subject, association, role, parsed, effort));
        }
        Err(unlocated) => chain.add(Some(*unlocated.problem)),
    }
    if let Some(target_arn) = association.target_role_arn.as_deref() {
        let mut problem = target::link(snapshot, subject, association, role_arn, target_arn, effort);
        problem = problem.map(|problem| problem.about(target_arn, RolePart::Assuming));
        if let Some(problem) = &mut problem
            && snapshot.is_protected(target_arn)
        {
            problem.fix = fix::use_another_role(snapshot, subject, target_arn);
        }
        chain.add(problem);
        chain.add_read(organization::of_target(snapshot, subject, association, role_arn, target_arn, effort));
    }
    chain.add(association::agent(snapshot, subject, agent));
    chain.done(snapshot, subject, role_arn)
}

/// All principals that a trust policy allows something, each once.
pub(crate) fn trusted_principals(trust: &rolecall_iam::Document) -> crate::fix::FirstValues {
    trust::trusted(trust)
}

/// Says that a service account cannot assume a role, and why.
fn cannot_assume(subject: Subject<'_>, role: &str, why: CannotAssume) -> Cause {
    Cause::CannotAssume { account: subject.into(), role: RoleRef::named(role), why }
}

fn issuer(snapshot: &Snapshot) -> Option<&Issuer> {
    snapshot.cluster.as_ref()?.issuer.as_ref()
}
