//! Why a document says what it says: each statement, each element, each condition.

use crate::condition::Condition;
use crate::context::{Context, Lookup};
use crate::document::{Document, Effect, Statement};
use crate::evaluate::Request;
use crate::operator::Operator;
use crate::truth::Truth;

/// What a statement makes of a request, element by element.
#[derive(Debug, Clone)]
pub struct StatementReport<'d> {
    /// Place in the document, from 0.
    pub index: usize,
    /// The statement itself.
    pub statement: &'d Statement,
    /// Whether it names who asks.
    pub principal: Truth,
    /// Whether it names the action.
    pub action: Truth,
    /// Whether it names the resource.
    pub resource: Truth,
    /// Every condition, in the order of the document.
    pub conditions: Vec<ConditionReport<'d>>,
}

/// What a condition makes of a request.
#[derive(Debug, Clone)]
pub struct ConditionReport<'d> {
    /// The condition itself.
    pub condition: &'d Condition,
    /// Whether it holds.
    pub holds: Truth,
    /// What the request carries.
    pub found: Found<'d>,
}

/// What a request carries for a key; borrowed from its context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'c> {
    /// It does not carry the key.
    Absent,
    /// It may carry the key: the value is not known.
    Unknown,
    /// Its value or values.
    Values(Values<'c>),
}

/// The values of a key, as a request carries them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values<'c> {
    /// Of a single-valued key.
    One(&'c str),
    /// Of a multivalued key.
    Many(&'c [Box<str>]),
}

impl<'c> Values<'c> {
    /// One after the other.
    pub fn iter(self) -> impl Iterator<Item = &'c str> {
        let (one, many) = match self {
            Self::One(value) => (Some(value), [].as_slice()),
            Self::Many(values) => (None, values),
        };
        one.into_iter().chain(many.iter().map(|value| &**value))
    }
}

impl StatementReport<'_> {
    /// Whether the statement applies.
    pub fn applies(&self) -> Truth {
        let conditions = Truth::all(self.conditions.iter().map(|condition| condition.holds));
        self.principal.and(self.action).and(self.resource).and(conditions)
    }

    /// The conditions that do not hold.
    pub fn failed(&self) -> impl Iterator<Item = &ConditionReport<'_>> {
        self.conditions.iter().filter(|condition| condition.holds == Truth::False)
    }

    /// The conditions that hang on an unknown key.
    pub fn undecided(&self) -> impl Iterator<Item = &ConditionReport<'_>> {
        self.conditions.iter().filter(|condition| condition.holds == Truth::Unknown)
    }
}

impl ConditionReport<'_> {
    /// The operator.
    pub fn operator(&self) -> &Operator {
        &self.condition.operator
    }
}

impl Document {
    /// Every statement's report, in the order of the document. Slower than [`Document::evaluate`]: for a broken chain.
    /// Borrows from the document and from the request's context.
    pub fn explain<'r>(&'r self, request: &Request<'r>) -> Vec<StatementReport<'r>> {
        let reports = self.statements.iter().enumerate().map(|(index, statement)| StatementReport {
            index,
            statement,
            principal: statement.principals.apply_to(request.principal),
            action: statement.actions.apply_to(request.action).into(),
            resource: statement.resources.apply_to(request.resource, request.context),
            conditions: statement.conditions.iter().map(|condition| report(condition, request.context)).collect(),
        });
        reports.collect()
    }

    /// The statements with this effect.
    pub fn with_effect(&self, effect: Effect) -> impl Iterator<Item = &Statement> {
        self.statements.iter().filter(move |statement| statement.effect == effect)
    }
}

fn report<'r>(condition: &'r Condition, context: &'r dyn Context) -> ConditionReport<'r> {
    let found = context.lookup(&condition.folded_key);
    ConditionReport {
        condition,
        holds: condition.holds_given(found, context),
        found: match found {
            Lookup::Absent => Found::Absent,
            Lookup::Unknown | Lookup::Present => Found::Unknown,
            Lookup::One(value) => Found::Values(Values::One(value)),
            Lookup::Many(values) => Found::Values(Values::Many(values)),
        },
    }
}
