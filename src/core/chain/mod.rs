//! The links between a service account and usable credentials: one file a link. Each holds, is broken, or is unknown.

mod association;
pub(crate) mod fix;
mod irsa_context;
mod irsa_diagnosis;
mod irsa_trust;
mod links;
mod organization;
mod pod_identity_context;
mod pod_identity_trust;
mod provider;
mod role;
mod slips;
mod target;
mod trust;
mod unreadable;

use crate::cluster::Presence;
use crate::finding::{Certainty, Problem};
use crate::snapshot::{Association, Issuer, Snapshot};

pub use links::Links;
pub(crate) use pod_identity_context::session_tag;
pub use role::RoleSource;

/// What is known of a link, or of a whole chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It works.
    Holds,
    /// It cannot work.
    Broken,
    /// It hangs on what was not or cannot be seen.
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

/// A link of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Link {
    /// The Pod Identity association.
    Association,
    /// The role that the annotation or the association names.
    Role,
    /// The cluster's issuer as an OIDC provider in the role's account.
    Provider,
    /// The provider's client IDs.
    Audience,
    /// The role's trust policy.
    Trust,
    /// The resource control policies of the role's account.
    Organization,
    /// The second hop of an association.
    Target,
    /// The Pod Identity agent.
    Agent,
}

impl Link {
    /// What the link needs of the snapshot or the cluster, in words: said where it is unknown and no problem says why.
    pub fn needs(self) -> &'static str {
        match self {
            Self::Association => {
                "the association's roleArn (podIdentityAssociations: aws eks describe-pod-identity-association)"
            }
            Self::Role => "the role (accounts.ID.roles)",
            Self::Provider => {
                "the cluster's OIDC issuer (cluster.identity.oidc.issuer) or the account's providers (accounts.ID.oidcProviders)"
            }
            Self::Audience => "the audiences of the OIDC provider (accounts.ID.oidcProviders[].ClientIDList)",
            Self::Trust => "the role's trust policy (accounts.ID.roles[].AssumeRolePolicyDocument)",
            Self::Organization => {
                "the resource control policies of the role's account (accounts.ID.resourceControlPolicies)"
            }
            Self::Target => {
                "the target role with its trust policy, or the first role's policies (accounts.ID.roles, accounts.ID.policies)"
            }
            Self::Agent => "the Pod Identity agent (addons, or the DaemonSet eks-pod-identity-agent in the cluster)",
        }
    }
}

/// A chain, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Whether every link holds.
    pub state: State,
    /// The links in their order.
    pub links: Vec<(Link, State)>,
    /// What is wrong, in the order of the links: the first leads, the others follow as notes.
    pub problems: Vec<Problem>,
    /// A chain that holds for too many.
    pub open: Option<Problem>,
}

impl Chain {
    fn new() -> Self {
        Self { state: State::Holds, links: Vec::new(), problems: Vec::new(), open: None }
    }

    /// Adds a link. A certain problem breaks it, any other leaves it unknown.
    fn add(&mut self, link: Link, mut state: State, problem: Option<Problem>) {
        if let Some(problem) = problem {
            state = state.and(if problem.certainty == Certainty::Certain { State::Broken } else { State::Unknown });
            self.problems.push(problem);
        }
        self.links.push((link, state));
        self.state = self.state.and(state);
    }
}

/// The audience of a web identity token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience<'a> {
    /// This one.
    Is(&'a str),
    /// What stands behind the token file cannot be seen.
    Unknown,
}

/// Whose chain is judged.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Namespace of the service account.
    pub namespace: &'a str,
    /// Name of the service account.
    pub service_account: &'a str,
}

impl Subject<'_> {
    /// The `sub` claim of its tokens (Kubernetes, "Managing Service Accounts").
    pub fn claim(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.service_account)
    }
}

impl std::fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.service_account)
    }
}

