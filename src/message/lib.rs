//! How findings read: as denials, warnings and notes; and fixes as a sentence, as commands, as Terraform.
//!
//! The core returns data; every text that a person reads of a finding comes from here, whatever shows it: an admission
//! response, an Event, a report or a log. Values come into commands through [`shell::Command`], which quotes each.

mod cause;
pub mod components;
mod evidence;
mod finding;
pub mod fix;
mod hint;
mod names;
pub mod permission;
pub mod shell;

pub use cause::message;
pub use evidence::{label, value};
pub use finding::{Warning, denial, evidence, headline, note, sentence, warnings};
pub use hint::{hint, hint_line};
pub use names::count;
