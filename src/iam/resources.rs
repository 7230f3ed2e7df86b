//! Questions about more than one resource: one with wildcards, or none at all (IAM User Guide, "IAM JSON policy elements:
//! Resource").

use std::collections::HashSet;

use crate::case_analysis::Oracle;
use crate::document::{Effect, Statement};
use crate::evaluate::{Request, Verdict};
use crate::exempt::exempt;
use crate::policy_set::{Policies, Ruling};
use crate::truth::Truth;

/// How many patterns it costs to find out whether an action is ever about a resource.
const FITS_PER_PATTERN: usize = 4;
/// Most resources that an action is tried with where none is said.
const MAX_CANDIDATES: usize = 64;

impl<'p> Policies<'p> {
    /// The ruling on a request whose resource has wildcards: allowed where it is on each resource that this stands for,
    /// denied where it is denied on each, else unknown.
    pub fn evaluate_each(&self, request: &Request<'_>) -> Ruling<'p> {
        if let Some(exempt) = exempt(request) {
            return Ruling::without_policies(exempt);
        }
        let each: Oracle<'_> = &|statement, request| statement.covers_each(request);
        let verdict = self.combine(request, each);
        let is_partial = |statement: &Statement| {
            statement.actions.apply_to(request.action)
                && statement.applies_to_each(request) != statement.resources.apply_to(request.resource, request.context)
        };
        // Where every statement applies to all or none, only conditions are open.
        if verdict == Verdict::Unknown && !self.all().any(|(_, named)| named.document.statements.iter().any(is_partial))
        {
            return self.evaluate(request);
        }
        self.rule(request, verdict, each)
    }

    /// The ruling on an action for which no resource is said: whether there is *some* resource that it is allowed on. The
    /// resources that Allow statements name are tried; the request's own is passed over. `fits` says whether the action is
    /// ever about a resource: what a statement grants on others is no answer.
    pub fn evaluate_somewhere(&self, request: &Request<'_>, fits: &dyn Fn(&str) -> bool) -> Ruling<'p> {
        if let Some(exempt) = exempt(request) {
            return Ruling::without_policies(exempt);
        }
        // `fits` is asked of every resource that the policies name.
        if !request.context.spend(self.size().saturating_mul(FITS_PER_PATTERN)) {
            return self.rule(request, Verdict::Unknown, &|_, _| Truth::Unknown);
        }
        let (mut open, mut denied) = (None, None);
        let candidates = self.candidates(request, fits);
        for resource in &candidates {
            let ruling = self.evaluate(&Request { resource: Some(resource), ..*request });
            match ruling.verdict {
                Verdict::Allowed => return ruling,
                Verdict::Unknown => open = open.or(Some(ruling)),
                Verdict::ExplicitlyDenied => denied = denied.or(Some(ruling)),
                Verdict::ImplicitlyDenied => {}
            }
            // What is spent would only be found unknown, candidate by candidate.
            if !request.context.spend(0) {
                break;
            }
        }
        if let Some(ruling) = open {
            return ruling;
        }
        // There are no others where the identity policies spell out every resource.
        let naming = self.identity.policies.iter().flat_map(|named| named.document.with_effect(Effect::Allow));
        let mut naming = naming.filter(|statement| statement.actions.apply_to(request.action)).peekable();
        let spelled_out = naming.peek().is_some()
            && self.identity.unread.is_empty()
            && naming.all(|statement| {
                !statement.resources.negated
                    && !statement.resources.written.iter().any(|written| written.contains(['*', '?', '$']))
            });
        if let Some(ruling) = denied.filter(|_| spelled_out && candidates.len() < MAX_CANDIDATES) {
            return Ruling { is_guess: true, ..ruling };
        }
        // Two patterns may share a resource that neither spells out: denied only where no resource at all could do.
        let is_beside =
            |statement: &Statement| statement.effect == Effect::Allow && statement.resources.fits_none(fits);
        let anywhere: Oracle<'_> = &|statement, request| {
            if is_beside(statement) { Truth::False } else { statement.covers_some(request) }
        };
        let verdict = match self.combine(request, anywhere) {
            Verdict::Allowed => Verdict::Unknown,
            verdict => verdict,
        };
        // AWS's list of what an action is about is not always complete.
        let has_beside = self.all().any(|(_, named)| named.document.statements.iter().any(is_beside));
        let ruling = self.rule(request, verdict, anywhere);
        Ruling { is_guess: has_beside && verdict == Verdict::ImplicitlyDenied, ..ruling }
    }

    /// Resources that the request may be tried with: `*`, and what the Allow statements of its action name.
    fn candidates(&self, request: &Request<'_>, fits: &dyn Fn(&str) -> bool) -> Vec<&'p str> {
        let statements = self.all().flat_map(|(_, named)| &named.document.statements);
        // What a Deny spares is as good a guess as what an Allow names.
        let may_be_open = |s: &&Statement| (s.effect == Effect::Deny) == s.resources.negated;
        let naming = statements.filter(may_be_open).filter(|s| s.actions.apply_to(request.action));
        let named = naming.flat_map(|statement| statement.resources.written.iter().map(|written| &**written));
        let named = named.filter(|written| fits(written));
        let mut known = HashSet::new();
        let distinct = std::iter::once("*").chain(named).filter(|written| known.insert(*written));
        let mut candidates: Vec<&str> = distinct.take(MAX_CANDIDATES).collect();
        candidates.sort_unstable();
        candidates
    }
}
