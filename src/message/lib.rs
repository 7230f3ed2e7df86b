//! How findings read: as denials, warnings and notes; and fixes as a sentence, as commands, as Terraform.
//!
//! The core returns data; every text that a person reads of a finding's fix comes from here, whatever shows it: an admission
//! response, an Event, a report or a log. Values come into commands through [`shell::Command`], which quotes each.

mod finding;
pub mod fix;
pub mod shell;

pub use finding::{Warning, denial, headline, note, warnings};
