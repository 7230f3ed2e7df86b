//! Case by case over unknown keys, where Kleene's logic alone stays undecided.
//!
//! `StringEquals k a` in one statement and `StringNotEquals k a` in the next allow together whatever `k` is, and Kleene's
//! logic cannot see it. Here every state that an unknown key can be in (absent, or present with a value that matches this
//! and not that) is tried; only where two states lead to different verdicts is the verdict unknown. States that no value
//! can bring about may be among those tried, never the other way round: a settled verdict is right.

use crate::compare::Operand;
use crate::condition::Condition;
use crate::context::{Context, Lookup};
use crate::document::{Document, Statement};
use crate::evaluate::{Request, Verdict};
use crate::operator::{BaseOperator, SetQualifier};
use crate::truth::Truth;

/// Most states of all unknown keys together that are tried.
const MAX_STATES: usize = 4_096;
/// Most atoms of a key.
const MAX_ATOMS: usize = 10;

/// Something that holds or not of a key's value: it matches one of a condition's values, or (of a condition that compares
/// sets, or with unknown variables) the whole condition holds.
struct Atom<'d> {
    condition: &'d Condition,
    /// Which of its values; `None`: the condition as a whole.
    value: Option<usize>,
}

impl<'d> Atom<'d> {
    fn operand(&self) -> Option<&'d Operand> {
        self.condition.operands.get(self.value?)
    }

    fn folds(&self) -> bool {
        self.condition.operator.base.family() == BaseOperator::StringEqualsIgnoreCase
    }

    fn is_same(&self, condition: &Condition, value: Option<usize>) -> bool {
        match (self.value, value) {
            (None, None) => {
                self.condition.operator.written.eq_ignore_ascii_case(&condition.operator.written)
                    && self.condition.values == condition.values
            }
            (Some(a), Some(b)) => {
                self.condition.operator.base.family() == condition.operator.base.family()
                    && self.condition.operands.get(a) == condition.operands.get(b)
            }
            _ => false,
        }
    }
}

/// An unknown key with what is asked of it.
struct Unknown<'d> {
    key: &'d str,
    may_be_absent: bool,
    atoms: Vec<Atom<'d>>,
}

/// Absent, or present with those atoms true whose bits are set.
type State = Option<u32>;

/// A document with what it is asked.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'d, 'r> {
    pub(crate) document: &'d Document,
    pub(crate) request: Request<'r>,
}

