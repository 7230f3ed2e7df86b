//! A role's policies, and what they say to a need.

use rolecall_actions::Action;
use rolecall_iam::{
    Accounts, Arn, Effect, Layer, Levels, Named, NotConsidered, Policies, Principal, Request, ResourcePolicy, RoleArn,
    Ruling, Verdict,
};

use super::context::{Session, SessionContext};
use super::need::Need;
use crate::effort::Effort;
use crate::known::Known;
use crate::snapshot::{Account, ControlPolicies, Role, Snapshot};
use crate::subject::Subject;

/// The policies that are attached to a role, compiled.
#[derive(Debug, Clone)]
pub struct RolePolicies<'s> {
    /// Inline and managed.
    pub identity: Layer<'s>,
    /// The permissions boundary, where it has one.
    pub boundary: Option<Layer<'s>>,
    /// The service control policies that bear on its account, where they were read.
    pub service_control: Option<Levels<'s>>,
}

impl<'s> RolePolicies<'s> {
    /// Those of a role; what the snapshot does not hold, or holds in a form that is no policy, counts as unread.
    pub fn of(snapshot: &'s Snapshot, role: &'s Role) -> Self {
        let account = RoleArn::parse(&role.arn).ok().and_then(|arn| snapshot.accounts.get(arn.account));
        let managed = account.and_then(|account| account.policies.as_ref());
        let mut identity = Layer::default();
        match &role.inline_policies {
            None => identity.unread.push("inline policies"),
            Some(policies) => {
                for policy in policies {
                    match policy.document.get() {
                        Some(document) => identity.policies.push(Named { name: &policy.name, document }),
                        None => identity.unread.push(&policy.name),
                    }
                }
            }
        }
        let add = |layer: &mut Layer<'s>, arn: &'s str| match managed.and_then(|policies| policies.get(arn)?.get()) {
            Some(document) => layer.policies.push(Named { name: arn, document }),
            None => layer.unread.push(arn),
        };
        match &role.attached_policies {
            None => identity.unread.push("managed policies"),
            Some(arns) => arns.iter().for_each(|arn| add(&mut identity, arn)),
        }
        let boundary = (!role.boundary.is_absent()).then(|| {
            let mut layer = Layer::default();
            match &role.boundary {
                Known::Present(arn) => add(&mut layer, arn),
                Known::Absent | Known::Unknown => layer.unread.push("permissions boundary"),
            }
            layer
        });
        // Service-linked roles are spared (Organizations User Guide, "Service control policies").
        let is_spared = RoleArn::parse(&role.arn).is_ok_and(|arn| arn.path.starts_with("/aws-service-role/"));
        let service_control = account.and_then(|account| account.service_control.as_ref());
        let service_control =
            service_control.map(|policies| if is_spared { Levels::Known(Vec::new()) } else { levels(policies) });
        Self { identity, boundary, service_control }
    }
}

/// The policies of an organization by what they are attached to; they do not bear on a management account.
fn levels<'s>(control: &'s ControlPolicies) -> Levels<'s> {
    if control.of_management_account {
        return Levels::Known(Vec::new());
    }
    let mut by_level: Vec<(&str, Layer<'s>)> = Vec::new();
    let mut all = Layer::default();
    let mut known = true;
    for policy in &control.policies {
        let add = |layer: &mut Layer<'s>| match policy.document.get() {
            Some(document) => layer.policies.push(Named { name: &policy.name, document }),
            None => layer.unread.push(&policy.name),
        };
        add(&mut all);
        known &= policy.levels.is_some();
        for level in policy.levels.iter().flatten() {
            match by_level.iter_mut().find(|(known, _)| *known == &**level) {
                Some((_, layer)) => add(layer),
                None => {
                    let mut layer = Layer::default();
                    add(&mut layer);
                    by_level.push((level, layer));
                }
            }
        }
    }
    if known { Levels::Known(by_level.into_iter().map(|(_, layer)| layer).collect()) } else { Levels::Unknown(all) }
}

