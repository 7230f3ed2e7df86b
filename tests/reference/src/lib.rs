//! A second opinion on IAM policies: a plain, slow, two-valued evaluator written from AWS's documents alone.
//!
//! It shares no code and no reading with `rolecall-iam`. It clones, recurses and looks everything up again, so that
//! each rule stands in one place and can be held against the sentence it comes from. Where the documents are silent or
//! contradict one another, the comment says so with the word *Choice*; `tests/differential/TRIAGE.md` lists the choices.
//!
//! The documents are those of the *IAM User Guide*: «IAM JSON policy elements» (`Version`, `Effect`, `Principal`,
//! `NotPrincipal`, `Action`, `Resource`, `Condition`, condition operators, variables), «Single-valued vs. multivalued
//! context keys», «Conditions with multiple context keys or values», «Policy evaluation logic».
#![forbid(unsafe_code)]

mod compare;
mod condition;
pub mod differential;
mod document;
mod evaluate;
pub mod generate;
mod principal;
mod request;
mod text;

pub use evaluate::{evaluate, evaluate_document};
pub use request::{Case, ContextValue, Decision, Kind, Policies, Principal, Request};
