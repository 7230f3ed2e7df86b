//! All the policies that bear on a request, put together (IAM User Guide, "Policy evaluation logic", "How AWS enforcement
//! code logic evaluates requests to allow or deny access", "Cross-account policy evaluation logic", "Permissions boundaries
//! for IAM entities", "Session policies").
//!
//! What a requester's own side grants is the intersection of its identity policies, its boundary and its session policies.
//! A resource's policy grants beside it within one account, and must agree with it between two. A Deny in any of them
//! wins. What was not read counts as unknown; what cannot be read at all is named in [`Ruling::not_considered`].

use crate::arn::Arn;
use crate::case_analysis::{Asked, Oracle, settle};
use crate::context::Lookup;
use crate::document::{Document, Effect, Statement};
use crate::evaluate::{Request, Verdict};
use crate::exempt::{Exempt, exempt};
use crate::levels::Levels;
use crate::principal::{AwsPrincipal, Principal, PrincipalEntry, Principals};
use crate::truth::Truth;

/// A policy with the name that a person knows it by.
#[derive(Debug, Clone, Copy)]
pub struct Named<'p> {
    /// For instance an inline policy's name, or the ARN of a managed one.
    pub name: &'p str,
    /// The policy.
    pub document: &'p Document,
}

/// Policies of one type.
#[derive(Debug, Clone, Default)]
pub struct Layer<'p> {
    /// Those that were read.
    pub policies: Vec<Named<'p>>,
    /// Names of those that are there but were not read.
    pub unread: Vec<&'p str>,
}

/// The resource's own policy.
#[derive(Debug, Clone, Copy, Default)]
pub enum ResourcePolicy<'p> {
    /// Whether there is one is not known: it may grant what the requester's own policies do not.
    #[default]
    Unseen,
    /// There is none.
    None,
    /// A bucket policy, a queue policy: grants beside the identity policies within the account.
    Beside(Named<'p>),
    /// A role's trust policy, a key policy: nothing is granted without it.
    Needed(Named<'p>),
}

/// Whether requester and resource belong to one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Accounts {
    /// They do.
    Same,
    /// They do not.
    Cross,
    /// The resource's ARN does not tell, as a bucket's does not.
    Unknown,
}

impl Accounts {
    /// Compares the accounts of two ARNs.
    pub fn of(principal: &str, resource: Option<&str>) -> Self {
        let account = |arn: &str| Arn::parse(arn).map(|arn| arn.account.to_owned());
        match (account(principal), resource.map(account)) {
            // An action without resources acts in the requester's own account.
            (_, None) => Self::Same,
            (Some(own), Some(Some(its))) if crate::is_account_id(&its) && crate::is_account_id(&own) => {
                if own == its {
                    Self::Same
                } else {
                    Self::Cross
                }
            }
            _ => Self::Unknown,
        }
    }
}

/// All the policies that bear on a request.
#[derive(Debug, Clone)]
pub struct Policies<'p> {
    /// The requester's inline and managed policies, the latter in their default versions.
    pub identity: Layer<'p>,
    /// Its permissions boundary; `None` where it has none.
    pub boundary: Option<Layer<'p>>,
    /// The policies passed when the session was made; `None` where none was.
    pub session: Option<Layer<'p>>,
    /// The service control policies that bear on the requester's account; `None` where they were not read.
    pub service_control: Option<Levels<'p>>,
    /// The resource's policy.
    pub resource: ResourcePolicy<'p>,
    /// Whether both belong to one account.
    pub accounts: Accounts,
}

/// A type of policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyKind {
    /// Inline or managed, of the requester.
    Identity,
    /// Its permissions boundary.
    Boundary,
    /// Passed when its session was made.
    Session,
    /// Of the resource.
    Resource,
    /// Service control policies of the requester's organization.
    ServiceControl,
}

/// What a ruling rests on, or what came close.
#[derive(Debug, Clone)]
pub struct Deciding<'p> {
    /// The type of its policy.
    pub kind: PolicyKind,
    /// The policy's name.
    pub policy: &'p str,
    /// Place of the statement in the policy, from 0.
    pub index: usize,
    /// The statement.
    pub statement: &'p Statement,
    /// Whether it applies.
    pub applies: Truth,
}