/// The session policy of a session, where it has one.
fn session_policy(session: Session<'_>) -> Option<Layer<'_>> {
    let Session::PodIdentity(association) = session else {
        return None;
    };
    let mut layer = Layer::default();
    let name = association.id.as_deref().unwrap_or("of the association");
    match association.policy.as_ref()?.get() {
        Some(document) => layer.policies.push(Named { name, document }),
        None => layer.unread.push(name),
    }
    Some(layer)
}

/// Who asks: a session of a role, on behalf of a service account.
#[derive(Debug, Clone, Copy)]
pub struct Actor<'a> {
    /// AWS as it was read.
    pub snapshot: &'a Snapshot,
    /// The role.
    pub role: &'a Role,
    /// The service account.
    pub subject: Subject<'a>,
    /// How the session came about.
    pub session: Session<'a>,
}

/// What is to be acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resources<'a> {
    /// The action knows no resources.
    None,
    /// This one.
    One(&'a str),
    /// Some resource, whichever the policies allow.
    Some,
}

/// Asks one action.
fn ask_of<'a>(
    policies: &RolePolicies<'a>,
    actor: Actor<'a>,
    action: &str,
    resources: Resources<'a>,
    effort: &Effort,
) -> Ruling<'a> {
    let arn: &'a str = &actor.role.arn;
    let resource = match resources {
        Resources::One(resource) => Some(resource),
        Resources::None | Resources::Some => None,
    };
    let account = RoleArn::parse(arn).map_or("", |arn| arn.account);
    let context = SessionContext {
        role: actor.role,
        account,
        organization: actor.snapshot.accounts.get(account).and_then(Account::organization),
        subject: actor.subject,
        cluster: actor.snapshot.cluster.as_ref(),
        session: actor.session,
        resource,
        effort,
    };
    let policies = Policies {
        identity: policies.identity.clone(),
        boundary: policies.boundary.clone(),
        session: session_policy(actor.session),
        service_control: policies.service_control.clone(),
        resource: resource_policy(actor.snapshot, action, resource),
        accounts: Accounts::of(arn, resource),
    };
    let request = Request { action, resource, principal: Some(Principal::Aws(arn)), context: &context };
    match resources {
        Resources::One(resource) if resource.contains(['*', '?']) => policies.evaluate_each(&request),
        Resources::None | Resources::One(_) => policies.evaluate(&request),
        Resources::Some => {
            let known = rolecall_actions::find(action);
            policies.evaluate_somewhere(&request, &|resource| known.is_none_or(|known| known.fits_resource(resource)))
        }
    }
}

/// The trust policy, where a role is to be assumed; no other resource's policy is read.
fn resource_policy<'a>(snapshot: &'a Snapshot, action: &str, resource: Option<&'a str>) -> ResourcePolicy<'a> {
    let assumes = ["sts:assumerole", "sts:tagsession", "sts:setsourceidentity"];
    let trust = resource
        .filter(|_| assumes.iter().any(|known| action.eq_ignore_ascii_case(known)))
        .and_then(|arn| snapshot.role(arn)?.trust.as_ref());
    trust.map_or(ResourcePolicy::Unseen, |document| ResourcePolicy::Needed(Named { name: "trust policy", document }))
}

/// What the policies say to a need, action by action.
#[derive(Debug, Clone)]
pub struct Answer<'a> {
    /// `Allowed` where all actions are, a denial where one is denied, else `Unknown`.
    pub verdict: Verdict,
    /// Every action that the need stands for, with its ruling.
    pub rulings: Vec<(String, Resources<'a>, Ruling<'a>)>,
}

impl<'a> Answer<'a> {
    /// The ruling that decides: the first denial, explicit before implicit, else the first that is open, else the first.
    pub fn deciding(&self) -> Option<&(String, Resources<'a>, Ruling<'a>)> {
        let of = |verdict: Verdict| self.rulings.iter().find(move |(.., ruling)| ruling.verdict == verdict);
        of(Verdict::ExplicitlyDenied)
            .or_else(|| of(Verdict::ImplicitlyDenied))
            .or_else(|| of(Verdict::Unknown))
            .or_else(|| self.rulings.first())
    }

