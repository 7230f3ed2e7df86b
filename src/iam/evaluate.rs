//! The verdict of one document (IAM User Guide, "Policy evaluation logic"): an applicable Deny wins, else an applicable
//! Allow, else nothing is allowed.

use crate::case_analysis::{Asked, Oracle, settle};
use crate::context::Context;
use crate::document::{Document, Effect, Statement};
use crate::principal::Principal;
use crate::truth::Truth;

/// What is asked of a policy.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// `SERVICE:ACTION`; case does not count.
    pub action: &'a str,
    /// The ARN acted on; `None` in a trust policy, where it is the role itself.
    pub resource: Option<&'a str>,
    /// Who asks; `None` where the policy is attached to who asks.
    pub principal: Option<Principal<'a>>,
    /// The condition keys.
    pub context: &'a dyn Context,
}

/// What a document says to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// A statement allows it and none denies it.
    Allowed,
    /// A Deny statement applies.
    ExplicitlyDenied,
    /// No statement allows it.
    ImplicitlyDenied,
    /// It hangs on keys whose values are not known.
    Unknown,
}

impl Document {
    /// The verdict. Allocates nothing where no policy variable is involved.
    pub fn evaluate(&self, request: &Request<'_>) -> Verdict {
        let mut allow = Truth::False;
        let mut deny = Truth::False;
        for statement in &self.statements {
            let so_far = match statement.effect {
                Effect::Allow => &mut allow,
                Effect::Deny => &mut deny,
            };
            if *so_far == Truth::True {
                continue;
            }
            *so_far = so_far.or(statement.applies(request));
            if deny == Truth::True {
                return Verdict::ExplicitlyDenied;
            }
        }
        match (deny, allow) {
            (Truth::True, _) => Verdict::ExplicitlyDenied,
            (_, Truth::False) => Verdict::ImplicitlyDenied,
            (Truth::False, Truth::True) => Verdict::Allowed,
            _ => settle(&[Asked { document: self, request: *request }], &|oracle| self.verdict_by(request, oracle)),
        }
    }

    fn verdict_by(&self, request: &Request<'_>, oracle: Oracle<'_>) -> Verdict {
        if !request.context.spend(self.size()) {
            return Verdict::Unknown;
        }
        let mut allow = false;
        for statement in &self.statements {
            let named = statement.principals.apply_to(request.principal);
            match (named.and(oracle(statement, request)) == Truth::True, statement.effect) {
                (true, Effect::Deny) => return Verdict::ExplicitlyDenied,
                (true, Effect::Allow) => allow = true,
                (false, _) => {}
            }
        }
        if allow { Verdict::Allowed } else { Verdict::ImplicitlyDenied }
    }
}

impl Statement {
    /// Whether the statement applies to the request.
    pub fn applies(&self, request: &Request<'_>) -> Truth {
        if !self.actions.apply_to(request.action) {
            return Truth::False;
        }
        match self.principals.apply_to(request.principal) {
            Truth::False => Truth::False,
            named => named.and(self.covers(request)),
        }
    }

    /// Whether the statement applies on some resource: an Allow on any that it names, a Deny only where it spares none.
    pub(crate) fn covers_some(&self, request: &Request<'_>) -> Truth {
        let on_all = !self.resources.negated && self.resources.apply_to(None, request.context) == Truth::True;
        if !self.actions.apply_to(request.action) || (self.effect == Effect::Deny && !on_all) {
            return Truth::False;
        }
        Truth::all(self.conditions.iter().map(|condition| condition.holds(request.context)))
    }

    /// Whether action, resource and conditions fit the request, for any principal.
    pub fn covers(&self, request: &Request<'_>) -> Truth {
        self.covers_where(request, || self.resources.apply_to(request.resource, request.context))
    }

    /// The same for a request whose resource has wildcards: `True` where the statement covers each resource that it stands
    /// for.
    pub(crate) fn covers_each(&self, request: &Request<'_>) -> Truth {
        self.covers_where(request, || self.applies_to_each(request))
    }

    /// Whether it applies to each resource that the request's own stands for.
    pub(crate) fn applies_to_each(&self, request: &Request<'_>) -> Truth {
        match request.resource {
            Some(resource) => self.resources.apply_to_each(resource, request.context),
            None => self.resources.apply_to(None, request.context),
        }
    }

    fn covers_where(&self, request: &Request<'_>, on_resource: impl FnOnce() -> Truth) -> Truth {
        if !self.actions.apply_to(request.action) {
            return Truth::False;
        }
        let mut truth = on_resource();
        for condition in &self.conditions {
            if truth == Truth::False {
                return truth;
            }
            truth = truth.and(condition.holds(request.context));
        }
        truth
    }
}