/// What takes part in AWS's decision, and took none in this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NotConsidered<'p> {
    /// Service control policies of the requester's organization: they only take away.
    ServiceControlPolicies,
    /// Resource control policies of the resource's organization: they only take away.
    ResourceControlPolicies,
    /// Policies of the VPC endpoint, if the request goes through one: they only take away.
    EndpointPolicies,
    /// The resource's own policy: it may grant, and may deny.
    ResourcePolicy,
    /// A policy that is there and was not read.
    Unread(PolicyKind, &'p str),
}

/// What all policies together say to a request, and why.
#[derive(Debug, Clone)]
pub struct Ruling<'p> {
    /// The verdict, as far as the policies were seen.
    pub verdict: Verdict,
    /// Of an implicit denial: the type of policy that grants nothing. The first in the order of [`PolicyKind`].
    pub missing_in: Option<PolicyKind>,
    /// Allowed: the Allow statements that apply. Denied explicitly: the Deny statements that apply. Otherwise what is
    /// undecided, and what names the action but does not apply.
    pub deciding: Vec<Deciding<'p>>,
    /// The condition keys that an unknown verdict hangs on, sorted.
    pub unknown_keys: Vec<&'p str>,
    /// No resource was said, and each that the policies name was found denied, or is none that the action is about: another
    /// might do.
    pub is_guess: bool,
    /// No policy has a say in this action.
    pub exempt: Option<Exempt>,
    /// What AWS considers and this did not, sorted.
    pub not_considered: Vec<NotConsidered<'p>>,
}

impl Ruling<'_> {
    /// Whether nothing that was not considered could turn a denial into an allowance: a Deny applies, or a boundary or
    /// session policy grants nothing, or the resource's policy was read too. (A resource's policy that names everyone, and
    /// this role by `aws:PrincipalArn`, would lift a boundary; it would have to be written against it.)
    pub fn is_certain_denial(&self) -> bool {
        match self.verdict {
            _ if self.is_guess => false,
            Verdict::ExplicitlyDenied => true,
            Verdict::ImplicitlyDenied => {
                let limits =
                    [PolicyKind::Boundary, PolicyKind::Session, PolicyKind::Resource, PolicyKind::ServiceControl];
                self.missing_in.is_some_and(|missing| limits.contains(&missing))
                    || !self.not_considered.contains(&NotConsidered::ResourcePolicy)
            }
            Verdict::Allowed | Verdict::Unknown => false,
        }
    }
}

/// What a type of policy grants and denies.
#[derive(Debug, Clone, Copy)]
struct Say {
    allows: Truth,
    denies: Truth,
}

/// How a resource's policy grants.
#[derive(Debug, Clone, Copy)]
struct Grants {
    /// Names the requester itself, or everyone: nothing limits that, unless the requester is a role.
    outright: Truth,
    /// Names the role whose session asks: boundary and session policies limit it, identity policies do not.
    role: Truth,
    /// Names it or its account.
    any: Truth,
    denies: Truth,
}

impl<'p> Policies<'p> {
    /// The ruling on a request. Its `principal` is who asks, a role or the session of a role, in every type of policy.
    pub fn evaluate(&self, request: &Request<'_>) -> Ruling<'p> {
        if let Some(exempt) = exempt(request) {
            return Ruling::without_policies(exempt);
        }
        let plain: Oracle<'_> = &|statement, request| statement.covers(request);
        let mut verdict = self.combine(request, plain);
        if verdict == Verdict::Unknown {
            let own = Request { principal: None, ..*request };
            let asked: Vec<Asked<'_, '_>> = self
                .all()
                .map(|(kind, named)| Asked {
                    document: named.document,
                    request: if kind == PolicyKind::Resource { *request } else { own },
                })
                .collect();
            verdict = settle(&asked, &|oracle| self.combine(request, oracle));
        }
        self.rule(request, verdict, plain)
    }

    pub(crate) fn rule(&self, request: &Request<'_>, verdict: Verdict, oracle: Oracle<'_>) -> Ruling<'p> {
        let missing_in = (verdict == Verdict::ImplicitlyDenied).then(|| self.missing_in(request, oracle)).flatten();
        let deciding = self.deciding(request, verdict, missing_in, oracle);
        let mut unknown_keys = Vec::new();
        if verdict == Verdict::Unknown {
            for deciding in deciding.iter().filter(|deciding| deciding.applies == Truth::Unknown) {
                unknown_keys.extend(deciding.statement.unknown_keys(request));
            }
            sort_keys(&mut unknown_keys);
        }
        let not_considered = self.not_considered();
        Ruling { verdict, missing_in, deciding, unknown_keys, is_guess: false, exempt: None, not_considered }
    }

