//! Service and resource control policies of AWS Organizations (Organizations User Guide, "SCP evaluation", "RCP evaluation").
//!
//! They are attached to the root, to organizational units and to accounts. What is allowed must be allowed at every level
//! from the root to the account, by any policy of that level; a Deny at any level wins.

use crate::case_analysis::{Asked, Oracle, settle};
use crate::document::{Document, Effect};
use crate::evaluate::{Request, Verdict};
use crate::policy_set::{Layer, Named};
use crate::principal::Principals;
use crate::truth::Truth;

/// The service control policies that bear on an account.
#[derive(Debug, Clone)]
pub enum Levels<'p> {
    /// By what they are attached to. Empty: none bear on it, as on a management account.
    Known(Vec<Layer<'p>>),
    /// At which level each is attached was not read.
    Unknown(Layer<'p>),
}

impl<'p> Levels<'p> {
    fn layers(&self) -> &[Layer<'p>] {
        match self {
            Self::Known(layers) => layers,
            Self::Unknown(layer) => std::slice::from_ref(layer),
        }
    }

    /// All policies, each once.
    pub(crate) fn policies(&self) -> impl Iterator<Item = Named<'p>> {
        let mut seen: Vec<Named<'p>> = Vec::new();
        for named in self.layers().iter().flat_map(|layer| &layer.policies) {
            if !seen.iter().any(|other| std::ptr::eq(other.document, named.document)) {
                seen.push(*named);
            }
        }
        seen.into_iter()
    }

    /// Names of those that were not read.
    pub(crate) fn unread(&self) -> impl Iterator<Item = &'p str> {
        self.layers().iter().flat_map(|layer| layer.unread.iter().copied())
    }

    /// What they allow and deny.
    pub(crate) fn say(&self, request: &Request<'_>, oracle: Oracle<'_>) -> (Truth, Truth) {
        let of = |document: &Document, effect: Effect| {
            let statements =
                document.with_effect(effect).filter(|statement| statement.principals == Principals::Absent);
            Truth::any(statements.map(|statement| oracle(statement, request)))
        };
        let unread = |layer: &Layer<'_>| if layer.unread.is_empty() { Truth::False } else { Truth::Unknown };
        let mut denies = Truth::False;
        for layer in self.layers() {
            denies = denies.or(unread(layer));
            denies = denies.or(Truth::any(layer.policies.iter().map(|named| of(named.document, Effect::Deny))));
        }
        // Policies that only deny are attached beside one that allows: by themselves they would let nothing through.
        let granting = |layer: &Layer<'p>| {
            let policies = layer.policies.iter().map(|named| named.document);
            let granting = policies.filter(|document| document.with_effect(Effect::Allow).next().is_some());
            granting.map(|document| of(document, Effect::Allow)).collect::<Vec<_>>()
        };
        let allows = match self {
            Self::Known(layers) => Truth::all(layers.iter().map(|layer| match granting(layer).as_slice() {
                [] => Truth::Unknown,
                allows => Truth::any(allows.iter().copied()).or(unread(layer)),
            })),
            Self::Unknown(layer) if layer.policies.is_empty() && layer.unread.is_empty() => Truth::True,
            // Each may be the only one of its level.
            Self::Unknown(layer) => {
                let allows = granting(layer);
                let all = |truth: Truth| allows.iter().all(|allow| *allow == truth);
                match unread(layer) {
                    _ if allows.is_empty() => Truth::Unknown,
                    Truth::False if all(Truth::True) => Truth::True,
                    Truth::False if all(Truth::False) => Truth::False,
                    _ => Truth::Unknown,
                }
            }
        };
        (allows, denies)
    }
}

/// Whether a statement of one of these documents denies a request, whatever else allows it. Of resource control policies
/// nothing else counts: the one that allows everything is always attached.
pub fn denied_by<'d>(documents: &[&'d Document], request: &Request<'_>) -> Truth {
    let size = documents.iter().map(|document| document.size()).sum();
    let denies = |oracle: Oracle<'_>| {
        if !request.context.spend(size) {
            return Verdict::Unknown;
        }
        let statements = documents.iter().flat_map(|document| document.with_effect(Effect::Deny));
        let applying = statements.map(|statement| {
            // A resource control policy may leave its Principal away: it names everyone.
            let who = match &statement.principals {
                Principals::Absent => Truth::True,
                principals => principals.apply_to(request.principal),
            };
            who.and(oracle(statement, request))
        });
        match Truth::any(applying) {
            Truth::True => Verdict::ExplicitlyDenied,
            Truth::False => Verdict::Allowed,
            Truth::Unknown => Verdict::Unknown,
        }
    };
    let asked: Vec<Asked<'d, '_>> = documents.iter().map(|document| Asked { document, request: *request }).collect();
    let verdict = match denies(&|statement, request| statement.covers(request)) {
        Verdict::Unknown => settle(&asked, &denies),
        verdict => verdict,
    };
    match verdict {
        Verdict::ExplicitlyDenied => Truth::True,
        Verdict::Unknown => Truth::Unknown,
        Verdict::Allowed | Verdict::ImplicitlyDenied => Truth::False,
    }
}
