//! Makes cases: mostly valid policies, and requests that nearly or just about match them.
//!
//! A case is made from its seed and number alone, so that number 17 of seed 3 is the same whatever was made before it.

mod identity;
mod keys;
mod trust;

use fastrand::Rng;
use serde_json::{Map, Value, json};

use crate::request::{Case, Kind};

/// Makes one case. `kind` narrows what is made; without it the numbers take turns.
#[must_use]
pub fn case(seed: u64, number: u64, kind: Option<Kind>) -> Case {
    let mut dice = Dice::new(seed, number);
    let kind = kind.unwrap_or(if number.is_multiple_of(2) { Kind::Trust } else { Kind::Identity });
    let (request, policies) = match kind {
        Kind::Trust => trust::make(&mut dice),
        Kind::Identity => identity::make(&mut dice),
    };
    Case { id: format!("{seed}-{number}"), kind, request, policies }
}

/// Makes a run of cases.
pub fn cases(seed: u64, count: u64, kind: Option<Kind>) -> impl Iterator<Item = Case> {
    (0..count).map(move |number| case(seed, number, kind))
}

/// The source of chance.
struct Dice(Rng);

impl Dice {
    fn new(seed: u64, number: u64) -> Self {
        // Two generators in a row part the streams of neighbouring numbers.
        let mixed = Rng::with_seed(seed).u64(..) ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self(Rng::with_seed(mixed))
    }

    /// True so many times in a hundred.
    fn chance(&mut self, percent: u32) -> bool {
        self.0.u32(..100) < percent
    }

    fn below(&mut self, end: usize) -> usize {
        self.0.usize(..end)
    }

    fn between(&mut self, least: usize, most: usize) -> usize {
        self.0.usize(least..=most)
    }

    /// One of the choices, of which there must be some.
    fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        match choices.get(self.0.usize(..choices.len())) {
            Some(choice) => choice,
            None => unreachable!("the index is below the length"),
        }
    }

    /// One of the choices, as a text of its own.
    fn text(&mut self, choices: &[&str]) -> String {
        (*self.pick(choices)).to_owned()
    }

    /// A single value bare or in brackets, several in brackets.
    fn one_or_list(&mut self, mut values: Vec<Value>) -> Value {
        if values.len() == 1 && self.chance(60) { values.pop().unwrap_or_default() } else { Value::Array(values) }
    }

    /// A text with the case of its letters changed in one of a few ways.
    fn other_case(&mut self, text: &str) -> String {
        match self.below(3) {
            0 => text.to_uppercase(),
            1 => text.to_lowercase(),
            _ => text
                .chars()
                .map(|c| if self.0.bool() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
                .collect(),
        }
    }

    /// A document of these statements. Old versions, and none, are rare.
    fn document(&mut self, statements: Vec<Value>) -> Value {
        let mut document = Map::new();
        match self.below(20) {
            0 => {
                document.insert("Version".into(), json!("2008-10-17"));
            }
            1 => {}
            _ => {
                document.insert("Version".into(), json!("2012-10-17"));
            }
        }
        let statements = self.one_or_list(statements);
        document.insert("Statement".into(), statements);
        Value::Object(document)
    }
}

/// Adds a condition to a block, beside what is there.
fn add_condition(block: &mut Map<String, Value>, operator: &str, key: &str, values: Value) {
    let keys = block.entry(operator).or_insert_with(|| json!({}));
    if let Some(keys) = keys.as_object_mut() {
        keys.insert(key.to_owned(), values);
    }
}