/// The chain of IAM roles for service accounts: role → provider → audience → trust.
pub fn irsa(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    role_arn: &str,
    audience: Audience<'_>,
    source: RoleSource<'_>,
) -> Chain {
    let mut chain = Chain::new();
    let located = role::link(snapshot, subject, role_arn, source);
    chain.add(Link::Role, located.state, located.problem);
    let Some(parsed) = located.parsed else {
        return chain;
    };
    let Some(issuer) = issuer(snapshot) else {
        chain.add(Link::Provider, State::Unknown, None);
        return chain;
    };
    let registered = provider::link(snapshot, subject, parsed, issuer);
    let unread =
        (registered.state == State::Unknown).then(|| unreadable::provider(snapshot, subject, parsed)).flatten();
    chain.add(Link::Provider, registered.state, registered.problem.or(unread));
    if let Some(provider) = registered.provider {
        let (state, problem) = provider::audience(subject, parsed, provider, audience);
        chain.add(Link::Audience, state, problem);
    }
    match located.role {
        Some(role) if role.trust_fault.is_some() => {
            chain.add(Link::Trust, State::Unknown, unreadable::trust(subject, role, parsed));
        }
        Some(role) => {
            // The role's own spelling from here on.
            let parsed = rolecall_iam::RoleArn::parse(&role.arn).unwrap_or(parsed);
            let judged = irsa_trust::link(subject, role, parsed, issuer, audience);
            let mut problems = judged.problems.into_iter();
            chain.add(Link::Trust, judged.state, problems.next());
            chain.problems.extend(problems);
            chain.open = judged.open;
        }
        None => chain.add(Link::Trust, State::Unknown, None),
    }
    if let Some(role) = located.role
        && let Some((state, problem)) = organization::of_web_identity(snapshot, subject, role, parsed, issuer, audience)
    {
        chain.add(Link::Organization, state, problem);
    }
    chain
}

/// The chain of a Pod Identity association: association → role → trust → target → agent.
///
/// `agent_seen`: the agent's DaemonSet is among what is known of the cluster.
pub fn pod_identity(snapshot: &Snapshot, subject: Subject<'_>, association: &Association, agent: Presence) -> Chain {
    let mut chain = Chain::new();
    let Some(role_arn) = association.role_arn.as_deref() else {
        // ListPodIdentityAssociations alone says no role.
        chain.add(Link::Association, State::Unknown, unreadable::association(subject, association));
        return chain;
    };
    chain.add(Link::Association, State::Holds, association::account(snapshot, subject, association, role_arn));
    let located = role::link(snapshot, subject, role_arn, RoleSource::Association(association));
    chain.add(Link::Role, located.state, located.problem);
    if let (Some(role), Some(parsed)) = (located.role, located.parsed) {
        let (state, problem) = pod_identity_trust::link(snapshot, subject, association, role, parsed);
        chain.add(Link::Trust, state, problem.or_else(|| unreadable::trust(subject, role, parsed)));
        if let Some((state, problem)) = organization::of_association(snapshot, subject, association, role, parsed) {
            chain.add(Link::Organization, state, problem);
        }
    } else if located.parsed.is_some() {
        chain.add(Link::Trust, State::Unknown, None);
    }
    if let Some(target_arn) = association.target_role_arn.as_deref() {
        let (state, problem) = target::link(snapshot, subject, association, role_arn, target_arn);
        let unread = || {
            let target = snapshot.role(target_arn)?;
            unreadable::trust(subject, target, rolecall_iam::RoleArn::parse(&target.arn).ok()?)
        };
        chain.add(Link::Target, state, problem.or_else(unread));
        if let Some((state, problem)) = organization::of_target(snapshot, subject, association, role_arn, target_arn) {
            chain.add(Link::Organization, state, problem);
        }
    }
    let (state, problem) = association::agent(snapshot, subject, agent);
    chain.add(Link::Agent, state, problem);
    chain
}

fn issuer(snapshot: &Snapshot) -> Option<&Issuer> {
    snapshot.cluster.as_ref()?.issuer.as_ref()
}