/// Says of a statement whether it applies to a request.
pub(crate) type Oracle<'o> = &'o dyn Fn(&Statement, &Request<'_>) -> Truth;

/// Tries every state of the unknown keys of all documents together; `Unknown` where two disagree or there are too many.
/// `combine` draws the verdict from what an oracle says of each statement.
pub(crate) fn settle(asked: &[Asked<'_, '_>], combine: &dyn Fn(Oracle<'_>) -> Verdict) -> Verdict {
    let Some(context) = asked.first().map(|first| first.request.context) else {
        return Verdict::Unknown;
    };
    let Some(unknowns) = unknowns(asked) else {
        return Verdict::Unknown;
    };
    let mut states: Vec<Vec<State>> = Vec::with_capacity(unknowns.len());
    let mut total = 1;
    for unknown in &unknowns {
        let of_key = unknown.states(context);
        total *= of_key.len();
        if total > MAX_STATES {
            return Verdict::Unknown;
        }
        states.push(of_key);
    }
    let mut agreed: Option<Verdict> = None;
    for index in 0..total {
        let mut rest = index;
        let chosen: Vec<State> = states
            .iter()
            .map(|states| {
                let state = states.get(rest % states.len()).copied().flatten();
                rest /= states.len();
                state
            })
            .collect();
        let verdict = combine(&|statement, request| applies_in(statement, request, &unknowns, &chosen).into());
        agreed = Some(match agreed {
            _ if verdict == Verdict::Unknown => return Verdict::Unknown,
            None => verdict,
            Some(before) if before == verdict => before,
            Some(before) if before != Verdict::Allowed && verdict != Verdict::Allowed => Verdict::ImplicitlyDenied,
            Some(_) => return Verdict::Unknown,
        });
    }
    agreed.unwrap_or(Verdict::Unknown)
}

/// The unknown keys of all undecided conditions; `None` where something else than a condition is unknown.
fn unknowns<'d>(asked: &[Asked<'d, '_>]) -> Option<Vec<Unknown<'d>>> {
    let mut unknowns: Vec<Unknown<'_>> = Vec::new();
    let asked = asked.iter().flat_map(|asked| asked.document.statements.iter().map(|s| (s, &asked.request)));
    for (statement, request) in asked.filter(|(statement, request)| statement.actions.apply_to(request.action)) {
        if statement.resources.apply_to(request.resource, request.context) == Truth::Unknown {
            return None;
        }
        for condition in statement.conditions.iter().filter(|c| c.holds(request.context) == Truth::Unknown) {
            let may_be_absent = match request.context.lookup(&condition.folded_key) {
                Lookup::Unknown => true,
                Lookup::Absent | Lookup::Present | Lookup::One(_) | Lookup::Many(_) => false,
            };
            let at = match unknowns.iter().position(|unknown| *unknown.key == *condition.folded_key) {
                Some(at) => at,
                None => {
                    unknowns.push(Unknown { key: &condition.folded_key, may_be_absent, atoms: Vec::new() });
                    unknowns.len() - 1
                }
            };
            let unknown = unknowns.get_mut(at)?;
            if condition.operator.base == BaseOperator::Null {
                continue;
            }
            let values = if is_whole(condition, request.context) {
                vec![None]
            } else {
                // What cannot be read as a value of its operator matches nothing.
                let usable =
                    condition.operands.iter().enumerate().filter(|(_, operand)| **operand != Operand::Unusable);
                usable.map(|(index, _)| Some(index)).collect()
            };
            for value in values {
                if !unknown.atoms.iter().any(|atom| atom.is_same(condition, value)) {
                    unknown.atoms.push(Atom { condition, value });
                }
            }
            if unknown.atoms.len() > MAX_ATOMS {
                return None;
            }
        }
    }
    (!unknowns.is_empty()).then_some(unknowns)
}

/// Whether a statement applies where the unknown keys are in those states. Who asks is the caller's business.
fn applies_in(statement: &Statement, request: &Request<'_>, unknowns: &[Unknown<'_>], chosen: &[State]) -> bool {
    statement.actions.apply_to(request.action)
        && statement.resources.apply_to(request.resource, request.context) == Truth::True
        && statement.conditions.iter().all(|condition| match condition.holds(request.context) {
            Truth::True => true,
            Truth::False => false,
            Truth::Unknown => {
                let mut pairs = unknowns.iter().zip(chosen);
                pairs
                    .find(|(unknown, _)| *unknown.key == *condition.folded_key)
                    .is_some_and(|(unknown, state)| unknown.holds(condition, *state))
            }
        })
}

/// A condition that cannot be taken apart by its values: it compares sets, or rests on unknown variables, or its key is
/// known and only the variables are not.
fn is_whole(condition: &Condition, context: &dyn Context) -> bool {
    condition.operator.set != SetQualifier::None
        || condition.operands.iter().any(Operand::has_variables)
        || !matches!(context.lookup(&condition.folded_key), Lookup::Unknown | Lookup::Present)
}

/// Most letters of a text whose spellings in either case are all tried.
const MAX_LETTERS: usize = 6;

impl Unknown<'_> {
    /// The states that the key can be in, and perhaps some more.
    fn states(&self, context: &dyn Context) -> Vec<State> {
        let mut present: Vec<u32> = match self.samples() {
            // An order has few places to be in: before, on and after each value.
            Some(samples) => samples.iter().map(|sample| self.bits(sample, context)).collect(),
            None => {
                let named = self.named_texts();
                let named = named.iter().map(|text| self.bits(text, context));
                named
                    .flat_map(|bits| self.spread(bits, |atom| atom.operand().is_none()))
                    .chain(self.unnamed())
                    .collect()
            }
        };
        present.sort_unstable();
        present.dedup();
        self.may_be_absent.then_some(None).into_iter().chain(present.into_iter().map(Some)).collect()
    }

    /// The texts that the conditions name, in every spelling where case does not count: each settles all comparisons.
    fn named_texts(&self) -> Vec<String> {
        self.atoms
            .iter()
            .filter_map(|atom| Some((atom.operand()?.exact_text()?, atom.folds())))
            .flat_map(|(text, folds)| if folds { spellings(text) } else { vec![text.to_owned()] })
            .collect()
    }

    /// States of a value that is none of the named texts: any patterns may match it.
    fn unnamed(&self) -> Vec<u32> {
        let is_open = |atom: &Atom<'_>| match atom.operand() {
            None => true,
            Some(Operand::Unusable) => false,
            Some(operand) => match operand.exact_text() {
                Some(text) => atom.folds() && spellings(text).is_empty(),
                None => !operand.matches_everything(),
            },
        };
        let everything = |atom: &Atom<'_>| atom.operand().is_some_and(Operand::matches_everything);
        self.spread(self.mask(everything), is_open)
    }

    /// A state in all its variants, in which those atoms may be true or false.
    fn spread(&self, bits: u32, is_open: impl Fn(&Atom<'_>) -> bool) -> Vec<u32> {
        let open = self.mask(is_open);
        let subsets = std::iter::successors(Some(open), |subset| (*subset != 0).then(|| (subset - 1) & open));
        subsets.map(|subset| (bits & !open) | subset).collect()
    }

    fn mask(&self, is_meant: impl Fn(&Atom<'_>) -> bool) -> u32 {
        self.atoms.iter().enumerate().filter(|(_, atom)| is_meant(atom)).fold(0, |bits, (index, _)| bits | 1 << index)
    }

    /// What a value matches.
    fn bits(&self, value: &str, context: &dyn Context) -> u32 {
        self.mask(|atom| {
            let operator = atom.condition.operator.base;
            atom.operand().is_some_and(|operand| operand.matches(operator, value, context) == Truth::True)
        })
    }

    /// Values that stand for all, where every atom compares numbers or truth values.
    fn samples(&self) -> Option<Vec<String>> {
        let mut samples = vec!["?".to_owned()];
        for atom in &self.atoms {
            match atom.operand()? {
                Operand::Number(number) => {
                    samples.extend([*number, number.next_up(), number.next_down()].map(|sample| sample.to_string()));
                }
                Operand::Bool(_) => samples.extend(["true", "false"].map(str::to_owned)),
                Operand::Unusable => {}
                _ => return None,
            }
        }
        Some(samples)
    }

    fn holds(&self, condition: &Condition, state: State) -> bool {
        let operator = &condition.operator;
        if operator.base == BaseOperator::Null {
            let wanted = |absent: bool| condition.operands.contains(&Operand::Bool(absent));
            return wanted(state.is_none());
        }
        let Some(bits) = state else {
            return condition.holds_when_absent();
        };
        let is_true = |value: Option<usize>| {
            self.atoms
                .iter()
                .position(|atom| atom.is_same(condition, value))
                .is_some_and(|index| bits & (1 << index) != 0)
        };
        if self.atoms.iter().any(|atom| atom.is_same(condition, None)) {
            return is_true(None);
        }
        let matched = (0..condition.operands.len()).any(|value| is_true(Some(value)));
        matched != operator.base.is_negated()
    }
}

/// A text in every spelling of its letters; none where they are too many, or not of ASCII.
fn spellings(text: &str) -> Vec<String> {
    if !text.is_ascii() || text.chars().filter(char::is_ascii_alphabetic).count() > MAX_LETTERS {
        return Vec::new();
    }
    text.chars().fold(vec![String::new()], |spelled, c| {
        let cases =
            if c.is_ascii_alphabetic() { vec![c.to_ascii_lowercase(), c.to_ascii_uppercase()] } else { vec![c] };
        spelled.iter().flat_map(|start| cases.iter().map(move |c| format!("{start}{c}"))).collect()
    })
}

#[cfg(test)]
mod tests {
    use crate::context::MapContext;
    use crate::document::Document;
    use crate::evaluate::{Request, Verdict};

    fn verdict(conditions: &[(&str, &str)]) -> Verdict {
        let statements: Vec<String> = conditions
            .iter()
            .map(|(effect, condition)| format!(r#"{{"Effect":"{effect}","Action":"*","Condition":{condition}}}"#))
            .collect();
        let document = Document::parse(&format!(r#"{{"Statement":[{}]}}"#, statements.join(","))).unwrap();
        let context = MapContext::new().unknown_by_default();
        document.evaluate(&Request { action: "s:A", resource: None, principal: None, context: &context })
    }

    #[test]
    fn halves_that_cover_everything() {
        let both = [("Allow", r#"{"StringEquals":{"k":"a"}}"#), ("Allow", r#"{"StringNotEquals":{"k":"a"}}"#)];
        assert_eq!(verdict(&both), Verdict::Allowed);
        assert_eq!(verdict(&both[..1]), Verdict::Unknown);
        let order =
            [("Allow", r#"{"NumericLessThan":{"k":5}}"#), ("Allow", r#"{"NumericGreaterThanEquals":{"k":"5"}}"#)];
        assert_eq!(verdict(&order), Verdict::Unknown, "the key may be absent, or no number");
        let null = [("Allow", r#"{"Null":{"k":"true"}}"#), ("Allow", r#"{"Null":{"k":false}}"#)];
        assert_eq!(verdict(&null), Verdict::Allowed);
    }

    #[test]
    fn contradictions() {
        let two = r#"{"StringEquals":{"k":"a"},"StringLike":{"k":"b*"}}"#;
        assert_eq!(verdict(&[("Allow", two)]), Verdict::ImplicitlyDenied);
        let apart = r#"{"NumericLessThan":{"k":1},"NumericGreaterThan":{"k":2}}"#;
        assert_eq!(verdict(&[("Allow", apart)]), Verdict::ImplicitlyDenied);
        // Values that are no numbers match nothing, however many they are.
        let unusable =
            r#"{"NumericEquals":{"k":[1,"a","b","c","d","e"]},"NumericLessThan":{"k":[1,"a","b","c","d","e"]}}"#;
        assert_eq!(verdict(&[("Allow", unusable)]), Verdict::ImplicitlyDenied);
    }
}
