//! How much is asked of a workload, and what may be done about it.

mod assign;
mod enforce_on;
mod selector;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::assign::{LevelAssignment, LevelRule, NamespacePolicy, PartialPolicy, Resolved, Source, Sourced};
pub use self::enforce_on::EnforceOn;
pub use self::selector::{Operator, Requirement, Selector};

/// How much is asked, as the namespace labels `rolecall.dev/{enforce,warn,audit}` say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Nothing.
    Off,
    /// An identity that is configured must work.
    Chain,
    /// Also: a workload that needs AWS must not end up with the node's role or with nothing.
    Fallback,
    /// Also: every workload has an identity of its own, static keys are refused, likely findings count.
    Strict,
}

impl Level {
    /// The name in labels, flags and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Chain => "chain",
            Self::Fallback => "fallback",
            Self::Strict => "strict",
        }
    }

    /// Reads the name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Off, Self::Chain, Self::Fallback, Self::Strict].into_iter().find(|level| level.name() == name)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The three independent levels of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levels {
    /// Up to this level a certain finding denies.
    pub enforce: Level,
    /// Up to this level a finding is a warning.
    pub warn: Level,
    /// Up to this level a finding is written down.
    pub audit: Level,
}

impl Default for Levels {
    /// Denies nothing, warns of what will surprise, writes everything down.
    fn default() -> Self {
        Self { enforce: Level::Off, warn: Level::Fallback, audit: Level::Strict }
    }
}

/// What the program may do at all; caps every namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Says nothing to the API server and only logs.
    Audit,
    /// Denies nothing: what would be denied is a warning.
    Warn,
    /// Denies where a namespace asks for it.
    Enforce,
}

impl Mode {
    /// The name in flags and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Warn => "warn",
            Self::Enforce => "enforce",
        }
    }
}
