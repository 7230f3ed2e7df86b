//! Which identity the pods of a service account get, as far as snapshot and cluster tell? For questions about an identity that no
//! workload asks.

use std::borrow::Cow;

use rolecall_iam::RoleArn;

use super::needs::session;
use crate::chain::{self, Audience, RoleSource, State, Subject};
use crate::effort::Effort;
use crate::finding::Problem;
use crate::fix::Text;
use crate::identity::Identity;
use crate::known::Known;
use crate::permission::{Actor, Session};
use crate::world::World;

/// The identity of a service account's pods, where nothing in the pod itself changes it.
#[derive(Debug)]
pub struct EffectiveIdentity<'w> {
    /// What the SDK will try first.
    pub identity: Identity,
    /// The role; `None` where it is not known.
    pub role_arn: Option<Cow<'w, str>>,
    /// Whether the chain to it holds.
    pub chain: State,
    /// What is wrong with the chain.
    pub problems: Vec<Problem>,
    /// The role as an actor, where the snapshot holds it.
    pub actor: Option<Actor<'w>>,
    /// The service account was not read: the role is the only one whose trust policy names it.
    pub assumed: bool,
    /// The service account was not read, and these roles, none or several, trust it: which one its pods have is not known.
    pub undecided: Option<Vec<&'w str>>,
    /// Containers of a task definition that bring credentials of their own, and what that means: whose these are is not known.
    pub other_credentials: Vec<(Text, Problem)>,
    /// Containers of a task definition that may bring keys: from a file, a profile or another endpoint.
    pub may_bring_keys: Vec<Text>,
}

/// Types of policies of AWS Organizations that were not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnreadControlPolicies {
    /// Service control policies.
    Service,
    /// Resource control policies.
    Resource,
    /// Both.
    Both,
}

impl EffectiveIdentity<'_> {
    /// Which policies of AWS Organizations were not read of the role's account.
    pub fn unread_control_policies(&self) -> Option<UnreadControlPolicies> {
        let actor = self.actor?;
        let account = actor.snapshot.accounts.get(RoleArn::parse(&actor.role.arn).ok()?.account)?;
        match (&account.service_control, &account.resource_control) {
            (None, None) => Some(UnreadControlPolicies::Both),
            (None, Some(_)) => Some(UnreadControlPolicies::Service),
            (Some(_), None) => Some(UnreadControlPolicies::Resource),
            (Some(_), Some(_)) => None,
        }
    }
}

/// The identity that the pods of a service account get.
pub fn effective_identity<'w>(world: &'w World, subject: Subject<'w>) -> EffectiveIdentity<'w> {
    let snapshot = &*world.snapshot;
    let plan = world.plan(subject);
    if let Some(mechanism) = plan.mechanism {
        let identity = mechanism.identity();
        let role_arn: Option<Cow<'w, str>> = plan.role_arn.as_ref().map(|arn| Cow::Owned(arn.to_string()));
        let role = role_arn.as_deref().and_then(|arn| snapshot.role(arn));
        let session = session(world, subject, &plan, identity, role_arn.as_ref());
        let chain = plan.chain.as_ref();
        return EffectiveIdentity {
            identity,
            actor: role.zip(session).map(|(role, session)| Actor { snapshot, role, subject, session }),
            role_arn,
            chain: chain.map_or(State::Unknown, |chain| chain.state),
            problems: chain.map(|chain| chain.problems.clone()).unwrap_or_default(),
            assumed: false,
            undecided: None,
            other_credentials: Vec::new(),
            may_bring_keys: Vec::new(),
        };
    }
    if world.service_account(subject.namespace, subject.service_account) == Known::Unknown {
        let trusting = trusting(world, subject);
        let (role_arn, role, undecided) = match trusting.as_slice() {
            [only] => (Some(Cow::Borrowed(*only)), snapshot.role(only), None),
            _ => (None, None, Some(trusting)),
        };
        return EffectiveIdentity {
            identity: if role_arn.is_some() { Identity::Irsa } else { Identity::Node },
            assumed: role_arn.is_some(),
            chain: if role_arn.is_some() { State::Holds } else { State::Unknown },
            role_arn,
            problems: Vec::new(),
            actor: role.map(|role| Actor { snapshot, role, subject, session: Session::WebIdentity }),
            undecided,
            other_credentials: Vec::new(),
            may_bring_keys: Vec::new(),
        };
    }
    let role = snapshot.node_role().and_then(|arn| snapshot.role(arn));
    EffectiveIdentity {
        identity: Identity::Node,
        role_arn: snapshot.node_role().map(Cow::Borrowed),
        chain: State::Unknown,
        problems: Vec::new(),
        actor: role.map(|role| Actor { snapshot, role, subject, session: Session::Node }),
        assumed: false,
        undecided: None,
        other_credentials: Vec::new(),
        may_bring_keys: Vec::new(),
    }
}

/// The roles that the service account could become by web identity, sorted.
fn trusting<'w>(world: &'w World, subject: Subject<'w>) -> Vec<&'w str> {
    let snapshot = &*world.snapshot;
    let roles =
        snapshot.accounts.values().filter_map(|account| account.roles.as_ref()).flat_map(|roles| roles.values());
    let audience = Audience::Is(&world.conventions.audience);
    let holds = |arn: &str| {
        let source = RoleSource::Annotation(world.conventions.role_arn_key());
        chain::irsa(snapshot, subject, arn, audience, source, &Effort::unlimited()).state == State::Holds
    };
    let mut list: Vec<&str> = roles.map(|role| &*role.arn).filter(|arn| holds(arn)).collect();
    list.sort_unstable();
    list
}