    fn layers(&self) -> impl Iterator<Item = (PolicyKind, &Layer<'p>)> {
        let boundary = self.boundary.iter().map(|layer| (PolicyKind::Boundary, layer));
        let session = self.session.iter().map(|layer| (PolicyKind::Session, layer));
        std::iter::once((PolicyKind::Identity, &self.identity)).chain(boundary).chain(session)
    }

    fn resource_policy(&self) -> Option<Named<'p>> {
        match self.resource {
            ResourcePolicy::Beside(named) | ResourcePolicy::Needed(named) => Some(named),
            ResourcePolicy::Unseen | ResourcePolicy::None => None,
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (PolicyKind, Named<'p>)> {
        let own = self.layers().flat_map(|(kind, layer)| layer.policies.iter().map(move |named| (kind, *named)));
        let control = self.service_control.iter().flat_map(Levels::policies);
        own.chain(control.map(|named| (PolicyKind::ServiceControl, named)))
            .chain(self.resource_policy().map(|named| (PolicyKind::Resource, named)))
    }

    /// How many patterns and values one pass over all policies may have to compare.
    pub(crate) fn size(&self) -> usize {
        self.all().map(|(_, named)| named.document.size()).sum()
    }

    pub(crate) fn combine(&self, request: &Request<'_>, oracle: Oracle<'_>) -> Verdict {
        if !request.context.spend(self.size()) {
            return Verdict::Unknown;
        }
        let own_request = Request { principal: None, ..*request };
        let say = |layer: &Layer<'p>| {
            // Who knows what an unread policy says.
            let start = if layer.unread.is_empty() { Truth::False } else { Truth::Unknown };
            let mut say = Say { allows: start, denies: start };
            for statement in layer.policies.iter().flat_map(|named| &named.document.statements) {
                // An identity policy names no principal; a statement that does was refused when it was attached.
                if statement.principals != Principals::Absent {
                    continue;
                }
                let applies = oracle(statement, &own_request);
                match statement.effect {
                    Effect::Allow => say.allows = say.allows.or(applies),
                    Effect::Deny => say.denies = say.denies.or(applies),
                }
            }
            say
        };
        let identity = say(&self.identity);
        let limit =
            |layer: &Option<Layer<'p>>| layer.as_ref().map_or(Say { allows: Truth::True, denies: Truth::False }, say);
        let (boundary, session) = (limit(&self.boundary), limit(&self.session));
        let grants = self.grants(request, oracle);
        // A service is no principal of the organization.
        let of_account = !matches!(request.principal, Some(Principal::Service(_) | Principal::Federated(_)));
        let control = self.service_control.as_ref().filter(|_| of_account);
        let controlled = control.map_or((Truth::True, Truth::False), |levels| levels.say(&own_request, oracle));

        let denies = Truth::any([identity.denies, boundary.denies, session.denies, grants.denies, controlled.1]);
        if denies == Truth::True {
            return Verdict::ExplicitlyDenied;
        }
        let limits = boundary.allows.and(session.allows);
        let own = identity.allows.and(limits);
        let allows = match (request.principal, self.accounts) {
            (None, _) => own,
            // Neither has policies of its own in the matter.
            (Some(Principal::Service(_) | Principal::Federated(_)), _) => grants.any,
            (_, accounts) => self.between(accounts, own, limits, grants),
        };
        let allows = allows.and(controlled.0);
        match (denies, allows) {
            (_, Truth::False) => Verdict::ImplicitlyDenied,
            (Truth::False, Truth::True) => Verdict::Allowed,
            _ => Verdict::Unknown,
        }
    }

