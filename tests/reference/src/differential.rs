//! Asks several judges about the same cases, and makes small what they disagree about.

mod classes;
mod judge;
mod shrink;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use classes::{CLASSES, Class, class_of};
pub use judge::{Judge, JudgeError, NodeJudge, ReferenceJudge};

use crate::request::{Case, Decision};

/// A case on which a judge differs from the first judge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Disagreement {
    /// The kind of difference, or none when it is like nothing seen before.
    pub class: Option<String>,
    /// What each judge said.
    pub decisions: BTreeMap<String, Decision>,
    /// The smallest case found on which they still say the same.
    pub case: Case,
    /// The case as it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<Case>,
}

/// Agreement of one judge with the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How often the first judge said this and the other that.
    pub counts: BTreeMap<(Decision, Decision), usize>,
    /// How often the other judge gave no answer.
    pub abstained: usize,
}

impl Tally {
    /// How many answers agree.
    #[must_use]
    pub fn agreed(&self) -> usize {
        self.counts.iter().filter(|((first, other), _)| first == other).map(|(_, count)| count).sum()
    }

    /// How many answers differ.
    #[must_use]
    pub fn differed(&self) -> usize {
        self.counts.iter().filter(|((first, other), _)| first != other).map(|(_, count)| count).sum()
    }
}

/// What a run found, for each judge but the first.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// By the judge's name.
    pub tallies: BTreeMap<String, Tally>,
    /// All differences.
    pub disagreements: Vec<Disagreement>,
}

/// Compares every further judge with the first, which should be the reference. A judge that abstains (by `None`)
/// disagrees with nobody.
///
/// # Errors
///
/// When a judge fails altogether.
pub fn compare(
    first: &mut dyn Judge,
    others: &mut [&mut dyn Judge],
    cases: &[Case],
    report: &mut Report,
) -> Result<(), JudgeError> {
    let expected = first.decide(cases)?;
    for other in others {
        let found = other.decide(cases)?;
        let mut open = Vec::new();
        let tally = report.tallies.entry(other.name().to_owned()).or_default();
        for ((case, expected), found) in cases.iter().zip(&expected).zip(found) {
            match (*expected, found) {
                (Some(expected), Some(found)) => {
                    *tally.counts.entry((expected, found)).or_default() += 1;
                    if expected != found {
                        open.push((case.clone(), expected, found));
                    }
                }
                _ => tally.abstained += 1,
            }
        }
        let small = shrink::shrink(first, *other, &open)?;
        for ((original, expected, found), case) in open.into_iter().zip(small) {
            report.disagreements.push(Disagreement {
                class: class_of(&case, expected, found).map(|class| class.id.to_owned()),
                decisions: [(first.name().to_owned(), expected), (other.name().to_owned(), found)].into(),
                case,
                original: Some(original),
            });
        }
    }
    Ok(())
}