    /// What no action's ruling considered.
    pub fn not_considered(&self) -> Vec<NotConsidered<'a>> {
        let mut list: Vec<_> = self.rulings.iter().flat_map(|(.., ruling)| ruling.not_considered.clone()).collect();
        list.sort_unstable();
        list.dedup();
        list
    }

    /// The resources that the Allow statements name, where no resource was asked for.
    pub fn allowed_on(&self) -> Vec<&'a str> {
        let allowed = self
            .rulings
            .iter()
            .filter(|(_, resources, ruling)| *resources == Resources::Some && ruling.verdict == Verdict::Allowed);
        let statements = allowed.flat_map(|(.., ruling)| &ruling.deciding).map(|deciding| deciding.statement);
        let allowing = statements.filter(|statement| statement.effect == Effect::Allow && !statement.resources.negated);
        let mut list: Vec<&str> =
            allowing.flat_map(|statement| statement.resources.written.iter().map(|written| &**written)).collect();
        list.sort_unstable();
        list.dedup();
        list
    }
}

/// Asks a need, whatever work it takes.
pub fn ask_need<'a>(actor: Actor<'a>, need: Need<'a>) -> Answer<'a> {
    ask_need_within(actor, need, &Effort::unlimited())
}

/// Patterns compared for one action of a need, besides what its policies take.
const PATTERNS_PER_ACTION: usize = 50;

/// Asks a need within a limit of work; what is left of it when the limit is reached is unknown. An action that knows no
/// resources is asked without; one whose resource was not said is asked for some.
pub fn ask_need_within<'a>(actor: Actor<'a>, need: Need<'a>, effort: &Effort) -> Answer<'a> {
    let mut is_complete = true;
    let mut rulings: Vec<(String, Resources<'a>, Ruling<'a>)> = Vec::new();
    if effort.spend(need.cost()) {
        let policies = RolePolicies::of(actor.snapshot, actor.role);
        for (name, known) in need.actions() {
            if !effort.spend(PATTERNS_PER_ACTION) {
                is_complete = false;
                break;
            }
            let several = need.action.contains(['*', '?']);
            let resources = match (need.resource, known) {
                // `s3:Get*` on an object asks neither for what is done to buckets nor for what has no resource.
                (Some(resource), Some(action)) if several && !action.fits_resource(resource) => continue,
                (_, Some(action)) if action.takes_no_resource() => Resources::None,
                (Some(resource), _) => Resources::One(resource),
                (None, _) => Resources::Some,
            };
            let mut ruling = ask_of(&policies, actor, &name, resources, effort);
            // AWS asks for the action on resources of other types, or of another partition: this one matches nothing.
            if let (Resources::One(resource), Some(action)) = (resources, known)
                && ruling.exempt.is_none()
                && ruling.verdict == Verdict::Allowed
                && (!action.fits_resource(resource) || is_elsewhere(actor, resource))
            {
                ruling.verdict = Verdict::ImplicitlyDenied;
                ruling.is_guess = true;
            }
            rulings.push((name, resources, ruling));
        }
    }
    let has = |verdict: Verdict| rulings.iter().any(|(.., ruling)| ruling.verdict == verdict);
    let verdict = if has(Verdict::ExplicitlyDenied) {
        Verdict::ExplicitlyDenied
    } else if has(Verdict::ImplicitlyDenied) {
        Verdict::ImplicitlyDenied
    } else if has(Verdict::Unknown) || rulings.is_empty() || !is_complete {
        Verdict::Unknown
    } else {
        Verdict::Allowed
    };
    Answer { verdict, rulings }
}

/// Whether a resource is in another partition than the role.
fn is_elsewhere(actor: Actor<'_>, resource: &str) -> bool {
    let partition = |arn: &str| Arn::parse(arn).map(|arn| arn.partition.to_owned());
    let (own, its) = (partition(&actor.role.arn), partition(resource));
    its.is_some_and(|its| !its.contains(['*', '?']) && own.is_some_and(|own| own != its))
}

/// Every known action that an Allow statement of the role's own policies names, in the order of the reference.
pub fn granted_actions(actor: Actor<'_>) -> Vec<Action> {
    let policies = RolePolicies::of(actor.snapshot, actor.role);
    let documents = policies.identity.policies.iter().map(|named| named.document);
    let allowing: Vec<_> = documents.flat_map(|document| document.with_effect(Effect::Allow)).collect();
    let is_named = |action: &Action| {
        let name = action.full_name();
        allowing.iter().any(|statement| statement.actions.apply_to(&name))
    };
    rolecall_actions::matching("*").filter(is_named).collect()
}