    fn between(&self, accounts: Accounts, own: Truth, limits: Truth, grants: Grants) -> Truth {
        match accounts {
            Accounts::Same => self.within_account(own, limits, grants),
            Accounts::Cross => self.across_accounts(own, grants),
            // Decided where it is the same either way. An unseen policy of a resource in another account must grant too:
            // that is named as not considered rather than made a doubt of.
            Accounts::Unknown if matches!(self.resource, ResourcePolicy::Unseen) => own,
            Accounts::Unknown => {
                let (within, across) = (self.within_account(own, limits, grants), self.across_accounts(own, grants));
                if within == across { within } else { Truth::Unknown }
            }
        }
    }

    /// Either side grants, but a policy that is needed must.
    fn within_account(&self, own: Truth, limits: Truth, grants: Grants) -> Truth {
        let by_resource = grants.outright.or(grants.role.and(limits));
        match self.resource {
            ResourcePolicy::Needed(_) => by_resource.or(own.and(grants.any)),
            ResourcePolicy::Beside(_) => by_resource.or(own),
            ResourcePolicy::Unseen | ResourcePolicy::None => own,
        }
    }

    /// Both sides must grant.
    fn across_accounts(&self, own: Truth, grants: Grants) -> Truth {
        match self.resource {
            ResourcePolicy::Needed(_) | ResourcePolicy::Beside(_) => own.and(grants.any),
            ResourcePolicy::None => Truth::False,
            ResourcePolicy::Unseen => own.and(Truth::Unknown),
        }
    }

    fn grants(&self, request: &Request<'_>, oracle: Oracle<'_>) -> Grants {
        let mut grants = Grants { outright: Truth::False, role: Truth::False, any: Truth::False, denies: Truth::False };
        let Some(named) = self.resource_policy() else {
            return grants;
        };
        for statement in &named.document.statements {
            let bounded = self.boundary.is_some() && matches!(statement.principals, Principals::IsNot(_));
            // `NotPrincipal` with Deny denies every principal that has a permissions boundary ("NotPrincipal").
            let forced = bounded && statement.effect == Effect::Deny;
            if !forced && statement.principals.apply_to(request.principal) != Truth::True {
                continue;
            }
            let applies = oracle(statement, request);
            if statement.effect == Effect::Deny {
                grants.denies = grants.denies.or(applies);
                continue;
            }
            grants.any = grants.any.or(applies);
            let is_role = matches!(request.principal, Some(Principal::Aws(arn)) if names_role(arn));
            let of = |entry: &PrincipalEntry| match (entry, request.principal) {
                (PrincipalEntry::Everyone, _) => Way::Outright,
                (PrincipalEntry::Aws(AwsPrincipal::Arn(named)), Some(Principal::Aws(arn))) if **named == *arn => {
                    if is_role {
                        Way::Role
                    } else {
                        Way::Outright
                    }
                }
                (PrincipalEntry::Aws(AwsPrincipal::Arn(_)), Some(principal)) if entry.names(principal) => Way::Role,
                (PrincipalEntry::Federated(_) | PrincipalEntry::Service(_), Some(principal))
                    if entry.names(principal) =>
                {
                    Way::Outright
                }
                _ => Way::Account,
            };
            let ways: Vec<Way> = match &statement.principals {
                Principals::Is(entries) => entries.iter().map(of).collect(),
                Principals::IsNot(_) | Principals::Absent => vec![Way::Outright],
            };
            if ways.contains(&Way::Outright) {
                grants.outright = grants.outright.or(applies);
            }
            if ways.contains(&Way::Role) {
                grants.role = grants.role.or(applies);
            }
        }
        grants
    }

    /// Which type of policy withholds: found by asking what it would be with that type out of the way.
    fn missing_in(&self, request: &Request<'_>, oracle: Oracle<'_>) -> Option<PolicyKind> {
        let own = Request { principal: None, ..*request };
        if self.service_control.as_ref().is_some_and(|levels| levels.say(&own, oracle).0 == Truth::False) {
            return Some(PolicyKind::ServiceControl);
        }
        let grants = |layer: &Layer<'p>| {
            !layer.unread.is_empty()
                || layer.policies.iter().any(|named| {
                    let mut allowing = named.document.with_effect(Effect::Allow);
                    allowing.any(|s| s.principals == Principals::Absent && oracle(s, &own) != Truth::False)
                })
        };
        let withheld = self.layers().find(|(_, layer)| !grants(layer)).map(|(kind, _)| kind);
        // Otherwise it is the resource's side, or conditions that no value can meet.
        let own_is_enough = self.accounts == Accounts::Same && !matches!(self.resource, ResourcePolicy::Needed(_));
        withheld.or(Some(if own_is_enough { PolicyKind::Identity } else { PolicyKind::Resource }))
    }

    fn deciding(
        &self,
        request: &Request<'_>,
        verdict: Verdict,
        missing_in: Option<PolicyKind>,
        oracle: Oracle<'_>,
    ) -> Vec<Deciding<'p>> {
        let own = Request { principal: None, ..*request };
        let mut deciding = Vec::new();
        for (kind, named) in self.all() {
            let request = if kind == PolicyKind::Resource { request } else { &own };
            for (index, statement) in named.document.statements.iter().enumerate() {
                let bounded = self.boundary.is_some() && matches!(statement.principals, Principals::IsNot(_));
                let forced = bounded && statement.effect == Effect::Deny;
                let who = if forced { Truth::True } else { statement.principals.apply_to(request.principal) };
                let applies = who.and(oracle(statement, request));
                let counts = match verdict {
                    // What lets everything through explains nothing.
                    Verdict::Allowed => {
                        statement.effect == Effect::Allow
                            && applies != Truth::False
                            && kind != PolicyKind::ServiceControl
                    }
                    Verdict::ExplicitlyDenied => statement.effect == Effect::Deny && applies != Truth::False,
                    Verdict::Unknown => applies == Truth::Unknown,
                    Verdict::ImplicitlyDenied => {
                        Some(kind) == missing_in
                            && statement.effect == Effect::Allow
                            && !statement.actions.negated
                            && statement.actions.apply_to(request.action)
                    }
                };
                if counts {
                    deciding.push(Deciding { kind, policy: named.name, index, statement, applies });
                }
            }
        }
        deciding
    }

    fn not_considered(&self) -> Vec<NotConsidered<'p>> {
        let mut list = vec![NotConsidered::ResourceControlPolicies, NotConsidered::EndpointPolicies];
        match &self.service_control {
            None => list.push(NotConsidered::ServiceControlPolicies),
            Some(levels) => {
                list.extend(levels.unread().map(|name| NotConsidered::Unread(PolicyKind::ServiceControl, name)));
            }
        }
        if matches!(self.resource, ResourcePolicy::Unseen) {
            list.push(NotConsidered::ResourcePolicy);
        }
        for (kind, layer) in self.layers() {
            list.extend(layer.unread.iter().map(|name| NotConsidered::Unread(kind, name)));
        }
        list.sort_unstable();
        list
    }
}

/// How an entry of a resource's policy names who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Outright,
    Role,
    Account,
}

fn names_role(arn: &str) -> bool {
    Arn::parse(arn).is_some_and(|arn| arn.resource.starts_with("role/"))
}

impl Statement {
    /// The keys whose unknown values leave the statement undecided: of conditions as written, of variables in lower case.
    pub fn unknown_keys<'s>(&'s self, request: &Request<'_>) -> Vec<&'s str> {
        let is_open = |key: &str| matches!(request.context.lookup(key), Lookup::Unknown | Lookup::Present);
        let undecided = self.conditions.iter().filter(|condition| condition.holds(request.context) == Truth::Unknown);
        let mut keys = Vec::new();
        for condition in undecided {
            if is_open(&condition.folded_key) {
                keys.push(&*condition.key);
            }
            keys.extend(condition.variables().filter(|key| is_open(key)));
        }
        if self.resources.apply_to(request.resource, request.context) == Truth::Unknown {
            keys.extend(self.resources.variables().filter(|key| is_open(key)));
        }
        sort_keys(&mut keys);
        keys
    }
}

/// Sorts keys, and leaves each once whatever its case.
fn sort_keys(keys: &mut Vec<&str>) {
    keys.sort_unstable_by_key(|key| key.to_ascii_lowercase());
    keys.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
}

impl Document {
    /// The keys that an unknown verdict hangs on, sorted: those of the statements that are undecided.
    pub fn unknown_keys<'d>(&'d self, request: &Request<'_>) -> Vec<&'d str> {
        let undecided = self.statements.iter().filter(|statement| statement.applies(request) == Truth::Unknown);
        let mut keys: Vec<&str> = undecided.flat_map(|statement| statement.unknown_keys(request)).collect();
        sort_keys(&mut keys);
        keys
    }
}
